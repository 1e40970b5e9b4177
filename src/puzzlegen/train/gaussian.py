"""Gaussians that a sampler's steps lead to, and their densities; needs no torch to be imported."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Reduction = Literal["mean", "sum", "rsqrt"]
"""How the D generated elements of a clip make one number.

"mean", as in all published code: the ratio of policies is the D-th root of the true one, so that a clip of epsilon
allows epsilon * D nats. "sum": the true one. "rsqrt", sum / sqrt(D): its informative part, sum(z dmu) / (s sqrt(D)),
has the standard deviation rms(dmu) / s at every resolution; its bias -sqrt(D) rms(dmu)^2 / (2 s^2) has not, see
`objective.RatioNorm`.
"""


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Where a step leads: independent normal elements of one standard deviation. Frame 0 is given and never counts."""

    mean_BCTHW: Tensor
    """float32."""
    std: float

    def sample(self, noise_BCTHW: Tensor) -> Tensor:
        """The outcome for this standard normal noise."""
        return self.mean_BCTHW + self.std * noise_BCTHW

    def log_prob(self, x_BCTHW: Tensor, reduction: Reduction = "mean") -> Tensor:
        """Log-density of an outcome, float64 [B]. The Gaussian must not be a point.

        In float64, for what counts are differences of 1e-6 between numbers of about 1.
        """
        assert self.std > 0, "a step without noise has no density"
        z = (generated(x_BCTHW) - generated(self.mean_BCTHW)) / self.std
        return reduced(-0.5 * z.square() - (math.log(self.std) + 0.5 * math.log(2 * math.pi)), reduction)

    def kl(self, other: Gaussian, reduction: Reduction = "mean") -> Tensor:
        """Kullback-Leibler divergence to one of the same std, reduce((mu - mu')^2) / (2 s^2): float64 [B]."""
        assert self.std == other.std > 0, "of steps by the same kernel"
        drift = (generated(self.mean_BCTHW) - generated(other.mean_BCTHW)) / self.std
        return reduced(0.5 * drift.square(), reduction)


def generated(x_BCTHW: Tensor) -> Tensor:
    """All but the first frame, [B, D] in float64; taken first, for what is in frame 0 may be no number."""
    return x_BCTHW[:, :, 1:].flatten(1).double()


def reduced(values_BD: Tensor, reduction: Reduction) -> Tensor:
    """One number for each clip [B]."""
    count = values_BD.shape[1]
    divisors = {"mean": count, "sum": 1, "rsqrt": math.sqrt(count)}
    return values_BD.sum(1) / divisors[reduction]

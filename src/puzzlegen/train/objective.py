"""The objective of GRPO: the clipped ratio of policies, step by step, and what evens steps out.

    r = exp(log p - log p_old),  loss = max(-A r, -A clip(r, 1 - epsilon, 1 + epsilon)) + beta KL(p || p_ref)

averaged over members and trained steps (PPO, arXiv:1707.06347). At p = p_old its gradient is that of -mean(A log p).
With z the noise of the rollout and dmu what the mean has moved since, log p - log p_old is

    reduce(z dmu) / s - reduce(dmu^2) / (2 s^2)

where the second part is a bias: ratios of a policy that has moved are below 1 in the mean (GRPO-Guard,
arXiv:2510.22319).

In place of z there may be z0 - z0^, what the clip z0 has of what the policy did not expect. To first order that is
J s z with the Jacobian J of the rest of the sampler, the covariance of clips that the latents leave possible, but for a
positive factor. So the gradient is multiplied by a matrix without negative eigenvalues, and what later steps take away
again, most of the noise, adds nothing to it but chance.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch import Tensor

from puzzlegen.train.kernels import Kernel
from puzzlegen.train.reinforcement import RatioNorm

_LARGEST = 20.0
"""Of a log ratio: beyond, with the reduction "sum", its exponential would be infinite and a gradient of 0 no number."""


def log_ratio(
    logp_B: Tensor, logp_old_B: Tensor, *, norm: RatioNorm = "none", drift_B: Tensor | None = None, std: float = 1.0
) -> Tensor:
    """What the ratio is the exponential of, float64 [B].

    Args:
        logp_B: log-density of the rollout's step under the policy.
        logp_old_B: the same under the policy of the rollout.
        norm: what is done about the bias.
        drift_B: `kl` between the two in the same reduction, with its gradient; for norms other than "none".
        std: of the step; for "guard".
    """
    difference = logp_B - logp_old_B
    if norm == "none":
        return difference
    assert drift_B is not None, f"the norm {norm!r} needs the old means"
    centered = difference + drift_B
    return centered * std if norm == "guard" else centered


def clipped_losses(log_ratio_B: Tensor, advantage_B: Tensor, clip: float) -> Tensor:
    """The loss of each member at a step; 0 is its gradient where the ratio is past `clip` on the advantage's side."""
    ratio = log_ratio_B.clamp(-_LARGEST, _LARGEST).exp()
    advantage = advantage_B.to(ratio)
    return torch.maximum(-advantage * ratio, -advantage * ratio.clamp(1 - clip, 1 + clip))


def step_scales(
    kernel: Kernel, sigmas: Iterable[float], window: range, *, norm: RatioNorm = "none"
) -> dict[int, float]:
    """Factors for the losses of a window's steps, by step, with mean 1, after which all push the velocity alike.

    The gradient of a step's log-density by the velocity grows with |dmu/dv| / s, or |dmu/dv| for "guard": forty times
    from the first step of 16 to the last but one. Its inverse is the equaliser of SAGE-GRPO and of flow_grpo's loss.

    Args:
        kernel: of the steps.
        sigmas: the sampler's noise levels.
        window: the trained steps.
        norm: of the ratio.
    """
    levels = [*pairwise(sigmas)]
    steps = {number: kernel.step(*levels[number]) for number in window}
    inverse = {n: 1 / (abs(step.velocity) if norm == "guard" else step.sensitivity) for n, step in steps.items()}
    total = sum(inverse.values())
    return {number: value * len(inverse) / total for number, value in inverse.items()}

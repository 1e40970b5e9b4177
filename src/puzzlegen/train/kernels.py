"""Transition kernels: one step of a sampler, from noise level t = sigma to t' = sigma_next < t, as a Gaussian.

    x' = mu + s z,  z ~ N(0, 1),  mu = a x + b v

A kernel is three numbers a, b, s for each step; v is the model's velocity, noise - z0. With dt = t' - t < 0, the clip
and the noise that the velocity points to are z0^ = x - t v and e^ = x + (1 - t) v; the score is -e^ / t. Two families:

    Euler-Maruyama steps of dx = (v + g^2 / (2t) e^) dt + g dW:   mu = x + (v + g^2 / (2t) e^) dt,   s = g sqrt(-dt)
    steps that keep the coefficients of z0^ and e^:               mu = (1 - t') z0^ + sqrt(t'^2 - s^2) e^

The SDE has the marginals of the ODE for every g (Flow-GRPO, arXiv:2505.05470), in the limit of small steps. The last
step, t' = 0, is for the ODE: there s is 0, or it is noise that nothing takes away.

Left out: the kernel of SAGE-GRPO, whose variance is negative for fine grids, and vbvr-rl's "flowgrpo", which is none.
Needs no torch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from puzzlegen.train.configs import require
from puzzlegen.train.gaussian import Gaussian

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class Step:
    """The numbers of x' = state * x + velocity * v + std * z."""

    state: float
    velocity: float
    std: float

    @property
    def sensitivity(self) -> float:
        """How many standard deviations a velocity changed by 1 moves the mean, |dmu/dv| / s."""
        return abs(self.velocity) / self.std


class Kernel(ABC):
    """How a sampler steps."""

    __slots__ = ()
    preserves_marginals: ClassVar[bool]
    """Whether, in the limit of small steps, latents are distributed as the ODE's at every level below 0.95."""

    @abstractmethod
    def step(self, sigma: float, sigma_next: float) -> Step:
        """From one noise level in (0, 1] to a lower one."""

    def __call__(self, x_BCTHW: Tensor, velocity_BCTHW: Tensor, sigma: float, sigma_next: float) -> Gaussian:
        """The outcome for these float32 latents and the model's velocity there."""
        step = self.step(sigma, sigma_next)
        return Gaussian(step.state * x_BCTHW + step.velocity * velocity_BCTHW, step.std)


def _euler_maruyama(g2: float, sigma: float, sigma_next: float) -> Step:
    dt = sigma_next - sigma
    return Step(1 + g2 / (2 * sigma) * dt, (1 + g2 / (2 * sigma) * (1 - sigma)) * dt, math.sqrt(-g2 * dt))


def _keeping_coefficients(std: float, noise: float, sigma: float, sigma_next: float) -> Step:
    """`noise` is the coefficient of e^."""
    return Step(1 - sigma_next + noise, noise * (1 - sigma) - (1 - sigma_next) * sigma, std)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ode(Kernel):
    """Euler's step, without noise."""

    kind: Literal["ode"] = "ode"
    preserves_marginals: ClassVar[bool] = True

    def step(self, sigma: float, sigma_next: float) -> Step:
        """See `Kernel`."""
        return Step(1.0, sigma_next - sigma, 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow(Kernel):
    """Flow-GRPO's SDE: g = eta sqrt(t / (1 - t)); of 1 - t at t = 1, the next level's is taken.

    So the std of the first step is eta, whatever the grid, and latents are too noisy near t = 1, by 5 % for eta 0.7
    even with 10,000 steps; the excess is gone below 0.95. github.com/yifan123/flow_grpo, sd3_sde_with_logprob.py.
    """

    kind: Literal["flow"] = "flow"
    eta: float = 0.7
    """Size of the noise."""
    preserves_marginals: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self.eta >= 0, "kernel.eta", "0 or more")

    def step(self, sigma: float, sigma_next: float) -> Step:
        """See `Kernel`."""
        below = 1 - (sigma_next if sigma == 1 else sigma)
        return _euler_maruyama(self.eta**2 * sigma / below, sigma, sigma_next)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dance(Kernel):
    """DanceGRPO's SDE: g = eta. Its noise is small while steps are, as early ones under a shift.

    github.com/XueZeyue/DanceGRPO, train_grpo_skyreels_i2v.py (eta 0.25 to 0.3, there for steps down to the end).
    """

    kind: Literal["dance"] = "dance"
    eta: float = 0.3
    """Size of the noise; about 1 or more for a window of early steps."""
    preserves_marginals: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self.eta >= 0, "kernel.eta", "0 or more")

    def step(self, sigma: float, sigma_next: float) -> Step:
        """See `Kernel`."""
        return _euler_maruyama(self.eta**2, sigma, sigma_next)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cps(Kernel):
    """Coefficients-preserving sampling (Flow-CPS): s = t' sin(eta pi / 2).

    Never adds visible noise, but variance shrinks at every step however small steps are. flow_grpo's branch "cps".
    """

    kind: Literal["cps"] = "cps"
    eta: float = 0.7
    """Size of the noise, 0 to 1."""
    preserves_marginals: ClassVar[bool] = False

    def __post_init__(self) -> None:
        require(0 <= self.eta <= 1, "kernel.eta", "in [0, 1]")

    def step(self, sigma: float, sigma_next: float) -> Step:
        """See `Kernel`."""
        angle = self.eta * math.pi / 2
        return _keeping_coefficients(sigma_next * math.sin(angle), sigma_next * math.cos(angle), sigma, sigma_next)


@dataclass(frozen=True, slots=True, kw_only=True)
class Xflow(Kernel):
    """Flow-GRPO's SDE solved exactly while z0^ stands still: the noise e^ is an Ornstein-Uhlenbeck process.

    de = g^2 / (2 t^2) e dt + g / t dW gives s = t' sqrt(1 - exp(-L)), with L = int g^2 / t^2 dt = eta^2 (logit t -
    logit t'), and e^ the coefficient t' exp(-L / 2). At t = 1, where L has no limit, it is eta^2: what `Flow`'s rate
    there comes to for a fine grid, -eta^2 log(t') / (1 - t'). Latents stay where the model knows them, never noisier.
    """

    kind: Literal["xflow"] = "xflow"
    eta: float = 0.7
    """Size of the noise."""
    preserves_marginals: ClassVar[bool] = True

    def __post_init__(self) -> None:
        require(self.eta >= 0, "kernel.eta", "0 or more")

    def step(self, sigma: float, sigma_next: float) -> Step:
        """See `Kernel`."""
        if sigma_next == 0:
            return _keeping_coefficients(0.0, 0.0, sigma, sigma_next)
        length = self.eta**2 * (1.0 if sigma == 1 else _logit(sigma) - _logit(sigma_next))
        noise = sigma_next * math.exp(-length / 2)
        return _keeping_coefficients(sigma_next * math.sqrt(-math.expm1(-length)), noise, sigma, sigma_next)


def _logit(sigma: float) -> float:
    return math.log(sigma / (1 - sigma))


StochasticKernel = Flow | Dance | Cps | Xflow
"""Which kernel explores, told by `kind`."""

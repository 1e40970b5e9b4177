"""Rollouts: clips sampled with noise in a window of steps, and what training needs to know of these steps.

Outside the window steps are `sample_ode`'s. The grid need not be the policy's: fewer levels after the window cost less.
A step is done again, for its gradient, by the same call on the same tensors; in micro-batches of the rollout's size the
ratio of policies is then exactly 1 before the first update.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from puzzlegen.train.conditioning import Condition, pin_first_frame
from puzzlegen.train.gaussian import Gaussian, Reduction, generated, reduced
from puzzlegen.train.kernels import Kernel
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.randomness import Key, normal
from puzzlegen.train.sampling import sample_ode


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Sampled clips, and the window's steps."""

    z_BCTHW: Tensor
    """Latents of the clips, float32."""
    states: tuple[Tensor, ...]
    """Latents float32 [B, C, T, H, W] before the window's first step and after each."""
    logp_Bk: Tensor
    """Log-density of each of these steps, float64."""
    means: tuple[Tensor, ...]
    """Means of these steps, if they were asked for."""
    window: range
    sigmas: tuple[float, ...]
    """The sampler's noise levels."""
    kernel: Kernel
    reduction: Reduction
    """Of all log-densities."""

    def logp_old(self, step: int) -> Tensor:
        """Log-density of a step of the window when it was made, float64 [B]."""
        return self.logp_Bk[:, self.window.index(step)]

    def logp(self, step: int, transition: Gaussian) -> Tensor:
        """Log-density of the step under another Gaussian, such as `retrace` gives: float64 [B]."""
        return transition.log_prob(self.states[self.window.index(step) + 1], self.reduction)

    def drift(self, step: int, transition: Gaussian) -> Tensor:
        """`kl` of that Gaussian to the one that the step was drawn from, float64 [B]; needs `means`."""
        return transition.kl(Gaussian(self.means[self.window.index(step)], transition.std), self.reduction)

    def credit(self, step: int, transition: Gaussian) -> Tensor:
        """How far that Gaussian has moved towards what became of the step, float64 [B]; needs `means`.

        reduce((z0 - z0^) dmu) / s, where z0 is the clip, and z0^ what the policy of the rollout expected before the
        step. With the step's noise z in place of the difference it is the log ratio without its bias.
        """
        place = self.window.index(step)
        before, mean, sigma = self.states[place], self.means[place], self.sigmas[step]
        numbers = self.kernel.step(sigma, self.sigmas[step + 1])
        velocity_BCTHW = (mean - numbers.state * before) / numbers.velocity
        outcome_BCTHW = self.z_BCTHW - (before - sigma * velocity_BCTHW)
        moved_BCTHW = (transition.mean_BCTHW - mean) / transition.std
        return reduced(generated(outcome_BCTHW) * generated(moved_BCTHW), self.reduction)


@torch.no_grad()
def rollout(
    policy: VideoPolicy,
    condition: Condition,
    noise_BCTHW: Tensor,
    sigmas: Tensor,
    kernel: Kernel,
    window: range,
    keys: Sequence[Key],
    *,
    reduction: Reduction = "mean",
    keep_means: bool = False,
    alike: Sequence[int] | None = None,
) -> Rollout:
    """Sample clips.

    Args:
        policy: the model.
        condition: the clips' first frames and texts.
        noise_BCTHW: where to start from, on the policy's device.
        sigmas: noise levels [num_steps + 1] from 1 down to 0.
        kernel: of the window's steps.
        window: steps in a row, without the last.
        keys: of each clip; its noise at each step follows from it.
        reduction: of log-densities.
        keep_means: keep the means of the window's steps too, for norms of the ratio and as a measure of drift.
        alike: for each clip the number of the first one with the same condition and the same noise to start from;
            before the window those are sampled once.
    """
    assert window.step == 1 and window.start >= 0 and window.stop < len(sigmas) - 1
    x = _before_window(policy, condition, noise_BCTHW, sigmas[: window.start + 1], alike or range(len(noise_BCTHW)))
    levels, states, logps, means = tuple(sigmas.tolist()), [x], [], []
    for step in window:
        transition = _transition(policy, condition, x, kernel, levels[step], levels[step + 1])
        drawn = transition.sample(normal([("sde", step, *key) for key in keys], x.shape[1:]).to(x.device))
        x = pin_first_frame(drawn, condition)
        states.append(x)
        logps.append(transition.log_prob(x, reduction))
        means.append(transition.mean_BCTHW)
    return Rollout(
        z_BCTHW=sample_ode(policy, condition, x, sigmas[window.stop :]),
        states=tuple(states) if window else (),
        logp_Bk=torch.stack(logps, 1) if logps else x.new_zeros(len(x), 0, dtype=torch.float64),
        means=tuple(means) if keep_means else (),
        window=window,
        sigmas=levels,
        kernel=kernel,
        reduction=reduction,
    )


def _before_window(
    policy: VideoPolicy, condition: Condition, noise_BCTHW: Tensor, sigmas: Tensor, alike: Sequence[int]
) -> Tensor:
    """Latents at the last of these levels."""
    firsts = sorted(set(alike))
    sampled = sample_ode(policy, condition.rows(firsts), noise_BCTHW[firsts], sigmas)
    return sampled[[firsts.index(first) for first in alike]]


def retrace(policy: VideoPolicy, condition: Condition, made: Rollout, step: int) -> Gaussian:
    """Where the policy, as it is now, leads from the latents before a step of the window; with gradients.

    Inside `policy.reference()` it is where the reference leads, whose `kl` is the penalty.
    """
    before = made.states[made.window.index(step)]
    return _transition(policy, condition, before, made.kernel, made.sigmas[step], made.sigmas[step + 1])


def _transition(
    policy: VideoPolicy, condition: Condition, x_BCTHW: Tensor, kernel: Kernel, sigma: float, sigma_next: float
) -> Gaussian:
    sigma_B = torch.full((len(x_BCTHW),), sigma, dtype=torch.float64, device=x_BCTHW.device)
    velocity_BCTHW = policy.velocity(x_BCTHW, sigma_B, condition).float()
    return kernel(x_BCTHW, velocity_BCTHW, sigma, sigma_next)

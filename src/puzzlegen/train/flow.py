"""Flow matching: the straight path from clip to noise, the loss of its velocity, and how noise levels are drawn.

    x_sigma = (1 - sigma) * z + sigma * noise,  velocity = noise - z,  t = 1000 * sigma
    loss = w(sigma) * mean over latent frames 1.. of (model - velocity)^2

as in DiffSynth-Studio (loss.py, flow_match.py). Latent frame 0 is given, so it is no part of the loss. Left out:
DiffSynth's rounding of sigma to 1000 levels and of t to bfloat16, and one level shared by a batch.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from statistics import NormalDist

import torch
from torch import Tensor

from puzzlegen.train.conditioning import Condition
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.randomness import Key, normal, uniform
from puzzlegen.train.runs import TimeSampling, Weighting
from puzzlegen.train.schedule import NUM_TRAIN_TIMESTEPS, shifted


def interpolate(z_BCTHW: Tensor, noise_BCTHW: Tensor, sigma_B: Tensor) -> Tensor:
    """The latents on their way to noise, in the latents' type."""
    sigma = sigma_B.to(z_BCTHW)[:, None, None, None, None]
    return (1 - sigma) * z_BCTHW + sigma * noise_BCTHW


def target_velocity(z_BCTHW: Tensor, noise_BCTHW: Tensor) -> Tensor:
    """The derivative of the path by sigma, which a model learns."""
    return noise_BCTHW - z_BCTHW


def draw_sigmas(keys: Sequence[Key], shift: float, sampling: TimeSampling = "uniform") -> Tensor:
    """A noise level for each key, float64 [B] in (0, 1].

    "uniform" spreads u evenly, "logit_normal" draws logit(u) ~ N(0, 1); both are then shifted as the sampler's grid is.
    """
    u = 1 - uniform([("sigma", *key) for key in keys])  # in (0, 1], as no loss is defined at 0
    if sampling == "logit_normal":
        inside = u.clamp(2.0**-53, 1 - 2.0**-53).tolist()
        u = torch.sigmoid(torch.tensor([NormalDist().inv_cdf(value) for value in inside], dtype=torch.float64))
    return shifted(u, shift)


def draw_noise(keys: Sequence[Key], shape_CTHW: Sequence[int]) -> Tensor:
    """Noise for each key, float32 [B, C, T, H, W] on the CPU; its stream is not the one of the key's noise level."""
    return normal([("noise", *key) for key in keys], shape_CTHW)


def loss_weights(sigma_B: Tensor, shift: float, weighting: Weighting = "bsmntw") -> Tensor:
    """Weights of the losses at these levels, float64 [B].

    "bsmntw" is a bell about sigma = 0.5, less its value at 1, with mean 1 over the 1000 levels of the shifted grid.
    """
    if weighting == "none":
        return torch.ones_like(sigma_B, dtype=torch.float64)
    return (_bell(sigma_B.double()) - math.exp(-0.5)) / _mean_bell(shift)


def _bell(sigma: Tensor) -> Tensor:
    return torch.exp(-2 * (sigma - 0.5) ** 2)


@functools.lru_cache(maxsize=16)
def _mean_bell(shift: float) -> float:
    """The mean of the bell, less its foot, over the levels that uniform sampling stands for."""
    u = 1 - torch.arange(NUM_TRAIN_TIMESTEPS, dtype=torch.float64) / NUM_TRAIN_TIMESTEPS
    return float((_bell(shifted(u, shift)) - math.exp(-0.5)).mean())


def flow_losses(
    policy: VideoPolicy, z_BCTHW: Tensor, condition: Condition, sigma_B: Tensor, noise_BCTHW: Tensor
) -> Tensor:
    """The unweighted loss of each clip, float32 [B], over latent frames 1 to the last.

    Args:
        policy: the model.
        z_BCTHW: latents of the clips.
        condition: their first frames and texts.
        sigma_B: noise levels, float64.
        noise_BCTHW: noise on the latents' device.
    """
    velocity = policy.velocity(interpolate(z_BCTHW, noise_BCTHW, sigma_B), sigma_B, condition)
    error = velocity.float() - target_velocity(z_BCTHW, noise_BCTHW)
    return error[:, :, 1:].square().mean(dim=(1, 2, 3, 4))


@torch.no_grad()
def losses_by_sigma(
    policy: VideoPolicy, z_BCTHW: Tensor, condition: Condition, keys: Sequence[Key], sigmas: Sequence[float]
) -> Tensor:
    """The unweighted loss of each clip at each of these levels, float32 [len(sigmas), B], with noise fixed by its key.

    With the same keys at every evaluation, a change of these numbers is a change of the model.
    """
    noise = draw_noise(keys, z_BCTHW.shape[1:]).to(z_BCTHW.device)
    levels = torch.tensor(sigmas, dtype=torch.float64, device=z_BCTHW.device)
    return torch.stack([flow_losses(policy, z_BCTHW, condition, s.expand(len(keys)), noise) for s in levels])

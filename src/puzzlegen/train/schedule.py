"""The grid of noise levels: `sigma = shift * u / (1 + (shift - 1) * u)` of u = 1, ..., 1/N, 0.

It is the grid of diffusers' FlowMatchEulerDiscreteScheduler for `sigmas=linspace(1, 0, N + 1)[:-1]`. Its
`set_timesteps(N)` without sigmas is left out: that shifts the smallest sigma twice. Levels are float64 and times
float32, for a time in bfloat16 is off by up to two of its thousand units.
"""

from __future__ import annotations

import torch
from torch import Tensor

NUM_TRAIN_TIMESTEPS = 1000
"""What the models call the time of pure noise."""


def shifted(u: Tensor, shift: float) -> Tensor:
    """The noise levels of u in [0, 1]; shift > 1 moves them towards noise. Same shape and type as u."""
    return shift * u / (1 + (shift - 1) * u)


def sigma_grid(num_steps: int, shift: float) -> Tensor:
    """The levels of a sampler with `num_steps` steps: float64 [num_steps + 1], falling from 1 to 0."""
    assert num_steps > 0 and shift > 0
    return shifted(torch.linspace(1, 0, num_steps + 1, dtype=torch.float64), shift)


def timesteps(sigma: Tensor) -> Tensor:
    """The times that a model is given for these levels: 1000 * sigma, rounded once, to float32."""
    return (NUM_TRAIN_TIMESTEPS * sigma.double()).float()

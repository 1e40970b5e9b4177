"""Sampling clips: Euler steps of the flow's ODE, dx = velocity d sigma, down a grid of noise levels.

Equal to the last bit to diffusers' WanImageToVideoPipeline with FlowMatchEulerDiscreteScheduler on the same grid.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor

from puzzlegen.train.conditioning import Condition, pin_first_frame
from puzzlegen.train.policy import VideoPolicy


@torch.no_grad()
def sample_ode(policy: VideoPolicy, condition: Condition, noise_BCTHW: Tensor, sigmas: Tensor) -> Tensor:
    """Latents of clips, float32 [B, C, T, H, W]; frame 0 is the condition's after every step.

    Args:
        policy: the model.
        condition: the clips' first frames and texts.
        noise_BCTHW: where to start from, on the policy's device.
        sigmas: noise levels [num_steps + 1] from 1 down to 0.
    """
    x = pin_first_frame(noise_BCTHW.float(), condition)
    for sigma, following in pairwise(sigmas.tolist()):
        sigma_B = torch.full((len(x),), sigma, dtype=torch.float64, device=x.device)
        x = x + (following - sigma) * policy.velocity(x, sigma_B, condition).float()
        x = pin_first_frame(x, condition)
    return x

"""Conditioning on the first frame and a text, in training and sampling alike.

Latent frame 0 is always clean: it is the condition's and its tokens have time 0 ("expand_timesteps" of Wan2.2-TI2V).
What a model says of it is used nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from puzzlegen.train.schedule import timesteps


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """What the clips of a batch are conditioned on."""

    first_BC1HW: Tensor
    """Latents of the first frames, float32."""
    text_BLD: Tensor
    """Embedded texts."""

    def rows(self, chosen: Sequence[int]) -> Condition:
        """Those of some of the clips."""
        return Condition(first_BC1HW=self.first_BC1HW[chosen], text_BLD=self.text_BLD[chosen])


def pin_first_frame(x_BCTHW: Tensor, condition: Condition) -> Tensor:
    """The latents with the condition's in place of frame 0."""
    return torch.cat((condition.first_BC1HW.to(x_BCTHW.dtype), x_BCTHW[:, :, 1:]), dim=2)


def token_timesteps(sigma_B: Tensor, num_frames: int, tokens_per_frame: int) -> Tensor:
    """The time of each token, float32 [B, num_frames * tokens_per_frame]: 0 in latent frame 0."""
    time_B1 = timesteps(sigma_B)[:, None]
    clean = time_B1.new_zeros(len(sigma_B), tokens_per_frame)
    return torch.cat((clean, time_B1.expand(-1, (num_frames - 1) * tokens_per_frame)), dim=1)

"""Video codecs: uint8 clips to the latents that models work on, and back.

Clips are uint8 [B, T, H, W, 3], latents float32 [B, C, T', H', W'] about [-1, 1]. All codecs are causal: the first
latent frame depends on the first frame alone, so one encoding of a clip gives both the target and the condition.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cached_property
from typing import Protocol

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from puzzlegen.train.shape import check_size

LatentShape = tuple[int, int, int, int]
"""(channels, frames, height, width)."""


class VideoCodec(Protocol):
    """Encodes clips as latents and decodes them."""

    @property
    def fingerprint(self) -> str:
        """Differs between codecs that give different latents: part of the key of cached ones."""

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """Of a clip of this size in pixels. Raises InvalidInput for a size that cannot be encoded."""

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Latents of uint8 clips."""

    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """Clips uint8 [B, T, H, W, 3] of latents."""


class PixelCodec:
    """Lossless: the pixels of a patch become channels, and with temporal 4 so do four frames.

    With temporal 4 the first frame stands alone, four times over, as in Wan's codec; decoding takes the four's mean.
    """

    def __init__(self, patch: int = 2, temporal: int = 1, *, patches_per_token: int = 1) -> None:
        """Sides must be multiples of patch * patches_per_token; `temporal` is 1 or 4 frames."""
        assert patch > 0 and temporal in (1, 4)
        self.patch, self.temporal, self.side = patch, temporal, patch * patches_per_token

    @property
    def fingerprint(self) -> str:
        """The two numbers that the latents depend on."""
        return f"pixels-{self.patch}-{self.temporal}"

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """(3 * temporal * patch^2, frames, height / patch, width / patch)."""
        check_size(num_frames, height, width, self.temporal, self.side)
        frames = (num_frames - 1) // self.temporal + 1
        return 3 * self.temporal * self.patch**2, frames, height // self.patch, width // self.patch

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Latents of uint8 clips; channels are (frame, color, row, column in the patch)."""
        self.latent_shape(*frames_BTHWC.shape[1:4])
        x = to_unit(frames_BTHWC)
        x = torch.cat((x[:, :, :1].expand(-1, -1, self.temporal - 1, -1, -1), x), dim=2)
        batch, _, frames, height, width = x.shape
        t, p = self.temporal, self.patch
        x = x.reshape(batch, 3, frames // t, t, height // p, p, width // p, p)  # B color T frame H row W column
        return x.permute(0, 3, 1, 5, 7, 2, 4, 6).flatten(1, 4)

    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """Clips of latents; exact for those of clips, rounded and clipped for any others."""
        batch, _, *grid = z_BCTHW.shape
        x = z_BCTHW.float().reshape(batch, self.temporal, 3, self.patch, self.patch, *grid)
        x = x.permute(0, 2, 5, 1, 6, 3, 7, 4).flatten(6, 7).flatten(4, 5).flatten(2, 3)
        first = x[:, :, : self.temporal].mean(dim=2, keepdim=True)
        return to_bytes(torch.cat((first, x[:, :, self.temporal :]), dim=2))


class WanVaeCodec:
    """Wan's causal video autoencoder, its latents normalised channel by channel; always the mode, never a sample.

    The autoencoder keeps state while it runs: one thread at a time.
    """

    def __init__(self, vae: AutoencoderKLWan, *, patches_per_token: int = 2) -> None:
        """Sides must be multiples of the autoencoder's stride times `patches_per_token`: 32 for Wan2.2-TI2V-5B."""
        self.vae = vae.requires_grad_(False).eval()
        self.temporal, self.stride = int(vae.config.scale_factor_temporal), int(vae.config.scale_factor_spatial)
        self.side = self.stride * patches_per_token

    @cached_property
    def fingerprint(self) -> str:
        """Of configuration and weights; reads all weights once."""
        config = {key: value for key, value in self.vae.config.items() if not key.startswith("_")}
        return f"wan-{digest_of(self.vae.state_dict(), json.dumps(config, sort_keys=True, default=list))}"

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """(z_dim, (frames - 1) / 4 + 1, height / stride, width / stride)."""
        check_size(num_frames, height, width, self.temporal, self.side)
        frames = (num_frames - 1) // self.temporal + 1
        return int(self.vae.config.z_dim), frames, height // self.stride, width // self.stride

    @torch.no_grad()
    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Latents of uint8 clips."""
        self.latent_shape(*frames_BTHWC.shape[1:4])
        x = to_unit(frames_BTHWC.to(self.vae.device)).to(self.vae.dtype)
        mean, inverse_std = self._moments
        z: Tensor = self.vae.encode(x).latent_dist.mode().float()
        return (z - mean) * inverse_std

    @torch.no_grad()
    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """Clips of latents."""
        mean, inverse_std = self._moments
        z = (z_BCTHW.to(self.vae.device).float() / inverse_std + mean).to(self.vae.dtype)
        return to_bytes(self.vae.decode(z).sample)

    @property
    def _moments(self) -> tuple[Tensor, Tensor]:
        """Mean and 1 / std of the channels, float32 [C, 1, 1, 1]; 1 / std because diffusers' pipelines round so."""
        config, device = self.vae.config, self.vae.device
        mean = torch.tensor(config.latents_mean, device=device)[:, None, None, None]
        return mean, 1.0 / torch.tensor(config.latents_std, device=device)[:, None, None, None]


def to_unit(frames_BTHWC: Tensor) -> Tensor:
    """uint8 clips as float32 [B, 3, T, H, W] in [-1, 1], with the roundings of diffusers' image processor."""
    assert frames_BTHWC.dtype == torch.uint8 and frames_BTHWC.ndim == 5 and frames_BTHWC.shape[-1] == 3
    return 2.0 * (frames_BTHWC.permute(0, 4, 1, 2, 3).float() / 255.0) - 1.0


def to_bytes(x_BCTHW: Tensor) -> Tensor:
    """The inverse of `to_unit`; values outside [-1, 1] are clipped."""
    unit = (x_BCTHW.float() * 0.5 + 0.5).clamp(0, 1)
    return (unit * 255).round().to(torch.uint8).permute(0, 2, 3, 4, 1).contiguous()


def digest_of(tensors: Mapping[str, Tensor], configuration: str) -> str:
    """16 hexadecimal digits that differ when a tensor's name, type or bytes differ, or the configuration."""
    hasher = hashlib.sha256(configuration.encode())
    for name, tensor in sorted(tensors.items()):
        hasher.update(f"{name}:{tensor.dtype}".encode())
        hasher.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return hasher.hexdigest()[:16]

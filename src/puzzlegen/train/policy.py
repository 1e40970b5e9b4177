"""What the trainers know of a model: latents in, velocities out. Which model it is, an adapter decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from torch import Tensor, nn

from puzzlegen.train.components import ComponentsCodec
from puzzlegen.train.conditioning import Condition
from puzzlegen.train.configs import ModelConfig, WanModel
from puzzlegen.train.latents import LatentShape, VideoCodec


class VideoPolicy(Protocol):
    """A video model that continues a first frame."""

    codec: VideoCodec
    """Between clips and latents."""
    text_column: str
    """The column of a dataset whose values are this model's texts."""

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """Of the latents of clips of this size in pixels. Raises InvalidInput for a size the model cannot take."""

    def check_texts(self, texts: Iterable[str]) -> None:
        """Raises InvalidInput for a text that the model does not know."""

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Latents float32 [B, C, T', H', W'] of uint8 clips. Raises InvalidInput for a size the model cannot take."""

    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """Clips uint8 [B, T, H, W, 3] of latents."""

    def condition(self, texts: Sequence[str], first_BHWC: Tensor) -> Condition:
        """To continue these uint8 first frames. Raises InvalidInput for a text that the model does not know."""

    def condition_latents(self, texts: Sequence[str], first_BC1HW: Tensor) -> Condition:
        """The same for first frames that are encoded already, such as z[:, :, :1]."""

    def velocity(self, x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        """The flow's velocity at these noise levels, float32 [B, C, T', H', W']; without meaning in latent frame 0."""

    def sigmas(self, num_steps: int) -> Tensor:
        """The sampler's noise levels, float64 [num_steps + 1]."""

    @property
    def module(self) -> nn.Module:
        """All that has weights: what DDP wraps."""

    def trainable(self) -> dict[str, nn.Parameter]:
        """The trained weights by name, float32, in a fixed order."""

    def remember(self) -> None:
        """Keep the trained weights as they are now, for `reference`; before they are shared by processes."""

    def reference(self) -> AbstractContextManager[None]:
        """Inside, the model is as it was when told to `remember`; without gradients."""

    def shard(self) -> None:
        """Keep only a part of the weights on each process, joined layer by layer when needed (FSDP2)."""

    def compile(self) -> None:
        """Compile the layers that repeat."""

    def save(self, folder: Path, values: Mapping[str, Tensor] | None = None) -> None:
        """Write the trained weights so that others can load them too; `values` in their place if given, by name."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote. Raises InvalidInput if it is not there or of another model."""


def open_policy(
    config: ModelConfig,
    texts: Mapping[str, Tensor] | None = None,
    *,
    codec: ComponentsCodec | None = None,
    device: str = "cpu",
) -> VideoPolicy:
    """The model that a configuration describes.

    Args:
        config: which one, and how large.
        texts: embeddings [L, D] of prompts, for models that read texts.
        codec: for toy models with `channels`, fitted to the clips of the run.
        device: where the model is to be.
    """
    if isinstance(config, WanModel):
        from puzzlegen.train.adapters.wan import open_wan

        return open_wan(config, texts or {}, device=device)
    from puzzlegen.train.adapters.toy import new_toy

    return new_toy(config, codec=codec, device=device)

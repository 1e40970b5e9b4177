"""What a training run is told about its model, each field with its meaning; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from puzzlegen.errors import InvalidInput

ATTENTION_AND_FEED_FORWARD = ("to_q", "to_k", "to_v", "to_out.0", "ffn.net.0.proj", "ffn.net.2")
"""Linear layers of all blocks of Wan's transformer."""


def require(holds: bool, where: str, what: str) -> None:
    """Raises InvalidInput that says what a field must be."""
    if not holds:
        raise InvalidInput(f"{where} must be {what}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lora:
    """Low-rank adapters, the rest of the model frozen. False if there are none, so that all weights are trained."""

    rank: int = 64
    """Columns of each adapter; 0 for no adapters."""
    alpha: float = 64.0
    """Adapters are scaled by alpha / rank."""
    targets: tuple[str, ...] = ATTENTION_AND_FEED_FORWARD
    """Endings of the names of the layers that get one."""

    def __post_init__(self) -> None:
        require(self.rank >= 0, "lora.rank", "0 or more")
        require(self.alpha > 0, "lora.alpha", "positive")
        require(len(self.targets) > 0, "lora.targets", "at least one name of a layer")

    def __bool__(self) -> bool:
        return self.rank > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WanModel:
    """A text- and image-to-video model of Wan2.2-TI2V's kind, in diffusers' layout."""

    kind: Literal["wan"] = "wan"
    path: str = "Wan-AI/Wan2.2-TI2V-5B-Diffusers"
    """A folder with `transformer` and `vae`, or the name of a model on the Hugging Face hub."""
    lora: Lora = Lora()
    """Of rank 0 all weights of the transformer are trained."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of matrix products. Trained weights are float32 always, and so is time."""
    shift: float = 5.0
    """Of the sampler's noise levels."""
    text_length: int = 512
    """Tokens of a text; shorter ones are followed by zeros, which the model attends to."""
    checkpointing: bool = False
    """Compute activations again in the backward pass: a third more time, a fraction of the memory."""
    seed: int = 0
    """Of the adapters' first values."""

    def __post_init__(self) -> None:
        require(self.precision in ("bf16", "fp32"), "model.precision", "'bf16' or 'fp32'")
        require(self.shift > 0, "model.shift", "positive")
        require(self.text_length > 0, "model.text_length", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToyModel:
    """A small transformer of Wan's kind on pixels, from random weights, for CPUs."""

    kind: Literal["toy"] = "toy"
    labels: tuple[str, ...]
    """The tasks; each has a learned embedding in place of a text."""
    patch: int = 2
    """Pixels of a latent's side."""
    temporal: Literal[1, 4] = 1
    """Frames of a latent frame."""
    channels: int = 0
    """Principal components of a patch that a fitted codec keeps; 0 keeps all pixels and loses nothing."""
    token: int = 1
    """Latents of a token's side."""
    layers: int = 4
    """Transformer blocks."""
    heads: int = 4
    """Attention heads."""
    head_dim: int = 24
    """Width of a head; even, and at least 6, or rows and columns get no position."""
    ffn_dim: int = 256
    """Width of the feed-forward layers."""
    shift: float = 3.0
    """Of the sampler's noise levels."""
    precision: Literal["bf16", "fp32"] = "fp32"
    """Of matrix products. Weights are float32, and so is time."""
    checkpointing: bool = False
    """Compute activations again in the backward pass."""
    lora: Lora = Lora(rank=0)
    """Of rank 0 all weights are trained."""
    seed: int = 0
    """Of the first weights."""

    def __post_init__(self) -> None:
        require(len(set(self.labels)) == len(self.labels) > 0, "model.labels", "different names, at least one")
        require(self.temporal in (1, 4), "model.temporal", "1 or 4")
        most = 3 * self.temporal * self.patch**2
        require(0 <= self.channels <= most, "model.channels", f"0 to {most}, the pixel values of a patch")
        for name in ("patch", "token", "layers", "heads", "ffn_dim"):
            require(getattr(self, name) > 0, f"model.{name}", "positive")
        require(self.head_dim % 2 == 0 and self.head_dim >= 6, "model.head_dim", "even and at least 6")
        require(self.shift > 0, "model.shift", "positive")


ModelConfig = WanModel | ToyModel
"""Which adapter, told by `kind`."""

"""Wan's transformer and autoencoder in numbers: layers, weights, and the work of a pass; needs no torch.

A product of [n, k] and [k, m] counts 2nkm floating-point operations, and all else nothing, as in torch's
FlopCounterMode. Attention counts 4 * queries * keys * width forward and 2.5 times that backward, where flash kernels
compute the scores again. Left out: image embedders of Wan2.1, which the trainer does not take.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from puzzlegen.errors import InvalidInput
from puzzlegen.train.configs import Lora, ToyModel, WanModel
from puzzlegen.train.shape import Shape

TOY_TEXT_DIM, TOY_FREQ_DIM = 32, 64
"""Widths of a toy's embedded label and time."""

_VAE_PARAMETERS = 704_688_668
_VAE_ENCODE = (4.65e6, 13.972e6)
_VAE_DECODE = (22.8e6, 73.58e6)
"""FLOP a pixel of Wan2.2's autoencoder: of the first frame, and of each four frames after it (FlopCounterMode)."""


class Linear(NamedTuple):
    """A layer that multiplies by a matrix."""

    name: str
    """As diffusers has it, within the model or a block."""
    inputs: int
    outputs: int
    rows: int
    """Tokens of a clip that pass it."""
    stream: Literal["video", "time", "text"]
    """Whose gradient flows into it."""


class Branch(NamedTuple):
    """A residual part of a block: layers side by side, attention to so many `keys` (0: none), and a layer after it."""

    entry: tuple[Linear, ...]
    keys: int
    exit: Linear


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """Sizes of a model of Wan's kind."""

    layers: int
    """Transformer blocks."""
    width: int
    """Heads times the width of a head."""
    ffn: int
    """Width of the feed-forward layers."""
    channels: int
    """Of latents."""
    token: int
    """Latents of a token's side."""
    text_dim: int
    """Width of an embedded text."""
    text_length: int
    """Its tokens, padding included."""
    freq_dim: int
    """Width of the embedded time."""
    stride: int
    """Pixels of a latent's side."""
    temporal: int
    """Frames of a latent frame."""
    labels: int = 0
    """Texts that are learned with the model."""
    wan_vae: bool = True
    """Whether the codec is Wan2.2's autoencoder; others are taken to cost nothing."""

    @classmethod
    def of(cls, model: WanModel | ToyModel) -> Architecture:
        """Of a configured model. Raises InvalidInput for a Wan model that is neither the default nor a folder's."""
        if isinstance(model, ToyModel):
            return cls(
                layers=model.layers,
                width=model.heads * model.head_dim,
                ffn=model.ffn_dim,
                channels=model.channels or 3 * model.temporal * model.patch**2,
                token=model.token,
                text_dim=TOY_TEXT_DIM,
                text_length=1,
                freq_dim=TOY_FREQ_DIM,
                stride=model.patch,
                temporal=model.temporal,
                labels=len(model.labels),
                wan_vae=False,
            )
        if Path(model.path).is_dir():
            return cls._read(Path(model.path), model.text_length)
        if model.path != WanModel().path:
            raise InvalidInput(f"The sizes of {model.path} are not known here. Download it and name its folder.")
        return cls(
            layers=30,
            width=24 * 128,
            ffn=14336,
            channels=48,
            token=2,
            text_dim=4096,
            text_length=model.text_length,
            freq_dim=256,
            stride=16,
            temporal=4,
        )

    @classmethod
    def _read(cls, folder: Path, text_length: int) -> Architecture:
        transformer, vae = read_config(folder / "transformer"), read_config(folder / "vae")
        try:
            return cls(
                layers=transformer["num_layers"],
                width=transformer["num_attention_heads"] * transformer["attention_head_dim"],
                ffn=transformer["ffn_dim"],
                channels=transformer["in_channels"],
                token=transformer["patch_size"][1],
                text_dim=transformer["text_dim"],
                text_length=text_length,
                freq_dim=transformer["freq_dim"],
                stride=vae["scale_factor_spatial"],
                temporal=vae["scale_factor_temporal"],
                wan_vae=(vae["base_dim"], vae["decoder_base_dim"]) == (160, 256),
            )
        except KeyError as error:
            raise InvalidInput(f"{folder} is no Wan model: its config.json lacks {error}. Name another.") from error

    def shape(self, width: int, height: int, num_frames: int) -> Shape:
        """Of clips of this size. Raises InvalidInput if the model does not take it."""
        return Shape(
            width=width,
            height=height,
            num_frames=num_frames,
            stride=self.stride,
            temporal=self.temporal,
            token=self.token,
            channels=self.channels,
        )

    def parameters(self) -> int:
        """All weights of the transformer and of learned texts."""
        norms_and_tables = 12 * self.width * self.layers + 2 * self.width
        matrices = sum((layer.inputs + 1) * layer.outputs for _, layer in self.linears())
        return matrices + norms_and_tables + self.labels * self.text_dim

    def adapter_parameters(self, lora: Lora) -> int:
        """Weights of the adapters. Raises InvalidInput if no layer has one."""
        count = sum(
            lora.rank * (layer.inputs + layer.outputs) for name, layer in self.linears() if has_adapter(lora, name)
        )
        if not count:
            raise InvalidInput(f"lora.targets: no layer's name ends in {', '.join(lora.targets)}. Name others.")
        return count

    def attention_flops(self, tokens: int) -> int:
        """Of all attention of a forward pass, without the layers around it."""
        return sum(4 * tokens * branch.keys * self.width for branch in self._block(tokens)) * self.layers

    def forward_flops(self, tokens: int, lora: Lora | None = None) -> int:
        """Of one clip of so many tokens."""
        products = sum(_forward(layer, lora, name) for name, layer in self.linears(tokens))
        return products + self.attention_flops(tokens)

    def recompute_flops(self, tokens: int, lora: Lora | None = None) -> int:
        """Of a forward pass through the blocks alone, which checkpointing adds."""
        blocks = ((name, layer) for name, layer in self.linears(tokens) if name.startswith("blocks."))
        return sum(_forward(layer, lora, name) for name, layer in blocks) + self.attention_flops(tokens)

    def backward_flops(self, tokens: int, lora: Lora | None = None) -> int:
        """Of the gradients of one clip: of all weights, or of adapters, which is also where gradients stop."""
        work = 0
        flows = {"video": False, "time": False, "text": lora is None and self.labels > 0}

        def through(prefix: str, layers: tuple[Linear, ...], into: Mapping[str, bool]) -> bool:
            """Adds the gradients of layers side by side; True if they pass one on."""
            nonlocal work
            passed = False
            for layer in layers:
                adapted = lora is not None and has_adapter(lora, prefix + layer.name)
                work += _backward(layer, into[layer.stream], lora, adapted)
                passed |= into[layer.stream] or lora is None or adapted
            return passed

        patches, *embedders = self._embedders(tokens)
        flows["video"] = through("", (patches,), flows)
        for layer in embedders:
            flows[layer.stream] = through("", (layer,), flows)
        flows["video"] |= flows["time"]  # norms and gates
        for number in range(self.layers):
            for branch in self._block(tokens):
                inside = through(f"blocks.{number}.", branch.entry, flows)
                work += inside * 10 * tokens * branch.keys * self.width
                flows["video"] |= through(f"blocks.{number}.", (branch.exit,), {"video": inside})
        through("", (self._head(tokens),), flows)
        return work

    def encode_flops(self, shape: Shape) -> float:
        """Estimate for the autoencoder, of one clip."""
        return self._vae_flops(shape, _VAE_ENCODE)

    def decode_flops(self, shape: Shape) -> float:
        """Estimate for the autoencoder, of one clip."""
        return self._vae_flops(shape, _VAE_DECODE)

    def codec_parameters(self) -> int:
        """Weights of the autoencoder."""
        return _VAE_PARAMETERS if self.wan_vae else 0

    def linears(self, tokens: int = 0) -> Iterator[tuple[str, Linear]]:
        """All layers with their names in the model."""
        for layer in (*self._embedders(tokens), self._head(tokens)):
            yield layer.name, layer
        for number in range(self.layers):
            for branch in self._block(tokens):
                for layer in (*branch.entry, branch.exit):
                    yield f"blocks.{number}.{layer.name}", layer

    def _block(self, tokens: int) -> tuple[Branch, ...]:
        """Self-attention, attention to the text, and feed-forward layers."""
        width, ffn, text = self.width, self.ffn, self.text_length
        own = tuple(Linear(f"attn1.to_{name}", width, width, tokens, "video") for name in "qkv")
        query = Linear("attn2.to_q", width, width, tokens, "video")
        read = tuple(Linear(f"attn2.to_{name}", width, width, text, "text") for name in "kv")
        return (
            Branch(own, tokens, Linear("attn1.to_out.0", width, width, tokens, "video")),
            Branch((query, *read), text, Linear("attn2.to_out.0", width, width, tokens, "video")),
            Branch(
                (Linear("ffn.net.0.proj", width, ffn, tokens, "video"),),
                0,
                Linear("ffn.net.2", ffn, width, tokens, "video"),
            ),
        )

    def _embedders(self, tokens: int) -> tuple[Linear, ...]:
        """In the order in which gradients would flow, patches first."""
        width, text, name = self.width, self.text_length, "condition_embedder"
        return (
            Linear("patch_embedding", self.channels * self.token**2, width, tokens, "video"),
            Linear(f"{name}.time_embedder.linear_1", self.freq_dim, width, tokens, "time"),
            Linear(f"{name}.time_embedder.linear_2", width, width, tokens, "time"),
            Linear(f"{name}.time_proj", width, 6 * width, tokens, "time"),
            Linear(f"{name}.text_embedder.linear_1", self.text_dim, width, text, "text"),
            Linear(f"{name}.text_embedder.linear_2", width, width, text, "text"),
        )

    def _head(self, tokens: int) -> Linear:
        return Linear("proj_out", self.width, self.channels * self.token**2, tokens, "video")

    def _vae_flops(self, shape: Shape, first_and_later: tuple[float, float]) -> float:
        first, later = first_and_later
        frames = shape.latent_CTHW[1]
        return self.wan_vae * shape.width * shape.height * (first + later * (frames - 1))


def _forward(layer: Linear, lora: Lora | None, name: str) -> int:
    adapter = lora.rank * (layer.inputs + layer.outputs) if lora and has_adapter(lora, name) else 0
    return 2 * layer.rows * (layer.inputs * layer.outputs + adapter)


def _backward(layer: Linear, flows: bool, lora: Lora | None, adapted: bool) -> int:
    """`flows`: a gradient is wanted of the layer's input."""
    matrix = (flows + (lora is None)) * layer.inputs * layer.outputs
    adapter = lora.rank * ((1 + flows) * layer.inputs + 2 * layer.outputs) if lora and adapted else 0
    return 2 * layer.rows * (matrix + adapter)


def has_adapter(lora: Lora, name: str) -> bool:
    """Whether a layer gets an adapter: peft's rule."""
    return any(f".{name}".endswith(f".{target}") for target in lora.targets)


def read_config(place: Path) -> dict[str, Any]:
    """The configuration of a part of a model in diffusers' layout."""
    try:
        stored: dict[str, Any] = json.loads((place / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{place} is no folder of a saved model. Name one that holds its config.json.") from error
    return stored

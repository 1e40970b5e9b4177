"""A small model of Wan's kind, for CPUs: same transformer class, pixels or components of them, labels for texts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from diffusers import WanTransformer3DModel
from safetensors.torch import save_file
from torch import Tensor, nn

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.train.adapters import weights
from puzzlegen.train.adapters.wan import WanPolicy
from puzzlegen.train.architecture import TOY_FREQ_DIM, TOY_TEXT_DIM
from puzzlegen.train.components import ComponentsCodec
from puzzlegen.train.configs import ToyModel
from puzzlegen.train.latents import PixelCodec
from puzzlegen.train.randomness import seeded

_NUM_POSITIONS = 128
_LABELS = "labels.weight"
_LABELS_FILE = "labels.safetensors"
CODEC_FILE = "codec.safetensors"
"""Beside the weights: the codec that they were trained with, if it was fitted."""


class ToyPolicy(WanPolicy):
    """A `VideoPolicy` whose texts are labels; an embedding of each is learned with the rest."""

    text_column = "task"

    def __init__(
        self, transformer: WanTransformer3DModel, codec: PixelCodec | ComponentsCodec, config: ToyModel
    ) -> None:
        super().__init__(
            transformer,
            codec,
            {},
            lora=config.lora or None,
            shift=config.shift,
            autocast=torch.bfloat16 if config.precision == "bf16" else None,
            seed=config.seed,
        )
        self.labels = config.labels
        with seeded("labels", config.seed):
            self.embedding = nn.Embedding(len(self.labels), TOY_TEXT_DIM)
        self.embedding.to(transformer.device).requires_grad_(not config.lora)

    def embed(self, texts: Sequence[str]) -> Tensor:
        """The labels' embeddings, one token each."""
        self.check_texts(texts)
        rows = torch.tensor([self.labels.index(text) for text in texts], device=self.embedding.weight.device)
        embedded: Tensor = self.embedding(rows[:, None])
        return embedded

    def check_texts(self, texts: Iterable[str]) -> None:
        """See `VideoPolicy`."""
        for text in texts:
            if text not in self.labels:
                raise UnknownName("label of the toy model", text, self.labels)

    def trainable(self) -> dict[str, nn.Parameter]:
        """See `VideoPolicy`."""
        labels = {} if self.lora else dict(self.embedding.named_parameters("labels"))
        return labels | super().trainable()

    def save(self, folder: Path, values: Mapping[str, Tensor] | None = None) -> None:
        """See `VideoPolicy`."""
        values = {_LABELS: self.embedding.weight} | dict(self.trainable() if values is None else values)
        labels = {"labels": values.pop(_LABELS).detach()}
        super().save(folder, values)
        metadata = {"labels": "\n".join(self.labels), "codec": self.codec.fingerprint}
        save_file(labels, folder / _LABELS_FILE, metadata=metadata)
        if isinstance(self.codec, ComponentsCodec):
            self.codec.save(folder / CODEC_FILE)

    def load(self, folder: Path) -> None:
        """See `VideoPolicy`."""
        path = folder / _LABELS_FILE
        tensors, metadata = weights.read_tensors(path)
        stored = metadata.get("labels", "").split("\n")
        if stored != [*self.labels]:
            raise InvalidInput(f"{path} is of a model of {', '.join(stored)}. Set model.labels to these.")
        if metadata.get("codec") != self.codec.fingerprint:
            raise InvalidInput(
                f"{path} is of a model with codec {metadata.get('codec')}, not {self.codec.fingerprint}. "
                "Take the codec that was saved with the weights."
            )
        super().load(folder)
        self.embedding.load_state_dict({"weight": tensors["labels"]})

    def _modules(self) -> list[nn.Module]:
        return [*super()._modules(), self.embedding]


def new_toy(config: ToyModel, *, codec: ComponentsCodec | None = None, device: str = "cpu") -> ToyPolicy:
    """A model with random weights from the configuration's seed.

    Args:
        config: of the model.
        codec: fitted to such clips, if config.channels are to be kept of a patch.
        device: where the model is to be.

    Raises:
        InvalidInput: no codec where one is needed, or one of another patch or number of channels.
    """
    pixels = pixels_of(config)
    chosen = _fitting(codec, pixels, config) if config.channels else pixels
    channels = config.channels or 3 * config.temporal * config.patch**2
    with seeded("toy", config.seed):
        transformer = WanTransformer3DModel(
            patch_size=(1, config.token, config.token),
            num_attention_heads=config.heads,
            attention_head_dim=config.head_dim,
            in_channels=channels,
            out_channels=channels,
            text_dim=TOY_TEXT_DIM,
            freq_dim=TOY_FREQ_DIM,
            ffn_dim=config.ffn_dim,
            num_layers=config.layers,
            rope_max_seq_len=_NUM_POSITIONS,
        )
    if config.checkpointing:
        transformer.enable_gradient_checkpointing()
    return ToyPolicy(transformer.to(device), chosen, config)


def saved_codec(folder: Path) -> ComponentsCodec | None:
    """The fitted codec beside saved weights, if they have one."""
    return ComponentsCodec.load(folder / CODEC_FILE) if (folder / CODEC_FILE).exists() else None


def pixels_of(config: ToyModel) -> PixelCodec:
    """What stacks the pixels of the model's patches: its codec, or what `ComponentsCodec.fit` is to start from."""
    return PixelCodec(config.patch, config.temporal, patches_per_token=config.token)


def _fitting(codec: ComponentsCodec | None, pixels: PixelCodec, config: ToyModel) -> ComponentsCodec:
    if codec is None:
        raise InvalidInput(f"model.channels = {config.channels} needs a codec. Fit one to the clips of the run.")
    found, wanted = _kind(codec.pixels, len(codec.scale_C)), _kind(pixels, config.channels)
    if found != wanted:
        raise InvalidInput(f"The codec keeps {found}, the model takes {wanted}. Fit another codec.")
    return codec


def _kind(pixels: PixelCodec, channels: int) -> str:
    return (
        f"{channels} channels of patches of {pixels.patch} pixels and {pixels.temporal} frames, "
        f"for sides in multiples of {pixels.side}"
    )

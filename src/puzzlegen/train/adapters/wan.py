"""Wan2.2-TI2V: a transformer with a time for each token, behind the trainers' contract.

Texts come as embeddings; no text encoder is ever loaded. No guidance: one forward pass a velocity.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import Tensor, nn
from torch.distributed.fsdp import fully_shard

from puzzlegen.errors import InvalidInput
from puzzlegen.train.adapters import weights
from puzzlegen.train.conditioning import Condition, pin_first_frame, token_timesteps
from puzzlegen.train.configs import Lora, WanModel
from puzzlegen.train.latents import LatentShape, VideoCodec, WanVaeCodec
from puzzlegen.train.schedule import sigma_grid


class WanPolicy:
    """A `VideoPolicy` of Wan's transformer and a codec."""

    text_column = "prompt"

    def __init__(
        self,
        transformer: WanTransformer3DModel,
        codec: VideoCodec,
        texts: Mapping[str, Tensor],
        *,
        lora: Lora | None,
        shift: float,
        text_length: int = 512,
        autocast: torch.dtype | None = None,
        seed: int = 0,
    ) -> None:
        """Takes over the transformer.

        Args:
            transformer: its weights are trained if `lora` is None.
            codec: of latents with the transformer's channels.
            texts: embeddings [L, D] of prompts, L <= text_length, without padding.
            lora: adapters to train instead.
            shift: of the sampler's noise levels.
            text_length: to which texts are padded with zeros.
            autocast: the type of matrix products if it is not the weights'.
            seed: of the adapters' first values.
        """
        self.transformer, self.codec, self.lora = transformer, codec, lora
        self._texts, self._text_length, self._shift = texts, text_length, shift
        self._autocast = autocast
        self._remembered: list[Tensor] = []
        if lora:
            weights.add_lora(transformer, lora, seed, keep_inputs=autocast is not None)
        if autocast:  # time stays float32: bfloat16 cannot tell neighbouring noise levels apart
            embedder = transformer.condition_embedder.time_embedder
            embedder.forward = torch.autocast(transformer.device.type, enabled=False)(embedder.forward)

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """See `VideoPolicy`."""
        shape = self.codec.latent_shape(num_frames, height, width)
        self._check_positions(*shape[1:])
        return shape

    def check_texts(self, texts: Iterable[str]) -> None:
        """See `VideoPolicy`."""
        for text in texts:
            self._embedding(text)

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """See `VideoPolicy`."""
        self.latent_shape(*frames_BTHWC.shape[1:4])
        return self.codec.encode(frames_BTHWC.to(self.transformer.device))

    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """See `VideoPolicy`."""
        return self.codec.decode(z_BCTHW)

    def condition(self, texts: Sequence[str], first_BHWC: Tensor) -> Condition:
        """See `VideoPolicy`."""
        return self.condition_latents(texts, self.encode(first_BHWC[:, None]))

    def condition_latents(self, texts: Sequence[str], first_BC1HW: Tensor) -> Condition:
        """See `VideoPolicy`."""
        return Condition(first_BC1HW=first_BC1HW, text_BLD=self.embed(texts))

    def embed(self, texts: Sequence[str]) -> Tensor:
        """The texts' embeddings, padded with zeros."""
        rows = [self._padded(text) for text in texts]
        return torch.stack(rows).to(self.transformer.device)

    def velocity(self, x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        """See `VideoPolicy`."""
        _, _, frames, height, width = x_BCTHW.shape
        _, rows, columns = self.transformer.config.patch_size
        dtype = self.transformer.dtype
        with torch.autocast(x_BCTHW.device.type, self._autocast) if self._autocast else nullcontext():
            velocity: Tensor = self.transformer(
                hidden_states=pin_first_frame(x_BCTHW, condition).to(dtype),
                timestep=token_timesteps(sigma_B.to(x_BCTHW.device), frames, (height // rows) * (width // columns)),
                encoder_hidden_states=condition.text_BLD.to(dtype),
                return_dict=False,
            )[0]
        return velocity.float()

    def sigmas(self, num_steps: int) -> Tensor:
        """See `VideoPolicy`."""
        return sigma_grid(num_steps, self._shift)

    def trainable(self) -> dict[str, nn.Parameter]:
        """See `VideoPolicy`."""
        return {name: weight for name, weight in self.transformer.named_parameters() if weight.requires_grad}

    def remember(self) -> None:
        """See `VideoPolicy`."""
        self._remembered = [weight.detach().clone() for weight in self.trainable().values()]

    @contextmanager
    def reference(self) -> Iterator[None]:
        """See `VideoPolicy`: weights change places, which costs no time."""
        self._exchange()
        try:
            with torch.no_grad():
                yield
        finally:
            self._exchange()

    @property
    def module(self) -> nn.Module:
        """See `VideoPolicy`."""
        return nn.ModuleList(self._modules())

    def shard(self) -> None:
        """See `VideoPolicy`: block by block, then what is left."""
        for module in (*self.transformer.blocks, *self._modules()):
            fully_shard(module, reshard_after_forward=True)  # the outermost too: evaluation has no backward pass

    def compile(self) -> None:
        """See `VideoPolicy`."""
        self.transformer.compile_repeated_blocks()

    def save(self, folder: Path, values: Mapping[str, Tensor] | None = None) -> None:
        """See `VideoPolicy`: LoRA weights as pipelines load them, or all weights in the folder `transformer`."""
        values = self.trainable() if values is None else values
        (weights.save_lora if self.lora else weights.save_full)(self.transformer, values, folder)

    def load(self, folder: Path) -> None:
        """See `VideoPolicy`."""
        (weights.load_lora if self.lora else weights.load_full)(self.transformer, folder)

    def _exchange(self) -> None:
        """Let the trained weights and those that are remembered change places."""
        assert self._remembered, "nothing is remembered"
        for place, weight in enumerate(self.trainable().values()):
            weight.data, self._remembered[place] = self._remembered[place], weight.data

    def _modules(self) -> list[nn.Module]:
        return [self.transformer]

    def _padded(self, text: str) -> Tensor:
        embedding = self._embedding(text)
        return nn.functional.pad(embedding, (0, 0, 0, self._text_length - len(embedding)))

    def _embedding(self, text: str) -> Tensor:
        embedding = self._texts.get(text)
        if embedding is None:
            raise InvalidInput(f"There is no embedding of the prompt {text!r}. Embed the dataset's prompts first.")
        if len(embedding) > self._text_length:
            raise InvalidInput(f"The prompt {text!r} has {len(embedding)} tokens. Raise model.text_length to as many.")
        return embedding

    def _check_positions(self, frames: int, height: int, width: int) -> None:
        """Of latents; the transformer's own error says nothing."""
        config = self.transformer.config
        longest = max(frames, height // config.patch_size[1], width // config.patch_size[2])
        if longest > config.rope_max_seq_len:
            raise InvalidInput(
                f"Clips with {longest} tokens a side cannot be taken: the model knows {config.rope_max_seq_len} "
                "positions. Make shorter or smaller clips."
            )


def open_wan(config: WanModel, texts: Mapping[str, Tensor], *, device: str = "cpu") -> WanPolicy:
    """Load a model from a folder or from the hub. Raises InvalidInput if that cannot be done."""
    bf16 = config.precision == "bf16"
    transformer, vae = _load(config.path, torch.bfloat16 if bf16 and config.lora else torch.float32)
    if config.checkpointing:
        transformer.enable_gradient_checkpointing()
    return WanPolicy(
        transformer.to(device),
        WanVaeCodec(vae.to(device), patches_per_token=transformer.config.patch_size[1]),
        texts,
        lora=config.lora or None,
        shift=config.shift,
        text_length=config.text_length,
        autocast=torch.bfloat16 if bf16 else None,
        seed=config.seed,
    )


def _load(path: str, dtype: torch.dtype) -> tuple[WanTransformer3DModel, AutoencoderKLWan]:
    """Transformer of this type, some layers of it float32, and float32 autoencoder of a model in diffusers' layout."""
    weights.check_place(path)
    transformer = weights.load_model(WanTransformer3DModel, path, "transformer", dtype)
    vae = weights.load_model(AutoencoderKLWan, path, "vae", torch.float32)
    channels = transformer.config.in_channels
    if not channels == (transformer.config.out_channels or channels) == vae.config.z_dim:
        raise InvalidInput(
            f"{path} takes {channels} channels for {vae.config.z_dim} of its latents. "
            "Name a model of Wan2.2-TI2V's kind, which is conditioned by the time of its tokens."
        )
    return transformer, vae

"""Wan models small enough for a CPU: random weights, every part in place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    WanImageToVideoPipeline,
    WanTransformer3DModel,
)
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import Tensor
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from puzzlegen.train.adapters.toy import ToyPolicy, new_toy
from puzzlegen.train.adapters.wan import WanPolicy, open_wan
from puzzlegen.train.configs import Lora, ToyModel, WanModel
from puzzlegen.train.randomness import generator, seeded

TEXT_DIM, TEXT_LENGTH = 16, 6
TOY = ToyModel(labels=("left", "right"), layers=1, heads=2, head_dim=12, ffn_dim=16)
LORA = Lora(rank=4, alpha=12.0)
WORDS = ("<pad>", "</s>", "<unk>", "push", "the", "box", "onto", "a", "goal", "&", ".")


def tiny_transformer(**changes: Any) -> WanTransformer3DModel:
    config = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": 48,
        "out_channels": 48,
        "text_dim": TEXT_DIM,
        "freq_dim": 32,
        "ffn_dim": 64,
        "num_layers": 2,
        "rope_max_seq_len": 32,
    }
    with seeded("transformer"):
        return WanTransformer3DModel(**(config | changes))


def tiny_vae() -> AutoencoderKLWan:
    """With a mean and a scale that are not the identity."""
    with seeded("vae"):
        return AutoencoderKLWan(
            base_dim=4,
            decoder_base_dim=4,
            z_dim=48,
            dim_mult=[1, 1, 1, 1],
            num_res_blocks=1,
            temperal_downsample=[False, True, True],
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
            latents_mean=[0.01 * channel for channel in range(48)],
            latents_std=[0.5 + 0.01 * channel for channel in range(48)],
        ).eval()


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Words, and an end to every text, as UMT5's has."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", padding_side="right"
    )


def tiny_encoder(seed: int = 0) -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=len(WORDS), d_model=TEXT_DIM, d_kv=8, d_ff=32, num_layers=2, num_heads=2, tie_word_embeddings=False
    )
    with seeded("umt5", seed):
        return UMT5EncoderModel(config).eval()


def tiny_texts() -> dict[str, Tensor]:
    return {
        name: torch.randn(n, TEXT_DIM, generator=generator(name)) for n, name in enumerate(("go", "to the goal"), 3)
    }


def saved_wan(folder: Path, **changes: Any) -> Path:
    """A model in diffusers' layout."""
    tiny_transformer(**changes).save_pretrained(folder / "transformer")
    tiny_vae().save_pretrained(folder / "vae")
    return folder


def saved_pipeline(folder: Path) -> Path:
    """A whole model with text encoder and scheduler, as a pipeline saves it."""
    pipeline = WanImageToVideoPipeline(
        tokenizer=tiny_tokenizer(),
        text_encoder=tiny_encoder(),
        vae=tiny_vae(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=5.0),
        transformer=tiny_transformer(),
        expand_timesteps=True,
    )
    pipeline.save_pretrained(folder)
    return folder


def tiny_wan(folder: Path, **changes: Any) -> WanPolicy:
    """The saved model, opened; float32 and wholly trained unless told otherwise."""
    config: Mapping[str, Any] = {"precision": "fp32", "lora": Lora(rank=0), "text_length": TEXT_LENGTH} | changes
    return open_wan(WanModel(path=str(folder), **config), tiny_texts())


def tiny_toy(config: ToyModel = TOY) -> ToyPolicy:
    return new_toy(config)


def random_clips(count: int, frames: int, height: int, width: int, key: str = "clips") -> Tensor:
    """uint8 [count, frames, height, width, 3]."""
    return torch.randint(0, 256, (count, frames, height, width, 3), dtype=torch.uint8, generator=generator(key))


def shake(policy: WanPolicy, size: float = 0.05) -> None:
    """Change the trained weights, as training would."""
    with torch.no_grad():
        for name, weight in policy.trainable().items():
            weight += size * torch.randn(weight.shape, generator=generator("shake", name))


class GridScheduler(FlowMatchEulerDiscreteScheduler):
    """Takes the grid that `set_timesteps(N)` should give."""

    def set_timesteps(self, num_inference_steps: int, device: object = None) -> None:
        super().set_timesteps(sigmas=np.linspace(1, 0, num_inference_steps + 1)[:-1], device=device)


def pipeline_of(policy: WanPolicy) -> WanImageToVideoPipeline:
    """Diffusers' own sampler of this model, without text encoder."""
    pipeline = WanImageToVideoPipeline(
        tokenizer=None,
        text_encoder=None,
        vae=policy.codec.vae,
        scheduler=GridScheduler(shift=5.0),
        transformer=policy.transformer,
        expand_timesteps=True,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline

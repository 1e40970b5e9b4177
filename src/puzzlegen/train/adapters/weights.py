"""Trained weights on disk, in diffusers' formats: a folder `transformer`, or LoRA weights that pipelines load."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY, LORA_WEIGHT_NAME_SAFE
from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin
from huggingface_hub import save_torch_state_dict
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError, safe_open
from torch import Tensor

from puzzlegen.errors import InvalidInput
from puzzlegen.train.architecture import read_config
from puzzlegen.train.configs import Lora
from puzzlegen.train.randomness import seeded

ADAPTER = "default"
"""The name of our LoRA adapter within the model."""
_PREFIX = "transformer."

Model = TypeVar("Model", WanTransformer3DModel, AutoencoderKLWan)


def add_lora(transformer: WanTransformer3DModel, lora: Lora, seed: int, *, keep_inputs: bool = False) -> None:
    """Freeze the model and add float32 adapters, which change nothing yet.

    Args:
        transformer: the model.
        lora: rank, alpha and layers.
        seed: of the first values.
        keep_inputs: leave types to autocast. Else peft gives each adapter a float32 copy of its input, which takes a
            quarter of the memory of activations, and multiplies in float32.
    """
    transformer.requires_grad_(False)
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.targets))
    try:
        with seeded("lora", seed):
            transformer.add_adapter(config, adapter_name=ADAPTER)
    except ValueError as error:  # peft's, over several lines
        raise InvalidInput(f"lora.targets: {error}".splitlines()[0]) from error
    for weight in transformer.parameters():
        if weight.requires_grad:  # peft gives adapters the type of the layers they are on
            weight.data = weight.data.float()
    for module in transformer.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = not keep_inputs


def save_lora(transformer: WanTransformer3DModel, values: Mapping[str, Tensor], folder: Path) -> None:
    """Write adapters with rank and alpha, for `load_lora` and any Wan pipeline's `load_lora_weights(folder)`."""
    WanLoraLoaderMixin.save_lora_weights(
        folder,
        transformer_lora_layers=get_peft_model_state_dict(transformer, dict(values), adapter_name=ADAPTER),
        transformer_lora_adapter_metadata=transformer.peft_config[ADAPTER].to_dict(),
    )


def load_lora(transformer: WanTransformer3DModel, folder: Path) -> None:
    """Read adapters into those of this model. Raises InvalidInput unless they are of its shapes, rank and alpha."""
    path = folder / LORA_WEIGHT_NAME_SAFE
    tensors, metadata = read_tensors(path)
    tensors = {name.removeprefix(_PREFIX): value for name, value in tensors.items()}
    check_same_weights(path, tensors, get_peft_model_state_dict(transformer, adapter_name=ADAPTER))
    stored = json.loads(metadata.get(LORA_ADAPTER_METADATA_KEY, "{}"))
    alpha, own = stored.get(f"{_PREFIX}lora_alpha"), transformer.peft_config[ADAPTER].lora_alpha
    if alpha != own:
        raise InvalidInput(f"{path} is of lora.alpha {alpha}, not of {own}. Set lora.alpha to that of the weights.")
    set_peft_model_state_dict(transformer, tensors, adapter_name=ADAPTER)


def save_full(transformer: WanTransformer3DModel, values: Mapping[str, Tensor], folder: Path) -> None:
    """Write all weights and the configuration."""
    place = folder / "transformer"
    transformer.save_config(place)
    save_torch_state_dict(dict(values), place, filename_pattern="diffusion_pytorch_model{suffix}.safetensors")


def load_full(transformer: WanTransformer3DModel, folder: Path) -> None:
    """Read all weights into this model. Raises InvalidInput unless they are of one of the same configuration."""
    place = folder / "transformer"
    stored = read_config(place)
    for key, own in transformer.config.items():
        if not key.startswith("_") and _plain(stored.get(key)) != _plain(own):
            raise InvalidInput(
                f"{place} is of another model: {key} is {stored.get(key)}, not {own}. Name one of this configuration."
            )
    transformer.load_state_dict(load_model(WanTransformer3DModel, folder, "transformer", torch.float32).state_dict())


def check_place(path: str) -> None:
    """Raises InvalidInput for what is neither a folder nor could be the name of a model on the hub."""
    if not Path(path).is_dir() and (path.startswith((".", "/", "~")) or path.count("/") != 1):
        raise InvalidInput(f"There is no folder {path}. Name a folder with a model in diffusers' layout.")


def load_model(kind: type[Model], path: str | Path, part: str, dtype: torch.dtype) -> Model:
    """A part of a model in diffusers' layout, from a folder or the hub; layers that must be float32 stay so.

    Raises:
        InvalidInput: it is not there, or of another kind.
    """
    with loading(part, path):
        model: Model = kind.from_pretrained(path, subfolder=part, torch_dtype=dtype)
    return model


@contextmanager
def loading(part: str, path: str | Path) -> Iterator[None]:
    """What a library cannot load in the block, which it says in many lines, becomes an InvalidInput of one."""
    try:
        yield
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise InvalidInput(
            f"The {part} of {path} cannot be loaded: {' '.join(str(error).split())[:200]}. "
            "Name a Wan model in diffusers' layout."
        ) from error


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a safetensors file by name, and its metadata."""
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise InvalidInput(f"{path} cannot be read as weights. Name the folder that a run saved them in.") from error


def check_same_weights(path: Path, found: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Raises InvalidInput unless both have the same names and shapes."""
    differing = sorted(set(found) ^ set(own)) or [name for name in own if found[name].shape != own[name].shape]
    if differing:
        shape, expected = ([*t[differing[0]].shape] if differing[0] in t else "missing" for t in (found, own))
        raise InvalidInput(
            f"{path} is of another model or rank: {differing[0]} is {shape}, not {expected}, "
            f"and {len(differing) - 1} more differ. Use the configuration that the weights were trained with."
        )


def _plain(value: object) -> object:
    """JSON has no tuples."""
    return list(value) if isinstance(value, tuple) else value

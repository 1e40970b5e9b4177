"""Files of tensors and of what they are: whole or absent, equal bytes for equal content, read by memory maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from puzzlegen.errors import CorruptData
from puzzlegen.shards.writer import atomic

REMEDY = "Delete it and run: puzzlegen train cache --config F"
"""For a file of a cache that cannot be used."""
_FACTS = "facts"
_DTYPES = {torch.float32: "F32", torch.bfloat16: "BF16"}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a safetensors file. Raises OutputError.

    The library's own writers do not serve here: one leaves files of unknown names when it is killed, the other holds
    everything in memory three times, and both shuffle the metadata. https://github.com/huggingface/safetensors#format

    Args:
        path: of the file.
        tensors: by name, on the CPU; float32 or bfloat16.
        facts: for the metadata, as JSON.
    """
    header: dict[str, object] = {"__metadata__": {_FACTS: json.dumps(facts, sort_keys=True)}}
    end = 0
    for name, tensor in tensors.items():
        start, end = end, end + tensor.nbytes
        header[name] = {"dtype": _DTYPES[tensor.dtype], "shape": [*tensor.shape], "data_offsets": [start, end]}
    words = json.dumps(header).encode()
    words += b" " * (-len(words) % 8)  # so that numbers lie where their type wants them
    with atomic(path) as temporary, temporary.open("wb") as file:
        file.write(len(words).to_bytes(8, "little") + words)
        for tensor in tensors.values():
            file.write(tensor.contiguous().view(torch.uint8).numpy().data)


def map_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors mapped into memory, which are read when they are used, and facts. Raises CorruptData."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise CorruptData(f"{path} cannot be read ({' '.join(str(error).split())}). {REMEDY}") from error

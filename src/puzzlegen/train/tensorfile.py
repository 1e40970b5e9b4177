"""Files of tensors and of what they are: whole or absent, equal bytes for equal content, read by memory maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from puzzlegen.errors import CorruptData
from puzzlegen.shards.writer import atomic

REMEDY = "Delete it and run: puzzlegen train cache --config F"
"""For a file of a cache that cannot be used."""
_FACTS = "facts"


def write_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write a safetensors file. Raises OutputError.

    Args:
        path: of the file.
        tensors: by name; contiguous, and no two on the same memory.
        facts: for the metadata, as JSON in one entry: safetensors writes several in a random order.
    """
    data = save(dict(tensors), {_FACTS: json.dumps(facts, sort_keys=True)})
    with atomic(path) as temporary:  # safetensors' own writer leaves files of unknown names when it is killed
        temporary.write_bytes(data)


def map_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors mapped into memory, which are read when they are used, and facts. Raises CorruptData."""
    try:
        with safe_open(path, framework="pt") as file:
            facts = json.loads((file.metadata() or {}).get(_FACTS, "{}"))
            return {name: file.get_tensor(name) for name in file.keys()}, facts  # noqa: SIM118
    except (OSError, ValueError, SafetensorError) as error:
        raise CorruptData(f"{path} cannot be read ({' '.join(str(error).split())}). {REMEDY}") from error

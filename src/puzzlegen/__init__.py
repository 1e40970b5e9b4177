"""puzzlegen: procedural video-reasoning data. Public names are loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puzzlegen.eval.api import score as score
    from puzzlegen.registry import load as load
    from puzzlegen.registry import recipe_paths as recipe_paths
    from puzzlegen.render.formats import ClipFormat as ClipFormat
    from puzzlegen.shards.reader import Row as Row
    from puzzlegen.shards.reader import ShardDataset as ShardDataset
    from puzzlegen.task import Task as Task
    from puzzlegen.verify.verifier import Verifier as Verifier

__version__ = "0.1.0"

_PUBLIC = {
    "ClipFormat": "puzzlegen.render.formats",
    "Row": "puzzlegen.shards.reader",
    "ShardDataset": "puzzlegen.shards.reader",
    "Task": "puzzlegen.task",
    "Verifier": "puzzlegen.verify.verifier",
    "load": "puzzlegen.registry",
    "recipe_paths": "puzzlegen.registry",
    "score": "puzzlegen.eval.api",
}

__all__ = ["ClipFormat", "Row", "ShardDataset", "Task", "Verifier", "load", "recipe_paths", "score"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'puzzlegen' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

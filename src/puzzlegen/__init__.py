"""puzzlegen: procedural video-reasoning data. Public names are loaded when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from puzzlegen.eval.answers import score_text as score_text
    from puzzlegen.eval.api import score as score
    from puzzlegen.generate.api import make_dataset as make_dataset
    from puzzlegen.loader import ClipStream as ClipStream
    from puzzlegen.registry import load as load_recipe
    from puzzlegen.registry import recipe_paths as recipe_paths
    from puzzlegen.render.formats import ClipFormat as ClipFormat
    from puzzlegen.shards.reader import ShardDataset as ShardDataset
    from puzzlegen.shards.reader import ShardDataset as load
    from puzzlegen.shards.row import Row as Row
    from puzzlegen.task import Task as Task
    from puzzlegen.verify.verifier import Verifier as Verifier

__version__ = "0.1.0"

_PUBLIC = {
    "ClipFormat": "puzzlegen.render.formats:ClipFormat",
    "ClipStream": "puzzlegen.loader:ClipStream",
    "Row": "puzzlegen.shards.row:Row",
    "ShardDataset": "puzzlegen.shards.reader:ShardDataset",
    "Task": "puzzlegen.task:Task",
    "Verifier": "puzzlegen.verify.verifier:Verifier",
    "load": "puzzlegen.shards.reader:ShardDataset",
    "load_recipe": "puzzlegen.registry:load",
    "make_dataset": "puzzlegen.generate.api:make_dataset",
    "recipe_paths": "puzzlegen.registry:recipe_paths",
    "score": "puzzlegen.eval.api:score",
    "score_text": "puzzlegen.eval.answers:score_text",
}

__all__ = [
    "ClipFormat",
    "ClipStream",
    "Row",
    "ShardDataset",
    "Task",
    "Verifier",
    "load",
    "load_recipe",
    "make_dataset",
    "recipe_paths",
    "score",
    "score_text",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'puzzlegen' has no attribute {name!r}")
    module, _, attribute = _PUBLIC[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PUBLIC])

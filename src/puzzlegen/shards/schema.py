"""The columns of a shard, and the metadata by which Hugging Face `datasets` decodes video and images unasked."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

ROW_GROUP = 32
"""Rows per row group: one is what a random access reads."""

_MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])

# name, Arrow type, feature of Hugging Face datasets (None: derived from the Arrow type)
_COLUMNS: list[tuple[str, pa.DataType, dict[str, str] | None]] = [
    ("id", pa.string(), None),  # recipe-level-seed-index: unique in every dataset
    ("task", pa.string(), None),  # the recipe's name
    ("level", pa.string(), None),
    ("split", pa.string(), None),
    ("prompt", pa.string(), None),
    ("video", _MEDIA, {"_type": "Video"}),  # mp4
    ("first_frame", _MEDIA, {"_type": "Image"}),  # PNG of the decoded frame 0: the conditioning image
    ("final_frame", _MEDIA, {"_type": "Image"}),  # PNG of the decoded last frame
    ("width", pa.int32(), None),
    ("height", pa.int32(), None),
    ("num_frames", pa.int32(), None),
    ("fps", pa.int32(), None),
    ("puzzle", pa.string(), None),  # canonical JSON of the start state
    ("actions", pa.list_(pa.string()), None),
    ("action_line", pa.string(), None),  # the actions in one string, LURD where the field has it
    ("states", pa.list_(pa.string()), None),  # states[k] in text after k actions
    ("keyframes", pa.list_(pa.int32()), None),  # keyframes[k]: the first frame that shows states[k] at rest
    ("action_frames", pa.list_(pa.int32()), None),  # the frame at which each action has ended: keyframes[1:]
    ("num_actions", pa.int32(), None),
    ("optimal", pa.bool_(), None),
    ("unique", pa.bool_(), None),  # null: not decided
    ("measures", pa.string(), None),  # difficulty measures as JSON
    ("digest", pa.string(), None),  # equal for mirrored, rotated and recolored puzzles
    ("structure_digest", pa.string(), None),  # what the split is decided by
    ("look_name", pa.string(), None),
    ("look", pa.string(), None),  # JSON: enough to draw the clip again
    ("task_version", pa.int32(), None),
    ("recipe_version", pa.int32(), None),
    ("generator_version", pa.string(), None),
    ("seed", pa.int64(), None),
    ("index", pa.int64(), None),
    ("attempt", pa.int32(), None),
]

COLUMNS = tuple(name for name, _, _ in _COLUMNS)
MEDIA_COLUMNS = tuple(name for name, kind, _ in _COLUMNS if kind == _MEDIA)
SCALAR_COLUMNS = tuple(name for name, kind, _ in _COLUMNS if not pa.types.is_nested(kind))
_REPEATED = ("task", "level", "split", "look_name", "generator_version")


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": str(kind).replace("double", "float64"), "_type": "Value"}


def schema(metadata: dict[str, str] | None = None) -> pa.Schema:
    """The Arrow schema, with the features for `datasets` and further footer metadata."""
    features = {name: feature or _feature(kind) for name, kind, feature in _COLUMNS}
    footer = {"huggingface": json.dumps({"info": {"features": features}}), **(metadata or {})}
    return pa.schema([(name, kind) for name, kind, _ in _COLUMNS], metadata=footer)


def writer_options() -> dict[str, Any]:
    """Media stored plain and contiguous, all else zstd; statistics where filters use them."""
    leaves = {name: _leaves(name, kind) for name, kind, _ in _COLUMNS}
    media_bytes = [f"{name}.bytes" for name in MEDIA_COLUMNS]
    compression = {leaf: "NONE" if leaf in media_bytes else "ZSTD" for names in leaves.values() for leaf in names}
    return {
        "version": "2.6",
        "compression": compression,
        "use_dictionary": list(_REPEATED),
        "column_encoding": dict.fromkeys(media_bytes, "PLAIN"),
        "write_statistics": list(SCALAR_COLUMNS),
        "write_page_index": True,
    }


def _leaves(name: str, kind: pa.DataType) -> list[str]:
    if pa.types.is_struct(kind):
        return [f"{name}.{field.name}" for field in kind]
    return [f"{name}.list.element"] if pa.types.is_list(kind) else [name]

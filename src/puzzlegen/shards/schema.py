"""The columns of a shard, and the metadata by which Hugging Face `datasets` decodes video and images unasked."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pyarrow as pa

ROW_GROUP = 32
"""Rows per row group: one is what a random access reads."""

_MEDIA = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class Column(NamedTuple):
    """One column of a shard."""

    name: str
    kind: pa.DataType
    about: str
    feature: dict[str, str] | None = None
    """Of Hugging Face datasets; None: derived from the Arrow type."""


_TEXTS, _NUMBERS = pa.list_(pa.string()), pa.list_(pa.int32())
SCHEMA = (
    Column("id", pa.string(), "recipe-level-seed-index, unique in every dataset"),
    Column("task", pa.string(), "name of the recipe"),
    Column("level", pa.string(), "level of the recipe"),
    Column("split", pa.string(), "train or test; no puzzle is in both, not even mirrored, rotated or recolored"),
    Column("prompt", pa.string(), "the instruction, naming what is drawn"),
    Column("video", _MEDIA, "mp4 (H.264, 4:2:0, constant rate) of the solution", {"_type": "Video"}),
    Column("first_frame", _MEDIA, "PNG of the video's first frame: the picture to start from", {"_type": "Image"}),
    Column("final_frame", _MEDIA, "PNG of the video's last frame", {"_type": "Image"}),
    Column("width", pa.int32(), "pixels"),
    Column("height", pa.int32(), "pixels"),
    Column("num_frames", pa.int32(), "frames of the video"),
    Column("fps", pa.int32(), "frames a second"),
    Column("puzzle", pa.string(), "start state as canonical JSON"),
    Column("actions", _TEXTS, "the solution, action by action"),
    Column("action_line", pa.string(), "the solution in one string, LURD where the field has it"),
    Column("states", _TEXTS, "states[k]: the board in text after k actions"),
    Column("keyframes", _NUMBERS, "keyframes[k]: the first frame that shows states[k] at rest"),
    Column("action_frames", _NUMBERS, "the frame at which each action has ended: keyframes[1:]"),
    Column("num_actions", pa.int32(), "length of the solution"),
    Column("optimal", pa.bool_(), "whether no solution is shorter, proved by search"),
    Column("unique", pa.bool_(), "whether there is no other solution as short; null: not decided"),
    Column("measures", pa.string(), "measures of difficulty as JSON"),
    Column("digest", pa.string(), "of the puzzle; equal for mirrored, rotated and recolored ones"),
    Column("structure_digest", pa.string(), "of what the split is decided by, such as the walls"),
    Column("look_name", pa.string(), "name of the look"),
    Column("look", pa.string(), "colors and shapes as JSON: enough to draw the clip again"),
    Column("task_version", pa.int32(), "of the rules"),
    Column("recipe_version", pa.int32(), "of the recipe"),
    Column("generator_version", pa.string(), "of puzzlegen"),
    Column("seed", pa.int64(), "of the request"),
    Column("index", pa.int64(), "number of the clip in its level"),
    Column("attempt", pa.int32(), "which draw it is, after ones that were duplicates or too easy"),
)

COLUMNS = tuple(column.name for column in SCHEMA)
MEDIA_COLUMNS = tuple(column.name for column in SCHEMA if column.kind == _MEDIA)
SCALAR_COLUMNS = tuple(column.name for column in SCHEMA if not pa.types.is_nested(column.kind))
_REPEATED = ("task", "level", "split", "look_name", "generator_version")


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"feature": _feature(kind.value_type), "_type": "List"}
    return {"dtype": str(kind).replace("double", "float64"), "_type": "Value"}


def schema(metadata: dict[str, str] | None = None) -> pa.Schema:
    """The Arrow schema, with the features for `datasets` and further footer metadata."""
    features = {column.name: column.feature or _feature(column.kind) for column in SCHEMA}
    footer = {"huggingface": json.dumps({"info": {"features": features}}), **(metadata or {})}
    return pa.schema([(column.name, column.kind) for column in SCHEMA], metadata=footer)


def writer_options() -> dict[str, Any]:
    """Media stored plain and contiguous, all else zstd; statistics where filters use them."""
    leaves = {column.name: _leaves(column.name, column.kind) for column in SCHEMA}
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

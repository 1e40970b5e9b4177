"""The row of one judged video: made from a score, kept as a line of JSON, written as scores.parquet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from puzzlegen.eval.catalogue import FACTS, Entry
from puzzlegen.eval.metrics import failed_metrics
from puzzlegen.shards.writer import atomic
from puzzlegen.types import Score, Violation

MISSING = "MISSING"
"""The code of a video that was not handed in."""

Record = dict[str, Any]

_VIOLATION = pa.struct([("code", pa.string()), ("frame", pa.int32()), ("row", pa.int32()), ("col", pa.int32())])
_BEFORE: list[tuple[str, pa.DataType]] = [
    ("id", pa.string()),
    ("k", pa.int32()),  # which sample of the instance, from 0
    ("task", pa.string()),
    ("level", pa.string()),
    ("split", pa.string()),
    ("look_name", pa.string()),
    ("num_actions", pa.int32()),  # of the stored solution
    ("path", pa.string()),  # as the submission names it; null if it has no such video
    ("sha256", pa.string()),
    ("error", pa.string()),  # why it could not be read; null if it could
    ("reward", pa.float64()),  # the one that was asked for; `value` is always ours
]
_AFTER: list[tuple[str, pa.DataType]] = [
    ("violations", pa.list_(_VIOLATION)),
    ("actions", pa.list_(pa.string())),  # legal moves read
    ("frames", pa.list_(pa.int32())),  # the frame that first shows the state after each
    ("ms", pa.float64()),  # CPU time
    ("scorer_version", pa.string()),
]
_KINDS = {bool: pa.bool_(), int: pa.int64(), float: pa.float64(), str: pa.string(), type(None): pa.float64()}


def schema() -> pa.Schema:
    """Columns of scores.parquet: the instance, the metrics of `eval.metrics`, what was read."""
    metrics = [(name, _KINDS[type(value)]) for name, value in failed_metrics(MISSING).items()]
    return pa.schema([*_BEFORE, *metrics, *_AFTER])


def record(
    entry: Entry, k: int, metrics: Mapping[str, Any], score: Score[Any] | None, **facts: str | float | None
) -> Record:
    """One row.

    Args:
        entry: the instance.
        k: which sample.
        metrics: of `clip_metrics` or `failed_metrics`.
        score: None if there is none; the metrics' own violation is listed then.
        facts: path, sha256, error, reward, ms, scorer_version.
    """
    found = score.violations if score else (Violation(str(metrics["violation"]), 0),)
    return {
        **{name: getattr(entry, name) for name in FACTS},
        "k": k,
        **metrics,
        "violations": [
            {"code": code, "frame": frame, "row": cell and cell[0], "col": cell and cell[1]}
            for code, frame, cell in found
        ],
        "actions": list(score.actions) if score else [],
        "frames": list(score.frames) if score else [],
        **facts,
    }


def violations_of(row: Mapping[str, Any]) -> list[Violation]:
    """The violations of a row, the first fatal one first."""
    return [
        Violation(found["code"], found["frame"], None if found["row"] is None else (found["row"], found["col"]))
        for found in row["violations"]
    ]


def missing_record(entry: Entry, k: int, scorer_version: str) -> Record:
    """The row of a video that was not handed in: a failure like any other."""
    facts = {"path": None, "sha256": None, "error": "no video was handed in", "reward": 0.0, "ms": 0.0}
    return record(entry, k, failed_metrics(MISSING), None, **facts, scorer_version=scorer_version)


def write_scores(path: Path, records: Iterable[Record]) -> None:
    """Write scores.parquet atomically."""
    table = pa.Table.from_pylist(list(records), schema=schema())
    with atomic(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")

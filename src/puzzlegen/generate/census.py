"""Counts over finished shards: what each split and level holds, and that no two splits share a puzzle.

Shards are read one at a time, and identities a bucket of digests at a time, so no job holds more than a few columns of
one shard or 16 bytes each of about ROWS_PER_JOB rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from puzzlegen.generate.drafts import ROWS_PER_JOB
from puzzlegen.generate.engines import Engine
from puzzlegen.shards.store import Store

_COUNTED = ["task", "level", "split", "num_actions", "attempt"]


@dataclass(frozen=True, slots=True)
class Tally:
    """What one shard holds, as far as sums tell."""

    name: str
    bytes: int
    sha256: str
    rows: Counter[str]
    """By split."""
    levels: dict[str, tuple[int, int, int, int, int]]
    """Rows, draws, and fewest, all and most actions of every recipe:level."""


def tally(job: tuple[Store, str]) -> Tally:
    """Worker: count one shard."""
    store, name = job
    table = store.parquet(name).read(columns=_COUNTED)
    levels = {}
    grouped = table.group_by(["task", "level"], use_threads=False).aggregate(
        [("num_actions", "count"), ("attempt", "sum"), *(("num_actions", how) for how in ("min", "sum", "max"))]
    )
    for row in grouped.to_pylist():
        rows, least, total, most = (row[f"num_actions_{how}"] for how in ("count", "min", "sum", "max"))
        levels[f"{row['task']}:{row['level']}"] = (rows, row["attempt_sum"] + rows, least, total, most)
    return Tally(name, store.size(name), store.sha256(name), Counter(table["split"].to_pylist()), levels)


def count(store: Store, tallies: Sequence[Tally], engine: Engine) -> dict[str, Any]:
    """What a manifest says of its shards: `splits`, `levels`, and `structures_in_two_splits` (0 in a sound dataset)."""
    rows: Counter[str] = Counter()
    for each in tallies:
        rows.update(each.rows)
    puzzles, structures, shared = Counter[str](), Counter[str](), 0
    for some_puzzles, some_structures, some_shared in engine.run(_count_bucket, _bucket_jobs(store, tallies)):
        puzzles.update(some_puzzles)
        structures.update(some_structures)
        shared += some_shared
    return {
        "splits": {
            split: {"rows": rows[split], "puzzles": puzzles[split], "structures": structures[split]}
            for split in sorted(rows)
        },
        "structures_in_two_splits": shared,
        "levels": _by_level(tallies),
    }


def _by_level(tallies: Sequence[Tally]) -> dict[str, Any]:
    """Rows, draws and solution lengths of every recipe:level."""
    found: dict[str, tuple[int, int, int, int, int]] = {}
    for name, (rows, draws, least, total, most) in (pair for each in tallies for pair in each.levels.items()):
        if name in found:
            old = found[name]
            found[name] = (old[0] + rows, old[1] + draws, min(old[2], least), old[3] + total, max(old[4], most))
        else:
            found[name] = (rows, draws, least, total, most)
    return {
        name: {
            "rows": rows,
            "draws": draws,
            "num_actions": {"min": least, "mean": round(total / rows, 2), "max": most},
        }
        for name, (rows, draws, least, total, most) in sorted(found.items())
    }


# --- identities, a bucket at a time


@dataclass(frozen=True, slots=True)
class _BucketJob:
    store: Store
    shards: tuple[str, ...]
    bucket: int
    num_buckets: int


def _bucket_jobs(store: Store, tallies: Sequence[Tally]) -> Iterator[_BucketJob]:
    num_buckets = max(1, -(-sum(each.rows.total() for each in tallies) // ROWS_PER_JOB))
    for bucket in range(num_buckets):
        yield _BucketJob(store, tuple(each.name for each in tallies), bucket, num_buckets)


def _count_bucket(job: _BucketJob) -> tuple[Counter[str], Counter[str], int]:
    """Worker: different puzzles and structures by split, and the structures of more than one split."""
    puzzles = _of_bucket(job, "digest")
    structures = _of_bucket(job, "structure_digest")
    shared = sum(
        len(np.intersect1d(one, other, assume_unique=True))
        for (task, split), one in structures.items()
        for (other_task, other_split), other in structures.items()
        if task == other_task and split < other_split
    )
    return _by_split(puzzles), _by_split(structures), shared


def _of_bucket(job: _BucketJob, column: str) -> dict[tuple[str, str], NDArray[np.uint64]]:
    """Different values of a column of digests, by task and split."""
    parts: dict[tuple[str, str], list[NDArray[np.uint64]]] = {}
    for name in job.shards:
        table = job.store.parquet(name).read(columns=["task", "split", column])
        digests = numbers(table[column])
        mine = digests % np.uint64(job.num_buckets) == job.bucket
        for task in pc.unique(table["task"]).to_pylist():
            for split in pc.unique(table["split"]).to_pylist():
                both = pc.and_(pc.equal(table["task"], task), pc.equal(table["split"], split)).to_numpy()
                parts.setdefault((task, split), []).append(digests[mine & both])
    return {key: np.unique(np.concatenate(found)) for key, found in parts.items()}


def numbers(digests: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Digests of 16 hex digits as numbers. Raises ValueError for anything else."""
    texts = digests.to_pylist()
    if any(text is None or len(text) != 16 for text in texts):
        raise ValueError("a digest has not 16 hex digits")
    return np.frombuffer(bytes.fromhex("".join(texts)), ">u8").astype(np.uint64)


def _by_split(found: dict[tuple[str, str], NDArray[np.uint64]]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for (_, split), values in found.items():
        counts[split] += len(values)
    return counts

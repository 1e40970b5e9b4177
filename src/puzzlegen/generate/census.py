"""Counts over finished shards: what each split and level holds, and that no two splits share a puzzle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

_COLUMNS = ["task", "level", "split", "digest", "structure_digest", "num_actions", "attempt"]


def count(shards: Sequence[Path]) -> dict[str, Any]:
    """What a manifest says of its shards: `splits`, `levels`, and `structures_in_two_splits` (0 in a sound dataset)."""
    rows = [row for shard in shards for row in pq.read_table(shard, columns=_COLUMNS).to_pylist()]
    splits = sorted({row["split"] for row in rows})
    structures = {split: _structures(rows, split) for split in splits}
    return {
        "splits": {split: _of_split(rows, split, len(structures[split])) for split in splits},
        "structures_in_two_splits": sum(
            len(structures[one] & structures[other]) for one, other in combinations(splits, 2)
        ),
        "levels": _by_level(rows),
    }


def _of_split(rows: Sequence[dict[str, Any]], split: str, num_structures: int) -> dict[str, int]:
    """Rows, different puzzles and different structures of a split."""
    own = [row for row in rows if row["split"] == split]
    return {
        "rows": len(own),
        "puzzles": len({(row["task"], row["digest"]) for row in own}),
        "structures": num_structures,
    }


def _structures(rows: Sequence[dict[str, Any]], split: str) -> set[tuple[str, str]]:
    return {(row["task"], row["structure_digest"]) for row in rows if row["split"] == split}


def _by_level(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Rows, draws and solution lengths of every recipe:level."""
    lengths: dict[str, list[int]] = defaultdict(list)
    draws: dict[str, int] = defaultdict(int)
    for row in rows:
        name = f"{row['task']}:{row['level']}"
        lengths[name].append(row["num_actions"])
        draws[name] += row["attempt"] + 1
    return {
        name: {
            "rows": len(values),
            "draws": draws[name],
            "num_actions": {"min": min(values), "mean": round(sum(values) / len(values), 2), "max": max(values)},
        }
        for name, values in sorted(lengths.items())
    }

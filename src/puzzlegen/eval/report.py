"""The review of a scored submission: one page, readable without a network, with numbers, tables, and judged clips.

Pictures are worth the most where judgements differ: clips that a laxer measure calls solved come first, then other
failures, then solved clips; within each, tasks and levels take turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from puzzlegen.eval import page
from puzzlegen.shards.writer import atomic

MOST_PICTURES = 200
MOST_LISTED = 2000
"""Clips on one page; with many more a phone's browser is slow."""

Row = Mapping[str, Any]


def write_review(
    path: Path,
    summary: Mapping[str, Any],
    rows: Sequence[Row],
    details: Callable[[Row], bytes | None],
    *,
    title: str = "Review",
) -> None:
    """Write one HTML file with all that it needs inside.

    Args:
        path: where to.
        summary: of `eval.summary.summarize`.
        rows: one a clip, see `eval.records`.
        details: the picture of a row as a PNG (see `pictures.trace_picture`) or None. Called until there are 200
            pictures.
        title: heading of the page.

    Raises:
        OutputError: the file cannot be written.
    """
    listed = in_order(rows)[:MOST_LISTED]
    cards, num_pictures = [], 0
    for row in listed:
        picture = details(row) if num_pictures < MOST_PICTURES else None
        num_pictures += picture is not None
        cards.append(page.card(row, picture))
    text = page.whole(title, summary, cards, listed, num_clips=len(rows), num_pictures=num_pictures)
    with atomic(path) as temporary:
        temporary.write_bytes(text.encode("utf-8", "replace"))  # names of files can hold what is no character


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Disagreements, failures, solved clips; within each, the first clip of every task and level, the second, ..."""
    taken: Counter[tuple[int, str, str]] = Counter()
    places = []
    for row in sorted(rows, key=lambda row: (row["id"], row["k"])):
        rank = 0 if page.disagreements(row) else 1 + row["sr"]
        group = rank, row["task"], row["level"]
        places.append(((rank, taken[group], *group[1:]), row))
        taken[group] += 1
    return [row for _, row in sorted(places, key=lambda place: place[0])]

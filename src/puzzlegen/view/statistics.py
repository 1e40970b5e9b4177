"""What a dataset is made of: numbers by level, what splits share, and pictures of lengths, difficulty and colors."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from puzzlegen.render.colors import COLORS
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.view.figures import drawing, dress

_READ = (
    "task", "level", "split", "num_actions", "digest", "structure_digest", "optimal", "unique", "measures", "look_name",
    "look",
)  # fmt: skip
_COLUMNS = 3
_PANEL = (4.2, 2.6)
_MOST_MEASURES = 4
_MOST_BARS = 24

Rows = Sequence[Mapping[str, Any]]


def statistics(dataset: ShardDataset) -> dict[str, Any]:
    """Numbers of all rows, ready for JSON; no video is read.

    `levels` by "task:level"; `splits` by name; `shared`: how many puzzles and boards are in more than one split, which
    is 0 in a sound dataset.
    """
    rows = _rows(dataset)
    return {
        "rows": len(rows),
        "levels": {name: _level(own) for name, own in _by(rows, _kind).items()},
        "splits": {name: len(own) for name, own in _by(rows, lambda row: row["split"]).items()},
        "shared": {"puzzles": _shared(rows, "digest"), "boards": _shared(rows, "structure_digest")},
    }


def draw_statistics(dataset: ShardDataset, out: Path) -> None:
    """Draw lengths, the first measures of difficulty of each task, and colors, as a PNG.

    Raises:
        InvalidInput: another ending.
        MissingExtra: matplotlib is not installed.
        OutputError: it cannot be written.
    """
    rows = _rows(dataset)
    panels = [*_panels(rows)]
    lines = -(-len(panels) // _COLUMNS)
    with drawing(out, _COLUMNS * _PANEL[0], lines * _PANEL[1]) as figure:
        for place, (title, values) in enumerate(panels, 1):
            axes = figure.add_subplot(lines, _COLUMNS, place)
            if isinstance(values, Counter):
                names = [name for name, _ in values.most_common()]
                colors = [_hex(name) for name in names]
                axes.barh(names[::-1], [values[name] for name in names[::-1]], color=colors[::-1], edgecolor="gray")
            else:
                _histogram(axes, values)
            dress(axes, title)


def _rows(dataset: ShardDataset) -> Rows:
    rows: Rows = dataset.table(*_READ).to_pylist()
    return rows


def _kind(row: Mapping[str, Any]) -> str:
    return f"{row['task']}:{row['level']}"


def _by(rows: Rows, name: Any) -> dict[str, Rows]:
    found = defaultdict(list)
    for row in rows:
        found[name(row)].append(row)
    return dict(sorted(found.items()))


def _level(rows: Rows) -> dict[str, Any]:
    lengths = [row["num_actions"] for row in rows]
    measures = [json.loads(row["measures"]) for row in rows]
    return {
        "rows": len(rows),
        "num_actions": _spread(lengths),
        "distinct_puzzles": len({row["digest"] for row in rows}),
        "distinct_boards": len({row["structure_digest"] for row in rows}),
        "optimal": sum(row["optimal"] for row in rows),
        "unique": sum(row["unique"] is True for row in rows),
        "looks": dict(sorted(Counter(row["look_name"] for row in rows).items())),
        "measures": {name: _spread([one[name] for one in measures]) for name in measures[0]},
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "mean": round(sum(values) / len(values), 3), "max": max(values)}


def _shared(rows: Rows, name: str) -> int:
    splits = defaultdict(set)
    for row in rows:
        splits[row["task"], row[name]].add(row["split"])
    return sum(len(own) > 1 for own in splits.values())


def _panels(rows: Rows) -> Iterable[tuple[str, Any]]:
    """Title and what to draw: counts of colors, or values by level."""
    for task, own in _by(rows, lambda row: row["task"]).items():
        levels = _by(own, lambda row: row["level"])
        yield f"{task}: actions", {name: [row["num_actions"] for row in each] for name, each in levels.items()}
        for measure in [*json.loads(own[0]["measures"])][:_MOST_MEASURES]:
            values = {name: [json.loads(row["measures"])[measure] for row in each] for name, each in levels.items()}
            yield f"{task}: {measure.replace('_', ' ')}", values
        yield f"{task}: colors of things", Counter(color for row in own for color in _colors(json.loads(row["look"])))


def _colors(look: Mapping[str, Any]) -> Iterable[str]:
    yield from look["palette"]
    yield from (style["color"] for style in look["styles"].values() if style["color"])


def _hex(name: str) -> str:
    red, green, blue = COLORS[name]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _histogram(axes: Any, values: Mapping[str, Sequence[float]]) -> None:
    every = [value for own in values.values() for value in own]
    low, high, whole = min(every), max(every), all(float(value).is_integer() for value in every)
    room = 0.5 if whole else 0  # numbers stand in the middle of their bars
    bins = min(_MOST_BARS, int(high - low) + 1) if whole else _MOST_BARS
    ends = (low - room, high + room)
    axes.hist(list(values.values()), bins=bins, range=ends, stacked=True, label=list(values))
    if len(values) > 1:
        axes.legend(fontsize=7)

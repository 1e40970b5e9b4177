"""The gallery: clips of a dataset on one page that needs nothing else, to filter, to play and to step through.

Every text from a row goes through `html.escape` or into JSON that cannot end a script.
"""

from __future__ import annotations

import base64
import json
import string
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import write_text

_TEMPLATE = Path(__file__).with_name("gallery.html")
_FILTERS = {"task": "tasks", "level": "levels", "look": "looks", "split": "splits"}
_BINS = 4


def write_gallery(dataset: ShardDataset, path: Path, *, num: int = 60) -> int:
    """Write the page. Returns how many clips are on it.

    Args:
        dataset: at most `num` of its clips are taken, of all tasks, levels and looks in turn.
        path: ends in .html.
        num: most clips; each is a few tens of kilobytes.

    Raises:
        InvalidInput: another ending.
        OutputError: it cannot be written.
    """
    if path.suffix != ".html":
        raise InvalidInput(f"{path}: a gallery is a .html.")
    rows = [dataset[index] for index in _in_turn(dataset)[:num]]
    write_text(path, page([_clip(row) for row in rows], title=Path(dataset.folder).name, num_rows=len(dataset)))
    return len(rows)


def page(clips: Sequence[dict[str, Any]], *, title: str, num_rows: int) -> str:
    """The page of these clips, out of so many rows."""
    data = json.dumps(clips, separators=(",", ":")).replace("<", "\\u003c")
    return string.Template(_TEMPLATE.read_text("utf-8")).substitute(
        title=escape(title),
        about=escape(f"{len(clips)} of {num_rows:,} clips. Choose one; arrow keys go action by action."),
        filters="".join(_filters(clips)),
        lengths="".join(_option(f"{low}-{high}", f"{low} to {high} actions") for low, high in _bins(clips)),
        data=data,
    )


def _in_turn(dataset: ShardDataset) -> list[int]:
    """All rows: the first of each kind, then the second, and so on."""
    seen: dict[tuple[str, ...], int] = {}
    order = []
    for index, kind in enumerate(zip(*(dataset.column(name) for name in ("task", "level", "look_name")), strict=True)):
        seen[kind] = seen.get(kind, 0) + 1
        order.append((seen[kind], kind, index))
    return [index for _, _, index in sorted(order)]


def _clip(row: Row) -> dict[str, Any]:
    measures = json.loads(row["measures"])
    told = {
        name: row[name] for name in ("id", "task", "level", "split", "prompt", "actions", "states", "keyframes", "fps")
    }
    return told | {
        "look": row["look_name"],
        "size": str(row.clip),
        "frames": row["num_frames"],
        "measures": ", ".join(f"{name} {value}" for name, value in measures.items()),
        "picture": base64.b64encode(row["first_frame"]["bytes"]).decode(),
        "video": base64.b64encode(row.video).decode(),
    }


def _filters(clips: Sequence[dict[str, Any]]) -> Iterable[str]:
    for name, plural in _FILTERS.items():
        values = sorted({clip[name] for clip in clips})
        options = "".join(_option(value, value) for value in values)
        yield f'<select data-by="{name}" aria-label="{name}"><option value="">all {plural}</option>{options}</select>'


def _option(value: str, text: str) -> str:
    return f'<option value="{escape(value)}">{escape(text)}</option>'


def _bins(clips: Sequence[dict[str, Any]]) -> Iterable[tuple[int, int]]:
    """Ranges of lengths that share the clips about evenly."""
    lengths = sorted(len(clip["actions"]) for clip in clips)
    firsts = sorted({lengths[len(lengths) * part // _BINS] for part in range(_BINS)}) if lengths else []
    for place, low in enumerate(firsts):
        yield low, firsts[place + 1] - 1 if place + 1 < len(firsts) else lengths[-1]

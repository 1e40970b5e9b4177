"""A contact sheet: for each task, level and look, one clip as a row of frames with its prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from puzzlegen.errors import InvalidInput
from puzzlegen.render import video
from puzzlegen.render.stills import png
from puzzlegen.shards.reader import Row, ShardDataset
from puzzlegen.shards.writer import atomic

_FRAME_HEIGHT = 160
_NUM_FRAMES = 5
_CAPTION = 34
_GAP = 8
_MOST_CLIPS = 24


def contact_sheet(dataset: ShardDataset, path: Path) -> None:
    """Write a PNG with at most 24 clips, one for each different (task, level, look) as long as there is room.

    Raises:
        InvalidInput: the name does not end in .png.
        OutputError: it cannot be written.
    """
    if path.suffix != ".png":
        raise InvalidInput(f"{path}: the name of a contact sheet must end in .png.")
    rows = [_strip_with_caption(dataset[index]) for index in _choose(dataset)]
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width + 2 * _GAP, sum(row.height + _GAP for row in rows) + _GAP), "white")
    top = _GAP
    for row in rows:
        sheet.paste(row, (_GAP, top))
        top += row.height + _GAP
    with atomic(path) as temporary:
        temporary.write_bytes(png(np.asarray(sheet)))


def _choose(dataset: ShardDataset) -> list[int]:
    """The first clip of each kind; kinds in order of first appearance, then by task and level."""
    kinds = list(zip(*(dataset.column(name) for name in ("task", "level", "look_name")), strict=True))
    first = {kind: index for index, kind in reversed(list(enumerate(kinds)))}
    return [index for _, index in sorted(first.items())][:_MOST_CLIPS]


def _strip_with_caption(row: Row) -> Image.Image:
    steps = np.linspace(0, row["keyframes"][-1], _NUM_FRAMES).round().astype(int)
    frames = video.decode_rgb(row.video, steps.tolist())
    width = round(_FRAME_HEIGHT * row["width"] / row["height"])
    strip = Image.new("RGB", (_NUM_FRAMES * (width + 2) - 2, _FRAME_HEIGHT + _CAPTION), "white")
    for number, frame in enumerate(frames):
        small = Image.fromarray(frame).resize((width, _FRAME_HEIGHT), Image.Resampling.LANCZOS)
        strip.paste(small, (number * (width + 2), _CAPTION))
    draw = ImageDraw.Draw(strip)
    draw.text((0, 1), f"{row['id']}   {row['look_name']}   {row['num_actions']} actions", "black", _font())
    draw.text((0, 17), row["prompt"], "dimgray", _font())
    return strip


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(12)

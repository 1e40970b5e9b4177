"""Sheets of strips of frames: one clip of each kind with its prompt, or sampled clips above the stored solutions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from puzzlegen.errors import InvalidInput
from puzzlegen.render import video
from puzzlegen.render.stills import png
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import atomic
from puzzlegen.types import Score

_FRAME_HEIGHT = 160
_NUM_FRAMES = 5
_CAPTION = 34
_GAP = 8
_MOST_CLIPS = 24

_COMPARED_HEIGHT = 96
_COMPARED_FRAMES = 8
_MARGIN = 52
_LINE = 18


def contact_sheet(dataset: ShardDataset, path: Path) -> None:
    """Write a PNG with at most 24 clips, one for each different (task, level, look) as long as there is room.

    Raises:
        InvalidInput: the name does not end in .png.
        OutputError: it cannot be written.
    """
    write_sheet([_strip_with_caption(dataset[index]) for index in _choose(dataset)], path)


def write_sheet(strips: Sequence[Image.Image], path: Path) -> None:
    """Write a PNG of strips, one below the other.

    Raises:
        InvalidInput: the name does not end in .png.
        OutputError: it cannot be written.
    """
    if path.suffix != ".png":
        raise InvalidInput(f"{path}: the name of a contact sheet must end in .png.")
    width = max(strip.width for strip in strips)
    sheet = Image.new("RGB", (width + 2 * _GAP, sum(strip.height + _GAP for strip in strips) + _GAP), "white")
    top = _GAP
    for strip in strips:
        sheet.paste(strip, (_GAP, top))
        top += strip.height + _GAP
    with atomic(path) as temporary:
        temporary.write_bytes(png(np.asarray(sheet)))


def compared(row: Row, frames: NDArray[np.uint8], score: Score[Any]) -> Image.Image:
    """Frames of a model's clip above those of the stored solution, with the verdict.

    Args:
        row: the puzzle.
        frames: the model's clip [T, H, W, 3], of the row's size and length.
        score: its judgement.
    """
    steps = np.linspace(0, row["keyframes"][-1], _COMPARED_FRAMES - 1).round().astype(int).tolist()
    steps.append(row["num_frames"] - 1)
    stored = row.frames()
    width = round(_COMPARED_HEIGHT * row["width"] / row["height"])
    picture = Image.new("RGB", (_MARGIN + _COMPARED_FRAMES * (width + 2), _LINE + 2 * (_COMPARED_HEIGHT + 2)), "white")
    pen = ImageDraw.Draw(picture)
    verdict = "SOLVED" if score.solved else f"{score.violations[0].code}   reward {score.value:.2f}"
    pen.text((0, 1), row["id"], "black", _font())
    pen.text(
        (pen.textlength(f"{row['id']}    ", _font()), 1), verdict, "green" if score.solved else "firebrick", _font()
    )
    for line, (name, clip) in enumerate((("model", frames), ("solution", stored))):
        top = _LINE + line * (_COMPARED_HEIGHT + 2)
        pen.text((0, top + _COMPARED_HEIGHT // 2 - 7), name, "dimgray", _font())
        for number, step in enumerate(steps):
            picture.paste(_scaled(clip[step], width, _COMPARED_HEIGHT), (_MARGIN + number * (width + 2), top))
    return picture


def _scaled(frame: NDArray[np.uint8], width: int, height: int) -> Image.Image:
    """Enlarged pixel by pixel, or made smaller smoothly."""
    ways = Image.Resampling
    return Image.fromarray(frame).resize((width, height), ways.NEAREST if height > len(frame) else ways.LANCZOS)


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

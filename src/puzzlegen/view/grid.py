"""Clips of one puzzle side by side as one clip, each captioned, and framed green if it is a solution and red if not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from puzzlegen.render.stills import png
from puzzlegen.shards.writer import atomic
from puzzlegen.view.clips import export_clip, film

SOLVED, FAILED = (34, 160, 70), (214, 50, 50)
"""Colors of the frames."""
_LEAST_SIDE, _MOST_SIDE = 128, 256
_BORDER = 4
_CAPTION = 18
_GAP = 8
_MULTIPLE = 32
"""Of a clip's sides, see `render.formats`; all other lengths are even, since chroma has half the resolution."""
_FONT_SIZE = 11
_STILLS = 4


def side_by_side(
    clips: Sequence[NDArray[np.uint8]], captions: Sequence[str], solved: Sequence[bool], *, columns: int | None = None
) -> NDArray[np.uint8]:
    """One clip [T, H, W, 3] of several, row by row; H and W are multiples of 32, as `film` wants them.

    Args:
        clips: each [T, h, w, 3]; tiny ones are enlarged and large ones reduced by a whole factor, to 128 to 256 pixels
            or so on their short side.
        captions: a short line for each; what does not fit is cut off.
        solved: whether the frame is green.
        columns: clips in a row; as many as make it about square, and rather wide than high, if not given.
    """
    tiles = [
        _tile(clip, caption, SOLVED if good else FAILED)
        for clip, caption, good in zip(clips, captions, solved, strict=True)
    ]
    num_frames, height, width, _ = tiles[0].shape
    columns = min(len(tiles), columns or math.ceil(len(tiles) / math.isqrt(len(tiles))))
    rows = math.ceil(len(tiles) / columns)
    inner = (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP)
    outer = [math.ceil((side + 2 * _GAP) / _MULTIPLE) * _MULTIPLE for side in inner]
    top, left = ((whole - part) // 4 * 2 for whole, part in zip(outer, inner, strict=True))
    grid = np.full((num_frames, *outer, 3), 255, dtype=np.uint8)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        y, x = top + row * (height + _GAP), left + column * (width + _GAP)
        grid[:, y : y + height, x : x + width] = tile
    return grid


def write_grid(
    path: Path,
    clips: Sequence[NDArray[np.uint8]],
    captions: Sequence[str],
    solved: Sequence[bool],
    *,
    fps: int,
    columns: int | None = None,
) -> None:
    """Write clips side by side as .mp4, .gif or .png (four moments, one below the other), by the ending of `path`.

    Args:
        path: of the file.
        clips: of a clip format's length, see `side_by_side`.
        captions: a short line for each.
        solved: whether the frame is green.
        fps: frames per second.
        columns: clips in a row.

    Raises:
        InvalidInput: another ending.
        OutputError: the file cannot be written.
    """
    frames = side_by_side(clips, captions, solved, columns=columns)
    if path.suffix != ".png":
        export_clip(film(frames, fps), path)
        return
    chosen = np.linspace(0, len(frames) - 1, _STILLS).round().astype(int)
    with atomic(path) as temporary:
        temporary.write_bytes(png(np.concatenate(list(frames[chosen]))))


def _tile(clip: NDArray[np.uint8], caption: str, color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A framed clip under its caption, of even height and width."""
    pictures = _sized(clip)
    num_frames, height, width, _ = pictures.shape
    framed = (_CAPTION + height + height % 2 + 2 * _BORDER, width + width % 2 + 2 * _BORDER)
    tile = np.empty((num_frames, *framed, 3), dtype=np.uint8)
    tile[:, :_CAPTION] = _caption(caption, framed[1], color)
    tile[:, _CAPTION:] = color
    top = _CAPTION + _BORDER
    tile[:, top : top + height, _BORDER : _BORDER + width] = pictures
    return tile


def _sized(clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Enlarged pixel by pixel, or reduced to means of blocks."""
    short = min(clip.shape[1:3])
    times, parts = max(1, round(_LEAST_SIDE / short)), max(1, round(short / _MOST_SIDE))
    if parts > 1:
        return np.stack([np.asarray(Image.fromarray(frame).reduce(parts)) for frame in clip])
    return clip.repeat(times, axis=1).repeat(times, axis=2)


def _caption(text: str, width: int, color: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A line of text [_CAPTION, width, 3]; what does not fit is cut off and told by an ellipsis."""
    strip = Image.new("RGB", (width, _CAPTION), "white")
    pen, font = ImageDraw.Draw(strip), ImageFont.load_default(_FONT_SIZE)
    shown = text = "  ".join(text.split())  # one space is hardly seen at this size
    while text and pen.textlength(shown, font) > width:
        text = text[:-1]
        shown = f"{text.rstrip()}..."
    pen.text((0, 1), shown, color, font)
    return np.asarray(strip)

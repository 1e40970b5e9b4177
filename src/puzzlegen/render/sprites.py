"""Sprites: a mark rasterised once per style and size, as YUV 4:2:0 planes with alpha."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from puzzlegen.render.colors import COLORS, rgb_to_yuv
from puzzlegen.render.looks import Style
from puzzlegen.render.planes import Planes, new_canvas, planes_of
from puzzlegen.render.shapes import SHAPES, SUPERSAMPLING, Brush


class Sprite(NamedTuple):
    """A drawn mark cropped to what it covers, with color premultiplied by alpha (both 0 to 255)."""

    top: int
    left: int
    weighted: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]
    """Level times alpha of y, u, v, plus the rounding term of the division by 255."""
    cover: tuple[NDArray[np.uint16], NDArray[np.uint16], NDArray[np.uint16]]
    """255 minus alpha, at luma and (twice) chroma resolution."""

    def blend(self, picture: Planes, top: int, left: int) -> None:
        """Draw over a picture, the cell's corner at an even pixel (top, left)."""
        height, width = self.weighted[0].shape
        window = picture.window(top + self.top, left + self.left, height, width)
        for plane, weighted, cover in zip(window, self.weighted, self.cover, strict=True):
            mixed = plane * cover  # uint16: at most 255 * 255
            mixed += weighted
            mixed += mixed >> 8  # with the rounding term: exact division by 255
            np.right_shift(mixed, 8, out=plane, casting="unsafe")


@functools.lru_cache(maxsize=2048)
def sprite(style: Style, links: int, cell_px: int) -> Sprite:
    """Rasterise a mark: supersampled drawing, box filter, BT.709, chroma averaged by alpha."""
    rgba = _rasterise(style, links, cell_px)
    alpha = rgba[..., 3]
    levels = rgb_to_yuv(rgba[..., :3])
    luma_alpha = np.rint(alpha).astype(np.uint16)
    chroma_alpha = _halved(alpha)
    safe = np.maximum(chroma_alpha, np.float32(1e-6))
    planes: list[NDArray[Any]] = [
        levels[..., 0],
        *(_halved(levels[..., channel] * alpha) / safe for channel in (1, 2)),
    ]
    alphas = [luma_alpha, *[np.rint(chroma_alpha).astype(np.uint16)] * 2]
    top, left, bottom, right = _covered(luma_alpha)
    weighted: list[NDArray[np.uint16]] = []
    cover: list[NDArray[np.uint16]] = []
    for plane, plane_alpha, step in zip(planes, alphas, (1, 2, 2), strict=True):
        window = (slice(top // step, bottom // step), slice(left // step, right // step))
        plane, plane_alpha = plane[window], plane_alpha[window]
        weighted.append((np.rint(plane).astype(np.uint16) * plane_alpha + 128).astype(np.uint16))
        cover.append((255 - plane_alpha).astype(np.uint16))
    return Sprite(top, left, (weighted[0], weighted[1], weighted[2]), (cover[0], cover[1], cover[2]))


@functools.lru_cache(maxsize=2048)
def composed(page: str, marks: tuple[tuple[Style, int], ...], cell_px: int) -> Planes:
    """A cell with (style, links) of its marks, back to front, on the page's color [cell, cell]; not to be written to.

    Kept across clips: the same few cells come again and again.
    """
    canvas = new_canvas(cell_px, cell_px)
    tile = planes_of(canvas)
    tile.fill(page)
    for style, links in marks:
        sprite(style, links, cell_px).blend(tile, 0, 0)
    for plane in tile:
        plane.flags.writeable = False
    return tile


def _rasterise(style: Style, links: int, cell_px: int) -> NDArray[np.float32]:
    """RGBA in [0, 255], [cell, cell, 4]; color is that of the drawn part, not mixed with nothing."""
    side = cell_px * SUPERSAMPLING
    image = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    brush = Brush(image, cell_px, COLORS[style.color], COLORS[style.accent], links)
    SHAPES[style.shape].draw(brush)
    small = np.asarray(image.convert("RGBa").reduce(SUPERSAMPLING), dtype=np.float32)  # premultiplied box filter
    alpha = small[..., 3:]
    color = small[..., :3] * (255 / np.maximum(alpha, 1))
    return np.concatenate([np.minimum(color, 255), alpha], axis=-1)


def _halved(plane: NDArray[Any]) -> NDArray[Any]:
    height, width = plane.shape
    return np.asarray(plane.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))


def _covered(alpha: NDArray[np.uint16]) -> tuple[int, int, int, int]:
    """The even-sided bounding box (top, left, bottom, right) of what is not transparent."""
    rows, cols = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if not rows.size:
        return 0, 0, 2, 2
    top, left = int(rows[0]) // 2 * 2, int(cols[0]) // 2 * 2
    return top, left, (int(rows[-1]) // 2 + 1) * 2, (int(cols[-1]) // 2 + 1) * 2

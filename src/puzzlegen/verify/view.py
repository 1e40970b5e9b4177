"""Where the clip lies in a video's pictures: one scale and one offset an axis, found anew when the picture moves."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.verify.atlas import CHROMA, LUMA, Features, block_means

_FARTHEST = 1.0
"""Blocks by which one step of the adjustment may move the view."""
_ROBUST = 24.0
"""Levels of a block's difference, beyond what motion explains, that mean something new."""


class View(NamedTuple):
    """Pixel (y, x) of the clip lies at (top + y * scale_y, left + x * scale_x) of the picture; edges, not centres."""

    scale_y: float = 1.0
    scale_x: float = 1.0
    top: float = 0.0
    left: float = 0.0

    def of_cell_px(self, layout: Layout) -> tuple[float, float]:
        """Height and width of a cell in the picture, in pixels."""
        return self.scale_y * layout.cell_px, self.scale_x * layout.cell_px


AS_DRAWN = View()


def observe(picture: Planes, layout: Layout, view: View) -> Features:
    """Block means of every cell [N, 96]; beyond the picture's edge, the edge repeats."""
    rows, cols = layout.shape
    height, width = rows * layout.cell_px, cols * layout.cell_px
    if view == AS_DRAWN:
        return block_means(picture.window(layout.top, layout.left, height, width), layout.shape)
    parts = []
    for plane, blocks, step in zip(picture, (LUMA, CHROMA, CHROMA), (1, 2, 2), strict=True):
        down = _edges(rows * blocks, layout.cell_px / blocks, layout.top, view.scale_y, view.top) / step
        right = _edges(cols * blocks, layout.cell_px / blocks, layout.left, view.scale_x, view.left) / step
        means = area_means(plane, down, right).reshape(rows, blocks, cols, blocks).transpose(0, 2, 1, 3)
        parts.append(means.reshape(rows * cols, blocks * blocks))
    return np.concatenate(parts, axis=1)


def area_means(plane: NDArray[np.uint8], down: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float32]:
    """Means of a grid of rectangles with these edges [R + 1], [C + 1] in pixels, by an integral image [R, C].

    Pixels count by the share that lies inside (Crow 1984, Summed-area tables). Beyond the picture's edge, the edge
    repeats.
    """
    sums: NDArray[np.int32] = np.asarray(cv2.integral(plane), dtype=np.int32)
    first, part, beyond = _places(down, plane.shape[0])
    at = sums[first]
    edge = (sums[first + 1] - at) * (part + beyond)[:, None]
    bands = np.diff(at, axis=0) + np.diff(edge, axis=0)  # [R, W + 1]; sums of few lines: exact enough in float32
    first, part, beyond = _places(right, plane.shape[1])
    across = bands[:, first]
    across += (bands[:, first + 1] - across) * (part + beyond)
    areas = np.outer(np.diff(down), np.diff(right))
    return (np.diff(across, axis=1) / areas).astype(np.float32)


def _places(
    edges: NDArray[np.float64], length: int
) -> tuple[NDArray[np.intp], NDArray[np.float32], NDArray[np.float32]]:
    """The pixel that each edge lies in, the share of it before the edge, and how far the edge lies beyond the ends."""
    inside = np.clip(edges, 0, length)
    first = np.minimum(inside.astype(np.intp), length - 1)
    return first, (inside - first).astype(np.float32), (edges - inside).astype(np.float32)


def _edges(count: int, block: float, first: float, scale: float, offset: float) -> NDArray[np.float64]:
    """Where a row of blocks begins and ends in the picture [count + 1]."""
    return np.asarray(offset + scale * (first + block * np.arange(count + 1)))


def visible(layout: Layout, view: View, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Which blocks of each cell lie inside a picture of this (height, width) [N, 96]."""
    rows, cols = layout.shape
    parts = []
    for blocks in (LUMA, CHROMA, CHROMA):
        down = _inside(rows * blocks, layout.cell_px / blocks, layout.top, view.scale_y, view.top, size[0])
        right = _inside(cols * blocks, layout.cell_px / blocks, layout.left, view.scale_x, view.left, size[1])
        inside = np.outer(down, right).reshape(rows, blocks, cols, blocks).transpose(0, 2, 1, 3)
        parts.append(inside.reshape(rows * cols, blocks * blocks))
    return np.concatenate(parts, axis=1)


def _inside(count: int, block: float, first: float, scale: float, offset: float, length: int) -> NDArray[np.bool_]:
    """Which of a row of blocks lie inside, but for a hair's breadth that the registration may be off."""
    edges = _edges(count, block, first, scale, offset)
    slack = scale * block / 8
    inside: NDArray[np.bool_] = (edges[:-1] >= -slack) & (edges[1:] <= length + slack)
    return inside


def adjust(
    view: View, layout: Layout, seen: NDArray[np.float32], expected: NDArray[np.float32], use: NDArray[np.bool_],
    scales: tuple[float, float], most_zoom: float = 0.04,
) -> View:  # fmt: skip
    """One Gauss-Newton step (Lucas and Kanade 1981) on luma pictures [rows * 8, cols * 8]: shift and scale the view.

    Only blocks in `use` count, and no block that differs by much: something has changed there that is not the
    camera's motion. The scale stays within `most_zoom` of `scales`.
    """
    grad_y, grad_x = np.gradient(expected)
    height, width = expected.shape
    y = np.arange(height, dtype=np.float32)[:, None] / LUMA
    x = np.arange(width, dtype=np.float32)[None, :] / LUMA
    far_y, far_x = height / LUMA / 2, width / LUMA / 2
    terms = np.stack([grad_y, grad_y * (y - far_y), grad_x, grad_x * (x - far_x)], axis=-1)
    off = seen - expected
    keep = use & (np.abs(off) <= _ROBUST + _FARTHEST * (np.abs(grad_y) + np.abs(grad_x)))
    rows, target = terms[keep], off[keep]
    weight = np.diag([1e-3, 1e-3 * far_y**2, 1e-3, 1e-3 * far_x**2]) * max(1.0, float(len(rows)))
    move_y, zoom_y, move_x, zoom_x = np.linalg.solve(rows.T @ rows + weight, rows.T @ target)
    if max(abs(move_y) + abs(zoom_y) * far_y, abs(move_x) + abs(zoom_x) * far_x) > _FARTHEST:
        shrink = _FARTHEST / max(abs(move_y) + abs(zoom_y) * far_y, abs(move_x) + abs(zoom_x) * far_x)
        move_y, zoom_y, move_x, zoom_x = (value * shrink for value in (move_y, zoom_y, move_x, zoom_x))
    # blocks -> pixels of the clip; seen(p) = expected(p + delta), so the view at p must be the old one at p - delta
    block = layout.cell_px / LUMA
    grow_y, grow_x = zoom_y / LUMA, zoom_x / LUMA
    shift_y = (move_y - zoom_y * far_y) * block - grow_y * layout.top
    shift_x = (move_x - zoom_x * far_x) * block - grow_x * layout.left
    scale_y, top = _held(
        view.scale_y * (1 - grow_y),
        view.top - view.scale_y * shift_y,
        scales[0],
        most_zoom,
        layout.top + height / 2 * block,
    )
    scale_x, left = _held(
        view.scale_x * (1 - grow_x),
        view.left - view.scale_x * shift_x,
        scales[1],
        most_zoom,
        layout.left + width / 2 * block,
    )
    return View(scale_y, scale_x, top, left)


def _held(scale: float, offset: float, near: float, most: float, middle: float) -> tuple[float, float]:
    """A scale kept near another, and the offset that leaves the middle of the board where it is."""
    held = float(np.clip(scale, near * (1 - most), near * (1 + most)))
    return held, float(offset + (scale - held) * middle)

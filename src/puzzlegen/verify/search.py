"""Where the clip lies in a video's first picture: whole, stretched, between bars, cropped, or shifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.raster import Layout
from puzzlegen.verify.atlas import LUMA
from puzzlegen.verify.view import View

REACH = 0.75
"""Shifts up to this many cells each way are found."""
_ZOOMS = (0.97, 1.03)
_CLEARLY = 0.005
"""By how much more a picture must correlate under a view that is less plain."""
_UNIFORM = 10.0
"""Most levels by which a bar's lines differ from the picture's edge."""
_MOST_OTHER = 0.03
"""Share of a bar's pixels that may differ by more."""


class Match(NamedTuple):
    """A view, and how well the first picture correlates with the puzzle's there, -1 to 1."""

    likeness: float
    view: View
    plain: View
    """The plainest view, shifted too: it may be the better one where the picture's edge passes for a bar."""


class _Box(NamedTuple):
    top: float
    left: float
    height: float
    width: float


def hypotheses(seen: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> list[View]:
    """The views that are worth trying, the plainest first.

    Args:
        seen: luma of the video's first picture, of any size.
        drawn: luma of the clip's first picture as the painter draws it.
    """
    return list(dict.fromkeys(_hypotheses(seen, drawn)))


def find_view(seen: NDArray[np.uint8], views: Iterable[View], board: NDArray[np.float32], layout: Layout) -> Match:
    """The view under which the picture looks most like the puzzle.

    Args:
        seen: luma of the video's first picture, of any size.
        views: those to try, and shift.
        board: luma blocks of the start board [rows * 8, cols * 8].
        layout: where the board lies in the clip.
    """
    best: Match | None = None
    for view in views:  # the plainest first: others must be clearly better
        likeness, shifted = _match(seen, board, layout, view)
        if best is None:
            best = Match(likeness, shifted, shifted)
        elif likeness > best.likeness + _CLEARLY:
            best = Match(likeness, shifted, best.plain)
    assert best is not None
    return best


def _hypotheses(seen: NDArray[np.uint8], drawn: NDArray[np.uint8]) -> Iterator[View]:
    """The clip fills the picture, or what lies between its bars; or the two agree in what lies inside the page."""
    whole = _Box(0, 0, *drawn.shape)
    full = _Box(0, 0, *seen.shape)
    inner_seen, inner_drawn = _between_bars(seen), _between_bars(drawn)
    for box in dict.fromkeys((full, inner_seen)):
        scale_y, scale_x = box.height / whole.height, box.width / whole.width
        for pair in ((scale_y, scale_x), (min(scale_y, scale_x),) * 2, (max(scale_y, scale_x),) * 2):
            yield _centred(box, whole, *pair)
    for zoom in _ZOOMS:
        yield _centred(full, whole, full.height / whole.height * zoom, full.width / whole.width * zoom)
    scales = inner_seen.height / inner_drawn.height, inner_seen.width / inner_drawn.width
    yield _centred(inner_seen, inner_drawn, *scales)


def _centred(box: _Box, part: _Box, scale_y: float, scale_x: float) -> View:
    """The view that puts the centre of a part of the clip on the centre of a box of the picture."""
    return View(
        scale_y=scale_y,
        scale_x=scale_x,
        top=box.top + box.height / 2 - scale_y * (part.top + part.height / 2),
        left=box.left + box.width / 2 - scale_x * (part.left + part.width / 2),
    )


def _between_bars(picture: NDArray[np.uint8]) -> _Box:
    """What is left without the uniform lines along each edge; the whole picture if nothing is."""
    smooth = cv2.blur(picture, (5, 5)).astype(np.float32)
    top, bottom = _inner(smooth)
    left, right = _inner(smooth.T)
    if bottom - top < picture.shape[0] / 4 or right - left < picture.shape[1] / 4:
        return _Box(0, 0, *picture.shape)
    return _Box(top, left, bottom - top, right - left)


def _inner(lines: NDArray[np.float32]) -> tuple[int, int]:
    """The first and one past the last line that is not like the nearer edge."""
    ends = []
    for ordered in (lines, lines[::-1]):
        level = np.median(ordered[0])
        other = np.flatnonzero((np.abs(ordered - level) > _UNIFORM).mean(axis=1) > _MOST_OTHER)
        ends.append(int(other[0]) if other.size else 0)
    return ends[0], len(lines) - ends[1]


def _match(seen: NDArray[np.uint8], board: NDArray[np.float32], layout: Layout, view: View) -> tuple[float, View]:
    """Shift a view so that the board fits best. Returns how well it does."""
    block_y, block_x = view.scale_y * layout.cell_px / LUMA, view.scale_x * layout.cell_px / LUMA
    size = max(1, round(seen.shape[1] / block_x)), max(1, round(seen.shape[0] / block_y))
    if max(size) > 4096:
        return -1.0, view
    small = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
    reach = round(REACH * LUMA)
    height, width = board.shape[0] + 2 * reach, board.shape[1] + 2 * reach
    ratio_y, ratio_x = small.shape[0] / seen.shape[0], small.shape[1] / seen.shape[1]
    matrix = np.array([
        [block_x * ratio_x, 0, (view.left + view.scale_x * layout.left - reach * block_x) * ratio_x],
        [0, block_y * ratio_y, (view.top + view.scale_y * layout.top - reach * block_y) * ratio_y],
    ])  # fmt: skip
    matrix[:, 2] += (matrix[[0, 1], [0, 1]] - 1) / 2
    around = cv2.warpAffine(
        small, matrix, (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    likeness = cv2.matchTemplate(around.astype(np.float32), board, cv2.TM_CCOEFF_NORMED)
    likeness[~np.isfinite(likeness)] = -1
    down, right = np.unravel_index(int(np.argmax(likeness)), likeness.shape)
    return (
        float(likeness[down, right]),
        view._replace(top=view.top + (int(down) - reach) * block_y, left=view.left + (int(right) - reach) * block_x),
    )


def whole_view(size: tuple[int, int], clip: ClipFormat) -> View:
    """The view of a video that shows the clip stretched to its whole size (height, width)."""
    return View(size[0] / clip.height, size[1] / clip.width)

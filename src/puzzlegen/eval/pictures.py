"""The stored puzzle as pictures: any of its states as the row's look draws it, and the trace of a walk over its start.

A trace is a line through the centres of the cells that a token went through, one line for each token with a key.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from puzzlegen.grid import Cell
from puzzlegen.render import video
from puzzlegen.render.planes import new_canvas, planes_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.render.stills import png
from puzzlegen.replay import board, replay
from puzzlegen.shards.row import Row
from puzzlegen.types import Violation

RED = (255, 38, 54)
WHITE = (255, 255, 255)

PICTURE_PX = 240
"""Most pixels of a trace picture, each way."""
_OVERSAMPLED = 3
_MARGIN_CELLS = 0.25

# Okabe & Ito, "Color Universal Design" (2008), without the two that are near the red of violations.
_TRACE_COLORS = ((0, 114, 178), (230, 159, 0), (0, 158, 115), (86, 180, 233), (204, 121, 167), (240, 228, 66))

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
Route = list[Cell]


class Board:
    """One row's puzzle, drawn as its clip draws it."""

    def __init__(self, row: Row) -> None:
        self.task, self.start, self.clip = row.task, row.start, row.clip
        self.layout = fit(self.task.shape(self.start), self.clip)
        self._painter = Painter(self.task.backdrop(self.start), self.layout, self.clip, row.look)

    def rgb(self, state: Any) -> NDArray[np.uint8]:
        """The whole picture that shows a state at rest [H, W, 3], of the clip's size."""
        canvas = new_canvas(self.clip.height, self.clip.width)
        self._painter.draw(planes_of(canvas), board(self.task, state))
        return video.canvas_to_rgb(canvas)

    def box(self, cell: Cell) -> Box:
        """Where a cell lies, in the clip's pixels."""
        top, left = self.layout.corner(cell)
        return left, top, left + self.layout.cell_px, top + self.layout.cell_px

    def around(self) -> tuple[int, int, int, int]:
        """The board with a small margin, in the clip's pixels: left, top, right, bottom."""
        margin = round(self.layout.cell_px * _MARGIN_CELLS)
        rows, cols = self.layout.shape
        (top, left), (bottom, right) = self.layout.corner((0, 0)), self.layout.corner((rows, cols))
        return (
            max(0, left - margin),
            max(0, top - margin),
            min(self.clip.width, right + margin),
            min(self.clip.height, bottom + margin),
        )


def outline(image: Image.Image, box: Box, width: int) -> None:
    """A red rectangle around a box, with a thin white edge on both sides so that it shows on any color.

    It lies outside the box, but never outside the picture; nothing is drawn where the picture has no room for it.
    """
    draw = ImageDraw.Draw(image)
    edge = max(1, width // 3)
    reach = width + edge
    left, top = (max(0, round(side) - reach) for side in box[:2])
    right, bottom = (min(most, round(side) + reach) - 1 for side, most in zip(box[2:], image.size, strict=True))
    if min(right - left, bottom - top) < 2 * edge:
        return
    draw.rectangle((left, top, right, bottom), outline=WHITE, width=width + 2 * edge)
    draw.rectangle((left + edge, top + edge, right - edge, bottom - edge), outline=RED, width=width)


def trace_picture(row: Row, actions: Sequence[str], violations: Iterable[Violation] = ()) -> bytes:
    """What a clip did with its puzzle, as a PNG of at most 240 x 240 pixels.

    Tokens with a key leave a line over the start board, from a ring to an arrow head; where there are none that moved,
    the last legal state is drawn as it looks. Cells of violations have a red rectangle.

    Args:
        row: the puzzle.
        actions: the legal moves that were read.
        violations: what is wrong.

    Raises:
        IllegalAction: the moves are not legal.
    """
    shown = Board(row)
    states = replay(shown.task, shown.start, actions).states
    routes = _routes(shown.task, states)
    canvas = _Canvas(shown, states[0] if routes else states[-1])
    for number, route in enumerate(sorted(routes, key=len, reverse=True)):
        canvas.trace(route, _TRACE_COLORS[number % len(_TRACE_COLORS)], canvas.lane(number, len(routes)))
    canvas.mark({violation.cell for violation in violations if violation.cell is not None})
    return canvas.png()


def _places(task: Any, state: Any) -> dict[Hashable, Cell]:
    """Where each token with a key is."""
    return {token.key: token.at for token in task.tokens(state) if token.key is not None}


def _routes(task: Any, states: Sequence[Any]) -> list[Route]:
    """The cells of each token with a key, in turn, of those that moved."""
    routes: dict[Hashable, Route] = {}
    for state in states:
        for key, cell in _places(task, state).items():
            if routes.setdefault(key, [cell])[-1] != cell:
                routes[key].append(cell)
    return [route for route in routes.values() if len(route) > 1]


class _Canvas:
    """A board drawn larger than it will be, so that lines come out smooth."""

    def __init__(self, shown: Board, state: Any) -> None:
        crop = shown.around()
        whole = Image.fromarray(shown.rgb(state)).crop(crop)
        self._scale = PICTURE_PX / max(whole.size)
        self._size = max(1, round(whole.width * self._scale)), max(1, round(whole.height * self._scale))
        self._zoom = self._scale * _OVERSAMPLED
        self._crop, self._shown = crop, shown
        large = self._size[0] * _OVERSAMPLED, self._size[1] * _OVERSAMPLED
        self._image = whole.resize(large, Image.Resampling.LANCZOS)
        self._draw = ImageDraw.Draw(self._image)
        self._cell = shown.layout.cell_px * self._zoom
        self._line = max(2.0 * _OVERSAMPLED, self._cell / 9)

    def lane(self, number: int, count: int) -> float:
        """How far a line lies beside the middle of its cells, so that lines of several tokens show."""
        return 0.0 if count < 2 else (number / (count - 1) - 0.5) * self._cell * 0.3

    def _center(self, cell: Cell, lane: float = 0.0) -> Point:
        left, top, right, bottom = self._shown.box(cell)
        across, down = (left + right) / 2 - self._crop[0], (top + bottom) / 2 - self._crop[1]
        return across * self._zoom + lane, down * self._zoom + lane

    def trace(self, route: Route, color: tuple[int, int, int], lane: float) -> None:
        """A line with a white edge, a ring where it starts and an arrow head where it ends."""
        points = [self._center(cell, lane) for cell in route]
        for width, fill in ((self._line * 1.7, WHITE), (self._line, color)):
            self._draw.line(points, fill=fill, width=round(width), joint="curve")
            self._dot(points[0], self._line * 0.9 + (width - self._line) / 2, fill)
            self._arrow(points[-2], points[-1], self._line * 1.9 + (width - self._line) / 1.2, fill)
        self._dot(points[0], self._line * 0.45, WHITE)

    def mark(self, cells: Iterable[Cell]) -> None:
        """Red rectangles around cells."""
        for cell in sorted(cells):
            across, down = self._center(cell)
            half = self._cell / 2
            box = (across - half, down - half, across + half, down + half)
            outline(self._image, box, round(2.6 * _OVERSAMPLED))

    def _dot(self, at: Point, radius: float, fill: tuple[int, int, int]) -> None:
        self._draw.ellipse((at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius), fill=fill)

    def _arrow(self, source: Point, tip: Point, size: float, fill: tuple[int, int, int]) -> None:
        angle = math.atan2(tip[1] - source[1], tip[0] - source[0])
        corners = [
            (tip[0] + size * math.cos(angle + turn), tip[1] + size * math.sin(angle + turn))
            for turn in (0.0, 2.4, -2.4)
        ]
        self._draw.polygon(corners, fill=fill)

    def png(self) -> bytes:
        """The picture at its own size."""
        return png(np.asarray(self._image.resize(self._size, Image.Resampling.LANCZOS)))

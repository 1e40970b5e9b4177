"""Trajectories to pictures: one canvas of YUV planes, on which only the cells that change are painted again."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import Rejected
from puzzlegen.grid import Cell, Shape
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look, Style
from puzzlegen.render.motion import Timeline, even_offset
from puzzlegen.render.planes import Planes, new_canvas, planes_of
from puzzlegen.render.sprites import Sprite, composed, sprite
from puzzlegen.replay import stacks_of
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Mark, Stroke, Token, Trajectory

LEAST_CELL_PX = 8


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the board lies in the picture. Cells are a multiple of 8 pixels, the origin is even."""

    shape: Shape
    cell_px: int
    top: int
    left: int

    def corner(self, cell: Cell) -> tuple[int, int]:
        """Top left pixel of a cell."""
        return self.top + cell[0] * self.cell_px, self.left + cell[1] * self.cell_px


def fit(shape: Shape, clip: ClipFormat) -> Layout:
    """The largest centred board. Raises Rejected when cells would be smaller than 8 pixels."""
    rows, cols = shape
    cell_px = min(clip.height // rows, clip.width // cols) // 8 * 8
    if cell_px < LEAST_CELL_PX:
        raise Rejected("board too large for the clip")
    return Layout(shape, cell_px, (clip.height - rows * cell_px) // 4 * 2, (clip.width - cols * cell_px) // 4 * 2)


class Painter:
    """Draws one puzzle in one look. Tiles and sprites are made once and reused."""

    def __init__(self, backdrop: Sequence[Glyph], layout: Layout, clip: ClipFormat, look: Look) -> None:
        self.layout = layout
        self.backdrop = backdrop
        self._clip = clip
        self._look = look
        self._tiles: dict[Glyph, Planes] = {}
        self._styles: dict[tuple[str, int], Style] = {}

    def tile(self, glyph: Glyph) -> Planes:
        """A cell that shows these marks at rest, [cell, cell]; not to be written to."""
        tile = self._tiles.get(glyph)
        if tile is None:
            marks = tuple([(self._style(mark), mark.links) for mark in glyph])
            tile = self._tiles[glyph] = composed(self._look.page, marks, self.layout.cell_px)
        return tile

    def sprite(self, mark: Mark) -> Sprite:
        """A mark alone."""
        return sprite(self._style(mark), mark.links, self.layout.cell_px)

    def _style(self, mark: Mark) -> Style:
        key = mark[:2]
        style = self._styles.get(key)
        if style is None:
            style = self._styles[key] = self._look.style(mark.kind, mark.hue)
        return style

    def draw(self, picture: Planes, stacks: Sequence[Glyph]) -> None:
        """Paint the page and every cell at rest."""
        picture.fill(self._look.page)
        for index, stack in enumerate(stacks):
            self.draw_cell(picture, index, stack)

    def picture(self, stacks: Sequence[Glyph]) -> Planes:
        """A whole frame with every cell at rest."""
        picture = planes_of(new_canvas(self._clip.height, self._clip.width))
        self.draw(picture, stacks)
        return picture

    def draw_cell(self, picture: Planes, cell_index: int, stack: Glyph) -> None:
        """Paint one cell at rest: its backdrop with a stack of marks on it."""
        side = self.layout.cell_px
        top, left = self.layout.corner(divmod(cell_index, self.layout.shape[1]))
        picture.window(top, left, side, side).put(self.tile(self.backdrop[cell_index] + stack))

    def frames(
        self, task: Task[Any, Any], trajectory: Trajectory[Any], timeline: Timeline
    ) -> Iterator[NDArray[np.uint8]]:
        """Every frame of the clip in turn, on one canvas that is reused: copy what is to be kept."""
        for canvas, count in self.runs(task, trajectory, timeline):
            yield from itertools.repeat(canvas, count)

    def runs(
        self, task: Task[Any, Any], trajectory: Trajectory[Any], timeline: Timeline
    ) -> Iterator[tuple[NDArray[np.uint8], int]]:
        """The same frames, each with the number of frames for which it stays."""
        canvas = new_canvas(self._clip.height, self._clip.width)
        picture = planes_of(canvas)
        state, *following = trajectory.states
        tokens = task.tokens(state)
        stacks = stacks_of(tokens, self.layout.shape)
        self.draw(picture, stacks)
        stays, whole = timeline.hold_start, timeline.frames_per_action
        for action, next_state in zip(trajectory.actions, following, strict=True):
            next_tokens = task.tokens(next_state)
            next_stacks = stacks_of(next_tokens, self.layout.shape)
            glides = self._look.motion == "glide" and whole > 1
            movers = _movers(tokens, next_tokens) if glides else []
            strokes = task.strokes(state, action) if glides else ()
            if movers or strokes:
                for part in range(1, whole):
                    yield canvas, stays
                    stays = 1
                    self._draw_movers(picture, stacks, movers, part, whole)
                    self._draw_strokes(picture, strokes, part, whole)
            else:
                stays += whole - 1
            yield canvas, stays
            stays = 1
            touched = {self._index(cell) for moved in (*movers, *strokes) for cell in (moved.source, moved.target)}
            for index, (old, new) in enumerate(zip(stacks, next_stacks, strict=True)):
                if old != new or index in touched:
                    self.draw_cell(picture, index, new)
            state, tokens, stacks = next_state, next_tokens, next_stacks
        yield canvas, stays + timeline.num_frames - 1 - timeline.last_keyframe

    def _index(self, cell: Cell) -> int:
        return cell[0] * self.layout.shape[1] + cell[1]

    def _draw_movers(
        self, picture: Planes, stacks: Sequence[Glyph], movers: list[Stroke], part: int, whole: int
    ) -> None:
        """Clear what the movers covered, then draw each a little further on."""
        for mover in movers:
            for cell in (mover.source, mover.target):
                index = self._index(cell)
                leaving = [other.mark for other in movers if other.source == cell]
                self.draw_cell(picture, index, tuple(mark for mark in stacks[index] if mark not in leaving))
        offset = even_offset(self.layout.cell_px, part, whole)
        for mover in movers:
            self._draw_between(picture, mover, offset)

    def _draw_strokes(self, picture: Planes, strokes: Sequence[Stroke], part: int, whole: int) -> None:
        """Draw over the picture all the way since the last frame, so that the line has no gaps."""
        side = self.layout.cell_px
        start, end = even_offset(side, part - 1, whole), even_offset(side, part, whole)
        for stroke in strokes:
            for offset in (*range(start, end, max(2, side // 16 * 2)), end):
                self._draw_between(picture, stroke, offset)

    def _draw_between(self, picture: Planes, mover: Stroke, offset: int) -> None:
        """Draw a mark `offset` pixels from its source towards its target."""
        (row, col), (to_row, to_col) = mover.source, mover.target
        top, left = self.layout.corner(mover.source)
        self.sprite(mover.mark).blend(picture, top + (to_row - row) * offset, left + (to_col - col) * offset)


def _movers(before: Sequence[Token], after: Sequence[Token]) -> list[Stroke]:
    """Tokens that one step carries to a neighbouring cell, in drawing order."""
    targets = {token.key: token.at for token in after if token.key is not None}
    return [
        Stroke(token.mark, token.at, targets[token.key])
        for token in before
        if token.key in targets and _adjacent(token.at, targets[token.key])
    ]


def _adjacent(cell: Cell, other: Cell) -> bool:
    return abs(cell[0] - other[0]) + abs(cell[1] - other[1]) == 1

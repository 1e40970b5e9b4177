"""What FlowFree shows: pipes in covered cells, strokes of growing strands; and reading pipes back."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE, STEP, Cell, cells_of, move, neighbors
from puzzlegen.tasks.flowfree.strands import FlowState, tip
from puzzlegen.types import Glyph, Mark, Stroke, Token

Pipes = dict[Cell, tuple[int, int]]  # the cells that show a pipe: (color, links)


def dots(start: FlowState) -> tuple[Glyph, ...]:
    """A cell everywhere, and the dots."""
    color_of = {cell: color for color, ends in enumerate(start.ends) for cell in ends}
    return tuple(
        (Mark("cell"), Mark("dot", color_of[cell])) if cell in color_of else (Mark("cell"),)
        for cell in cells_of(start.shape)
    )


def pipes(state: FlowState) -> tuple[Token, ...]:
    """A pipe in every cell with a drawn link, in reading order."""
    return tokens_of(pipes_on(state))


def tokens_of(pipes: Pipes) -> tuple[Token, ...]:
    """Pipes as tokens, which only appear: a pipe is not the same thing as any other."""
    return tuple([Token(Mark("pipe", color, mask), cell) for cell, (color, mask) in pipes.items()])


def pipes_on(state: FlowState) -> Pipes:
    """The cells with a drawn link in reading order, with color and links."""
    cols = state.shape[1]
    found: dict[int, tuple[int, int]] = {}
    for color, (ends, strands) in enumerate(zip(state.ends, state.strands, strict=True)):
        for (row, col), strand in zip(ends, strands, strict=True):
            come_from, cell = 0, row * cols + col
            for direction in strand:
                link = LINK[direction]
                found[cell] = color, come_from | link | (found[cell][1] if cell in found else 0)
                down, right = STEP[direction]
                cell, come_from = cell + down * cols + right, LINK[OPPOSITE[direction]]
            if come_from:
                found[cell] = color, come_from | (found[cell][1] if cell in found else 0)
    return {divmod(cell, cols): found[cell] for cell in sorted(found)}


def stroke(state: FlowState, action: str) -> Stroke:
    """The tip of the strand that an action extends, on its way to the next cell."""
    color, strand = ord(action[0].lower()) - ord("a"), int(action[0].isupper())
    source = tip(state.ends[color][strand], state.strands[color][strand])
    return Stroke(Mark("tip", color), source, move(source, action[1]))


def stacks(start: FlowState) -> list[tuple[Glyph, ...]]:
    """For each cell: nothing, or a pipe of some color with one or two links inside the board; dots keep theirs."""
    color_of = {cell: color for color, ends in enumerate(start.ends) for cell in ends}
    every = tuple(range(len(start.ends)))
    found: list[tuple[Glyph, ...]] = []
    for cell in cells_of(start.shape):
        bits = tuple([LINK[direction] for direction, _ in neighbors(cell, start.shape)])
        found.append(_stacks(bits, (color_of[cell],), 1) if cell in color_of else _stacks(bits, every, 2))
    return found


@functools.lru_cache(maxsize=256)
def _stacks(bits: tuple[int, ...], colors: tuple[int, ...], most: int) -> tuple[Glyph, ...]:
    """Nothing, or a pipe of one of these colors with up to `most` of these links; the same for most cells."""
    masks = sorted(bits if most == 1 else {one | other for one in bits for other in bits})
    return ((), *((Mark("pipe", color, mask),) for color in colors for mask in masks))


def read_board(start: FlowState, board: Sequence[Glyph]) -> FlowState | None:
    """The state that shows these pipes: strands are followed from their endpoints and must explain every pipe."""
    found: Pipes = {}
    color_of = {cell: color for color, ends in enumerate(start.ends) for cell in ends}
    for cell, stack in zip(cells_of(start.shape), board, strict=True):
        if stack:
            mark = stack[0]
            if len(stack) > 1 or mark.kind != "pipe" or color_of.get(cell, mark.hue) != mark.hue:
                return None
            found[cell] = mark.hue, mark.links
    strands = []
    for color, (first, second) in enumerate(start.ends):
        one = _follow(found, color, first, second)
        other = "" if one is None or second not in found else _follow(found, color, second, first)
        if one is None or other is None:
            return None
        strands.append((one, other))
    if found:
        return None
    return FlowState(shape=start.shape, ends=start.ends, strands=tuple(strands))


def _follow(pipes: Pipes, color: int, end: Cell, other_end: Cell) -> str | None:
    """Directions of the strand from `end`, whose pipes are taken out of `pipes`; None if they fit no strand."""
    directions = ""
    cell, come_from = end, 0
    while cell in pipes:
        hue, links = pipes.pop(cell)
        ways = [direction for direction in DIRECTIONS if links & LINK[direction] and LINK[direction] != come_from]
        if hue != color or links & come_from != come_from or len(ways) > 1:
            return None
        if not ways:
            return directions if come_from else None  # a pipe without any link is no strand
        if cell == other_end:
            return None  # goes on beyond the far dot
        directions += ways[0]
        cell, come_from = move(cell, ways[0]), LINK[OPPOSITE[ways[0]]]
    return None if come_from else directions

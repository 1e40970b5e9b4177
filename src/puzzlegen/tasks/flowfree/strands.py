"""The state of FlowFree: endpoints, and the strands drawn from them."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from puzzlegen.grid import LINK, OPPOSITE, STEP, Cell, Shape, Symmetry, cells_of, inside, move

_TURN_BACK = str.maketrans(OPPOSITE)
_BACK = {LINK[direction]: LINK[OPPOSITE[direction]] for direction in OPPOSITE}


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowState:
    """A board and what is drawn on it. Color i is pair i."""

    shape: Shape
    ends: tuple[tuple[Cell, Cell], ...]
    """The endpoints of each color, first the one that comes first in reading order; pairs in order of their first."""
    strands: tuple[tuple[str, str], ...]
    """Directions drawn from the first and from the second endpoint; of a closed color (whole path, "")."""


Pair = tuple[Cell, Cell, str, str]  # the endpoints of a color and their strands


def tip(cell: Cell, directions: str) -> Cell:
    """Where a walk ends."""
    count = directions.count
    return cell[0] + count("D") - count("U"), cell[1] + count("R") - count("L")


def backwards(directions: str) -> str:
    """The same walk from its other end."""
    return directions[::-1].translate(_TURN_BACK)


def is_closed(state: FlowState, color: int) -> bool:
    """Whether the path of this color joins its endpoints."""
    first, second = state.ends[color]
    return tip(first, state.strands[color][0]) == second


def drawn(state: FlowState) -> int:
    """How many links are drawn."""
    return sum(len(one) + len(other) for one, other in state.strands)


@functools.lru_cache(maxsize=256)
def colors_on(state: FlowState) -> dict[Cell, int]:
    """The color of every endpoint and every covered cell; kept, so not to be changed."""
    found = {}
    for color, (ends, strands) in enumerate(zip(state.ends, state.strands, strict=True)):
        for (row, col), strand in zip(ends, strands, strict=True):
            found[row, col] = color
            for direction in strand:
                step = STEP[direction]
                row, col = row + step[0], col + step[1]
                found[row, col] = color
    return found


def link_masks(state: FlowState) -> list[int]:
    """The mask of drawn `grid.LINK` bits of each cell in reading order."""
    cols = state.shape[1]
    steps = {direction: (row * cols + col, LINK[direction]) for direction, (row, col) in STEP.items()}
    masks = [0] * (state.shape[0] * cols)
    for ends, strands in zip(state.ends, state.strands, strict=True):
        for (row, col), strand in zip(ends, strands, strict=True):
            cell = row * cols + col
            for direction in strand:
                step, link = steps[direction]
                masks[cell] |= link
                cell += step
                masks[cell] |= _BACK[link]
    return masks


def extended(state: FlowState, color: int, strand: int, direction: str) -> FlowState:
    """The state with one more link, the color closed if the link reaches the tip of its other strand."""
    ends, strands = state.ends[color], list(state.strands[color])
    strands[strand] += direction
    if tip(ends[0], strands[0]) == tip(ends[1], strands[1]):
        strands = [strands[0] + backwards(strands[1]), ""]
    all_strands = (*state.strands[:color], (strands[0], strands[1]), *state.strands[color + 1 :])
    return FlowState(shape=state.shape, ends=state.ends, strands=all_strands)


def obstacle(state: FlowState, taken: Mapping[Cell, int], color: int, strand: int, direction: str) -> str | None:
    """Why an open strand cannot be extended, or None if it can; `taken` is `colors_on(state)`."""
    ends, own = state.ends[color], state.strands[color]
    target = move(tip(ends[strand], own[strand]), direction)
    if not inside(target, state.shape):
        return "leave the board"
    if target in taken and target != tip(ends[1 - strand], own[1 - strand]):
        return f"run into cell {target}, which is taken"
    return None


def openings(state: FlowState) -> list[tuple[int, int, str]]:
    """(color, strand, direction) of every link that can be drawn: what has no `obstacle`."""
    taken = colors_on(state)
    rows, cols = state.shape
    found = []
    for color, (ends, own) in enumerate(zip(state.ends, state.strands, strict=True)):
        tips = tip(ends[0], own[0]), tip(ends[1], own[1])
        if tips[0] == ends[1]:
            continue  # closed
        for strand, (row, col) in enumerate(tips):
            for direction, (down, right) in STEP.items():
                target = row + down, col + right
                if 0 <= target[0] < rows and 0 <= target[1] < cols and (target not in taken or target in tips):
                    found.append((color, strand, direction))
    return found


def ordered(shape: Shape, pairs: Iterable[Pair]) -> FlowState:
    """The state with these pairs, endpoints and pairs brought into reading order."""
    done = []
    for first, second, one, other in pairs:
        if first < second:
            done.append((first, second, one, other))
        elif one and tip(first, one) == second:
            done.append((second, first, backwards(one), ""))
        else:
            done.append((second, first, other, one))
    done.sort()
    return FlowState(
        shape=shape,
        ends=tuple((first, second) for first, second, _, _ in done),
        strands=tuple((one, other) for _, _, one, other in done),
    )


def transformed(state: FlowState, symmetry: Symmetry) -> FlowState:
    """The state turned or mirrored, colors named anew."""
    images, turn = _images(symmetry, state.shape)
    pairs = [
        (images[first], images[second], one.translate(turn), other.translate(turn))
        for (first, second), (one, other) in zip(state.ends, state.strands, strict=True)
    ]
    return ordered(symmetry.shape(state.shape), pairs)


@functools.lru_cache(maxsize=256)
def _images(symmetry: Symmetry, shape: Shape) -> tuple[dict[Cell, Cell], dict[int, str]]:
    """Where each cell of a board goes, and the table by which directions turn; kept, so not to be changed."""
    cells = {cell: symmetry.cell(cell, shape) for cell in cells_of(shape)}
    return cells, str.maketrans({direction: symmetry.direction(direction) for direction in OPPOSITE})

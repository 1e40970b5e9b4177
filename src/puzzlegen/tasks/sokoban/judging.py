"""What judging Sokoban needs: names of faults, the pushes that precision counts, terms of published rewards."""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Hashable, Sequence

from puzzlegen.errors import SearchLimit
from puzzlegen.grid import DIRECTIONS, Cell, cells_of, move
from puzzlegen.tasks.sokoban.board import masks
from puzzlegen.tasks.sokoban.picture import BOX, PLAYER, STORED
from puzzlegen.tasks.sokoban.solver import fewest_pushes
from puzzlegen.tasks.sokoban.state import SokobanState, is_floor, is_free
from puzzlegen.types import Glyph


def blame(state: SokobanState, board: Sequence[Glyph | None]) -> str:
    """The fault of a board that no action from `state` leads to; the first that fits.

    BOX_COUNT: more boxes than there are, or fewer by more than the unclear floor cells could hide; a box that the
    player may have pushed into an unclear cell counts as one.
    MULTI_AGENT: two players or more.
    ILLEGAL_PUSH: a box has left a cell that is clear, or has come into one.
    WALL_HIT: the player alone has moved past a wall or a box: two cells straight on with one between, or
    corner to corner between two.
    JUMP: all else.
    """
    boxes, players, unclear = set[Cell](), list[Cell](), set[Cell]()
    for cell, stack in zip(cells_of(state.shape), board, strict=True):
        if stack is None:
            unclear |= {cell} if is_floor(state, cell) else set()
        elif BOX in stack or STORED in stack:
            boxes.add(cell)
        elif PLAYER in stack:
            players.append(cell)
    missing = len(state.boxes) - len(boxes)
    if not _is_being_pushed(state, boxes, unclear) <= missing <= len(unclear):
        return "BOX_COUNT"
    if len(players) > 1:
        return "MULTI_AGENT"
    before = set(state.boxes)
    if boxes - before or before - boxes - unclear:
        return "ILLEGAL_PUSH"
    return "WALL_HIT" if players and is_squeeze(state, players[0]) else "JUMP"


def _is_being_pushed(state: SokobanState, boxes: set[Cell], unclear: set[Cell]) -> bool:
    """Whether a box beside the player has left its cell, and the cell behind it may hold it."""
    beside = [(move(state.player, name), name) for name in DIRECTIONS]
    return any(cell in state.boxes and cell not in boxes and move(cell, name) in unclear for cell, name in beside)


def is_squeeze(state: SokobanState, target: Cell) -> bool:
    """Whether the player would get to `target` past walls or boxes: over one of them, or diagonally between two."""
    (row, col), (down, right) = state.player, (target[0] - state.player[0], target[1] - state.player[1])
    if (abs(down), abs(right)) in ((2, 0), (0, 2)):
        between = [(row + down // 2, col + right // 2)]
    elif abs(down) == abs(right) == 1:
        between = [(row + down, col), (row, col + right)]
    else:
        return False
    return not any(is_free(state, cell) for cell in between)


def pushes(states: Sequence[SokobanState]) -> Counter[Hashable]:
    """(cell of the box before, direction) of every change that is one legal push; other changes are passed over."""
    found: Counter[Hashable] = Counter()
    for one, other in itertools.pairwise(states):
        direction = _direction(one, other)
        if direction and other.player in one.boxes:
            found[other.player, direction] += 1
    return found


def components(states: Sequence[SokobanState]) -> dict[str, float]:
    """The terms of VideoRLVR's Sokoban rewards, for all that the clip shows.

    state: max(0, 1 - d(last) / d(start)), d the fewest pushes to a solution; 0 in a dead end, and where d is not
    found within the solver's limit.
    proc: legal changes / all changes. As published, nothing is asked of a clip without any change, so it earns 1.
    final: 1 if the last state is solved, else 0.
    Published are 0.5 state + 0.5 proc (paper) and 0.3 final + 0.7 proc (code). Both pay a frozen clip for its
    faultless process: they are for comparison, not for training.
    """
    start, last = states[0], states[-1]
    whole, left = _distance(start), _distance(last)
    legal = [_direction(one, other) is not None for one, other in itertools.pairwise(states)]
    return {
        "state": max(0.0, 1 - left / whole) if whole and left is not None else 0.0,
        "proc": sum(legal) / len(legal) if legal else 1.0,
        "final": float(set(last.boxes) == set(last.goals)),
    }


def _direction(one: SokobanState, other: SokobanState) -> str | None:
    """The direction of the walk or push that leads from one state to the other, or None."""
    direction = next((name for name in DIRECTIONS if move(one.player, name) == other.player), None)
    if direction is None:
        return None
    boxes = set(one.boxes)
    if other.player in boxes:
        behind = move(other.player, direction)
        if not is_free(one, behind):
            return None
        boxes = boxes - {other.player} | {behind}
    elif not is_floor(one, other.player):
        return None
    return direction if boxes == set(other.boxes) else None


@functools.lru_cache(maxsize=256)
def _distance(state: SokobanState) -> int | None:
    try:
        return fewest_pushes(*masks(state)).value
    except SearchLimit:
        return None

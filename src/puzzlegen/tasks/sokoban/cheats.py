"""Sokoban pictures that cheat: one step away from a state, each by breaking one rule."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from puzzlegen.grid import DIRECTIONS, OPPOSITE, Cell, cells_of, inside, move
from puzzlegen.tasks.sokoban import picture
from puzzlegen.tasks.sokoban.bits import flood
from puzzlegen.tasks.sokoban.board import masks
from puzzlegen.tasks.sokoban.judging import is_squeeze
from puzzlegen.tasks.sokoban.state import SokobanState, is_free
from puzzlegen.types import Forgery, Token

_MOST = {"ILLEGAL_PUSH": 10, "BOX_COUNT": 8, "WALL_HIT": 4, "JUMP": 3, "MULTI_AGENT": 3}
_FAR_CELLS = 6
"""A teleport goes so far, counted along rows and columns: a clip that lost frames may skip a few cells honestly."""

Boxes = dict[int, Cell]  # by number


def forgeries(state: SokobanState) -> Iterator[Forgery]:
    """Up to 28 pictures; the pushes first, then those that change how many boxes or players there are."""
    boxes = dict(enumerate(state.boxes))
    moved = [*_pulls(state, boxes), *_double_pushes(state, boxes), *_swaps(state, boxes), *_ghosts(state, boxes)]
    counted = [*_swallowed(state, boxes), *_vanished(state, boxes), *_conjured(state, boxes)]
    alone = [_picture(state, boxes, [cell]) for cell in _squeezes(state)]
    far = _far_cells(state)
    others = dict.fromkeys([*(cell for cell in state.goals if is_free(state, cell)), *far, *_free_beside(state)])
    twice = [_picture(state, boxes, [state.player, cell]) for cell in others if cell != state.player]
    by_code = {
        "ILLEGAL_PUSH": moved,
        "BOX_COUNT": counted,
        "WALL_HIT": alone,
        "JUMP": [_picture(state, boxes, [cell]) for cell in far],
        "MULTI_AGENT": twice,
    }
    for code, pictures in by_code.items():
        for tokens in pictures[: _MOST[code]]:
            yield Forgery(code, tokens)


def _picture(state: SokobanState, boxes: Boxes, players: Iterable[Cell]) -> tuple[Token, ...]:
    """Boxes and players in these cells; the first player is the one that the state has, others come from nowhere."""
    first, *more = players
    drawn = [picture.box(state, number, cell) for number, cell in boxes.items()]
    return (*drawn, picture.player(first), *(Token(picture.PLAYER, cell) for cell in more))


def _number_at(boxes: Boxes, cell: Cell) -> int | None:
    return next((number for number, place in boxes.items() if place == cell), None)


def _pulls(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """The player steps back and the box before it follows."""
    for direction in DIRECTIONS:
        number = _number_at(boxes, move(state.player, direction))
        back = move(state.player, OPPOSITE[direction])
        if number is not None and is_free(state, back):
            yield _picture(state, {**boxes, number: state.player}, [back])


def _double_pushes(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """Two boxes in a row are pushed at once."""
    for direction in DIRECTIONS:
        near = move(state.player, direction)
        next_one, end = move(near, direction), move(move(near, direction), direction)
        first, second = _number_at(boxes, near), _number_at(boxes, next_one)
        if first is not None and second is not None and is_free(state, end):
            yield _picture(state, {**boxes, first: next_one, second: end}, [near])


def _swaps(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """The player changes places with the box beside it."""
    for direction in DIRECTIONS:
        near = move(state.player, direction)
        number = _number_at(boxes, near)
        if number is not None:
            yield _picture(state, {**boxes, number: state.player}, [near])


def _ghosts(state: SokobanState, boxes: Boxes) -> list[tuple[Token, ...]]:
    """A box moves by itself; not away from a player right behind it, which may look like a push that has begun.

    The boxes take turns, so that a short list has some of each.
    """
    found = []
    for direction in DIRECTIONS:
        for number, cell in boxes.items():
            target = move(cell, direction)
            behind = move(cell, OPPOSITE[direction])
            if is_free(state, target) and state.player not in (target, behind):
                found.append(_picture(state, {**boxes, number: target}, [state.player]))
    return found


def _swallowed(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """The player steps where a box was: it merges with the box behind it, or is gone."""
    for direction in DIRECTIONS:
        near = move(state.player, direction)
        number = _number_at(boxes, near)
        if number is None:
            continue
        behind = _number_at(boxes, move(near, direction))
        left = {key: cell for key, cell in boxes.items() if key not in (number, behind)}
        yield _picture(state, left if behind is None else {**left, number: boxes[behind]}, [near])


def _vanished(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """A box is gone, up to 3 times."""
    for number in itertools.islice(boxes, 3):
        yield _picture(state, {key: cell for key, cell in boxes.items() if key != number}, [state.player])


def _conjured(state: SokobanState, boxes: Boxes) -> Iterator[tuple[Token, ...]]:
    """One box too many: on a goal, or on other floor."""
    free = [cell for cell in cells_of(state.shape) if is_free(state, cell) and cell != state.player]
    goals = [cell for cell in free if cell in state.goals]
    others = [cell for cell in free if cell not in state.goals]
    for cell in [*goals[:2], *others[:1], *others[-1:]]:
        yield (*_picture(state, boxes, [state.player]), picture.box(state, len(boxes), cell)._replace(key=None))


def _squeezes(state: SokobanState) -> list[Cell]:
    """Free cells behind a wall or a box beside the player, and around corners that are barred from both sides."""
    row, col = state.player
    steps = [(-2, 0), (2, 0), (0, -2), (0, 2), (-1, -1), (-1, 1), (1, -1), (1, 1)]
    cells = [(row + down, col + right) for down, right in steps]
    return [cell for cell in cells if inside(cell, state.shape) and is_free(state, cell) and is_squeeze(state, cell)]


def _free_beside(state: SokobanState) -> list[Cell]:
    return [cell for cell in (move(state.player, name) for name in DIRECTIONS) if is_free(state, cell)]


def _far_cells(state: SokobanState) -> list[Cell]:
    """The farthest free cell, and the farthest that the player cannot walk to."""
    board, boxes, player = masks(state)
    zone = flood(player, board.floor & ~boxes, board.cols)

    def off(cell: Cell) -> int:
        return abs(cell[0] - state.player[0]) + abs(cell[1] - state.player[1])

    def is_cut_off(cell: Cell) -> bool:
        return not zone >> cell[0] * board.cols + cell[1] & 1

    free = [cell for cell in cells_of(state.shape) if is_free(state, cell)]
    far = [cell for cell in free if off(cell) >= (3 if is_cut_off(cell) else _FAR_CELLS)]
    picked = [max(group, key=off) for group in (far, [cell for cell in far if is_cut_off(cell)]) if group]
    return list(dict.fromkeys(picked))

"""Tables of a room and its goals, and what they say of a layout: as `board.Board`, which explains them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import kernel, leaf
from puzzlegen.tasks.sokoban.kernels.cells import Cells, Flags, Grid, Ints, holds

FAR = 1 << 16
"""As `matching.FAR`."""

GOAL, ALIVE, ALONG, ACROSS, SPLIT = 1, 2, 4, 8, 16
"""A goal; a cell from which a lone box can get to some goal; cells where no box can move along the row, or the column,
whatever the other boxes do; a cell where a box parts the floor."""

_MOST_SIDES = 4


class Room(NamedTuple):
    """All that is fixed while a level is solved."""

    grid: Grid
    goals: Cells
    """Ascending."""
    kinds: Flags
    """For each cell, the sum of what it is: GOAL, ALIVE, ALONG, ACROSS, SPLIT."""
    sides: Flags
    """[box cell, player cell]: the part of the floor, numbered by first cells, where the player stands."""
    rows: Ints
    """[cell, side, goal]: pushes of a lone box."""
    sums: Ints
    """[2 ** goals]: room for `bound` to work in."""


@kernel
def room_of(grid: Grid, goals: Cells) -> Room:
    """The tables of a room."""
    cells = len(grid.near)
    kinds, sides = np.zeros(cells, np.uint8), np.zeros((cells, cells), np.uint8)
    line = np.empty(cells, np.int16)
    for cell in range(cells):
        if _is_local_cut(grid, cell) and _number_sides(grid, cell, sides[cell], line) > 1:
            kinds[cell] |= SPLIT
    rows = np.full((cells, _MOST_SIDES, len(goals)), FAR, np.int32)
    queue = np.empty(cells * _MOST_SIDES, np.int16)
    for goal in range(len(goals)):
        kinds[goals[goal]] |= GOAL
        _pull_away(grid, sides, rows, goal, goals[goal], queue, kinds)
    for cell in range(cells):
        up, down, left, right = _around(grid, cell)
        if left < 0 or right < 0 or not (kinds[left] | kinds[right]) & ALIVE:
            kinds[cell] |= ALONG
        if up < 0 or down < 0 or not (kinds[up] | kinds[down]) & ALIVE:
            kinds[cell] |= ACROSS
    return Room(grid, goals, kinds, sides, rows, np.zeros(1 << len(goals), np.int32))


@leaf
def _around(grid: Grid, cell: int) -> tuple[int, int, int, int]:
    """The neighbours U D L R of a cell, as `near` has them."""
    near = grid.near
    return near[cell, 0], near[cell, 1], near[cell, 2], near[cell, 3]


@leaf
def _is_local_cut(grid: Grid, cell: int) -> bool:
    """Whether the side neighbours of a floor cell are not all joined by the ring of eight around it."""
    up, down, left, right = _around(grid, cell)
    joints = 0
    for first, second, way in ((up, right, 3), (right, down, 1), (down, left, 2), (left, up, 0)):
        joints += first >= 0 and second >= 0 and grid.near[first, way] >= 0
    around = (up >= 0) + (down >= 0) + (left >= 0) + (right >= 0)
    return around - joints > 1


@leaf
def _number_sides(grid: Grid, cell: int, sides: Flags, line: NDArray[np.int16]) -> int:
    """Number the parts of the floor without this cell, by their first cells. Returns how many there are."""
    parts = 0
    sides[:] = 255
    sides[cell] = 0
    for first in range(len(sides)):
        if sides[first] != 255 or not holds(grid.floor, 0, first):
            continue
        sides[first] = parts
        line[0] = first
        head, tail = 0, 1
        while head < tail:
            here = line[head]
            head += 1
            for other in grid.near[here]:
                if other >= 0 and sides[other] == 255:
                    sides[other] = parts
                    line[tail] = other
                    tail += 1
        parts += 1
    return parts


@leaf
def _pull_away(
    grid: Grid, sides: Flags, rows: Ints, goal: int, start: int, queue: NDArray[np.int16], kinds: Flags
) -> None:
    """Fill one goal's column of `rows` by pulling a lone box away from it; mark the cells it gets to as ALIVE."""
    head = tail = 0
    for way in range(4):
        stand = grid.near[start, way]
        side = int(sides[start, stand]) if stand >= 0 else 0
        if rows[start, side, goal]:
            rows[start, side, goal] = 0
            queue[tail] = start * _MOST_SIDES + side
            tail += 1
    while head < tail:
        cell, side = queue[head] // _MOST_SIDES, queue[head] % _MOST_SIDES
        head += 1
        kinds[cell] |= ALIVE
        for way in range(4):
            stand = grid.near[cell, way]
            if stand < 0 or sides[cell, stand] != side:
                continue
            behind = grid.near[stand, way]
            if behind < 0:
                continue
            arrived = sides[stand, behind]
            if rows[stand, arrived, goal] == FAR:
                rows[stand, arrived, goal] = rows[cell, side, goal] + 1
                queue[tail] = stand * _MOST_SIDES + arrived
                tail += 1


@leaf
def bound(room: Room, boxes: Cells, player: int) -> int:
    """No solution has fewer pushes; FAR or more: there is none. `boxes` are ascending.

    A dynamic program: the first boxes take each set of as many goals.
    """
    sums = room.sums
    for taken in range(1, len(sums)):
        box = -1
        left = taken
        while left:
            left &= left - 1
            box += 1
        cell, side, least = boxes[box], room.sides[boxes[box], player], FAR
        for goal in range(len(boxes)):
            if taken >> goal & 1:
                least = min(least, sums[taken ^ 1 << goal] + room.rows[cell, side, goal])
        sums[taken] = least
    return int(sums[len(sums) - 1])


@leaf
def is_dead(room: Room, boxes: Cells, pushed: int, stuck: Flags) -> bool:
    """Whether boxes that can never move again include `pushed` and one off the goals; `stuck` is all 0."""
    for place in range(len(boxes)):
        stuck[boxes[place]] = 1
    changed = True
    while changed and stuck[pushed]:
        changed = False
        for place in range(len(boxes)):
            box = boxes[place]
            up, down, left, right = _around(room.grid, box)
            along = room.kinds[box] & ALONG or stuck[left] or stuck[right]
            across = room.kinds[box] & ACROSS or stuck[up] or stuck[down]
            if stuck[box] and not (along and across):
                stuck[box] = 0
                changed = True
    held, misplaced = stuck[pushed] != 0, False
    for place in range(len(boxes)):
        box = boxes[place]
        misplaced |= stuck[box] != 0 and not room.kinds[box] & GOAL
        stuck[box] = 0
    return held and misplaced

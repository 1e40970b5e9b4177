"""`rooms.draw_start` as a kernel: it continues the random stream from its one word."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import below, bits, kernel, leaf
from puzzlegen.tasks.sokoban.kernels.cells import (
    Cells,
    Flags,
    Grid,
    Ints,
    Words,
    ascending,
    flood,
    free_of,
    grid_of,
    holds,
    packed,
    put,
    replaced,
    unpack,
)
from puzzlegen.tasks.sokoban.kernels.layouts import Layouts, copy_head, doubled, is_full, new_layouts, number_of

DRAWN, ROOM_TOO_SMALL, TOO_MANY_STATES, TOO_FEW_PUSHES, NO_START = 0, 1, 2, 3, 4

_SIXTEEN, _LOW = np.uint64(16), np.uint64(0xFFFF)


class States(NamedTuple):
    """Pairs of a layout and a zone in which the player can walk, layer by layer."""

    table: Layouts
    layouts: Ints
    """Number of the layout in the table."""
    zones: Words
    ends: NDArray[np.int64]
    """For each layer, the number of its states and of those before."""
    used: NDArray[np.int64]
    """[2]: how many states there are, and how many of them were pulled from."""


@kernel
def draw(
    stream: Words, size: int, count: int, walls: int, least: int, most: int, limit: int
) -> tuple[int, Flags, Cells, Cells, int]:
    """Draw a start, as `rooms.draw_start`.

    Args:
        stream: [1], the state of the random stream; it is continued.
        size: cells along a side of the grid.
        count: of boxes.
        walls: of 100 inner cells.
        least: pushes.
        most: pushes.
        limit: of states that may be searched.

    Returns:
        What came of it; the grid, 35 for walls and 32 for floor; cells of the goals, the boxes and the player in it.
    """
    side = size - 2
    floor = _draw_room(stream, side, walls)
    grid = grid_of(floor, side, side)
    pool = _cells_of(grid.floor, 0, len(floor))
    goals, boxes = np.zeros(count, np.int64), np.zeros(count, np.int64)
    if len(pool) < 2 * count + 1:
        return ROOM_TOO_SMALL, floor, goals, boxes, 0
    for taken in range(count):
        other = taken + below(stream, len(pool) - taken)
        pool[taken], pool[other] = pool[other], pool[taken]
    goals = ascending(pool[:count])
    states = retrograde(grid, goals, most, limit)
    deepest = len(states.ends) - 1
    if deepest < 0:
        return TOO_MANY_STATES, floor, goals, boxes, 0
    while deepest >= least and len(_starts(states, goals, deepest)) == 0:
        deepest -= 1
    if deepest < least:
        return TOO_FEW_PUSHES, floor, goals, boxes, 0
    starts = _starts(states, goals, least + below(stream, deepest - least + 1))
    if len(starts) == 0:
        return NO_START, floor, goals, boxes, 0
    start = starts[below(stream, len(starts))]
    unpack(states.table.layouts[states.layouts[start]], boxes)
    pool = _cells_of(states.zones, start * len(grid.floor), len(floor))
    player = pool[below(stream, len(pool))]
    framed = np.full(size * size, 35, np.uint8)
    for cell in range(len(floor)):
        if floor[cell]:
            framed[_framed(cell, side)] = 32
    for place in range(count):
        goals[place] = _framed(goals[place], side)
        boxes[place] = _framed(boxes[place], side)
    return DRAWN, framed, goals, boxes, _framed(player, side)


@leaf
def _framed(cell: int, side: int) -> int:
    """An inner cell in the grid with its outer wall."""
    return (cell // side + 1) * (side + 2) + cell % side + 1


@kernel
def _draw_room(stream: Words, side: int, walls: int) -> Flags:
    """Flags of the inner floor cells, as `rooms.draw_room`."""
    drawn = np.zeros(side * side, np.uint8)
    limit = np.uint64((walls << 16) // 100)
    word = np.uint64(0)
    for cell in range(len(drawn)):
        if cell % 4 == 0:
            word = bits(stream)
        drawn[cell] = word & _LOW >= limit
        word >>= _SIXTEEN
    grid, kept, most = grid_of(drawn, side, side), 0, 0
    parts = np.zeros(len(drawn), np.int64)  # for each cell, the first cell of its part, counted from 1
    for first in range(len(drawn)):
        if drawn[first] and not parts[first]:
            part, size = np.zeros(len(grid.floor), np.uint64), 0
            put(part, 0, first)
            flood(grid, part, grid.floor)
            for cell in range(first, len(drawn)):
                if holds(part, 0, cell):
                    parts[cell] = first + 1
                    size += 1
            if size > most:
                kept, most = first + 1, size
    for cell in range(len(drawn)):
        drawn[cell] = most > 0 and parts[cell] == kept
    return drawn


@kernel
def _cells_of(sets: Words, base: int, most: int) -> Cells:
    """The cells of the set that begins at word `base`, ascending; all are below `most`."""
    cells, count = np.empty(most, np.int64), 0
    for cell in range(most):
        if holds(sets, base, cell):
            cells[count] = cell
            count += 1
    return cells[:count]


@kernel
def _starts(states: States, goals: Cells, depth: int) -> Cells:
    """The states of a layer that have no box on a goal."""
    first = states.ends[depth - 1] if depth else 0
    found, count = np.empty(states.ends[depth] - first, np.int64), 0
    boxes = np.empty_like(goals)
    for state in range(first, states.ends[depth]):
        unpack(states.table.layouts[states.layouts[state]], boxes)
        if not _share(boxes, goals):
            found[count] = state
            count += 1
    return found[:count]


@leaf
def _share(boxes: Cells, goals: Cells) -> bool:
    """Whether a box is on a goal."""
    stored = False
    for place in range(len(goals)):
        stored |= _among(boxes, goals[place])
    return stored


@kernel
def retrograde(grid: Grid, goals: Cells, depth: int, limit: int) -> States:
    """All states by their fewest pushes, 0 to `depth` at most, as `rooms.retrograde`; no layers if over `limit`."""
    words, most, boxes, moved = len(grid.floor), 4 * len(goals), goals.copy(), goals.copy()
    free, zone = np.empty(words, np.uint64), np.empty(words, np.uint64)
    ends, used = np.zeros(depth + 1, np.int64), np.zeros(2, np.int64)
    states = States(new_layouts(128, words), np.empty(256, np.int32), np.empty(256 * words, np.uint64), ends, used)
    solved = number_of(states.table, packed(goals))
    free_of(grid, goals, free)
    for cell in range(len(grid.near)):
        if holds(free, 0, cell) and not holds(states.table.known, solved * words, cell):
            _add_zone(grid, states, solved, cell, free, zone)
    layers = 0
    while layers <= depth and used[0] <= limit and (layers == 0 or used[0] > ends[layers - 1]):
        ends[layers] = used[0]
        layers += 1
        while layers <= depth and used[1] < ends[layers - 1] and used[0] <= limit:
            if _lacks_room(states, most):
                states = _enlarged(states)
            _pull(grid, states, ends[layers - 1], limit, boxes, moved, free, zone)
    return States(states.table, states.layouts, states.zones, ends[: layers if used[0] <= limit else 0], used)


@leaf
def _pull(
    grid: Grid, states: States, end: int, limit: int, boxes: Cells, moved: Cells, free: Words, zone: Words
) -> None:
    """Put in what can be pulled from the states before number `end`, while there is room and no more than `limit`."""
    words, used = len(zone), states.used
    while used[1] < end and used[0] <= limit and not _lacks_room(states, 4 * len(boxes)):
        state = used[1]
        unpack(states.table.layouts[states.layouts[state]], boxes)
        for way in range(4):
            for place in range(len(boxes)):
                box = boxes[place]
                stand = grid.near[box, way ^ 1]  # where the box is pulled to
                if stand < 0 or not holds(states.zones, state * words, stand):
                    continue
                player = grid.near[stand, way ^ 1]
                if player < 0 or _among(boxes, player):
                    continue
                layout = number_of(states.table, replaced(boxes, place, stand, moved))
                if not holds(states.table.known, layout * words, player):
                    free_of(grid, moved, free)
                    _add_zone(grid, states, layout, player, free, zone)
        used[1] = state + 1


@leaf
def _among(boxes: Cells, cell: int) -> bool:
    """Whether there is a box on this cell."""
    found = False
    for place in range(len(boxes)):
        found |= boxes[place] == cell
    return found


@leaf
def _add_zone(grid: Grid, states: States, layout: int, player: int, free: Words, zone: Words) -> None:
    """Put in a state: the zone of a player in a layout whose free cells are given. `zone` is to work in."""
    words, count = len(zone), states.used[0]
    for word in range(words):
        zone[word] = 0
    put(zone, 0, player)
    flood(grid, zone, free)
    states.layouts[count] = layout
    for word in range(words):
        states.zones[count * words + word] = zone[word]
        states.table.known[layout * words + word] |= zone[word]
    states.used[0] = count + 1


@leaf
def _lacks_room(states: States, more: int) -> bool:
    """Whether `more` states or layouts may not fit."""
    return bool(is_full(states.table, more) or states.used[0] + more > len(states.layouts))


@kernel
def _enlarged(states: States) -> States:
    """A copy with more room."""
    count, words = states.used[0], len(states.zones) // len(states.layouts)
    layouts, zones = np.empty(2 * len(states.layouts), np.int32), np.empty(2 * len(states.zones), np.uint64)
    copy_head(layouts, states.layouts, count)
    copy_head(zones, states.zones, count * words)
    return States(doubled(states.table), layouts, zones, states.ends, states.used)

"""The two searches of `solver`, which explains waves and the order of ties, as one kernel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import kernel, leaf
from puzzlegen.tasks.sokoban.kernels.cells import (
    Cells,
    Flags,
    Grid,
    Words,
    ascending,
    beside,
    flood,
    free_of,
    grid_of,
    holds,
    packed,
    put,
    replaced,
    unpack,
)
from puzzlegen.tasks.sokoban.kernels.layouts import UNKNOWN, Layouts, doubled, is_full, new_layouts, number_of
from puzzlegen.tasks.sokoban.kernels.room import ALIVE, FAR, SPLIT, Room, bound, is_dead, room_of
from puzzlegen.tasks.sokoban.kernels.waves import (
    BOUND,
    FACTS,
    LAYOUT,
    Waves,
    add_wave,
    enlarged,
    lacks_room,
    line_to,
    new_waves,
    take_wave,
)

FOUND, NOTHING, LIMIT = 0, 1, 2
_RUNNING, _CROWDED = 3, 4

_GOALS = 0
"""Number of the layout with every box on a goal: the first that is put in."""

_SIDED = -2
"""In place of a bound: no deadlock, but the bound depends on where the player is."""


class Bench(NamedTuple):
    """Arrays to work in, so that no wave allocates any."""

    here: Cells
    """Boxes of the wave."""
    moved: Cells
    """Boxes after a push."""
    mask: Words
    free: Words
    steps: Words
    occupied: Flags
    """All 0 between two waves."""
    stuck: Flags


@kernel
def search(room: Room, boxes: Cells, player: int, walk: int, push: int, limit: int) -> tuple[int, int, int, Flags]:
    """A* over waves.

    Args:
        room: the tables of the room.
        boxes: their cells, ascending.
        player: its cell.
        walk: what a walked cell costs; 0: a wave fills its zone at once.
        push: what a push costs for each push that it brings the bound no nearer.
        limit: waves to expand.

    Returns:
        FOUND, NOTHING or LIMIT; the cost of what was found beyond the bound; the waves that were expanded; the line
        as direction numbers, pushes 4 higher, empty if `walk` is 0.
    """
    words, cells = len(room.grid.floor), len(room.grid.near)
    bench = Bench(
        boxes.copy(), boxes.copy(), np.zeros(words, np.uint64), np.zeros(words, np.uint64), np.zeros(words, np.uint64),
        np.zeros(cells, np.uint8), np.zeros(cells, np.uint8),
    )  # fmt: skip
    line = np.empty(0, np.uint8)
    start = bound(room, boxes, player)
    for box in boxes:
        if is_dead(room, boxes, box, bench.stuck):
            start = FAR
    if start >= FAR:
        return NOTHING, 0, 0, line
    table, waves = new_layouts(128, words), new_waves(256, 64, words)
    number_of(table, packed(room.goals))
    first = add_wave(waves, 0, number_of(table, packed(boxes)), start, -1, -1)
    put(waves.masks, first * words, player)
    outcome, wave, cost = _CROWDED, 0, 0
    while outcome == _CROWDED:
        if is_full(table, 4 * len(boxes)):
            table = doubled(table)
        if lacks_room(waves, 4 * len(boxes) + 1):
            waves = enlarged(waves)
        outcome, wave, cost = _expand(room, table, waves, bench, walk, push, limit)
    if outcome == FOUND and walk:
        line = line_to(waves, wave, bench.mask, room.grid)
    return outcome, cost, int(waves.used[2]), line


@leaf
def _expand(
    room: Room, table: Layouts, waves: Waves, bench: Bench, walk: int, push: int, limit: int
) -> tuple[int, int, int]:
    """Expand waves until the search ends, or as long as there is room for what they put in.

    Returns:
        What it ended with; the last wave and its cost. Its cells are in `bench.mask`.
    """
    words, mask, outcome, wave, cost = len(room.grid.floor), bench.mask, _RUNNING, 0, 0
    while outcome == _RUNNING:
        if is_full(table, 4 * len(bench.here)) or lacks_room(waves, 4 * len(bench.here) + 1):
            outcome = _CROWDED
            continue
        wave, cost = take_wave(waves)
        if wave < 0:
            outcome = NOTHING
            continue
        layout, fresh = int(waves.facts[wave * FACTS + LAYOUT]), False
        for word in range(words):
            mask[word] = waves.masks[wave * words + word] & ~table.known[layout * words + word]
            fresh |= mask[word] != 0
        if not fresh:
            continue
        if layout == _GOALS:
            outcome = FOUND
        elif waves.used[2] == limit:
            outcome = LIMIT
        else:
            waves.used[2] += 1
            _expand_wave(room, table, waves, bench, wave, layout, cost, walk, push)
    return outcome, wave, cost


@leaf
def _expand_wave(
    room: Room, table: Layouts, waves: Waves, bench: Bench, wave: int, layout: int, cost: int, walk: int, push: int
) -> None:
    """Put in the pushes and the walk from the cells of `bench.mask`."""
    words, mask, steps, here = len(bench.mask), bench.mask, bench.steps, bench.here
    unpack(table.layouts[layout], here)
    free_of(room.grid, here, bench.free)
    if not walk:
        flood(room.grid, mask, bench.free)
    for word in range(words):
        table.known[layout * words + word] |= mask[word]
        steps[word] = beside(room.grid, mask, word)
    touches = False
    for place in range(len(here)):
        touches |= holds(steps, 0, here[place])
    if touches:
        _add_pushes(room, table, waves, bench, wave, cost, push)
    fresh = False
    for word in range(words):
        steps[word] &= bench.free[word] & ~table.known[layout * words + word]
        fresh |= steps[word] != 0
    if fresh and walk:
        walked = add_wave(waves, cost + walk, layout, int(waves.facts[wave * FACTS + BOUND]), wave, -1)
        for word in range(words):
            waves.masks[walked * words + word] = steps[word]


@leaf
def _add_pushes(room: Room, table: Layouts, waves: Waves, bench: Bench, wave: int, cost: int, push: int) -> None:
    """Put in what the player cells of `bench.mask` can push."""
    near, words, here, occupied = room.grid.near, len(bench.mask), bench.here, bench.occupied
    far = int(waves.facts[wave * FACTS + BOUND])
    for place in range(len(here)):
        occupied[here[place]] = 1
    for way in range(4):
        for place in range(len(here)):
            box = here[place]
            stand, target = near[box, way ^ 1], near[box, way]
            if stand < 0 or target < 0 or not holds(bench.mask, 0, stand):
                continue
            if occupied[target] or not room.kinds[target] & ALIVE:
                continue
            layout = number_of(table, replaced(here, place, target, bench.moved))
            if holds(table.known, layout * words, box):
                continue
            left = _bound_after(room, table, bench, layout, target, box)
            if left < FAR:
                pushed = add_wave(waves, cost + (1 + left - far) * push, layout, left, wave, way)
                put(waves.masks, pushed * words, box)
    for place in range(len(here)):
        occupied[here[place]] = 0


@leaf
def _bound_after(room: Room, table: Layouts, bench: Bench, layout: int, pushed: int, player: int) -> int:
    """The bound of `bench.moved`, FAR or more in a deadlock; kept if it does not depend on the player."""
    left = int(table.bounds[layout])
    if left == UNKNOWN:
        sided = False
        for place in range(len(bench.moved)):
            sided |= room.kinds[bench.moved[place]] & SPLIT != 0
        if is_dead(room, bench.moved, pushed, bench.stuck):
            left = FAR
        elif sided:
            left = _SIDED
        else:
            left = bound(room, bench.moved, player)
        table.bounds[layout] = left
    if left == _SIDED:
        left = bound(room, bench.moved, player)
    return left


SOLVED, UNSOLVABLE, TOO_MANY_ZONES, TOO_MANY_WAVES, UNSUPPORTED = 0, 1, 2, 3, 4


@kernel
def solve(
    floor: Flags, rows: int, cols: int, things: Cells, searches: NDArray[np.int64]
) -> tuple[int, int, int, int, Flags]:
    """Both searches from one state.

    Args:
        floor: the grid, 35 for a wall.
        rows: of the grid.
        cols: of the grid.
        things: cells of the grid: goals, as many boxes, the player.
        searches: [2, 3]: `walk`, `push` and `limit` for the fewest pushes and for the line, see `search`. One with a
            negative limit is left out.

    Returns:
        What came of it; the fewest pushes, the zones expanded, the bound of the start, and the line.
    """
    count, inner_rows, inner_cols = len(things) // 2, rows - 2, cols - 2
    inner, cells, line = np.zeros(inner_rows * inner_cols, np.uint8), np.empty_like(things), np.empty(0, np.uint8)
    for cell in range(len(inner)):
        inner[cell] = floor[(cell // inner_cols + 1) * cols + cell % inner_cols + 1] != 35
    inside = True
    for thing in range(len(things)):
        row, col = things[thing] // cols - 1, things[thing] % cols - 1
        inside &= 0 <= row < inner_rows and 0 <= col < inner_cols
        cells[thing] = row * inner_cols + col if inside else 0
    grid = grid_of(inner, inner_rows, inner_cols)
    goals, boxes, player = ascending(cells[:count]), ascending(cells[count:-1]), cells[-1]
    if not inside or not _is_playable(grid, goals, boxes, player):
        return UNSUPPORTED, 0, 0, 0, line
    room = room_of(grid, goals)
    start = bound(room, boxes, player)
    least = expanded = 0
    if searches[0, 2] >= 0:
        outcome, least, expanded, line = search(room, boxes, player, searches[0, 0], searches[0, 1], searches[0, 2])
        least += start
        if outcome != FOUND:
            return (UNSOLVABLE if outcome == NOTHING else TOO_MANY_ZONES), 0, expanded, start, line
    if searches[1, 2] >= 0:
        outcome, _, _, line = search(room, boxes, player, searches[1, 0], searches[1, 1], searches[1, 2])
        if outcome != FOUND:
            return (UNSOLVABLE if outcome == NOTHING else TOO_MANY_WAVES), least, expanded, start, line
    return SOLVED, least, expanded, start, line


@kernel
def _is_playable(grid: Grid, goals: Cells, boxes: Cells, player: int) -> bool:
    """Whether all floor can be walked to from the player's cell, and nothing is on a wall or on its like."""
    zone = np.zeros(len(grid.floor), np.uint64)
    put(zone, 0, player)
    flood(grid, zone, grid.floor)
    fine = True
    for word in range(len(zone)):
        fine &= zone[word] == grid.floor[word]
    for place in range(len(boxes)):
        fine &= holds(zone, 0, goals[place]) and holds(zone, 0, boxes[place]) and boxes[place] != player
        if place > 0:
            fine &= goals[place] > goals[place - 1] and boxes[place] > boxes[place - 1]
    return fine

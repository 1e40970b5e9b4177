"""Sets of inner cells as words of 64 bits, and layouts of boxes packed into one word."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import kernel, leaf

MOST_CELLS = 256
"""Inner cells, walls included, that a byte can tell apart."""
MOST_BOXES = 8
"""Boxes whose cells fit one word."""

Words = NDArray[np.uint64]
Ints = NDArray[np.int32]
Cells = NDArray[np.int64]
Flags = NDArray[np.uint8]

_ONE = np.uint64(1)
_BYTE = np.uint64(255)


class Grid(NamedTuple):
    """The floor of a closed room, without the outer wall."""

    cols: int
    near: NDArray[np.int64]
    """[cells, 4]: the floor cell next to this one by U D L R, -1 for a wall; direction ^ 1 leads back."""
    floor: Words
    off_left: Words
    """All but the first column: steps to the right end here."""
    off_right: Words


@kernel
def grid_of(floor: Flags, rows: int, cols: int) -> Grid:
    """The grid of rows x cols inner cells, of which those with a nonzero flag are floor."""
    cells = rows * cols
    words = (cells + 63) // 64
    near = np.empty((cells, 4), np.int64)
    bits, off_left, off_right = (np.zeros(words, np.uint64), np.zeros(words, np.uint64), np.zeros(words, np.uint64))
    for cell in range(cells):
        for way in range(4):
            near[cell, way] = -1
        row, col = cell // cols, cell % cols
        if col > 0:
            put(off_left, 0, cell)
        if col < cols - 1:
            put(off_right, 0, cell)
        if not floor[cell]:
            continue
        put(bits, 0, cell)
        if row > 0 and floor[cell - cols]:
            near[cell, 0] = cell - cols
        if row < rows - 1 and floor[cell + cols]:
            near[cell, 1] = cell + cols
        if col > 0 and floor[cell - 1]:
            near[cell, 2] = cell - 1
        if col < cols - 1 and floor[cell + 1]:
            near[cell, 3] = cell + 1
    return Grid(cols, near, bits, off_left, off_right)


@leaf
def holds(sets: Words, base: int, cell: int) -> bool:
    """Whether the set that begins at word `base` has this cell."""
    return bool((sets[base + (cell >> 6)] >> np.uint64(cell & 63)) & _ONE)


@leaf
def put(sets: Words, base: int, cell: int) -> None:
    """Add a cell to the set that begins at word `base`."""
    sets[base + (cell >> 6)] |= _ONE << np.uint64(cell & 63)


@leaf
def beside(grid: Grid, cells: Words, word: int) -> np.uint64:
    """One word of the cells that are a step away from a set; walls among them."""
    here, before, after = cells[word], np.uint64(0), np.uint64(0)
    if word > 0:
        before = cells[word - 1]
    if word + 1 < len(cells):
        after = cells[word + 1]
    row = np.uint64(grid.cols)
    rest = np.uint64(64 - grid.cols)
    right = (here << _ONE | before >> np.uint64(63)) & grid.off_left[word]
    left = (here >> _ONE | after << np.uint64(63)) & grid.off_right[word]
    return np.uint64(right | left | here << row | before >> rest | here >> row | after << rest)


@leaf
def flood(grid: Grid, zone: Words, free: Words) -> None:
    """Grow a set, which lies in `free`, to all that can be walked to from it."""
    if len(zone) == 1:
        _flood_word(grid, zone, free)
        return
    grew = True
    while grew:
        grew = False
        for word in range(len(zone)):
            grown = zone[word] | beside(grid, zone, word) & free[word]
            if grown != zone[word]:
                zone[word] = grown
                grew = True


@leaf
def _flood_word(grid: Grid, zone: Words, free: Words) -> None:
    """`flood` for sets of one word: thrice as fast."""
    here, row = zone[0], np.uint64(grid.cols)
    inside, to_right, to_left = free[0], free[0] & grid.off_left[0], free[0] & grid.off_right[0]
    while True:
        grown = here | (here << _ONE) & to_right | (here >> _ONE) & to_left
        grown |= (grown << row | grown >> row) & inside
        if grown == here:
            zone[0] = here
            return
        here = grown


@leaf
def free_of(grid: Grid, boxes: Cells, free: Words) -> None:
    """Set `free` to the floor without boxes."""
    for word in range(len(free)):
        free[word] = grid.floor[word]
    for place in range(len(boxes)):
        cell = boxes[place]
        free[cell >> 6] &= ~(_ONE << np.uint64(cell & 63))


@leaf
def packed(boxes: Cells) -> np.uint64:
    """The layout of these boxes, which are ascending."""
    layout = np.uint64(0)
    for place in range(len(boxes) - 1, -1, -1):
        layout = layout << np.uint64(8) | np.uint64(boxes[place])
    return layout


@leaf
def unpack(layout: np.uint64, boxes: Cells) -> None:
    """Set `boxes` to those of this layout."""
    for place in range(len(boxes)):
        boxes[place] = int(layout & _BYTE)
        layout >>= np.uint64(8)


@leaf
def replaced(boxes: Cells, place: int, target: int, moved: Cells) -> np.uint64:
    """The layout in which the box at this place of the list is at `target`; sets `moved` to its boxes."""
    for other in range(len(boxes)):
        moved[other] = boxes[other]
    while place > 0 and moved[place - 1] > target:
        moved[place] = moved[place - 1]
        place -= 1
    while place + 1 < len(moved) and moved[place + 1] < target:
        moved[place] = moved[place + 1]
        place += 1
    moved[place] = target
    return packed(moved)


@kernel
def ascending(cells: Cells) -> Cells:
    """A sorted copy of a few cells."""
    ordered = cells.copy()
    for last in range(1, len(ordered)):
        cell, place = ordered[last], last
        while place > 0 and ordered[place - 1] > cell:
            ordered[place] = ordered[place - 1]
            place -= 1
        ordered[place] = cell
    return ordered

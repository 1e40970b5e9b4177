"""What a search knows of each layout of boxes: an open-addressing table that grows on demand."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import kernel, leaf
from puzzlegen.tasks.sokoban.kernels.cells import Ints, Words

UNKNOWN = -1
"""No bound of this layout has been asked for."""

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_HIGH = np.uint64(32)


class Layouts(NamedTuple):
    """Layouts by number, in the order in which they were put in."""

    slots: Ints
    """Number of the layout in each slot, -1 where there is none; twice as many as layouts at least."""
    layouts: Words
    known: Words
    """For each layout, the player cells that were reached."""
    bounds: Ints
    used: NDArray[np.int64]
    """[1]: how many layouts there are."""


@kernel
def new_layouts(room_for: int, words: int) -> Layouts:
    """An empty table for this many layouts, a power of two."""
    slots, bounds = np.empty(2 * room_for, np.int32), np.empty(room_for, np.int32)
    for slot in range(2 * room_for):
        slots[slot] = -1
    for number in range(room_for):
        bounds[number] = UNKNOWN
    layouts, known = np.empty(room_for, np.uint64), np.zeros(room_for * words, np.uint64)
    return Layouts(slots, layouts, known, bounds, np.zeros(1, np.int64))


@leaf
def copy_head(target: NDArray[Any], source: NDArray[Any], count: int) -> None:
    """Copy the first numbers of a one-dimensional array; a slice would take a second to compile."""
    for place in range(count):
        target[place] = source[place]


@leaf
def is_full(table: Layouts, more: int) -> bool:
    """Whether `more` layouts do not fit."""
    return bool(table.used[0] + more > len(table.layouts))


@kernel
def doubled(table: Layouts) -> Layouts:
    """A copy with room for twice as many."""
    used, words = table.used[0], len(table.known) // len(table.layouts)
    larger = new_layouts(2 * len(table.layouts), words)
    for number in range(used):
        number_of(larger, table.layouts[number])
    copy_head(larger.known, table.known, used * words)
    copy_head(larger.bounds, table.bounds, used)
    return larger


@leaf
def number_of(table: Layouts, layout: np.uint64) -> int:
    """The number of a layout; a new one is put in, and there must be room for it."""
    last = len(table.slots) - 1
    at = int((layout * _SPREAD) >> _HIGH) & last
    number = int(table.slots[at])
    while number >= 0 and table.layouts[number] != layout:
        at = (at + 1) & last
        number = int(table.slots[at])
    if number < 0:
        number = table.used[0]
        table.used[0] = number + 1
        table.slots[at] = number
        table.layouts[number] = layout
    return number

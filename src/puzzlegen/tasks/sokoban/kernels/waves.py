"""Waves of a search, which are never thrown away, and the queue of those that are to be expanded."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.kernels import kernel, leaf
from puzzlegen.tasks.sokoban.kernels.cells import Flags, Grid, Ints, Words, holds
from puzzlegen.tasks.sokoban.kernels.layouts import copy_head


class Waves(NamedTuple):
    """Waves by number, and stacks of them by cost, the least cost last."""

    masks: Words
    """For each wave, its player cells."""
    facts: Ints
    """For each wave, FACTS numbers: LAYOUT, BOUND, BEFORE, WAY and BELOW."""
    costs: NDArray[np.int64]
    """Of the stacks, falling."""
    tops: Ints
    """Of the stacks, -1 for an empty one."""
    used: NDArray[np.int64]
    """[3]: how many waves and how many stacks there are, and how many waves were expanded."""


LAYOUT, BOUND, BEFORE, WAY, BELOW, FACTS = 0, 1, 2, 3, 4, 5
"""Number of the layout; its bound; the wave from which this one came, -1 for the first; direction of the push that led
to it, -1 for a walk; the wave under it in its stack, -1 for the lowest."""


@kernel
def new_waves(room_for: int, stacks: int, words: int) -> Waves:
    """Room for so many waves and stacks."""
    return Waves(
        np.empty(room_for * words, np.uint64),
        np.empty(room_for * FACTS, np.int32),
        np.empty(stacks, np.int64),
        np.empty(stacks, np.int32),
        np.zeros(3, np.int64),
    )


@leaf
def lacks_room(waves: Waves, more: int) -> bool:
    """Whether `more` waves or stacks may not fit."""
    return bool(waves.used[0] + more > len(waves.facts) // FACTS or waves.used[1] + more > len(waves.costs))


@kernel
def enlarged(waves: Waves) -> Waves:
    """A copy with more room."""
    used, stacks, room_for = waves.used[0], waves.used[1], len(waves.facts) // FACTS
    words = len(waves.masks) // room_for
    larger = new_waves(2 * room_for, 2 * len(waves.costs), words)
    copy_head(larger.masks, waves.masks, used * words)
    copy_head(larger.facts, waves.facts, used * FACTS)
    copy_head(larger.costs, waves.costs, stacks)
    copy_head(larger.tops, waves.tops, stacks)
    copy_head(larger.used, waves.used, len(waves.used))
    return larger


@leaf
def add_wave(waves: Waves, cost: int, layout: int, bound: int, before: int, way: int) -> int:
    """Put in a wave without cells; there must be room for it. Returns its number."""
    number, stacks = int(waves.used[0]), waves.used[1]
    at, end = 0, stacks
    while at < end:
        middle = (at + end) // 2
        if waves.costs[middle] > cost:
            at = middle + 1
        else:
            end = middle
    if at == stacks or waves.costs[at] != cost:
        for other in range(stacks, at, -1):
            waves.costs[other] = waves.costs[other - 1]
            waves.tops[other] = waves.tops[other - 1]
        waves.costs[at] = cost
        waves.tops[at] = -1
        waves.used[1] = stacks + 1
    facts = waves.facts
    facts[number * FACTS + LAYOUT] = layout
    facts[number * FACTS + BOUND] = bound
    facts[number * FACTS + BEFORE] = before
    facts[number * FACTS + WAY] = way
    facts[number * FACTS + BELOW] = waves.tops[at]
    waves.tops[at] = number
    waves.used[0] = number + 1
    words = len(waves.masks) // (len(waves.facts) // FACTS)
    for word in range(number * words, (number + 1) * words):
        waves.masks[word] = 0
    return number


@leaf
def take_wave(waves: Waves) -> tuple[int, int]:
    """(number, cost) of the wave that was put in last at the least cost; number -1 if there is none."""
    number = -1
    while number < 0 and waves.used[1] > 0:
        number = int(waves.tops[waves.used[1] - 1])
        if number < 0:
            waves.used[1] -= 1
    cost = 0
    if number >= 0:
        last = waves.used[1] - 1
        cost = int(waves.costs[last])
        waves.tops[last] = waves.facts[number * FACTS + BELOW]
    return number, cost


@kernel
def line_to(waves: Waves, wave: int, mask: Words, grid: Grid) -> Flags:
    """LURD letters of the line that led to the lowest cell of `mask` in this wave."""
    words, length, before = len(mask), 0, waves.facts[wave * FACTS + BEFORE]
    while before >= 0:
        length += 1
        before = waves.facts[before * FACTS + BEFORE]
    cell = 0
    while not holds(mask, 0, cell):
        cell += 1
    letters = np.empty(length, np.uint8)
    for place in range(length - 1, -1, -1):
        before, pushed = waves.facts[wave * FACTS + BEFORE], waves.facts[wave * FACTS + WAY]
        for way in range(4):
            came_from = grid.near[cell, way ^ 1]
            if (pushed < 0 or pushed == way) and came_from >= 0 and holds(waves.masks, before * words, came_from):
                letters[place] = way + (4 if pushed >= 0 else 0)
                cell = came_from
                break
        wave = before
    return letters

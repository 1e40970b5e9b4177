"""Slots of the frontier: what they hold, and what a cell does with the two that lead into it.

A slot is four bits: 0 no link, 1 and 2 the left and right end of a path that has met no endpoint yet (paths cannot
cross, so these nest like brackets), 3 + color the open end of a path from an endpoint of that color.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

MAX_COLORS = 12  # what four bits leave
EMPTY = -1  # the dot of a cell without endpoint
NO_LINK = 1  # as a mask of allowed slot values, one bit a value

_OPEN, _CLOSE, _FIRST_COLOR = 1, 2, 3
_ANY = 0xFFFF

Rule = tuple[bool, int]  # (whether the far end lies at higher slots, change of its value)
Change = int | None


class Table(NamedTuple):
    """What one kind of cell does with each pair of slots (left + 16 * above)."""

    first: list[Change]
    """What is added to the pair in the first way to go on, if any."""
    second: list[Change]
    """The same in the second way."""
    joins: list[Rule | None]
    """Where the pair vanishes and the far end of one of the two changes."""
    before: dict[int, list[int]]
    """From the pair that a cell leaves behind to the pairs that it comes from, no far end concerned."""
    far: dict[int, list[int]]
    """From the new value of a far end to the pairs that vanished for it."""


def allowed(dot: int, forced: int) -> int:
    """Mask of the slot values of a link into a cell with this endpoint."""
    mask = _ANY if dot == EMPTY else 0b111 | 1 << (_FIRST_COLOR + dot)
    return mask & ~NO_LINK if forced else mask


@functools.lru_cache(maxsize=8192)
def table(dot: int, down: int, right: int) -> Table:
    """What a cell does with each pair of incoming slots (left + 16 * above).

    Args:
        dot: the color of the cell's endpoint, or EMPTY.
        down: mask of the values that may leave the cell downwards.
        right: the same to the right.
    """
    first: list[Change] = [None] * 256
    second: list[Change] = [None] * 256
    joins: list[Rule | None] = [None] * 256
    for pair in range(256):
        left, above = pair & 15, pair >> 4
        ends = [end for end in (left, above, 0 if dot == EMPTY else _FIRST_COLOR + dot) if end]
        if len(ends) == 1:
            ways = [ends[0] - pair] if down >> ends[0] & 1 and right & NO_LINK else []
            ways += [16 * ends[0] - pair] if right >> ends[0] & 1 and down & NO_LINK else []
            first[pair], second[pair] = [*ways, None, None][:2]
        elif not ends and down >> _OPEN & 1 and right >> _CLOSE & 1:
            first[pair] = _OPEN + 16 * _CLOSE
        elif len(ends) == 2 and down & right & NO_LINK:
            joins[pair] = _rule(*ends)
            if joins[pair] is None and _meet(*ends):
                first[pair] = -pair
    before: dict[int, list[int]] = {}
    far: dict[int, list[int]] = {}
    for pair, rule in enumerate(joins):
        for change in (first[pair], second[pair]):
            if change is not None:
                before.setdefault(pair + change, []).append(pair)
        if rule:
            far.setdefault(rule[1] + (_CLOSE if rule[0] else _OPEN), []).append(pair)
    return Table(first, second, joins, before, far)


def _meet(one: int, other: int) -> bool:
    """Whether two ends that meet in a cell make a whole path without more ado: same color, or `) (`."""
    return (one == other and one >= _FIRST_COLOR) or (one == _CLOSE and other == _OPEN)


def _rule(one: int, other: int) -> Rule | None:
    """What becomes of the far end of a bracket that meets another end."""
    if one == other == _OPEN:
        return True, _OPEN - _CLOSE
    if one == other == _CLOSE:
        return False, _CLOSE - _OPEN
    low, high = min(one, other), max(one, other)
    if low < _FIRST_COLOR <= high:
        return (True, high - _CLOSE) if low == _OPEN else (False, high - _OPEN)
    return None


def partner_above(slots: int) -> int:
    """Shift of the first closing bracket that no earlier slot opens."""
    depth = shift = 0
    while True:
        value = slots & 15
        if value == _OPEN:
            depth += 1
        elif value == _CLOSE:
            if not depth:
                return shift
            depth -= 1
        slots >>= 4
        shift += 4


def partner_below(slots: int, shift: int) -> int:
    """Shift of the last opening bracket that no later slot below `shift` closes."""
    depth = 0
    while True:
        shift -= 4
        value = (slots >> shift) & 15
        if value == _CLOSE:
            depth += 1
        elif value == _OPEN:
            if not depth:
                return shift
            depth -= 1

"""The program of `frontier`, compiled: the same layers in arrays, the same counts, the same cover read back.

All layers lie one after the other in `keys` (the slots of a state in one int) and `ways`; `firsts` says where each
begins. Within a layer, states are in the order in which they are found. Counts end at 2**63, where OVERFLOW sends
callers back to the reference.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from puzzlegen.grid import LINK
from puzzlegen.kernels import kernel
from puzzlegen.tasks.flowfree import slots

TOO_MANY_STATES, OVERFLOW = -1, -2  # in place of a count

_UP, _DOWN, _LEFT, _RIGHT = (LINK[direction] for direction in "UDLR")
_ANY, _NO_LINK = 0xFFFF, slots.NO_LINK
_OPEN, _CLOSE, _FIRST_COLOR = 1, 2, 3  # as in `slots`
_SPREAD = np.uint64(0x9E3779B97F4A7C15)

Array = Any  # numpy arrays, whose types numba infers; below I, K, W are int64 [n], and "cells" means in scan order


@kernel
def allowed(dot: int, forced: int) -> int:
    """`slots.allowed`; dot -1 is EMPTY."""
    mask = _ANY if dot < 0 else 7 | 1 << (_FIRST_COLOR + dot)
    return mask & ~_NO_LINK if forced else mask


@kernel
def far_end(rest: int, shift: int, upwards: bool) -> int:
    """`slots.partner_above` (as an absolute shift) or `slots.partner_below`."""
    depth = 0
    closing = _CLOSE if upwards else _OPEN
    step = 4 if upwards else -4
    place = shift if upwards else shift - 4
    while True:
        value = rest >> place & 15
        if value == closing:
            if not depth:
                return place
            depth -= 1
        elif value == _OPEN + _CLOSE - closing:
            depth += 1
        place += step


@kernel
def onward(state: int, shift: int, dot: int, down: int, right: int) -> tuple[int, int]:
    """The states that a cell makes of one, -1 for none; `slots.table` without a table.

    Args:
        state: all slots, those of the cell at `shift` (from the left) and the next (from above).
        shift: of the cell.
        dot: color of its endpoint, or -1.
        down: mask of the slot values that may leave it downwards.
        right: the same to the right.
    """
    pair = state >> shift & 255
    left, above = pair & 15, pair >> 4
    one, other = (left, above) if left else (above, 0)
    if dot >= 0:
        if other:
            return -1, -1
        one, other = (one, _FIRST_COLOR + dot) if one else (_FIRST_COLOR + dot, 0)
    rest = state - (pair << shift)
    if not one:
        opens = down >> _OPEN & 1 and right >> _CLOSE & 1
        return (rest + (_OPEN + 16 * _CLOSE << shift) if opens else -1), -1
    if not other:
        goes_down = down >> one & 1 and right & _NO_LINK
        goes_right = right >> one & 1 and down & _NO_LINK
        return (rest + (one << shift) if goes_down else -1), (rest + (16 * one << shift) if goes_right else -1)
    if not down & right & _NO_LINK:
        return -1, -1
    low, high = min(one, other), max(one, other)
    if high < _FIRST_COLOR:
        if low != high:
            return (rest if one == _CLOSE else -1), -1
        place = far_end(rest, shift, low == _OPEN)
        return rest + ((_OPEN - _CLOSE if low == _OPEN else _CLOSE - _OPEN) << place), -1
    if low >= _FIRST_COLOR:
        return (rest if low == high else -1), -1
    place = far_end(rest, shift, low == _OPEN)
    return rest + (high - (_CLOSE if low == _OPEN else _OPEN) << place), -1


@kernel
def exits_of(cols: int, dots: Array, drawn: Array, downs: Array, rights: Array) -> None:
    """For each cell the masks of what may leave it downwards and to the right, from endpoints and drawn links."""
    num_cells = len(dots)
    for cell in range(num_cells):
        down = right = _NO_LINK
        if cell + cols < num_cells:
            down = allowed(dots[cell + cols], drawn[cell] & _DOWN)
        if (cell + 1) % cols:
            right = allowed(dots[cell + 1], drawn[cell] & _RIGHT)
        downs[cell], rights[cell] = down, right


@kernel
def grown(array: Array, size: int) -> Array:
    """The array, copied into one of twice the size that is needed if it is too small."""
    if len(array) >= size:
        return array
    larger = np.empty(2 * size, array.dtype)
    larger[: len(array)] = array
    return larger


@kernel
def sweep(
    cols: int, dots: Array, downs: Array, rights: Array, most: int,
    firsts: Array, keys: Array, ways: Array, index: Array,
) -> tuple[int, Array, Array, Array]:  # fmt: skip
    """Fill all layers.

    Args:
        cols: cells of a row.
        dots: for each cell the color of its endpoint, or -1.
        downs: from `exits_of`.
        rights: from `exits_of`.
        most: states of all layers together, else TOO_MANY_STATES.
        firsts: int64 [cells + 2], filled with where each layer begins and the last one ends.
        keys: int64 [1 or more].
        ways: as keys.
        index: int32 [1 or more], scratch: hash table from slots to places in the layer, 0 for none.

    Returns:
        The number of full covers or why there is none, and keys, ways and index, which may have grown.
    """
    keys[0], ways[0] = 0, 1
    firsts[0], firsts[1] = 0, 1
    for cell in range(len(dots)):
        begin, end = firsts[cell], firsts[cell + 1]
        col = cell % cols
        shift = 4 * col
        keys, ways = grown(keys, 3 * end - 2 * begin), grown(ways, 3 * end - 2 * begin)
        bits = 4
        while 1 << bits < 4 * (end - begin):
            bits += 1
        index = grown(index, 1 << bits)
        index[: 1 << bits] = 0
        top = np.uint64(64 - bits)
        free = end
        for source in range(begin, end):
            state = keys[source] if col else keys[source] << 4
            one, other = onward(state, shift, dots[cell], downs[cell], rights[cell])
            while one >= 0 or other >= 0:
                if one < 0:
                    one, other = other, one
                place = np.int64(np.uint64(one) * _SPREAD >> top)
                while index[place] and keys[end + index[place] - 1] != one:
                    place = (place + 1) & ((1 << bits) - 1)
                if index[place]:
                    found = end + index[place] - 1
                    ways[found] += ways[source]
                    if ways[found] < 0:
                        return OVERFLOW, keys, ways, index
                else:
                    keys[free], ways[free] = one, ways[source]
                    free += 1
                    index[place] = free - end
                one = -1
        firsts[cell + 2] = free
        if free - 1 > most:
            return TOO_MANY_STATES, keys, ways, index
    last = firsts[len(dots)]
    covers = ways[last] if firsts[len(dots) + 1] > last and keys[last] == 0 else 0
    return covers, keys, ways, index


@kernel
def read_back(cols: int, dots: Array, downs: Array, rights: Array, firsts: Array, keys: Array, masks: Array) -> None:
    """Fill `masks` with the link masks of the cover that `frontier` names, for each cell."""
    masks[:] = 0
    ends, num_ends = np.zeros(1, np.int64), 1
    for cell in range(len(dots) - 1, -1, -1):
        begin, end = firsts[cell], firsts[cell + 1]
        col = cell % cols
        shift = 4 * col
        found, num_found, best = np.empty(4, np.int64), 0, 0
        for source in range(begin, end):
            state = keys[source] if col else keys[source] << 4
            links = 2 * (state >> shift + 4 & 15 > 0) + (state >> shift & 15 > 0)
            if links < best:
                continue
            one, other = onward(state, shift, dots[cell], downs[cell], rights[cell])
            for target in range(num_ends):
                if ends[target] in (one, other):
                    if links > best:
                        best, num_found = links, 0
                    found = grown(found, num_found + 1)
                    found[num_found] = keys[source]
                    num_found += 1
                    break
        ends, num_ends = found, num_found
        if best & 2:
            masks[cell] |= _UP
            masks[cell - cols] |= _DOWN
        if best & 1:
            masks[cell] |= _LEFT
            masks[cell - 1] |= _RIGHT


@kernel
def cover(cols: int, dots: Array, drawn: Array, most: int, masks: Array) -> int:
    """The number of full covers, or TOO_MANY_STATES, or OVERFLOW.

    Args:
        cols: cells of a row, not more than of a column.
        dots: int64 [cells], colors of the endpoints, -1 for none.
        drawn: int64 [cells], masks of links that every cover must have.
        most: states.
        masks: int64 [cells], filled with the links of one cover if there is any; [0]: only count.
    """
    downs, rights = np.empty_like(dots), np.empty_like(dots)
    firsts = np.empty(len(dots) + 2, np.int64)
    exits_of(cols, dots, drawn, downs, rights)
    keys, ways, index = np.empty(256, np.int64), np.empty(256, np.int64), np.empty(256, np.int32)
    covers, keys, ways, index = sweep(cols, dots, downs, rights, most, firsts, keys, ways, index)
    if covers > 0 and len(masks):
        read_back(cols, dots, downs, rights, firsts, keys, masks)
    return covers

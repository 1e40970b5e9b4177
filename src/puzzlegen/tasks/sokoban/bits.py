"""Sets of cells as ints: bit row * cols + col is a cell. A closed room's wall keeps shifts from wrapping around."""

from __future__ import annotations


def shifts(cols: int) -> tuple[tuple[int, int], ...]:
    """(up, down) of a step U D L R: `mask << down >> up` moves all cells by it, `mask << up >> down` back."""
    return (cols, 0), (0, cols), (1, 0), (0, 1)


def flood(seed: int, free: int, cols: int) -> int:
    """The cells of `free` that can be walked to from `seed`, itself included; `seed` lies in `free`."""
    zone = seed
    while True:
        grown = zone | (zone << 1 | zone >> 1) & free
        grown |= (grown << cols | grown >> cols) & free
        if grown == zone:
            return zone
        zone = grown


def cells(mask: int) -> list[int]:
    """The indices of the bits that are set, ascending."""
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def mask_of(indices: list[int]) -> int:
    """The set of these cells."""
    mask = 0
    for index in indices:
        mask |= 1 << index
    return mask


def regions(free: int, cols: int) -> list[int]:
    """The connected parts of `free`, in the order of their first cells."""
    parts = []
    while free:
        part = flood(free & -free, free, cols)
        parts.append(part)
        free ^= part
    return parts

"""Distances and shortest paths in a maze given as one link mask a cell; pure Python, cells are indices."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from puzzlegen.grid import DIRECTIONS, LINK

Links = Sequence[int]


@functools.lru_cache(maxsize=64)
def offsets(cols: int) -> tuple[tuple[str, int, int], ...]:
    """(direction, link bit, step in cell index), in the order U D L R."""
    steps = {"U": -cols, "D": cols, "L": -1, "R": 1}
    return tuple((direction, LINK[direction], steps[direction]) for direction in DIRECTIONS)


def adjacency(links: Links, cols: int) -> list[list[int]]:
    """The joined neighbours of every cell, in the order U D L R."""
    steps = offsets(cols)
    by_mask = [[step for _, bit, step in steps if mask & bit] for mask in range(16)]
    return [[cell + step for step in by_mask[mask]] for cell, mask in enumerate(links)]


def distances(neighbors: Sequence[Sequence[int]], sources: Sequence[int]) -> list[int]:
    """Steps from the nearest source to every cell (breadth first); -1 where there is no way."""
    far = [-1] * len(neighbors)
    for source in sources:
        far[source] = 0
    frontier = list(sources)
    while frontier:
        reached = []
        for cell in frontier:
            step = far[cell] + 1
            for other in neighbors[cell]:
                if far[other] < 0:
                    far[other] = step
                    reached.append(other)
        frontier = reached
    return far


def shortest_path(links: Links, cols: int, far: Sequence[int], start: int) -> str:
    """Directions from `start` to the source of `far`; of several shortest paths the first in the order U D L R."""
    path = []
    cell = start
    while far[cell]:
        for direction, bit, step in offsets(cols):
            if links[cell] & bit and far[cell + step] == far[cell] - 1:
                path.append(direction)
                cell += step
                break
    return "".join(path)


def count_shortest(neighbors: Sequence[Sequence[int]], far: Sequence[int], start: int) -> int:
    """How many shortest paths lead from `start` to the source of `far` (dynamic program over distances)."""
    ways = {start: 1}
    for step in range(far[start] - 1, -1, -1):
        nearer: dict[int, int] = {}
        for cell, count in ways.items():
            for other in neighbors[cell]:
                if far[other] == step:
                    nearer[other] = nearer.get(other, 0) + count
        ways = nearer
    return sum(ways.values())

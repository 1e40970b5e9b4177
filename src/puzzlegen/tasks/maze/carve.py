"""Maze carvers: depth first, Wilson (uniform spanning tree), Kruskal, and braiding of dead ends.

Each returns one link mask a cell. Depth first gives long winding corridors and deep wrong branches, Wilson
every spanning tree with equal chance, Kruskal many short dead ends; braiding opens dead ends into loops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE, Shape, cells_of, neighbors
from puzzlegen.seeding import Rng
from puzzlegen.tasks.maze.paths import offsets

_OPPOSITE_BIT = {LINK[direction]: LINK[OPPOSITE[direction]] for direction in DIRECTIONS}


@functools.lru_cache(maxsize=64)
def _moves(shape: Shape) -> list[list[tuple[int, int]]]:
    """(link bit, neighbour) of every cell, walls ignored; kept, so not to be changed."""
    steps = {direction: (bit, step) for direction, bit, step in offsets(shape[1])}
    return [
        [(steps[direction][0], index + steps[direction][1]) for direction, _ in neighbors(cell, shape)]
        for index, cell in enumerate(cells_of(shape))
    ]


def _join(links: list[int], cell: int, bit: int, other: int) -> None:
    links[cell] |= bit
    links[other] |= _OPPOSITE_BIT[bit]


def depth_first(shape: Shape, rng: Rng) -> list[int]:
    """Randomised depth-first search from a random cell."""
    moves = _moves(shape)
    links = [0] * len(moves)
    stack = [rng.below(len(moves))]
    seen = bytearray(len(moves))
    seen[stack[0]] = 1
    while stack:
        cell = stack[-1]
        fresh = [move for move in moves[cell] if not seen[move[1]]]
        if not fresh:
            stack.pop()
            continue
        bit, other = fresh[rng.below(len(fresh))] if len(fresh) > 1 else fresh[0]
        _join(links, cell, bit, other)
        seen[other] = 1
        stack.append(other)
    return links


def wilson(shape: Shape, rng: Rng) -> list[int]:
    """Loop-erased random walks (Wilson, STOC 1996): every spanning tree is equally likely."""
    moves = _moves(shape)
    links = [0] * len(moves)
    in_tree = bytearray(len(moves))
    in_tree[rng.below(len(moves))] = 1
    last_exit: list[tuple[int, int]] = [(0, 0)] * len(moves)
    for start in range(len(moves)):
        cell = start
        while not in_tree[cell]:
            last_exit[cell] = rng.choice(moves[cell])
            cell = last_exit[cell][1]
        cell = start
        while not in_tree[cell]:
            in_tree[cell] = 1
            bit, other = last_exit[cell]
            _join(links, cell, bit, other)
            cell = other
    return links


def kruskal(shape: Shape, rng: Rng) -> list[int]:
    """All edges in random order, each kept that joins two components (union-find with path halving)."""
    moves = _moves(shape)
    links = [0] * len(moves)
    edges = [(cell, bit, other) for cell, exits in enumerate(moves) for bit, other in exits if cell < other]
    rng.shuffle(edges)
    parent = list(range(len(moves)))

    def root(cell: int) -> int:
        while parent[cell] != cell:
            parent[cell] = parent[parent[cell]]
            cell = parent[cell]
        return cell

    for cell, bit, other in edges:
        first, second = root(cell), root(other)
        if first != second:
            parent[first] = second
            _join(links, cell, bit, other)
    return links


def braided(shape: Shape, rng: Rng) -> list[int]:
    """A depth-first maze of which 10 to 100 % of the dead ends are opened, so that it has loops."""
    links = depth_first(shape, rng)
    moves = _moves(shape)
    share = rng.between(10, 100)
    for cell, exits in enumerate(moves):
        if links[cell] in _OPPOSITE_BIT and rng.below(100) < share:
            walled = [move for move in exits if not links[cell] & move[0]]
            if walled:  # none at the ends of a maze that is one corridor
                _join(links, cell, *rng.choice(walled))
    return links


CARVERS: dict[str, Callable[[Shape, Rng], list[int]]] = {
    "dfs": depth_first,
    "wilson": wilson,
    "kruskal": kruskal,
    "braided": braided,
}

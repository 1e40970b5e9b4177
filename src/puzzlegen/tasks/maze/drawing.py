"""The carvers of `carve` and the drawing of a maze, compiled: the same choices from the same stream."""

from __future__ import annotations

from typing import Any

import numpy as np

from puzzlegen.grid import LINK
from puzzlegen.kernels import below, kernel

DEPTH_FIRST, WILSON, KRUSKAL, BRAIDED = range(4)

_UP, _DOWN, _LEFT, _RIGHT = (LINK[direction] for direction in "UDLR")
_DEAD_ENDS = (_UP, _DOWN, _LEFT, _RIGHT)

Array = Any  # numpy arrays, whose types numba infers; cells are int64, n cells


@kernel
def moves_of(size: int) -> tuple[Array, Array, Array]:
    """`carve._moves` of a square maze: link bits [n, 4], neighbours [n, 4] and how many of them there are [n]."""
    n = size * size
    bits, others, degrees = np.empty((n, 4), np.int64), np.empty((n, 4), np.int64), np.zeros(n, np.int64)
    for cell in range(n):
        row, col = cell // size, cell % size
        for bit, step, there in (
            (_UP, -size, row > 0),
            (_DOWN, size, row + 1 < size),
            (_LEFT, -1, col > 0),
            (_RIGHT, 1, col + 1 < size),
        ):
            if there:
                bits[cell, degrees[cell]], others[cell, degrees[cell]] = bit, cell + step
                degrees[cell] += 1
    return bits, others, degrees


@kernel
def join(links: Array, cell: int, bit: int, other: int) -> None:
    """`carve._join`."""
    links[cell] |= bit
    links[other] |= bit << 1 if bit in (_UP, _LEFT) else bit >> 1


@kernel
def depth_first(links: Array, bits: Array, others: Array, degrees: Array, word: Array) -> None:
    """`carve.depth_first`."""
    n = len(links)
    seen, stack, fresh = np.zeros(n, np.bool_), np.empty(n, np.int64), np.empty(4, np.int64)
    stack[0], height = below(word, n), 1
    seen[stack[0]] = True
    while height:
        cell = stack[height - 1]
        num_fresh = 0
        for exit_ in range(degrees[cell]):
            if not seen[others[cell, exit_]]:
                fresh[num_fresh] = exit_
                num_fresh += 1
        if not num_fresh:
            height -= 1
            continue
        exit_ = fresh[below(word, num_fresh)] if num_fresh > 1 else fresh[0]
        other = others[cell, exit_]
        join(links, cell, bits[cell, exit_], other)
        seen[other], stack[height] = True, other
        height += 1


@kernel
def wilson(links: Array, bits: Array, others: Array, degrees: Array, word: Array) -> None:
    """`carve.wilson`."""
    n = len(links)
    in_tree, last_exit = np.zeros(n, np.bool_), np.zeros(n, np.int64)
    in_tree[below(word, n)] = True
    for start in range(n):
        cell = start
        while not in_tree[cell]:
            last_exit[cell] = below(word, degrees[cell])
            cell = others[cell, last_exit[cell]]
        cell = start
        while not in_tree[cell]:
            in_tree[cell] = True
            other = others[cell, last_exit[cell]]
            join(links, cell, bits[cell, last_exit[cell]], other)
            cell = other


@kernel
def root_of(parent: Array, cell: int) -> int:
    """The cell that stands for a component, paths to it halved."""
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell


@kernel
def kruskal(links: Array, bits: Array, others: Array, degrees: Array, word: Array) -> None:
    """`carve.kruskal`; an edge is 4 * cell + place among the cell's exits."""
    n = len(links)
    edges, num_edges = np.empty(2 * n, np.int64), 0
    for cell in range(n):
        for exit_ in range(degrees[cell]):
            if cell < others[cell, exit_]:
                edges[num_edges] = 4 * cell + exit_
                num_edges += 1
    for last in range(num_edges - 1, 0, -1):
        other = below(word, last + 1)
        edges[last], edges[other] = edges[other], edges[last]
    parent = np.arange(n)
    for edge in edges[:num_edges]:
        cell, exit_ = edge >> 2, edge & 3
        other = others[cell, exit_]
        first, second = root_of(parent, cell), root_of(parent, other)
        if first != second:
            parent[first] = second
            join(links, cell, bits[cell, exit_], other)


@kernel
def braid(links: Array, bits: Array, others: Array, degrees: Array, word: Array) -> None:
    """What `carve.braided` does to a depth-first maze."""
    walled = np.empty(4, np.int64)
    share = 10 + below(word, 91)
    for cell in range(len(links)):
        if links[cell] in _DEAD_ENDS and below(word, 100) < share:
            num_walled = 0
            for exit_ in range(degrees[cell]):
                if not links[cell] & bits[cell, exit_]:
                    walled[num_walled] = exit_
                    num_walled += 1
            if num_walled:
                exit_ = walled[below(word, num_walled)]
                join(links, cell, bits[cell, exit_], others[cell, exit_])


@kernel
def distances(links: Array, bits: Array, others: Array, degrees: Array, source: int) -> Array:
    """`paths.distances` from one cell."""
    far, queue = np.full(len(links), -1), np.empty(len(links), np.int64)
    far[source], queue[0], end = 0, source, 1
    begin = 0
    while begin < end:
        cell = queue[begin]
        begin += 1
        for exit_ in range(degrees[cell]):
            other = others[cell, exit_]
            if links[cell] & bits[cell, exit_] and far[other] < 0:
                far[other], queue[end] = far[cell] + 1, other
                end += 1
    return far


@kernel
def draw(
    size: int, low: int, high: int, carvers: Array, weights: Array, tries: int, word: Array, links: Array
) -> tuple[int, int]:
    """Start and goal of a maze that is drawn into `links`, or (-1, -1) if no cell lies at the drawn distance.

    Args:
        size: cells of a side.
        low: fewest steps from start to goal.
        high: most steps.
        carvers: int64 [carvers], DEPTH_FIRST and so on.
        weights: int64 [carvers], one of which is above 0.
        tries: mazes drawn at most.
        word: uint64 [1], the state of the random numbers, moved on.
        links: uint8 [n], filled with the link masks.
    """
    bits, others, degrees = moves_of(size)
    n = size * size
    target = low + below(word, high - low + 1)
    for _ in range(tries):
        links[:] = 0
        ticket, pick = below(word, weights.sum()), 0
        while ticket >= weights[pick]:
            ticket -= weights[pick]
            pick += 1
        carver = carvers[pick]
        if carver == WILSON:
            wilson(links, bits, others, degrees, word)
        elif carver == KRUSKAL:
            kruskal(links, bits, others, degrees, word)
        else:
            depth_first(links, bits, others, degrees, word)
            if carver == BRAIDED:
                braid(links, bits, others, degrees, word)
        start = below(word, n)
        far = distances(links, bits, others, degrees, start)
        goals = (far == target).sum()
        if goals:
            ticket = below(word, goals)
            for goal in range(n):
                if far[goal] == target:
                    if not ticket:
                        return start, goal
                    ticket -= 1
    return -1, -1

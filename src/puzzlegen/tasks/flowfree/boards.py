"""Boards with exactly one full cover: a random cover by paths, mended by local moves, then counted.

No path of the cover touches itself (two of its cells are neighbours only where they follow each other). A player
could cut such a touch short, so covers without them are nearly always the only ones; the count proves it.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from puzzlegen.errors import Rejected, SearchLimit
from puzzlegen.grid import Shape, cells_of, neighbors
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import frontier

Path = list[int]  # cell indices from end to end

SHORTEST = 3  # cells of a path
MENDING_MOVES = 1500
COUNTS = 40  # boards counted before a draw is given up
TRIES_PER_COUNT = 60  # moves drawn to find one that keeps the cover free of flaws

NOT_MENDED = "no cover without flaws found"
TOO_MANY_STATES = "too many states to count"
NOT_UNIQUE = "no unique board found"


def draw_board(shape: Shape, colors: tuple[int, int], rng: Rng) -> list[Path]:
    """Paths of a cover that is the only one for its endpoints.

    Args:
        shape: rows and columns.
        colors: fewest and most paths; the number is drawn uniformly and kept unless mending fails with it.
        rng: where all choices come from.

    Raises:
        Rejected: local moves led to no such cover, or one took too many states to count.
    """
    target = rng.between(*colors)
    cover = _Cover(shape, (target, target), _walks(shape, rng))
    if not cover.mend(rng):
        cover.colors = colors
        if not cover.mend(rng):
            raise Rejected(NOT_MENDED)
    fewest, kept = 0, cover.paths
    for _ in range(COUNTS):
        try:
            covers = cover.count()
        except SearchLimit:
            raise Rejected(TOO_MANY_STATES) from None
        if covers == 1:
            return cover.paths
        if not fewest or covers <= fewest:
            fewest, kept = covers, cover.paths
        else:
            cover.reset(kept)
        move = cover.flawless_move(rng)
        if move is None:
            break
        cover.apply(move)
    raise Rejected(NOT_UNIQUE)


def _walks(shape: Shape, rng: Rng) -> list[Path]:
    """A cover by walks that begin and go on where fewest free cells are left around, ties at random."""
    around = _around(shape)
    free = [True] * len(around)
    exits = [len(cells) for cells in around]
    paths = []
    left = len(around)
    while left:
        cell = _tightest([cell for cell in range(len(around)) if free[cell]], exits, rng)
        path: Path = []
        while True:
            path.append(cell)
            free[cell] = False
            left -= 1
            for other in around[cell]:
                exits[other] -= 1
            steps = [
                other for other in around[cell] if free[other] and sum(next in path for next in around[other]) == 1
            ]
            if not steps:
                break
            cell = _tightest(steps, exits, rng)
        paths.append(path)
    return paths


def _tightest(cells: Sequence[int], exits: Sequence[int], rng: Rng) -> int:
    fewest = min(exits[cell] for cell in cells)
    return rng.choice([cell for cell in cells if exits[cell] == fewest])


Move = tuple[tuple[int, ...], tuple[Path, ...]]  # (indices of the paths that go, paths that come)


class _Cover:
    """A cover by paths that local moves change."""

    def __init__(self, shape: Shape, colors: tuple[int, int], paths: list[Path]) -> None:
        self.shape = shape
        self.colors = colors
        self.around = _around(shape)
        self.bits = [1 << (row * (shape[1] + 1) + col) for row, col in cells_of(shape)]
        self.reset(paths)

    def reset(self, paths: list[Path]) -> None:
        """Take these paths."""
        self.paths = paths
        self.owner = [0] * len(self.around)
        for index, path in enumerate(paths):
            for cell in path:
                self.owner[cell] = index

    def mend(self, rng: Rng) -> bool:
        """Make moves that add no flaw, now and then one that adds one, until there is none."""
        flaws = sum(map(self.flaws, self.paths)) + self.surplus(len(self.paths))
        for _ in range(MENDING_MOVES):
            if not flaws:
                return True
            move = self.draw_move(rng)
            if move is None:
                continue
            change = self.change(move)
            if change <= 0 or (change == 1 and not rng.below(16)):
                self.apply(move)
                flaws += change
        return not flaws

    def flawless_move(self, rng: Rng) -> Move | None:
        """A move that adds no flaw."""
        for _ in range(TRIES_PER_COUNT):
            move = self.draw_move(rng)
            if move is not None and self.change(move) <= 0:
                return move
        return None

    def flaws(self, path: Path) -> int:
        """How often a path touches itself, and how many cells it lacks."""
        mask = 0
        for cell in path:
            mask |= self.bits[cell]
        sides = (mask & (mask >> 1)).bit_count() + (mask & (mask >> (self.shape[1] + 1))).bit_count()
        return sides - len(path) + 1 + max(0, SHORTEST - len(path))

    def surplus(self, count: int) -> int:
        """How far a number of paths is out of range."""
        return max(0, self.colors[0] - count, count - self.colors[1])

    def change(self, move: Move) -> int:
        """Flaws after a move less flaws before."""
        gone, come = move
        count = len(self.paths)
        change = self.surplus(count - len(gone) + len(come)) - self.surplus(count)
        for path in come:
            change += self.flaws(path)
        for index in gone:
            change -= self.flaws(self.paths[index])
        return change

    def apply(self, move: Move) -> None:
        """Replace paths."""
        gone, come = move
        paths = [path for index, path in enumerate(self.paths) if index not in gone]
        self.reset(paths + list(come))

    def draw_move(self, rng: Rng) -> Move | None:
        """Split a path, or let one end of a path take a neighbour cell with all that lies beyond it on one side.

        Taking one cell shortens the other path, taking a whole path merges the two, taking a cell of the path
        itself turns the part beyond round (backbite).
        """
        index = rng.below(len(self.paths))
        path = self.paths[index]
        dice = rng.below(32)
        if dice < 4:
            if len(path) < 2 * SHORTEST:
                return None
            cut = rng.between(SHORTEST, len(path) - SHORTEST)
            return (index,), (path[:cut], path[cut:])
        if dice & 1:
            path = path[::-1]
        end = path[-1]
        cell = rng.choice(self.around[end])
        victim = self.owner[cell]
        if victim == index:
            place = path.index(cell)
            if place == len(path) - 2:
                return None
            return (index,), (path[: place + 1] + path[:place:-1],)
        other = self.paths[victim]
        place = other.index(cell)
        if dice & 2:
            other = other[::-1]
            place = len(other) - 1 - place
        taken, rest = path + other[place:], other[:place]
        return (index, victim), ((taken, rest) if rest else (taken,))

    def count(self) -> int:
        """The number of covers that the endpoints allow."""
        dots = [frontier.EMPTY] * len(self.around)
        for color, path in enumerate(self.paths):
            dots[path[0]] = dots[path[-1]] = color
        return frontier.count(frontier.scan(self.shape, dots))


@functools.lru_cache(maxsize=64)
def _around(shape: Shape) -> tuple[tuple[int, ...], ...]:
    """The neighbours of every cell, in the order U D L R."""
    return tuple(tuple(row * shape[1] + col for _, (row, col) in neighbors(cell, shape)) for cell in cells_of(shape))

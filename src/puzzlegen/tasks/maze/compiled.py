"""Maze with mazes drawn by a compiled kernel. Equal results; mixes that the kernel cannot hold go to the reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.tasks.maze import drawing
from puzzlegen.tasks.maze.rules import CARVINGS, NO_GOAL, Maze, MazeParams

_CARVERS = {
    "dfs": drawing.DEPTH_FIRST,
    "wilson": drawing.WILSON,
    "kruskal": drawing.KRUSKAL,
    "braided": drawing.BRAIDED,
}
_MOST_WEIGHT = 2**31 - 1  # whose product with 32 random bits is an int64


def ready() -> Maze:
    """The task, its kernel compiled or loaded."""
    task = CompiledMaze()
    task.generate(MazeParams(size=2, length=(1, 1)), Rng("ready"))
    return task


class CompiledMaze(Maze):
    """Maze, drawn by a kernel."""

    def compiled(self) -> Maze:
        """Itself."""
        return self

    def _draw(self, params: MazeParams, rng: Rng) -> tuple[Sequence[int], int, int]:
        if sum(params.mix.values()) > _MOST_WEIGHT:
            return super()._draw(params, rng)
        names = sorted(params.mix)
        word, links = np.array([rng.state], np.uint64), np.empty(params.size**2, np.uint8)
        carvers = np.array([_CARVERS[name] for name in names])
        weights = np.array([params.mix[name] for name in names])
        start, goal = drawing.draw(params.size, *params.length, carvers, weights, CARVINGS, word, links)
        rng.state = int(word[0])
        if start < 0:
            raise Rejected(NO_GOAL)
        return links.tobytes(), start, goal

"""Mazes drawn by the kernel are those that the reference draws."""

from __future__ import annotations

import pytest

from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.tasks.maze import Maze, MazeParams, MazeState

REFERENCE = Maze()
COMPILED = Maze().compiled()


def drawn(task: Maze, params: MazeParams, rng: Rng) -> MazeState | str:
    """The maze, or why there is none."""
    try:
        return task.generate(params, rng)
    except Rejected as rejected:
        return rejected.reason


def compare(params: MazeParams, count: int) -> list[MazeState | str]:
    found = []
    for index in range(count):
        one, other = Rng("equal", params.size, index), Rng("equal", params.size, index)
        found.append(drawn(REFERENCE, params, one))
        assert drawn(COMPILED, params, other) == found[-1]
        assert one.state == other.state
    return found


@pytest.mark.parametrize(
    ("size", "length", "count"),
    [(2, (1, 3), 60), (4, (3, 8), 60), (7, (8, 24), 60), (14, (30, 70), 40), (20, (50, 120), 20), (40, (90, 200), 3)],
)
def test_equal_streams_give_equal_mazes(size: int, length: tuple[int, int], count: int) -> None:
    compare(MazeParams(size=size, length=length), count)


@pytest.mark.parametrize("carver", ["dfs", "wilson", "kruskal", "braided"])
def test_every_carver_is_the_same(carver: str) -> None:
    for size in (2, 5, 9):
        found = compare(MazeParams(size=size, length=(2, 3 * size - 3), mix={carver: 3}), 25)
        assert any(isinstance(maze, MazeState) for maze in found)


def test_weights_and_their_order_are_the_same() -> None:
    for mix in ({"wilson": 1, "dfs": 2}, {"kruskal": 0, "braided": 1, "dfs": 0}, {"wilson": 5, "kruskal": 5, "dfs": 1}):
        compare(MazeParams(size=5, length=(4, 9), mix=mix), 25)


def test_lengths_that_hardly_exist_are_rejected_alike() -> None:
    found = compare(MazeParams(size=6, length=(20, 35)), 40)
    assert "no cell at the drawn length" in found
    assert any(isinstance(maze, MazeState) for maze in found)


def test_weights_that_do_not_fit_a_word_go_to_the_reference() -> None:
    compare(MazeParams(size=4, length=(3, 8), mix={"dfs": 2**31 - 1}), 5)
    compare(MazeParams(size=4, length=(3, 8), mix={"dfs": 2**31, "wilson": 2**31 - 1}), 5)

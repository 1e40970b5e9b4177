"""What judging asks of the maze: faults on small boards by hand, the best reference against all shortest paths."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen import registry
from puzzlegen.errors import Unsolvable
from puzzlegen.grid import LINK, STEP, cells_of, move
from puzzlegen.replay import board, replay, stacks_of
from puzzlegen.seeding import Rng
from puzzlegen.tasks.maze import Maze, MazeParams, MazeState
from puzzlegen.testing.checks import check_judging_terms
from puzzlegen.testing.subject import Subject
from puzzlegen.types import Forgery, Glyph, Mark

TASK = Maze()
AGENT = (Mark("agent"),)
SMALL = TASK.parse("""\
#######
#S    #
# ### #
#   # #
##### #
#G    #
#######""")


def at(*cells: tuple[int, int], unclear: tuple[tuple[int, int], ...] = ()) -> list[Glyph | None]:
    """A 3 x 3 board with agents here, and cells that cannot be made out."""
    return [None if cell in unclear else AGENT if cell in cells else () for cell in cells_of((3, 3))]


def standing(*cells: tuple[int, int], maze: MazeState = SMALL) -> list[MazeState]:
    return [dataclasses.replace(maze, agent=cell) for cell in cells]


# --- faults


@pytest.mark.parametrize(
    ("agent", "shown", "code"),
    [
        ((0, 0), at((0, 0), (2, 0)), "MULTI_AGENT"),
        ((0, 0), at((0, 1), (1, 0), (2, 2)), "MULTI_AGENT"),
        ((1, 0), at((2, 0)), "WALL_HIT"),
        ((0, 1), at((1, 1)), "WALL_HIT"),
        ((1, 1), at((1, 2)), "WALL_HIT"),
        ((0, 0), at((1, 1)), "WALL_HIT"),  # around a corner
        ((1, 1), at((2, 2)), "WALL_HIT"),
        ((1, 1), at((2, 1), unclear=((1, 1),)), "WALL_HIT"),
        ((0, 0), at((2, 0)), "JUMP"),  # straight through a wall, but over a cell
        ((0, 0), at((0, 2)), "JUMP"),
        ((0, 0), at((2, 2)), "JUMP"),
        ((0, 0), at(), "JUMP"),
        ((0, 0), at((0, 1), unclear=((2, 0),)), "JUMP"),  # a legal step, but something else is wrong
        ((0, 0), at(unclear=tuple(cells_of((3, 3)))), "JUMP"),
    ],
)
def test_blame(agent: tuple[int, int], shown: list[Glyph | None], code: str) -> None:
    assert TASK.blame(standing(agent)[0], shown) == code


def test_all_forgeries_of_a_small_maze() -> None:
    """By hand: both sides are open, one corner is none, the goal is six steps away and the farthest cell."""
    found = [(code, sorted(token.at for token in tokens)) for code, tokens in TASK.forgeries(SMALL)]
    assert found == [
        ("WALL_HIT", [(1, 1)]),
        ("JUMP", [(2, 0)]),
        ("MULTI_AGENT", [(0, 0), (2, 0)]),
        ("MULTI_AGENT", [(0, 0), (1, 0)]),
    ]


def mazes(seed: int, size: int = 5) -> MazeState:
    """A braided maze, which has loops."""
    return TASK.generate(MazeParams(size=size, length=(2, size * 2 - 2), mix={"braided": 1}), Rng("judging", seed))


@pytest.mark.parametrize("seed", range(6))
def test_forgeries_of_any_state_break_the_rule_that_they_name(seed: int) -> None:
    maze = mazes(seed)
    codes: Counter[str] = Counter()
    for state in standing(*cells_of(maze.shape), maze=maze):
        legal = [board(TASK, TASK.step(state, action)) for action in TASK.actions(state)]
        forgeries = list(TASK.forgeries(state))
        assert len(forgeries) <= 14
        assert len({forgery.tokens for forgery in forgeries}) == len(forgeries)
        for forgery in forgeries:
            stacks = stacks_of(forgery.tokens, state.shape)
            assert all(stack in ((), AGENT) for stack in stacks)
            assert stacks not in legal
            assert stacks != board(TASK, state)
            assert TASK.blame(state, stacks) == forgery.code
            codes[forgery.code] += 1
    assert set(codes) == {"WALL_HIT", "JUMP", "MULTI_AGENT"}


def test_the_first_agent_keeps_its_key_so_that_it_can_glide() -> None:
    for forgery in TASK.forgeries(SMALL):
        assert [token.key for token in forgery.tokens] == ["agent", None][: len(forgery.tokens)]


# --- precision and recall


def test_items_are_distinct_cells_up_to_the_goal() -> None:
    walk = standing((0, 0), (0, 1), (0, 0), (1, 0), (2, 0), (2, 1))  # back over the start, then through a wall
    assert TASK.items(walk) == Counter([(0, 1), (1, 0), (2, 0)])
    assert TASK.items(walk[:1]) == Counter()


def shortest_paths(maze: MazeState) -> list[str]:
    """All of them, by extending every walk by every step until one arrives."""
    walks = [("", maze.agent)]
    while not any(cell == maze.goal for _, cell in walks):
        walks = [
            (walk + direction, move(cell, direction))
            for walk, cell in walks
            for direction in STEP
            if int(maze.links[cell[0] * maze.shape[1] + cell[1]], 16) & LINK[direction]
        ]
    return [walk for walk, cell in walks if cell == maze.goal]


def f1(done: Counter[object], reference: Counter[object]) -> float:
    common = (done & reference).total()
    return 2 * common / (done.total() + reference.total())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200), st.sets(st.integers(0, 15), max_size=12))
def test_the_reference_is_the_shortest_path_with_the_best_f1(seed: int, visited: set[int]) -> None:
    maze = mazes(seed, size=4)
    shown = [maze, *standing(*(divmod(cell, 4) for cell in sorted(visited)), maze=maze)]
    done = TASK.items(shown)
    (path,) = TASK.references(maze, shown)
    everyone = shortest_paths(maze)
    assert "".join(path) in everyone
    best = max(f1(done, TASK.items(replay(TASK, maze, one).states)) for one in everyone)
    assert f1(done, TASK.items(replay(TASK, maze, path).states)) == pytest.approx(best)


def test_some_mazes_of_that_test_have_several_shortest_paths() -> None:
    assert sum(len(shortest_paths(mazes(seed, size=4))) > 1 for seed in range(20)) >= 3


def test_a_walk_along_any_shortest_path_is_its_own_reference() -> None:
    maze = next(maze for maze in map(mazes, range(100)) if len(shortest_paths(maze)) > 2)
    for path in shortest_paths(maze):
        walk = replay(TASK, maze, path).states
        assert [TASK.items(walk)] == [TASK.items(replay(TASK, maze, one).states) for one in TASK.references(maze, walk)]


def test_no_reference_without_a_way() -> None:
    cut = TASK.parse("#####\n#S#G#\n#####")
    with pytest.raises(Unsolvable):
        list(TASK.references(cut, [cut]))


# --- published terms


@pytest.mark.parametrize(
    ("cells", "conn", "wall"),
    [
        ([(0, 0)], 0, 1),
        ([(0, 0), (0, 1)], 1 / 6, 1),
        ([(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0)], 1, 1),
        ([(0, 0), (1, 0)], 0, 1),  # a dead end: farther away than the start
        ([(0, 0), (2, 0)], 1, 2 / 3),
        ([(0, 0), (1, 1), (2, 2)], 4 / 6, 1 / 3),
        ([(0, 0), (1, 1), (2, 2), (0, 0), (2, 0)], 1, 0),
    ],
)
def test_components(cells: list[tuple[int, int]], conn: float, wall: float) -> None:
    terms = TASK.components(standing(*cells))
    assert terms == {"conn": pytest.approx(conn), "wall": pytest.approx(wall)}
    rewards = registry.load("maze").rewards
    assert rewards["paper"].value(terms) == rewards["released-code"].value(terms) == pytest.approx(conn * wall)


# --- the ready-made check finds what it is there for


class Shown(Maze):
    """Forges what a legal step shows."""

    def forgeries(self, state: MazeState) -> list[Forgery]:
        return [Forgery("WALL_HIT", self.tokens(self.step(state, next(iter(self.actions(state))))))]


class Blind(Maze):
    """Blames everything alike."""

    def blame(self, state: MazeState, board: object) -> str:
        return "JUMP"


class Drawing(Maze):
    """Forges with a mark that no cell announces."""

    def forgeries(self, state: MazeState) -> list[Forgery]:
        (token,) = self.tokens(state)
        return [Forgery("JUMP", (token._replace(mark=Mark("ghost")),))]


class Generous(Maze):
    """Pays too much."""

    def components(self, states: object) -> dict[str, float]:
        return {"conn": 1.5, "wall": 0.0}


class Astray(Maze):
    """Compares with walks that lead nowhere."""

    def references(self, start: MazeState, states: object) -> list[tuple[str, ...]]:
        return [()]


class Nameless(Maze):
    """Has other terms than the recipe's rewards are made of."""

    def components(self, states: object) -> dict[str, float]:
        return {"con": 0.5}


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (Shown, "legal action leads to"),
        (Blind, "is blamed for JUMP"),
        (Drawing, "does not announce"),
        (Generous, "outside of 0 to 1"),
        (Astray, "no reference"),
        (Nameless, "no reward component 'conn'. Did you mean 'con'"),
    ],
)
def test_the_check_finds_a_broken_task(broken: type[Maze], words: str) -> None:
    recipe = dataclasses.replace(registry.load("maze"), task=broken())
    with pytest.raises((AssertionError, ValueError), match=words):
        check_judging_terms(Subject(recipe, ("tiny",)))

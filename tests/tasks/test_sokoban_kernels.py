"""Sokoban's compiled kernels against the pure-Python engine, which they must equal in everything, ties included."""

from __future__ import annotations

import multiprocessing
import pickle
import random
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from test_sokoban_solver import MICROBAN, check_against_dijkstra, masks, random_picture, read_level, replay

from puzzlegen import registry
from puzzlegen.errors import Rejected, SearchLimit, Unsolvable
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban import Sokoban, SokobanParams, SokobanState
from puzzlegen.tasks.sokoban.solver import Search, best_line, fewest_pushes

PLAIN = Sokoban()
LEVELS = {  # size, boxes, walls, pushes; draws
    "one box": (5, 1, 0, (1, 4), 20),
    "corridors": (6, 2, 40, (2, 12), 40),
    "open": (6, 2, 0, (4, 20), 10),
    "three boxes": (8, 3, 25, (3, 30), 60),
    "four boxes in one word": (10, 4, 35, (4, 40), 40),
    "five boxes": (9, 5, 38, (5, 40), 60),
    "six boxes": (8, 6, 32, (6, 40), 40),
    "two words": (11, 2, 30, (8, 40), 20),
    "three words": (14, 2, 35, (8, 40), 16),
    "four words": (16, 1, 30, (8, 60), 30),
    "too open": (12, 6, 0, (6, 40), 1),
    "nowhere off the goals": (5, 3, 20, (3, 3), 60),
}


@pytest.fixture(scope="module")
def compiled() -> Sokoban:
    return PLAIN.compiled()


def outcome(task: Sokoban, params: SokobanParams, *key: str | int) -> tuple[Any, ...]:
    """All that a draw and its solution give, the random stream after it included."""
    rng = Rng(*key)
    try:
        state = task.generate(params, rng)
    except Rejected as rejected:
        return rejected.reason, rng.state
    found: tuple[Any, ...] = state, [repr(state)], rng.state, task.distance(state)
    try:
        return *found, task.solve(state)
    except (Unsolvable, SearchLimit) as error:
        return *found, repr(error)


@pytest.mark.parametrize("name", LEVELS)
def test_draws_and_solutions_are_equal(name: str, compiled: Sokoban) -> None:
    size, boxes, walls, pushes, draws = LEVELS[name]
    params = SokobanParams(size=size, boxes=boxes, walls=walls, pushes=pushes, moves=(1, 1000))
    for index in range(draws):
        assert outcome(compiled, params, name, index) == outcome(PLAIN, params, name, index)


def test_every_reason_to_reject_is_met(compiled: Sokoban) -> None:
    reasons = set()
    for name, (size, boxes, walls, pushes, draws) in LEVELS.items():
        params = SokobanParams(size=size, boxes=boxes, walls=walls, pushes=pushes, moves=(1, 1000))
        reasons |= {outcome(compiled, params, name, index)[0] for index in range(draws)}
    assert {reason for reason in reasons if isinstance(reason, str)} == {
        "room too small", "too many states", "too few pushes", "no start off the goals",
    }  # fmt: skip


@pytest.mark.parametrize("objective", ["moves-pushes", "pushes-moves"])
def test_answers_on_random_levels_are_equal(objective: Any, compiled: Sokoban) -> None:
    """Unsolvable levels, boxes on goals and deadlocks from the start among them."""
    from puzzlegen.tasks.sokoban.compiled import ask

    rng = random.Random(f"kernels {objective}")
    unsolvable = 0
    for _ in range(120):
        state = PLAIN.parse(random_picture(rng))
        board, boxes, player = masks(state)
        least = fewest_pushes(board, boxes, player)
        answer = ask(state, objective)
        assert answer is not None
        assert answer.least == least
        assert answer.line == best_line(board, boxes, player, objective)
        unsolvable += least.value is None
    assert 10 <= unsolvable <= 100


def test_random_levels_agree_with_dijkstra(compiled: Sokoban) -> None:
    rng = random.Random("kernels")
    assert 15 <= sum(check_against_dijkstra(random_picture(rng), compiled) for _ in range(40)) <= 38


@pytest.mark.parametrize("number", MICROBAN)
def test_microban(number: int, compiled: Sokoban) -> None:
    picture, moves, pushes, least = MICROBAN[number]
    solution = compiled.solve(compiled.parse(picture))
    assert replay(read_level(picture), "".join(solution.actions)) == (moves, pushes)
    assert solution.measures["min_pushes"] == least
    assert solution == PLAIN.solve(PLAIN.parse(picture))


def test_distances_along_a_walk_are_equal(compiled: Sokoban) -> None:
    """Boxes keep their numbers while they move, so they are in no order."""
    rng = random.Random("walk")
    state, lost = PLAIN.parse(MICROBAN[5][0]), 0
    for _ in range(60):
        state = PLAIN.step(state, rng.choice(list(PLAIN.actions(state))))
        assert compiled.distance(state) == PLAIN.distance(state)
        lost += compiled.distance(state) is None
    assert lost


def answers(state: SokobanState, limit: int) -> list[Any]:
    """What each engine finds within a limit, or the error: reference zones, kernel zones, then waves."""
    from puzzlegen.tasks.sokoban.compiled import ask

    board, boxes, player = masks(state)

    def zones() -> Search:
        answer = ask(state, zone_limit=limit, wave_limit=-1)
        assert answer is not None
        return answer.least

    def waves() -> str | None:
        answer = ask(state, zone_limit=-1, wave_limit=limit)
        assert answer is not None
        return answer.line

    found: list[Any] = []
    for call in (
        lambda: fewest_pushes(board, boxes, player, limit),
        zones,
        lambda: best_line(board, boxes, player, limit=limit),
        waves,
    ):
        try:
            found.append(call())
        except SearchLimit as error:
            found.append(str(error))
    return found


@pytest.mark.parametrize("number", [1, 2, 4])
def test_limits_are_equal(number: int, compiled: Sokoban) -> None:
    state = PLAIN.parse(MICROBAN[number][0])
    kinds = set()
    for limit in (*range(40), *range(40, 400, 25)):
        zones, kernel_zones, waves, kernel_waves = answers(state, limit)
        assert (kernel_zones, kernel_waves) == (zones, waves)
        kinds |= {type(zones), len(waves) > 60}
    assert kinds == {str, Search, True, False}  # both answers and both errors were compared


def test_a_search_of_many_waves_is_equal(compiled: Sokoban) -> None:
    """All tables grow several times."""
    state = PLAIN.parse(
        "##########\n#@       #\n# $  $   #\n#   $    #\n#      . #\n#   .    #\n#  .     #\n##########"
    )
    assert compiled.solve(state) == PLAIN.solve(state)


@pytest.mark.parametrize("columns", [60, 61, 62])
def test_rows_of_almost_a_word_are_equal(columns: int, compiled: Sokoban) -> None:
    """A step up or down moves nearly all bits of a word into the next."""
    from puzzlegen.tasks.sokoban.compiled import ask

    inner = ["@" + " " * (columns - 1), " $" + " " * (columns - 5) + ".  ", " " * (columns - 4) + "$.  ", " " * columns]
    state = PLAIN.parse("\n".join(["#" * (columns + 2), *[f"#{row}#" for row in inner], "#" * (columns + 2)]))
    assert ask(state) is not None
    assert compiled.solve(state) == PLAIN.solve(state)


UNSUPPORTED = {
    "nine boxes": "##############\n#@           #\n#.$.$.$.$.$  #\n#.$.$.$.$    #\n##############",
    "too many cells": "\n".join(["#" * 40, "#@$." + " " * 35 + "#", *["#" + " " * 38 + "#"] * 6, "#" * 40]),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_what_kernels_do_not_support_is_left_to_the_reference(name: str, compiled: Sokoban) -> None:
    from puzzlegen.tasks.sokoban.compiled import ask

    state = PLAIN.parse(UNSUPPORTED[name])
    assert ask(state) is None
    assert compiled.solve(state) == PLAIN.solve(state)
    assert compiled.distance(state) == PLAIN.distance(state)


def test_states_that_no_text_gives_are_left_to_the_reference(compiled: Sokoban) -> None:
    from puzzlegen.tasks.sokoban.compiled import ask

    state = PLAIN.parse("#######\n#@ $ .#\n#  $ .#\n#######")
    assert ask(state) is not None
    for change in (
        {"floor": "########    ###  #  ########"},
        {"goals": ((1, 5),)},
        {"boxes": ()},
        {"boxes": ((1, 3), (1, 3))},
        {"boxes": ((1, 3), (0, 3))},
        {"boxes": ((1, 3), (9, 9))},
        {"player": (1, 3)},
        {"player": (-5, 0)},
        {"shape": (1, 1)},
        {"shape": (40, 7)},
    ):
        assert ask(replace(state, **change)) is None


def _solve_one(name: str) -> tuple[str, bool]:
    """In another process, as a worker does it."""
    task = registry.load(name, compiled=True).task
    return type(task).__name__, task.solve(task.parse(MICROBAN[1][0])) == PLAIN.solve(PLAIN.parse(MICROBAN[1][0]))


def test_spawned_workers_use_the_kernels(compiled: Sokoban) -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_solve_one, "sokoban").result() == ("CompiledSokoban", True)


def test_the_compiled_task_can_be_pickled(compiled: Sokoban) -> None:
    again = pickle.loads(pickle.dumps(compiled))
    state = PLAIN.parse(MICROBAN[2][0])
    assert type(again) is type(compiled) is not Sokoban
    assert again.solve(state) == PLAIN.solve(state)


def test_compiling_twice_gives_a_compiled_task(compiled: Sokoban) -> None:
    assert type(compiled.compiled()) is type(compiled)


def test_the_plain_task_solves_without_numpy() -> None:
    script = (
        "import sys\nfrom puzzlegen.seeding import Rng\nfrom puzzlegen.tasks.sokoban import Sokoban, SokobanParams\n"
        "task = Sokoban()\n"
        "state = task.generate(SokobanParams(size=6, boxes=1, walls=0, pushes=(1, 9), moves=(1, 9)), Rng('plain'))\n"
        "task.solve(state)\nassert not {'numpy', 'numba'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

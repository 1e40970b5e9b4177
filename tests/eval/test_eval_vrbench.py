"""VR-Bench's columns on ways whose lengths are known, among them clips that cheat and that VR-Bench lets pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scores_by_hand import Rail, RailState

import samples
from puzzlegen import registry
from puzzlegen.eval.vrbench import EPS, matched_prefix, mover, vrbench_metrics
from puzzlegen.replay import replay

RAIL, START = Rail(), RailState()


def rail(*states: RailState) -> tuple[object, ...]:
    return tuple(vrbench_metrics(RAIL, START, states, "RRRR").values())


def at(*cells: int) -> list[RailState]:
    return [RailState(cell) for cell in cells]


def test_the_reference_itself_matches() -> None:
    assert rail(*at(0, 1, 2, 3, 4)) == (1.0, True, 0.0, True)


def test_a_jump_to_the_goal_matches_too() -> None:
    assert rail(*at(0, 4)) == (1.0, True, 0.0, True)  # no legal move is asked for


def test_a_frozen_clip_matches_as_far_as_the_tolerance_reaches() -> None:
    way = 4 / 5  # cells 0 to 4 of a board that is 5 cells wide
    within = math.floor(EPS / way * 999) + 1  # samples lie at way * i / 999
    assert rail(*at(0)) == (within / 1000, False, None, False)


def test_a_detour_is_longer_and_matches_up_to_where_it_turns() -> None:
    matched, reached, deviation, exact = rail(*at(0, 1, 2, 1, 2, 3, 4))
    turn = 0.5 + EPS / 2 / 0.8  # ways part at twice the speed after half of the way
    assert matched == pytest.approx(turn, abs=0.002)
    assert (reached, exact) == (True, False)
    assert deviation == pytest.approx(0.5)


def test_an_end_before_the_goal_is_no_success_and_has_no_deviation() -> None:
    matched, *others = rail(*at(0, 1, 2, 3))
    assert matched == pytest.approx(0.75 + EPS / 0.8, abs=0.002)
    assert others == [False, None, False]
    assert rail(*at(0, 3, 0, 3))[1:] == (False, None, False)  # longer than the reference


def test_passing_the_goal_is_success() -> None:
    assert rail(*at(0, 4, 3))[1] is True
    assert rail(RailState(0), RailState(4, track=1))[1] is False  # the cell below the goal


def test_a_way_shorter_than_the_reference_has_no_deviation() -> None:
    assert tuple(vrbench_metrics(RAIL, START, at(0, 4), "TRRRRT").values())[1:3] == (True, None)


def test_an_exact_match_needs_the_same_way_and_about_its_length() -> None:
    around = replay(RAIL, START, "RRRRT").states
    matched, reached, deviation, exact = vrbench_metrics(RAIL, START, around, "TRRRR").values()
    assert (reached, deviation, exact) == (True, pytest.approx(0.0), False)
    assert matched < 0.1
    assert rail(*at(0, 4, 3)) == (1.0, True, pytest.approx(0.25), False)


def test_what_has_no_key_does_not_move() -> None:
    assert mover(RAIL, replay(RAIL, START, "FRRRR").states) == "cart"
    assert mover(RAIL, replay(RAIL, START, "FF").states) is None


def test_states_without_the_token_show_nothing() -> None:
    class Gone(Rail):
        def tokens(self, state: RailState):  # type: ignore[no-untyped-def]
            return super().tokens(state) if state.at != 2 else ()

    assert tuple(vrbench_metrics(Gone(), START, at(2), "RRRR").values()) == (0.0, False, None, False)
    assert tuple(vrbench_metrics(Gone(), START, at(0, 1, 2, 3, 4), "RRRR").values()) == (1.0, True, 0.0, True)


def test_a_task_in_which_no_single_thing_moves_has_none() -> None:
    puzzle, task = samples.puzzle("flowfree", "tiny"), registry.load("flowfree").task
    found = vrbench_metrics(task, puzzle.start, [puzzle.start], puzzle.solution.actions)
    assert list(found.values()) == [None] * 4


@pytest.mark.parametrize("actions", ["R", "udR"])
def test_the_one_that_pushes_is_followed_not_the_box(actions: str) -> None:
    task = registry.load("sokoban").task
    start = task.parse("######\n#    #\n#@$. #\n#    #\n######")
    assert mover(task, replay(task, start, actions).states) == "player"
    assert mover(task, [start]) is None


def test_ways_are_compared_at_equal_lengths() -> None:
    expected = np.array([[0.0, 0.0], [1.0, 0.0]])
    bent = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5]])
    finer = np.array([[x, 0.0] for x in np.linspace(0, 1, 7)])
    assert matched_prefix(expected, finer) == 1.0
    assert matched_prefix(expected, bent) == pytest.approx(0.5 + EPS / math.sqrt(2), abs=0.002)

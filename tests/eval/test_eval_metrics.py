"""Columns of single clips: exact on a toy rail, against enumerated shortest paths in mazes, by hand for the others."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scores_by_hand import Rail, RailState, score_of

import samples
from puzzlegen import registry
from puzzlegen.errors import SearchLimit
from puzzlegen.eval.metrics import Metrics, clip_metrics, cost, failed_metrics, precision_recall
from puzzlegen.eval.shown import states_shown
from puzzlegen.replay import replay
from puzzlegen.types import Sighting, Violation

RAIL, START = Rail(), RailState()
MAZE, SOKOBAN, FLOWFREE = (registry.load(name).task for name in ("maze", "sokoban", "flowfree"))

RING = """
#####
#S  #
# # #
#  G#
#####
"""
CORNER = """
#######
##    #
# .  ##
# #   #
# $   #
# #  @#
#######
"""
ROOM = """
#######
#     #
#@$.  #
#     #
#######
"""


def rail(actions: str, code: str | None = None, after: tuple[RailState, ...] = (), task: Rail = RAIL) -> Metrics:
    return clip_metrics(task, START, score_of(task, START, actions, code, after), "RRRR", 4)


def measured(task: Any, text: str, actions: Any) -> Metrics:
    start = task.parse(text.strip("\n"))
    solution = task.solve(start).actions
    return clip_metrics(task, start, score_of(task, start, actions), solution, len(solution))


def has(metrics: Metrics, **expected: object) -> None:
    assert {name: metrics[name] for name in expected} == expected


# --- the toy rail, exactly


def test_a_perfect_clip_has_ones() -> None:
    has(rail("RRRR"), parsed=True, sr=True, sr_goal=True, sr_final=True, em=True, em_actions=True, sd=0.0)
    has(rail("RRRR"), precision=1.0, recall=1.0, f1=1.0, progress=1.0, violation=None)
    has(rail("RRRR"), value=1.0, confidence=0.875, num_read=4, trace="RRRR")


def test_a_clip_in_which_nothing_happens_has_zeros() -> None:
    has(rail(""), parsed=True, sr=False, sr_goal=False, sr_final=False, em=False, em_actions=False, sd=None)
    has(rail(""), precision=0.0, recall=0.0, f1=0.0, progress=0.0, violation="NO_PROGRESS", trace="")


def test_a_detour_costs_exactness_and_step_deviation() -> None:
    has(rail("RLRRRR"), sr=True, em=False, em_actions=False, sd=0.5, progress=0.25)
    has(rail("RLRRRR"), precision=4 / 6, recall=1.0, f1=0.8)  # cell 1 is entered twice: items are a multiset


def test_a_free_action_costs_nothing_but_the_number_of_actions() -> None:
    has(rail("RFFRRR"), sr=True, em=True, em_actions=False, sd=0.0, progress=1.0, f1=1.0, num_read=6)


def test_an_action_that_leaves_the_distance_but_does_something_counts() -> None:
    has(rail("RTRRR"), sr=True, em=False, sd=0.25, progress=0.25)


def test_the_nearest_reference_counts() -> None:
    has(rail("TRRRR"), precision=1.0, recall=1.0, f1=1.0)
    has(rail("TRR"), precision=1.0, recall=3 / 5, f1=0.75)


def test_an_unfinished_walk_has_its_share() -> None:
    has(rail("RR"), sr=False, em=False, sd=None, progress=0.5, precision=1.0, recall=0.5, violation="END_STATE")


def test_progress_ends_where_no_solution_is_left() -> None:
    has(rail("L"), progress=0.0, sr=False)
    has(rail("RRLLL"), progress=0.5, precision=2 / 5)  # of cells 1, 2, 1, 0, -1 the first two


def test_what_is_shown_after_a_violation_counts_for_items_and_lenient_success_only() -> None:
    jumped = rail("R", "JUMP", (RailState(4), RailState(3)))
    has(jumped, sr=False, sr_goal=True, sr_final=False, em=False, sd=None, progress=0.25, violation="JUMP")
    has(jumped, precision=1.0, recall=0.75, trace="R", num_read=1)
    has(rail("R", "JUMP", (RailState(4),)), sr=False, sr_goal=True, sr_final=True)


def test_what_is_seen_halfway_between_two_states_of_the_walk_does_not_count() -> None:
    """Such as a box that arrives before the one that pushes it, or a flicker that was forgiven."""
    legal = score_of(RAIL, START, "RRRR")
    halfway = [Sighting(2, RailState(3, lamp=True)), Sighting(2, RailState(0, track=1))]
    solved = replace(legal, seen=(*legal.seen[:3], *halfway, *legal.seen[3:]))
    assert clip_metrics(RAIL, START, solved, "RRRR", 4) == rail("RRRR")
    stopped = replace(score_of(RAIL, START, "RR", "JUMP", [RailState(4)]), frames=(1, 2))
    assert stopped.violations[0].frame == 3
    flickered = replace(stopped, seen=(*stopped.seen[:2], Sighting(1, RailState(3)), *stopped.seen[2:]))
    assert clip_metrics(RAIL, START, flickered, "RRRR", 4) == clip_metrics(RAIL, START, stopped, "RRRR", 4)


def test_moves_that_were_read_after_what_is_wrong_began_are_shown_once() -> None:
    """A second thing appears in frame 1 and is judged when it has lasted; meanwhile the walk goes on."""
    walked = score_of(RAIL, START, "RRR", "MULTI_AGENT")
    early = replace(walked, violations=(Violation("MULTI_AGENT", 1),))
    assert states_shown(RAIL, early) == [RailState(cell) for cell in range(4)]
    back = replace(early, seen=(*early.seen, Sighting(5, RailState(1))))
    assert states_shown(RAIL, back) == [*(RailState(cell) for cell in range(4)), RailState(1)]


def test_unparsed_clips_have_zeros_but_keep_confidence_and_value() -> None:
    unparsed = rail("RR", "UNPARSED")
    zeros = failed_metrics("UNPARSED")
    assert unparsed == {**zeros, "confidence": 0.875, "value": 0.25}


def test_failed_clips_have_the_columns_of_all_others_and_nothing_in_them() -> None:
    failed = failed_metrics("MISSING")
    assert list(failed) == list(rail("RRRR")) == list(rail(""))
    assert failed["violation"] == "MISSING"
    assert not any(value for name, value in failed.items() if name != "violation")
    for name, value in rail("RRRR").items():
        assert name in ("sd", "violation", "vrbench_sd") or type(failed[name]) is type(value), name


class _Tired(Rail):
    """Gives up on every state but the start, and on listing references."""

    def distance(self, state: RailState) -> int | None:
        if state != START:
            raise SearchLimit("too many nodes")
        return 4

    def references(self, start: Any, states: Any) -> Any:
        raise SearchLimit("too many nodes")


def test_where_the_solver_gives_up_the_stored_solution_stands_in() -> None:
    has(rail("RRRR", task=_Tired()), sr=True, em=True, sd=0.0, progress=1.0, f1=1.0)
    has(rail("RFLRRRR", task=_Tired()), sr=True, em=False, sd=0.5, progress=0.25)
    has(rail("TRR", task=_Tired()), progress=0.0, precision=0.0, recall=0.0)


def test_without_references_the_stored_solution_stands_in() -> None:
    class Bare(Rail):
        def references(self, start: Any, states: Any) -> Any:
            return []

    has(rail("TRRRR", task=Bare()), precision=0.0)
    has(rail("RRR", task=Bare()), precision=1.0, recall=0.75)


# --- multisets

small_counters = st.dictionaries(st.sampled_from("abcd"), st.integers(1, 3)).map(Counter)


@given(small_counters, small_counters)
def test_precision_and_recall_mirror_each_other(one: Counter[str], other: Counter[str]) -> None:
    precision, recall, f1 = precision_recall(one, other)  # type: ignore[arg-type]
    assert precision_recall(other, one) == (recall, precision, f1)  # type: ignore[arg-type]
    assert 0 <= min(precision, recall) <= f1 <= max(precision, recall) <= 1
    assert (f1 == 1) == (one == other != Counter())


def test_items_count_as_often_as_they_are_there() -> None:
    assert precision_recall(Counter("aab"), Counter("abbb")) == (2 / 3, 2 / 4, 4 / 7)
    assert precision_recall(Counter(), Counter()) == (0, 0, 0)


# --- mazes


@pytest.mark.parametrize("way", ["RD", "DR"])
def test_every_shortest_path_is_an_exact_match(way: str) -> None:
    has(measured(MAZE, RING, way), sr=True, em=True, em_actions=True, sd=0.0, progress=1.0, f1=1.0)


def test_walking_to_and_fro_on_the_path_is_no_exact_match() -> None:
    has(measured(MAZE, RING, "RLRD"), sr=True, em=False, sd=1.0, progress=0.5)


def _shortest_paths(start: Any) -> list[str]:
    """All of them, by trying every string of actions of the length at which the first one solves."""
    walks = {"": start}
    while True:
        found = [walk for walk, state in walks.items() if MAZE.is_solved(state)]
        if found:
            return found
        walks = {
            walk + action: MAZE.step(state, action) for walk, state in walks.items() for action in MAZE.actions(state)
        }


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=8))
def test_progress_is_the_longest_common_prefix_with_any_shortest_path(choices: list[int]) -> None:
    start = MAZE.parse("#######\n#S    #\n# # # #\n#   # #\n# ### #\n#    G#\n#######")
    walk, state = "", start
    for choice in choices:
        actions = list(MAZE.actions(state))
        walk += actions[choice % len(actions)]
        state = MAZE.step(state, walk[-1])
        if MAZE.is_solved(state):
            break
    paths = _shortest_paths(start)
    assert len(paths) > 1
    shared = max(end for end in range(len(walk) + 1) if any(path[:end] == walk[:end] for path in paths))
    metrics = clip_metrics(MAZE, start, score_of(MAZE, start, walk), paths[0], len(paths[0]))
    assert metrics["progress"] == pytest.approx(shared / len(paths[0]))
    assert metrics["em"] == metrics["em_actions"] == (walk in paths)


# --- sokoban and flowfree


def test_pushes_are_what_sokoban_counts() -> None:
    has(measured(SOKOBAN, ROOM, "R"), sr=True, em=True, em_actions=True, sd=0.0, progress=1.0, f1=1.0)
    has(measured(SOKOBAN, ROOM, "udR"), sr=True, em=True, em_actions=False, sd=0.0, progress=1.0)


def test_pushing_too_far_and_back_deviates_by_two_pushes() -> None:
    has(measured(SOKOBAN, ROOM, "RRurrdL"), sr=True, em=False, em_actions=False, sd=2.0, progress=1.0)
    has(measured(SOKOBAN, ROOM, "urrdLdllurR"[:4]), sr=False, progress=0.0)


def test_a_stored_solution_of_fewest_moves_but_more_pushes_is_all_the_way_yet_no_exact_match() -> None:
    start = SOKOBAN.parse(CORNER.strip("\n"))
    solution = SOKOBAN.solve(start).actions
    pushes = sum(map(str.isupper, solution))
    assert pushes > SOKOBAN.distance(start)
    has(measured(SOKOBAN, CORNER, solution), em_actions=True, em=False, f1=1.0, progress=1.0)
    assert measured(SOKOBAN, CORNER, solution[:-1])["progress"] == pytest.approx((pushes - 1) / pushes)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), max_size=12))
def test_cost_of_a_sokoban_walk_is_its_pushes(choices: list[int]) -> None:
    states, walk = [SOKOBAN.parse(ROOM.strip("\n"))], ""
    for choice in choices:
        actions = list(SOKOBAN.actions(states[-1]))
        walk += actions[choice % len(actions)]
        states.append(SOKOBAN.step(states[-1], walk[-1]))
    assert cost(SOKOBAN, states) == sum(map(str.isupper, walk))


def test_links_in_any_order_are_an_exact_match_and_a_wrong_one_ends_progress() -> None:
    puzzle = samples.puzzle("flowfree", "tiny")
    start, solution = puzzle.start, puzzle.solution.actions
    length = len(solution)
    colors = sorted({action[0] for action in solution}, reverse=True)
    reordered = [action for color in colors for action in solution if action[0] == color]
    assert tuple(reordered) != solution
    has(
        clip_metrics(FLOWFREE, start, score_of(FLOWFREE, start, reordered), solution, length),
        sr=True, em=True, em_actions=True, sd=0.0, progress=1.0, f1=1.0, vrbench_pr=None,
    )  # fmt: skip
    prefix = solution[:3]
    state = replay(FLOWFREE, start, prefix).states[-1]
    wrong = next(
        action for action in FLOWFREE.actions(state) if FLOWFREE.distance(FLOWFREE.step(state, action)) is None
    )
    strayed = clip_metrics(FLOWFREE, start, score_of(FLOWFREE, start, [*prefix, wrong]), solution, length)
    assert strayed["progress"] == pytest.approx(3 / length)


@pytest.mark.parametrize("name", samples.TASKS)
def test_gold_clips_of_all_tasks_have_ones(name: str) -> None:
    puzzle, task = samples.puzzle(name, "easy"), registry.load(name).task
    actions = puzzle.solution.actions
    score = score_of(task, puzzle.start, actions)
    metrics = clip_metrics(task, puzzle.start, score, actions, len(actions))
    has(metrics, sr=True, sr_goal=True, sr_final=True, em=True, em_actions=True, sd=0.0, progress=1.0, f1=1.0)
    assert all(metrics[f"vrbench_{column}"] in (True, None) for column in ("pr", "sr", "em"))

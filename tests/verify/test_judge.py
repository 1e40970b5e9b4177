"""The judge on labels: what each fault is called, what it costs, and that legal progress never costs anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from by_labels import CHOICES, STEADY, Stage, changed, code_of, stage
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.replay import stacks_of
from puzzlegen.types import Score
from puzzlegen.verify.atlas import GOAL, LAYOUT, UNCLEAR, Labels
from puzzlegen.verify.judge import CODES, LEFT_CAP, UNSOLVED_CAP, WORTHLESS
from samples import TASKS

task_names = pytest.mark.parametrize("task", TASKS)
HOLD = 3


def solution(one: Stage) -> list[Labels]:
    return one.held(one.states, HOLD)


def still(one: Stage, number: int = 20) -> list[Labels]:
    return one.held([one.start], number)


def everywhere(labels: Labels, label: int) -> Labels:
    return np.full_like(labels, label)


def painted(one: Stage) -> Labels:
    """Every cell shows a token that it can hold."""
    return np.array([min(1, len(stacks) - 1) for stacks in one.atlas.stacks], dtype=np.int16)


def in_free_cell(one: Stage, frames: list[Labels], label: int) -> list[Labels]:
    """A label in the first cell that the solution leaves empty, or in the last but one, from some frame on."""
    used = np.any([labels != 0 for labels in frames], axis=0)
    cell = int(np.argmin(used)) if not used.all() else len(used) - 2
    return [*frames[:6], *(changed(labels, **{f"c{cell}": label}) for labels in frames[6:])]


CLIPS: dict[str, tuple[Callable[[Stage], list[Labels]], set[str]]] = {
    "frozen": (still, {"NO_PROGRESS"}),
    "solved throughout": (lambda one: one.held(one.states[-1:], 20), {"BAD_START"}),
    "backwards": (lambda one: solution(one)[::-1], {"BAD_START"}),
    "a cut to the end": (lambda one: still(one) + one.held(one.states[-1:], 9), {"NO_PROCESS"}),
    "a flash of the end": (
        lambda one: still(one) + solution(one)[-1:] + still(one, 9),
        {"NO_PROCESS", "NO_PROGRESS"},
    ),
    "two frames of the end": (lambda one: still(one) + solution(one)[-2:] + still(one, 9), {"NO_PROCESS"}),
    "stopped on the way": (lambda one: solution(one)[:-HOLD], {"END_STATE"}),
    "cut back to the start": (lambda one: solution(one) + still(one, 9), {"END_STATE", "OVERPAINT"}),
    "one unclear frame at the end": (lambda one: [*solution(one), everywhere(still(one)[0], UNCLEAR)], {"END_STATE"}),
    "unclear from the first frame on": (lambda one: [everywhere(still(one)[0], UNCLEAR)] * 20, {"UNPARSED"}),
    "unclear from the second frame on": (
        lambda one: still(one, 1) + [everywhere(still(one)[0], UNCLEAR)] * 20,
        {"UNPARSED"},
    ),
    "another floor": (lambda one: in_free_cell(one, solution(one), LAYOUT), {"LAYOUT_CHANGED"}),
    "another goal": (lambda one: in_free_cell(one, solution(one), GOAL), {"GOAL_CHANGED"}),
    "another floor at the start": (lambda one: [everywhere(still(one)[0], LAYOUT)] * 9, {"LAYOUT_CHANGED"}),
    "another goal at the start": (lambda one: [changed(still(one)[0], c0=GOAL)] * 9, {"GOAL_CHANGED"}),
    "every cell painted": (lambda one: still(one) + [painted(one)] * 9, {"OVERPAINT"}),
    "every second frame the start": (
        lambda one: [
            labels if number % 2 else one.labels(one.start)
            for number, labels in enumerate(one.held(one.states, 2 * HOLD))
        ],
        {"UNPARSED", "NO_PROGRESS", "END_STATE"},
    ),
}  # fmt: skip


@task_names
@pytest.mark.parametrize("name", CLIPS)
def test_faults_have_names_and_prices(task: str, name: str) -> None:
    one, (make, codes) = stage(task), CLIPS[name]
    score = one.judged(make(one))
    assert not score.solved
    assert code_of(score) in codes
    assert_consistent(one, score)
    if code_of(score) in WORTHLESS:
        assert score.value == 0


def assert_consistent(one: Stage, score: Score[Any]) -> None:
    """What holds for every score."""
    assert score.solved == (score.value == 1.0) == (not score.violations)
    assert 0 <= score.value <= 1
    assert 0 <= score.confidence <= 1
    assert all(0 <= part <= 1 for part in score.parts.values())
    assert all(violation.code in CODES for violation in score.violations)
    assert len(score.frames) == len(score.actions)
    assert list(score.frames) == sorted(score.frames)
    assert score.seen[0] == (0, one.start)
    state, solved = one.start, False
    for action in score.actions:
        state = one.task.step(state, action)  # legal, or it raises
        solved |= one.task.is_solved(state)
    if not score.solved:
        assert score.value <= (LEFT_CAP if solved else UNSOLVED_CAP)
    if not score.actions:
        assert score.value == 0


@task_names
def test_the_solution_is_worth_1(task: str) -> None:
    one = stage(task)
    score = one.judged(solution(one))
    assert (score.value, score.solved, score.violations, score.actions) == (1.0, True, (), one.solution)
    assert_consistent(one, score)


@task_names
def test_each_forgery_is_called_by_its_name(task: str) -> None:
    """A picture one broken rule away, held after a legal walk; pictures that a cell cannot show are not readable."""
    one = stage(task)
    checked = set()
    for count, state in enumerate(one.states[:-1]):
        near = one.near(state, 1)
        for forgery in one.task.forgeries(state):
            labels = one.shown(stacks_of(forgery.tokens, one.task.shape(state)))
            read = one.task.read(one.start, stacks_of(forgery.tokens, one.task.shape(state)))
            if (labels < 0).any() or labels.tobytes() in near or (read is not None and one.task.is_solved(read)):
                continue
            score = one.judged(one.held(one.states[: count + 1], HOLD) + [labels] * 20)
            assert code_of(score) in {forgery.code, "OVERPAINT"}, (count, forgery)
            assert one.boards(score.actions) == one.boards(one.solution[:count])
            assert_consistent(one, score)
            checked.add(forgery.code)
    assert len(checked) >= 2


@task_names
@settings(max_examples=25, deadline=None)
@given(choices=CHOICES)
def test_more_legal_progress_never_pays_less(task: str, choices: list[int]) -> None:
    """Up to the first solved state, however much of the walk is a detour."""
    one = stage(task)
    states, _ = one.walked(choices)
    frames = one.held(states, 2)
    values = [one.judged(frames[: 2 * count + 2]).value for count in range(len(states))]
    assert values[0] == 0
    for state, value, after in zip(states, values, values[1:], strict=False):
        if one.task.is_solved(state):
            break
        assert value <= after


@task_names
def test_each_step_of_the_solution_pays_until_it_is_solved(task: str) -> None:
    one = stage(task)
    frames, whole = solution(one), one.task.distance(one.start)
    for count, state in enumerate(one.states[:-1]):
        value = one.judged(frames[: HOLD * (count + 1)]).value
        assert value == pytest.approx(min(UNSOLVED_CAP, 1 - one.task.distance(state) / whole))
    assert one.judged(frames).value == 1


@task_names
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_scores_of_any_labels_are_consistent(task: str, data: st.DataObject) -> None:
    """Legal walks mixed with nonsense: never another exception, never a score that contradicts itself."""
    one = stage(task)
    states, _ = one.walked(data.draw(CHOICES))
    frames = one.held([*states, *one.states[1:]], data.draw(st.integers(1, 3)))
    most = [len(stacks) - 1 for stacks in one.atlas.stacks]
    for _ in range(data.draw(st.integers(0, 6))):
        cell, first = data.draw(st.integers(0, len(most) - 1)), data.draw(st.integers(0, len(frames) - 1))
        label, length = data.draw(st.integers(GOAL, most[cell])), data.draw(st.integers(1, 6))
        for number in range(first, min(len(frames), first + length)):
            frames[number] = changed(frames[number], **{f"c{cell}": label})
    assert_consistent(one, one.judged(frames))


def test_what_lies_out_of_the_picture_for_long_is_named() -> None:
    one = stage("maze")
    frames = solution(one)
    hidden = np.zeros((len(frames), len(frames[0])), dtype=bool)
    hidden[6 : 6 + STEADY.patience - 1, 3] = True
    assert one.judged(frames, hidden=hidden).solved
    hidden[6 : 6 + STEADY.patience, 3] = True
    score = one.judged(frames, hidden=hidden)
    assert score.violations[0] == ("OUT_OF_VIEW", 6, (0, 3))
    assert score.value == 0


def test_a_wall_that_is_gone_in_the_last_frame_only_is_a_changed_layout() -> None:
    one = stage("maze")
    frames = solution(one)
    sides = np.zeros((len(frames), len(frames[0]), 4), dtype=bool)
    sides[-1, 3, 0] = True
    score = one.judged(frames, sides=sides)
    assert code_of(score) == "LAYOUT_CHANGED"
    assert score.value == 0


def test_leaving_the_goal_costs_half_and_coming_back_makes_it_good() -> None:
    one = stage("maze")
    back = one.task.step(one.states[-1], "L")
    left = one.judged(solution(one) + one.held([back], HOLD))
    assert code_of(left) == "END_STATE"
    assert 0 < left.value <= LEFT_CAP
    assert one.judged(solution(one) + one.held([back, one.states[-1]], HOLD)).value == 1


def test_a_box_too_many_may_come_to_light_after_the_fault() -> None:
    """While one of them is not seen yet, the picture is also that of a player and a box that trade places."""
    one = stage("sokoban")
    pushed = one.labels(one.states[3])
    doubled = changed(pushed, **{f"c{one.cell(1, 3)}": pushed[one.cell(1, 5)]})
    traded = changed(doubled, **{f"c{one.cell(1, 5)}": 0})
    clip = [*one.held(one.states[:3], HOLD), *[traded] * 3]
    score = one.judged([*clip, *[doubled] * 9])
    assert (code_of(score), score.value) == ("BOX_COUNT", 0.0)
    assert code_of(one.judged([*clip, *[traded] * 9])) == "ILLEGAL_PUSH"
    assert code_of(one.judged([*clip, *[traded] * 30, *[doubled] * 9])) == "ILLEGAL_PUSH"


def test_states_are_sighted_after_a_violation_too() -> None:
    one = stage("maze")
    far = one.held([one.states[5], one.states[6]], 8)
    score = one.judged(one.held(one.states[:2], HOLD) + far)
    assert score.actions == one.solution[:1]
    assert [sighting.state for sighting in score.seen] == [*one.states[:2], one.states[5], one.states[6]]

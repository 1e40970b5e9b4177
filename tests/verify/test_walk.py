"""Walking through labels: legal walks are read as they are, and nothing is ever read that was not there."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from by_labels import CHOICES, Stage, changed, code_of, pairs, stage
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from puzzlegen.replay import replay
from puzzlegen.verify.atlas import GOAL, LAYOUT, UNCLEAR
from puzzlegen.verify.pace import Pace, pace_of
from samples import TASKS

PACES = st.builds(Pace, reach=st.integers(1, 2), patience=st.integers(2, 5), slowest=st.integers(2, 8))
task_names = pytest.mark.parametrize("task", TASKS)


class TestPace:
    @given(frames=st.integers(9, 300), per_action=st.integers(1, 8))
    def test_a_clip_at_its_references_tempo(self, frames: int, per_action: int) -> None:
        """It may run about twice as fast; at three frames an action that leaves one action between two frames."""
        pace = pace_of(frames, frames, per_action)
        assert pace.reach == (1 if per_action > 2 else math.ceil(Fraction(9, 4) / per_action))
        assert abs(pace.patience - max(2, frames / 27)) <= 0.5
        assert pace.slowest == max(2, 2 * per_action)

    @given(st.integers(1, 400), st.integers(9, 200), st.integers(1, 8))
    def test_limits(self, frames: int, reference: int, per_action: int) -> None:
        pace = pace_of(frames, reference, per_action)
        assert 1 <= pace.reach <= 5
        assert pace.patience >= 2
        assert pace.slowest >= 2
        if frames >= reference:
            assert pace.reach <= 3

    @given(st.integers(1, 200), st.integers(1, 200), st.integers(9, 200), st.integers(1, 8))
    def test_fewer_frames_show_more_at_a_time(self, one: int, other: int, reference: int, per_action: int) -> None:
        short, long = (pace_of(frames, reference, per_action) for frames in sorted((one, other)))
        assert short.reach >= long.reach
        assert short.patience <= long.patience
        assert short.slowest <= long.slowest

    def test_a_quarter_of_the_frames_may_hold_four_actions_of_one_frame_each(self) -> None:
        assert pace_of(12, 49, 1).reach >= 4

    def test_a_handful_of_frames_holds_no_more_actions(self) -> None:
        assert pace_of(2, 25, 3).reach == pace_of(7, 25, 3).reach == 3

    def test_no_frames_per_action_are_one(self) -> None:
        assert pace_of(49, 49, 0) == pace_of(49, 49, 1)


@task_names
@settings(max_examples=40, deadline=None)
@given(choices=CHOICES, hold=st.integers(1, 4), pace=PACES)
def test_a_legal_walk_is_read_as_it_is(task: str, choices: list[int], hold: int, pace: Pace) -> None:
    one = stage(task)
    states, actions = one.walked(choices)
    score = one.judged(one.held(states, hold), pace)
    assert one.boards(score.actions) == one.boards(actions)
    assert list(score.frames) == [hold * (number + 1) for number in range(len(actions))]
    assert [one.labels(sighting.state).tolist() for sighting in score.seen] == [one.labels(s).tolist() for s in states]
    assert score.solved == (one.task.is_solved(states[-1]))


@task_names
@settings(max_examples=40, deadline=None)
@given(
    choices=CHOICES, elsewhere=CHOICES, after=st.lists(st.integers(0, 11), max_size=5), pick=st.integers(0), pace=PACES
)
def test_nothing_is_read_past_an_illegal_jump(
    task: str, choices: list[int], elsewhere: list[int], after: list[int], pick: int, pace: Pace
) -> None:
    """From some state of a legal walk to a state that no few actions lead to, and legally on from there."""
    one = stage(task)
    states, actions = one.walked(choices)
    near = one.near(states[-1], pace.reach)
    far = [state for state in (*one.walked(elsewhere)[0], *one.states) if one.picture(state) not in near]
    assume(far)
    jumped, _ = one.walked(after, far[pick % len(far)])
    score = one.judged([*one.held(states, 2), *one.held(jumped, 2 * (pace.patience + pace.slowest))], pace)
    assert one.boards(score.actions) == one.boards(actions)
    assert not score.solved
    assert score.violations[0].frame >= 2 * len(states)


def is_half_done(one: Stage, state: Any, target: Any) -> bool:
    """Whether a picture also is that of one action which has stopped halfway: a box that has left while its pusher
    stands still, which two skipped actions rarely lead to and cheats often do."""
    before, seen = one.labels(state), one.labels(target)
    for action in one.task.actions(state):
        after = one.labels(one.task.step(state, action))
        gone = (before > 0) & (after > 0) & (seen == 0)
        if ((seen == before) | (seen == after) | gone).all() and (seen != after).any():
            return True
    return False


@task_names
@settings(max_examples=40, deadline=None)
@given(choices=CHOICES, skipped=st.integers(1, 6), pace=PACES)
def test_at_most_so_many_actions_lie_between_two_frames(
    task: str, choices: list[int], skipped: int, pace: Pace
) -> None:
    """What is bridged leads there by legal actions, no more than allowed; what takes more is not read."""
    one = stage(task)
    states, actions = one.walked(choices)
    assume(len(actions) >= skipped)
    before, target = states[: len(states) - skipped], states[-1]
    assume(one.picture(target) != one.picture(before[-1]))
    assume(not is_half_done(one, before[-1], target))
    score = one.judged([*one.held(before, 2), *one.held([target], 3 * (pace.patience + pace.slowest))], pace)
    if one.picture(target) in one.near(before[-1], pace.reach):
        state = one.start
        for action in score.actions:
            state = one.task.step(state, action)
        assert one.picture(state) == one.picture(target)
        assert len(before) - 1 < len(score.actions) <= len(before) - 1 + min(pace.reach, skipped)
    else:
        assert one.boards(score.actions) == one.boards(actions[: len(before) - 1])
        assert not score.solved


@settings(max_examples=60, deadline=None)
@given(length=st.integers(1, 9), patience=st.integers(2, 6), cell=st.sampled_from([(0, 3), (1, 2), (2, 1)]))
@pytest.mark.parametrize("what", ["another agent", "a changed wall", "a goal that is none", "something unclear"])
def test_what_goes_before_patience_ends_is_a_flicker(
    what: str, length: int, patience: int, cell: tuple[int, int]
) -> None:
    """In a far cell, while the agent rests."""
    one = stage("maze")
    label = {"another agent": 1, "a changed wall": LAYOUT, "a goal that is none": GOAL, "something unclear": UNCLEAR}
    frames = one.held(one.states, 3)
    frames = [*frames[:1] * 16, *frames]
    for number in range(3, 3 + length):
        frames[number] = changed(frames[number], **{f"c{one.cell(*cell)}": label[what]})
    score = one.judged(frames, Pace(reach=1, patience=patience, slowest=6))
    if length < patience:
        assert score.solved
        assert score.actions == one.solution
    elif label[what] != UNCLEAR:
        assert not score.solved
        assert score.violations[0].frame == 3


@pytest.mark.parametrize("vanishes_early", [False, True])
def test_a_twin_that_vanishes_in_the_frame_of_an_arrival_is_no_flicker(vanishes_early: bool) -> None:
    """It waits where the agent is to go, or the agent has been in two places."""
    one = stage("maze")
    frames = [one.labels(one.start)] * 6 + one.held(one.states[1:], 3)
    frames[4] = frames[5] = changed(frames[4], **{f"c{one.cell(2, 1)}": 1})
    if vanishes_early:
        frames[5] = frames[0]
    assert one.judged(frames).solved == vanishes_early


@pytest.mark.parametrize("length", range(1, 7))
def test_a_wall_that_is_gone_for_long_is_not_forgiven(length: int) -> None:
    one = stage("maze")
    frames = [one.labels(one.start)] * 6 + one.held(one.states, 3)
    sides = np.zeros((len(frames), len(one.atlas.stacks), 4), dtype=bool)
    sides[1 : 1 + length, one.cell(2, 2), 0] = True
    score = one.judged(frames, Pace(reach=1, patience=4, slowest=6), sides=sides)
    assert score.solved == (length < 4)
    if not score.solved:
        assert code_of(score) == "LAYOUT_CHANGED"
        assert score.violations[0][1:] == (1, (2, 2))


@task_names
@settings(max_examples=40, deadline=None)
@given(choices=CHOICES, cell=st.integers(0), label=st.integers(-1, 9), moment=st.integers(0))
def test_one_wrong_cell_in_one_frame_is_never_read_as_a_move(
    task: str, choices: list[int], cell: int, label: int, moment: int
) -> None:
    one = stage(task)
    states, actions = one.walked(choices)
    frames = one.held(states, 3)
    moment = 3 * (moment % len(states)) + 1
    cell %= len(one.atlas.stacks)
    frames[moment] = changed(frames[moment], **{f"c{cell}": min(label, len(one.atlas.stacks[cell]) - 1)})
    score = one.judged(frames)
    assert one.boards(score.actions) == one.boards(actions)


@task_names
@settings(max_examples=30, deadline=None)
@given(choices=CHOICES, unclear=st.integers(1, 3))
def test_cells_of_a_move_may_be_unclear_on_the_way(task: str, choices: list[int], unclear: int) -> None:
    one = stage(task)
    states, actions = one.walked(choices)
    frames = one.held(states[:1], 2)
    for before, after in pairs([one.labels(state) for state in states]):
        frames += [np.where(before == after, before, UNCLEAR).astype(np.int16)] * unclear + [after] * 2
    score = one.judged(frames)
    assert one.boards(score.actions) == one.boards(actions)


@pytest.mark.parametrize("closing", ["cD", "CU"])
def test_a_line_may_be_closed_from_either_side(closing: str) -> None:
    """The stretch that grows out of one end is seen for a while, and the end that it grows towards as it was."""
    one = stage("flowfree")
    states = replay(one.task, one.start, ["cD", closing]).states
    drawn, closed = one.labels(states[1]), one.labels(states[2])
    begins = one.cell(3, 3) if closing == "CU" else one.cell(2, 3)
    growing = changed(drawn, **{f"c{begins}": int(closed[begins])})
    score = one.judged([*one.held(states[:2], 3), *[growing] * 4, *[closed] * 4])
    assert len(score.actions) == 2 and code_of(score) == "END_STATE"


@pytest.mark.parametrize(("task", "skip"), [("maze", 1), ("maze", 2), ("sokoban", 2)])
def test_a_mover_may_only_be_seen_between_cells(task: str, skip: int) -> None:
    """As in a clip that shows every second frame of a glide, or fewer."""
    one = stage(task)
    shown = [one.labels(state) for state in one.states]
    between = [np.where(before == after, before, UNCLEAR).astype(np.int16) for before, after in pairs(shown)]
    clip = [shown[0], *between[::skip], *[shown[-1]] * 3]
    score = one.judged(clip, Pace(reach=skip, patience=2, slowest=4))
    assert score.solved
    assert score.actions == one.solution
    jumped = one.judged([shown[0], between[0], *between[4::skip], *[shown[-1]] * 3], Pace(skip, patience=2, slowest=4))
    assert not jumped.solved
    assert len(jumped.actions) <= 2


def test_an_action_has_not_begun_while_its_mover_is_nowhere() -> None:
    """A box that is seen in two cells at once does not stand for the player that pushes it."""
    one = stage("sokoban")
    start, pushed = one.labels(one.start), one.labels(one.states[2])
    twice = changed(start, **{f"c{one.cell(1, 1)}": 0, f"c{one.cell(1, 4)}": start[one.cell(1, 3)]})
    assert one.solution[:2] == ("r", "R")
    assert one.judged([start] * 3 + [twice] + [pushed] * 9).actions == ()


@pytest.mark.parametrize("ends_clear", [True, False])
def test_a_cell_may_become_clear_long_after_the_others_have_arrived(ends_clear: bool) -> None:
    one = stage("sokoban")
    last = one.labels(one.states[-1])
    (target,) = np.flatnonzero((last > 0) & (one.labels(one.states[-2]) == 0))
    coming = [changed(last, **{f"c{target}": UNCLEAR})] * 7
    frames = [*one.held(one.states[:-1], 8), *coming, *([last] * 4 if ends_clear else [])]
    score = one.judged(frames, Pace(reach=1, patience=2, slowest=16))
    assert score.solved == ends_clear
    if not ends_clear:
        assert code_of(score) == "END_STATE"


def test_what_is_covered_from_the_start_on_is_left_out_of_account() -> None:
    one = stage("maze")
    cell = one.cell(1, 2)
    frames = [changed(labels, **{f"c{cell}": UNCLEAR}) for labels in one.held(one.states, 3)]
    assert one.judged(frames).solved


def test_what_covers_a_cell_must_be_still() -> None:
    """The observer calls a cover that changes another layout."""
    one = stage("maze")
    cell = one.cell(1, 2)
    frames = [changed(labels, **{f"c{cell}": UNCLEAR}) for labels in one.held(one.states, 3)]
    frames[9:] = [changed(labels, **{f"c{cell}": LAYOUT}) for labels in frames[9:]]
    assert code_of(one.judged(frames)) == "LAYOUT_CHANGED"


def test_the_agent_must_not_be_covered_at_the_start() -> None:
    one = stage("maze")
    frames = one.held(one.states, 3)
    frames[0] = changed(frames[0], c0=UNCLEAR)
    assert not one.judged(frames).solved


def test_most_of_the_board_must_not_be_covered_at_the_start() -> None:
    one = stage("maze")
    frames = one.held(one.states, 3)
    frames[0] = changed(frames[0], **{f"c{cell}": UNCLEAR for cell in range(1, 8)})
    assert not one.judged(frames).solved

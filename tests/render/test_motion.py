"""Pacing: everything fits, in order, with a start and an end to look at."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.errors import Rejected
from puzzlegen.render.formats import FORMATS, ClipFormat
from puzzlegen.render.motion import Timeline, even_offset, pace

LENGTHS = st.integers(2, 60).map(lambda n: 4 * n + 1)


def of(num_actions: int, num_frames: int) -> Timeline:
    return pace(num_actions, ClipFormat(width=64, height=64, num_frames=num_frames))


@given(st.data(), LENGTHS)
def test_what_fits_is_paced(data: st.DataObject, num_frames: int) -> None:
    num_actions = data.draw(st.integers(1, num_frames - 5))
    plan = of(num_actions, num_frames)
    ends = plan.action_frames
    assert len(ends) == num_actions == plan.num_actions
    assert plan.num_frames == num_frames
    assert plan.hold_start >= 1
    assert ends[0] > 0
    assert ends[0] >= plan.hold_start
    assert all(after - before == plan.frames_per_action >= 1 for before, after in itertools.pairwise(ends))
    assert num_frames - ends[-1] >= 4, "frames that show the solved state"


@given(LENGTHS, st.integers(1, 100))
def test_what_does_not_fit_is_rejected_for_its_length(num_frames: int, beyond: int) -> None:
    with pytest.raises(Rejected) as caught:
        of(num_frames - 5 + beyond, num_frames)
    assert not any(character.isdigit() for character in caught.value.reason)


@given(st.data(), LENGTHS)
def test_no_time_is_wasted(data: st.DataObject, num_frames: int) -> None:
    """One frame more per action would not fit, unless the pace is already the slowest."""
    num_actions = data.draw(st.integers(1, num_frames - 5))
    plan = of(num_actions, num_frames)
    assert plan.frames_per_action == 8 or (plan.frames_per_action + 1) * num_actions > num_frames - 5


@pytest.mark.parametrize(("name", "most"), [("wan480", 76), ("square480", 76), ("square256", 44), ("tiny", 20)])
def test_room_of_the_named_formats(name: str, most: int) -> None:
    assert pace(most, FORMATS[name]).frames_per_action == 1
    with pytest.raises(Rejected):
        pace(most + 1, FORMATS[name])


@given(st.integers(2, 60).map(lambda n: 4 * n), st.integers(1, 8))
def test_offsets_are_even_monotone_and_near_the_line(cell_px: int, whole: int) -> None:
    offsets = [even_offset(cell_px, part, whole) for part in range(whole + 1)]
    assert offsets[0] == 0
    assert offsets[-1] == cell_px
    assert offsets == sorted(offsets)
    assert all(offset % 2 == 0 for offset in offsets)
    assert all(abs(offset - cell_px * part / whole) <= 1 for part, offset in enumerate(offsets))

"""Windows: a function of the update, within the rollout, never its last step."""

from __future__ import annotations

import pytest

from puzzlegen import canonical
from puzzlegen.errors import InvalidInput
from puzzlegen.train.windows import All, First, Sliding, Window


@pytest.mark.parametrize(
    "window",
    [All(), First(k=1), First(k=3), First(k=3, final_k=1, anneal=7), Sliding(k=3, every=2), Sliding(k=2, stride=2)],
    ids=str,
)
def test_no_window_holds_the_last_step_or_is_empty(window: Window) -> None:
    for num_steps in range(4, 20):
        for update in range(60):
            steps = window(update, num_steps)
            assert steps.step == 1 and 0 <= steps.start < steps.stop < num_steps
            assert steps == window(update, num_steps)


def test_all_steps_are_all_but_the_last() -> None:
    assert All()(3, 8) == range(7)
    assert len(All()(0, 1)) == 0


def test_the_first_steps_are_the_first() -> None:
    assert [First(k=3)(update, 8) for update in (0, 1, 100)] == [range(3)] * 3


def test_a_window_becomes_shorter_or_longer_in_a_straight_line() -> None:
    assert [len(First(k=6, final_k=2, anneal=4)(update, 8)) for update in range(7)] == [6, 5, 4, 3, 2, 2, 2]
    assert [len(First(k=1, final_k=3, anneal=2)(update, 8)) for update in range(4)] == [1, 2, 3, 3]
    assert len(First(k=6, final_k=2)(0, 8)) == 2


def test_a_window_slides_to_the_end_and_begins_anew() -> None:
    window = Sliding(k=3, every=2, stride=2)
    assert [window(update, 9).start for update in range(16)] == [0, 0, 2, 2, 4, 4, 5, 5, 0, 0, 2, 2, 4, 4, 5, 5]
    assert {len(window(update, 9)) for update in range(16)} == {3}
    assert [Sliding(k=2, every=1)(update, 5).start for update in range(5)] == [0, 1, 2, 0, 1]
    assert [Sliding(k=4, every=1)(update, 5) for update in range(3)] == [range(4)] * 3


@pytest.mark.parametrize("window", [First(k=8), First(k=2, final_k=8, anneal=5), Sliding(k=8)], ids=str)
def test_a_window_that_does_not_fit_is_refused_at_once(window: Window) -> None:
    with pytest.raises(InvalidInput, match="A window of 8 steps does not fit 8 steps"):
        window(0, 8)
    window(0, 9)


def test_windows_are_read_from_a_configuration() -> None:
    assert canonical.decode(Window, {"kind": "first", "k": 5}, "x") == First(k=5)
    assert canonical.decode(Window, {"kind": "sliding", "every": 3}, "x") == Sliding(every=3)
    for values in ({"k": 0}, {"final_k": 0}, {"anneal": -1}):
        with pytest.raises(InvalidInput, match=r"window\."):
            First(**values)
    with pytest.raises(InvalidInput, match=r"window\.stride must be positive"):
        Sliding(stride=0)


def test_a_sliding_window_may_stay_in_the_first_steps() -> None:
    window = Sliding(k=1, every=1, within=3)
    assert [window(update, 6) for update in range(4)] == [range(1), range(1, 2), range(2, 3), range(1)]
    assert Sliding(k=3, every=1, within=3)(5, 6) == range(3)
    with pytest.raises(InvalidInput, match=r"window.within must be 2 or more"):
        Sliding(k=2, within=1)
    with pytest.raises(InvalidInput, match="A window of 6 steps does not fit 6"):
        Sliding(k=1, within=6)(0, 6)


def test_a_window_tells_how_far_it_may_reach() -> None:
    windows: list[Window] = [All(), First(k=3), First(k=2, final_k=5, anneal=4), Sliding(k=1), Sliding(k=1, within=3)]
    for window in windows:
        furthest = max(window(update, 8).stop for update in range(400))
        assert window.reach(8) == furthest

"""Which clips an update is made of."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.errors import InvalidInput
from puzzlegen.train.mixture import Mixture
from puzzlegen.train.runs import Part

TASKS = ["left"] * 5 + ["right"] * 7
LEVELS = ["easy", "hard"] * 6


def mixture(*parts: Part, seed: int = 0, num_steps: int = 100) -> Mixture:
    return Mixture(parts, TASKS, LEVELS, seed=seed, num_steps=num_steps)


def drawn(mixture: Mixture, batch: int, steps: range) -> list[int]:
    return [row for step in steps for row in mixture.draw(step, batch)]


@given(seed=st.integers(0, 2**40), batch=st.integers(1, 30))
def test_every_pass_takes_every_clip_once(seed: int, batch: int) -> None:
    rows = drawn(mixture(seed=seed), batch, range(40))
    for start in range(0, len(rows) - len(TASKS) + 1, len(TASKS)):
        assert sorted(rows[start : start + len(TASKS)]) == list(range(len(TASKS)))


def test_passes_and_seeds_have_other_orders() -> None:
    rows, others = drawn(mixture(), 12, range(2)), drawn(mixture(seed=1), 12, range(1))
    assert rows[:12] != rows[12:] and rows[:12] != others


@given(seed=st.integers(0, 2**40), stop=st.integers(0, 20))
def test_a_run_goes_on_with_the_same_clips(seed: int, stop: int) -> None:
    parts = (Part(task="left", weight=3, final_weight=1), Part(levels=("hard",)))
    whole = drawn(mixture(*parts, seed=seed), 8, range(20))
    first, second = mixture(*parts, seed=seed), mixture(*parts, seed=seed)
    rows = drawn(first, 8, range(stop))
    second.taken = list(first.taken)
    assert rows + drawn(second, 8, range(stop, 20)) == whole


def test_the_same_clips_come_in_batches_of_any_size() -> None:
    parts = (Part(task="left"), Part(task="right", weight=2))
    assert drawn(mixture(*parts), 4, range(30)) == drawn(mixture(*parts), 24, range(5))


def test_parts_are_drawn_by_weight() -> None:
    rows = drawn(mixture(Part(task="left", weight=1), Part(task="right", weight=3)), 4000, range(1))
    assert Counter(TASKS[row] for row in rows)["right"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_a_curriculum_moves_from_one_level_to_the_other() -> None:
    parts = (Part(levels=("easy",), weight=1, final_weight=0), Part(levels=("hard",), weight=0, final_weight=1))
    mixed = mixture(*parts, num_steps=11)
    shares = [Counter(LEVELS[row] for row in mixed.draw(step, 2000))["hard"] / 2000 for step in range(11)]
    assert shares[0] == 0 and shares[-1] == 1
    assert shares == pytest.approx([step / 10 for step in range(11)], abs=0.05)


def test_a_part_without_clips_is_named() -> None:
    known = "It has left:easy, left:hard, right:easy, right:hard."
    with pytest.raises(InvalidInput, match=f"data.mixture: the dataset has no clips of lift:any level. {known}"):
        mixture(Part(task="lift"))
    with pytest.raises(InvalidInput, match="any task:none"):
        mixture(Part(levels=("none",)))


def test_a_weight_that_is_never_above_zero_is_refused() -> None:
    with pytest.raises(InvalidInput, match="mixture weight must be 0 or more, and not 0 from beginning to end"):
        Part(weight=0)

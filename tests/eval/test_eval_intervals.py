"""Intervals: Wilson's from its defining equation, the bootstrap against the normal approximation and by coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.errors import InvalidInput
from puzzlegen.eval import intervals
from puzzlegen.eval.intervals import paired_bootstrap, wilson

rates = st.integers(1, 500).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total)))


@given(rates, st.floats(0.5, 4))
def test_ends_solve_the_quadratic_that_defines_them(rate: tuple[int, int], z: float) -> None:
    successes, total = rate
    share = successes / total
    roots = np.roots([1 + z * z / total, -(2 * share + z * z / total), share * share]).real
    assert wilson(successes, total, z) == pytest.approx(sorted(roots), abs=1e-6)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [(5, 10, 0.2366, 0.7634), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (81, 263, 0.2553, 0.3662)],
)
def test_textbook_values(successes: int, total: int, low: float, high: float) -> None:
    """81 of 263 is the example of Newcombe, Statistics in Medicine 17 (1998), table I."""
    assert wilson(successes, total) == pytest.approx((low, high), abs=5e-5)


@given(rates)
def test_the_rate_lies_inside_and_failures_mirror_successes(rate: tuple[int, int]) -> None:
    successes, total = rate
    low, high = wilson(successes, total)
    assert 0 <= low <= successes / total <= high <= 1
    assert wilson(total - successes, total) == pytest.approx((1 - high, 1 - low))


def test_of_nothing_all_is_possible_and_nonsense_is_refused() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for successes, total in [(-1, 3), (4, 3), (0, -1)]:
        with pytest.raises(InvalidInput):
            wilson(successes, total)


def test_the_bootstrap_repeats_itself_and_depends_on_its_seed() -> None:
    a, b = np.random.default_rng(1).random((2, 40))
    assert paired_bootstrap(a, b, 5) == paired_bootstrap(list(a), list(b), 5)
    assert paired_bootstrap(a, b, 5) != paired_bootstrap(a, b, 6)


def test_puzzles_are_drawn_with_both_their_values() -> None:
    a = np.random.default_rng(2).random(30)
    assert paired_bootstrap(a, a, 0) == (0.0, 0.0, 0.0)
    assert paired_bootstrap(a + 0.25, a, 0) == pytest.approx((0.25, 0.25, 0.25))


def test_models_swapped_mirror_the_interval() -> None:
    a, b = np.random.default_rng(3).random((2, 25))
    mean, low, high = paired_bootstrap(a, b, 9)
    assert paired_bootstrap(b, a, 9) == pytest.approx((-mean, -high, -low))


@pytest.mark.parametrize("block", [intervals._BLOCK, 1000])
def test_wide_data_have_the_normal_interval(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In blocks of any size there are as many resamples as were asked for."""
    monkeypatch.setattr(intervals, "_BLOCK", block)
    gains = np.random.default_rng(4).normal(0.3, 1, 400)
    mean, low, high = paired_bootstrap(gains, np.zeros(400), 0, 4000)
    half = 1.96 * gains.std() / math.sqrt(400)
    assert mean == pytest.approx(gains.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.1 * half)


def test_a_short_last_block_leaves_no_resample_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_BLOCK", 30)
    counted: list[int] = []
    monkeypatch.setattr(intervals.np, "percentile", lambda means, _: counted.append(len(means)) or (0.0, 0.0))
    paired_bootstrap([1.0] * 10, [0.0] * 10, 0, 100)
    assert counted == [100]


def test_intervals_cover_the_truth_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(6)
    covered = 0
    for trial in range(200):
        base = rng.random(60)
        low, high = paired_bootstrap(base + rng.normal(0.2, 0.5, 60), base, trial, 400)[1:]
        covered += low <= 0.2 <= high
    assert 0.89 <= covered / 200 <= 0.99


@pytest.mark.parametrize(("a", "b", "resamples"), [([], [], 10), ([1.0], [1.0, 2.0], 10), ([1.0], [1.0], 0)])
def test_what_cannot_be_paired_is_refused(a: list[float], b: list[float], resamples: int) -> None:
    with pytest.raises(InvalidInput):
        paired_bootstrap(a, b, 0, resamples)

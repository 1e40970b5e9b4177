"""Many clips of one puzzle: pass@k against all subsets, votes by hand."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.samples import Sample, best_at_k, maj_at_k, mean_pass_at_k, pass_at_k

triples = st.integers(1, 60).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n)))


@pytest.mark.parametrize("n", range(1, 8))
def test_pass_at_k_is_the_share_of_subsets_with_a_solved_clip(n: int) -> None:
    for c, k in itertools.product(range(n + 1), range(1, n + 1)):
        subsets = list(itertools.combinations([True] * c + [False] * (n - c), k))
        assert pass_at_k(n, c, k) == pytest.approx(sum(map(any, subsets)) / len(subsets))


@given(triples)
def test_pass_at_k_grows_with_k_and_with_c(triple: tuple[int, int, int]) -> None:
    n, c, k = triple
    value = pass_at_k(n, c, k)
    assert 0 <= value <= 1
    assert (value == 0) == (c == 0)
    assert (value == 1) == (c > n - k)
    assert pass_at_k(n, c, 1) == pytest.approx(c / n)
    assert k == n or pass_at_k(n, c, k + 1) >= value
    assert c == n or pass_at_k(n, c + 1, k) >= value


@pytest.mark.parametrize(("n", "c", "k"), [(3, 1, 4), (3, 1, 0), (3, 4, 1), (3, -1, 1), (0, 0, 1)])
def test_pass_at_k_of_too_few_samples_is_refused(n: int, c: int, k: int) -> None:
    with pytest.raises(InvalidInput):
        pass_at_k(n, c, k)


def test_puzzles_weigh_the_same_however_many_samples_they_have() -> None:
    assert mean_pass_at_k([(2, 1), (100, 100)], 1) == 0.75
    assert mean_pass_at_k([(2, 1), (100, 100), (1, 0), (1, 0)], 1) == 0.375
    assert mean_pass_at_k([(2, 1), (4, 1)], 2) == pytest.approx((1 + 0.5) / 2)
    for counts in ([(2, 1), (1, 1)], []):
        with pytest.raises(InvalidInput):
            mean_pass_at_k(counts, 2)


def clips(text: str) -> list[Sample]:
    """Words such as "ab+" (a trace that solves), "ab" (one that does not), "?ab+" (not readable)."""
    return [Sample(word.strip("?+"), not word.startswith("?"), word.endswith("+")) for word in text.split()]


@pytest.mark.parametrize(
    ("text", "k", "solved"),
    [
        ("a+", 1, True),
        ("b a+ a+", 3, True),
        ("b b a+", 3, False),
        ("b a+", 2, True),  # a tie: a before b
        ("a b+", 2, False),  # also when b would solve
        ("b b a+ a+ a+", 4, True),
        ("b b a+ a+ a+", 3, False),  # only the first k vote
        ("?a+ ?a+ b", 3, False),  # what cannot be read has no vote
        ("?b ?b a+", 3, True),
        ("?a+", 1, False),
        ("a a+", 2, False),  # one trace, two verdicts: the first clip stands for it
        ("a+ a", 2, True),
    ],
)
def test_the_majority_answers(text: str, k: int, solved: bool) -> None:
    assert maj_at_k(clips(text), k) is solved


@given(st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=8))
def test_the_vote_does_not_depend_on_what_solves(votes: list[tuple[str, bool]]) -> None:
    """Whichever trace is made the right one, the same trace wins: exactly one is right, if any clip can be read."""
    winners = [
        right for right in "abc" if maj_at_k([Sample(trace, ok, trace == right) for trace, ok in votes], len(votes))
    ]
    assert len(winners) == any(ok for _, ok in votes)


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_the_oracle_of_all_clips_is_pass_at_n(solved: list[bool]) -> None:
    samples = [Sample("", True, flag) for flag in solved]
    assert best_at_k(samples, len(samples)) == pass_at_k(len(solved), sum(solved), len(solved))
    assert best_at_k(samples, 1) == solved[0]


@pytest.mark.parametrize("vote", [maj_at_k, best_at_k])
@pytest.mark.parametrize("k", [0, 3])
def test_votes_need_k_samples(vote: object, k: int) -> None:
    assert callable(vote)
    with pytest.raises(InvalidInput):
        vote(clips("a b"), k)

"""SplitMix64 against its published values, draws against exact expectations, and streams that never change."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.seeding import Rng, derive

KEYS = st.lists(st.one_of(st.text(max_size=6), st.integers(-(10**20), 10**20)), max_size=4)


def chi_square(counts: Counter[object], cells: int) -> float:
    """Pearson's statistic against equal chances; cells never seen count too."""
    expected = counts.total() / cells
    return sum((count - expected) ** 2 / expected for count in counts.values()) + (cells - len(counts)) * expected


# --- the generator


def test_published_values() -> None:
    """Those of the reference C code for seed 1234567, as listed at Rosetta Code, and the first of seed 0."""
    rng = Rng()
    rng.state = 1234567
    assert [rng.bits() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    rng.state = 0
    assert rng.bits() == 0xE220A8397B1DCDAF


def test_the_state_is_the_whole_stream() -> None:
    rng = Rng("maze", 1)
    rng.bits()
    other = Rng("something else")
    other.state = rng.state
    assert [rng.bits() for _ in range(20)] == [other.bits() for _ in range(20)]
    assert 0 <= rng.state < 2**64


def test_the_stream_of_a_key_never_changes() -> None:
    """Change these values only with every task's version: all data drawn so far depends on them."""
    rng = Rng("maze", 1)
    assert rng.state == 0x89F1F4EE3B668F33
    assert [rng.bits() for _ in range(4)] == [
        15260906941451258102,
        12648263165461716506,
        13892585303803866697,
        13425509024992713790,
    ]
    rng = Rng("maze", 1)
    assert [rng.below(10) for _ in range(12)] == [8, 6, 7, 7, 4, 5, 9, 3, 1, 0, 5, 7]
    assert [rng.between(-3, 3) for _ in range(6)] == [1, -1, 2, 3, -1, -1]
    assert rng.uniform() == 0.6845892869617362
    assert rng.choice("abcdefgh") == "g"
    items = list(range(8))
    rng.shuffle(items)
    assert items == [4, 1, 3, 6, 7, 0, 2, 5]
    assert rng.sample(range(10), 4) == [0, 8, 7, 1]
    assert rng.state == 0xB2A9B264A56B95BE


def test_the_stream_does_not_depend_on_the_hash_seed() -> None:
    code = "from puzzlegen.seeding import Rng; print(Rng('maze', 1, 'ü').bits())"
    seen = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        seen.add(done.stdout)
    assert seen == {f"{Rng('maze', 1, 'ü').bits()}\n"}


# --- keys


def test_derive_is_the_head_of_a_hash_of_tagged_parts() -> None:
    data = b"str:4:maze" + b"int:2:-7" + b"str:2:\xc3\xbc"
    assert derive("maze", -7, "ü") == int.from_bytes(hashlib.sha256(data).digest()[:8], "big")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "b"), ("ab",)),
        (("a", "b"), ("b", "a")),
        (("a", ""), ("a",)),
        (("", "a"), ("a", "")),
        ((1,), ("1",)),
        ((1, 2), (12,)),
        ((1,), (-1,)),
        ((), ("",)),
        (("a", 1), ("a1",)),
        (("aint:1:1",), ("a", 1)),
        (("aint:1:", 1), ("a", 1)),
    ],
)
def test_derive_separates(one: tuple[str | int, ...], other: tuple[str | int, ...]) -> None:
    assert derive(*one) != derive(*other)


@given(KEYS, KEYS)
def test_derive_is_one_to_one_on_keys(one: list[str | int], other: list[str | int]) -> None:
    assert (derive(*one) == derive(*other)) == (one == other)
    assert 0 <= derive(*one) < 2**64
    assert Rng(*one).state == derive(*one)


# --- draws


@given(st.integers(1, 2**32), st.integers(0, 2**64 - 1))
def test_below_stays_in_range(bound: int, state: int) -> None:
    rng = Rng()
    rng.state = state
    assert 0 <= rng.below(bound) < bound


def test_below_reaches_both_ends_of_the_largest_range() -> None:
    rng = Rng("ends")
    values = [rng.below(2**32) for _ in range(2000)]
    assert min(values) < 2**32 / 200
    assert max(values) > 2**32 - 2**32 / 200
    assert {rng.below(1) for _ in range(50)} == {0}


@given(st.integers(-(10**6), 10**6), st.integers(0, 10**6), st.integers(0, 2**64 - 1))
def test_between_stays_in_range(low: int, width: int, state: int) -> None:
    rng = Rng()
    rng.state = state
    assert low <= rng.between(low, low + width) <= low + width


def test_between_reaches_both_ends_and_refuses_an_empty_range() -> None:
    rng = Rng("between")
    assert {rng.between(-1, 2) for _ in range(200)} == {-1, 0, 1, 2}
    assert rng.between(7, 7) == 7
    for low, high in ((5, 4), (5, 3), (0, -10)):
        with pytest.raises(ValueError, match=f"no integer lies between {low} and {high}"):
            rng.between(low, high)


def test_uniform_lies_in_the_half_open_unit_interval() -> None:
    rng = Rng("uniform")
    values = [rng.uniform() for _ in range(20_000)]
    assert 0 <= min(values) < 0.001
    assert 0.999 < max(values) < 1
    assert abs(sum(values) / len(values) - 0.5) < 4 * (1 / 12 / len(values)) ** 0.5
    assert all((value * 2**53).is_integer() for value in values)
    rng.state = (-0x9E3779B97F4A7C15) & (2**64 - 1)
    assert rng.uniform() == 0  # the word 0 is mixed to 0


@pytest.mark.parametrize(("bound", "critical"), [(2, 10.83), (3, 13.82), (10, 27.88), (97, 145.3)])
def test_below_is_uniform(bound: int, critical: float) -> None:
    """Pearson's chi-square with a fixed key; the critical values are those of p = 0.001."""
    rng = Rng("uniformity", bound)
    assert chi_square(Counter(rng.below(bound) for _ in range(20_000)), bound) < critical


def test_successive_draws_are_independent() -> None:
    rng = Rng("pairs")
    pairs: Counter[object] = Counter((rng.below(5), rng.below(5)) for _ in range(20_000))
    assert chi_square(pairs, 25) < 51.18  # 24 degrees of freedom, p = 0.001


def test_streams_of_neighboring_keys_are_independent() -> None:
    firsts: Counter[object] = Counter(Rng("puzzle", index).below(16) for index in range(20_000))
    assert chi_square(firsts, 16) < 37.70  # 15 degrees of freedom, p = 0.001
    agree = sum((Rng("puzzle", index).bits() ^ Rng("puzzle", index + 1).bits()).bit_count() for index in range(1000))
    assert abs(agree - 32_000) < 4 * (64_000 / 4) ** 0.5


@given(st.lists(st.integers(), max_size=30), KEYS)
def test_shuffle_is_a_permutation(items: list[int], key: list[str | int]) -> None:
    shuffled = list(items)
    Rng(*key).shuffle(shuffled)
    assert sorted(shuffled) == sorted(items)
    again = list(items)
    Rng(*key).shuffle(again)
    assert again == shuffled


def test_shuffle_gives_all_orders_equally_often() -> None:
    rng = Rng("orders")
    orders: Counter[object] = Counter()
    for _ in range(12_000):
        items = [0, 1, 2, 3]
        rng.shuffle(items)
        orders[tuple(items)] += 1
    assert set(orders) == set(itertools.permutations(range(4)))
    assert chi_square(orders, 24) < 49.73  # 23 degrees of freedom, p = 0.001


@given(st.lists(st.integers(), max_size=20), st.data())
def test_sample_takes_different_places(items: list[int], data: st.DataObject) -> None:
    count = data.draw(st.integers(0, len(items)))
    places = Rng("sample", count).sample(range(len(items)), count)
    assert len(set(places)) == len(places) == count
    assert Rng("sample", count).sample(items, count) == [items[place] for place in places]


def test_sample_gives_all_ordered_choices_equally_often() -> None:
    rng = Rng("choices")
    seen: Counter[object] = Counter(tuple(rng.sample("abcd", 2)) for _ in range(12_000))
    assert chi_square(seen, 12) < 31.26  # 11 degrees of freedom, p = 0.001


def test_nothing_to_draw_is_an_error() -> None:
    with pytest.raises(IndexError):
        Rng("empty").choice([])
    with pytest.raises(IndexError):
        Rng("empty").sample([1, 2], 3)


def test_choice_is_uniform_and_sample_leaves_its_source_alone() -> None:
    rng = Rng("choice")
    assert chi_square(Counter(rng.choice("abc") for _ in range(9000)), 3) < 13.82
    source = [1, 2, 3]
    rng.sample(source, 2)
    assert source == [1, 2, 3]

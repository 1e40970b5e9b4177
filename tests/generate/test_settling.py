"""Duplicates settled in rounds, in buckets, by ranges: always what taking the positions one by one gives."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen import registry
from puzzlegen.errors import LevelExhausted
from puzzlegen.generate import drafts, duplicates, plan, run, sample
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from puzzlegen.seeding import Rng
from puzzlegen.types import Instance

CLIP = parse_format("64x64x25")
LEVELS = ("tiny", "easy", "medium")


class Lottery:
    """Made-up levels: every key draws one of a few puzzles, some of which are rejected."""

    def __init__(self, sizes: dict[str, int], seed: int) -> None:
        recipe = registry.load("maze")
        self.sizes, self.seed = sizes, seed
        stream = Stream(recipe="maze", level="tiny", seed=0, clip=CLIP)
        self.model = sample.draft(recipe, stream, 0)

    def number(self, stream: Stream, index: int, attempt: int) -> int:
        return Rng("lottery", self.seed, stream.level, index, attempt).below(self.sizes[stream.level])

    def draft(self, _: Any, stream: Stream, index: int, attempt: int = 0) -> Instance[Any]:
        while Rng("rejected", self.seed, stream.level, index, attempt).below(4) == 0:
            attempt += 1
        digest = f"{self.number(stream, index, attempt) * 0x9E3779B97F4A7C15 % 2**64:016x}"
        origin = replace(self.model.origin, level=stream.level, index=index, attempt=attempt)
        return replace(self.model, origin=origin, digest=digest, structure=digest)


def one_by_one(asked: Request, lottery: Lottery) -> list[int]:
    """The attempt that each position ends with: the plain order, all in one process. The oracle."""
    taken: set[str] = set()
    kept: Counter[Stream] = Counter()
    attempts = []
    for position in range(asked.size):
        stream, index = asked.key_of(position)
        drawn, in_vain = lottery.draft(None, stream, index), 0
        while drawn.digest in taken:
            in_vain += 1
            if in_vain >= 1000 + 10 * kept[stream]:
                raise LevelExhausted(stream.level)
            drawn = lottery.draft(None, stream, index, drawn.origin.attempt + 1)
        taken.add(drawn.digest)
        kept[stream] += 1
        attempts.append(drawn.origin.attempt)
    return attempts


@contextmanager
def small_world(lottery: Lottery, unit: int, rows_per_job: int) -> Iterator[Path]:
    """An empty folder, small units and small buckets, and the lottery in place of the maze."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.object(sample, "draft", lottery.draft),
        mock.patch.object(plan, "UNIT", unit),
        mock.patch.object(drafts, "ROWS_PER_JOB", rows_per_job),
    ):
        yield Path(folder)


def outcome(asked: Request, folder: Path) -> list[int]:
    site, moved, _ = run.draft_only(asked, folder, InProcess(), lambda *_: None)
    return [int(attempt) for unit in site.units for attempt in drafts.read_keys(site, unit, moved)["attempt"]]


def request_of(num_streams: int, num: int) -> Request:
    streams = tuple(Stream(recipe="maze", level=level, seed=0, clip=CLIP) for level in LEVELS[:num_streams])
    return Request(streams=streams, num=num, shard_rows=10)


worlds = st.tuples(
    st.integers(1, 3), st.integers(1, 25), st.integers(0, 60), st.integers(0, 10**6), st.integers(1, 9),
    st.integers(1, 40),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(worlds, st.lists(st.integers(0, 100), max_size=3))
def test_settled_in_rounds_is_what_one_by_one_gives(
    world: tuple[int, int, int, int, int, int], cuts: list[int]
) -> None:
    """Levels of one recipe that overlap, from hardly any duplicates to a level that is used up; ranges first or not."""
    num_streams, num, spare, seed, unit, rows_per_job = world
    asked = request_of(num_streams, num)
    lottery = Lottery(dict.fromkeys(LEVELS, asked.size + spare), seed)
    expected = one_by_one(asked, lottery)
    with small_world(lottery, unit, rows_per_job) as folder:
        assert outcome(asked, folder) == expected
        shutil.rmtree(folder / ".work" / "redrawn")
        site, _, _ = run.draft_only(asked, folder / "parts", InProcess(), lambda *_: None)
        shutil.rmtree(folder / "parts" / ".work" / "redrawn")
        (folder / "parts" / ".work" / "redrawn").mkdir()
        ends = sorted({0, len(site.units), *(cut % (len(site.units) + 1) for cut in cuts)})
        for first, end in reversed([*pairwise(ends)]):
            duplicates.settle(site, range(first, end), InProcess())
        assert outcome(asked, folder / "parts") == expected


@settings(max_examples=8, deadline=None)
@given(st.integers(1, 2), st.integers(3, 9), st.integers(0, 10**6), st.integers(1, 9))
def test_a_level_is_used_up_exactly_when_it_is_one_by_one(num_streams: int, size: int, seed: int, unit: int) -> None:
    asked = request_of(num_streams, 6)
    lottery = Lottery(dict.fromkeys(LEVELS, size), seed)
    try:
        expected = one_by_one(asked, lottery)
    except LevelExhausted:
        with small_world(lottery, unit, 5) as folder, pytest.raises(LevelExhausted, match=r"in a row brought nothing"):
            outcome(asked, folder)
    else:
        with small_world(lottery, unit, 5) as folder:
            assert outcome(asked, folder) == expected


def test_stopped_after_any_round_it_goes_on_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request_of(2, 20)
    lottery = Lottery(dict.fromkeys(LEVELS, 42), 7)
    expected = one_by_one(asked, lottery)
    save, left = duplicates._save, 0

    def stopping(*arguments: Any) -> None:
        nonlocal left
        save(*arguments)
        left -= 1
        if left < 0:
            raise SystemExit

    monkeypatch.setattr(duplicates, "_save", stopping)
    with small_world(lottery, 3, 7) as folder:
        stops = 0
        while True:
            left = stops + 1  # one round further each time
            try:
                found = outcome(asked, folder)
                break
            except SystemExit:
                stops += 1
        assert stops >= 2
    assert found == expected


def test_rows_of_splits_are_counted_unit_by_unit() -> None:
    counts = np.array([[2, 1], [0, 3], [3, 0]])
    shards = list(plan.shards_of(counts, ("train", "test"), 2))
    assert [(shard.split, shard.rows, shard.pieces) for shard in shards] == [
        ("test", 2, ((0, 0, 1), (1, 0, 1))),
        ("test", 2, ((1, 1, 2),)),
        ("train", 2, ((0, 0, 2),)),
        ("train", 2, ((2, 0, 2),)),
        ("train", 1, ((2, 2, 1),)),
    ]

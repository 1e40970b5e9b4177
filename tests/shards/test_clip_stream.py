"""Streams for training loops: each clip once, shared by ranks and workers, and exact after being killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader
from torchdata.stateful_dataloader import StatefulDataLoader

from puzzlegen.errors import InvalidInput
from puzzlegen.loader import ClipStream
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row

# torchdata 0.11 with torch 2.13
pytestmark = pytest.mark.filterwarnings("ignore:'set_vital' is deprecated")

LOOP = """
import json, sys, time
from torchdata.stateful_dataloader import StatefulDataLoader
from puzzlegen.loader import ClipStream
from puzzlegen.shards.reader import ShardDataset

def identity(rows): return rows
def name(row): return row["id"]

if __name__ == "__main__":
    folder, log, rank, world, workers = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:])
    lines = open(log).read().splitlines() if __import__("os").path.exists(log) else []
    stream = ClipStream(ShardDataset(folder, columns=("id",)), seed=5, rank=rank, world=world, transform=name)
    loader = StatefulDataLoader(stream, batch_size=3, num_workers=workers, collate_fn=identity)
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    if whole:
        loader.load_state_dict(whole[-1]["state"])
    with open(log, "w") as file:
        file.writelines(json.dumps(one) + "\\n" for one in whole)
        for batch in loader:
            file.write(json.dumps({"ids": batch, "state": loader.state_dict()}) + "\\n")
            file.flush()
            time.sleep(0.01)
"""
"""A training loop that logs what it has learned from together with where it is; killed, it goes on from its log."""


def name_of(row: Row) -> str:
    name: str = row["id"]
    return name


def as_it_is(batch: list[str]) -> list[str]:
    return batch


@pytest.fixture(scope="module")
def dataset(folder: Path) -> ShardDataset:
    return ShardDataset(folder, columns=("id",))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**40), epoch=st.integers(0, 5), world=st.integers(1, 7), even=st.booleans())
def test_ranks_share_every_clip(dataset: ShardDataset, seed: int, epoch: int, world: int, even: bool) -> None:
    parts = []
    for rank in range(world):
        stream = ClipStream(dataset, seed=seed, rank=rank, world=world, even=even, transform=name_of)
        stream.set_epoch(epoch)
        parts.append([*stream])
        assert len(parts[-1]) == len(stream)
    seen, left = [*chain(*parts)], len(dataset) % world if even else 0
    assert len(set(seen)) == len(seen) == len(dataset) - left
    assert max(map(len, parts)) - min(map(len, parts)) <= (0 if even else 1)
    order = dataset.epoch_order(seed, epoch)
    assert seen == [dataset[index]["id"] for index in order[: len(seen)]]


def test_rows_come_whole_without_a_transform(folder: Path) -> None:
    first = next(iter(ClipStream(ShardDataset(folder))))
    assert isinstance(first, Row) and first.frames().ndim == 4


@pytest.mark.parametrize("rank", [-1, 2])
def test_a_rank_that_is_none_is_refused(dataset: ShardDataset, rank: int) -> None:
    with pytest.raises(InvalidInput, match="rank must be 0 to world - 1"):
        ClipStream(dataset, rank=rank, world=2)


@settings(max_examples=60, deadline=None)
@given(stops=st.lists(st.integers(0, 130), max_size=4), world=st.integers(1, 4), data=st.data())
def test_a_stream_goes_on_after_any_clip(
    dataset: ShardDataset, stops: list[int], world: int, data: st.DataObject
) -> None:
    rank = data.draw(st.integers(0, world - 1))

    def new() -> ClipStream:
        stream = ClipStream(dataset, seed=3, rank=rank, world=world, transform=name_of)
        stream.set_epoch(2)
        return stream

    seen, state = list[str](), new().state_dict()
    for stop in stops:
        stream = ClipStream(dataset, seed=3, rank=rank, world=world, transform=name_of)
        stream.load_state_dict(json.loads(json.dumps(state)))
        clips = iter(stream)
        seen += [name for _, name in zip(range(stop), clips, strict=False)]
        state = stream.state_dict()
    rest = ClipStream(dataset, seed=3, rank=rank, world=world, transform=name_of)
    rest.load_state_dict(state)
    assert [*seen, *rest] == [*new()]


def test_the_pass_after_one_that_went_on_is_whole(dataset: ShardDataset) -> None:
    stream = ClipStream(dataset, transform=name_of)
    stream.load_state_dict({"epoch": 1, "given": 100})
    assert len([*stream]) == 20 and len([*stream]) == 120
    stream.load_state_dict({"epoch": 1, "given": 100})
    stream.set_epoch(2)
    assert len([*stream]) == 120


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_of_a_plain_loader_share_a_rank(dataset: ShardDataset, workers: int) -> None:
    stream = ClipStream(dataset, seed=1, rank=1, world=2, transform=name_of)
    loader = DataLoader(stream, batch_size=7, num_workers=workers, collate_fn=as_it_is)
    batches = [*loader]
    assert sorted(chain(*batches)) == sorted(stream)
    assert batches == [*loader]


@pytest.mark.parametrize("workers", [0, 2])
def test_a_stateful_loader_goes_on_after_any_batch(dataset: ShardDataset, workers: int) -> None:
    def loader() -> StatefulDataLoader[Any]:
        stream = ClipStream(dataset, seed=1, transform=name_of)
        return StatefulDataLoader(stream, batch_size=9, num_workers=workers, collate_fn=as_it_is)

    whole = [*loader()]
    for stop in (1, 5, len(whole) - 1):
        first, batches = loader(), list[list[str]]()
        for batch in first:
            batches.append(batch)
            if len(batches) == stop:
                break
        rest = loader()
        rest.load_state_dict(first.state_dict())
        assert [*batches, *rest] == whole


@pytest.mark.parametrize(("world", "workers"), [(1, 2), (2, 0), (4, 0)])
def test_a_training_loop_that_is_killed_misses_no_clip(
    world: int, workers: int, folder: Path, dataset: ShardDataset, tmp_path: Path
) -> None:
    script, chance, learned = tmp_path / "loop.py", random.Random(world), list[str]()
    script.write_text(LOOP)
    for rank in range(world):
        log = tmp_path / f"{rank}.jsonl"
        words = [sys.executable, str(script), str(folder), str(log), str(rank), str(world), str(workers)]
        _run(words, lambda log=log: _num_lines(log) >= chance.randint(1, 120 // world // 3 - 2))  # type: ignore[misc]
        done = _run(words, lambda: False)
        assert done == 0
        own = [name for line in log.read_text().splitlines() for name in json.loads(line)["ids"]]
        undisturbed = ClipStream(dataset, seed=5, rank=rank, world=world, transform=name_of)
        assert own == [*chain(*_batches(undisturbed, workers))]
        learned += own
    assert sorted(learned) == sorted(dataset.column("id"))


def _batches(stream: ClipStream, workers: int) -> Iterator[list[str]]:
    yield from DataLoader(stream, batch_size=3, num_workers=workers, collate_fn=as_it_is)


def _num_lines(log: Path) -> int:
    return log.read_text().count("\n") if log.exists() else 0


def _run(words: list[str], enough: Callable[[], bool]) -> int:
    """Run it until it ends, or until there is enough: then it is killed with its workers. Gives the exit status."""
    process = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, start_new_session=True)
    while process.poll() is None:
        if enough():
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0.02)
    return process.returncode

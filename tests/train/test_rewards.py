"""Rewards come from the judge, in worker processes as in this one; what cannot be judged has none."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen import score  # noqa: E402
from puzzlegen.errors import Incomplete, UnknownName  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.shards.row import Row  # noqa: E402
from puzzlegen.train import rewards  # noqa: E402
from puzzlegen.train.rewards import RewardWorkers  # noqa: E402
from sft_runs import new_dataset  # noqa: E402


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    return list(ShardDataset(new_dataset(tmp_path_factory.mktemp("data") / "d", num=2)))


def clips_of(rows: list[Row]) -> np.ndarray:
    """The solutions, but the last one is cut short by half."""
    frames = np.stack([row.frames() for row in rows])
    frames[-1, 10:] = frames[-1, 9]
    return frames


def test_rewards_are_those_of_the_judge(rows: list[Row]) -> None:
    frames = clips_of(rows)
    with RewardWorkers(0) as judges:
        found = judges.submit(frames, rows).result()
    for reward, clip, row in zip(found, frames, rows, strict=True):
        judged = score(clip, row)
        assert (reward.value, reward.solved, reward.parts) == (judged.value, judged.solved, judged.parts)
        assert reward.valid and set(reward.codes) == {violation.code for violation in judged.violations}
    assert [reward.solved for reward in found] == [True, True, True, False] and 0 < found[-1].value < 1


@pytest.mark.parametrize("name", ["sparse", "paper"])
def test_other_rewards_go_by_their_name(name: str, rows: list[Row]) -> None:
    with RewardWorkers(0, name) as judges:
        judges.check(rows)
        found = judges.submit(clips_of(rows), rows).result()
    assert [reward.value for reward in found] == [
        score(clip, row, reward=name).value for clip, row in zip(clips_of(rows), rows, strict=True)
    ]


def test_an_unknown_reward_is_named_before_anything_is_judged(rows: list[Row]) -> None:
    with pytest.raises(UnknownName, match="there is no reward 'desne'"):
        RewardWorkers(0, "desne").check(rows)


def test_a_clip_that_cannot_be_judged_has_no_reward(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(columns: str) -> None:
        raise MemoryError("too many")

    monkeypatch.setattr(rewards, "_verifier", broken)
    (found,) = RewardWorkers(0).submit(clips_of(rows)[:1], rows[:1]).result()
    assert not found.valid and found.fault == f"{rows[0]['id']}: MemoryError: too many"


def test_workers_judge_as_this_process_does_and_one_that_dies_is_replaced(rows: list[Row]) -> None:
    frames = clips_of(rows)
    expected = RewardWorkers(0).submit(frames, rows).result()
    with RewardWorkers(2) as judges:
        assert judges.submit(frames, rows).result() == expected
        assert judges._pool
        pending = judges.submit(np.concatenate([frames] * 4), rows * 4)
        os.kill(next(iter(judges._pool._processes)), signal.SIGKILL)
        assert pending.result() == expected * 4
        assert judges.submit(frames, rows).result() == expected


def _dies(*job: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_workers_that_die_again_and_again_end_the_run(rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards, "_all_judged", _dies)
    with (
        RewardWorkers(1) as judges,
        pytest.raises(Incomplete, match=f"died 3 times, last with a clip of {rows[0]['id']}"),
    ):
        judges.submit(clips_of(rows)[:1], rows[:1]).result()

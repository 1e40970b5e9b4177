"""Rewards of sampled clips: the verifier in worker processes, which judge while the next clips are sampled.

A clip that cannot be judged, for whatever reason, has no reward: it is marked and left out of all statistics, never
counted as a failure. A worker that dies is replaced, and what it had is judged again.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import canonical, registry
from puzzlegen.errors import Incomplete
from puzzlegen.eval.api import verifier_of
from puzzlegen.eval.rewards import require_reward, reward_of
from puzzlegen.shards.row import Row
from puzzlegen.verify.verifier import Verifier
from puzzlegen.view.clips import film

_NEEDED = ("id", "task", "puzzle", "look", "width", "height", "num_frames", "fps", "num_actions")
"""Columns that a verifier is made of: what is sent to workers of a row."""
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Reward:
    """Of one clip."""

    value: float = 0.0
    """In [0, 1]; without meaning if the clip could not be judged."""
    solved: bool = False
    parts: Mapping[str, float] = field(default_factory=dict)
    """What the judge makes the dense reward of, by name."""
    codes: tuple[str, ...] = ()
    """What is wrong with the clip, without repeats."""
    fault: str = ""
    """Why it could not be judged; empty if it could."""

    @property
    def valid(self) -> bool:
        """Whether there is a reward."""
        return not self.fault


class RewardWorkers:
    """Judges clips; a context manager, at whose end the processes end.

    >>> with RewardWorkers(2) as judges:  # doctest: +SKIP
    ...     pending = judges.submit(frames_BTHWC, rows)
    ...     ...  # sample the next clips
    ...     rewards = pending.result()
    """

    def __init__(self, workers: int, reward: str = "dense") -> None:
        """Start lazily.

        Args:
            workers: processes; 0 judges in this one.
            reward: "dense", "sparse", or one of the recipes' [rewards].
        """
        self._workers, self._reward = workers, reward
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> RewardWorkers:
        return self

    def __exit__(self, *error: object) -> None:
        self._give_up(self._pool)

    def check(self, rows: Iterable[Row]) -> None:
        """Raises UnknownName if the reward is not known for some of these puzzles."""
        for row in rows:
            require_reward(self._reward, registry.load(row["task"]), row.start)

    def submit(self, frames_BTHWC: NDArray[np.uint8], rows: Sequence[Row], *, again: bool = False) -> Pending:
        """Have these clips of these puzzles judged.

        Args:
            frames_BTHWC: the clips.
            rows: their puzzles; neighbours with the same one are judged by one process, which knows it then.
            again: for a second look, at what an mp4 encoder leaves of them.
        """
        assert len(frames_BTHWC) == len(rows)
        jobs, begin = list[_Job](), 0
        for _, group in groupby(rows, key=lambda row: row["id"]):
            first, end = (same := list(group))[0], begin + len(same)
            jobs.append((frames_BTHWC[begin:end], {name: first[name] for name in _NEEDED}, self._reward, again))
            begin = end
        return Pending(self, jobs)

    def _start(self, job: _Job) -> _Started:
        """Have a puzzle's clips judged, by a new pool if the last one has lost a process."""
        if not self._workers:
            done: Future[list[Reward]] = Future()
            done.set_result(_all_judged(*job))
            return done, None
        if self._pool is None:
            context = multiprocessing.get_context("spawn")  # a forked torch with threads hangs
            self._pool = ProcessPoolExecutor(self._workers, mp_context=context)
        pool = self._pool
        try:
            return pool.submit(_all_judged, *job), pool
        except BrokenProcessPool:  # found out only now
            self._give_up(pool)
            return self._start(job)

    def _give_up(self, pool: ProcessPoolExecutor | None) -> None:
        """End a pool, unless another has taken its place already."""
        if pool and pool is self._pool:
            pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


_Job = tuple[NDArray[np.uint8], dict[str, Any], str, bool]
_Started = tuple[Future[list[Reward]], ProcessPoolExecutor | None]


class Pending:
    """Clips that are being judged."""

    def __init__(self, workers: RewardWorkers, jobs: list[_Job]) -> None:
        self._workers, self._jobs = workers, jobs
        self._started = [workers._start(job) for job in jobs]

    def result(self) -> list[Reward]:
        """The rewards, in order; waits for them.

        Raises Incomplete if workers die again and again.
        """
        return [reward for number in range(len(self._jobs)) for reward in self._one(number)]

    def _one(self, number: int) -> list[Reward]:
        for _ in range(_ATTEMPTS):
            future, pool = self._started[number]
            try:
                return future.result()
            except BrokenProcessPool:
                self._workers._give_up(pool)
                self._started[number] = self._workers._start(self._jobs[number])
        clip = self._jobs[number][1]["id"]
        raise Incomplete(
            f"A process that judges clips died {_ATTEMPTS} times, last with a clip of {clip}. Is there enough memory?"
        )


def _all_judged(frames_BTHWC: NDArray[np.uint8], columns: dict[str, Any], reward: str, again: bool) -> list[Reward]:
    return [_judged(frames, columns, reward, again) for frames in frames_BTHWC]


def _judged(frames: NDArray[np.uint8], columns: dict[str, Any], reward: str, again: bool) -> Reward:
    try:
        verifier = _verifier(canonical.dumps(columns))
        score = verifier.score_video(film(frames, columns["fps"])) if again else verifier.score_frames(frames)
        value = reward_of(reward, registry.load(columns["task"]), score)
    except Exception as error:  # whatever it is, it is no verdict on the clip
        return Reward(fault=f"{columns['id']}: {type(error).__name__}: {error}")
    codes = tuple(dict.fromkeys(violation.code for violation in score.violations))
    return Reward(value=value, solved=score.solved, parts=dict(score.parts), codes=codes)


@functools.lru_cache(maxsize=64)
def _verifier(columns: str) -> Verifier:
    """Of a puzzle; the members of a group share one. No puzzle's camera moves, so a model is not paid for one."""
    return verifier_of(Row(json.loads(columns)), follow=False)

"""Experience: groups of clips that the model samples of an update's puzzles, judged while the next ones are sampled.

All that is drawn belongs to (seed, update, group, member), so neither micro-batches nor processes play a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from puzzlegen.render import video
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.train.conditioning import Condition
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.randomness import Key, normal
from puzzlegen.train.reinforcement import GrpoRun, Sampling
from puzzlegen.train.rewards import Reward, RewardWorkers
from puzzlegen.train.rollout import Rollout, rollout
from puzzlegen.train.stopwatch import Stopwatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Clips that are sampled in one pass, and so trained in one."""

    places: range
    """Their numbers among the clips of this process."""
    rows: Sequence[Row]
    """The puzzle of each."""
    texts: Sequence[str]
    keys: Sequence[Key]
    """(seed, update, group, member) of each."""
    members: int
    """Clips of a group."""
    below: float
    """Where on the sampler's even grid from 1 to 0, before it is shifted, all windows end."""
    first_BC1HW: Tensor
    """Latents of the first frames."""
    made: Rollout

    def condition(self, policy: VideoPolicy) -> Condition:
        """Made anew for each backward pass: a policy may train its texts' embeddings."""
        return policy.condition_latents(self.texts, self.first_BC1HW)


@dataclass(frozen=True, kw_only=True)
class Experience:
    """The clips of one process in an update: whole groups, one after the other."""

    parts: Sequence[Part]
    rewards: Sequence[Reward]
    """Of each clip."""
    second: Sequence[Reward]
    """Of the first groups' first clips at a second look."""
    shown: Sequence[tuple[Row, NDArray[np.uint8], Sequence[Reward]]]
    """The first group of each task: its puzzle, its clips [members, T, H, W, 3] and their rewards."""

    @cached_property
    def tasks(self) -> list[str]:
        """Of each clip."""
        return [row["task"] for part in self.parts for row in part.rows]


class Explorer:
    """Samples a process's share of an update's groups, and has them judged."""

    def __init__(
        self, run: GrpoRun, dataset: ShardDataset, policy: VideoPolicy, judges: RewardWorkers, clock: Stopwatch
    ) -> None:
        """For one process.

        Args:
            run: the configuration.
            dataset: of the puzzles.
            policy: the model.
            judges: of its clips.
            clock: told how long what takes.
        """
        self._run, self._dataset, self._policy, self._judges, self._clock = run, dataset, policy, judges, clock

    def explore(self, step: int, groups: Sequence[tuple[int, int]]) -> Experience:
        """Sample and judge the clips of update number `step`.

        Args:
            step: number of the update.
            groups: number and row of each group of this process.
        """
        members, pending, second = self._run.sampling.members, [], []
        rows = {number: self._dataset[row] for number, row in groups}
        keys: list[Key] = [(self._run.seed, step, number, member) for number, _ in groups for member in range(members)]
        micro = self._run.machine.micro_batch or len(keys)
        parts, clips = [], []
        for begin in range(0, len(keys), micro):
            places = range(begin, min(begin + micro, len(keys)))
            own = [keys[place] for place in places]
            part = self._sampled(step, places, own, [rows[int(number)] for _, _, number, _ in own])
            with self._clock("decode"):
                frames = self._policy.decode(part.made.z_BCTHW).cpu().numpy()
            pending.append(self._judges.submit(frames, part.rows))
            firsts = [
                place - begin for place in range(0, self._run.judging.watch * members, members) if place in places
            ]
            second.append(self._judges.submit(frames[firsts], [part.rows[place] for place in firsts], again=True))
            parts.append(part)
            clips.append(frames)
        with self._clock("reward"):
            rewards = [reward for one in pending for reward in one.result()]
            looks = [reward for one in second for reward in one.result()]
        shown = self._shown([*rows.values()], [clip for frames in clips for clip in frames], rewards)
        return Experience(parts=parts, rewards=rewards, second=looks, shown=shown)

    def _sampled(self, step: int, places: range, keys: Sequence[Key], rows: Sequence[Row]) -> Part:
        sampling, policy, objective = self._run.sampling, self._policy, self._run.objective
        texts = [row[policy.text_column] for row in rows]
        with self._clock("rollout"):
            with torch.no_grad():
                first_BC1HW = self._first_frames(rows)
                condition = policy.condition_latents(texts, first_BC1HW)
            shape = policy.codec.latent_shape(rows[0]["num_frames"], rows[0]["height"], rows[0]["width"])
            starts = [("start", *(key[:3] if sampling.shared_noise else key)) for key in keys]
            window = sampling.window(step, sampling.num_steps)
            made = rollout(
                policy,
                condition,
                normal(starts, shape).to(first_BC1HW.device),
                grid(policy, sampling, window),
                sampling.kernel,
                window,
                keys,
                reduction=objective.reduction if objective.kind == "grpo" else "mean",
                keep_means=objective.kind == "grpo" and objective.norm != "none",
                alike=[starts.index(start) for start in starts],
            )
        return Part(
            places=places,
            rows=rows,
            texts=texts,
            keys=keys,
            members=sampling.members,
            below=1 - sampling.window.reach(sampling.num_steps) / sampling.num_steps,
            first_BC1HW=first_BC1HW,
            made=made,
        )

    def _first_frames(self, rows: Sequence[Row]) -> Tensor:
        """Latents of the puzzles' first frames; of neighbours with the same one, encoded once."""
        puzzles = {row["id"]: row for row in rows}
        frames_BTHWC = torch.from_numpy(np.stack([video.decode_rgb(row.video, [0]) for row in puzzles.values()]))
        places = {name: place for place, name in enumerate(puzzles)}
        return self._policy.encode(frames_BTHWC)[[places[row["id"]] for row in rows]]

    def _shown(
        self, rows: Sequence[Row], clips: Sequence[NDArray[np.uint8]], rewards: Sequence[Reward]
    ) -> list[tuple[Row, NDArray[np.uint8], Sequence[Reward]]]:
        members = self._run.sampling.members
        firsts = {row["task"]: place * members for place, row in reversed([*enumerate(rows)])}
        slices = {task: slice(place, place + members) for task, place in sorted(firsts.items())}
        return [(rows[s.start // members], np.stack(clips[s]), rewards[s]) for s in slices.values()]


def grid(policy: VideoPolicy, sampling: Sampling, window: range) -> Tensor:
    """The noise levels of rollouts: the sampler's, of which fewer are taken after the window if it is said so."""
    sigmas, tail = policy.sigmas(sampling.num_steps), sampling.tail_steps
    left = sampling.num_steps - window.stop
    if tail is None or tail >= left:
        return sigmas
    kept = torch.linspace(window.stop, sampling.num_steps, tail + 1).round().long()
    return torch.cat((sigmas[: window.stop], sigmas[kept]))

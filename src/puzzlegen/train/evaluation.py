"""Sampling held-out puzzles and judging the clips: success and reward by task, loss by noise level, videos for people.

Each clip's noise belongs to its id, so results depend neither on batches nor on the order of rows (but for the rounding
of a model's own products).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.api import verifier_of
from puzzlegen.eval.intervals import wilson
from puzzlegen.eval.layouts import MANIFEST, read_object
from puzzlegen.eval.submissions import SCHEMA_VERSION
from puzzlegen.render import video
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import make_folder, write_text
from puzzlegen.train.flow import losses_by_sigma
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.randomness import normal
from puzzlegen.train.sampling import sample_ode
from puzzlegen.types import Progress, Score
from puzzlegen.view.clips import export_clip, film
from puzzlegen.view.sheet import compared, write_sheet

SCORES, SHEET = "scores.jsonl", "sheet.png"
SIGMAS = (0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
"""The noise levels at which held-out losses are followed."""
_LEAST_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the judge says of one sampled clip."""

    id: str
    task: str
    level: str
    solved: bool
    value: float
    """The dense reward in [0, 1]."""
    codes: tuple[str, ...]
    """What is wrong, without repeats, the first fatal one first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of some clips are solved, and how good they are."""

    solved: int
    total: int
    reward: float
    """Mean dense reward."""

    @property
    def value(self) -> float:
        """The share that is solved."""
        return self.solved / self.total

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's interval of 95 %."""
        return wilson(self.solved, self.total)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.solved}/{self.total} {self.value:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Verdicts on sampled clips, and what follows from them. Those of several ranks are joined by their verdicts."""

    verdicts: tuple[Verdict, ...]

    @property
    def overall(self) -> Rate:
        """Of all clips, of which there must be some."""
        return _rate(self.verdicts)

    @property
    def by_task(self) -> dict[str, Rate]:
        """Of each task's clips, in order of names."""
        tasks = sorted({verdict.task for verdict in self.verdicts})
        return {task: _rate([verdict for verdict in self.verdicts if verdict.task == task]) for task in tasks}

    def scalars(self) -> dict[str, float]:
        """The numbers for the log: success, its interval and the mean reward, overall and /TASK."""
        named = {"": self.overall, **{f"/{task}": rate for task, rate in self.by_task.items()}}
        return {
            f"{name}{suffix}": value
            for suffix, rate in named.items()
            for name, value in zip(
                ("success", "success_low", "success_high", "eval_reward"),
                (rate.value, *rate.interval, rate.reward),
                strict=True,
            )
        }

    def __str__(self) -> str:
        """One line for people."""
        return "success " + "   ".join([f"{self.overall}", *(f"{task} {rate}" for task, rate in self.by_task.items())])


def _rate(verdicts: Sequence[Verdict]) -> Rate:
    solved, reward = sum(verdict.solved for verdict in verdicts), fmean(verdict.value for verdict in verdicts)
    return Rate(solved=solved, total=len(verdicts), reward=reward)


def sample_clips(
    policy: VideoPolicy,
    rows: Iterable[Row],
    *,
    num_steps: int,
    seed: int,
    batch: int,
    sample: int = 0,
    first_BC1HW: Tensor | None = None,
) -> Iterator[tuple[Row, NDArray[np.uint8]]]:
    """The model's clip of each row, uint8 [T, H, W, 3] of the row's own size, in order.

    Args:
        policy: the model.
        rows: the puzzles; neighbours of one size are sampled together.
        num_steps: of the sampler.
        seed: of the noise, with the row's id.
        batch: how many clips are sampled at a time.
        sample: number of the sample of each puzzle; each has noise of its own.
        first_BC1HW: latents of all rows' first frames on the policy's device, if they are known already.
    """
    for _, same_size in groupby(enumerate(rows), key=lambda numbered: numbered[1].clip):
        while part := list(islice(same_size, batch)):
            indices, chosen = [index for index, _ in part], [row for _, row in part]
            first = None if first_BC1HW is None else first_BC1HW[indices]
            yield from zip(chosen, _sampled(policy, chosen, num_steps, seed, sample, first), strict=True)


@torch.no_grad()
def _sampled(
    policy: VideoPolicy, rows: Sequence[Row], num_steps: int, seed: int, sample: int, first_BC1HW: Tensor | None
) -> NDArray[np.uint8]:
    """Clips of rows of one size [B, T, H, W, 3]."""
    texts, clip = [row[policy.text_column] for row in rows], rows[0].clip
    if first_BC1HW is None:
        frames = np.concatenate([video.decode_rgb(row.video, [0]) for row in rows])
        condition = policy.condition(texts, torch.from_numpy(frames))
    else:
        condition = policy.condition_latents(texts, first_BC1HW)
    shape = policy.codec.latent_shape(clip.num_frames, clip.height, clip.width)
    noise = normal([("eval", seed, row["id"], sample) for row in rows], shape).to(condition.first_BC1HW.device)
    return np.asarray(policy.decode(sample_ode(policy, condition, noise, policy.sigmas(num_steps))).cpu().numpy())


def evaluate(
    policy: VideoPolicy,
    rows: Sequence[Row],
    *,
    num_steps: int,
    seed: int,
    batch: int,
    folder: Path | None = None,
    num_clips: int = 0,
    first_BC1HW: Tensor | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Sample a clip of every row and judge it.

    Args:
        policy: the model.
        rows: held-out puzzles.
        num_steps: of the sampler.
        seed: of the noise.
        batch: how many clips are sampled at a time.
        folder: where `scores.jsonl` is written, the clips to look at as TASK/ID.mp4 (enlarged if they are tiny), and
            `sheet.png`, which shows them above the stored solutions; nothing is written if not given.
        num_clips: how many clips of each task are kept: the first ones.
        first_BC1HW: latents of all rows' first frames on the policy's device, if they are known already.
        progress: told about every judged clip.

    Raises:
        OutputError: the folder cannot be written.
    """
    verdicts, strips = list[Verdict](), list[tuple[str, Image]]()
    for row, frames in sample_clips(policy, rows, num_steps=num_steps, seed=seed, batch=batch, first_BC1HW=first_BC1HW):
        score: Score[Any] = verifier_of(row).score_frames(frames)
        if folder and sum(verdict.task == row["task"] for verdict in verdicts) < num_clips:
            _write_video(folder / row["task"] / f"{row['id']}.mp4", film(frames, row["fps"], _LEAST_SIDE))
            strips.append((row["task"], compared(row, frames, score)))
        verdicts.append(_verdict(row, score))
        if progress:
            progress("clips", 1, len(rows))
    if folder:
        write_verdicts(verdicts, folder)
    if folder and strips:
        write_sheet([strip for _, strip in sorted(strips, key=lambda strip: strip[0])], folder / SHEET)
    return Evaluation(tuple(verdicts))


def write_verdicts(verdicts: Iterable[Verdict], folder: Path) -> None:
    """Write `scores.jsonl`, a line for each clip by task and id. Raises OutputError."""
    lines = [json.dumps(dataclasses.asdict(one)) for one in sorted(verdicts, key=lambda one: (one.task, one.id))]
    make_folder(folder)
    write_text(folder / SCORES, "".join(f"{line}\n" for line in lines))


def _verdict(row: Row, score: Score[Any]) -> Verdict:
    codes = tuple(dict.fromkeys(violation.code for violation in score.violations))
    names = {name: row[name] for name in ("id", "task", "level")}
    return Verdict(**names, solved=score.solved, value=score.value, codes=codes)


@torch.no_grad()
def losses_on(
    policy: VideoPolicy,
    z_BCTHW: Tensor,
    texts: Sequence[str],
    ids: Sequence[str],
    *,
    seed: int,
    batch: int,
    sigmas: Sequence[float] = SIGMAS,
) -> dict[str, float]:
    """The mean unweighted loss of clips at each noise level, by the names of the log ("loss/sigma_0.9").

    The noise of a clip is fixed by its id, so a change of these numbers is a change of the model.

    Args:
        policy: the model.
        z_BCTHW: latents of held-out clips on the policy's device.
        texts: their texts.
        ids: their ids.
        seed: of the noise.
        batch: how many clips are taken at a time.
        sigmas: the noise levels.
    """
    parts = []
    for start in range(0, len(ids), batch):
        part = slice(start, start + batch)
        condition = policy.condition_latents(texts[part], z_BCTHW[part, :, :1])
        keys = [("eval", seed, name) for name in ids[part]]
        parts.append(losses_by_sigma(policy, z_BCTHW[part], condition, keys, sigmas))
    means = torch.cat(parts, dim=1).double().mean(dim=1).tolist()
    return {f"loss/sigma_{sigma:g}": mean for sigma, mean in zip(sigmas, means, strict=True)}


def write_submissions(
    policy: VideoPolicy,
    rows: Sequence[Row],
    folder: Path,
    *,
    samples: int = 1,
    num_steps: int,
    seed: int,
    batch: int,
    stated: Mapping[str, Any],
    progress: Progress | None = None,
) -> None:
    """Write videos for `puzzlegen score`: TASK/ID/K.mp4 at their own size; those that are there already are kept.

    Args:
        policy: the model.
        rows: the puzzles.
        folder: the submission; its manifest.json says what made the videos.
        samples: how many videos of each puzzle.
        num_steps: of the sampler.
        seed: of the noise.
        batch: how many clips are sampled at a time.
        stated: what else the manifest says (see `eval.submissions.FIELDS`), such as model and checkpoint.
        progress: told about every video.

    Raises:
        InvalidInput: the folder holds videos that something else has made.
        OutputError: the folder cannot be written.
    """
    manifest = {"schema_version": SCHEMA_VERSION, "sampler": "euler", "steps": num_steps, "seeds": [seed], **stated}
    make_folder(folder)
    if (folder / MANIFEST).exists() and read_object(folder / MANIFEST) != manifest:
        raise InvalidInput(f"{folder}: holds videos that were made otherwise (see {MANIFEST}). Name another folder.")
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    for sample in range(samples):
        paths = {row["id"]: folder / row["task"] / row["id"] / f"{sample}.mp4" for row in rows}
        missing = [row for row in rows if not paths[row["id"]].exists()]
        if progress and len(missing) < len(rows):
            progress("clips", len(rows) - len(missing), samples * len(rows))
        for row, frames in sample_clips(policy, missing, num_steps=num_steps, seed=seed, batch=batch, sample=sample):
            _write_video(paths[row["id"]], film(frames, row["fps"]))
            if progress:
                progress("clips", 1, samples * len(rows))


def _write_video(path: Path, data: bytes) -> None:
    make_folder(path.parent)
    export_clip(data, path)

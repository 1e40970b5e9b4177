"""A scoring run: every video of a submission judged once, resumable, the summary written last.

While it works, results lie in `.work` inside the output folder: one file for up to 8 samples of an instance, one line
of JSON a video with the digest of its bytes. The same request goes on from there; a video that has changed is judged
again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

import av
import numpy as np
import pyarrow as pa

from puzzlegen import registry
from puzzlegen.errors import CorruptData
from puzzlegen.eval import content, outcome, records
from puzzlegen.eval.api import verifier_of
from puzzlegen.eval.catalogue import Catalogue, Entry
from puzzlegen.eval.layouts import Video
from puzzlegen.eval.metrics import clip_metrics, failed_metrics
from puzzlegen.eval.output import REQUEST, WORK, discard, locked, refuse_other
from puzzlegen.eval.pictures import trace_picture
from puzzlegen.eval.records import Record, violations_of
from puzzlegen.eval.report import write_review
from puzzlegen.eval.rewards import reward_of
from puzzlegen.eval.shown import UNPARSED
from puzzlegen.eval.submissions import Submission, collect
from puzzlegen.recipe import Recipe
from puzzlegen.shards import manifest as manifests
from puzzlegen.shards import writer
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.types import Progress
from puzzlegen.verify.verifier import Verifier

SUMMARY = "summary.json"
SCORES = "scores.parquet"
REVIEW = "review.html"
_PART = 8
_COLUMNS = ("id", "task", "puzzle", "look", "actions", "num_actions", "width", "height", "num_frames", "fps")

J = TypeVar("J")
R = TypeVar("R")


class Engine(Protocol):
    """Where jobs run; see `generate.engines`."""

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield the result of every job, in any order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to score, against what, and how."""

    videos: Path
    instances: Path
    layout: str = "native"
    split: str | None = None
    tasks: tuple[str, ...] = ()
    allow_missing: bool = False
    """Leave instances without a video out, instead of counting them as failures."""
    reward: str = "dense"

    def describe(self, catalogue: Catalogue) -> dict[str, Any]:
        """All that decides the scores but the videos themselves, as plain JSON values."""
        return {
            "dataset_sha256": manifests.sha256_of(self.instances / manifests.MANIFEST),
            "layout": self.layout,
            "split": self.split,
            "tasks": sorted(self.tasks),
            "allow_missing": self.allow_missing,
            "reward": self.reward,
            "recipes": {name: self._describe(registry.load(name)) for name in catalogue.tasks},
            "versions": {
                "av": av.__version__,
                "avcodec": ".".join(map(str, av.library_versions["libavcodec"])),
                "numpy": np.__version__,
                "pyarrow": pa.__version__,
            },
        }

    def _describe(self, recipe: Recipe) -> dict[str, Any]:
        """What decides the scores of one task."""
        rule = recipe.rewards.get(self.reward)
        return {
            "version": recipe.version,
            "task_version": recipe.task.version,
            "scorer_version": outcome.version_of(recipe.name),
            "reward": rule and {"product": list(rule.product), "weights": dict(rule.weights)},
        }


@dataclass(frozen=True, slots=True)
class _Job:
    entry: Entry
    columns: Mapping[str, Any]
    videos: tuple[Video, ...]
    part: Path
    reward: str
    scorer_version: str


def score_submission(request: Request, folder: Path, engine: Engine, progress: Progress) -> dict[str, Any]:
    """Judge a submission, or what is left of it, into a folder. Returns its summary.

    Raises:
        InvalidInput: the submission cannot be read unambiguously, or a reward, split or task that there is not.
        OutputError: the folder cannot be written, holds something else or is being written; no dataset there.
        CorruptData: the dataset cannot be read.
    """
    catalogue = Catalogue(request.instances, request.split, request.tasks)
    submission = collect(request.videos, request.layout, catalogue, request.split)
    outcome.require_reward_of_all(request.reward, catalogue)
    described = request.describe(catalogue)
    writer.make_folder(folder)
    refuse_other(folder, described)
    if (folder / SUMMARY).is_file() and not (folder / WORK).exists():
        finished: dict[str, Any] = json.loads((folder / SUMMARY).read_text())
        if finished["videos_sha256"] == _digest_of(_digests(submission, engine)):
            return finished
    writer.make_folder(folder / WORK)
    with locked(folder / WORK):
        refuse_other(folder, described)
        for place in (folder, folder / WORK):
            writer.remove_leftovers(place)
        if not (folder / REQUEST).exists():
            writer.write_text(folder / REQUEST, json.dumps(described, indent=2, sort_keys=True) + "\n")
        summary = _score(request, submission, catalogue, folder, engine, progress) | {"request": described}
        writer.write_text(folder / SUMMARY, json.dumps(summary, indent=2) + "\n")
        discard(folder / WORK)
    return summary


def _score(
    request: Request,
    submission: Submission[Video],
    catalogue: Catalogue,
    folder: Path,
    engine: Engine,
    progress: Progress,
) -> dict[str, Any]:
    """All the work in a folder that is claimed and locked; everything is written but the summary."""
    (folder / SUMMARY).unlink(missing_ok=True)  # of other videos in the same place
    total = sum(map(len, submission.samples.values()))
    parts: list[Path] = []
    for count in engine.run(_judge_part, _jobs(request, submission, catalogue, folder / WORK, parts)):
        progress("clips", count, total)
    rows = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    digests = [(row["id"], row["k"], row["sha256"]) for row in rows]
    rows, told = outcome.tell(rows, submission, catalogue, allow_missing=request.allow_missing)
    records.write_scores(folder / SCORES, rows)
    summary = {**told, "videos_sha256": _digest_of(digests)}
    _review(folder / REVIEW, summary, rows, request, catalogue)
    return summary


def _review(path: Path, summary: dict[str, Any], rows: list[Record], request: Request, catalogue: Catalogue) -> None:
    """The page for people, with a picture of what each clip did."""
    dataset = ShardDataset(request.instances, columns=_COLUMNS)

    def picture(row: Mapping[str, Any]) -> bytes:
        return trace_picture(dataset[catalogue[row["id"]].place], row["actions"], violations_of(row))

    model = (summary["submission"] or {}).get("model", "")
    write_review(path, summary, rows, picture, title=" ".join(filter(None, [summary["partial"], model])) or "Review")


# --- jobs


def _jobs(
    request: Request, submission: Submission[Video], catalogue: Catalogue, work: Path, parts: list[Path]
) -> Iterator[_Job]:
    """One job for each few samples of an instance; `parts` collects where their results lie."""
    dataset = ShardDataset(request.instances, columns=_COLUMNS)
    for name, videos in submission.samples.items():
        entry = catalogue[name]
        columns = dict(dataset[entry.place])
        for first in range(0, len(videos), _PART):
            parts.append(work / f"{entry.place:08d}-{first // _PART:04d}.jsonl")
            some = tuple(videos[first : first + _PART])
            yield _Job(entry, columns, some, parts[-1], request.reward, outcome.version_of(entry.task))


def _judge_part(job: _Job) -> int:
    """Worker: judge what has not been judged yet, keep it in a file. Returns how many clips that holds."""
    before = job.part.read_text() if job.part.exists() else ""
    known = {(found["k"], found["sha256"]): found for found in map(json.loads, before.splitlines())}
    row = Row(job.columns)
    verifier: Verifier | None = None
    lines = []
    for video in job.videos:
        data = content.load(video)
        found = known.get((video.k, data.sha256))
        if found is None:
            verifier = verifier or verifier_of(row)
            found = _judged(job, row, verifier, video, data)
        lines.append(json.dumps({**found, "path": video.name}))
    text = "".join(f"{line}\n" for line in lines)
    if text != before:
        writer.write_text(job.part, text)
    return len(lines)


def _judged(job: _Job, row: Row, verifier: Verifier, video: Video, data: content.Content) -> Record:
    """The row of one video. Whatever it does to us, it costs itself its score and nobody else theirs."""
    before = time.process_time()
    score, error, reward = None, None, 0.0
    try:
        score = content.judge(data, verifier)
        reward = reward_of(job.reward, registry.load(job.entry.task), score)
        metrics = clip_metrics(verifier.task, verifier.start, score, row["actions"], row["num_actions"])
    except CorruptData as fault:
        error = str(fault)
    except MemoryError:
        error = "the video does not fit into memory"
    except Exception as fault:  # a bug of ours must not cost a night's run; it is counted and reported
        error = f"{outcome.INTERNAL}: {type(fault).__name__}: {fault}"
    if error is not None:
        score, metrics, reward = None, failed_metrics(UNPARSED), 0.0
    ms = round(1000 * (time.process_time() - before), 1)
    return records.record(
        job.entry, video.k, metrics, score,
        sha256=data.sha256, error=error, reward=reward, ms=ms, scorer_version=job.scorer_version,
    )  # fmt: skip


def _digests(submission: Submission[Video], engine: Engine) -> list[tuple[str, int, str]]:
    """(id, k, digest) of every video as it is now, in any order."""
    return list(engine.run(_digest, (video for own in submission.samples.values() for video in own)))


def _digest(video: Video) -> tuple[str, int, str]:
    """Worker: hash one video."""
    return video.id or "", video.k, content.load(video).sha256


def _digest_of(digests: Iterable[tuple[str, int, str]]) -> str:
    """One digest for all videos of a submission."""
    return hashlib.sha256(json.dumps(sorted(digests)).encode()).hexdigest()

"""What came of a submission, videos or answers: the rows that are missing, the counts, the summary."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puzzlegen import registry
from puzzlegen.eval import records
from puzzlegen.eval.catalogue import Catalogue
from puzzlegen.eval.records import Record
from puzzlegen.eval.rewards import require_reward
from puzzlegen.eval.submissions import Submission
from puzzlegen.eval.summary import summarize
from puzzlegen.eval.version import scorer_version
from puzzlegen.shards.reader import ShardDataset

INTERNAL = "internal error"
"""How the error of a row begins that met a bug of ours."""


def require_reward_of_all(reward: str, catalogue: Catalogue) -> None:
    """Raise UnknownName unless every task that is scored has the reward."""
    dataset = ShardDataset(catalogue.folder, columns=("id", "task", "puzzle"))
    firsts = {entry.task: entry.place for entry in reversed(catalogue.chosen)}
    for name, place in firsts.items():
        require_reward(reward, registry.load(name), dataset[place].start)


def version_of(task: str) -> str:
    """The scorer's version for a task of this name."""
    return scorer_version(registry.load(task).task)


def tell(
    rows: list[Record], submission: Submission[Any], catalogue: Catalogue, *, allow_missing: bool
) -> tuple[list[Record], dict[str, Any]]:
    """All rows in the dataset's order, with failed ones for what is missing unless that is allowed, and the summary."""
    counts = _counts(rows, submission, catalogue)
    every = rows if allow_missing else rows + _missing(rows, submission, catalogue)
    every = sorted(every, key=lambda row: (catalogue[row["id"]].place, row["k"]))
    summary = {
        "partial": _partial(counts) if allow_missing else None,
        "counts": counts,
        **summarize(every),
        "submission": submission.manifest,
        "scorer_version": {name: version_of(name) for name in catalogue.tasks},
    }
    return every, summary


def _counts(rows: list[Record], submission: Submission[Any], catalogue: Catalogue) -> dict[str, int]:
    expected = len(catalogue.chosen) * len(submission.ks)
    return {
        "instances": len(catalogue.chosen),
        "instances_handed_in": len(submission.samples),
        "clips_expected": expected,
        "clips": len(rows),
        "missing": expected - len(rows),
        "unparsed": sum(not row["parsed"] for row in rows),
        "unreadable": sum(row["error"] is not None for row in rows),
        "internal_errors": sum((row["error"] or "").startswith(INTERNAL) for row in rows),
        "passed_over": submission.passed_over,
    }


def _partial(counts: Mapping[str, int]) -> str | None:
    """The label of a result that leaves instances or samples out."""
    if not counts["missing"]:
        return None
    return (f"PARTIAL: {counts['instances_handed_in']} of {counts['instances']} instances, "
            f"{counts['clips']} of {counts['clips_expected']} clips")  # fmt: skip


def _missing(rows: list[Record], submission: Submission[Any], catalogue: Catalogue) -> list[Record]:
    """A failed row for every sample that others have and an instance has not."""
    there = {(row["id"], row["k"]) for row in rows}
    return [
        records.missing_record(entry, k, version_of(entry.task))
        for entry in catalogue.chosen
        for k in submission.ks
        if (entry.id, k) not in there
    ]

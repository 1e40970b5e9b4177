"""What language models answer, judged by the rules: one answer in a call, or a file of them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from puzzlegen import registry
from puzzlegen.errors import InvalidInput
from puzzlegen.eval import outcome, records
from puzzlegen.eval.catalogue import Catalogue
from puzzlegen.eval.metrics import clip_metrics
from puzzlegen.eval.rewards import require_reward, reward_of
from puzzlegen.eval.submissions import sort
from puzzlegen.question import actions_in
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import new_folder, write_text
from puzzlegen.types import Progress, Score, silent
from puzzlegen.verify.answer import judge_actions

_COLUMNS = ("id", "task", "puzzle", "actions", "num_actions")
_MOST_TIMES, _MOST_MORE = 10, 100
"""An answer of more actions than ten times the solution's, and a hundred, is not read: it could cost any time."""


def score_text(words: str, row: Row, *, reward: str = "dense") -> Score[Any]:
    """Judge what a language model answered to the question of a puzzle.

    >>> puzzlegen.score_text("Answer: RRDL", puzzlegen.load("data")[0]).solved  # doctest: +SKIP
    True

    Args:
        words: all that it said; the line after the last "Answer:" counts.
        row: the puzzle, from a `ShardDataset`.
        reward: what `Score.value` is: "dense", "sparse" or one of the recipe's [rewards], such as "paper".

    Returns:
        A score whose frames are numbers of actions, counted from 1.

    Raises:
        UnknownName: no such reward.
    """
    recipe, start = registry.load(row["task"]), row.start
    require_reward(reward, recipe, start)
    actions = actions_in(recipe.task, words)
    if actions and len(actions) > _MOST_TIMES * row["num_actions"] + _MOST_MORE:
        actions = None
    judged = judge_actions(recipe.task, start, actions)
    return dataclasses.replace(judged, value=reward_of(reward, recipe, judged))


@dataclass(frozen=True, slots=True)
class Answer:
    """One line of a file of answers."""

    name: str
    """Where it stands."""
    id: str | None
    """The puzzle; None if the dataset has none of this id."""
    k: int
    words: str


def score_answers(
    path: Path,
    catalogue: Catalogue,
    out: Path,
    *,
    reward: str = "dense",
    allow_missing: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Judge a file of answers into scores.parquet and summary.json of a new folder. Returns the summary.

    Args:
        path: JSON lines with `id`, `answer` and, for several answers to one puzzle, `k` from 0.
        catalogue: the puzzles; one without an answer counts as a failure.
        out: a folder that is not there yet, or empty.
        reward: what the column reward holds.
        allow_missing: leave puzzles without an answer out.
        progress: told about judged answers.

    Raises:
        InvalidInput: the file cannot be read unambiguously, or there is no such reward.
        OutputError: the folder has something in it, or cannot be written.
    """
    found = list(_read(path, catalogue))
    if not found:
        raise InvalidInput(f"{path}: has no answers. Each is a line of JSON with id and answer.")
    answers = sort(found, catalogue, path, "answer")
    outcome.require_reward_of_all(reward, catalogue)
    dataset, total = ShardDataset(catalogue.folder, columns=_COLUMNS), sum(map(len, answers.samples.values()))
    with new_folder(out) as folder:
        rows = []
        for name, own in answers.samples.items():
            row = dataset[catalogue[name].place]
            for answer in own:
                rows.append(_judged(answer, row, catalogue, reward))
                progress("answers", 1, total)
        rows, summary = outcome.tell(rows, answers, catalogue, allow_missing=allow_missing)
        records.write_scores(folder / "scores.parquet", rows)
        write_text(folder / "summary.json", json.dumps(summary, indent=2) + "\n")
    return summary


def _judged(answer: Answer, row: Row, catalogue: Catalogue, reward: str) -> records.Record:
    entry = catalogue[row["id"]]
    score = score_text(answer.words, row)
    return records.record(
        entry, answer.k, clip_metrics(row.task, row.start, score, row["actions"], row["num_actions"]), score,
        path=answer.name, sha256=hashlib.sha256(answer.words.encode()).hexdigest(), error=None,
        reward=reward_of(reward, registry.load(entry.task), score), ms=0.0,
        scorer_version=outcome.version_of(entry.task),
    )  # fmt: skip


def _read(path: Path, catalogue: Catalogue) -> Iterator[Answer]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read: {error}.") from error
    for number, line in enumerate(lines, start=1):
        if line.strip():
            yield _answer(line, number, f"{path}, line {number}", catalogue)


def _answer(line: str, number: int, where: str, catalogue: Catalogue) -> Answer:
    try:
        stated = json.loads(line)
    except ValueError as error:
        raise InvalidInput(f"{where}: is no JSON: {error}.") from error
    if not isinstance(stated, dict) or not all(isinstance(stated.get(name), str) for name in ("id", "answer")):
        raise InvalidInput(f'{where}: must be an object with the texts "id" and "answer", got {line.strip()[:80]}')
    k = stated.get("k", 0)
    if not isinstance(k, int) or isinstance(k, bool) or k < 0:
        raise InvalidInput(f"{where}: k must be a whole number from 0, got {k!r}.")
    return Answer(f"line {number}", catalogue.named(stated["id"]), k, stated["answer"])

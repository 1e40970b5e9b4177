"""Layouts that other trainers read, made from a dataset. An export is whole or not there."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from puzzlegen.errors import UnknownName
from puzzlegen.question import answer_of, question_of
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.schema import MEDIA_COLUMNS
from puzzlegen.shards.writer import new_folder
from puzzlegen.types import Progress, silent

ROWS_PER_TAR = 1000

_TOLD = ("id", "task", "level", "split", "num_actions", "action_line")
"""Columns besides prompt and video that stand in a table of videos."""

Write = Callable[[ShardDataset, Path, Progress], None]
"""Writes all clips into an empty folder."""


class Layout(NamedTuple):
    """How clips lie in a folder."""

    about: str
    """The files, and who reads them."""
    write: Write


def export(dataset: ShardDataset, layout: str, out: Path, progress: Progress = silent) -> None:
    """Write a dataset in another layout.

    Args:
        dataset: whose rows are written, with all columns.
        layout: one of `LAYOUTS`.
        out: a new or empty folder.
        progress: told about written clips.

    Raises:
        UnknownName: no such layout.
        OutputError: the folder has something in it, or cannot be written.
    """
    if layout not in LAYOUTS:
        raise UnknownName("layout", layout, LAYOUTS)
    with new_folder(out) as folder:
        LAYOUTS[layout].write(dataset, folder, progress)


def _write_table(dataset: ShardDataset, out: Path, progress: Progress, *, video: str) -> None:
    """Videos and `metadata.csv`, which has their paths in a column of this name."""
    with (out / "metadata.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow((video, "prompt", *_TOLD))
        for row, path in _videos(dataset, out, progress):
            table.writerow((path, row["prompt"], *(row[name] for name in _TOLD)))


def _write_lists(dataset: ShardDataset, out: Path, progress: Progress) -> None:
    with (
        (out / "videos.txt").open("w", encoding="utf-8") as videos,
        (out / "prompt.txt").open("w", encoding="utf-8") as prompts,
    ):
        for row, path in _videos(dataset, out, progress):
            videos.write(f"{path}\n")
            prompts.write(" ".join(row["prompt"].split()) + "\n")


def _write_tars(dataset: ShardDataset, out: Path, progress: Progress) -> None:
    rows = _rows(dataset, progress)
    for number in range(-(-len(dataset) // ROWS_PER_TAR)):
        with tarfile.open(out / f"clips-{number:06d}.tar", "w") as tar:
            for row in islice(rows, ROWS_PER_TAR):
                _add(tar, row)


def _add(tar: tarfile.TarFile, row: Row) -> None:
    others: dict[str, Any] = {name: value for name, value in row.items() if name not in MEDIA_COLUMNS}
    files = {
        "json": json.dumps(others, sort_keys=True).encode(),
        "mp4": row.video,
        "png": row["first_frame"]["bytes"],
        "txt": row["prompt"].encode(),
    }
    for ending, data in files.items():
        entry = tarfile.TarInfo(f"{row['id']}.{ending}")  # without time and owner: the same rows, the same bytes
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))


def _write_questions(dataset: ShardDataset, out: Path, progress: Progress) -> None:
    (out / "images").mkdir()
    with (out / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for row in _rows(dataset, progress):
            picture = f"images/{row['id']}.png"
            (out / picture).write_bytes(row["first_frame"]["bytes"])
            question, answer = question_of(row.task, row.start), answer_of(row.task, row["actions"])
            told = {name: row[name] for name in _TOLD}
            talk = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
            line = {"file_name": picture, **told, "board": row["states"][0], "messages": talk}
            file.write(json.dumps(line) + "\n")


def _videos(dataset: ShardDataset, out: Path, progress: Progress) -> Iterator[tuple[Row, str]]:
    """Every row after its video is written, with the path in the folder."""
    (out / "videos").mkdir()
    for row in _rows(dataset, progress):
        path = f"videos/{row['id']}.mp4"
        (out / path).write_bytes(row.video)
        yield row, path


def _rows(dataset: ShardDataset, progress: Progress) -> Iterator[Row]:
    for index in range(len(dataset)):
        yield dataset[index]
        progress("clips", 1, len(dataset))


LAYOUTS = {
    "diffsynth": Layout(
        "videos/ID.mp4 and metadata.csv with video and prompt: DiffSynth-Studio, VideoRLVR",
        partial(_write_table, video="video"),
    ),
    "videofolder": Layout(
        "videos/ID.mp4 and metadata.csv with file_name and prompt: the video folders of Hugging Face datasets",
        partial(_write_table, video="file_name"),
    ),
    "finetrainers": Layout("videos/ID.mp4, videos.txt and prompt.txt, line by line: finetrainers", _write_lists),
    "text": Layout(
        "images/ID.png and metadata.jsonl with the board and a chat of question and answer: language models",
        _write_questions,
    ),
    "webdataset": Layout("clips-N.tar of ID.mp4, ID.png (frame 0), ID.txt (prompt), ID.json: webdataset", _write_tars),
}

"""Where a submission keeps its videos: one function for each layout, from a folder or file to (instance, k) pairs.

Nothing is guessed. A name in a submission is the id of an instance; in the layouts of other benchmarks, which number
their puzzles, a whole number is the position (from 0) among the dataset's rows in the order in which
`puzzlegen show DIR` lists them, after --split and --task.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.catalogue import Catalogue

VIDEO_SUFFIXES = (".mp4", ".webm", ".gif", ".avi", ".mov", ".mkv")
FRAME_SUFFIXES = (".png", ".jpg", ".jpeg")
MANIFEST = "manifest.json"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Video:
    """One video of a submission, not opened yet."""

    name: str
    """What the submission calls it: its path there, and the id it states if that is not in the path."""
    id: str | None
    """The instance; None if the dataset has none of this name or number."""
    k: int
    """Which sample of the instance, from 0."""
    file: Path
    """A video, a folder of frames, or the Parquet file that holds it."""
    place: tuple[int, int] | None = None
    """(row group, row in the group) in a Parquet file."""


class Layout(NamedTuple):
    """A way to lay out videos."""

    read: Callable[[Path, Catalogue], Iterable[Video | Path]]
    """Gives every video; the path alone of one that is misplaced."""
    pattern: str
    """How it looks, for help and errors."""


def some(names: Iterable[object]) -> str:
    """The first few of these names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def _native(root: Path, catalogue: Catalogue) -> Iterator[Video | Path]:
    for task in _folders(root):
        for instance in _folders(task):
            for file in _clips(instance):
                k, known = _whole(_stem(file)), instance.name in catalogue
                if k is None or (known and catalogue[instance.name].task != task.name):
                    yield file
                else:
                    yield Video(_name(root, file), instance.name if known else None, k, file)
        yield from (file for file in _clips(task) if file.is_file())
    yield from (file for file in _clips(root) if file.is_file())


def _flat(root: Path, catalogue: Catalogue) -> Iterator[Video | Path]:
    for file in _clips(root):
        name, separator, sample = _stem(file).rpartition("__s")
        k = _whole(sample) if separator else None
        yield file if k is None else Video(file.name, catalogue.named(name), k, file)


def _vbvr(root: Path, catalogue: Catalogue) -> Iterator[Video | Path]:
    for split in _folders(root):
        for task in _folders(split):
            for file in _clips(task):
                number = _whole(_stem(file))
                if number is None:
                    yield file
                else:
                    found = catalogue.at(number, split=split.name, task=task.name)
                    yield Video(_name(root, file), found, 0, file)


def _vrbench(root: Path, catalogue: Catalogue) -> Iterator[Video | Path]:
    if len(catalogue.tasks) > 1:
        raise InvalidInput(
            f"The layout 'vrbench' holds one task, the dataset {', '.join(catalogue.tasks)}. Use --task."
        )
    for file in _clips(root):
        level, _, digits = _stem(file).rpartition("_")
        number = _whole(digits) if level else None
        yield file if number is None else Video(file.name, catalogue.at(number, level=level), 0, file)


def _proar(root: Path, catalogue: Catalogue) -> Iterator[Video]:
    bare = [file.name for file in _clips(root) if not file.with_name(f"{_stem(file)}.json").is_file()]
    if bare:
        raise InvalidInput(f"{root}: no .json of the same name beside {some(bare)}; it must state the sample_id.")
    for file in _clips(root):
        path = file.with_name(f"{_stem(file)}.json")
        stated = read_object(path)
        if "sample_id" not in stated:
            raise InvalidInput(f"{path}: states no sample_id.")
        found = _resolve(str(stated["sample_id"]), catalogue)
        task = stated.get("task_name")
        if found and task in catalogue.tasks and catalogue[found].task != task:
            raise InvalidInput(
                f"{path}: sample_id {stated['sample_id']} is of task {catalogue[found].task}, not {task}."
            )
        yield Video(f"{file.name} ({stated['sample_id']})", found, 0, file)


def _videorlvr(root: Path, catalogue: Catalogue) -> Iterator[Video]:
    table = root / "metadata.csv" if root.is_dir() else root
    for line, record in _table(table, ("video",)):
        file = _named_in(table, line, record["video"])
        yield Video(record["video"], _resolve(_stem(file), catalogue), 0, file)


def _vbvr_rl(root: Path, catalogue: Catalogue) -> Iterator[Video]:
    """The last step alone: earlier ones are previews of the same sample, no samples of their own."""
    last: dict[Path, tuple[int, Path]] = {}
    for folder in _folders(root):
        if _whole(folder.name) is None:
            continue
        steps = [(_whole(_stem(file).removeprefix("step_")), file) for file in _clips(folder)]
        known = [(step, file) for step, file in steps if step is not None and file.name.startswith("step_")]
        if known:
            last[folder] = max(known)
    ends = sorted({step for step, _ in last.values()})
    short = [_name(root, file) for step, file in last.values() if step != ends[-1]]
    if short:
        raise InvalidInput(f"{root}: others end with step {ends[-1]}; unfinished are {some(short)}.")
    for folder, (_, file) in last.items():
        yield Video(_name(root, file), catalogue.at(int(folder.name)), 0, file)


def _parquet(root: Path, catalogue: Catalogue) -> Iterator[Video]:
    files = sorted(root.rglob("*.parquet")) if root.is_dir() else [root]
    for path in files:
        try:
            with pq.ParquetFile(path) as file:
                names = file.schema_arrow.names
                for column in ("id", "bytes"):
                    if column not in names:
                        raise InvalidInput(f"{path}: has no column {column!r}, only {', '.join(names)}.")
                wanted = [name for name in ("id", "k") if name in names]
                for group in range(file.metadata.num_row_groups):
                    table = file.read_row_group(group, columns=wanted)
                    for row, record in enumerate(table.to_pylist()):
                        stated, k = record["id"], record.get("k", 0)
                        where = f"{path.name} row {row} of group {group}"
                        if not isinstance(stated, str) or not isinstance(k, int) or k < 0:
                            raise InvalidInput(f"{where}: id must be a string and k 0 or more, got {stated!r}, {k!r}.")
                        label = f"{path.relative_to(root) if root.is_dir() else path.name}:{stated}:{k}"
                        yield Video(label, catalogue.named(stated), k, path, (group, row))
        except (pa.ArrowException, OSError) as error:
            raise InvalidInput(f"{path}: cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _csv(root: Path, catalogue: Catalogue) -> Iterator[Video]:
    if root.is_dir():
        raise InvalidInput(f"{root}: is a folder. For --layout table, VIDEOS is the .csv file itself.")
    for line, record in _table(root, ("id", "path")):
        k = _whole(record.get("k") or "0")
        if k is None:
            raise InvalidInput(f"{root}:{line}: k must be a whole number, got {record['k']!r}.")
        label = f"{record['path']} ({record['id']})"
        yield Video(label, catalogue.named(record["id"]), k, _named_in(root, line, record["path"]))


LAYOUTS = {
    "native": Layout(_native, "<task>/<id>/<k>.mp4"),
    "flat": Layout(_flat, "<id>__s<k>.mp4"),
    "vbvr": Layout(_vbvr, "<split>/<task>/<number>.mp4"),
    "vrbench": Layout(_vrbench, "<level>_<number>.mp4"),
    "proar": Layout(_proar, "<name>.mp4 with <name>.json stating sample_id"),
    "videorlvr": Layout(_videorlvr, "metadata.csv with a column video, files named by id or number"),
    "vbvr-rl": Layout(_vbvr_rl, "<number>/step_<n>.mp4"),
    "parquet": Layout(_parquet, "columns id, k, bytes"),
    "table": Layout(_csv, "a .csv with columns id, k, path"),
}
"""How videos can be laid out, by the name of --layout."""


def _folders(root: Path) -> list[Path]:
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]


def _clips(folder: Path) -> list[Path]:
    """The videos directly in a folder: files, and folders of frames."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not path.name.startswith(".")
        and ((path.suffix.lower() in VIDEO_SUFFIXES and path.is_file()) or (path.is_dir() and frames_in(path)))
    ]


def frames_in(folder: Path) -> list[Path]:
    """The pictures directly in a folder, by name."""
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in FRAME_SUFFIXES and path.is_file())


def _stem(file: Path) -> str:
    """The name without the ending of a video; a folder's name may hold dots."""
    return file.stem if file.suffix.lower() in VIDEO_SUFFIXES else file.name


def _name(root: Path, file: Path) -> str:
    return file.relative_to(root).as_posix()


def _whole(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() else None


def _resolve(name: str, catalogue: Catalogue) -> str | None:
    """An id, or a number among the chosen rows; no id of ours is a bare number."""
    number = _whole(name)
    return catalogue.named(name) if number is None else catalogue.at(number)


def _named_in(table: Path, line: int, path: str) -> Path:
    """A file that a table names, relative to it."""
    file = table.parent / path
    if not path or not (file.is_file() or (file.is_dir() and frames_in(file))):
        raise InvalidInput(f"{table}:{line}: there is no video {path!r} (paths are relative to the table).")
    return file


def _table(path: Path, required: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, record) of every row of a CSV file that has these columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            missing = sorted(set(required) - set(reader.fieldnames or ()))
            if missing:
                raise InvalidInput(f"{path}: has no column {', '.join(missing)}.")
            for record in reader:
                yield reader.line_num, {name: value or "" for name, value in record.items() if name is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path}: cannot be read as CSV: {error}.") from error


def read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path}: cannot be read as JSON: {error}.") from error
    if not isinstance(found, dict):
        raise InvalidInput(f"{path}: must hold a JSON object.")
    return found

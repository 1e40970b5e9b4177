"""`puzzlegen verify`: a finished dataset against its manifest, its puzzles and its own claims, clip by clip."""

from __future__ import annotations

import io
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from puzzlegen import canonical, registry
from puzzlegen.errors import CorruptData, PuzzlegenError, Rejected
from puzzlegen.generate import census
from puzzlegen.generate.drafts import ROWS_PER_JOB
from puzzlegen.generate.engines import Engine
from puzzlegen.generate.sample import Stream, attempt_at, draw_look, draw_prompt
from puzzlegen.render import video
from puzzlegen.render.motion import pace
from puzzlegen.replay import replay
from puzzlegen.shards import manifest as manifests
from puzzlegen.shards.row import Row
from puzzlegen.shards.schema import schema
from puzzlegen.shards.store import Store, open_store
from puzzlegen.types import Origin, Progress
from puzzlegen.verify.verifier import Verifier, require_gold

_UNREADABLE = (OSError, ValueError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class _Job:
    store: Store
    shard: str
    split: str
    group: int
    rows: int
    looks: Mapping[tuple[str, str], tuple[str, ...]]
    """What looks the manifest asks for, by recipe and level."""


def audit(folder: str | Path | Store, engine: Engine, progress: Progress) -> list[str]:
    """Check everything. Returns one line for each fault, in order: none means that the dataset is sound.

    Raises:
        OutputError: no complete dataset there.
        CorruptData: the manifest cannot be read.
        UnknownName: a recipe of the dataset is not installed.
    """
    store = open_store(folder)
    manifest = manifests.read_manifest(store)
    missing = sorted({"request", "rows", "splits", "levels", "structures_in_two_splits"} - set(manifest))
    if missing or not manifest["shards"]:
        raise CorruptData(f"{store}/{manifests.MANIFEST} lacks {', '.join(missing) or 'shards'}.")
    for name in manifest["request"]["recipes"]:
        registry.load(name)
    names = Counter(entry["path"] for entry in manifest["shards"])
    problems = [f"{name}: the manifest names it {count} times" for name, count in names.items() if count > 1]
    found = {f"data/{name}" for name in store.names("data") if name.endswith(".parquet")}
    problems += [f"{name}: the manifest does not name it" for name in sorted(found - set(names))]
    looks = {(one["recipe"], one["level"]): tuple(one["looks"]) for one in manifest["request"]["streams"]}
    jobs: list[_Job] = []
    for entry in manifest["shards"]:
        try:
            jobs += _jobs(store, entry, looks, problems)
        except _UNREADABLE as error:
            problems.append(f"{entry['path']}: cannot be read: {_first_line(error)}")
    clips = sum(job.rows for job in jobs)
    for job, faults in engine.run(_check_group, jobs):
        progress("clips", job.rows, clips)
        problems += faults
    try:
        problems += _across_rows(store, manifest, sorted({job.shard for job in jobs}), engine)
    except _UNREADABLE as error:
        problems.append(f"ids, duplicates and splits cannot be checked: {_first_line(error)}")
    return sorted(problems)


def _jobs(
    store: Store, entry: dict[str, Any], looks: Mapping[tuple[str, str], tuple[str, ...]], problems: list[str]
) -> Iterator[_Job]:
    """Check a shard as a file; one job for each of its row groups."""
    name = entry["path"]
    if store.sha256(name) != entry["sha256"]:
        problems.append(f"{name}: its content is not what the manifest says (sha256 differs)")
    footer = store.parquet(name)
    if footer.schema_arrow.names != schema().names:
        problems.append(f"{name}: its columns are not those of a shard")
        return
    if footer.metadata.num_rows != entry["rows"]:
        problems.append(f"{name}: has {footer.metadata.num_rows} rows, the manifest says {entry['rows']}")
    for group in range(footer.num_row_groups):
        yield _Job(store, name, entry["split"], group, footer.metadata.row_group(group).num_rows, looks)


def _across_rows(store: Store, manifest: dict[str, Any], shards: list[str], engine: Engine) -> list[str]:
    """What no single row can tell: ids, duplicates, splits, and the manifest's counts."""
    if not shards:
        return []
    tallies = list(engine.run(census.tally, [(store, shard) for shard in shards]))
    rows = sum(each.rows.total() for each in tallies)
    num_buckets = -(-rows // ROWS_PER_JOB)
    buckets = [(store, tuple(shards), bucket, num_buckets) for bucket in range(num_buckets)]
    problems = [fault for faults in engine.run(_find_repeated, buckets) for fault in faults]
    counted = {"rows": rows, **census.count(store, tallies, engine)}
    shared = counted["structures_in_two_splits"]
    if shared:
        problems.append(f"{shared} structures are in more than one split")
    problems += [
        f"{manifests.MANIFEST}: {name} is not what the shards hold"
        for name, value in counted.items()
        if manifest[name] != value
    ]
    return problems


def _find_repeated(job: tuple[Store, tuple[str, ...], int, int]) -> list[str]:
    """Worker: ids and puzzles that occur twice, of those that fall into one bucket."""
    store, shards, bucket, num_buckets = job
    ids, puzzles = Counter[str](), Counter[str]()
    for shard in shards:
        table = store.parquet(shard).read(columns=["id", "task", "digest"])
        both = zip(table["task"].to_pylist(), table["digest"].to_pylist(), strict=True)
        named = (table["id"].to_pylist(), (f"{task}: puzzle {digest}" for task, digest in both))
        for counts, texts in zip((ids, puzzles), named, strict=True):
            counts.update(text for text in texts if zlib.crc32(str(text).encode()) % num_buckets == bucket)
    problems = [f"id {name} occurs {count} times" for name, count in ids.items() if count > 1]
    return problems + [f"{puzzle} occurs {count} times" for puzzle, count in puzzles.items() if count > 1]


def _check_group(job: _Job) -> tuple[_Job, list[str]]:
    """Worker: check the rows of one row group."""
    name = job.shard
    try:
        rows = job.store.parquet(name).read_row_group(job.group).to_pylist()
    except _UNREADABLE as error:
        return job, [f"{name}: row group {job.group} cannot be read: {_first_line(error)}"]
    problems = []
    for columns in rows:
        clip = f"clip {columns['id']}: "
        try:
            _require(columns["split"] == job.split, Row(columns), f"is of split {columns['split']!r}")
            check_row(Row(columns), job.looks.get((columns["task"], columns["level"]), ()))
        except PuzzlegenError as error:
            problems.append(f"{name}: {clip}{_first_line(error).removeprefix(clip)}")
        except Exception as error:  # a damaged row may break anything; that is a fault of the row
            problems.append(f"{name}: {clip}cannot be read: {type(error).__name__}: {_first_line(error)}")
    return job, problems


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")


def check_row(row: Row, looks: tuple[str, ...] = ()) -> None:
    """Draw the row's puzzle again from its key, compare all that it claims, and judge its clip.

    Args:
        row: of a shard.
        looks: those that its look was drawn from; all if empty.

    Raises:
        PuzzlegenError: naming clip and fault.
    """
    recipe = registry.load(row["task"])
    task = recipe.task
    recipe.level(row["level"])
    _require(row["task_version"] == task.version, row, f"made by version {row['task_version']} of the rules")
    _require(row["recipe_version"] == recipe.version, row, f"made by version {row['recipe_version']} of the recipe")
    origin = Origin(recipe=row["task"], **{name: row[name] for name in ("level", "seed", "index", "attempt")})
    _require(row["id"] == origin.id, row, f"its task, level, seed and index make the id {origin.id}")
    trajectory = replay(task, row.start, row["actions"])
    _require(task.is_solved(trajectory.states[-1]), row, "the actions do not solve the puzzle")
    stream = Stream(recipe=row["task"], level=row["level"], seed=row["seed"], clip=row.clip, looks=looks)
    try:
        drawn = attempt_at(recipe, stream, origin)
    except Rejected as rejected:
        raise CorruptData(f"clip {row['id']}: its key draws a puzzle that is rejected ({rejected.reason})") from None
    look = draw_look(recipe, origin, looks)
    keyframes = [0, *pace(len(row["actions"]), row.clip).action_frames]
    claims = {
        "puzzle": canonical.dumps(drawn.start),
        "actions": list(drawn.solution.actions),
        "num_actions": len(drawn.solution.actions),
        "action_line": task.line(drawn.solution.actions),
        "states": [task.text(state) for state in trajectory.states],
        "keyframes": keyframes,
        "action_frames": keyframes[1:],
        "optimal": drawn.solution.optimal,
        "unique": drawn.solution.unique,
        "measures": canonical.dumps(drawn.solution.measures),
        "digest": drawn.digest,
        "structure_digest": drawn.structure,
        "split": drawn.split,
        "look_name": look.name,
        "look": canonical.dumps(look),
        "prompt": draw_prompt(recipe, drawn, look),
    }
    for column, value in claims.items():
        _require(row[column] == value, row, f"{column} is not what its key makes")
    first, final = require_gold(
        Verifier(task, row.start, look, row.clip, row["num_actions"]), row.video, row["actions"], row["id"]
    )
    for column, canvas in (("first_frame", first), ("final_frame", final)):
        picture = np.asarray(Image.open(io.BytesIO(row[column]["bytes"])))
        _require(np.array_equal(picture, video.canvas_to_rgb(canvas)), row, f"{column} is not the video's frame")


def _require(holds: bool, row: Row, fault: str) -> None:
    if not holds:
        raise CorruptData(f"clip {row['id']}: {fault}")

"""A whole run: drafts, duplicates, rendering, shards, manifest. Killed anywhere, the same request goes on.

Work lies in `.work` inside the dataset's folder until the manifest is written:

    drafts/    one file a unit: accepted puzzles with their solutions, no pixels
    redrawn.json  what replaces duplicate puzzles, once that is settled
    parts/     one Parquet file per row group, joined into a shard as soon as all of the shard's parts are there
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from puzzlegen import registry
from puzzlegen.errors import InvalidInput, LevelExhausted, OutputError
from puzzlegen.generate import census, duplicates, plan, sample
from puzzlegen.generate.engines import Engine
from puzzlegen.generate.plan import Draft, Request
from puzzlegen.generate.sample import Stream
from puzzlegen.shards import manifest as manifests
from puzzlegen.shards import writer

_REQUEST = "request.json"
_WORK = ".work"


class Progress(Protocol):
    """Told about every finished piece of work."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` more of `total` puzzles or clips; stage is "puzzles" or "clips"."""


@dataclass(frozen=True, slots=True)
class _DraftJob:
    stream: Stream
    indices: range
    path: Path


@dataclass(frozen=True, slots=True)
class _RenderJob:
    streams: tuple[Stream, ...]
    drafts: tuple[Draft, ...]
    path: Path
    shard: plan.Shard


def generate(request: Request, folder: Path, engine: Engine, progress: Progress) -> dict[str, Any]:
    """Make the dataset, or what is missing of it. Returns its manifest.

    Raises:
        PuzzlegenError: bad request, other dataset in the folder, unwritable folder, exhausted level, unreadable clip.
    """
    recipes = {stream.recipe: registry.load(stream.recipe) for stream in request.streams}
    for stream in request.streams:
        sample.check_stream(recipes[stream.recipe], stream)
    described = request.describe(recipes)
    writer.make_folder(folder)
    _refuse_other(folder, described)
    work = folder / _WORK
    if not any(entry == work or writer.is_leftover(entry) for entry in folder.iterdir()) and _is_finished(folder):
        return manifests.read_manifest(folder)
    writer.make_folder(work)
    with _locked(work):
        _claim(folder, described)
        if not _is_finished(folder):
            _make(request, folder, described, engine, progress)
        _discard(work)
    return manifests.read_manifest(folder)


def _is_finished(folder: Path) -> bool:
    """Whether the manifest is written and no shard has been lost since."""
    if not (folder / manifests.MANIFEST).is_file():
        return False
    return all((folder / shard["path"]).is_file() for shard in manifests.read_manifest(folder)["shards"])


def _make(request: Request, folder: Path, described: dict[str, Any], engine: Engine, progress: Progress) -> None:
    """All the work, in a folder that is claimed and locked."""
    work = folder / _WORK
    for place in (work / "drafts", work / "parts", folder / "data"):
        writer.make_folder(place)
        writer.remove_leftovers(place)
    try:
        _draft_all(request, work / "drafts", engine, progress)
        replaced = _settle_duplicates(request, work)
    except (InvalidInput, LevelExhausted):  # the same request will always be refused: leave the folder to another
        _give_back(folder)
        raise
    footer = {"puzzlegen.request": json.dumps(described, sort_keys=True)}
    shards = _render_all(request, folder, replaced, footer, engine, progress)
    manifests.write_manifest(folder, _manifest(request, folder, shards, described))


def _claim(folder: Path, described: dict[str, Any]) -> None:
    """Take the locked folder for this request, unless another has it."""
    _refuse_other(folder, described)
    writer.remove_leftovers(folder)
    if not (folder / _REQUEST).exists():
        writer.write_text(folder / _REQUEST, json.dumps(described, indent=2, sort_keys=True) + "\n")


def _give_back(folder: Path) -> None:
    """Undo the claim of a request that came to nothing; the claim after the drafts, or another request takes them."""
    for place in ("drafts", "parts"):
        shutil.rmtree(folder / _WORK / place)
    (folder / "data").rmdir()
    (folder / _REQUEST).unlink()
    _discard(folder / _WORK)


def _discard(work: Path) -> None:
    """Take the locked folder away at once: deleted file by file, a second run would find it without its lock."""
    trash = writer.temporary_name(work)
    with writer.refusals(work):
        work.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)  # a run that comes now may clear it too, as a leftover


def _refuse_other(folder: Path, described: dict[str, Any]) -> None:
    """Raise OutputError for a folder with anything but this request's dataset. Writes nothing."""
    path = folder / _REQUEST
    if not path.exists():
        if any(not writer.is_leftover(entry) and entry.name != _WORK for entry in folder.iterdir()):
            raise OutputError(f"{folder} is not empty and no puzzlegen dataset. Choose another --out.")
        return
    try:
        theirs = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}. Choose another --out.") from error
    if theirs != described:
        raise OutputError(f"{folder} holds another dataset ({_difference(theirs, described)}). Choose another --out.")


def _difference(theirs: Any, ours: Any, where: str = "") -> str:
    """The first place at which two requests differ."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if set(theirs) != set(ours):
            return f"{where}: {', '.join(sorted(theirs))} there, {', '.join(sorted(ours))} asked"
        for key in sorted(theirs):
            if theirs[key] != ours[key]:
                return _difference(theirs[key], ours[key], f"{where}.{key}" if where else key)
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"{where}: {len(theirs)} there, {len(ours)} asked"
        for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            if their != our:
                return _difference(their, our, f"{where}[{number}]")
    return f"{where}: {json.dumps(theirs)} there, {json.dumps(ours)} asked"


@contextmanager
def _locked(work: Path) -> Iterator[None]:
    """Refuse a second run on the same folder."""
    with writer.refusals(work / "lock"):
        lock = (work / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.path.samestat(os.fstat(lock.fileno()), (work / "lock").stat())
        except FileNotFoundError:
            taken = False
        except OSError as error:
            raise OutputError(f"Another run is writing {work.parent}. Wait for it or choose another --out.") from error
        if taken:
            yield
            return
    # the run that held it has just finished and taken the folder away
    raise OutputError(f"Another run was writing {work.parent} until now. Run the same command again.")


# --- drafts


def _draft_all(request: Request, folder: Path, engine: Engine, progress: Progress) -> None:
    """Draft every unit that is not there."""
    total = request.num * len(request.streams)
    jobs = []
    for unit in plan.draft_units(request):
        path = folder / unit.name
        if path.exists():
            progress("puzzles", unit.count, total)
        else:
            jobs.append(_DraftJob(request.streams[unit.stream], range(unit.first, unit.first + unit.count), path))
    for count in engine.run(_draft, jobs):
        progress("puzzles", count, total)


def _draft(job: _DraftJob) -> int:
    """Worker: draft a unit and keep it in a file. Returns how many."""
    recipe = registry.load(job.stream.recipe)
    lines = [sample.to_json(sample.draft(recipe, job.stream, index)) for index in job.indices]
    writer.write_text(job.path, "".join(f"{line}\n" for line in lines))
    return len(lines)


def _settle_duplicates(request: Request, work: Path) -> dict[tuple[int, int], str]:
    """What replaces duplicate drafts, decided once and kept."""
    path = work / "redrawn.json"
    if path.exists():
        return {(stream, index): line for stream, index, line in json.loads(path.read_text())}
    replaced = duplicates.settle(request, plan.drafts_in_order(request, work / "drafts", {}))
    writer.write_text(path, json.dumps([[*key, line] for key, line in sorted(replaced.items())]))
    return replaced


# --- clips


def _render_all(
    request: Request, folder: Path, replaced: Mapping[tuple[int, int], str], footer: Mapping[str, str],
    engine: Engine, progress: Progress,
) -> list[plan.Shard]:  # fmt: skip
    """Render every chunk that is not there and join each shard as soon as it is whole."""
    work = folder / _WORK
    total = request.num * len(request.streams)

    def drafts() -> Iterator[Draft]:
        return plan.drafts_in_order(request, work / "drafts", replaced)

    shards = plan.shards_of(Counter(plan.split_of(line) for _, _, line in drafts()), request.shard_rows)
    missing = {shard: set(shard.parts) for own in shards.values() for shard in own}

    def finish(shard: plan.Shard, part: str) -> None:
        missing[shard].remove(part)
        if not missing[shard]:
            _join(shard, folder, footer)

    def jobs() -> Iterator[_RenderJob]:
        for shard, part, chunk in plan.chunks(drafts(), shards):
            path = work / "parts" / part
            if (folder / shard.path).exists():
                progress("clips", len(chunk), total)
            elif path.exists():
                progress("clips", len(chunk), total)
                finish(shard, part)
            else:
                yield _RenderJob(request.streams, tuple(chunk), path, shard)

    for job in engine.run(_render, jobs()):
        progress("clips", len(job.drafts), total)
        finish(job.shard, job.path.name)
    return [shard for own in shards.values() for shard in own]


def _render(job: _RenderJob) -> _RenderJob:
    """Worker: render, verify and store one chunk."""
    recipes = {stream.recipe: registry.load(stream.recipe) for stream in job.streams}
    rows = []
    for number, _, line in job.drafts:
        stream = job.streams[number]
        recipe = recipes[stream.recipe]
        rows.append(sample.render(recipe, stream, sample.from_json(recipe, line)))
    with writer.ShardWriter(job.path) as shard:
        shard.write(rows)
    return job


def _join(shard: plan.Shard, folder: Path, footer: Mapping[str, str]) -> None:
    parts = [folder / _WORK / "parts" / part for part in shard.parts]
    writer.concatenate(parts, folder / shard.path, footer)
    for part in parts:
        part.unlink()


def _manifest(
    request: Request, folder: Path, shards: Sequence[plan.Shard], described: dict[str, Any]
) -> dict[str, Any]:
    """Shards with their digests, and the proof that splits share nothing."""
    paths = [folder / shard.path for shard in shards]
    return {
        "request": described,
        "rows": sum(shard.rows for shard in shards),
        "shards": [
            {
                "path": shard.path,
                "split": shard.split,
                "rows": shard.rows,
                "bytes": (folder / shard.path).stat().st_size,
                "sha256": manifests.sha256_of(folder / shard.path),
            }
            for shard in shards
        ],
        **census.count(paths),
    }

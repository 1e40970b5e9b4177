"""A whole run: drafts, duplicates, rendering, shards, manifest. Killed anywhere, the same request goes on.

Work lies in `.work` inside the dataset's folder until the manifest is written:

    drafts/    one file a unit: accepted puzzles with their solutions, no pixels
    redrawn/   which positions gave their draft up for a later attempt, one file for each range that was settled
    parts/     one Parquet file a unit and split: clips; a shard is cut out of them as soon as all its parts are there

A range of units may be made alone (`generate_units`), also by many machines at once; `merge` or a run of the whole
settles what is left between them and joins everything. The dataset is the same, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.errors import Incomplete, InvalidInput, LevelExhausted
from puzzlegen.generate import census, claim, clips, drafts, duplicates, plan, sample
from puzzlegen.generate.drafts import WORK, Moved, Site
from puzzlegen.generate.engines import Engine
from puzzlegen.generate.plan import Request, Shard
from puzzlegen.shards import card as cards
from puzzlegen.shards import manifest as manifests
from puzzlegen.shards.store import Store, open_store
from puzzlegen.types import Progress

Counts = NDArray[np.int64]  # rows of every split in every unit [units, splits]

_LASTING = frozenset({"data", claim.REQUEST, cards.CARD, cards.CROISSANT, manifests.MANIFEST})
"""What is in the folder of a finished dataset."""

_MANY = 1000
"""Puzzles from which on compiled kernels are worth their compilation."""


def generate(
    request: Request, folder: str | Path | Store, engine: Engine, progress: Progress, compiled: bool | None = None
) -> dict[str, Any]:
    """Make the dataset, or what is missing of it. Returns its manifest.

    Args:
        request: what to make.
        folder: where, a path or a URL.
        engine: runs the jobs.
        progress: told about every finished piece.
        compiled: use compiled kernels; if not given, for 1,000 puzzles or more. Never changes rows.

    Raises:
        PuzzlegenError: bad request, other dataset in the folder, unwritable folder, exhausted level, unreadable clip.
    """
    return _complete(request, open_store(folder), engine, progress, compiled, whole=True)


def merge(
    folder: str | Path | Store, engine: Engine, progress: Progress, compiled: bool | None = None
) -> dict[str, Any]:
    """Join what runs of `generate_units` have made. Returns the manifest.

    Raises:
        Incomplete: units are missing; names them.
        OutputError: no run in this folder, or one of another version.
    """
    store = open_store(folder)
    request = plan.request_of(claim.read_request(store))
    return _complete(request, store, engine, progress, compiled, whole=False)


def generate_units(
    request: Request, folder: str | Path | Store, units: range, engine: Engine, progress: Progress,
    compiled: bool | None = None,
) -> list[range]:  # fmt: skip
    """Make the drafts and clips of some units, beside other runs on the same folder. Returns what units are left.

    Duplicates among these units are settled, which leaves less to do for `merge`.

    Raises:
        InvalidInput: there are no such units.
        PuzzlegenError: as `generate`.
    """
    if not 0 <= units.start <= units.stop <= request.num_units:
        raise InvalidInput(
            f"There are no units {units.start}:{units.stop}: the request has {request.num_units}, numbered from 0."
        )
    store = open_store(folder)
    described = _prepare(request, store)
    if _is_finished(store):
        return []
    store.make_folders(WORK)
    with store.locked(WORK, units):
        claim.claim(store, described)
        store.make_folders(*_PLACES)
        site = _site(request, store, progress, compiled)
        if units:
            _draft(site, units, engine, progress)
            moved = duplicates.settle(site, units, engine)
            _render(site, units, moved, engine, progress)
        return plan.spans(_without_clips(site))


def draft_only(
    request: Request, folder: str | Path | Store, engine: Engine, progress: Progress, compiled: bool | None = None
) -> tuple[Site, Moved, Counts]:
    """Everything that is decided before a clip is rendered: drafts, duplicates, splits; for benchmarks.

    Returns:
        the run, the positions that were redrawn, and rows by unit and split [units, splits].
    """
    store = open_store(folder)
    store.make_folders(*_PLACES)
    site = _site(request, store, progress, compiled)
    _draft(site, site.units, engine, progress)
    moved = duplicates.settle(site, site.units, engine)
    return site, moved, _count_splits(site, moved, engine)


_PLACES = (f"{WORK}/drafts", f"{WORK}/redrawn", f"{WORK}/parts", "data")


def _prepare(request: Request, store: Store) -> dict[str, Any]:
    """Refuse what can be refused before any work. Returns the description of the request."""
    recipes = {stream.recipe: registry.load(stream.recipe) for stream in request.streams}
    for stream in request.streams:
        sample.check_stream(recipes[stream.recipe], stream)
    described = request.describe(recipes)
    store.make_folders()
    claim.refuse_other(store, described)
    return described


def _complete(
    request: Request, store: Store, engine: Engine, progress: Progress, compiled: bool | None, *, whole: bool
) -> dict[str, Any]:
    """The whole dataset: `whole` makes what is missing, else that is refused."""
    described = _prepare(request, store)
    if set(store.names("", leftovers=True)) <= _LASTING and _is_finished(store):
        return manifests.read_manifest(store)
    store.make_folders(WORK)
    with store.locked(WORK):
        claim.claim(store, described)
        store.clear_leftovers("")
        if not _is_finished(store):
            store.make_folders(*_PLACES)
            store.clear_leftovers(*_PLACES)
            _make(_site(request, store, progress, compiled), described, engine, progress, whole=whole)
        store.discard(WORK)
    return manifests.read_manifest(store)


def _is_finished(store: Store) -> bool:
    """Whether the manifest is written and no shard has been lost since."""
    if not store.exists(manifests.MANIFEST):
        return False
    there = {f"data/{name}" for name in store.names("data")}
    return all(shard["path"] in there for shard in manifests.read_manifest(store)["shards"])


def _site(request: Request, store: Store, progress: Progress, compiled: bool | None) -> Site:
    """What all jobs know; kernels are compiled here, once, before workers need them."""
    compiled = request.size >= _MANY if compiled is None else compiled
    names = {stream.recipe for stream in request.streams}
    for name in sorted(names) if compiled else ():
        registry.load(name, compiled=True)
        progress("kernels", 1, len(names))
    return drafts.site_of(request, store, compiled)


def _make(site: Site, described: dict[str, Any], engine: Engine, progress: Progress, *, whole: bool) -> None:
    """All the work, in a folder that is claimed and locked."""
    if not whole:
        _refuse_missing(site, drafts.undrafted(site, site.units))
    try:
        _draft(site, site.units, engine, progress)
        moved = duplicates.settle(site, site.units, engine)
    except (InvalidInput, LevelExhausted):  # the same request will always be refused: leave the folder to another
        claim.give_back(site.store)
        raise
    counts = _count_splits(site, moved, engine)
    shards = list(plan.shards_of(counts, site.splits, site.request.shard_rows))
    written = set(site.store.names("data"))
    left = [shard for shard in shards if shard.path.removeprefix("data/") not in written]
    if not whole:
        needed = {unit for shard in left for unit in shard.units}
        _refuse_missing(site, sorted(needed & set(_without_clips(site))))
    footer = {"puzzlegen.request": json.dumps(described, sort_keys=True)}
    _write_shards(site, moved, counts, left, footer, engine, progress)
    manifest = _manifest(site.store, shards, described, engine)
    for name, text in ((cards.CARD, cards.card(manifest)), (cards.CROISSANT, cards.croissant(manifest))):
        if not (site.store.exists(name) and site.store.read(name) == text.encode()):  # whatever is done, stays done
            site.store.write(name, text.encode())
    manifests.write_manifest(site.store, manifest)


def _refuse_missing(site: Site, units: list[int]) -> None:
    """Raise Incomplete if there are any."""
    if units:
        ranges = [f"{span.start}:{span.stop}" for span in plan.spans(units)]
        named = ", ".join(ranges[:8]) + (f" and {len(ranges) - 8} more ranges" if len(ranges) > 8 else "")
        raise Incomplete(
            f"{site.store}: {len(units)} of {site.request.num_units} units are missing: {named}. Run generate with "
            f"--units {ranges[0]}{' and the others' if ranges[1:] else ''}, or without --units for all, then merge."
        )


def _without_clips(site: Site) -> list[int]:
    """The units that have no part."""
    there = clips.units_with_parts(site)
    return [unit for unit in site.units if unit not in there]


# --- stages


def _draft(site: Site, units: range, engine: Engine, progress: Progress) -> None:
    """Draft every unit that is not there."""
    missing = drafts.undrafted(site, units)
    total = sum(len(site.request.positions(unit)) for unit in units)
    progress("puzzles", total - sum(len(site.request.positions(unit)) for unit in missing), total)
    for count in engine.run(drafts.draft_unit, (drafts.DraftJob(site, unit) for unit in missing)):
        progress("puzzles", count, total)


def _count_splits(site: Site, moved: Moved, engine: Engine) -> Counts:
    """Rows of every split in every unit [units, splits]."""
    counts = np.zeros((len(site.units), len(site.splits)), np.int64)
    for units, found in engine.run(drafts.count_splits, list(drafts.slices(site, site.units, moved))):
        counts[units.start : units.stop] = found
    return counts


def _render(site: Site, units: range, moved: Moved, engine: Engine, progress: Progress) -> None:
    """The clips of some units, and no shards."""
    total = sum(len(site.request.positions(unit)) for unit in units)
    for job in engine.run(clips.work, (clips.part_job(site, unit, moved, site.splits) for unit in units)):
        assert isinstance(job, clips.PartJob)
        progress("clips", len(site.request.positions(job.unit)), total)


def _write_shards(
    site: Site, moved: Moved, counts: Counts, left: list[Shard], footer: dict[str, str], engine: Engine,
    progress: Progress,
) -> None:  # fmt: skip
    """Render the parts that the shards need and write each shard as soon as its parts are there.

    A part is deleted when no shard needs it any more, so the work folder stays small.
    """
    missing = {shard.path: set(shard.units) for shard in left}
    readers: dict[int, dict[str, list[Shard]]] = {}  # of each part: by unit, then by split
    for shard in left:
        for unit in shard.units:
            readers.setdefault(unit, {}).setdefault(shard.split, []).append(shard)
    rows = {unit: sum(int(counts[unit, site.splits.index(split)]) for split in own) for unit, own in readers.items()}
    ready: list[Shard] = []
    progress("clips", site.request.size - sum(rows.values()), site.request.size)

    def jobs() -> Iterator[clips.Job]:
        for unit in sorted(rows):
            while ready:
                yield clips.ShardJob(site, ready.pop(0), footer)
            yield clips.part_job(site, unit, moved, readers[unit])
        while ready:
            yield clips.ShardJob(site, ready.pop(0), footer)

    def done(job: clips.Job) -> None:
        if isinstance(job, clips.ShardJob):
            for unit in job.shard.units:
                own = readers[unit][job.shard.split]
                own.remove(job.shard)
                if not own:
                    site.store.remove(clips.name_of(unit, job.shard.split))
            return
        progress("clips", rows[job.unit], site.request.size)
        for shard in (shard for own in readers[job.unit].values() for shard in own):
            missing[shard.path].remove(job.unit)
            if not missing[shard.path]:
                ready.append(shard)

    for job in engine.run(clips.work, jobs()):
        done(job)
    last = [clips.ShardJob(site, shard, footer) for shard in ready]  # whose parts came after all jobs were handed out
    for job in engine.run(clips.work, last):
        done(job)


def _manifest(store: Store, shards: list[Shard], described: dict[str, Any], engine: Engine) -> dict[str, Any]:
    """Shards with their digests, and the proof that splits share nothing."""
    tallies = {each.name: each for each in engine.run(census.tally, [(store, shard.path) for shard in shards])}
    in_order = [tallies[shard.path] for shard in shards]
    return {
        "request": described,
        "rows": sum(shard.rows for shard in shards),
        "shards": [
            {"path": shard.path, "split": shard.split, "rows": shard.rows, "bytes": each.bytes, "sha256": each.sha256}
            for shard, each in zip(shards, in_order, strict=True)
        ],
        **census.count(store, in_order, engine),
    }

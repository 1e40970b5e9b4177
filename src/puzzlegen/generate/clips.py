"""Parts and shards: the clips of a unit and split in one file, and the files of the dataset cut out of those."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from puzzlegen.generate import sample
from puzzlegen.generate.drafts import WORK, Moved, Site, read_drafts, read_keys, within
from puzzlegen.generate.plan import Shard
from puzzlegen.shards.schema import ROW_GROUP
from puzzlegen.shards.writer import ShardWriter
from puzzlegen.types import Instance, Origin

_UNREADABLE = (OSError, ValueError, pa.ArrowException)


@dataclass(frozen=True, slots=True)
class PartJob:
    """A unit whose clips of some splits are wanted."""

    site: Site
    unit: int
    moved: Moved
    """At least those of the unit."""
    splits: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShardJob:
    """A shard whose parts are all there."""

    site: Site
    shard: Shard
    footer: Mapping[str, str]


Job = PartJob | ShardJob


def part_job(site: Site, unit: int, moved: Moved, splits: Iterable[str]) -> PartJob:
    """The job of a unit, which takes along only what moved in it."""
    return PartJob(site, unit, within(moved, site.request.positions(unit)), tuple(splits))


def name_of(unit: int, split: str) -> str:
    """Where the part of a unit and split lies."""
    return f"{WORK}/parts/{unit:08d}-{split}.parquet"


def units_with_parts(site: Site) -> set[int]:
    """The units that have a part; a run that was killed there may have left others of the same unit to do."""
    return {int(name.partition("-")[0]) for name in site.store.names(f"{WORK}/parts")}


def work(job: Job) -> Job:
    """Worker: do either job, whichever comes."""
    if isinstance(job, PartJob):
        render_part(job)
    else:
        write_shard(job)
    return job


# --- parts


def render_part(job: PartJob) -> None:
    """Render, verify and store the clips of a unit; those that an earlier run has rendered are taken over."""
    keys = read_keys(job.site, job.unit, job.moved)
    for split in job.splits:
        places = np.flatnonzero(keys["split"] == job.site.splits.index(split)).tolist()
        if places:
            _render_split(job, split, {place: int(keys["attempt"][place]) for place in places})


def _render_split(job: PartJob, split: str, attempts: Mapping[int, int]) -> None:
    """The part of a split: a clip for each of these places in the unit, by the attempt that it ended with."""
    site, positions, name = job.site, job.site.request.positions(job.unit), name_of(job.unit, split)
    wanted = {place: _origin(site, positions[place], attempt) for place, attempt in attempts.items()}
    rendered = _rendered(site, name)
    if rendered == list(wanted.values()):
        return
    numbers = {origin: number for number, origin in enumerate(rendered)}
    table = site.store.parquet(name).read() if numbers else None
    lines = read_drafts(site, job.unit)
    moved = set((job.moved["position"] - positions.start).tolist())

    def row(place: int, origin: Origin) -> Mapping[str, Any]:
        if table is not None and origin in numbers:
            kept: dict[str, Any] = table.slice(numbers[origin], 1).to_pylist()[0]
            return kept
        stream, _ = site.request.key_of(positions[place])
        recipe = site.recipe(stream.recipe)
        instance: Instance[Any] = (
            sample.attempt_at(recipe, stream, origin) if place in moved else sample.from_json(recipe, lines[place])
        )
        return sample.render(recipe, stream, instance)

    places = list(wanted.items())
    with ShardWriter(site.store.writing(name)) as part:
        for first in range(0, len(places), ROW_GROUP):
            part.write(row(*each) for each in places[first : first + ROW_GROUP])


def _origin(site: Site, position: int, attempt: int) -> Origin:
    stream, index = site.request.key_of(position)
    name = site.recipe(stream.recipe).name
    return Origin(recipe=name, level=stream.level, seed=stream.seed, index=index, attempt=attempt)


def _rendered(site: Site, name: str) -> list[Origin]:
    """The keys of the rows of the part that is there, in its order; none if there is no part that can be read."""
    if not site.store.exists(name):
        return []
    try:
        table = site.store.parquet(name).read(columns=["task", "level", "seed", "index", "attempt"])
    except _UNREADABLE:
        return []  # not written by us, or damaged: render it anew
    return [Origin(recipe=row.pop("task"), **row) for row in table.to_pylist()]


# --- shards


def write_shard(job: ShardJob) -> None:
    """Cut a shard out of its parts, ROW_GROUP rows to a row group."""
    waiting: list[pa.Table] = []
    with ShardWriter(job.site.store.writing(job.shard.path), job.footer) as shard:
        for piece in job.shard.pieces:
            for table in _rows(job.site, job.shard.split, *piece):
                waiting.append(table)
                while sum(map(len, waiting)) >= ROW_GROUP:
                    joined = pa.concat_tables(waiting)
                    shard.write_table(joined.slice(0, ROW_GROUP).combine_chunks())
                    waiting = [joined.slice(ROW_GROUP)]
        if sum(map(len, waiting)):
            shard.write_table(pa.concat_tables(waiting).combine_chunks())


def _rows(site: Site, split: str, unit: int, first: int, count: int) -> Iterator[pa.Table]:
    """Rows of a part, a row group at a time."""
    part = site.store.parquet(name_of(unit, split))
    begin = 0
    for group in range(part.num_row_groups):
        end = begin + part.metadata.row_group(group).num_rows
        low, high = max(first, begin), min(first + count, end)
        if low < high:
            yield part.read_row_group(group).slice(low - begin, high - low)
        begin = end

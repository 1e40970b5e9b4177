"""Drafts: accepted puzzles with their solutions, no pixels; one file a unit in the work folder.

A file begins with one fixed-size record a position (KEY), so that looking for duplicates and counting splits reads a
few bytes a puzzle and parses nothing; the puzzles follow, one line of JSON each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.plan import Request
from puzzlegen.recipe import Recipe
from puzzlegen.shards.store import Store
from puzzlegen.types import Instance

WORK = ".work"
ROWS_PER_JOB = 100_000
"""Records that a job which looks at many puzzles holds at once."""
_KEY_FIELDS = [("digest", "<u8"), ("structure", "<u8"), ("attempt", "<i4"), ("split", "<u1")]
KEY = np.dtype(_KEY_FIELDS)
"""What is compared and counted of a puzzle; the split by its number in `Site.splits`."""
MOVED = np.dtype([("position", "<i8"), ("vain", "<i4"), *_KEY_FIELDS])
"""A position that had to give its draft up for a later attempt, after `vain` ones that others have."""

Keys = NDArray[np.void]  # of dtype KEY [positions of a unit]
Moved = NDArray[np.void]  # of dtype MOVED, sorted by position


@dataclass(frozen=True, slots=True)
class Site:
    """What every job of a run knows."""

    request: Request
    store: Store
    splits: tuple[str, ...]
    """Of all recipes, sorted."""
    compiled: bool
    """Whether tasks run on compiled kernels; never changes rows."""

    @property
    def units(self) -> range:
        """All units of the request."""
        return range(self.request.num_units)

    def recipe(self, name: str) -> Recipe:
        """The loaded recipe of a stream."""
        return registry.load(name, compiled=self.compiled)

    def key(self, instance: Instance[object]) -> tuple[int, int, int, int]:
        """The record of a puzzle, in the order of KEY."""
        split = self.splits.index(instance.split)
        return int(instance.digest, 16), int(instance.structure, 16), instance.origin.attempt, split


def site_of(request: Request, store: Store, compiled: bool) -> Site:
    """What the jobs of this request need to know."""
    splits = {split for stream in request.streams for split in registry.load(stream.recipe).splits}
    return Site(request, store, tuple(sorted(splits)), compiled)


@dataclass(frozen=True, slots=True)
class DraftJob:
    """One unit to draft."""

    site: Site
    unit: int


def draft_unit(job: DraftJob) -> int:
    """Worker: draft a unit and keep it in a file. Returns how many puzzles."""
    site, instances = job.site, []
    for position in site.request.positions(job.unit):
        stream, index = site.request.key_of(position)
        instances.append(sample.draft(site.recipe(stream.recipe), stream, index))
    keys = np.array([site.key(instance) for instance in instances], KEY)
    text = "".join(f"{sample.to_json(instance)}\n" for instance in instances)
    site.store.write(name_of(job.unit), keys.tobytes() + text.encode())
    return len(instances)


def name_of(unit: int) -> str:
    """Where the drafts of a unit lie."""
    return f"{WORK}/drafts/{unit:08d}"


def undrafted(site: Site, units: range) -> list[int]:
    """The units that have no drafts yet."""
    there = set(site.store.names(f"{WORK}/drafts"))
    return [unit for unit in units if f"{unit:08d}" not in there]


def read_keys(site: Site, unit: int, moved: Moved) -> Keys:
    """The records of a unit's positions, those that moved as they are now."""
    positions = site.request.positions(unit)
    keys = np.frombuffer(site.store.read(name_of(unit), len(positions) * KEY.itemsize), KEY).copy()
    mine = within(moved, positions)
    for field in KEY.names or ():
        keys[field][mine["position"] - positions.start] = mine[field]
    return keys


def read_drafts(site: Site, unit: int) -> list[str]:
    """The drafted puzzles of a unit as JSON."""
    count = len(site.request.positions(unit))
    return site.store.read(name_of(unit))[count * KEY.itemsize :].decode().splitlines()


@dataclass(frozen=True, slots=True)
class Slice:
    """Units that a job looks through."""

    site: Site
    units: range
    moved: Moved
    """At least those of the units."""


def slices(site: Site, units: range, moved: Moved) -> Iterator[Slice]:
    """The units in slices of about ROWS_PER_JOB positions."""
    step = max(1, ROWS_PER_JOB // len(site.request.positions(0)))
    for first in range(units.start, units.stop, step):
        some = range(first, min(first + step, units.stop))
        positions = range(site.request.positions(some[0]).start, site.request.positions(some[-1]).stop)
        yield Slice(site, some, within(moved, positions))


def count_splits(job: Slice) -> tuple[range, NDArray[np.int64]]:
    """Worker: rows of every split in each of the units [units, splits]."""
    most = len(job.site.splits)
    keys = (read_keys(job.site, unit, job.moved) for unit in job.units)
    return job.units, np.stack([np.bincount(each["split"], minlength=most) for each in keys])


def within(moved: Moved, positions: range) -> Moved:
    """What moved among these positions."""
    low, high = np.searchsorted(moved["position"], [positions.start, positions.stop])
    return moved[low:high]


def merged(tables: Sequence[Moved]) -> Moved:
    """One sorted table; where a position occurs twice, the later attempt counts."""
    every = np.concatenate([np.empty(0, MOVED), *tables])
    every = every[np.lexsort((every["attempt"], every["position"]))]
    last = np.append(every["position"][1:] != every["position"][:-1], True)[: len(every)]
    kept: Moved = every[last]
    return kept

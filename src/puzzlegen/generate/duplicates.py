"""Redraws puzzles that a lower position already has, up to symmetry, without one process that sees all of them.

The lowest position keeps a puzzle; every other one moves to its next attempt until it has one that no lower position
has. Taken in order of position that is plain; but it is also the one stable matching between positions, which prefer
their early attempts, and puzzles, which prefer low positions. Deferred acceptance (Gale and Shapley 1962) finds that
matching whatever the order of the proposals: an attempt whose puzzle is with a lower position is lost for good, and a
position that loses its puzzle to a lower one proposes its next attempt. So all may propose at once, on any number of
workers and machines, stop at any moment, and go on from what was kept: the outcome is that of the plain order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import InvalidInput, LevelExhausted
from puzzlegen.generate import drafts, sample
from puzzlegen.generate.drafts import KEY, MOVED, WORK, Keys, Moved, Site, merged, read_keys, within
from puzzlegen.generate.engines import Engine

_LEAST_PATIENCE = 1000
_PATIENCE = 10
"""A level is exhausted after 1000 + 10 x (puzzles found) draws in a row that brought nothing new."""

_DRAWS_PER_JOB = 32
_EASY = 2
"""Draws at once up to which every waiting position takes its turn in each round."""
_LEAST_HARD_DRAWS = 64
_HARD_SHARE = 16
"""Draws of a round for positions that drew in vain again and again: 64, or 1/16 of all so far. The lowest go first, so
that a level which holds too few puzzles is found out soon."""

Puzzle = tuple[str, int]  # (recipe, digest)


@dataclass(slots=True)
class _Waiting:
    """A position without a puzzle."""

    attempt: int
    """The last one that was lost."""
    vain: int
    """Draws that others have."""
    at_once: int = 1
    """Draws of its next turn."""


def settle(site: Site, units: range, engine: Engine) -> Moved:
    """Give every position of these units a puzzle of its own. Returns those that moved, kept on the way in a file.

    Args:
        site: request and place; all of these units are drafted.
        units: to look at. Settling a part first only leaves less to do for the whole.
        engine: runs the jobs.

    Raises:
        LevelExhausted: a stream holds fewer puzzles than are asked for; says about how many.
    """
    positions = range(site.request.positions(units.start).start, site.request.positions(units.stop - 1).stop)
    moved = load(site)
    waiting = {
        int(row["position"]): _Waiting(int(row["attempt"]), int(row["vain"]) + 1)
        for rows in engine.run(_find_losers, list(_bucket_jobs(site, units, len(positions), moved)))
        for row in rows
    }
    drawn = len(positions)
    _save(site, units, positions, moved)
    while waiting:
        turn = _turn(site, waiting, drawn)
        offers = {position: keys for found in engine.run(_redraw, _redraw_jobs(site, turn)) for position, keys in found}
        drawn += sum(map(len, offers.values()))
        holders = _holders(site, units, moved, offers, engine)
        moved = merged([moved, _propose(site, offers, holders, waiting, len(positions))])
        _save(site, units, positions, moved)
    return moved


def load(site: Site) -> Moved:
    """What has been kept by all runs on this folder."""
    folder = f"{WORK}/redrawn"
    return merged([np.frombuffer(site.store.read(f"{folder}/{name}"), MOVED) for name in site.store.names(folder)])


def _save(site: Site, units: range, positions: range, moved: Moved) -> None:
    name, content = f"{WORK}/redrawn/{units.start:08d}-{units.stop:08d}", within(moved, positions).tobytes()
    if not site.store.exists(name) or site.store.read(name) != content:  # a run killed here each time must get further
        site.store.write(name, content)


# --- who has no puzzle of its own


@dataclass(frozen=True, slots=True)
class _BucketJob:
    site: Site
    units: range
    moved: Moved
    """Of all units."""
    bucket: int
    num_buckets: int


def _bucket_jobs(site: Site, units: range, rows: int, moved: Moved) -> Iterator[_BucketJob]:
    """Digests are spread evenly, so every bucket holds about as many rows as a job may."""
    num_buckets = -(-rows // drafts.ROWS_PER_JOB)
    for bucket in range(num_buckets):
        yield _BucketJob(site, units, moved, bucket, num_buckets)


def _find_losers(job: _BucketJob) -> Moved:
    """Worker: every position of the bucket whose puzzle a lower one has."""
    found = [np.empty(0, MOVED)]
    for unit in job.units:
        rows = _rows(job.site, unit, job.moved)
        found.append(rows[rows["digest"] % np.uint64(job.num_buckets) == job.bucket])
    rows = np.concatenate(found)
    recipes = _recipes(job.site, rows["position"])
    order = np.lexsort((rows["position"], rows["digest"], recipes))
    rows, recipes = rows[order], recipes[order]
    again = (rows["digest"][1:] == rows["digest"][:-1]) & (recipes[1:] == recipes[:-1])
    losers: Moved = rows[1:][again]
    return losers


def _rows(site: Site, unit: int, moved: Moved) -> Moved:
    """The records of a unit, with their positions."""
    positions = site.request.positions(unit)
    rows = np.zeros(len(positions), MOVED)
    keys = read_keys(site, unit, moved)
    for field in KEY.names or ():
        rows[field] = keys[field]
    rows["position"] = np.arange(positions.start, positions.stop)
    low, high = np.searchsorted(moved["position"], [positions.start, positions.stop])
    rows["vain"][moved["position"][low:high] - positions.start] = moved["vain"][low:high]
    return rows


def _recipes(site: Site, positions: NDArray[np.int64]) -> NDArray[np.int64]:
    """A number for the recipe of each position."""
    names = [stream.recipe for stream in site.request.streams]
    numbers = np.array([names.index(name) for name in names])
    found: NDArray[np.int64] = numbers[positions % len(names)]
    return found


# --- their next attempts


def _turn(site: Site, waiting: Mapping[int, _Waiting], drawn: int) -> list[tuple[int, int, int]]:
    """(position, first attempt, draws) of all who draw in this round, in order of position."""
    left, turn = max(_LEAST_HARD_DRAWS, drawn // _HARD_SHARE), []
    for position in sorted(waiting):
        one = waiting[position]
        draws = min(one.at_once, _patience(site, position) - one.vain)
        if one.at_once > _EASY:
            if left <= 0:
                continue
            left -= draws
        turn.append((position, one.attempt + 1, draws))
    return turn


def _patience(site: Site, position: int) -> int:
    """All lower indices of the stream have found a puzzle before this one gives up."""
    return _LEAST_PATIENCE + _PATIENCE * (position // len(site.request.streams))


@dataclass(frozen=True, slots=True)
class _RedrawJob:
    site: Site
    turns: tuple[tuple[int, int, int], ...]


def _redraw_jobs(site: Site, turn: Iterable[tuple[int, int, int]]) -> Iterator[_RedrawJob]:
    group: list[tuple[int, int, int]] = []
    for each in turn:
        group.append(each)
        if sum(draws for _, _, draws in group) >= _DRAWS_PER_JOB:
            yield _RedrawJob(site, tuple(group))
            group = []
    if group:
        yield _RedrawJob(site, tuple(group))


def _redraw(job: _RedrawJob) -> list[tuple[int, Keys]]:
    """Worker: the next accepted attempts of each position."""
    found = []
    for position, first, draws in job.turns:
        stream, index = job.site.request.key_of(position)
        keys: list[tuple[int, int, int, int]] = []
        for _ in range(draws):
            try:
                instance = sample.draft(job.site.recipe(stream.recipe), stream, index, first)
            except (InvalidInput, LevelExhausted):
                if not keys:
                    raise
                break  # perhaps it is never needed
            keys.append(job.site.key(instance))
            first = instance.origin.attempt + 1
        found.append((position, np.array(keys, KEY)))
    return found


# --- who has what they propose


def _holders(
    site: Site, units: range, moved: Moved, offers: Mapping[int, Keys], engine: Engine
) -> dict[Puzzle, np.void]:
    """The lowest position that has each of the offered puzzles now."""
    digests = np.unique(np.concatenate([keys["digest"] for keys in offers.values()]))
    lowest: dict[Puzzle, np.void] = {}
    for rows in engine.run(_find_holders, [(each, digests) for each in drafts.slices(site, units, moved)]):
        for row in rows:
            puzzle = (site.request.key_of(int(row["position"]))[0].recipe, int(row["digest"]))
            if puzzle not in lowest or row["position"] < lowest[puzzle]["position"]:
                lowest[puzzle] = row
    return lowest


def _find_holders(job: tuple[drafts.Slice, NDArray[np.uint64]]) -> Moved:
    """Worker: every position of the units that has one of the puzzles."""
    some, digests = job
    found = [np.empty(0, MOVED)]
    for unit in some.units:
        rows = _rows(some.site, unit, some.moved)
        found.append(rows[np.isin(rows["digest"], digests)])
    return np.concatenate(found)


def _propose(
    site: Site, offers: Mapping[int, Keys], holders: Mapping[Puzzle, np.void], waiting: dict[int, _Waiting], rows: int
) -> Moved:
    """Each position takes the first of its offers that no lower one has. Returns them; `waiting` is brought up to date.

    Raises:
        LevelExhausted: one of them has run out of patience.
    """
    taken: dict[Puzzle, int] = {}
    accepted = []
    for position in sorted(offers):
        one, recipe = waiting[position], site.request.key_of(position)[0].recipe
        for offer in offers[position]:
            puzzle = (recipe, int(offer["digest"]))
            holder = holders.get(puzzle)
            one.attempt = int(offer["attempt"])
            if puzzle in taken or (holder is not None and holder["position"] < position):
                one.vain += 1
                continue
            taken[puzzle] = position
            accepted.append((position, one.vain, *offer.tolist()))
            del waiting[position]
            if holder is not None:
                waiting[int(holder["position"])] = _Waiting(int(holder["attempt"]), int(holder["vain"]) + 1)
            break
        else:
            one.at_once *= 2
            if one.vain >= _patience(site, position):
                raise _exhausted(site, position, one.vain, waiting, rows)
    return np.array(accepted, MOVED)


def _exhausted(site: Site, position: int, vain: int, waiting: Iterable[int], rows: int) -> LevelExhausted:
    count = len(site.request.streams)
    without = Counter(each % count for each in waiting)
    kept = rows // count - without[position % count]
    stream = site.request.key_of(position)[0]
    where = f" in split {stream.split!r}" if stream.split else ""
    return LevelExhausted(
        f"{stream.recipe}:{stream.level} holds about {kept} different puzzles{where}, you asked for {site.request.num}:"
        f" {vain} draws in a row brought nothing new. Ask for at most {kept} or choose a larger level."
    )

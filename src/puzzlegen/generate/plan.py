"""What to make: the request, its positions and units, and which rows go into which shard.

Position p is clip p // streams of stream p % streams: the order of all rows. Unit u is the positions from u * U on. All
of it is a function of the request alone, so neither workers nor machines nor restarts change what a unit is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
import PIL
from numpy.typing import NDArray

import puzzlegen
from puzzlegen import canonical
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe

UNIT = 64
"""Positions of a unit: little is lost when a run is killed."""
LARGE_UNIT = 512
"""The same for requests of over LARGE clips: a unit is a minute of work, and a million clips are 2,000 units."""
LARGE = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A dataset as asked for."""

    streams: tuple[Stream, ...]
    num: int
    """Clips of each stream."""
    shard_rows: int

    @property
    def size(self) -> int:
        """Clips of all streams: the number of positions."""
        return self.num * len(self.streams)

    @property
    def num_units(self) -> int:
        """How many units the request has."""
        return -(-self.size // self._unit)

    @property
    def _unit(self) -> int:
        return UNIT if self.size <= LARGE else LARGE_UNIT

    def positions(self, unit: int) -> range:
        """The positions of a unit."""
        return range(unit * self._unit, min((unit + 1) * self._unit, self.size))

    def key_of(self, position: int) -> tuple[Stream, int]:
        """Stream and index of a position."""
        index, number = divmod(position, len(self.streams))
        return self.streams[number], index

    def describe(self, recipes: Mapping[str, Recipe]) -> dict[str, Any]:
        """All that decides the dataset's bytes, as plain JSON values."""
        return {
            "streams": [{**canonical.encode(stream), "recipe": recipes[stream.recipe].name} for stream in self.streams],
            "num": self.num,
            "shard_rows": self.shard_rows,
            "recipes": {
                recipe.name: {"version": recipe.version, "digest": recipe.digest, "task_version": recipe.task.version}
                for recipe in recipes.values()
            },
            "versions": {
                "puzzlegen": puzzlegen.__version__,
                "av": av.__version__,
                "avcodec": ".".join(map(str, av.library_versions["libavcodec"])),
                "numpy": np.__version__,
                "opencv": cv2.__version__,
                "pillow": PIL.__version__,
            },
        }


def request_of(described: Mapping[str, Any]) -> Request:
    """The request that `describe` described. Raises InvalidInput for anything else."""
    streams = tuple(canonical.decode(Stream, stream, "streams") for stream in described["streams"])
    return Request(streams=streams, num=int(described["num"]), shard_rows=int(described["shard_rows"]))


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the dataset."""

    split: str
    number: int
    num_shards: int
    rows: int
    pieces: tuple[tuple[int, int, int], ...]
    """(unit, first row, rows) of every part that it is made of; a part holds the rows of one unit and one split."""

    @property
    def path(self) -> str:
        """Path within the dataset; the name carries the split, as Hugging Face expects."""
        return f"data/{self.split}-{self.number:05d}-of-{self.num_shards:05d}.parquet"

    @property
    def units(self) -> list[int]:
        """The units whose rows it holds."""
        return [unit for unit, _, _ in self.pieces]


def shards_of(counts: NDArray[np.int64], splits: Sequence[str], shard_rows: int) -> Iterator[Shard]:
    """The shards of each split: rows in order of position, `shard_rows` to a shard, the last one shorter.

    Args:
        counts: rows of every split in every unit [units, splits].
        splits: names of the columns of `counts`.
        shard_rows: most rows of a shard.
    """
    for number, split in sorted(enumerate(splits), key=lambda each: each[1]):
        ends = np.cumsum(counts[:, number])
        total = int(ends[-1])
        num_shards = -(-total // shard_rows)
        for shard in range(num_shards):
            low, high = shard * shard_rows, min((shard + 1) * shard_rows, total)
            pieces = []
            for unit in range(np.searchsorted(ends, low, "right"), np.searchsorted(ends, high, "left") + 1):
                before = int(ends[unit] - counts[unit, number])
                first, last = max(low, before), min(high, int(ends[unit]))
                if first < last:
                    pieces.append((unit, first - before, last - first))
            yield Shard(split, shard, num_shards, high - low, tuple(pieces))


def spans(units: Sequence[int]) -> list[range]:
    """Sorted unit numbers as half-open ranges."""
    found: list[range] = []
    for unit in units:
        if found and found[-1].stop == unit:
            found[-1] = range(found[-1].start, unit + 1)
        else:
            found.append(range(unit, unit + 1))
    return found

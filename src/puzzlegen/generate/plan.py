"""What to make: the request, its draft units, and which draft goes into which row of which shard."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import PIL

import puzzlegen
from puzzlegen import canonical
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.shards.schema import ROW_GROUP

DRAFT_UNIT = 64
"""Indices per draft unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A dataset as asked for."""

    streams: tuple[Stream, ...]
    num: int
    """Clips of each stream."""
    shard_rows: int

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


@dataclass(frozen=True, slots=True)
class DraftUnit:
    """Indices of one stream that are drafted together."""

    stream: int
    first: int
    count: int

    @property
    def name(self) -> str:
        """File name of its drafts."""
        return f"{self.stream:03d}-{self.first:08d}.jsonl"


def draft_units(request: Request) -> list[DraftUnit]:
    """All draft units, index-major so that early units of all streams come first."""
    return [
        DraftUnit(stream, first, min(DRAFT_UNIT, request.num - first))
        for first in range(0, request.num, DRAFT_UNIT)
        for stream in range(len(request.streams))
    ]


Draft = tuple[int, int, str]  # (stream, index, instance as JSON)


def drafts_in_order(request: Request, folder: Path, replaced: Mapping[tuple[int, int], str]) -> Iterator[Draft]:
    """Every draft, by index and then by stream, read a unit at a time; `replaced` stands in for duplicates."""
    for first in range(0, request.num, DRAFT_UNIT):
        count = min(DRAFT_UNIT, request.num - first)
        streams = range(len(request.streams))
        units = [(folder / DraftUnit(stream, first, count).name).read_text().splitlines() for stream in streams]
        for offset in range(count):
            for stream in streams:
                key = (stream, first + offset)
                yield (*key, replaced.get(key) or units[stream][offset])


def split_of(line: str) -> str:
    """The split of a drafted instance."""
    return str(json.loads(line)["split"])


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of the dataset, joined from chunks of ROW_GROUP rows."""

    split: str
    number: int
    num_shards: int
    rows: int

    @property
    def path(self) -> str:
        """Path within the dataset; the name carries the split, as Hugging Face expects."""
        return f"data/{self.split}-{self.number:05d}-of-{self.num_shards:05d}.parquet"

    @property
    def parts(self) -> list[str]:
        """File names of its chunks."""
        return [f"{self.split}-{self.number:05d}-{chunk:05d}.parquet" for chunk in range(-(-self.rows // ROW_GROUP))]


def shards_of(rows_by_split: Mapping[str, int], shard_rows: int) -> dict[str, list[Shard]]:
    """The shards of each split."""
    shards = {}
    for split, rows in sorted(rows_by_split.items()):
        count = -(-rows // shard_rows)
        sizes = [min(shard_rows, rows - number * shard_rows) for number in range(count)]
        shards[split] = [Shard(split, number, count, size) for number, size in enumerate(sizes)]
    return shards


def chunks(drafts: Iterable[Draft], shards: Mapping[str, Sequence[Shard]]) -> Iterator[tuple[Shard, str, list[Draft]]]:
    """(shard, part file name, drafts) of every chunk, in the order in which they fill."""
    waiting: dict[str, list[Draft]] = {split: [] for split in shards}
    places = {
        split: [(shard, chunk) for shard in own for chunk in range(len(shard.parts))] for split, own in shards.items()
    }
    queues = {split: iter(own) for split, own in places.items()}
    current = {split: next(queue) for split, queue in queues.items()}
    for draft in drafts:
        split = split_of(draft[2])
        waiting[split].append(draft)
        shard, chunk = current[split]
        if len(waiting[split]) == min(ROW_GROUP, shard.rows - chunk * ROW_GROUP):
            yield shard, shard.parts[chunk], waiting[split]
            waiting[split] = []
            current[split] = next(queues[split], (shard, chunk))

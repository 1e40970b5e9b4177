"""Reading datasets: random access, filters, epochs. Needs pyarrow and PyAV, no torch.

>>> dataset = ShardDataset("data", split="train", task="maze")  # doctest: +SKIP
>>> dataset[0].frames().shape  # doctest: +SKIP
(81, 480, 832, 3)
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData, InvalidInput, UnknownName
from puzzlegen.seeding import Rng
from puzzlegen.shards.manifest import read_manifest
from puzzlegen.shards.row import Row
from puzzlegen.shards.schema import COLUMNS, MEDIA_COLUMNS, SCALAR_COLUMNS, schema
from puzzlegen.shards.store import open_store

_CACHED_PARTS = 16
"""Columns of media of row groups that stay in memory: some MB each."""
_CACHED_PLAIN = 512
"""Row groups of which the other columns do: 0.1 MB each."""


class _Stored(Mapping[str, Any]):
    """The columns of one row, read when first asked for: a video or picture by itself, all others together."""

    def __init__(self, dataset: ShardDataset, place: tuple[int, int, int]) -> None:
        self._dataset, self._place = dataset, place

    def __getitem__(self, name: str) -> Any:
        shard, group, row = self._place
        if name not in self:
            raise KeyError(name)
        return self._dataset.part(shard, group, name)[name][row].as_py()

    def __contains__(self, name: object) -> bool:
        return name in self._dataset.columns

    def __iter__(self) -> Iterator[str]:
        return iter(self._dataset.columns)

    def __len__(self) -> int:
        return len(self._dataset.columns)

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class _Cache:
    """The tables that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._tables: OrderedDict[tuple[int, int, str], pa.Table] = OrderedDict()

    def get(self, key: tuple[int, int, str], read: Callable[[], pa.Table]) -> pa.Table:
        """The table of this key, read unless it is here."""
        if key not in self._tables:
            self._tables[key] = read()
            if len(self._tables) > self._most:
                self._tables.popitem(last=False)
        self._tables.move_to_end(key)
        return self._tables[key]


class Shard(NamedTuple):
    """One Parquet file of a dataset, as the manifest has it."""

    path: str
    """Within the dataset's folder."""
    rows: int
    """All that are in it."""
    sha256: str
    """Of its content."""


class ShardDataset:
    """A map-style dataset over the shards of a folder; picklable, opens files when first read."""

    def __init__(
        self, folder: str | Path, *, split: str | None = None, columns: tuple[str, ...] | None = None, **equals: Any
    ) -> None:
        """Open a dataset.

        Args:
            folder: where `generate` wrote it, or its URL such as s3://bucket/prefix.
            split: "train" or "test"; all splits if not given.
            columns: read only these; all if not given.
            equals: keep rows whose column equals the value, or is in it for a list: task="maze", level=["easy"].

        Raises:
            OutputError: the folder holds no complete dataset.
            UnknownName: no such split or column.
            InvalidInput: a value that no row of its column can have.
            CorruptData: a shard cannot be read.
        """
        self._store = open_store(folder)
        manifest = read_manifest(self._store)
        splits = sorted({shard["split"] for shard in manifest["shards"]})
        if split is not None and split not in splits:
            raise UnknownName("split", split, splits, str(folder))
        self._shards = tuple(
            Shard(shard["path"], shard["rows"], shard["sha256"])
            for shard in manifest["shards"]
            if split in (None, shard["split"])
        )
        there = self._open(self._shards[0].path).schema_arrow.names if self._shards else COLUMNS
        for name in columns or ():
            if name not in there:
                raise UnknownName("column", name, there)
        self.columns = tuple(there) if columns is None else tuple(columns)
        """Of each row; a dataset of an earlier version may have fewer."""
        self._others = [name for name in self.columns if name not in MEDIA_COLUMNS]
        for name in equals:
            if name not in SCALAR_COLUMNS:
                raise UnknownName("column to filter by", name, SCALAR_COLUMNS)
        self._places = self._find(equals)
        self._files: dict[int, pq.ParquetFile] = {}
        self._media, self._plain = _Cache(_CACHED_PARTS), _Cache(_CACHED_PLAIN)

    def _find(self, equals: Mapping[str, Any]) -> NDArray[np.int32]:
        """(shard, row group, row in group, row in shard) of every row that passes the filters [N, 4]."""
        places = []
        for number, shard in enumerate(self._shards):
            file = self._open(shard.path)
            if file.metadata.num_rows != shard.rows:
                found = file.metadata.num_rows
                raise CorruptData(f"{self._store}/{shard.path} has {found} rows, its manifest says {shard.rows}.")
            sizes = [file.metadata.row_group(group).num_rows for group in range(file.metadata.num_row_groups)]
            group = np.repeat(np.arange(len(sizes)), sizes)
            within = np.concatenate([np.arange(size) for size in sizes] or [np.arange(0)])
            keep = np.ones(len(group), dtype=bool)
            if equals:
                table = self._read_columns(file, shard.path, list(equals))
                for name, value in equals.items():
                    keep &= pc.is_in(table[name], _wanted(name, value, table[name].type)).to_numpy()
            rows = np.stack([np.full(len(group), number), group, within, np.arange(len(group))], axis=1)
            places.append(rows[keep])
        return np.concatenate(places or [np.empty((0, 4))]).astype(np.int32)

    def __repr__(self) -> str:
        return f"ShardDataset({self.folder!r}, {len(self)} rows)"

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Row:
        """One row; negative indices count from the end. Columns are read when asked for, see `Row`."""
        shard, group, row, _ = self._places[index].tolist()
        return Row(_Stored(self, (shard, group, row)))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}, "_media": _Cache(_CACHED_PARTS), "_plain": _Cache(_CACHED_PLAIN)}

    @property
    def folder(self) -> str:
        """The dataset's folder or URL, as it was named."""
        return str(self._store)

    @property
    def shards(self) -> tuple[Shard, ...]:
        """The files that are read; filters by columns leave out rows, never files."""
        return self._shards

    @property
    def places(self) -> NDArray[np.int32]:
        """(number of the shard, row in that shard) of every row [N, 2], ascending."""
        return self._places[:, (0, 3)]

    def find(self, clip_id: str) -> Row:
        """The row of this id. Raises UnknownName."""
        ids = self.column("id")
        if clip_id not in ids:
            raise UnknownName("clip", clip_id, ids, str(self._store))
        return self[ids.index(clip_id)]

    def column(self, name: str) -> list[Any]:
        """All values of one column, in row order, without reading the others."""
        values: list[Any] = self.table(name)[name].to_pylist()
        return values

    def table(self, *names: str) -> pa.Table:
        """These columns, in row order, without reading the others. Raises UnknownName."""
        bounds = np.searchsorted(self._places[:, 0], np.arange(len(self._shards) + 1))
        parts = []
        for shard, (first, end) in zip(self._shards, pairwise(bounds), strict=True):
            file = self._open(shard.path)
            for name in names:
                if name not in file.schema_arrow.names:
                    raise UnknownName("column", name, file.schema_arrow.names)
            parts.append(self._read_columns(file, shard.path, list(names)).take(self._places[first:end, 3]))
        return pa.concat_tables(parts or [schema().empty_table().select(list(names))])

    def epoch(
        self, *, seed: int, epoch: int = 0, rank: int = 0, world: int = 1, skip: int = 0, even: bool = False
    ) -> Iterator[Row]:
        """One shuffled pass: row groups in random order, rows shuffled within each.

        All ranks together yield every row once; the order depends on the arguments alone.

        Args:
            seed: of the order.
            epoch: number of the pass; each has an order of its own.
            rank: number of this process.
            world: number of processes.
            skip: rows that this rank has already seen, to resume exactly.
            even: leave out up to world - 1 rows, so that all ranks have the same number.

        Raises:
            InvalidInput: no such rank, or a negative skip.
        """
        if not 0 <= rank < world or skip < 0:
            raise InvalidInput(f"rank must be 0 to world - 1 and skip 0 or more, got {rank=}, {world=}, {skip=}")
        order = self.epoch_order(seed, epoch)
        for place in share(len(order), rank, world, even=even)[skip:]:
            yield self[order[place]]

    def epoch_order(self, seed: int, epoch: int = 0) -> list[int]:
        """The shuffled indices of one epoch."""
        groups: dict[tuple[int, int], list[int]] = {}
        for index, (shard, group, _) in enumerate(self._places[:, :3].tolist()):
            groups.setdefault((shard, group), []).append(index)
        blocks = list(groups.values())
        rng = Rng("epoch", seed, epoch)
        rng.shuffle(blocks)
        for block in blocks:
            rng.shuffle(block)
        return [index for block in blocks for index in block]

    def part(self, shard: int, group: int, name: str) -> pa.Table:
        """A column of a row group, with all others if it is a plain one; the last few stay in memory."""
        alone = name in MEDIA_COLUMNS
        cache, key = (self._media, (shard, group, name)) if alone else (self._plain, (shard, group, ""))
        return cache.get(key, lambda: self._read_part(shard, group, [name] if alone else self._others))

    def _read_part(self, shard: int, group: int, names: list[str]) -> pa.Table:
        if shard not in self._files:
            self._files[shard] = self._open(self._shards[shard].path)
        try:
            return self._files[shard].read_row_group(group, columns=names)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(f"{self._store}/{self._shards[shard].path}: row group {group}", error) from error

    def _open(self, shard: str) -> pq.ParquetFile:
        try:
            return self._store.parquet(shard)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(f"{self._store}/{shard}", error) from error

    def _read_columns(self, file: pq.ParquetFile, shard: str, names: list[str]) -> pa.Table:
        try:
            return file.read(columns=names)
        except (pa.ArrowException, OSError) as error:
            raise _unreadable(f"{self._store}/{shard}", error) from error


def share(count: int, rank: int, world: int, *, even: bool = False) -> range:
    """The part of `count` things in a row that one of `world` takes; sizes differ by one, or not at all if `even`."""
    if even:
        count -= count % world
    return range(count * rank // world, count * (rank + 1) // world)


def _unreadable(what: str, error: Exception) -> CorruptData:
    reason = " ".join(str(error).split())  # Arrow explains itself on several lines
    return CorruptData(f"{what} cannot be read: {reason}")


def _wanted(name: str, value: Any, kind: pa.DataType) -> pa.Array:
    """The values that a filter keeps, as a column of this type."""
    values = list(value) if isinstance(value, (list, tuple, set)) else [value]
    try:
        return pa.array(values, kind)
    except (pa.ArrowException, OverflowError) as error:
        raise InvalidInput(f"column {name!r} holds {kind}, it cannot be compared with {value!r}") from error

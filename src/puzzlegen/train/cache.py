"""Latents of a dataset's clips on disk: each clip is encoded once, and read in any order through memory maps.

A file holds latents of up to 256 consecutive rows of one shard: of those that any dataset with these shards, whatever
its filters, has asked for. Its name is made of the shard's content, the codec, the clips' size, the numbers' type and
the rows, so changed data or another codec never match it, and are encoded anew. Files are whole or absent.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from puzzlegen.errors import CorruptData, Incomplete, InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import is_abandoned, make_folder
from puzzlegen.train.latents import LatentShape
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.runs import Precision
from puzzlegen.train.tensorfile import REMEDY, map_tensors, write_tensors
from puzzlegen.types import Progress, silent

CHUNK_ROWS = 256
"""Clips of a file: what a killed run does again."""
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_NAME = "latents"
_DECODERS = 4


class ClipSize(NamedTuple):
    """What all clips of a cache share."""

    num_frames: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.num_frames}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """What a dataset has of consecutive rows of one shard, and the file of their latents."""

    path: Path
    facts: dict[str, str]
    """What the file must say of itself."""
    rows: list[int]
    """The dataset's, as numbered in the shard, ascending."""
    ids: list[str]
    """Of these rows' clips."""
    first: int
    """The dataset's index of the first of them; the others follow."""


class LatentCache:
    """The latents of a dataset's clips, by row; picklable, and quick to open, as none are read before they are used."""

    def __init__(self, folder: Path, dataset: ShardDataset, fingerprint: str, *, dtype: Precision = "float32") -> None:
        """Open what `cache_latents` wrote, and check of every file that it is of these clips and this codec.

        Args:
            folder: of the cache.
            dataset: index i of the cache is row i of this dataset.
            fingerprint: the codec's.
            dtype: of the numbers on disk.

        Raises:
            Incomplete: some clips are not in the cache.
            CorruptData: a file is not what its name says, or damaged.
            InvalidInput: the dataset has no clips, or clips of different sizes.
        """
        chunks = _chunks(folder, dataset, fingerprint, clip_size(dataset), dtype)
        self._paths = [chunk.path for chunk in chunks]
        self._maps: dict[int, Tensor] = {}
        places: list[tuple[int, int]] = []
        for number, chunk in enumerate(chunks):
            held, self._maps[number] = _held(chunk)
            places += ((number, held[row]) for row in chunk.rows if row in held)
        if len(places) < len(dataset):
            count = f"{len(dataset) - len(places)} of {len(dataset)}"
            raise Incomplete(f"{count} clips are not cached in {folder}; run: puzzlegen train cache --config F")
        self._places = np.array(places, dtype=np.int32)
        for path, z_BCTHW in zip(self._paths, self._maps.values(), strict=True):
            if z_BCTHW.shape[1:] != self._maps[0].shape[1:]:
                raise _refusal(path, f"its latents are {[*z_BCTHW.shape[1:]]}, not {[*self.shape_CTHW]}")

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Tensor:
        """Latents float32 [C, T', H', W'] of a row's clip; negative indices count from the end."""
        chunk, position = self._places[index].tolist()
        return self._map(chunk)[position].to(torch.float32, copy=True)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_maps": {}}

    @property
    def shape_CTHW(self) -> LatentShape:
        """Of every clip's latents."""
        channels, frames, height, width = self._map(0).shape[1:]
        return channels, frames, height, width

    def gather(self, indices: Sequence[int]) -> Tensor:
        """Latents float32 [B, C, T', H', W'] of these rows."""
        return torch.stack([self[index] for index in indices])

    def _map(self, chunk: int) -> Tensor:
        if chunk not in self._maps:
            self._maps[chunk] = map_tensors(self._paths[chunk])[0][_NAME]
        return self._maps[chunk]


def cache_latents(
    policy: VideoPolicy,
    dataset: ShardDataset,
    folder: Path,
    *,
    rank: int = 0,
    world: int = 1,
    batch: int = 8,
    dtype: Precision = "float32",
    progress: Progress = silent,
) -> None:
    """Encode what the folder does not hold yet. Neither ranks nor kills change the bytes.

    Args:
        policy: the model whose latents they are.
        dataset: its clips are encoded; it must have the columns id and video.
        folder: of the cache; made if it is not there.
        rank: number of this process, which writes every `world`-th file; ranks may run at the same time.
        world: number of processes.
        batch: clips that are encoded at once.
        dtype: of the numbers on disk.
        progress: told about encoded clips.

    Raises:
        InvalidInput: no such rank; clips of different sizes, or of one that the model cannot take.
        CorruptData: a clip cannot be decoded, or a file of the cache is not what its name says.
        OutputError: the folder cannot be written.
    """
    if not 0 <= rank < world or batch < 1:
        raise InvalidInput(f"rank must be 0 to world - 1 and batch 1 or more, got {rank=}, {world=}, {batch=}")
    size = clip_size(dataset)
    shape = policy.codec.latent_shape(*size)
    chunks = _chunks(folder, dataset, policy.codec.fingerprint, size, dtype)[rank::world]
    make_folder(folder)
    _clear_leftovers(folder, chunks)
    lacking = [_lacking(chunk) for chunk in chunks]
    total = sum(map(len, lacking))
    rows = (dataset[chunk.first + which] for chunk, some in zip(chunks, lacking, strict=True) for which in some)
    with closing(_decoded(rows, size, batch)) as clips:
        for chunk, wanted in zip(chunks, lacking, strict=True):
            z_BCTHW, videos = torch.empty((len(wanted), *shape), dtype=_DTYPES[dtype]), []
            for start in range(0, len(wanted), batch):
                some = list(islice(clips, min(batch, len(wanted) - start)))
                frames_BTHWC = torch.from_numpy(np.stack([clip.frames for clip in some]))
                z_BCTHW[start : start + len(some)] = policy.encode(frames_BTHWC)
                videos += [clip.video for clip in some]
                progress("latents", len(some), total)
            if wanted:
                _add(chunk, wanted, videos, z_BCTHW)


def clip_size(dataset: ShardDataset) -> ClipSize:
    """Of all clips. Raises InvalidInput if they differ, or if there are none."""
    names = list(ClipSize._fields)
    sizes = [ClipSize(**size) for size in dataset.table(*names).group_by(names).aggregate([]).to_pylist()]
    if not sizes:
        raise InvalidInput(f"{dataset.folder} has no clips for these filters. Loosen them.")
    if len(sizes) > 1:
        rows = dataset.table("id", *names).to_pylist()
        seen = {ClipSize(*map(row.get, names)): row["id"] for row in reversed(rows)}
        one, another = (f"{seen[size]} is {size}" for size in sizes[:2])
        raise InvalidInput(
            f"{dataset.folder} has clips of different sizes: {one}, {another}. "
            "Keep those of one size, with a filter by width, height or num_frames."
        )
    return sizes[0]


def _chunks(folder: Path, dataset: ShardDataset, fingerprint: str, size: ClipSize, dtype: Precision) -> list[_Chunk]:
    """The dataset's rows by the files of their latents, in order."""
    shards, rows = dataset.places.T.astype(np.int64)
    keys, firsts = np.unique(shards << 32 | rows // CHUNK_ROWS, return_index=True)
    ids = dataset.column("id")
    chunks = []
    for key, first, end in zip(keys.tolist(), firsts.tolist(), [*firsts.tolist()[1:], len(ids)], strict=True):
        shard, start = dataset.shards[key >> 32], (key & 0xFFFFFFFF) * CHUNK_ROWS
        stop = min(start + CHUNK_ROWS, shard.rows)
        facts = {"codec": fingerprint, "size": str(size), "dtype": dtype, "range": f"{start:06}-{stop:06}"}
        name = "-".join((shard.sha256[:16], *facts.values())) + ".safetensors"
        facts["shard"] = shard.sha256
        chunks.append(
            _Chunk(path=folder / name, facts=facts, rows=rows[first:end].tolist(), ids=ids[first:end], first=first)
        )
    return chunks


def _lacking(chunk: _Chunk) -> list[int]:
    """Which of a chunk's rows have no latents yet."""
    held, _ = _held(chunk)
    return [which for which, row in enumerate(chunk.rows) if row not in held]


def _add(chunk: _Chunk, added: list[int], videos: list[str], z_BCTHW: Tensor) -> None:
    """Write a chunk's file: latents of these of its rows, and what is there already."""
    rows, ids = ([values[which] for which in added] for values in (chunk.rows, chunk.ids))
    clips: dict[str, list[Any]] = {"rows": rows, "ids": ids, "videos": videos}
    if chunk.path.exists():
        tensors, facts = map_tensors(chunk.path)
        order = np.argsort(facts["rows"] + rows).tolist()
        z_BCTHW = torch.cat((tensors[_NAME], z_BCTHW))[order]
        clips = {key: [(facts[key] + values)[position] for position in order] for key, values in clips.items()}
    write_tensors(chunk.path, {_NAME: z_BCTHW}, {**chunk.facts, **clips})


def _clear_leftovers(folder: Path, chunks: Iterable[_Chunk]) -> None:
    """Delete what a killed run of this rank has not finished; other ranks and runs may be writing."""
    own = {chunk.path for chunk in chunks}
    for path in folder.iterdir():
        if is_abandoned(path) and path.with_suffix("") in own:
            path.unlink(missing_ok=True)


class _Clip(NamedTuple):
    video: str  # sha256 of the mp4
    frames: NDArray[np.uint8]  # [T, H, W, 3]


def _decoded(rows: Iterable[Row], size: ClipSize, ahead: int) -> Generator[_Clip, None, None]:
    """The rows' clips in turn, some of them decoded by threads while others are encoded."""
    with ThreadPoolExecutor(_DECODERS) as pool:
        waiting: deque[Future[_Clip]] = deque()
        for row in rows:
            waiting.append(pool.submit(_decode, row, size))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _decode(row: Row, size: ClipSize) -> _Clip:
    try:
        frames = row.frames()
    except CorruptData as error:
        raise CorruptData(f"clip {row['id']}: {error}") from error
    if (found := ClipSize(*frames.shape[:3])) != size:
        raise CorruptData(f"clip {row['id']} is {found}, its row says {size}. Run: puzzlegen verify")
    return _Clip(hashlib.sha256(row.video).hexdigest(), frames)


def _held(chunk: _Chunk) -> tuple[dict[int, int], Tensor]:
    """The places in the chunk's file by row of the shard, and its latents; nothing if there is no file.

    Raises CorruptData if the file is damaged, or of other clips.
    """
    if not chunk.path.exists():
        return {}, torch.empty(0)
    tensors, facts = map_tensors(chunk.path)
    for key, own in chunk.facts.items():
        if facts.get(key) != own:
            raise _refusal(chunk.path, f"its {key} is {facts.get(key)}, not {own}")
    z_BCTHW, rows, ids = tensors.get(_NAME, torch.empty(0)), facts["rows"], facts["ids"]
    if z_BCTHW.ndim != 5 or z_BCTHW.dtype != _DTYPES[facts["dtype"]] or not len(z_BCTHW) == len(rows) == len(ids):
        has = f"{str(z_BCTHW.dtype).removeprefix('torch.')} {[*z_BCTHW.shape]}"
        raise _refusal(chunk.path, f"its latents are {has}, with {len(rows)} rows and {len(ids)} ids")
    held = {row: position for position, row in enumerate(rows)}
    for row, own in zip(chunk.rows, chunk.ids, strict=True):
        if row in held and ids[held[row]] != own:
            raise _refusal(chunk.path, f"its row {row} is of clip {ids[held[row]]}, not {own}")
    return held, z_BCTHW


def _refusal(path: Path, what: str) -> CorruptData:
    return CorruptData(f"{path} holds no latents of these clips: {what}. {REMEDY}")

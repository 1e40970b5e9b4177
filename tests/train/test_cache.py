"""Latents on disk: the policy's to the last bit, whole or absent, and never those of other clips or another codec."""

from __future__ import annotations

import errno
import os
import pickle
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from safetensors.torch import load_file  # noqa: E402

from puzzlegen.errors import CorruptData, Incomplete, InvalidInput, OutputError, PuzzlegenError  # noqa: E402
from puzzlegen.generate.engines import InProcess  # noqa: E402
from puzzlegen.generate.plan import Request  # noqa: E402
from puzzlegen.generate.run import generate  # noqa: E402
from puzzlegen.generate.sample import Stream  # noqa: E402
from puzzlegen.render.formats import FORMATS, parse_format  # noqa: E402
from puzzlegen.shards.manifest import read_manifest, sha256_of, write_manifest  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.train import cache  # noqa: E402
from puzzlegen.train.cache import LatentCache, cache_latents  # noqa: E402
from puzzlegen.train.latents import PixelCodec  # noqa: E402
from puzzlegen.train.tensorfile import map_tensors, write_tensors  # noqa: E402
from runs import contents, kill_group, wait_for  # noqa: E402
from tiny_wan import saved_wan, tiny_toy, tiny_wan  # noqa: E402

POLICY = tiny_toy()
CODEC = POLICY.codec.fingerprint


def make(out: Path, seed: int = 3, formats: tuple[str, ...] = ("32x32x9@8",), num: int = 10) -> Path:
    """Clips of two tasks in shards of 8 rows."""
    streams = tuple(
        Stream(recipe=task, level="tiny", seed=seed, clip=FORMATS.get(name) or parse_format(name))
        for task, name in zip(("maze", "sokoban"), formats * 2, strict=False)
    )
    generate(Request(streams=streams, num=num, shard_rows=8), out, InProcess(), lambda stage, done, total: None)
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("clips") / "data", formats=("64x64x25@8",))


@pytest.fixture(scope="module")
def dataset(folder: Path) -> ShardDataset:
    return ShardDataset(folder)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that shards of 8 rows have three files, the last a short one."""
    monkeypatch.setattr(cache, "CHUNK_ROWS", 3)


@pytest.fixture(scope="module")
def whole(dataset: ShardDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache of all clips; tests that change it take a copy."""
    out = tmp_path_factory.mktemp("whole") / "cache"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "CHUNK_ROWS", 3)
        cache_latents(POLICY, dataset, out)
    return out


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(whole, tmp_path / "copy")


def encoded(dataset: ShardDataset, index: int) -> torch.Tensor:
    return POLICY.encode(torch.from_numpy(dataset[index].frames()[None]))[0]


def refused(kind: type[PuzzlegenError], call: Callable[[], object], *words: str) -> None:
    """It ends with one line that has these words."""
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# --- what comes back


def test_latents_are_the_policys_to_the_last_bit(dataset: ShardDataset, whole: Path) -> None:
    latents = LatentCache(whole, dataset, CODEC)
    assert len(latents) == len(dataset) == 20
    assert latents.shape_CTHW == POLICY.codec.latent_shape(25, 64, 64)
    for index in range(len(dataset)):
        assert torch.equal(latents[index], encoded(dataset, index))
        assert latents[index].dtype == torch.float32


def test_random_access_equals_sequential_reading(dataset: ShardDataset, whole: Path) -> None:
    latents = LatentCache(whole, dataset, CODEC)
    rows = list(latents)
    order = np.random.default_rng(0).permutation(len(rows)).tolist()
    assert torch.equal(latents.gather(order), torch.stack([rows[index] for index in order]))
    assert torch.equal(latents[-1], rows[-1])
    for index in (len(rows), -len(rows) - 1):
        with pytest.raises(IndexError):
            latents[index]


def test_a_pickled_cache_reads_the_same_and_is_small(dataset: ShardDataset, whole: Path) -> None:
    latents = LatentCache(whole, dataset, CODEC)
    data = pickle.dumps(latents)
    assert len(data) < 5_000, "what is mapped stays behind"
    assert torch.equal(pickle.loads(data).gather(range(20)), latents.gather(range(20)))


def test_what_is_done_to_a_latent_is_not_seen_by_the_next_reader(dataset: ShardDataset, whole: Path) -> None:
    latents = LatentCache(whole, dataset, CODEC)
    latents[4].zero_()
    assert torch.equal(latents[4], encoded(dataset, 4))


def test_half_precision_halves_the_files_and_rounds_once(dataset: ShardDataset, whole: Path, tmp_path: Path) -> None:
    cache_latents(POLICY, dataset, tmp_path, dtype="bfloat16")
    latents = LatentCache(tmp_path, dataset, CODEC, dtype="bfloat16")
    assert latents[7].dtype == torch.float32
    assert torch.equal(latents[7], encoded(dataset, 7).bfloat16().float())
    sizes = [sum(map(len, contents(place).values())) for place in (tmp_path, whole)]
    assert 0.5 < sizes[0] / sizes[1] < 0.51
    refused(Incomplete, lambda: LatentCache(tmp_path, dataset, CODEC), "20 of 20 clips are not cached")


def test_wans_latents_come_back_too(folder: Path, tmp_path: Path) -> None:
    policy, few = tiny_wan(saved_wan(tmp_path / "wan")), ShardDataset(folder, index=[0])
    cache_latents(policy, few, tmp_path / "cache", batch=1)
    latents = LatentCache(tmp_path / "cache", few, policy.codec.fingerprint)
    assert latents.shape_CTHW == (48, 7, 4, 4)
    for index, row in enumerate(few):
        assert torch.equal(latents[index], policy.encode(torch.from_numpy(row.frames()[None]))[0])


def test_the_codec_of_the_policy_is_asked_for_a_clips_size_first(dataset: ShardDataset, tmp_path: Path) -> None:
    policy = tiny_toy()
    policy.codec = PixelCodec(2, 4, patches_per_token=5)
    refused(InvalidInput, lambda: cache_latents(policy, dataset, tmp_path / "none"), "64x64 pixels cannot be encoded")
    assert not (tmp_path / "none").exists()


# --- filters and splits


def test_all_views_of_a_dataset_share_a_cache(folder: Path, dataset: ShardDataset, whole: Path, tmp_path: Path) -> None:
    one = ShardDataset(folder, task="sokoban")
    cache_latents(POLICY, one, tmp_path)
    latents = LatentCache(tmp_path, one, CODEC)
    for index in range(len(one)):
        assert torch.equal(latents[index], encoded(one, index))
    words = "10 of 20 clips are not cached", "run: puzzlegen train cache --config F"
    refused(Incomplete, lambda: LatentCache(tmp_path, dataset, CODEC), *words)
    told: list[tuple[str, int, int]] = []
    cache_latents(POLICY, dataset, tmp_path, batch=2, progress=lambda *news: told.append(news))
    assert contents(tmp_path) == contents(whole)
    assert sum(done for _, done, _ in told) == told[0][2] == 10, "no clip is encoded twice"
    assert torch.equal(LatentCache(tmp_path, one, CODEC).gather(range(10)), latents.gather(range(10)))


def test_a_split_has_files_of_its_own_shards_only(folder: Path, whole: Path, tmp_path: Path) -> None:
    for name in {shard["split"] for shard in read_manifest(folder)["shards"]}:
        part = ShardDataset(folder, split=name)
        cache_latents(POLICY, part, tmp_path / name)
        assert len(LatentCache(tmp_path / name, part, CODEC)) == len(part)
    parts = [contents(place) for place in tmp_path.iterdir()]
    assert {name: data for part in parts for name, data in part.items()} == contents(whole)


def test_filters_that_leave_nothing_are_refused(folder: Path, tmp_path: Path) -> None:
    nothing = ShardDataset(folder, num_actions=999)
    refused(InvalidInput, lambda: LatentCache(tmp_path, nothing, CODEC), str(folder), "Loosen")


def test_clips_of_different_sizes_are_refused_and_those_of_one_are_kept(tmp_path: Path) -> None:
    folder = make(tmp_path / "mixed", formats=("64x64x25@8", "96x64x25@8"), num=3)
    mixed, cached = ShardDataset(folder), tmp_path / "cache"
    words = str(folder), "maze-tiny-3-", "64x64x25", "sokoban-tiny-3-", "96x64x25", "filter by width"
    refused(InvalidInput, lambda: cache_latents(POLICY, mixed, cached), *words)
    refused(InvalidInput, lambda: LatentCache(cached, mixed, CODEC), *words)
    wide = ShardDataset(folder, width=96)
    cache_latents(POLICY, wide, cached)
    assert LatentCache(cached, wide, CODEC).shape_CTHW == (12, 25, 32, 48)


# --- ranks and kills


def test_two_ranks_write_what_one_does(dataset: ShardDataset, whole: Path, tmp_path: Path) -> None:
    for rank in (1, 0):
        cache_latents(POLICY, dataset, tmp_path, rank=rank, world=2, batch=5)
        assert 0 < len([*tmp_path.iterdir()]) <= len([*whole.iterdir()])
    assert contents(tmp_path) == contents(whole)
    refused(InvalidInput, lambda: cache_latents(POLICY, dataset, tmp_path, rank=2, world=2), "rank=2")


SLOWLY = """
import sys, time
from pathlib import Path
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train import cache
from tiny_wan import tiny_toy
cache.CHUNK_ROWS = 3
policy = tiny_toy()
encode = policy.encode
policy.encode = lambda frames: (time.sleep(0.1), encode(frames))[1]
cache.cache_latents(policy, ShardDataset(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_killed_run_is_resumed_to_the_same_bytes(folder: Path, whole: Path, tmp_path: Path) -> None:
    paths = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", SLOWLY, folder, tmp_path / "cache"],
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,
    )
    assert wait_for(lambda: len([*tmp_path.glob("cache/*.safetensors")]) >= 2, process)
    kill_group(process)
    made = contents(tmp_path / "cache")
    assert 2 <= len(made) < len(contents(whole))
    assert made.items() <= contents(whole).items(), "what is there is whole"
    cache_latents(POLICY, ShardDataset(folder), tmp_path / "cache")
    assert contents(tmp_path / "cache") == contents(whole)


def test_leftovers_are_cleared_by_the_rank_that_left_them(dataset: ShardDataset, whole: Path, copy: Path) -> None:
    names = list(contents(whole))
    for name in names:
        (copy / name).rename(copy / f"{name}.tmp-12345")
    cache_latents(POLICY, dataset, copy, rank=1, world=2)
    left = [path.name for path in copy.iterdir() if ".tmp-" in path.name]
    assert 0 < len(left) < len(names)
    cache_latents(POLICY, dataset, copy, rank=0, world=2)
    assert contents(copy) == contents(whole)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Inside, this process can write no file of more bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_file_that_cannot_be_finished_is_not_there(dataset: ShardDataset, tmp_path: Path) -> None:
    with largest_file(100_000):
        refused(OutputError, lambda: cache_latents(POLICY, dataset, tmp_path), str(tmp_path), "File too large")
    assert contents(tmp_path) == {}


def test_a_full_disk_is_one_line_and_leaves_whole_files(
    dataset: ShardDataset, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, synced = os.fsync, []

    def full(file: int) -> None:
        synced.append(file)
        if len(synced) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(file)

    monkeypatch.setattr(os, "fsync", full)
    refused(OutputError, lambda: cache_latents(POLICY, dataset, tmp_path), str(tmp_path), "the disk is full")
    assert len(contents(tmp_path)) == 2
    cache_latents(POLICY, dataset, tmp_path)
    assert contents(tmp_path) == contents(whole)


# --- what is not of these clips


Damage = Callable[[Path, Path], object]


def facts(**changes: object) -> Damage:
    """Let a file say something else of itself."""
    return lambda path, other: write_tensors(path, load_file(path), map_tensors(path)[1] | changes)


def latents(change: Callable[[torch.Tensor], torch.Tensor], name: str = "latents") -> Damage:
    """Put other numbers into a file."""
    return lambda path, other: write_tensors(path, {name: change(load_file(path)["latents"])}, map_tensors(path)[1])


def swap(path: Path, other: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(other.read_bytes())
    other.write_bytes(data)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path, other: os.truncate(path, 5000), "cannot be read"),
        (lambda path, other: path.write_bytes(b""), "cannot be read"),
        (lambda path, other: path.write_bytes(other.read_bytes()), "its range is"),
        (swap, "its range is"),
        (lambda path, other: write_tensors(path, load_file(path), {}), "its codec is None"),
        (facts(codec="pixels-4-1"), "its codec is pixels-4-1"),
        (facts(size="9x9x9"), "its size is 9x9x9"),
        (facts(shard="0"), "its shard is 0"),
        (facts(ids=["a", "b", "c"]), "its row 0 is of clip a"),
        (facts(ids=["a", "b"]), "with 3 rows and 2 ids"),
        (latents(lambda z: z[:2].clone()), "its latents are float32 [2, 12"),
        (latents(lambda z: z.bfloat16()), "its latents are bfloat16"),
        (latents(lambda z: z, "other"), "its latents are float32 [0]"),
    ],
)
def test_a_file_that_belies_its_name_is_refused(dataset: ShardDataset, copy: Path, damage: Damage, words: str) -> None:
    path, other = sorted(copy.iterdir())[:2]
    damage(path, other)
    for call in (lambda: LatentCache(copy, dataset, CODEC), lambda: cache_latents(POLICY, dataset, copy)):
        refused(CorruptData, call, copy.as_posix(), words, "Delete it and run: puzzlegen train cache --config F")


def test_latents_of_another_shape_than_the_others_are_refused(dataset: ShardDataset, copy: Path) -> None:
    path = sorted(copy.iterdir())[3]
    latents(lambda z: z[:, :, :1].clone())(path, path)
    refused(CorruptData, lambda: LatentCache(copy, dataset, CODEC), "its latents are")


def test_another_codec_has_files_of_its_own(dataset: ShardDataset, whole: Path, copy: Path) -> None:
    other = tiny_toy()
    other.codec = PixelCodec(4)
    refused(Incomplete, lambda: LatentCache(copy, dataset, other.codec.fingerprint), "20 of 20 clips are not cached")
    cache_latents(other, dataset, copy)
    assert LatentCache(copy, dataset, other.codec.fingerprint).shape_CTHW == (48, 25, 16, 16)
    assert contents(whole).items() < contents(copy).items()


def changed(folder: Path, out: Path, change: Callable[[list[dict[str, Any]]], object]) -> ShardDataset:
    """A copy of a dataset with other rows in its first shard."""
    shutil.copytree(folder, out)
    manifest = read_manifest(out)
    first, *others = manifest["shards"]
    table = pq.read_table(out / first["path"])
    rows = table.to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / first["path"])
    write_manifest(out, manifest | {"shards": [first | {"sha256": sha256_of(out / first["path"])}, *others]})
    return ShardDataset(out)


def test_a_changed_shard_is_encoded_anew_and_the_others_are_not(
    folder: Path, dataset: ShardDataset, copy: Path, tmp_path: Path
) -> None:
    other = changed(folder, tmp_path / "other", lambda rows: rows[0].update(video=rows[1]["video"]))
    count = other.shards[0].rows
    refused(Incomplete, lambda: LatentCache(copy, other, CODEC), f"{count} of 20 clips are not cached")
    cache_latents(POLICY, other, copy)
    assert torch.equal(LatentCache(copy, other, CODEC)[0], encoded(dataset, 1))
    assert torch.equal(LatentCache(copy, dataset, CODEC)[0], encoded(dataset, 0))


def test_a_clip_that_cannot_be_decoded_is_named(folder: Path, tmp_path: Path) -> None:
    broken = changed(folder, tmp_path / "a", lambda rows: rows[4]["video"].update(bytes=b"not a video"))
    words = broken[4]["id"], "cannot be decoded"
    refused(CorruptData, lambda: cache_latents(POLICY, broken, tmp_path / "cache"), *words)
    assert len(contents(tmp_path / "cache")) == 1, "the file before that clip's"


def test_a_clip_of_another_size_than_its_row_says_is_refused(folder: Path, tmp_path: Path) -> None:
    changed(folder, tmp_path / "a", lambda rows: rows[2].update(num_frames=29))
    broken = ShardDataset(tmp_path / "a", num_frames=29)
    words = broken[0]["id"], "is 64x64x25, its row says 64x64x29"
    refused(CorruptData, lambda: cache_latents(POLICY, broken, tmp_path / "cache"), *words)

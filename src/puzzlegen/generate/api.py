"""`puzzlegen.make_dataset`: what `puzzlegen generate` does, as one call."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing, nullcontext
from pathlib import Path

from puzzlegen import registry
from puzzlegen.errors import InvalidInput
from puzzlegen.generate.engines import InProcess, LocalPool
from puzzlegen.generate.plan import Request
from puzzlegen.generate.run import generate
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.types import Progress, silent


def make_dataset(
    *targets: str,
    num: int,
    out: str | Path,
    seed: int = 0,
    clip: str | None = None,
    split: str | None = None,
    looks: Sequence[str] = (),
    shard_rows: int = 1000,
    workers: int = 1,
    progress: Progress = silent,
) -> ShardDataset:
    """Write a verified dataset, or go on with one that is not whole yet, and open it.

    >>> puzzlegen.make_dataset("maze", "sokoban:hard", num=20, out="data")[0].frames()  # doctest: +SKIP

    Args:
        targets: RECIPE or RECIPE:LEVEL; RECIPE:all means every level.
        num: clips for each of them.
        out: folder, or a URL such as s3://bucket/prefix.
        seed: another one gives other puzzles.
        clip: format, such as "square256" or "64x64x25@8"; the recipe's if not given.
        split: keep only puzzles of this split.
        looks: draw only these looks; all if empty.
        shard_rows: clips a Parquet file.
        workers: processes; a script that asks for several needs `if __name__ == "__main__":`. Never changes rows.
        progress: told about finished work.

    Raises:
        InvalidInput: no such recipe, level, look, split or format (UnknownName), or one that does not fit.
        OutputError: the folder holds something else, or cannot be written.
    """
    request = request_for(targets, num=num, seed=seed, clip=clip, split=split, looks=looks, shard_rows=shard_rows)
    with closing(LocalPool(workers)) if workers > 1 else nullcontext(InProcess()) as engine:
        generate(request, out, engine, progress)
    return ShardDataset(out)


def request_for(
    targets: Sequence[str],
    *,
    num: int,
    seed: int = 0,
    clip: str | None = None,
    split: str | None = None,
    looks: Sequence[str] = (),
    shard_rows: int = 1000,
) -> Request:
    """The request of these arguments, which are those of `make_dataset`. Raises InvalidInput."""
    if not targets or num < 1 or shard_rows < 1:
        raise InvalidInput(f"Ask for one recipe, clip and row at least, got {targets=}, {num=}, {shard_rows=}.")
    if not -(2**63) <= seed < 2**63:
        raise InvalidInput(f"The seed (--seed) must fit into 64 bits, got {seed}.")
    streams = []
    for target in targets:
        name, level = _parse_target(target)
        recipe = registry.load(name)
        if level == "all":
            levels = list(recipe.levels)
        else:
            levels = [level or ("medium" if "medium" in recipe.levels else next(iter(recipe.levels)))]
        for chosen in levels:
            recipe.level(chosen)
            shape = parse_format(clip or recipe.clip)
            streams.append(Stream(recipe=name, level=chosen, seed=seed, clip=shape, split=split, looks=tuple(looks)))
    names = [(registry.load(stream.recipe).name, stream.level) for stream in streams]
    for name, level in names:
        if names.count((name, level)) > 1:
            raise InvalidInput(f"{name}:{level} is asked for twice. Name it once and ask for more clips (num).")
    return Request(streams=tuple(streams), num=num, shard_rows=shard_rows)


def _parse_target(target: str) -> tuple[str, str]:
    """(recipe, level or ""). The level follows the last colon."""
    head, colon, tail = target.rpartition(":")
    if not colon or tail.endswith(".toml") or "/" in tail:
        return target, ""
    if not head or not tail:
        raise InvalidInput(f"{target!r} is no RECIPE[:LEVEL].")
    return head, tail

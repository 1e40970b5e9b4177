"""What reading a dataset costs: one clip at random, and an epoch with one and two workers of a loader.

puzzlegen generate maze sokoban flowfree --num 3334 --format square256 --out data
python benchmarks/reading.py data

Milliseconds from `dataset[i]` to the thing, of random rows, with the files in the page cache. Loaders are measured in
turn, so that a busy machine slows all of them, in batches of 8; a worker's start is left out.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch.utils.data import DataLoader

from puzzlegen import ClipStream, Row, ShardDataset

THINGS: dict[str, Callable[[Row], Any]] = {
    "its bytes": lambda row: row.video,
    "its prompt": lambda row: row["prompt"],
    "the first frame, decoded": lambda row: row.frames(at=[0]),
    "all frames, decoded": lambda row: row.frames(),
    "all frames, drawn again": lambda row: row.frames("render"),
}
SENT: dict[str, Callable[[Row], Any]] = {
    "decoded, 1/64 of the pixels sent": lambda row: row.frames()[::4, ::4, ::4].copy(),
    "drawn again, 1/64 of the pixels sent": lambda row: row.frames("render")[::4, ::4, ::4].copy(),
    "decoded, all pixels sent": lambda row: row.frames(),
}
"""What a worker makes of a clip and sends to the training loop: little, as after an encoder, or 10 MB."""
BATCH, WARM_UP = 8, 6


def random_access(dataset: ShardDataset, num: int) -> Iterator[tuple[str, float, float]]:
    """(thing, median, 90th percentile) in milliseconds."""
    rng = random.Random(0)
    for name, thing in THINGS.items():
        took = []
        for _ in range(num):
            index = rng.randrange(len(dataset))
            begin = time.perf_counter()
            thing(dataset[index])
            took.append(1000 * (time.perf_counter() - begin))
        yield name, statistics.median(took), statistics.quantiles(took, n=10)[-1]


def clips_a_second(dataset: ShardDataset, transform: Callable[[Row], Any], workers: int, num: int) -> float:
    """Of a loader with batches, after its first few."""
    stream = ClipStream(dataset, seed=workers, transform=transform)
    batches = iter(DataLoader(stream, batch_size=BATCH, num_workers=workers))
    for _ in range(WARM_UP):
        next(batches)
    begin = time.perf_counter()
    for _ in range(num // BATCH):
        next(batches)
    return num // BATCH * BATCH / (time.perf_counter() - begin)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("--num", type=int, default=300)
    options.add_argument("--repeats", type=int, default=5)
    given = options.parse_args()
    for shard in (given.folder / "data").iterdir():
        shard.read_bytes()  # into the page cache
    dataset = ShardDataset(given.folder)
    print(f"{len(dataset)} clips\n\n| from `dataset[i]` to | median ms | 90th percentile ms |\n|---|---|---|")
    for name, median, high in random_access(dataset, given.num):
        print(f"| {name} | {median:.2f} | {high:.2f} |", flush=True)
    print("\n| frames | clips a second, 1 worker | 2 workers | ratio |\n|---|---|---|---|")
    for name, transform in SENT.items():
        pairs = [
            [clips_a_second(dataset, transform, workers, given.num) for workers in (1, 2)] for _ in range(given.repeats)
        ]
        one, two = (statistics.median(rates) for rates in zip(*pairs, strict=True))
        ratio = statistics.median(two / one for one, two in pairs)
        print(f"| {name} | {one:.0f} | {two:.0f} | {ratio:.2f} |", flush=True)


if __name__ == "__main__":
    main()

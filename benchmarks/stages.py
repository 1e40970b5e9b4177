"""Clips per CPU second by stage (sample, solve, draw, encode, verify, write), one core, for each task and format.

    python benchmarks/stages.py [--formats square480 square256 wan480] [--level medium] [--clips 40] [--repeats 3]
                                [--kernels python]

Each clip goes the way that `puzzlegen generate` goes, on compiled kernels unless --kernels says otherwise. "draw" is
what the painter costs inside the encoder's loop, "encode" the rest of that loop; "x floor" is the whole over those two.
Of the repeats, each clip's best time in each stage counts: the machine may be shared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.render.formats import parse_format
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.shards.row import Row
from puzzlegen.shards.schema import ROW_GROUP
from puzzlegen.shards.writer import ShardWriter

STAGES = ("sample", "solve", "draw", "encode", "verify", "write")


class Stopwatch:
    """Adds CPU time to the stage that was named last."""

    def __init__(self) -> None:
        self.spent = dict.fromkeys((*STAGES, ""), 0.0)
        self._stage, self._since = "", time.process_time()

    def __call__(self, stage: str) -> None:
        now = time.process_time()
        self.spent[self._stage] += now - self._since
        self._stage, self._since = stage, now


def measure(recipe: Recipe, stream: Stream, num_clips: int) -> np.ndarray:
    """CPU milliseconds of every clip in every stage [clips, stages]; shards are written a row group at a time."""
    rows, spent = [], []
    for index in range(num_clips):
        watch = Stopwatch()
        instance = sample.draft(recipe, stream, index, stage=watch)
        rows.append(sample.render(recipe, stream, instance, stage=watch))
        watch("")
        watch.spent["draw"] = draw_again(recipe.task, rows[-1])
        watch.spent["encode"] -= watch.spent["draw"]
        spent.append([1000 * watch.spent[stage] for stage in STAGES])
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder, ShardWriter(Path(folder) / "shard.parquet") as writer:
        for start in range(0, len(rows), ROW_GROUP):
            writer.write(rows[start : start + ROW_GROUP])
    found = np.array(spent)
    found[:, STAGES.index("write")] += 1000 * (time.process_time() - began) / num_clips
    return found


def draw_again(task, columns) -> float:
    """CPU seconds of drawing a clip without encoding it."""
    row = Row(columns)
    start, look, clip = row.start, row.look, row.clip
    began = time.process_time()
    trajectory = replay(task, start, row["actions"])
    painter = Painter(task.backdrop(start), fit(task.shape(start), clip), clip, look)
    for _ in painter.frames(task, trajectory, pace(len(row["actions"]), clip)):
        pass
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="+", default=["square480", "square256"])
    parser.add_argument("--tasks", nargs="+", default=["maze", "sokoban", "flowfree"])
    parser.add_argument("--level", default="medium")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kernels", choices=("compiled", "python"), default="compiled")
    options = parser.parse_args()
    print(f"CPU-ms per clip, level {options.level}, {options.clips} clips, best of {options.repeats}")
    print(
        f"{'format':<10} {'task':<9}"
        + "".join(f"{stage:>8}" for stage in STAGES)
        + f"{'total':>8} {'x floor':>8} {'verify':>7} {'clips/CPU-s':>12}"
    )
    for clip_name in options.formats:
        means = []
        for task in options.tasks:
            recipe = registry.load(task, compiled=options.kernels == "compiled")
            stream = Stream(recipe=task, level=options.level, seed=1, clip=parse_format(clip_name))
            measure(recipe, stream, 3)  # warm up
            runs = [measure(recipe, stream, options.clips) for _ in range(options.repeats)]
            means.append(np.min(runs, axis=0).mean(axis=0))
            print_line(clip_name, task, means[-1])
        print_line(clip_name, "all", np.mean(means, axis=0))


def print_line(clip_name: str, task: str, spent: np.ndarray) -> None:
    """One line of the table: CPU milliseconds by stage, and what follows from them."""
    by_stage = dict(zip(STAGES, spent, strict=True))
    total, floor = spent.sum(), by_stage["draw"] + by_stage["encode"]
    cells = "".join(f"{value:8.2f}" for value in spent)
    share = f"{by_stage['verify'] / total:7.0%}"
    print(f"{clip_name:<10} {task:<9}{cells}{total:8.2f} {total / floor:8.2f} {share} {1000 / total:12.1f}", flush=True)


if __name__ == "__main__":
    main()

"""Clips per CPU second by stage (sample, solve, draw, encode, verify, write), one core, for each task and format.

    python benchmarks/stages.py [--formats square480 square256 wan480] [--level medium] [--clips 40] [--repeats 3]

Each clip goes the way that `puzzlegen generate` goes. "draw" is what the painter costs inside the encoder's loop,
"encode" the rest of that loop. The best of the repeats is printed: the machine may be shared.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.shards.reader import Row
from puzzlegen.shards.schema import ROW_GROUP
from puzzlegen.shards.writer import ShardWriter

STAGES = ("sample", "solve", "draw", "encode", "verify", "write")


class Stopwatch:
    """Adds CPU time to the stage that was named last."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._stage, self._since = "", time.process_time()

    def __call__(self, stage: str) -> None:
        now = time.process_time()
        self.spent[self._stage] += now - self._since
        self._stage, self._since = stage, now


def measure(task: str, level: str, clip_name: str, num_clips: int) -> dict[str, float]:
    """CPU milliseconds per clip by stage."""
    recipe = registry.load(task)
    stream = Stream(recipe=task, level=level, seed=1, clip=parse_format(clip_name))
    watch = Stopwatch()
    rows, instances = [], []
    for index in range(num_clips):
        instances.append(sample.draft(recipe, stream, index, stage=watch))
        rows.append(sample.render(recipe, stream, instances[-1], stage=watch))
    watch("write")
    with tempfile.TemporaryDirectory() as folder, ShardWriter(Path(folder) / "shard.parquet") as writer:
        for start in range(0, len(rows), ROW_GROUP):
            writer.write(rows[start : start + ROW_GROUP])
    watch("")
    spent = {stage: 1000 * watch.spent[stage] / num_clips for stage in STAGES}
    spent["draw"] = 1000 * draw_again(recipe.task, rows) / num_clips
    spent["encode"] -= spent["draw"]
    return spent


def draw_again(task, rows) -> float:
    """CPU seconds of drawing every clip without encoding it."""
    spent = 0.0
    for columns in rows:
        row = Row(columns)
        start, look, clip = row.start, row.look, row.clip
        began = time.process_time()
        trajectory = replay(task, start, row["actions"])
        painter = Painter(task.backdrop(start), fit(task.shape(start), clip), clip, look)
        for _ in painter.frames(task, trajectory, pace(len(row["actions"]), clip)):
            pass
        spent += time.process_time() - began
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--formats", nargs="+", default=["square480", "square256"])
    parser.add_argument("--tasks", nargs="+", default=["maze", "sokoban", "flowfree"])
    parser.add_argument("--level", default="medium")
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    print(f"CPU-ms per clip, level {options.level}, best of {options.repeats} x {options.clips} clips")
    print(
        f"{'format':<10} {'task':<9}" + "".join(f"{stage:>8}" for stage in STAGES) + f"{'total':>8} {'clips/CPU-s':>12}"
    )
    for clip_name in options.formats:
        totals = []
        for task in options.tasks:
            measure(task, options.level, clip_name, 3)  # warm up
            runs = [measure(task, options.level, clip_name, options.clips) for _ in range(options.repeats)]
            best = min(runs, key=lambda spent: sum(spent.values()))
            total = sum(best.values())
            totals.append(total)
            cells = "".join(f"{best[stage]:8.2f}" for stage in STAGES)
            print(f"{clip_name:<10} {task:<9}{cells}{total:8.2f} {1000 / total:12.1f}", flush=True)
        mean = sum(totals) / len(totals)
        print(f"{clip_name:<10} {'all':<9}{'':{8 * len(STAGES)}}{mean:8.2f} {1000 / mean:12.1f}")


if __name__ == "__main__":
    main()

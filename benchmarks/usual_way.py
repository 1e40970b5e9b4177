"""Our clips beside the usual way: every frame repainted with PIL, and an ffmpeg process for each clip (imageio-ffmpeg).

    python benchmarks/usual_way.py [--format square480] [--level medium] [--clips 8]

All ways get the same pictures. The usual way pastes every cell of every frame from tiles that were made once, which is
kinder to it than drawing their shapes again, and hands the frames to imageio as it does by default, or with the fastest
preset. CPU time is that of this process and of its children; PSNR and the worst pixel compare decoded RGB frames with
those that were drawn. "all in" is the whole of `puzzlegen generate`: sample, solve, draw, encode, verify, write.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import imageio.v2 as imageio
import numpy as np
from PIL import Image

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.render import video
from puzzlegen.render.formats import parse_format
from puzzlegen.render.motion import pace
from puzzlegen.render.planes import canvas_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import board, replay
from puzzlegen.shards.row import Row
from puzzlegen.types import Glyph

PRESETS = {
    "PIL + imageio-ffmpeg, as it comes": {},
    "PIL + imageio-ffmpeg, ultrafast crf 18": {
        "quality": None,
        "output_params": ["-preset", "ultrafast", "-crf", "18"],
    },
}


class Result(NamedTuple):
    """Of one clip."""

    cpu_ms: float
    size: int
    psnr: float
    worst: int


class Repaint:
    """A clip's puzzle as PIL would paint it: boards of tiles."""

    def __init__(self, row: Row) -> None:
        task, start = row.task, row.start
        self.layout = fit(task.shape(start), row.clip)
        painter = Painter(task.backdrop(start), self.layout, row.clip, row.look)
        path = replay(task, start, row["actions"])
        boards = [
            [under + over for under, over in zip(painter.backdrop, board(task, state), strict=True)]
            for state in path.states
        ]
        timeline = pace(len(row["actions"]), row.clip)
        reached = np.searchsorted([0, *timeline.action_frames], np.arange(row.clip.num_frames), side="right") - 1
        self.boards = [boards[state] for state in reached]
        self.tiles: dict[Glyph, Image.Image] = {
            glyph: Image.fromarray(video.canvas_to_rgb(canvas_of(painter.tile(glyph))))
            for glyph in {glyph for one in boards for glyph in one}
        }
        self.page = Image.fromarray(row.frames("render")[0][:1, :1]).getpixel((0, 0))
        self.size = row.clip.width, row.clip.height

    def paint(self) -> None:
        """Every frame from nothing."""
        for cells in self.boards:
            image = Image.new("RGB", self.size, self.page)
            for index, glyph in enumerate(cells):
                top, left = self.layout.corner(divmod(index, self.layout.shape[1]))
                image.paste(self.tiles[glyph], (left, top))
            np.asarray(image)


def cpu_ms(job: Callable[[], object]) -> float:
    """CPU milliseconds of a job, with those of its child processes."""

    def spent() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.process_time() + children.ru_utime + children.ru_stime

    before = spent()
    job()
    return 1000 * (spent() - before)


def compared(milliseconds: float, data: bytes, frames: np.ndarray) -> Result:
    """What a clip cost and how near it is to the frames [T, H, W, 3]."""
    off = video.decode_rgb(data)[: len(frames)].astype(np.int16) - frames
    return Result(milliseconds, len(data), float(10 * np.log10(255**2 / np.square(off, dtype=np.float32).mean())),
                  int(np.abs(off).max()))  # fmt: skip


def usual(row: Row, frames: np.ndarray, options: dict[str, object]) -> Result:
    """Repaint and encode with an ffmpeg process."""
    repaint = Repaint(row)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"

        def job() -> None:
            repaint.paint()
            imageio.mimwrite(path, list(frames), format="FFMPEG", fps=row.clip.fps, macro_block_size=None, **options)

        return compared(cpu_ms(job), path.read_bytes(), frames)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", default="square480")
    parser.add_argument("--level", default="medium")
    parser.add_argument("--tasks", nargs="+", default=["maze", "sokoban", "flowfree"])
    parser.add_argument("--clips", type=int, default=8, help="of each task")
    options = parser.parse_args()
    found: dict[str, list[Result]] = {}
    for name in options.tasks:
        recipe = registry.load(name, compiled=True)
        stream = Stream(recipe=name, level=options.level, seed=1, clip=parse_format(options.format))
        sample.render(recipe, stream, sample.draft(recipe, stream, options.clips))  # warm up
        for index in range(options.clips):
            columns = sample.render(recipe, stream, sample.draft(recipe, stream, index))
            row = Row(columns)
            frames, task = row.frames("render"), recipe.task

            def all_in(recipe=recipe, stream=stream, index=index) -> None:
                sample.render(recipe, stream, sample.draft(recipe, stream, index))

            def drawn(row=row, task=task) -> bytes:
                path, start = replay(task, row.start, row["actions"]), row.start
                painter = Painter(task.backdrop(start), fit(task.shape(start), row.clip), row.clip, row.look)
                return video.encode_runs(painter.runs(task, path, pace(len(row["actions"]), row.clip)), row.clip)

            for label, job in (("puzzlegen, all in", all_in), ("puzzlegen, draw and encode", drawn)):
                best = min(cpu_ms(job) for _ in range(3))
                found.setdefault(label, []).append(compared(best, row.video, frames))
            for label, preset in PRESETS.items():
                found.setdefault(label, []).append(usual(row, frames, preset))
    base = np.mean([result.cpu_ms for result in found["puzzlegen, all in"]])
    print(f"{options.format}, level {options.level}, {options.clips} clips of each of {', '.join(options.tasks)}")
    print(f"{'':<40}{'CPU ms':>8}{'x all in':>10}{'kB a clip':>11}{'PSNR dB':>9}{'worst':>7}")
    for label, results in found.items():
        spent, size, psnr, _ = np.mean(results, axis=0)
        worst = max(result.worst for result in results)
        print(f"{label:<40}{spent:8.1f}{spent / base:10.1f}{size / 1e3:11.1f}{psnr:9.1f}{worst:7d}")


if __name__ == "__main__":
    main()

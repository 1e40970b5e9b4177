"""Draw the animated strip of the README: one clip of each task side by side.

python examples/make_strip.py docs/strip.gif
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import imageio.v3 as iio
import numpy as np
from PIL import Image

from puzzlegen import ShardDataset
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.run import generate
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import FORMATS

CHOICES = (("maze", "night", 7), ("sokoban", "warehouse", 7), ("flowfree", "night", 7), ("sokoban", "ice", 8))
SIDE = 216
GAP = 8


def main(path: Path) -> None:
    clips = []
    for task, look, seed in CHOICES:
        stream = Stream(recipe=task, level="medium", seed=seed, clip=FORMATS["square480"], looks=(look,))
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "data"
            generate(Request(streams=(stream,), num=1, shard_rows=1), out, InProcess(), lambda *_: None)
            clips.append(ShardDataset(out)[0].frames())
    frames = [beside(pictures) for pictures in zip(*clips, strict=True)]
    palette = Image.fromarray(np.concatenate(frames[::16])).quantize(128, dither=Image.Dither.NONE)
    iio.imwrite(path, [reduced(frame, palette) for frame in frames], duration=1000 / 16, loop=0)
    print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


def beside(pictures: tuple[np.ndarray, ...]) -> np.ndarray:
    """Scaled pictures in a row with white gaps."""
    size = (SIDE, SIDE)
    small = [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) for picture in pictures]
    gap = np.full((SIDE, GAP, 3), 255, dtype=np.uint8)
    return np.concatenate([part for picture in small for part in (picture, gap)][:-1], axis=1)


def reduced(frame: np.ndarray, palette: Image.Image) -> np.ndarray:
    """The frame in the colors of a palette, so that the file stays small."""
    return np.asarray(Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE).convert("RGB"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/strip.gif"))

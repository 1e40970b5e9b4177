"""Puzzles per CPU second by task and level, one core: drawn, solved, with digests and split, no pixels.

python benchmarks/puzzles.py [--seconds 2] [--format wan480]
"""

from __future__ import annotations

import argparse
import time

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format


def rate(task: str, level: str, clip_name: str, seconds: float) -> float:
    """Accepted puzzles per CPU second."""
    recipe = registry.load(task)
    stream = Stream(recipe=task, level=level, seed=2, clip=parse_format(clip_name))
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        sample.draft(recipe, stream, count)
        count += 1
    return count / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds for each level")
    parser.add_argument("--format", default="wan480", help="solutions must fit this clip")
    options = parser.parse_args()
    for task in registry.recipe_paths():
        levels = registry.load(task).levels
        cells = [f"{level} {rate(task, level, options.format, options.seconds):.0f}" for level in levels]
        print(f"{task:<10}" + "  ".join(cells), flush=True)


if __name__ == "__main__":
    main()

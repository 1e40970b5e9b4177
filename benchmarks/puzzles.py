"""Puzzles per CPU second by task and level, one core: drawn, solved, with digests and split, no pixels.

python benchmarks/puzzles.py [--seconds 2] [--format wan480] [--compiled]
"""

from __future__ import annotations

import argparse
import time

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.render.formats import parse_format

COMPARED = ("medium", "hard", "expert", "extreme")


def rate(recipe: Recipe, level: str, clip_name: str, seconds: float) -> float:
    """Accepted puzzles per CPU second."""
    stream = Stream(recipe=recipe.name, level=level, seed=2, clip=parse_format(clip_name))
    count, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        sample.draft(recipe, stream, count)
        count += 1
    return count / (time.process_time() - began)


def print_rates(task: str, clip_name: str, seconds: float) -> None:
    """One line: all levels on the reference."""
    recipe = registry.load(task)
    cells = [f"{level} {rate(recipe, level, clip_name, seconds):.0f}" for level in recipe.levels]
    print(f"{task:<10}" + "  ".join(cells), flush=True)


def print_comparison(task: str, clip_name: str, seconds: float) -> None:
    """A line a level: the reference, the compiled kernels, and how many times faster they are."""
    plain, compiled = registry.load(task), registry.load(task, compiled=True)
    if compiled.task is plain.task:
        print(f"{task:<10}has no compiled kernels", flush=True)
        return
    for level in (level for level in COMPARED if level in plain.levels):
        slow, fast = (rate(recipe, level, clip_name, seconds) for recipe in (plain, compiled))
        print(f"{task:<10}{level:<10}{slow:>9,.0f}{fast:>10,.0f}{fast / slow:>7.1f}x", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="CPU seconds for each level")
    parser.add_argument("--format", default="wan480", help="solutions must fit this clip")
    parser.add_argument("--compiled", action="store_true", help="compare the reference with the compiled kernels")
    options = parser.parse_args()
    if options.compiled:
        print(f"{'task':<10}{'level':<10}{'reference':>9}{'compiled':>10}{'ratio':>8}", flush=True)
    for task in registry.recipe_paths():
        (print_comparison if options.compiled else print_rates)(task, options.format, options.seconds)


if __name__ == "__main__":
    main()

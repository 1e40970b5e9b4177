"""Whether compiled kernels give the same puzzles as the plain engines, and how much faster.

python benchmarks/engines_agree.py [--num 5000] [--seed 3] [--format 480x480x321@16] [RECIPE...]

Both engines make the same draws of every level, so many of each recipe, in turn; start, solution and digests, or the
reason why a draw was rejected, must be equal. Exits with 1 if any differs.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

from puzzlegen import canonical, registry
from puzzlegen.errors import Rejected
from puzzlegen.generate.sample import Stream, attempt_at
from puzzlegen.recipe import Recipe
from puzzlegen.render.formats import parse_format
from puzzlegen.types import Origin


def drawn(recipe: Recipe, stream: Stream, index: int) -> tuple[str, float]:
    """(what the draw of this index gave, CPU seconds)."""
    origin = Origin(recipe=recipe.name, level=stream.level, seed=stream.seed, index=index, attempt=0)
    began = time.process_time()
    found: Any
    try:
        found = attempt_at(recipe, stream, origin)
    except Rejected as rejected:
        found = rejected.reason
    spent = time.process_time() - began
    return found if isinstance(found, str) else canonical.dumps(found), spent


def compare(name: str, draws: int, seed: int, clip: str) -> int:
    """Print a line for each level. Returns how many draws differ."""
    plain = registry.load(name)
    began = time.process_time()
    compiled = registry.load(name, compiled=True)
    if compiled.task is plain.task:
        print(f"{name:<10} has no kernels")
        return 0
    print(f"{name:<10} kernels ready after {time.process_time() - began:.1f} CPU s", flush=True)
    differ = 0
    for place, level in enumerate(plain.levels):
        stream = Stream(recipe=name, level=level, seed=seed, clip=parse_format(clip))
        count = draws // len(plain.levels) + (place < draws % len(plain.levels))
        seconds, wrong, kept = [0.0, 0.0], 0, 0
        for index in range(count):
            (first, spent), (second, spent_compiled) = drawn(plain, stream, index), drawn(compiled, stream, index)
            seconds[0] += spent
            seconds[1] += spent_compiled
            kept += first.startswith("{")
            if first != second:
                wrong += 1
                print(f"  {name}:{level} seed {seed} index {index}\n    plain    {first}\n    compiled {second}")
        differ += wrong
        plain_ms, compiled_ms = (1e3 * spent / count for spent in seconds)
        print(
            f"{name:<10}{level:<10}{count:>6} draws, {kept} accepted, {wrong} differ; CPU ms a draw: "
            f"{plain_ms:.3f} plain, {compiled_ms:.3f} compiled, ratio {plain_ms / compiled_ms:.1f}",
            flush=True,
        )
    return differ


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", metavar="RECIPE", help="all by default")
    parser.add_argument("--num", type=int, default=5000, help="draws of each recipe, over all its levels")
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--format", default="480x480x321@16", help="solutions must fit this clip")
    options = parser.parse_args()
    if options.num < 1:
        parser.error("--num must be 1 or more")
    names = options.recipes or list(registry.recipe_paths())
    sys.exit(1 if sum(compare(name, options.num, options.seed, options.format) for name in names) else 0)


if __name__ == "__main__":
    main()

"""Right verdicts on legal clips, clean and under every perturbation of the must-tolerate list.

    python benchmarks/verdicts.py --num 3                      # looks and levels of the recipes
    python benchmarks/verdicts.py --looks held-out --num 20    # what the reader was not tuned on: held_out.toml

A verdict is right when the clip counts as solved, by as many moves as the solution has and by all that counts among
them (cells entered, cells colored, pushes): where frames are missing, their order may be unknown.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import os
import tomllib
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from puzzlegen import canonical, registry
from puzzlegen.errors import PuzzlegenError
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.render import video
from puzzlegen.render.formats import parse_format
from puzzlegen.render.looks import LookChoices
from puzzlegen.replay import replay
from puzzlegen.seeding import Rng
from puzzlegen.testing.clips import gold
from puzzlegen.testing.perturbations import PERTURBATIONS
from puzzlegen.verify.verifier import Verifier

TASKS = ("maze", "flowfree", "sokoban")
TUNED_LEVELS = ("tiny", "easy", "medium", "hard")
HELD_OUT_LEVELS = ("expert",)
HELD_OUT_FAMILY = "codec"
"""Of the perturbations; never looked at while the reader was tuned."""


@functools.cache
def recipe_of(name: str, held_out: bool) -> Recipe:
    """A recipe, with the looks of held_out.toml in place of its own."""
    recipe = registry.load(name)
    if not held_out:
        return recipe
    path = Path(__file__).parent / "held_out.toml"
    looks = tomllib.loads(path.read_text())[name]
    return dataclasses.replace(recipe, looks=canonical.decode(dict[str, LookChoices], looks, path.name))


def examine(job: tuple[str, str, str, bool, int, str, tuple[str, ...], float]) -> list[tuple[str, str, bool, str]]:
    """(task, row, right, why) of one puzzle under every row."""
    name, level, look_name, held_out, index, clip_name, rows, strength = job
    recipe, clip = recipe_of(name, held_out), parse_format(clip_name)
    try:
        puzzle = sample.draft(recipe, Stream(recipe=name, level=level, seed=77, clip=clip), index)
    except PuzzlegenError:
        return []
    look = recipe.draw_look(Rng("verdicts", name, level, look_name, index), (look_name,))
    frames = np.stack([video.canvas_to_rgb(canvas) for canvas in gold(recipe.task, puzzle, look, clip)])
    verifier = Verifier(recipe.task, puzzle.start, look, clip, len(puzzle.solution.actions))
    found = []
    movers = any(token.key is not None for token in recipe.task.tokens(puzzle.start))
    for number, row in enumerate(rows):
        if row != "clean" and PERTURBATIONS[row].needs_mover and not movers:
            continue
        rng = np.random.default_rng([number, index, len(level), len(look_name)])
        try:
            changed = frames if row == "clean" else _changed(row, frames, verifier.layout.cell_px, rng, strength)
        except PuzzlegenError:
            continue  # a clip without a place for it
        score = verifier.score_frames(changed)
        right = score.solved and _same(recipe.task, puzzle, score.actions)
        why = "" if right else f"{level} {look_name} {index}: {score.violations or 'other moves'}"
        found.append((name, row, right, why))
    return found


def _same(task: Any, puzzle: Any, actions: Sequence[str]) -> bool:
    solution = puzzle.solution.actions
    items = [task.items(replay(task, puzzle.start, moves).states) for moves in (solution, actions)]
    return len(actions) == len(solution) and items[0] == items[1]


def _changed(row: str, frames: Any, cell_px: int, rng: np.random.Generator, strength: float) -> Any:
    return PERTURBATIONS[row].apply(frames, float(cell_px), rng, strength)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--num", type=int, default=2, help="puzzles of each level and look")
    parser.add_argument("--looks", choices=("tuned", "held-out"), default="tuned")
    parser.add_argument("--levels", default="", help="comma separated; by default those that go with --looks")
    parser.add_argument("--rows", default="", help="comma separated; all if not given")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--format", default="", help="comma separated, taken in turn")
    parser.add_argument("--strength", type=float, default=1.0, help="1 is the limit of the must-tolerate list")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--why", action="store_true", help="name every wrong verdict")
    asked = parser.parse_args()
    rows = tuple(asked.rows.split(",")) if asked.rows else ("clean", *PERTURBATIONS)
    held_out = asked.looks == "held-out"
    levels = asked.levels.split(",") if asked.levels else HELD_OUT_LEVELS if held_out else TUNED_LEVELS
    clips = (asked.format or ("384x384x81@16" if held_out else "square256,square480")).split(",")
    jobs = []
    for name in asked.tasks.split(","):
        for look in recipe_of(name, held_out).looks:
            for level in levels:
                for index in range(asked.num):
                    clip = clips[index % len(clips)]
                    jobs.append((name, level, look, held_out, index, clip, rows, asked.strength))
    right: dict[str, Counter[str]] = defaultdict(Counter)
    total: dict[str, Counter[str]] = defaultdict(Counter)
    with ProcessPoolExecutor(asked.workers) as pool:
        for found in pool.map(examine, jobs):
            for name, row, good, why in found:
                right[row][name] += good
                total[row][name] += 1
                if asked.why and why:
                    print(f"{name} {row}: {why}", flush=True)
    print(f"{'row':18}" + "".join(f"{name:>16}" for name in TASKS) + f"{'all':>16}")
    for row in rows:
        cells = [(right[row][name], total[row][name]) for name in TASKS]
        cells.append((sum(right[row].values()), sum(total[row].values())))
        print(f"{row:18}" + "".join(f"{f'{good}/{all_} {good / max(1, all_):.1%}':>16}" for good, all_ in cells))


if __name__ == "__main__":
    main()

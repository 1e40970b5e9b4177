"""The judge put to the test: honest clips that it must accept, and every cheat that a task knows, which it must not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from puzzlegen import registry
from puzzlegen.errors import CorruptData
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.render import video
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.seeding import Rng
from puzzlegen.testing.cheaters import cheats
from puzzlegen.testing.perturbations import Perturbation, mixed
from puzzlegen.testing.subject import Subject
from puzzlegen.types import Score
from puzzlegen.verify.verifier import Verifier

GOLD = "gold"
_DROPS = {"drop", "fps_8", "finish_early"}
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Job:
    """One puzzle to draw, film and cheat on."""

    recipe: str
    """Name or path."""
    level: str
    seed: int
    index: int


class Outcome(NamedTuple):
    """The verdict on one clip."""

    recipe: str
    kind: str
    """The kind of cheat, or "gold" for the honest clip."""
    puzzle: str
    perturbation: str
    """What was done to the clip besides; empty for nothing."""
    expected: str
    """The code that the cheat's maker expects; empty for gold."""
    found: str
    """The first code that was found; empty if accepted."""
    accepted: bool
    value: float
    above_ceiling: bool
    """The reward is more than this cheat may earn at most."""

    @property
    def is_wrong(self) -> bool:
        """An honest clip refused or a cheat accepted."""
        return self.accepted != (self.kind == GOLD)


def jobs(recipes: Sequence[str], num: int, seed: int, levels: Sequence[str] = ()) -> list[Job]:
    """`num` puzzles of each recipe, these levels in turn; all levels if not given. Raises UnknownName."""
    todo = []
    for name in recipes:
        recipe = registry.load(name)
        for level in levels:
            recipe.level(level)
        own = levels or list(recipe.levels)
        todo += [Job(name, own[n % len(own)], seed, n // len(own)) for n in range(num)]
    return todo


def examine(job: Job) -> list[Outcome]:
    """Worker: judge the honest clip of one puzzle and all cheats on it, every second one perturbed besides."""
    recipe = registry.load(job.recipe)
    clip = Subject(recipe, (job.level,), job.recipe).clip(job.level)
    stream = Stream(recipe=job.recipe, level=job.level, seed=job.seed, clip=clip)
    puzzle = sample.draft(recipe, stream, job.index)
    key = ("selftest", recipe.name, job.level, job.seed, job.index)
    look = recipe.draw_look(Rng(*key, "look"))
    rng = np.random.default_rng(Rng(*key, "cheats").bits())
    task, actions = recipe.task, puzzle.solution.actions
    layout = fit(task.shape(puzzle.start), clip)
    verifier = Verifier(task, puzzle.start, look, clip, len(actions))

    def outcome(kind: str, change: str, code: str, score: Score[Any] | None, ceiling: float) -> Outcome:
        value = score.value if score else 0.0
        found = score.violations[0].code if score and score.violations else "" if score else "UNPARSED"
        accepted = score is not None and score.solved
        return Outcome(
            recipe.name, kind, puzzle.origin.id, change, code, found, accepted, value, value > ceiling + _ROUNDING
        )

    painter = Painter(task.backdrop(puzzle.start), layout, clip, look)
    frames = painter.frames(task, replay(task, puzzle.start, actions), pace(len(actions), clip))
    outcomes = [outcome(GOLD, "", "", verifier.score_video(video.encode(frames, clip)), 1.0)]
    for number, cheat in enumerate(cheats(task, puzzle, look, clip, rng)):
        shown, change = cheat.frames, ""
        if number % 2:
            perturbation = _tolerated(rng)
            shown, change = perturbation.apply(shown, layout.cell_px, rng), perturbation.name
        try:
            score = verifier.score_frames(shown)
        except CorruptData:
            score = None
        outcomes.append(outcome(cheat.kind, change, cheat.code, score, cheat.ceiling))
    return outcomes


def _tolerated(rng: np.random.Generator) -> Perturbation:
    """Two perturbations at once; not those that drop frames, which may take a short cheat along."""
    while True:
        perturbation = mixed(rng, mover=False)
        if _DROPS.isdisjoint(perturbation.name.split("+")):
            return perturbation


def tabulate(outcomes: Iterable[Outcome]) -> list[dict[str, Any]]:
    """One line for each recipe and kind, gold first: clips, accepted, above_ceiling, wrong."""
    groups: dict[tuple[str, bool, str], list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault((outcome.recipe, outcome.kind != GOLD, outcome.kind), []).append(outcome)
    return [
        {
            "recipe": recipe,
            "kind": kind,
            "clips": len(own),
            "accepted": sum(outcome.accepted for outcome in own),
            "above_ceiling": sum(outcome.above_ceiling for outcome in own),
            "wrong": sum(outcome.is_wrong for outcome in own),
        }
        for (recipe, _, kind), own in sorted(groups.items())
    ]

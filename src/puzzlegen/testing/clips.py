"""Checks on pixels: looks that can be told apart, clips that read back, cheating clips that do not score."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import pace
from puzzlegen.render.planes import planes_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import board, replay
from puzzlegen.task import Task
from puzzlegen.testing.promise import promise
from puzzlegen.testing.subject import Subject
from puzzlegen.types import Instance
from puzzlegen.verify.atlas import Atlas, atlas
from puzzlegen.verify.perceive import quarters
from puzzlegen.verify.verifier import Verifier

Canvases = NDArray[np.uint8]

NOISE = 6.0
"""Standard deviation in levels of the noise that clips must survive."""
SHIFT_PX = 2
LEAST_APART = 20.0
"""Levels by which some block must differ between any two stacks that one cell can show."""


def gold(task: Task[Any, Any], puzzle: Instance[Any], look: Look, clip: ClipFormat) -> Canvases:
    """The solution's clip after encoding and decoding [T, H * 3/2, W]."""
    actions = puzzle.solution.actions
    painter = Painter(task.backdrop(puzzle.start), fit(task.shape(puzzle.start), clip), clip, look)
    frames = painter.frames(task, replay(task, puzzle.start, actions), pace(len(actions), clip))
    return video.decode(video.encode(frames, clip))[0]


def check_looks(subject: Subject) -> str:
    """In every look, the stacks that a cell can show differ clearly."""
    least, where = 255.0, ""
    for look in subject.looks():
        for level in subject.levels:
            start, clip = subject.puzzles(level)[0].start, subject.clip(level)
            painter = Painter(subject.task.backdrop(start), fit(subject.task.shape(start), clip), clip, look)
            apart, pair = _nearest_stacks(atlas(painter, subject.task.glyphs(start), board(subject.task, start)))
            if apart < least:
                least, where = apart, f"look {look.name}, level {level}: {pair}"
    promise(least >= LEAST_APART, f"{where} differ by {least:.0f} levels only; change a color or a shape")
    return f"least difference {least:.0f} levels ({where})"


def _nearest_stacks(candidates: Atlas) -> tuple[float, str]:
    """The smallest difference between two stacks of one cell, in levels, and which they are."""
    least, pair = 255.0, ""
    for stacks, rows in zip(candidates.stacks, candidates.rows, strict=True):
        own = quarters(candidates.features[rows[: len(stacks)]])
        apart = np.abs(own[:, None] - own[None]).max(axis=2) + np.diag(np.full(len(own), 255.0))
        if apart.min() < least:
            one, other = np.unravel_index(int(apart.argmin()), apart.shape)
            least, pair = float(apart.min()), f"{stacks[int(one)]} and {stacks[int(other)]}"
    return least, pair


def check_pixels(subject: Subject) -> str:
    """In every look, the gold clip scores 1.0 after mp4, under noise, and shifted by 2 pixels if it has a margin."""
    task = subject.task
    for number, look in enumerate(subject.looks()):
        level = subject.levels[number % len(subject.levels)]
        puzzle, clip = subject.puzzles(level)[0], subject.clip(level)
        verifier = Verifier(task, puzzle.start, look, clip)
        clean = gold(task, puzzle, look, clip)
        rng = np.random.default_rng(number)
        variants = {"mp4": clean, "noise": noisy(clean, rng)}
        if min(verifier.layout.top, verifier.layout.left) >= SHIFT_PX:  # else the shift cuts walls off
            variants["shift"] = shifted(clean, SHIFT_PX)
        for name, canvases in variants.items():
            score = verifier.score(canvases)
            promise(score.value == 1.0, f"{puzzle.origin.id} in {look.name} after {name}: {score.violations}")
            promise(score.actions == puzzle.solution.actions, f"{puzzle.origin.id} in {look.name}: other moves read")
    return ""


def noisy(canvases: Canvases, rng: np.random.Generator) -> Canvases:
    """Gaussian noise on every plane."""
    return np.clip(canvases + rng.normal(0, NOISE, canvases.shape), 0, 255).astype(np.uint8)


def shifted(canvases: Canvases, pixels: int) -> Canvases:
    """The picture moved down and right by an even number of pixels, edges repeated."""
    moved = canvases.copy()
    for canvas in moved:
        for plane, step in zip(planes_of(canvas), (1, 2, 2), strict=True):
            by = pixels // step
            plane[:] = np.pad(plane, ((by, 0), (by, 0)), mode="edge")[: len(plane), : plane.shape[1]]
    return moved


def _teleport(canvases: Canvases) -> Canvases:
    """Cut from the start to the solved state."""
    cut = canvases.copy()
    cut[len(cut) // 2 :] = canvases[-1]
    cut[: len(cut) // 2] = canvases[0]
    return cut


CHEATS: dict[str, Callable[[Canvases], Canvases]] = {
    "frozen": lambda canvases: np.repeat(canvases[:1], len(canvases), axis=0),
    "truncated": lambda canvases: canvases[np.minimum(np.arange(len(canvases)), len(canvases) // 3)],
    "reversed": lambda canvases: canvases[::-1],
    "teleporting": _teleport,
    "solved throughout": lambda canvases: np.repeat(canvases[-1:], len(canvases), axis=0),
    "blank": lambda canvases: np.full_like(canvases, 128),
    "flickering": lambda canvases: np.where((np.arange(len(canvases)) % 2 == 0)[:, None, None], canvases, canvases[-1]),
}


def check_cheats(subject: Subject) -> str:
    """Clips that do not solve the puzzle by legal steps score below 1; doing nothing scores exactly 0."""
    task = subject.task
    puzzles = subject.smallest()
    look = next(iter(subject.looks()))
    clip = subject.clip(puzzles[0].origin.level)
    for puzzle, other in zip(puzzles, puzzles[1:] + puzzles[:1], strict=True):
        verifier = Verifier(task, puzzle.start, look, clip)
        clean = gold(task, puzzle, look, clip)
        for name, cheat in CHEATS.items():
            score = verifier.score(cheat(clean))
            promise(not score.solved and score.value < 1, f"{puzzle.origin.id}: a {name} clip counts as solved")
            promise(name != "frozen" or score.value == 0.0, f"{puzzle.origin.id}: a frozen clip scores {score.value}")
        if other.digest != puzzle.digest:
            try:
                score = verifier.score(gold(task, other, look, clip))
            except CorruptData:
                continue
            promise(not score.solved, f"{puzzle.origin.id}: the clip of another puzzle counts as solved")
    return ""

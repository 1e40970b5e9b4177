"""Puzzles and looks that several test files draw on, each made once in a session."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.recipe import Recipe
from puzzlegen.render import video
from puzzlegen.render.formats import FORMATS, ClipFormat
from puzzlegen.render.looks import Look, LookChoices, Style
from puzzlegen.render.motion import Timeline, pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.types import Instance, Trajectory

TASKS = ("maze", "flowfree", "sokoban")
SEED = 77

Canvases = NDArray[np.uint8]


@functools.cache
def puzzle(task: str, level: str, clip: str = "square480", index: int = 0) -> Instance[Any]:
    """A puzzle that fits the format. Raises InvalidInput if the level does not."""
    recipe = registry.load(task)
    stream = sample.Stream(recipe=task, level=level, seed=SEED, clip=FORMATS[clip])
    sample.check_stream(recipe, stream)
    return sample.draft(recipe, stream, index)


def variant(recipe: Recipe, name: str, number: int, motion: str | None = None) -> Look:
    """Draw number `number` of a look: each list of choices is walked through in turn, so that all come up."""
    choices: LookChoices = recipe.looks[name]
    palette = (
        choices.palette[number % max(1, len(choices.palette)) :]
        + choices.palette[: number % max(1, len(choices.palette))]
    )
    return Look(
        name=name,
        page=choices.page[number % len(choices.page)],
        motion=motion or choices.motion[number % len(choices.motion)],  # type: ignore[arg-type]
        styles={
            kind: Style(
                shape=marks.shape[number % len(marks.shape)],
                color=marks.color[number % len(marks.color)],
                accent=marks.accent[number % len(marks.accent)],
            )
            for kind, marks in choices.marks.items()
        },
        palette=palette,
    )


def variants(recipe: Recipe) -> Iterator[Look]:
    """Every look with every choice at least once."""
    for name, choices in recipe.looks.items():
        lists = [
            choices.page,
            choices.motion,
            *(part for marks in choices.marks.values() for part in (marks.shape, marks.color, marks.accent)),
        ]
        for number in range(max(map(len, lists))):
            yield variant(recipe, name, number)


def trajectory(task: str, level: str, clip: str = "square480") -> Trajectory[Any]:
    """The solution's states."""
    found = puzzle(task, level, clip)
    return replay(registry.load(task).task, found.start, found.solution.actions)


def painter(task: str, start: Any, look: Look, clip: ClipFormat) -> Painter:
    rules = registry.load(task).task
    return Painter(rules.backdrop(start), fit(rules.shape(start), clip), clip, look)


def drawn(task: str, path: Trajectory[Any], look: Look, clip: ClipFormat, timeline: Timeline | None = None) -> Canvases:
    """The clip's frames before the codec, also of states that no rule allows [T, H * 3/2, W]."""
    frames = painter(task, path.states[0], look, clip).frames(
        registry.load(task).task, path, timeline or pace(len(path.actions), clip)
    )
    return np.stack([frame.copy() for frame in frames])


def through_codec(frames: Canvases, clip: ClipFormat) -> Canvases:
    return video.decode(video.encode(list(frames), clip))[0]

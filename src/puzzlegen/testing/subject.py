"""What the checks look at: a few puzzles of each level of a recipe, made once."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from puzzlegen.errors import InvalidInput
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.render.formats import FORMATS, ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.types import Instance

_SEED = 20260514
_PUZZLES = 3


@dataclass(frozen=True, eq=False)
class Subject:
    """A recipe under test."""

    recipe: Recipe
    levels: tuple[str, ...]
    name: str = ""
    """Name or path that the recipe was loaded by; its name if empty."""

    @property
    def task(self) -> Task[Any, Any]:
        """The rules."""
        return self.recipe.task

    def stream(self, level: str, seed: int = _SEED) -> Stream:
        """A stream of this level, on the smallest named format that is long enough for it."""
        return Stream(recipe=self.name or self.recipe.name, level=level, seed=seed, clip=self.clip(level))

    @functools.cache  # noqa: B019 - a subject lives as long as its checks
    def clip(self, level: str) -> ClipFormat:
        """The smallest named format, `tiny` excepted, in which the level's puzzles fit."""
        for clip in sorted(FORMATS.values(), key=lambda clip: (clip.num_frames, clip.width)):
            stream = Stream(recipe=self.recipe.name, level=level, seed=_SEED, clip=clip)
            if clip.width < 256:
                continue
            try:
                sample.check_stream(self.recipe, stream)
            except InvalidInput:
                continue
            return clip
        raise AssertionError(f"[levels.{level}] fits no named clip format")

    @functools.cache  # noqa: B019
    def puzzles(self, level: str) -> tuple[Instance[Any], ...]:
        """A few puzzles of one level."""
        stream = self.stream(level)
        return tuple(sample.draft(self.recipe, stream, index) for index in range(_PUZZLES))

    def all_puzzles(self) -> Iterator[Instance[Any]]:
        """A few puzzles of every level."""
        for level in self.levels:
            yield from self.puzzles(level)

    def smallest(self) -> tuple[Instance[Any], ...]:
        """The puzzles of the level with the fewest actions."""
        return min(map(self.puzzles, self.levels), key=lambda some: len(some[0].solution.actions))

    def looks(self) -> Iterator[Look]:
        """Two draws of every look."""
        for name, choices in self.recipe.looks.items():
            for draw in range(2):
                yield choices.draw(name, Rng("check look", name, draw))

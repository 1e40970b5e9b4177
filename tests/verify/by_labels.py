"""Clips without pixels: what the reader would say of every frame, handed to the judge."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.render.formats import ClipFormat
from puzzlegen.replay import board
from puzzlegen.types import Glyph, Score
from puzzlegen.verify.atlas import UNCLEAR, Atlas, Labels, atlas
from puzzlegen.verify.judge import judge
from puzzlegen.verify.observer import Evidence
from puzzlegen.verify.pace import Pace
from puzzlegen.verify.view import AS_DRAWN
from samples import painter, variant

CLIP = ClipFormat(width=128, height=128, num_frames=25)

TEXTS = {
    "maze": "#########\n#S  #   #\n### # # #\n#   # # #\n# ### # #\n# #   # #\n# # ### #\n#      G#\n#########",
    "sokoban": "#######\n#@ $ .#\n#  $ .#\n#     #\n#######",
    "flowfree": "A..A\nB..C\n....\nB..C",
}
STEADY = Pace(reach=1, patience=3, slowest=4)


class Stage:
    """One small puzzle, and what its cells can show."""

    def __init__(self, task: str) -> None:
        self.name = task
        self.task = registry.load(task).task
        self.start = self.task.parse(TEXTS[task])
        self.solution = self.task.solve(self.start).actions
        self.states = [self.start]
        for action in self.solution:
            self.states.append(self.task.step(self.states[-1], action))
        recipe = registry.load(task)
        self.look = variant(recipe, next(iter(recipe.looks)), 0, "step")
        self.atlas: Atlas = atlas(
            painter(task, self.start, self.look, CLIP), self.task.glyphs(self.start), board(self.task, self.start)
        )

    def labels(self, state: Any) -> Labels:
        """The board of a state."""
        return self.atlas.labels(board(self.task, state))

    def shown(self, stacks: Sequence[Glyph]) -> Labels:
        """Any board."""
        return self.atlas.labels(stacks)

    def cell(self, row: int, col: int) -> int:
        """The number of a cell."""
        return int(row * self.task.shape(self.start)[1] + col)

    def held(self, states: Iterable[Any], hold: int) -> list[Labels]:
        """Each state for so many frames."""
        return [self.labels(state) for state in states for _ in range(hold)]

    def walked(self, choices: Iterable[int], start: Any = None) -> tuple[list[Any], list[str]]:
        """States and actions of a legal walk: of the legal actions, that of each number in turn."""
        states, actions = [start or self.start], list[str]()
        for choice in choices:
            legal = list(self.task.actions(states[-1]))
            if not legal:
                break
            actions.append(legal[choice % len(legal)])
            states.append(self.task.step(states[-1], actions[-1]))
        return states, actions

    def boards(self, actions: Iterable[str]) -> list[list[Glyph]]:
        """What a legal walk shows; a path's last link looks alike from either side, so that actions may differ."""
        states = [self.start]
        for action in actions:
            states.append(self.task.step(states[-1], action))
        return [board(self.task, state) for state in states]

    def picture(self, state: Any) -> bytes:
        """What tells states apart that look different."""
        return self.labels(state).tobytes()

    def near(self, state: Any, most: int) -> set[bytes]:
        """The pictures of all states that at most so many legal actions lead to."""
        found = {state}
        frontier = {state}
        for _ in range(most):
            frontier = {self.task.step(one, action) for one in frontier for action in self.task.actions(one)}
            found |= frontier
        return {self.picture(one) for one in found}

    def judged(self, frames: Sequence[Labels], pace: Pace = STEADY, **marked: NDArray[np.bool_]) -> Score[Any]:
        """The score of a clip whose frames were read like this; `marked` are other fields of the evidence."""
        labels = np.stack(frames)
        fields: dict[str, Any] = {
            "labels": labels,
            "sides": np.zeros((*labels.shape, 4), dtype=bool),
            "hidden": np.zeros(labels.shape, dtype=bool),
            "sharp": labels != UNCLEAR,
            "likeness": 1.0,
            "view": AS_DRAWN,
            **marked,
        }
        evidence = Evidence(**{name: fields[name] for name in Evidence._fields})
        return judge(self.task, self.start, evidence, self.atlas, pace)


@functools.cache
def stage(task: str) -> Stage:
    """Made once."""
    return Stage(task)


def changed(labels: Labels, **cells: int) -> Labels:
    """A copy with other labels: c5=1 is cell 5."""
    found = labels.copy()
    for name, label in cells.items():
        found[int(name[1:])] = label
    return found


CHOICES = st.lists(st.integers(0, 11), min_size=1, max_size=9)
"""Numbers of actions, see `Stage.walked`."""


def code_of(score: Score[Any]) -> str:
    """Of the only violation."""
    (violation,) = score.violations
    return violation.code


def pairs(states: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    """Each state with the next."""
    return itertools.pairwise(states)

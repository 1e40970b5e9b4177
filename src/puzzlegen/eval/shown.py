"""The states that a judged clip shows: its legal walk, then whatever comes after a rule was broken."""

from __future__ import annotations

import itertools
from typing import Any, TypeVar

from puzzlegen.replay import replay
from puzzlegen.task import Task
from puzzlegen.types import Score

S = TypeVar("S")

UNPARSED = "UNPARSED"
"""The judge's code for a clip that it could not read."""


def was_read(score: Score[Any]) -> bool:
    """Whether the judge could read the clip."""
    return all(violation.code != UNPARSED for violation in score.violations)


def states_shown(task: Task[Any, S], score: Score[S]) -> list[S]:
    """What metrics and published rewards are taken of: start first, repeats left out.

    Up to the first violation it is the walk alone. A sighting between two of its states is a frame in which an action
    was halfway, such as a box that has arrived before the one that pushes it, or a flicker that the judge forgave.
    """
    states = replay(task, score.seen[0].state, score.actions).states
    walk = list(zip((0, *score.frames), states, strict=True))
    strays = [
        (frame, state)
        for frame, state in score.seen
        if score.violations and frame >= score.violations[0].frame and (frame, state) not in walk
    ]
    in_order = sorted(walk + strays, key=lambda pair: pair[0])
    return [state for state, _ in itertools.groupby(state for _, state in in_order)]

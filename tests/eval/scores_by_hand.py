"""Scores as the judge would give them, written without any frames, and a tiny task that has a free action."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from puzzlegen.errors import IllegalAction
from puzzlegen.grid import Shape
from puzzlegen.replay import replay
from puzzlegen.task import Task
from puzzlegen.types import Mark, Score, Sighting, Solution, Token, Violation


def score_of(task: Any, start: Any, actions: Sequence[str], code: str | None = None, after: Sequence[Any] = ()) -> Any:
    """A clip that shows this legal walk and then the states `after`, with the violation `code` or what the end says."""
    states = replay(task, start, actions).states
    shown = [*states, *after]
    if code is None and not task.is_solved(states[-1]):
        code = "END_STATE" if actions else "NO_PROGRESS"
    return Score(
        value=1.0 if code is None else 0.25,
        solved=code is None,
        parts={},
        violations=() if code is None else (Violation(code, len(states)),),
        confidence=0.875,
        actions=tuple(actions),
        frames=tuple(range(1, len(states))),
        seen=tuple(Sighting(frame, state) for frame, state in enumerate(shown)),
    )


@dataclass(frozen=True)
class RailState:
    """A cart at `at`, on one of two tracks that both lead to 4; `lamp` is for show."""

    at: int = 0
    track: int = 0
    lamp: bool = False


class Rail(Task[None, RailState]):
    """`R` and `L` roll one cell, `T` changes tracks and counts as an item, `F` flashes the lamp and is free.

    Distance counts cells to roll, so it stays the same for T and F. At -1 the cart is lost.
    """

    version = 1
    goal = 4

    def actions(self, state: RailState) -> Iterable[str]:
        return "RLTF"

    def step(self, state: RailState, action: str) -> RailState:
        if state.at < 0 and action in "RL":
            raise IllegalAction("lost")
        if action in "RL":
            return replace(state, at=state.at + (1 if action == "R" else -1))
        return replace(state, track=1 - state.track) if action == "T" else replace(state, lamp=not state.lamp)

    def is_solved(self, state: RailState) -> bool:
        return state.at == self.goal

    def distance(self, state: RailState) -> int | None:
        return abs(self.goal - state.at) if state.at >= 0 else None

    def solve(self, start: RailState) -> Solution:
        return Solution(actions=("R",) * (self.goal - start.at), optimal=True, unique=False)

    def references(self, start: RailState, states: Sequence[RailState]) -> Iterable[Sequence[str]]:
        return ["RRRR", "TRRRR"]

    def items(self, states: Sequence[RailState]) -> Counter[Hashable]:
        return Counter(
            (after.at, after.track)
            for before, after in itertools.pairwise(states)
            if (before.at, before.track) != (after.at, after.track)
        )

    def shape(self, start: RailState) -> Shape:
        return 2, self.goal + 1

    def tokens(self, state: RailState) -> tuple[Token, ...]:
        return (Token(Mark("lamp"), (0, int(state.lamp))), Token(Mark("cart"), (state.track, state.at), key="cart"))

    def text(self, state: RailState) -> str:
        return str(state)

    def _unused(self, *_: object) -> Any:
        """Scores made by hand ask for neither puzzles nor pictures; a test that does has gone astray."""
        raise AssertionError("a score made by hand needs the rules alone")

    generate = symmetries = parse = backdrop = glyphs = read = _unused

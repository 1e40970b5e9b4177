"""From a start and its actions to the states between them, checking each action by the task's rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from puzzlegen.grid import Shape
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Token, Trajectory

S = TypeVar("S")


def replay(task: Task[Any, S], start: S, actions: Sequence[str]) -> Trajectory[S]:
    """Walk from `start`. Raises IllegalAction at the first action that the rules forbid."""
    states = [start]
    for action in actions:
        states.append(task.step(states[-1], action))
    return Trajectory(states=tuple(states), actions=tuple(actions))


def board(task: Task[Any, S], state: S) -> list[Glyph]:
    """What lies on the backdrop when everything is at rest: one stack of token marks a cell."""
    return stacks_of(task.tokens(state), task.shape(state))


def stacks_of(tokens: Iterable[Token], shape: Shape) -> list[Glyph]:
    """Tokens sorted into the cells that they are at."""
    rows, cols = shape
    stacks: list[Glyph] = [()] * (rows * cols)
    for token in tokens:
        stacks[token.at[0] * cols + token.at[1]] += (token.mark,)
    return stacks

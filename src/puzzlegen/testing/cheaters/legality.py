"""What a judge may not hold against a clip: guards that keep legal clips, hurried ones too, from passing as cheats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from puzzlegen.grid import Cell, Shape
from puzzlegen.replay import stacks_of
from puzzlegen.task import Task
from puzzlegen.testing.cheaters.film import Film
from puzzlegen.types import Glyph, Token

LEAST_JUMP = 6
"""Actions that a cut skips at least: a clip that lost three frames of four shows up to four at once, honestly."""
LEAST_TEMPO = 4
"""Frames that a forbidden step must take where a few allowed ones lead to the same place: else nobody can tell."""
FASTEST = 2.25
"""Times as fast as its reference a clip may run."""
_MOST_NODES = 600
"""States looked at, at most, to find a legal way; enough for all ways of five moves of one agent."""


def leads_to(task: Task[Any, Any], state: Any, target: Any, most: int = LEAST_JUMP - 1) -> bool:
    """Whether at most `most` legal actions lead from `state` to `target`; breadth first, while it is cheap."""
    seen, frontier = {state}, [state]
    for _ in range(most):
        if target in seen or len(seen) > _MOST_NODES:
            break
        following = []
        for one in frontier:
            for action in task.actions(one):
                after = task.step(one, action)
                if after not in seen:
                    seen.add(after)
                    following.append(after)
        frontier = following
    return target in seen


def legal_part(film: Film, state: Any, boards: Iterable[Sequence[Glyph]], most: int = LEAST_JUMP - 1) -> list[Any]:
    """The states of these boards up to the first that at most `most` legal actions do not lead to, `state` first."""
    states = [state]
    for board in boards:
        following = film.task.read(film.puzzle.start, board)
        if following is None or not leads_to(film.task, states[-1], following, most):
            break
        states.append(following)
    return states


def on_the_way(before: Iterable[Token], after: Sequence[Token], shape: Shape) -> list[list[Glyph]]:
    """Boards that keyed tokens pass when they glide straight to their next cells, about two for each cell; the last
    is that of `after`."""
    targets = {token.key: token.at for token in after if token.key is not None}
    tokens = list(before)
    parts = 2 * max(1, *(farthest(token.at, targets.get(token.key, token.at)) for token in tokens), 1)
    boards = []
    for part in range(1, parts):
        moved = [
            token._replace(at=_between(token.at, targets.get(token.key, token.at), part / parts)) for token in tokens
        ]
        boards.append(stacks_of(moved, shape))
    return [*boards, stacks_of(after, shape)]


def farthest(cell: Cell, other: Cell) -> int:
    """Cells between two, counted along the longer side."""
    return max(abs(cell[0] - other[0]), abs(cell[1] - other[1]))


def glide_length(before: Iterable[Token], after: Iterable[Token]) -> int:
    """How many cells the keyed token that goes farthest has to glide."""
    targets = {token.key: token.at for token in after if token.key is not None}
    return max([farthest(token.at, targets[token.key]) for token in before if token.key in targets], default=0)


def _between(cell: Cell, other: Cell, part: float) -> Cell:
    return round(cell[0] + (other[0] - cell[0]) * part), round(cell[1] + (other[1] - cell[1]) * part)

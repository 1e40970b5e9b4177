"""Cheats that change what lies on the floor and never moves: goals, targets, dots.

Each maker is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from puzzlegen.render.colors import COLORS
from puzzlegen.testing.cheaters.film import CUT, LEAST_FRAMES, Backdrop, Film, Scene, Take, in_color
from puzzlegen.types import Mark, Token

_CODES = ("GOAL_CHANGED", "LAYOUT_CHANGED", "UNPARSED", "JUMP", "BRANCH")
_LEAST_APART = 100
"""Levels, in some channel, between a goal's color and the one that it is given."""


class _Goal(NamedTuple):
    """A mark on the floor of a cell."""

    cell: int
    mark: Mark


def goal_moved(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A goal moves to another cell; the legal moves are made."""
    goal, cell = _any_goal(film, rng), _free_cell(film, rng)
    if goal and cell is not None:
        yield from _legal_on(film, _with_mark(_without(film.backdrop, goal), cell, goal.mark))


def goal_doubled(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A second goal of the same kind appears; the legal moves are made."""
    goal, cell = _any_goal(film, rng), _free_cell(film, rng)
    if goal and cell is not None:
        yield from _legal_on(film, _with_mark(film.backdrop, cell, goal.mark))


def goal_recolored(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A goal takes a color that is far from its own; the legal moves are made."""
    goal = _any_goal(film, rng)
    if goal:
        own = np.array(COLORS[film.look.style(goal.mark.kind, goal.mark.hue).color])
        far = [name for name, color in COLORS.items() if np.abs(own - color).max() >= _LEAST_APART]
        mark = in_color(goal.mark, far[int(rng.integers(len(far)))])
        yield from _legal_on(film, _with_mark(_without(film.backdrop, goal), goal.cell, mark))


def goal_erased(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A goal is gone; the legal moves are made."""
    goal = _any_goal(film, rng)
    if goal:
        yield from _legal_on(film, _without(film.backdrop, goal))


def goal_fetched(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A goal comes to where a token is that should go to it; the token looks as if it had arrived."""
    pairs = _goals_of_tokens(film)
    if pairs:
        goal, token = pairs[int(rng.integers(len(pairs)))]
        cell = token.at[0] * film.shape[1] + token.at[1]
        backdrop = _with_mark(_without(film.backdrop, goal), cell, goal.mark)
        marks = {one.key: one.mark for one in film.scenes[-1].tokens}
        tokens = [one._replace(mark=marks[one.key]) if one == token else one for one in film.scenes[0].tokens]
        yield _held(film, film.scene(tokens, backdrop, reach=CUT))


def goal_traded(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A token and the goal that it should go to change places."""
    pairs = _goals_of_tokens(film)
    if pairs:
        goal, token = pairs[int(rng.integers(len(pairs)))]
        cell = token.at[0] * film.shape[1] + token.at[1]
        backdrop = _with_mark(_without(film.backdrop, goal), cell, goal.mark)
        tokens = [one._replace(at=film.cells[goal.cell]) if one == token else one for one in film.scenes[0].tokens]
        yield _held(film, film.scene(tokens, backdrop, reach=CUT))


def _held(film: Film, scene: Scene) -> Take:
    return Take((*_CODES, "BOX_COUNT"), 0.0, film.shoot([film.scenes[0], scene], tail=LEAST_FRAMES))


def _legal_on(film: Film, backdrop: Backdrop) -> Iterator[Take]:
    if film.is_seen_moving:
        scenes = [scene._replace(backdrop=backdrop) for scene in film.scenes[1:]]
        yield Take(_CODES, 0.0, film.shoot([film.scenes[0], *scenes]))


def _any_goal(film: Film, rng: np.random.Generator) -> _Goal | None:
    """One that can be seen for a while."""
    goals = [goal for goal in _goals(film) if film.is_seen_bare(film.cells[goal.cell])]
    return goals[int(rng.integers(len(goals)))] if goals else None


def _goals(film: Film) -> list[_Goal]:
    return [_Goal(cell, mark) for cell, glyph in enumerate(film.backdrop) for mark in glyph[1:]]


def _goals_of_tokens(film: Film) -> list[tuple[_Goal, Token]]:
    """Bare goals, and the keyed tokens that lie on them in the solved state, as they are at the start."""
    keys = {token.at: token.key for token in film.scenes[-1].tokens if token.key is not None}
    starts = {token.key: token for token in film.scenes[0].tokens}
    taken = {token.at for token in film.scenes[0].tokens}
    return [
        (goal, starts[keys[film.cells[goal.cell]]])
        for goal in _goals(film)
        if film.cells[goal.cell] not in taken and keys.get(film.cells[goal.cell]) in starts
    ]


def _free_cell(film: Film, rng: np.random.Generator) -> int | None:
    """A cell without a goal that can hold tokens but has none: never, or not for a while."""
    stacks = film.task.glyphs(film.puzzle.start)
    bare = [number for number, glyph in enumerate(film.backdrop) if len(glyph) == 1 and any(stacks[number])]
    used = {token.at for scene in film.scenes for token in scene.tokens}
    first = {token.at for scene in film.scenes[: LEAST_FRAMES + 1] for token in scene.tokens}
    never = [number for number in bare if film.cells[number] not in used]
    found = never or [number for number in bare if film.cells[number] not in first]
    return found[int(rng.integers(len(found)))] if found else None


def _without(backdrop: Backdrop, goal: _Goal) -> Backdrop:
    glyph = tuple(mark for mark in backdrop[goal.cell] if mark != goal.mark)
    return (*backdrop[: goal.cell], glyph, *backdrop[goal.cell + 1 :])


def _with_mark(backdrop: Backdrop, cell: int, mark: Mark) -> Backdrop:
    return (*backdrop[:cell], (*backdrop[cell], mark), *backdrop[cell + 1 :])


KINDS = (goal_moved, goal_doubled, goal_recolored, goal_erased, goal_fetched, goal_traded)

"""Cheats made of the pictures that a task forges: shown at once or glided to, held, left again, or walked on from.

Each function is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from puzzlegen.errors import Rejected, SearchLimit, Unsolvable
from puzzlegen.replay import board, stacks_of
from puzzlegen.testing.cheaters.film import CUT, FAR, LEAST_FRAMES, Film, Scene, Take
from puzzlegen.testing.cheaters.legality import (
    FASTEST,
    LEAST_JUMP,
    LEAST_TEMPO,
    glide_length,
    leads_to,
    legal_part,
    on_the_way,
)
from puzzlegen.types import Forgery, Token

_CODES = ("JUMP", "WALL_HIT", "ILLEGAL_PUSH", "NO_PROCESS")
"""What a judge may call it instead of the forgery's own code, which may depend on the frames in between."""
_TRIES = 4
"""Forgeries of one code that are tried until one makes a cheat."""


class _Forged(NamedTuple):
    """A forgery in place: the legal walk to it, and the picture."""

    code: str
    step: int
    """Actions before it."""
    tokens: tuple[Token, ...]
    state: Any
    """That the picture shows; None: it shows none."""
    is_near: bool
    """A few legal actions lead there: only the way can tell that they were not taken."""


def forgery_at_once(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A rule is broken by a cut, once for each code of the task; the picture stays so."""

    def cut(forged: _Forged) -> Take | None:
        return None if forged.is_near else _take(film, forged, film.scene(forged.tokens, reach=CUT))

    yield from _one_of_each_code(film, rng, cut)


def forgery_that_glides(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A rule is broken by tokens that glide, once for each code; the picture stays so."""

    def glide(forged: _Forged) -> Take | None:
        scene, legal = _glide(film, forged)
        return scene and _take(film, forged, scene, legal=legal)

    yield from _one_of_each_code(film, rng, glide)


def forgery_walked_on(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A rule is broken once, then legal moves lead from there to the solution."""

    def walk_on(forged: _Forged) -> Take | None:
        if forged.state is None:
            return None
        scene, legal = _glide(film, forged)
        if scene is None and not forged.is_near:
            scene = film.scene(forged.tokens, reach=CUT)
        if scene is None:
            return None
        try:
            actions = film.task.solve(forged.state).actions
        except (Unsolvable, SearchLimit):
            return None
        after = film.legal(forged.state, actions)
        if film.timeline.frames_per_action < LEAST_TEMPO:  # else it may be gone in one frame, like a flicker
            after = [film.scene(forged.tokens, frames=LEAST_FRAMES), *after]
        return _take(film, forged, scene, after, legal)

    yield from _one_of_each_code(film, rng, walk_on)


def forgery_taken_back(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A rule is broken for a while, then the legal walk goes on as if nothing had been."""

    def take_back(forged: _Forged) -> Take | None:
        if forged.is_near:
            return None
        after = [film.scene(forged.tokens, frames=LEAST_FRAMES), film.scenes[forged.step]._replace(reach=CUT)]
        scene = film.scene(forged.tokens, reach=CUT)
        return _take(film, forged, scene, [*after, *film.scenes[forged.step + 1 :]])

    yield from _one_of_each_code(film, rng, take_back)


def _one_of_each_code(film: Film, rng: np.random.Generator, make: Any) -> Iterator[Take]:
    """For each code, what `make` gives for the first of a few forgeries, at the start or midway, that makes a cheat."""
    moments = [0, _midway(film, rng)]
    by_code: dict[str, list[tuple[int, Forgery]]] = {}
    for step in dict.fromkeys(rng.permutation(moments).tolist()):
        forgeries = list(film.task.forgeries(film.states[step]))
        picked: dict[str, int] = {}
        for number in rng.permutation(len(forgeries)).tolist():
            forgery = forgeries[number]
            picked[forgery.code] = picked.get(forgery.code, 0) + 1
            if picked[forgery.code] <= _TRIES:
                by_code.setdefault(forgery.code, []).append((step, forgery))
    for code in sorted(by_code):
        for step, forgery in by_code[code]:
            forged = _place(film, step, forgery)
            try:
                take = forged and make(forged)
            except Rejected:  # too long for the clip
                continue
            if take:
                yield take
                break


def _midway(film: Film, rng: np.random.Generator) -> int:
    """A step between the start and the end, 0 if there is none."""
    count = len(film.actions)
    return int(rng.integers(max(1, count // 4), max(2, count - count // 4))) if count > 1 else 0


def _place(film: Film, step: int, forgery: Forgery) -> _Forged | None:
    """Read a forgery as a judge may; None if it shows the state that it was made from."""
    before, stacks = film.states[step], stacks_of(forgery.tokens, film.shape)
    if stacks == board(film.task, before):
        return None
    state = film.task.read(film.puzzle.start, stacks)
    is_near = state is not None and leads_to(film.task, before, state)
    return _Forged(forgery.code, step, forgery.tokens, state, is_near)


def _glide(film: Film, forged: _Forged) -> tuple[Scene | None, list[Any]]:
    """Tokens glide straight to the forged picture; None where they do not, or where nobody can tell it from legal.

    Also the states that they pass legally on the way.
    """
    before, tempo = film.states[forged.step], film.timeline.frames_per_action
    tokens = film.scenes[forged.step].tokens
    length = glide_length(tokens, forged.tokens)
    if not length or tempo * length < 2:
        return None, []
    in_time = int(FASTEST * length) + 2  # moves that a clip at the greatest speed that is allowed makes meanwhile
    if tempo < LEAST_TEMPO and (forged.is_near or _is_reached(film, before, forged.state, in_time)):
        return None, []
    boards = on_the_way(tokens, forged.tokens, film.shape)
    most = math.ceil(FASTEST / tempo) if forged.is_near else LEAST_JUMP - 1
    legal = legal_part(film, before, boards, most)
    if len(legal) > len(boards):
        return None, []
    if most > 1:  # a state between two may be read on the way
        legal += [film.task.step(state, action) for state in legal for action in film.task.actions(state)]
    return film.scene(forged.tokens, reach=FAR, frames=tempo * length), legal


def _is_reached(film: Film, before: Any, state: Any, most: int) -> bool:
    return state is not None and leads_to(film.task, before, state, most)


def _take(
    film: Film, forged: _Forged, scene: Scene, after: Sequence[Scene] = (), legal: Sequence[Any] = ()
) -> Take:  # fmt: skip
    """The clip: legal up to the forgery, then it, then what comes after it or a still.

    Raises:
        Rejected: it does not fit the clip.
    """
    frames = film.shoot([*film.scenes[: forged.step + 1], scene, *after], tail=LEAST_FRAMES)
    ceiling = max([film.progress(forged.step), *(film.worth(state) for state in legal)])
    return Take(tuple(dict.fromkeys([forged.code, *_CODES])), ceiling, frames)


KINDS = (forgery_at_once, forgery_that_glides, forgery_walked_on, forgery_taken_back)

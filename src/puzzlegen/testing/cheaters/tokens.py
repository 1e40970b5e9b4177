"""Cheats made by moving, copying, hiding and repainting tokens.

Each function is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from puzzlegen.grid import Cell, neighbors
from puzzlegen.render.colors import COLORS
from puzzlegen.replay import stacks_of
from puzzlegen.testing.cheaters.film import CUT, FAR, LEAST_FRAMES, UNSOLVED_CAP, Film, Scene, Take
from puzzlegen.testing.cheaters.legality import (
    LEAST_JUMP,
    glide_length,
    leads_to,
    legal_part,
    on_the_way,
)
from puzzlegen.types import Token

_TWICE = ("MULTI_AGENT", "BOX_COUNT", "OVERPAINT", "JUMP")
_PAINT = ("OVERPAINT", "MULTI_AGENT", "BOX_COUNT", "BRANCH", "CROSSING", "JUMP", "LAYOUT_CHANGED", "GOAL_CHANGED",
          "UNPARSED")  # fmt: skip
_GONE = ("UNPARSED", "JUMP", "BOX_COUNT", "ILLEGAL_PUSH", "NO_PROGRESS", "NO_PROCESS", "END_STATE", "MULTI_AGENT")
_LEAST_CELL_PX = 16
"""Cells in which a block of 2 x 2 pixels is too small to be a thing."""


def straight(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Tokens glide straight to where they are in the solved state, over everything."""
    found = straight_to_the_end(film, 0)
    if found:
        scene, ceiling = found
        yield Take(
            ("WALL_HIT", "ILLEGAL_PUSH", "JUMP", "BOX_COUNT", "NO_PROCESS"),
            ceiling,
            film.shoot([film.scenes[0], scene]),
        )


def swap(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Two different tokens change places."""
    step = int(rng.integers(0, len(film.actions)))
    tokens = list(film.scenes[step].tokens)
    keyed = [number for number, token in enumerate(tokens) if token.key is not None]
    pairs = [(one, other) for one in keyed for other in keyed if tokens[one].mark.kind < tokens[other].mark.kind]
    if not pairs:
        return
    one, other = pairs[int(rng.integers(len(pairs)))]
    tokens[one], tokens[other] = tokens[one]._replace(at=tokens[other].at), tokens[other]._replace(at=tokens[one].at)
    if not _is_near(film, step, tokens):
        frames = film.shoot([*film.scenes[: step + 1], film.scene(tokens, reach=CUT)], tail=LEAST_FRAMES)
        yield Take(("JUMP", "ILLEGAL_PUSH", "BOX_COUNT", "WALL_HIT"), film.progress(step), frames)


def left_behind(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A copy of a token stays at the start while the token moves."""
    movers = [old for old, new in _moved(film) if all(old.at != token.at for token in film.scenes[-1].tokens)]
    if movers:
        copy = movers[int(rng.integers(len(movers)))]._replace(key=None)
        yield Take(_TWICE, 0.0, film.shoot(_with_tokens(film, [copy])))


def sent_ahead(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A copy of a token waits where it will be in the solved state."""
    movers = [new for _, new in _moved(film) if film.is_seen_bare(new.at)]
    if movers:
        copy = movers[int(rng.integers(len(movers)))]._replace(key=None)
        yield Take(_TWICE, 0.0, film.shoot(_with_tokens(film, [copy])))


def one_removed(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A token disappears midway; the others go on legally."""
    step = int(rng.integers(1, len(film.actions) + 1))
    tokens = film.scenes[step].tokens
    if not tokens:
        return
    gone = tokens[int(rng.integers(len(tokens)))]
    scenes = [scene._replace(tokens=_dropped(scene.tokens, gone)) for scene in film.scenes[step:]]
    if not _shows_solved(film, scenes[-1].tokens):
        ceiling = film.progress(step) if gone.key is not None else UNSOLVED_CAP  # as if not drawn yet, all else legal
        frames = film.shoot([*film.scenes[:step], *scenes])
        yield Take(("JUMP", "BRANCH", *(code for code in _GONE if code != "JUMP")), ceiling, frames)


def one_too_early(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A token of the solved state that nothing brings there is seen long before its turn."""
    latest = len(film.actions) - LEAST_JUMP
    if latest < 1:
        return
    step = int(rng.integers(1, latest + 1))
    taken = {token.at for scene in film.scenes[: step + LEAST_JUMP] for token in scene.tokens}
    taken |= {token.at for state in film.states[step : step + LEAST_JUMP] for token in _drawn_next(film, state)}
    early = [token for token in film.scenes[-1].tokens if token.key is None and token.at not in taken]
    if early:
        token = early[int(rng.integers(len(early)))]
        scenes = [
            scene if any(token.at == other.at for other in scene.tokens) else _added(scene, [token])
            for scene in film.scenes[step:]
        ]
        frames = film.shoot([*film.scenes[:step], *scenes])
        yield Take(("BRANCH", "JUMP", "CROSSING"), film.progress(step), frames)


def _drawn_next(film: Film, state: Any) -> Iterator[Token]:
    """What the legal actions of a state draw: where one of these begins too early, it is only slow."""
    before = set(film.task.tokens(state))
    for action in film.task.actions(state):
        yield from set(film.task.tokens(film.task.step(state, action))) - before


def two_merged(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A token glides onto another of its kind and is gone."""
    step = int(rng.integers(0, len(film.actions)))
    tokens = film.scenes[step].tokens
    pairs = [
        (one, other)
        for one in tokens
        for other in tokens
        if one.key is not None and one.key != other.key and one.mark == other.mark
    ]
    if pairs:
        one, other = pairs[int(rng.integers(len(pairs)))]
        gliding = [token._replace(at=other.at) if token == one else token for token in tokens]
        after = [scene._replace(tokens=_dropped(scene.tokens, one)) for scene in film.scenes[step + 1 :]]
        length = glide_length(tokens, gliding) * film.timeline.frames_per_action
        frames = film.shoot([*film.scenes[: step + 1], film.scene(gliding, reach=FAR, frames=max(2, length)), *after])
        yield Take(("BOX_COUNT", "JUMP", "ILLEGAL_PUSH", "MULTI_AGENT"), film.progress(step), frames)


def disguised(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Tokens take the look that they have in the solved state, where they are."""
    marks = {token.key: token.mark for token in film.scenes[-1].tokens if token.key is not None}
    tokens = [token._replace(mark=marks.get(token.key, token.mark)) for token in film.scenes[0].tokens]
    if tuple(tokens) != film.scenes[0].tokens and not _is_near(film, 0, tokens):
        frames = film.shoot([film.scenes[0], film.scene(tokens, reach=CUT)], tail=LEAST_FRAMES)
        yield Take(("BOX_COUNT", "JUMP", "NO_PROGRESS", "UNPARSED", "GOAL_CHANGED"), 0.0, frames)


def painted_over(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """One cell after the other is covered by a token's mark, until all are; the solution lies on top."""
    tokens = film.scenes[-1].tokens
    mark = tokens[int(rng.integers(len(tokens)))].mark
    room = film.clip.num_frames - film.timeline.hold_start - LEAST_FRAMES
    steps = min(room, len(film.cells))
    cells = [film.cells[number] for number in rng.permutation(len(film.cells))]
    scenes = [
        film.scene(
            [*(Token(mark, cell) for cell in cells[: len(cells) * part // steps]), *film.scenes[0].tokens],
            reach=CUT,
            frames=1,
        )
        for part in range(1, steps + 1)
    ]
    end = film.scene([*(Token(mark, cell) for cell in cells), *tokens], reach=CUT, frames=1)
    yield Take(_PAINT, 0.0, film.shoot([film.scenes[0], *scenes, end]))


def thick_brush(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All that moves or is drawn covers the neighbouring cells too."""
    first = set(film.scenes[0].tokens)
    still = {token.key for token in film.scenes[0].tokens} - {new.key for _, new in _moved(film)} - {None}
    scenes = [film.scenes[0]]
    for scene in film.scenes[1:]:
        broad = [token for token in scene.tokens if token not in first or token.key is not None]
        copies = [
            Token(token.mark, cell, key=None if token.key is None else ("brush", token.key, direction))
            for token in broad
            if token.key not in still or token.key is None
            for direction, cell in neighbors(token.at, film.shape)
        ]
        scenes.append(scene._replace(tokens=(*copies, *scene.tokens)))
    grows = not any(token.key is not None for token in film.scenes[0].tokens)  # into its own cell first
    yield Take(_PAINT, film.progress(1) if grows else 0.0, film.shoot(scenes))


def hidden(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Tokens that move are not drawn any more from the first move on."""
    if any(token.key is not None for token in film.scenes[0].tokens):
        yield Take(_GONE, 0.0, film.shoot([film.scenes[0], *_without_keyed(film)]))


def tunnel(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Tokens that move are not drawn until they have arrived."""
    if any(token.key is not None for token in film.scenes[0].tokens) and len(film.actions) >= LEAST_JUMP:
        scenes = [film.scenes[0], *_without_keyed(film)[:-1], film.scenes[-1]._replace(reach=CUT)]
        yield Take(_GONE, 0.0, film.shoot(scenes))


def tiny(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Tokens that move shrink to 2 x 2 pixels."""
    keyed = [token for token in film.scenes[0].tokens if token.key is not None]
    if not keyed or film.layout.cell_px < _LEAST_CELL_PX:
        return
    frames = film.shoot([film.scenes[0], *_without_keyed(film)])
    half = film.layout.cell_px // 2
    stops = [*film.at[1:], film.clip.num_frames]
    first = film.timeline.hold_start
    for step, last in enumerate(stops):
        for token in film.scenes[step].tokens:
            if token.key is not None:
                top, left = film.layout.corner(token.at)
                style = film.look.style(token.mark.kind, token.mark.hue)
                block = frames[first:last, top + half : top + half + 2, left + half : left + half + 2]
                block[:] = COLORS[style.color]
        first = last
    yield Take(("UNPARSED", *_GONE[1:]), 0.0, frames)


# --- shared with the cheats that change walls


def straight_to_the_end(film: Film, step: int) -> tuple[Scene, float] | None:
    """Keyed tokens glide straight from a state to the solved one, and the ceiling; None if that may be legal."""
    tokens, end = film.scenes[step].tokens, film.scenes[-1].tokens
    length = glide_length(tokens, end)
    if not length:
        return None
    boards = on_the_way(tokens, end, film.shape)
    legal = legal_part(film, film.states[step], boards)
    if len(legal) > len(boards):
        return None
    frames = max(LEAST_FRAMES, length * film.timeline.frames_per_action)
    ceiling = max([film.progress(step), *(film.worth(state) for state in legal)])
    return film.scene(end, reach=FAR, frames=frames), ceiling


def _is_near(film: Film, step: int, tokens: Sequence[Token]) -> bool:
    """Whether a few legal actions lead from a state to what these tokens show."""
    state: Any = film.task.read(film.puzzle.start, stacks_of(tokens, film.shape))
    return state is not None and leads_to(film.task, film.states[step], state)


def _shows_solved(film: Film, tokens: Sequence[Token]) -> bool:
    state: Any = film.task.read(film.puzzle.start, stacks_of(tokens, film.shape))
    return state is not None and film.task.is_solved(state)


def _moved(film: Film) -> list[tuple[Token, Token]]:
    """Keyed tokens that are elsewhere in the solved state, as they are at the start and there."""
    ends = {token.key: token for token in film.scenes[-1].tokens if token.key is not None}
    return [
        (token, ends[token.key])
        for token in film.scenes[0].tokens
        if token.key in ends and ends[token.key].at != token.at
    ]


def _with_tokens(film: Film, tokens: Sequence[Token]) -> list[Scene]:
    """The legal scenes with more tokens below from the first move on."""
    return [film.scenes[0], *(_added(scene, tokens) for scene in film.scenes[1:])]


def _added(scene: Scene, tokens: Sequence[Token]) -> Scene:
    return scene._replace(tokens=(*tokens, *scene.tokens))


def _dropped(tokens: Sequence[Token], gone: Token) -> tuple[Token, ...]:
    """Without a token: by its key, or by its cell if it has none."""

    def name(token: Token) -> tuple[object, Cell | None]:
        return token.key, None if token.key is not None else token.at

    return tuple([token for token in tokens if name(token) != name(gone)])


def _without_keyed(film: Film) -> list[Scene]:
    return [
        scene._replace(tokens=tuple(token for token in scene.tokens if token.key is None)) for scene in film.scenes[1:]
    ]


KINDS = (
    straight,
    swap,
    left_behind,
    sent_ahead,
    one_removed,
    one_too_early,
    two_merged,
    disguised,
    painted_over,
    thick_brush,
    hidden,
    tunnel,
    tiny,
)

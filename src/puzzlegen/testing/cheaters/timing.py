"""Cheats made of a legal clip's own frames: shown in another order, cut, faded, left out.

Each function is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from puzzlegen.render.motion import HOLD_END
from puzzlegen.testing.cheaters.film import CUT, Film, Frames, Take
from puzzlegen.testing.cheaters.legality import LEAST_JUMP

_JUMP = ("JUMP", "NO_PROCESS", "BOX_COUNT", "ILLEGAL_PUSH", "WALL_HIT")
_FADE = 12
_CURTAIN = 8
_MOST_UNDONE = 4


def frozen(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The first frame all the time."""
    yield Take(("NO_PROGRESS",), 0.0, film.cuts([0]))


def truncated(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A legal walk that stops before the puzzle is solved."""
    if len(film.actions) > 1:
        last = int(rng.integers(1, len(film.actions)))
        yield Take(("END_STATE", "NO_PROGRESS"), film.progress(last), film.cuts(range(film.at[last] + 1)))


def cut_to_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A cut from the start to the solved state."""
    if _is_long(film):
        yield Take(_JUMP, 0.0, film.cuts([*[0] * int(rng.integers(4, film.clip.num_frames - HOLD_END)), -1]))


def fade_to_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All tokens fade out at the start and in where they are in the solved state."""
    if not _is_long(film) or film.clip.num_frames < 4 + _FADE + HOLD_END:
        return
    frames = film.cuts([*[0] * (4 + _FADE), -1])
    bare = film.picture(())
    half = _FADE // 2
    for part in range(_FADE):
        picture = film.still(0 if part < half else -1)
        share = part / half if part < half else (_FADE - 1 - part) / half
        frames[4 + part] = np.rint(picture * (1 - share) + bare * share)
    yield Take((*_JUMP, "UNPARSED", "MULTI_AGENT"), 0.0, frames)


def curtain(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The picture is covered while everything jumps to the solved state."""
    if not _is_long(film):
        return
    opens = film.clip.num_frames - max(HOLD_END, film.clip.num_frames // 4)
    frames = film.cuts([*[0] * opens, -1])
    frames[opens - _CURTAIN : opens] = rng.integers(0, 256, 3, dtype=np.uint8)
    yield Take((*_JUMP, "OUT_OF_VIEW", "UNPARSED", "OVERPAINT", "LAYOUT_CHANGED"), 0.0, frames)


def jump_midway(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A legal walk in which several actions are left out at once."""
    first = len(film.actions) - LEAST_JUMP
    if first < 2:
        return
    leave = int(rng.integers(1, first))
    enter = int(rng.integers(leave + LEAST_JUMP, len(film.actions)))
    order = [*range(film.at[leave] + 1), *range(film.at[enter], film.clip.num_frames)]
    yield Take(_JUMP, film.progress(leave), film.cuts(order))


def jump_to_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A legal walk, then a cut to the solved state."""
    if len(film.actions) > LEAST_JUMP:
        leave = int(rng.integers(1, len(film.actions) - LEAST_JUMP + 1))
        yield Take(_JUMP, film.progress(leave), film.cuts([*range(film.at[leave] + 1), -1]))


def leaps(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Only every sixth state, each held for a while."""
    if len(film.actions) < 2 * LEAST_JUMP:
        return
    stops = [*range(0, len(film.actions) - LEAST_JUMP + 1, LEAST_JUMP), len(film.actions)]
    held = film.clip.num_frames // len(stops)
    yield Take(_JUMP, 0.0, film.cuts([film.at[stop] for stop in stops for _ in range(held)]))


def late_start(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal walk without its beginning."""
    if len(film.actions) > LEAST_JUMP:
        enter = int(rng.integers(LEAST_JUMP, len(film.actions)))
        yield Take(("BAD_START", "UNPARSED"), 0.0, film.cuts(range(film.at[enter], film.clip.num_frames)))


def solved_throughout(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The solved state from the first frame on."""
    yield Take(("BAD_START", "NO_PROCESS", "UNPARSED"), 0.0, film.cuts([-1]))


def backwards(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal clip played from its end to its start."""
    yield Take(("BAD_START", "UNPARSED"), 0.0, film.gold[::-1].copy())


def flash_of_one_frame(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The solved state for one frame in the middle of a still."""
    yield from _flash(film, int(rng.integers(4, film.clip.num_frames - 2)), 1)


def flash_of_two_frames(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The solved state for two frames in the middle of a still."""
    yield from _flash(film, int(rng.integers(4, film.clip.num_frames - 3)), 2)


def flash_at_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The solved state in the last frame only."""
    yield from _flash(film, film.clip.num_frames - 1, 1)


def back_to_the_start(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The whole solution, then a cut back to the start."""
    frames = film.cuts(range(film.clip.num_frames))
    frames[-_half_of_the_end(film) :] = film.gold[0]
    yield Take(("END_STATE", "JUMP", "NO_PROCESS", "BOX_COUNT"), 0.5, frames)


def last_moves_undone(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The whole solution, then its last moves backwards."""
    back = int(rng.integers(1, min(_MOST_UNDONE, len(film.actions)) + 1))
    undone = film.states[-2 : -2 - back : -1]
    if film.task.is_solved(undone[-1]):
        return
    reach = 1 if film.look.motion == "glide" else CUT
    scenes = [film.scene(film.task.tokens(state), reach=reach) for state in undone]
    frames = film.shoot([*film.scenes, *scenes])
    yield Take(("END_STATE", "ILLEGAL_PUSH", "JUMP", "BRANCH", "NO_PROCESS"), 0.5, frames)


def vanished_at_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The whole solution, then every token is gone."""
    frames = film.cuts(range(film.clip.num_frames))
    frames[-_half_of_the_end(film) :] = film.picture(())
    yield Take(("END_STATE", "BOX_COUNT", "JUMP", "NO_PROCESS", "UNPARSED"), 0.5, frames)


def interlaced_with_the_start(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal clip in even frames, the start in odd ones."""
    yield from _interlaced(film, film.gold[0])


def interlaced_with_the_end(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal clip in even frames, the solved state in odd ones."""
    yield from _interlaced(film, film.gold[-1])


def _is_long(film: Film) -> bool:
    """Whether the solution takes more actions than an honest clip may skip at once."""
    return len(film.actions) >= LEAST_JUMP


def _flash(film: Film, first: int, length: int) -> Iterator[Take]:
    if _is_long(film):
        order = [-1 if first <= frame < first + length else 0 for frame in range(film.clip.num_frames)]
        yield Take(("NO_PROCESS", "NO_PROGRESS", "JUMP", "END_STATE"), 0.0, film.cuts(order))


def _half_of_the_end(film: Film) -> int:
    """Frames at the end that leave as many of the solved state to be seen, but three at least."""
    return max(3, (film.clip.num_frames - film.at[-1]) // 2)


def _interlaced(film: Film, picture: Frames) -> Iterator[Take]:
    if _is_long(film):
        frames = film.gold.copy()
        frames[1::2] = picture
        codes = ("UNPARSED", *_JUMP, "END_STATE", "MULTI_AGENT", "BRANCH", "CROSSING")
        yield Take(codes, 0.0, frames)


KINDS = (
    frozen,
    truncated,
    cut_to_the_end,
    fade_to_the_end,
    curtain,
    jump_midway,
    jump_to_the_end,
    leaps,
    late_start,
    solved_throughout,
    backwards,
    flash_of_one_frame,
    flash_of_two_frames,
    flash_at_the_end,
    back_to_the_start,
    last_moves_undone,
    vanished_at_the_end,
    interlaced_with_the_start,
    interlaced_with_the_end,
)

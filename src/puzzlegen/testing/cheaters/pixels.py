"""Cheats that treat the picture as a whole: tinted, zoomed, panned, mirrored, another puzzle's, none at all.

Each maker is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.errors import PuzzlegenError
from puzzlegen.generate import sample
from puzzlegen.grid import Symmetry
from puzzlegen.render.colors import COLORS
from puzzlegen.render.formats import ClipFormat
from puzzlegen.testing.cheaters.film import Film, Frames, Take
from puzzlegen.testing.cheaters.walls import transformed
from puzzlegen.types import Instance

_OTHERS = 16
"""Foreign puzzles of each level that are drawn from."""
_FIRST_OTHER = 1_000_000
_TINT = 0.7
_ZOOM = 1.6
_PAN_CELLS = 3
_FOREIGN = ("LAYOUT_CHANGED", "GOAL_CHANGED", "BAD_START", "UNPARSED", "JUMP", "BOX_COUNT")
_OUT = ("OUT_OF_VIEW", "UNPARSED", "LAYOUT_CHANGED", "GOAL_CHANGED", "JUMP")


def tinted(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """A still that slowly takes the color of one token."""
    mark = film.scenes[-1].tokens[0].mark
    color = np.array(COLORS[film.look.style(mark.kind, mark.hue).color], dtype=np.float32)
    frames = film.cuts([0])
    for number, frame in enumerate(frames):
        share = _TINT * number / (len(frames) - 1)
        frame[:] = np.rint(film.gold[0] * np.float32(1 - share) + color * np.float32(share))
    yield Take(("OVERPAINT", "NO_PROGRESS", "UNPARSED", "LAYOUT_CHANGED", "GOAL_CHANGED"), 0.0, frames)


def zoomed(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The camera goes so near, before the second move, that the outer cells are lost; the legal moves are made."""
    rows, cols = film.shape
    height, width, side = film.clip.height, film.clip.width, film.layout.cell_px
    if len(film.actions) < 2 or min(rows, cols) < 4:
        return
    tight = min(height / ((rows - 2) * side), width / ((cols - 2) * side))
    zoom = max(_ZOOM, 1.05 * tight)
    frames = film.gold.copy()
    for number in range(film.timeline.hold_start, len(frames)):
        now = 1 + (zoom - 1) * _ramp(film, number)
        down, right = _zoom_indices(height, now), _zoom_indices(width, now)
        frames[number] = film.gold[number][down[:, None], right]
    yield Take(_OUT, 0.0, frames)


def panned(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The camera moves away, before the second move, until three rows or columns are lost; the legal moves are made."""
    if len(film.actions) < 2:
        return
    axis = 0 if film.layout.top <= film.layout.left else 1
    margin = (film.layout.top, film.layout.left)[axis]
    far = margin + min(_PAN_CELLS, film.shape[axis] - 1) * film.layout.cell_px
    sign = int(rng.choice([-1, 1]))
    frames = film.gold.copy()
    for number in range(film.timeline.hold_start, len(frames)):
        frames[number] = _moved(film.gold[number], sign * round(far * _ramp(film, number)), axis)
    yield Take(_OUT, 0.0, frames)


def mirrored(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal clip seen in a mirror, from the first frame on."""
    flip = Symmetry(transpose=False, flip_rows=False, flip_cols=True)
    here = {(token.mark, flip.cell(token.at, film.shape)) for token in film.scenes[0].tokens}
    if transformed(film, flip) != film.backdrop or here != {(token.mark, token.at) for token in film.scenes[0].tokens}:
        yield Take(_FOREIGN, 0.0, film.gold[:, :, ::-1].copy())


def other_puzzle(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The legal clip of another puzzle of the same level."""
    other = _other(film, rng)
    if other:
        yield Take(_FOREIGN, 0.0, other.gold.copy())


def other_puzzle_after_the_start(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The right first frame, then the legal clip of another puzzle of the same level."""
    other = _other(film, rng)
    if other:
        frames = other.gold.copy()
        frames[0] = film.gold[0]
        yield Take(_FOREIGN, 0.0, frames)


def blank(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """One color and nothing else."""
    frames = np.empty_like(film.gold)
    frames[:] = rng.integers(0, 256, 3, dtype=np.uint8)
    yield Take(("UNPARSED", "BAD_START"), 0.0, frames)


def noise(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """Noise and nothing else."""
    yield Take(("UNPARSED", "BAD_START"), 0.0, rng.integers(0, 256, film.gold.shape, dtype=np.uint8))


def _ramp(film: Film, frame: int) -> float:
    """How far the camera has moved, 0 to 1: all the way when the first move has been made."""
    first = film.timeline.hold_start
    return min(1.0, (frame - first + 1) / film.timeline.frames_per_action)


def _zoom_indices(length: int, zoom: float) -> NDArray[np.int64]:
    """The pixel of the old picture that each pixel of the new one shows, nearest ones."""
    middle = (length - 1) / 2
    indices: NDArray[np.int64] = np.rint((np.arange(length) - middle) / zoom + middle).astype(np.int64)
    return indices


def _moved(frame: Frames, pixels: int, axis: int) -> Frames:
    """A picture shifted along an axis; its corner pixel's color, that of the page, comes in."""
    moved = np.roll(frame, pixels, axis=axis)
    gap = slice(0, pixels) if pixels >= 0 else slice(pixels, None)
    moved[(gap, slice(None)) if axis == 0 else (slice(None), gap)] = frame[0, 0]
    return moved


def _other(film: Film, rng: np.random.Generator) -> Film | None:
    """The film of another puzzle of the same shape; None if the level cannot be drawn from or has no other."""
    origin = film.puzzle.origin
    start = int(rng.integers(_OTHERS))
    for turn in range(_OTHERS):
        index = _FIRST_OTHER + (start + turn) % _OTHERS
        try:
            other = _drawn(origin.recipe, origin.level, film.clip, index)
        except PuzzlegenError:  # not a recipe's puzzle, or one of a level that is no more
            return None
        task = film.task
        is_other = other.digest != film.puzzle.digest and isinstance(other.start, task.State)
        if is_other and task.shape(other.start) == film.shape:
            return Film(task, other, film.look, film.clip)
    return None


@functools.lru_cache(maxsize=256)
def _drawn(recipe_name: str, level: str, clip: ClipFormat, index: int) -> Instance[Any]:
    """A puzzle of another index; kept, as a few serve a whole run."""
    recipe = registry.load(recipe_name)
    return sample.draft(recipe, sample.Stream(recipe=recipe_name, level=level, seed=0, clip=clip), index)


KINDS = (tinted, zoomed, panned, mirrored, other_puzzle, other_puzzle_after_the_start, blank, noise)

"""Cheats that repaint the floor: walls erased, moved, added, thinned, whatever a wall is.

A wall is a side without a link where floor marks have links, and a cell that can hold no token where floor marks come
in several kinds. Each maker is a kind: its name and the first line of its docstring are those that `KINDS` lists.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from puzzlegen.grid import LINK, OPPOSITE, SYMMETRIES, Symmetry, neighbors, sources
from puzzlegen.testing.cheaters.film import Backdrop, Film, Scene, Take
from puzzlegen.testing.cheaters.tokens import straight_to_the_end
from puzzlegen.types import Glyph

_REDRAWN = ("LAYOUT_CHANGED", "UNPARSED")
_CROSSED = (*_REDRAWN, "WALL_HIT", "ILLEGAL_PUSH", "JUMP")
_THINNED = 0.75
"""How much of a thinned wall is floor."""


def walls_erased(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All inner walls go away before the first move; tokens go straight, or legally where that is straight."""
    opened = without_walls(film)
    if opened != film.backdrop:
        found = straight_to_the_end(film, 0)
        rest = [found[0]] if found else film.scenes[1:]
        yield Take(_CROSSED, 0.0, film.shoot([film.scenes[0], *_on(opened, rest)]))


def walls_erased_midway(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The same in the middle of a legal walk."""
    opened = without_walls(film)
    if opened == film.backdrop or len(film.actions) < 2:
        return
    step = int(rng.integers(1, len(film.actions)))
    found = straight_to_the_end(film, step)
    if found:
        yield Take(_CROSSED, 0.0, film.shoot([*film.scenes[: step + 1], *_on(opened, [found[0]])]))


def walls_erased_in_passing(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All inner walls go away while tokens pass straight, and are back when they have arrived."""
    opened, found = without_walls(film), straight_to_the_end(film, 0)
    if opened != film.backdrop and found:
        passing = found[0]._replace(backdrop=opened)
        yield Take(_CROSSED, 0.0, film.shoot([film.scenes[0], passing, film.scenes[-1]._replace(frames=1)]))


def walls_shifted(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All floor and walls move by one cell; the legal moves are made where they were."""
    grid = np.arange(len(film.cells)).reshape(film.shape)
    order = np.roll(grid, int(rng.choice([-1, 1])), axis=int(rng.integers(2))).ravel().tolist()
    yield from _redrawn(film, tuple(film.backdrop[source][:1] for source in order))


def walls_redrawn(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """The walls of a mirrored or turned board; the legal moves are made on it."""
    fitting = [symmetry for symmetry in SYMMETRIES[1:] if symmetry.shape(film.shape) == film.shape]
    turned = [transformed(film, symmetry) for symmetry in fitting]
    floors = [tuple(glyph[:1] for glyph in backdrop) for backdrop in turned]
    others = [floor for floor in floors if floor != _floor(film)]
    if others:
        yield from _redrawn(film, others[int(rng.integers(len(others)))])


def wall_removed(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """One wall is gone; the legal moves are made."""
    found = [*_link_flips(film, are_linked=False), *_blocked_to_open(film)]
    if found:
        yield from _redrawn(film, found[int(rng.integers(len(found)))])


def wall_added(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """One wall is new where nobody goes; the legal moves are made."""
    found = [*_link_flips(film, are_linked=True), *_open_to_blocked(film)]
    if found:
        yield from _redrawn(film, found[int(rng.integers(len(found)))])


def walls_thinned(film: Film, rng: np.random.Generator) -> Iterator[Take]:
    """All inner walls fade to a quarter; the legal moves are made."""
    opened = without_walls(film)
    if opened == film.backdrop:
        return
    frames = film.gold.copy()
    first = film.timeline.hold_start
    bare = film.shoot([film.scenes[0], *_on(opened, film.scenes[1:])])
    faded, share = frames[first:], round(_THINNED * 256)
    for frame, without in zip(faded, bare[first:], strict=True):
        frame[:] = (frame * np.uint16(256 - share) + without * np.uint16(share)) >> 8
    yield Take(_REDRAWN, 0.0, frames)


# --- what walls are


def without_walls(film: Film) -> Backdrop:
    """The backdrop with all neighbours linked, and open floor in all cells that can hold nothing, but for the rim."""
    rows, cols = film.shape
    if not _has_links(film) and not any(_blocked(film)):
        return film.backdrop
    floor = _commonest(film, is_blocked=False)
    found = []
    for cell, glyph, is_blocked in zip(film.cells, film.backdrop, _blocked(film), strict=True):
        inner = 0 < cell[0] < rows - 1 and 0 < cell[1] < cols - 1
        if is_blocked and inner and floor is not None:
            glyph = floor
        if _has_links(film):
            glyph = _linked(glyph, sum(LINK[direction] for direction, _ in neighbors(cell, film.shape)))
        found.append(glyph)
    return tuple(found)


def transformed(film: Film, symmetry: Symmetry) -> Backdrop:
    """The backdrop turned or mirrored."""
    return tuple(
        tuple(mark._replace(links=symmetry.links(mark.links)) for mark in film.backdrop[source])
        for source in sources(symmetry, film.shape)
    )


def _redrawn(film: Film, floor: Backdrop) -> Iterator[Take]:
    """The legal moves on another floor from the first move on."""
    backdrop = tuple(below + glyph[1:] for below, glyph in zip(floor, film.backdrop, strict=True))
    if backdrop != film.backdrop:
        yield Take(_REDRAWN, 0.0, film.shoot([film.scenes[0], *_on(backdrop, film.scenes[1:])]))


def _on(backdrop: Backdrop, scenes: Sequence[Scene]) -> list[Scene]:
    return [scene._replace(backdrop=backdrop) for scene in scenes]


def _floor(film: Film) -> Backdrop:
    return tuple(glyph[:1] for glyph in film.backdrop)


def _has_links(film: Film) -> bool:
    return any(glyph[0].links for glyph in film.backdrop if glyph)


def _linked(glyph: Glyph, links: int) -> Glyph:
    return (glyph[0]._replace(links=links), *glyph[1:])


def _blocked(film: Film) -> list[bool]:
    """The cells that no reachable state shows anything in."""
    return [not any(stacks) for stacks in film.task.glyphs(film.puzzle.start)]


def _commonest(film: Film, is_blocked: bool) -> Glyph | None:
    """The floor that most cells have of those that can, or cannot, hold a token."""
    found = Counter(
        glyph[:1] for glyph, blocked in zip(film.backdrop, _blocked(film), strict=True) if blocked == is_blocked
    )
    return found.most_common(1)[0][0] if found else None


def _link_flips(film: Film, are_linked: bool) -> Iterator[Backdrop]:
    """Floors in which one pair of neighbours is linked or parted that was not; no pair that tokens go between."""
    if not _has_links(film):
        return
    cols, floor = film.shape[1], _floor(film)
    walked = _walked(film)
    for number, cell in enumerate(film.cells):
        for direction, other in neighbors(cell, film.shape):
            is_linked = bool(floor[number][0].links & LINK[direction])
            if direction in "DR" and is_linked == are_linked and frozenset((cell, other)) not in walked:
                glyphs, beyond = list(floor), other[0] * cols + other[1]
                glyphs[number] = _linked(floor[number], floor[number][0].links ^ LINK[direction])
                glyphs[beyond] = _linked(floor[beyond], floor[beyond][0].links ^ LINK[OPPOSITE[direction]])
                yield tuple(glyphs)


def _walked(film: Film) -> set[frozenset[object]]:
    """Pairs of cells that a keyed token goes between."""
    places = [{token.key: token.at for token in scene.tokens if token.key is not None} for scene in film.scenes]
    return {
        frozenset((before[key], after[key]))
        for before, after in itertools.pairwise(places)
        for key in before.keys() & after.keys()
    }


def _blocked_to_open(film: Film) -> Iterator[Backdrop]:
    """Floors in which one blocked cell beside open ones is open."""
    blocked, open_floor = _blocked(film), _commonest(film, is_blocked=False)
    if open_floor is None:
        return
    cols = film.shape[1]
    for number, cell in enumerate(film.cells):
        beside = [other[0] * cols + other[1] for _, other in neighbors(cell, film.shape)]
        if blocked[number] and not all(blocked[other] for other in beside):
            yield _with_floor(film, number, open_floor)


def _open_to_blocked(film: Film) -> Iterator[Backdrop]:
    """Floors in which one cell that stays empty, with nothing drawn on its floor, is blocked."""
    blocked, wall = _blocked(film), _commonest(film, is_blocked=True)
    if wall is None:
        return
    used = {token.at for scene in film.scenes for token in scene.tokens}
    for number, cell in enumerate(film.cells):
        if not blocked[number] and cell not in used and len(film.backdrop[number]) == 1:
            yield _with_floor(film, number, wall)


def _with_floor(film: Film, number: int, glyph: Glyph) -> Backdrop:
    floor = _floor(film)
    return (*floor[:number], glyph, *floor[number + 1 :])


KINDS = (
    walls_erased,
    walls_erased_midway,
    walls_erased_in_passing,
    walls_shifted,
    walls_redrawn,
    wall_removed,
    wall_added,
    walls_thinned,
)

"""What the first picture of a video tells: where the puzzle lies in it, tone and blur, and what covers the board."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.verify import search
from puzzlegen.verify.atlas import LUMA, Atlas, Features, Labels, luma_picture
from puzzlegen.verify.perceive import Percept, classify, strange
from puzzlegen.verify.sight import Sight
from puzzlegen.verify.tone import fit_tone

AS_DRAWN_LEVELS = 8.0
"""Levels by which the codec may move a block of the first picture before view and tone are searched for."""
LEAST_LIKENESS = 0.5
"""Correlation of the first picture with the puzzle below which it shows something else."""
_MOST_ZOOM = 0.04
"""How far the scale may move from that of the hypothesis."""
_ROUNDS = 3
"""Times that tone, blur and view are fitted in turn."""
_NUDGES = (0.0, -0.25, 0.25, -0.5, 0.5)
"""Shifts of the first view that are tried, in blocks, the plainest first."""
_MOST_COVERED = 0.15
"""Share of the board that something static may cover from the first picture on."""
_BLURS = (0.0, 0.05, 0.09)


@dataclass(frozen=True, slots=True)
class Reference:
    """What the first picture should be."""

    layout: Layout
    picture: Callable[[], Planes]
    """Draws it."""
    start: Labels
    atlas: Callable[[float], Atlas]
    """The atlas at a blur, in cells."""
    means: Callable[[float], Features]
    """Block means of the first picture at a blur [N, 96]; much cheaper than the atlas."""


class Found(NamedTuple):
    """What the first picture tells of all. Kept for other clips that begin with it: nothing of it is written to."""

    likeness: float
    """Correlation of the picture with the puzzle, 1 where it is as drawn."""
    sight: Sight
    """How to look at the pictures."""
    base: float
    """Mean luma difference from the start that is left, in levels."""
    raw: Features
    """Its block means [N, 96] in the colors of the video."""
    features: Features
    """The same in the drawn colors."""
    percept: Percept
    """What each of its cells shows."""


class Unlike(NamedTuple):
    """The first picture does not show the puzzle."""

    likeness: float
    """Correlation of the picture with the puzzle, below `LEAST_LIKENESS`."""


def find(first: Planes, reference: Reference) -> Found | Unlike:
    """Look for the puzzle in the first picture, of any size, and read its cells."""
    sight, likeness = Sight(reference.layout, first.y.shape, reference.atlas(0.0)), 1.0
    drawn = reference.picture()
    raw = sight.raw(first) if first.y.shape == drawn.y.shape else None
    if raw is None or np.abs(raw - sight.atlas.expected(reference.start)).max() > AS_DRAWN_LEVELS:
        fitting = _Search(first, drawn, reference)
        likeness = fitting.likeness
        if likeness < LEAST_LIKENESS:
            return Unlike(likeness)
        sight = fitting.sight(sight)
        raw = sight.raw(first)
    base = sight.difference(sight.undone(raw), reference.start)
    sight, percept = _uncovered(sight, raw, reference.start)
    return _kept(Found(likeness, sight, base, raw, sight.undone(raw), percept))


def _kept(found: Found) -> Found:
    """The same, its arrays not to be written to."""
    for array in (found.raw, found.features, *found.percept):
        array.flags.writeable = False
    return found


class _Search:
    """Fits view, tone and blur to a first picture that is not as drawn."""

    def __init__(self, first: Planes, drawn: Planes, reference: Reference) -> None:
        self._first, self._reference, self._start = first, reference, reference.start
        self._means: Mapping[float, Features] = {blur: reference.means(blur) for blur in _BLURS}
        views, layout = search.hypotheses(first.y, drawn.y), reference.layout
        matches = {
            blur: search.find_view(first.y, views, luma_picture(means, layout.shape), layout)
            for blur, means in self._means.items()
        }
        self._blur = max(matches, key=lambda blur: matches[blur].likeness)
        match = matches[self._blur]
        self.likeness: float = match.likeness
        self._candidates = {match.plain, match.view}

    def sight(self, sight: Sight) -> Sight:
        """With a view of those that came of the search, that which leaves the least difference once it is fitted."""
        settled = {view: self._settled(replace(sight, view=view)) for view in sorted(self._candidates)}
        if len(settled) == 1:
            return settled.popitem()[1]
        left = {view: one.difference(one.look(self._first), self._start) for view, one in settled.items()}
        return self._settled(replace(sight, view=min(left, key=left.__getitem__)))  # the blur is better known by now

    def _settled(self, sight: Sight) -> Sight:
        """Begin with a view and the last blur; fit tone, blur and view in turn."""
        for step in range(_ROUNDS):
            sight = self._fitted(sight)
            if not step:
                sight = self._nudged(sight)
            sight = sight.adjusted(self._first, self._start, sight.view[:2], _MOST_ZOOM)
        return self._fitted(sight)

    def _fitted(self, sight: Sight) -> Sight:
        """Fit the tone, then take the atlas whose blur is nearest."""
        raw = sight.raw(self._first)
        tone = fit_tone(raw, self._means[self._blur], sight.layout.shape, sight.known)
        features = tone.undo(raw)
        use = np.ones_like(features, dtype=bool) if sight.known is None else sight.known
        off = {blur: np.minimum(np.abs(features - means), 40)[use].sum() for blur, means in self._means.items()}
        self._blur = min(off, key=off.__getitem__)
        return replace(sight, tone=tone, atlas=self._reference.atlas(self._blur))

    def _nudged(self, sight: Sight) -> Sight:
        """Shift the view by parts of a block: thin lines hold back steps that are led by gradients."""
        board = luma_picture(sight.atlas.expected(self._start), sight.layout.shape)
        block = sight.layout.cell_px / LUMA
        for name, scale in (("top", sight.view.scale_y), ("left", sight.view.scale_x)):
            at = getattr(sight.view, name)
            tried = [replace(sight, view=sight.view._replace(**{name: at + part * block * scale})) for part in _NUDGES]
            sight = min(tried, key=lambda one: one.cost(self._first, board))
        return sight


def _uncovered(sight: Sight, raw: Features, start: Labels) -> tuple[Sight, Percept]:
    """What the cells show, blocks left out of account that something static covers; the tone fitted without them."""
    percept = _read(sight, raw)
    covered = _covered(sight, raw, percept, start)
    if covered is not None:
        known = replace(sight, covered=covered).known
        tone = fit_tone(raw, sight.atlas.expected(start), sight.layout.shape, known)
        sight = replace(sight, tone=tone)
        percept = _read(sight, raw)
        covered = _covered(sight, raw, percept, start)
        if covered is not None:
            sight = replace(sight, covered=covered)
            percept = _read(sight, raw)
    return sight, percept


def _read(sight: Sight, raw: Features) -> Percept:
    features = sight.undone(raw)
    return classify(features, np.arange(len(features)), sight.atlas, sight.known)


def _covered(sight: Sight, raw: Features, percept: Percept, start: Labels) -> NDArray[np.bool_] | None:
    """Blocks that something static covers [N, 96]; None if there are none, or too many."""
    covered = strange(sight.undone(raw), percept, start, sight.atlas, sight.layout.shape)
    return covered if covered.any() and covered.mean() <= _MOST_COVERED else None

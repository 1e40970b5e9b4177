"""A video's pictures to labels of every cell: found in the first picture, followed through the others."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.verify import search
from puzzlegen.verify.atlas import LUMA, Atlas, Features, Labels, luma_picture
from puzzlegen.verify.perceive import TOLERANCE, Percept, classify, strange
from puzzlegen.verify.record import Record
from puzzlegen.verify.tone import Tone, fit_tone
from puzzlegen.verify.view import AS_DRAWN, View, adjust, observe, visible

AS_DRAWN_LEVELS = 8.0
"""Levels by which the codec may move a block of the first picture before view and tone are searched for."""
LEAST_LIKENESS = 0.5
"""Correlation of the first picture with the puzzle below which it shows something else."""
_BATCH = 16
"""Pictures that are read at a time, as long as the clip stays where it is in them."""
_SAME = 0.25
"""Levels below which a block counts as unchanged before the tone is undone."""
_DRIFT = 0.4
"""Levels by which the mean difference may grow before the view is adjusted."""
_MOST_ZOOM, _MOST_ZOOM_LATER = 0.04, 0.004
"""How far the scale may move from that of the hypothesis, and later from that of the first picture."""
_NUDGES = (0.0, -0.25, 0.25, -0.5, 0.5)
"""Shifts of the first view that are tried, in blocks, the plainest first."""
_STEPS, _GAIN, _MOST_HALVED = 6, 0.05, 2
"""Most steps of the view at a time; a step must lower the mean difference by so many levels, or is halved."""
_MOST_LEVELS = 40.0
_LEAST_KNOWN = 0.5
"""Share of a cell that must be in the picture."""
_MOST_COVERED = 0.15
"""Share of the board that something static may cover from the first picture on."""
_BLURS = (0.0, 0.05, 0.09)


class Evidence(NamedTuple):
    """What the frames show."""

    labels: Labels
    """[T, N]"""
    sides: NDArray[np.bool_]
    """[T, N, 4], see `Percept`."""
    hidden: NDArray[np.bool_]
    """[T, N]: cells that are mostly outside of the picture."""
    sharp: NDArray[np.bool_]
    """[T, N]: cells that look like their stack, block by block, and do not just hold its color."""
    likeness: float
    """Correlation of the first picture with the puzzle, 1 where it is as drawn."""
    view: View
    """Of the first picture."""


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


class _Look(NamedTuple):
    """The last picture, as it was seen and with its tone undone."""

    how: tuple[View, Tone, Atlas]
    raw: Features
    undone: Features


class Observer:
    """Reads the pictures of one video, one after another."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._layout = reference.layout
        self.atlas = reference.atlas(0.0)
        self.view: View = AS_DRAWN
        self.likeness = 1.0
        self._scales = self.view[:2]
        self._tone: Tone | None = None
        self._base = 0.0
        self._size = (0, 0)
        self._covered: NDArray[np.bool_] | None = None
        self._blur = 0.0
        self._known_at: tuple[View, NDArray[np.bool_] | None] = (AS_DRAWN, None)
        self._hidden_at = AS_DRAWN, np.zeros(len(reference.start), dtype=bool)
        self._looked: _Look | None = None

    def watch(self, pictures: Iterable[Planes]) -> Evidence | None:
        """Everything that can be read of at least one picture; None if the first does not show the puzzle."""
        pictures = iter(pictures)
        first = next(pictures)
        self._size = first.y.shape
        if not self._find(first):
            return None
        features, view = self._look(first), self.view
        everything = np.arange(len(features))
        percept = classify(features, everything, self.atlas, self._known())
        if self._cover(features, percept):
            self._fit_tone(first)  # without what covers the board
            features = self._look(first)
            self._leave_out(None)
            percept = classify(features, everything, self.atlas, self._known())
            if self._cover(features, percept):
                percept = classify(features, everything, self.atlas, self._known())
        record = Record(features, percept, self._hidden())
        waiting: list[Planes] = []
        size = _BATCH
        while True:
            waiting += itertools.islice(pictures, max(0, size - len(waiting)))
            if not waiting:
                break
            taken = self._read(waiting[:size], record)
            if taken < min(size, len(waiting)):
                self._follow(waiting[taken], record.labels)
                taken += self._read(waiting[taken : taken + 1], record, may_drift=False)
                size = 1
            else:
                size = min(2 * size, _BATCH)
            del waiting[:taken]
        labels, sides, misfit, hidden = record.whole()
        return Evidence(labels, sides, hidden, misfit <= TOLERANCE, self.likeness, view)

    def _read(self, pictures: Sequence[Planes], record: Record, may_drift: bool = True) -> int:
        """Take in pictures that show the clip where the last one did. Returns how many; the next one has drifted."""
        features = np.stack([self._look(picture) for picture in pictures])
        changed = record.changed(features)
        _, cells = np.nonzero(changed)
        known = self._known()
        known = None if known is None else known[cells]
        percept = classify(features[changed], cells, self.atlas, known)
        record.settle(percept, features[changed], cells, known)
        reading = record.read(percept, changed, self._hidden())
        taken = len(pictures)
        if may_drift:
            before = np.concatenate([record.labels[None], reading.labels[:-1]])
            taken = self._steady(features, before, np.asarray(changed.any(axis=1)))
        if taken:
            record.add(reading.at(slice(taken)), features[:taken], changed[:taken])
        return taken

    def _look(self, picture: Planes) -> Features:
        """Block means in the drawn colors; worked out only for the cells that have changed since the last look."""
        raw = observe(picture, self._layout, self.view)
        if self._tone is None:
            return raw
        how, last = (self.view, self._tone, self.atlas), self._looked
        if last is None or any(one is not other for one, other in zip(last.how, how, strict=True)):
            undone = self._tone.undo(raw) - self.atlas.around
        else:
            cells = np.flatnonzero(np.abs(raw - last.raw).max(axis=1) > _SAME)
            undone, now = last.undone.copy(), raw
            raw = last.raw
            raw[cells] = now[cells]
            if cells.size:
                undone[cells] = self._tone.undo(raw[cells], cells) - self.atlas.around[cells]
        self._looked = _Look(how, raw, undone)
        return undone

    def _known(self) -> NDArray[np.bool_] | None:
        """Blocks that lie in the picture and are not covered [N, 96]; None if that is all of them."""
        if self._known_at[0] != self.view:
            self._leave_out(self._covered)
        return self._known_at[1]

    def _leave_out(self, covered: NDArray[np.bool_] | None) -> None:
        known = visible(self._layout, self.view, self._size)
        if covered is not None:
            known &= ~covered
        self._covered = covered
        self._known_at = self.view, None if known.all() else known

    def _hidden(self) -> NDArray[np.bool_]:
        """Cells that are mostly out of the picture [N]."""
        if self._hidden_at[0] != self.view:
            hidden = visible(self._layout, self.view, self._size).mean(axis=1) < _LEAST_KNOWN
            self._hidden_at = self.view, np.asarray(hidden)
        return self._hidden_at[1]

    # --- the first picture

    def _find(self, first: Planes) -> bool:
        """Set view, tone and blur. False if the picture does not show the puzzle."""
        expected = self.atlas.expected(self._reference.start)
        drawn = self._reference.picture()
        if first.y.shape == drawn.y.shape:
            off = observe(first, self._layout, AS_DRAWN) - expected
            if np.abs(off).max() <= AS_DRAWN_LEVELS:
                self._base = self._difference(expected + off, self._reference.start)
                return True
        views = search.hypotheses(first.y, drawn.y)
        means = {blur: self._reference.means(blur) for blur in _BLURS}
        candidates: set[View] = set()
        for blur in _BLURS:
            match = search.find_view(first.y, views, luma_picture(means[blur], self._layout.shape), self._layout)
            if not blur or match.likeness > self.likeness:
                self.likeness, candidates, self._blur = match.likeness, {match.plain, match.view}, blur
        if self.likeness < LEAST_LIKENESS:
            return False
        tried = {view: self._settle(first, means, view) for view in sorted(candidates)}
        if len(tried) > 1:
            self._settle(first, means, min(tried, key=tried.__getitem__))
        return True

    def _settle(self, first: Planes, means: Mapping[float, Features], view: View) -> float:
        """Begin with a view; fit tone, blur and view in turn. Returns the mean difference that is left."""
        self.view = view
        for step in range(3):
            self._fit(first, means)
            if not step:
                self._nudge(first)
            self._scales = self.view[:2]
            self._adjust(first, self._reference.start, _MOST_ZOOM)
        self._fit(first, means)
        self._scales = self.view[:2]
        self._base = self._difference(self._look(first), self._reference.start)
        return self._base

    def _fit(self, first: Planes, means: Mapping[float, Features]) -> None:
        """Fit the tone, then take the atlas whose blur is nearest."""
        seen = self._fit_tone(first, means[self._blur])
        assert self._tone is not None
        features, known = self._tone.undo(seen), self._known()
        use = np.ones_like(features, dtype=bool) if known is None else known
        self._blur = min(means, key=lambda blur: float(np.minimum(np.abs(features - means[blur]), 40)[use].sum()))
        self.atlas = self._reference.atlas(self._blur)

    def _fit_tone(self, first: Planes, expected: Features | None = None) -> Features:
        """Fit the tone to block means, those of the atlas if not given. Returns what was seen."""
        seen = observe(first, self._layout, self.view)
        if expected is None:
            expected = self.atlas.expected(self._reference.start)
        self._tone = fit_tone(seen, expected, self._layout.shape, self._known())
        return seen

    def _cover(self, features: Features, percept: Percept) -> bool:
        """Leave blocks out of account that something static covers. False if there are none, or too many."""
        covered = strange(features, percept, self._reference.start, self.atlas, self._layout.shape)
        if not covered.any() or covered.mean() > _MOST_COVERED:
            return False
        self._leave_out(covered)
        return True

    def _nudge(self, first: Planes) -> None:
        """Shift the view by parts of a block: thin lines hold back steps that are led by gradients."""
        board = luma_picture(self.atlas.expected(self._reference.start), self._layout.shape)
        block = self._layout.cell_px / LUMA
        for name, scale in (("top", self.view.scale_y), ("left", self.view.scale_x)):
            at = getattr(self.view, name)
            views = [self.view._replace(**{name: at + part * block * scale}) for part in _NUDGES]
            costs = []
            for self.view in views:
                costs.append(self._cost(first, board))
            self.view = views[int(np.argmin(costs))]

    # --- the pictures after it

    def _cost(self, picture: Planes, board: NDArray[np.float32]) -> float:
        """Mean luma difference from a board, in levels; what is far off counts no more than `_MOST_LEVELS`."""
        seen, known = luma_picture(self._look(picture), self._layout.shape), self._known()
        off = np.minimum(np.abs(seen - board), _MOST_LEVELS)
        return float((off if known is None else off[luma_picture(known, self._layout.shape)]).mean())

    def _adjust(self, picture: Planes, labels: Labels, most_zoom: float) -> None:
        """Move the view towards what the labels say, as long as that explains more."""
        shape = self._layout.shape
        board = luma_picture(self.atlas.expected(labels), shape)
        least, best, halved = np.inf, self.view, 0
        for _ in range(_STEPS):
            cost = self._cost(picture, board)
            if cost < least - _GAIN:
                least, best, halved = cost, self.view, 0
                seen, known = luma_picture(self._look(picture), shape), self._known()
                use = np.ones(board.shape, dtype=bool) if known is None else luma_picture(known, shape)
                self.view = adjust(best, self._layout, seen, board, use, self._scales, most_zoom)
            elif halved < _MOST_HALVED:  # thin lines make it go too far
                halved += 1
                self.view = View(*((one + other) / 2 for one, other in zip(best, self.view, strict=True)))
            else:
                break
        self.view = best

    def _difference(self, features: Features, labels: Labels) -> float:
        """Mean luma difference over all cells, those that differ most left out, in levels."""
        return float(_trimmed(self._off(features, labels)))

    def _steady(self, features: Features, before: Labels, moving: NDArray[np.bool_]) -> int:
        """How many pictures it is until the mean difference has grown by much.

        Args:
            features: of pictures in a row [T, N, 96].
            before: what the cells showed a picture ago [T, N].
            moving: the pictures in which anything has changed [T]; others cannot have drifted.
        """
        luma, most = slice(LUMA * LUMA), self._base + _DRIFT
        rows = self.atlas.rows[np.arange(before.shape[1]), np.maximum(before, 0)]
        off = np.abs(features[:, :, luma] - self.atlas.features[rows, luma])
        known = self._known()
        if known is not None:
            off *= known[:, luma]
        suspects = np.flatnonzero(moving & (off.mean(axis=(1, 2)) > most))  # the trimmed mean is never greater
        drifted = suspects[_trimmed(off[suspects]) > most]
        return int(drifted[0]) if drifted.size else len(features)

    def _off(self, features: Features, labels: Labels) -> NDArray[np.float32]:
        """Luma difference of every block that can be seen [N, 64], in levels."""
        off: NDArray[np.float32] = features[:, : LUMA * LUMA] - self.atlas.expected(labels)[:, : LUMA * LUMA]
        off = np.abs(off, out=off)
        known = self._known()
        if known is not None:
            off *= known[:, : LUMA * LUMA]
        return off

    def _follow(self, picture: Planes, labels: Labels) -> None:
        """Adjust the view to what the cells showed a frame ago; keep it only if that explains the picture better."""
        before, difference = self.view, self._difference(self._look(picture), labels)
        self._adjust(picture, labels, _MOST_ZOOM_LATER)
        if self._difference(self._look(picture), labels) >= difference - _DRIFT / 4:
            self.view = before


def _trimmed(off: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over cells [..., N, 64], the quarter of them that is highest left out [...]."""
    each = np.sort(off.mean(axis=-1), axis=-1)
    return np.asarray(each[..., : max(1, each.shape[-1] * 3 // 4)].mean(axis=-1))

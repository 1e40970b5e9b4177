"""A video's pictures to labels of every cell: found in the first picture, followed through the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.verify.atlas import Features, Labels
from puzzlegen.verify.drift import Drift
from puzzlegen.verify.find import Found
from puzzlegen.verify.perceive import TOLERANCE, classify
from puzzlegen.verify.record import Record, latest, moves
from puzzlegen.verify.sight import trimmed
from puzzlegen.verify.view import View

_BATCH = 16
"""Pictures that are read at a time, as long as the clip stays where it is in them."""
_SAME = 0.25
"""Levels below which a block counts as unchanged before the tone is undone."""
_GAIN = 0.1
"""Levels by which another view must lower the mean difference to be kept."""
_MOST_ZOOM = 0.004
"""How far the scale may move from that of the first picture."""


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


class Observer:
    """Reads the pictures of one video after the first, one after another."""

    def __init__(self, found: Found, *, follow: bool = True) -> None:
        """Begin with what the first picture tells; `follow` a camera that moves."""
        self._follows = follow
        self._found, self._sight = found, found.sight
        self._record = Record(found.features, found.percept, found.sight.hidden)
        self._seen = found.raw, found.features
        """Block means of the last picture in this sight: in the video's colors, and in the drawn ones."""
        self._drift = Drift(found.base)

    def watch(self, pictures: Iterable[Planes]) -> Evidence:
        """Everything that can be read of the first picture and those after it."""
        pictures = iter(pictures)
        waiting: list[Planes] = []
        size = _BATCH
        while True:
            waiting += itertools.islice(pictures, max(0, size - len(waiting)))
            if not waiting:
                break
            taken = self._read(waiting[:size])
            if taken < min(size, len(waiting)):
                taken += self._read(waiting[taken : taken + 1], may_drift=False)
                size = 1
            else:
                size = min(2 * size, _BATCH)
            del waiting[:taken]
        labels, sides, misfit, hidden = self._record.whole()
        return Evidence(labels, sides, hidden, misfit <= TOLERANCE, self._found.likeness, self._found.sight.view)

    def _read(self, pictures: Sequence[Planes], may_drift: bool = True) -> int:
        """Take in pictures that show the clip where the last one did. Returns how many; the next one has drifted, and
        the view has been adjusted to it."""
        record, known = self._record, self._sight.known
        features = self._look(pictures)
        changed = record.changed(features)
        _, cells = np.nonzero(changed)
        known = None if known is None else known[cells]
        percept = classify(features[changed], cells, self._sight.atlas, known)
        record.settle(percept, features[changed], cells, known)
        reading = record.read(percept, changed, self._sight.hidden)
        taken = len(pictures)
        if may_drift and self._follows:
            before = np.concatenate([record.labels[None], reading.labels[:-1]])
            taken = self._steady(pictures, features, before, np.asarray(changed.any(axis=1)))
        if taken:
            record.add(reading.at(slice(taken)), features[:taken], changed[:taken])
        return taken

    def _look(self, pictures: Sequence[Planes]) -> Features:
        """Block means in the drawn colors [T, N, 96]; worked out only for the cells that have changed since the last
        look."""
        raws = np.stack([self._sight.raw(picture) for picture in pictures])
        if self._sight.tone is None:
            return raws
        raw, undone = self._seen
        moved = moves(raws, raw, _SAME)
        rows = latest(moved)
        found = self._sight.undone(raws[moved], np.nonzero(moved)[1])
        every = np.concatenate([undone, found])[rows]
        self._seen = np.concatenate([raw, raws[moved]])[rows[-1]], every[-1]
        return every

    def _steady(self, pictures: Sequence[Planes], features: Features, before: Labels, moving: NDArray[np.bool_]) -> int:
        """How many pictures it is until one has drifted and the view has been adjusted to it.

        Args:
            pictures: in a row.
            features: of them [T, N, 96].
            before: what the cells showed a picture ago [T, N].
            moving: the pictures in which anything has changed [T]; others cannot have drifted.
        """
        for number, difference in enumerate(trimmed(self._sight.off(features, before)).tolist()):
            if moving[number] and self._drift.is_likely(difference):
                if self._follow(pictures[number], features[number], before[number]):
                    self._drift.settle()
                    return number
                self._drift.remain(difference)
        return len(pictures)

    def _follow(self, picture: Planes, features: Features, labels: Labels) -> bool:
        """Adjust the view to what the cells showed a picture ago, if that explains the picture better."""
        sight = self._sight.adjusted(picture, labels, self._found.sight.view[:2], _MOST_ZOOM)
        if sight is self._sight:
            return False
        raw = sight.raw(picture)
        undone = sight.undone(raw)
        if sight.difference(undone, labels) >= self._sight.difference(features, labels) - _GAIN:
            return False
        self._sight, self._seen = sight, (raw, undone)
        return True

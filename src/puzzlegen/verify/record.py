"""What has been read of a video's pictures so far: the labels of every cell in every picture, a batch at a time."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from puzzlegen.verify.atlas import LAYOUT, UNCLEAR, Features, Labels
from puzzlegen.verify.perceive import TOLERANCE, Percept, most_off

P = TypeVar("P", bound=np.generic)

_STILL = 1.5
"""A cell none of whose blocks moved by more levels than this since it was last looked at is not looked at again."""


class Reading(NamedTuple):
    """What the cells show in a row of pictures."""

    labels: Labels
    """[T, N]"""
    sides: NDArray[np.bool_]
    """[T, N, 4], see `Percept`."""
    misfit: NDArray[np.float32]
    """[T, N], see `Percept`."""
    hidden: NDArray[np.bool_]
    """[T, N]: cells that are mostly outside of the picture."""

    def at(self, where: slice | int | None) -> Reading:
        """These pictures of it; None makes one picture a row of one."""
        return Reading(self.labels[where], self.sides[where], self.misfit[where], self.hidden[where])


class Record:
    """Takes in batches of pictures, of which only the cells that have changed are looked at."""

    def __init__(self, features: Features, percept: Percept, hidden: NDArray[np.bool_]) -> None:
        """Begin with the first picture, all cells of which were looked at [N, 96]."""
        self._start = features
        self._was_unclear = percept.labels == UNCLEAR
        self._seen = features.copy()
        self._last = Reading(percept.labels, percept.sides, percept.misfit, hidden)
        self._readings = [self._last.at(None)]

    @property
    def labels(self) -> Labels:
        """What the cells showed in the last picture [N]."""
        return self._last.labels

    def changed(self, features: Features) -> NDArray[np.bool_]:
        """The cells [T, N] that have to be looked at in these pictures [T, N, 96], one after another."""
        seen = self._seen.copy()
        changed = np.zeros(features.shape[:2], dtype=bool)
        off = np.empty_like(seen)
        for picture, moved in zip(features, changed, strict=True):
            np.abs(np.subtract(picture, seen, out=off), out=off)
            np.greater(off.max(axis=1), _STILL, out=moved)
            if moved.any():
                seen[moved] = picture[moved]
        return changed

    def settle(
        self, percept: Percept, features: Features, cells: NDArray[np.intp], known: NDArray[np.bool_] | None
    ) -> None:
        """Tell what newly covers a cell from what has covered it from the start on, which is still [M]."""
        unclear = np.flatnonzero(self._was_unclear[cells] & (percept.labels == UNCLEAR))
        if unclear.size:
            off = features[unclear] - self._start[cells[unclear]]
            if known is not None:
                off *= known[unclear]
            percept.labels[unclear[most_off(off) > TOLERANCE]] = LAYOUT

    def read(self, percept: Percept, changed: NDArray[np.bool_], hidden: NDArray[np.bool_]) -> Reading:
        """What pictures show in which these cells [T, N] were looked at, picture by picture [M]."""
        looked = np.full(changed.shape, -1, dtype=np.intp)
        looked[changed] = np.arange(len(percept.labels))
        looked = np.maximum.accumulate(looked, axis=0)
        last = self._last
        return Reading(
            _filled(looked, percept.labels, last.labels),
            _filled(looked, percept.sides, last.sides),
            _filled(looked, percept.misfit, last.misfit),
            np.broadcast_to(hidden, changed.shape),
        )

    def add(self, reading: Reading, features: Features, changed: NDArray[np.bool_]) -> None:
        """Take in a reading of at least one picture, made from these block means and changes."""
        self._readings.append(reading)
        self._last = reading.at(-1)
        for picture, moved in zip(features, changed, strict=True):
            self._seen[moved] = picture[moved]

    def whole(self) -> Reading:
        """All pictures."""
        labels, sides, misfit, hidden = zip(*self._readings, strict=True)
        return Reading(np.concatenate(labels), np.concatenate(sides), np.concatenate(misfit), np.concatenate(hidden))


def _filled(looked: NDArray[np.intp], found: NDArray[P], last: NDArray[P]) -> NDArray[P]:
    """Rows of `found` [M, ...] by their number, those of `last` [N, ...] where that is negative [T, N, ...]."""
    every = np.concatenate([last, found])
    return np.asarray(every[np.where(looked < 0, np.arange(len(last)), looked + len(last))])

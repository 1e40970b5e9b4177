"""What has been read of a video's pictures so far: the labels of every cell in every picture, a batch at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.verify.atlas import LAYOUT, UNCLEAR, Features, Labels
from puzzlegen.verify.perceive import TOLERANCE, Percept, most_off

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
        return moves(features, self._seen, _STILL)

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
        rows, last = latest(changed), self._last
        return Reading(
            np.concatenate([last.labels, percept.labels])[rows],
            np.concatenate([last.sides, percept.sides])[rows],
            np.concatenate([last.misfit, percept.misfit])[rows],
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


def moves(features: Features, last: Features, least: float) -> NDArray[np.bool_]:
    """The cells [T, N] of which a block has moved by more levels than this since the picture in which they moved last.

    Args:
        features: of pictures in a row [T, N, 96].
        last: of each cell as it moved last before them [N, 96].
        least: levels.
    """
    seen = last.copy()
    found = np.zeros(features.shape[:2], dtype=bool)
    off = np.empty_like(seen)
    for picture, moved in zip(features, found, strict=True):
        np.abs(np.subtract(picture, seen, out=off), out=off)
        np.greater(off.max(axis=1), least, out=moved)
        if moved.any():
            seen[moved] = picture[moved]
    return found


def latest(moved: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Where each cell's latest values are [T, N], in a list of the values of all N cells before these pictures and
    then of the moved ones, picture by picture."""
    rows = np.tile(np.arange(moved.shape[1]), (len(moved), 1))
    rows[moved] = moved.shape[1] + np.arange(np.count_nonzero(moved))
    return np.maximum.accumulate(rows, axis=0)

"""The log.jsonl of a training run as curves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData, InvalidInput


class RunLog:
    """The numbers of a log.jsonl."""

    def __init__(self, path: Path) -> None:
        """Read them.

        Raises:
            InvalidInput: there is no such file, or no line in it yet.
            CorruptData: it holds something else.
        """
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be read: {error.strerror}. Name the log.jsonl of a run.") from error
        try:
            self._records = [json.loads(line) for line in lines]
            places = [(int(record["step"]), float(record["seconds"])) for record in self._records]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptData(f"{path}: is no log of a training run, or its last line was cut off.") from error
        if not places:
            raise InvalidInput(f"{path}: holds no line yet. Wait for the run's first step.")
        self.steps, self.seconds = np.array(places, dtype=np.float64).T
        """Of all lines [N]."""

    def names(self, prefix: str) -> list[str]:
        """The names that begin so, in order of appearance."""
        return [*dict.fromkeys(name for record in self._records for name in record if name.startswith(prefix))]

    def series(self, name: str) -> NDArray[np.float64]:
        """Steps and values of a name [2, M]; what was not finite is left out."""
        return self._series(self.steps, name)

    def timed(self, name: str) -> NDArray[np.float64]:
        """Minutes of training and values of a name [2, M]; what was not finite is left out."""
        return self._series(self.seconds / 60, name)

    def duration(self, step: float) -> str:
        """How long training took until this step."""
        return _duration(float(np.interp(step, [0, *self.steps], [0, *self.seconds])))

    def _series(self, places: NDArray[np.float64], name: str) -> NDArray[np.float64]:
        values = np.array([record.get(name) for record in self._records], dtype=np.float64)  # None becomes NaN
        return np.stack((places, values))[:, np.isfinite(values)]


def _duration(seconds: float) -> str:
    """In a unit that suits it.

    >>> _duration(90), _duration(600), _duration(9000)
    ('90 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def smoothed(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """The running mean of values [N] with weights that fall by a factor of e over `width` points; no start-up bias."""
    decay = np.exp(-1.0 / width)
    total = weight = 0.0
    means = np.empty_like(values)
    for index, value in enumerate(values):
        total, weight = decay * total + value, decay * weight + 1.0
        means[index] = total / weight
    return means

"""Where the time of an update goes."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up the seconds of named pieces of work.

    >>> watch = Stopwatch()
    >>> with watch("decode"):
    ...     pass
    >>> [*watch.taken()]
    ['time/decode']
    """

    def __init__(self, device: torch.device | None = None) -> None:
        """Work that a GPU is given counts where it is done: both ends of a piece wait for it."""
        self._device, self._seconds = device, defaultdict[str, float](float)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        """Inside, time counts as this piece's."""
        began = self._now()
        try:
            yield
        finally:
            self._seconds[name] += self._now() - began

    def taken(self) -> dict[str, float]:
        """Seconds of each piece since the last call, by its name in the log."""
        found = {f"time/{name}": seconds for name, seconds in self._seconds.items()}
        self._seconds.clear()
        return found

    def _now(self) -> float:
        if self._device and self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

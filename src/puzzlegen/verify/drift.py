"""When to look for another view: the camera has moved if pictures differ more from what they should show.

Noise and blur make them differ too, and no view explains that: after a search in vain there is no other until there is
more to explain, or very much.
"""

from __future__ import annotations

_DRIFT = 0.4
"""Levels by which the mean difference may grow before a view is looked for."""
_GROWN, _MUCH = 0.2, 0.8
"""After a search in vain: levels by which the difference must have grown since for another; and levels over the first
picture's from which on there is another for every picture."""


class Drift:
    """Follows the mean difference of one video's pictures, one after another, in levels."""

    def __init__(self, base: float) -> None:
        """Begin with the mean difference of the first picture."""
        self._base, self._usual = base, base + _DRIFT
        self.settle()

    def settle(self) -> None:
        """Another view was found."""
        self._most = self._usual

    def is_likely(self, difference: float) -> bool:
        """Whether to look for another view of the next picture, which has this mean difference."""
        self._most = max(self._usual, min(self._most, difference + _GROWN))
        return difference > min(self._most, self._base + _MUCH)

    def remain(self, difference: float) -> None:
        """No other view was better."""
        self._most = difference + _GROWN

"""Marks on the picture that no puzzle asked for: a strip that flickers, a patch that hides what never changes.

Pure functions like those of `filters`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.testing.filters import Frames, Rng

_CHANGE = 32
"""Range of levels over time above which a pixel changes."""
_ASPECTS = (1.0, 2.0, 0.5, 4.0, 0.25)
_SHARES = (0.05, 0.04, 0.03, 0.02, 0.01)
"""Of the picture that an occluder hides, the first that fits."""


def flicker_strip(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """In one frame, never the first or the last, a straight strip of 20 % of the picture shows its mean color only."""
    axis, where, start = int(rng.integers(2)), rng.random(), rng.random()
    share = min(1.0, 0.2 * strength)
    side = frames.shape[1 + axis]
    thick = round(side * share)
    first = round(start * (side - thick))
    at = 1 + int(where * (len(frames) - 2)) if len(frames) > 2 else 0
    flickering = frames.copy()
    window = (slice(first, first + thick), slice(None))
    flickering[at][window if axis == 0 else window[::-1]] = np.rint(frames[at].mean(axis=(0, 1)))
    return flickering


def occlude(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """An opaque still patch of one random color on 5 % of the picture, where the clip never changes.

    What is hidden cannot be judged, so it stays a quarter of a cell away from all that changes. If no place is large
    enough it is smaller, down to 1 %; where not even that fits, the frames come back unchanged.
    """
    color, chosen = rng.integers(0, 256, 3, dtype=np.uint8), rng.random()
    covered = frames.copy()
    blocked = _changing(frames, cell_px)
    for share in _SHARES:
        places = _free_places(blocked, share * strength)
        if places:
            top, left, height, width = places[int(chosen * len(places))]
            covered[:, top : top + height, left : left + width] = color
            return covered
    return covered


def _changing(frames: Frames, cell_px: float) -> NDArray[np.uint8]:
    """Pixels [H, W] that change over time or are within a quarter of a cell of one that does."""
    lowest, highest = frames.min(axis=0), frames.max(axis=0)
    side = 2 * round(cell_px / 4) + 1
    changing = (highest - lowest).max(axis=2) > _CHANGE
    return np.asarray(cv2.dilate(changing.astype(np.uint8), np.ones((side, side), np.uint8)), np.uint8)


def _free_places(blocked: NDArray[np.uint8], share: float) -> list[tuple[int, int, int, int]]:
    """(top, left, height, width) of rectangles of this share of the picture that cover no blocked pixel.

    For each aspect that fits, all its places.
    """
    total = cv2.integral(blocked)
    area, places = share * blocked.size, []
    for aspect in _ASPECTS:
        height, width = max(1, round((area / aspect) ** 0.5)), max(1, round((area * aspect) ** 0.5))
        if height > blocked.shape[0] or width > blocked.shape[1]:
            continue
        inside = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
        places += [(int(top), int(left), height, width) for top, left in np.argwhere(inside == 0)]
    return places

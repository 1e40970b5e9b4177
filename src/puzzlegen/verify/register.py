"""Where the board is in the picture: the whole-pixel shift of a clip against where it should be."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes

REACH_PX = 8
"""Shifts up to this many pixels each way are found."""


def find_shift(seen: Planes, expected: Planes) -> tuple[int, int]:
    """(down, right) shift in pixels at which the expected luma fits the seen one best (least squared difference)."""
    height, width = expected.y.shape
    reach = min(REACH_PX, (min(height, width) - 1) // 4)
    template = expected.y[reach : height - reach, reach : width - reach]
    misfit = cv2.matchTemplate(seen.y, template, cv2.TM_SQDIFF)
    down, right = np.unravel_index(int(np.argmin(misfit)), misfit.shape)
    return int(down) - reach, int(right) - reach


def unshift(plane: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Move a plane's content back by a shift; what was out of the picture repeats the edge."""
    reach = max(abs(down), abs(right))
    padded = np.pad(plane, reach, mode="edge")
    height, width = plane.shape
    return padded[reach + down : reach + down + height, reach + right : reach + right + width]

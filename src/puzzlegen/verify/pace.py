"""How fast things may happen in a video, against the tempo of its reference."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_FRAMES_PER_PATIENCE = 27
_FASTER = 2.25
"""Times as fast as its reference a clip may run."""
_LEAST_FRAMES = 0.25
"""Share of its reference's frames that a clip may be left with."""
_MOST_REACH, _MOST_REACH_OF_SHORT = 3, 5


class Pace(NamedTuple):
    """How fast things may happen in a clip, in frames."""

    reach: int
    """Most actions that may lie between two frames."""
    patience: int
    """Frames from which on something that no action explains counts; shorter is a flicker."""
    slowest: int
    """Frames that an action may take; cells that show neither its beginning nor its end for longer are wrong."""


def pace_of(num_frames: int, reference_frames: int, frames_per_action: int) -> Pace:
    """The pace of a video of `num_frames`, whose reference has `reference_frames` and takes so many for an action.

    It may run twice as fast as its reference; with fewer frames than that, more happens from one to the next, but a
    clip with less than a quarter of them is given no more time.
    """
    per_action = max(1, frames_per_action) * max(num_frames / reference_frames, _LEAST_FRAMES)
    reach = np.ceil(_FASTER / min(per_action, max(1, frames_per_action)) - 1e-9)
    most = _MOST_REACH if num_frames >= reference_frames * 0.9 else _MOST_REACH_OF_SHORT
    return Pace(
        reach=int(min(most, max(1, reach))),
        patience=max(2, round(num_frames / _FRAMES_PER_PATIENCE)),
        slowest=max(2, round(2 * per_action)),
    )

"""Changes of a clip's time line: frames dropped, repeated, resampled, or the same motion told faster or later.

Pure functions like those of `filters`. None of them reorders frames; the first and the last frame are always kept.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from puzzlegen.testing.filters import Frames, Rng


def drop(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Keep every 4th frame, the first and the last among them: 75 % are dropped."""
    kept = np.arange(0, len(frames), max(1, round(4 * strength)))
    return _at(frames, np.union1d(kept, [len(frames) - 1]))


def repeat(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Show every frame 4 times."""
    return np.repeat(frames, max(1, round(4 * strength)), axis=0)


def resample(
    frames: Frames,
    cell_px: float,
    rng: Rng,
    strength: float = 1.0,
    *,
    source_fps: float = 16,
    target_fps: float = 24,
    blend: bool = False,
) -> Frames:
    """Convert the frame rate at the same duration: the nearest frame, or the two neighbours cross-faded (`blend`).

    Strength scales the ratio's exponent: at 0 the rate stays, at 2 the ratio is squared.
    """
    ratio = (target_fps / source_fps) ** strength
    last = len(frames) - 1
    where = np.linspace(0, last, max(2, round(last * ratio) + 1)) if last else np.zeros(1)
    if not blend:
        return _at(frames, np.floor(where + 0.5).astype(np.intp))
    low = np.minimum(where.astype(np.intp), max(0, last - 1))
    share = (where - low).astype(np.float32)[:, None, None, None]
    return np.stack([_mixed(frames[at], frames[min(at + 1, last)], part) for at, part in zip(low, share, strict=True)])


def finish_early(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Play the clip at double speed, then hold its last frame: as many frames as before."""
    last = len(frames) - 1
    return _at(frames, np.minimum(np.rint(np.arange(len(frames)) * (1 + strength)), last).astype(np.intp))


def start_slowly(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Hold the first frame for a quarter of the clip, then play faster: as many frames as before."""
    count = len(frames)
    hold = min(round(0.25 * strength * count), count - 2)
    if hold <= 0:
        return frames.copy()
    told = np.rint(np.linspace(0, count - 1, count - hold)).astype(np.intp)
    return _at(frames, np.concatenate([np.zeros(hold, np.intp), told]))


def _at(frames: Frames, indices: NDArray[np.intp]) -> Frames:
    return np.asarray(frames[indices], np.uint8)


def _mixed(one: Frames, other: Frames, share: NDArray[np.float32]) -> Frames:
    return np.asarray(np.rint(one * (1 - share) + other * share), np.uint8)

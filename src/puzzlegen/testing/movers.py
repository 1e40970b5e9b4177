"""Redraw the one thing that moves over a still background: larger, turned, squeezed or not at all.

Meaningful only where a thing moves and leaves its place as it was: not for lines that stay drawn. Where nothing of the
kind is found, frames come back unchanged. Pure functions like those of `filters`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.testing.filters import Frames, Rng
from puzzlegen.testing.tracking import LEAST_AREA, Masks, box, differs, find_mover, grown


def erased(frames: Frames, masks: Masks, cell_px: float) -> Frames:
    """The frames without the mover: its pixels as they look once it has left them.

    Where it never leaves, they are as before it came; if other things move as well, those may have lain there before,
    and the gap is painted from its surroundings instead.
    """
    wider = np.stack([grown(mask, 1 + cell_px / 24) for mask in masks])
    clean, open_ = frames.copy(), wider.copy()
    _fill(clean, frames, wider, open_, range(len(frames) - 1, -1, -1))
    if open_.any() and not _others_move(frames, wider, cell_px):
        _fill(clean, frames, wider, open_, range(len(frames)))
    for at in np.flatnonzero(open_.any(axis=(1, 2))):
        clean[at] = cv2.inpaint(frames[at], wider[at].astype(np.uint8), cell_px / 8, cv2.INPAINT_TELEA)
    return clean


def resize_mover(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, area: float = 2.0) -> Frames:
    """Scale the mover about its centre to `area` times its area, in all frames."""
    side = area ** (strength / 2)
    return _redrawn(frames, cell_px, np.broadcast_to(np.eye(2) * side, (len(frames), 2, 2)))


def turn_mover(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Turn the mover about its centre by 30 degrees either way, in all frames."""
    turn = _rotation(np.deg2rad(30) * strength * rng.choice([-1, 1]))
    return _redrawn(frames, cell_px, np.broadcast_to(turn, (len(frames), 2, 2)))


def morph_mover(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Squeeze the mover at equal area, from nothing in the first frame to 1.4 : 1/1.4 along any axis in the last."""
    axis = _rotation(rng.uniform(0, np.pi))
    ratios = 1.4 ** (strength * np.linspace(0, 1, len(frames)))
    return _redrawn(frames, cell_px, np.stack([axis @ np.diag([ratio, 1 / ratio]) @ axis.T for ratio in ratios]))


def blink_mover(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """The mover vanishes for one frame (for as many frames as the rounded strength), never in the first or the last."""
    chosen = rng.random()
    masks = find_mover(frames, cell_px)
    seen = np.flatnonzero(masks[1:-1].any(axis=(1, 2))) + 1
    if not len(seen):
        return frames.copy()
    start = int(seen[int(chosen * len(seen))])
    window = slice(start, min(start + round(strength), len(frames) - 1))
    blinking = frames.copy()
    blinking[window] = erased(frames, masks, cell_px)[window]
    return blinking


def _rotation(angle: float) -> NDArray[np.float64]:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def _redrawn(frames: Frames, cell_px: float, changes: NDArray[np.float64]) -> Frames:
    """The mover under one linear map a frame [T, 2, 2] about its centre, over what is behind it."""
    masks = find_mover(frames, cell_px)
    drawn = erased(frames, masks, cell_px)
    size = frames.shape[2], frames.shape[1]
    for at in np.flatnonzero(masks.any(axis=(1, 2))):
        centre = _centre(masks[at])
        matrix = np.hstack([changes[at], (centre - changes[at] @ centre)[:, None]])
        whole = cv2.warpAffine(frames[at], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        alpha = cv2.warpAffine(masks[at].astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)[..., None]
        drawn[at] = np.rint(drawn[at] * (1 - alpha) + whole * alpha)
    return drawn


def _centre(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(x, y) of the bounding box's middle: does not move with a face or a hat as the centroid would."""
    down, across = box(mask)
    return np.array([across.start + across.stop - 1, down.start + down.stop - 1]) / 2


def _fill(clean: Frames, frames: Frames, masks: Masks, open_: Masks, order: range) -> None:
    """Paint open pixels as they were when last uncovered in this order of frames, and close them."""
    shown, known = np.zeros_like(frames[0]), np.zeros(masks.shape[1:], np.bool_)
    for at in order:
        ready = open_[at] & known
        if ready.any():
            clean[at][ready] = shown[ready]
            open_[at] &= ~ready
        free = ~masks[at]
        cv2.copyTo(frames[at], free.astype(np.uint8), shown)
        known |= free


def _others_move(frames: Frames, masks: Masks, cell_px: float) -> bool:
    """Whether pixels change that the mover covers neither before nor after."""
    steps = zip(frames, frames[1:], masks | np.roll(masks, -1, axis=0), strict=False)
    return any((differs(one, two) & ~covered).sum() >= LEAST_AREA * cell_px**2 for one, two, covered in steps)

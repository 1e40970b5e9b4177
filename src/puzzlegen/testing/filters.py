"""Changes of the whole picture that keep the story: focus, size, bars, camera, color, noise and shade.

Every function here is pure: (RGB frames uint8 [T, H, W, 3], pixels a cell, rng, strength) -> new frames. Strength 1 is
the limit that a scorer has to tolerate; the rng only chooses signs, sides, directions and colors, drawn in the same
order whatever the strength, so that one rng state at several strengths makes a calibration curve.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]
"""RGB frames [T, H, W, 3]."""
Rng = np.random.Generator

_LARGEST_BAR = 0.45
"""Of the picture's side; keeps bars of high strength from growing without end."""


def blur(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Gaussian blur with a standard deviation of 0.08 cells."""
    sigma = 0.08 * cell_px * strength
    return _each(frames, lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE))


def coarsen(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Shrink to 10 to 12 pixels a cell (at random) and stay there; sides are even. Pictures that are coarser stay."""
    factor = rng.uniform(10, 12) / max(strength, 1e-9) / cell_px
    if factor >= 1:
        return frames.copy()
    height, width = (max(2, 2 * round(side * factor / 2)) for side in frames.shape[1:3])
    return _resized(frames, width, height)


def stretch(
    frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, width: int = 512, height: int = 512
) -> Frames:
    """Resize to exactly width x height, whatever the aspect. Strength moves the sides from the old ones to these."""
    old_height, old_width = frames.shape[1:3]
    sides = (old_width + (width - old_width) * strength, old_height + (height - old_height) * strength)
    wide, high = (max(2, 2 * round(side / 2)) for side in sides)
    return _resized(frames, wide, high)


def bars(
    frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, where: Literal["letter", "pillar"] = "letter"
) -> Frames:
    """Add bars of any color above and below (letter) or left and right (pillar).

    Each is 5 to 20 % of the picture's side thick, the two not the same (at random); the picture keeps its size, so the
    frames grow. Thicknesses are even.
    """
    axis = 1 if where == "letter" else 2
    shares = np.minimum(rng.uniform(0.05, 0.2, 2) * strength, _LARGEST_BAR)
    color = rng.integers(0, 256, 3, dtype=np.uint8)
    before, after = (2 * round(share * frames.shape[axis] / 2) for share in shares)
    shape = list(frames.shape)
    shape[axis] += before + after
    framed = np.empty(shape, np.uint8)
    framed[:] = color
    inner = slice(before, before + frames.shape[axis])
    if where == "letter":
        framed[:, inner] = frames
    else:
        framed[:, :, inner] = frames
    return framed


def shift_pixels(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Move by 2 pixels in one of eight directions, edges repeated; diagonally that is 2 pixels on both axes."""
    directions = [(right, down) for down in (-1, 0, 1) for right in (-1, 0, 1) if (right, down) != (0, 0)]
    right, down = directions[int(rng.integers(len(directions)))]
    pixels = round(2 * strength)
    return _each(frames, lambda frame: _moved(frame, right * pixels, down * pixels))


def shift_cells(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Move by 0.12 cells in any direction, edges repeated."""
    right, down = _direction(rng) * 0.12 * cell_px * strength
    return _each(frames, lambda frame: _moved(frame, right, down))


def drift(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Move steadily from 0 in the first frame to 0.17 cells in the last, in any direction, edges repeated."""
    way = _direction(rng) * 0.17 * cell_px * strength
    return np.stack([_moved(frame, *(way * part)) for frame, part in zip(frames, _parts(len(frames)), strict=True)])


def zoom(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, percent: float = 2.0) -> Frames:
    """Enlarge about the centre by `percent` (negative shrinks) at the same frame size, edges repeated."""
    height, width = frames.shape[1:3]
    factor, centre = 1 + percent / 100 * strength, np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.hstack([np.eye(2) * factor, (centre * (1 - factor))[:, None]])
    return _each(frames, lambda frame: _warped(frame, matrix))


def hue(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Turn all hues by +15 or by -15 degrees of the HSV circle."""
    degrees = 15 * strength * rng.choice([-1, 1])

    def turn(frame: Frames) -> Frames:
        hsv = cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_RGB2HSV)
        hsv[..., 0] = (hsv[..., 0] + degrees) % 360
        return _levels(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * 255)

    return _each(frames, turn)


def saturation(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, factor: float = 1.3) -> Frames:
    """Move colors away from their own gray (BT.601 luma) by a factor; below 1 towards it."""

    def mix(frame: Frames) -> Frames:
        gray = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32)
        return _levels(gray + (frame - gray) * factor**strength)

    return _each(frames, mix)


def gamma(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, exponent: float = 1.25) -> Frames:
    """Raise every level (as a share of 255) to a power: above 1 darkens the middle tones."""
    table = _levels(255 * (np.arange(256) / 255) ** (exponent**strength))
    return np.asarray(table[frames], np.uint8)


def brightness(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, percent: float = 20.0) -> Frames:
    """Multiply every level by 1 + percent/100; what leaves 0 to 255 is cut off."""
    return _levels(np.arange(256) * max(0.0, 1 + percent / 100 * strength))[frames]


def grain(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Gaussian noise with a standard deviation of 25 levels on each pixel and channel, new in every frame."""

    def noisy(frame: Frames) -> Frames:
        return _levels(frame + rng.standard_normal(frame.shape, dtype=np.float32) * np.float32(25 * strength))

    return _each(frames, noisy)


def salt_and_pepper(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """Make 1 % of the pixels white or black (half of them each), others in every frame."""
    share = 0.01 * strength

    def spotted(frame: Frames) -> Frames:
        draw, spotted = rng.random(frame.shape[:2]), frame.copy()
        spotted[draw < share / 2] = 0
        spotted[draw > 1 - share / 2] = 255
        return spotted

    return _each(frames, spotted)


def shade(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
    """A soft still shadow: levels times 0.75 at a random point, fading out as a Gaussian of 0.2 to 0.4 of the side."""
    height, width = frames.shape[1:3]
    across, down = rng.uniform(0.1, 0.9, 2) * (width, height)
    sigma = rng.uniform(0.2, 0.4) * min(width, height)
    square = (np.arange(width) - across) ** 2 + ((np.arange(height) - down) ** 2)[:, None]
    light = np.maximum(0, 1 - 0.25 * strength * np.exp(-square / (2 * sigma**2)))[..., None].astype(np.float32)
    return _each(frames, lambda frame: _levels(frame * light))


def _each(frames: Frames, change: Callable[[Frames], Any]) -> Frames:
    return np.stack([change(frame) for frame in frames])


def _levels(values: Any) -> Frames:
    """Rounded and cut to 0 to 255."""
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)


def _parts(count: int) -> NDArray[np.float64]:
    return np.linspace(0, 1, count)


def _direction(rng: Rng) -> NDArray[np.float64]:
    """A unit vector (right, down) of any angle."""
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])


def _moved(frame: Frames, right: float, down: float) -> Frames:
    return _warped(frame, np.array([[1, 0, right], [0, 1, down]], np.float64))


def _warped(frame: Frames, matrix: NDArray[np.float64]) -> Frames:
    size = frame.shape[1], frame.shape[0]
    return np.asarray(
        cv2.warpAffine(frame, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def _resized(frames: Frames, width: int, height: int) -> Frames:
    shrinks = width * height < frames.shape[1] * frames.shape[2]
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return _each(frames, lambda frame: cv2.resize(frame, (width, height), interpolation=way))

"""Named colors, and BT.709 limited-range YUV, the color space that the clips are tagged with."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

# Chosen to be told apart by name, by luma or chroma, and to keep their hue after 4:2:0 subsampling.
COLORS: dict[str, tuple[int, int, int]] = {
    "white": (250, 250, 250),
    "ivory": (247, 243, 232),
    "light gray": (216, 219, 223),
    "gray": (150, 155, 163),
    "slate": (92, 102, 118),
    "dark gray": (64, 68, 76),
    "charcoal": (38, 41, 48),
    "black": (18, 19, 22),
    "navy": (24, 36, 72),
    "midnight": (17, 24, 44),
    "sand": (226, 205, 165),
    "tan": (203, 168, 118),
    "brown": (150, 98, 52),
    "dark brown": (92, 60, 36),
    "red": (220, 50, 47),
    "maroon": (128, 28, 48),
    "orange": (243, 134, 30),
    "yellow": (246, 205, 38),
    "lime": (160, 214, 56),
    "green": (38, 158, 72),
    "mint": (158, 226, 186),
    "teal": (20, 146, 150),
    "cyan": (66, 206, 232),
    "sky blue": (176, 214, 244),
    "blue": (40, 104, 224),
    "purple": (146, 72, 220),
    "magenta": (222, 52, 168),
    "pink": (250, 160, 192),
}

# ITU-R BT.709-6, items 3.2 and 3.4: luma weights; chroma is the scaled difference to blue and red.
_RED, _GREEN, _BLUE = 0.2126, 0.7152, 0.0722


def rgb_to_yuv(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """RGB in [0, 255] to limited-range Y in [16, 235] and U, V in [16, 240]; last axis is the channel."""
    red, green, blue = np.moveaxis(rgb, -1, 0)
    luma = _RED * red + _GREEN * green + _BLUE * blue
    y = 16 + luma * (219 / 255)
    u = 128 + (blue - luma) * (224 / 255 / (2 * (1 - _BLUE)))
    v = 128 + (red - luma) * (224 / 255 / (2 * (1 - _RED)))
    return np.stack([y, u, v], axis=-1).astype(np.float32)


@functools.cache
def yuv_of(name: str) -> tuple[int, int, int]:
    """The YUV levels of a named color."""
    levels = rgb_to_yuv(np.array(COLORS[name], dtype=np.float32))
    y, u, v = np.rint(levels).astype(int).tolist()
    return y, u, v

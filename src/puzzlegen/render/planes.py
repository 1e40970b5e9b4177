"""Pictures in YUV 4:2:0, and the canvases that hold their three planes in one piece of memory."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.colors import yuv_of

Plane = NDArray[np.uint8]


class Planes(NamedTuple):
    """One picture in YUV 4:2:0: y [H, W], u and v [H/2, W/2]."""

    y: Plane
    u: Plane
    v: Plane

    def window(self, top: int, left: int, height: int, width: int) -> Planes:
        """A view of a rectangle; all four numbers even."""
        luma = (slice(top, top + height), slice(left, left + width))
        chroma = (slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2))
        return Planes(self.y[luma], self.u[chroma], self.v[chroma])

    def put(self, other: Planes) -> None:
        """Copy another picture of the same size into this one."""
        self.y[:], self.u[:], self.v[:] = other

    def fill(self, color: str) -> None:
        """Fill with a named color."""
        for plane, level in zip(self, yuv_of(color), strict=True):
            plane[:] = level


def new_canvas(height: int, width: int) -> NDArray[np.uint8]:
    """Memory of one YUV 4:2:0 picture as encoders want it: [H * 3/2, W], the planes one after another."""
    return np.empty((height * 3 // 2, width), dtype=np.uint8)


def planes_of(canvas: NDArray[np.uint8]) -> Planes:
    """Views of the three planes of a canvas."""
    height, width = canvas.shape[0] * 2 // 3, canvas.shape[1]
    chroma = canvas.reshape(-1)[height * width :].reshape(2, height // 2, width // 2)
    return Planes(canvas[:height], chroma[0], chroma[1])


def canvas_of(picture: Planes) -> NDArray[np.uint8]:
    """A copy of a picture as one canvas."""
    canvas = new_canvas(*picture.y.shape)
    planes_of(canvas).put(picture)
    return canvas

"""How the pictures of a video are looked at: where the clip lies in them, their tone, their blur, what covers them."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.verify.atlas import LUMA, Atlas, Features, Labels, luma_picture
from puzzlegen.verify.tone import Tone
from puzzlegen.verify.view import AS_DRAWN, View, adjust, observe, visible

_STEPS, _GAIN, _MOST_HALVED = 6, 0.05, 2
"""Most steps of the view at a time; a step must lower the mean difference by so many levels, or is halved."""
_MOST_LEVELS = 40.0
_LEAST_KNOWN = 0.5
"""Share of a cell that must be in the picture."""


@dataclass(frozen=True, eq=False)
class Sight:
    """One way to look at pictures of one size; another view, tone or cover makes another of it (`replace`)."""

    layout: Layout
    size: tuple[int, int]
    """Height and width of the pictures, in pixels."""
    atlas: Atlas
    """At the blur of the pictures."""
    view: View = AS_DRAWN
    tone: Tone | None = None
    """None where the colors are as drawn."""
    covered: NDArray[np.bool_] | None = None
    """Blocks that something static covers [N, 96]; None if there are none."""

    @functools.cached_property
    def known(self) -> NDArray[np.bool_] | None:
        """Blocks that lie in the picture and are not covered [N, 96]; None if that is all of them."""
        known = self._visible if self.covered is None else self._visible & ~self.covered
        return None if known.all() else known

    @functools.cached_property
    def hidden(self) -> NDArray[np.bool_]:
        """Cells that are mostly out of the picture [N]."""
        return np.asarray(self._visible.mean(axis=1) < _LEAST_KNOWN)

    @functools.cached_property
    def _visible(self) -> NDArray[np.bool_]:
        return visible(self.layout, self.view, self.size)

    def raw(self, picture: Planes) -> Features:
        """Block means of every cell [N, 96] in the colors of the video."""
        return observe(picture, self.layout, self.view)

    def undone(self, raw: Features, cells: NDArray[np.intp] | slice = slice(None)) -> Features:
        """Block means [M, 96] of all cells, or of these, in the drawn colors."""
        return raw if self.tone is None else self.tone.undo(raw, cells) - self.atlas.around[cells]

    def look(self, picture: Planes) -> Features:
        """Block means of every cell [N, 96] in the drawn colors."""
        return self.undone(self.raw(picture))

    def difference(self, features: Features, labels: Labels) -> float:
        """Mean luma difference from what labels say over all cells, those that differ most left out, in levels."""
        return float(trimmed(self.off(features[None], labels[None]))[0])

    def off(self, features: Features, labels: Labels) -> NDArray[np.float32]:
        """Luma difference of every block that can be seen, of pictures in a row [T, N, 64], in levels."""
        luma = slice(LUMA * LUMA)
        rows = self.atlas.rows[np.arange(labels.shape[1]), np.maximum(labels, 0)]
        off: NDArray[np.float32] = features[:, :, luma] - self.atlas.features[rows, luma]
        np.abs(off, out=off)
        if self.known is not None:
            off *= self.known[:, luma]
        return off

    def cost(self, picture: Planes, board: NDArray[np.float32]) -> float:
        """Mean luma difference from a board, in levels; what is far off counts no more than `_MOST_LEVELS`."""
        return self._cost(luma_picture(self.look(picture), self.layout.shape), board)

    def adjusted(self, picture: Planes, labels: Labels, scales: tuple[float, float], most_zoom: float) -> Sight:
        """With the view moved towards what the labels say, as long as that explains more; see `view.adjust`."""
        shape = self.layout.shape
        board = luma_picture(self.atlas.expected(labels), shape)
        least, best, tried, halved = np.inf, self, self, 0
        for _ in range(_STEPS):
            seen = luma_picture(tried.look(picture), shape)
            cost = tried._cost(seen, board)
            if cost < least - _GAIN:
                least, best, halved = cost, tried, 0
                use = np.ones(board.shape, dtype=bool) if best.known is None else luma_picture(best.known, shape)
                view = adjust(best.view, self.layout, seen, board, use, scales, most_zoom)
            elif halved < _MOST_HALVED:  # thin lines make it go too far
                halved += 1
                view = View(*((one + other) / 2 for one, other in zip(best.view, tried.view, strict=True)))
            else:
                break
            tried = replace(self, view=view)
        return best

    def _cost(self, seen: NDArray[np.float32], board: NDArray[np.float32]) -> float:
        off = np.minimum(np.abs(seen - board), _MOST_LEVELS)
        return float((off if self.known is None else off[luma_picture(self.known, self.layout.shape)]).mean())


def trimmed(off: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean over cells [..., N, 64], the quarter of them that is highest left out [...]."""
    each = np.sort(off.mean(axis=-1), axis=-1)
    return np.asarray(each[..., : max(1, each.shape[-1] * 3 // 4)].mean(axis=-1))

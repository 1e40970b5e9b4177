"""What a scorer must tolerate: the public list of changes that leave a clip's verdict as it is.

>>> rng = np.random.default_rng(0)
>>> for perturbation in PERTURBATIONS.values():
...     score = verifier.score_frames(perturbation.apply(frames, cell_px, rng))

Each is a pure function of RGB frames, the size of a cell in pixels, a random generator and a strength. Strength 1 is
the limit of the list (the rng chooses sign, side, direction, color and place, not how much, unless the row says a
range); near 0 is as good as nothing, more than 1 is beyond what has to be tolerated, for calibration curves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from puzzlegen.testing import blemishes, filters, movers, retiming
from puzzlegen.testing.codecs import CODECS, recode
from puzzlegen.testing.filters import Frames, Rng


class Change(Protocol):
    """Frames to frames; see `Perturbation.apply`."""

    def __call__(self, frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, /) -> Frames:
        """New frames."""


@dataclass(frozen=True)
class Perturbation:
    """One row of the must-tolerate list."""

    name: str
    family: str
    change: Change
    needs_mover: bool = False
    """Only meaningful where a thing moves over a still background, not for lines that stay drawn."""

    def apply(self, frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0) -> Frames:
        """Changed frames; the given ones are not touched.

        Args:
            frames: RGB, uint8 [T, H, W, 3].
            cell_px: side of a cell in these frames, in pixels.
            rng: chooses signs, sides, directions, colors and places.
            strength: 1 is the limit of what must be tolerated.

        Returns:
            RGB, uint8, of any T, H and W.

        Raises:
            ValueError: not such frames, or a size or strength out of range.
        """
        if frames.dtype != np.uint8 or frames.ndim != 4 or frames.shape[3] != 3 or not frames.size:
            raise ValueError(f"{self.name} takes uint8 [T, H, W, 3], got {frames.dtype} {list(frames.shape)}")
        if not (cell_px > 0 and 0 < strength < np.inf):
            raise ValueError(f"{self.name} takes a cell size and a strength above 0, got {cell_px} and {strength}")
        return np.ascontiguousarray(self.change(frames, cell_px, rng, strength))


_ROWS: dict[str, dict[str, Change]] = {
    "blur": {"blur": filters.blur},
    "codec": {name: partial(recode, codec=name) for name in CODECS},
    "resize": {
        "coarse": filters.coarsen,
        "832x480": partial(filters.stretch, width=832, height=480),
        "512x512": partial(filters.stretch, width=512, height=512),
        "1280x720": partial(filters.stretch, width=1280, height=720),
    },
    "bars": {
        "letterbox": partial(filters.bars, where="letter"),
        "pillarbox": partial(filters.bars, where="pillar"),
    },
    "translation": {
        "shift_2px": filters.shift_pixels,
        "shift_cell": filters.shift_cells,
        "drift": filters.drift,
    },
    "zoom": {"zoom_in": partial(filters.zoom, percent=2.0), "zoom_out": partial(filters.zoom, percent=-2.0)},
    "color": {
        "hue": filters.hue,
        "saturation_low": partial(filters.saturation, factor=0.7),
        "saturation_high": partial(filters.saturation, factor=1.3),
        "gamma_low": partial(filters.gamma, exponent=0.8),
        "gamma_high": partial(filters.gamma, exponent=1.25),
        "brightness_low": partial(filters.brightness, percent=-20.0),
        "brightness_high": partial(filters.brightness, percent=20.0),
    },
    "noise": {"gaussian_noise": filters.grain, "salt_and_pepper": filters.salt_and_pepper},
    "time": {
        "drop": retiming.drop,
        "repeat": retiming.repeat,
        "fps_8": partial(retiming.resample, target_fps=8),
        "fps_24": partial(retiming.resample, target_fps=24),
        "fps_24_blend": partial(retiming.resample, target_fps=24, blend=True),
        "finish_early": retiming.finish_early,
        "start_slowly": retiming.start_slowly,
    },
    "content": {
        "mover_large": partial(movers.resize_mover, area=2.0),
        "mover_small": partial(movers.resize_mover, area=0.6),
        "mover_turned": movers.turn_mover,
        "mover_morphed": movers.morph_mover,
    },
    "flicker": {"flicker_mover": movers.blink_mover, "flicker_strip": blemishes.flicker_strip},
    "shade": {"shade": filters.shade},
    "occluder": {"occluder": blemishes.occlude},
}

PERTURBATIONS: dict[str, Perturbation] = {
    name: Perturbation(name, family, change, needs_mover="mover" in name)
    for family, rows in _ROWS.items()
    for name, change in rows.items()
}
"""The list, by name, families together; `fps_8` and `fps_24` take the clip to have 16 frames a second."""

_SCENE_TO_FILE = (
    *("content", "time", "flicker", "occluder", "shade", "translation", "zoom", "blur", "color"),
    *("bars", "resize", "noise", "codec"),
)
"""Families in the order in which a scene, a camera and a file would do them; all that ask for the cell's size come
before those that change it."""


def families() -> dict[str, tuple[Perturbation, ...]]:
    """The list by family, in its order."""
    return {family: tuple(PERTURBATIONS[name] for name in rows) for family, rows in _ROWS.items()}


def mixed(rng: Rng, count: int = 2, *, mover: bool = True) -> Perturbation:
    """Draw `count` perturbations of different families and make one of them, applied from the scene to the file.

    Each is at its own limit. The family of the result is "mixed", its name is theirs joined by "+".

    Args:
        rng: chooses the families, all alike, then a row of each.
        count: 1 to the number of families.
        mover: draw those that need a mover too.

    Raises:
        ValueError: no such count.
    """
    rows = {
        family: [row for row in own if mover or not row.needs_mover]
        for family, own in families().items()
        if mover or not all(row.needs_mover for row in own)
    }
    if not 1 <= count <= len(rows):
        raise ValueError(f"count must be 1 to {len(rows)}, got {count}")
    drawn = sorted(rng.choice(list(rows), count, replace=False), key=_SCENE_TO_FILE.index)
    return composed([rows[family][int(rng.integers(len(rows[family])))] for family in drawn])


def composed(parts: Iterable[Perturbation]) -> Perturbation:
    """One perturbation that applies others in turn; the cell's size is that of the frames that come in."""
    chosen = tuple(parts)
    return Perturbation(
        name="+".join(part.name for part in chosen),
        family="mixed",
        change=partial(_in_turn, chosen),
        needs_mover=any(part.needs_mover for part in chosen),
    )


def _in_turn(
    parts: tuple[Perturbation, ...], frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0
) -> Frames:
    for part in parts:
        frames = part.apply(frames, cell_px, rng, strength)
    return frames

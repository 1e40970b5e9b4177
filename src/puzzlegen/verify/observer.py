"""A video's pictures to labels of every cell: found in the first picture, followed through the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.verify import search
from puzzlegen.verify.atlas import LUMA, Atlas, Features, Labels, luma_picture
from puzzlegen.verify.perceive import classify
from puzzlegen.verify.tone import Tone, fit_tone
from puzzlegen.verify.view import AS_DRAWN, View, adjust, in_view, observe

AS_DRAWN_LEVELS = 8.0
"""Levels by which the codec may move a block of the first picture before view and tone are searched for."""
LEAST_LIKENESS = 0.5
"""Correlation of the first picture with the puzzle below which it shows something else."""
_STILL = 1.5
"""A cell none of whose blocks moved by more levels than this since it was last looked at is not looked at again."""
_DRIFT = 1.0
"""Levels by which the mean difference may grow before the view is adjusted."""
_LEAST_IN_VIEW = 0.6
_BLURS = (0.0, 0.05, 0.09)


class Evidence(NamedTuple):
    """What the frames show."""

    labels: Labels
    """[T, N]"""
    sides: NDArray[np.bool_]
    """[T, N, 4], see `Percept`."""
    hidden: NDArray[np.bool_]
    """[T, N]: cells that are mostly outside of the picture."""
    likeness: float
    """Correlation of the first picture with the puzzle, 1 where it is as drawn."""
    misfit: float
    """Mean over frames of the median cell's misfit, in levels."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the first picture should be."""

    layout: Layout
    picture: Callable[[], Planes]
    """Draws it."""
    start: Labels
    atlas: Callable[[float], Atlas]
    """The atlas at a blur, in cells."""


class Observer:
    """Reads pictures one after another."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference
        self._layout = reference.layout
        self.atlas = reference.atlas(0.0)
        self._view: View = AS_DRAWN
        self._tone: Tone | None = None
        self._base = 0.0
        self.likeness = 1.0

    def watch(self, pictures: Iterable[Planes]) -> Evidence | None:
        """Everything that can be read; None if the first picture does not show the puzzle. Takes at least one picture."""
        pictures = iter(pictures)
        first = next(pictures)
        if not self._find(first):
            return None
        labels: list[Labels] = []
        sides, hidden, misfits = [], [], []
        cells = len(self._reference.start)
        seen = np.full((cells, 0), 0, dtype=np.float32)
        current = self._reference.start.copy()
        flipped = np.zeros((cells, 4), dtype=bool)
        misfit = np.zeros(cells, dtype=np.float32)
        size = first.y.shape
        picture: Planes | None = first
        while picture is not None:
            features = self._look(picture)
            if labels and self._has_drifted(features, current):
                features = self._follow(picture, current)
            moved = np.arange(cells) if not labels else np.flatnonzero(np.abs(features - seen).max(axis=1) > _STILL)
            if moved.size:
                if not labels:
                    seen = features.copy()
                seen[moved] = features[moved]
                percept = classify(features[moved], moved, self.atlas)
                current[moved], flipped[moved], misfit[moved] = percept
            labels.append(current.copy())
            sides.append(flipped.copy())
            hidden.append(in_view(self._layout, self._view, size) < _LEAST_IN_VIEW)
            misfits.append(float(np.median(misfit)))
            picture = next(pictures, None)
        return Evidence(
            np.stack(labels), np.stack(sides), np.stack(hidden), self.likeness, float(np.mean(misfits))
        )  # fmt: skip

    def _look(self, picture: Planes) -> Features:
        features = observe(picture, self._layout, self._view)
        return features if self._tone is None else self._tone.undo(features)

    # --- the first picture

    def _find(self, first: Planes) -> bool:
        """Set view, tone and blur. False if the picture does not show the puzzle."""
        expected = self.atlas.expected(self._reference.start)
        drawn = self._reference.picture()
        if first.y.shape == drawn.y.shape:
            off = observe(first, self._layout, AS_DRAWN) - expected
            if np.abs(off).max() <= AS_DRAWN_LEVELS:
                self._base = float(np.abs(off[:, : LUMA * LUMA]).mean())
                return True
        board = luma_picture(expected, self._layout.shape)
        self.likeness, self._view = search.find_view(first.y, drawn.y, board, self._layout)
        if self.likeness < LEAST_LIKENESS:
            return False
        for _ in range(3):
            self._tone = fit_tone(observe(first, self._layout, self._view), expected, self._layout.shape)
            for _ in range(3):
                self._adjust(first, board)
        self._tone = fit_tone(observe(first, self._layout, self._view), expected, self._layout.shape)
        features = self._look(first)
        self._choose_blur(features)
        self._base = self._difference(features, self._reference.start)
        return True

    def _choose_blur(self, features: Features) -> None:
        """Take the atlas whose pictures of the start are nearest."""
        start = self._reference.start
        atlases = [self.atlas, *map(self._reference.atlas, _BLURS[1:])]
        self.atlas = min(atlases, key=lambda atlas: float(np.square(features - atlas.expected(start)).sum()))

    # --- the pictures after it

    def _adjust(self, picture: Planes, board: NDArray[np.float32]) -> None:
        seen = luma_picture(self._look(picture), self._layout.shape)
        self._view = adjust(self._view, self._layout, seen, board)

    def _difference(self, features: Features, labels: Labels) -> float:
        """Mean luma difference over all cells, those that differ most left out, in levels."""
        off = np.abs(features[:, : LUMA * LUMA] - self.atlas.expected(labels)[:, : LUMA * LUMA]).mean(axis=1)
        return float(np.sort(off)[: max(1, len(off) * 3 // 4)].mean())

    def _has_drifted(self, features: Features, labels: Labels) -> bool:
        return self._difference(features, labels) > self._base + _DRIFT

    def _follow(self, picture: Planes, labels: Labels) -> Features:
        """Adjust the view to what the cells showed a frame ago; keep it only if that explains the picture better."""
        before, features = self._view, self._look(picture)
        board = luma_picture(self.atlas.expected(labels), self._layout.shape)
        for _ in range(3):
            self._adjust(picture, board)
        adjusted = self._look(picture)
        if self._difference(adjusted, labels) < self._difference(features, labels) - _DRIFT / 4:
            return adjusted
        self._view = before
        return features

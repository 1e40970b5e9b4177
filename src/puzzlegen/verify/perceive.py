"""Frames to boards: which of the stacks that can lie in a cell it shows, or that it shows none of them clearly.

A cell is reduced to the means of 4x4 blocks of each plane and compared with the block means of every
stack that the puzzle allows there, drawn by the painter that drew the clip. Walls and goals are part of every
candidate; thin walls change block means but little, so a cell is also compared with what its backdrop must not turn
into: a cell whose wall was erased looks more like that, and is unclear.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.grid import LINK
from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout, Painter
from puzzlegen.types import Glyph
from puzzlegen.verify.register import unshift

UNCLEAR = -1
TOLERANCE = 26.0
"""Most levels (of 255) by which any block of a clear cell may differ from its candidate."""
_STILL = 1.5
"""A cell none of whose blocks moved by more levels than this since it was last looked at is not looked at again."""

_BLOCKS = 4
_FEATURES = 3 * _BLOCKS * _BLOCKS

Features = NDArray[np.float32]  # [..., 48]: the block means of y, u and v


@dataclass(frozen=True, slots=True)
class Candidates:
    """What each cell can show, as block means."""

    stacks: Sequence[Sequence[Glyph]]
    most: int
    """Most candidates of any cell; features from this row on are those of decoys."""
    features: Features
    """[N, G, 48]; rows beyond a cell's own candidates or decoys are infinite."""

    def labels(self, stacks: Sequence[Glyph]) -> NDArray[np.int16]:
        """The index of each cell's stack among its candidates [N]; UNCLEAR for a stack that is none of them."""
        found = [own.index(stack) if stack in own else UNCLEAR for own, stack in zip(self.stacks, stacks, strict=True)]
        return np.array(found, dtype=np.int16)

    def board(self, labels: NDArray[np.int16]) -> list[Glyph]:
        """The stacks that labels name."""
        return [own[label] for own, label in zip(self.stacks, labels.tolist(), strict=True)]


def candidates(painter: Painter, stacks: Sequence[Sequence[Glyph]]) -> Candidates:
    """Draw every stack that can lie in every cell, and its decoys, and take their block means."""

    @functools.cache
    def means(glyph: Glyph) -> Features:
        one: Features = _blocks(painter.tile(glyph), (1, 1))[0]
        return one

    backdrops = list(dict.fromkeys(painter.backdrop))
    decoys = {
        backdrop: np.array([means(decoy) for decoy in _decoys(backdrop, backdrops)]).reshape(-1, _FEATURES)
        for backdrop in backdrops
    }
    most = max(map(len, stacks))
    features = np.full((len(stacks), most + max(map(len, decoys.values())), _FEATURES), np.inf, dtype=np.float32)
    for cell, (backdrop, own) in enumerate(zip(painter.backdrop, stacks, strict=True)):
        for row, stack in enumerate(own):
            features[cell, row] = means(backdrop + stack)
        features[cell, most : most + len(decoys[backdrop])] = decoys[backdrop]
    return Candidates(stacks, most, features)


def _decoys(backdrop: Glyph, backdrops: Sequence[Glyph]) -> list[Glyph]:
    """What a cell shows if its backdrop becomes that of another cell, or a mark in it is joined to other neighbours."""
    flipped = [
        (*backdrop[:index], mark._replace(links=mark.links ^ bit), *backdrop[index + 1 :])
        for index, mark in enumerate(backdrop)
        for bit in LINK.values()
    ]
    return [glyph for glyph in dict.fromkeys([*flipped, *backdrops]) if glyph != backdrop]


def boards(
    pictures: Iterable[Planes], layout: Layout, shift: tuple[int, int], allowed: Candidates
) -> NDArray[np.int16]:
    """Labels of every cell in every frame [T, N]: an index into the cell's candidates, or UNCLEAR."""
    seen = np.full((len(allowed.stacks), _FEATURES), -np.inf, dtype=np.float32)
    current = np.empty(len(allowed.stacks), dtype=np.int16)
    labels = []
    for picture in pictures:
        features = observe(picture, layout, shift)
        moved = np.flatnonzero(np.abs(features - seen).max(axis=1) > _STILL)
        if moved.size:
            seen[moved] = features[moved]
            current[moved] = classify(features[moved], allowed.features[moved], allowed.most)
        labels.append(current.copy())
    return np.stack(labels)


def observe(picture: Planes, layout: Layout, shift: tuple[int, int]) -> Features:
    """Block means of every cell of one frame [N, 48]."""
    down, right = shift
    if down or right:
        chroma = round(down / 2), round(right / 2)
        picture = Planes(unshift(picture.y, down, right), unshift(picture.u, *chroma), unshift(picture.v, *chroma))
    rows, cols = layout.shape
    side = layout.cell_px
    return _blocks(picture.window(layout.top, layout.left, rows * side, cols * side), layout.shape)


def classify(features: Features, allowed: Features, most: int) -> NDArray[np.int16]:
    """The nearest candidate of each cell: features [M, 48], allowed [M, G, 48], decoys from `most` on -> labels [M]."""
    off = np.abs(allowed - features[:, None])
    nearest = np.argmin(off.sum(axis=2), axis=1)
    worst = off[np.arange(len(off)), nearest].max(axis=1)
    return np.where((worst <= TOLERANCE) & (nearest < most), nearest, UNCLEAR).astype(np.int16)


def _blocks(board: Planes, shape: tuple[int, int]) -> Features:
    """Block means of a picture that is exactly the board [rows * cols, 48]."""
    rows, cols = shape
    parts = []
    for plane in board:
        small = cv2.resize(plane, (cols * _BLOCKS, rows * _BLOCKS), interpolation=cv2.INTER_AREA)
        small = small.reshape(rows, _BLOCKS, cols, _BLOCKS).transpose(0, 2, 1, 3)
        parts.append(small.reshape(rows * cols, _BLOCKS * _BLOCKS))
    return np.concatenate(parts, axis=1, dtype=np.float32)

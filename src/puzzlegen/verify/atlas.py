"""What each cell may look like: block means of every stack it can hold, and of what it must not turn into.

A cell is reduced to the means of 8x8 blocks of luma and 4x4 blocks of each chroma plane, 96 numbers. Walls and goals
are part of every picture of a cell. Thin walls change block means but little, so besides the stacks that the rules
allow there are decoys (another floor, the goal gone) and directions: the change that a side of the backdrop makes
when it opens or closes, along which an observed cell is measured.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.grid import DIRECTIONS, LINK
from puzzlegen.render.planes import Plane, Planes
from puzzlegen.render.raster import Painter
from puzzlegen.types import Glyph

LUMA, CHROMA = 8, 4
"""Blocks along a side of a cell."""
FEATURES = LUMA * LUMA + 2 * CHROMA * CHROMA

UNCLEAR = -1
LAYOUT = -2
"""A cell that shows another floor or wall."""
GOAL = -3
"""A cell whose goal, target or endpoint is gone, new, or another."""

_MOST_DECOYS = 64
_COVERED = 4.0
"""Levels by which a stack must change a block to reach into it."""
_LEAST_BESIDE = 0.25
"""Share of a side's change that must lie beside all stacks for the side to be seen."""

Picture = TypeVar("Picture", bound=np.generic)
Features = NDArray[np.float32]  # [..., 96]: block means of y, u, v
Labels = NDArray[np.int16]  # [..., N]: index into a cell's stacks, or one of the above


@dataclass(frozen=True, slots=True)
class Atlas:
    """Block means of all that the cells of one puzzle can show."""

    stacks: Sequence[Sequence[Glyph]]
    """What each cell may hold, the empty stack first."""
    places: Sequence[Mapping[Glyph, int]]
    """The index of each of a cell's stacks."""
    features: Features
    """[G, 96], every picture once."""
    norms: NDArray[np.float32]
    """[G]: their squared lengths."""
    colors: NDArray[np.float32]
    """[G, 3]: their mean y, u and v."""
    table: Labels
    """[N, G]: what it means when a cell looks like a picture; `FOREIGN` where the two have nothing to do."""
    rows: NDArray[np.int32]
    """[N, most stacks]: the picture of each of a cell's stacks; the first where it has fewer."""
    sides: Features
    """[N, 4, 96]: change of the cell when a side opens or closes, over its squared length; 0 where nothing changes."""
    beside: Features
    """The same for closed sides that open, in the blocks beside which no stack reaches."""
    around: Features
    """[N, 96]: what blur brings into each cell from those around it in the start, beyond its own mirror image."""
    top: Features
    """[N, 96]: what the marks above the lowest one add to each cell's backdrop."""
    marked: NDArray[np.bool_]
    """[N]: the backdrop has such a mark, a goal or an endpoint."""
    vacant: NDArray[np.bool_]
    """[N]: no token lies there in the start."""

    def label(self, cell: int, stack: Glyph) -> int:
        """The index of a stack in a cell; UNCLEAR for one that the cell cannot hold."""
        return self.places[cell].get(stack, UNCLEAR)

    def labels(self, board: Sequence[Glyph]) -> Labels:
        """The index of each cell's stack [N]; UNCLEAR for a stack that the cell cannot hold."""
        found = [own.get(stack, UNCLEAR) for own, stack in zip(self.places, board, strict=True)]
        return np.array(found, dtype=np.int16)

    def board(self, labels: Labels) -> list[Glyph | None]:
        """The stacks that labels name; None for what is no stack."""
        pairs = zip(self.stacks, labels.tolist(), strict=True)
        return [own[label] if label >= 0 else None for own, label in pairs]

    def expected(self, labels: Labels) -> Features:
        """The pictures of these stacks [N, 96]; of the first stack where a label names none."""
        return self.features[self.rows[np.arange(len(labels)), np.maximum(labels, 0)]]


FOREIGN = -9


def atlas(painter: Painter, stacks: Sequence[Sequence[Glyph]], start: Sequence[Glyph], blur: float = 0.0) -> Atlas:
    """Draw what the cells can show and take block means.

    Args:
        painter: of the clip.
        stacks: what each cell may hold, the empty stack included.
        start: the board of the start.
        blur: standard deviation in cells of the blur that the video seems to have.
    """
    choices = [tuple(sorted(own, key=bool)) for own in stacks]
    distinct = list(dict.fromkeys(painter.backdrop))
    joined = {mark.kind for backdrop in distinct for mark in backdrop if mark.links}
    number: dict[Glyph, int] = {}
    own_rows = [
        [number.setdefault(backdrop + stack, len(number)) for stack in own]
        for backdrop, own in zip(painter.backdrop, choices, strict=True)
    ]
    decoys = _Decoys(painter.backdrop)
    kinds = list(zip(painter.backdrop, choices, strict=True))
    decoys_of = {kind: decoys.of(*kind) for kind in dict.fromkeys(kinds)}
    changed = [[(number.setdefault(glyph, len(number)), label) for glyph, label in decoys_of[kind]] for kind in kinds]

    flips = {backdrop: _flips(backdrop, joined) for backdrop in distinct}
    glyphs = dict.fromkeys(number)
    for backdrop in distinct:
        glyphs |= dict.fromkeys([backdrop, backdrop[:1], *(flip for flip, _ in flips[backdrop])])
    for backdrop, stack in zip(painter.backdrop, start, strict=True):
        glyphs[backdrop + stack] = None
    pictures = _means_of([_blurred(painter.tile(glyph), blur) for glyph in glyphs])
    means = dict(zip(glyphs, pictures, strict=True))
    places = {own: {stack: index for index, stack in enumerate(own)} for own in set(choices)}

    table = np.full((len(choices), len(number)), FOREIGN, dtype=np.int16)
    rows = np.zeros((len(choices), max(map(len, own_rows))), dtype=np.int32)
    for cell, (own, other) in enumerate(zip(own_rows, changed, strict=True)):
        for row, label in other:
            table[cell, row] = label
        table[cell, own] = np.arange(len(own))
        rows[cell] = own + own[:1] * (rows.shape[1] - len(own))
    alone = np.array([means[backdrop + stack] for backdrop, stack in zip(painter.backdrop, start, strict=True)])
    features = np.array([means[glyph] for glyph in number])
    sides = {backdrop: _sides(backdrop, flips[backdrop], means) for backdrop in distinct}
    beside = {(backdrop, own): _closed_beside(backdrop, own, sides[backdrop], means) for backdrop, own in decoys_of}
    return Atlas(
        stacks=choices,
        places=[places[own] for own in choices],
        features=features,
        norms=(features**2).sum(axis=1),
        colors=mean_colors(features),
        table=table,
        rows=rows,
        sides=_measuring(np.array([sides[backdrop] for backdrop in painter.backdrop])),
        beside=_measuring(
            np.array([beside[kind] for kind in kinds])
        ),
        around=start_means(painter, start, blur) - alone if blur else np.zeros_like(alone),
        top=np.array([means[backdrop] - means[backdrop[:1]] for backdrop in painter.backdrop]),
        marked=np.array([len(backdrop) > 1 for backdrop in painter.backdrop]),
        vacant=np.array([not stack for stack in start]),
    )  # fmt: skip


def start_means(painter: Painter, start: Sequence[Glyph], blur: float) -> Features:
    """Block means of the start's picture at a blur in cells [N, 96]."""
    layout = painter.layout
    (rows, cols), side = layout.shape, layout.cell_px
    picture = painter.picture(start)
    whole = _blurred(picture, blur * side / picture.y.shape[0])
    return block_means(whole.window(layout.top, layout.left, rows * side, cols * side), layout.shape)


class _Decoys:
    """What the cells of a puzzle must not turn into."""

    def __init__(self, backdrops: Sequence[Glyph]) -> None:
        distinct = list(dict.fromkeys(backdrops))
        self._grounds = list(dict.fromkeys(backdrop[:1] for backdrop in distinct))
        self._tops = list(dict.fromkeys(backdrop[1:] for backdrop in distinct))

    def of(self, backdrop: Glyph, own: tuple[Glyph, ...]) -> list[tuple[Glyph, int]]:
        """(glyph, LAYOUT or GOAL) with every stack on it, with the empty one only where that would be too many."""
        ground, top = backdrop[:1], backdrop[1:]
        changed = [
            (other + top, LAYOUT)
            for other in self._grounds
            if [mark.kind for mark in other] != [mark.kind for mark in ground]
        ]
        changed += [(ground + other, GOAL) for other in self._tops if other != top]
        on_them = own if len(changed) * len(own) <= _MOST_DECOYS else ((),)
        return [(glyph + stack, label) for glyph, label in changed for stack in on_them]


def _flips(backdrop: Glyph, joined: Set[str]) -> list[tuple[Glyph, int]]:
    """The backdrop with each side opened or closed, and the side's number; none for marks joined nowhere."""
    return [
        ((*backdrop[:index], mark._replace(links=mark.links ^ LINK[direction]), *backdrop[index + 1 :]), side)
        for index, mark in enumerate(backdrop)
        if mark.kind in joined
        for side, direction in enumerate(DIRECTIONS)
    ]


def _sides(backdrop: Glyph, flips: Sequence[tuple[Glyph, int]], means: Mapping[Glyph, Features]) -> Features:
    """The change of block means when each side of a joined backdrop opens or closes [4, 96]; 0 if it has no sides."""
    found = np.zeros((len(DIRECTIONS), FEATURES), dtype=np.float32)
    for flipped, side in flips:
        found[side] += means[flipped] - means[backdrop]
    return found


def _closed_beside(
    backdrop: Glyph, stacks: Sequence[Glyph], sides: Features, means: Mapping[Glyph, Features]
) -> Features:
    """Of those changes, the opening of closed sides, in the blocks that no stack covers [4, 96]."""
    if not sides.any():
        return sides
    joined = functools.reduce(operator.or_, (mark.links for mark in backdrop), 0)
    closed = np.array([not joined & LINK[direction] for direction in DIRECTIONS])
    covered = np.max([np.abs(means[backdrop + stack] - means[backdrop]) for stack in stacks], axis=0) > _COVERED
    beside = sides * (closed[:, None] & ~covered)
    enough = (beside**2).sum(axis=1) > _LEAST_BESIDE * (sides**2).sum(axis=1)
    return np.asarray(beside * enough[:, None], dtype=np.float32)


def _measuring(changes: Features) -> Features:
    """Changes over their squared lengths: times an observed difference, this gives the share of the change."""
    lengths = (changes**2).sum(axis=-1, keepdims=True)
    return np.asarray(np.where(lengths > 1, changes / np.maximum(lengths, 1), 0), dtype=np.float32)


def _means_of(tiles: Sequence[Planes]) -> Features:
    """Block means of single cells [G, 96]."""
    return block_means(Planes(*(np.concatenate(planes) for planes in zip(*tiles, strict=True))), (len(tiles), 1))


def mean_colors(features: Features) -> NDArray[np.float32]:
    """Mean y, u and v of cells or pictures [..., 3]."""
    luma, chroma = LUMA * LUMA, CHROMA * CHROMA
    parts = [features[..., :luma], features[..., luma : luma + chroma], features[..., luma + chroma :]]
    return np.stack([part.mean(axis=-1) for part in parts], axis=-1)


def block_means(board: Planes, shape: tuple[int, int]) -> Features:
    """Block means of a picture that is exactly the board [rows * cols, 96]."""
    rows, cols = shape
    parts = []
    for plane, blocks in zip(board, (LUMA, CHROMA, CHROMA), strict=True):
        small = _shrunk(plane, rows * blocks, cols * blocks)
        small = small.reshape(rows, blocks, cols, blocks).transpose(0, 2, 1, 3)
        parts.append(small.reshape(rows * cols, blocks * blocks))
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _shrunk(plane: Plane, height: int, width: int) -> Plane:
    """Means over blocks that are squares, by halving first, which costs a fourth of any other factor."""
    while plane.shape[0] % (2 * height) == 0:
        plane = _resized(plane, plane.shape[0] // 2, plane.shape[1] // 2)
    return plane if plane.shape[0] == height else _resized(plane, height, width)


def _resized(plane: Plane, height: int, width: int) -> Plane:
    return np.asarray(cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def luma_picture(features: NDArray[Picture], shape: tuple[int, int]) -> NDArray[Picture]:
    """The luma blocks of all cells as one picture [rows * 8, cols * 8]."""
    rows, cols = shape
    luma = features[:, : LUMA * LUMA].reshape(rows, cols, LUMA, LUMA)
    return np.ascontiguousarray(luma.transpose(0, 2, 1, 3).reshape(rows * LUMA, cols * LUMA))


def _blurred(tile: Planes, blur: float) -> Planes:
    """A picture blurred by this share of its height, edges mirrored."""
    if not blur:
        return tile
    side = tile.y.shape[0]
    planes: Iterable[NDArray[np.uint8]] = (
        np.asarray(cv2.GaussianBlur(plane, (0, 0), blur * side / step, borderType=cv2.BORDER_REFLECT), dtype=np.uint8)
        for plane, step in zip(tile, (1, 2, 2), strict=True)
    )
    return Planes(*planes)

"""Block means to labels: which of a cell's stacks a picture shows, or that it shows none of them clearly.

First by pictures: the nearest in the atlas, if no block differs by much. What is left over (a mark that turned, grew,
or is on its way between two cells) goes by mass: how much of a stack's color the cell holds.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.verify.atlas import (
    CHROMA,
    FOREIGN,
    GOAL,
    LUMA,
    UNCLEAR,
    Atlas,
    Features,
    Labels,
    luma_picture,
    mean_colors,
)  # fmt: skip
from puzzlegen.verify.moves import facing
from puzzlegen.verify.tone import quarter_luma

TOLERANCE = 26.0
"""Most levels (of 255) by which any quarter of a clear cell's side may differ from its picture."""
_FLIPPED = 0.5
"""Share of the change from closed to open, or from open to closed, at which a side counts as changed."""
_STRANGE = 40.0
"""Levels by which a block must differ from all that it could show to be covered by something."""
_MOSTLY = 0.5
"""Share of a cell's blocks that must be known for the nearest picture to be believed."""
_COVERED = 0.25
"""Share of a cell's blocks that are covered by something that may reach over its edge."""
_RECOLORED, _RECOLORED_SHARE = 17.0, 0.25
"""Levels by which the color of a goal may be off where it covers most of a block, and that as a share of its own."""
_UNEVEN = 0.2
"""Share of the shift of a goal's color by which its blocks may differ from it."""
_MOST_GONE = 0.5
"""Share of a goal that may be covered."""
_DECISIVE = 2.0
"""Times nearer (squared) than to the nearest legal stack a cell must be to a decoy to count as changed."""
_PRESENT, _ABSENT = 0.5, 0.45
"""Share of a stack's color that a cell holds when the stack is there, and when it is gone."""
_ON_MARK = 0.08
"""How much less that may be on a goal: of a mark that has shrunk there, the goal around it takes away some."""
_MOST_MASS = 2.8
_LEAST_COLOR = 9.0
"""Levels by which a stack must change the mean of its cell to be told by it."""

_LUMA, _CHROMA = LUMA * LUMA, CHROMA * CHROMA


class Percept(NamedTuple):
    """What cells show."""

    labels: Labels
    """[M]"""
    sides: NDArray[np.bool_]
    """[M, 4]: the side in direction U, D, L, R is open where it should be closed, or the reverse."""
    misfit: NDArray[np.float32]
    """[M]: most levels by which a quarter block differs from the nearest stack."""
    goal: NDArray[np.bool_]
    """[M]: the cell is far nearer to another goal, or none, than to what it may hold, however well it fits."""


def classify(
    features: Features, cells: NDArray[np.intp], atlas: Atlas, known: NDArray[np.bool_] | None = None
) -> Percept:
    """Label cells by their block means [M, 96].

    Args:
        features: tone and view undone.
        cells: their numbers [M].
        atlas: of the puzzle.
        known: the blocks that can be seen [M, 96]; all if not given.
    """
    table = atlas.table[cells]
    squares = _squares(features, atlas, known)
    nearest = np.where(table != FOREIGN, squares, np.inf).argmin(axis=1)
    own = np.where(table >= 0, squares, np.inf).argmin(axis=1)
    each = np.arange(len(cells))
    if known is not None:  # nothing is seen in a cell that is mostly covered but what its rest clearly tells
        bare = atlas.rows[cells, 0]
        doubtful = (known.mean(axis=1) < _MOSTLY) & (squares[each, own] * _DECISIVE >= squares[each, bare])
        own = np.where(doubtful, bare, own)
    off = features - atlas.features[own]
    if known is not None:
        off *= known
    misfit = most_off(off)
    labels = np.where(misfit <= TOLERANCE, table[each, own], UNCLEAR)
    changed = nearest != own
    goal = changed & (squares[each, nearest] * _DECISIVE < squares[each, own]) & (table[each, nearest] == GOAL)
    if changed.any():
        decoy_off = features[changed] - atlas.features[nearest[changed]]
        fits = most_off(decoy_off if known is None else decoy_off * known[changed]) <= TOLERANCE
        fits &= squares[each, nearest][changed] * _DECISIVE < squares[each, own][changed]
        labels[changed] = np.where(fits, table[each, nearest][changed], UNCLEAR)
    unclear = np.flatnonzero(labels == UNCLEAR)
    if unclear.size:
        filled = features[unclear]
        if known is not None:
            filled = np.where(known[unclear], filled, atlas.features[own[unclear]])
        named = _by_middle(filled, cells[unclear], atlas)
        named = np.where(named == UNCLEAR, _by_mass(filled, cells[unclear], atlas), named)
        labels[unclear] = named
        rows = atlas.rows[cells[unclear], np.maximum(labels[unclear], 0)]
        off[unclear] = filled - atlas.features[np.where(labels[unclear] >= 0, rows, own[unclear])]
    marked = np.flatnonzero((labels <= 0) & (labels >= UNCLEAR) & atlas.marked[cells])
    if marked.size:
        bare = features[marked] - atlas.features[atlas.rows[cells[marked], 0]]
        recolored = _recolored(bare if known is None else bare * known[marked], cells[marked], atlas)
        labels[marked[recolored]] = GOAL
    sides = np.einsum("msf,mf->ms", atlas.sides[cells], off) > _FLIPPED
    held = np.flatnonzero(labels != 0)
    if held.size:
        bare = features[held] - atlas.features[atlas.rows[cells[held], 0]]
        if known is not None:
            bare *= known[held]
        sides[held] = np.einsum("msf,mf->ms", atlas.beside[cells[held]], bare) > _FLIPPED
    return Percept(labels.astype(np.int16), sides, misfit, goal)


def _by_middle(features: Features, cells: NDArray[np.intp], atlas: Atlas) -> Labels:
    """The one stack whose middle the cell shows, or UNCLEAR: what is too large or too small for its cell, or reaches
    over from the next one, changes the rest.

    For marks on a goal, where what lies beneath shows at their edge and their mass is no measure, and for cells that
    can hold no mark.
    """
    rows = atlas.rows[cells]
    off = np.abs(_middle(atlas.features)[rows] - _middle(features)[:, None]).max(axis=2)  # [M, K]
    best = off.argmin(axis=1)
    each = np.arange(len(cells))
    others = np.where(rows == rows[each, best][:, None], np.inf, off).min(axis=1)
    clear = (off[each, best] <= TOLERANCE) & (others > np.maximum(TOLERANCE, 2 * off[each, best]))
    barred = (rows == rows[:, :1]).all(axis=1)
    return np.where(clear & (atlas.marked[cells] & (best > 0) | barred), best, UNCLEAR).astype(np.int16)


def _middle(features: Features) -> NDArray[np.float32]:
    """The quarter blocks of a cell's inner half [N, 12]."""
    inner = slice(CHROMA // 4, CHROMA - CHROMA // 4)
    blocks = quarters(features).reshape(len(features), -1, CHROMA, CHROMA)[:, :, inner, inner]
    return np.asarray(blocks.reshape(len(features), -1))


def _recolored(off: Features, cells: NDArray[np.intp], atlas: Atlas) -> NDArray[np.bool_]:
    """Cells [M] whose goal or endpoint has its shape but another color: the shift of its color by least squares over
    its blocks is large, and explains them. What partly covers a goal has another shape."""
    cover = quarters(np.abs(atlas.top[cells])).reshape(-1, 3, _CHROMA).max(axis=1)
    strength = np.maximum(cover.max(axis=1), 1)
    cover /= strength[:, None]
    blocks = quarters(off).reshape(-1, 3, _CHROMA)
    shift = (blocks * cover[:, None]).sum(axis=2) / np.maximum((cover**2).sum(axis=1), 1e-6)[:, None]
    most = np.maximum(_RECOLORED, _RECOLORED_SHARE * strength)
    rest = np.abs(blocks - shift[..., None] * cover[:, None]).max(axis=(1, 2))
    shifted = np.abs(shift).max(axis=1)
    return np.asarray((shifted > most) & (rest <= TOLERANCE + _UNEVEN * shifted))


def strange(
    features: Features, percept: Percept, start: Labels, atlas: Atlas, shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """Blocks [N, 96] that show neither a cell's stack nor its sides more or less open, and the blocks around them."""
    labels = np.where(percept.misfit > TOLERANCE, np.minimum(start, percept.labels), percept.labels)
    off = features - atlas.expected(labels)
    shares = np.einsum("msf,mf->ms", atlas.sides, off)
    lengths = 1 / np.maximum((atlas.sides**2).sum(axis=2), 1e-12)
    off -= np.einsum("ms,msf->mf", shares, atlas.sides * lengths[..., None])
    unlike = (percept.misfit > TOLERANCE) & (labels >= UNCLEAR) & ~percept.goal
    odd = (np.abs(off) > _STRANGE) & unlike[:, None]
    marked = np.abs(atlas.top) > TOLERANCE  # a goal that is hidden or drawn otherwise is not the puzzle's
    gone = (odd & marked).sum(axis=1) > _MOST_GONE * marked.sum(axis=1)
    odd &= ~(gone & marked.any(axis=1))[:, None] & atlas.vacant[:, None]
    rows, cols = shape
    fold = LUMA // CHROMA
    chroma = (odd[:, _LUMA : _LUMA + _CHROMA] | odd[:, _LUMA + _CHROMA :]).reshape(rows, cols, CHROMA, CHROMA)
    whole = luma_picture(odd, shape) | chroma.transpose(0, 2, 1, 3).reshape(rows * CHROMA, -1).repeat(fold, 0).repeat(
        fold, 1
    )
    whole = cv2.dilate(whole.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    fine = whole.reshape(rows, LUMA, cols, LUMA).transpose(0, 2, 1, 3).reshape(len(labels), LUMA, LUMA)
    coarse = fine.reshape(-1, CHROMA, fold, CHROMA, fold).any(axis=(2, 4)).reshape(len(labels), -1)
    found = np.concatenate([fine.reshape(len(labels), -1), coarse, coarse], axis=1)
    mostly = np.append(found.mean(axis=1) > _COVERED, False)
    reached = percept.sides & mostly[facing(shape)]  # a cover that ends on a wall looks like one that is gone
    return np.asarray(found | np.einsum("ms,msf->mf", reached, atlas.sides != 0))


def _squares(features: Features, atlas: Atlas, known: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Squared distances over the known blocks [M, G]."""
    pictures = atlas.features
    if known is None:
        cross = features @ pictures.T
        own: NDArray[np.float32] = (features**2).sum(axis=1)[:, None] + atlas.norms - 2 * cross
        return own
    weight = known.astype(np.float32)
    seen = features * weight
    found: NDArray[np.float32] = (seen**2).sum(axis=1)[:, None] + weight @ (pictures**2).T - 2 * seen @ pictures.T
    return found


def most_off(off: Features) -> NDArray[np.float32]:
    """The greatest difference of any quarter block of each cell [M]: luma blocks in fours, chroma as it is."""
    most: NDArray[np.float32] = np.abs(quarters(off)).max(axis=1)
    return most


def quarters(features: Features) -> Features:
    """Means of 4x4 blocks of each plane [M, 48]."""
    return np.concatenate([quarter_luma(features), features[:, _LUMA:]], axis=1)


def _by_mass(features: Features, cells: NDArray[np.intp], atlas: Atlas) -> Labels:
    """The one stack whose color the cell holds, the empty one if hardly any is left, or UNCLEAR."""
    means = atlas.colors[atlas.rows[cells]]  # [M, K, 3]
    empty = means[:, :1]
    colors = means - empty
    seen = (mean_colors(features) - empty[:, 0])[:, None]
    length = np.maximum((colors**2).sum(axis=2), 1e-6)
    share = (colors * seen).sum(axis=2) / length
    beside = np.sqrt(((seen - share[..., None] * colors) ** 2).sum(axis=2))
    near = beside <= 8 + 0.35 * np.sqrt((seen**2).sum(axis=2))
    told = (length >= _LEAST_COLOR**2) & near
    less = _ON_MARK * atlas.marked[cells, None]
    there = told & (share >= _PRESENT - less) & (share <= _MOST_MASS)
    found = np.where(there, beside, np.inf)
    best = found.argmin(axis=1)
    each = np.arange(len(cells))
    same = (np.abs(means - means[each, best][:, None]).max(axis=2) < _LEAST_COLOR) & (
        atlas.rows[cells] != atlas.rows[cells, best][:, None]
    )
    unique = there.any(axis=1) & ~(same & (length >= _LEAST_COLOR**2)).any(axis=1)
    gone = (told & (share <= _ABSENT - less) & (share >= -_ABSENT)).any(axis=1) & ~there.any(axis=1)
    labels = np.where(unique, best, np.where(gone, 0, UNCLEAR))
    return labels.astype(np.int16)

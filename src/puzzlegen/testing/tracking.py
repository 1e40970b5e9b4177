"""Find the one thing that moves over a still background, frame by frame, from the frames alone."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.testing.filters import Frames

Masks = NDArray[np.bool_]
"""[T, H, W]: where the mover is."""

_Place = tuple[int, int]
"""(row, column) of a top left corner."""

_TRACKING_PX = 16.0
"""Cells are tracked at this size at most; places are refined at full size."""
_APART = 36
"""Levels by which a channel differs where something else is shown; above what a fair codec does."""
LEAST_AREA = 0.03
"""Area of a thing in cells squared."""
_LARGEST = 1.2
"""Side of a thing in cells."""
_MISFIT = 30.0
"""Root mean squared difference in levels up to which a thing counts as found again."""
_COARSE_MISFIT = 45.0
"""The same in small frames, where a thing between two pixels differs from one on a pixel."""
_MOSTLY = 0.6
"""Share of frames."""
_MOST_KEYS = 25
_EXEMPLAR_KEYS = 9


class _Thing(NamedTuple):
    """A picture of something that stands out from the background, cut out of a frame."""

    picture: Frames
    mask: NDArray[np.bool_]

    def misfits(self, frame: Frames) -> NDArray[np.float32]:
        """Root mean squared difference in levels at every place of its top left corner."""
        core = np.asarray(cv2.erode(self.mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0), np.bool_)
        if 2 * core.sum() < self.mask.sum():  # edges blend with what is behind, but small things are all edge
            core = self.mask
        weight = np.repeat(core.astype(np.float32)[..., None], 3, axis=2)
        square = cv2.matchTemplate(
            frame.astype(np.float32), self.picture.astype(np.float32), cv2.TM_SQDIFF, mask=weight
        )
        return np.asarray(np.sqrt(np.maximum(square, 0) / weight.sum()), np.float32)


class _Window(NamedTuple):
    """Where a thing was seen: frame, and its box in pixels."""

    frame: int
    top: int
    left: int
    height: int
    width: int


def find_mover(frames: Frames, cell_px: float) -> Masks:
    """Where the thing is that moves the most often; all False in frames that do not show it.

    Candidates are blobs no larger than a cell that differ from the background, the temporal median over frames in which
    something has moved. Each is looked for in other frames by its picture; the one that is at a new place the most
    often is the mover (things that it pushes move less often or change, holes that they leave never move).
    """
    masks = np.zeros(frames.shape[:3], np.bool_)
    scale = min(1.0, _TRACKING_PX / cell_px)
    small = np.stack([_small(frame, scale) for frame in frames])
    cell = cell_px * scale
    keys = _spread(_keyframes(small, cell), _MOST_KEYS)
    background = _middle(small[keys])
    few = _spread(keys, _EXEMPLAR_KEYS)
    found = [
        (_worth(thing, small[few], cell), int(thing.mask.sum()), window, thing)
        for at in few
        for window, thing in _blobs(small, at, background, cell)
    ]
    most = max((worth for worth, *_ in found), default=0)
    if most == 0:
        return masks
    # its own parts, and it together with what it stands on, are worth the same: those are seen less often than it
    alike = sorted((entry for entry in found if entry[0] == most), key=lambda entry: entry[1])
    _, _, window, exemplar = alike[(len(alike) - 1) // 2]
    rough = _sharpened(window, frames, keys, scale)
    corners = _corners(rough, exemplar, frames, small, scale)
    first = next(((at, corner) for at, corner in enumerate(corners) if corner is not None), None)
    if first is None:
        return masks
    whole, offset = _completed(rough, corners, frames, keys, cell_px)
    mask = np.zeros(frames.shape[1:3], np.bool_)
    _stamp(mask, whole, (first[1][0] + offset[0], first[1][1] + offset[1]))
    coarse = _shrunk(mask, small[first[0]])
    for at, corner in enumerate(_corners(whole, coarse, frames, small, scale)):
        if corner is not None:
            _stamp(masks[at], whole, corner)
    return masks


def differs(one: Frames, other: Frames) -> NDArray[np.bool_]:
    """Pixels [H, W] at which two frames [H, W, 3] show other things."""
    return np.asarray(cv2.absdiff(one, other).max(axis=2) > _APART)


def _keyframes(frames: Frames, cell_px: float) -> NDArray[np.intp]:
    """Frames in which something has moved since the last of them."""
    keys = [0]
    for at in range(1, len(frames)):
        if differs(frames[at], frames[keys[-1]]).sum() >= LEAST_AREA * cell_px**2:
            keys.append(at)
    return np.array(keys)


def _spread(keys: NDArray[np.intp], most: int) -> NDArray[np.intp]:
    """At most so many of them, evenly."""
    return keys[np.unique(np.linspace(0, len(keys) - 1, most).round().astype(np.intp))]


def _middle(frames: Frames) -> Frames:
    """Temporal median; of an even number the lower one, as the mean of two was never shown."""
    at = (len(frames) - 1) // 2
    return np.asarray(np.partition(frames, at, axis=0)[at], np.uint8)


def _blobs(frames: Frames, at: int, background: Frames, cell_px: float) -> list[tuple[_Window, _Thing]]:
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(differs(frames[at], background).astype(np.uint8))
    found = []
    for label in range(1, count):
        left, top, width, height, area = (int(value) for value in boxes[label])
        if area >= LEAST_AREA * cell_px**2 and max(width, height) <= _LARGEST * cell_px:
            cut = slice(top, top + height), slice(left, left + width)
            thing = _Thing(frames[at][cut], _filled(labels[cut] == label))
            found.append((_Window(at, top, left, height, width), thing))
    return found


def _small(frame: Frames, scale: float) -> Frames:
    """Shrunk and softened, so that a detail between two pixels looks much like one on a pixel."""
    shrunk = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), 0.8), np.uint8)


def _shrunk(mask: NDArray[np.bool_], small: Frames) -> _Thing:
    """What a small frame [H, W, 3] shows where the mask of the full one is."""
    shrunk = cv2.resize(mask.astype(np.float32), small.shape[1::-1], interpolation=cv2.INTER_AREA) > 0.5
    cut = box(shrunk)
    return _Thing(small[cut], shrunk[cut])


def _track(thing: _Thing, frames: Frames) -> list[_Place | None]:
    """Its (top, left) in each frame, None where it is not seen; of places alike the one nearest to the last."""
    places: list[_Place | None] = []
    last: _Place | None = None
    for at, frame in enumerate(frames):
        if at and np.array_equal(frame, frames[at - 1]):
            places.append(places[-1])
            continue
        misfits = thing.misfits(frame)
        if misfits.min() > _COARSE_MISFIT:
            places.append(None)
            continue
        alike = np.argwhere(misfits <= misfits.min() + 4)
        near = alike if last is None else alike[[np.abs(alike - last).sum(axis=1).argmin()]]
        best = near[misfits[near[:, 0], near[:, 1]].argmin()]
        last = int(best[0]), int(best[1])
        places.append(last)
    return places


def _worth(thing: _Thing, frames: Frames, cell_px: float) -> int:
    """How often it is seen, and again how often at another place than before; 0 if it never moves."""
    places = _track(thing, frames)
    pairs = [(one, two) for one, two in itertools.pairwise(places) if one and two]
    moves = sum(max(abs(one[0] - two[0]), abs(one[1] - two[1])) > cell_px / 8 for one, two in pairs)
    return moves and moves + sum(place is not None for place in places)


def _sharpened(window: _Window, frames: Frames, keys: NDArray[np.intp], scale: float) -> _Thing:
    """The thing at full size: its box one small pixel wider, what differs from the background in it."""
    cut = tuple(
        slice(max(0, int((start - 1) / scale)), int(np.ceil((start + length + 1) / scale)))
        for start, length in ((window.top, window.height), (window.left, window.width))
    )
    picture = frames[window.frame][cut]
    return _Thing(picture, _largest(differs(picture, _middle(frames[keys][:, cut[0], cut[1]]))))


def _completed(
    part: _Thing, corners: list[_Place | None], frames: Frames, keys: NDArray[np.intp], cell_px: float
) -> tuple[_Thing, _Place]:
    """All that moves along with a part of a thing, and its corner from the part's.

    It looks alike in most key frames and stands out from the background in most.
    """
    spare = tuple(max(0, round(_LARGEST * cell_px) - side) // 2 + 1 for side in part.mask.shape)
    pad = ((spare[0],) * 2, (spare[1],) * 2)
    size = part.mask.shape[0] + 2 * spare[0], part.mask.shape[1] + 2 * spare[1]
    background = np.pad(_middle(frames[keys]), (*pad, (0, 0)), mode="edge")
    crops, behind = [], []
    for at in keys:
        corner = corners[at]
        if corner is not None:
            cut = slice(corner[0], corner[0] + size[0]), slice(corner[1], corner[1] + size[1])
            crops.append(np.pad(frames[at], (*pad, (0, 0)), mode="edge")[cut])
            behind.append(background[cut])
    if not crops:
        return part, (0, 0)
    picture = _middle(np.stack(crops))
    pairs = zip(crops, behind, strict=True)
    share = np.mean([differs(crop, back) & ~differs(crop, picture) for crop, back in pairs], axis=0)
    mask = share > _MOSTLY
    own = np.pad(part.mask, pad)
    if not (mask & own).any():
        return part, (0, 0)
    rows, columns = box(mask)
    return _Thing(picture[rows, columns], _filled(mask[rows, columns])), (
        rows.start - spare[0],
        columns.start - spare[1],
    )


def box(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The bounding box of a mask that is not empty."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)


def _largest(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Its largest connected part, filled."""
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    return _filled(labels == 1 + boxes[1:, cv2.CC_STAT_AREA].argmax() if count > 1 else mask)


def _corners(thing: _Thing, coarse: _Thing, frames: Frames, small: Frames, scale: float) -> list[_Place | None]:
    """(top, left) at full size in each frame: tracked in the small frames, then searched nearby."""
    found: list[_Place | None] = []
    places = _track(coarse, small)
    for at, (frame, place) in enumerate(zip(frames, places, strict=True)):
        if at and place == places[at - 1] and np.array_equal(frame, frames[at - 1]):
            found.append(found[-1])
        else:
            found.append(None if place is None else _refined(thing, frame, place, scale))
    return found


def _refined(thing: _Thing, frame: Frames, place: _Place, scale: float) -> _Place | None:
    """(top, left) at full size, searched around a place of the small picture; None if it is not there."""
    reach = int(np.ceil(2.5 / scale))
    cut = []
    for start, side, room in zip(place, thing.mask.shape, frame.shape, strict=False):
        first = max(0, min(round(start / scale) - reach, room - side))
        cut.append(slice(first, min(first + side + 2 * reach, room)))
    misfits = thing.misfits(frame[cut[0], cut[1]])
    if misfits.min() > _MISFIT:
        return None
    down, across = np.unravel_index(int(misfits.argmin()), misfits.shape)
    return cut[0].start + int(down), cut[1].start + int(across)


def _stamp(mask: NDArray[np.bool_], thing: _Thing, corner: _Place) -> None:
    """Mark where the thing is; what is out of the picture is left out."""
    (top, left), (height, width) = corner, thing.mask.shape
    own = thing.mask[max(0, -top) :, max(0, -left) :]
    part = mask[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)]
    part |= own[: part.shape[0], : part.shape[1]]


def _filled(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Without holes, such as eyes of the floor's color, and with the soft edge of one pixel."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    full = cv2.drawContours(mask.astype(np.uint8), outlines, -1, 1, cv2.FILLED)
    return grown(full.astype(np.bool_), 1)


def grown(mask: NDArray[np.bool_], pixels: float) -> NDArray[np.bool_]:
    """A mask wider by so many pixels all around."""
    side = 2 * round(pixels) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return np.asarray(cv2.dilate(mask.astype(np.uint8), kernel), np.bool_)

"""How a video's colors differ from the drawn ones: gamma, brightness, hue, saturation, and soft shadows."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from puzzlegen.verify.atlas import CHROMA, LUMA, Features

_LUMA = LUMA * LUMA
_CHROMA = CHROMA * CHROMA
_TYPICAL = 10.0
"""Levels of difference that halve a block's weight: edges off by a fraction of a pixel must not bend the fit."""
_LEAST_SPARED, _FAR = 1.0, 20.0
"""Levels that a fit must spare the mean block to be believed: one odd mark must not bend the tone of all."""
_COLORED = 8.0
"""Levels between a colored block and the usual one: what covers grey blocks must not bend the fit of colors."""
_MOST_TURN = np.deg2rad(28)
_TURNED = 8.0
"""Degrees of turn from which on luma may be left to each color: it changes with the hue, not with level and place."""
_AS_IT_IS = (0.0, 1.0, 0.0)
_SATURATION = (0.65, 1.5)
_SLOPE = (0.5, 2.0)
_SHADE = (0.6, 1.5)
_NEAR = 18.0
"""Levels within which a color shares the correction of another."""
_BIN = 12.0
_EVEN = 6.0
_MOST_OFF, _PER_DEGREE = 26.0, 2.0
"""Levels by which a color may be off after luma and chroma are fitted, and what each degree of turn adds to that: the
luma of a saturated color changes with its hue."""


class Tone(NamedTuple):
    """What turns observed levels into drawn ones."""

    luma: tuple[float, float, float]
    """Coefficients a, b, c of a + b y + c y^2."""
    chroma: complex
    """Turn and stretch of (u - 128) + i (v - 128)."""
    offset: complex
    shade: NDArray[np.float32] | None
    """Factor on each cell's luma [N, 1]; None where the light is even."""
    palette: NDArray[np.float32] | None = None
    """Colors [K, 2, 3] that are still off after all that, each as observed (y, u, v) and its correction."""

    def undo(self, features: Features, cells: NDArray[np.intp] | slice = slice(None)) -> Features:
        """Observed block means [M, 96] of all cells, or of these, as they would be in the drawn colors."""
        y = features[:, :_LUMA]
        if self.shade is not None:
            y = y * self.shade[cells]
        chroma = _chroma_of(features) * np.complex64(self.chroma) + np.complex64(self.offset)
        parts = [_level(y, self.luma), chroma.real + 128, chroma.imag + 128]
        undone = np.concatenate(parts, axis=1).astype(np.float32)
        return undone if self.palette is None else undone + _corrections(undone, self.palette)


def _corrections(features: Features, palette: NDArray[np.float32]) -> Features:
    """What to add to block means [N, 96]: of the palette's colors, those near each block, weighted by nearness."""
    chroma = features[:, _LUMA:].reshape(-1, 2, _CHROMA).transpose(0, 2, 1)  # [N, 16, 2]
    fold = LUMA // CHROMA
    spread = chroma.reshape(-1, CHROMA, CHROMA, 2).repeat(fold, axis=1).repeat(fold, axis=2).reshape(-1, _LUMA, 2)
    fine = np.concatenate([features[:, :_LUMA, None], spread], axis=2)
    coarse = np.concatenate([quarter_luma(features)[..., None], chroma], axis=2)
    luma = _nearby(fine, palette)[..., 0]
    color = _nearby(coarse, palette)[..., 1:].transpose(0, 2, 1).reshape(len(features), 2 * _CHROMA)
    return np.concatenate([luma, color], axis=1)


def _nearby(colors: NDArray[np.float32], palette: NDArray[np.float32]) -> NDArray[np.float32]:
    """Kernel regression of the corrections at colors [N, B, 3]; none far from every color of the palette."""
    points, centers = colors.reshape(-1, 3) - np.float32(128), palette[:, 0] - np.float32(128)
    away = (points**2).sum(axis=1)[:, None] + (centers**2).sum(axis=1) - 2 * points @ centers.T
    weight = np.exp(away * np.float32(-0.5 / _NEAR**2)).reshape(*colors.shape[:2], len(palette))
    found: NDArray[np.float32] = (weight @ palette[:, 1]) / (weight.sum(axis=2) + np.float32(0.1))[..., None]
    return found


def _fit_palette(seen: Features, expected: Features, use: NDArray[np.bool_], most: float) -> NDArray[np.float32] | None:
    """The colors of evenly colored blocks in the start, and how far they are off, `most` levels at most; None if none
    is off by much."""
    fold = LUMA // CHROMA
    luma = expected[:, :_LUMA].reshape(-1, CHROMA, fold, CHROMA, fold)
    even = (luma.max(axis=(2, 4)) - luma.min(axis=(2, 4))).reshape(-1) < _EVEN
    even |= _most_colored(expected)
    even &= use[:, _LUMA : _LUMA + _CHROMA].reshape(-1)
    pairs = []
    for features in (seen, expected):
        chroma = features[:, _LUMA:].reshape(-1, 2, _CHROMA).transpose(0, 2, 1)
        pairs.append(np.concatenate([quarter_luma(features)[..., None], chroma], axis=2).reshape(-1, 3)[even])
    observed, target = pairs
    bins, member = np.unique(np.rint(target / _BIN), axis=0, return_inverse=True)
    palette = np.zeros((len(bins), 2, 3), dtype=np.float32)
    for number in range(len(bins)):
        mine = member.reshape(-1) == number
        palette[number] = np.median(observed[mine], axis=0), np.median((target - observed)[mine], axis=0)
    palette[:, 1] = np.clip(palette[:, 1], -most, most)
    return palette if len(palette) and np.abs(palette[:, 1]).max() > _EVEN else None


def _most_colored(expected: Features) -> NDArray[np.bool_]:
    """The block of each cell that differs most from the usual one [N * 16]: small marks have no even blocks."""
    chroma = expected[:, _LUMA:].reshape(-1, 2, _CHROMA).transpose(0, 2, 1)
    colors = np.concatenate([quarter_luma(expected)[..., None], chroma], axis=2)
    away = np.abs(colors - np.median(colors, axis=(0, 1))).sum(axis=2)
    found = np.zeros(away.shape, dtype=bool)
    found[np.arange(len(away)), away.argmax(axis=1)] = True
    return found.reshape(-1)


def quarter_luma(features: Features) -> NDArray[np.float32]:
    """Means of 2x2 luma blocks: as many as there are chroma blocks [N, 16]."""
    fold = LUMA // CHROMA
    luma = features[:, :_LUMA].reshape(-1, CHROMA, fold, CHROMA, fold).mean(axis=(2, 4))
    return np.asarray(luma.reshape(-1, _CHROMA), dtype=np.float32)


def fit_tone(
    seen: Features, expected: Features, shape: tuple[int, int], known: NDArray[np.bool_] | None = None
) -> Tone:
    """Least squares, reweighted so that what does not fit counts little, over the known blocks of the first picture.

    All are block means of all cells [N, 96] in reading order of a grid of this shape; all blocks are known if that is
    not given. Turn, saturation and slope stay within what cameras and codecs do: a recolored puzzle must not pass as a
    tone.
    """
    use = np.ones(seen.shape, dtype=bool) if known is None else known
    bright, colorful = use[:, :_LUMA], use[:, _LUMA : _LUMA + _CHROMA]
    chroma, offset = _fit_chroma(_chroma_of(seen)[colorful], _chroma_of(expected)[colorful])
    turn = float(np.rad2deg(abs(np.angle(chroma))))
    shade = _shade(seen, expected, shape, bright) if turn < _TURNED else None
    y, target = (seen[:, :_LUMA] * (1 if shade is None else shade))[bright], expected[:, :_LUMA][bright]
    fitted = _fit_luma(y, target)
    lumas = [fitted, _AS_IT_IS]
    if turn < _TURNED:
        spared = _cost(y - target) - _cost(_level(y, fitted) - target)
        lumas = [fitted if spared > _LEAST_SPARED else _AS_IT_IS]
    tones = []
    for luma in lumas:
        tone = Tone(luma, chroma, offset, shade)
        palette = _fit_palette(tone.undo(seen), expected, use, _MOST_OFF + _PER_DEGREE * turn)
        tones.append(tone._replace(palette=palette))
    costs = [_cost((tone.undo(seen) - expected)[use]) for tone in tones]
    return tones[0] if len(tones) == 1 or costs[0] < costs[1] - _LEAST_SPARED else tones[1]


def _fit_luma(y: NDArray[np.float32], target: NDArray[np.float32]) -> tuple[float, float, float]:
    for degree in (2, 1):
        terms = np.stack([y**power for power in range(degree + 1)], axis=1).astype(np.float64)
        scale = np.array([1, 1e-2, 1e-4][: degree + 1])
        prior = np.array([0, 100, 0][: degree + 1])  # identity, in units of the scaled terms
        fitted = prior.astype(np.float64)
        for _ in range(5):
            weight = 1 / (1 + ((terms * scale @ fitted - target) / _TYPICAL) ** 2)
            rows = terms * scale * weight[:, None]
            square = rows.T @ (terms * scale) + 1e-5 * len(y) * np.eye(degree + 1)
            fitted = np.linalg.solve(square, rows.T @ target + 1e-5 * len(y) * prior)
        a, b, c = (*(fitted * scale), 0.0)[:3]
        low, high = (b + 2 * c * float(level) for level in np.percentile(y, (1, 99)))
        if _SLOPE[0] <= min(low, high) and max(low, high) <= _SLOPE[1]:
            return float(a), float(b), float(c)
    slope = float(np.clip(b, *_SLOPE))
    return float(np.median(target - slope * y)), slope, 0.0


def _level(y: NDArray[np.float32], luma: tuple[float, float, float]) -> NDArray[np.float32]:
    a, b, c = luma
    return np.asarray(a + y * (b + c * y), dtype=np.float32)


def _cost(off: NDArray[np.float32]) -> float:
    """Mean difference in levels; what is far off counts no more than `_FAR`."""
    return float(np.minimum(np.abs(off), _FAR).mean())


def _fit_chroma(seen: NDArray[np.complex64], target: NDArray[np.complex64]) -> tuple[complex, complex]:
    factor, offset = 1 + 0j, 0j
    ridge = len(seen) * 0.5
    colored = np.abs(target - np.median(target.real) - 1j * np.median(target.imag)) > _COLORED
    for _ in range(5):
        weight = 1 / (1 + (np.abs(factor * seen + offset - target) / _TYPICAL) ** 2)
        total = weight.sum()
        middle, aim = (weight * seen).sum() / total, (weight * target).sum() / total
        weight *= colored
        spread = (weight * np.abs(seen - middle) ** 2).sum()
        joint = (weight * np.conj(seen - middle) * (target - aim)).sum()
        factor = (joint + ridge) / (spread + ridge)  # without any color in the picture: no change
        turn = np.clip(np.angle(factor), -_MOST_TURN, _MOST_TURN)
        factor = complex(np.clip(abs(factor), *_SATURATION) * np.exp(1j * turn))
        offset = complex(aim - factor * middle)
    return factor, offset


def _shade(
    seen: Features, expected: Features, shape: tuple[int, int], use: NDArray[np.bool_]
) -> NDArray[np.float32] | None:
    """The factor that evens the light out, smooth over the board; None if that changes little."""
    dark, light = ((luma[:, :_LUMA] * use).sum(axis=1) for luma in (seen, expected))
    ratio, known = light / np.maximum(dark, 1), use.any(axis=1)
    middle = float(np.median(ratio[known]))
    ratio = np.where(known, ratio, middle).reshape(shape)
    padded = cv2.medianBlur(np.pad((ratio / middle).astype(np.float32), 1, mode="edge"), 3)[1:-1, 1:-1]
    smooth = np.clip(cv2.GaussianBlur(padded, (0, 0), 0.7, borderType=cv2.BORDER_REPLICATE), *_SHADE)
    if smooth.max() - smooth.min() < 0.05:
        return None
    return np.asarray(smooth.reshape(-1, 1), dtype=np.float32)


def _chroma_of(features: Features) -> NDArray[np.complex64]:
    """The chroma blocks around grey as complex numbers [N, 16]."""
    u, v = features[:, _LUMA : _LUMA + _CHROMA], features[:, _LUMA + _CHROMA :]
    return np.asarray((u - 128) + 1j * (v - 128), dtype=np.complex64)

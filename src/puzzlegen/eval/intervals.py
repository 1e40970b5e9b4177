"""Intervals of 95%: Wilson's for a rate, a paired bootstrap for the difference of two models on the same puzzles."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from puzzlegen.errors import InvalidInput

_BLOCK = 1_000_000
"""Draws at a time: memory stays bounded for any number of puzzles."""


def wilson(successes: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """Score interval (low, high) of a rate: all p with |successes/total - p| <= z * sqrt(p * (1 - p) / total).

    Wilson, JASA 22 (1927). Of no trials: (0, 1). Trials must be independent: with several samples of one puzzle the
    interval is too narrow. Raises InvalidInput unless 0 <= successes <= total.
    """
    if not 0 <= successes <= total:
        raise InvalidInput(f"{successes} successes of {total} make no rate; give 0 <= successes <= total.")
    if total == 0:
        return 0.0, 1.0
    rate, spread = successes / total, z * z / total
    middle = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(spread * rate * (1 - rate) + spread * spread / 4) / (1 + spread)
    return max(0.0, middle - half), 1.0 if successes == total else middle + half  # 1 in theory, off by rounding


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], rng_seed: int, resamples: int = 10_000
) -> tuple[float, float, float]:
    """(mean of a - b, low, high): percentile interval of 95% from resampling puzzles, each with both its values.

    Efron, Annals of Statistics 7 (1979). The same arguments give the same numbers.

    Args:
        a: one value a puzzle, of one model.
        b: the same puzzles' values of the other.
        rng_seed: seed of the draws.
        resamples: how many times as many puzzles are drawn with replacement.

    Raises:
        InvalidInput: no puzzles, different numbers of them, or no resamples.
    """
    if len(a) != len(b) or not len(a):
        raise InvalidInput(f"Paired values needed: got {len(a)} and {len(b)}; give one of each model for every puzzle.")
    if resamples < 1:
        raise InvalidInput(f"resamples must be 1 or more, got {resamples}.")
    gains = np.asarray(a, dtype=np.float64) - np.asarray(b, dtype=np.float64)
    rng, rows = np.random.default_rng(rng_seed), max(1, _BLOCK // len(gains))
    means = np.concatenate(
        [
            gains[rng.integers(0, len(gains), (min(rows, resamples - done), len(gains)))].mean(axis=1)
            for done in range(0, resamples, rows)
        ]
    )
    low, high = np.percentile(means, (2.5, 97.5))
    return float(gains.mean()), float(low), float(high)

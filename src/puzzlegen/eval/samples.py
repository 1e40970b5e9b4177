"""Several clips of one puzzle: pass@k, the majority's answer, and the best that an oracle could pick."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from typing import NamedTuple

from puzzlegen.errors import InvalidInput


class Sample(NamedTuple):
    """What voting needs of one clip."""

    trace: str
    """The legal moves that were read, as one line: the clip's answer."""
    parsed: bool
    """The clip could be read; others have no vote."""
    solved: bool


def pass_at_k(n: int, c: int, k: int) -> float:
    """Chance that k clips drawn of n without replacement hold one of the c that solve: 1 - C(n-c, k) / C(n, k).

    The unbiased estimator of Chen et al., arXiv:2107.03374. Raises InvalidInput unless 1 <= k <= n and 0 <= c <= n.
    """
    if not (1 <= k <= n and 0 <= c <= n):
        raise InvalidInput(f"pass@{k} of {n} samples with {c} solved is not defined; make {k} samples or more.")
    return 1 - math.comb(n - c, k) / math.comb(n, k)


def mean_pass_at_k(counts: Collection[tuple[int, int]], k: int) -> float:
    """pass@k of each puzzle, averaged; puzzles may have different numbers of samples.

    Args:
        counts: (samples n, solved c) of each puzzle.
        k: clips drawn, no more than any puzzle's n.

    Raises:
        InvalidInput: a puzzle has fewer than k samples, or there are no puzzles.
    """
    if not counts:
        raise InvalidInput(f"pass@{k} of no puzzles is not defined; give at least one.")
    return math.fsum(pass_at_k(n, c, k) for n, c in counts) / len(counts)


def maj_at_k(samples: Sequence[Sample], k: int) -> bool:
    """Whether the most frequent trace among the first k clips solves; none does if no clip could be read.

    The vote never consults the solution: ties go to the trace that is first in alphabetical order, and the first clip
    with the winning trace stands for it. Raises InvalidInput if there are fewer than k samples.
    """
    voters = [sample for sample in _first(samples, k) if sample.parsed]
    if not voters:
        return False
    votes = Counter(sample.trace for sample in voters)
    winner = min(votes, key=lambda trace: (-votes[trace], trace))
    return next(sample.solved for sample in voters if sample.trace == winner)


def best_at_k(samples: Sequence[Sample], k: int) -> bool:
    """Oracle: whether any of the first k clips solves. Raises InvalidInput if there are fewer than k samples."""
    return any(sample.solved for sample in _first(samples, k))


def _first(samples: Sequence[Sample], k: int) -> Sequence[Sample]:
    if not 1 <= k <= len(samples):
        raise InvalidInput(f"k = {k} of {len(samples)} samples; k must be 1 to the number of samples.")
    return samples[:k]

"""VR-Bench's metrics, re-implemented from their definition and for comparison only: they ask for no legal move.

Definition: arXiv:2511.15065 and its `evaluation/videomodel_eval/metrics_gpu.py`. There a tracker follows one thing from
frame to frame; here its way is the cells that the judge saw it at, at rest, so no tracker errs. Coordinates are x and y
of cell centres, in proportion to the board's width and height (there: the picture's), 0 to 1. For Sokoban VR-Bench asks
whether a box comes to a goal; here it is always the way of the thing that moves first, compared with its own end.
Mask fidelity is left out: noise that nobody minds halves it, so it says little of walls.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.replay import replay
from puzzlegen.task import Task

EPS = 0.05
"""How far apart two points may lie that match: the value of VR-Bench's shipped script (its command's default: 0.01)."""
NUM_SAMPLES = 1000
"""Points of equal arc length that a way is compared at."""
EM_LEAST_PR = 0.98
EM_MOST_SD = 0.1

Points = NDArray[np.float64]  # [N, 2]: x, y in [0, 1]


def vrbench_metrics(
    task: Task[Any, Any], start: Any, shown: Sequence[Any], reference_actions: Sequence[str]
) -> dict[str, float | bool | None]:
    """`vrbench_pr, vrbench_sr, vrbench_sd, vrbench_em` of the states that a clip shows, legal or not.

    PR: share of the reference's arc length, from its start, along which both ways lie within EPS of each other.
    SR: the thing is ever in the cell where the reference leaves it. SD: ratio of lengths - 1, None if negative or
    without SR. EM: SR, PR >= 0.98 and SD <= 0.1 (None counts as 0 there, as in VR-Bench). All None if nothing moves.
    """
    reference = replay(task, start, reference_actions).states
    key = mover(task, reference)
    if key is None:
        return dict.fromkeys(("vrbench_pr", "vrbench_sr", "vrbench_sd", "vrbench_em"))
    expected, way = _way(task, reference, key), _way(task, shown, key)
    if not len(way):
        return {"vrbench_pr": 0.0, "vrbench_sr": False, "vrbench_sd": None, "vrbench_em": False}
    matched = matched_prefix(expected, way)
    rows, cols = task.shape(start)
    reached = bool((np.abs(way - expected[-1]) <= (0.5 / cols, 0.5 / rows)).all(axis=1).any())
    longer = _arc(way)[-1] / _arc(expected)[-1] - 1
    deviation = float(longer) if reached and longer >= 0 else None
    exact = reached and matched >= EM_LEAST_PR and (deviation or 0.0) <= EM_MOST_SD
    return {"vrbench_pr": matched, "vrbench_sr": reached, "vrbench_sd": deviation, "vrbench_em": exact}


def mover(task: Task[Any, Any], states: Sequence[Any]) -> Hashable | None:
    """Key of the token that moves first, the topmost if several do at once (an agent lies on what it moves); or None.

    Tokens without a key appear where they are and move nowhere.
    """
    for number in range(1, len(states)):
        before = {token.key: token.at for token in task.tokens(states[number - 1])}
        for token in reversed(task.tokens(states[number])):
            if token.key is not None and before.get(token.key, token.at) != token.at:
                return token.key
    return None


def matched_prefix(expected: Points, way: Points) -> float:
    """Share of NUM_SAMPLES points along `expected` before the first one farther than EPS from `way` at that length.

    A way that is shorter stays at its end.
    """
    lengths = np.linspace(0, _arc(expected)[-1], NUM_SAMPLES)
    apart = np.linalg.norm(_at_lengths(expected, lengths) - _at_lengths(way, lengths), axis=1)
    off = np.flatnonzero(apart > EPS)
    return float(off[0] if len(off) else NUM_SAMPLES) / NUM_SAMPLES


def _way(task: Task[Any, Any], states: Sequence[Any], key: Hashable) -> Points:
    """Where a token is in each state that has it."""
    cells = [token.at for state in states for token in task.tokens(state) if token.key == key]
    rows, cols = task.shape(states[0]) if states else (1, 1)
    return np.array([((col + 0.5) / cols, (row + 0.5) / rows) for row, col in cells], dtype=np.float64).reshape(-1, 2)


def _arc(points: Points) -> NDArray[np.float64]:
    """Length of the way up to each of its points [N]."""
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    return np.concatenate([np.zeros(1), np.cumsum(steps)])


def _at_lengths(points: Points, lengths: NDArray[np.float64]) -> Points:
    """Points at these lengths along the way; beyond its end, the end."""
    arc = _arc(points)
    return np.column_stack([np.interp(lengths, arc, points[:, axis]) for axis in (0, 1)])

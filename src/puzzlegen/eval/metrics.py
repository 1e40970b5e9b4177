"""What one judged clip is worth: precision and recall, success, exact match, progress, step deviation.

The columns, the same for every clip, in this order:

| column | meaning |
|---|---|
| `parsed` | the clip could be read: no violation is UNPARSED |
| `sr` | success: the judge found a legal way from the start that ends solved |
| `sr_goal`, `sr_final` | lenient, for comparison: some sighting is solved; the last sighting is solved |
| `em` | exact match: `sr`, and no solution takes fewer counted actions (see `cost`) |
| `em_actions` | `sr`, and no more actions of any kind than the stored solution has |
| `precision`, `recall`, `f1` | of `task.items` against the nearest of `task.references`; 0/0 is 0 |
| `progress` | share of the way that the walk went before it left all optimal ways and the stored solution |
| `sd` | step deviation (cost - optimum) / optimum; None unless `sr` |
| `num_read`, `trace` | number of the legal actions read, and they as one line |
| `value`, `confidence` | the dense reward, and the judge's trust in its verdict |
| `violation` | code of the first violation, None if solved |
| `vrbench_*` | see `puzzlegen.eval.vrbench`; None for tasks in which no single thing moves |

A video that is missing or cannot be decoded or read has zeros (`failed_metrics`); it stays in every denominator.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

from puzzlegen.errors import SearchLimit
from puzzlegen.eval.shown import UNPARSED, states_shown, was_read
from puzzlegen.eval.vrbench import vrbench_metrics
from puzzlegen.replay import replay
from puzzlegen.task import Task
from puzzlegen.types import Score

Metrics = dict[str, float | bool | int | str | None]


def clip_metrics(
    task: Task[Any, Any], start: Any, score: Score[Any], reference_actions: Sequence[str], num_actions: int
) -> Metrics:
    """All columns of one clip.

    Args:
        task: the rules.
        start: the puzzle as the dataset has it.
        score: the judgement of the clip.
        reference_actions: the stored solution; stands in where the solver reaches its limit.
        num_actions: fewest actions that solve the puzzle (the stored solution's length).
    """
    if not was_read(score):
        return failed_metrics(UNPARSED) | {"value": score.value, "confidence": score.confidence}
    walk = replay(task, start, score.actions).states
    shown, seen = states_shown(task, score), [sighting.state for sighting in score.seen]
    far = _distances(task, walk)
    excess = _excess(task, start, walk, far, reference_actions) if score.solved else None
    precision, recall, f1 = agreement(task, start, shown, reference_actions)
    return {
        "parsed": True,
        "sr": score.solved,
        "sr_goal": any(map(task.is_solved, seen)),
        "sr_final": task.is_solved(seen[-1]),
        "em": excess is not None and excess <= 0,
        "em_actions": score.solved and len(score.actions) <= num_actions,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "progress": _progress(task, walk, far, replay(task, start, reference_actions).states),
        "sd": excess,
        "num_read": len(score.actions),
        "trace": task.line(score.actions),
        "value": score.value,
        "confidence": score.confidence,
        "violation": score.violations[0].code if score.violations else None,
        **vrbench_metrics(task, start, shown, reference_actions),
    }


def failed_metrics(code: str) -> Metrics:
    """The columns of a video that is missing or cannot be read: zeros. `code` says why and becomes `violation`."""
    return {
        **dict.fromkeys(("parsed", "sr", "sr_goal", "sr_final", "em", "em_actions"), False),
        **dict.fromkeys(("precision", "recall", "f1", "progress"), 0.0),
        "sd": None,
        "num_read": 0,
        "trace": "",
        **dict.fromkeys(("value", "confidence"), 0.0),
        "violation": code,
        "vrbench_pr": 0.0,
        "vrbench_sr": False,
        "vrbench_sd": None,
        "vrbench_em": False,
    }


# --- precision and recall


def precision_recall(done: Counter[Hashable], reference: Counter[Hashable]) -> tuple[float, float, float]:
    """(precision, recall, F1) of two multisets; each is 0 where it would be 0/0."""
    common, num_done, num_reference = (done & reference).total(), done.total(), reference.total()
    if not common:
        return 0.0, 0.0, 0.0
    return common / num_done, common / num_reference, 2 * common / (num_done + num_reference)


def agreement(
    task: Task[Any, Any], start: Any, shown: Sequence[Any], reference_actions: Sequence[str]
) -> tuple[float, float, float]:
    """(precision, recall, F1) of the states shown, legal or not, against the reference with the highest F1.

    References are `task.references`, and the stored solution alone where they are none or the solver gives up.
    """
    try:
        references = list(task.references(start, shown)) or [reference_actions]
    except SearchLimit:
        references = [reference_actions]
    done = task.items(shown)
    rated = (precision_recall(done, task.items(replay(task, start, actions).states)) for actions in references)
    return max(rated, key=lambda triple: (triple[2], triple[0]))


# --- cost and progress


def cost(task: Task[Any, Any], states: Sequence[Any]) -> int:
    """How many actions of a legal walk count: those that change `task.distance`, or do anything that `items` counts.

    What is left out is what is free by the task's own measure: walking between pushes. A solution is optimal exactly
    if its cost is the distance of its start. Where the solver reaches its limit only `items` decides.
    """
    return _cost(task, states, _distances(task, states))


def _cost(task: Task[Any, Any], states: Sequence[Any], far: Sequence[int | None] | None) -> int:
    return sum(
        (far is not None and far[number] != far[number + 1]) or _does(task, before, after)
        for number, (before, after) in enumerate(itertools.pairwise(states))
    )


def _does(task: Task[Any, Any], before: Any, after: Any) -> bool:
    """Whether this one action does anything that `items` counts."""
    return task.items((before, after)).total() > 0


def _distances(task: Task[Any, Any], states: Sequence[Any]) -> list[int | None] | None:
    """`task.distance` of each state, or None if the solver reaches its limit at any."""
    try:
        return [task.distance(state) for state in states]
    except SearchLimit:
        return None


def _excess(
    task: Task[Any, Any],
    start: Any,
    walk: Sequence[Any],
    far: Sequence[int | None] | None,
    reference_actions: Sequence[str],
) -> float | None:
    """(cost - optimum) / optimum of a solving walk; the stored solution is the optimum where the solver gives up."""
    optimum = _cost(task, replay(task, start, reference_actions).states, None) if far is None else far[0]
    return (_cost(task, walk, far) - optimum) / optimum if optimum else None


def _progress(
    task: Task[Any, Any], walk: Sequence[Any], far: Sequence[int | None] | None, reference: Sequence[Any]
) -> float:
    """Longest common prefix of a legal walk with an optimal way or the stored solution, as a share of that, in [0, 1].

    No optimal way needs to be listed: an action stays on one exactly if the distance falls, or if it stays the same and
    the action is free (see `cost`). The stored solution is looked at besides where it does more than an optimal one,
    since then it is best by another measure (fewest moves), and alone where the solver gives up.
    """
    done, wanted = _deeds(task, walk), _deeds(task, reference)
    same = sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(done, wanted, strict=False)))
    along = same / max(1, len(wanted))
    if not far or not far[0]:
        return along
    left = far[0]
    for number, after in enumerate(far[1:]):
        if after is None or after > left or (after == left and _does(task, walk[number], walk[number + 1])):
            break
        left = after
    return max(along if len(wanted) > far[0] else 0.0, 1 - left / far[0])


def _deeds(task: Task[Any, Any], states: Sequence[Any]) -> list[Counter[Hashable]]:
    """What each action of a walk does that `items` counts, those left out that do nothing."""
    return [done for pair in itertools.pairwise(states) if (done := task.items(pair)).total()]

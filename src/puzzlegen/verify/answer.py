"""Actions in words instead of frames, judged by the same rules and paid by the same scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puzzlegen.errors import IllegalAction
from puzzlegen.task import Task
from puzzlegen.types import Score, Sighting, Violation
from puzzlegen.verify.judge import progress_of, worth


def judge_actions(task: Task[Any, Any], start: Any, actions: Sequence[str] | None) -> Score[Any]:
    """Score an answer: solved exactly if all its actions are legal and the puzzle is solved after the last of them.

    Args:
        task: the rules.
        start: the puzzle.
        actions: of the answer, which may be no actions at all; None if it could not be read.

    Returns:
        A score whose frames are numbers of actions: frame k is the state after k actions, or what the k-th broke.
    """
    walk, violation = [start], None
    for number, action in enumerate(actions or (), start=1):
        try:
            walk.append(task.step(walk[-1], action))
        except IllegalAction:
            violation = Violation("ILLEGAL_ACTION", number)
            break
    violation = violation or _at_the_end(task, walk, was_read=actions is not None)
    taken, seen = tuple(actions or ())[: len(walk) - 1], [Sighting(*place) for place in enumerate(walk)]
    progress = progress_of(task, walk, violation)
    return Score(
        value=worth(task, progress, violation, seen) if taken else 0.0,
        solved=violation is None,
        parts={"progress": progress},
        violations=() if violation is None else (violation,),
        confidence=1.0,
        actions=taken,
        frames=tuple(range(1, len(walk))),
        seen=tuple(seen),
    )


def _at_the_end(task: Task[Any, Any], walk: Sequence[Any], *, was_read: bool) -> Violation | None:
    if not was_read:
        return Violation("UNPARSED", 0)
    if len(walk) == 1:
        return Violation("NO_PROGRESS", 0)
    return None if task.is_solved(walk[-1]) else Violation("END_STATE", len(walk) - 1)

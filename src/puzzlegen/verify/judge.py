"""Evidence to a score: strict success, or what is wrong, where, and what the legal part of the clip is worth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puzzlegen.errors import SearchLimit
from puzzlegen.grid import Cell
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Score, Sighting, Violation
from puzzlegen.verify.atlas import GOAL, LAYOUT, UNCLEAR, Atlas, Labels
from puzzlegen.verify.moves import Fault
from puzzlegen.verify.observer import Evidence
from puzzlegen.verify.pace import Pace
from puzzlegen.verify.walk import Walk

UNSOLVED_CAP = 0.9
"""Most that a clip can score that does not solve its puzzle."""
LEFT_CAP = 0.5
"""Most that a clip can score that solves its puzzle and then undoes it."""
WORTHLESS = frozenset({
    "LAYOUT_CHANGED", "GOAL_CHANGED", "MULTI_AGENT", "NO_PROGRESS", "NO_PROCESS", "BAD_START", "OVERPAINT", "BOX_COUNT",
    "OUT_OF_VIEW", "UNPARSED",
})  # fmt: skip
"""Violations after which nothing counts: it is another puzzle, or another number of things. Others end the credit."""
CODES = WORTHLESS | {"JUMP", "WALL_HIT", "END_STATE", "CROSSING", "BRANCH", "ILLEGAL_PUSH"}
"""All violations that a judge or a task names."""

_SURE, _REFUSED, _BLIND, _READABLE = 0.99, 0.87, 0.5, 0.9
"""Share of right verdicts on clips that were accepted, refused, and refused with less than a readable share of cells
that look like their stacks: 864 legal and cut-off clips under perturbations of 1 to 6 times the tolerated strength."""
_REPAINTED, _OVERPAINTED = 0.4, 0.1
"""Share of the cells that change at once, or hold marks that no move put there, when a picture is painted over."""
_MOST_ALTERNATING, _FEWEST_TO_ALTERNATE = 0.2, 8
"""Share of the frames from which on some cell may go to and fro, ABAB; frames from which on that is looked at."""
_MOST_FLICKER = 0.15
"""Share of the frames that may flicker."""


def judge(task: Task[Any, Any], start: Any, evidence: Evidence, atlas: Atlas, pace: Pace) -> Score[Any]:
    """Score a clip from what its frames show."""
    walk = Walk(task, start, atlas, pace)
    violation = _watch(walk, evidence)
    if _is_interlaced(evidence):
        violation = Violation("UNPARSED", 0)
    if violation is None:
        violation = _at_the_end(walk, evidence)
    return _score(walk, evidence, violation)


def _is_interlaced(evidence: Evidence) -> bool:
    """Whether frames alternate between two boards, each of which would be judged alone."""
    labels = evidence.labels
    if len(labels) < _FEWEST_TO_ALTERNATE:
        return False
    one, other = labels[:-3], labels[1:-2]
    alternates = (one == labels[2:-1]) & (other == labels[3:]) & (one != other) & (one >= 0) & (other >= 0)
    return bool(alternates.any(axis=1).mean() > _MOST_ALTERNATING)


def _watch(walk: Walk, evidence: Evidence) -> Violation | None:
    """Walk through all frames; what ends the walk first is what is wrong."""
    violation = None
    out_of_view = surplus = ended = 0
    for frame, (seen, sides, hidden, sharp) in enumerate(zip(*evidence[:4], strict=True)):
        if violation is not None:
            walk.look_on(frame, seen)
            surplus = surplus + 1 if (seen > 0).sum() > (walk.labels > 0).sum() else 0
            if surplus == walk.pace.patience and frame < ended + surplus + walk.pace.slowest:
                violation = _recounted(walk, seen, violation)
            continue
        out_of_view = out_of_view + 1 if hidden.any() else 0
        if out_of_view >= walk.pace.patience:
            violation = Violation("OUT_OF_VIEW", frame + 1 - out_of_view, _cell(walk, int(hidden.argmax())))
            continue
        fault = walk.begin(seen, sides) if frame == 0 else walk.advance(frame, seen, sides, sharp)
        if fault is not None:
            code = "UNPARSED" if _flickers(walk, frame + 1) else _code(walk, fault)
            violation = Violation(code, fault.frame, _cell(walk, int(fault.cells[0])))
            walk.forget_since(fault.frame)
            ended = frame
    return violation


def _recounted(walk: Walk, seen: Labels, violation: Violation) -> Violation:
    """The violation, named anew where more marks come to light right after it: while one stood before another, the
    picture was also that of a lesser fault."""
    code = walk.task.blame(walk.state, walk.atlas.board(seen))
    return violation._replace(code=code) if code in WORTHLESS and violation.code not in WORTHLESS else violation


def _flickers(walk: Walk, num_frames: int) -> bool:
    """Whether so many of the frames so far contradict their neighbours that nothing can be read from them."""
    return walk.flickers > max(walk.pace.patience + 1, _MOST_FLICKER * num_frames)


def _cell(walk: Walk, index: int) -> Cell:
    return divmod(index, walk.task.shape(walk.start)[1])


def _code(walk: Walk, fault: Fault) -> str:
    """Name what ends the walk: what has become of the backdrop, then of the whole picture, then by the task's rules."""
    task, labels = walk.task, fault.seen
    shown = labels[fault.cells]
    board = walk.atlas.board(labels)
    if fault.frame == 0:
        return _code_at_start(walk, fault, board)
    if (labels == GOAL).any() and not (shown == LAYOUT).any():
        return "GOAL_CHANGED"
    if fault.side or (labels == LAYOUT).any():
        return "LAYOUT_CHANGED"
    if task.is_solved(walk.state):
        return "END_STATE"
    state = _read(task, walk.start, board)
    if state is not None:
        return "NO_PROCESS" if task.is_solved(state) else task.blame(walk.state, board)
    off = labels != walk.labels
    if off.mean() >= _REPAINTED and off.sum() > 4:
        return "UNPARSED" if (labels[off] == UNCLEAR).all() else "OVERPAINT"
    if ((labels > 0) & (walk.labels == 0)).sum() >= max(3, _OVERPAINTED * len(labels)):
        return "OVERPAINT"
    if (shown == UNCLEAR).all() and not walk.labels[fault.cells].any():
        return "LAYOUT_CHANGED"
    return task.blame(walk.state, board)


def _code_at_start(walk: Walk, fault: Fault, board: Sequence[Glyph | None]) -> str:
    shown = fault.seen[fault.cells]
    if (shown == GOAL).any():
        return "GOAL_CHANGED"
    if fault.side or (shown == LAYOUT).any():
        return "LAYOUT_CHANGED"
    return (
        "UNPARSED" if (shown == UNCLEAR).mean() > 0.5 and _read(walk.task, walk.start, board) is None else "BAD_START"
    )


def _read(task: Task[Any, Any], start: Any, board: Sequence[Glyph | None]) -> Any | None:
    stacks = [stack for stack in board if stack is not None]
    return task.read(start, stacks) if len(stacks) == len(board) else None


def _at_the_end(walk: Walk, evidence: Evidence) -> Violation | None:
    """The last frame must show the solved state at rest, and the way there must not be guesswork."""
    last = len(evidence.labels) - 1
    if _flickers(walk, last + 1):
        return Violation("UNPARSED", last)
    if not walk.actions:
        flashed = any(walk.task.is_solved(sighting.state) for sighting in walk.seen)
        return Violation("NO_PROCESS" if flashed else "NO_PROGRESS", last)
    if not walk.task.is_solved(walk.state) or not walk.rests(evidence.labels[-1]):
        return Violation("END_STATE", last)
    return Violation("LAYOUT_CHANGED", last) if walk.flipped_now() else None


def _score(walk: Walk, evidence: Evidence, violation: Violation | None) -> Score[Any]:
    solved = violation is None
    progress = progress_of(walk.task, walk.states, violation)
    value = worth(walk.task, progress, violation, walk.seen) if walk.actions else 0.0
    clear, sharp = float((evidence.labels != UNCLEAR).mean()), float(evidence.sharp.mean())
    return Score(
        value=value,
        solved=solved,
        parts={"progress": progress, "clear": clear, "sharp": sharp, "likeness": max(0.0, evidence.likeness)},
        violations=() if violation is None else (violation,),
        confidence=_SURE if solved else _REFUSED if sharp >= _READABLE else _BLIND,
        actions=tuple(walk.actions),
        frames=tuple(walk.frames),
        seen=tuple(walk.seen),
        view=evidence.view,
    )


def unread(task: Task[Any, Any], start: Any, likeness: float) -> Score[Any]:
    """The score of a video that does not show the puzzle."""
    return Score(
        value=0.0, solved=False,
        parts={"progress": 0.0, "clear": 0.0, "sharp": 0.0, "likeness": max(0.0, likeness)},
        violations=(Violation("UNPARSED", 0),), confidence=_BLIND, actions=(), frames=(), seen=(Sighting(0, start),),
    )  # fmt: skip


def worth(task: Task[Any, Any], progress: float, violation: Violation | None, seen: Sequence[Sighting[Any]]) -> float:
    """The dense reward of a walk of at least one action."""
    if violation is None:
        return 1.0
    cap = LEFT_CAP if any(task.is_solved(sighting.state) for sighting in seen) else UNSOLVED_CAP
    return 0.0 if violation.code in WORTHLESS else min(cap, progress)


def progress_of(task: Task[Any, Any], states: Sequence[Any], violation: Violation | None) -> float:
    """1 without a violation, else the greatest share of the distance to the solution that the legal walk covered.

    It is 0 where the solver gives up.

    States are looked at from the last one back, as long as an earlier one could be nearer to the solution: an action
    brings it nearer by one at most.
    """
    if violation is None:
        return 1.0
    try:
        whole = task.distance(states[0])
        if not whole:
            return 0.0
        nearest = whole
        for count in range(len(states) - 1, 0, -1):
            if whole - count >= nearest:
                break
            left = task.distance(states[count])
            nearest = min(nearest, whole if left is None else left)
    except SearchLimit:
        return 0.0
    return max(0.0, 1 - nearest / whole)

"""Boards to a score: only sequences of legal actions from the stored start count, up to the first violation.

Between two states at rest, only cells that the action changes may look like anything else; nothing may ever jump.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import SearchLimit
from puzzlegen.grid import Cell
from puzzlegen.replay import board
from puzzlegen.task import Task
from puzzlegen.types import Score, Sighting, Violation
from puzzlegen.verify.perceive import UNCLEAR, Candidates

UNSOLVED_CAP = 0.9


_Successor = tuple[str, Any, NDArray[np.int16]]


class _Walk:
    """The legal walk that the frames show so far."""

    def __init__(self, task: Task[Any, Any], start: Any, allowed: Candidates) -> None:
        self.task, self.start, self.allowed = task, start, allowed
        self.actions: list[str] = []
        self.seen = [Sighting(0, start)]
        self._enter(start)

    def _enter(self, state: Any) -> None:
        self.state = state
        self.labels = self.allowed.labels(board(self.task, state))
        self.disturbed = np.zeros(len(self.labels), dtype=bool)
        self._known: list[_Successor] = []
        self._unknown = iter(self.task.actions(state))

    def _successors(self) -> Iterator[_Successor]:
        """(action, state, labels) of every legal action, each worked out when first needed."""
        yield from self._known
        for action in self._unknown:
            state = self.task.step(self.state, action)
            self._known.append((action, state, self.allowed.labels(board(self.task, state))))
            yield self._known[-1]

    def advance(self, frame: int, following: NDArray[np.int16]) -> str | None:
        """Take in the first of these frames' labels. Returns a violation code, or None."""
        labels = following[0]
        off = labels != self.labels
        if not off.any():
            return None
        self.disturbed |= off
        if self._is_at_rest(labels):
            for action, state, after in self._successors():
                if np.array_equal(labels, after):
                    if (self.disturbed & (after == self.labels)).any():
                        return "LAYOUT_CHANGED"
                    self.actions.append(action)
                    self.seen.append(Sighting(frame, state))
                    self._enter(state)
                    return None
        if any(not (self.disturbed & (after == self.labels)).any() for _, _, after in self._successors()):
            return None  # on the way to a legal state
        return self._fault(following)

    def _is_at_rest(self, labels: NDArray[np.int16]) -> bool:
        """Whether the frame shows some reachable state and not something between two."""
        if (labels == UNCLEAR).any():
            return False
        return self.task.read(self.start, self.allowed.board(labels)) is not None

    def _fault(self, following: NDArray[np.int16]) -> str:
        """What is wrong with cells that no action can change: something comes there, or they are drawn otherwise."""
        stray = following[0] != self.labels
        for _, _, after in self._successors():
            stray &= after == self.labels
        for cell in np.flatnonzero(stray):
            clear = following[following[:, cell] != UNCLEAR, cell]
            if clear.size and clear[0] != self.labels[cell]:  # it may take some frames until one sees what has come
                return "JUMP"
        return "LAYOUT_CHANGED" if stray.any() else "JUMP"


def judge(task: Task[Any, Any], start: Any, labels: NDArray[np.int16], allowed: Candidates) -> Score[Any]:
    """Score a clip from the labels of its cells [T, N]."""
    walk = _Walk(task, start, allowed)
    violation = None
    for frame, seen in enumerate(labels):
        if frame == 0 and not np.array_equal(seen, walk.labels):
            violation = Violation("BAD_START", 0, _first_cell(task, start, seen != walk.labels))
            break
        code = walk.advance(frame, labels[frame:])
        if code:
            violation = Violation(code, frame, _first_cell(task, start, seen != walk.labels))
            break
    if violation is None:
        violation = _at_the_end(walk, labels)
    return _score(walk, start, labels, violation)


def _at_the_end(walk: _Walk, labels: NDArray[np.int16]) -> Violation | None:
    """The last frame must show the solved state at rest."""
    last = len(labels) - 1
    if not walk.actions:
        return Violation("NO_PROGRESS", last)
    if not walk.task.is_solved(walk.state) or not np.array_equal(labels[-1], walk.labels):
        return Violation("END_STATE", last)
    return None


def _score(walk: _Walk, start: Any, labels: NDArray[np.int16], violation: Violation | None) -> Score[Any]:
    solved = violation is None
    progress = 1.0 if solved else _progress(walk.task, start, walk.state)
    clear = float((labels != UNCLEAR).mean())
    return Score(
        value=1.0 if solved else min(UNSOLVED_CAP, progress),
        solved=solved,
        parts={"progress": progress, "clear": clear},
        violations=() if violation is None else (violation,),
        confidence=clear,
        actions=tuple(walk.actions),
        frames=tuple(sighting.frame for sighting in walk.seen[1:]),
        seen=tuple(walk.seen),
    )


def _progress(task: Task[Any, Any], start: Any, state: Any) -> float:
    """Share of the distance to the solution that was covered; 0 in a dead end, and where the solver gives up."""
    try:
        whole, left = task.distance(start), task.distance(state)
    except SearchLimit:
        return 0.0
    return 0.0 if left is None or not whole else max(0.0, 1 - left / whole)


def _first_cell(task: Task[Any, Any], start: Any, off: NDArray[np.bool_]) -> Cell | None:
    cells: Sequence[int] = np.flatnonzero(off).tolist()
    return divmod(cells[0], task.shape(start)[1]) if cells else None

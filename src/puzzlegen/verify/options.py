"""What the legal actions of a state would change in the cells: single ones, and rows of several."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.replay import board
from puzzlegen.task import Task
from puzzlegen.types import Glyph
from puzzlegen.verify.atlas import UNCLEAR, Atlas, Labels
from puzzlegen.verify.moves import Move, facing

_BEAM = 48
"""Rows of actions that are followed side by side when a frame shows none of the nearest states."""


class Options:
    """The options of one state after another; what an action changes is kept as long as its cells stay as they were."""

    def __init__(self, task: Task[Any, Any], atlas: Atlas, start: Any) -> None:
        """Begin at the start."""
        self._task, self._atlas = task, atlas
        self._facing = facing(task.shape(start))
        self._moves: dict[str, Move] = {}
        self.enter(start, atlas.labels(board(task, start)))

    def enter(self, state: Any, labels: Labels) -> None:
        """Go on with the options of a state that these labels show [N]."""
        self._state, self.labels = state, labels
        self._board: list[Glyph] | None = None
        self._shown = labels.tolist()
        self._known: list[Move] = []
        self._unknown = iter(self._task.actions(state))
        self._touching: dict[bytes, list[Move]] = {}
        self._sides: NDArray[np.bool_] | None = None

    def __iter__(self) -> Iterator[Move]:
        """What each legal action changes, worked out when first needed."""
        yield from self._known
        for action in self._unknown:
            known = self._moves.get(action)
            if known is None or known.before.tolist() != [self._shown[cell] for cell in known.places]:
                known = self._moves[action] = self._move(action)
            self._known.append(known)
            yield known

    def touching(self, off: NDArray[np.bool_]) -> list[Move]:
        """The legal actions that change one of these cells [N]."""
        key = off.tobytes()
        found = self._touching.get(key)
        if found is None:  # the same cells mostly differ in several frames
            wanted = set(np.flatnonzero(off).tolist())
            found = self._touching[key] = [option for option in self if not wanted.isdisjoint(option.places)]
        return found

    def meets(self, move: Move) -> bool:
        """Whether another action does the same from the other side, as when a line is closed: either cell may begin."""
        others = (other for other in self if other.actions != move.actions and other.places == move.places)
        return any(np.array_equal(other.after, move.after) for other in others)

    def between(self, cells: NDArray[np.intp]) -> NDArray[np.bool_]:
        """The sides [N, 4] over which something moves when these cells change."""
        among = np.zeros(len(self.labels) + 1, dtype=bool)
        among[cells] = True
        return among[:-1, None] & among[self._facing]

    def sides(self) -> NDArray[np.bool_]:
        """The sides [N, 4] over which any legal action moves something."""
        if self._sides is None:
            self._sides = np.zeros((len(self.labels), 4), dtype=bool)
            for option in self:
                self._sides |= self.between(option.cells)
        return self._sides

    def rows(self, seen: Labels, off: NDArray[np.bool_], most: int) -> Iterator[list[Move]]:
        """Rows of two actions, of three and so on, those first that are nearest to what is seen (beam search).

        Args:
            seen: the labels of a frame [N].
            off: the cells that differ from the state [N].
            most: actions in a row, but for one that has only begun.
        """
        beam = [(option, self._task.step(self._state, option.actions[0])) for option in self.touching(off)]
        met = {self._state, *(state for _, state in beam)}
        for _ in range(most):
            longer = []
            for row, state in beam:
                labels = self.labels.copy()
                labels[row.cells] = row.after
                related = off.copy()
                related[row.cells] = True
                for action in self._task.actions(state):
                    after = self._task.step(state, action)
                    if after in met:
                        continue
                    met.add(after)
                    longest = self._changes(
                        self._after(labels, action, after), self.labels, (*row.actions, action), row
                    )
                    if related[longest.cells[longest.ending]].any():  # what changes elsewhere would be seen there
                        longer.append((longest, after))
            beam = sorted(longer, key=lambda pair: _contrary(pair[0], seen, off))[:_BEAM]
            if not beam:
                return
            yield [row for row, _ in beam]

    def _move(self, action: str) -> Move:
        """What an action changes in the state, worked out from the few stacks that differ."""
        if self._board is None:
            self._board = board(self._task, self._state)
        then = board(self._task, self._task.step(self._state, action))
        changed = [
            (cell, label)
            for cell, (old, new) in enumerate(zip(self._board, then, strict=True))
            if old != new and (label := self._atlas.label(cell, new)) != self._shown[cell]
        ]
        places = [cell for cell, _ in changed]
        cells, after = np.array(places, dtype=np.intp), np.array([label for _, label in changed], dtype=np.int16)
        return Move((action,), cells, self.labels[cells], after, None, np.ones(len(cells), dtype=bool), places)

    def _after(self, labels: Labels, action: str, after: Any) -> Labels:
        """The labels after an action; worked out anew only where its cells are not as they were the last time."""
        known = self._moves.get(action)
        if known is None or not np.array_equal(labels[known.cells], known.before):
            then = self._atlas.labels(board(self._task, after))
            self._moves[action] = self._changes(then, labels, (action,))
            return then
        then = labels.copy()
        then[known.cells] = known.after
        return then

    def _changes(self, then: Labels, labels: Labels, actions: tuple[str, ...], done: Move | None = None) -> Move:
        """What a row of actions changes after which the cells show `then`; `done` is the row without the last one."""
        before = labels
        if done is not None:
            before = labels.copy()
            before[done.cells] = done.after
        last = then != before
        cells = np.flatnonzero(last if done is None else last | (then != labels))
        return Move(actions, cells, labels[cells], then[cells], done, last[cells], cells.tolist())


def _contrary(row: Move, seen: Labels, off: NDArray[np.bool_]) -> int:
    """Cells that would not show what is seen after these actions."""
    shown = seen[row.cells]
    mended = off[row.cells] & (shown == row.after)
    broken = ~off[row.cells] & (shown != row.after) & (shown != UNCLEAR)
    return int(broken.sum()) - int(mended.sum())

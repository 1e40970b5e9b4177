"""The legal walk that the frames show: from state to state by legal actions only, up to the first thing that is none.

Between two states the cells that the coming action changes may look like anything. All other cells must show the
state. What comes for fewer frames than the patience and goes again is a flicker: it is forgiven, and never read as a
move. A move is entered when the cells that it changes show its result, or that of a next one that has begun.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.task import Task
from puzzlegen.types import Sighting
from puzzlegen.verify.atlas import GOAL, LAYOUT, UNCLEAR, Atlas, Labels
from puzzlegen.verify.moves import Fault, Move, fits, is_between, is_miscounted, misses
from puzzlegen.verify.options import Options
from puzzlegen.verify.pace import Pace

_UNEXPLAINED = 8
"""What a cell that is not explained weighs against one more action."""
_MOST_HIDDEN_AT_START = 0.12
"""Share of cells that something static may cover from the first frame on."""
_UNCLEAR_PATIENCE = 2
"""Times as long as a contrary cell may a cell be unclear."""


class Walk:
    """Follows the frames of one clip."""

    def __init__(self, task: Task[Any, Any], start: Any, atlas: Atlas, pace: Pace) -> None:
        """Begin at the start.

        Args:
            task: the rules.
            start: state of the first frame.
            atlas: what the cells can show.
            pace: how fast things may happen.
        """
        self.task, self.start, self.atlas = task, start, atlas
        self.pace = pace
        self.actions: list[str] = []
        self.frames: list[int] = []
        self.states = [start]
        self.seen = [Sighting(0, start)]
        self.flickers = 0
        self._cells = len(atlas.stacks)
        self._options = Options(task, atlas, start)
        self._last = self.labels
        self._masked = np.zeros(self._cells, dtype=bool)
        self._stray = np.zeros(self._cells, dtype=np.int32)
        self._ghost = np.zeros(self._cells, dtype=bool)
        self._lost = 0
        self._miscounted = 0
        self._flipped = np.zeros((self._cells, 4), dtype=np.int32)
        self._settled = np.zeros((self._cells, 4), dtype=bool)
        """Sides that a thing which has just moved may still reach over."""
        self._barren: tuple[Labels, NDArray[np.bool_]] | None = None
        """A frame from which no move could be read."""

    @property
    def labels(self) -> Labels:
        """What the cells show in the last state of the walk [N]."""
        return self._options.labels

    @property
    def state(self) -> Any:
        """The last state of the walk."""
        return self.states[-1]

    def begin(self, seen: Labels, sides: NDArray[np.bool_]) -> Fault | None:
        """Take in the first frame, which must show the start. A few cells may be covered, but none with a token."""
        off = seen != self.labels
        covered = off & (seen == UNCLEAR) & (self.labels == 0)
        if covered.sum() <= max(1, _MOST_HIDDEN_AT_START * self._cells):
            self._masked = covered
            off &= ~covered
        if off.any():
            return Fault(0, np.flatnonzero(off), seen)
        self._flipped += sides
        self._last = seen
        return None

    def advance(self, frame: int, seen: Labels, sides: NDArray[np.bool_], sharp: NDArray[np.bool_]) -> Fault | None:
        """Take in one more frame."""
        if np.array_equal(seen, self.labels) and not sides.any():
            self._settle(seen)
            return None
        self._masked &= seen == UNCLEAR
        self._sight(frame, seen)
        off = (seen != self.labels) & ~self._masked
        if off.any():
            arrived = self._arrival(seen, off)
            if arrived is not None:
                ghosts = np.flatnonzero(self._ghost & (self._stray > 0) & (seen == self.labels))
                if ghosts.size and (ghosts := np.setdiff1d(ghosts, arrived.cells)).size:
                    return Fault(frame - 1, ghosts, self._last)
                self._follow(frame, arrived)
                off = (seen != self.labels) & ~self._masked
        self._last = seen
        return self._strays(frame, seen, off, sharp) or self._sides(frame, seen, sides)

    def forget_since(self, frame: int) -> None:
        """Take back the moves that were read from this frame on; a bridged one may hide what went wrong before it."""
        kept = sum(read < frame - (self.pace.reach - 1) for read in self.frames)
        del self.actions[kept:], self.frames[kept:], self.states[kept + 1 :]

    def _settle(self, seen: Labels) -> None:
        """Take in a frame that shows the state and nothing else: whatever came has gone."""
        self._last = seen
        self._lost = self._miscounted = 0
        for gone in (self._masked, self._stray, self._ghost, self._flipped):
            gone.fill(0)

    def rests(self, seen: Labels) -> bool:
        """Whether a frame shows the state of the walk, and nothing else."""
        return bool(((seen == self.labels) | self._masked).all())

    # --- moves

    def _arrival(self, seen: Labels, off: NDArray[np.bool_]) -> Move | None:
        """The legal action, or row of a few, whose result the frame shows; that which leaves least unexplained."""
        best: tuple[int, Move] | None = None
        touching = self._options.touching(off)
        for option in touching:
            best = self._better(best, option, seen, off)
        if best is not None and best[0] < _UNEXPLAINED:
            return best[1]
        if best is None and any(self._explains(option, seen, off) for option in touching):
            return None  # all that differs is on its way
        if self._barren is not None and all(map(np.array_equal, self._barren, (seen, off))):
            return None
        for rows in self._options.rows(seen, off, self.pace.reach):
            for row in rows:
                if len(row.actions) <= self.pace.reach:
                    best = self._better(best, row, seen, off)
                best = self._better(best, row, seen, off, halfway=True)
            if best is not None and best[0] <= len(rows[0].actions):
                break  # longer rows cost as much
        if best is None:
            self._barren = seen, off
        return None if best is None else best[1]

    def _explains(self, option: Move, seen: Labels, off: NDArray[np.bool_]) -> bool:
        """Whether all that differs may be seen while this action is on its way."""
        return bool(off.sum() == off[option.cells].sum() and fits(option, seen).all())

    def _better(
        self, best: tuple[int, Move] | None, option: Move, seen: Labels, off: NDArray[np.bool_], halfway: bool = False
    ) -> tuple[int, Move] | None:
        """The best so far, or this one if the frame shows its result and it leaves fewer cells unexplained.

        `halfway`: the last action of the row has begun, but not ended; the row without it is what was done.
        """
        shown = seen[option.cells]
        wrong = shown != option.after
        done, between = option, False
        if halfway:
            assert option.done is not None
            done = option.done
            labels = self.labels.copy()
            labels[done.cells] = done.after
            early, last = labels[option.cells], option.ending
            between = is_between(option, seen)
            late = last & ((shown == early) | between)
            if not (late & wrong).any():
                return best  # nothing is on its way
            marks = int(((shown[last] != 0) & (shown[last] != LAYOUT) & (shown[last] != GOAL)).sum())
            held = min(int((early[last] > 0).sum()), int((option.after[last] > 0).sum()))
            if marks < held or (option.carries and misses(option, early, shown, self.atlas.stacks)):
                return best  # what should be on its way is nowhere
            wrong &= ~late
        if self._masked[option.cells].any() or (wrong & (shown != UNCLEAR)).any() or wrong.sum() > 1:
            return best
        if (option.after > 0).any() and not between and not ((shown > 0) & (shown != self.labels[option.cells])).any():
            return best  # something should have come, and nothing has
        outside = off.copy()
        outside[option.cells] = False
        if (outside & (seen != UNCLEAR)).sum() > 1:  # too much else is wrong: no move is read from such a frame
            return best
        cost = int(wrong.sum() + outside.sum()) * _UNEXPLAINED + len(done.actions)
        return (cost, done) if best is None or cost < best[0] else best

    def _follow(self, frame: int, arrived: Move) -> None:
        for action in arrived.actions:
            state = self.task.step(self.state, action)
            self.actions.append(action)
            self.frames.append(frame)
            self.states.append(state)
            self._add(Sighting(frame, state))
        self._stray[arrived.cells] = 0
        self._settled = self._options.between(arrived.cells)
        labels = self.labels.copy()
        labels[arrived.cells] = arrived.after
        self._options.enter(self.state, labels)
        self._lost = self._miscounted = 0
        self._barren = None

    # --- what no action explains

    def _strays(self, frame: int, seen: Labels, off: NDArray[np.bool_], sharp: NDArray[np.bool_]) -> Fault | None:
        """Cells that differ from the state though no action is on its way that changes them."""
        coming = self._on_its_way(seen, off, sharp)
        stray = off.copy()
        if coming is not None:
            differ, held = off[coming.cells], coming.before > 0
            alone = differ.sum() == 1 and not differ[held].any() and not self._options.meets(coming)
            if not alone or not (held.any() or (seen[coming.cells][differ] == UNCLEAR).all()):  # has left or grown
                stray[coming.cells[fits(coming, seen)]] = False
        if stray.any():
            fault = self._lasting(frame, seen, stray, coming, sharp)
            if fault is not None:
                return fault
        else:
            self._stray.fill(0)
            self._ghost.fill(False)
        wrong = off & ~stray
        clear = wrong.any() and not (seen[wrong] == UNCLEAR).any()
        self._lost = self._lost + 1 if clear and not stray.any() else 0
        self._miscounted = self._miscounted + 1 if coming is not None and is_miscounted(coming, seen, sharp) else 0
        brief = self.pace.patience + self.pace.slowest // 8
        for count, most in ((self._lost, self.pace.patience + self.pace.slowest), (self._miscounted, brief)):
            if count >= most:
                return Fault(frame + 1 - count, np.flatnonzero(off), seen)
        return None

    def _lasting(
        self, frame: int, seen: Labels, stray: NDArray[np.bool_], coming: Move | None, sharp: NDArray[np.bool_]
    ) -> Fault | None:
        """Count the frames for which cells have been stray; a fault once some have been for too long."""
        limit = np.full(self._cells, self.pace.patience)
        elsewhere = stray.copy()
        if coming is not None:
            shown, held = seen[coming.cells], coming.before > 0
            certain = (sharp[coming.cells] & (shown > UNCLEAR)) | (
                (shown == 0) & held & (coming.after > 0) & (not coming.carries)
            )
            slack = np.where(shown == LAYOUT, 2 * self.pace.slowest, self.pace.slowest // 2)
            limit[coming.cells] += np.where(certain, 0, slack)
            elsewhere[coming.cells] = False
        unclear = stray & (seen == UNCLEAR)
        contrary = stray & ~unclear
        if coming is None or not unclear[coming.cells].any():
            limit[unclear] *= _UNCLEAR_PATIENCE
        limit[stray & ~sharp & self._settled.any(axis=1)] += self.pace.slowest  # the rest has arrived before it
        self._stray = np.where(stray, self._stray + 1, 0)
        self._ghost = np.where(stray, self._ghost & stray | (contrary & sharp & (seen > 0) & (self.labels == 0)), False)
        self.flickers += bool((elsewhere & contrary).any() or elsewhere.sum() > max(1, 0.1 * self._cells))
        lasting = self._stray >= limit
        if not lasting.any():
            return None
        longest = int(self._stray[lasting].max())
        return Fault(max(0, frame + 1 - longest), np.flatnonzero(lasting), seen)

    def _on_its_way(self, seen: Labels, off: NDArray[np.bool_], sharp: NDArray[np.bool_]) -> Move | None:
        """The legal action that explains most of what differs: cells that it changes, and what they show meanwhile.

        Of two, that in whose cells something is to be seen that is no stack: what is on its way may be too faint there
        to be told from nothing, but nothing is on its way where all is as it was.
        """
        best: Move | None = None
        count, most = int(off.sum()), (0, False)
        for option in self._options.touching(off) if count else ():
            differ = off[option.cells]
            explained = int(differ.sum()) + int((differ & fits(option, seen)).sum())
            likely = explained, not sharp[option.cells].all()
            if likely > most and explained:
                best, most = option, likely
                if most == (2 * count, True):
                    break
        return best

    def _sides(self, frame: int, seen: Labels, sides: NDArray[np.bool_]) -> Fault | None:
        """Walls that are gone or new, but for the sides over which something may be moving."""
        if not sides.any():
            self._flipped[:] = 0
            return None
        flipped = sides & ~self._options.sides() & ~self._settled & ~self._masked[:, None]
        self._flipped = np.where(flipped, self._flipped + 1, 0)
        lasting = self._flipped >= self.pace.patience
        if not lasting.any():
            return None
        longest = int(self._flipped[lasting].max())
        return Fault(max(0, frame + 1 - longest), np.flatnonzero(lasting.any(axis=1)), seen, side=True)

    def flipped_now(self) -> bool:
        """Whether the last frame shows a wall gone or new, for however short a time."""
        return bool((self._flipped > 0).any())

    # --- sightings

    def _sight(self, frame: int, seen: Labels) -> None:
        """Remember a state that two frames in a row show clearly, whether or not it was reached by the rules."""
        if (seen < 0).any() or np.array_equal(seen, self.labels) or not np.array_equal(seen, self._last):
            return
        stacks = [stack if stack is not None else () for stack in self.atlas.board(seen)]
        state = self.task.read(self.start, stacks)
        if state is not None:
            self._add(Sighting(frame - 1, state))

    def _add(self, sighting: Sighting[Any]) -> None:
        if sighting.state != self.seen[-1].state:
            self.seen.append(sighting)

    def look_on(self, frame: int, seen: Labels) -> None:
        """After the walk has ended: only remember what is shown."""
        self._sight(frame, seen)
        self._last = seen

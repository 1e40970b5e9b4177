"""What an action changes in the cells, what they may show while it is on its way, and what no action explains."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from puzzlegen.grid import DIRECTIONS, Shape, inside, move
from puzzlegen.types import Glyph
from puzzlegen.verify.atlas import UNCLEAR, Labels


@dataclass(frozen=True, slots=True)
class Move:
    """What an action changes."""

    actions: tuple[str, ...]
    cells: NDArray[np.intp]
    before: Labels
    after: Labels
    done: Move | None
    """The row without its last action; None for a single action."""
    ending: NDArray[np.bool_]
    """Which of the cells the last action changes."""
    places: list[int]
    """The cells again: for a few of them, arrays are slow."""

    @property
    def carries(self) -> bool:
        """Whether something leaves a cell; if not, something is drawn."""
        return bool(((self.before > 0) & (self.after == 0)).any())


@dataclass(frozen=True, slots=True)
class Fault:
    """What ends the legal walk."""

    frame: int
    """The first that shows it."""
    cells: NDArray[np.intp]
    """The cells that show it, most of them if there are many."""
    seen: Labels
    """The whole board when it was certain."""
    side: bool = False
    """A side of the backdrop has opened or closed."""


def fits(option: Move, seen: Labels) -> NDArray[np.bool_]:
    """Which of an action's cells show what they may while it is on its way: the one or the other, or neither clearly;
    of a cell that one mark leaves while another comes, so little of both that it seems empty."""
    shown = seen[option.cells]
    handed_on = (option.before > 0) & (option.after > 0) & (shown == 0)
    return np.asarray((shown == option.before) | (shown == option.after) | (shown == UNCLEAR) | handed_on)


def is_between(row: Move, seen: Labels) -> bool:
    """Whether what a row of actions carries is seen between the cells of its last one, none of which is clear, and all
    else that the row changes is."""
    shown = seen[row.cells]
    rest = ~row.ending
    return bool(rest.any() and (shown[rest] == row.after[rest]).all() and (shown[row.ending] == UNCLEAR).all())


def misses(row: Move, early: Labels, shown: Labels, stacks: Sequence[Sequence[Glyph]]) -> bool:
    """Whether some mark is seen too rarely in the cells of a row's last action, to be on its way.

    Args:
        row: of actions, the last of which may be on its way.
        early: what the row's cells show before the last action.
        shown: what they show.
        stacks: what each cell of the board may hold.
    """
    places = np.flatnonzero(row.ending)

    def marks(labels: Labels) -> Counter[Glyph]:
        return Counter(stacks[row.cells[at]][labels[at]] for at in places if labels[at] > 0)

    seen, unclear = marks(shown), int((shown[places] == UNCLEAR).sum())
    return min((marks(labels) - seen).total() for labels in (early, row.after)) > unclear


def is_miscounted(coming: Move, seen: Labels, sharp: NDArray[np.bool_]) -> bool:
    """Whether the cells of the action on its way clearly show more marks, or fewer, than before it and after it."""
    shown = int(((seen[coming.cells] > 0) & sharp[coming.cells]).sum())
    counts = int((coming.before > 0).sum()), int((coming.after > 0).sum())
    certain = bool((sharp[coming.cells] & (seen[coming.cells] > UNCLEAR)).all())
    return shown > max(counts) or (certain and shown < min(counts))


@functools.lru_cache(maxsize=64)
def facing(shape: Shape) -> NDArray[np.intp]:
    """The neighbour of each cell in direction U, D, L, R [N, 4]; N beyond the border. Kept, not to be written to."""
    rows, cols = shape
    found = np.full((rows * cols, len(DIRECTIONS)), rows * cols, dtype=np.intp)
    for cell in range(rows * cols):
        for side, direction in enumerate(DIRECTIONS):
            other = move(divmod(cell, cols), direction)
            if inside(other, shape):
                found[cell, side] = other[0] * cols + other[1]
    found.flags.writeable = False
    return found

"""What the searches know about a room and its goals: distances of single boxes, a lower bound, deadlocks.

A lone box's distance to a goal depends on where the player can get to: a box on a cut cell parts the floor into sides,
and the distance is kept for every (cell, side). Forgetting the side (taking the smaller distance) would make the bound
inconsistent, and a search that never reopens nodes would then miss solutions.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

from puzzlegen.grid import Cell, Shape
from puzzlegen.tasks.sokoban import bits
from puzzlegen.tasks.sokoban.matching import FAR, matcher
from puzzlegen.tasks.sokoban.state import SokobanState

Row = tuple[int, ...]  # pushes of a lone box to each goal


class Board:
    """Masks and tables of one room with its goals; everything is fixed after construction.

    Args:
        cols: columns of the grid.
        floor: floor cells; the room is closed.
        goals: goal cells.
    """

    __slots__ = ("_across", "_along", "_by_player", "_match", "_rows", "alive", "cols", "floor", "goals", "split")

    def __init__(self, cols: int, floor: int, goals: int) -> None:
        self.cols, self.floor, self.goals = cols, floor, goals
        sides = _sides(floor, cols)
        self.split = bits.mask_of([cell for cell, parts in sides.items() if len(parts) > 1])
        rows = _rows(sides, bits.cells(goals), floor, cols)
        self._rows: dict[int, Row] = {}
        self._by_player: dict[int, list[tuple[int, Row]]] = {}
        self.alive = 0
        for cell, parts in sides.items():
            found = rows[cell]
            if any(min(row) < FAR for row in found):
                self.alive |= 1 << cell
            self._rows[cell] = found[0]
            if len(parts) > 1:
                self._by_player[cell] = list(zip(parts, found, strict=True))
        wall, dead = ~floor, ~self.alive
        self._along = wall << 1 | wall >> 1 | (dead << 1 & dead >> 1)
        self._across = wall << cols | wall >> cols | (dead << cols & dead >> cols)
        self._match: Callable[[Sequence[Row]], int] = matcher(goals.bit_count())

    def bound(self, boxes: int, player: int) -> int:
        """No solution has fewer pushes; FAR or more: there is none. Depends on `player` only by its zone.

        The boxes are matched to different goals so that the sum of their lone distances is least.
        """
        rows = []
        split = boxes & self.split
        while boxes:
            low = boxes & -boxes
            boxes ^= low
            cell = low.bit_length() - 1
            rows.append(self._side_row(cell, player) if low & split else self._rows[cell])
        return self._match(rows)

    def _side_row(self, cell: int, player: int) -> Row:
        for part, row in self._by_player[cell]:
            if part & player:
                return row
        raise AssertionError("a player on the floor stands on one side of every box")

    def frozen(self, boxes: int, pushed: int) -> bool:
        """Whether boxes that can never move again include `pushed` and one that is off the goals.

        A greatest fixpoint: all boxes count as stuck, and those that can move along a line are taken out until none
        is left to take. A box cannot move along a line between two dead cells, nor next to a wall or a stuck box.
        """
        stuck, cols = boxes, self.cols
        along, across = self._along, self._across
        while True:
            left = stuck & (along | stuck << 1 | stuck >> 1) & (across | stuck << cols | stuck >> cols)
            if not left & pushed:
                return False
            if left == stuck:
                return bool(left & ~self.goals)
            stuck = left


@functools.lru_cache(maxsize=256)
def board_of(shape: Shape, floor: str, goals: tuple[Cell, ...]) -> Board:
    """The board of a state's fixed part; kept, because rewards ask for many states of one puzzle."""
    cols = shape[1]
    open_cells = [index for index, character in enumerate(floor) if character != "#"]
    return Board(cols, bits.mask_of(open_cells), bits.mask_of([row * cols + col for row, col in goals]))


def masks(state: SokobanState) -> tuple[Board, int, int]:
    """The room's tables, the boxes and the player as bits."""
    cols = state.shape[1]
    boxes = 0
    for row, col in state.boxes:
        boxes |= 1 << row * cols + col
    return board_of(state.shape, state.floor, state.goals), boxes, 1 << state.player[0] * cols + state.player[1]


@functools.cache
def _is_local_cut(ring: int) -> bool:
    """Whether the side neighbours (even bits of the ring of eight) are not all joined by the ring itself."""
    runs = sum(ring >> place & 1 and not ring >> ((place + 1) % 8) & 1 for place in range(8))
    corners = sum(ring >> place & 1 and not ring & (1 << place - 1 | 1 << (place + 1) % 8) for place in (1, 3, 5, 7))
    return runs - corners > 1


def _sides(floor: int, cols: int) -> dict[int, list[int]]:
    """For each floor cell, the parts into which a box there cuts the rest of the floor."""
    sides = {}
    for cell in bits.cells(floor):
        rest = floor ^ 1 << cell
        near = floor >> cell - cols - 1
        mid, low = near >> cols, near >> 2 * cols
        # The ring clockwise from the cell above: side neighbours on even bits.
        ring = near >> 1 & 1 | (near >> 2 & 1) << 1 | (mid >> 2 & 1) << 2 | (low >> 2 & 1) << 3
        ring |= (low >> 1 & 1) << 4 | (low & 1) << 5 | (mid & 1) << 6 | (near & 1) << 7
        sides[cell] = bits.regions(rest, cols) if _is_local_cut(ring) else [rest]
    return sides


def _rows(sides: dict[int, list[int]], goals: list[int], floor: int, cols: int) -> dict[int, list[Row]]:
    """For each cell and each side: pushes to every goal, by pulling a lone box away from each goal."""
    pulls = _pulls(sides, floor, cols)
    columns = [_distances(pulls, [(goal, side) for side in range(len(sides[goal]))]) for goal in goals]
    return {
        cell: [tuple([column.get((cell, side), FAR) for column in columns]) for side in range(len(parts))]
        for cell, parts in sides.items()
    }


Place = tuple[int, int]  # cell of a lone box, number of the side on which the player stands


def _pulls(sides: dict[int, list[int]], floor: int, cols: int) -> dict[Place, list[Place]]:
    """Where one pull can take a lone box."""
    pulls: dict[Place, list[Place]] = {}
    for cell, parts in sides.items():
        reached: list[list[Place]] = [[] for _ in parts]
        for step in (-cols, cols, -1, 1):
            near, behind = cell + step, cell + 2 * step
            if not floor >> near & 1 or not floor >> behind & 1:
                continue
            side = 0
            if len(parts) > 1:
                while not parts[side] >> near & 1:
                    side += 1
            arrived = 0
            others = sides[near]
            if len(others) > 1:
                while not others[arrived] >> behind & 1:
                    arrived += 1
            reached[side].append((near, arrived))
        for side, places in enumerate(reached):
            pulls[cell, side] = places
    return pulls


def _distances(pulls: dict[Place, list[Place]], sources: list[Place]) -> dict[Place, int]:
    far = dict.fromkeys(sources, 0)
    for place in (queue := list(sources)):
        step = far[place] + 1
        for other in pulls[place]:
            if other not in far:
                far[other] = step
                queue.append(other)
    return far

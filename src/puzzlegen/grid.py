"""Square grids: cells, directions, link masks, the eight symmetries."""

from __future__ import annotations

import functools
from typing import NamedTuple

Cell = tuple[int, int]  # (row, col), origin top left
Shape = tuple[int, int]  # (rows, cols)

DIRECTIONS = "UDLR"  # the order of every tie-break
STEP: dict[str, Cell] = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
OPPOSITE = {"U": "D", "D": "U", "L": "R", "R": "L"}
LINK = {"U": 1, "D": 2, "L": 4, "R": 8}  # bits of a link mask: which neighbours a cell is joined to


def move(cell: Cell, direction: str) -> Cell:
    """The neighbour of `cell` in `direction`, also outside the grid."""
    step = STEP[direction]
    return cell[0] + step[0], cell[1] + step[1]


def inside(cell: Cell, shape: Shape) -> bool:
    """Whether `cell` lies on a grid of this shape."""
    return 0 <= cell[0] < shape[0] and 0 <= cell[1] < shape[1]


def neighbors(cell: Cell, shape: Shape) -> list[tuple[str, Cell]]:
    """(direction, cell) of the up to four neighbours on the grid, in the order U D L R."""
    pairs = ((direction, move(cell, direction)) for direction in DIRECTIONS)
    return [(direction, other) for direction, other in pairs if inside(other, shape)]


def cells_of(shape: Shape) -> list[Cell]:
    """All cells in reading order; a cell's index is row * cols + col."""
    return [(row, col) for row in range(shape[0]) for col in range(shape[1])]


class Symmetry(NamedTuple):
    """One of the eight symmetries of the square: transpose first, then flip rows, then flip columns."""

    transpose: bool
    flip_rows: bool
    flip_cols: bool

    def shape(self, shape: Shape) -> Shape:
        """The shape of the transformed grid."""
        return (shape[1], shape[0]) if self.transpose else shape

    def cell(self, cell: Cell, shape: Shape) -> Cell:
        """Where `cell` of a grid of this shape goes."""
        row, col = (cell[1], cell[0]) if self.transpose else cell
        rows, cols = self.shape(shape)
        return (rows - 1 - row if self.flip_rows else row), (cols - 1 - col if self.flip_cols else col)

    def links(self, mask: int) -> int:
        """The link mask of a transformed cell."""
        return sum(LINK[self.direction(direction)] for direction in DIRECTIONS if mask & LINK[direction])

    def direction(self, direction: str) -> str:
        """Where a step in `direction` points after the transformation."""
        if self.transpose:
            direction = {"U": "L", "L": "U", "D": "R", "R": "D"}[direction]
        if (self.flip_rows and direction in "UD") or (self.flip_cols and direction in "LR"):
            direction = OPPOSITE[direction]
        return direction


SYMMETRIES = tuple(
    Symmetry(transpose, flip_rows, flip_cols)
    for transpose in (False, True)
    for flip_rows in (False, True)
    for flip_cols in (False, True)
)


@functools.lru_cache(maxsize=256)
def sources(symmetry: Symmetry, shape: Shape) -> tuple[int, ...]:
    """For each cell of the transformed grid in reading order, the index of the cell that comes there."""
    rows, cols = symmetry.shape(shape)
    order = [0] * (rows * cols)
    for source, cell in enumerate(cells_of(shape)):
        row, col = symmetry.cell(cell, shape)
        order[row * cols + col] = source
    return tuple(order)

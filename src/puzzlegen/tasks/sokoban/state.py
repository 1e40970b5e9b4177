"""The state of a Sokoban puzzle."""

from __future__ import annotations

from dataclasses import dataclass

from puzzlegen.grid import Cell, Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SokobanState:
    """A room, its goals, and where boxes and player are. States that look the same are equal.

    Floor that the player could not reach in an empty room is wall. Start states list their boxes in reading order;
    a step leaves every box at its place in the tuple, so that a box keeps its number while it moves. Equality and
    hash ignore the numbers.
    """

    shape: Shape
    floor: str
    """One character a cell in reading order: '#' wall, ' ' floor."""
    goals: tuple[Cell, ...]
    """In reading order."""
    boxes: tuple[Cell, ...]
    player: Cell

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, SokobanState):
            return NotImplemented
        return self._looks() == other._looks()

    def __hash__(self) -> int:
        return hash(self._looks())

    def _looks(self) -> tuple[object, ...]:
        return self.player, tuple(sorted(self.boxes)), self.goals, self.floor, self.shape


def is_floor(state: SokobanState, cell: Cell) -> bool:
    """Whether a cell of the grid is no wall."""
    return state.floor[cell[0] * state.shape[1] + cell[1]] != "#"


def is_free(state: SokobanState, cell: Cell) -> bool:
    """Whether a cell of the grid is floor without a box."""
    return is_floor(state, cell) and cell not in state.boxes

"""Lights Out: pressing a cell switches its lamp and those of its neighbours, until all lamps are off.

Text is a grid of `#` for lit and `.` for dark lamps. An action names the pressed cell by the letter of its row and
the number of its column::

    .#.
    ###
    .#.    solved by "b2"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from puzzlegen.errors import IllegalAction, PuzzleTextError, Unsolvable
from puzzlegen.grid import SYMMETRIES, Cell, Shape, cells_of, neighbors, sources
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Mark, Solution, Token
from puzzlegen_lightsout.algebra import smallest_solutions

MOST_CELLS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class LightsParams:
    """Fields of a level."""

    size: int
    """Cells along a side, 3 to 5."""
    presses: tuple[int, int]
    """Fewest and most presses that a start needs."""

    def __post_init__(self) -> None:
        if not 3 <= self.size <= 5:
            raise ValueError(f"size must be 3 to 5, got {self.size}")
        low, high = self.presses
        if not 1 <= low <= high <= self.size**2:
            raise ValueError(f"presses must be a range within 1 to {self.size**2}, got {low} to {high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LightsState:
    """Which lamps are lit, in reading order: `#` or `.`."""

    shape: Shape
    lamps: str


class LightsOut(Task[LightsParams, LightsState]):
    """Optimal means fewest presses; their order does not matter, so `unique` is about which cells are pressed."""

    version = 1
    Params = LightsParams
    State = LightsState
    manual = (
        "The board is a grid of lamps: '#' is lit, '.' is dark. Pressing a lamp switches it and its neighbours above, "
        "below, left and right. Switch off all lamps with as few presses as possible. Write the lamps to press as "
        "letter of the line and number of the column, with spaces between them, such as b2 a1."
    )
    separator = " "

    def generate(self, params: LightsParams, rng: Rng) -> LightsState:
        """Press different cells of a dark board."""
        dark = LightsState(shape=(params.size, params.size), lamps="." * params.size**2)
        for cell in rng.sample(cells_of(dark.shape), rng.between(*params.presses)):
            dark = _pressed(dark, cell)
        return dark

    def solve(self, start: LightsState) -> Solution:
        """Press the cells of the smallest set that darkens the board, in reading order."""
        best = _smallest_sets(start)
        if not best:
            raise Unsolvable("no set of cells switches off all lamps")
        actions = tuple(_name(cell) for index, cell in enumerate(cells_of(start.shape)) if best[0] >> index & 1)
        measures = {"presses": len(actions), "lit": start.lamps.count("#")}
        return Solution(actions=actions, optimal=True, unique=len(best) == 1, measures=measures)

    def accepts(self, params: LightsParams, solution: Solution) -> str | None:
        """Other cells may need fewer presses than those that were drawn."""
        low, high = params.presses
        return None if low <= len(solution.actions) <= high else "presses out of range"

    def fewest_actions(self, params: LightsParams) -> int:
        """The lower end of the presses range."""
        return params.presses[0]

    def actions(self, state: LightsState) -> Iterable[str]:
        """Every cell can be pressed."""
        return map(_name, cells_of(state.shape))

    def step(self, state: LightsState, action: str) -> LightsState:
        """Press a cell."""
        for cell in cells_of(state.shape):
            if _name(cell) == action:
                return _pressed(state, cell)
        raise IllegalAction(
            f"{action!r} names no cell of a board of {state.shape[0]} rows and {state.shape[1]} columns"
        )

    def is_solved(self, state: LightsState) -> bool:
        """All lamps are off."""
        return "#" not in state.lamps

    def distance(self, state: LightsState) -> int | None:
        """The fewest presses."""
        best = _smallest_sets(state)
        return best[0].bit_count() if best else None

    def symmetries(self, start: LightsState) -> Iterable[LightsState]:
        """The eight rotations and mirror images."""
        for symmetry in SYMMETRIES:
            lamps = "".join([start.lamps[source] for source in sources(symmetry, start.shape)])
            yield LightsState(shape=symmetry.shape(start.shape), lamps=lamps)

    def parse(self, text: str) -> LightsState:
        """Read the grid."""
        lines = text.split()
        if not lines or max(len(lines), len(lines[0])) > MOST_CELLS:
            raise PuzzleTextError(f"a board has 1 to {MOST_CELLS} rows and columns")
        for row, line in enumerate(lines, start=1):
            if len(line) != len(lines[0]):
                raise PuzzleTextError(f"line {row} has {len(line)} cells, line 1 has {len(lines[0])}")
            for column, character in enumerate(line, start=1):
                if character not in "#.":
                    raise PuzzleTextError(f"line {row}, column {column}: {character!r} is neither '#' nor '.'")
        return LightsState(shape=(len(lines), len(lines[0])), lamps="".join(lines))

    def text(self, state: LightsState) -> str:
        """The grid."""
        rows, cols = state.shape
        return "\n".join(state.lamps[row * cols : (row + 1) * cols] for row in range(rows))

    def shape(self, start: LightsState) -> Shape:
        """The board."""
        return start.shape

    def backdrop(self, start: LightsState) -> tuple[Glyph, ...]:
        """Dark lamps."""
        return ((Mark("cell"), Mark("socket")),) * len(start.lamps)

    def tokens(self, state: LightsState) -> tuple[Token, ...]:
        """Lit lamps; without keys, as they do not move."""
        lit = zip(cells_of(state.shape), state.lamps, strict=True)
        return tuple(Token(Mark("lamp"), cell) for cell, lamp in lit if lamp == "#")

    def glyphs(self, start: LightsState) -> Sequence[Sequence[Glyph]]:
        """Any lamp may be lit."""
        return [((), (Mark("lamp"),))] * len(start.lamps)

    def read(self, start: LightsState, board: Sequence[Glyph]) -> LightsState | None:
        """The state with the lamps that are seen."""
        return LightsState(shape=start.shape, lamps="".join("#" if stack else "." for stack in board))


def _name(cell: Cell) -> str:
    return f"{chr(ord('a') + cell[0])}{cell[1] + 1}"


def _reach(cell: Cell, shape: Shape) -> list[Cell]:
    return [cell, *(other for _, other in neighbors(cell, shape))]


def _pressed(state: LightsState, cell: Cell) -> LightsState:
    lamps = list(state.lamps)
    for row, col in _reach(cell, state.shape):
        index = row * state.shape[1] + col
        lamps[index] = "." if lamps[index] == "#" else "#"
    return LightsState(shape=state.shape, lamps="".join(lamps))


def _smallest_sets(state: LightsState) -> list[int]:
    """The smallest sets of presses that darken the board: the presses in a lamp's reach add up to its light."""
    cols = state.shape[1]
    reach = [sum(1 << row * cols + col for row, col in _reach(cell, state.shape)) for cell in cells_of(state.shape)]
    return smallest_solutions(reach, [lamp == "#" for lamp in state.lamps])

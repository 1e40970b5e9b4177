"""A task in one file beside its recipe: three tiles slide into the empty cells of a 3 x 3 board, to the top row.

Text is three lines of three characters, `A`, `B`, `C` and `.`; an action is a tile and a direction, such as "BL".
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from puzzlegen.errors import IllegalAction, PuzzleTextError
from puzzlegen.grid import DIRECTIONS, Cell, Shape, cells_of, inside, move
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Mark, Solution, Token

SHAPE = (3, 3)
TILES = "ABC"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideParams:
    """Fields of a level."""

    moves: tuple[int, int]

    def __post_init__(self) -> None:
        if not 1 <= self.moves[0] <= self.moves[1] <= 8:
            raise ValueError(f"moves must be a range within 1 to 8, got {self.moves}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlideState:
    """Where each tile is."""

    tiles: tuple[Cell, ...]


SOLVED = SlideState(tiles=((0, 0), (0, 1), (0, 2)))


@functools.cache
def distances() -> dict[SlideState, int]:
    """Moves to the solved state of all states, breadth first; moves can be undone."""
    far, frontier = {SOLVED: 0}, [SOLVED]
    for state in frontier:
        for action in Slide().actions(state):
            after = Slide().step(state, action)
            if after not in far:
                far[after] = far[state] + 1
                frontier.append(after)
    return far


class Slide(Task[SlideParams, SlideState]):
    """Optimal means fewest moves."""

    version = 1
    Params = SlideParams
    State = SlideState
    separator = " "

    def generate(self, params: SlideParams, rng: Rng) -> SlideState:
        return rng.choice([state for state, far in distances().items() if params.moves[0] <= far <= params.moves[1]])

    def solve(self, start: SlideState) -> Solution:
        actions, state = [], start
        while state != SOLVED:
            nearer = [
                action for action in self.actions(state) if distances()[self.step(state, action)] < distances()[state]
            ]
            actions.append(nearer[0])
            state = self.step(state, nearer[0])
        return Solution(actions=tuple(actions), optimal=True, unique=None)

    def fewest_actions(self, params: SlideParams) -> int:
        return params.moves[0]

    def actions(self, state: SlideState) -> Iterable[str]:
        return [
            tile + direction
            for tile, cell in zip(TILES, state.tiles, strict=True)
            for direction in DIRECTIONS
            if inside(move(cell, direction), SHAPE) and move(cell, direction) not in state.tiles
        ]

    def step(self, state: SlideState, action: str) -> SlideState:
        if action not in self.actions(state):
            raise IllegalAction(f"{action!r} moves no tile into an empty cell")
        tile = TILES.index(action[0])
        cells = list(state.tiles)
        cells[tile] = move(cells[tile], action[1])
        return SlideState(tiles=tuple(cells))

    def is_solved(self, state: SlideState) -> bool:
        return state == SOLVED

    def distance(self, state: SlideState) -> int | None:
        return distances()[state]

    def symmetries(self, start: SlideState) -> Iterable[SlideState]:
        return (start,)

    def parse(self, text: str) -> SlideState:
        found = {character: divmod(place, 3) for place, character in enumerate("".join(text.split()))}
        if len("".join(text.split())) != 9 or set(found) != {*TILES, "."}:
            raise PuzzleTextError("a board has three lines of three characters, with A, B and C once each")
        return SlideState(tiles=tuple(found[tile] for tile in TILES))

    def text(self, state: SlideState) -> str:
        names = dict(zip(state.tiles, TILES, strict=True))
        return "\n".join("".join(names.get((row, col), ".") for col in range(3)) for row in range(3))

    def shape(self, start: SlideState) -> Shape:
        return SHAPE

    def backdrop(self, start: SlideState) -> tuple[Glyph, ...]:
        pads = {cell: (Mark("pad", hue),) for hue, cell in enumerate(SOLVED.tiles)}
        return tuple((Mark("floor"), *pads.get(cell, ())) for cell in cells_of(SHAPE))

    def tokens(self, state: SlideState) -> tuple[Token, ...]:
        return tuple(Token(Mark("tile", hue), cell, key=hue) for hue, cell in enumerate(state.tiles))

    def glyphs(self, start: SlideState) -> Sequence[Sequence[Glyph]]:
        return [((), *((Mark("tile", hue),) for hue in range(3)))] * 9

    def read(self, start: SlideState, board: Sequence[Glyph]) -> SlideState | None:
        found = {stack[0].hue: cell for cell, stack in zip(cells_of(SHAPE), board, strict=True) if stack}
        return (
            SlideState(tiles=tuple(found[hue] for hue in range(3)))
            if sum(map(bool, board)) == len(found) == 3
            else None
        )

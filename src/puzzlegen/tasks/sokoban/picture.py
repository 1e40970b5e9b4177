"""What Sokoban shows: a room, boxes that change their look on goals, and the player; and reading boards back."""

from __future__ import annotations

from collections.abc import Sequence

from puzzlegen.grid import Cell
from puzzlegen.tasks.sokoban.state import SokobanState
from puzzlegen.types import Glyph, Mark, Token

BOX, STORED, PLAYER = Mark("box"), Mark("stored"), Mark("player")
_WALL: Glyph = (Mark("wall"),)
_FLOOR: Glyph = (Mark("floor"),)
_GOAL: Glyph = (Mark("floor"), Mark("goal"))
_ON_WALL: tuple[Glyph, ...] = ((),)
_ON_FLOOR: tuple[Glyph, ...] = ((), (BOX,), (PLAYER,))
_ON_GOAL: tuple[Glyph, ...] = ((), (STORED,), (PLAYER,))


def room(start: SokobanState) -> tuple[Glyph, ...]:
    """Walls, floor and goals."""
    glyphs = [_WALL if character == "#" else _FLOOR for character in start.floor]
    for row, col in start.goals:
        glyphs[row * start.shape[1] + col] = _GOAL
    return tuple(glyphs)


def box(state: SokobanState, number: int, cell: Cell) -> Token:
    """A box in a cell of this room, "stored" if it is a goal."""
    return Token(STORED if cell in state.goals else BOX, cell, key=f"box{number}")


def player(cell: Cell) -> Token:
    """The player in a cell."""
    return Token(PLAYER, cell, key="player")


def things(state: SokobanState) -> tuple[Token, ...]:
    """Boxes by number, then the player."""
    boxes = [box(state, number, cell) for number, cell in enumerate(state.boxes)]
    return (*boxes, player(state.player))


def stacks(start: SokobanState) -> list[tuple[Glyph, ...]]:
    """For each cell: nothing on walls; nothing, a box or the player on floor, where boxes on goals are stored ones."""
    found = [_ON_WALL if character == "#" else _ON_FLOOR for character in start.floor]
    for row, col in start.goals:
        found[row * start.shape[1] + col] = _ON_GOAL
    return found


def read_board(start: SokobanState, board: Sequence[Glyph]) -> SokobanState | None:
    """The state with boxes (numbered in reading order) and player where they are seen.

    None if there is not exactly one player and every box, if something stands in a wall, or if a box is
    drawn as stored off the goals or the other way round.
    """
    boxes: list[Cell] = []
    players: list[Cell] = []
    allowed = stacks(start)
    for cell, stack in enumerate(board):
        if not stack:
            continue
        if stack not in allowed[cell]:
            return None
        (players if stack == (PLAYER,) else boxes).append(divmod(cell, start.shape[1]))
    if len(players) != 1 or len(boxes) != len(start.boxes):
        return None
    return SokobanState(shape=start.shape, floor=start.floor, goals=start.goals, boxes=tuple(boxes), player=players[0])

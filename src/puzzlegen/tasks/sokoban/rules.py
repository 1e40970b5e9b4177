"""Sokoban: a player pushes boxes, one at a time and never two in a row, until every box stands on a goal.

Text is XSB: `#` wall, space floor, `@` player, `+` player on a goal, `$` box, `*` box on a goal, `.` goal. Actions are
LURD letters: `u d l r` walk, `U D L R` push::

    ######
    #@ $.#
    ######    solved by "rR"
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from puzzlegen.errors import IllegalAction, Unsolvable
from puzzlegen.grid import DIRECTIONS, SYMMETRIES, Cell, Shape, move, sources
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.tasks.sokoban import xsb
from puzzlegen.tasks.sokoban.bits import cells
from puzzlegen.tasks.sokoban.board import Board, board_of
from puzzlegen.tasks.sokoban.rooms import draw_start
from puzzlegen.tasks.sokoban.solver import best_line, fewest_pushes
from puzzlegen.tasks.sokoban.state import SokobanState
from puzzlegen.types import Glyph, Mark, Solution, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class SokobanParams:
    """Fields of a Sokoban level."""

    size: int
    """Cells along a side, the outer wall included, 5 to 16."""
    boxes: int
    """Number of boxes, 1 to 6."""
    walls: int
    """How many of 100 inner cells are walls on average, 0 to 40."""
    pushes: tuple[int, int]
    """Fewest and most pushes that a start needs."""
    moves: tuple[int, int]
    """Fewest and most moves (walked cells and pushes) of the best solution."""

    def __post_init__(self) -> None:
        for name, low, high in (("size", 5, 16), ("boxes", 1, 6), ("walls", 0, 40)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be {low} to {high}, got {getattr(self, name)}")
        for name in ("pushes", "moves"):
            first, last = getattr(self, name)
            if not 1 <= first <= last <= 1000:
                raise ValueError(f"{name} must be a range within 1 to 1000, got {first} to {last}")
        if self.pushes[0] < self.boxes:
            raise ValueError(f"pushes must begin at {self.boxes} or more, one for each box, got {self.pushes[0]}")
        if self.moves[1] < self.pushes[0]:
            raise ValueError(f"moves must reach {self.pushes[0]}, the fewest pushes, got at most {self.moves[1]}")


class Sokoban(Task[SokobanParams, SokobanState]):
    """Pushing boxes onto goals. Optimal means fewest moves, then fewest pushes; `distance` counts pushes."""

    version = 1
    Params = SokobanParams
    State = SokobanState

    def generate(self, params: SokobanParams, rng: Rng) -> SokobanState:
        """Draw a room with goals, then a start whose fewest pushes are drawn uniformly from what the room offers."""
        floor, goals, boxes, player = draw_start(params.size, params.boxes, params.walls, params.pushes, rng)
        size = params.size
        return SokobanState(
            shape=(size, size),
            floor="".join([" " if floor >> index & 1 else "#" for index in range(size * size)]),
            goals=tuple([divmod(index, size) for index in cells(goals)]),
            boxes=tuple([divmod(index, size) for index in cells(boxes)]),
            player=divmod(player.bit_length() - 1, size),
        )

    def solve(self, start: SokobanState) -> Solution:
        """The fewest moves and, among such solutions, the fewest pushes. Whether it is the only one is not decided."""
        board, boxes, player = _masks(start)
        least = fewest_pushes(board, boxes, player)
        line = best_line(board, boxes, player) if least.value is not None else None
        if line is None or least.value is None:
            raise Unsolvable("no sequence of pushes brings every box onto a goal")
        measures = {
            "moves": len(line),
            "pushes": sum(map(str.isupper, line)),
            "min_pushes": least.value,
            **_box_measures(start, line),
            "lower_bound_gap": least.value - board.bound(boxes, player),
            "push_nodes": least.expanded,
        }
        return Solution(actions=tuple(line), optimal=True, unique=None, measures=measures)

    def accepts(self, params: SokobanParams, solution: Solution) -> str | None:
        """Both ranges hold for the best solution."""
        if not params.moves[0] <= solution.measures["moves"] <= params.moves[1]:
            return "moves out of range"
        if not params.pushes[0] <= solution.measures["pushes"] <= params.pushes[1]:
            return "pushes out of range"
        return None

    def fewest_actions(self, params: SokobanParams) -> int:
        """The lower end of the moves range."""
        return params.moves[0]

    def actions(self, state: SokobanState) -> Iterable[str]:
        """Walks and pushes in the order U D L R."""
        found = []
        for direction in DIRECTIONS:
            near = move(state.player, direction)
            if near in state.boxes:
                if _is_free(state, move(near, direction)):
                    found.append(direction)
            elif _is_floor(state, near):
                found.append(direction.lower())
        return found

    def step(self, state: SokobanState, action: str) -> SokobanState:
        """Walk (lower case) or push (upper case) one cell."""
        direction = action.upper()
        if len(action) != 1 or direction not in DIRECTIONS:
            raise IllegalAction(f"{action!r} is none of the actions u d l r U D L R")
        near = move(state.player, direction)
        boxes = state.boxes
        if near in boxes:
            behind = move(near, direction)
            if action != direction:
                raise IllegalAction(f"{action!r} walks, but at {near} there is a box; {direction!r} pushes it")
            if not _is_free(state, behind):
                raise IllegalAction(f"{action!r} cannot push the box at {near}: {behind} is not free")
            boxes = tuple([behind if box == near else box for box in boxes])
        elif action == direction:
            raise IllegalAction(f"{action!r} pushes, but at {near} there is no box; {direction.lower()!r} walks")
        elif not _is_floor(state, near):
            raise IllegalAction(f"{action!r} runs into the wall at {near}")
        return SokobanState(shape=state.shape, floor=state.floor, goals=state.goals, boxes=boxes, player=near)

    def is_solved(self, state: SokobanState) -> bool:
        """Every box stands on a goal."""
        return set(state.boxes) == set(state.goals)

    def distance(self, state: SokobanState) -> int | None:
        """The fewest pushes that solve the state. Raises SearchLimit where a large level leaves it open."""
        return fewest_pushes(*_masks(state)).value

    def symmetries(self, start: SokobanState) -> Iterable[SokobanState]:
        """The eight rotations and mirror images, cropped to the floor and one wall around it."""
        cropped = _crop(start)
        for symmetry in SYMMETRIES:
            goals = [symmetry.cell(cell, cropped.shape) for cell in cropped.goals]
            boxes = [symmetry.cell(cell, cropped.shape) for cell in cropped.boxes]
            yield SokobanState(
                shape=symmetry.shape(cropped.shape),
                floor="".join([cropped.floor[source] for source in sources(symmetry, cropped.shape)]),
                goals=tuple(sorted(goals)),
                boxes=tuple(sorted(boxes)),
                player=symmetry.cell(cropped.player, cropped.shape),
            )

    def structure(self, start: SokobanState) -> object:
        """The walls alone, cropped."""
        cropped = _crop(start)
        return [cropped.shape, cropped.floor]

    def parse(self, text: str) -> SokobanState:
        """Read XSB; lines may be ragged, and lines that begin with ';' are comments."""
        return xsb.parse(text)

    def text(self, state: SokobanState) -> str:
        """XSB with walls wherever the player can never get."""
        return xsb.text(state)

    def shape(self, start: SokobanState) -> Shape:
        """The room with its outer wall."""
        return start.shape

    def backdrop(self, start: SokobanState) -> tuple[Glyph, ...]:
        """Walls, floor and goals."""
        glyphs = [_WALL if character == "#" else _FLOOR for character in start.floor]
        for row, col in start.goals:
            glyphs[row * start.shape[1] + col] = _GOAL
        return tuple(glyphs)

    def tokens(self, state: SokobanState) -> tuple[Token, ...]:
        """Boxes by number, those on goals as "stored", then the player."""
        boxes = [
            Token(_STORED if box in state.goals else _BOX, box, key=f"box{number}")
            for number, box in enumerate(state.boxes)
        ]
        return (*boxes, Token(_PLAYER, state.player, key="player"))

    def glyphs(self, start: SokobanState) -> Sequence[Sequence[Glyph]]:
        """Walls stay empty; any floor may be empty, or hold a box or the player."""
        stacks = [_ON_WALL if character == "#" else _ON_FLOOR for character in start.floor]
        for row, col in start.goals:
            stacks[row * start.shape[1] + col] = _ON_GOAL
        return stacks

    def read(self, start: SokobanState, board: Sequence[Glyph]) -> SokobanState | None:
        """The state with boxes (numbered in reading order) and player where they are seen.

        None if there is not exactly one player and every box, if something stands in a wall, or if a box is
        drawn as stored off the goals or the other way round.
        """
        boxes: list[Cell] = []
        players: list[Cell] = []
        stacks = self.glyphs(start)
        for cell, stack in enumerate(board):
            if not stack:
                continue
            if stack not in stacks[cell]:
                return None
            (players if stack == (_PLAYER,) else boxes).append(divmod(cell, start.shape[1]))
        if len(players) != 1 or len(boxes) != len(start.boxes):
            return None
        return SokobanState(
            shape=start.shape, floor=start.floor, goals=start.goals, boxes=tuple(boxes), player=players[0]
        )


_BOX, _STORED, _PLAYER = Mark("box"), Mark("stored"), Mark("player")
_WALL: Glyph = (Mark("wall"),)
_FLOOR: Glyph = (Mark("floor"),)
_GOAL: Glyph = (Mark("floor"), Mark("goal"))
_ON_WALL: tuple[Glyph, ...] = ((),)
_ON_FLOOR: tuple[Glyph, ...] = ((), (_BOX,), (_PLAYER,))
_ON_GOAL: tuple[Glyph, ...] = ((), (_STORED,), (_PLAYER,))


def _is_floor(state: SokobanState, cell: Cell) -> bool:
    return state.floor[cell[0] * state.shape[1] + cell[1]] != "#"


def _is_free(state: SokobanState, cell: Cell) -> bool:
    return _is_floor(state, cell) and cell not in state.boxes


def _masks(state: SokobanState) -> tuple[Board, int, int]:
    """The room's tables, the boxes and the player as bits."""
    cols = state.shape[1]
    boxes = 0
    for row, col in state.boxes:
        boxes |= 1 << row * cols + col
    return board_of(state.shape, state.floor, state.goals), boxes, 1 << state.player[0] * cols + state.player[1]


def _box_measures(start: SokobanState, line: str) -> dict[str, int]:
    """Box lines: runs of pushes of one box in one direction, walks between them allowed; and changes of the box."""
    player = start.player
    pushed_to, before, lines, changes = None, "", 0, -1
    for letter in line:
        player = move(player, letter.upper())
        if letter.isupper():
            if player != pushed_to:
                changes += 1
            if player != pushed_to or letter != before:
                lines += 1
            pushed_to, before = move(player, letter), letter
    return {"box_lines": lines, "box_changes": max(0, changes)}


def _crop(state: SokobanState) -> SokobanState:
    """The same puzzle without the walls that touch no floor's row or column, boxes in reading order."""
    cols = state.shape[1]
    floor = [divmod(index, cols) for index, character in enumerate(state.floor) if character != "#"]
    top, bottom = floor[0][0] - 1, floor[-1][0] + 1
    left, right = min(col for _, col in floor) - 1, max(col for _, col in floor) + 1
    lines = [state.floor[row * cols + left : row * cols + right + 1] for row in range(top, bottom + 1)]
    return SokobanState(
        shape=(bottom - top + 1, right - left + 1),
        floor="".join(lines),
        goals=tuple([(row - top, col - left) for row, col in state.goals]),
        boxes=tuple(sorted([(row - top, col - left) for row, col in state.boxes])),
        player=(state.player[0] - top, state.player[1] - left),
    )

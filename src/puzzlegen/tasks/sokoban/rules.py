"""Sokoban: a player pushes boxes, one at a time and never two in a row, until every box stands on a goal.

Text is XSB: `#` wall, space floor, `@` player, `+` player on a goal, `$` box, `*` box on a goal, `.` goal. Actions are
LURD letters: `u d l r` walk, `U D L R` push::

    ######
    #@ $.#
    ######    solved by "rR"
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from puzzlegen.errors import IllegalAction, Unsolvable
from puzzlegen.grid import DIRECTIONS, SYMMETRIES, Shape, move, sources
from puzzlegen.replay import replay
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.tasks.sokoban import cheats, judging, picture, xsb
from puzzlegen.tasks.sokoban.bits import cells
from puzzlegen.tasks.sokoban.board import masks
from puzzlegen.tasks.sokoban.plans import push_optimal_lines
from puzzlegen.tasks.sokoban.rooms import draw_start
from puzzlegen.tasks.sokoban.solver import Search, best_line, fewest_pushes
from puzzlegen.tasks.sokoban.state import SokobanState, is_floor, is_free
from puzzlegen.types import Forgery, Glyph, Solution, Token


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
    manual = (
        "The board is a Sokoban level: '#' is wall, a blank is floor, '@' is the player, '$' a box, '.' a goal, '*' a "
        "box on a goal, '+' the player on a goal. The player walks to a free neighbouring cell, or pushes the one box "
        "that stands there one cell further, if the cell behind it is free. Boxes cannot be pulled, and two boxes "
        "cannot be pushed at once. Push every box onto a goal in as few moves as possible, and stop there. Write u, d, "
        "l, r for a walk and U, D, L, R for a push up, down, left or right, all moves as one word, such as rrUluR."
    )

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
        least, line, bound = self._search(start)
        if line is None or least.value is None:
            raise Unsolvable("no sequence of pushes brings every box onto a goal")
        measures = {
            "moves": len(line),
            "pushes": sum(map(str.isupper, line)),
            "min_pushes": least.value,
            **_box_measures(start, line),
            "lower_bound_gap": least.value - bound,
            "push_nodes": least.expanded,
        }
        return Solution(actions=tuple(line), optimal=True, unique=None, measures=measures)

    def _search(self, start: SokobanState) -> tuple[Search, str | None, int]:
        """(fewest pushes, best line, lower bound of the pushes) of a start."""
        board, boxes, player = masks(start)
        least = fewest_pushes(board, boxes, player)
        line = best_line(board, boxes, player) if least.value is not None else None
        return least, line, board.bound(boxes, player)

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

    def compiled(self) -> Sokoban:
        """Draws, solutions and distances on kernels; compiling them takes about half a minute, once."""
        from puzzlegen.tasks.sokoban import compiled  # loads numpy and numba

        return compiled.warm_up()

    def actions(self, state: SokobanState) -> Iterable[str]:
        """Walks and pushes in the order U D L R."""
        found = []
        for direction in DIRECTIONS:
            near = move(state.player, direction)
            if near in state.boxes:
                if is_free(state, move(near, direction)):
                    found.append(direction)
            elif is_floor(state, near):
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
            if not is_free(state, behind):
                raise IllegalAction(f"{action!r} cannot push the box at {near}: {behind} is not free")
            boxes = tuple([behind if box == near else box for box in boxes])
        elif action == direction:
            raise IllegalAction(f"{action!r} pushes, but at {near} there is no box; {direction.lower()!r} walks")
        elif not is_floor(state, near):
            raise IllegalAction(f"{action!r} runs into the wall at {near}")
        return SokobanState(shape=state.shape, floor=state.floor, goals=state.goals, boxes=boxes, player=near)

    def is_solved(self, state: SokobanState) -> bool:
        """Every box stands on a goal."""
        return set(state.boxes) == set(state.goals)

    def distance(self, state: SokobanState) -> int | None:
        """The fewest pushes that solve the state. Raises SearchLimit where a large level leaves it open."""
        return fewest_pushes(*masks(state)).value

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
        return picture.room(start)

    def tokens(self, state: SokobanState) -> tuple[Token, ...]:
        """Boxes by number, those on goals as "stored", then the player."""
        return picture.things(state)

    def glyphs(self, start: SokobanState) -> Sequence[Sequence[Glyph]]:
        """Walls stay empty; any floor may be empty, or hold a box or the player."""
        return picture.stacks(start)

    def read(self, start: SokobanState, board: Sequence[Glyph]) -> SokobanState | None:
        """The state with boxes (numbered in reading order) and player where they are seen; None if there is none."""
        return picture.read_board(start, board)

    def blame(self, state: SokobanState, board: Sequence[Glyph | None]) -> str:
        """BOX_COUNT, MULTI_AGENT, ILLEGAL_PUSH if boxes moved, WALL_HIT for a player past something solid, or JUMP."""
        return judging.blame(state, board)

    def forgeries(self, state: SokobanState) -> Iterable[Forgery]:
        """Pulls, pushes of two and from afar, boxes that come and go, players twice, far away and through walls."""
        return cheats.forgeries(state)

    def items(self, states: Sequence[SokobanState]) -> Counter[Hashable]:
        """Pushes: (cell of the box before, direction), as often as they happen; walks do not count."""
        return judging.pushes(states)

    def references(self, start: SokobanState, states: Sequence[SokobanState]) -> Iterable[Sequence[str]]:
        """The line that `solve` finds, and push-optimal ones: 32 at most, no two of the same pushes."""
        return _references(start)

    def components(self, states: Sequence[SokobanState]) -> Mapping[str, float]:
        """The terms of the published sums: state, proc, final; `judging.components` has the formulas."""
        return judging.components(states)


_MOST_REFERENCES = 32


@functools.lru_cache(maxsize=64)
def _references(start: SokobanState) -> tuple[tuple[str, ...], ...]:
    """Kept, because many clips of one puzzle are scored."""
    task = Sokoban()
    best = task.solve(start).actions
    known = {frozenset(judging.pushes(replay(task, start, best).states).items())}
    lines = [best]
    for line in push_optimal_lines(*masks(start)):
        made = frozenset(judging.pushes(replay(task, start, line).states).items())
        if made not in known and len(lines) < _MOST_REFERENCES:
            known.add(made)
            lines.append(tuple(line))
    return tuple(lines)


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
    cols, walls = state.shape[1], state.floor
    edges = walls[cols : 2 * cols], walls[-2 * cols : -cols], walls[1::cols], walls[cols - 2 :: cols]
    if all(edge.strip("#") for edge in edges) and list(state.boxes) == sorted(state.boxes):
        return state  # as every copy that `symmetries` gives
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

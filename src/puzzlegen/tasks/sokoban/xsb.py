"""XSB, the usual notation of Sokoban levels, to a state and back."""

from __future__ import annotations

from puzzlegen.errors import PuzzleTextError
from puzzlegen.grid import Cell, Shape
from puzzlegen.tasks.sokoban import bits
from puzzlegen.tasks.sokoban.state import SokobanState

MOST_BOXES = 12
LONGEST_SIDE = 64

_KINDS = ("@+", "$*", ".+*")  # player, box, goal
_KNOWN = "#@+$*. -_"


def parse(text: str) -> SokobanState:
    """Read one level; lines may be ragged, lines that begin with ';' are comments.

    Raises:
        PuzzleTextError: not a level, or one with an open room, an unreachable box or a wrong number of things.
    """
    lines, numbers, indent = _picture(text)
    shape = (len(lines), max(map(len, lines)))
    if max(shape) > LONGEST_SIDE:
        raise PuzzleTextError(f"a level has at most {LONGEST_SIDE} lines and columns, this one {shape[0]} x {shape[1]}")

    def where(cell: Cell) -> str:
        return f"line {numbers[cell[0]]}, column {cell[1] + indent + 1}"

    marks = [((row, col), character) for row, line in enumerate(lines) for col, character in enumerate(line)]
    for cell, character in marks:
        if character not in _KNOWN:
            raise PuzzleTextError(f"{where(cell)}: {character!r} is none of # @ + $ * . - _ and space")
    players, boxes, goals = ([cell for cell, character in marks if character in kind] for kind in _KINDS)
    if len(players) != 1:
        second = f"; {where(players[1])} has the second" if players else ""
        raise PuzzleTextError(f"a level has exactly one player ('@' or '+'), this one has {len(players)}{second}")
    if not 1 <= len(boxes) <= MOST_BOXES:
        raise PuzzleTextError(f"a level has 1 to {MOST_BOXES} boxes ('$' or '*'), this one has {len(boxes)}")
    if len(boxes) != len(goals):
        raise PuzzleTextError(f"a level has as many boxes as goals, this one {len(boxes)} boxes and {len(goals)} goals")
    reached = _reached({cell for cell, character in marks if character == "#"}, players[0], shape)
    for cell in sorted(reached):
        if cell[0] in (0, shape[0] - 1) or cell[1] in (0, shape[1] - 1):
            raise PuzzleTextError(f"{where(cell)}: the player can walk out of the room here; close the wall")
    for name, cells in (("box", boxes), ("goal", goals)):
        for cell in cells:
            if cell not in reached:
                raise PuzzleTextError(f"{where(cell)}: the player cannot get to this {name}; move it or open a way")
    floor = "".join(" " if (row, col) in reached else "#" for row in range(shape[0]) for col in range(shape[1]))
    return SokobanState(shape=shape, floor=floor, goals=tuple(goals), boxes=tuple(boxes), player=players[0])


def text(state: SokobanState) -> str:
    """Draw the state; walls fill the whole rectangle outside the floor."""
    cols = state.shape[1]
    picture = list(state.floor)
    for row, col in state.goals:
        picture[row * cols + col] = "."
    for row, col in state.boxes:
        picture[row * cols + col] = "*" if picture[row * cols + col] == "." else "$"
    place = state.player[0] * cols + state.player[1]
    picture[place] = "+" if picture[place] == "." else "@"
    drawn = "".join(picture)
    return "\n".join(drawn[first : first + cols] for first in range(0, len(drawn), cols))


def _picture(text: str) -> tuple[list[str], list[int], int]:
    """(lines without blank ends, comments and common indent, their numbers in the text, the indent taken off)."""
    numbered = [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), start=1)]
    numbered = [(number, line) for number, line in numbered if not line.startswith(";")]
    while numbered and not numbered[0][1]:
        del numbered[0]
    while numbered and not numbered[-1][1]:
        del numbered[-1]
    if not numbered:
        raise PuzzleTextError("there is no level in this text; draw one with '#', '@', '$' and '.'")
    indent = min(len(line) - len(line.lstrip(" ")) for _, line in numbered if line)
    return [line[indent:] for _, line in numbered], [number for number, _ in numbered], indent


def _reached(walls: set[Cell], player: Cell, shape: Shape) -> set[Cell]:
    """Cells of the picture that the player could walk to if there were no boxes."""
    cols = shape[1] + 1  # a wall column on the right, so that shifts do not wrap around
    free = bits.mask_of([r * cols + c for r in range(shape[0]) for c in range(shape[1]) if (r, c) not in walls])
    zone = bits.flood(1 << player[0] * cols + player[1], free, cols)
    return {divmod(index, cols) for index in bits.cells(zone)}

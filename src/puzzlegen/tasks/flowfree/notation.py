"""FlowFree as text: a grid of letters, two of each, and dots for empty cells."""

from __future__ import annotations

from puzzlegen.errors import PuzzleTextError
from puzzlegen.grid import Cell
from puzzlegen.tasks.flowfree.strands import FlowState, colors_on, ordered

COLORS = "ABCDEFGHIJKL"  # the most that the counting program tells apart


def text_of(state: FlowState) -> str:
    """Endpoints as capital letters, drawn cells as small ones."""
    rows, cols = state.shape
    picture = [["."] * cols for _ in range(rows)]
    for (row, col), color in colors_on(state).items():
        picture[row][col] = COLORS[color].lower()
    for color, ends in enumerate(state.ends):
        for row, col in ends:
            picture[row][col] = COLORS[color]
    return "\n".join(map("".join, picture))


def parse_text(text: str) -> FlowState:
    """Read a board without drawn cells; letters are names, `a` and `A` two of them."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if any(" " in line for line in lines):
        lines = [_unspaced(line, number) for number, line in enumerate(lines, start=1)]
        step = 2
    else:
        step = 1
    if len(lines) < 2 or len(lines[0]) < 2:
        raise PuzzleTextError("a FlowFree board has 2 or more rows and columns")
    places: dict[str, list[Cell]] = {}
    for row, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise PuzzleTextError(f"line {row + 1} has {len(line)} cells, line 1 has {len(lines[0])}")
        for col, character in enumerate(line):
            if character != ".":
                _check_letter(character, _where((row, col), step))
                places.setdefault(character, []).append((row, col))
    _check_pairs(places, step)
    pairs = ((first, second, "", "") for first, second in places.values())
    return ordered((len(lines), len(lines[0])), pairs)


def _where(cell: Cell, step: int) -> str:
    return f"line {cell[0] + 1}, column {cell[1] * step + 1}"


def _unspaced(line: str, number: int) -> str:
    """The characters of a line that has exactly one space between each two."""
    for column, character in enumerate(line, start=1):
        if (character == " ") == (column % 2 == 1):
            wanted = "a letter or '.'" if column % 2 else "a space, as between the other characters"
            raise PuzzleTextError(f"line {number}, column {column}: expected {wanted}, got {character!r}")
    return line[::2]


def _check_letter(character: str, where: str) -> None:
    if not (character.isascii() and character.isalpha()):
        raise PuzzleTextError(f"{where}: {character!r} is neither '.' nor a letter A to Z or a to z")


def _check_pairs(places: dict[str, list[Cell]], step: int) -> None:
    if not places:
        raise PuzzleTextError("a FlowFree board has at least one pair of letters")
    for letter, cells in places.items():
        if len(cells) == 1:
            raise PuzzleTextError(f"{_where(cells[0], step)}: the letter {letter!r} has no second one")
        if len(cells) > 2:
            raise PuzzleTextError(f"{_where(cells[2], step)}: the letter {letter!r} stands here for the third time")
    if len(places) > len(COLORS):
        cell = list(places.values())[len(COLORS)][0]
        raise PuzzleTextError(f"{_where(cell, step)}: a board has at most {len(COLORS)} pairs of letters")

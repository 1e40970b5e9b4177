"""Exact count of full covers by a dynamic program over the frontier (broken profile), and reading one back.

Cells are scanned row by row, the narrow side across. Between two cells the frontier cuts cols + 1 links: one below
each column and one to the right of the last cell; `slots` says what is kept of each. Two partial boards with equal
slots have the same completions, so a layer is a dict from all slots in one int to the number of partial boards.

Of several covers `cover` reads this one: from the last cell of the scan back to the first, a cell that some
remaining cover links upwards is linked upwards, and only otherwise to the left (in the frame of the scan).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from puzzlegen.errors import SearchLimit
from puzzlegen.grid import LINK, Shape, Symmetry
from puzzlegen.tasks.flowfree.slots import EMPTY as EMPTY
from puzzlegen.tasks.flowfree.slots import MAX_COLORS, NO_LINK, Table, allowed, partner_above, partner_below, table

MAX_NARROW = 11
MAX_STATES = 2_000_000  # slots of all layers together; a 9x9 board has some ten thousand

_TURNED_MASKS = tuple(Symmetry(True, False, False).links(mask) for mask in range(16))

Layer = dict[int, int]


class Upright(NamedTuple):
    """A board turned so that its narrow side lies across."""

    shape: Shape
    transposed: bool
    dots: Sequence[int]
    drawn: Sequence[int]


class Scan(NamedTuple):
    """A board prepared for the program: in scan order, the table of each cell."""

    shape: Shape
    transposed: bool
    tables: list[Table]


def upright(shape: Shape, dots: Sequence[int], drawn: Sequence[int] | None = None) -> Upright:
    """Turn a board, if need be.

    Args:
        shape: rows and columns.
        dots: for each cell in reading order the color of its endpoint, or EMPTY.
        drawn: for each cell the mask of `grid.LINK` bits that every cover must have.

    Raises:
        SearchLimit: the board is too wide or has too many colors for the program.
    """
    transposed = shape[1] > shape[0]
    if min(shape) > MAX_NARROW:
        raise SearchLimit(
            f"A board of {shape[0]}x{shape[1]} cells is too large to count covers: its narrow side may have at most "
            f"{MAX_NARROW}."
        )
    if max(dots) >= MAX_COLORS:
        raise SearchLimit(f"A board may have at most {MAX_COLORS} colors, this one has {max(dots) + 1}.")
    drawn = drawn or [0] * len(dots)
    if transposed:
        return Upright((shape[1], shape[0]), True, _transposed(shape, dots), turned(shape, drawn))
    return Upright(shape, False, dots, drawn)


def scan(shape: Shape, dots: Sequence[int], drawn: Sequence[int] | None = None) -> Scan:
    """Prepare a board; arguments and errors are those of `upright`."""
    (rows, cols), transposed, dots, drawn = upright(shape, dots, drawn)
    tables = []
    for cell, dot in enumerate(dots):
        down = allowed(dots[cell + cols], drawn[cell] & LINK["D"]) if cell < (rows - 1) * cols else NO_LINK
        right = allowed(dots[cell + 1], drawn[cell] & LINK["R"]) if (cell + 1) % cols else NO_LINK
        tables.append(table(dot, down, right))
    return Scan((rows, cols), transposed, tables)


def count(board: Scan) -> int:
    """The number of full covers."""
    layer: Layer = {0: 1}
    states = 0
    cols = board.shape[1]
    for cell, kind in enumerate(board.tables):
        layer = _advance(layer, kind, cell % cols)
        states = _checked(states + len(layer))
    return layer.get(0, 0)


def cover(board: Scan) -> tuple[int, list[int]]:
    """The number of full covers, and the link masks of one in reading order (empty if there is none)."""
    layers: list[Layer] = [{0: 1}]
    states = 0
    cols = board.shape[1]
    for cell, kind in enumerate(board.tables):
        layers.append(_advance(layers[-1], kind, cell % cols))
        states = _checked(states + len(layers[-1]))
    covers = layers[-1].get(0, 0)
    if not covers:
        return 0, []
    masks = _read_back(board, layers)
    if board.transposed:
        masks = turned(board.shape, masks)
    return covers, masks


def _checked(states: int) -> int:
    if states > MAX_STATES:
        raise too_many_states()
    return states


def too_many_states() -> SearchLimit:
    """The error for a board that takes more than MAX_STATES."""
    return SearchLimit(f"Counting the covers of this board needs more than {MAX_STATES} states: take a smaller one.")


def _advance(layer: Layer, kind: Table, col: int) -> Layer:
    """The layer after one more cell, whose slots are `col` (from the left, then down) and the next (above, right)."""
    if col == 0:
        layer = {slots << 4: ways for slots, ways in layer.items()}
    shift = 4 * col
    below = (1 << shift) - 1
    first, second, joins, _, _ = kind
    following: Layer = {}
    places: dict[int, int] = {}
    for slots, ways in layer.items():
        pair = (slots >> shift) & 255
        change = first[pair]
        if change is not None:
            new = slots + (change << shift)
            if new in following:
                following[new] += ways
            else:
                following[new] = ways
            change = second[pair]
            if change is None:
                continue
            new = slots + (change << shift)
        else:
            rule = joins[pair]
            if rule is None:
                continue
            new = slots - (pair << shift)
            part = new >> shift if rule[0] else new & below  # never equal: only the former lack an opening bracket
            place = places.get(part)
            if place is None:
                place = places[part] = partner_above(part) + shift if rule[0] else partner_below(part, shift)
            new += rule[1] << place
        if new in following:
            following[new] += ways
        else:
            following[new] = ways
    return following


def _read_back(board: Scan, layers: Sequence[Layer]) -> list[int]:
    """The link masks of one cover in scan order; see the head of this file for which.

    All slots that the masks chosen so far allow are followed at once, so that the choice does not depend on how
    layers are stored.
    """
    cols = board.shape[1]
    masks = [0] * len(board.tables)
    ends = [0]
    for cell in range(len(masks) - 1, -1, -1):
        above, left, ends = _before(ends, board.tables[cell], cell % cols, layers[cell])
        if above:
            masks[cell] |= LINK["U"]
            masks[cell - cols] |= LINK["D"]
        if left:
            masks[cell] |= LINK["L"]
            masks[cell - 1] |= LINK["R"]
    return masks


def _before(ends: Sequence[int], kind: Table, col: int, layer: Layer) -> tuple[bool, bool, list[int]]:
    """(linked above, linked left, all slots in `layer` that this choice of links leads from to one of `ends`)."""
    shift = 4 * col
    best = (False, False)
    found: list[int] = []
    for end in ends:
        for slots in _sources(end, kind, shift):
            links = (slots >> shift + 4 & 15 > 0, slots >> shift & 15 > 0)
            source = slots if col else slots >> 4
            if links < best or source not in layer or (not col and slots & 15):
                continue
            if links > best:
                best, found = links, []
            if source not in found:
                found.append(source)
    return *best, found


def _sources(end: int, kind: Table, shift: int) -> list[int]:
    """All slots that the cell at `shift` turns into `end`, whether they can occur or not."""
    after = (end >> shift) & 255
    found = [end + ((pair - after) << shift) for pair in kind.before.get(after, ())]
    if after or not kind.far:
        return found
    place, rest = 0, end
    while rest:
        for pair in kind.far.get(rest & 15, ()):
            rule = kind.joins[pair]
            if rule and rule[0] == (place > shift):
                source = end - (rule[1] << place)
                if (partner_above(source >> shift) + shift if rule[0] else partner_below(source, shift)) == place:
                    found.append(source + (pair << shift))
        rest >>= 4
        place += 4
    return found


def turned(shape: Shape, masks: Sequence[int]) -> list[int]:
    """The link masks of a board's cells in the order of the transposed board, and turned as it is."""
    return [_TURNED_MASKS[mask] for mask in _transposed(shape, masks)]


def _transposed(shape: Shape, values: Sequence[int]) -> list[int]:
    """The values of a board's cells in the order of the transposed board."""
    rows, cols = shape
    return [values[row * cols + col] for col in range(cols) for row in range(rows)]

"""FlowFree pictures that cheat: one step away from a state, each by breaking one rule."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE, Cell, cells_of, move, neighbors
from puzzlegen.tasks.flowfree.picture import Pipes, pipes_on, tokens_of
from puzzlegen.tasks.flowfree.strands import FlowState, colors_on, drawn, extended, is_closed, obstacle, tip
from puzzlegen.types import Forgery

_LEAP = 6
"""Links that a strand grows at once: a clip that lost frames may skip a few honestly."""

T = TypeVar("T")


def forgeries(state: FlowState) -> Iterator[Forgery]:
    """Up to 28 pictures; of each kind a few that lie far apart, others in the next state."""
    pipes, owner = pipes_on(state), colors_on(state)
    turn = drawn(state)
    kinds: list[tuple[str, list[Pipes], int]] = [
        ("CROSSING", _crossings(state, owner), 6),
        ("CROSSING", _recolored(state, pipes), 3),
        ("BRANCH", _stubs(state, pipes, owner), 6),
        ("BRANCH", _strays(state, owner), 4),
        ("BRANCH", _loops(state, owner), 2),
        ("JUMP", _erased(state, pipes), 4),
        ("JUMP", _leaps(state), 3),
    ]
    pictures = [(code, {**pipes, **change}) for code, some, most in kinds for change in _some(some, most, turn)]
    forged = [
        Forgery(code, tokens_of({cell: shown[cell] for cell in sorted(shown) if shown[cell][1]}))
        for code, shown in pictures
    ]
    yield from dict.fromkeys(forged)  # both strands of a color may leap into one picture


def _some(found: list[T], most: int, turn: int) -> list[T]:
    """Up to `most`, evenly spaced; which ones come first depends on the turn."""
    count = min(most, len(found))
    return [found[(number * len(found) // count + turn) % len(found)] for number in range(count)]


def _crossings(state: FlowState, owner: dict[Cell, int]) -> list[Pipes]:
    """The tip of a strand goes on into a cell of another color, which then shows it, or right through it."""
    pipes, found = pipes_on(state), list[Pipes]()
    endpoints = _endpoints(state)
    for color, place in _open_tips(state):
        for direction, cell in neighbors(place, state.shape):
            if cell in endpoints or owner.get(cell, color) == color:
                continue
            back, beyond = LINK[OPPOSITE[direction]], move(cell, direction)
            come = {place: (color, pipes.get(place, (color, 0))[1] | LINK[direction])}
            found.append({**come, cell: (color, back)})
            if (direction, beyond) in neighbors(cell, state.shape) and beyond not in owner:
                found.append({**come, cell: (color, back | LINK[direction]), beyond: (color, back)})
    return found


def _recolored(state: FlowState, pipes: Pipes) -> list[Pipes]:
    """A drawn cell takes the next color."""
    endpoints, colors = _endpoints(state), len(state.ends)
    cells = {} if colors == 1 else pipes
    return [{cell: ((color + 1) % colors, links)} for cell, (color, links) in cells.items() if cell not in endpoints]


def _stubs(state: FlowState, pipes: Pipes, owner: dict[Cell, int]) -> list[Pipes]:
    """A branch beside a strand, in a free cell and joined to the strand; not beside an open tip, where a link may grow.

    A cell can show no three links, so the branch is drawn on its own side only.
    """
    tips = {cell for _, cell in _open_tips(state)}
    return [
        {other: (color, LINK[OPPOSITE[direction]])}
        for cell, (color, _) in pipes.items()
        if cell not in tips
        for direction, other in neighbors(cell, state.shape)
        if other not in owner
    ]


def _strays(state: FlowState, owner: dict[Cell, int]) -> list[Pipes]:
    """Two joined pipes in free cells, away from the open tips of their color."""
    tips, colors = set(_open_tips(state)), len(state.ends)
    found = []
    for number, cell in enumerate(cells_of(state.shape)):
        color = number % colors
        for direction in "DR":
            pair = [cell, move(cell, direction)]
            beside = [other for place in pair for _, other in neighbors(place, state.shape)]
            if (direction, pair[1]) not in neighbors(cell, state.shape) or any(place in owner for place in pair):
                continue
            if not any((color, other) in tips for other in beside):
                found.append({pair[0]: (color, LINK[direction]), pair[1]: (color, LINK[OPPOSITE[direction]])})
    return found


def _loops(state: FlowState, owner: dict[Cell, int]) -> list[Pipes]:
    """A closed ring of four free cells."""
    rows, cols = state.shape
    found = []
    for number, (row, col) in enumerate(cells_of((rows - 1, cols - 1))):
        ring = {(row, col): "DR", (row, col + 1): "DL", (row + 1, col): "UR", (row + 1, col + 1): "UL"}
        if not any(cell in owner for cell in ring):
            color = number % len(state.ends)
            found.append({cell: (color, sum(LINK[way] for way in ways)) for cell, ways in ring.items()})
    return found


def _erased(state: FlowState, pipes: Pipes) -> list[Pipes]:
    """All that is drawn of one color is gone."""
    return [
        {cell: (color, 0) for cell, (other, _) in pipes.items() if other == color}
        for color, pair in enumerate(state.strands)
        if any(pair)
    ]


def _leaps(state: FlowState) -> list[Pipes]:
    """A strand has grown by many links at once, straight on where it can."""
    found = []
    for color in range(len(state.ends)):
        for strand in (0, 1):
            after = state
            for _ in range(_LEAP):
                taken, own = colors_on(after), after.strands[color]
                ways = own[strand][-1:] + DIRECTIONS  # the last one first
                free = [way for way in ways if obstacle(after, taken, color, strand, way) is None]
                if is_closed(after, color) or not free:
                    break
                after = extended(after, color, strand, free[0])
            if drawn(after) == drawn(state) + _LEAP:
                found.append(pipes_on(after))
    return found


def _open_tips(state: FlowState) -> list[tuple[int, Cell]]:
    """(color, cell) of the tips that may still be extended, endpoints without a strand included."""
    return [
        (color, tip(end, strand))
        for color, (ends, strands) in enumerate(zip(state.ends, state.strands, strict=True))
        if not is_closed(state, color)
        for end, strand in zip(ends, strands, strict=True)
    ]


def _endpoints(state: FlowState) -> set[Cell]:
    return {cell for ends in state.ends for cell in ends}

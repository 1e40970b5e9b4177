"""What judging FlowFree needs: names of faults, the cells that precision counts, terms of published rewards."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE, Cell, cells_of, move
from puzzlegen.tasks.flowfree.picture import Pipes, pipes_on
from puzzlegen.tasks.flowfree.strands import FlowState, colors_on, drawn, extended, is_closed, obstacle
from puzzlegen.types import Glyph


def blame(state: FlowState, board: Sequence[Glyph | None]) -> str:
    """The fault of a board that no action from `state` leads to; the first that fits.

    CROSSING: a cell that one color has (its endpoint, or drawn) shows a pipe of another.
    JUMP: a link that was drawn is gone from a cell that is clear.
    BRANCH: pipes that are no strands of their color: three links, one that its neighbour does not return, no
    endpoint that they lead to (loops, pipes from nowhere). What ends in an unclear cell may be a strand.
    JUMP: all else, such as a whole strand at once.
    """
    shown: Pipes = {}
    unclear = set[Cell]()
    for cell, stack in zip(cells_of(state.shape), board, strict=True):
        if stack is None:
            unclear.add(cell)
        elif stack:
            shown[cell] = stack[-1].hue, stack[-1].links
    owner = colors_on(state)
    if any(owner.get(cell, color) != color for cell, (color, _) in shown.items()):
        return "CROSSING"
    for cell, (color, links) in pipes_on(state).items():
        if cell not in unclear and links & ~shown.get(cell, (color, 0))[1]:
            return "JUMP"
    return "JUMP" if _are_strands(state, shown, unclear) else "BRANCH"


def _are_strands(state: FlowState, shown: Pipes, unclear: set[Cell]) -> bool:
    """Whether every pipe leads without a fork to an endpoint of its color or into an unclear cell."""
    endpoints = {cell for ends in state.ends for cell in ends}
    reached: set[Cell] = set()
    frontier: list[Cell] = []
    for cell, (color, links) in shown.items():
        ways = [direction for direction in DIRECTIONS if links & LINK[direction]]
        if len(ways) > (1 if cell in endpoints else 2):
            return False
        beyond = {direction: move(cell, direction) for direction in ways}
        for direction, other in beyond.items():
            hue, back = shown.get(other, (-1, 0))
            if other not in unclear and (hue != color or not back & LINK[OPPOSITE[direction]]):
                return False
        if cell in endpoints or unclear.intersection(beyond.values()):
            frontier.append(cell)
    while frontier:
        cell = frontier.pop()
        reached.add(cell)
        links = shown[cell][1]
        joined = [move(cell, direction) for direction in DIRECTIONS if links & LINK[direction]]
        frontier += [other for other in joined if other in shown and other not in reached]
    return len(reached) == len(shown)


def covered(state: FlowState) -> dict[Cell, int]:
    """The color of every covered cell that is no endpoint."""
    endpoints = {cell for ends in state.ends for cell in ends}
    return {cell: color for cell, color in colors_on(state).items() if cell not in endpoints}


def components(states: Sequence[FlowState]) -> dict[str, float]:
    """The terms of VideoRLVR's FlowFree rewards, for all that the clip shows; formulas and names are ours.

    conn: share of the colors whose endpoints are joined in the last state.
    valid: share of its links that lie on strands without a branch, 0 if none is drawn. What can be read as a state
    has no branches, so it is 1 as soon as one link is drawn.
    fill: share of the cells between endpoints that the last state covers.
    process: share of the changes that draw one legal link, 0 if there is no change.
    endpoints: share of the endpoints that are still there: always 1, since they are part of every readable picture.
    It pays a frozen clip: a weighting with `endpoints` is for comparison, not for training.
    """
    last = states[-1]
    colors = len(last.ends)
    legal = [_is_step(one, other) for one, other in itertools.pairwise(states)]
    to_fill = last.shape[0] * last.shape[1] - 2 * colors
    return {
        "conn": sum(is_closed(last, color) for color in range(colors)) / colors,
        "valid": float(drawn(last) > 0),
        "fill": len(covered(last)) / to_fill if to_fill else 1.0,
        "process": sum(legal) / len(legal) if legal else 0.0,
        "endpoints": 1.0,
    }


def _is_step(one: FlowState, other: FlowState) -> bool:
    """Whether one legal link leads from a state to the other."""
    changed = [color for color, pair in enumerate(one.strands) if pair != other.strands[color]]
    if len(changed) != 1 or drawn(other) != drawn(one) + 1 or is_closed(one, changed[0]):
        return False
    taken = colors_on(one)
    return any(
        obstacle(one, taken, changed[0], strand, direction) is None
        and extended(one, changed[0], strand, direction) == other
        for strand in (0, 1)
        for direction in DIRECTIONS
    )

"""Push-optimal solutions: all ways down the fewest pushes, those that make the same pushes taken once."""

from __future__ import annotations

from collections.abc import Iterator

from puzzlegen.errors import SearchLimit
from puzzlegen.tasks.sokoban.bits import flood, shifts
from puzzlegen.tasks.sokoban.board import Board
from puzzlegen.tasks.sokoban.matching import FAR
from puzzlegen.tasks.sokoban.solver import fewest_pushes

MOST_LINES = 32
NODE_LIMIT = 4_000
"""Nodes that the search enters: about 0.2 s."""

Push = tuple[int, int]  # player's cell before the push, number of the direction in U D L R
Node = tuple[int, int, int]  # boxes, the player's zone, pushes left


def push_optimal_lines(
    board: Board, boxes: int, player: int, most: int = MOST_LINES, limit: int = NODE_LIMIT
) -> list[str]:
    """Solutions with the fewest pushes as LURD letters, walks between pushes as short as can be.

    No two make the same pushes (box cell and direction) equally often: orders of the same pushes count as one.

    Args:
        board: the room.
        boxes: box cells.
        player: the player's cell.
        most: lines to stop at.
        limit: nodes to stop at; what has been found by then is returned.

    Returns:
        Lines in a fixed order: depth first, pushes by direction U D L R, then by the box's cell. Empty if there is no
        solution or none was found within the limits.
    """
    try:
        least = fewest_pushes(board, boxes, player).value
    except SearchLimit:
        return []
    if least is None:
        return []
    lines = []
    for plan in _plans(board, boxes, player, least, limit):
        lines.append(_line(board, boxes, player, plan))
        if len(lines) == most:
            break
    return lines


def _plans(board: Board, boxes: int, player: int, least: int, limit: int) -> Iterator[list[Push]]:
    """Depth-first search for plans of exactly `least` pushes.

    A node is left alone if the lower bound exceeds the pushes left, if it is known to lead nowhere, or if it was
    entered before after the same pushes in another order.
    """
    hopeless: set[Node] = set()
    entered: set[tuple[Node, tuple[Push, ...]]] = set()
    plan: list[Push] = []
    root = (boxes, flood(player, board.floor & ~boxes, board.cols), least)
    if not least:
        yield []
        return
    stack = [(root, _steps(board, root))]
    fruitful = [False]
    while stack:
        node, steps = stack[-1]
        step = next(steps, None)
        if step is None:
            stack.pop()
            if not fruitful.pop():
                hopeless.add(node)
            elif fruitful:
                fruitful[-1] = True
            if plan:
                plan.pop()
            continue
        push, child = step
        if child in hopeless or (not child[2] and child[0] != board.goals):
            continue
        if not child[2]:
            child = (child[0], 0, 0)  # where the player could go then tells no plans apart
        mark = (child, tuple(sorted([*plan, push])))
        if mark in entered:
            fruitful[-1] = True
            continue
        if len(entered) == limit:
            return
        entered.add(mark)
        if not child[2]:
            fruitful[-1] = True
            yield [*plan, push]
            continue
        plan.append(push)
        stack.append((child, _steps(board, child)))
        fruitful.append(False)


def _steps(board: Board, node: Node) -> Iterator[tuple[Push, Node]]:
    """The pushes out of a node after which the bound still allows as many pushes as are left."""
    boxes, zone, left = node
    free = board.alive & ~boxes
    for direction, (up, down) in enumerate(shifts(board.cols)):
        targets = (zone << down >> up & boxes) << down >> up & free
        while targets:
            target = targets & -targets
            targets ^= target
            box = target << up >> down
            moved = boxes ^ box ^ target
            if board.frozen(moved, target) or board.bound(moved, box) > min(left - 1, FAR - 1):
                continue
            after = flood(box, board.floor & ~moved, board.cols)
            yield (box << up >> down, direction), (moved, after, left - 1)


def _line(board: Board, boxes: int, player: int, plan: list[Push]) -> str:
    """The plan with the walks between its pushes."""
    line = ""
    steps = shifts(board.cols)
    for stand, direction in plan:
        line += _walk(player, stand, board.floor & ~boxes, board.cols)
        up, down = steps[direction]
        player = stand << down >> up
        boxes ^= player ^ player << down >> up
        line += "UDLR"[direction]
    return line


def _walk(start: int, target: int, free: int, cols: int) -> str:
    """A shortest walk, read backwards from the target by the first of U D L R that leads into it."""
    waves = [start]
    seen = start
    while not waves[-1] & target:
        wave = waves[-1]
        fresh = (wave << cols | wave >> cols | wave << 1 | wave >> 1) & free & ~seen
        seen |= fresh
        waves.append(fresh)
    letters = []
    steps = shifts(cols)
    for wave in reversed(waves[:-1]):
        number = next(number for number, (up, down) in enumerate(steps) if target << up >> down & wave)
        up, down = steps[number]
        target = target << up >> down
        letters.append("udlr"[number])
    return "".join(reversed(letters))

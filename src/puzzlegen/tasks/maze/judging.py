"""What judging a maze walk needs: names of faults, pictures that cheat, what precision counts, terms of rewards."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence, Set

from puzzlegen.errors import Unsolvable
from puzzlegen.grid import LINK, Cell, cells_of, inside, neighbors
from puzzlegen.tasks.maze import paths
from puzzlegen.tasks.maze.state import AGENT, MazeState, graph, index_of, links_at
from puzzlegen.types import Forgery, Glyph, Token

_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))

_FAR_STEPS = 6
"""Teleports that `forgeries` draws skip at least so many steps: a clip that lost frames may skip a few honestly."""


def blame(state: MazeState, board: Sequence[Glyph | None]) -> str:
    """The fault of a board that no step from `state` leads to.

    MULTI_AGENT: two agents or more. WALL_HIT: one agent, in a cell that touches the state's side to side without a
    link, or corner to corner. JUMP: all else, an agent that is gone or has crossed walls to a far cell included.
    """
    seen = [cell for cell, stack in zip(cells_of(state.shape), board, strict=True) if stack and AGENT in stack]
    if len(seen) > 1:
        return "MULTI_AGENT"
    return "WALL_HIT" if seen and seen[0] in _barred(state) else "JUMP"


def forgeries(state: MazeState) -> Iterator[Forgery]:
    """Up to 8 steps through walls and around corners, 3 teleports, 3 second agents."""
    for cell in _barred(state):
        yield Forgery("WALL_HIT", (_agent(cell),))
    far = _steps_from_agent(state)
    for cell in _teleports(state, far):
        yield Forgery("JUMP", (_agent(cell),))
    beside = [
        cell
        for direction, cell in neighbors(state.agent, state.shape)
        if links_at(state, state.agent) & LINK[direction]
    ]
    farthest = max(far, key=lambda cell: (far[cell], cell))
    for cell in dict.fromkeys([state.goal, *beside[:1], farthest]):
        if cell != state.agent:
            yield Forgery("MULTI_AGENT", (_agent(state.agent), Token(AGENT, cell)))


def entered(states: Sequence[MazeState]) -> frozenset[Cell]:
    """The cells that the agent enters up to its first arrival at the goal, the first state's cell excluded."""
    start, found = states[0].agent, set[Cell]()
    for state in states[1:]:
        found.add(state.agent)
        if state.agent == state.goal:
            break
    return frozenset(found - {start})


def nearest_shortest_path(start: MazeState, walked: Set[Cell]) -> str:
    """Of the shortest paths to the goal one with most cells in `walked`, of equals the first in the order U D L R.

    All shortest paths have equally many cells, so it also has the best F1 = 2 |U & P| / (|U| + |P|). The most cells
    from each cell on are worked out towards the start (dynamic program over the distance to the goal).

    Raises:
        Unsolvable: no way leads to the goal.
    """
    links, around, agent, goal = graph(start)
    far = paths.distances(around, [goal])
    if far[agent] < 0:
        raise Unsolvable("no way leads from the start to the goal")
    wanted = {index_of(start, cell) for cell in walked}
    shared = [0] * len(links)  # most wanted cells on a shortest path from the cell, itself excluded
    for cell in sorted((cell for cell, steps in enumerate(far) if 0 < steps <= far[agent]), key=far.__getitem__):
        shared[cell] = max(shared[on] + (on in wanted) for on in around[cell] if far[on] == far[cell] - 1)
    path, cell = "", agent
    while cell != goal:
        for direction, bit, step in paths.offsets(start.shape[1]):
            on = cell + step
            if links[cell] & bit and far[on] == far[cell] - 1 and shared[cell] == shared[on] + (on in wanted):
                path, cell = path + direction, on
                break
    return path


def components(states: Sequence[MazeState]) -> dict[str, float]:
    """The terms of VideoRLVR's maze reward R = conn * wall, for all that the clip shows.

    conn: share of the start's distance that the last state has covered, wherever it came from, in [0, 1].
    wall: max(0, 1 - n / 3) for n changes between cells that are not joined.
    Published is the product; the formulas are ours (the paper's are not readable). `wall` alone pays 1 for a frozen
    clip, and a single teleport to the goal still earns 2/3: these terms are for comparison, not for training.
    """
    start, last = states[0], states[-1]
    _, around, agent, goal = graph(start)
    far = paths.distances(around, [goal])
    whole, left = far[agent], far[index_of(start, last.agent)]
    illegal = sum(not _joined(one, other) for one, other in itertools.pairwise(states))
    return {
        "conn": max(0.0, 1 - left / whole) if whole > 0 and left >= 0 else 0.0,
        "wall": max(0.0, 1 - illegal / 3),
    }


def _barred(state: MazeState) -> list[Cell]:
    """The cells that touch the agent's and cannot be stepped into: behind walls in the order U D L R, then corners."""
    row, col = state.agent
    own = links_at(state, state.agent)
    walled = [cell for direction, cell in neighbors(state.agent, state.shape) if not own & LINK[direction]]
    corners = [(row + down, col + right) for down, right in _CORNERS]
    return walled + [cell for cell in corners if inside(cell, state.shape)]


def _joined(one: MazeState, other: MazeState) -> bool:
    """Whether a step leads from the one agent's cell to the other's."""
    return any(
        cell == other.agent and links_at(one, one.agent) & LINK[direction]
        for direction, cell in neighbors(one.agent, one.shape)
    )


def _steps_from_agent(state: MazeState) -> dict[Cell, int]:
    """Steps from the agent to every cell that it can reach, cells in reading order."""
    _, around, agent, _ = graph(state)
    far = paths.distances(around, [agent])
    return {cell: steps for cell, steps in zip(cells_of(state.shape), far, strict=True) if steps >= 0}


def _teleports(state: MazeState, far: dict[Cell, int]) -> list[Cell]:
    """The goal, and the farthest and a middling cell of those that do not touch the agent's and lie far by steps."""
    row, col = state.agent
    cells = [
        cell
        for cell in cells_of(state.shape)
        if far.get(cell, _FAR_STEPS) >= _FAR_STEPS and max(abs(cell[0] - row), abs(cell[1] - col)) > 1
    ]
    if not cells:
        return []
    cells.sort(key=lambda cell: (far.get(cell, 0), cell))
    goal = [state.goal] if state.goal in cells else []
    return list(dict.fromkeys([*goal, cells[-1], cells[len(cells) // 2]]))


def _agent(cell: Cell) -> Token:
    return Token(AGENT, cell, key="agent")

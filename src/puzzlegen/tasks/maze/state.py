"""The state of a maze, and its graph."""

from __future__ import annotations

from dataclasses import dataclass

from puzzlegen.grid import Cell, Shape
from puzzlegen.tasks.maze import paths
from puzzlegen.types import Mark

AGENT = Mark("agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class MazeState:
    """A maze, its goal, and where the agent is."""

    shape: Shape
    links: str
    """One hex digit a cell in reading order: the mask of `grid.LINK` bits towards joined neighbours."""
    goal: Cell
    agent: Cell


def index_of(state: MazeState, cell: Cell) -> int:
    """The place of a cell in reading order."""
    return cell[0] * state.shape[1] + cell[1]


def links_at(state: MazeState, cell: Cell) -> int:
    """The link mask of a cell."""
    return int(state.links[index_of(state, cell)], 16)


def graph(state: MazeState) -> tuple[list[int], list[list[int]], int, int]:
    """Link masks, neighbours, and the indices of agent and goal."""
    links = [int(digit, 16) for digit in state.links]
    return links, paths.adjacency(links, state.shape[1]), index_of(state, state.agent), index_of(state, state.goal)

"""Maze: an agent walks between cells that are joined; the goal is reached along a shortest path.

Text is the block picture of (2n+1) x (2n+1) characters: cells at odd rows and columns, `#` wall, space open,
`S` the agent, `G` the goal. Actions are U D L R, one cell each::

    #####
    #S  #
    ### #
    #G  #
    #####     solved by "RDL"
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from puzzlegen.errors import IllegalAction, PuzzleTextError, Rejected, UnknownName, Unsolvable
from puzzlegen.grid import DIRECTIONS, LINK, SYMMETRIES, Cell, Shape, cells_of, inside, move, sources
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.tasks.maze import judging, paths
from puzzlegen.tasks.maze.carve import CARVERS
from puzzlegen.tasks.maze.state import AGENT, MazeState, graph, links_at
from puzzlegen.types import Forgery, Glyph, Mark, Solution, Token

CARVINGS = 12
"""Mazes tried for one target length: with a new target for each, long ways would be rarer than short ones."""
NO_GOAL = "no cell at the drawn length"


@dataclass(frozen=True, slots=True, kw_only=True)
class MazeParams:
    """Fields of a maze level."""

    size: int
    """Cells along a side, 2 to 40."""
    length: tuple[int, int]
    """Fewest and most steps of the shortest path; the target is drawn uniformly."""
    mix: dict[str, int] = field(default_factory=lambda: {"dfs": 40, "wilson": 30, "kruskal": 15, "braided": 15})
    """Weight of each carver: dfs, wilson, kruskal, braided."""

    def __post_init__(self) -> None:
        if not 2 <= self.size <= 40:
            raise ValueError(f"size must be 2 to 40, got {self.size}")
        low, high = self.length
        if not 1 <= low <= high <= self.size**2 - 1:
            raise ValueError(f"length must be a range within 1 to {self.size**2 - 1}, got {low} to {high}")
        for name, weight in self.mix.items():
            if name not in CARVERS:
                raise UnknownName("carver", name, CARVERS)
            if weight < 0:
                raise ValueError(f"weight of {name!r} must not be negative, got {weight}")
        if not any(self.mix.values()):
            raise ValueError("mix must give some carver a weight above 0")


class Maze(Task[MazeParams, MazeState]):
    """Shortest paths in mazes. Optimal means fewest steps; `distance` counts steps."""

    version = 1
    Params = MazeParams
    State = MazeState
    manual = (
        "The board is a maze: '#' is wall, a blank is open, S is where you are and G is the goal. You stand on cells: "
        "characters in the 2nd, 4th, 6th, ... line and column. The character between two neighbouring cells is open "
        "or wall. A move goes from a cell to the next one, two characters on: U up, D down, L left, R right. No move "
        "crosses a wall. Walk from S to G in as few moves as possible, and stop there. Write the moves as one word, "
        "such as RRDL."
    )

    def generate(self, params: MazeParams, rng: Rng) -> MazeState:
        """Draw the target length, then mazes and starts until a cell lies at that distance: the goal."""
        size = params.size
        links, start, goal = self._draw(params, rng)
        digits = bytes(links).hex()[1::2]
        return MazeState(shape=(size, size), links=digits, goal=divmod(goal, size), agent=divmod(start, size))

    def solve(self, start: MazeState) -> Solution:
        """One shortest path; `unique` and the measure `shortest_paths` come from an exact count."""
        links, neighbors, agent, goal = graph(start)
        to_goal = paths.distances(neighbors, [goal])
        if to_goal[agent] < 0:
            raise Unsolvable("no way leads from the start to the goal")
        path = paths.shortest_path(links, start.shape[1], to_goal, agent)
        count = paths.count_shortest(neighbors, to_goal, agent)
        measures = {"shortest_paths": count, **_measures(start, neighbors, path)}
        return Solution(actions=tuple(path), optimal=True, unique=count == 1, measures=measures)

    def actions(self, state: MazeState) -> Iterable[str]:
        """The directions in which the agent's cell is joined."""
        mask = links_at(state, state.agent)
        return [direction for direction in DIRECTIONS if mask & LINK[direction]]

    def step(self, state: MazeState, action: str) -> MazeState:
        """Walk one cell."""
        if action not in LINK or not links_at(state, state.agent) & LINK[action]:
            raise IllegalAction(f"a wall bars {action!r} from cell {state.agent}")
        return MazeState(shape=state.shape, links=state.links, goal=state.goal, agent=move(state.agent, action))

    def is_solved(self, state: MazeState) -> bool:
        """The agent stands on the goal."""
        return state.agent == state.goal

    def distance(self, state: MazeState) -> int | None:
        """Steps of a shortest path to the goal."""
        _, neighbors, agent, goal = graph(state)
        far = paths.distances(neighbors, [goal])[agent]
        return far if far >= 0 else None

    def fewest_actions(self, params: MazeParams) -> int:
        """The lower end of the length range."""
        return params.length[0]

    def compiled(self) -> Maze:
        """Mazes are drawn by a numba kernel."""
        from puzzlegen.tasks.maze import compiled  # numba is loaded only where kernels are wanted

        return compiled.ready()

    def _draw(self, params: MazeParams, rng: Rng) -> tuple[Sequence[int], int, int]:
        """Link masks, start and goal of a maze, cells by their place in reading order. Raises Rejected."""
        shape = (params.size, params.size)
        target = rng.between(*params.length)
        for _ in range(CARVINGS):
            links = CARVERS[_draw_weighted(params.mix, rng)](shape, rng)
            start = rng.below(len(links))
            far = paths.distances(paths.adjacency(links, shape[1]), [start])
            goals = [cell for cell, steps in enumerate(far) if steps == target]
            if goals:
                return links, start, rng.choice(goals)
        raise Rejected(NO_GOAL)

    def symmetries(self, start: MazeState) -> Iterable[MazeState]:
        """The eight rotations and mirror images."""
        for symmetry in SYMMETRIES:
            turned = start.links.translate(_TURNED_DIGITS[symmetry])
            yield MazeState(
                shape=symmetry.shape(start.shape),
                links="".join([turned[source] for source in sources(symmetry, start.shape)]),
                goal=symmetry.cell(start.goal, start.shape),
                agent=symmetry.cell(start.agent, start.shape),
            )

    def structure(self, start: MazeState) -> object:
        """The walls alone."""
        return [start.shape, start.links]

    def parse(self, text: str) -> MazeState:
        """Read the block picture; a maze need not be square."""
        above, lines = _picture_lines(text)
        marks: dict[str, Cell] = {}
        for row, line in enumerate(lines):
            for col, character in enumerate(line):
                where = f"line {above + row + 1}, column {col + 1}"
                _check_character(character, row, col, (len(lines), len(line)), where)
                if character in marks:
                    raise PuzzleTextError(f"{where}: a second {character!r}; a maze has exactly one")
                if character in "SG":
                    marks[character] = row // 2, col // 2
        for character in "SG":
            if character not in marks:
                raise PuzzleTextError(f"a maze has exactly one {character!r}, this one has none")
        shape = (len(lines) // 2, len(lines[0]) // 2)
        links = "".join(f"{_links_in_picture(lines, cell):x}" for cell in cells_of(shape))
        return MazeState(shape=shape, links=links, goal=marks["G"], agent=marks["S"])

    def text(self, state: MazeState) -> str:
        """The block picture; `S` is where the agent stands now and hides the goal below it."""
        rows, cols = state.shape
        picture = [["#"] * (2 * cols + 1) for _ in range(2 * rows + 1)]
        for (row, col), digit in zip(cells_of(state.shape), state.links, strict=True):
            mask = int(digit, 16)
            picture[2 * row + 1][2 * col + 1] = " "
            if mask & LINK["R"]:
                picture[2 * row + 1][2 * col + 2] = " "
            if mask & LINK["D"]:
                picture[2 * row + 2][2 * col + 1] = " "
        for (row, col), character in ((state.goal, "G"), (state.agent, "S")):
            picture[2 * row + 1][2 * col + 1] = character
        return "\n".join(map("".join, picture))

    def shape(self, start: MazeState) -> Shape:
        """One drawn cell a maze cell; walls are drawn along cell sides."""
        return start.shape

    def backdrop(self, start: MazeState) -> tuple[Glyph, ...]:
        """Floor with its open sides, and the goal."""
        floors = [(Mark("floor", 0, int(digit, 16)),) for digit in start.links]
        goal = start.goal[0] * start.shape[1] + start.goal[1]
        floors[goal] += (Mark("goal"),)  # type: ignore[assignment]
        return tuple(floors)

    def tokens(self, state: MazeState) -> tuple[Token, ...]:
        """The agent."""
        return (Token(AGENT, state.agent, key="agent"),)

    def glyphs(self, start: MazeState) -> Sequence[Sequence[Glyph]]:
        """Every cell is empty or holds the agent."""
        return [_STACKS] * len(start.links)

    def read(self, start: MazeState, board: Sequence[Glyph]) -> MazeState | None:
        """The state with the agent where it is seen; None unless it is seen exactly once, and nothing else."""
        seen = [cell for cell, stack in enumerate(board) if stack]
        if len(seen) != 1 or board[seen[0]] != _STACKS[1]:
            return None
        agent = divmod(seen[0], start.shape[1])
        return MazeState(shape=start.shape, links=start.links, goal=start.goal, agent=agent)

    def blame(self, state: MazeState, board: Sequence[Glyph | None]) -> str:
        """MULTI_AGENT, WALL_HIT if the agent is seen beside its cell where no way leads, else JUMP."""
        return judging.blame(state, board)

    def forgeries(self, state: MazeState) -> Iterable[Forgery]:
        """The agent through each wall and around each corner, far away, and twice."""
        return judging.forgeries(state)

    def items(self, states: Sequence[MazeState]) -> Counter[Hashable]:
        """The cells entered until the goal is first reached, each once and without the start's."""
        return Counter(judging.entered(states))

    def references(self, start: MazeState, states: Sequence[MazeState]) -> Iterable[Sequence[str]]:
        """Of all shortest paths the one with the best F1 against this walk."""
        return [tuple(judging.nearest_shortest_path(start, judging.entered(states)))]

    def components(self, states: Sequence[MazeState]) -> Mapping[str, float]:
        """The terms of the published R = conn * wall; `judging.components` has the formulas."""
        return judging.components(states)


_STACKS: tuple[Glyph, ...] = ((), (AGENT,))


def _draw_weighted(weights: dict[str, int], rng: Rng) -> str:
    ticket = rng.below(sum(weights.values()))
    for name in sorted(weights):
        ticket -= weights[name]
        if ticket < 0:
            return name
    raise AssertionError("a ticket below the sum of all weights always falls on one of them")


def _measures(start: MazeState, neighbors: list[list[int]], path: str) -> dict[str, int | float]:
    """Difficulty: see the names; `deepest_wrong_branch` is the farthest that any cell lies off the path."""
    cols = start.shape[1]
    cells = [start.agent]
    for direction in path:
        cells.append(move(cells[-1], direction))
    on_path = [row * cols + col for row, col in cells]
    degrees = [len(others) for others in neighbors]
    manhattan = abs(start.agent[0] - start.goal[0]) + abs(start.agent[1] - start.goal[1])
    return {
        "turns": sum(first != second for first, second in itertools.pairwise(path)),
        "decisions": sum(degrees[cell] > 2 for cell in on_path[1:-1]) + (degrees[on_path[0]] > 1),
        "dead_ends": degrees.count(1),
        "junctions": sum(degree > 2 for degree in degrees),
        "deepest_wrong_branch": max(paths.distances(neighbors, on_path)),
        "detour": round(len(path) / max(1, manhattan), 3),
    }


_TURNED_DIGITS = {
    symmetry: str.maketrans({f"{mask:x}": f"{symmetry.links(mask):x}" for mask in range(16)}) for symmetry in SYMMETRIES
}


def _picture_lines(text: str) -> tuple[int, list[str]]:
    """How many blank lines lie above the picture, and its lines: odd in number and length, and equally long."""
    lines = [line.rstrip() for line in text.splitlines()]
    while lines and not lines[-1]:
        lines.pop()
    above = next((row for row, line in enumerate(lines) if line), 0)
    del lines[:above]
    if len(lines) < 3 or len(lines) % 2 == 0:
        raise PuzzleTextError(f"a maze picture has an odd number of lines, 3 or more, this one has {len(lines)}")
    first = f"line {above + 1} has {len(lines[0])}"
    if len(lines[0]) < 3 or len(lines[0]) % 2 == 0:
        raise PuzzleTextError(f"{first} characters; a maze picture has an odd number of columns, 3 or more")
    for row, line in enumerate(lines):
        if len(line) != len(lines[0]):
            raise PuzzleTextError(f"line {above + row + 1} has {len(line)} characters, {first}")
    return above, lines


def _check_character(character: str, row: int, col: int, shape: Shape, where: str) -> None:
    """Cells are open, posts and border are walls, all else is either."""
    if character not in "# SG":
        raise PuzzleTextError(f"{where}: {character!r} is none of '#', space, 'S', 'G'")
    if row % 2 and col % 2:
        if character == "#":
            raise PuzzleTextError(f"{where}: here lies a cell, which is never '#'")
    elif character in "SG":
        raise PuzzleTextError(f"{where}: {character!r} must stand in a cell, here lies a wall or a passage")
    elif character == " " and (row % 2 == col % 2 or not inside((row - 1, col - 1), (shape[0] - 2, shape[1] - 2))):
        raise PuzzleTextError(f"{where}: posts between cells and the border are always '#'")


def _links_in_picture(lines: Sequence[str], cell: Cell) -> int:
    row, col = 2 * cell[0] + 1, 2 * cell[1] + 1
    open_sides = [direction for direction in DIRECTIONS if _at(lines, move((row, col), direction)) != "#"]
    return sum(LINK[direction] for direction in open_sides)


def _at(lines: Sequence[str], place: Cell) -> str:
    return lines[place[0]][place[1]]

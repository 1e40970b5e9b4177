"""FlowFree (Numberlink with full cover): join the two dots of every color by paths that cover the whole board.

Text is a grid of letters, each twice, and `.` for empty cells. An action draws one link: the letter of a color and a
direction, the small letter from the tip of the strand that begins at the color's first dot in reading order, the
capital letter from the second::

    ....
    .A.B
    .C.A
    B..C    solved by "aR aD aR bU bL bL bL bD bD bD cD cR cR"
"""

from __future__ import annotations

import functools
import itertools
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from puzzlegen.errors import IllegalAction, Unsolvable
from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE, SYMMETRIES, Cell, Shape, move
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.tasks.flowfree import cheats, frontier, judging, notation, picture, strands
from puzzlegen.tasks.flowfree.boards import SHORTEST, draw_board
from puzzlegen.tasks.flowfree.strands import FlowState
from puzzlegen.types import Forgery, Glyph, Solution, Stroke, Token


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowParams:
    """Fields of a FlowFree level."""

    size: int
    """Cells along a side, 4 to 10."""
    colors: tuple[int, int]
    """Fewest and most colors; every path has 3 cells or more."""

    def __post_init__(self) -> None:
        if not 4 <= self.size <= 10:
            raise ValueError(f"size must be 4 to 10, got {self.size}")
        low, high = self.colors
        most = min(len(notation.COLORS), self.size**2 // SHORTEST)
        if not 2 <= low <= high <= most:
            raise ValueError(f"colors must be a range within 2 to {most}, got {low} to {high}")


class FlowFree(Task[FlowParams, FlowState]):
    """Full covers. `distance` counts links; every cover has the same number of them, so every solution is optimal."""

    version = 1
    Params = FlowParams
    State = FlowState
    manual = (
        "The board is a grid of cells. Every letter marks the two dots of one color; '.' is an empty cell. Join the "
        "two dots of each color by a path of cells that are neighbours in a row or a column. Paths never cross or "
        "branch, and together they cover every cell of the board. An action draws one step of a path: a letter and a "
        "direction, U, D, L or R. A small letter goes on from the color's first dot in reading order, a capital letter "
        "from its second: aR draws from where the path of A has come to, one cell to the right. The step that reaches "
        "the other dot, or the path that comes from it, completes the color. Write the actions with spaces between "
        "them, such as aR aR aD."
    )
    separator = " "

    def generate(self, params: FlowParams, rng: Rng) -> FlowState:
        """Draw a board with exactly one cover."""
        size = params.size
        ends = ((divmod(first, size), divmod(second, size)) for first, second in self._draw_ends(params, rng))
        return strands.ordered((size, size), ((first, second, "", "") for first, second in ends))

    def solve(self, start: FlowState) -> Solution:
        """Draw the colors in order, each from the tip of its first endpoint's strand.

        Always optimal: a full cover has one link for each cell but one of every path, whichever cover it is.
        `unique` and the measure `solutions` come from an exact count of the covers that keep what is drawn; of
        several covers the one that `frontier` names is drawn.
        """
        covers, masks = self._cover(start)
        if not covers:
            raise Unsolvable("no paths join all pairs and cover the whole board, given what is drawn")
        paths = [_path(masks, start.shape, ends) for ends in start.ends]
        actions: list[str] = []
        for color, (path, (one, other)) in enumerate(zip(paths, start.strands, strict=True)):
            letter = notation.COLORS[color].lower()
            actions += [letter + direction for direction in path[len(one) : len(path) - len(other)]]
        measures = {"solutions": covers, "colors": len(paths), **_measures(start, paths)}
        return Solution(actions=tuple(actions), optimal=True, unique=covers == 1, measures=measures)

    def actions(self, state: FlowState) -> Iterable[str]:
        """Color by color, first and then second endpoint's strand, in the order U D L R."""
        letters = notation.COLORS.lower(), notation.COLORS
        return [letters[strand][color] + direction for color, strand, direction in strands.openings(state)]

    def step(self, state: FlowState, action: str) -> FlowState:
        """Draw one link."""
        color = notation.COLORS.find(action[:1].upper()) if action else -1
        if len(action) != 2 or action[1] not in LINK or not 0 <= color < len(state.ends):
            raise IllegalAction(f"{action!r} is no action: take a color's letter and one of U, D, L, R, such as 'aR'")
        if strands.is_closed(state, color):
            raise IllegalAction(f"{action!r} extends a color whose path is complete")
        strand = int(action[0].isupper())
        obstacle = strands.obstacle(state, strands.colors_on(state), color, strand, action[1])
        if obstacle:
            raise IllegalAction(f"{action!r} would {obstacle}")
        return strands.extended(state, color, strand, action[1])

    def is_solved(self, state: FlowState) -> bool:
        """All colors are closed and every cell is covered."""
        return strands.drawn(state) == _links(state) and all(
            strands.is_closed(state, color) for color in range(len(state.ends))
        )

    def distance(self, state: FlowState) -> int | None:
        """Links still to draw, if what is drawn is part of a full cover."""
        if self.is_solved(state):
            return 0
        return _links(state) - strands.drawn(state) if self._count(state) else None

    def fewest_actions(self, params: FlowParams) -> int:
        """One link for each cell but one of every path."""
        return int(params.size**2 - params.colors[1])

    def compiled(self) -> FlowFree:
        """Boards are drawn and covers counted by numba kernels; larger counts than they hold by this task."""
        from puzzlegen.tasks.flowfree import compiled  # numba is loaded only where kernels are wanted

        return compiled.ready()

    def _draw_ends(self, params: FlowParams, rng: Rng) -> Iterable[tuple[int, int]]:
        """The ends of the paths of a board with exactly one cover, as places in reading order. Raises Rejected."""
        paths = draw_board((params.size, params.size), params.colors, rng)
        return ((path[0], path[-1]) for path in paths)

    def _cover(self, state: FlowState) -> tuple[int, list[int]]:
        """`frontier.cover` of a board and what is drawn on it."""
        return frontier.cover(frontier.scan(*marks(state)))

    def _count(self, state: FlowState) -> int:
        """`frontier.count` of the same."""
        return frontier.count(frontier.scan(*marks(state)))

    def symmetries(self, start: FlowState) -> Iterable[FlowState]:
        """The eight rotations and mirror images; colors are named by reading order in each."""
        return (strands.transformed(start, symmetry) for symmetry in SYMMETRIES)

    def parse(self, text: str) -> FlowState:
        """Read a grid of letters, with or without spaces between them."""
        return notation.parse_text(text)

    def text(self, state: FlowState) -> str:
        """The grid of letters A, B, ...; cells that are drawn show the small letter."""
        return notation.text_of(state)

    def shape(self, start: FlowState) -> Shape:
        """The board."""
        return start.shape

    def backdrop(self, start: FlowState) -> tuple[Glyph, ...]:
        """Cells and dots."""
        return picture.dots(start)

    def tokens(self, state: FlowState) -> tuple[Token, ...]:
        """Pipes where links are drawn."""
        return picture.pipes(state)

    def strokes(self, state: FlowState, action: str) -> tuple[Stroke, ...]:
        """The strand's tip draws the new link."""
        return (picture.stroke(state, action),)

    def glyphs(self, start: FlowState) -> Sequence[Sequence[Glyph]]:
        """Nothing or a pipe; the pipe of a dot has the dot's color and one link."""
        return picture.stacks(start)

    def read(self, start: FlowState, board: Sequence[Glyph]) -> FlowState | None:
        """Follow the pipes from the dots; None if that leaves a pipe unexplained."""
        return picture.read_board(start, board)

    def blame(self, state: FlowState, board: Sequence[Glyph | None]) -> str:
        """CROSSING of a cell that another color has, BRANCH for pipes that are no strands, else JUMP."""
        return judging.blame(state, board)

    def forgeries(self, state: FlowState) -> Iterable[Forgery]:
        """Tips over other colors, stubs, loops and pipes from nowhere, strands erased or drawn at once."""
        return cheats.forgeries(state)

    def items(self, states: Sequence[FlowState]) -> Counter[Hashable]:
        """(cell, color) of what the last state covers between the endpoints and the first does not."""
        return Counter(judging.covered(states[-1]).items() - judging.covered(states[0]).items())

    def references(self, start: FlowState, states: Sequence[FlowState]) -> Iterable[Sequence[str]]:
        """The cover that `solve` draws; a generated puzzle has no other."""
        return [_solution(start)]

    def components(self, states: Sequence[FlowState]) -> Mapping[str, float]:
        """The terms of the published sums: conn, valid, fill, process, endpoints; see `judging.components`."""
        return judging.components(states)


@functools.lru_cache(maxsize=64)
def _solution(start: FlowState) -> tuple[str, ...]:
    """Kept, because many clips of one puzzle are scored."""
    return FlowFree().solve(start).actions


def _links(state: FlowState) -> int:
    """The links of every full cover."""
    return state.shape[0] * state.shape[1] - len(state.ends)


def marks(state: FlowState) -> tuple[Shape, list[int], list[int]]:
    """Shape, colors of endpoints and masks of drawn links, as `frontier` takes them."""
    cols = state.shape[1]
    dots = [frontier.EMPTY] * (state.shape[0] * cols)
    for color, ends in enumerate(state.ends):
        for row, col in ends:
            dots[row * cols + col] = color
    return state.shape, dots, strands.link_masks(state)


def _path(masks: Sequence[int], shape: Shape, ends: tuple[Cell, Cell]) -> str:
    """Directions along the links from one endpoint to the other."""
    path = ""
    cell, come_from = ends[0], ""
    while cell != ends[1]:
        mask = masks[cell[0] * shape[1] + cell[1]]
        come_from = next(one for one in DIRECTIONS if mask & LINK[one] and one != come_from)
        path += come_from
        cell, come_from = move(cell, come_from), OPPOSITE[come_from]
    return path


def _measures(start: FlowState, paths: Sequence[str]) -> dict[str, int | float]:
    """Difficulty: cells of the longest path, changes of direction, links in proportion to Manhattan distances."""
    manhattan = sum(abs(first[0] - second[0]) + abs(first[1] - second[1]) for first, second in start.ends)
    return {
        "longest_path": max(map(len, paths)) + 1,
        "bends": sum(one != other for path in paths for one, other in itertools.pairwise(path)),
        "detour": round(sum(map(len, paths)) / manhattan, 3),
    }

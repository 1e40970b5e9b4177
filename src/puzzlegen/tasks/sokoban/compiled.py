"""Sokoban on compiled kernels. It loads numpy and numba, so only `Sokoban.compiled` imports it."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban.kernels import draw, search
from puzzlegen.tasks.sokoban.kernels.cells import MOST_BOXES, MOST_CELLS
from puzzlegen.tasks.sokoban.rooms import STATE_LIMIT
from puzzlegen.tasks.sokoban.rules import Sokoban, SokobanParams
from puzzlegen.tasks.sokoban.solver import (
    PUSH_COST,
    PUSH_LIMIT,
    WALK_COST,
    WAVE_LIMIT,
    Search,
    too_many_waves,
    too_many_zones,
)
from puzzlegen.tasks.sokoban.state import SokobanState

_REASONS = {
    draw.ROOM_TOO_SMALL: "room too small",
    draw.TOO_MANY_STATES: "too many states",
    draw.TOO_FEW_PUSHES: "too few pushes",
    draw.NO_START: "no start off the goals",
}
_LETTERS = "udlrUDLR"
_LEFT_OUT = -1  # a limit: this search is not made


class Answer(NamedTuple):
    """What the kernels found out about a state."""

    least: Search
    line: str | None
    """None if there is none, or none was asked for."""
    bound: int


class CompiledSokoban(Sokoban):
    """Equal results for equal arguments; what the kernels do not support is left to the reference.

    That is more than 8 boxes, more than 256 inner cells, and states that no text gives, such as two rooms.
    """

    def generate(self, params: SokobanParams, rng: Rng) -> SokobanState:
        """As `Sokoban.generate`; `rng` goes on as it would there."""
        size, stream = params.size, np.array([rng.state], np.uint64)
        outcome, grid, goals, boxes, player = draw.draw(
            stream, size, params.boxes, params.walls, params.pushes[0], params.pushes[1], STATE_LIMIT
        )
        rng.state = int(stream[0])
        if outcome != draw.DRAWN:
            raise Rejected(_REASONS[outcome])
        return SokobanState(
            shape=(size, size),
            floor=grid.tobytes().decode(),
            goals=tuple([divmod(cell, size) for cell in goals.tolist()]),
            boxes=tuple([divmod(cell, size) for cell in boxes.tolist()]),
            player=divmod(player, size),
        )

    def distance(self, state: SokobanState) -> int | None:
        """The fewest pushes that solve the state. Raises SearchLimit where a large level leaves it open."""
        answer = ask(state, wave_limit=_LEFT_OUT)
        return super().distance(state) if answer is None else answer.least.value

    def compiled(self) -> CompiledSokoban:
        """Itself."""
        return self

    def _search(self, start: SokobanState) -> tuple[Search, str | None, int]:
        answer = ask(start)
        return super()._search(start) if answer is None else answer


def ask(
    state: SokobanState,
    objective: Literal["moves-pushes", "pushes-moves"] = "moves-pushes",
    zone_limit: int = PUSH_LIMIT,
    wave_limit: int = WAVE_LIMIT,
) -> Answer | None:
    """What `solver.fewest_pushes` and then `solver.best_line` find, or None if the kernels do not support the state.

    Args:
        state: the level.
        objective: of the line.
        zone_limit: zones for the fewest pushes; negative: they are not asked for.
        wave_limit: waves for the line; negative: it is not asked for.

    Raises:
        SearchLimit: a limit was reached.
    """
    rows, cols = state.shape
    floor, count = state.floor.encode(), len(state.boxes)
    if not 0 < count == len(state.goals) <= MOST_BOXES:
        return None
    if min(state.shape) < 3 or (rows - 2) * (cols - 2) > MOST_CELLS or len(floor) != rows * cols:
        return None
    cells = [row * cols + col for row, col in (*state.goals, *state.boxes, state.player)]
    searches = np.array([(0, 1, zone_limit), (WALK_COST[objective], PUSH_COST, wave_limit)], np.int64)
    outcome, least, expanded, bound, line = search.solve(
        np.frombuffer(floor, np.uint8), rows, cols, np.array(cells, np.int64), searches
    )
    if outcome == search.UNSUPPORTED:
        return None
    if outcome == search.TOO_MANY_ZONES:
        raise too_many_zones(zone_limit)
    if outcome == search.TOO_MANY_WAVES:
        raise too_many_waves(wave_limit)
    if outcome == search.UNSOLVABLE:
        return Answer(Search(None, expanded), None, bound)
    letters = "".join([_LETTERS[letter] for letter in line.tolist()])
    return Answer(Search(least, expanded), letters if wave_limit >= 0 else None, bound)


def warm_up() -> CompiledSokoban:
    """The task, once all kernels have run; they are compiled if they never were, which may take a minute."""
    task = CompiledSokoban()
    params = SokobanParams(size=6, boxes=1, walls=0, pushes=(1, 9), moves=(1, 9))
    task.solve(task.generate(params, Rng("kernels")))
    return task

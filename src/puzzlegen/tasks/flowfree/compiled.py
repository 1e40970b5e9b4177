"""FlowFree on compiled kernels. Equal results; what the kernels cannot hold goes to the reference."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import boards, counting, drawing, frontier
from puzzlegen.tasks.flowfree.rules import FlowFree, FlowParams, marks
from puzzlegen.tasks.flowfree.strands import FlowState

_WHY_NO_BOARD = {
    drawing.NOT_MENDED: boards.NOT_MENDED,
    drawing.NOT_UNIQUE: boards.NOT_UNIQUE,
    counting.TOO_MANY_STATES: boards.TOO_MANY_STATES,
}


def ready() -> FlowFree:
    """The task, its kernels compiled or loaded."""
    task = CompiledFlowFree()
    start = task.generate(FlowParams(size=4, colors=(3, 4)), Rng("ready"))
    task.solve(start)
    return task


class CompiledFlowFree(FlowFree):
    """FlowFree, drawn and counted by kernels."""

    def compiled(self) -> FlowFree:
        """Itself."""
        return self

    def _draw_ends(self, params: FlowParams, rng: Rng) -> Iterable[tuple[int, int]]:
        fewest, most = params.colors
        word = np.array([rng.state], np.uint64)
        ends = np.empty((most, 2), np.int64)
        num_paths = drawing.draw(params.size, fewest, most, frontier.MAX_STATES, word, ends)
        if num_paths == counting.OVERFLOW:
            return super()._draw_ends(params, rng)
        rng.state = int(word[0])
        if num_paths < 0:
            raise Rejected(_WHY_NO_BOARD[num_paths])
        return [(first, second) for first, second in ends[:num_paths].tolist()]

    def _cover(self, state: FlowState) -> tuple[int, list[int]]:
        covers, masks = _run(state, read=True)
        return (covers, masks) if covers != counting.OVERFLOW else super()._cover(state)

    def _count(self, state: FlowState) -> int:
        covers, _ = _run(state, read=False)
        return covers if covers != counting.OVERFLOW else super()._count(state)


def _run(state: FlowState, read: bool) -> tuple[int, list[int]]:
    """(covers or OVERFLOW, link masks of one cover if there is one and it is to be read). Raises SearchLimit."""
    shape, transposed, dots, drawn = frontier.upright(*marks(state))
    masks = np.empty(len(dots) if read else 0, np.int64)
    in_scan_order = np.array(dots, np.int64), np.array(drawn, np.int64)
    covers = counting.cover(shape[1], *in_scan_order, frontier.MAX_STATES, masks)
    if covers == counting.TOO_MANY_STATES:
        raise frontier.too_many_states()
    if covers <= 0:
        return covers, []
    found: list[int] = masks.tolist()
    return covers, frontier.turned(shape, found) if transposed and read else found

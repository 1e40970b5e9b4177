"""FlowFree on kernels gives what the reference gives, and what exhaustive search and SAT find."""

from __future__ import annotations

import itertools
import random

import pytest

from flowfree_oracles import Link, SatBoard, all_covers, random_boards, random_walk_ends
from puzzlegen.errors import PuzzlegenError, Rejected, SearchLimit, Unsolvable
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import FlowFree, FlowParams, FlowState, frontier, strands

REFERENCE = FlowFree()
COMPILED = FlowFree().compiled()

BOARDS = [
    (4, (3, 4), 60),
    (4, (2, 2), 4),
    (5, (3, 5), 60),
    (6, (4, 6), 60),
    (7, (5, 7), 60),
    (8, (6, 8), 40),
    (9, (7, 9), 20),
    (10, (8, 12), 4),
]


def drawn(task: FlowFree, params: FlowParams, rng: Rng) -> FlowState | str:
    """The board, or why there is none."""
    try:
        return task.generate(params, rng)
    except Rejected as rejected:
        return rejected.reason


def outcome(task: FlowFree, state: FlowState) -> object:
    """The solution with all its fields, or the error."""
    try:
        return task.solve(state)
    except PuzzlegenError as error:
        return type(error), str(error)


def board(shape: tuple[int, int], pairs: list[Link]) -> FlowState:
    return strands.ordered(shape, ((first, second, "", "") for first, second in pairs))


def scribbled(state: FlowState, dice: random.Random) -> FlowState:
    """The board after some random links."""
    for _ in range(dice.randrange(6)):
        legal = list(REFERENCE.actions(state))
        if legal:
            state = REFERENCE.step(state, dice.choice(legal))
    return state


@pytest.mark.parametrize(("size", "colors", "boards"), BOARDS)
def test_equal_streams_give_equal_boards_reasons_and_solutions(size: int, colors: tuple[int, int], boards: int) -> None:
    params = FlowParams(size=size, colors=colors)
    for index in range(boards):
        one, other = Rng("equal", size, index), Rng("equal", size, index)
        start = drawn(REFERENCE, params, one)
        assert drawn(COMPILED, params, other) == start
        assert other.state == one.state
        if isinstance(start, FlowState):
            assert COMPILED.solve(start) == REFERENCE.solve(start)


def test_all_reasons_come_up() -> None:
    reasons = set()
    for index in range(40):
        one, other = Rng("reasons", index), Rng("reasons", index)
        params = FlowParams(size=6, colors=[(3, 3), (12, 12)][index % 2])
        reason = drawn(COMPILED, params, one)
        assert reason == drawn(REFERENCE, params, other)
        assert one.state == other.state
        reasons.add(reason if isinstance(reason, str) else "")
    assert reasons == {"", "no unique board found", "no cover without flaws found"}


def test_any_board_however_much_is_drawn_has_equal_solutions_counts_and_errors() -> None:
    dice = random.Random(8)
    tally = {"unsolvable": 0, "one": 0, "many": 0}
    larger = [(shape, 25) for shape in ((6, 6), (5, 7), (7, 5), (8, 4), (4, 9), (7, 7), (11, 3), (3, 12))]
    boards = [board(shape, pairs) for shape, pairs in random_boards(400, dice)]
    for shape, count in larger:
        cells = list(itertools.product(*map(range, shape)))
        boards += [board(shape, random_walk_ends(shape, cells, dice)) for _ in range(count)]
    for start in boards:
        for state in (start, scribbled(start, dice)):
            expected = outcome(REFERENCE, state)
            assert outcome(COMPILED, state) == expected
            assert COMPILED.distance(state) == REFERENCE.distance(state)
            unique = getattr(expected, "unique", None)
            tally["unsolvable" if unique is None else "one" if unique else "many"] += 1
    assert min(tally.values()) > 150, tally


def test_counts_agree_with_exhaustive_search_and_sat() -> None:
    dice = random.Random(9)
    several = 0
    for shape, pairs in random_boards(150, dice):
        assert covers_of(board(shape, pairs)) == len(all_covers(shape, pairs))
    for shape in ((6, 6), (5, 7), (7, 6)) * 8:
        pairs = random_walk_ends(shape, list(itertools.product(*map(range, shape))), dice)
        covers = covers_of(board(shape, pairs))
        if covers <= 40:
            several += covers > 1
            assert len(set(iter(SatBoard(shape, pairs).next_cover, None))) == covers
    assert several > 3


def covers_of(state: FlowState) -> float:
    try:
        return COMPILED.solve(state).measures["solutions"]
    except Unsolvable:
        return 0


def test_sat_finds_the_drawn_solution_and_no_other() -> None:
    params = FlowParams(size=8, colors=(6, 8))
    for index in range(6):
        start = COMPILED.generate(params, Rng("sat", index))
        state = start
        for action in COMPILED.solve(start).actions:
            state = COMPILED.step(state, action)
        colors = strands.colors_on(state)
        oracle = SatBoard(start.shape, list(start.ends))
        cover = oracle.next_cover()
        assert cover is not None
        assert len(cover) == 64 - len(start.ends)
        assert all(colors[one] == colors[other] for one, other in cover)
        assert oracle.next_cover() is None


def test_counts_that_do_not_fit_a_word_come_from_the_reference() -> None:
    shape = (70, 5)
    start = board(shape, [((0, 0), (69, 4))])
    assert COMPILED.solve(start) == REFERENCE.solve(start)
    assert COMPILED.solve(start).measures["solutions"] > 2**64
    assert COMPILED.distance(start) == 349


def test_a_draw_that_overflows_is_the_reference_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from puzzlegen.tasks.flowfree import counting, drawing

    monkeypatch.setattr(drawing, "draw", lambda *_: counting.OVERFLOW)
    one, other = Rng("overflow"), Rng("overflow")
    params = FlowParams(size=5, colors=(4, 5))
    assert COMPILED.generate(params, one) == REFERENCE.generate(params, other)
    assert one.state == other.state


def test_limits_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = board((12, 14), [((0, 0), (11, 13))])
    colorful = board((13, 3), [((row, 0), (row, 2)) for row in range(13)])
    for state in (wide, colorful):
        error, text = outcome(COMPILED, state)  # type: ignore[misc]
        assert error is SearchLimit
        assert (error, text) == outcome(REFERENCE, state)
    start = COMPILED.generate(FlowParams(size=7, colors=(5, 7)), Rng("limit"))
    outcomes, reasons = set(), set()
    for most in (100, 200, 400, 800, 1600, 3200):
        monkeypatch.setattr(frontier, "MAX_STATES", most)
        assert outcome(COMPILED, start) == outcome(REFERENCE, start)
        outcomes.add(isinstance(outcome(COMPILED, start), tuple))
        for index in range(6):
            one, other = Rng("limit", index), Rng("limit", index)
            reason = drawn(COMPILED, FlowParams(size=7, colors=(5, 7)), one)
            assert reason == drawn(REFERENCE, FlowParams(size=7, colors=(5, 7)), other)
            assert one.state == other.state
            reasons.add(reason)
    assert outcomes == {True, False}
    assert "too many states to count" in reasons


def test_the_limit_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    start = COMPILED.generate(FlowParams(size=5, colors=(4, 5)), Rng("exact"))
    for task in (COMPILED, REFERENCE):
        failing = []
        for most in range(1, 400):
            monkeypatch.setattr(frontier, "MAX_STATES", most)
            failing.append(isinstance(outcome(task, start), tuple))
        assert failing == sorted(failing, reverse=True)
        assert failing[0] and not failing[-1]
        if task is COMPILED:
            first = failing.index(False)
    assert failing.index(False) == first

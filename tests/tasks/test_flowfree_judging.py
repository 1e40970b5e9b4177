"""What judging asks of FlowFree: faults drawn by hand with box-drawing characters, forgeries, published terms."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from puzzlegen import registry
from puzzlegen.errors import Rejected, Unsolvable
from puzzlegen.replay import board, replay, stacks_of
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import FlowFree, FlowParams, FlowState
from puzzlegen.types import Glyph, Mark

TASK = FlowFree()
START = TASK.parse("A..A\nB..C\n....\nB..C")
"""Solved by A straight, B down and around, C likewise: see SOLVED."""
SOLVED = list(TASK.solve(START).actions)
LINKS = {"╵": 1, "╷": 2, "╴": 4, "╶": 8, "│": 3, "─": 12, "┘": 5, "└": 9, "┐": 6, "┌": 10, "├": 11, "┬": 14}


def picture(text: str) -> list[Glyph | None]:
    """Each cell is a color's letter and its pipe, `..` for empty, `??` for a cell that cannot be made out."""
    return [
        None if cell == "??" else () if cell == ".." else (Mark("pipe", "ABC".index(cell[0]), LINKS[cell[1]]),)
        for cell in text.split()
    ]


def after(*actions: str) -> FlowState:
    return replay(TASK, START, actions).states[-1]


BEGUN = after("aR", "bR", "bR")
"""A one cell to the right, B two cells."""
SHOWN = """
A╶ A╴ .. ..
B╶ B─ B╴ ..
.. .. .. ..
.. .. .. ..
"""


def test_the_picture_is_of_the_state() -> None:
    assert picture(SHOWN) == board(TASK, BEGUN)


FAULTS = {
    "the tip runs into another color": (
        "A╶ A╴ .. ..\nB╶ B─", "A╶ A┐ .. ..\nB╶ A╵", "CROSSING"),
    "and comes out behind it": (
        "A╶ A╴ .. ..\nB╶ B─ B╴ ..\n.. ..", "A╶ A┐ .. ..\nB╶ A│ B╴ ..\n.. A╵", "CROSSING"),
    "a drawn cell changes its color": ("B─", "C─", "CROSSING"),
    "an endpoint changes its color": ("B╶ B─", "A╶ B─", "CROSSING"),
    "a crossing, the rest unclear": ("A╶ A╴ .. ..\nB╶ B─ B╴", "A╶ ?? .. ..\n?? A│ ??", "CROSSING"),
    "three links": ("B─", "B┬", "BRANCH"),
    "three links to what cannot be seen": ("B─ B╴ ..\n.. ..", "B┬ B╴ ..\n.. ??", "BRANCH"),
    "a stub beside a strand": ("B─ B╴ ..\n.. ..", "B─ B╴ ..\n.. B╵", "BRANCH"),
    "a stub, strands unclear": (
        "A╶ A╴ .. ..\nB╶ B─ B╴ ..\n.. ..", "?? ?? .. ..\nB╶ B─ ?? ..\n.. B╵", "BRANCH"),
    "a second link of an endpoint": ("B╶ B─ B╴ ..\n..", "B┌ B─ B╴ ..\nB╵", "BRANCH"),
    "a link into nothing": ("B─ B╴", "B─ B─", "BRANCH"),
    "a tip into the wrong color": ("A╴ .. ..", "A─ B╴ ..", "BRANCH"),
    "a pipe from nowhere": (".. .. .. ..\n.. ..", ".. C╶ C╴ ..\n.. ..", "BRANCH"),
    "a ring": (".. .. .. ..\n.. .. ..", ".. A┌ A┐ ..\n.. A└ A┘", "BRANCH"),
    "a strand is erased": ("B╶ B─ B╴", ".. .. ..", "JUMP"),
    "the last link is erased": ("B─ B╴", "B╴ ..", "JUMP"),
    "the first link is erased": ("B╶ B─", ".. B╶", "JUMP"),
    "a tip bends": ("A╶ A╴", "A╶ A╷", "JUMP"),
    "two links at once": ("A╴ .. ..", "A─ A─ A╴", "JUMP"),
    "two colors at once": ("B─ B╴ ..\n.. .. .. ..\n.. ..", "B─ B┐ ..\n.. .. B╵ ..\nB╶ B╴", "JUMP"),
    "a pipe out of what cannot be seen": ("B─ B╴ ..\n.. .. ..", "B─ ?? ..\n.. .. B╵", "JUMP"),
    "nothing to see": ("A╶ A╴", "?? ??", "JUMP"),
    "nothing at all": ("B╶ B─ B╴", "?? ?? ??", "JUMP"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_blame(fault: str) -> None:
    before, shown, code = FAULTS[fault]
    assert before in SHOWN
    assert TASK.blame(BEGUN, picture(SHOWN.replace(before, shown, 1))) == code


def test_vanished_pipes_are_a_jump_whatever_else_is_drawn() -> None:
    assert TASK.blame(BEGUN, picture("A╶ A╴ .. ..\nB╶ B╴ .. ..\n.. C╶ C╴ ..\n.. .. .. ..")) == "JUMP"


def drawn_states(seed: int, size: int = 5) -> list[FlowState]:
    """The states of a walk by random legal links, from a drawn board, and those of its solution."""
    params, index = FlowParams(size=size, colors=(4, 5)), 0
    while True:
        index += 1
        try:
            start = TASK.generate(params, Rng("judging", seed, index))
        except Rejected:
            continue
        break
    dice, walk = random.Random(seed), [start]
    while legal := list(TASK.actions(walk[-1])):
        walk.append(TASK.step(walk[-1], dice.choice(legal)))
    return [*walk, *replay(TASK, start, TASK.solve(start).actions).states]


@pytest.mark.parametrize("seed", range(3))
def test_forgeries_of_any_state_break_the_rule_that_they_name(seed: int) -> None:
    states = drawn_states(seed)
    allowed = TASK.glyphs(states[0])
    codes: Counter[str] = Counter()
    for state in states:
        legal = [board(TASK, TASK.step(state, action)) for action in TASK.actions(state)]
        forgeries = list(TASK.forgeries(state))
        assert len(forgeries) <= 30
        assert len({forgery.tokens for forgery in forgeries}) == len(forgeries)
        for forgery in forgeries:
            stacks = stacks_of(forgery.tokens, state.shape)
            assert all(stack in own for stack, own in zip(stacks, allowed, strict=True))
            assert stacks not in legal
            assert stacks != board(TASK, state)
            assert TASK.blame(state, stacks) == forgery.code
            codes[forgery.code] += 1
    assert set(codes) == {"CROSSING", "BRANCH", "JUMP"}
    assert min(codes.values()) > len(states)


def test_all_kinds_of_forgeries_come_up() -> None:
    """By what a picture changes: cells that lose their color, new cells, lost cells."""
    kinds = Counter[tuple[str, str]]()
    for state in drawn_states(0):
        own = {token.at: token.mark for token in TASK.tokens(state)}
        for code, tokens in TASK.forgeries(state):
            shown = {token.at: token.mark for token in tokens}
            recolored = any(at in shown and shown[at].hue != mark.hue for at, mark in own.items())
            come, gone = len(shown.keys() - own.keys()), len(own.keys() - shown.keys())
            kinds[code, f"{'other color ' * recolored}+{come} -{gone and 1}"] += 1
    assert kinds["CROSSING", "other color +0 -0"] > 0
    assert kinds["CROSSING", "other color +1 -0"] > 0, "from an endpoint, or out on the other side"
    assert kinds["BRANCH", "+1 -0"] > 0, "a stub"
    assert kinds["BRANCH", "+2 -0"] > 0, "two pipes from nowhere"
    assert kinds["BRANCH", "+4 -0"] > 0, "a ring"
    assert kinds["JUMP", "+0 -1"] > 0, "a strand erased"
    assert kinds["JUMP", "+6 -0"] + kinds["JUMP", "+7 -0"] > 0, "six links at once"


def test_stubs_stand_beside_strands_and_never_where_a_legal_link_may_have_begun() -> None:
    """B goes two to the right: free cells beside its endpoint and its middle have a stub, those beside its tip none."""
    state = after("bR", "bR")
    own = {token.at for token in TASK.tokens(state)}
    shown = [(code, {token.at for token in tokens} - own) for code, tokens in TASK.forgeries(state)]
    stubs = {cell for code, come in shown for cell in come if code == "BRANCH" and len(come) == 1}
    assert stubs == {(2, 0), (0, 1), (2, 1)}


# --- precision and recall


def test_items_are_the_covered_cells_of_the_last_state() -> None:
    walk = replay(TASK, START, ["aR", "bR", "bR"]).states
    covered = Counter([((0, 1), 0), ((1, 1), 1), ((1, 2), 1)])
    assert TASK.items(walk) == covered
    assert TASK.items(walk[:1]) == Counter()
    assert TASK.items((walk[0], walk[-1])) == covered
    assert TASK.items(walk[:-1]) == covered - Counter([((1, 2), 1)])


def test_the_reference_is_the_cover() -> None:
    (reference,) = TASK.references(START, [START])
    assert list(reference) == SOLVED
    items = TASK.items(replay(TASK, START, reference).states)
    assert set(items.values()) == {1}
    endpoints = {cell for ends in START.ends for cell in ends}
    assert {cell for cell, _ in items} == {(row, col) for row in range(4) for col in range(4)} - endpoints
    none = TASK.parse("AB\nBA")
    with pytest.raises(Unsolvable):
        list(TASK.references(none, [none]))


# --- published terms


def test_components() -> None:
    rewards = registry.load("flowfree").rewards
    solved = replay(TASK, START, SOLVED).states
    begun = replay(TASK, START, ["aR", "bR", "bR"]).states
    filled = len(SOLVED) - 3

    def weighed(states: object) -> tuple[float, float]:
        terms = TASK.components(states)  # type: ignore[arg-type]
        return rewards["paper"].value(terms), rewards["released-code"].value(terms)

    assert filled == 10
    assert TASK.components([START]) == {"conn": 0, "valid": 0, "fill": 0, "process": 0, "endpoints": 1}
    assert weighed([START]) == pytest.approx((0, 0.2)), "a frozen clip is paid for its endpoints"
    assert TASK.components(begun) == {"conn": 0, "valid": 1, "fill": 0.3, "process": 1, "endpoints": 1}
    assert weighed(begun) == pytest.approx((0.30 + 0.06 + 0.15, 0.5 + 0.2 + 0.03))
    assert TASK.components(solved) == {"conn": 1, "valid": 1, "fill": 1, "process": 1, "endpoints": 1}
    assert weighed(solved) == pytest.approx((1, 1))
    assert weighed([START, solved[-1]]) == pytest.approx((0.85, 1)), "the cut to the end lacks the process alone"
    assert TASK.components([*begun, begun[1], begun[0]])["process"] == pytest.approx(3 / 5), "links taken back"
    joined = replay(TASK, START, ["aR", "AL", "aR"]).states
    assert TASK.components(joined)["conn"] == pytest.approx(1 / 3)
    assert TASK.components(joined)["process"] == 1

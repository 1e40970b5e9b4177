"""The counting program of FlowFree against an exhaustive search and a SAT solver that share no code with it."""

from __future__ import annotations

import itertools
import random

import pytest

from flowfree_oracles import Cell, Cover, Link, SatBoard, all_covers, around, random_boards, random_walk_ends
from puzzlegen.errors import Rejected, SearchLimit
from puzzlegen.grid import LINK
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import FlowFree, FlowParams, frontier

TASK = FlowFree()


def dots_of(shape: tuple[int, int], pairs: list[Link]) -> list[int]:
    dots = [frontier.EMPTY] * (shape[0] * shape[1])
    for color, pair in enumerate(pairs):
        for row, col in pair:
            dots[row * shape[1] + col] = color
    return dots


def links_of(shape: tuple[int, int], masks: list[int]) -> Cover:
    links = set()
    for cell, mask in enumerate(masks):
        row, col = divmod(cell, shape[1])
        if mask & LINK["D"]:
            assert masks[cell + shape[1]] & LINK["U"]
            links.add(((row, col), (row + 1, col)))
        if mask & LINK["R"]:
            assert masks[cell + 1] & LINK["L"]
            links.add(((row, col), (row, col + 1)))
    assert sum(mask.bit_count() for mask in masks) == 2 * len(links)
    return frozenset(links)


def masks_of(shape: tuple[int, int], links: Cover) -> list[int]:
    masks = [0] * (shape[0] * shape[1])
    for (row, col), (row2, col2) in links:
        masks[row * shape[1] + col] |= LINK["D" if row2 > row else "R"]
        masks[row2 * shape[1] + col2] |= LINK["U" if row2 > row else "L"]
    return masks


def preferred(shape: tuple[int, int], covers: list[Cover]) -> Cover:
    """The cover that the head of `frontier` names: from the last cell back, linked upwards if any cover is."""
    rows, cols = shape
    cells = list(itertools.product(range(rows), range(cols)))
    transposed = cols > rows
    if transposed:
        cells.sort(key=lambda cell: (cell[1], cell[0]))
    for row, col in reversed(cells):
        above = ((row, col - 1), (row, col)) if transposed else ((row - 1, col), (row, col))
        covers = [cover for cover in covers if above in cover] or covers
    assert len(covers) == 1
    return covers[0]


def test_count_and_cover_agree_with_exhaustive_search() -> None:
    dice = random.Random(1)
    tally = {"none": 0, "one": 0, "many": 0}
    for shape, pairs in random_boards(900, dice):
        covers = all_covers(shape, pairs)
        tally["many" if len(covers) > 1 else "one" if covers else "none"] += 1
        board = frontier.scan(shape, dots_of(shape, pairs))
        assert frontier.count(board) == len(covers), (shape, pairs)
        number, masks = frontier.cover(board)
        assert number == len(covers)
        if covers:
            assert links_of(shape, masks) == preferred(shape, covers), (shape, pairs)
            one = sorted(dice.choice(covers))
            some = set(dice.sample(one, min(len(one), dice.randint(0, 4))))
        else:
            assert masks == []
            some = set()
        # what is drawn must stay
        free = [(cell, other) for cell in itertools.product(*map(range, shape)) for other in around(cell, shape)]
        if dice.random() < 0.3:
            some.add(dice.choice([link for link in free if link[0] < link[1]]))
        left = [cover for cover in covers if some <= cover]
        drawn = frontier.scan(shape, dots_of(shape, pairs), masks_of(shape, frozenset(some)))
        number, masks = frontier.cover(drawn)
        assert number == frontier.count(drawn) == len(left)
        if left:
            assert links_of(shape, masks) == preferred(shape, left)
    assert min(tally.values()) > 100, tally


def test_count_does_not_depend_on_the_way_a_board_lies() -> None:
    """Turned boards take other ways through the program; wide ones with many states, where its memos could clash."""
    dice = random.Random(2)
    for index in range(40):
        rows, cols = [(6, 6), (7, 7), (8, 6), (5, 9)][index % 4]
        cells = list(itertools.product(range(rows), range(cols)))
        pairs = random_walk_ends((rows, cols), cells, dice)
        counts = set()
        for turn in range(4):
            for flip in (False, True):
                shape = (cols, rows) if turn % 2 else (rows, cols)
                ends = placed(pairs, rows, cols, turn, flip)
                lying = list(zip(ends[::2], ends[1::2], strict=True))
                counts.add(frontier.count(frontier.scan(shape, dots_of(shape, lying))))
        assert len(counts) == 1, pairs


def placed(pairs: list[Link], rows: int, cols: int, turns: int, flip: bool) -> list[Cell]:
    cells = [(row, cols - 1 - col if flip else col) for pair in pairs for row, col in pair]
    for _ in range(turns):
        cells = [(col, rows - 1 - row) for row, col in cells]
        rows, cols = cols, rows
    return cells


def test_hamiltonian_paths_from_corner_to_corner() -> None:
    """OEIS A001184: one color from corner to opposite corner of an n x n board, n odd; even boards have none."""
    for size, paths in {3: 2, 5: 104, 7: 111712, 9: 2688307514, 4: 0, 8: 0}.items():
        dots = [0] + [frontier.EMPTY] * (size * size - 2) + [0]
        assert frontier.count(frontier.scan((size, size), dots)) == paths


def test_limits_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    dots = [0, *[frontier.EMPTY] * 166, 0]
    with pytest.raises(SearchLimit, match="at most 11"):
        frontier.scan((12, 14), dots)
    with pytest.raises(SearchLimit, match="at most 12 colors"):
        frontier.scan((10, 3), [color // 2 for color in range(30)])
    frontier.scan((30, 3), [11, 11] + [frontier.EMPTY] * 88)
    monkeypatch.setattr(frontier, "MAX_STATES", 100)
    with pytest.raises(SearchLimit, match="100 states"):
        frontier.count(frontier.scan((8, 21), dots))
    with pytest.raises(SearchLimit, match="100 states"):
        frontier.cover(frontier.scan((8, 21), dots))


def solved_links(start: object) -> Cover:
    state = start
    for action in TASK.solve(state).actions:  # type: ignore[arg-type]
        state = TASK.step(state, action)  # type: ignore[arg-type]
    links = set()
    for (cell, _), (path, _) in zip(state.ends, state.strands, strict=True):  # type: ignore[attr-defined]
        for direction in path:
            row, col = cell
            step = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}[direction]
            other = (row + step[0], col + step[1])
            links.add((min(cell, other), max(cell, other)))
            cell = other
    return frozenset(links)


@pytest.mark.parametrize(
    ("size", "colors", "boards"), [(5, (4, 5), 60), (6, (4, 6), 50), (7, (5, 7), 40), (8, (6, 8), 20), (9, (7, 9), 6)]
)
def test_sat_finds_the_solution_of_generated_boards_and_no_other(
    size: int, colors: tuple[int, int], boards: int
) -> None:
    index = 0
    while boards:
        index += 1
        try:
            start = TASK.generate(FlowParams(size=size, colors=colors), Rng("sat", size, index))
        except Rejected:
            continue
        boards -= 1
        oracle = SatBoard(start.shape, list(start.ends))
        assert oracle.next_cover() == solved_links(start)
        assert oracle.next_cover() is None


def test_sat_counts_as_many_covers_of_larger_boards() -> None:
    dice = random.Random(4)
    several = 0
    for index in range(60):
        shape = [(6, 6), (5, 7), (7, 5), (6, 7)][index % 4]
        cells = list(itertools.product(*map(range, shape)))
        pairs = random_walk_ends(shape, cells, dice)
        covers = frontier.count(frontier.scan(shape, dots_of(shape, pairs)))
        if covers > 60:
            continue
        several += covers > 1
        oracle = SatBoard(shape, pairs)
        found = set(iter(oracle.next_cover, None))
        assert len(found) == covers, (shape, pairs)
    assert several > 10

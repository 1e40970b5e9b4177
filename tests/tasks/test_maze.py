"""The maze against oracles that share no code with it: they know only the block picture and plain masks.

In the picture a step of the agent is two characters, and everything that is not `#` can be walked on.
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.canonical import decode, digest_up_to, encode
from puzzlegen.errors import IllegalAction, InvalidInput, PuzzleTextError, Rejected, Unsolvable
from puzzlegen.seeding import Rng
from puzzlegen.tasks.maze import Maze, MazeParams, MazeState
from puzzlegen.tasks.maze.carve import CARVERS
from puzzlegen.types import Mark

TASK = Maze()
TREES = ("dfs", "wilson", "kruskal")
SHAPES = [(1, 1), (1, 5), (4, 1), (2, 2), (2, 3), (3, 2), (4, 4), (5, 3), (6, 6)]
MASK_STEPS = {1: (-1, 0), 2: (1, 0), 4: (0, -1), 8: (0, 1)}
WALKS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
SMALL = """\
#####
#S  #
### #
#G  #
#####"""
OPEN = """\
#######
#S    #
# # # #
#     #
# # # #
#    G#
#######"""
CUT = """\
#######
#S# #G#
# # # #
# # # #
#######"""


GOLDEN = {
    "dfs": ("acc6386396338595", (3, 2), (0, 2)),
    "wilson": ("8ce6ae5331219cd4", (0, 3), (3, 1)),
    "kruskal": ("2286b523b4b79c51", (2, 0), (2, 3)),
    "braided": ("ace6b63333339dd5", (2, 0), (2, 3)),
}
"""Links, start and goal of one maze of each carver."""


# --- oracles


def edges_of(links: list[int], shape: tuple[int, int]) -> set[frozenset[tuple[int, int]]]:
    """Pairs of joined cells; fails if a passage leads outside or is open from one side only."""
    rows, cols = shape
    sided = Counter[frozenset[tuple[int, int]]]()
    for index, mask in enumerate(links):
        row, col = index // cols, index % cols
        assert 0 <= mask < 16
        for bit, (down, right) in MASK_STEPS.items():
            if mask & bit:
                assert 0 <= row + down < rows
                assert 0 <= col + right < cols
                sided[frozenset({(row, col), (row + down, col + right)})] += 1
    assert set(sided.values()) <= {2}
    return set(sided)


def components(edges: set[frozenset[tuple[int, int]]], shape: tuple[int, int]) -> int:
    """How many regions the cells fall into: labels are merged edge by edge."""
    label = {(row, col): (row, col) for row in range(shape[0]) for col in range(shape[1])}
    for one, other in map(tuple, edges):
        old, new = label[one], label[other]
        label = {cell: new if name == old else name for cell, name in label.items()}
    return len(set(label.values()))


def places(picture: list[str]) -> dict[str, tuple[int, int]]:
    """Where S and G stand, in characters."""
    return {sign: (row, col) for row, line in enumerate(picture) for col, sign in enumerate(line) if sign in "SG"}


def walk_length(text: str) -> int | None:
    """Breadth-first search character by character: steps of two characters from S to G."""
    picture = text.split("\n")
    found = places(picture)
    far = {found["S"]: 0}
    queue = [found["S"]]
    for place in queue:
        for down, right in WALKS.values():
            other = place[0] + down, place[1] + right
            if picture[other[0]][other[1]] != "#" and other not in far:
                far[other] = far[place] + 1
                queue.append(other)
    if found["G"] not in far:
        return None
    assert far[found["G"]] % 2 == 0
    return far[found["G"]] // 2


def count_walks(text: str, length: int) -> int:
    """Enumerate every walk of `length` steps that visits no place twice, and count those that end on G."""
    picture = text.split("\n")
    found = places(picture)
    walks = [(found["S"],)]
    for _ in range(2 * length):
        walks = [
            (*walk, place)
            for walk in walks
            for place in ((walk[-1][0] + down, walk[-1][1] + right) for down, right in WALKS.values())
            if picture[place[0]][place[1]] != "#" and place not in walk
        ]
    return sum(walk[-1] == found["G"] for walk in walks)


def simulate(text: str, line: str) -> tuple[int, int]:
    """Walk the picture; fails at a wall. Returns where the walker ends, in characters."""
    picture = text.split("\n")
    row, col = places(picture)["S"]
    for action in line:
        for _ in range(2):
            row, col = row + WALKS[action][0], col + WALKS[action][1]
            assert picture[row][col] != "#", f"{action} leads into a wall"
    return row, col


def carved(carver: str, shape: tuple[int, int], rng: Rng) -> MazeState:
    """A maze of any shape with two different random cells."""
    links = CARVERS[carver](shape, rng)
    agent, goal = rng.sample(range(len(links)), 2)
    return MazeState(
        shape=shape,
        links="".join(f"{mask:x}" for mask in links),
        goal=(goal // shape[1], goal % shape[1]),
        agent=(agent // shape[1], agent % shape[1]),
    )


def small_mazes(count: int) -> Iterator[MazeState]:
    """Mazes of every carver, 2 to 5 cells a side, rectangles too."""
    for carver, index in itertools.product(CARVERS, range(count)):
        rng = Rng("small mazes", carver, index)
        yield carved(carver, (rng.between(2, 5), rng.between(2, 5)), rng)


@st.composite
def pictures(draw: st.DrawFn) -> str:
    """Any picture that can be read, also with loops, halls, and parts that cannot be reached."""
    rows, cols = draw(st.integers(1, 4)), draw(st.integers(2, 4))
    wall = draw(st.sampled_from([1, 2, 4]))
    lines = [["#"] * (2 * cols + 1) for _ in range(2 * rows + 1)]
    for row, col in itertools.product(range(1, 2 * rows), range(1, 2 * cols)):
        if (row % 2 and col % 2) or (row % 2 != col % 2 and draw(st.integers(0, wall)) > 0):
            lines[row][col] = " "
    cells = [(row, col) for row in range(1, 2 * rows, 2) for col in range(1, 2 * cols, 2)]
    agent, goal = draw(st.permutations(cells))[:2]
    lines[agent[0]][agent[1]], lines[goal[0]][goal[1]] = "S", "G"
    return "\n".join(map("".join, lines))


# --- carvers


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("carver", TREES)
def test_carvers_make_spanning_trees(carver: str, shape: tuple[int, int]) -> None:
    for index in range(20):
        edges = edges_of(CARVERS[carver](shape, Rng("tree", index)), shape)
        assert len(edges) == shape[0] * shape[1] - 1
        assert components(edges, shape) == 1


@pytest.mark.parametrize("shape", SHAPES)
def test_braided_mazes_are_connected_and_have_fewer_dead_ends(shape: tuple[int, int]) -> None:
    loops = dead_ends = dead_ends_before = 0
    for index in range(20):
        links = CARVERS["braided"](shape, Rng("braid", index))
        tree = CARVERS["dfs"](shape, Rng("braid", index))  # braiding goes on from the same stream
        edges = edges_of(links, shape)
        assert components(edges, shape) == 1
        assert edges >= edges_of(tree, shape)
        loops += len(edges) - (shape[0] * shape[1] - 1)
        dead_ends += sum(mask.bit_count() == 1 for mask in links)
        dead_ends_before += sum(mask.bit_count() == 1 for mask in tree)
    if min(shape) > 1:
        assert loops > 0
        assert dead_ends < dead_ends_before
    else:
        assert loops == 0  # a corridor has no second way


def test_all_dead_ends_are_opened_sometimes_and_never_all_kept_often() -> None:
    """The share of opened dead ends is drawn from 10 to 100 %."""
    shares = []
    for index in range(200):
        before = sum(mask.bit_count() == 1 for mask in CARVERS["dfs"]((8, 8), Rng("share", index)))
        after = sum(mask.bit_count() == 1 for mask in CARVERS["braided"]((8, 8), Rng("share", index)))
        shares.append(1 - after / before)
    assert min(shares) < 0.2
    assert max(shares) == 1
    assert 0.5 < sum(shares) / len(shares) < 0.75


def spanning_trees(shape: tuple[int, int]) -> list[frozenset[frozenset[tuple[int, int]]]]:
    """All of them, by trying every set of cells - 1 edges."""
    rows, cols = shape
    across = [frozenset({(row, col), (row, col + 1)}) for row in range(rows) for col in range(cols - 1)]
    down = [frozenset({(row, col), (row + 1, col)}) for row in range(rows - 1) for col in range(cols)]
    candidates = itertools.combinations(across + down, rows * cols - 1)
    return [frozenset(edges) for edges in candidates if components(set(edges), shape) == 1]


def tree_statistic(carver: str, shape: tuple[int, int]) -> float:
    """Pearson's chi-square of 6000 carved trees against equal chances for all spanning trees."""
    trees = spanning_trees(shape)
    rng = Rng("uniform trees", carver, *shape)
    drawn = Counter(frozenset(edges_of(CARVERS[carver](shape, rng), shape)) for _ in range(6000))
    assert set(drawn) <= set(trees)
    expected = 6000 / len(trees)
    return sum((drawn[tree] - expected) ** 2 / expected for tree in trees)


def test_number_of_spanning_trees() -> None:
    """The oracle itself, against the known numbers (OEIS A007341 and A001353)."""
    assert [len(spanning_trees(shape)) for shape in ((1, 3), (2, 2), (2, 3), (3, 2), (2, 4))] == [1, 4, 15, 15, 56]


def test_carvers_reach_many_trees() -> None:
    """Wilson and Kruskal reach all 15 trees of 2 x 3 cells, depth first all but the one with two forks."""
    for carver, number in (("wilson", 15), ("kruskal", 15), ("dfs", 14)):
        rng = Rng("many", carver)
        assert len({frozenset(edges_of(CARVERS[carver]((2, 3), rng), (2, 3))) for _ in range(600)}) == number


@pytest.mark.parametrize(("shape", "critical"), [((2, 2), 16.27), ((2, 3), 36.12), ((3, 2), 36.12)])
def test_wilson_draws_every_spanning_tree_equally_often(shape: tuple[int, int], critical: float) -> None:
    """Critical values of p = 0.001; the others fail the same test, so it can tell."""
    assert tree_statistic("wilson", shape) < critical
    if shape != (2, 2):
        assert tree_statistic("dfs", shape) > critical
        assert tree_statistic("kruskal", shape) > critical


# --- draws


PARAMS = {
    "tiny": MazeParams(size=4, length=(3, 8)),
    "easy": MazeParams(size=5, length=(5, 12)),
    "hard": MazeParams(size=10, length=(16, 40)),
    "wilson": MazeParams(size=6, length=(4, 9), mix={"wilson": 1}),
}


def drawn(params: MazeParams, count: int, *key: str | int) -> list[MazeState]:
    found: list[MazeState] = []
    for index in itertools.count():
        if len(found) == count:
            return found
        try:
            found.append(TASK.generate(params, Rng("drawn", *key, index)))
        except Rejected as rejected:
            assert rejected.reason == "no cell at the drawn length"
    raise AssertionError


@pytest.mark.parametrize("level", PARAMS)
def test_generate_keeps_to_its_ranges(level: str) -> None:
    params = PARAMS[level]
    lengths = Counter(walk_length(TASK.text(state)) for state in drawn(params, 60, level))
    assert all(length is not None and params.length[0] <= length <= params.length[1] for length in lengths)
    for state in drawn(params, 10, level):
        assert state.shape == (params.size, params.size)
        assert components(edges_of([int(digit, 16) for digit in state.links], state.shape), state.shape) == 1


@pytest.mark.parametrize(("level", "count"), [("tiny", 3000), ("easy", 3000), ("hard", 1500)])
def test_lengths_are_drawn_evenly(level: str, count: int) -> None:
    """No length in the range is rare: Pearson's chi-square, p = 0.001, and each within a factor of the mean."""
    low, high = PARAMS[level].length
    lengths = Counter(TASK.distance(state) for state in drawn(PARAMS[level], count, "even"))
    expected = count / (high - low + 1)
    statistic = sum((lengths[length] - expected) ** 2 / expected for length in range(low, high + 1))
    assert statistic < {"tiny": 20.52, "easy": 24.32, "hard": 51.18}[level]


def test_start_is_drawn_from_all_cells_and_carvers_by_their_weights() -> None:
    states = drawn(MazeParams(size=3, length=(1, 3), mix={"dfs": 3, "wilson": 0, "braided": 1}), 900, "cells")
    assert len({state.agent for state in states}) == len({state.goal for state in states}) == 9
    loops = sum(sum(int(digit, 16).bit_count() for digit in state.links) > 16 for state in states)
    assert 0.15 < loops / 900 < 0.3  # a quarter is braided, and nearly each of these has a loop


def test_goal_is_drawn_evenly_among_the_cells_at_the_length() -> None:
    """In mazes where two cells lie at the drawn length from the start, the first of them is the goal half the time."""
    firsts = pairs = 0
    for state in drawn(MazeParams(size=4, length=(2, 4)), 900, "goals"):
        length = TASK.distance(state)
        cells = [
            cell
            for cell in itertools.product(range(4), repeat=2)
            if TASK.distance(MazeState(shape=(4, 4), links=state.links, goal=cell, agent=state.agent)) == length
        ]
        pairs += len(cells) == 2
        firsts += len(cells) == 2 and state.goal == cells[0]
    assert pairs > 200
    assert abs(firsts - pairs / 2) < 3.3 * (pairs / 4) ** 0.5


def test_a_key_gives_the_same_maze_forever() -> None:
    """Change these only together with the task's version."""
    lines = {
        carver: TASK.generate(MazeParams(size=4, length=(5, 7), mix={carver: 1}), Rng("forever", carver))
        for carver in CARVERS
    }
    assert {carver: (state.links, state.agent, state.goal) for carver, state in lines.items()} == GOLDEN


def test_impossible_lengths_are_rejected_and_equal_keys_give_equal_mazes() -> None:
    with pytest.raises(Rejected, match="no cell at the drawn length"):
        TASK.generate(MazeParams(size=12, length=(143, 143), mix={"wilson": 1}), Rng("impossible"))
    assert drawn(PARAMS["easy"], 5, "same") == drawn(PARAMS["easy"], 5, "same")
    assert drawn(PARAMS["easy"], 5, "same") != drawn(PARAMS["easy"], 5, "other")


def test_order_of_the_mix_does_not_matter() -> None:
    one = MazeParams(size=5, length=(5, 12), mix={"dfs": 1, "wilson": 2})
    other = MazeParams(size=5, length=(5, 12), mix={"wilson": 2, "dfs": 1})
    assert drawn(one, 20) == drawn(other, 20)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"size": 1, "length": [1, 1]}, "here: size must be 2 to 40, got 1"),
        ({"size": 41, "length": [1, 1]}, "here: size must be 2 to 40, got 41"),
        ({"size": 5, "length": [0, 3]}, "here: length must be a range within 1 to 24, got 0 to 3"),
        ({"size": 5, "length": [4, 3]}, "here: length must be a range within 1 to 24, got 4 to 3"),
        ({"size": 5, "length": [4, 25]}, "here: length must be a range within 1 to 24, got 4 to 25"),
        ({"size": 5, "length": [4]}, "here length: expected 2 values, got 1."),
        ({"size": 5, "length": [1, 3], "mix": {}}, "here: mix must give some carver a weight above 0"),
        ({"size": 5, "length": [1, 3], "mix": {"dfs": 0}}, "here: mix must give some carver a weight above 0"),
        ({"size": 5, "length": [1, 3], "mix": {"dfs": -1}}, "here: weight of 'dfs' must not be negative, got -1"),
        (
            {"size": 5, "length": [1, 3], "mix": {"krusal": 1}},
            "here: There is no carver 'krusal'. Did you mean 'kruskal'?",
        ),
        ({"size": 5, "lenght": [1, 3]}, "here: there is no field 'lenght'. Did you mean 'length'?"),
    ],
)
def test_params_are_checked(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        decode(MazeParams, fields, "here")
    assert str(caught.value) == message


# --- solutions


def test_solutions_are_shortest_counted_and_walk_through_the_picture() -> None:
    """On 560 mazes of all carvers; several ways, one way and long ways all occur."""
    several = 0
    for state in small_mazes(140):
        text = TASK.text(state)
        solution = TASK.solve(state)
        length = walk_length(text)
        assert len(solution.actions) == length == TASK.distance(state)
        ways = count_walks(text, length)
        assert solution.measures["shortest_paths"] == ways
        assert solution.unique == (ways == 1)
        assert solution.optimal
        assert simulate(text, TASK.line(solution.actions)) == places(text.split("\n"))["G"]
        several += ways > 1
    assert several > 10


@settings(max_examples=150, deadline=None)
@given(pictures())
def test_any_picture_is_solved_or_proved_unsolvable(text: str) -> None:
    state = TASK.parse(text)
    assert TASK.text(state) == text
    length = walk_length(text)
    assert TASK.distance(state) == length
    if length is None:
        with pytest.raises(Unsolvable, match="no way leads from the start to the goal"):
            TASK.solve(state)
        return
    solution = TASK.solve(state)
    assert len(solution.actions) == length
    assert simulate(text, TASK.line(solution.actions)) == places(text.split("\n"))["G"]
    assert solution.measures["shortest_paths"] == count_walks(text, length)


def test_of_several_shortest_paths_the_first_in_the_order_up_down_left_right_is_taken() -> None:
    text = OPEN
    for _ in range(4):
        state = TASK.parse(text)
        solution = TASK.solve(state)
        options = [
            "".join(line)
            for line in itertools.product("UDLR", repeat=4)
            if TASK.distance(state) == 4 and follows(text, "".join(line))
        ]
        assert len(options) == solution.measures["shortest_paths"] == 6
        assert TASK.line(solution.actions) == min(options, key=lambda line: ["UDLR".index(step) for step in line])
        text = "\n".join(map("".join, zip(*text.split("\n")[::-1], strict=True)))  # a quarter turn


def follows(text: str, line: str) -> bool:
    """Whether a line of actions leads from S to G."""
    try:
        return simulate(text, line) == places(text.split("\n"))["G"]
    except (AssertionError, IndexError):
        return False


def test_unsolvable_mazes() -> None:
    state = TASK.parse(CUT)
    assert TASK.distance(state) is None
    assert not TASK.is_solved(state)
    with pytest.raises(Unsolvable):
        TASK.solve(state)
    assert list(TASK.actions(state)) == ["D"]


def test_a_solved_maze_needs_nothing() -> None:
    state = TASK.parse(SMALL)
    for action in "RDL":
        state = TASK.step(state, action)
    assert TASK.is_solved(state)
    assert TASK.distance(state) == 0
    assert TASK.solve(state).actions == ()
    assert TASK.solve(state).unique


def test_measures_of_a_known_maze() -> None:
    text = "#########\n#S      #\n### ### #\n#   #   #\n# ##### #\n#   #  G#\n#########"
    assert TASK.solve(TASK.parse(text)).measures == {
        "shortest_paths": 1,
        "turns": 1,
        "decisions": 2,  # both junctions; the start has one exit
        "dead_ends": 4,
        "junctions": 2,
        "deepest_wrong_branch": 4,
        "detour": 1.0,
    }
    assert TASK.solve(TASK.parse(SMALL)).measures["detour"] == 3.0
    at_fork = "#######\n#S G  #\n### ###\n#     #\n#######"
    assert TASK.solve(TASK.parse(at_fork)).measures["decisions"] == 0  # at the goal there is none to take
    assert TASK.solve(TASK.parse(OPEN)).measures["decisions"] == 3  # the start and two sides, but no corner


def test_fewest_actions_is_the_low_end() -> None:
    assert TASK.fewest_actions(PARAMS["hard"]) == 16


# --- rules


def test_steps_are_what_the_picture_allows() -> None:
    for state in small_mazes(8):
        walker = random.Random(state.links)
        for _ in range(12):
            picture = TASK.text(state).split("\n")
            row, col = 2 * state.agent[0] + 1, 2 * state.agent[1] + 1
            assert picture[row][col] == "S"
            free = [step for step, (down, right) in WALKS.items() if picture[row + down][col + right] != "#"]
            assert list(TASK.actions(state)) == free
            for step in "UDLR":
                if step not in free:
                    with pytest.raises(IllegalAction, match=f"a wall bars '{step}' from cell"):
                        TASK.step(state, step)
            step = walker.choice(free)
            after = TASK.step(state, step)
            assert after.agent == (state.agent[0] + WALKS[step][0], state.agent[1] + WALKS[step][1])
            assert (after.links, after.goal, after.shape) == (state.links, state.goal, state.shape)
            assert TASK.is_solved(after) == (after.agent == after.goal)
            state = after


@pytest.mark.parametrize("action", ["U", "L", "D", "", "r", "RR", "RD", "x"])
def test_refused_actions(action: str) -> None:
    with pytest.raises(IllegalAction):
        TASK.step(TASK.parse(SMALL), action)


# --- notation


def test_known_picture() -> None:
    state = TASK.parse(SMALL)
    assert state == MazeState(shape=(2, 2), links="8685", goal=(1, 0), agent=(0, 0))  # R, DL, R, UL


def test_text_round_trip() -> None:
    for state in small_mazes(10):
        text = TASK.text(state)
        assert TASK.parse(text) == state
        assert {len(line) for line in text.split("\n")} == {2 * state.shape[1] + 1}
        assert len(text.split("\n")) == 2 * state.shape[0] + 1


def test_blank_lines_around_and_spaces_behind_do_not_matter() -> None:
    assert TASK.parse("\n \n" + SMALL.replace("\n", "  \n") + "\n\n") == TASK.parse(SMALL)
    assert TASK.parse(SMALL.replace("\n", "\r\n")) == TASK.parse(SMALL)


def test_states_have_a_json_form() -> None:
    state = TASK.parse(OPEN)
    assert decode(MazeState, encode(state), "here") == state


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a maze picture has an odd number of lines, 3 or more, this one has 0"),
        ("\n\n  \n", "a maze picture has an odd number of lines, 3 or more, this one has 0"),
        ("###", "a maze picture has an odd number of lines, 3 or more, this one has 1"),
        ("###\n#S#\n#G#\n###", "a maze picture has an odd number of lines, 3 or more, this one has 4"),
        ("####\n#SG#\n####", "line 1 has 4 characters; a maze picture has an odd number of columns, 3 or more"),
        ("#\n#\n#", "line 1 has 1 characters; a maze picture has an odd number of columns, 3 or more"),
        ("#####\n#S G##\n#####", "line 2 has 6 characters, line 1 has 5"),
        ("#####\n#S G#\n####", "line 3 has 4 characters, line 1 has 5"),
        ("#####\n#S.G#\n#####", "line 2, column 3: '.' is none of '#', space, 'S', 'G'"),
        ("#####\n#s G#\n#####", "line 2, column 2: 's' is none of"),
        ("#####\n#S\tG#\n#####", "line 2, column 3: '\\t' is none of"),
        ("#######\n#S#G###\n#######", "line 2, column 6: here lies a cell, which is never '#'"),
        ("#####\n#S###\n#   #\n#G  #\n#####", "line 2, column 4: here lies a cell, which is never '#'"),
        ("#####\n# SG#\n#####", "line 2, column 3: 'S' must stand in a cell"),
        ("#####\n#S  #\n##G##\n#   #\n#####", "line 3, column 3: 'G' must stand in a cell"),
        ("#####\n#S  #\n# G #\n#   #\n#####", "line 3, column 3: 'G' must stand in a cell"),
        ("#####\n#S  #\n#   #\n#G  #\n#####", "line 3, column 3: posts between cells and the border are always '#'"),
        ("# ###\n#S G#\n#####", "line 1, column 2: posts between cells and the border"),
        ("#####\n S G#\n#####", "line 2, column 1: posts between cells and the border"),
        ("#####\n#S G#\n### #", "line 3, column 4: posts between cells and the border"),
        ("#####\n#S  #\n#####", "a maze has exactly one 'G', this one has none"),
        ("#####\n#  G#\n#####", "a maze has exactly one 'S', this one has none"),
        ("#####\n#S S#\n#####", "line 2, column 4: a second 'S'; a maze has exactly one"),
        ("#######\n#S G G#\n#######", "line 2, column 6: a second 'G'; a maze has exactly one"),
        ("\n\n#####\n#S.G#\n#####", "line 4, column 3: '.'"),
        ("\n \n#####\n#S G##\n#####", "line 4 has 6 characters, line 3 has 5"),
        ("\n####\n#SG#\n####", "line 2 has 4 characters; "),
    ],
)
def test_parse_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(PuzzleTextError) as caught:
        TASK.parse(text)
    assert str(caught.value).startswith(message)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="#SG \n.", max_size=40), st.integers(0, 60), pictures())
def test_parse_never_fails_otherwise(noise: str, place: int, picture: str) -> None:
    for text in (noise, picture[:place] + noise[:2] + picture[place + 2 :]):
        try:
            state = TASK.parse(text)
        except PuzzleTextError:
            continue
        assert TASK.parse(TASK.text(state)) == state


# --- identity


def quarter_turn(text: str) -> str:
    """Of the picture, clockwise."""
    return "\n".join(map("".join, zip(*text.split("\n")[::-1], strict=True)))


def mirrored(text: str) -> str:
    """The picture with left and right swapped."""
    return "\n".join(line[::-1] for line in text.split("\n"))


def test_symmetries_are_the_turned_and_mirrored_pictures() -> None:
    for state in small_mazes(15):
        expected = []
        for text in (TASK.text(state), mirrored(TASK.text(state))):
            for _ in range(4):
                expected.append(text)
                text = quarter_turn(text)
        assert sorted(map(TASK.text, TASK.symmetries(state))) == sorted(expected)


def test_symmetric_copies_are_one_puzzle() -> None:
    for state in small_mazes(12):
        copies = list(TASK.symmetries(state))
        digest = digest_up_to(copies)
        structure = digest_up_to(map(TASK.structure, copies))
        length = walk_length(TASK.text(state))
        ways = TASK.solve(state).measures["shortest_paths"]
        for copy in copies:
            turned = list(TASK.symmetries(copy))
            assert digest_up_to(turned) == digest
            assert digest_up_to(map(TASK.structure, turned)) == structure
            assert len(TASK.solve(copy).actions) == length
            assert TASK.solve(copy).measures["shortest_paths"] == ways


def test_structure_is_the_walls_alone() -> None:
    one, other = TASK.parse(SMALL), TASK.parse(SMALL.replace("S", "x").replace("G", "S").replace("x", "G"))
    assert TASK.structure(one) == TASK.structure(other)
    assert digest_up_to(TASK.symmetries(one)) != digest_up_to(TASK.symmetries(TASK.step(one, "R")))
    rows = TASK.parse("#####\n#S G#\n#####\n#   #\n#####")
    row = TASK.parse("#########\n#S G#   #\n#########")
    assert rows.links == row.links
    assert TASK.structure(rows) != TASK.structure(row)
    wider = TASK.parse("#######\n#S   G#\n#######")
    taller = TASK.parse("###\n#S#\n# #\n# #\n# #\n#G#\n###")
    assert TASK.structure(wider) != TASK.structure(taller)
    assert digest_up_to(map(TASK.structure, TASK.symmetries(wider))) == digest_up_to(
        map(TASK.structure, TASK.symmetries(taller))
    )


def test_different_puzzles_have_different_digests() -> None:
    """All mazes of 2 x 2 cells that are trees: 4 trees x 12 pairs of cells, 8 to a class at most."""
    classes: dict[str, set[str]] = {}
    for tree, (agent, goal) in itertools.product(
        spanning_trees((2, 2)), itertools.permutations(itertools.product(range(2), repeat=2), 2)
    ):
        picture = [list("#####"), list("# # #"), list("#####"), list("# # #"), list("#####")]
        for one, other in map(tuple, tree):
            picture[one[0] + other[0] + 1][one[1] + other[1] + 1] = " "
        picture[2 * agent[0] + 1][2 * agent[1] + 1] = "S"
        picture[2 * goal[0] + 1][2 * goal[1] + 1] = "G"
        text = "\n".join(map("".join, picture))
        classes.setdefault(digest_up_to(TASK.symmetries(TASK.parse(text))), set()).add(text)
    assert sum(map(len, classes.values())) == 48
    for texts in classes.values():
        text = min(texts)
        turned = set()
        for start in (text, mirrored(text)):
            for _ in range(4):
                turned.add(start)
                start = quarter_turn(start)
        assert turned == texts


# --- appearance


def shown(state: MazeState) -> list[tuple[Mark, ...]]:
    """The stacks that the tokens make."""
    stacks: list[tuple[Mark, ...]] = [()] * (state.shape[0] * state.shape[1])
    for token in TASK.tokens(state):
        stacks[token.at[0] * state.shape[1] + token.at[1]] += (token.mark,)
    return stacks


def test_read_inverts_what_is_shown() -> None:
    for state in small_mazes(5):
        backdrop, allowed = TASK.backdrop(state), TASK.glyphs(state)
        rows, cols = state.shape
        assert len(backdrop) == len(allowed) == rows * cols
        for row, col in itertools.product(range(rows), range(cols)):
            now = MazeState(shape=state.shape, links=state.links, goal=state.goal, agent=(row, col))
            assert TASK.backdrop(now) == backdrop
            assert TASK.read(state, shown(now)) == now
            assert all(stack in own and () in own for stack, own in zip(shown(now), allowed, strict=True))


def test_the_backdrop_shows_walls_and_goal() -> None:
    state = TASK.parse(SMALL)
    floors = [Mark("floor", 0, links) for links in (8, 6, 8, 5)]
    assert TASK.backdrop(state) == ((floors[0],), (floors[1],), (floors[2], Mark("goal")), (floors[3],))
    assert TASK.shape(state) == (2, 2)


def test_read_refuses_what_no_state_shows() -> None:
    state = TASK.parse(SMALL)
    agent = (Mark("agent"),)
    assert TASK.read(state, [(), (), (), ()]) is None
    assert TASK.read(state, [agent, (), (), agent]) is None
    assert TASK.read(state, [(), (Mark("ghost"),), (), ()]) is None
    assert TASK.read(state, [(), agent * 2, (), ()]) is None
    assert TASK.read(state, [(), agent, (), ()]) == TASK.step(state, "R")

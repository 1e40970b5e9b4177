"""FlowFree: rules, text, appearance and generation, judged by a simulator and oracles that share no code with it."""

from __future__ import annotations

import itertools
import random

import pytest

from puzzlegen.canonical import decode, digest_up_to, encode
from puzzlegen.errors import IllegalAction, PuzzleTextError, Rejected, SearchLimit, Unsolvable
from puzzlegen.seeding import Rng
from puzzlegen.tasks.flowfree import FlowFree, FlowParams, FlowState, rules
from puzzlegen.types import Mark

TASK = FlowFree()
SMALL = """
A..A
B..C
....
B..C
"""
STEPS = {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
BACK = {"U": "D", "D": "U", "L": "R", "R": "L"}
BITS = {"U": 1, "D": 2, "L": 4, "R": 8}
LEVELS = [(4, (2, 4)), (5, (4, 5)), (6, (4, 6)), (7, (5, 7))]


class Simulator:
    """The rules, once more and by other means: a dict of who owns a cell, and a list of cells for each strand."""

    def __init__(self, text: str) -> None:
        lines = text.split()
        self.size = len(lines), len(lines[0])
        self.owner: dict[tuple[int, int], int] = {}
        self.lines: list[list[list[tuple[int, int]]]] = []
        self.names: list[str] = []
        for row, line in enumerate(lines):
            for col, name in enumerate(line):
                if name != ".":
                    if name not in self.names:
                        self.names.append(name)
                        self.lines.append([])
                    self.owner[row, col] = self.names.index(name)
                    self.lines[self.names.index(name)].append([(row, col)])
        self.joined: set[int] = set()

    def why_not(self, action: str) -> str | None:
        color = ord(action[0].lower()) - ord("a")
        strand = int(action[0] != action[0].lower())
        if color >= len(self.lines) or color in self.joined:
            return "no such strand"
        (row, col), (down, right) = self.lines[color][strand][-1], STEPS[action[1]]
        target = row + down, col + right
        if not (0 <= target[0] < self.size[0] and 0 <= target[1] < self.size[1]):
            return "off the board"
        if target in self.owner and target != self.lines[color][1 - strand][-1]:
            return "taken"
        return None

    def act(self, action: str) -> None:
        assert self.why_not(action) is None, action
        color, strand = ord(action[0].lower()) - ord("a"), int(action[0].isupper())
        (row, col), (down, right) = self.lines[color][strand][-1], STEPS[action[1]]
        target = row + down, col + right
        if target in self.owner:
            self.joined.add(color)
        self.owner[target] = color
        self.lines[color][strand].append(target)

    def solved(self) -> bool:
        return len(self.joined) == len(self.lines) and len(self.owner) == self.size[0] * self.size[1]


def drawn_puzzles(count: int, levels: list[tuple[int, tuple[int, int]]] = LEVELS) -> list[FlowState]:
    found = []
    for size, colors in levels:
        params, index, wanted = FlowParams(size=size, colors=colors), 0, len(found) + count
        while len(found) < wanted:
            index += 1
            try:
                found.append(TASK.generate(params, Rng("test", size, index)))
            except Rejected:
                assert index < 20 * count
    return found


def shown(state: FlowState) -> list[tuple[Mark, ...]]:
    """The stacks of token marks."""
    rows, cols = state.shape
    board: list[tuple[Mark, ...]] = [()] * (rows * cols)
    for token in TASK.tokens(state):
        board[token.at[0] * cols + token.at[1]] += (token.mark,)
    return board


def walk(start: FlowState, dice: random.Random, stray: float) -> list[FlowState]:
    """States of a solution drawn from random ends, or of random legal actions with the chance `stray` a step."""
    paths: dict[int, list[str]] = {}
    for action in TASK.solve(start).actions:
        paths.setdefault(ord(action[0]) - ord("a"), []).append(action[1])
    states = [start]
    while True:
        state = states[-1]
        legal = list(TASK.actions(state))
        todo = [color for color, path in paths.items() if path]
        if not legal or not todo:
            return states
        if dice.random() < stray:
            states.append(TASK.step(state, dice.choice(legal)))
            paths = {}  # off the solution: only random actions from here on
            for _ in range(12):
                legal = list(TASK.actions(states[-1]))
                if legal:
                    states.append(TASK.step(states[-1], dice.choice(legal)))
            return states
        color = dice.choice(todo)
        if dice.random() < 0.5:
            action = chr(ord("a") + color) + paths[color].pop(0)
        else:
            action = chr(ord("A") + color) + BACK[paths[color].pop()]
        states.append(TASK.step(state, action))


# --- rules


def test_a_small_board_by_hand() -> None:
    start = TASK.parse("A.B\n...\nA.B")
    with pytest.raises(Unsolvable):
        TASK.solve(start)
    start = TASK.parse("AB\n..\nAB")
    assert start.ends == (((0, 0), (2, 0)), ((0, 1), (2, 1)))
    solution = TASK.solve(start)
    assert solution.actions == ("aD", "aD", "bD", "bD")
    assert solution.unique is True and solution.optimal is True
    assert solution.measures == {"solutions": 1, "colors": 2, "longest_path": 3, "bends": 0, "detour": 1.0}


def test_the_example_of_the_module() -> None:
    lines = (rules.__doc__ or "").splitlines()
    first = next(number for number, line in enumerate(lines) if line.endswith("::")) + 2
    picture = [line.split()[0] for line in lines[first : first + 4]]
    solution = TASK.solve(TASK.parse("\n".join(picture)))
    assert f'"{TASK.line(solution.actions)}"' in lines[first + 3]
    assert solution.unique


def test_measures_of_a_bent_path() -> None:
    solution = TASK.solve(TASK.parse("A..\n...\n..A"))
    assert solution.measures["solutions"] == 2
    assert solution.unique is False
    assert solution.measures["longest_path"] == 9
    assert solution.measures["bends"] == 4
    assert solution.measures["detour"] == 2.0


def test_strands_of_a_color_meet_and_close() -> None:
    state = TASK.parse("A.\n.A")
    for action in ("aR",):
        state = TASK.step(state, action)
    assert state.strands == (("R", ""),)
    assert "AU" in TASK.actions(state) and "AL" in TASK.actions(state)
    closed = TASK.step(state, "AU")
    assert closed.strands == (("RD", ""),)
    assert closed == TASK.step(state, "aD")
    assert list(TASK.actions(closed)) == []
    assert not TASK.is_solved(closed)  # a cell is left uncovered
    assert TASK.distance(closed) is None
    with pytest.raises(IllegalAction, match="complete"):
        TASK.step(closed, "aL")


@pytest.mark.parametrize("action", ["", "a", "aX", "zR", "aRR", "?R", "R"])
def test_what_is_no_action(action: str) -> None:
    with pytest.raises(IllegalAction):
        TASK.step(TASK.parse(SMALL), action)


@pytest.mark.parametrize(("action", "words"), [("aU", "leave the board"), ("aD", r"\(1, 0\), which is taken")])
def test_why_an_action_is_illegal(action: str, words: str) -> None:
    with pytest.raises(IllegalAction, match=words):
        TASK.step(TASK.parse(SMALL), action)


def test_actions_are_those_the_simulator_allows() -> None:
    dice = random.Random(3)
    for start in drawn_puzzles(15):
        state, other = start, Simulator(TASK.text(start))
        names = [chr(first + color) for color in range(len(start.ends)) for first in (ord("a"), ord("A"))]
        while True:
            wanted = [name + direction for name in names for direction in "UDLR"]
            wanted = [action for action in wanted if other.why_not(action) is None]
            assert list(TASK.actions(state)) == wanted
            assert TASK.is_solved(state) == other.solved()
            for action in (name + direction for name in names for direction in "UDLR"):
                if action not in wanted:
                    with pytest.raises(IllegalAction):
                        TASK.step(state, action)
            if not wanted:
                break
            action = dice.choice(wanted)
            state = TASK.step(state, action)
            other.act(action)
        assert TASK.text(state).lower() == "\n".join(
            "".join(
                chr(ord("a") + other.owner[row, col]) if (row, col) in other.owner else "."
                for col in range(other.size[1])
            )
            for row in range(other.size[0])
        )


# --- generation and solutions


def test_generated_boards_meet_their_level_and_are_solved_in_the_simulator() -> None:
    for start in drawn_puzzles(40, [*LEVELS, (8, (6, 8))]):
        low, high = dict([*LEVELS, (8, (6, 8))])[start.shape[0]]
        assert low <= len(start.ends) <= high
        solution = TASK.solve(start)
        assert solution.unique and solution.optimal and solution.measures["solutions"] == 1
        other = Simulator(TASK.text(start))
        for action in solution.actions:
            assert action[0].islower()
            other.act(action)
        assert other.solved()
        assert [action[0] for action in solution.actions] == sorted(action[0] for action in solution.actions)
        assert len(solution.actions) >= TASK.fewest_actions(FlowParams(size=start.shape[0], colors=(low, high)))
        lines = [strands[0] for strands in other.lines]
        assert min(map(len, lines)) >= 3
        assert solution.measures["longest_path"] == max(map(len, lines))
        for line in lines:  # no path touches itself
            touching = sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) == 1 for a in line for b in line) // 2
            assert touching == len(line) - 1


def test_all_numbers_of_colors_come_up() -> None:
    seen = {len(state.ends) for state in drawn_puzzles(40, [(6, (4, 6))])}
    assert seen == {4, 5, 6}


def test_generation_is_a_function_of_the_key() -> None:
    params = FlowParams(size=6, colors=(4, 6))
    assert TASK.generate(params, Rng("k", 1)) == TASK.generate(params, Rng("k", 1))
    assert TASK.generate(params, Rng("k", 1)) != TASK.generate(params, Rng("k", 2))


@pytest.mark.parametrize(
    ("size", "colors"), [(3, (2, 2)), (11, (5, 6)), (5, (1, 4)), (5, (5, 4)), (5, (4, 9)), (10, (7, 13))]
)
def test_parameters_out_of_range(size: int, colors: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        FlowParams(size=size, colors=colors)


def test_impossible_levels_are_rejected() -> None:
    for index in range(8):  # no unique board of two colors is free of touches (all 5460 tried)
        with pytest.raises(Rejected, match=r"no .* found"):
            TASK.generate(FlowParams(size=4, colors=(2, 2)), Rng("never", index))


def test_distance_along_solutions_and_after_a_wrong_link() -> None:
    dice = random.Random(5)
    wrong = 0
    for start in drawn_puzzles(12):
        states = walk(start, dice, 0)
        for done, state in enumerate(states):
            assert TASK.distance(state) == len(states) - 1 - done
            rest = TASK.solve(state)
            assert len(rest.actions) == len(states) - 1 - done
            assert rest.unique
            for action in rest.actions:
                state = TASK.step(state, action)
            assert TASK.is_solved(state)
            assert state == states[-1]
        state = dice.choice(states[:-1])
        for action in TASK.actions(state):
            after = TASK.step(state, action)
            tail = TASK.distance(after)
            if tail is None:
                wrong += 1
                with pytest.raises(Unsolvable):
                    TASK.solve(after)
            else:  # the cover is unique, so a good link is one of its links
                assert tail == TASK.distance(state) - 1  # type: ignore[operator]
    assert wrong > 50


def test_too_large_a_board_is_refused() -> None:
    lines = ["A" + "." * 11, *["." * 12] * 10, "." * 11 + "A"]
    with pytest.raises(SearchLimit, match="narrow side"):
        TASK.solve(TASK.parse("\n".join(lines)))


# --- identity


def turned(text: str) -> str:
    return "\n".join("".join(line) for line in zip(*text.split()[::-1], strict=True))


def test_turned_mirrored_and_recolored_copies_are_one_puzzle() -> None:
    dice = random.Random(7)
    digests = set()
    for start in drawn_puzzles(10):
        digest = digest_up_to(TASK.symmetries(start))
        digests.add(digest)
        picture = TASK.text(start)
        letters = list("ABCDEFGHIJKLmnopqrst")
        for copy in range(8):
            picture = turned(picture)
            if copy == 4:
                picture = "\n".join(line[::-1] for line in picture.split())
            dice.shuffle(letters)
            state = TASK.parse(picture.translate(str.maketrans("ABCDEFGHIJKL", "".join(letters[:12]))))
            assert digest_up_to(TASK.symmetries(state)) == digest
            assert TASK.solve(state).measures == TASK.solve(start).measures
    assert len(digests) > 30


def test_symmetries_carry_strands_along() -> None:
    dice = random.Random(8)
    for start in drawn_puzzles(4):
        states = walk(start, dice, 0.1)
        for state in (states[len(states) // 2], states[-1]):
            copies = list(TASK.symmetries(state))
            assert len(copies) == 8 and state in copies
            for copy in copies:
                assert TASK.distance(copy) == TASK.distance(state)
                assert TASK.is_solved(copy) == TASK.is_solved(state)
                assert set(TASK.symmetries(copy)) == set(copies)
                assert all(first < second for first, second in copy.ends) and list(copy.ends) == sorted(copy.ends)


def test_states_have_one_json_form() -> None:
    state = walk(drawn_puzzles(1)[-1], random.Random(1), 0)[9]
    assert decode(FlowState, encode(state), "test") == state


# --- text


def test_text_and_parse_are_inverse() -> None:
    for start in drawn_puzzles(10):
        assert TASK.parse(TASK.text(start)) == start
        assert TASK.parse("\n" + TASK.text(start).replace("", " ") + "\n") == start
    assert TASK.text(TASK.parse(SMALL)) == SMALL.strip()
    assert TASK.text(TASK.step(TASK.parse(SMALL), "aR")) == "AA.A\nB..C\n....\nB..C".replace("AA", "Aa")
    assert TASK.text(TASK.parse("z.a\n..a\nA.z\n..A")) == "A.B\n..B\nC.A\n..C"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "2 or more rows"),
        ("AA", "2 or more rows"),
        ("A\nA", "2 or more rows"),
        ("A..\n..\n..A", "line 2 has 2 cells, line 1 has 3"),
        ("A.1\n..A", "line 1, column 3: '1' is neither"),
        ("A.é\n..A", "line 1, column 3"),
        ("A..\n.a.\n..a", "line 1, column 1: the letter 'A' has no second one"),
        ("A.A\n..A", "line 2, column 3: the letter 'A' stands here for the third time"),
        ("...\n...", "at least one pair"),
        ("A . A\n. .B", "line 2, column 4: expected a space"),
        ("A . A\n.  . B", "line 2, column 3: expected a letter"),
        ("A . ?\n. . A", "line 1, column 5: '[?]' is neither"),
        ("abcdefghijklm\nabcdefghijklm", "line 1, column 13: a board has at most 12 pairs"),
    ],
)
def test_errors_of_the_notation_say_where(text: str, words: str) -> None:
    with pytest.raises(PuzzleTextError, match=words):
        TASK.parse(text)


# --- appearance


def test_boards_are_read_back_and_their_glyphs_are_announced() -> None:
    dice = random.Random(11)
    for start in drawn_puzzles(15):
        glyphs = TASK.glyphs(start)
        for stray in (0.0, 0.2, 1.0):
            for state in walk(start, dice, stray):
                board = shown(state)
                assert TASK.read(start, board) == state
                assert all(stack in known for stack, known in zip(board, glyphs, strict=True))
        assert len(TASK.backdrop(start)) == len(glyphs) == start.shape[0] * start.shape[1]
        assert all(len(set(known)) == len(known) for known in glyphs)


def test_glyphs_are_no_more_than_fit_in_the_board() -> None:
    start = TASK.parse(SMALL)
    glyphs = TASK.glyphs(start)
    assert glyphs[0] == ((), (Mark("pipe", 0, 2),), (Mark("pipe", 0, 8),))
    assert len(glyphs[1]) == 1 + 3 * 6  # a border cell: three neighbours, so 3 + 3 masks of each color
    assert len(glyphs[9]) == 1 + 3 * 10
    assert TASK.backdrop(start)[:2] == ((Mark("cell"), Mark("dot", 0)), (Mark("cell"),))
    assert TASK.backdrop(start)[12] == (Mark("cell"), Mark("dot", 1))


def test_a_spoilt_board_is_refused_or_shows_another_state() -> None:
    dice = random.Random(13)
    refused = read = 0
    for start in drawn_puzzles(8):
        glyphs = TASK.glyphs(start)
        for state in walk(start, dice, 0.1)[::3]:
            for _ in range(12):
                board = shown(state)
                for _ in range(dice.choice((1, 1, 2, 3))):
                    place = dice.randrange(len(board))
                    board[place] = dice.choice(glyphs[place])
                seen = TASK.read(start, board)
                if seen is None:
                    refused += 1
                else:
                    read += 1
                    assert shown(seen) == board
    assert refused > 500 and read > 50


@pytest.mark.parametrize(
    "pipes",
    [
        {(0, 1): (0, 0)},  # isolated
        {(0, 0): (0, 0)},  # isolated, on a dot
        {(1, 0): (1, 2), (2, 0): (1, 3), (3, 0): (1, 1 + 8), (3, 1): (1, 4)},  # beyond the second dot
        {(0, 1): (0, 8), (0, 2): (0, 4)},  # reached from no dot
        {(0, 0): (0, 8)},  # dangling
        {(0, 0): (0, 1)},  # off the board
        {(0, 0): (0, 8), (0, 1): (1, 4)},  # two colors
        {(0, 0): (0, 8), (0, 1): (0, 8)},  # no link back
        {(0, 0): (1, 8), (0, 1): (1, 4)},  # wrong dot
        {(0, 0): (0, 8), (0, 1): (0, 4 + 8 + 2), (0, 2): (0, 4), (1, 1): (0, 1)},  # branch
        {(1, 1): (0, 10), (1, 2): (0, 6), (2, 1): (0, 9), (2, 2): (0, 5)},  # loop
        {
            (0, 0): (0, 8),
            (0, 1): (0, 12),
            (0, 2): (0, 12),
            (0, 3): (0, 6),
            (1, 3): (0, 1),
        },  # beyond the dot into another
        {(0, 0): (0, 2), (1, 0): (0, 1 + 8), (1, 1): (0, 4)},  # through a dot of another color
        {(0, 0): (7, 8), (0, 1): (7, 4)},  # no such color
    ],
)
def test_pipes_that_no_state_shows(pipes: dict[tuple[int, int], tuple[int, int]]) -> None:
    start = TASK.parse(SMALL)
    board: list[tuple[Mark, ...]] = [()] * 16
    for (row, col), (hue, links) in pipes.items():
        board[4 * row + col] = (Mark("pipe", hue, links),)
    assert TASK.read(start, board) is None


def test_strange_marks_are_refused() -> None:
    start = TASK.parse(SMALL)
    for stack in ((Mark("tip", 0),), (Mark("pipe", 0, 4), Mark("pipe", 0, 4)), (Mark("dot", 0),)):
        assert TASK.read(start, [(), stack] + [()] * 14) is None


def test_in_each_step_one_stroke_draws_the_new_link() -> None:
    dice = random.Random(17)
    closing = 0
    for start in drawn_puzzles(15):
        for stray in (0.0, 0.3, 1.0):
            for one, two in itertools.pairwise(walk(start, dice, stray)):
                action = next(action for action in TASK.actions(one) if TASK.step(one, action) == two)
                (stroke,) = TASK.strokes(one, action)
                changed = [
                    divmod(cell, one.shape[1])
                    for cell, stacks in enumerate(zip(shown(one), shown(two), strict=True))
                    if stacks[0] != stacks[1]
                ]
                assert sorted((stroke.source, stroke.target)) == changed
                assert stroke.mark == Mark("tip", ord(action[0].lower()) - ord("a"))
                closing += sum(len(b) for _, b in one.strands) > sum(len(b) for _, b in two.strands)
    assert closing > 50  # also where the strand from the second dot had been drawn

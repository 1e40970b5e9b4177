"""Sokoban's rules, notation, appearance and draws."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.canonical import decode, digest, digest_up_to, encode
from puzzlegen.errors import IllegalAction, PuzzleTextError, Rejected
from puzzlegen.grid import SYMMETRIES, cells_of
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban import Sokoban, SokobanParams, SokobanState
from puzzlegen.types import Mark, Solution

TASK = Sokoban()
LEVELS = {
    "tiny": SokobanParams(size=6, boxes=1, walls=20, pushes=(2, 5), moves=(3, 15)),
    "medium": SokobanParams(size=7, boxes=2, walls=20, pushes=(6, 14), moves=(10, 32)),
    "hard": SokobanParams(size=8, boxes=3, walls=20, pushes=(8, 18), moves=(16, 48)),
}
ROOM = """\
#######
#  .  #
# $@$ #
#  *. #
#######"""


def drawn(level: str, count: int) -> list[SokobanState]:
    """The first starts of a level."""
    found: list[SokobanState] = []
    index = 0
    while len(found) < count:
        index += 1
        try:
            found.append(TASK.generate(LEVELS[level], Rng("drawn", level, index)))
        except Rejected as rejection:
            assert rejection.reason in {"room too small", "too few pushes", "no start off the goals", "too many states"}
    return found


# --- notation


def test_text_round_trip() -> None:
    assert TASK.text(TASK.parse(ROOM)) == ROOM
    state = TASK.parse(ROOM)
    assert state.goals == ((1, 3), (3, 3), (3, 4))
    assert state.boxes == ((2, 2), (2, 4), (3, 3))
    assert state.player == (2, 3)


def test_text_shows_player_on_goal_and_stored_boxes() -> None:
    state = TASK.step(TASK.parse("#######\n#@.$. #\n# $   #\n#######"), "r")
    assert TASK.text(state) == "#######\n# +$. #\n# $   #\n#######"
    assert TASK.text(TASK.step(state, "R")) == "#######\n# .@* #\n# $   #\n#######"


def test_parse_takes_ragged_commented_indented_text_and_other_floor_signs() -> None:
    plain = TASK.parse("######\n#    ####\n# @$ . ##\n#########")
    other = TASK.parse("\n; a level\n\n  ######\n  #-__ ####   \n;within\n  # @$ . ##\n  #########\n\n; end\n")
    assert other == plain
    assert plain.shape == (4, 9)
    assert TASK.text(plain) == "#########\n#    ####\n# @$ . ##\n#########"


def test_floor_out_of_reach_is_wall() -> None:
    state = TASK.parse("########\n#@$.#  #\n########\n   #\n########")
    assert TASK.text(state) == "########\n#@$.####\n########\n########\n########"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "there is no level"),
        ("; nothing\n\n", "there is no level"),
        ("#####\n#@$.x\n#####", "line 2, column 5: 'x'"),
        ("#####\n#@$\t.#\n#####", "line 2, column 4"),
        ("#####\n# $.#\n#####", "exactly one player"),
        ("#####\n#@$.#\n#@  #\n#####", "has 2; line 3, column 2 has the second"),
        ("######\n#+@$ #\n######", "exactly one player"),
        ("####\n#@ #\n####", "1 to 12 boxes"),
        ("################\n#@$$$$$$$$$$$$$#\n#..............#\n################", "has 13"),
        ("######\n#@$ .#\n#   .#\n######", "1 boxes and 2 goals"),
        ("#####\n#@$. \n#####", "line 2, column 5: the player can walk out"),
        (";x\n ####\n #@$.#\n # ###", "line 4, column 3: the player can walk out"),
        ("###\n#@$.#\n#####", "line 1, column 4: the player can walk out"),
        ("########\n#@ .#$ #\n########", "line 2, column 6: the player cannot get to this box"),
        ("########\n#@$ #. #\n########", "line 2, column 6: the player cannot get to this goal"),
        ("#" * 65 + "\n#@$.#\n#####", "at most 64"),
    ],
)
def test_parse_errors_name_the_place(text: str, message: str) -> None:
    with pytest.raises(PuzzleTextError) as caught:
        TASK.parse(text)
    assert message in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="#@+$*. -_;\n", max_size=60))
def test_parse_never_fails_otherwise(text: str) -> None:
    try:
        state = TASK.parse(text)
    except PuzzleTextError:
        return
    assert TASK.parse(TASK.text(state)) == state


# --- rules


def test_actions_and_steps() -> None:
    state = TASK.parse("#######\n#  $  #\n# $@$$#\n#  .* #\n#..  .#\n#######")
    assert list(TASK.actions(state)) == ["d", "L"]
    assert TASK.step(state, "L").boxes == ((1, 3), (2, 1), (2, 4), (2, 5), (3, 4))
    assert TASK.step(state, "L").player == (2, 2)
    assert TASK.step(state, "d").player == (3, 3)


@pytest.mark.parametrize("action", ["l", "D", "U", "u", "R", "r", "", "x", "LL", "UD", "ud"])
def test_refused_actions(action: str) -> None:
    state = TASK.parse("#######\n#  $  #\n# $@$$#\n#  .* #\n#..  .#\n#######")
    with pytest.raises(IllegalAction):
        TASK.step(state, action)


def test_steps_into_walls_are_refused() -> None:
    state = TASK.parse("#####\n#@$.#\n#####")
    for action in "udlUDLr":
        with pytest.raises(IllegalAction):
            TASK.step(state, action)


def test_actions_are_what_step_accepts() -> None:
    rng = random.Random("steps")
    for state in drawn("hard", 8):
        for _ in range(30):
            allowed = []
            for action in "uUdDlLrR":
                try:
                    TASK.step(state, action)
                except IllegalAction:
                    continue
                allowed.append(action)
            assert allowed == list(TASK.actions(state))
            state = TASK.step(state, rng.choice(allowed))


def test_boxes_keep_their_numbers_and_equality_ignores_them() -> None:
    state = TASK.parse("######\n#@   #\n#$$  #\n#    #\n#.. ##\n######")
    pushed = TASK.step(state, "D")
    assert pushed.boxes == ((3, 1), (2, 2))
    keys = {token.key: token.at for token in TASK.tokens(pushed)}
    before = {token.key: token.at for token in TASK.tokens(state)}
    assert {key for key in keys if keys[key] != before[key]} == {"box0", "player"}
    again = TASK.parse(TASK.text(pushed))
    assert again.boxes == ((2, 2), (3, 1))
    assert again == pushed
    assert hash(again) == hash(pushed)
    assert pushed != state
    assert state != "state"


def test_state_has_a_json_form() -> None:
    state = TASK.parse(ROOM)
    assert decode(SokobanState, encode(state), "here") == state


# --- appearance


def board_of_state(state: SokobanState) -> list[tuple[Mark, ...]]:
    board: list[tuple[Mark, ...]] = [()] * (state.shape[0] * state.shape[1])
    for token in TASK.tokens(state):
        board[token.at[0] * state.shape[1] + token.at[1]] += (token.mark,)
    return board


def test_backdrop_and_tokens() -> None:
    state = TASK.parse("######\n#@$*.#\n######")
    floor = (Mark("floor"),)
    goal = (Mark("floor"), Mark("goal"))
    assert TASK.backdrop(state)[6:12] == ((Mark("wall"),), floor, floor, goal, goal, (Mark("wall"),))
    assert [(token.mark.kind, token.at, token.key) for token in TASK.tokens(state)] == [
        ("box", (1, 2), "box0"),
        ("stored", (1, 3), "box1"),
        ("player", (1, 1), "player"),
    ]


def test_read_inverts_tokens_on_walks_and_glyphs_cover_them() -> None:
    rng = random.Random("read")
    for start in drawn("medium", 8):
        glyphs, state = TASK.glyphs(start), start
        for _ in range(40):
            board = board_of_state(state)
            assert TASK.read(start, board) == state
            assert all(stack in stacks for stack, stacks in zip(board, glyphs, strict=True))
            assert TASK.backdrop(state) == TASK.backdrop(start)
            state = TASK.step(state, rng.choice(list(TASK.actions(state))))
        assert all((stacks == ((),)) == (kind == "#") for stacks, kind in zip(glyphs, start.floor, strict=True))
        assert all(len(set(stacks)) == len(stacks) for stacks in glyphs)


def test_read_refuses_what_cannot_be() -> None:
    start = TASK.parse("######\n#@$*.#\n######")
    board = board_of_state(start)
    player, box, stored = (Mark("player"),), (Mark("box"),), (Mark("stored"),)

    def changed(*changes: tuple[int, tuple[Mark, ...]]) -> SokobanState | None:
        other = list(board)
        for cell, stack in changes:
            other[cell] = stack
        return TASK.read(start, other)

    assert changed() == start
    assert changed((7, ())) is None  # no player
    assert changed((10, player)) is None  # two
    assert changed((8, ())) is None  # a box is missing
    assert changed((10, stored)) is None  # one too many
    assert changed((9, box)) is None  # a box drawn as not stored on a goal
    assert changed((8, stored)) is None  # and the other way round
    assert changed((7, ()), (0, player)) is None  # in the wall
    assert changed((8, box + player)) is None  # two things in one cell
    assert changed((8, ()), (10, stored)) is not None


# --- identity


def test_symmetries_share_digest_and_optimal_lengths() -> None:
    for state in drawn("medium", 12):
        expected = TASK.solve(state).measures
        images = list(TASK.symmetries(state))
        assert len(images) == 8
        assert len({digest_up_to(TASK.symmetries(image)) for image in (state, *images)}) == 1
        assert len({digest_up_to(TASK.symmetries(TASK.parse(TASK.text(image)))) for image in images}) == 1
        for image in images:
            measures = TASK.solve(image).measures
            for name in ("moves", "pushes", "min_pushes", "lower_bound_gap"):
                assert measures[name] == expected[name]


def test_symmetries_are_the_turned_pictures() -> None:
    state = TASK.parse("#####\n#@$.#\n##  #\n#####")
    assert TASK.text(next(iter(TASK.symmetries(state)))) == TASK.text(state)
    pictures = {TASK.text(image) for image in TASK.symmetries(state)}
    lines = TASK.text(state).split("\n")
    turned = set()
    for symmetry in SYMMETRIES:
        shape = symmetry.shape((len(lines), len(lines[0])))
        where = {symmetry.cell(cell, (len(lines), len(lines[0]))): lines[cell[0]][cell[1]] for cell in cells_of((4, 5))}
        turned.add("\n".join("".join(where[row, col] for col in range(shape[1])) for row in range(shape[0])))
    assert pictures == turned
    assert len(pictures) == 8


def test_digest_ignores_place_and_hidden_floor_but_not_the_player() -> None:
    def identity(text: str) -> str:
        return digest_up_to(TASK.symmetries(TASK.parse(text)))

    small = "#####\n#@$.#\n##  #\n#####"
    mirrored = "########\n########\n###.$@##\n###  ###\n########"
    padded = "#######\n#     #\n#######\n##@$.##\n###  ##\n#######"
    assert identity(padded) == identity(mirrored) == identity(small)
    others = ("#####\n# $.#\n##@ #\n#####", "#####\n#.$@#\n##  #\n#####", "#####\n#@$.#\n#   #\n#####")
    assert len({identity(text) for text in (small, *others)}) == 4


def test_structure_is_the_cropped_walls() -> None:
    first = TASK.parse("#####\n#@$.#\n##  #\n#####")
    second = TASK.parse("######\n######\n# .$##\n##@ ##\n######")
    third = TASK.parse("#####\n#@$.#\n#   #\n#####")
    assert digest(TASK.structure(first)) == digest(TASK.structure(second))
    assert digest(TASK.structure(first)) != digest(TASK.structure(third))


# --- draws


@pytest.mark.parametrize("level", LEVELS)
def test_draws_meet_the_level(level: str) -> None:
    params = LEVELS[level]
    pushes = set()
    for state in drawn(level, 40 if level == "hard" else 120):
        assert state.shape == (params.size, params.size)
        assert len(state.boxes) == len(state.goals) == params.boxes
        assert not set(state.boxes) & set(state.goals)
        assert state.player not in state.boxes
        assert TASK.parse(TASK.text(state)) == state  # closed, all in reach, normal form
        assert TASK.parse(TASK.text(state)).boxes == state.boxes
        fewest = TASK.distance(state)
        assert fewest is not None
        assert params.pushes[0] <= fewest <= params.pushes[1]
        pushes.add(fewest)
    assert len(pushes) >= 3  # the target is drawn, not always the same


def test_draws_are_pinned() -> None:
    """Draws are part of the version: a change here needs a new `Sokoban.version`."""
    assert [digest(state) for level in LEVELS for state in drawn(level, 2)] == [
        "70702f5ed8e5c9a2",
        "b82da1c696da8ccf",
        "4ee3f52449b9229e",
        "d7e9d7bb8a3af035",
        "b896c1778a35abe2",
        "776307ff09712e9e",
    ]
    assert drawn("hard", 3) == drawn("hard", 3)


def test_accepts_checks_moves_and_pushes() -> None:
    params = LEVELS["medium"]

    def verdict(moves: int, pushes: int) -> str | None:
        measures = {"moves": moves, "pushes": pushes}
        return TASK.accepts(params, Solution(actions=(), optimal=True, unique=None, measures=measures))

    assert verdict(10, 6) is None
    assert verdict(32, 14) is None
    assert verdict(9, 6) == verdict(33, 6) == "moves out of range"
    assert verdict(20, 15) == "pushes out of range"
    assert TASK.fewest_actions(params) == 10


def test_measures_of_a_drawn_level() -> None:
    solution = TASK.solve(TASK.parse("########\n#      #\n#@$  . #\n# $    #\n#    . #\n########"))
    assert solution.optimal
    assert solution.unique is None
    assert "".join(solution.actions).count("R") >= 3
    assert set(solution.measures) == {
        "moves",
        "pushes",
        "min_pushes",
        "box_lines",
        "box_changes",
        "lower_bound_gap",
        "push_nodes",
    }
    assert solution.measures["min_pushes"] == 3 + 4
    assert solution.measures["box_changes"] == 1
    assert solution.measures["box_lines"] == 3


def test_box_lines_ignore_walks_and_count_turns() -> None:
    straight = TASK.solve(TASK.parse("########\n#@$   .#\n########")).measures
    assert (straight["box_lines"], straight["box_changes"]) == (1, 0)
    pair = TASK.solve(TASK.parse("######\n#@$. #\n# $. #\n#    #\n######")).measures
    assert (pair["pushes"], pair["box_lines"], pair["box_changes"]) == (2, 2, 1)
    corner = TASK.solve(TASK.parse("#####\n#   #\n#@$ #\n#   #\n#  .#\n#   #\n#####")).measures
    assert (corner["pushes"], corner["box_lines"], corner["box_changes"]) == (3, 2, 0)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4},
        {"size": 17},
        {"boxes": 0},
        {"boxes": 7},
        {"walls": -1},
        {"walls": 41},
        {"pushes": (0, 3)},
        {"pushes": (5, 4)},
        {"pushes": (1, 4)},  # two boxes need two pushes
        {"moves": (5, 4)},
        {"moves": (1, 3)},
    ],
)
def test_bad_params_are_refused(change: dict[str, object]) -> None:
    fields = {"size": 7, "boxes": 2, "walls": 20, "pushes": (4, 9), "moves": (6, 24)}
    with pytest.raises(ValueError, match=next(iter(change))):
        SokobanParams(**{**fields, **change})  # type: ignore[arg-type]


def test_rooms_without_walls_and_full_of_walls_draw() -> None:
    for walls in (0, 40):
        params = SokobanParams(size=6, boxes=1, walls=walls, pushes=(1, 9), moves=(1, 40))
        found = 0
        for index in range(80):
            try:
                state = TASK.generate(params, Rng("walls", walls, index))
            except Rejected:
                continue
            found += 1
            assert (state.floor.count(" ") == 16) or walls
        assert found >= 10

"""What judging asks of Sokoban: faults drawn by hand, push-optimal plans against brute force, published terms."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from puzzlegen import registry
from puzzlegen.errors import Unsolvable
from puzzlegen.grid import STEP, Cell
from puzzlegen.replay import board, replay, stacks_of
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban import Sokoban, SokobanState
from puzzlegen.tasks.sokoban.board import masks
from puzzlegen.tasks.sokoban.plans import push_optimal_lines
from puzzlegen.types import Glyph, Mark

TASK = Sokoban()
BOX, STORED, PLAYER = (Mark("box"),), (Mark("stored"),), (Mark("player"),)
ROOM = """
#######
#     #
# $@$ #
#  #  #
#.   .#
#######"""
TWO_BY_TWO = """
######
#@   #
# $$ #
# .. #
#    #
######"""


def picture(text: str) -> list[Glyph | None]:
    """XSB as one stack a cell; `?` is a cell that cannot be made out."""
    kinds: dict[str, Glyph | None] = {"@": PLAYER, "+": PLAYER, "$": BOX, "*": STORED, "?": None}
    return [kinds.get(character, ()) for line in text.strip("\n").splitlines() for character in line]


def parse(text: str) -> SokobanState:
    return TASK.parse(text.strip("\n"))


# --- faults

FAULTS = {
    "a box more": ("# $@$ #", "# $@$$#", "BOX_COUNT"),
    "a box less": ("# $@$ #", "# $@  #", "BOX_COUNT"),
    "a box less, an unclear wall": ("# $@$ #\n#  #", "# $@  #\n#  ?", "BOX_COUNT"),
    "two boxes less, one unclear cell": ("# $@$ #", "#  @? #", "BOX_COUNT"),
    "a box swallowed": ("# $@$ #", "# $ @ #", "BOX_COUNT"),
    "a box more and a player more": ("# $@$ #", "#@$@$$#", "BOX_COUNT"),
    "a second player": ("# $@$ #", "#@$@$ #", "MULTI_AGENT"),
    "a second player, a box unclear": ("# $@$ #", "#@$@? #", "MULTI_AGENT"),
    "a box beside itself": ("# $@$ #", "#$ @$ #", "ILLEGAL_PUSH"),
    "a pull": ("#     #\n# $@$ #", "#  @  #\n#  $$ #", "ILLEGAL_PUSH"),
    "a box gone from sight and come up": ("# $@$ #\n#  #  #", "#  @$ #\n# $#? #", "ILLEGAL_PUSH"),
    "a box gone, all else hidden": ("# $@$ #\n#  #  #", "#  @$ #\n# ?#? #", "ILLEGAL_PUSH"),
    "over a wall": ("# $@$ #\n#  #  #\n#.   .#", "# $ $ #\n#  #  #\n#. @ .#", "WALL_HIT"),
    "over a box": ("# $@$ #", "#@$ $ #", "WALL_HIT"),
    "between a wall and a box": ("# $@$ #\n#  #  #", "# $ $ #\n# @#  #", "WALL_HIT"),
    "around a corner": ("#     #\n# $@$ #", "# @   #\n# $ $ #", "JUMP"),
    "far away": ("# $@$ #\n#  #  #\n#.   .#", "# $ $ #\n#  #  #\n#.  @.#", "JUMP"),
    "nobody": ("# $@$ #", "# $ $ #", "JUMP"),
    "nobody, a box unclear": ("# $@$ #", "# $ ? #", "JUMP"),
    "nothing to see": ("# $@$ #", "# ??? #", "JUMP"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_blame(fault: str) -> None:
    before, after, code = FAULTS[fault]
    assert before in ROOM
    assert TASK.blame(parse(ROOM), picture(ROOM.replace(before, after))) == code


def test_a_box_that_hides_on_a_goal_is_counted() -> None:
    assert TASK.blame(parse(ROOM), picture(ROOM.replace("#.   .#", "#*   .#"))) == "BOX_COUNT"
    moved = ROOM.replace("#.   .#", "#*   .#").replace("# $@$", "#  @$")
    assert TASK.blame(parse(ROOM), picture(moved)) == "ILLEGAL_PUSH"


def test_a_box_that_is_being_pushed_is_counted() -> None:
    assert TASK.blame(parse(ROOM), picture(ROOM.replace("# $@$ #", "# $$@?#"))) == "BOX_COUNT"
    assert TASK.blame(parse(ROOM), picture(ROOM.replace("# $@$ #", "# $?@?#"))) != "BOX_COUNT"


def forged(state: SokobanState) -> dict[str, list[str]]:
    """The forgeries as XSB without goals."""
    signs = {(): " ", BOX: "$", STORED: "*", PLAYER: "@"}
    found: dict[str, list[str]] = {}
    for code, tokens in TASK.forgeries(state):
        stacks = stacks_of(tokens, state.shape)
        drawn = "".join("#" if wall == "#" else signs[stack] for wall, stack in zip(state.floor, stacks, strict=True))
        cols = state.shape[1]
        found.setdefault(code, []).append(
            "\n".join(drawn[first : first + cols] for first in range(0, len(drawn), cols))
        )
    return found


def test_forgeries_of_a_corridor_by_hand() -> None:
    """Every forgery that this room allows: what is in the text can be pushed two at once, over and into each other."""
    found = forged(parse("#########\n# @$$ ..#\n#########"))
    assert {code: [text.splitlines()[1] for text in texts] for code, texts in found.items()} == {
        "ILLEGAL_PUSH": ["#@$ $   #", "#  @$$  #", "# $@$   #", "# @$ $  #"],
        "BOX_COUNT": [
            "#  @$   #",  # merged
            "# @ $   #",
            "# @$    #",
            "# @$$ * #",
            "# @$$  *#",
            "#$@$$   #",
            "# @$$$  #",
        ],
        "JUMP": ["#  $$  @#"],
        "MULTI_AGENT": ["# @$$ @ #", "# @$$  @#", "#@@$$   #"],
    }


def test_keys_follow_the_things_that_move() -> None:
    state = parse("#########\n# @$$ ..#\n#########")
    pull, double, *_ = TASK.forgeries(state)
    assert [(token.key, token.at[1]) for token in pull.tokens] == [("box0", 2), ("box1", 4), ("player", 1)]
    assert [(token.key, token.at[1]) for token in double.tokens] == [("box0", 4), ("box1", 5), ("player", 3)]
    merged = next(forgery for forgery in TASK.forgeries(state) if forgery.code == "BOX_COUNT")
    assert [(token.key, token.at[1]) for token in merged.tokens] == [("box0", 4), ("player", 3)]
    for forgery in TASK.forgeries(state):
        keys = [token.key for token in forgery.tokens if token.key is not None]
        assert len(set(keys)) == len(keys)


def drawn_levels(level: str, count: int) -> list[SokobanState]:
    recipe, found, index = registry.load("sokoban"), [], 0
    while len(found) < count:
        index += 1
        try:
            found.append(TASK.generate(recipe.level(level), Rng("judging", level, index)))
        except Exception as error:
            assert type(error).__name__ == "Rejected"
    return found


def test_forgeries_of_any_state_break_the_rule_that_they_name() -> None:
    codes: Counter[str] = Counter()
    for level in ("tiny", "medium", "expert"):
        for start in drawn_levels(level, 3):
            state, dice = start, random.Random(level)
            allowed = TASK.glyphs(start)
            for _ in range(25):
                legal = [board(TASK, TASK.step(state, action)) for action in TASK.actions(state)]
                forgeries = list(TASK.forgeries(state))
                assert len(forgeries) <= 30
                for forgery in forgeries:
                    stacks = stacks_of(forgery.tokens, state.shape)
                    assert all(stack in own for stack, own in zip(stacks, allowed, strict=True))
                    assert stacks not in legal
                    assert stacks != board(TASK, state)
                    assert TASK.blame(state, stacks) == forgery.code
                    codes[forgery.code] += 1
                state = TASK.step(state, dice.choice(list(TASK.actions(state))))
    assert set(codes) == {"ILLEGAL_PUSH", "BOX_COUNT", "WALL_HIT", "JUMP", "MULTI_AGENT"}


# --- precision and recall


def test_items_are_the_pushes() -> None:
    start = parse("########\n# @$  .#\n########")
    walk = replay(TASK, start, "lrRlrRR").states
    assert TASK.items(walk) == Counter([((1, 3), "R"), ((1, 4), "R"), ((1, 5), "R")])
    assert TASK.items(walk[:3]) == Counter()
    assert TASK.items((walk[0], walk[3], walk[4])) == Counter([((1, 3), "R")]), "the walks need not be seen"
    assert TASK.items((walk[0], walk[6], walk[7])) == Counter([((1, 5), "R")]), "no push explains the first change"
    assert TASK.items(walk[::-1]) == Counter(), "these are pulls"


def test_a_push_that_is_made_twice_counts_twice() -> None:
    start = parse("#######\n#@$   #\n#     #\n# $   #\n#   ..#\n#######")
    walk = replay(TASK, start, ["R"]).states
    assert TASK.items([*walk, *walk]) == Counter({((1, 2), "R"): 2})


def test_other_boxes_must_stay_for_a_push_to_count() -> None:
    start = parse(ROOM)
    pushed = TASK.step(start, "R")
    elsewhere = SokobanState(
        shape=start.shape, floor=start.floor, goals=start.goals, boxes=((1, 1), pushed.boxes[1]), player=pushed.player
    )
    assert TASK.items([start, pushed]) == Counter([((2, 4), "R")])
    assert TASK.items([start, elsewhere]) == Counter()


def brute_plans(text: str) -> tuple[int, set[frozenset[tuple[tuple[Cell, str], int]]]]:
    """(fewest pushes, the multisets of pushes of all ways to solve with so many), by pushes layer by layer.

    A layer is a set of (boxes, player's cell, pushes so far); walks are flooded cell by cell, nothing is pruned.
    """
    lines = text.strip("\n").splitlines()
    cells = {(row, col): sign for row, line in enumerate(lines) for col, sign in enumerate(line)}
    floor = {cell for cell, sign in cells.items() if sign != "#"}
    goals = {cell for cell, sign in cells.items() if sign in ".*+"}
    boxes = frozenset(cell for cell, sign in cells.items() if sign in "$*")
    player = next(cell for cell, sign in cells.items() if sign in "@+")
    layer = {(boxes, player, frozenset[tuple[tuple[Cell, str], int]]())}
    pushes = 0
    while layer and not any(boxes == goals for boxes, _, _ in layer):
        after = set()
        for boxes, player, made in layer:
            zone = [player]
            for row, col in zone:
                near = [(row + down, col + right) for down, right in STEP.values()]
                zone += [cell for cell in near if cell in floor and cell not in boxes and cell not in zone]
            for row, col in zone:
                for name, (down, right) in STEP.items():
                    box, target = (row + down, col + right), (row + 2 * down, col + 2 * right)
                    if box in boxes and target in floor and target not in boxes:
                        count = Counter(dict(made))
                        count[box, name] += 1
                        moved = boxes - {box} | {target}
                        after.add((moved, box, frozenset(count.items())))
        layer, pushes = after, pushes + 1
    return pushes, {made for boxes, _, made in layer if boxes == goals}


PLANS = {
    "corridor": "########\n#@ $  .#\n########",
    "one box around": "######\n#    #\n# $  #\n#@   #\n#   .#\n######",
    "two ways each": TWO_BY_TWO,
    "a loop": "#######\n#     #\n# #$# #\n#  @  #\n# # # #\n#.    #\n#######",
    "crossing": "#######\n#  .  #\n# $   #\n#. $@ #\n#     #\n#######",
    "through one door": "########\n#  #   #\n# $  . #\n#@$# . #\n#  #   #\n########",
}


@pytest.mark.parametrize("name", PLANS)
def test_plans_are_all_push_optimal_ones(name: str) -> None:
    state = parse(PLANS[name])
    fewest, expected = brute_plans(PLANS[name])
    lines = push_optimal_lines(*masks(state), most=10_000, limit=100_000)
    made = []
    for line in lines:
        walk = replay(TASK, state, line).states
        assert TASK.is_solved(walk[-1])
        assert sum(map(str.isupper, line)) == fewest == TASK.distance(state)
        made.append(frozenset(TASK.items(walk).items()))
    assert len(set(made)) == len(made)
    assert set(made) == expected
    assert push_optimal_lines(*masks(state), most=10_000, limit=100_000) == lines


@pytest.mark.parametrize(("level", "count"), [("tiny", 8), ("easy", 6), ("medium", 3)])
def test_plans_of_drawn_rooms(level: str, count: int) -> None:
    for state in drawn_levels(level, count):
        fewest, expected = brute_plans(TASK.text(state))
        lines = push_optimal_lines(*masks(state), most=10_000, limit=100_000)
        walks = [replay(TASK, state, line).states for line in lines]
        made = [frozenset(TASK.items(walk).items()) for walk in walks]
        assert fewest == TASK.distance(state)
        assert len(made) == len(expected)
        assert set(made) == expected


def test_walks_between_pushes_are_as_short_as_can_be() -> None:
    """Of one plan with one order: by hand around the box."""
    state = parse(PLANS["one box around"])
    lines = push_optimal_lines(*masks(state))
    assert min(map(len, lines)) == len(TASK.solve(state).actions)
    assert push_optimal_lines(*masks(parse(PLANS["corridor"]))) == ["rRRR"]


def test_limits_end_the_enumeration() -> None:
    """Three boxes with six ways each have more plans than are asked for."""
    state = parse("##########\n#@       #\n# $ $ $  #\n#        #\n#   . . .#\n#        #\n##########")
    assert len(push_optimal_lines(*masks(state), most=5)) == 5
    assert push_optimal_lines(*masks(state), limit=3) == []
    references = list(TASK.references(state, [state]))
    assert len(references) == 32
    assert references[0] == TASK.solve(state).actions


def test_no_plans_without_a_solution() -> None:
    dead = parse("#####\n#$@ #\n#  .#\n#####")
    assert push_optimal_lines(*masks(dead)) == []
    with pytest.raises(Unsolvable):
        list(TASK.references(dead, [dead]))


def test_a_solved_start_needs_nothing() -> None:
    assert push_optimal_lines(*masks(parse("#####\n#@ *#\n#####"))) == [""]


def test_references_are_solutions_and_no_two_alike() -> None:
    for level in ("tiny", "easy", "medium", "hard"):
        for start in drawn_levels(level, 2):
            references = list(TASK.references(start, [start]))
            walks = [replay(TASK, start, actions).states for actions in references]
            assert all(TASK.is_solved(walk[-1]) for walk in walks)
            made = [frozenset(TASK.items(walk).items()) for walk in walks]
            assert len(set(made)) == len(made) <= 32
            assert references[0] == TASK.solve(start).actions
            fewest = TASK.distance(start)
            assert all(TASK.items(walk).total() == fewest for walk in walks[1:])


# --- published terms


def test_components() -> None:
    start = parse("########\n# @$  .#\n########")
    walk = replay(TASK, start, "lrRRR").states
    rewards = registry.load("sokoban").rewards

    def terms(*numbers: int) -> dict[str, float]:
        return dict(TASK.components([walk[number] for number in numbers]))

    def weighed(*numbers: int) -> tuple[float, float]:
        return rewards["paper"].value(terms(*numbers)), rewards["released-code"].value(terms(*numbers))

    assert terms(0) == {"state": 0, "proc": 1, "final": 0}
    assert weighed(0) == pytest.approx((0.5, 0.7)), "a frozen clip is paid for its process"
    assert terms(0, 1, 2) == {"state": 0, "proc": 1, "final": 0}
    assert terms(0, 1, 2, 3) == {"state": pytest.approx(1 / 3), "proc": 1, "final": 0}
    assert terms(*range(6)) == {"state": 1, "proc": 1, "final": 1}
    assert weighed(*range(6)) == pytest.approx((1, 1))
    assert terms(0, 5) == {"state": 1, "proc": 0, "final": 1}
    assert weighed(0, 5) == pytest.approx((0.5, 0.3))
    assert terms(0, 1, 5, 4) == {"state": pytest.approx(2 / 3), "proc": pytest.approx(1 / 3), "final": 0}


def test_a_dead_end_and_a_detour_earn_no_state() -> None:
    start = parse("########\n#      #\n#  $@. #\n#      #\n########")
    for line, distance in (("L", 3), ("dlU", None)):
        walk = replay(TASK, start, line).states
        assert TASK.distance(walk[-1]) == distance
        assert TASK.components(walk) == {"state": 0, "proc": 1, "final": 0}

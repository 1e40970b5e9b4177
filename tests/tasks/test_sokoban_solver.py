"""Sokoban's searches against a plain Dijkstra over (player, boxes) that shares no code with them."""

from __future__ import annotations

import heapq
import random
from itertools import combinations, permutations

import pytest

from puzzlegen.errors import Rejected, SearchLimit, Unsolvable
from puzzlegen.seeding import Rng
from puzzlegen.tasks.sokoban import Sokoban, SokobanState, bits
from puzzlegen.tasks.sokoban.board import Board
from puzzlegen.tasks.sokoban.matching import FAR, _hungarian, _subsets, matcher
from puzzlegen.tasks.sokoban.rooms import retrograde
from puzzlegen.tasks.sokoban.solver import best_line, fewest_pushes

TASK = Sokoban()
WAYS = {"u": (-1, 0), "d": (1, 0), "l": (0, -1), "r": (0, 1)}
BIG = 10_000

Cells = set[tuple[int, int]]
Level = tuple[set[tuple[int, int]], frozenset[tuple[int, int]], frozenset[tuple[int, int]], tuple[int, int]]


def read_level(picture: str) -> Level:
    """(floor, goals, boxes, player), by hand."""
    floor, goals, boxes, players = set(), set(), set(), []
    for row, line in enumerate(picture.splitlines()):
        for col, character in enumerate(line):
            if character != "#":
                floor.add((row, col))
            if character in ".*+":
                goals.add((row, col))
            if character in "$*":
                boxes.add((row, col))
            if character in "@+":
                players.append((row, col))
    return floor, frozenset(goals), frozenset(boxes), players[0]


def cheapest(level: Level, walk: int, push: int) -> int | None:
    """Least cost of any solution by Dijkstra over single steps; no bound, no deadlocks, no zones."""
    floor, goals, boxes, player = level
    best = {(player, boxes): 0}
    queue = [(0, 0, player, boxes)]
    count = 0
    while queue:
        cost, _, player, boxes = heapq.heappop(queue)
        if best[player, boxes] < cost:
            continue
        if boxes == goals:
            return cost
        for drow, dcol in WAYS.values():
            near = (player[0] + drow, player[1] + dcol)
            if near not in floor:
                continue
            after, total = boxes, cost + walk
            if near in boxes:
                behind = (near[0] + drow, near[1] + dcol)
                if behind not in floor or behind in boxes:
                    continue
                after, total = boxes - {near} | {behind}, cost + push
            if best.get((near, after), total + 1) > total:
                best[near, after] = total
                count += 1
                heapq.heappush(queue, (total, count, near, after))
    return None


def replay(level: Level, line: str) -> tuple[int, int]:
    """(moves, pushes) of a line that must be legal and must solve the level."""
    floor, goals, frozen, player = level
    boxes, pushes = set(frozen), 0
    for letter in line:
        drow, dcol = WAYS[letter.lower()]
        player = (player[0] + drow, player[1] + dcol)
        assert player in floor
        if player in boxes:
            assert letter.isupper()
            behind = (player[0] + drow, player[1] + dcol)
            assert behind in floor
            assert behind not in boxes
            boxes.remove(player)
            boxes.add(behind)
            pushes += 1
        else:
            assert letter.islower()
    assert boxes == goals
    return len(line), pushes


def masks(state: SokobanState) -> tuple[Board, int, int]:
    cols = state.shape[1]

    def mask(cells: object) -> int:
        return sum(1 << row * cols + col for row, col in cells)  # type: ignore[attr-defined]

    floor = sum(1 << index for index, character in enumerate(state.floor) if character == " ")
    return Board(cols, floor, mask(state.goals)), mask(state.boxes), mask([state.player])


def random_picture(rng: random.Random) -> str:
    """A closed room with everything anywhere on its largest part, boxes on goals and in corners included."""
    while True:
        rows, cols = rng.randint(4, 6), rng.randint(5, 8)
        share = rng.choice((0.1, 0.2, 0.35))
        inner = {(r, c) for r in range(1, rows + 1) for c in range(1, cols + 1) if rng.random() >= share}
        part: set[tuple[int, int]] = set()
        while inner:
            grown, frontier = set(), [min(inner)]
            while frontier:
                cell = frontier.pop()
                if cell in inner:
                    inner.remove(cell)
                    grown.add(cell)
                    frontier += [(cell[0] + dr, cell[1] + dc) for dr, dc in WAYS.values()]
            part = max(part, grown, key=len)
        count = rng.choice((1, 2, 2, 3, 3, 4))
        if 2 * count + 2 <= len(part) <= (48, 48, 40, 28, 20)[count]:
            break
    cells = sorted(part)
    goals = set(rng.sample(cells, count))
    if rng.random() < 0.6:
        boxes, player = pulled(part, goals, rng)
        if boxes == goals:
            return random_picture(rng)
    else:
        boxes = set(rng.sample(cells, count))
        player = rng.choice([cell for cell in cells if cell not in boxes])
    lines = []
    for row in range(rows + 2):
        line = ""
        for cell in ((row, col) for col in range(cols + 2)):
            code = (cell in goals) * 3 + (1 if cell in boxes else 2 if cell == player else 0)
            line += " $@.*+"[code] if cell in part else "#"
        lines.append(line)
    return "\n".join(lines)


def pulled(floor: Cells, goals: Cells, rng: random.Random) -> tuple[Cells, tuple[int, int]]:
    """(boxes, player) after a random walk backwards from a solved level, pulling where it can."""
    boxes = set(goals)
    player = rng.choice(sorted(floor - boxes))
    for _ in range(rng.choice((50, 500, 2000))):
        drow, dcol = rng.choice(list(WAYS.values()))
        ahead, behind = (player[0] + drow, player[1] + dcol), (player[0] - drow, player[1] - dcol)
        if ahead in floor and ahead not in boxes:
            if behind in boxes and rng.random() < 0.8:
                boxes = boxes - {behind} | {player}
            player = ahead
    return boxes, player


def check_against_dijkstra(picture: str, task: Sokoban = TASK) -> bool:
    """Whether the level is solvable, after comparing every answer."""
    level = read_level(picture)
    state = task.parse(picture)
    best = cheapest(level, BIG, BIG + 1)
    least = cheapest(level, 1, BIG + 1)
    assert task.distance(state) == (None if least is None else least // BIG), picture
    board, boxes, player = masks(state)
    if best is None or least is None:
        with pytest.raises(Unsolvable):
            task.solve(state)
        assert best_line(board, boxes, player) is None
        return False
    solution = task.solve(state)
    assert replay(level, "".join(solution.actions)) == divmod(best, BIG), picture
    pushes, moves = least // BIG, least % BIG
    assert replay(level, best_line(board, boxes, player, "pushes-moves") or "") == (moves, pushes), picture
    measures = solution.measures
    assert (measures["moves"], measures["pushes"]) == divmod(best, BIG)
    assert measures["min_pushes"] == pushes
    assert 0 <= measures["lower_bound_gap"] <= pushes
    return True


@pytest.mark.parametrize("block", range(8))
def test_random_levels_agree_with_dijkstra(block: int) -> None:
    rng = random.Random(f"sokoban {block}")
    solvable = sum(check_against_dijkstra(random_picture(rng)) for _ in range(100))
    assert 45 <= solvable <= 90  # both kinds of answer are tested


def test_generated_levels_agree_with_dijkstra() -> None:
    params = TASK.Params(size=7, boxes=2, walls=20, pushes=(2, 20), moves=(2, 60))
    checked = 0
    for index in range(60):
        try:
            state = TASK.generate(params, Rng("dijkstra", index))
        except Rejected:
            continue
        assert check_against_dijkstra(TASK.text(state))
        checked += 1
    assert checked >= 25


# The first levels of Microban by David W. Skinner, with (moves, pushes) of the move optimum and the fewest pushes.
MICROBAN = {
    1: ("####\n# .#\n#  ###\n#*@  #\n#  $ #\n#  ###\n####", 33, 8, 8),
    2: ("######\n#    #\n# #@ #\n# $* #\n# .* #\n#    #\n######", 16, 3, 3),
    3: ("  ####\n###  ####\n#     $ #\n# #  #$ #\n# . .#@ #\n#########", 41, 13, 13),
    4: ("########\n#      #\n# .**$@#\n#      #\n#####  #\n    ####", 23, 7, 7),
    5: (" #######\n #     #\n # .$. #\n## $@$ #\n#  .$. #\n#      #\n########", 25, 8, 6),
    6: ("###### #####\n#    ###   #\n# $$     #@#\n# $ #...   #\n#   ########\n#####", 107, 29, 29),
}


@pytest.mark.parametrize("number", MICROBAN)
def test_microban(number: int) -> None:
    picture, moves, pushes, least = MICROBAN[number]
    state = TASK.parse(picture)
    solution = TASK.solve(state)
    assert replay(read_level(picture), "".join(solution.actions)) == (moves, pushes)
    assert TASK.distance(state) == least
    if number in (1, 2, 3, 4, 6):  # Dijkstra is too slow for 5
        assert check_against_dijkstra(TASK.text(state))


@pytest.mark.parametrize(
    "picture",
    [
        "#####\n#$ .#\n# @ #\n#####",  # in a corner
        "######\n# $$ #\n#  @.#\n#   .#\n######",  # two boxes side by side along a wall, off the goals
        "#######\n#     #\n# $$  #\n# $$@ #\n#  .. #\n# ..  #\n#######",  # a block of four
        "#######\n#     #\n# $#  #\n# #$@ #\n#.   .#\n#######",  # held by walls and each other, or by walls alone
        "########\n#   #  #\n#.$  @ #\n#.$ #  #\n########",  # the pair locks itself before either goal is filled
        "######\n#   .#\n#$  @#\n#    #\n######",  # at a wall
    ],
)
def test_deadlocks_have_no_distance(picture: str) -> None:
    level = read_level(picture)
    assert (cheapest(level, 1, 1) is None) == (TASK.distance(TASK.parse(picture)) is None)


def test_solved_start() -> None:
    state = TASK.parse("#####\n#@* #\n#####")
    solution = TASK.solve(state)
    assert TASK.is_solved(state)
    assert TASK.distance(state) == 0
    assert solution.actions == ()
    assert solution.measures["push_nodes"] == 0


def test_limits_raise() -> None:
    board, boxes, player = masks(TASK.parse(MICROBAN[1][0]))
    with pytest.raises(SearchLimit):
        best_line(board, boxes, player, limit=5)
    with pytest.raises(SearchLimit):
        fewest_pushes(board, boxes, player, limit=2)
    needed = fewest_pushes(board, boxes, player)
    assert fewest_pushes(board, boxes, player, limit=needed.expanded) == needed


def rooms_for_retrograde() -> list[tuple[Board, int]]:
    """Small boards with 1 to 3 boxes, each with its count of boxes."""
    rng = random.Random("retrograde")
    found = []
    while len(found) < 30:
        picture = random_picture(rng)
        board, boxes, _ = masks(TASK.parse(picture))
        if board.floor.bit_count() <= 16:
            found.append((board, boxes.bit_count()))
    return found


def test_retrograde_depths_are_the_fewest_pushes_of_every_state() -> None:
    for board, count in rooms_for_retrograde():
        depths = {}
        for depth, layer in enumerate(retrograde(board.floor, board.goals, board.cols, 1000)):
            for boxes, zone in layer:
                assert zone & boxes == 0
                for cell in bits.cells(zone):
                    assert (boxes, cell) not in depths
                    depths[boxes, cell] = depth
        cells = bits.cells(board.floor)
        for chosen in combinations(cells, count):
            boxes = bits.mask_of(list(chosen))
            for cell in cells:
                if not boxes >> cell & 1:
                    value = fewest_pushes(board, boxes, 1 << cell).value
                    assert value == depths.get((boxes, cell))
                    bound = board.bound(boxes, 1 << cell)
                    if value is not None:
                        assert bound <= value
                    if count == 1:
                        assert bound == (FAR if value is None else value)  # the side is known, so it is exact


def test_bound_of_a_lone_box_is_exact() -> None:
    """It knows the side on which the player stands, so nothing is missing, cut cells included."""
    rng = random.Random("lone")
    cuts = tested = 0
    while tested < 12:
        board, _, _ = masks(TASK.parse(random_picture(rng)))
        cells = bits.cells(board.floor)
        if len(cells) > 18:
            continue
        tested += 1
        floor = {divmod(cell, board.cols) for cell in cells}
        goal = rng.choice(cells)
        alone = Board(board.cols, board.floor, 1 << goal)
        cuts += alone.split.bit_count()
        for box, player in permutations(cells, 2):
            goals, boxes = frozenset([divmod(goal, board.cols)]), frozenset([divmod(box, board.cols)])
            exact = cheapest((floor, goals, boxes, divmod(player, board.cols)), 0, 1)
            assert alone.bound(1 << box, 1 << player) == (FAR if exact is None else exact)
    assert cuts >= 20


def test_bound_is_consistent() -> None:
    """A push lowers the bound by one at most, a walk leaves it: what A* without reopening rests on."""
    for board, count in rooms_for_retrograde()[:15]:
        cols, cells = board.cols, bits.cells(board.floor)
        for chosen in combinations(cells, count):
            boxes = bits.mask_of(list(chosen))
            for cell in cells:
                if boxes >> cell & 1:
                    continue
                here = board.bound(boxes, 1 << cell)
                for step in (-cols, cols, -1, 1):
                    near, behind = cell + step, cell + 2 * step
                    if not board.floor >> near & 1:
                        continue
                    if not boxes >> near & 1:
                        assert board.bound(boxes, 1 << near) == here
                    elif board.floor >> behind & 1 and not boxes >> behind & 1:
                        after = board.bound(boxes ^ 1 << near ^ 1 << behind, 1 << near)
                        assert min(here, FAR) <= min(after, FAR) + 1


def test_retrograde_stops_at_the_depth_and_at_the_limit() -> None:
    board, _, _ = masks(TASK.parse(MICROBAN[3][0]))
    layers = retrograde(board.floor, board.goals, board.cols, 1000)
    assert retrograde(board.floor, board.goals, board.cols, 4) == layers[:5]
    with pytest.raises(Rejected, match="too many states"):
        retrograde(board.floor, board.goals, board.cols, 1000, limit=10)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7])
def test_matching_is_the_least_of_all_permutations(count: int) -> None:
    rng = random.Random(count)
    for _ in range(40 if count < 7 else 6):
        rows = [tuple(rng.choice((FAR, *range(9))) for _ in range(count)) for _ in range(count)]
        exact = min(
            sum(row[goal] for row, goal in zip(rows, order, strict=True)) for order in permutations(range(count))
        )
        for method in (matcher(count), _subsets, _hungarian):
            assert min(method(rows), FAR) == min(exact, FAR)


def test_distance_falls_by_one_with_every_push_of_a_push_optimal_line() -> None:
    params = TASK.Params(size=8, boxes=3, walls=25, pushes=(6, 20), moves=(6, 80))
    walked = 0
    for index in range(25):
        try:
            state = TASK.generate(params, Rng("falls", index))
        except Rejected:
            continue
        left = TASK.distance(state)
        assert left is not None
        for letter in best_line(*masks(state), "pushes-moves") or "":
            state = TASK.step(state, letter)
            left -= letter.isupper()
            assert TASK.distance(state) == left
        assert left == 0
        assert TASK.is_solved(state)
        walked += 1
    assert walked >= 8


def test_distance_changes_by_one_push_at_most_on_random_walks() -> None:
    """Pushes may only lower it by one; once None, always None."""
    params = TASK.Params(size=7, boxes=2, walls=20, pushes=(4, 20), moves=(4, 80))
    rng = random.Random("walks")
    lost = 0
    for index in range(30):
        try:
            state = TASK.generate(params, Rng("walk", index))
        except Rejected:
            continue
        before = TASK.distance(state)
        for _ in range(25):
            letter = rng.choice(list(TASK.actions(state)))
            state = TASK.step(state, letter)
            after = TASK.distance(state)
            if letter.islower() or before is None:
                assert after == before
            elif after is not None:
                assert after >= before - 1
            lost += before is not None and after is None
            before = after
    assert lost >= 3


def test_lines_are_pinned() -> None:
    """Tie-breaks are part of the version: a change here needs a new `Sokoban.version`."""
    lines = {number: "".join(TASK.solve(TASK.parse(MICROBAN[number][0])).actions) for number in (1, 2, 3, 4)}
    assert lines == {
        1: "dlUrrrdLullddrUluRuulDrddrruLdlUU",
        2: "rddLruulDuullddR",
        3: "ruuLLLulDrrrrddlUruLLLddllluurRDrdLuuurDD",
        4: "ullDLdRuurrdLLrrddlUruL",
    }
    wide = TASK.parse("##########\n#@       #\n#        #\n#     $. #\n#        #\n# .$     #\n##########")
    assert "".join(TASK.solve(wide).actions) == "rrrrddRllddL"

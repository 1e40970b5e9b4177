"""Exact searches: fewest pushes, and lexicographic optima of moves and pushes, by A* over sets of player cells.

`best_line` searches steps, but moves all player cells that one box layout reaches at the same cost as one set: a wave.
A wave's next steps cost a handful of shifts, whatever its size. `fewest_pushes` lets a wave fill its zone at once.

Ties are fixed, so that every engine that follows these rules finds the same line: the cheapest bucket first, within it
the wave that was put in last; a wave puts in its pushes by direction U D L R, then by the pushed box's cell ascending,
then its walk. A line is read backwards from the solved wave: a walked cell is reached from the first neighbour, trying
the steps U D L R into it, that the wave before holds. Of a wave, the cells that earlier waves had are dropped.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Literal, NamedTuple

from puzzlegen.errors import SearchLimit
from puzzlegen.tasks.sokoban.bits import flood, shifts
from puzzlegen.tasks.sokoban.board import Board
from puzzlegen.tasks.sokoban.matching import FAR

WAVE_LIMIT = 600_000
"""Waves that `best_line` expands. The hardest of 179 drawn 10 x 10 levels with 4 boxes needed between 256,000 and
512,000, their median below 16,000; a 14 x 14 room with 6 boxes takes 12 s and 190 MB to reach the limit."""
PUSH_LIMIT = 50_000
"""Zones that `fewest_pushes` expands, because rewards wait for it: 1 s with 4 boxes, 10 s with 6, 17 s with 9."""

_UNIT = 1 << 16  # above any count of moves or pushes that stays within the limits
WALK_COST = {"moves-pushes": _UNIT, "pushes-moves": 1}
"""What a walked cell costs, by objective."""
PUSH_COST = _UNIT + 1
"""What a push costs: it is a move too."""


class Search(NamedTuple):
    """What a search found; `value` is None if it proved that there is no solution."""

    value: int | None
    expanded: int


Wave = tuple[int, int, int, "Wave | None", int]  # boxes, player cells, bound, wave before, push direction or -1


def fewest_pushes(board: Board, boxes: int, player: int, limit: int = PUSH_LIMIT) -> Search:
    """The least number of pushes that solves these boxes with the player on this bit.

    Raises:
        SearchLimit: `limit` zones were expanded.
    """
    floor, cols, goals, alive = board.floor, board.cols, board.goals, board.alive
    start = _bound(board, boxes, player)
    if start >= FAR:
        return Search(None, 0)
    steps = shifts(cols)
    bound, split, frozen = board.bound, board.split, board.frozen
    bounds: dict[int | tuple[int, int], int] = {}
    closed: dict[int, int] = {}
    buckets: list[list[tuple[int, int, int]]] = [[(boxes, player, start)]]
    cost = expanded = 0
    while cost < len(buckets):
        bucket = buckets[cost]
        if not bucket:
            cost += 1
            continue
        boxes, player, far = bucket.pop()
        known = closed.get(boxes, 0)
        if known & player:
            continue
        if boxes == goals:
            return Search(start + cost, expanded)
        if expanded == limit:
            raise too_many_zones(limit)
        expanded += 1
        zone = flood(player, floor & ~boxes, cols)
        closed[boxes] = known | zone
        free = alive & ~boxes
        for up, down in steps:
            targets = (zone << down >> up & boxes) << down >> up & free
            while targets:
                target = targets & -targets
                targets ^= target
                player = target << up >> down
                moved = boxes ^ player ^ target
                if closed.get(moved, 0) & player:
                    continue
                key = (moved, player) if moved & split else moved
                left = bounds.get(key)
                if left is None:
                    bounds[key] = left = FAR if frozen(moved, target) else bound(moved, player)
                if left >= FAR:
                    continue
                slot = cost + 1 + left - far
                while slot >= len(buckets):
                    buckets.append([])
                buckets[slot].append((moved, player, left))
    return Search(None, expanded)


def best_line(
    board: Board,
    boxes: int,
    player: int,
    objective: Literal["moves-pushes", "pushes-moves"] = "moves-pushes",
    limit: int = WAVE_LIMIT,
) -> str | None:
    """The best solution as LURD letters, or None if there is none.

    Args:
        board: the room.
        boxes: box cells.
        player: the player's cell.
        objective: what is least first; the other count decides between equals.
        limit: waves to expand.

    Raises:
        SearchLimit: `limit` waves were expanded.
    """
    walk = WALK_COST[objective]
    floor, cols, goals, alive = board.floor, board.cols, board.goals, board.alive
    first = _bound(board, boxes, player)
    if first >= FAR:
        return None
    steps = shifts(cols)
    bound, split, frozen = board.bound, board.split, board.frozen
    bounds: dict[int | tuple[int, int], int] = {}
    seen: dict[int, int] = {}
    buckets: dict[int, list[Wave]] = {0: [(boxes, player, first, None, -1)]}
    costs = [0]
    expanded = 0
    while costs:
        cost = costs[0]
        bucket = buckets[cost]
        if not bucket:
            heappop(costs)
            del buckets[cost]
            continue
        wave = bucket.pop()
        boxes, mask, far, _, _ = wave
        known = seen.get(boxes, 0)
        mask &= ~known
        if not mask:
            continue
        if boxes == goals:
            return _read_back(wave, mask, cols)
        if expanded == limit:
            raise too_many_waves(limit)
        expanded += 1
        seen[boxes] = known = known | mask
        spread = mask >> cols | mask << cols | mask >> 1 | mask << 1
        if spread & boxes:
            free = alive & ~boxes
            for direction, (up, down) in enumerate(steps):
                targets = (mask << down >> up & boxes) << down >> up & free
                while targets:
                    target = targets & -targets
                    targets ^= target
                    player = target << up >> down
                    moved = boxes ^ player ^ target
                    if seen.get(moved, 0) & player:
                        continue
                    key = (moved, player) if moved & split else moved
                    left = bounds.get(key)
                    if left is None:
                        bounds[key] = left = FAR if frozen(moved, target) else bound(moved, player)
                    if left >= FAR:
                        continue
                    slot = cost + (1 + left - far) * PUSH_COST
                    if slot not in buckets:
                        buckets[slot] = []
                        heappush(costs, slot)
                    buckets[slot].append((moved, player, left, wave, direction))
        fresh = spread & floor & ~boxes & ~known
        if fresh:
            slot = cost + walk
            if slot not in buckets:
                buckets[slot] = []
                heappush(costs, slot)
            buckets[slot].append((boxes, fresh, far, wave, -1))
    return None


def too_many_zones(limit: int) -> SearchLimit:
    """The error of a search for the fewest pushes that expanded so many zones."""
    return SearchLimit(f"no fewest pushes within {limit} zones; the level is too large for this solver")


def too_many_waves(limit: int) -> SearchLimit:
    """The error of a search for the best line that expanded so many waves."""
    return SearchLimit(f"no best solution within {limit} waves; the level is too large for this solver")


def _bound(board: Board, boxes: int, player: int) -> int:
    """The bound of a start, which may hold a deadlock anywhere."""
    left = boxes
    while left:
        box = left & -left
        if board.frozen(boxes, box):
            return FAR
        left ^= box
    return board.bound(boxes, player)


def _read_back(wave: Wave, mask: int, cols: int) -> str:
    """The line that led to the lowest cell of `mask` in this wave."""
    letters: list[str] = []
    steps = shifts(cols)
    cell = mask & -mask
    while wave[3] is not None:
        before, direction = wave[3], wave[4]
        pushed = direction >= 0
        for number in (direction,) if pushed else range(4):
            up, down = steps[number]
            came_from = cell << up >> down
            if came_from & before[1]:
                letters.append(("UDLR" if pushed else "udlr")[number])
                cell = came_from
                break
        wave = before
    return "".join(reversed(letters))

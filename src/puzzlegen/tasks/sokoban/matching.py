"""Least sum of distances when every box gets a goal of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

FAR = 1 << 16
"""Distance where there is no way; above any sum of real ones."""

Rows = Sequence[tuple[int, ...]]


def matcher(count: int) -> Callable[[Rows], int]:
    """The fastest exact method for this many boxes; FAR or more means that no matching exists."""
    return {1: _one, 2: _two, 3: _three, 4: _four}.get(count, _subsets if count <= 6 else _hungarian)


def _one(rows: Rows) -> int:
    return rows[0][0]


def _two(rows: Rows) -> int:
    (a, b), (c, d) = rows
    return a + d if a + d < b + c else b + c


def _three(rows: Rows) -> int:
    (a, b, c), (d, e, f), (g, h, i) = rows
    first = a + (e + i if e + i < f + h else f + h)
    second = b + (d + i if d + i < f + g else f + g)
    third = c + (d + h if d + h < e + g else e + g)
    return min(first, second, third)


def _four(rows: Rows) -> int:
    """The first two boxes take each pair of goals, the last two the other pair."""
    (a, b, c, d), (e, f, g, h), (i, j, k, m), (n, o, p, q) = rows
    return min(
        (a + f if a + f < b + e else b + e) + (k + q if k + q < m + p else m + p),
        (a + g if a + g < c + e else c + e) + (j + q if j + q < m + o else m + o),
        (a + h if a + h < d + e else d + e) + (j + p if j + p < k + o else k + o),
        (b + g if b + g < c + f else c + f) + (i + q if i + q < m + n else m + n),
        (b + h if b + h < d + f else d + f) + (i + p if i + p < k + n else k + n),
        (c + h if c + h < d + g else d + g) + (i + o if i + o < j + n else j + n),
    )


def _subsets(rows: Rows) -> int:
    """Dynamic program over sets of goals taken; goals out of a box's reach are skipped."""
    best = {0: 0}
    for row in rows:
        taken: dict[int, int] = {}
        choices = [(1 << goal, far) for goal, far in enumerate(row) if far < FAR]
        for goals, total in best.items():
            for goal, far in choices:
                if not goals & goal:
                    union = goals | goal
                    if taken.get(union, FAR) > total + far:
                        taken[union] = total + far
        if not taken:
            return FAR
        best = taken
    return best[(1 << len(rows)) - 1]


def _hungarian(rows: Rows) -> int:
    """Kuhn-Munkres with potentials, one augmenting path a box; line 0 is a dummy."""
    size = len(rows)
    of_box, of_goal, box_at = [0] * (size + 1), [0] * (size + 1), [0] * (size + 1)
    for box in range(1, size + 1):
        box_at[0] = box
        goal = 0
        slack, came_from, used = [1 << 40] * (size + 1), [0] * (size + 1), [False] * (size + 1)
        while box_at[goal]:
            used[goal] = True
            current, least, nearest = box_at[goal], 1 << 40, 0
            row = rows[current - 1]
            for other in range(1, size + 1):
                if used[other]:
                    continue
                cost = row[other - 1] - of_box[current] - of_goal[other]
                if cost < slack[other]:
                    slack[other], came_from[other] = cost, goal
                if slack[other] < least:
                    least, nearest = slack[other], other
            for other in range(size + 1):
                if used[other]:
                    of_box[box_at[other]] += least
                    of_goal[other] -= least
                else:
                    slack[other] -= least
            goal = nearest
        while goal:
            box_at[goal] = box_at[came_from[goal]]
            goal = came_from[goal]
    return -of_goal[0]

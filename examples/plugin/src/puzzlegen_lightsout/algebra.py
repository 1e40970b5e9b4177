"""Linear equations modulo 2, with rows and solutions as bit masks."""

from __future__ import annotations

from collections.abc import Sequence


def smallest_solutions(rows: Sequence[int], right: Sequence[bool]) -> list[int]:
    """All solutions with the fewest ones, in ascending order; none if the equations contradict each other.

    Args:
        rows: the variables of each equation; as many equations as variables.
        right: what they add up to.
    """
    n = len(rows)
    equations = [row | one << n for row, one in zip(rows, right, strict=True)]
    pivots: dict[int, int] = {}  # variable -> the only equation in which it occurs
    for variable in range(n):
        pivot = next((equation for equation in equations if equation >> variable & 1), None)
        if pivot is None:
            continue
        equations.remove(pivot)
        equations = [equation ^ pivot if equation >> variable & 1 else equation for equation in equations]
        pivots = {known: row ^ pivot if row >> variable & 1 else row for known, row in pivots.items()}
        pivots[variable] = pivot
    if any(equations):
        return []  # 0 = 1
    solutions = [sum(1 << variable for variable, row in pivots.items() if row >> n & 1)]
    for free in range(n):
        if free not in pivots:  # a step through the null space
            step = 1 << free | sum(1 << variable for variable, row in pivots.items() if row >> free & 1)
            solutions += [solution ^ step for solution in solutions]
    fewest = min(map(int.bit_count, solutions))
    return sorted(solution for solution in solutions if solution.bit_count() == fewest)

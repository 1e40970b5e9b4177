"""Covers of FlowFree boards by exhaustive search and by SAT, and boards to try them on; no code of puzzlegen."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator

from pysat.card import CardEnc
from pysat.solvers import Cadical153

Cell = tuple[int, int]
Link = tuple[Cell, Cell]  # the upper or left cell first
Cover = frozenset[Link]


def around(cell: Cell, shape: tuple[int, int]) -> list[Cell]:
    row, col = cell
    cells = [(row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)]
    return [(r, c) for r, c in cells if 0 <= r < shape[0] and 0 <= c < shape[1]]


def all_covers(shape: tuple[int, int], pairs: list[Link]) -> list[Cover]:
    """Every full cover, by walking color after color."""
    ends = {cell for pair in pairs for cell in pair}
    found: list[Cover] = []

    def extend(color: int, cell: Cell, used: set[Cell], links: list[Link]) -> None:
        if cell == pairs[color][1]:
            if color + 1 < len(pairs):
                extend(color + 1, pairs[color + 1][0], used, links)
            elif len(used) == shape[0] * shape[1]:
                found.append(frozenset(links))
            return
        for other in around(cell, shape):
            if other not in used or other == pairs[color][1]:  # all endpoints are used from the outset
                link = (min(cell, other), max(cell, other))
                extend(color, other, used | {other}, [*links, link])

    extend(0, pairs[0][0], ends, [])
    return found


def random_boards(count: int, dice: random.Random) -> Iterator[tuple[tuple[int, int], list[Link]]]:
    shapes = [(4, 4), (4, 4), (5, 4), (4, 5), (3, 5), (6, 3), (3, 3), (2, 6), (7, 2), (2, 2), (3, 4)]
    for index in range(count):
        shape = shapes[index % len(shapes)]
        cells = [(row, col) for row in range(shape[0]) for col in range(shape[1])]
        most = min(5, len(cells) // 3)
        if index % 3:  # endpoints of a random cover by walks, so that covers exist
            yield shape, random_walk_ends(shape, cells, dice)
        else:
            chosen = dice.sample(cells, 2 * dice.randint(1, most))
            yield shape, [(min(pair), max(pair)) for pair in zip(chosen[::2], chosen[1::2], strict=True)]


def random_walk_ends(shape: tuple[int, int], cells: list[Cell], dice: random.Random) -> list[Link]:
    while True:
        free, pairs = set(cells), []
        while free:
            cell = first = min(free, key=lambda cell: (sum(other in free for other in around(cell, shape)), cell))
            free.remove(cell)
            for _ in range(dice.randint(2, 14)):
                steps = sorted(other for other in around(cell, shape) if other in free)
                if not steps:
                    break
                cell = dice.choice(steps)
                free.remove(cell)
            if cell == first:
                break
            pairs.append((min(first, cell), max(first, cell)))
        if not free and len(pairs) <= 6:
            return pairs
        if dice.random() < 0.02:
            return [(cells[0], cells[-1])]


class SatBoard:
    """One variable a link and one a (cell, color); loops are cut off as they turn up."""

    def __init__(self, shape: tuple[int, int], pairs: list[Link]) -> None:
        cells = list(itertools.product(*map(range, shape)))
        number = itertools.count(1)
        self.links = {(one, two): next(number) for one in cells for two in around(one, shape) if one < two}
        colors = {(cell, color): next(number) for cell in cells for color in range(len(pairs))}
        top = next(number) - 1
        end_color = {cell: color for color, pair in enumerate(pairs) for cell in pair}
        self.pairs = pairs
        self.solver = Cadical153()
        for cell in cells:
            variables = [variable for link, variable in self.links.items() if cell in link]
            degree = CardEnc.equals(variables, 1 if cell in end_color else 2, top_id=top)
            own = CardEnc.equals([colors[cell, color] for color in range(len(pairs))], 1, top_id=max(top, degree.nv))
            top = max(top, degree.nv, own.nv)
            for clause in degree.clauses + own.clauses:
                self.solver.add_clause(clause)
            if cell in end_color:
                self.solver.add_clause([colors[cell, end_color[cell]]])
        for (one, two), link in self.links.items():
            for color in range(len(pairs)):
                self.solver.add_clause([-link, -colors[one, color], colors[two, color]])
                self.solver.add_clause([-link, colors[one, color], -colors[two, color]])

    def next_cover(self) -> Cover | None:
        """One more cover, or None."""
        while self.solver.solve():
            model = set(self.solver.get_model())
            cover = frozenset(link for link, variable in self.links.items() if variable in model)
            on_paths = self.joined_to_ends(cover)
            loops = [link for link in cover if link[0] not in on_paths]
            self.solver.add_clause([-self.links[link] for link in (loops or cover)])
            if not loops:
                return cover
        return None

    def joined_to_ends(self, cover: Cover) -> set[Cell]:
        seen = {cell for pair in self.pairs for cell in pair}
        grown = -1
        while grown != len(seen):
            grown = len(seen)
            for one, two in cover:
                if one in seen or two in seen:
                    seen |= {one, two}
        return seen

"""`boards.draw_board`, compiled: the same choices from the same stream, so the same boards.

A cover by paths is kept in arrays: path i lies in row `order[i]` of `rows`, and `sizes` has its length. The two rows
behind those of the cover, `order[count]` and `order[count + 1]`, are free; a move is drawn into them, and taking it
only permutes `order`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from puzzlegen.kernels import below, kernel
from puzzlegen.tasks.flowfree import boards, counting

NOT_MENDED, NOT_UNIQUE = -3, -4  # why there is no board, besides those of `counting`

_SHORTEST = boards.SHORTEST
_MENDING_MOVES, _COUNTS, _TRIES = boards.MENDING_MOVES, boards.COUNTS, boards.TRIES_PER_COUNT

Array = Any  # numpy arrays, whose types numba infers


class Cover(NamedTuple):
    """A cover of a board by paths, and its neighbourhoods; n cells, n + 2 rows."""

    around: Array  # int16 [n, 4]: neighbours in the order U D L R
    degrees: Array  # int16 [n]: how many there are
    rows: Array  # int16 [n + 2, n]: cells of paths
    sizes: Array  # int16 [n + 2]: cells in each row
    order: Array  # int16 [n + 2]: which row a path has
    owners: Array  # int16 [n]: row of the path of each cell
    places: Array  # int16 [n]: place of each cell in its path
    marks: Array  # int64 [n + 1]: scratch of `flaws`; the last one counts its uses


@kernel
def new_cover(size: int) -> Cover:
    """A cover without paths of a square board."""
    n = size * size
    around, degrees = np.empty((n, 4), np.int16), np.zeros(n, np.int16)
    for cell in range(n):
        row, col = cell // size, cell % size
        for step, there in ((-size, row > 0), (size, row + 1 < size), (-1, col > 0), (1, col + 1 < size)):
            if there:
                around[cell, degrees[cell]] = cell + step
                degrees[cell] += 1
    rows, sizes = np.empty((n + 2, n), np.int16), np.zeros(n + 2, np.int16)
    order, owners = np.arange(n + 2).astype(np.int16), np.empty(n, np.int16)
    return Cover(around, degrees, rows, sizes, order, owners, np.empty(n, np.int16), np.zeros(n + 1, np.int64))


@kernel
def own(cover: Cover, row: int) -> None:
    """Note for all cells of a row that they are there."""
    for place in range(cover.sizes[row]):
        cell = cover.rows[row, place]
        cover.owners[cell], cover.places[cell] = row, place


@kernel
def tightest(cells: Array, exits: Array, word: Array) -> int:
    """`boards._tightest`."""
    fewest = exits[cells[0]]
    for cell in cells:
        fewest = min(fewest, exits[cell])
    ties = 0
    for cell in cells:
        ties += exits[cell] == fewest
    ties = below(word, ties)
    for cell in cells:
        if exits[cell] == fewest:
            if not ties:
                return int(cell)
            ties -= 1
    return -1


@kernel
def walk(cover: Cover, word: Array) -> int:
    """`boards._walks`: fills the cover, returns the number of paths."""
    around, degrees, owners = cover.around, cover.degrees, cover.owners
    n = len(degrees)
    exits, choice = degrees.copy(), np.empty(n, np.int16)
    owners[:] = -1
    left, count = n, 0
    while left:
        num_choices = 0
        for cell in range(n):
            if owners[cell] < 0:
                choice[num_choices] = cell
                num_choices += 1
        size = 0
        while num_choices:
            cell = tightest(choice[:num_choices], exits, word)
            cover.rows[count, size], owners[cell], cover.places[cell] = cell, count, size
            size += 1
            num_choices = 0
            for other in around[cell, : degrees[cell]]:
                exits[other] -= 1
                if owners[other] < 0:
                    touches = 0
                    for next_ in around[other, : degrees[other]]:
                        touches += owners[next_] == count
                    if touches == 1:
                        choice[num_choices] = other
                        num_choices += 1
        cover.sizes[count] = size
        left -= size
        count += 1
    return count


@kernel
def flaws(cover: Cover, row: int) -> int:
    """`boards._Cover.flaws` of a row."""
    marks, size = cover.marks, cover.sizes[row]
    marks[-1] += 1
    mark = marks[-1]
    sides = 0
    for place in range(size):
        cell = cover.rows[row, place]
        for other in cover.around[cell, : cover.degrees[cell]]:
            sides += marks[other] == mark
        marks[cell] = mark
    return int(sides - size + 1 + max(0, _SHORTEST - size))


@kernel
def surplus(fewest: int, most: int, count: int) -> int:
    """`boards._Cover.surplus`."""
    return max(0, fewest - count, count - most)


@kernel
def put(cover: Cover, target: int, begin: int, source: int, first: int, last: int) -> int:
    """Append places first to last of a row, backwards if last < first, to another from `begin`; where that ends."""
    step = 1 if first <= last else -1
    for place in range(first, last + step, step):
        cover.rows[target, begin] = cover.rows[source, place]
        begin += 1
    cover.sizes[target] = begin
    return begin


@kernel
def draw_move(cover: Cover, count: int, word: Array) -> tuple[int, int, int]:
    """`boards._Cover.draw_move`: (one path that goes, another or -1, paths that come), (-1, -1, 0) for no move."""
    order, sizes, rows = cover.order, cover.sizes, cover.rows
    index = below(word, count)
    row, taken, rest = order[index], order[count], order[count + 1]
    size = sizes[row]
    dice = below(word, 32)
    if dice < 4:
        if size < 2 * _SHORTEST:
            return -1, -1, 0
        cut = _SHORTEST + below(word, size - 2 * _SHORTEST + 1)
        put(cover, taken, 0, row, 0, cut - 1)
        put(cover, rest, 0, row, cut, size - 1)
        return index, -1, 2
    first, last = (size - 1, 0) if dice & 1 else (0, size - 1)
    end = rows[row, last]
    cell = cover.around[end, below(word, cover.degrees[end])]
    other, place = cover.owners[cell], cover.places[cell]
    if other == row:
        step = 1 if first < last else -1
        if place == last - step:
            return -1, -1, 0
        put(cover, taken, put(cover, taken, 0, row, first, place), row, last, place + step)
        return index, -1, 1
    begin = put(cover, taken, 0, row, first, last)
    if dice & 2:  # the other path is reversed before it is cut
        put(cover, taken, begin, other, place, 0)
        size_of_rest = sizes[other] - 1 - place
        if size_of_rest:
            put(cover, rest, 0, other, sizes[other] - 1, place + 1)
    else:
        put(cover, taken, begin, other, place, sizes[other] - 1)
        size_of_rest = place
        if size_of_rest:
            put(cover, rest, 0, other, 0, place - 1)
    victim = 0
    while order[victim] != other:
        victim += 1
    return index, victim, 2 if size_of_rest else 1


@kernel
def change(cover: Cover, count: int, fewest: int, most: int, gone: int, victim: int, come: int) -> int:
    """`boards._Cover.change` of a move."""
    order = cover.order
    after = count - (1 if victim < 0 else 2) + come
    total = surplus(fewest, most, after) - surplus(fewest, most, count) - flaws(cover, order[gone])
    if victim >= 0:
        total -= flaws(cover, order[victim])
    for new in order[count : count + come]:
        total += flaws(cover, new)
    return total


@kernel
def apply(cover: Cover, count: int, gone: int, victim: int, come: int) -> int:
    """`boards._Cover.apply`: the new number of paths."""
    order = cover.order
    first, second = order[gone], order[victim]
    kept = 0
    for index in range(count + come):
        if index != gone and index != victim:
            order[kept] = order[index]
            kept += 1
    # behind the new paths lie the rows that are free now, a free one that was not used still among them
    if victim >= 0:
        order[count + come - 2], order[count + come - 1] = first, second
    else:
        order[count + come - 1] = first
    for new in order[kept - come : kept]:
        own(cover, new)
    return kept


@kernel
def mend(cover: Cover, count: int, fewest: int, most: int, word: Array) -> tuple[int, int]:
    """`boards._Cover.mend`: (paths, flaws left)."""
    left = surplus(fewest, most, count)
    for row in cover.order[:count]:
        left += flaws(cover, row)
    for _ in range(_MENDING_MOVES):
        if not left:
            break
        gone, victim, come = draw_move(cover, count, word)
        if come:
            more = change(cover, count, fewest, most, gone, victim, come)
            if more <= 0 or (more == 1 and not below(word, 16)):
                count = apply(cover, count, gone, victim, come)
                left += more
    return count, left


@kernel
def save(cover: Cover, count: int, rows: Array, sizes: Array) -> None:
    """Copy the paths in their order."""
    for index in range(count):
        row = cover.order[index]
        sizes[index] = cover.sizes[row]
        rows[index, : sizes[index]] = cover.rows[row, : sizes[index]]


@kernel
def reset(cover: Cover, count: int, rows: Array, sizes: Array) -> None:
    """`boards._Cover.reset`, to what `save` has copied."""
    for index in range(len(cover.order)):
        cover.order[index] = index
    for index in range(count):
        cover.sizes[index] = sizes[index]
        cover.rows[index, : sizes[index]] = rows[index, : sizes[index]]
        own(cover, index)


@kernel
def draw(size: int, fewest: int, most: int, most_states: int, word: Array, ends: Array) -> int:
    """`boards.draw_board` of a square board: how many paths, or what `NOT_UNIQUE` and its like stand for.

    Args:
        size: cells of a side.
        fewest: paths.
        most: paths.
        most_states: of one count.
        word: uint64 [1], the state of the random numbers, moved on.
        ends: int64 [paths or more, 2], filled with the ends of the paths.
    """
    cover = new_cover(size)
    n = size * size
    target = fewest + below(word, most - fewest + 1)
    count = walk(cover, word)
    low = high = target
    count, left = mend(cover, count, low, high, word)
    if left:
        low, high = fewest, most
        count, left = mend(cover, count, low, high, word)
        if left:
            return NOT_MENDED
    rows, sizes = np.empty((most, n), np.int16), np.empty(most, np.int16)
    dots, drawn = np.empty(n, np.int64), np.zeros(n, np.int64)
    downs, rights, firsts = np.empty(n, np.int64), np.empty(n, np.int64), np.empty(n + 2, np.int64)
    keys, ways, index = np.empty(256, np.int64), np.empty(256, np.int64), np.empty(256, np.int32)
    least, kept = 0, 0
    for _ in range(_COUNTS):
        dots[:] = -1
        for color in range(count):
            row = cover.order[color]
            ends[color, 0], ends[color, 1] = cover.rows[row, 0], cover.rows[row, cover.sizes[row] - 1]
            dots[ends[color, 0]] = dots[ends[color, 1]] = color
        counting.exits_of(size, dots, drawn, downs, rights)
        covers, keys, ways, index = counting.sweep(size, dots, downs, rights, most_states, firsts, keys, ways, index)
        if covers < 0:
            return covers
        if covers == 1:
            return count
        if not least or covers <= least:
            least, kept = covers, count
            save(cover, count, rows, sizes)
        else:
            count = kept
            reset(cover, count, rows, sizes)
        found = False
        for _ in range(_TRIES):
            gone, victim, come = draw_move(cover, count, word)
            if come and change(cover, count, low, high, gone, victim, come) <= 0:
                count = apply(cover, count, gone, victim, come)
                found = True
                break
        if not found:
            break
    return NOT_UNIQUE

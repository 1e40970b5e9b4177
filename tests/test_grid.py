"""Geometry of the grid: the symmetries form a group and cells, directions and link masks agree with each other."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.grid import (
    DIRECTIONS,
    LINK,
    OPPOSITE,
    STEP,
    SYMMETRIES,
    Cell,
    Shape,
    Symmetry,
    cells_of,
    inside,
    move,
    neighbors,
    sources,
)

SHAPES = [(1, 1), (1, 4), (2, 2), (2, 3), (3, 2), (5, 3)]


def as_map(symmetry: Symmetry, shape: Shape) -> tuple[Shape, tuple[Cell, ...]]:
    """What a symmetry does, in full."""
    return symmetry.shape(shape), tuple(symmetry.cell(cell, shape) for cell in cells_of(shape))


def test_directions() -> None:
    assert DIRECTIONS == "UDLR"
    assert STEP == {"U": (-1, 0), "D": (1, 0), "L": (0, -1), "R": (0, 1)}
    assert sorted(LINK.values()) == [1, 2, 4, 8]
    assert list(LINK) == list(DIRECTIONS)
    for direction in DIRECTIONS:
        assert move(move((5, 7), direction), OPPOSITE[direction]) == (5, 7)
        assert OPPOSITE[OPPOSITE[direction]] == direction


@pytest.mark.parametrize("shape", SHAPES)
def test_symmetries_are_bijections(shape: Shape) -> None:
    for symmetry in SYMMETRIES:
        target, cells = as_map(symmetry, shape)
        assert sorted(target) == sorted(shape)
        assert sorted(cells) == cells_of(target)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 3), (5, 3)])
def test_symmetries_are_a_group_of_eight(shape: Shape) -> None:
    """Different from each other, closed under composition, each with an inverse among them; the first does nothing."""
    maps = {as_map(symmetry, shape): symmetry for symmetry in SYMMETRIES}
    assert len(SYMMETRIES) == len(maps) == 8
    assert as_map(SYMMETRIES[0], shape) == (shape, tuple(cells_of(shape)))
    for first in SYMMETRIES:
        products = set()
        middle = first.shape(shape)
        for second in SYMMETRIES:
            product = tuple(second.cell(first.cell(cell, shape), middle) for cell in cells_of(shape))
            same = maps[second.shape(middle), product]
            products.add(same)
            for direction in DIRECTIONS:
                assert second.direction(first.direction(direction)) == same.direction(direction)
            for mask in range(16):
                assert second.links(first.links(mask)) == same.links(mask)
        assert products == set(SYMMETRIES)


def test_symmetries_keep_distances_apart_from_each_other() -> None:
    """No symmetry is a mere permutation of cells: neighbours stay neighbours."""
    shape = (4, 3)
    for symmetry, (one, other) in itertools.product(SYMMETRIES, itertools.combinations(cells_of(shape), 2)):
        turned = symmetry.cell(one, shape), symmetry.cell(other, shape)
        before = abs(one[0] - other[0]) + abs(one[1] - other[1])
        assert abs(turned[0][0] - turned[1][0]) + abs(turned[0][1] - turned[1][1]) == before


@given(st.integers(1, 6), st.integers(1, 6), st.sampled_from(SYMMETRIES), st.sampled_from(DIRECTIONS), st.data())
def test_moving_and_transforming_commute(
    rows: int, cols: int, symmetry: Symmetry, direction: str, data: st.DataObject
) -> None:
    shape = (rows, cols)
    cell = data.draw(st.sampled_from(cells_of(shape)))
    moved = symmetry.cell(move(cell, direction), shape)
    assert move(symmetry.cell(cell, shape), symmetry.direction(direction)) == moved
    assert inside(moved, symmetry.shape(shape)) == inside(move(cell, direction), shape)


@given(st.integers(0, 15), st.sampled_from(SYMMETRIES))
def test_links_follow_directions(mask: int, symmetry: Symmetry) -> None:
    turned = symmetry.links(mask)
    assert turned.bit_count() == mask.bit_count()
    for direction in DIRECTIONS:
        assert bool(mask & LINK[direction]) == bool(turned & LINK[symmetry.direction(direction)])


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbors_are_the_cells_one_step_away(shape: Shape) -> None:
    for cell in cells_of(shape):
        pairs = neighbors(cell, shape)
        assert [direction for direction, _ in pairs] == sorted((pair[0] for pair in pairs), key="UDLR".index)
        beside = {
            other for other in cells_of(shape) if abs(other[0] - cell[0]) + abs(other[1] - cell[1]) == 1
        }  # fmt: skip
        assert {other for _, other in pairs} == beside
        assert len(pairs) == len(beside)
        assert all(move(cell, direction) == other for direction, other in pairs)


def test_cells_and_borders() -> None:
    assert cells_of((2, 3)) == [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]
    around = [(row, col) for row in range(-2, 5) for col in range(-2, 6)]
    assert [cell for cell in around if inside(cell, (2, 3))] == cells_of((2, 3))


def test_sources_tell_where_each_cell_comes_from() -> None:
    for shape in ((1, 4), (3, 3), (2, 5)):
        cells = cells_of(shape)
        for symmetry in SYMMETRIES:
            order = sources(symmetry, shape)
            assert [symmetry.cell(cells[source], shape) for source in order] == cells_of(symmetry.shape(shape))

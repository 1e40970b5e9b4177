"""The atlas: labels and boards are one thing, pictures are what the painter draws, sides are walls."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from by_labels import CLIP, stage

from puzzlegen import registry
from puzzlegen.grid import DIRECTIONS, LINK
from puzzlegen.render.planes import new_canvas, planes_of
from puzzlegen.replay import board
from puzzlegen.types import Mark
from puzzlegen.verify.atlas import CHROMA, FEATURES, FOREIGN, GOAL, LAYOUT, LUMA, UNCLEAR, block_means, luma_picture
from puzzlegen.verify.verifier import Verifier
from samples import TASKS, painter, variant

task_names = pytest.mark.parametrize("task", TASKS)


@task_names
def test_labels_and_boards_are_one_thing(task: str) -> None:
    one = stage(task)
    for state in one.states:
        labels = one.labels(state)
        assert (labels >= 0).all()
        assert one.atlas.board(labels) == board(one.task, state)
        assert [stacks[0] for stacks in one.atlas.stacks] == [()] * len(labels)


def test_labels_of_a_stack_that_cannot_be_there_are_unclear() -> None:
    one = stage("maze")
    stacks = [(Mark("agent"),), (Mark("goal"),), *[()] * 14]
    assert one.atlas.labels(stacks).tolist() == [1, UNCLEAR, *[0] * 14]


def test_labels_that_are_no_stack_have_no_board() -> None:
    one = stage("maze")
    labels = np.array([1, 0, UNCLEAR, LAYOUT, GOAL, *[0] * 11], dtype=np.int16)
    assert one.atlas.board(labels)[:5] == [(Mark("agent"),), (), None, None, None]


@task_names
def test_the_expected_picture_is_what_the_painter_draws(task: str) -> None:
    """Means taken here pixel by pixel, cell by cell."""
    one = stage(task)
    brush = painter(task, one.start, one.look, CLIP)
    layout = brush.layout
    (_, cols), side = layout.shape, layout.cell_px
    for state in (one.start, one.states[len(one.states) // 2], one.states[-1]):
        expected = one.atlas.expected(one.labels(state))
        assert expected.shape == (len(one.atlas.stacks), FEATURES)
        canvas = new_canvas(CLIP.height, CLIP.width)
        brush.draw(planes_of(canvas), board(one.task, state))
        for cell in range(len(expected)):
            top, left = layout.corner(divmod(cell, cols))
            part = planes_of(canvas).window(top, left, side, side)
            if side % LUMA == 0:
                blocks = part.y.reshape(LUMA, side // LUMA, LUMA, side // LUMA).mean(axis=(1, 3))
                assert np.abs(expected[cell, : LUMA * LUMA] - blocks.ravel()).max() <= 1
            means = [plane.mean() for plane in part]
            planes = np.split(expected[cell], [LUMA * LUMA, LUMA * LUMA + CHROMA * CHROMA])
            assert [plane.mean() for plane in planes] == pytest.approx(means, abs=1)


@task_names
def test_every_stack_stands_in_the_table_once_and_decoys_beside_it(task: str) -> None:
    one = stage(task)
    for cell, stacks in enumerate(one.atlas.stacks):
        meanings = one.atlas.table[cell]
        assert sorted(meanings[meanings >= 0]) == list(range(len(stacks)))
        assert set(meanings[meanings < 0].tolist()) <= {LAYOUT, GOAL, FOREIGN}
        rows = one.atlas.rows[cell, : len(stacks)]
        assert meanings[rows].tolist() == list(range(len(stacks)))
    assert (one.atlas.table == GOAL).any(), "every task has something on its floor that must stay"
    assert (one.atlas.table == LAYOUT).any() == (task == "sokoban"), "the only one with two kinds of floor"


def test_a_cell_beside_the_goal_must_not_turn_into_one() -> None:
    one = stage("maze")
    means = {label: one.atlas.features[one.atlas.table[one.cell(0, 1)] == label] for label in (0, GOAL)}
    goal = one.atlas.features[one.atlas.table[one.cell(3, 3)] == 0]
    away = [np.abs(means[GOAL] - goal).max(axis=1).min(), np.abs(means[0] - goal).max()]
    assert away[0] < away[1]


@task_names
def test_only_backdrops_with_links_have_sides(task: str) -> None:
    assert stage(task).atlas.sides.any() == (task == "maze")


def test_a_side_measures_how_far_a_wall_has_opened_or_closed() -> None:
    """The change between a cell and its flipped twin is 1 along that side; half of it is one half."""
    one = stage("maze")
    brush = painter("maze", one.start, one.look, CLIP)
    for cell, glyph in enumerate(one.task.backdrop(one.start)):
        for side, direction in enumerate(DIRECTIONS):
            twin = (glyph[0]._replace(links=glyph[0].links ^ LINK[direction]), *glyph[1:])
            here, there = (block_means(brush.tile(one_of), (1, 1))[0] for one_of in (glyph, twin))
            assert one.atlas.sides[cell, side] @ (there - here) == pytest.approx(1, abs=1e-3)
            assert one.atlas.sides[cell, side] @ (there - here) / 2 == pytest.approx(0.5, abs=1e-3)


def test_the_luma_picture_puts_blocks_where_they_are() -> None:
    features = np.zeros((6, FEATURES), dtype=np.float32)
    features[4, 9] = 7  # second row, second column of the cell at (1, 1) of a 2 x 3 board
    picture = luma_picture(features, (2, 3))
    assert picture.shape == (16, 24)
    assert np.argwhere(picture).tolist() == [[9, 9]]


@pytest.mark.parametrize("task", TASKS)
def test_nothing_of_a_verifier_stays_when_it_goes(task: str) -> None:
    """Or memory would grow with every clip that a worker has verified."""

    def objects() -> int:
        gc.collect()
        return sum(str(type(each).__module__).startswith("puzzlegen.") for each in gc.get_objects())

    one, recipe = stage(task), registry.load(task)
    look = variant(recipe, next(iter(recipe.looks)), 0)
    counts = []
    for _ in range(3):
        for _ in range(4):
            verifier = Verifier(one.task, one.start, look, CLIP, 5)
            assert verifier.layout
            del verifier
        counts.append(objects())
    assert counts[1] == counts[2]

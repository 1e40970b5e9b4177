"""Perception, cell by cell: every stack is known under noise, and no backdrop is taken for another."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from by_labels import stage

from puzzlegen import registry
from puzzlegen.grid import DIRECTIONS, LINK, OPPOSITE
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.planes import new_canvas, planes_of
from puzzlegen.render.raster import Layout, Painter
from puzzlegen.testing.clips import noisy
from puzzlegen.types import Glyph, Mark
from puzzlegen.verify.atlas import FEATURES, LUMA, Atlas, Features, atlas
from puzzlegen.verify.perceive import TOLERANCE, Percept, classify, quarters
from puzzlegen.verify.view import AS_DRAWN, observe
from samples import TASKS, variants

# Every link mask once, none of them a real maze.
STRANGE = tuple((Mark("floor", 0, mask),) for mask in range(16))
EMPTY: list[Glyph] = [()] * 16
AGENTS: list[Glyph] = [(Mark("agent"),)] * 16
CLIP = ClipFormat(width=512, height=512, num_frames=9)
LOOKS = list(variants(registry.load("maze")))


@functools.cache
def candidates(number: int, layout: Layout) -> Atlas:
    return atlas(Painter(STRANGE, layout, CLIP, LOOKS[number]), [((), (Mark("agent"),))] * 16, EMPTY)


def read(number: int, cell_px: int, backdrop: tuple[Glyph, ...], board: list[Glyph]) -> Percept:
    """What a noisy picture of this board is taken for."""
    layout = Layout((4, 4), cell_px, 32, 64)
    look: Look = LOOKS[number]
    canvas = new_canvas(CLIP.height, CLIP.width)
    Painter(backdrop, layout, CLIP, look).draw(planes_of(canvas), board)
    rough = noisy(canvas, np.random.default_rng(number))
    return classify(observe(planes_of(rough), layout, AS_DRAWN), np.arange(16), candidates(number, layout))


@pytest.mark.parametrize(("cell_px", "share"), [(12, 0.5), (16, 0.9), (24, 1), (40, 1), (96, 1)])
def test_every_wall_and_agent_is_known_and_every_changed_wall_is_not(cell_px: int, share: float) -> None:
    """Of the smallest cells at least this share: a wall has two sides."""
    for number, look in enumerate(LOOKS):
        for board, label in ((EMPTY, 0), (AGENTS, 1)):
            found = read(number, cell_px, STRANGE, board)
            assert (found.labels == label).all()
            assert not found.sides.any()
        for side, direction in enumerate(DIRECTIONS):
            changed = tuple((mark._replace(links=mark.links ^ LINK[direction]),) for (mark,) in STRANGE)
            found = read(number, cell_px, changed, EMPTY)
            assert found.sides[:, side].mean() >= share, f"{look.name} {look.styles['floor']} at {cell_px} px"
            other = DIRECTIONS.index(OPPOSITE[direction])
            assert not found.sides[:, other].any(), f"{look.name} {look.styles['floor']} at {cell_px} px"


@pytest.mark.parametrize("task", TASKS)
def test_noise_in_single_blocks_changes_nothing(task: str) -> None:
    """Each block off by a codec's error, any sign."""
    one, rng = stage(task), np.random.default_rng(9)
    for state in one.states[:: max(1, len(one.states) // 4)]:
        features = one.atlas.expected(one.labels(state)) + rng.normal(0, 6, (len(one.atlas.stacks), FEATURES))
        found = classify(features.astype(np.float32), np.arange(len(features)), one.atlas)
        assert found.labels.tolist() == one.labels(state).tolist()
        assert found.misfit.max() <= TOLERANCE


@pytest.mark.parametrize("task", TASKS)
def test_pictures_that_no_cell_shows_are_unclear(task: str) -> None:
    one, rng = stage(task), np.random.default_rng(9)
    features = rng.integers(16, 235, (len(one.atlas.stacks), FEATURES)).astype(np.float32)
    found = classify(features, np.arange(len(features)), one.atlas)
    assert (found.labels < 0).mean() > 0.5
    assert (found.misfit > TOLERANCE).all()


def slid(one_px: int, of_px: int, direction: str) -> list[int]:
    """Labels of (left, right) cell of a 1 x 2 corridor while the agent is on its way from left to right."""
    layout = Layout((1, 2), of_px, 0, 0)
    backdrop: tuple[Glyph, ...] = ((Mark("floor", 0, LINK["R"]),), (Mark("floor", 0, LINK["L"]),))
    clip = ClipFormat(width=96, height=64, num_frames=9)
    brush = Painter(backdrop, layout, clip, LOOKS[0])
    known = atlas(brush, [((), (Mark("agent"),))] * 2, [(Mark("agent"),), ()])
    canvas = new_canvas(clip.height, clip.width)
    picture = planes_of(canvas)
    brush.draw(picture, [(), ()])
    brush.sprite(Mark("agent")).blend(picture, 0, one_px if direction == "R" else of_px - one_px)
    return [int(label) for label in classify(observe(picture, layout, AS_DRAWN), np.arange(2), known).labels]


@pytest.mark.parametrize("direction", ["R", "L"])
def test_a_mark_on_its_way_is_where_most_of_it_is(direction: str) -> None:
    """Never gone from both cells, in both at most around the middle, and never back again."""
    order = [0, 1] if direction == "R" else [1, 0]
    found = []
    for pixels in range(0, 49, 4):
        labels = slid(pixels, 48, direction)
        found.append((labels[order[0]], labels[order[1]]))
    assert found[0] == (1, 0)
    assert found[-1] == (0, 1)
    assert (0, 0) not in found
    assert (1, 1) not in found[:4] + found[-4:]
    assert found[2][0] != 0, "a sixth of the way is not gone"
    assert found[-3][1] != 0, "nor is it arrived"
    arrived = [right == 1 for _, right in found]
    assert arrived == sorted(arrived)


def test_a_grown_and_a_turned_mark_go_by_mass() -> None:
    """The agent's color over half of the cell, as a square: no picture fits, but it is an agent."""
    one = stage("maze")
    agent = one.atlas.expected(one.labels(one.start))[0]
    empty = one.atlas.expected(np.zeros(16, dtype=np.int16))[0]
    middle = agent.copy()
    color = agent - empty
    strongest = color[:64].reshape(8, 8)[3:5, 3:5].mean()
    square = np.zeros((8, 8), dtype=np.float32)
    square[1:7, 1:7] = strongest
    middle[:64] = empty[:64] + square.ravel()
    for plane in (color[64:80], color[80:]):
        assert plane.size == 16
    coarse = np.zeros((4, 4), dtype=np.float32)
    coarse[0:4, 0:4] = [[0.25, 0.5, 0.5, 0.25], [0.5, 1, 1, 0.5], [0.5, 1, 1, 0.5], [0.25, 0.5, 0.5, 0.25]]
    for start in (64, 80):
        level = color[start : start + 16].reshape(4, 4)[1:3, 1:3].mean()
        middle[start : start + 16] = empty[start : start + 16] + level * coarse.ravel()
    found = classify(middle[None].astype(np.float32), np.array([0]), one.atlas)
    assert found.labels.tolist() == [1]


def reached_over(features: Features, cell: int) -> None:
    """Something reaches from the left over a quarter of a cell."""
    picture = features[cell, : LUMA * LUMA].reshape(LUMA, LUMA)
    picture[:, : LUMA // 4] = 255 - picture[:, : LUMA // 4]


def test_a_cell_that_can_hold_no_mark_goes_by_its_middle() -> None:
    one = stage("sokoban")
    features = one.atlas.expected(one.labels(one.start)).copy()
    wall = one.cell(0, 3)
    reached_over(features, wall)
    found = classify(features, np.arange(len(features)), one.atlas)
    assert found.misfit[wall] > TOLERANCE
    assert found.labels[wall] == 0
    features[wall] = features[one.cell(3, 3)]  # floor where a wall was
    assert classify(features, np.arange(len(features)), one.atlas).labels[wall] < 0


def test_a_mark_on_a_goal_goes_by_its_middle() -> None:
    one = stage("maze")
    goal = one.cell(*one.start.goal)
    labels = one.labels(one.start)
    arrived = one.atlas.expected(one.labels(one.states[-1]))[goal].copy()
    for start, side in ((0, LUMA), (LUMA * LUMA, 4), (LUMA * LUMA + 16, 4)):  # it is so large that it hides the goal
        plane = arrived[start : start + side * side].reshape(side, side)
        plane[:] = plane[side // 2, side // 2]
    features = one.atlas.expected(labels).copy()
    features[goal] = arrived
    found = classify(features, np.arange(len(features)), one.atlas)
    assert found.misfit[goal] > TOLERANCE
    assert found.labels[goal] == one.labels(one.states[-1])[goal]


def test_blocks_that_are_not_known_do_not_count() -> None:
    one = stage("maze")
    features = one.atlas.expected(one.labels(one.start)).copy()
    features[5, :32] = 255
    known = np.ones(features.shape, dtype=bool)
    cells = np.arange(len(features))
    assert classify(features, cells, one.atlas).misfit[5] > TOLERANCE
    known[5, :32] = False
    found = classify(features, cells, one.atlas, known)
    assert found.labels.tolist() == one.labels(one.start).tolist()
    assert found.misfit.max() <= 1


def test_quarters() -> None:
    features = np.arange(FEATURES, dtype=np.float32)[None]
    found = quarters(features)
    assert found.shape == (1, 48)
    assert found[0, 0] == np.mean([0, 1, 8, 9])
    assert found[0, 16:].tolist() == list(range(LUMA * LUMA, FEATURES))


def test_a_board_without_any_backdrop_can_be_read() -> None:
    layout = Layout((1, 2), 16, 0, 0)
    brush = Painter(((), ()), layout, CLIP, LOOKS[0])
    known = atlas(brush, [((), (Mark("agent"),))] * 2, [(), ()])
    canvas = new_canvas(CLIP.height, CLIP.width)
    brush.draw(planes_of(canvas), [(), (Mark("agent"),)])
    features = observe(planes_of(canvas), layout, AS_DRAWN)
    assert classify(features, np.arange(2), known).labels.tolist() == [0, 1]

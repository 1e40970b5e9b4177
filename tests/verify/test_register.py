"""Registration: every shift within reach is found exactly, and undone."""

from __future__ import annotations

import numpy as np
import pytest

from puzzlegen import registry
from puzzlegen.render.formats import FORMATS, ClipFormat
from puzzlegen.render.raster import new_canvas, planes_of
from puzzlegen.replay import board, replay
from puzzlegen.testing.clips import noisy
from puzzlegen.verify.register import REACH_PX, find_shift, unshift
from puzzlegen.verify.verifier import Verifier
from samples import TASKS, Canvases, drawn, painter, puzzle, through_codec, variant

SHIFTS = [(down, right) for down in range(-REACH_PX, REACH_PX + 1) for right in range(-REACH_PX, REACH_PX + 1)]


def first_frame(task: str, clip: ClipFormat, level: str = "tiny") -> Canvases:
    recipe = registry.load(task)
    start = puzzle(task, level).start
    canvas = new_canvas(clip.height, clip.width)
    painter(task, start, variant(recipe, next(iter(recipe.looks)), 0), clip).draw(
        planes_of(canvas), board(recipe.task, start)
    )
    return canvas


def moved(plane: Canvases, down: int, right: int) -> Canvases:
    """The picture moved by whole pixels, the border repeated; by indices, not by the code under test."""
    rows = np.clip(np.arange(plane.shape[0]) - down, 0, plane.shape[0] - 1)
    cols = np.clip(np.arange(plane.shape[1]) - right, 0, plane.shape[1] - 1)
    return plane[np.ix_(rows, cols)]


def moved_canvas(canvas: Canvases, down: int, right: int) -> Canvases:
    out = canvas.copy()
    for plane, source, step in zip(planes_of(out), planes_of(canvas), (1, 2, 2), strict=True):
        plane[:] = moved(source, round(down / step), round(right / step))
    return out


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("clip", ["tiny", "square256"])
def test_every_shift_within_reach_is_found_exactly(task: str, clip: str) -> None:
    canvas = first_frame(task, FORMATS[clip])
    expected = planes_of(canvas)
    noise = np.random.default_rng(5)
    for down, right in SHIFTS:
        seen = planes_of(moved_canvas(canvas, down, right))
        assert find_shift(seen, expected) == (down, right)
        rough = planes_of(noisy(moved_canvas(canvas, down, right), noise))
        assert find_shift(rough, expected) == (down, right), "under noise"


@pytest.mark.parametrize("clip", ["wan480", "square480"])
def test_corners_of_the_reach_on_large_clips(clip: str) -> None:
    canvas = first_frame("maze", FORMATS[clip], "hard")
    for down in (-REACH_PX, -1, 0, 3, REACH_PX):
        for right in (-REACH_PX, 0, 5, REACH_PX):
            assert find_shift(planes_of(moved_canvas(canvas, down, right)), planes_of(canvas)) == (down, right)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, 0), (0, -3), (-5, 7), (8, 8), (-8, -8)])
def test_unshift_undoes_a_shift(down: int, right: int) -> None:
    plane = np.random.default_rng(1).integers(0, 256, (40, 60), dtype=np.uint8)
    back = unshift(moved(plane, down, right), down, right)
    inner = (slice(8, -8), slice(8, -8))
    assert np.array_equal(back[inner], plane[inner])


@pytest.mark.parametrize("task", TASKS)
def test_shifted_clips_still_score_1_if_the_board_stays_in_the_picture(task: str) -> None:
    recipe, clip = registry.load(task), ClipFormat(width=288, height=288, num_frames=49)
    found = puzzle(task, "tiny", "square256")
    look = variant(recipe, next(iter(recipe.looks)), 0)
    frames = through_codec(drawn(task, replay(recipe.task, found.start, found.solution.actions), look, clip), clip)
    verifier = Verifier(recipe.task, found.start, look, clip)
    margin = min(verifier.layout.top, verifier.layout.left)
    reach = min(margin, REACH_PX) // 2 * 2
    for down, right in {(reach, reach), (-reach, 0), (2, -2), (0, reach), (-2, -2)} if reach else {(0, 0)}:
        score = verifier.score(np.stack([moved_canvas(frame, down, right) for frame in frames]))
        assert score.value == 1.0, (down, right, score.violations)


def test_a_clip_that_starts_to_drift_is_not_solved() -> None:
    """The shift is that of the first frame: a camera that moves by half a cell later shows other cells."""
    recipe, clip = registry.load("maze"), FORMATS["square256"]
    found = puzzle("maze", "easy", "square256")
    look = variant(recipe, "paper", 0)
    frames = drawn("maze", replay(recipe.task, found.start, found.solution.actions), look, clip)
    frames[20:] = np.stack([moved_canvas(frame, 16, 16) for frame in frames[20:]])
    assert not Verifier(recipe.task, found.start, look, clip).score(frames).solved

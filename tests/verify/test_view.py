"""Views: small shifts and zooms of a drawn board are found; what lies outside of the picture is known."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np
import pytest
from by_labels import TEXTS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import Layout
from puzzlegen.replay import board
from puzzlegen.verify.atlas import block_means, luma_picture
from puzzlegen.verify.view import AS_DRAWN, View, adjust, observe, visible
from samples import TASKS, painter, variant

CLIP = ClipFormat(width=256, height=256, num_frames=9)


class Drawn(NamedTuple):
    """A start, drawn."""

    layout: Layout
    picture: Planes
    board: NDArray[np.float32]


@functools.cache
def drawn_start(task: str) -> Drawn:
    recipe = registry.load(task)
    start = recipe.task.parse(TEXTS[task])
    brush = painter(task, start, variant(recipe, next(iter(recipe.looks)), 0), CLIP)
    picture, layout = brush.picture(board(recipe.task, start)), brush.layout
    (rows, cols), side = layout.shape, layout.cell_px
    means = block_means(picture.window(layout.top, layout.left, rows * side, cols * side), layout.shape)
    return Drawn(layout, picture, luma_picture(means, layout.shape))


def seen_under(picture: Planes, view: View, size: tuple[int, int] = (CLIP.height, CLIP.width)) -> Planes:
    """The clip's picture as a video shows it that has this view: a pixel's edges lie at top + y * scale_y."""
    planes = []
    for plane, step in zip(picture, (1, 2, 2), strict=True):
        matrix = np.array([
            [view.scale_x, 0, view.left / step + (view.scale_x - 1) / 2],
            [0, view.scale_y, view.top / step + (view.scale_y - 1) / 2],
        ])  # fmt: skip
        shape = size[1] // step, size[0] // step
        planes.append(cv2.warpAffine(plane, matrix, shape, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    return Planes(*planes)


def corners_off(view: View, truth: View, layout: Layout) -> float:
    """The farthest that a corner of the board lies from where it is, in cells."""
    rows, cols = layout.shape
    found = 0.0
    for y in (layout.top, layout.top + rows * layout.cell_px):
        for x in (layout.left, layout.left + cols * layout.cell_px):
            down = view.top + view.scale_y * y - truth.top - truth.scale_y * y
            right = view.left + view.scale_x * x - truth.left - truth.scale_x * x
            found = max(found, abs(down) / layout.cell_px, abs(right) / layout.cell_px)
    return found


def adjusted(drawn: Drawn, picture: Planes, steps: int = 10) -> View:
    view = AS_DRAWN
    for _ in range(steps):
        seen = luma_picture(observe(picture, drawn.layout, view), drawn.layout.shape)
        known = luma_picture(visible(drawn.layout, view, picture.y.shape), drawn.layout.shape)
        view = adjust(view, drawn.layout, seen, drawn.board, known, (1.0, 1.0))
    return view


def centred(zoom: float, down: float, right: float) -> View:
    """Zoomed about the middle of the clip, then shifted by pixels."""
    return View(zoom, zoom, CLIP.height / 2 * (1 - zoom) + down, CLIP.width / 2 * (1 - zoom) + right)


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=12, deadline=None)
@given(zoom=st.floats(0.98, 1.02), down=st.floats(-0.12, 0.12), right=st.floats(-0.12, 0.12))
def test_small_shifts_and_zooms_are_found(task: str, zoom: float, down: float, right: float) -> None:
    drawn = drawn_start(task)
    truth = centred(zoom, down * drawn.layout.cell_px, right * drawn.layout.cell_px)
    assert corners_off(adjusted(drawn, seen_under(drawn.picture, truth)), truth, drawn.layout) < 0.03


@pytest.mark.parametrize("task", TASKS)
def test_nothing_to_adjust_stays_as_it_is(task: str) -> None:
    drawn = drawn_start(task)
    assert corners_off(adjusted(drawn, drawn.picture), AS_DRAWN, drawn.layout) < 1e-3


def test_what_has_changed_does_not_pull_the_view() -> None:
    """A cell that shows something else is not the camera's motion."""
    drawn = drawn_start("maze")
    truth = centred(1.0, 3.0, -4.0)
    picture = seen_under(drawn.picture, truth)
    side = drawn.layout.cell_px
    picture.y[drawn.layout.top + side : drawn.layout.top + 2 * side, drawn.layout.left : drawn.layout.left + side] = 16
    assert corners_off(adjusted(drawn, picture), truth, drawn.layout) < 0.06


def test_the_scale_stays_near_the_first_one() -> None:
    drawn = drawn_start("maze")
    view = adjusted(drawn, seen_under(drawn.picture, centred(1.3, 0, 0)), 30)
    assert 0.9 < view.scale_y < 1.1
    assert 0.9 < view.scale_x < 1.1


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=12, deadline=None)
@given(scale_y=st.floats(0.5, 1.6), scale_x=st.floats(0.5, 1.6), top=st.floats(-20, 20), left=st.floats(-20, 20))
def test_what_is_observed_under_the_true_view_is_the_board(
    task: str, scale_y: float, scale_x: float, top: float, left: float
) -> None:
    """Wherever it lies and however it is stretched, but for resampling."""
    drawn = drawn_start(task)
    truth = View(scale_y, scale_x, top + 40, left + 40)
    picture = seen_under(drawn.picture, truth, (512, 512))
    seen = luma_picture(observe(picture, drawn.layout, truth), drawn.layout.shape)
    assert np.abs(seen - drawn.board).mean() < 6


class TestVisible:
    LAYOUT = Layout((2, 2), 64, 0, 0)

    def test_all_of_a_whole_picture(self) -> None:
        assert visible(self.LAYOUT, AS_DRAWN, (128, 128)).all()

    @pytest.mark.parametrize(
        ("view", "shares"),
        [
            (View(top=-64), [0, 0, 1, 1]),
            (View(top=-32), [0.5, 0.5, 1, 1]),
            (View(left=64), [1, 0, 1, 0]),
            (View(left=48), [1, 0.25, 1, 0.25]),
            (View(top=32, left=-32), [0.5, 1, 0.25, 0.5]),
            (View(scale_y=2, scale_x=2), [1, 0, 0, 0]),
            (View(scale_y=0.5, scale_x=0.5), [1, 1, 1, 1]),
            (View(top=-1000), [0, 0, 0, 0]),
        ],
    )
    def test_shares_of_each_cell(self, view: View, shares: list[float]) -> None:
        """In every plane alike."""
        known = visible(self.LAYOUT, view, (128, 128))
        assert known.mean(axis=1).tolist() == shares
        assert known[:, :64].mean(axis=1).tolist() == shares

    def test_a_hairs_breadth_is_forgiven(self) -> None:
        assert visible(self.LAYOUT, View(top=-0.5), (128, 128)).all()
        assert not visible(self.LAYOUT, View(top=-3), (128, 128)).all()

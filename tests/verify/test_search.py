"""The first picture: stretched, between bars, cropped or shifted clips are found where they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from test_view import CLIP, corners_off, drawn_start

from puzzlegen import registry
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Style
from puzzlegen.testing.clips import gold
from puzzlegen.testing.perturbations import PERTURBATIONS
from puzzlegen.verify.find import LEAST_LIKENESS
from puzzlegen.verify.search import Match, find_view, hypotheses, whole_view
from puzzlegen.verify.verifier import Verifier
from puzzlegen.verify.view import AS_DRAWN, View
from samples import TASKS, puzzle, variant

Luma = NDArray[np.uint8]


def resized(picture: Luma, height: int, width: int) -> Luma:
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def between_bars(picture: Luma, height: int, width: int, level: int) -> Luma:
    found = np.full((height, width), level, dtype=np.uint8)
    top, left = (height - picture.shape[0]) // 2, (width - picture.shape[1]) // 2
    found[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return found


def shifted(picture: Luma, down: int, right: int) -> Luma:
    rows = np.clip(np.arange(picture.shape[0]) - down, 0, picture.shape[0] - 1)
    cols = np.clip(np.arange(picture.shape[1]) - right, 0, picture.shape[1] - 1)
    return picture[np.ix_(rows, cols)]


SIDE = CLIP.width
VIDEOS: dict[str, tuple[Callable[[Luma], Luma], View]] = {
    "as drawn": (lambda picture: picture, AS_DRAWN),
    "half the size": (lambda picture: resized(picture, 128, 128), View(0.5, 0.5)),
    "twice the size": (lambda picture: resized(picture, 512, 512), View(2, 2)),
    "stretched": (lambda picture: resized(picture, 240, 416), View(240 / SIDE, 416 / SIDE)),
    "black bars above and below": (lambda picture: between_bars(picture, 320, 256, 16), View(top=32)),
    "white bars left and right": (lambda picture: between_bars(picture, 256, 456, 235), View(left=100)),
    "smaller between grey bars": (
        lambda picture: between_bars(resized(picture, 192, 192), 192, 320, 128),
        View(0.75, 0.75, 0, 64),
    ),
    "smaller with bars on all sides": (
        lambda picture: between_bars(resized(picture, 160, 160), 256, 320, 235),
        View(0.625, 0.625, 48, 80),
    ),
    "cropped": (lambda picture: picture[14:-14], View(top=-14)),
    "shifted": (lambda picture: shifted(picture, 6, -9), View(top=6, left=-9)),
    "darker": (lambda picture: (picture * 0.7).astype(np.uint8), AS_DRAWN),
}  # fmt: skip


def found_in(task: str, video: Luma) -> Match:
    drawn = drawn_start(task)
    return find_view(video, hypotheses(video, drawn.picture.y), drawn.board, drawn.layout)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", VIDEOS)
def test_the_clip_is_found(task: str, name: str) -> None:
    """To an eighth of a cell, which the view's adjustment makes finer."""
    make, truth = VIDEOS[name]
    match = found_in(task, make(drawn_start(task).picture.y))
    assert match.likeness > LEAST_LIKENESS
    assert corners_off(match.view, truth, drawn_start(task).layout) <= 0.15


@pytest.mark.parametrize("task", TASKS)
def test_what_is_no_puzzle_is_not_like_it(task: str) -> None:
    rng = np.random.default_rng(3)
    pictures = [
        rng.integers(0, 256, (256, 256)),
        rng.integers(0, 256, (16, 16)).repeat(16, 0).repeat(16, 1),
        np.full((256, 256), 80),
        np.add.outer(np.arange(256), np.arange(256)) // 2,
        rng.integers(0, 256, (2, 2)),
    ]
    for picture in pictures:
        assert found_in(task, picture.astype(np.uint8)).likeness < LEAST_LIKENESS


def test_the_plainest_view_is_tried_first_and_none_twice() -> None:
    picture = drawn_start("maze").picture.y
    views = hypotheses(picture, picture)
    assert views[0] == AS_DRAWN
    assert len(views) == len(set(views))


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (16, 4000), (3, 700), (61, 47)])
def test_pictures_of_any_size_are_searched(size: tuple[int, int]) -> None:
    match = found_in("maze", np.random.default_rng(1).integers(0, 256, size).astype(np.uint8))
    assert np.isfinite(match.likeness)
    assert np.isfinite(match.view).all()


def test_the_whole_view() -> None:
    assert whole_view((128, 512), CLIP) == View(0.5, 2.0)


def test_thin_bright_lines_up_to_the_edge_do_not_mislead_the_registration() -> None:
    """A board without a margin, shifted by less than a block: its rim passes for a bar, its lines for a zoom."""
    clip = ClipFormat(width=384, height=384, num_frames=81)
    recipe, found = registry.load("flowfree"), puzzle("flowfree", "expert", "square480", 0)
    look = variant(recipe, "slate", 0)
    look = replace(look, styles={**look.styles, "cell": Style(shape="framed", color="gray", accent="white")})
    reader = Verifier(recipe.task, found.start, look, clip, len(found.solution.actions))
    frames = np.stack([video.canvas_to_rgb(canvas) for canvas in gold(recipe.task, found, look, clip)])
    moved = PERTURBATIONS["shift_2px"].apply(frames, float(reader.layout.cell_px), np.random.default_rng(0))
    assert reader.score_frames(moved).solved

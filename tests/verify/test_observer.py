"""The view follows the camera through the pictures, and is let alone where another would not explain more."""

from __future__ import annotations

from collections.abc import Callable
from unittest import mock

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.testing.clips import gold
from puzzlegen.types import Score
from puzzlegen.verify import observer
from puzzlegen.verify.drift import Drift
from puzzlegen.verify.observer import Observer
from puzzlegen.verify.verifier import Verifier
from samples import puzzle, variant

CLIP = ClipFormat(width=128, height=128, num_frames=49)
CELL_PX = 32
Frames = NDArray[np.uint8]  # [T, H, W, 3]


def judged(change: Callable[[int, Frames], Frames], *, follow: bool = True) -> tuple[Score[str], int]:
    """The score of a solved maze whose frames are changed by their number, and how often the view was adjusted."""
    recipe, found = registry.load("maze"), puzzle("maze", "tiny", "square256", 1)
    look = variant(recipe, next(iter(recipe.looks)), 0)
    judge = Verifier(recipe.task, found.start, look, CLIP, len(found.solution.actions), follow=follow)
    assert judge.layout.cell_px == CELL_PX
    frames = [video.canvas_to_rgb(canvas) for canvas in gold(recipe.task, found, look, CLIP)]
    clip = np.stack([change(number, frame) for number, frame in enumerate(frames)])
    with mock.patch.object(Observer, "_follow", autospec=True, side_effect=Observer._follow) as followed:
        return judge.score_frames(clip), followed.call_count


def moved(frame: Frames, right: float, down: float) -> Frames:
    matrix = np.array([[1, 0, right], [0, 1, down]], dtype=np.float64)
    return np.asarray(cv2.warpAffine(frame, matrix, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE), np.uint8)


def blurred(frame: Frames, cells: float = 0.06) -> Frames:
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), cells * CELL_PX), np.uint8)


def test_the_view_of_a_still_camera_is_never_adjusted() -> None:
    score, count = judged(lambda number, frame: frame)
    assert score.solved
    assert count == 0


def test_a_clip_that_is_blurred_after_its_first_picture_is_not_followed_at_every_picture() -> None:
    score, count = judged(lambda number, frame: blurred(frame, 0.04) if number else frame)
    assert score.solved
    assert 0 < count <= CLIP.num_frames // 4


MOTIONS: dict[str, Callable[[int, Frames], Frames]] = {
    "pan": lambda number, frame: moved(frame, 0.25 * CELL_PX * number / 48, -0.25 * CELL_PX * number / 48),
    "jump": lambda number, frame: moved(frame, 0.15 * CELL_PX * (number > 24), 0),
    "sway": lambda number, frame: moved(frame, 0.3 * CELL_PX * np.sin(number / 5), 0),
    "blurred pan": lambda number, frame: moved(blurred(frame) if number else frame, 0.3 * CELL_PX * number / 48, 0),
    "blurred, then a pan": lambda number, frame: moved(
        blurred(frame) if number else frame, 0.4 * CELL_PX * max(0, number - 24) / 24, 0
    ),
}


@pytest.mark.parametrize("motion", MOTIONS)
def test_a_camera_that_moves_is_followed(motion: str) -> None:
    score, count = judged(MOTIONS[motion])
    assert score.solved, score.violations
    assert count > 0


def test_a_camera_that_moves_is_an_error_where_none_is_followed() -> None:
    score, count = judged(MOTIONS["sway"], follow=False)
    assert not score.solved and count == 0
    assert judged(lambda number, frame: frame, follow=False)[0].solved


@pytest.mark.parametrize("motion", ["sway", "blurred pan"])
def test_how_many_pictures_are_read_at_a_time_changes_nothing(motion: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged(MOTIONS[motion])
    monkeypatch.setattr(observer, "_BATCH", 1)
    assert judged(MOTIONS[motion]) == found


@pytest.mark.parametrize(
    ("differences", "searches"),
    [
        pytest.param([1.3] * 9, [], id="as good as the first picture"),
        pytest.param([1.5] * 9, [0], id="blurred"),
        pytest.param([1.5, 1.6, 1.71, 1.8], [0, 2], id="grown since"),
        pytest.param([1.7, 1.7, 1.45, 1.66], [0, 3], id="grown since it was less"),
        pytest.param([3.0] * 5, [0, 1, 2, 3, 4], id="much"),
        pytest.param([2.0, 2.3, 2.6], [0, 1, 2], id="more and more"),
        pytest.param([3.0, 3.0, 3.0, 1.2, 3.0, 3.0], [0, 1, 2, 4, 5], id="gone in between"),
    ],
)
def test_a_view_is_looked_for_while_it_may_be_found(differences: list[float], searches: list[int]) -> None:
    """In pictures after one whose mean difference was 1.0, when no search finds anything."""
    drift, found = Drift(1.0), []
    for number, difference in enumerate(differences):
        if drift.is_likely(difference):
            found.append(number)
            drift.remain(difference)
    assert found == searches

"""What a first picture tells is found once for all clips that begin with it, and changes no verdict."""

from __future__ import annotations

import functools
from unittest import mock

import numpy as np
import pytest
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.recipe import Recipe
from puzzlegen.render import video
from puzzlegen.render.formats import FORMATS
from puzzlegen.render.looks import Look
from puzzlegen.testing.clips import gold
from puzzlegen.testing.perturbations import PERTURBATIONS
from puzzlegen.verify import verifier
from puzzlegen.verify.verifier import Verifier
from samples import puzzle, variant

CLIP = FORMATS["tiny"]
Frames = NDArray[np.uint8]  # [T, H, W, 3]


def look_of(recipe: Recipe) -> Look:
    return variant(recipe, next(iter(recipe.looks)), 0)


def judge_of(task: str) -> Verifier:
    """A new one, that has judged nothing yet."""
    recipe, found = registry.load(task), puzzle(task, "tiny", "tiny")
    return Verifier(recipe.task, found.start, look_of(recipe), CLIP, len(found.solution.actions))


@functools.cache
def worn(task: str, change: str) -> Frames:
    """The solution, changed in one way."""
    recipe = registry.load(task)
    canvases = gold(recipe.task, puzzle(task, "tiny", "tiny"), look_of(recipe), CLIP)
    frames = np.stack([video.canvas_to_rgb(canvas) for canvas in canvases])
    if change == "clean":
        return frames
    return PERTURBATIONS[change].apply(frames, float(judge_of(task).layout.cell_px), np.random.default_rng(3))


def group(frames: Frames) -> list[Frames]:
    """Clips that begin with the same picture: honest, reversed, frozen, drifting, cut to the end, honest again."""
    count = len(frames)
    moved = np.stack([np.roll(frame, number // 8, axis=1) for number, frame in enumerate(frames)])
    orders = [range(count), [0, *range(count - 1, 0, -1)], [0] * count, range(count), [0] * 5 + [count - 1] * 5]
    return [(moved if number == 3 else frames)[list(order)] for number, order in enumerate([*orders, range(count)])]


@pytest.mark.parametrize(
    ("task", "change"),
    [("maze", "clean"), ("maze", "shift_2px"), ("sokoban", "blur"), ("sokoban", "occluder"), ("flowfree", "hue")],
)
def test_clips_that_begin_alike_are_judged_as_if_each_were_alone(task: str, change: str) -> None:
    clips = group(worn(task, change))
    judge = judge_of(task)
    for clip in clips:
        assert judge.score_frames(clip) == judge_of(task).score_frames(clip)


def test_a_first_picture_is_looked_at_once_until_another_comes() -> None:
    judge = judge_of("maze")
    with mock.patch.object(verifier, "find", wraps=verifier.find) as looked:
        for clip in group(worn("maze", "clean")):
            judge.score_frames(clip)
        assert looked.call_count == 1
        other = judge.score_frames(worn("maze", "hue"))
        assert looked.call_count == 2
        judge.score_frames(worn("maze", "hue")[:, :32])
        assert looked.call_count == 3
    assert other == judge_of("maze").score_frames(worn("maze", "hue"))


def test_a_first_picture_that_does_not_show_the_puzzle_is_refused_each_time() -> None:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, worn("maze", "clean").shape, dtype=np.uint8)
    judge = judge_of("maze")
    assert judge.score_frames(noise) == judge.score_frames(noise)
    assert judge.score_frames(noise).violations[0].code == "UNPARSED"
    assert judge.score_frames(worn("maze", "clean")).solved


def test_frames_that_the_caller_overwrites_are_another_first_picture() -> None:
    """Pictures are views of the caller's array."""
    judge = judge_of("maze")
    canvases = np.stack([np.vstack([plane.reshape(-1, CLIP.width) for plane in picture])
                         for picture in video.rgb_to_pictures(worn("maze", "clean"))])  # fmt: skip
    assert judge.score(canvases).solved
    canvases[0] = canvases[-1]
    assert judge.score(canvases) == judge_of("maze").score(canvases)
    assert not judge.score(canvases).solved

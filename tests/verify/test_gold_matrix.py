"""Clips of every task, level, look and format score 1.0 when read back from their mp4; a frozen one 0.0."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

from puzzlegen import registry
from puzzlegen.errors import InvalidInput
from puzzlegen.generate.sample import Stream, draft, render
from puzzlegen.render import video
from puzzlegen.render.formats import FORMATS
from puzzlegen.replay import replay
from puzzlegen.testing.clips import CHEATS, noisy
from puzzlegen.verify.verifier import Verifier
from samples import TASKS, Canvases, drawn, painter, puzzle, through_codec, variant, variants

BIG = ("wan480", "square480", "square256")


def combinations() -> list[tuple[str, str, str, str, int]]:
    """Every (task, level) with every look, formats in turn; the number walks through the choices of the looks."""
    found = []
    for task in TASKS:
        recipe = registry.load(task)
        for level_number, level in enumerate(recipe.levels):
            for number, look in enumerate(recipe.looks):
                found.append((task, level, BIG[(level_number + number) % len(BIG)], look, len(found)))
            if level == "tiny":
                found += [(task, level, "tiny", look, len(found) + n) for n, look in enumerate(recipe.looks)]
    return found


@pytest.mark.parametrize(("task", "level", "clip", "look", "number"), combinations())
def test_gold_scores_1_and_frozen_0(task: str, level: str, clip: str, look: str, number: int) -> None:
    recipe, shape = registry.load(task), FORMATS[clip]
    try:
        found = puzzle(task, level, clip)
    except InvalidInput as error:
        assert "Choose a longer clip" in str(error)  # the level's fewest actions do not fit: refused in advance
        assert clip == "square256"
        return
    style = variant(recipe, look, number)
    path = replay(recipe.task, found.start, found.solution.actions)
    frames = drawn(task, path, style, shape)
    data = video.encode(iter(frames), shape)
    verifier = Verifier(recipe.task, found.start, style, shape, len(path.actions))
    score = verifier.score_video(data)
    assert score.value == 1.0, score.violations
    assert score.solved
    assert score.actions == found.solution.actions
    assert score.violations == ()
    if number % 5 == 0:
        assert verifier.score(video.decode(data)[0]) == score, "frames one by one and as an array are the same clip"
    frozen = verifier.score(np.repeat(frames[:1], len(frames), axis=0))
    assert frozen.value == 0.0
    assert not frozen.solved
    assert [violation.code for violation in frozen.violations] == ["NO_PROGRESS"]


def all_variants() -> list[tuple[str, int]]:
    return [(task, number) for task in TASKS for number in range(len(list(variants(registry.load(task)))))]


@pytest.mark.parametrize(("task", "number"), all_variants())
def test_every_choice_of_every_look_reads_back_under_noise(task: str, number: int) -> None:
    """Each shape, color and accent that a recipe offers, on the smallest named format and level."""
    recipe, shape = registry.load(task), FORMATS["square256"]
    look = list(variants(recipe))[number]
    found = puzzle(task, "easy", "square256")
    path = replay(recipe.task, found.start, found.solution.actions)
    canvases, _ = video.decode(video.encode(iter(drawn(task, path, look, shape)), shape))
    verifier = Verifier(recipe.task, found.start, look, shape, len(path.actions))
    for frames in (canvases, noisy(canvases, np.random.default_rng(number))):
        score = verifier.score(frames)
        assert score.value == 1.0, score.violations
        assert score.actions == found.solution.actions


@functools.cache
def gold_clips(task: str) -> list[tuple[Verifier, Canvases]]:
    """Clips in all looks at two levels and formats, decoded, with their verifiers."""
    recipe = registry.load(task)
    clips = []
    for number, look in enumerate(recipe.looks):
        level, clip = (("tiny", "tiny"), ("easy", "square256"))[number % 2]
        shape, found = FORMATS[clip], puzzle(task, level, clip)
        path = replay(recipe.task, found.start, found.solution.actions)
        style = variant(recipe, look, number)
        verifier = Verifier(recipe.task, found.start, style, shape, len(path.actions))
        canvases = through_codec(drawn(task, path, style, shape), shape)
        assert verifier.score(canvases).value == 1.0
        clips.append((verifier, canvases))
    return clips


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("task", TASKS)
def test_cheats_are_never_solved(task: str, cheat: str) -> None:
    for verifier, canvases in gold_clips(task):
        score = verifier.score(CHEATS[cheat](canvases))
        assert not score.solved
        assert 0 <= score.value < 1
        assert score.violations
        if cheat == "frozen":
            assert score.value == 0.0


@pytest.mark.parametrize("task", TASKS)
def test_the_clip_of_another_puzzle_is_not_solved(task: str) -> None:
    recipe, shape = registry.load(task), FORMATS["square256"]
    look = variant(recipe, next(iter(recipe.looks)), 0)
    one, other = (puzzle(task, "easy", "square256", index) for index in (0, 1))
    assert one.digest != other.digest
    frames = drawn(task, replay(recipe.task, other.start, other.solution.actions), look, shape)
    score = Verifier(recipe.task, one.start, look, shape, len(one.solution.actions)).score(frames)
    assert not score.solved
    assert score.violations[0].code in {"BAD_START", "LAYOUT_CHANGED", "GOAL_CHANGED", "UNPARSED"}
    assert score.value == 0.0
    assert score.actions == ()


@pytest.mark.parametrize("task", TASKS)
def test_the_same_puzzle_in_another_look_is_not_taken_for_it(task: str) -> None:
    recipe, shape = registry.load(task), FORMATS["square256"]
    looks = [variant(recipe, name, 0) for name in recipe.looks]
    found = puzzle(task, "easy", "square256")
    path = replay(recipe.task, found.start, found.solution.actions)
    for look, other in itertools.pairwise(looks):
        assert (
            not Verifier(recipe.task, found.start, look, shape, len(path.actions))
            .score(drawn(task, path, other, shape))
            .solved
        )


MISREAD = [
    ("sokoban", "tiny", 6, 16, "a box and its pusher halfway, that looked like a push and a step back"),
    ("sokoban", "tiny", 6, 93, "a player too faint on 8 pixels to be seen between two cells"),
]


@pytest.mark.parametrize(("task", "level", "seed", "index", "what"), MISREAD)
def test_clips_that_were_once_misread_are_gold(task: str, level: str, seed: int, index: int, what: str) -> None:
    recipe = registry.load(task)
    stream = Stream(recipe=task, level=level, seed=seed, clip=FORMATS["tiny"])
    instance = draft(recipe, stream, index)
    assert render(recipe, stream, instance)["actions"] == list(instance.solution.actions), what


def test_layouts_of_this_file_really_differ() -> None:
    look = variant(registry.load("maze"), "paper", 0)
    sizes = set()
    for level, clip in (("tiny", "wan480"), ("tiny", "tiny"), ("hard", "square480"), ("extreme", "wan480")):
        sizes.add(painter("maze", puzzle("maze", level, clip).start, look, FORMATS[clip]).layout.cell_px)
    assert len(sizes) == 4

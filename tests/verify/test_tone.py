"""Tones: what cameras and codecs do to colors is undone; what a puzzle is painted with stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from by_labels import CLIP, Stage, stage
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.replay import board
from puzzlegen.types import Mark
from puzzlegen.verify.atlas import CHROMA, LUMA, Features, block_means
from puzzlegen.verify.perceive import TOLERANCE, classify, quarters
from puzzlegen.verify.tone import fit_tone, quarter_luma
from samples import TASKS, painter

_LUMA = LUMA * LUMA
Change = Callable[[Features], Features]


def expected(one: Stage) -> Features:
    return one.atlas.expected(one.labels(one.start))


def luma(change: Change) -> Change:
    def changed(features: Features) -> Features:
        found = features.copy()
        found[:, :_LUMA] = np.clip(change(features[:, :_LUMA]), 0, 255)
        return found

    return changed


def chroma(factor: complex) -> Change:
    def changed(features: Features) -> Features:
        found = features.copy()
        u, v = features[:, _LUMA : _LUMA + CHROMA**2], features[:, _LUMA + CHROMA**2 :]
        turned = ((u - 128) + 1j * (v - 128)) * factor
        found[:, _LUMA:] = np.concatenate([turned.real, turned.imag], axis=1) + 128
        return found

    return changed


def off_after(one: Stage, seen: Features) -> float:
    """Levels that are left, mean over all blocks, when the tone of the start is undone."""
    tone = fit_tone(seen, expected(one), one.task.shape(one.start))
    return float(np.abs(tone.undo(seen) - expected(one)).mean())


@pytest.mark.parametrize("task", TASKS)
def test_no_change_is_undone_by_none(task: str) -> None:
    one = stage(task)
    assert off_after(one, expected(one)) < 0.5


def test_of_no_cells_nothing_is_undone() -> None:
    """A batch of pictures in which nothing moves asks for it."""
    one = stage("sokoban")
    tone = fit_tone(expected(one), expected(one), one.task.shape(one.start))
    tone = tone._replace(palette=np.ones((3, 2, 3), dtype=np.float32))
    assert tone.undo(expected(one)[:0], np.arange(0)).shape == (0, expected(one).shape[1])


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=10, deadline=None)
@given(gamma=st.floats(0.8, 1.25), gain=st.floats(0.8, 1.2), turn=st.floats(-15, 15), saturation=st.floats(0.7, 1.3))
def test_what_cameras_do_is_undone(task: str, gamma: float, gain: float, turn: float, saturation: float) -> None:
    """All at once, within the limits of the must-tolerate list."""
    one = stage(task)
    darkened = luma(lambda y: 255 * gain * (y / 255) ** gamma)
    seen = chroma(saturation * np.exp(1j * np.deg2rad(turn)))(darkened(expected(one)))
    before = float(np.abs(seen - expected(one)).mean())
    assert off_after(one, seen) < max(1.0, 0.35 * before)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "change",
    [
        luma(lambda y: 255 * (y / 255) ** 1.25),
        luma(lambda y: 255 * (y / 255) ** 0.8),
        luma(lambda y: y * 0.8),
        luma(lambda y: y * 0.85 + 20),
        chroma(np.exp(1j * np.deg2rad(15))),
        chroma(np.exp(1j * np.deg2rad(-15))),
        chroma(0.7),
        chroma(1.3),
    ],
    ids=["gamma 1.25", "gamma 0.8", "darker", "flatter", "hue 15", "hue -15", "pale", "vivid"],
)
def test_every_cell_is_read_after_the_tone_is_undone(task: str, change: Change) -> None:
    one = stage(task)
    seen = change(expected(one))
    tone = fit_tone(seen, expected(one), one.task.shape(one.start))
    for state in (one.start, one.states[-1]):
        features = tone.undo(change(one.atlas.expected(one.labels(state))))
        percept = classify(features, np.arange(len(features)), one.atlas)
        assert percept.labels.tolist() == one.labels(state).tolist()
        assert not percept.sides.any()


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("factor", [np.exp(1j * np.deg2rad(20)), np.exp(1j * np.deg2rad(-20)), 0.75, 1.3])
def test_hue_and_saturation_are_undone_as_one(task: str, factor: complex) -> None:
    """The turn and the stretch themselves are found, not just the colors of the start corrected one by one."""
    one = stage(task)
    tone = fit_tone(chroma(factor)(expected(one)), expected(one), one.task.shape(one.start))
    assert abs(tone.chroma * factor - 1) < 0.15


def test_a_soft_shadow_is_undone() -> None:
    one = stage("maze")
    rows, cols = one.task.shape(one.start)
    shade = np.linspace(1.0, 0.75, rows)[:, None].repeat(cols, axis=1).reshape(-1, 1)
    seen = expected(one).copy()
    seen[:, :_LUMA] *= shade
    assert off_after(one, seen) < 0.35 * float(np.abs(seen - expected(one)).mean())


@pytest.mark.parametrize(("kind", "color"), [("agent", "red"), ("goal", "green"), ("goal", "white")])
def test_a_mark_of_another_color_stays_another(kind: str, color: str) -> None:
    """However the tone is bent, the recolored cell does not become what it should be, nor the others worse."""
    one = stage("maze")
    start = one.labels(one.start)
    own = one.look.styles[kind]
    assert own.color != color
    look = replace(one.look, styles={**one.look.styles, kind: replace(own, color=color, accent="")})
    brush = painter("maze", one.start, look, CLIP)
    (rows, cols), side = brush.layout.shape, brush.layout.cell_px
    picture = brush.picture(board(one.task, one.start))
    window = picture.window(brush.layout.top, brush.layout.left, rows * side, cols * side)
    seen = block_means(window, brush.layout.shape)
    tone = fit_tone(seen, expected(one), one.task.shape(one.start))
    off = np.abs(quarters(tone.undo(seen) - expected(one))).max(axis=1)
    changed = one.cell(*(one.start.agent if kind == "agent" else one.start.goal))
    assert off[changed] > TOLERANCE
    assert np.delete(off, changed).max() < TOLERANCE
    percept = classify(tone.undo(seen), np.arange(len(seen)), one.atlas)
    assert percept.labels[changed] != start[changed]


@pytest.mark.parametrize("seen_color", [(150, 90, 70), (120, 170, 60)])
def test_what_covers_a_part_of_the_board_does_not_turn_its_colors(seen_color: tuple[int, int, int]) -> None:
    one = stage("maze")
    seen = expected(one).copy()
    patch = np.repeat(np.float32(seen_color), (_LUMA, CHROMA**2, CHROMA**2))
    seen[13] = patch
    tone = fit_tone(seen, expected(one), one.task.shape(one.start))
    assert abs(tone.chroma - 1) < 0.1
    known = np.ones(seen.shape, dtype=bool)
    known[13] = False
    rest = np.arange(len(seen)) != 13
    undone = fit_tone(seen, expected(one), one.task.shape(one.start), known).undo(seen)
    assert np.abs(undone - expected(one))[rest].max() < 1.5


def test_one_odd_mark_does_not_bend_the_luma_of_all() -> None:
    one = stage("maze")
    seen = expected(one).copy()
    seen[0, :_LUMA] = 255 - seen[0, :_LUMA]
    assert fit_tone(seen, expected(one), one.task.shape(one.start)).luma == (0.0, 1.0, 0.0)


def test_quarter_luma_is_the_mean_of_four_blocks() -> None:
    features = np.zeros((1, _LUMA + 2 * CHROMA**2), dtype=np.float32)
    features[0, [0, 1, 8, 9]] = 1, 2, 3, 6
    features[0, 63] = 8
    means = quarter_luma(features)[0]
    assert means[0] == 3
    assert means[15] == 2
    assert not means[1:15].any()


def test_marks_of_this_file_exist() -> None:
    assert board(stage("maze").task, stage("maze").start)[0] == (Mark("agent"),)

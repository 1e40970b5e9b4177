"""Frames: painting only what changes must look like painting everything, and nothing else may move."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen import registry
from puzzlegen.errors import Rejected
from puzzlegen.render.colors import yuv_of
from puzzlegen.render.formats import FORMATS, ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import even_offset, pace
from puzzlegen.render.raster import Painter, fit, new_canvas, planes_of
from puzzlegen.render.sprites import Sprite
from puzzlegen.replay import board
from puzzlegen.types import Mark, Stroke, Token, Trajectory
from samples import TASKS, Canvases, drawn, painter, puzzle, trajectory, variant, variants

CLIP = FORMATS["square256"]
LOOKS = [(task, look) for task in TASKS for look in variants(registry.load(task))]
NAMED = [(task, variant(registry.load(task), name, 1, "glide")) for task in TASKS for name in registry.load(task).looks]


def named(values: list[tuple[str, Look]]) -> Any:
    return pytest.mark.parametrize(
        ("task", "look"), values, ids=[f"{task}-{look.name}-{n}" for n, (task, look) in enumerate(values)]
    )


def repaint(brush: Painter, stacks: Any) -> Canvases:
    """A whole picture on fresh memory that holds rubbish."""
    canvas = new_canvas(CLIP.height, CLIP.width)
    canvas[:] = 201
    brush.draw(planes_of(canvas), stacks)
    return canvas


@named(LOOKS)
def test_keyframes_equal_a_full_repaint(task: str, look: Look) -> None:
    path, rules = trajectory(task, "easy", "square256"), registry.load(task).task
    frames = drawn(task, path, look, CLIP)
    plan = pace(len(path.actions), CLIP)
    assert len(frames) == CLIP.num_frames
    brush = painter(task, path.states[0], look, CLIP)
    for state, keyframe in zip(path.states, [0, *plan.action_frames], strict=True):
        assert np.array_equal(frames[keyframe], repaint(brush, board(rules, state)))
    assert (frames[: plan.hold_start] == frames[0]).all()
    assert (frames[plan.action_frames[-1] :] == frames[-1]).all()


def moved(before: tuple[Token, ...], after: tuple[Token, ...]) -> list[tuple[Token, Token]]:
    """Tokens of one key at different places, looked up the slow way."""
    return [
        (one, other)
        for one in before
        for other in after
        if one.key is not None and one.key == other.key and one.at != other.at
    ]


def changed_cells(brush: Painter, one: Canvases, other: Canvases) -> set[tuple[int, int]]:
    """Cells that differ in any plane; (-1, -1) for the page around the board."""
    layout = brush.layout
    rows, cols = layout.shape
    found = set()
    for plane, old, step in zip(planes_of(one), planes_of(other), (1, 2, 2), strict=True):
        for row, col in np.argwhere(plane != old) * step:
            cell = (int(row) - layout.top) // layout.cell_px, (int(col) - layout.left) // layout.cell_px
            found.add(cell if 0 <= cell[0] < rows and 0 <= cell[1] < cols else (-1, -1))
    return found


@named(NAMED)
def test_while_gliding_only_the_cells_of_movers_change(task: str, look: Look) -> None:
    path, rules = trajectory(task, "tiny", "square256"), registry.load(task).task
    frames, plan = drawn(task, path, look, CLIP), pace(len(path.actions), CLIP)
    assert plan.frames_per_action > 1
    brush = painter(task, path.states[0], look, CLIP)
    keyframes = [0, *plan.action_frames]
    for step, (state, after) in enumerate(zip(path.states, path.states[1:], strict=False)):
        movers, strokes = moved(rules.tokens(state), rules.tokens(after)), rules.strokes(state, path.actions[step])
        assert movers or strokes
        may_change = {token.at for pair in movers for token in pair}
        may_change |= {cell for stroke in strokes for cell in (stroke.source, stroke.target)}
        for frame in range(plan.action_frames[step] - plan.frames_per_action + 1, plan.action_frames[step]):
            changed = changed_cells(brush, frames[frame], frames[keyframes[step]])
            assert changed, f"nothing moves in frame {frame}"
            assert changed <= may_change


@named([(task, look) for task, look in NAMED if task != "flowfree"])
def test_gliding_frames_equal_a_repaint_with_the_movers_on_top(task: str, look: Look) -> None:
    """Tokens without strokes: the board without them, and each on its way, back to front."""
    path, rules = trajectory(task, "tiny", "square256"), registry.load(task).task
    frames, plan = drawn(task, path, look, CLIP), pace(len(path.actions), CLIP)
    brush = painter(task, path.states[0], look, CLIP)
    side = brush.layout.cell_px
    for step, (state, after) in enumerate(zip(path.states, path.states[1:], strict=False)):
        movers = moved(rules.tokens(state), rules.tokens(after))
        resting = board(rules, state)
        for token, _ in movers:
            index = token.at[0] * brush.layout.shape[1] + token.at[1]
            resting[index] = tuple(mark for mark in resting[index] if mark != token.mark)
        for part in range(1, plan.frames_per_action):
            canvas = repaint(brush, resting)
            for token, target in movers:
                distance = even_offset(side, part, plan.frames_per_action)
                top = brush.layout.top + token.at[0] * side + (target.at[0] - token.at[0]) * distance
                left = brush.layout.left + token.at[1] * side + (target.at[1] - token.at[1]) * distance
                brush.sprite(token.mark).blend(planes_of(canvas), top, left)
            frame = plan.action_frames[step] - plan.frames_per_action + part
            assert np.array_equal(frames[frame], canvas), f"action {step}, part {part}"


@named([(task, variant(registry.load(task), name, 0, "step")) for task in TASKS for name in registry.load(task).looks])
def test_with_step_motion_nothing_moves_between_keyframes(task: str, look: Look) -> None:
    path = trajectory(task, "tiny", "square256")
    frames, plan = drawn(task, path, look, CLIP), pace(len(path.actions), CLIP)
    starts = [0, *plan.action_frames]
    for first, last in zip(starts, [*plan.action_frames, CLIP.num_frames], strict=True):
        assert (frames[first:last] == frames[first]).all()


@named(NAMED)
def test_sprites_are_blended_at_even_pixels_only(task: str, look: Look, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    blend = Sprite.blend

    def spy(self: Sprite, picture: Any, top: int, left: int) -> None:
        places.append((top + self.top, left + self.left, *self.weighted[0].shape))
        blend(self, picture, top, left)

    monkeypatch.setattr(Sprite, "blend", spy)
    for clip in (FORMATS["tiny"], CLIP, ClipFormat(width=160, height=96, num_frames=41)):
        drawn(task, trajectory(task, "tiny", "tiny"), look, clip)
    assert places
    assert all(number % 2 == 0 for place in places for number in place)


@named(NAMED)
def test_the_page_is_flat(task: str, look: Look) -> None:
    clip = ClipFormat(width=320, height=256, num_frames=49)
    path = trajectory(task, "tiny", "square256")
    layout = painter(task, path.states[0], look, clip).layout
    outside = np.ones((256, 320), dtype=bool)
    rows, cols = layout.shape
    outside[layout.top : layout.top + rows * layout.cell_px, layout.left : layout.left + cols * layout.cell_px] = False
    assert outside.any()
    for frame in drawn(task, path, look, clip)[::7]:
        for plane, level, step in zip(planes_of(frame), yuv_of(look.page), (1, 2, 2), strict=True):
            assert (plane[outside[::step, ::step]] == level).all()


SIDES = st.integers(1, 30).map(lambda n: 32 * n)


@given(st.integers(1, 40), st.integers(1, 40), SIDES, SIDES)
def test_the_board_is_the_largest_that_fits_and_central(rows: int, cols: int, height: int, width: int) -> None:
    clip = ClipFormat(width=width, height=height, num_frames=9)
    if min(height // rows, width // cols) < 8:
        with pytest.raises(Rejected):
            fit((rows, cols), clip)
        return
    layout = fit((rows, cols), clip)
    side = layout.cell_px
    assert side % 8 == 0
    assert layout.top % 2 == layout.left % 2 == 0
    assert rows * (side + 8) > height or cols * (side + 8) > width
    for begin, length, whole in ((layout.top, rows * side, height), (layout.left, cols * side, width)):
        after = whole - begin - length
        assert begin >= 0
        assert 0 <= after - begin <= 2


def test_frames_do_not_depend_on_earlier_clips() -> None:
    """Tiles and sprites are cached: a second clip of the same painter is the same."""
    path = trajectory("sokoban", "easy", "square256")
    recipe = registry.load("sokoban")
    brush = painter("sokoban", path.states[0], variant(recipe, "ice", 0), CLIP)
    plan = pace(len(path.actions), CLIP)
    first = [frame.copy() for frame in brush.frames(recipe.task, path, plan)]
    second = [frame.copy() for frame in brush.frames(recipe.task, path, plan)]
    assert np.array_equal(first, second)


class Dance:
    """Two equal marks change places, again and again: the boards are equal, the pictures between are not."""

    def shape(self, state: int) -> tuple[int, int]:
        return 1, 2

    def tokens(self, state: int) -> tuple[Token, ...]:
        return tuple(Token(Mark("agent"), (0, (key + state) % 2), key=key) for key in (0, 1))

    def strokes(self, state: int, action: str) -> tuple[Stroke, ...]:
        return ()


def test_marks_that_change_places_leave_no_trace() -> None:
    look = variant(registry.load("maze"), "paper", 1, "glide")
    backdrop = ((Mark("floor"),), (Mark("floor"),))
    plan = pace(3, CLIP)
    path = Trajectory(states=(0, 1, 2, 3), actions=("swap",) * 3)
    task: Any = Dance()
    frames = [frame.copy() for frame in Painter(backdrop, fit((1, 2), CLIP), CLIP, look).frames(task, path, plan)]
    for keyframe in plan.action_frames:
        assert np.array_equal(frames[keyframe], frames[0])
        assert not np.array_equal(frames[keyframe - 1], frames[0])


def test_a_growing_line_leaves_no_gap() -> None:
    """The frame before the keyframe shows nearly all of the new pipe."""
    look = variant(registry.load("flowfree"), "night", 0, "glide")
    path = trajectory("flowfree", "tiny", "square256")
    frames, plan = drawn("flowfree", path, look, CLIP), pace(len(path.actions), CLIP)
    keyframes = [0, *plan.action_frames]
    for before, keyframe in zip(keyframes, plan.action_frames, strict=False):
        new = np.abs(planes_of(frames[keyframe]).y.astype(int) - planes_of(frames[before]).y) > 30
        drawn_so_far = np.abs(planes_of(frames[keyframe - 1]).y.astype(int) - planes_of(frames[before]).y) > 30
        share = 1 - 1 / plan.frames_per_action
        assert (drawn_so_far & new).sum() >= (share - 0.2) * new.sum()
        assert (drawn_so_far & ~new).sum() <= 0.05 * new.sum(), "the stroke draws beside the line"


def test_puzzles_differ_between_levels() -> None:
    """The samples of this file are not all one puzzle."""
    assert len({puzzle(task, level, "square256").digest for task in TASKS for level in ("tiny", "easy")}) == 6

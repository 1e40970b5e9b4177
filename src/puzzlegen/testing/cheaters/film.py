"""The small animator behind the cheats: scenes of tokens on any backdrop, drawn as the clips are, to RGB frames.

It draws legal moves exactly as `render.raster.Painter.frames` does, and besides what no trajectory can say: walls that
go away, marks that slide across the board, tokens of states that do not exist.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import Rejected, SearchLimit
from puzzlegen.grid import Cell, cells_of
from puzzlegen.render.colors import COLORS
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look, Style
from puzzlegen.render.motion import HOLD_END, even_offset, pace
from puzzlegen.render.planes import new_canvas, planes_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.render.video import canvas_to_rgb
from puzzlegen.replay import replay, stacks_of
from puzzlegen.task import Task
from puzzlegen.types import Glyph, Instance, Mark, Stroke, Token

Frames = NDArray[np.uint8]  # RGB [T, H, W, 3]
Backdrop = tuple[Glyph, ...]

CUT, FAR = 0, 1000
"""How many cells a keyed token may glide between two scenes: none, any number."""
LEAST_FRAMES = 6
"""Frames that a change must be seen for: what flickers for one or two is overlooked, honestly."""
UNSOLVED_CAP = 0.9
"""The most that a clip gets that does not solve its puzzle (scoring.md, c)."""


class Take(NamedTuple):
    """One cheating clip: acceptable violation codes, the likeliest first; the highest reward allowed; its frames."""

    codes: tuple[str, ...]
    ceiling: float
    frames: Frames


class Scene(NamedTuple):
    """A picture at rest, and how it comes about from the one before.

    Args:
        tokens: what lies on the backdrop.
        backdrop: what is below, from the first frame after the scene before.
        strokes: what draws itself on the way.
        reach: keyed tokens glide if they move at most so many cells, others appear in the last frame.
        frames: that it takes; None: as many as a legal action; 0: the tokens only get other keys.
    """

    tokens: tuple[Token, ...]
    backdrop: Backdrop
    strokes: tuple[Stroke, ...] = ()
    reach: int = 1
    frames: int | None = None


class _Floating(NamedTuple):
    """A mark somewhere between cells; pixels from the board's corner, even."""

    mark: Mark
    top: int
    left: int


class _Pose(NamedTuple):
    """What one frame shows: a glyph a cell, and what floats above, back to front."""

    glyphs: tuple[Glyph, ...]
    floating: tuple[_Floating, ...] = ()


class Film:
    """One puzzle in one look: its legal clip, and what is needed to forge others.

    Raises:
        Rejected: puzzle or solution do not fit the clip.
    """

    def __init__(self, task: Task[Any, Any], puzzle: Instance[Any], look: Look, clip: ClipFormat) -> None:
        self.task, self.puzzle, self.look, self.clip = task, puzzle, look, clip
        self.actions = puzzle.solution.actions
        self.states = replay(task, puzzle.start, self.actions).states
        self.shape = task.shape(puzzle.start)
        self.cells = cells_of(self.shape)
        self.backdrop: Backdrop = tuple(task.backdrop(puzzle.start))
        self.layout = fit(self.shape, clip)
        self.timeline = pace(len(self.actions), clip)
        self.at = [self.timeline.hold_start - 1, *self.timeline.action_frames]
        """The first frame that shows each state at rest (of the start: the last)."""
        self.scenes = self.legal(puzzle.start, self.actions)
        self._painter = Painter(self.backdrop, self.layout, clip, _with_recolored(look, self.backdrop))
        self._canvas = new_canvas(clip.height, clip.width)
        self._shown: _Pose | None = None
        self._progress: list[float] = []
        self._known: dict[_Pose, int] = {}

    @property
    def is_seen_moving(self) -> bool:
        """Whether the solution takes so many frames that a change during it is no flicker."""
        return len(self.actions) * self.timeline.frames_per_action >= LEAST_FRAMES

    def is_seen_bare(self, cell: Cell) -> bool:
        """Whether nothing lies on a cell at the start, and for so many frames after it that a change there is no
        flicker."""
        bare = itertools.takewhile(lambda scene: all(token.at != cell for token in scene.tokens), self.scenes)
        return (sum(1 for _ in bare) - 1) * self.timeline.frames_per_action >= LEAST_FRAMES

    # --- the legal clip

    @functools.cached_property
    def gold(self) -> Frames:
        """The solution's clip before any codec; not to be written to."""
        poses = self._poses(self.scenes)
        frames = self._drawn(poses)
        frames.flags.writeable = False
        self._known = {pose: frame for frame, pose in enumerate(poses)}
        return frames

    def still(self, step: int) -> NDArray[np.uint8]:
        """The frame that shows the state after so many actions; -1: the solved one."""
        frame: NDArray[np.uint8] = self.gold[self.at[step]]
        return frame

    def picture(self, tokens: Sequence[Token], backdrop: Backdrop | None = None) -> NDArray[np.uint8]:
        """One frame with these tokens at rest [H, W, 3]."""
        _ = self.gold
        frame: NDArray[np.uint8] = self._drawn([self._at_rest(self.scene(tokens, backdrop))])[0]
        return frame

    def cuts(self, frames: Iterable[int]) -> Frames:
        """The gold clip's frames in this order, the last one repeated to the clip's length."""
        order = list(frames)[: self.clip.num_frames]
        return self.gold[order + [order[-1]] * (self.clip.num_frames - len(order))]

    def legal(self, start: Any, actions: Iterable[str]) -> list[Scene]:
        """The scenes of a legal walk, its start first."""
        reach = 1 if self.look.motion == "glide" else CUT
        found, state = [self.scene(self.task.tokens(start), reach=CUT, frames=0)], start
        for action in actions:
            strokes = self.task.strokes(state, action) if reach else ()
            state = self.task.step(state, action)
            found.append(self.scene(self.task.tokens(state), strokes=strokes, reach=reach))
        return found

    def scene(self, tokens: Sequence[Token], backdrop: Backdrop | None = None, **how: Any) -> Scene:
        """A scene, on the puzzle's own backdrop if no other is given."""
        return Scene(tuple(tokens), backdrop or self.backdrop, **how)

    def progress(self, step: int) -> float:
        """The most that a judge may give for the first `step` actions: the share of the distance they cover."""
        while len(self._progress) <= step:
            self._progress.append(max([*self._progress[-1:], self.worth(self.states[len(self._progress)])]))
        return self._progress[step]

    def worth(self, state: Any) -> float:
        """The same for one state; the cap where the solver gives up, as nothing less can be promised."""
        try:
            whole, left = self.task.distance(self.puzzle.start), self.task.distance(state)
        except SearchLimit:
            return UNSOLVED_CAP
        return 0.0 if left is None or not whole else min(UNSOLVED_CAP, max(0.0, 1 - left / whole))

    # --- any clip

    def shoot(self, scenes: Sequence[Scene], tail: int = HOLD_END) -> Frames:
        """Draw scenes at the solution's tempo, faster if need be; the last is held for `tail` frames at least.

        Raises:
            Rejected: more scenes than the clip has frames.
        """
        _ = self.gold  # so that its frames need not be drawn again
        return self._drawn(self._poses(scenes, tail))

    def _poses(self, scenes: Sequence[Scene], tail: int = HOLD_END) -> list[_Pose]:
        hold, total = self.timeline.hold_start, self.clip.num_frames
        first, *rest = scenes
        free = sum(scene.frames is None for scene in rest)
        room = total - hold - (tail - 1) - sum(scene.frames or 0 for scene in rest)
        tempo = min(self.timeline.frames_per_action, room // max(1, free))
        if tempo < 1:
            raise Rejected("cheat too long for the clip")
        poses = [self._at_rest(first)] * hold
        before = first
        for scene in rest:
            poses += self._between(before, scene, tempo if scene.frames is None else scene.frames)
            before = scene
        return poses + poses[-1:] * (total - len(poses))

    def _at_rest(self, scene: Scene) -> _Pose:
        return _Pose(_glyphs(scene.backdrop, stacks_of(scene.tokens, self.shape)))

    def _between(self, before: Scene, after: Scene, whole: int) -> list[_Pose]:
        """The frames from one scene to the next, `after` at rest as the last of them."""
        if not whole:
            return []
        movers = _movers(before.tokens, after.tokens, after.reach)
        glyphs = _glyphs(after.backdrop, stacks_of(_without(before.tokens, movers), self.shape))
        side, trail = self.layout.cell_px, list[_Floating]()
        poses = []
        for part in range(1, whole):
            trail += [tip for stroke in after.strokes for tip in _tips(stroke, part, whole, side)]
            floating = [_placed(mover, part, whole, side) for mover in movers]
            poses.append(_Pose(glyphs, (*floating, *trail)))
        return [*poses, self._at_rest(after)]

    def _drawn(self, poses: Sequence[_Pose]) -> Frames:
        """RGB of each pose; those that the gold clip has, or the frame before, are copied."""
        frames = np.empty((len(poses), self.clip.height, self.clip.width, 3), dtype=np.uint8)
        for number, pose in enumerate(poses):
            if number and pose == poses[number - 1]:
                frames[number] = frames[number - 1]
            elif pose in self._known:
                frames[number] = self.gold[self._known[pose]]
            else:
                self._paint(pose)
                frames[number] = canvas_to_rgb(self._canvas)
        return frames

    def _paint(self, pose: _Pose) -> None:
        """Bring the canvas from the pose that it shows to this one."""
        picture, side, painter = planes_of(self._canvas), self.layout.cell_px, self._painter
        shown: Sequence[Glyph | None] = [None] * len(self.cells)
        covered = set[Cell]()
        if self._shown is None:
            picture.fill(self.look.page)
        else:
            shown = self._shown.glyphs
            covered = {cell for floating in self._shown.floating for cell in _under(floating, side)}
        for cell, old, new in zip(self.cells, shown, pose.glyphs, strict=True):
            if old != new or cell in covered:
                picture.window(*self.layout.corner(cell), side, side).put(painter.tile(new))
        for mark, top, left in pose.floating:
            painter.sprite(mark).blend(picture, self.layout.top + top, self.layout.left + left)
        self._shown = pose


def _with_recolored(look: Look, backdrop: Backdrop) -> Look:
    """The look with `in_color` of every mark that lies on the backdrop's floor."""
    styles = dict(look.styles)
    for mark in {mark for glyph in backdrop for mark in glyph[1:]}:
        style = look.style(mark.kind, mark.hue)
        accent = "" if style.accent == style.color else style.accent
        for color in COLORS:
            styles[in_color(mark, color).kind] = Style(shape=style.shape, color=color, accent=accent)
    return replace(look, styles=styles)


def in_color(mark: Mark, color: str) -> Mark:
    """A mark that lies on the backdrop's floor, in any named color."""
    return mark._replace(kind=f"{mark.kind} in {color}")


def _glyphs(backdrop: Backdrop, stacks: Iterable[Glyph]) -> tuple[Glyph, ...]:
    return tuple([below + above for below, above in zip(backdrop, stacks, strict=True)])


def _movers(before: Iterable[Token], after: Iterable[Token], reach: int) -> list[Stroke]:
    """Keyed tokens that glide: to another cell, at most `reach` cells away."""
    targets = {token.key: token.at for token in after if token.key is not None}
    return [
        Stroke(token.mark, token.at, targets[token.key])
        for token in before
        if token.key in targets and 0 < _away(token.at, targets[token.key]) <= reach
    ]


def _away(cell: Cell, other: Cell) -> int:
    return abs(cell[0] - other[0]) + abs(cell[1] - other[1])


def _without(tokens: Iterable[Token], movers: Sequence[Stroke]) -> list[Token]:
    """As the painter does, by mark: no like mark stays in a cell that something leaves."""
    leaving = {(mover.mark, mover.source) for mover in movers}
    return [token for token in tokens if (token.mark, token.at) not in leaving]


def _placed(mover: Stroke, part: int, whole: int, side: int) -> _Floating:
    (row, col), (to_row, to_col) = mover.source, mover.target
    down = even_offset(side * (to_row - row), part, whole)
    right = even_offset(side * (to_col - col), part, whole)
    return _Floating(mover.mark, row * side + down, col * side + right)


def _tips(stroke: Stroke, part: int, whole: int, side: int) -> list[_Floating]:
    """What a stroke adds in one frame, without gaps."""
    (row, col), (to_row, to_col) = stroke.source, stroke.target
    start, end = even_offset(side, part - 1, whole), even_offset(side, part, whole)
    return [
        _Floating(stroke.mark, row * side + (to_row - row) * offset, col * side + (to_col - col) * offset)
        for offset in (*range(start, end, max(2, side // 16 * 2)), end)
    ]


def _under(floating: _Floating, side: int) -> list[Cell]:
    """The cells that a floating mark may cover."""
    _, top, left = floating
    rows, cols = {top // side, -(-top // side)}, {left // side, -(-left // side)}
    return [(row, col) for row in rows for col in cols]

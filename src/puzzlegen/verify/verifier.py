"""The whole way from a clip to its score: register, perceive, judge."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.planes import Planes, canvas_of, new_canvas, planes_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import board
from puzzlegen.task import Task
from puzzlegen.types import Score
from puzzlegen.verify import perceive
from puzzlegen.verify.judge import judge
from puzzlegen.verify.register import find_shift

Canvas = NDArray[np.uint8]  # [H * 3/2, W]

_AS_DRAWN = 8.0
"""Levels by which the codec may move a block of the first frame before the board is searched for."""


class Verifier:
    """Judges clips of one puzzle in one look. The puzzle comes from the dataset; it is never guessed from pixels."""

    def __init__(self, task: Task[Any, Any], start: Any, look: Look, clip: ClipFormat) -> None:
        self.task, self.start, self.clip = task, start, clip
        self.layout = fit(task.shape(start), clip)
        self._painter = Painter(task.backdrop(start), self.layout, clip, look)
        self._allowed = perceive.candidates(self._painter, task.glyphs(start))

    def score(self, canvases: NDArray[np.uint8]) -> Score[Any]:
        """Score frames given as YUV 4:2:0 canvases [T, H * 3/2, W] (see `render.video.decode`)."""
        return self.score_pictures(map(planes_of, canvases))

    def score_frames(self, frames: NDArray[np.uint8]) -> Score[Any]:
        """Score RGB frames [T, H, W, 3]."""
        return self.score_pictures(map(video.rgb_to_planes, frames))

    def score_video(self, data: bytes) -> Score[Any]:
        """Score an mp4. Raises CorruptData if it is unreadable or not of the clip's size, length and rate."""
        return self.score_pictures(self.pictures(data))

    def pictures(self, data: bytes) -> Iterator[Planes]:
        """The frames of an mp4 one by one. Raises CorruptData if it is unreadable or of another frame rate."""
        fps, pictures = video.open_planes(data)
        if fps != self.clip.fps:
            raise CorruptData(f"the video has {fps} frames per second, expected {self.clip}")
        return pictures

    def score_pictures(self, pictures: Iterable[Planes]) -> Score[Any]:
        """Score frames that come one by one. Raises CorruptData for another size or number of frames."""
        pictures = iter(pictures)
        first = next(pictures, None)
        if first is None:
            raise CorruptData("the video has no frames")
        height, width = first.y.shape
        if (height, width) != (self.clip.height, self.clip.width):
            raise CorruptData(f"the video is {width}x{height}, expected {self.clip}")
        shift = self._shift(first)
        labels = perceive.boards(itertools.chain([first], pictures), self.layout, shift, self._allowed)
        if len(labels) != self.clip.num_frames:
            raise CorruptData(f"the video has {len(labels)} frames, expected {self.clip}")
        return judge(self.task, self.start, labels, self._allowed)

    def _shift(self, first: Planes) -> tuple[int, int]:
        """None at all if the first frame is as drawn, up to the codec; else the shift that fits best."""
        start = board(self.task, self.start)
        seen = perceive.observe(first, self.layout, (0, 0))
        drawn = self._allowed.features[np.arange(len(start)), self._allowed.labels(start)]
        if np.abs(seen - drawn).max() <= _AS_DRAWN:
            return 0, 0
        expected = planes_of(new_canvas(self.clip.height, self.clip.width))
        self._painter.draw(expected, start)
        return find_shift(first, expected)


def require_gold(verifier: Verifier, data: bytes, actions: Sequence[str], name: str) -> tuple[Canvas, Canvas]:
    """Decode a clip that must score 1.0 with exactly these actions. Returns its first and its last canvas.

    Raises:
        CorruptData: it does not; names the clip.
    """
    ends: list[Canvas] = []

    def keep_ends(pictures: Iterable[Planes]) -> Iterator[Planes]:
        for index, picture in enumerate(pictures):
            if index in (0, verifier.clip.num_frames - 1):
                ends.append(canvas_of(picture))
            yield picture

    try:
        score = verifier.score_pictures(keep_ends(verifier.pictures(data)))
    except CorruptData as error:
        raise CorruptData(f"clip {name}: {error}") from error
    if score.value != 1.0 or list(score.actions) != list(actions):
        found = score.violations[0] if score.violations else "other actions"
        raise CorruptData(f"clip {name} scores {score.value:.3f} when read back ({found}).")
    first, last = ends
    return first, last

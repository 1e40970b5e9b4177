"""The whole way from a clip to its score: find the puzzle, read the cells, walk, judge."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import frames_per_action
from puzzlegen.render.planes import Planes, canvas_of, planes_of
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import board
from puzzlegen.task import Task
from puzzlegen.types import Score
from puzzlegen.verify.atlas import Atlas, Features, atlas, start_means
from puzzlegen.verify.find import Found, Reference, Unlike, find
from puzzlegen.verify.judge import judge, unread
from puzzlegen.verify.observer import Observer
from puzzlegen.verify.pace import pace_of

Canvas = NDArray[np.uint8]  # [H * 3/2, W]


class Verifier:
    """Judges clips of one puzzle in one look. The puzzle comes from the dataset; it is never guessed from pixels."""

    def __init__(
        self,
        task: Task[Any, Any],
        start: Any,
        look: Look,
        clip: ClipFormat,
        num_actions: int | None = None,
        *,
        follow: bool = True,
    ) -> None:
        """Prepare for one puzzle.

        Args:
            task: the rules.
            start: state of the first frame.
            look: colors and shapes of the first frame.
            clip: size, length and rate of the dataset's own clip; a video may have others.
            num_actions: of the stored solution, which sets the tempo that a video may have; solved for if not given.
            follow: a camera that moves. Without, such a camera is an error, and noisy clips take half the time.
        """
        self.task, self.start, self.clip = task, start, clip
        self.layout = fit(task.shape(start), clip)
        self._num_actions, self._follow = num_actions, follow
        self._painter = Painter(task.backdrop(start), self.layout, clip, look)
        self._board = board(task, start)
        self._stacks = task.glyphs(start)
        self._atlases: dict[float, Atlas] = {}
        sharp = self._atlas(0.0)
        self._reference = Reference(self.layout, self._drawn, sharp.labels(self._board), self._atlas, self._means)
        self._last: tuple[Planes, Found | Unlike] | None = None
        """The last clip's first picture, and what it tells."""

    def score(self, canvases: NDArray[np.uint8]) -> Score[Any]:
        """Score frames given as YUV 4:2:0 canvases [T, H * 3/2, W] (see `render.video.decode`)."""
        return self.score_pictures(map(planes_of, canvases))

    def score_frames(self, frames: NDArray[np.uint8]) -> Score[Any]:
        """Score RGB frames [T, H, W, 3] of any size."""
        return self.score_pictures(video.rgb_to_pictures(frames))

    def score_video(self, data: bytes) -> Score[Any]:
        """Score a video file's content. Raises CorruptData if it is unreadable or empty."""
        return self.score_pictures(video.open_planes(data)[1])

    def score_pictures(self, pictures: Iterable[Planes]) -> Score[Any]:
        """Score frames that come one by one. Raises CorruptData if there are none."""
        pictures = iter(pictures)
        first = next(pictures, None)
        if first is None:
            raise CorruptData("the video has no frames")
        found = self._find(first)
        if isinstance(found, Unlike):
            return unread(self.task, self.start, found.likeness)
        evidence = Observer(found, follow=self._follow).watch(pictures)
        pace = pace_of(len(evidence.labels), self.clip.num_frames, self._frames_per_action)
        return judge(self.task, self.start, evidence, found.sight.atlas, pace)

    def _find(self, first: Planes) -> Found | Unlike:
        """What the first picture tells; kept, because the clips that a model makes of one puzzle share it."""
        if self._last is None or not all(map(np.array_equal, first, self._last[0])):
            own = Planes(*(plane.copy() for plane in first))  # it may be a view of frames that change
            self._last = own, find(own, self._reference)
        return self._last[1]

    @functools.cached_property
    def _frames_per_action(self) -> int:
        actions = self._num_actions
        if actions is None:
            actions = len(self.task.solve(self.start).actions)
        return frames_per_action(actions, self.clip)

    def _atlas(self, blur: float) -> Atlas:
        """Kept, because many clips of one puzzle are scored."""
        if blur not in self._atlases:
            self._atlases[blur] = atlas(self._painter, self._stacks, self._board, blur)
        return self._atlases[blur]

    def _means(self, blur: float) -> Features:
        return start_means(self._painter, self._board, blur)

    def _drawn(self) -> Planes:
        """The first frame as the painter draws it."""
        return self._painter.picture(self._board)


def require_gold(verifier: Verifier, data: bytes, actions: Sequence[str], name: str) -> tuple[Canvas, Canvas]:
    """Decode a clip that must score 1.0 with exactly these actions. Returns its first and its last canvas.

    Raises:
        CorruptData: it does not, or it has another size, length or rate; names the clip.
    """
    clip = verifier.clip
    ends: list[Canvas] = []

    def keep_ends(pictures: Iterable[Planes]) -> Iterator[Planes]:
        index = -1
        for index, picture in enumerate(pictures):
            if picture.y.shape != (clip.height, clip.width):
                raise CorruptData(f"the video is {picture.y.shape[1]}x{picture.y.shape[0]}, expected {clip}")
            if index in (0, clip.num_frames - 1):
                ends.append(canvas_of(picture))
            yield picture
        if index + 1 != clip.num_frames:
            raise CorruptData(f"the video has {index + 1} frames, expected {clip}")

    try:
        fps, pictures = video.open_planes(data)
        if fps != clip.fps:
            raise CorruptData(f"the video has {fps} frames per second, expected {clip}")
        score = verifier.score_pictures(keep_ends(pictures))
    except CorruptData as error:
        raise CorruptData(f"clip {name}: {error}") from error
    if score.value != 1.0 or list(score.actions) != list(actions):
        found = score.violations[0] if score.violations else "other actions"
        raise CorruptData(f"clip {name} scores {score.value:.3f} when read back ({found}).")
    first, last = ends
    return first, last

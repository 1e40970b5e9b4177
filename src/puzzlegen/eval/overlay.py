"""A judged video explained: its frames beside the puzzle as it was read, with moves, violations and the verdict."""

from __future__ import annotations

import bisect
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.api import verifier_of
from puzzlegen.eval.codes import MEANINGS
from puzzlegen.eval.pictures import RED, Board, Box, outline
from puzzlegen.render import video as videos
from puzzlegen.render.stills import resized
from puzzlegen.replay import replay
from puzzlegen.shards.row import Row
from puzzlegen.shards.writer import atomic
from puzzlegen.types import Score, Violation

Frame = NDArray[np.uint8]  # [H, W, 3] RGB
View = tuple[float, float, float, float]
"""(scale_y, scale_x, top, left): pixel (y, x) of the clip lies at (top + y * scale_y, left + x * scale_x)."""
Color = tuple[int, int, int]

MOST_WIDTH = 1280
_LEAST_WIDTH = 640
_MOST_HEIGHT = 480
_GAP = 12
_HEAD = 30
_TRACK = 9
_BAND = 92
_LINE = 27
_OUTLINE = 3
_FASTEST = 120

_GROUND, _TEXT, _FAINT, _RAIL = (21, 23, 28), (236, 238, 242), (150, 157, 168), (58, 63, 73)
_GREEN, _BLUE, _ALARM = (72, 207, 126), (120, 170, 255), (255, 96, 100)

_BT709 = 1
_LIMITED_RANGE = 1
_X264 = {"preset": "veryfast", "crf": "20", "x264-params": "keyint=48"}


def explain(video: bytes, row: Row, out: Path) -> Score[Any]:
    """Judge a video of a row's puzzle and write an mp4 that shows why.

    Args:
        video: of any size and length.
        row: the puzzle that it should solve.
        out: ends in .mp4.

    Raises:
        InvalidInput: another ending.
        CorruptData: the video cannot be decoded.
        OutputError: `out` cannot be written.
    """
    if out.suffix != ".mp4":
        raise InvalidInput(f"{out}: the name of an explained video must end in .mp4.")
    score: Score[Any] = verifier_of(row).score_video(video)
    fps, pictures = videos.open_planes(video)
    fps = min(max(1, fps), _FASTEST)
    num_frames = sum(1 for _ in pictures)
    with atomic(out) as temporary:
        _encode(annotate(_rgb_frames(video), score, row, num_frames=num_frames, hold=fps), temporary, fps)
    return score


def annotate(frames: Iterable[Frame], score: Score[Any], row: Row, *, num_frames: int, hold: int) -> Iterator[Frame]:
    """Draw what a score says beside each frame of its video.

    Args:
        frames: the judged video, RGB frames [H, W, 3] of one size.
        score: its judgement.
        row: the puzzle.
        num_frames: how many frames there are; the last one shows the verdict.
        hold: how often the last one is repeated.

    Returns:
        num_frames + hold frames of one size with even sides, at most 1280 wide.
    """
    page = picture = None
    for number, frame in enumerate(frames):
        if page is None:
            page = _Page(frame, score, row, num_frames)
        picture = page.draw(number, frame)
        yield picture
    if picture is not None:
        yield from [picture] * hold


@dataclass(frozen=True)
class _Panel:
    """A part of the page that shows pictures of one size."""

    left: int
    top: int
    width: int
    height: int
    view: View
    """Where the clip lies in the panel."""

    def scaled(self, rgb: Frame) -> Image.Image:
        """A picture of the panel's size."""
        return Image.fromarray(resized(rgb, self.width, self.height))

    def place(self, box: Box) -> Box:
        """From the clip's pixels to the panel's."""
        scale_y, scale_x, top, left = self.view
        return left + box[0] * scale_x, top + box[1] * scale_y, left + box[2] * scale_x, top + box[3] * scale_y

    def mark(self, image: Image.Image, boxes: Iterable[Box | None]) -> None:
        """Outline boxes given in the clip's pixels, the whole panel for None; never outside the panel."""
        corners = (self.left, self.top, self.left + self.width, self.top + self.height)
        part = image.crop(corners)
        for box in boxes:
            outline(part, (0, 0, self.width, self.height) if box is None else self.place(box), _OUTLINE)
        image.paste(part, corners)


class _Page:
    """One explained video: two panels side by side, a time line, and three lines of text."""

    def __init__(self, frame: Frame, score: Score[Any], row: Row, num_frames: int) -> None:
        self._score, self._id, self._num_frames = score, _printable(row["id"]), num_frames
        self._board = Board(row)
        self._states = replay(self._board.task, self._board.start, score.actions).states
        self._still: tuple[int, Image.Image] | None = None
        clip = row.clip
        height, width, _ = frame.shape
        sizes = _fitted(width, height), _fitted(clip.width, clip.height)
        self._width = _even(max(_LEAST_WIDTH, sizes[0][0] + sizes[1][0] + 3 * _GAP))
        spare = (self._width - sizes[0][0] - sizes[1][0]) // 3
        tall = max(high for _, high in sizes)
        self._floor = _HEAD + tall + _GAP
        self._height = _even(self._floor + _TRACK + _BAND)
        seen = score.view or (height / clip.height, width / clip.width, 0.0, 0.0)
        self._video = _panel(spare, tall, sizes[0], (width, height), seen)
        self._read = _panel(2 * spare + sizes[0][0], tall, sizes[1], (clip.width, clip.height), (1.0, 1.0, 0.0, 0.0))
        self._small, self._font, self._large = (ImageFont.load_default(size) for size in (13, 15, 18))

    def draw(self, number: int, frame: Frame) -> Frame:
        """One frame of the explained video."""
        image = Image.new("RGB", (self._width, self._height), _GROUND)
        pen = ImageDraw.Draw(image)
        num_moves = bisect.bisect_right(self._score.frames, number)
        found = [violation for violation in self._score.violations if violation.frame <= number]
        boxes = [
            None if cell is None else self._board.box(cell) for cell in dict.fromkeys(fault.cell for fault in found)
        ]
        for panel, picture, title in (
            (self._video, self._video.scaled(frame), "the video"),
            (self._read, self._state(num_moves), "what was read from it"),
        ):
            image.paste(picture, (panel.left, panel.top))
            panel.mark(image, boxes)
            pen.text((panel.left, panel.top - 9), title, _FAINT, self._small, anchor="ls")
        self._draw_time(pen, number)
        self._draw_text(pen, number, num_moves, found)
        return np.asarray(image)

    def _state(self, num_moves: int) -> Image.Image:
        """The puzzle after so many moves; drawn again only when another move was read."""
        if self._still is None or self._still[0] != num_moves:
            self._still = num_moves, self._read.scaled(self._board.rgb(self._states[num_moves]))
        return self._still[1]

    def _draw_time(self, pen: ImageDraw.ImageDraw, number: int) -> None:
        """How much of the video has passed, with a blue tick for each move and a red one for each violation."""
        left, width = _GAP, self._width - 2 * _GAP
        top, bottom = self._floor, self._floor + _TRACK - 1
        for share, color in ((1.0, _RAIL), ((number + 1) / self._num_frames, _FAINT)):
            pen.rectangle((left, top + 3, left + max(1, round(width * share)) - 1, bottom - 3), fill=color)
        faults = [violation.frame for violation in self._score.violations]
        for frame, color in [(frame, _BLUE) for frame in self._score.frames] + [(frame, RED) for frame in faults]:
            if frame <= number:
                middle = left + round(width * (frame + 0.5) / self._num_frames)
                pen.rectangle((middle - 1, top, middle + 1, bottom), fill=color)

    def _draw_text(self, pen: ImageDraw.ImageDraw, number: int, num_moves: int, found: list[Violation]) -> None:
        """Where the video is, the moves that were read, and what is wrong or the verdict."""
        right, base = self._width - _GAP, self._floor + _TRACK + 23
        place = f"frame {number} / {self._num_frames - 1}"
        pen.text((right, base), place, _FAINT, self._font, anchor="rs")
        end = right - pen.textlength(place, self._font) - 2 * _GAP
        _write(pen, (_GAP, base), [(self._id, _FAINT)], self._font, end)
        base += _LINE
        left = _write(pen, (_GAP, base), [(f"legal moves ({num_moves}):  ", _FAINT)], self._font, right)
        line = _printable(self._board.task.line(self._score.actions[:num_moves]))
        newest = _last(line, functools.partial(_fits, pen, self._font, right - left))
        _write(pen, (left, base), [(newest, _TEXT)], self._font, right)
        _write(pen, (_GAP, base + _LINE + 3), self._outcome(number, found), self._large, right)

    def _outcome(self, number: int, found: list[Violation]) -> list[tuple[str, Color]]:
        """Pieces of text with their colors: in the end the verdict, and the first violation up to now."""
        pieces: list[tuple[str, Color]] = []
        if number >= self._num_frames - 1:
            verdict = ("SOLVED", _GREEN) if self._score.solved else ("NOT SOLVED", _ALARM)
            pieces = [verdict, (f"   reward {self._score.value:.3f}      ", _TEXT)]
        if found:
            code, frame, cell = found[0]
            where = "" if cell is None else f", cell {cell}"
            more = f"   (and {len(found) - 1} more)" if len(found) > 1 else ""
            meaning = f"  {MEANINGS[code]}" if code in MEANINGS else ""
            pieces += [(code, _ALARM), (f"{meaning}  (frame {frame}{where}){more}", _TEXT)]
        return pieces


def _panel(left: int, tall: int, size: tuple[int, int], source: tuple[int, int], view: View) -> _Panel:
    """A panel of this (width, height), centred in the row of panels, for pictures of the size of `source`."""
    across, down = size[0] / source[0], size[1] / source[1]
    inner = view[0] * down, view[1] * across, view[2] * down, view[3] * across
    return _Panel(left, _HEAD + (tall - size[1]) // 2, *size, inner)


def _fitted(width: int, height: int) -> tuple[int, int]:
    """The largest size of the same form that one panel may have."""
    scale = min((MOST_WIDTH - 3 * _GAP) / 2 / width, _MOST_HEIGHT / height)
    return max(2, int(width * scale)), max(2, int(height * scale))


def _even(length: int) -> int:
    return (length + 1) // 2 * 2


def _printable(text: str) -> str:
    """One line without control characters: names come from files."""
    return "".join(character if character.isprintable() else " " for character in text)


def _write(
    pen: ImageDraw.ImageDraw,
    at: tuple[float, float],
    pieces: Iterable[tuple[str, Color]],
    font: Any,
    right: float,
) -> float:
    """Write pieces of text on one base line and return where they end; what does not fit is cut off."""
    left, base = at
    for text, color in pieces:
        shown = _first(text, functools.partial(_fits, pen, font, right - left))
        pen.text((left, base), shown, color, font, anchor="ls")
        left += pen.textlength(shown, font)
    return left


def _fits(pen: ImageDraw.ImageDraw, font: Any, room: float, text: str) -> bool:
    return pen.textlength(text, font) <= room


def _first(text: str, fits: Callable[[str], bool]) -> str:
    """As much of the beginning as fits."""
    if fits(text):
        return text
    length = bisect.bisect_left(range(len(text)), True, key=lambda length: not fits(text[: length + 1] + "..."))
    return text[:length] + "..." if length else ""


def _last(text: str, fits: Callable[[str], bool]) -> str:
    """As much of the end as fits."""
    if fits(text):
        return text
    dropped = bisect.bisect_left(range(len(text)), True, key=lambda dropped: fits("..." + text[dropped:]))
    return "..." + text[dropped:]


def _rgb_frames(video: bytes) -> Iterator[Frame]:
    """The frames of a video one by one, so that a long one needs no more memory than a short one."""
    with av.open(io.BytesIO(video), "r") as container:
        for frame in container.decode(video=0):
            yield np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)


def _encode(frames: Iterable[Frame], path: Path, fps: int) -> None:
    """Write RGB frames as an mp4 that every player and browser shows."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps, options=dict(_X264))
        context = stream.codec_context
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, fps)
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        for index, rgb in enumerate(frames):
            if index == 0:
                context.height, context.width = rgb.shape[:2]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
            frame.pts = index
            container.mux(stream.encode(frame))
        container.mux(stream.encode())

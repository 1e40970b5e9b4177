"""Clip formats: size and length of a clip, named or written as WIDTHxHEIGHTxFRAMES[@FPS]."""

from __future__ import annotations

import re
from dataclasses import dataclass

from puzzlegen.errors import InvalidInput, UnknownName


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFormat:
    """Shape of every clip of a dataset, fit for video models with 4x temporal and 32x spatial patches."""

    width: int
    """Pixels, a multiple of 32."""
    height: int
    """Pixels, a multiple of 32."""
    num_frames: int
    """Frames, 4n + 1."""
    fps: int = 16

    def __post_init__(self) -> None:
        for name, side in (("width", self.width), ("height", self.height)):
            if side < 32 or side % 32:
                raise ValueError(f"{name} must be a multiple of 32, got {side}")
        if self.num_frames < 9 or self.num_frames % 4 != 1:
            raise ValueError(f"num_frames must be 4n+1 and at least 9, got {self.num_frames}")
        if not 1 <= self.fps <= 120:
            raise ValueError(f"fps must be 1 to 120, got {self.fps}")

    def __str__(self) -> str:
        return f"{self.width}x{self.height}x{self.num_frames}@{self.fps}"


FORMATS = {
    "wan480": ClipFormat(width=832, height=480, num_frames=81),
    "square480": ClipFormat(width=480, height=480, num_frames=81),
    "square256": ClipFormat(width=256, height=256, num_frames=49),
    "tiny": ClipFormat(width=64, height=64, num_frames=25, fps=8),
}


def parse_format(text: str) -> ClipFormat:
    """A named format, or one written out.

    >>> parse_format("256x128x17@8").num_frames
    17
    """
    match = re.fullmatch(r"(\d+)x(\d+)x(\d+)(?:@(\d+))?", text)
    if not match:
        if text in FORMATS:
            return FORMATS[text]
        raise UnknownName("clip format", text, [*FORMATS, "WIDTHxHEIGHTxFRAMES[@FPS]"])
    width, height, num_frames, fps = match.groups()
    try:
        return ClipFormat(width=int(width), height=int(height), num_frames=int(num_frames), fps=int(fps or 16))
    except ValueError as error:
        raise InvalidInput(f"clip format {text!r}: {error}.") from error

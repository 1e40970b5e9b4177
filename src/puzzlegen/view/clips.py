"""One clip as a file that people can look at: the mp4 itself, a GIF, or a strip of frames."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import InvalidInput
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.planes import canvas_of
from puzzlegen.render.stills import png, resized
from puzzlegen.shards.writer import atomic

_STRIP_FRAMES = 6
_GIF_WIDTH = 320


def export_clip(data: bytes, path: Path) -> None:
    """Write an mp4 as .mp4, .gif or .png (a strip of frames), by the ending of `path`.

    Raises:
        InvalidInput: another ending.
        OutputError: the file cannot be written.
    """
    makers = {".mp4": lambda: data, ".gif": lambda: gif(data), ".png": lambda: png(strip(data))}
    if path.suffix not in makers:
        raise InvalidInput(f"{path}: the name must end in {', '.join(makers)}.")
    with atomic(path) as temporary:
        temporary.write_bytes(makers[path.suffix]())


def film(frames: NDArray[np.uint8], fps: int, least_side: int = 0) -> bytes:
    """RGB frames [T, H, W, 3] of a clip format's size as an mp4.

    Args:
        frames: the clip.
        fps: frames per second.
        least_side: smaller clips are enlarged to at least so many pixels a side, each pixel to a square.
    """
    num_frames, height, width, _ = frames.shape
    times = max(1, math.ceil(least_side / min(height, width)))
    clip = ClipFormat(width=times * width, height=times * height, num_frames=num_frames, fps=fps)
    enlarged = (frame.repeat(times, axis=0).repeat(times, axis=1) for frame in frames)
    return video.encode(map(canvas_of, video.rgb_to_pictures(enlarged)), clip)


def strip(data: bytes, num_frames: int = _STRIP_FRAMES) -> NDArray[np.uint8]:
    """Evenly spaced frames side by side, first and last included [H, num_frames * W, 3]."""
    frames = video.decode_rgb(data)
    chosen = np.linspace(0, len(frames) - 1, num_frames).round().astype(int)
    return np.concatenate(list(frames[chosen]), axis=1)


def gif(data: bytes, width: int = _GIF_WIDTH) -> bytes:
    """An endless GIF, scaled down to at most `width` pixels."""
    import imageio.v3 as iio

    fps = video.decode(data)[1]
    frames = [_shrunk(frame, width) for frame in video.decode_rgb(data)]
    return bytes(iio.imwrite("<bytes>", frames, extension=".gif", duration=1000 / fps, loop=0))


def _shrunk(rgb: NDArray[np.uint8], width: int) -> NDArray[np.uint8]:
    height = round(rgb.shape[0] * width / rgb.shape[1])
    if width >= rgb.shape[1]:
        return rgb
    return resized(rgb, width, height)

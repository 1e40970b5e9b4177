"""Bytes of other people's videos: read, hashed, and held against limits before anything is decoded.

A file may claim to be a video and be a playlist, a decompression bomb or noise. Only container formats that hold
their own pictures are opened, and their size is known before the first picture is decoded.
"""

from __future__ import annotations

import functools
import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData
from puzzlegen.eval.layouts import Video, frames_in
from puzzlegen.types import Score
from puzzlegen.verify.verifier import Verifier

MOST_SIDE_PX = 4096
MOST_FRAMES = 20_000
MOST_PIXELS = 2**31
"""Of all frames together: 5,300 frames of 832 x 480, 250 of 4096 x 2048."""
MOST_BYTES = 2**30
_CONTAINERS = {"format_whitelist": "mov,mp4,matroska,webm,gif,avi"}
_PICTURES = {"format_whitelist": "png_pipe,jpeg_pipe"}


@dataclass(frozen=True, slots=True)
class Content:
    """What a video holds, read but not decoded."""

    sha256: str
    """Of the file; of names and contents of the pictures for a folder of frames."""
    video: bytes = b""
    frames: tuple[tuple[str, bytes], ...] = ()
    """(name, content) of every picture, for a folder of frames."""
    fault: str = ""
    """Why it was not read at all."""


def load(video: Video) -> Content:
    """Read a video of a submission. Never fails for what is in it; OSError if it cannot be opened."""
    if video.place is not None:
        data = _row_group(video.file, video.place[0], video.file.stat().st_mtime_ns)[video.place[1]].as_py()
        return of_bytes((data.get("bytes") if isinstance(data, dict) else data) or b"")
    return of_path(video.file)


def of_path(path: Path) -> Content:
    """Read a file, or a folder of frames."""
    if path.is_dir():
        frames = tuple((file.name, file.read_bytes()) for file in frames_in(path))
        digest = hashlib.sha256()
        for name, data in frames:
            digest.update(f"{name}\0{len(data)}\0".encode())
            digest.update(data)
        return Content(digest.hexdigest(), frames=frames)
    if path.stat().st_size > MOST_BYTES:
        with path.open("rb") as file:
            return Content(hashlib.file_digest(file, "sha256").hexdigest(), fault=f"more than {MOST_BYTES} bytes")
    return of_bytes(path.read_bytes())


def of_bytes(data: bytes) -> Content:
    """A video that is in memory."""
    return Content(hashlib.sha256(data).hexdigest(), video=data)


def judge(content: Content, verifier: Verifier) -> Score[Any]:
    """Score a video or a folder of frames. Raises CorruptData if it is no readable video or beyond the limits."""
    if content.fault:
        raise CorruptData(f"the video is not read: {content.fault}")
    if content.frames:
        return verifier.score_frames(decode_frames(content.frames))
    require_limits(content.video)
    return verifier.score_video(content.video)


def require_limits(data: bytes) -> None:
    """Look at a video without decoding it. Raises CorruptData for no video, too large or too many frames."""
    if not data:
        raise CorruptData("the video is empty")
    try:
        with av.open(io.BytesIO(data), "r", options=_CONTAINERS) as container:
            if not container.streams.video:
                raise CorruptData("the file holds no video")
            stream = container.streams.video[0]
            if stream.codec_context is None:
                raise CorruptData("the video's codec is unknown")
            width, height = stream.codec_context.width, stream.codec_context.height
            if not width or not height:
                raise CorruptData("the video states no size that could be decoded")
            _require_size(width, height, 1)
            for number, _ in enumerate(packet for packet in container.demux(stream) if packet.size):
                _require_size(width, height, number + 1)
    except (av.FFmpegError, ValueError) as error:
        raise CorruptData(f"the video cannot be opened: {_plain(error)}") from error


def _require_size(width: int, height: int, num_frames: int) -> None:
    if max(width, height) > MOST_SIDE_PX:
        raise CorruptData(f"the video is {width}x{height}; sides may have {MOST_SIDE_PX} pixels")
    if num_frames > MOST_FRAMES or width * height * num_frames > MOST_PIXELS:
        raise CorruptData(f"the video is too long: {num_frames} frames or more of {width}x{height}")


def decode_frames(frames: tuple[tuple[str, bytes], ...]) -> NDArray[np.uint8]:
    """Pictures as one clip, in the order of the numbers that their names end with.

    Returns:
        RGB [T, H, W, 3].

    Raises:
        CorruptData: a name without a number, one number twice, an unreadable picture, or pictures of several sizes.
    """
    numbers = [_number(name) for name, _ in frames]
    if len(set(numbers)) < len(numbers):
        raise CorruptData("two pictures of the folder have one number")
    clip: NDArray[np.uint8] | None = None
    for place, index in enumerate(np.argsort(numbers).tolist()):
        name, data = frames[index]
        picture = _picture(name, data, len(frames))
        if clip is None:
            clip = np.empty((len(frames), *picture.shape), dtype=np.uint8)
        if picture.shape != clip.shape[1:]:
            raise CorruptData(f"picture {name} is of another size than the first")
        clip[place] = picture
    assert clip is not None
    return clip


def _number(name: str) -> int:
    digits = re.search(r"(\d{1,18})$", Path(name).stem, re.ASCII)
    if digits is None:
        raise CorruptData(f"the name of picture {name} ends with no number")
    return int(digits[1])


def _picture(name: str, data: bytes, num_frames: int) -> NDArray[np.uint8]:
    try:
        with av.open(io.BytesIO(data), "r", options=_PICTURES) as container:
            context = container.streams.video[0].codec_context
            _require_size(context.width, context.height, num_frames)
            frame = next(container.decode(video=0))
            return np.asarray(frame.to_ndarray(format="rgb24"), dtype=np.uint8)
    except (av.FFmpegError, IndexError, ValueError, StopIteration) as error:
        raise CorruptData(f"picture {name} cannot be decoded: {_plain(error)}") from error


def _plain(error: Exception) -> str:
    """What went wrong, without numbers and names that mean nothing to a user."""
    return getattr(error, "strerror", None) or str(error)


@functools.lru_cache(maxsize=1)
def _row_group(path: Path, group: int, mtime_ns: int) -> Any:
    """The videos of one row group of a file as it was then; instances that follow each other mostly share it."""
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=["bytes"])["bytes"]

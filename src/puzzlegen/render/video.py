"""Frames to mp4 bytes and back, in process through PyAV.

Settings and why: x264 ultrafast with a constant qp (crf would code still areas again in every frame), which is 13
because at 12 x264 never leaves still areas alone; CAVLC, which is decoded in two thirds of the time of CABAC; one
thread (the bytes depend on the thread count), one IDR frame and no B frames, 4:2:0 limited range tagged BT.709
(players guess wrong without), bitexact muxing (no dates or versions), moov before mdat so that a player can start at
once.
"""

from __future__ import annotations

import functools
import io
import itertools
import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import av
import av.video.frame
import av.video.plane
import av.video.reformatter
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.planes import Planes, canvas_of
from puzzlegen.render.repeats import is_repeat, numbered

_BT709 = 1
_LIMITED_RANGE = 1
_QP = 13
_PARAMS = "cabac=0:threads=1:keyint=infinite:scenecut=0"
_X264 = {"preset": "ultrafast", "qp": str(_QP), "x264-params": _PARAMS}


Run = tuple[NDArray[np.uint8], int]  # a canvas [H * 3/2, W], and for how many frames it stays


def encode(canvases: Iterable[NDArray[np.uint8]], clip: ClipFormat) -> bytes:
    """Encode YUV canvases [H * 3/2, W], as `encode_runs` does."""
    return encode_runs(((canvas, 1) for canvas in canvases), clip)


def encode_runs(runs: Iterable[Run], clip: ClipFormat) -> bytes:
    """Encode YUV canvases that stay for some frames; the same array may come again with other content.

    Returns:
        A whole mp4 file, the same bytes for the same runs and version of PyAV. A picture that stays is encoded once.
    """
    with _file() as path:
        _write(runs, clip, str(path))
        return path.read_bytes()


@contextmanager
def _file() -> Iterator[Path]:
    """A file for faststart, which opens by name what it has written; in memory where the system has such files."""
    if not hasattr(os, "memfd_create"):
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder) / "clip.mp4"
        return
    handle = os.memfd_create("clip")
    try:
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)


def _write(runs: Iterable[Run], clip: ClipFormat, name: str) -> None:
    options = {"movflags": "faststart", "fflags": "bitexact"}
    with av.open(name, "w", format="mp4", options=options) as container:
        stream = container.add_stream("libx264", rate=clip.fps, options=dict(_X264))
        _set_up(stream.codec_context, clip)
        for packet, count in _coded(stream, runs):
            first = packet.pts or 0
            container.mux(_numbered(stream, bytes(packet), first) if first else packet)
            for index in range(first + 1, first + count):
                container.mux(_numbered(stream, _repeat(clip.width, clip.height), index))


def _coded(stream: VideoStream, runs: Iterable[Run]) -> Iterator[tuple[av.Packet[VideoStream], int]]:
    """The packet of every run's picture, its time that of the run's first frame, and how many frames it stays."""
    frame = source = None
    counts: dict[int, int] = {}
    index = 0
    for canvas, count in runs:
        if canvas is not source:
            frame, source = av.VideoFrame.from_numpy_buffer(canvas, format="yuv420p"), canvas
        assert frame is not None
        frame.pts = index
        counts[index] = count
        index += count
        for packet in stream.encode(frame):
            yield packet, counts.pop(packet.pts or 0)
    for packet in stream.encode():
        yield packet, counts.pop(packet.pts or 0)


def _set_up(context: av.VideoCodecContext, clip: ClipFormat) -> None:
    context.width, context.height, context.pix_fmt = clip.width, clip.height, "yuv420p"
    context.thread_count = 1
    context.time_base = Fraction(1, clip.fps)
    context.color_range = _LIMITED_RANGE
    context.colorspace = context.color_primaries = context.color_trc = _BT709
    context.flags |= av.codec.context.Flags.bitexact


def _numbered(stream: VideoStream, data: bytes, index: int) -> av.Packet[VideoStream]:
    """A packet for the picture of this index, which is not the first."""
    packet: av.Packet[Any] = av.Packet(numbered(data, index))
    packet.stream, packet.time_base = stream, stream.codec_context.time_base
    packet.pts = packet.dts = index
    packet.duration = 1
    return packet


@functools.lru_cache(maxsize=16)
def _repeat(width: int, height: int) -> bytes:
    """The packet of a picture of this size that is as the one before, made by x264."""
    context = av.VideoCodecContext.create("libx264", "w")
    context.options = dict(_X264)
    _set_up(context, ClipFormat(width=width, height=height, num_frames=9))
    frame = av.VideoFrame.from_numpy_buffer(np.full((height * 3 // 2, width), 128, dtype=np.uint8), format="yuv420p")
    packets = []
    for frame.pts in range(2):
        packets += context.encode(frame)
    packets += context.encode()
    data = bytes(packets[1])
    assert is_repeat(data), "x264 codes a picture that does not change"
    return data


def open_planes(video: bytes) -> tuple[int, Iterator[Planes]]:
    """The frame rate, and every frame in turn as YUV 4:2:0 planes; keep copies, not the planes.

    Raises:
        CorruptData: not a readable video, at once or while frames are taken.
    """
    try:
        container = av.open(io.BytesIO(video), "r")
        stream = _video_stream(container)
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise CorruptData(f"the video cannot be decoded: {error}") from error
    return round(stream.average_rate or 0), _planes(container, stream)


def _planes(container: av.container.InputContainer, stream: VideoStream) -> Iterator[Planes]:
    size = None
    try:
        with container:
            for frame in container.decode(stream):
                if size not in (None, (frame.width, frame.height)):
                    raise CorruptData("the video changes its size")
                size = frame.width, frame.height
                if frame.format.name != "yuv420p":
                    frame = frame.reformat(format="yuv420p")
                yield Planes(*(_plane(plane) for plane in frame.planes))
    except (av.FFmpegError, ValueError) as error:
        raise CorruptData(f"the video cannot be decoded: {error}") from error


def _plane(plane: av.video.plane.VideoPlane) -> NDArray[np.uint8]:
    """A view of a decoded plane without the padding of its rows."""
    padded = np.frombuffer(memoryview(plane), dtype=np.uint8).reshape(-1, plane.line_size)
    return padded[: plane.height, : plane.width]


def decode(video: bytes) -> tuple[NDArray[np.uint8], int]:
    """All frames as canvases [T, H * 3/2, W] of YUV 4:2:0 planes, and the frame rate.

    Raises:
        CorruptData: not a readable video.
    """
    fps, frames = open_planes(video)
    canvases = [canvas_of(planes) for planes in frames]
    if not canvases:
        raise CorruptData("the video has no frames")
    return np.stack(canvases), fps


def decode_rgb(video: bytes, indices: Iterable[int] | None = None) -> NDArray[np.uint8]:
    """Frames as RGB [T, H, W, 3], all or the given ones in ascending order; none after the last of them is decoded."""
    wanted = None if indices is None else set(indices)
    end = None if wanted is None else max(wanted, default=-1) + 1
    converter = av.video.reformatter.VideoReformatter()
    try:
        with av.open(io.BytesIO(video), "r") as container:
            frames = [
                _converted(converter, frame, "rgb24")
                for index, frame in enumerate(islice(container.decode(_video_stream(container)), end))
                if wanted is None or index in wanted
            ]
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise CorruptData(f"the video cannot be decoded: {error}") from error
    if not frames:
        raise CorruptData("the video has no frames")
    if any(frame.shape != frames[0].shape for frame in frames):
        raise CorruptData("the video changes its size")
    return np.stack(frames)


def canvas_to_rgb(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One YUV canvas as RGB [H, W, 3], converted as a player would."""
    return next(canvases_to_rgb([canvas]))


def canvases_to_rgb(
    canvases: Iterable[NDArray[np.uint8]], order: Literal["rgb", "bgr"] = "rgb"
) -> Iterator[NDArray[np.uint8]]:
    """YUV canvases of one size as RGB or BGR [H, W, 3]. Most of what one picture costs is making the converter."""
    converter = av.video.reformatter.VideoReformatter()
    frame = source = None
    for canvas in canvases:
        if canvas is not source:  # one that is drawn on again and again shares its memory with its frame
            source = np.ascontiguousarray(canvas)
            frame = av.VideoFrame.from_numpy_buffer(source, format="yuv420p")
            frame.colorspace, frame.color_range = _BT709, _LIMITED_RANGE
        assert frame is not None
        yield _converted(converter, frame, f"{order}24")


def runs_to_rgb(runs: Iterable[Run], num_frames: int) -> NDArray[np.uint8]:
    """The first frames of a clip as RGB [num_frames, H, W, 3], each picture converted once, however long it stays."""
    pictures, counts = itertools.tee(runs)  # in step: a canvas is converted before the next is drawn on it
    frames, first = np.empty(0, dtype=np.uint8), 0
    for picture, (_, count) in zip(canvases_to_rgb(canvas for canvas, _ in pictures), counts, strict=True):
        if not first:
            frames = np.empty((num_frames, *picture.shape), dtype=np.uint8)
        frames[first : first + count] = picture
        first += count
        if first >= num_frames:
            break
    return frames


def _converted(
    converter: av.video.reformatter.VideoReformatter, frame: av.VideoFrame, pixels: str
) -> NDArray[np.uint8]:
    return np.asarray(converter.reformat(frame, format=pixels, threads=1).to_ndarray(), dtype=np.uint8)


def rgb_to_planes(frame: NDArray[np.uint8]) -> Planes:
    """One RGB frame [H, W, 3], sides even, in the clips' color space."""
    return next(rgb_to_pictures([frame]))


def rgb_to_pictures(frames: Iterable[NDArray[np.uint8]]) -> Iterator[Planes]:
    """RGB frames [H, W, 3] of one size, sides even, in the clips' color space, by one converter."""
    converter = av.video.reformatter.VideoReformatter()
    for frame in frames:
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
        picture = converter.reformat(
            picture, format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE, threads=1
        )
        yield Planes(*(_plane(plane).copy() for plane in picture.planes))


def _video_stream(container: av.container.InputContainer) -> VideoStream:
    stream = container.streams.video[0]
    if stream.codec_context is None:  # the file names a codec that there is not
        raise CorruptData("the video's codec is unknown")
    stream.thread_type = "NONE"
    stream.codec_context.thread_count = 1
    return stream

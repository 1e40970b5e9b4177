"""Frames through a lossy video codec and back, in memory, one thread, the same pixels for the same frames."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import NamedTuple

import av
import numpy as np

from puzzlegen.errors import PuzzlegenError
from puzzlegen.render.video import decode_rgb
from puzzlegen.testing.filters import Frames, Rng

_FPS = 16
_BT709 = 1
_LIMITED_RANGE = 1


class Codec(NamedTuple):
    """How to call an encoder at a constant rate factor (crf), the codec's own scale of loss.

    Args:
        encoder: FFmpeg's name.
        container: FFmpeg's name of a file format that holds it.
        clean: crf at which the loss is hard to see.
        limit: crf that scorers have to tolerate.
        worst: the largest crf that the encoder takes.
        options: other options of the encoder.
        least_side: pixels that a side of the picture must have.
    """

    encoder: str
    container: str
    clean: int
    limit: int
    worst: int
    options: dict[str, str]
    least_side: int = 2

    def crf(self, strength: float) -> int:
        """From `clean` at 0 through `limit` at 1, never beyond `worst`."""
        return max(0, min(self.worst, round(self.clean + (self.limit - self.clean) * strength)))


# x265 without B frames: with them, clips shorter than its reordering get random decoding times, which mp4 may refuse
CODECS = {
    "h264": Codec("libx264", "mp4", 14, 44, 51, {"preset": "medium", "x264-params": "threads=1"}),
    "h265": Codec(
        "libx265",
        "mp4",
        14,
        38,
        51,
        {"preset": "medium", "x265-params": "pools=none:frame-threads=1:bframes=0:log-level=none"},
        least_side=64,  # x265 writes past its buffers where a picture is smaller than one of its blocks
    ),
    "vp9": Codec("libvpx-vp9", "webm", 20, 56, 63, {"b": "0", "deadline": "realtime", "cpu-used": "8", "threads": "1"}),
}


def recode(frames: Frames, cell_px: float, rng: Rng, strength: float = 1.0, *, codec: str = "h264") -> Frames:
    """Encode as 4:2:0 limited-range BT.709 at the codec's limit of loss and decode again.

    Sides that are odd or too small for the encoder are padded and cut off again.

    Raises:
        PuzzlegenError: the installed PyAV lacks the encoder.
    """
    height, width = frames.shape[1:3]
    least = CODECS[codec].least_side
    below, right = (max(side % 2, least - side) for side in (height, width))
    padded = np.pad(frames, ((0, 0), (0, below), (0, right), (0, 0)), mode="edge")
    return decode_rgb(encode_rgb(padded, CODECS[codec], strength))[:, :height, :width]


def encode_rgb(frames: Frames, codec: Codec, strength: float = 1.0) -> bytes:
    """A whole video file of RGB frames [T, H, W, 3] with even sides that the encoder can take.

    Raises:
        PuzzlegenError: the installed PyAV lacks the encoder.
    """
    try:
        av.Codec(codec.encoder, "w")
    except av.codec.codec.UnknownCodecError as error:
        raise PuzzlegenError(
            f"The encoder {codec.encoder} is missing in PyAV {av.__version__}; "
            "install PyAV's own wheel: pip install --force-reinstall --only-binary av av."
        ) from error
    file = io.BytesIO()
    options = {**codec.options, "crf": str(codec.crf(strength))}
    with av.open(file, "w", format=codec.container, options={"fflags": "bitexact"}) as container:
        stream = container.add_stream(codec.encoder, rate=_FPS, options=options)
        assert isinstance(stream, av.video.stream.VideoStream)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        context.thread_count = 1
        context.time_base = Fraction(1, _FPS)
        context.color_range = _LIMITED_RANGE
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        for index, frame in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            picture = picture.reformat(format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED_RANGE)
            picture.pts, picture.time_base = index, Fraction(1, _FPS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
    return file.getvalue()

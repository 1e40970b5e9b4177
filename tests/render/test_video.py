"""The mp4 files: what the codec does to pictures, what players are told, and what damaged bytes do."""

from __future__ import annotations

import io
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.video.frame
import numpy as np
import pytest

from puzzlegen import registry
from puzzlegen.errors import CorruptData
from puzzlegen.render import video
from puzzlegen.render.formats import FORMATS, ClipFormat
from samples import TASKS, Canvases, drawn, trajectory, variant

CLIP = FORMATS["square256"]
FORMAT_NAMES = list(FORMATS)


def clip_of(task: str, clip: ClipFormat = CLIP, level: str = "tiny") -> Canvases:
    recipe = registry.load(task)
    return drawn(task, trajectory(task, level, "tiny"), variant(recipe, next(iter(recipe.looks)), 0), clip)


@pytest.fixture(scope="module")
def frames() -> Canvases:
    return clip_of("sokoban")


@pytest.fixture(scope="module")
def data(frames: Canvases) -> bytes:
    return video.encode(iter(frames), CLIP)


# --- pictures


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", registry.load("maze").looks)
def test_codec_error_is_small(task: str, name: str) -> None:
    recipe = registry.load(task)
    number = list(registry.load("maze").looks).index(name)
    look = variant(recipe, list(recipe.looks)[number], 1)
    before = drawn(task, trajectory(task, "tiny", "tiny"), look, CLIP)
    after, fps = video.decode(video.encode(iter(before), CLIP))
    assert after.shape == before.shape
    assert after.dtype == np.uint8
    assert fps == CLIP.fps
    error = np.abs(after.astype(int) - before)
    assert error.max() <= 12
    assert error.mean() <= 0.6
    assert error.max(axis=(1, 2)).min() >= 0


def test_hard_edges_and_noise_survive_within_the_quantiser() -> None:
    """Pictures that no task draws: the error stays bounded for any content."""
    rng = np.random.default_rng(3)
    before = rng.integers(16, 236, (9, 96, 64), dtype=np.uint8)
    clip = ClipFormat(width=64, height=64, num_frames=9)
    error = np.abs(video.decode(video.encode(iter(before), clip))[0].astype(int) - before)
    assert error.mean() <= 2
    assert error.max() <= 16


def test_one_array_with_changing_content_is_encoded_as_it_was_yielded() -> None:
    """The painter yields one canvas again and again."""
    canvas = np.full((96, 64), 128, dtype=np.uint8)
    levels = [20 * number + 30 for number in range(9)]

    def repainted() -> Iterator[Canvases]:
        for level in levels:
            canvas[:64] = level
            yield canvas

    frames, _ = video.decode(video.encode(repainted(), ClipFormat(width=64, height=64, num_frames=9)))
    assert np.abs(frames[:, :64].mean(axis=(1, 2)) - levels).max() < 1.5


def test_rgb_is_what_the_canvas_converts_to(data: bytes) -> None:
    canvases, _ = video.decode(data)
    rgb = video.decode_rgb(data)
    assert rgb.shape == (CLIP.num_frames, CLIP.height, CLIP.width, 3)
    for index in (0, 7, CLIP.num_frames - 1):
        assert np.array_equal(rgb[index], video.canvas_to_rgb(canvases[index]))


def test_chosen_frames_are_those_of_all(data: bytes) -> None:
    every = video.decode_rgb(data)
    assert np.array_equal(video.decode_rgb(data, [0, 3, 48]), every[[0, 3, 48]])


# --- bytes


def test_bytes_are_the_same_in_two_other_processes(data: bytes) -> None:
    program = (
        "import hashlib\n"
        "from test_video import clip_of, CLIP, video\n"
        "print(hashlib.sha256(video.encode(iter(clip_of('sokoban')), CLIP)).hexdigest())\n"
    )
    here = Path(__file__).parent
    paths = f"{here}:{here.parent}"
    digests = [
        subprocess.run(
            [sys.executable, "-c", program], check=True, capture_output=True, text=True,
            env={"PYTHONPATH": paths, "PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": threads},
        ).stdout
        for seed, threads in (("1", "1"), ("2", "4"))
    ]  # fmt: skip
    assert digests[0] == digests[1]
    assert digests[0] == _sha256(data) + "\n"


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


# --- container


@pytest.mark.parametrize("name", FORMAT_NAMES)
def test_stream_is_what_every_player_can_play(name: str) -> None:
    clip = FORMATS[name]
    with av.open(io.BytesIO(video.encode(iter(clip_of("maze", clip)), clip))) as container:
        assert "mp4" in container.format.name
        assert len(container.streams) == 1
        stream = container.streams.video[0]
        context = stream.codec_context
        assert context.name == "h264"
        assert context.pix_fmt == "yuv420p"
        assert (stream.width, stream.height) == (clip.width, clip.height)
        assert (context.colorspace, context.color_primaries, context.color_trc, context.color_range) == (1, 1, 1, 1)
        assert stream.average_rate == stream.guessed_rate == clip.fps
        assert stream.frames == clip.num_frames
        assert stream.start_time == 0
        assert stream.duration * stream.time_base == Fraction(clip.num_frames, clip.fps)
        packets = [packet for packet in container.demux(stream) if packet.size]
    assert len(packets) == clip.num_frames
    assert [packet.pts * packet.time_base for packet in packets] == [
        Fraction(n, clip.fps) for n in range(clip.num_frames)
    ]
    assert all(packet.pts == packet.dts for packet in packets), "B-frames reorder"
    assert [packet.is_keyframe for packet in packets] == [True] + [False] * (clip.num_frames - 1)


def test_pictures_are_one_i_frame_and_p_frames(data: bytes) -> None:
    with av.open(io.BytesIO(data)) as container:
        kinds = [frame.pict_type for frame in container.decode(video=0)]
    intra, predicted = av.video.frame.PictureType.I, av.video.frame.PictureType.P
    assert kinds == [intra] + [predicted] * (CLIP.num_frames - 1)


def boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[str, int, int]]:
    """(type, begin and end of the content) of the boxes of an mp4, read by hand."""
    while begin < end:
        size, kind = struct.unpack(">I4s", data[begin : begin + 8])
        assert 8 <= size <= end - begin
        yield kind.decode(), begin + 8, begin + size
        begin += size


def test_index_comes_before_the_data_and_nothing_is_fragmented(data: bytes) -> None:
    order = [kind for kind, _, _ in boxes(data, 0, len(data))]
    assert order[0] == "ftyp"
    assert order.index("moov") < order.index("mdat")
    assert order.count("mdat") == 1
    assert "moof" not in order


def test_no_dates_and_no_versions(data: bytes) -> None:
    found = {}
    queue = list(boxes(data, 0, len(data)))
    while queue:
        kind, begin, end = queue.pop()
        if kind in ("moov", "trak", "mdia"):
            queue += boxes(data, begin, end)
        if kind in ("mvhd", "tkhd", "mdhd"):
            version = data[begin]
            assert version == 0
            found[kind] = struct.unpack(">II", data[begin + 4 : begin + 12])
    assert found == {"mvhd": (0, 0), "tkhd": (0, 0), "mdhd": (0, 0)}
    assert not re.search(rb"Lavf|Lavc|\xa9too", data)
    with av.open(io.BytesIO(data)) as container:
        assert not {"creation_time", "encoder"} & set(container.metadata) | {"encoder"} & set(
            container.streams.video[0].metadata
        )


def test_no_temporary_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, frames: Canvases) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    video.encode(iter(frames), CLIP)

    def failing() -> Iterator[Canvases]:
        yield frames[0]
        raise RuntimeError("the task broke")

    with pytest.raises(RuntimeError, match="the task broke"):
        video.encode(failing(), CLIP)
    assert list(tmp_path.iterdir()) == []


# --- damage


@pytest.mark.parametrize(
    "bad", [b"", b"not a video", bytes(1000), b"\x00\x00\x00\x18ftypmp42" + bytes(200), b"GIF89a" + bytes(100)]
)
@pytest.mark.parametrize("reader", [video.decode, video.decode_rgb])
def test_what_is_no_video_is_corrupt_data(bad: bytes, reader: object) -> None:
    with pytest.raises(CorruptData) as caught:
        reader(bad)  # type: ignore[operator]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("reader", [video.decode, video.decode_rgb])
def test_a_truncated_file_is_corrupt_or_shorter(data: bytes, share: float, reader: object) -> None:
    try:
        found = reader(data[: int(len(data) * share)])  # type: ignore[operator]
    except CorruptData:
        return
    frames = found[0] if isinstance(found, tuple) else found
    assert len(frames) < CLIP.num_frames


def test_flipped_bytes_never_raise_anything_else(data: bytes) -> None:
    rng = np.random.default_rng(11)
    for _ in range(60):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 12):
            damaged[place] = rng.integers(0, 256)
        for reader in (video.decode, video.decode_rgb):
            try:
                reader(bytes(damaged))
            except CorruptData as error:
                assert "\n" not in str(error)


def test_a_video_that_changes_its_size_is_corrupt_data() -> None:
    """Raw H.264 may switch to another size in the middle."""
    joined = b""
    for side in (64, 96):
        context = av.CodecContext.create("libx264", "w")
        context.width = context.height = side
        context.pix_fmt, context.time_base = "yuv420p", Fraction(1, 8)
        frame = av.VideoFrame(side, side, "yuv420p")
        for pts in range(3):
            frame.pts = pts
            joined += b"".join(bytes(packet) for packet in context.encode(frame))
        joined += b"".join(bytes(packet) for packet in context.encode(None))
    for reader in (video.decode, video.decode_rgb):
        with pytest.raises(CorruptData):
            reader(joined)

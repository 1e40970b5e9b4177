"""Anything at all handed in: a score that does not count as solved, or one of two errors, and nothing else."""

from __future__ import annotations

import functools
import io
import math
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import puzzlegen
from puzzlegen import registry
from puzzlegen.errors import CorruptData, InvalidInput
from puzzlegen.generate import sample
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.video import decode_rgb
from puzzlegen.shards.row import Row
from puzzlegen.types import Score
from samples import SEED, TASKS

CLIP = ClipFormat(width=128, height=128, num_frames=25)
Frames = NDArray[np.uint8]


@functools.cache
def row(task: str = "maze") -> Row:
    """A stored clip of 128 x 128 pixels and 25 frames."""
    recipe = registry.load(task)
    stream = sample.Stream(recipe=task, level="tiny", seed=SEED, clip=CLIP)
    sample.check_stream(recipe, stream)
    return Row(sample.render(recipe, stream, sample.draft(recipe, stream, 0)))


def scored(clip: Any, task: str = "maze") -> Score[Any] | None:
    """The score, or None for one of the two errors that are promised."""
    try:
        score = puzzlegen.score(clip, row(task))
    except (CorruptData, InvalidInput) as error:
        assert str(error)
        assert "\n" not in str(error)
        return None
    numbers = (score.value, score.confidence, *score.parts.values())
    assert all(math.isfinite(number) and 0 <= number <= 1 for number in numbers)
    assert score.solved == (score.value == 1.0) == (not score.violations)
    return score


def refused(clip: Any, task: str = "maze") -> bool:
    score = scored(clip, task)
    return score is None or not score.solved


def encoded(frames: Frames, codec: str, container: str, pixels: str, ticks: list[int] | None = None) -> bytes:
    """Frames in any container; `ticks`: when each is shown, in 60ths of a second."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=60 if ticks else 16)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], pixels
        if ticks:
            stream.codec_context.time_base = Fraction(1, 60)
        for number, picture in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = ticks[number] if ticks else number
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return buffer.getvalue()


@pytest.fixture(scope="module")
def gold() -> Frames:
    return decode_rgb(row().video)


@pytest.mark.parametrize("task", TASKS)
def test_the_clip_of_this_file_is_gold(task: str) -> None:
    """What is refused below is refused for what is done to it."""
    score = scored(row(task).video, task)
    assert score is not None
    assert score.solved


class TestBytes:
    @settings(max_examples=40, deadline=None)
    @given(st.binary(max_size=400))
    def test_random_bytes(self, data: bytes) -> None:
        assert refused(data)

    @settings(max_examples=25, deadline=None)
    @given(st.integers(0, 400), st.binary(min_size=1, max_size=8))
    def test_bytes_after_the_head_of_a_video(self, keep: int, noise: bytes) -> None:
        assert refused(row().video[:keep] + noise * 20)

    @pytest.mark.parametrize("part", range(24))
    def test_a_truncated_video(self, part: int) -> None:
        assert refused(row().video[: len(row().video) * part // 24])

    def test_a_video_without_its_last_bytes(self) -> None:
        for missing in (1, 2, 10, 60, 200):
            score = scored(row().video[:-missing])
            assert score is None or score.value <= 1

    @settings(max_examples=25, deadline=None)
    @given(data=st.data())
    def test_bytes_that_are_changed_inside(self, data: st.DataObject) -> None:
        """What can still be decoded may even be right; it must not end in another exception."""
        video = bytearray(row().video)
        for _ in range(data.draw(st.integers(1, 12))):
            video[data.draw(st.integers(0, len(video) - 1))] = data.draw(st.integers(0, 255))
        scored(bytes(video))

    @pytest.mark.parametrize(
        "data", [b"", b"\0", b"GIF89a", b"RIFF", b"\x1aE\xdf\xa3", b"#EXTM3U\nfile:///etc/passwd\n"]
    )
    def test_heads_without_a_body(self, data: bytes) -> None:
        assert refused(data)


class TestFrames:
    @pytest.mark.parametrize("shape", [(1, 128, 128), (1, 2, 2), (5, 2, 2), (3, 16, 4000), (3, 4000, 16), (4, 47, 61)])
    def test_sizes(self, shape: tuple[int, int, int]) -> None:
        rng = np.random.default_rng(0)
        assert refused(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))

    @settings(max_examples=30, deadline=None)
    @given(num=st.integers(1, 4), height=st.integers(1, 70), width=st.integers(1, 70), level=st.integers(0, 255))
    def test_any_small_size(self, num: int, height: int, width: int, level: int) -> None:
        frames = np.full((num, height, width, 3), level, dtype=np.uint8)
        frames[-1, height // 2 :, width // 2 :] = 255 - level
        assert refused(frames)

    @pytest.mark.parametrize("task", TASKS)
    @pytest.mark.parametrize("level", [0, 16, 128, 255])
    def test_one_color(self, task: str, level: int) -> None:
        score = scored(np.full((25, 128, 128, 3), level, dtype=np.uint8), task)
        assert score is not None
        assert score.value == 0

    @pytest.mark.parametrize("task", TASKS)
    def test_noise(self, task: str) -> None:
        frames = np.random.default_rng(0).integers(0, 256, (9, 128, 128, 3), dtype=np.uint8)
        score = scored(frames, task)
        assert score is not None
        assert score.value == 0

    @pytest.mark.parametrize("task", TASKS)
    def test_the_first_frame_alone(self, task: str) -> None:
        score = scored(decode_rgb(row(task).video)[:1], task)
        assert score is not None
        assert score.value == 0
        assert [violation.code for violation in score.violations] == ["NO_PROGRESS"]

    @pytest.mark.parametrize("task", TASKS)
    def test_the_last_frame_alone(self, task: str) -> None:
        score = scored(decode_rgb(row(task).video)[-1:], task)
        assert score is not None
        assert score.value == 0

    def test_odd_sizes_can_be_read(self, gold: Frames) -> None:
        """The edge is cut off by a pixel, which changes nothing that matters."""
        for frames in (gold[:, :-1, :-1], gold[:, 1:, :], gold[:, :, :-1]):
            score = scored(np.ascontiguousarray(frames))
            assert score is not None
            assert score.actions

    def test_opaque_and_transparent_pictures(self, gold: Frames) -> None:
        opaque = np.concatenate([gold, np.full((*gold.shape[:3], 1), 255, dtype=np.uint8)], axis=3)
        score = scored(opaque)
        assert score is not None
        assert score.solved
        with pytest.raises(InvalidInput, match="transparent"):
            puzzlegen.score(opaque - np.array([0, 0, 0, 1], dtype=np.uint8), row())

    def test_grey_pictures(self, gold: Frames) -> None:
        """They have no colors to tell an agent from a goal by, but must not break anything."""
        grey = gold.mean(axis=3).astype(np.uint8)
        scored(grey)
        assert refused(grey[::-1])

    @pytest.mark.parametrize(
        "frames",
        [
            np.zeros((0, 8, 8, 3), dtype=np.uint8),
            np.zeros((4, 0, 8, 3), dtype=np.uint8),
            np.zeros((4, 8, 8, 3)),
            np.full((4, 8, 8, 3), np.nan),
            np.zeros((4, 8, 8, 3), dtype=np.int64),
            np.zeros((4, 8, 8, 2), dtype=np.uint8),
            np.zeros((8, 8), dtype=np.uint8),
            np.zeros(3, dtype=np.uint8),
            [],
            [np.zeros((4, 4, 3), dtype=np.uint8), np.zeros((5, 4, 3), dtype=np.uint8)],
            None,
            7,
        ],
    )  # fmt: skip
    def test_what_is_no_clip_is_invalid_input(self, frames: Any) -> None:
        with pytest.raises(InvalidInput):
            puzzlegen.score(frames, row())

    def test_very_many_frames_of_a_tiny_picture(self) -> None:
        assert refused(np.zeros((5000, 2, 2, 3), dtype=np.uint8))

    @pytest.mark.parametrize("task", TASKS)
    @settings(max_examples=6, deadline=None)
    @given(order=st.lists(st.integers(0, 24), min_size=1, max_size=25))
    def test_frames_of_the_gold_clip_in_any_order(self, task: str, order: list[int]) -> None:
        """Solved only if the order begins at the start and ends at the end."""
        frames = decode_rgb(row(task).video)
        score = scored(frames[order], task)
        assert score is not None
        if score.solved:
            assert order[0] < row(task)["keyframes"][1]
            assert order[-1] >= row(task)["keyframes"][-1] - 1
            assert len(order) >= len(frames) // 8


class TestContainers:
    def test_a_mp4_of_variable_frame_rate(self, gold: Frames) -> None:
        """Frames count, not when they are shown."""
        rng = np.random.default_rng(2)
        ticks = np.cumsum(rng.integers(1, 30, len(gold))).tolist()
        score = scored(encoded(gold, "libx264", "mp4", "yuv420p", ticks))
        assert score is not None
        assert score.solved

    @pytest.mark.parametrize(
        ("codec", "container", "pixels"),
        [("libvpx-vp9", "webm", "yuv420p"), ("ffv1", "matroska", "yuv420p"), ("mpeg4", "avi", "yuv420p")],
    )
    def test_other_containers(self, gold: Frames, codec: str, container: str, pixels: str) -> None:
        score = scored(encoded(gold, codec, container, pixels))
        assert score is not None
        assert score.solved
        assert refused(encoded(gold[::-1], codec, container, pixels))

    def test_a_gif(self, gold: Frames) -> None:
        data = encoded(gold, "gif", "gif", "rgb8")
        scored(data)
        assert refused(encoded(gold[::-1], "gif", "gif", "rgb8"))
        for part in range(1, 6):
            assert refused(data[: len(data) * part // 12])

    def test_pictures_with_all_colors(self, gold: Frames) -> None:
        score = scored(encoded(gold, "libx264rgb", "mp4", "rgb24"))
        assert score is not None

    def test_a_video_of_one_tiny_picture(self) -> None:
        assert refused(encoded(np.zeros((1, 2, 2, 3), dtype=np.uint8), "ffv1", "matroska", "yuv420p"))
        assert refused(encoded(np.zeros((40, 16, 4000, 3), dtype=np.uint8), "libx264", "mp4", "yuv420p"))
        assert refused(encoded(np.zeros((9, 61, 47, 3), dtype=np.uint8), "ffv1", "matroska", "yuv444p"))

    def test_a_sound_is_no_video(self) -> None:
        buffer = io.BytesIO()
        with av.open(buffer, "w", format="mp4") as output:
            stream: Any = output.add_stream("aac", rate=8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), dtype=np.float32), format="fltp", layout="mono")
            frame.sample_rate = 8000
            output.mux(stream.encode(frame))
            output.mux(stream.encode())
        assert scored(buffer.getvalue()) is None

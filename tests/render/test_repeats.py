"""Pictures that stay are coded once, and players see a stream like any other."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.render import repeats, video
from puzzlegen.render.formats import ClipFormat
from samples import Canvases

CLIP = ClipFormat(width=96, height=64, num_frames=41)


def noise(count: int, seed: int = 0) -> Canvases:
    """Pictures of coarse noise, no two alike [count, H * 3/2, W]."""
    levels = np.random.default_rng(seed).integers(40, 220, (count, 12, 12), dtype=np.uint8)
    return np.stack([np.kron(level, np.ones((8, 8), dtype=np.uint8)) for level in levels])


def packets(data: bytes) -> list[av.Packet]:
    with av.open(io.BytesIO(data)) as container:
        return [packet for packet in container.demux(video=0) if packet.size]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(1, 20), min_size=1, max_size=12))
def test_a_run_shows_its_picture_as_long_as_it_should(counts: list[int]) -> None:
    pictures = noise(len(counts))
    data = video.encode_runs(zip(pictures, counts, strict=True), CLIP)
    frames, fps = video.decode(data)
    assert fps == CLIP.fps
    assert len(frames) == sum(counts)
    starts = np.cumsum([0, *counts])
    for picture, first, end in zip(pictures, starts[:-1], starts[1:], strict=True):
        assert (frames[first:end] == frames[first]).all(), "what repeats a picture is that picture, bit by bit"
        assert np.abs(frames[first].astype(int) - picture).mean() < 4


def test_runs_show_what_frames_one_by_one_show() -> None:
    pictures, counts = noise(6), [3, 1, 17, 1, 16, 2]
    one_by_one = np.repeat(pictures, counts, axis=0)
    runs = video.encode_runs(zip(pictures, counts, strict=True), CLIP)
    plain = video.encode(one_by_one, CLIP)
    ours, theirs = (np.abs(video.decode(data)[0].astype(int) - one_by_one) for data in (runs, plain))
    assert ours.mean() < theirs.mean() + 0.1
    assert ours.max() < theirs.max() + 8


def test_every_frame_has_its_time_and_its_packet() -> None:
    data = video.encode_runs(zip(noise(4), [5, 1, 20, 15], strict=True), CLIP)
    found = packets(data)
    assert [packet.pts for packet in found] == [packet.dts for packet in found]
    times = [packet.pts * packet.time_base for packet in found]
    assert times == [Fraction(index, CLIP.fps) for index in range(41)]
    assert [packet.is_keyframe for packet in found] == [True] + [False] * 40
    assert sum(packet.size < 20 for packet in found) == 41 - 4


def test_frames_are_numbered_without_gaps() -> None:
    """What a decoder that minds lost pictures looks at."""
    data = video.encode_runs(zip(noise(5), [9, 1, 18, 1, 12], strict=True), CLIP)
    numbers = []
    for packet in packets(data)[1:]:
        head = int.from_bytes(bytes(packet)[5:8], "big")  # after the length and the NAL header
        numbers.append(head >> 24 - 7 - 4 & 15)
    assert numbers == [index % 16 for index in range(1, 41)]


def test_another_reader_shows_the_same_frames(tmp_path: object) -> None:
    data = video.encode_runs(zip(noise(3), [20, 1, 20], strict=True), CLIP)
    path = f"{tmp_path}/clip.mp4"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(data)
    capture = cv2.VideoCapture(path)
    frames = []
    while (read := capture.read())[0]:
        frames.append(read[1])
    assert len(frames) == 41
    assert all(np.array_equal(frame, frames[0]) for frame in frames[:20])
    assert all(np.array_equal(frame, frames[40]) for frame in frames[21:])


def test_only_slices_as_ours_are_numbered() -> None:
    with pytest.raises(AssertionError, match="another kind"):
        repeats.numbered(bytes.fromhex("00000001659a22801c2c"), 3)


@pytest.mark.parametrize("number", range(1, 40))
def test_a_number_is_written_where_x264_writes_it(number: int) -> None:
    packet = bytes.fromhex("00000001419a22801c2c")
    head = int.from_bytes(repeats.numbered(packet, number)[5:8], "big")
    assert head >> 13 & 15 == number % 16
    assert head & ~(15 << 13) == int.from_bytes(packet[5:8], "big") & ~(15 << 13)

"""Clips side by side: each is where it belongs, whole, framed by its verdict and under its caption."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from puzzlegen.errors import InvalidInput
from puzzlegen.eval.codes import MEANINGS
from puzzlegen.render import video
from puzzlegen.view.grid import FAILED, SOLVED, side_by_side, write_grid

Clip = NDArray[np.uint8]
FRAME, CAPTION = 4, 18


def plain(count: int, height: int = 32, width: int = 32) -> list[Clip]:
    """Clips of one color each, which grows bluer with time."""
    clips = np.zeros((count, 9, height, width, 3), dtype=np.uint8)
    clips[..., 0] = np.arange(10, 10 + count)[:, None, None, None]
    clips[..., 2] = np.arange(60, 69)[None, :, None, None]
    return list(clips)


def boxes_of(grid: Clip, count: int) -> list[tuple[int, int, int, int]]:
    """Where each of the plain clips is in the first frame: top, left, bottom, right."""
    boxes = []
    for number in range(count):
        rows, columns = np.nonzero((grid[0] == (10 + number, 0, 60)).all(axis=-1))
        boxes.append((rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))
        assert len(rows) == (boxes[-1][2] - boxes[-1][0]) * (boxes[-1][3] - boxes[-1][1]), "the clip is whole"
    return boxes


@pytest.mark.parametrize(
    ("count", "columns", "expected"),
    [(1, None, 1), (2, None, 2), (7, None, 4), (8, None, 4), (12, None, 4), (16, None, 4), (3, 1, 1), (3, 9, 3)],
)
def test_clips_stand_in_rows_of_one_height(count: int, columns: int | None, expected: int) -> None:
    grid = side_by_side(plain(count), [""] * count, [True] * count, columns=columns)
    assert len(grid) == 9 and grid.shape[1] % 32 == grid.shape[2] % 32 == 0 and grid.dtype == np.uint8
    boxes = boxes_of(grid, count)
    assert boxes == sorted(boxes), "row by row"
    assert all((bottom - top, right - left) == (128, 128) for top, left, bottom, right in boxes)
    assert len({left for _, left, _, _ in boxes}) == expected
    assert all(top % 2 == left % 2 == 0 for top, left, _, _ in boxes), "chroma of neighbours does not mix"


@pytest.mark.parametrize(
    ("size", "shown"),
    [((32, 32), (128, 128)), ((96, 64), (192, 128)), ((256, 256), (256, 256)), ((480, 832), (240, 416))],
)
def test_tiny_clips_are_enlarged_and_large_ones_reduced(size: tuple[int, int], shown: tuple[int, int]) -> None:
    ((top, left, bottom, right),) = boxes_of(side_by_side(plain(1, *size), [""], [True]), 1)
    assert (bottom - top, right - left) == shown


def test_every_frame_is_shown_pixel_by_pixel() -> None:
    clip = np.random.default_rng(0).integers(0, 256, (9, 32, 64, 3), dtype=np.uint8)
    grid = side_by_side([*plain(1, 32, 64), clip], ["", ""], [True, True])
    top, left, bottom, right = boxes_of(grid, 1)[0]
    left, right = (side + (right - left) + 2 * FRAME + 8 for side in (left, right))
    assert np.array_equal(grid[:, top:bottom, left:right], clip.repeat(4, axis=1).repeat(4, axis=2))


def test_frames_tell_the_verdict() -> None:
    solved = [True, False, False, True, False]
    grid = side_by_side(plain(5), [""] * 5, solved)
    for (top, left, bottom, right), good in zip(boxes_of(grid, 5), solved, strict=True):
        framed = grid[:, top - FRAME : bottom + FRAME, left - FRAME : right + FRAME].copy()
        framed[:, FRAME:-FRAME, FRAME:-FRAME] = SOLVED if good else FAILED
        assert (framed == (SOLVED if good else FAILED)).all()
    assert (grid[:, -64:, -64:] == 255).all(), "no sixth clip"


def captions_of(*captions: str, width: int = 32) -> list[Clip]:
    """The captions as drawn above clips in one row."""
    count = len(captions)
    grid = side_by_side(plain(count, 32, width), captions, [True] * count, columns=count)
    return [
        grid[0, top - FRAME - CAPTION : top - FRAME, left - FRAME : right + FRAME]
        for top, left, _, right in boxes_of(grid, count)
    ]


def test_captions_differ_and_long_ones_are_cut_off() -> None:
    none, short, long, longer = captions_of("", "0.62 JUMP", "0.62 " + 20 * "LONG_", "0.62 " + 90 * "LONG_")
    assert (none == 255).all()
    assert not np.array_equal(short, none) and not np.array_equal(long, short)
    assert np.array_equal(long, longer)
    alone, beside_a_long_one = captions_of("0.62 JUMP", 500 * "M")[0], captions_of(500 * "M", "0.62 JUMP")[1]
    assert np.array_equal(alone, beside_a_long_one)
    assert np.array_equal(*captions_of("two\nlines", "two lines"))


def test_every_code_fits_above_a_small_clip() -> None:
    for code in MEANINGS:
        (small,), (wide,) = captions_of(f"0.62 {code}"), captions_of(f"0.62 {code}", width=64)
        assert np.array_equal(small, wide[:, : small.shape[1]]) and (wide[:, small.shape[1] :] == 255).all(), code


def test_a_grid_is_written_as_a_video_or_as_stills(tmp_path: Path) -> None:
    clips, captions, solved = plain(3), ["1.00", "0.62 JUMP", ""], [True, False, False]
    grid = side_by_side(clips, captions, solved)
    for name in ("grid.mp4", "again.mp4", "grid.png", "grid.gif"):
        write_grid(tmp_path / name, clips, captions, solved, fps=8)
    data = (tmp_path / "grid.mp4").read_bytes()
    assert data == (tmp_path / "again.mp4").read_bytes()
    frames, fps = video.decode_rgb(data), video.decode(data)[1]
    assert frames.shape == grid.shape and fps == 8
    for (top, left, bottom, _), color in zip(boxes_of(grid, 3), (SOLVED, FAILED, FAILED), strict=True):
        side = frames[:, top:bottom, left - FRAME : left - 1].reshape(-1, 3).mean(axis=0)
        assert side == pytest.approx(color, abs=8)
    with Image.open(io.BytesIO((tmp_path / "grid.png").read_bytes())) as stills:
        assert np.array_equal(np.asarray(stills), np.concatenate([grid[0], grid[3], grid[5], grid[8]]))
    with pytest.raises(InvalidInput, match=r"must end in \.mp4, \.gif, \.png"):
        write_grid(tmp_path / "grid.avi", clips, captions, solved, fps=8)

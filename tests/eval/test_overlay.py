"""Explained videos: their length and size, and red around the right cell from the right frame on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from stored_rows import stored

from puzzlegen.errors import CorruptData, InvalidInput, OutputError
from puzzlegen.eval.overlay import MOST_WIDTH, annotate, explain
from puzzlegen.render import video
from puzzlegen.render.raster import fit
from puzzlegen.replay import replay
from puzzlegen.shards.row import Row
from puzzlegen.testing.clips import CHEATS
from puzzlegen.types import Cell, Score, Violation
from samples import TASKS

MARKER = (255, 0, 255)


def score_of(row: Row, num_moves: int, violations: tuple[Violation, ...], solved: bool = False) -> Score[Any]:
    """A judgement made up: the first moves of the solution, read in frames 1, 2, ..."""
    return Score(
        value=float(solved), solved=solved, parts={}, violations=violations, confidence=1.0,
        actions=tuple(row["actions"][:num_moves]), frames=tuple(range(1, num_moves + 1)), seen=(),
    )  # fmt: skip


def drawn(row: Row, frames: NDArray[np.uint8], score: Score[Any], **options: Any) -> NDArray[np.int16]:
    pictures = annotate(iter(frames), score, row, num_frames=len(frames), hold=options.pop("hold", 0), **options)
    return np.stack(list(pictures)).astype(np.int16)


def is_red(picture: NDArray[np.int16]) -> NDArray[np.bool_]:
    return (picture[..., 0] > 225) & (picture[..., 1] < 70) & (picture[..., 2] < 90)


def extent(mask: NDArray[np.bool_]) -> tuple[float, float, int, int]:
    """Middle (row, col) and size of the pixels that are set."""
    rows, cols = np.nonzero(mask)
    low, high = (rows.min(), cols.min()), (rows.max() + 1, cols.max() + 1)
    return (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, high[0] - low[0], high[1] - low[1]


def gray_with_marker(
    row: Row, cell: Cell, size: tuple[int, int], inset: tuple[int, int, int, int]
) -> NDArray[np.uint8]:
    """Three gray frames; a marker lies on a cell of the clip, which fills (top, left, height, width) of the frames."""
    layout = fit(row.task.shape(row.start), row.clip)
    top, left, height, width = inset
    scale_y, scale_x = height / row.clip.height, width / row.clip.width
    at = [(corner + layout.cell_px / 2) for corner in layout.corner(cell)]
    y, x = top + at[0] * scale_y, left + at[1] * scale_x
    reach_y, reach_x = layout.cell_px * scale_y / 4, layout.cell_px * scale_x / 4
    frames = np.full((3, *size, 3), 128, dtype=np.uint8)
    frames[:, round(y - reach_y) : round(y + reach_y), round(x - reach_x) : round(x + reach_x)] = MARKER
    return frames


@pytest.mark.parametrize(
    ("size", "inset"),
    [
        ((256, 256), (0, 0, 256, 256)),
        ((211, 333), (0, 0, 211, 333)),
        ((480, 832), (0, 0, 480, 832)),
        ((480, 832), (0, 176, 480, 480)),
        ((1080, 640), (220, 0, 640, 640)),
    ],
)
def test_red_surrounds_the_cell_in_both_panels(size: tuple[int, int], inset: tuple[int, int, int, int]) -> None:
    row = stored("maze")
    cell = replay(row.task, row.start, row["actions"]).states[2].agent
    frames = gray_with_marker(row, cell, size, inset)
    view = (inset[2] / row.clip.height, inset[3] / row.clip.width, float(inset[0]), float(inset[1]))
    found = view if inset != (0, 0, *size) else None  # where it was not found, it fills the picture
    plain = drawn(row, frames, replace(score_of(row, 2, ()), view=found))
    marked = drawn(row, frames, replace(score_of(row, 2, (Violation("JUMP", 1, cell),)), view=found))
    assert plain.shape == marked.shape
    height, width = plain.shape[1:3]
    assert width <= MOST_WIDTH and width % 2 == height % 2 == 0
    floor = height - 110  # below lie time line and text
    for frame in range(3):
        changed = (plain[frame] != marked[frame]).any(axis=2)[:floor]
        assert changed.any() == (frame >= 1)
    red = is_red(marked[2]) & (plain[2] != marked[2]).any(axis=2)
    marker = np.abs(plain[2, :floor] - MARKER).sum(axis=2) < 60
    row_at, col_at, tall, wide = extent(marker)
    middle = np.flatnonzero(marker.any(axis=0)).max() + wide  # half a cell right of the marker's edge
    left = red[:floor].copy()
    left[:, middle + 12 :] = False
    ring_row, ring_col, ring_tall, ring_wide = extent(left)
    assert abs(ring_row - row_at) <= 2 and abs(ring_col - col_at) <= 2
    assert abs(ring_tall - 2 * tall) <= 12 and abs(ring_wide - 2 * wide) <= 12
    right = red[:floor] & ~left
    ring_row, ring_col, ring_tall, ring_wide = extent(right)
    start = drawn(row, frames, score_of(row, 0, ()))[2]
    moved = (start != plain[2]).any(axis=2)[:floor]  # the agent's cells at the start and after two moves
    inside = moved[
        round(ring_row - ring_tall / 2) : round(ring_row + ring_tall / 2),
        round(ring_col - ring_wide / 2) : round(ring_col + ring_wide / 2),
    ]
    agent_row, agent_col, _, _ = extent(inside)
    assert abs(agent_row - ring_tall / 2) <= 3 and abs(agent_col - ring_wide / 2) <= 3


@pytest.mark.parametrize("task", TASKS)
def test_the_right_panel_shows_the_state_of_the_last_legal_move(task: str) -> None:
    """The video that is shown is the drawing itself: then both panels are alike."""
    row = stored(task)
    states = row.frames("render")[[0, *row["action_frames"][:4]]]
    pictures = drawn(row, states, score_of(row, 4, ()))
    height, width = pictures.shape[1:3]
    half = (width - 36) // 2
    for picture in pictures:
        panels = [picture[31 : height - 115, left : left + 480] for left in (12, 24 + half)]
        assert np.abs(panels[0] - panels[1]).mean() < 0.5
    assert np.abs(pictures[0] - pictures[-1])[: height - 115].mean() > 0.2


def test_a_violation_without_a_cell_frames_the_panels() -> None:
    row = stored("maze")
    frames = np.full((2, 100, 100, 3), 90, dtype=np.uint8)
    plain = drawn(row, frames, score_of(row, 0, ()))
    marked = drawn(row, frames, score_of(row, 0, (Violation("NO_PROGRESS", 1),)))
    changed = (plain != marked).any(axis=3)[:, : plain.shape[1] - 115]
    assert not changed[0].any()
    assert 0 < changed[1].mean() < 0.1
    assert changed[1][:, : plain.shape[2] // 2].any() and changed[1][:, plain.shape[2] // 2 :].any()


def test_the_verdict_comes_with_the_last_frame_and_stays() -> None:
    row = stored("maze")
    frames = np.zeros((4, 64, 64, 3), dtype=np.uint8)
    for solved in (True, False):
        faults = () if solved else (Violation("END_STATE", 3),)
        pictures = drawn(row, frames, score_of(row, 1, faults, solved), hold=5)
        text = pictures[:, -30:]
        assert len(pictures) == 9
        assert (text[2] == text[0]).all()
        assert (text[3] != text[2]).any()
        assert (pictures[4:] == pictures[3]).all()


def test_a_gold_clip_is_explained_as_solved(tmp_path: Path) -> None:
    row = stored("sokoban", "tiny", "tiny")
    score = explain(row.video, row, tmp_path / "why.mp4")
    assert score.solved and score.actions == tuple(row["actions"])
    data = (tmp_path / "why.mp4").read_bytes()
    assert video.open_planes(data)[0] == row.clip.fps
    frames = video.decode_rgb(data).astype(np.int16)
    assert len(frames) == row.clip.num_frames + row.clip.fps
    assert frames.shape[2] <= MOST_WIDTH
    assert [path.name for path in tmp_path.iterdir()] == ["why.mp4"]


@pytest.mark.parametrize("task", TASKS)
def test_a_cheating_clip_turns_red_at_its_violation(task: str, tmp_path: Path) -> None:
    row = stored(task, "tiny", "tiny")
    cheat = video.encode(list(CHEATS["teleporting"](video.decode(row.video)[0])), row.clip)
    score = explain(cheat, row, tmp_path / "why.mp4")
    fault = score.violations[0]
    assert not score.solved and 0 < fault.frame < row.clip.num_frames
    frames = video.decode_rgb((tmp_path / "why.mp4").read_bytes()).astype(np.int16)
    assert len(frames) == row.clip.num_frames + row.clip.fps
    red = is_red(frames)[:, 28 : frames.shape[1] - 115].sum(axis=(1, 2))
    before, after = red[fault.frame - 1], red[fault.frame]
    assert after > before + 300
    assert abs(int(red[: fault.frame].max()) - int(red[0])) < 100


def test_long_moves_and_hostile_names_fit() -> None:
    row = stored("flowfree")
    columns = {name: row[name] for name in row} | {"id": "new\nline \x07 " + "x" * 400}
    hostile = Row(columns)
    frames = np.zeros((2, 4, 900, 3), dtype=np.uint8)
    pictures = drawn(hostile, frames, score_of(hostile, len(row["actions"]), (Violation("A_NEW_CODE", 0, (0, 0)),)))
    assert pictures.shape[2] <= MOST_WIDTH
    assert not (pictures[:, 110:, -8:] != pictures[0, -1, -1]).any()  # nothing runs over the edge


def test_what_cannot_be_explained_is_refused(tmp_path: Path) -> None:
    row = stored("maze")
    with pytest.raises(InvalidInput, match=r"must end in \.mp4"):
        explain(row.video, row, tmp_path / "why.gif")
    with pytest.raises(CorruptData):
        explain(b"no video", row, tmp_path / "why.mp4")
    with pytest.raises(OutputError, match="Cannot write"):
        explain(row.video, row, tmp_path / "no such folder" / "why.mp4")
    assert not list(tmp_path.iterdir())

"""A scoring run: gold is solved in every layout, what is missing or broken counts as failed, killed runs go on."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

import puzzlegen
from handed_in import LAYOUTS, encoded, make_dataset, native, picture, put, rows_of
from puzzlegen import registry
from puzzlegen.errors import CorruptData, InvalidInput, OutputError, UnknownName
from puzzlegen.eval import content, run
from puzzlegen.eval.run import Request, score_submission
from puzzlegen.eval.version import scorer_version
from puzzlegen.generate.engines import InProcess, LocalPool
from puzzlegen.shards.row import Row
from puzzlegen.types import Score
from runs import contents


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("instances"))


@pytest.fixture
def gold(dataset: Path, tmp_path: Path) -> Path:
    return native(rows_of(dataset), tmp_path / "gold")


def scored(videos: Path, dataset: Path, out: Path, engine: Any = None, **options: Any) -> dict[str, Any]:
    request = Request(videos=videos, instances=dataset, **options)
    return score_submission(request, out, engine or InProcess(), lambda *_: None)


def table(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "scores.parquet").to_pylist()
    return rows


def without_ms(out: Path) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
    """All files but the table byte by byte, and the table without the column that no two runs share."""
    files = contents(out)
    del files["scores.parquet"]
    return files, [{**row, "ms": None} for row in table(out)]


@pytest.mark.parametrize("name", LAYOUTS)
def test_gold_is_solved_in_every_layout(name: str, dataset: Path, tmp_path: Path) -> None:
    layout, write = LAYOUTS[name]
    tasks = ("maze",) if layout == "vrbench" else ()
    rows = rows_of(dataset, task=list(tasks) or ["maze", "sokoban"])
    summary = scored(write(rows, tmp_path / "s"), dataset, tmp_path / "out", layout=layout, tasks=tasks)
    assert summary["overall"]["sr"] == summary["overall"]["parse_rate"] == summary["overall"]["reward"] == 1.0
    assert summary["overall"]["n"] == summary["counts"]["clips"] == len(rows)
    assert [row["id"] for row in table(tmp_path / "out")] == [row["id"] for row in rows]
    assert [row["actions"] for row in table(tmp_path / "out")] == [row["actions"] for row in rows]


@pytest.mark.parametrize(
    ("name", "codec", "pixels"), [("0.webm", "libvpx-vp9", "yuv420p"), ("0.mkv", "libx264", "yuv444p"), ("0", "", "")]
)
def test_other_kinds_of_video(name: str, codec: str, pixels: str, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset, task="maze")[0]
    path = tmp_path / "s" / row["task"] / row["id"] / name
    if codec:
        encoded(row.frames(), path, codec, pixels, row["fps"])
    else:
        for number, frame in enumerate(row.frames()):
            picture(frame, path / f"{number}.png")
    summary = scored(tmp_path / "s", dataset, tmp_path / "out", allow_missing=True)
    assert (summary["overall"]["n"], summary["overall"]["sr"]) == (1, 1.0)


def test_what_is_written(gold: Path, dataset: Path, tmp_path: Path) -> None:
    put(gold / "manifest.json", b'{"schema_version": 1, "model": "a model"}')
    summary = scored(gold, dataset, tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "request.json", "review.html", "scores.parquet", "summary.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "summary.json").read_text()) == summary
    assert summary["submission"]["model"] == "a model"
    assert summary["partial"] is None
    assert "a model" in (tmp_path / "out" / "review.html").read_text()
    first, source = table(tmp_path / "out")[0], rows_of(dataset)[0]
    for column in ("id", "task", "level", "split", "look_name", "num_actions"):
        assert first[column] == source[column]
    assert first["path"] == f"{source['task']}/{source['id']}/0.mp4"
    assert {row["task"]: row["scorer_version"] for row in table(tmp_path / "out")} == summary["scorer_version"]
    assert summary["scorer_version"] == {name: scorer_version(registry.load(name).task) for name in ("maze", "sokoban")}
    assert first["error"] is None
    assert first["ms"] > 0


# --- missing, broken


def test_missing_videos_are_failures(gold: Path, dataset: Path, tmp_path: Path) -> None:
    lost = rows_of(dataset)[1]
    shutil.rmtree(gold / lost["task"] / lost["id"])
    summary = scored(gold, dataset, tmp_path / "out")
    assert summary["overall"]["n"] == 6
    assert summary["overall"]["sr"] == summary["overall"]["parse_rate"] == 5 / 6
    assert summary["counts"]["missing"] == 1
    row = table(tmp_path / "out")[1]
    assert (row["id"], row["k"], row["path"], row["parsed"], row["reward"]) == (lost["id"], 0, None, False, 0.0)
    assert [violation["code"] for violation in row["violations"]] == ["MISSING"]


def test_missing_videos_can_be_left_out_loudly(gold: Path, dataset: Path, tmp_path: Path) -> None:
    lost = rows_of(dataset)[1]
    shutil.rmtree(gold / lost["task"] / lost["id"])
    summary = scored(gold, dataset, tmp_path / "out", allow_missing=True)
    assert (summary["overall"]["n"], summary["overall"]["sr"]) == (5, 1.0)
    assert summary["partial"] == "PARTIAL: 5 of 6 instances, 5 of 6 clips"
    assert "PARTIAL: 5 of 6 instances" in (tmp_path / "out" / "review.html").read_text()


def test_nobody_hands_in_only_the_samples_that_went_well(gold: Path, dataset: Path, tmp_path: Path) -> None:
    """One instance has three samples: the others' second and third are missing, not undefined."""
    row = rows_of(dataset)[0]
    for k in (1, 2):
        put(gold / row["task"] / row["id"] / f"{k}.mp4", row.video)
    summary = scored(gold, dataset, tmp_path / "out")
    assert summary["counts"]["clips_expected"] == summary["overall"]["n"] == 18
    assert (summary["counts"]["missing"], summary["overall"]["sr"]) == (10, 8 / 18)
    assert summary["overall"]["pass_at"]["3"] == 1.0


BROKEN = {
    "empty": b"",
    "text": b"This is no video.\n" * 50,
    "noise": np.random.default_rng(0).bytes(20_000),
    "playlist": b"#EXTM3U\n#EXTINF:1,\n0.mp4\n",
}


@pytest.mark.parametrize("name", [*BROKEN, "truncated", "headless", "scrambled", "one pixel"])
def test_a_broken_video_is_one_bad_row(name: str, gold: Path, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset)[2]
    data = {
        **BROKEN,
        "truncated": row.video[: len(row.video) // 3],
        "headless": row.video[1000:],
        "scrambled": row.video[:2000] + bytes(len(row.video) - 2000),
        "one pixel": b"",
    }[name]
    path = gold / row["task"] / row["id"] / "0.mp4"
    put(path, data)
    if name == "one pixel":
        path.unlink()
        picture(np.zeros((1, 1, 3), np.uint8), path.with_suffix("") / "0.png")
    summary = scored(gold, dataset, tmp_path / "out")
    assert summary["overall"]["sr"] == 5 / 6
    assert summary["counts"]["internal_errors"] == 0
    bad = table(tmp_path / "out")[2]
    assert (bad["sr"], bad["reward"]) == (False, 0.0)
    if name in BROKEN or name == "headless":
        assert not bad["parsed"]
        assert [violation["code"] for violation in bad["violations"]] == ["UNPARSED"]
        assert bad["error"].startswith("the video")


@pytest.mark.parametrize(("error", "text"), [(MemoryError(), "memory"), (KeyError("x"), "internal error: KeyError")])
def test_a_bug_costs_one_row(
    error: Exception, text: str, gold: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, bad = content.judge, rows_of(dataset)[0]

    def failing(data: content.Content, verifier: Any) -> Score[Any]:
        if data.video == bad.video:
            raise error
        return judge(data, verifier)

    monkeypatch.setattr(content, "judge", failing)
    summary = scored(gold, dataset, tmp_path / "out")
    assert summary["overall"]["sr"] == 5 / 6
    assert summary["counts"]["internal_errors"] == isinstance(error, KeyError)
    assert text in table(tmp_path / "out")[0]["error"]


# --- once, the same for any number of workers, resumed


def counted(monkeypatch: pytest.MonkeyPatch) -> list[content.Content]:
    judge, seen = content.judge, []

    def counting(data: content.Content, verifier: Any) -> Score[Any]:
        seen.append(data)
        return judge(data, verifier)

    monkeypatch.setattr(content, "judge", counting)
    return seen


def test_a_finished_run_is_not_done_again_unless_videos_change(
    gold: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    summary = scored(gold, dataset, tmp_path / "out")
    before = contents(tmp_path / "out")
    assert len(seen) == 6
    assert scored(gold, dataset, tmp_path / "out") == summary
    assert len(seen) == 6
    assert contents(tmp_path / "out") == before
    row = rows_of(dataset)[0]
    put(gold / row["task"] / row["id"] / "0.mp4", b"")
    assert scored(gold, dataset, tmp_path / "out")["overall"]["sr"] == 5 / 6


class Stopped:
    """An engine that fails after some jobs."""

    def __init__(self, after: int) -> None:
        self.after = after

    def run(self, function: Any, jobs: Any) -> Iterator[Any]:
        for number, job in enumerate(jobs):
            if number == self.after:
                raise KeyboardInterrupt
            yield function(job)


def test_what_was_judged_is_kept_by_its_content(
    gold: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = counted(monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        scored(gold, dataset, tmp_path / "out", Stopped(4))
    assert len(seen) == 4
    rows = rows_of(dataset)
    put(gold / rows[1]["task"] / rows[1]["id"] / "0.mp4", rows[3].video)
    os.utime(gold / rows[0]["task"] / rows[0]["id"] / "0.mp4", (1, 1))  # a new date is no new video
    summary = scored(gold, dataset, tmp_path / "out")
    assert [data.video for data in seen[4:]] == [rows[3].video, rows[4].video, rows[5].video]
    assert summary["overall"]["sr"] == 5 / 6


_DRIVER = """
import os, signal, sys
from pathlib import Path
moment, count = int(sys.argv.pop(1)), 0
def killing(move):
    def moved(self, target):
        global count
        count += 1
        if count == moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return move(self, target)
    return moved
Path.replace, Path.rename = killing(Path.replace), killing(Path.rename)
from puzzlegen.cli import main
main()
"""


def test_killed_and_resumed(gold: Path, dataset: Path, tmp_path: Path) -> None:
    """Every file comes into being by a rename: killed before a part, the table, the summary, and the cleaning up."""
    scored(gold, dataset, tmp_path / "whole")
    words = ["score", gold, "--instances", dataset, "--out", tmp_path / "out"]
    files = []
    for moment in (3, 6, 3, 4):
        done = subprocess.run(
            [sys.executable, "-c", _DRIVER, str(moment), *map(str, words)], capture_output=True, text=True, check=False
        )
        assert done.returncode == -signal.SIGKILL, done.stderr
        names = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file() and ".tmp-" not in path.name]
        files.append((sum(name.endswith(".jsonl") for name in names), "scores.parquet" in names, run.SUMMARY in names))
    assert files == [(1, False, False), (6, False, False), (6, True, False), (6, True, True)]
    scored(gold, dataset, tmp_path / "out")
    assert without_ms(tmp_path / "out") == without_ms(tmp_path / "whole")


def test_workers_change_nothing(gold: Path, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset)[0]
    put(gold / row["task"] / row["id"] / "0.mp4", b"broken")
    scored(gold, dataset, tmp_path / "one")
    pool = LocalPool(2)
    try:
        scored(gold, dataset, tmp_path / "two", pool)
    finally:
        pool.close()
    assert without_ms(tmp_path / "one") == without_ms(tmp_path / "two")


def test_the_summary_is_written_last(
    gold: Path, dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that dies in the review leaves no summary that looks finished, also if there was one of other videos."""
    scored(gold, dataset, tmp_path / "out")
    row = rows_of(dataset)[0]
    put(gold / row["task"] / row["id"] / "0.mp4", b"")

    def failing(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "write_review", failing)
    with pytest.raises(KeyboardInterrupt):
        scored(gold, dataset, tmp_path / "out")
    assert not (tmp_path / "out" / "summary.json").exists()


@pytest.mark.parametrize(
    "options", [{"split": "test"}, {"tasks": ("maze",)}, {"allow_missing": True}, {"reward": "sparse"}]
)
def test_another_request_in_the_same_folder_is_refused(
    options: dict[str, Any], gold: Path, dataset: Path, tmp_path: Path
) -> None:
    scored(gold, dataset, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(OutputError, match=f"holds scores of another request .{next(iter(options))}: "):
        scored(gold, dataset, tmp_path / "out", **options)
    assert contents(tmp_path / "out") == before


def test_a_folder_of_something_else_is_refused(gold: Path, dataset: Path, tmp_path: Path) -> None:
    put(tmp_path / "out" / "thesis.tex", b"")
    with pytest.raises(OutputError, match="is not empty"):
        scored(gold, dataset, tmp_path / "out")


def test_a_second_run_is_refused_while_the_first_works(gold: Path, dataset: Path, tmp_path: Path) -> None:
    class Meeting:
        def run(self, function: Any, jobs: Any) -> Iterator[Any]:
            with pytest.raises(OutputError, match="Another run is writing"):
                scored(gold, dataset, tmp_path / "out")
            yield from map(function, jobs)

    assert scored(gold, dataset, tmp_path / "out", Meeting())["overall"]["sr"] == 1.0


# --- rewards


def test_the_reward_that_was_asked_for_is_in_the_table(gold: Path, dataset: Path, tmp_path: Path) -> None:
    frozen = rows_of(dataset, task="sokoban")[0]
    still = np.repeat(frozen.frames()[:1], frozen["num_frames"], axis=0)
    encoded(still, gold / frozen["task"] / frozen["id"] / "0.mp4", "libx264", "yuv420p", frozen["fps"])
    summary = scored(gold, dataset, tmp_path / "out", reward="paper")
    rewards = {row["id"]: (row["reward"], row["value"]) for row in table(tmp_path / "out")}
    assert rewards.pop(frozen["id"]) == (0.5, 0.0)  # the published one pays for doing nothing
    assert set(rewards.values()) == {(1.0, 1.0)}
    assert summary["overall"]["reward"] == pytest.approx(5.5 / 6)
    weights = {"product": [], "weights": {"state": 0.5, "proc": 0.5}}
    assert summary["request"]["recipes"]["sokoban"]["reward"] == weights


def test_an_unknown_reward_is_refused_before_anything_is_written(gold: Path, dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"maze: there is no reward 'papper'\. Did you mean 'paper'"):
        scored(gold, dataset, tmp_path / "out", reward="papper")
    assert not (tmp_path / "out").exists()


# --- in one call


@pytest.fixture(scope="module")
def row(dataset: Path) -> Row:
    return rows_of(dataset, task="maze")[0]


def test_score_takes_frames_bytes_and_paths(row: Row, tmp_path: Path) -> None:
    frames = row.frames()
    put(tmp_path / "a.mp4", row.video)
    for number, frame in enumerate(frames):
        picture(frame, tmp_path / "a" / f"{number}.png")
    opaque = np.concatenate([frames, np.full_like(frames[..., :1], 255)], axis=3)
    for clip in (frames, list(frames), opaque, row.video, tmp_path / "a.mp4", str(tmp_path / "a")):
        assert puzzlegen.score(clip, row).solved
    still = puzzlegen.score(np.repeat(frames[:1], 33, axis=0), row)
    assert (still.solved, still.value) == (False, 0.0)
    half = puzzlegen.score(frames[np.minimum(np.arange(33), 12)], row)
    assert 0 < half.value < 1
    assert puzzlegen.score(frames[np.minimum(np.arange(33), 12)], row, reward="sparse").value == 0.0


@pytest.mark.parametrize(
    ("clip", "complaint"),
    [
        (np.zeros((9, 8, 8, 3), np.float32), r"got float32. If they are in \[0, 1\]"),
        (np.zeros((9, 8, 8, 3), np.int64), "must be uint8 levels 0 to 255, got int64"),
        (np.zeros((9, 3, 8, 8), np.uint8), r"must be \[T, H, W, 3\]"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"got shape \(0, 8, 8, 3\)"),
        (np.zeros((8, 8, 3), np.uint8), "must be"),
        (np.zeros((9, 8, 8, 4), np.uint8), "partly transparent"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((9, 8, 3), np.uint8)], "not one array"),
        ("nowhere.mp4", "there is no such file"),
    ],
)
def test_score_refuses_what_is_no_clip(clip: Any, complaint: str, row: Row) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        puzzlegen.score(clip, row)


def test_score_refuses_broken_videos_and_unknown_rewards(row: Row) -> None:
    with pytest.raises(CorruptData):
        puzzlegen.score(b"no video", row)
    with pytest.raises(UnknownName, match="Did you mean 'sparse'"):
        puzzlegen.score(row.video, row, reward="spars")


def test_grey_frames_are_frames(row: Row) -> None:
    grey = row.frames().mean(axis=3).astype(np.uint8)
    assert puzzlegen.score(grey, row) == puzzlegen.score(np.repeat(grey[..., None], 3, axis=3), row)

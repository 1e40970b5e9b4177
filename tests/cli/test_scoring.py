"""`score`, `explain` and `selftest` as a user runs them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from handed_in import LAYOUTS, encoded, make_dataset, native, put, rows_of
from puzzlegen.cli import scoring
from puzzlegen.eval import layouts
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.render.video import canvas_to_rgb
from puzzlegen.replay import replay
from puzzlegen.testing import selftest
from runs import called, lines


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("instances"), levels=("maze:tiny", "sokoban:tiny"))


@pytest.fixture
def gold(dataset: Path, tmp_path: Path) -> Path:
    return native(rows_of(dataset), tmp_path / "gold")


# --- score


def test_options_are_those_of_the_library() -> None:
    assert tuple(layouts.LAYOUTS) == scoring._LAYOUTS
    text = called("score", "--help").stdout
    assert all(f"\n  {name} " in text for name in layouts.LAYOUTS)


def test_score_prints_a_table(gold: Path, dataset: Path, tmp_path: Path) -> None:
    done = called("score", gold, "--instances", dataset, "--out", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    words = [line.split() for line in lines(done.stdout)]
    assert [line[:3] for line in words[1:4]] == [
        ["maze", "2", "100.0%"],
        ["sokoban", "2", "100.0%"],
        ["all", "4", "100.0%"],
    ]
    assert lines(done.stdout)[-1] == f"written: {tmp_path / 'out'}; look at {tmp_path / 'out' / 'review.html'}"
    assert "PARTIAL" not in done.stdout


def test_score_as_json(gold: Path, dataset: Path, tmp_path: Path) -> None:
    done = called("score", gold, "--instances", dataset, "--out", tmp_path / "out", "--json", "--task", "maze")
    told = json.loads(done.stdout)
    assert told == {"out": str(tmp_path / "out"), **json.loads((tmp_path / "out" / "summary.json").read_text())}
    assert (told["overall"]["n"], told["overall"]["sr"]) == (2, 1.0)


def test_missing_and_broken_videos_are_spoken_of(gold: Path, dataset: Path, tmp_path: Path) -> None:
    first, second = rows_of(dataset)[:2]
    (gold / first["task"] / first["id"] / "0.mp4").unlink()
    put(gold / second["task"] / second["id"] / "0.mp4", b"")
    done = called("score", gold, "--instances", dataset, "--out", tmp_path / "all")
    assert "1 video missing, counted as failures" in done.stdout
    assert "1 video unreadable, counted as failures" in done.stdout
    done = called("score", gold, "--instances", dataset, "--out", tmp_path / "some", "--allow-missing")
    assert done.returncode == 0
    assert lines(done.stdout)[0] == "*** PARTIAL: 3 of 4 instances, 3 of 4 clips ***"
    done = called("score", gold, "--instances", dataset, "--out", tmp_path / "test", "--split", "test")
    assert "of other splits or tasks, passed over" in done.stdout


def test_layout_split_and_workers_go_through(dataset: Path, tmp_path: Path) -> None:
    videos = LAYOUTS["vbvr"][1](rows_of(dataset, split="test"), tmp_path / "s")
    done = called("score", videos, "--instances", dataset, "--out", tmp_path / "out", "--layout", "vbvr",
                  "--split", "test", "--reward", "sparse", "-j", 2)  # fmt: skip
    assert done.returncode == 0, done.stderr
    request = json.loads((tmp_path / "out" / "request.json").read_text())
    assert (request["layout"], request["split"], request["reward"]) == ("vbvr", "test", "sparse")


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["nowhere"], 2, "there is no such folder"),
        (["."], 2, "no videos in the layout 'native'"),
        (["gold", "--split", "tset"], 2, "There is no split 'tset'. Did you mean 'test'?"),
        (["gold", "--task", "mase"], 2, "There is no task 'mase'. Did you mean 'maze'?"),
        (["gold", "--layout", "flat"], 2, "no videos in the layout 'flat'"),
        (["gold", "--layout", "vbr"], 2, "'vbr' is not one of"),
        (["gold", "--reward", "papper"], 2, "maze: there is no reward 'papper'. Did you mean 'paper'?"),
        (["gold", "--instances", "gold"], 4, "is no complete puzzlegen dataset"),
        (["gold", "--out", "gold"], 4, "is not empty"),
    ],
)
def test_bad_input_is_one_line(
    words: list[str], code: int, complaint: str, gold: Path, dataset: Path, tmp_path: Path
) -> None:
    put(tmp_path / "empty" / "x.txt", b"")
    places = {"gold": str(gold), "nowhere": str(tmp_path / "nowhere"), ".": str(tmp_path / "empty")}
    asked = ["score", "--instances", str(dataset), "--out", str(tmp_path / "out"), *(places.get(w, w) for w in words)]
    done = called(*asked)
    assert done.returncode == code
    assert done.stdout == ""
    assert len(lines(done.stderr)) == 1
    assert complaint.lower() in done.stderr.lower()
    assert not (tmp_path / "out").exists()


# --- explain


def test_explain(gold: Path, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset, task="maze")[0]
    video = gold / row["task"] / row["id"] / "0.mp4"
    words = ("explain", video, "--instances", dataset, "--id", row["id"], "--out", tmp_path / "why.mp4")
    done = called(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)[0] == f"solved, reward 1.000, {row['num_actions']} legal moves read"
    assert (tmp_path / "why.mp4").stat().st_size > 1000
    told = json.loads(called(*words, "--json").stdout)
    assert (told["solved"], told["actions"], told["violations"]) == (True, row["actions"], [])


def test_explain_says_what_a_code_means(gold: Path, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset, task="maze")[0]
    still = np.repeat(row.frames()[:1], row["num_frames"], axis=0)
    encoded(still, tmp_path / "still.mp4", "libx264", "yuv420p", row["fps"])
    done = called("explain", tmp_path / "still.mp4", "--instances", dataset, "--id", row["id"], "--out",
                  tmp_path / "why.mp4")  # fmt: skip
    assert lines(done.stdout)[:2] == [
        "not solved, reward 0.000, 0 legal moves read",
        f"NO_PROGRESS at frame {row['num_frames'] - 1}: nothing happens",
    ]


def test_explain_bad_input(gold: Path, dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset)[0]
    put(tmp_path / "no.mp4", b"no video")
    cases = [("no.mp4", row["id"], 3), ("none.mp4", row["id"], 2), ("no.mp4", "nobody", 2), ("", row["id"], 2)]
    for video, name, code in cases:
        done = called("explain", tmp_path / video, "--instances", dataset, "--id", name, "--out", tmp_path / "why.mp4")
        assert (done.returncode, len(lines(done.stderr))) == (code, 1)
        assert not (tmp_path / "why.mp4").exists()


# --- selftest


class Cheat(NamedTuple):
    kind: str
    code: str
    ceiling: float
    frames: Any


def honest(task: Any, puzzle: Any, look: Any, clip: Any) -> Any:
    actions = puzzle.solution.actions
    painter = Painter(task.backdrop(puzzle.start), fit(task.shape(puzzle.start), clip), clip, look)
    frames = painter.frames(task, replay(task, puzzle.start, actions), pace(len(actions), clip))
    return np.stack([canvas_to_rgb(frame) for frame in frames])


def stills(task: Any, puzzle: Any, look: Any, clip: Any, rng: np.random.Generator) -> Iterator[Cheat]:
    frames = honest(task, puzzle, look, clip)
    yield Cheat("still", "NO_PROGRESS", 0.0, np.repeat(frames[:1], len(frames), axis=0))
    yield Cheat("half", "END_STATE", 0.1, frames[np.minimum(np.arange(len(frames)), len(frames) // 2)])


def let_through(task: Any, puzzle: Any, look: Any, clip: Any, rng: np.random.Generator) -> Iterator[Cheat]:
    yield Cheat("honest after all", "JUMP", 0.5, honest(task, puzzle, look, clip))


def test_selftest_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "cheats", stills)
    done = called("selftest", "--recipe", "maze", "--num", 1, "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(line["kind"], line["clips"], line["accepted"], line["wrong"]) for line in told["kinds"]] == [
        ("gold", 1, 1, 0), ("half", 1, 0, 0), ("still", 1, 0, 0),
    ]  # fmt: skip
    assert (told["clips"], told["wrong"], told["faults"]) == (3, 0, [])
    done = called("selftest", "--recipe", "maze", "--num", 1)
    assert lines(done.stdout)[-1] == "all 3 verdicts are right"


def test_selftest_fails_for_an_accepted_cheat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "cheats", let_through)
    done = called("selftest", "--recipe", "maze", "--num", 1)
    assert done.returncode == 1
    assert lines(done.stderr) == ["Error: 1 of 2 verdicts are wrong."]
    assert [line.split()[-1] for line in lines(done.stdout)[1:3]] == ["0", "WRONG"]
    assert lines(done.stdout)[3] == "maze-tiny-0-000000: honest after all is accepted, expected JUMP"
    told = json.loads(called("selftest", "--recipe", "maze", "--num", 1, "--json").stdout)
    fault = told["faults"][0]
    assert (fault["kind"], fault["accepted"], fault["above_ceiling"]) == ("honest after all", True, True)


def test_selftest_fails_for_refused_gold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "cheats", lambda *_: iter(()))
    encode = selftest.video.encode
    monkeypatch.setattr(selftest.video, "encode", lambda frames, clip: encode([next(iter(frames))] * 9, clip))
    assert called("selftest", "--recipe", "maze", "--num", 1).returncode == 1


def test_selftest_of_chosen_levels() -> None:
    assert [job.level for job in selftest.jobs(["maze", "sokoban"], 3, 0, ["easy", "tiny"])] == [
        "easy",
        "tiny",
        "easy",
    ] * 2
    assert [job.level for job in selftest.jobs(["maze", "sokoban"], 2, 0)] == ["tiny", "easy"] * 2
    done = called("selftest", "--recipe", "maze", "--level", "eesy", "--num", 1)
    assert done.returncode == 2
    assert lines(done.stderr) == ["Error: maze: there is no level 'eesy'. Did you mean 'easy'?"]


def test_every_second_cheat_is_perturbed_and_the_seed_decides_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selftest, "cheats", stills)
    job = selftest.jobs(["maze"], 1, 5)[0]
    outcomes = selftest.examine(job)
    assert [bool(outcome.perturbation) for outcome in outcomes] == [False, False, True]
    assert selftest.examine(job) == outcomes
    assert selftest.jobs(["maze"], 8, 5)[6:] == [selftest.Job("maze", "tiny", 5, 1), selftest.Job("maze", "easy", 5, 1)]


def test_selftest_of_no_recipe() -> None:
    done = called("selftest", "--recipe", "mase")
    assert (done.returncode, len(lines(done.stderr))) == (2, 1)

"""docs/scoring.md says what is so: its tables name all codes, columns and layouts, and its code and the example run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from handed_in import make_dataset, native, rows_of
from puzzlegen.eval.codes import MEANINGS
from puzzlegen.eval.layouts import LAYOUTS
from puzzlegen.eval.records import schema
from puzzlegen.eval.run import Request, score_submission
from puzzlegen.generate.engines import InProcess
from puzzlegen.testing.cheaters import KINDS
from puzzlegen.testing.perturbations import PERTURBATIONS
from puzzlegen.verify.judge import WORTHLESS

ROOT = Path(__file__).parents[2]
DOCS = (ROOT / "docs" / "scoring.md").read_text()
COMPARE, AUDIT = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def section(title: str) -> list[list[str]]:
    """The cells of the table lines under a heading."""
    text = DOCS.split(f"\n## {title}\n")[1].split("\n## ")[0]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_code_is_explained_with_its_reward() -> None:
    table = {names(code)[0]: (meaning, reward) for code, meaning, reward in section("Codes")}
    assert {code: meaning for code, (meaning, _) in table.items()} == MEANINGS
    assert {code for code, (_, reward) in table.items() if reward == "0"} == WORTHLESS | {"MISSING"}


def test_every_metric_has_a_definition() -> None:
    told = {name for line in section("Metrics") for name in names(line[0])}
    plain = {"id", "k", "task", "level", "split", "look_name", "num_actions", "path", "sha256", "error"}
    plain |= {"actions", "frames", "ms", "scorer_version"}
    assert told | plain == set(schema().names)


def test_every_layout_is_listed() -> None:
    assert [names(line[0])[0] for line in section("Layouts of a submission")] == list(LAYOUTS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small dataset of all tasks in `data`."""
    made = tmp_path_factory.mktemp("docs")
    make_dataset(made, num=1, levels=("maze:tiny", "flowfree:tiny", "sokoban:tiny")).rename(made / "data")
    return made


def test_the_code_runs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(folder)
    videos = native(rows_of(folder / "data"), folder / "videos")
    for name in ("scores-a", "scores-b"):
        request = Request(videos=videos, instances=folder / "data")
        score_submission(request, folder / name, InProcess(), lambda *_: None)
    exec(COMPARE, {})
    assert "'difference': 0.0" in capsys.readouterr().out
    seen: list[Any] = []
    exec(AUDIT, {"accepts": lambda frames: seen.append(frames.shape) or len(seen) % 2})
    told = capsys.readouterr().out
    known = {*PERTURBATIONS, *(kind.name for kind in KINDS)}
    assert {line.split(": ")[1].split(" (")[0] for line in told.splitlines()} <= known
    assert told.count("false accept") > 10 < told.count("false reject")


def test_the_example_prints_verdicts(folder: Path) -> None:
    words = [sys.executable, str(ROOT / "examples" / "03_score_a_video.py"), str(folder / "data")]
    told = subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [line[31:44].strip() for line in told] == ["solved", "solved", "NO_PROGRESS", "NO_PROCESS"] * 3
    assert [line.split()[-4] for line in told] == ["1.00,", "1.00,", "0.00,", "0.00,"] * 3

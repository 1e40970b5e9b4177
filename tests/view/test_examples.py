"""The numbered examples run as their first lines say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> str:
    words = [sys.executable, str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("example")
    run("01_make_a_dataset.py", out)
    return out / "data"


def test_all_examples_are_tested() -> None:
    """02 in tests/contract, 01 in test_views.py too, 03 in tests/eval."""
    numbered = sorted(path.name[:2] for path in EXAMPLES.glob("[0-9]*"))
    assert numbered == ["01", "02", "03", "04", "05", "06", "07"]


def test_a_toy_model_is_trained(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="training needs puzzlegen[train]")
    told = run("04_train_toy.py", tmp_path)
    assert "step 50: success" in told
    assert (tmp_path / "run/curves.png").is_file() and (tmp_path / "run/samples").is_dir()


def test_a_loader_goes_on(data: Path) -> None:
    pytest.importorskip("torchdata")
    told = run("05_read_clips.py", data)
    assert "12 clips, each once and in the same order: True; videos are torch.Size([2, 3, 49, 256, 256])" in told


def test_answers_in_words_are_judged(data: Path, tmp_path: Path) -> None:
    told = run("06_ask_a_language_model.py", data, tmp_path / "answers.jsonl")
    assert len(told.splitlines()) == 12 and "solved" in told and "END_STATE" in told
    words = ["score-text", tmp_path / "answers.jsonl", "--instances", data, "--out", tmp_path / "scores", "--json"]
    done = subprocess.run([sys.executable, "-m", "puzzlegen", *words], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["overall"]["sr"] == told.count("solved") / 12


@pytest.mark.filterwarnings("ignore")
def test_a_notebook_shows_a_clip(tmp_path: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    notebook = nbformat.read(EXAMPLES / "07_look_in_a_notebook.ipynb", as_version=4)
    nbclient.NotebookClient(notebook, timeout=100, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown, told = (cell.outputs[0]["data"] for cell in notebook.cells if cell.cell_type == "code")
    assert "<video" in shown["text/html"] and "maze-easy-0-000000" in shown["text/html"]
    assert "(49, 256, 256, 3)" in told["text/plain"] and "True" in told["text/plain"]

"""`puzzlegen train` as a user meets it: what it prints, what it leaves, what it refuses in one line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from runs import called, lines, puzzlegen

pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from sft_runs import new_dataset, tables_for, written


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_dataset(tmp_path_factory.mktemp("data") / "d")


@pytest.fixture(scope="module")
def config(dataset: Path) -> Path:
    return written(tables_for(dataset, machine={"trackers": ["tensorboard"]}), dataset.parent / "c.toml")


@pytest.fixture(scope="module")
def run(config: Path) -> Path:
    folder = config.parent / "run"
    done = called("train", "sft", "--config", config, "--out", folder, "--quiet")
    assert done.returncode == 0, done.stderr
    assert lines(done.stdout)[0] == f"step 6, 0% of held-out puzzles solved: {folder}/checkpoints/step-00000006"
    return folder


def refused(*arguments: object, code: int = 2) -> str:
    done = called(*arguments)
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and len(lines(done.stderr)) == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    return done.stderr


def test_help_needs_no_torch() -> None:
    code = "import sys; from puzzlegen.cli import main\ntry: main()\nfinally: assert 'torch' not in sys.modules"
    for words in (["train", "--help"], ["train", "sft", "--help"], ["--help"]):
        done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "Usage" in done.stdout, done.stderr


def test_a_quiet_run_says_nothing_but_what_it_came_to(config: Path, tmp_path: Path) -> None:
    done = puzzlegen("train", "sft", "--config", config, "--out", tmp_path / "r", "--quiet")
    assert done.returncode == 0
    assert done.stderr == ""
    assert len(lines(done.stdout)) == 2
    assert list((tmp_path / "r/tensorboard").iterdir())


def test_clips_are_cached_once(dataset: Path, tmp_path: Path) -> None:
    config = written(tables_for(dataset, data={"cache": str(tmp_path / "cache")}), tmp_path / "c.toml")
    done = called("train", "cache", "--config", config)
    assert done.stdout == f"24 clips as latents of 768x6x4x4: {tmp_path}/cache\n"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()}
    assert called("train", "cache", "--config", config).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").iterdir()} == before


def test_samples_are_what_score_takes(run: Path, dataset: Path, tmp_path: Path) -> None:
    options = ("--instances", dataset, "--split", "train", "--num", 2)
    done = called("train", "sample", run, *options, "--out", tmp_path / "videos", "--samples", 2, "--steps", 1)
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "videos").rglob("*.mp4"))) == 8
    command = lines(done.stdout)[0].split("Judge them: puzzlegen ")[1].split()
    assert command[0] == "score" and command[-2:] == ["--out", "scores"]
    done = called(*command[:-1], tmp_path / "scores", "--allow-missing", "--json")
    assert done.returncode == 0, done.stderr


def test_a_model_is_exported(run: Path, tmp_path: Path) -> None:
    done = called("train", "export", run, "--out", tmp_path / "model")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "model/transformer/diffusion_pytorch_model.safetensors").exists()
    assert "is there already" in refused("train", "export", run, "--out", tmp_path / "model", code=4)


def test_a_plan_says_what_a_run_costs(config: Path, tmp_path: Path) -> None:
    done = called("train", "plan", "--config", config)
    assert done.returncode == 0 and "32 x 32, 21 frames" in done.stdout and "96" in done.stdout
    wan = written(
        {"model": {"kind": "wan"}, "data": {"folder": "x"}, "optimizer": {"steps": 9, "batch": 16}}, tmp_path / "w"
    )
    told = called("train", "plan", "--config", wan, "--clip", "square256", "--json")
    plan = json.loads(told.stdout)
    assert plan["tokens"]["video"] == 832
    shared = json.loads(called("train", "plan", "--config", wan, "--clip", "square256", "--gpus", 4, "--json").stdout)
    assert shared["batch"] == 4
    assert "give the size of its clips with --clip" in refused("train", "plan", "--config", wan)
    assert "cannot be shared by 3 GPUs" in refused("train", "plan", "--config", wan, "--clip", "square256", "--gpus", 3)


@pytest.mark.parametrize(
    "told",
    [
        {"sampling": {"members": 8}},
        {"objective": {"kind": "dpo"}, "sampling": {"num_steps": 12}},
        {"judging": {"workers": 0}},
        {},
    ],
    ids=lambda told: "-".join(told) or "kind",
)
def test_a_plan_of_reinforcement_is_told_by_its_tables(told: dict[str, Any], tmp_path: Path) -> None:
    tables = {"model": {"kind": "wan"}, "data": {"folder": "x"}, "optimizer": {"steps": 9, "batch": 32}}
    config, objective = written(tables | told, tmp_path / "g.toml"), told.get("objective", {"kind": "grpo"})["kind"]
    words = ["train", "plan", "--config", config, "--clip", "square256", *([] if told else ["--set", "kind=grpo"])]
    plan = json.loads(called(*words, "--json").stdout)
    assert (plan["groups"], plan["members"], plan["objective"]) == (4, 8, objective)
    assert "4 puzzles, 8 clips of each" in called(*words).stdout
    assert json.loads(called(*words, "--gpus", 2, "--json").stdout)["groups"] == 2
    assert "cannot be shared by 8 GPUs in groups of 8" in refused(*words, "--gpus", 8)
    if told:
        line = refused("train", "sft", "--config", config, "--out", tmp_path / "r")
        assert line == f"Error: g.toml is of reinforcement. Train it with: puzzlegen train grpo --config {config}\n"


def presets() -> dict[str, Path]:
    """By name."""
    return {path.stem: path for path in (Path(__file__).parents[2] / "examples/configs").glob("*.toml")}


def test_presets_can_be_read_and_planned() -> None:
    assert {"toy-maze", "toy-mixed", "small", "wan22-5b-256", "wan22-5b-480"} <= presets().keys()
    assert {"small-grpo", "wan22-5b-256-grpo"} <= presets().keys()
    for name, path in presets().items():
        done = called("train", "plan", "--config", path, "--clip", "64x64x21@8" if "toy" in name else "square256")
        assert done.returncode == 0, done.stderr
        assert "fits" in done.stdout and "DOES NOT FIT" not in done.stdout
        assert ("clips of each" in done.stdout) == name.endswith("-grpo")


def test_presets_of_reinforcement_go_on_with_what_their_siblings_train() -> None:
    tables = {name: tomllib.loads(path.read_text()) for name, path in presets().items()}
    for name in tables:
        if name.endswith("-grpo"):
            mine, siblings = tables[name], tables[sibling := name.removesuffix("-grpo")]
            assert mine["init"].split("/")[:2] == ["runs", sibling]
            assert mine["model"] == siblings["model"] and mine["data"]["folder"] == siblings["data"]["folder"]


@pytest.mark.parametrize("package", ["torch", "accelerate"])
def test_a_missing_package_is_named_with_its_extra(
    package: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == package else known(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    line = refused("train", "sft", "--config", config, "--out", tmp_path / "r")
    assert line == f"Error: puzzlegen train needs {package}. Install it with: pip install 'puzzlegen[train]'.\n"
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("--config", "nothing.toml"), 2, "nothing.toml: cannot read the configuration: No such file or directory"),
        (("--set", "optimiser.lr=1"), 2, "there is no field 'optimiser'. Did you mean 'optimizer'?"),
        (("--set", "optimizer.lr=fast"), 2, "optimizer lr: expected float, got 'fast'"),
        (("--set", "model.kind=tyo"), 2, "there is no kind 'tyo'. Did you mean 'toy'?"),
        (("--set", "optimizer.lr"), 2, "write section.key=value"),
        (("--set", "data.folder=nowhere"), 4, "nowhere is no complete puzzlegen dataset"),
        (("--set", "data.split=dev"), 2, "there is no split 'dev'"),
        (("--set", "init=nowhere"), 2, "nowhere is neither a checkpoint nor a run that has one"),
        (("--set", "machine.trackers=['abacus']"), 2, "there is no choice 'abacus'"),
        (("--set", "model.labels=['maze','maze']"), 2, "model.labels must be different names"),
    ],
)
def test_bad_input_is_one_line(words: tuple[str, str], code: int, complaint: str, config: Path, tmp_path: Path) -> None:
    before = () if words[0] == "--config" else ("--config", config)
    assert complaint in refused("train", "sft", *before, *words, "--out", tmp_path / "r", "--quiet", code=code)


def test_what_is_no_run_cannot_be_sampled_or_exported(dataset: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "x")
    assert "is neither a checkpoint nor a run" in refused("train", "export", tmp_path, *out)
    assert "is neither a checkpoint nor a run" in refused("train", "sample", tmp_path, "--instances", dataset, *out)

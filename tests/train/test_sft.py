"""Supervised fine-tuning, whole runs of it: going on exactly, invariance, folders that are refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen.errors import InvalidInput, OutputError  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.train import loop  # noqa: E402
from puzzlegen.train.checkpoint import find  # noqa: E402
from puzzlegen.train.policy import open_policy  # noqa: E402
from runs import WORDS, lines, start  # noqa: E402
from sft_runs import assert_same, log_of, new_dataset, run_for, state_of, tables_for, written  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:.*lr_scheduler.step")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_dataset(tmp_path_factory.mktemp("data") / "d")


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    loop.train(run_for(dataset), folder, quiet=True)
    return folder


def test_a_run_leaves_a_log_curves_samples_and_checkpoints(whole: Path, dataset: Path) -> None:
    lines = log_of(whole)
    assert [line["step"] for line in lines] == [1, 2, 3, 3, 4, 5, 6, 6]
    assert {"loss", "lr", "grad_norm"} <= set(lines[0])
    assert {"success", "success/maze", "success/flowfree", "eval/loss", "loss/sigma_0.9"} <= set(lines[-1])
    assert (whole / "curves.png").stat().st_size > 10_000
    assert len(list((whole / "samples/step-00000006").rglob("*.mp4"))) == 2
    checkpoint = find(whole, "newest")
    assert checkpoint.step == 6 and sum(checkpoint.manifest["taken"]) == 24
    assert checkpoint.manifest["scores"]["eval/loss"] == lines[-1]["eval/loss"]
    assert checkpoint.run == run_for(dataset)


def test_the_averaged_weights_are_those_of_the_model_in_a_checkpoint(whole: Path, dataset: Path) -> None:
    policy = open_policy(run_for(dataset).model)
    policy.load(find(whole, "newest").model)
    state = state_of(whole)
    for name, weight in policy.trainable().items():
        assert torch.equal(weight, state[f"ema/{name}"])
        assert not torch.equal(weight, state[f"weights/{name}"])


def test_a_finished_run_is_left_as_it_is(whole: Path, dataset: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (whole / "checkpoints").rglob("*")}
    checkpoint = loop.train(run_for(dataset), whole, quiet=True)
    assert checkpoint and checkpoint.step == 6
    assert {path: path.stat().st_mtime_ns for path in (whole / "checkpoints").rglob("*")} == before
    assert len(log_of(whole)) == 8


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_goes_on_to_the_same_bits(number: signal.Signals, dataset: Path, tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any]] = {"optimizer": {"steps": 60}, "checkpoints": {"every": 20}}
    changes |= {"evaluation": {"every": 60}, "machine": {"log_every": 50}}  # nothing is logged when the signal comes
    config = written(tables_for(dataset, **changes), tmp_path / "c.toml")
    child = start("train", "sft", "--config", config, "--out", tmp_path / "ended", "--quiet")
    first = tmp_path / "ended/checkpoints/step-00000020"
    while not first.exists() and child.poll() is None:
        time.sleep(0.005)
    os.kill(child.pid, number)
    _, said = child.communicate()
    assert child.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL), said
    done = find(tmp_path / "ended", "newest").step
    assert 20 <= done < 60
    if number == signal.SIGTERM:
        assert lines(said)[-1] == "Interrupted. What is complete stays; run the same command to go on."
    run = run_for(dataset, **changes)
    loop.train(run, tmp_path / "ended", quiet=True)
    loop.train(run, tmp_path / "whole", quiet=True)
    assert_same(state_of(tmp_path / "ended", 60), state_of(tmp_path / "whole", 60))
    assert log_of(tmp_path / "ended") == log_of(tmp_path / "whole")


def assert_close(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """The means of gradients after the first update, which is what micro-batches and processes add up in their order.

    Later ones do not tell: where a gradient is next to zero AdamW divides one rounding error by another.
    """
    means = {name: value for name, value in one.items() if name.endswith("exp_avg")}
    assert len(means) > 30
    for name, value in means.items():
        torch.testing.assert_close(other[name], value, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("micro_batch", [1, 3])
def test_micro_batches_change_nothing_but_rounding(micro_batch: int, dataset: Path, tmp_path: Path) -> None:
    for name, size in (("one", 0), ("parts", micro_batch)):
        run = run_for(dataset, optimizer={"steps": 1}, machine={"micro_batch": size})
        loop.train(run, tmp_path / name, quiet=True)
    assert_close(state_of(tmp_path / "one", 1), state_of(tmp_path / "parts", 1))


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_are_one(parallel: str, dataset: Path, tmp_path: Path) -> None:
    tables = tables_for(dataset, optimizer={"steps": 1}, machine={"parallel": parallel})
    config = written(tables, tmp_path / "c.toml")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*launcher, *WORDS[1:], "train", "sft", "--config", config, "--out", tmp_path / "two", "--quiet"]
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 1") == 1
    loop.train(run_for(dataset, optimizer={"steps": 1}), tmp_path / "one", quiet=True)
    assert_close(state_of(tmp_path / "one", 1), state_of(tmp_path / "two", 1))
    one, two = log_of(tmp_path / "one"), log_of(tmp_path / "two")
    assert two == [pytest.approx(line, rel=1e-5) for line in one]
    assert len((tmp_path / "two/samples/step-00000001/scores.jsonl").read_text().splitlines()) == 4


def test_a_run_starts_from_the_weights_of_another(whole: Path, dataset: Path, tmp_path: Path) -> None:
    run = run_for(dataset, optimizer={"steps": 1, "lr": 1e-12})
    tables: dict[str, Any] = {"init": str(whole)}
    loop.train(replace(run, **tables), tmp_path / "r", quiet=True)
    source = state_of(whole)
    for name, value in state_of(tmp_path / "r", 1).items():
        if name.startswith("weights/"):
            torch.testing.assert_close(value, source[f"ema/{name.removeprefix('weights/')}"])


def test_the_folder_of_another_run_is_refused(whole: Path, dataset: Path, tmp_path: Path) -> None:
    complaint = r"whole holds another run \(optimizer.lr: 0.001 there, 0.5 asked\). Choose another --out."
    with pytest.raises(OutputError, match=complaint):
        loop.train(run_for(dataset, optimizer={"lr": 0.5}), whole, quiet=True)
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="is not empty and holds no run of puzzlegen"):
        loop.train(run_for(dataset), tmp_path, quiet=True)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_a_run_on_other_clips_in_the_same_folder_is_refused(dataset: Path, tmp_path: Path) -> None:
    changing = new_dataset(tmp_path / "d", seed=1)
    loop.train(run_for(changing), tmp_path / "r", quiet=True)
    changing.rename(tmp_path / "away")
    new_dataset(tmp_path / "d", seed=2)
    with pytest.raises(OutputError, match=r"r holds another run \(clips: "):
        loop.train(run_for(tmp_path / "d"), tmp_path / "r", quiet=True)


def test_the_machine_may_change_between_two_starts(dataset: Path, tmp_path: Path) -> None:
    loop.train(run_for(dataset, optimizer={"steps": 2}), tmp_path / "r", quiet=True)
    run = run_for(dataset, optimizer={"steps": 2}, machine={"micro_batch": 1})
    assert loop.train(run, tmp_path / "r", quiet=True)


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"data": {"split": "test"}}, "there is no split 'test'"),
        ({"data": {"mixture": [{"task": "labyrinth"}]}}, "data.mixture: the dataset has no clips of labyrinth"),
        ({"model": {"labels": ["maze"]}}, "There is no label of the toy model 'flowfree'"),
        ({"model": {"patch": 7}}, "Clips of 32x32 pixels cannot be encoded: the model takes sides in multiples of 7"),
        ({"evaluation": {"folder": "nowhere"}}, "nowhere is no complete puzzlegen dataset"),
    ],
)
def test_what_cannot_be_trained_on_is_said_in_one_line(
    sections: dict[str, dict[str, Any]], complaint: str, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises((InvalidInput, OutputError), match=complaint) as raised:
        loop.train(run_for(dataset, **sections), tmp_path / "r", quiet=True)
    assert "\n" not in str(raised.value)


def test_a_checkpoint_of_another_model_is_refused(whole: Path, dataset: Path, tmp_path: Path) -> None:
    wider = replace(run_for(dataset, model={"ffn_dim": 32}), init=str(whole))
    with pytest.raises(InvalidInput, match="is of another model: ffn_dim is 16, not 32"):
        loop.train(wider, tmp_path / "r", quiet=True)


def test_clips_are_drawn_as_the_mixture_says(dataset: Path, tmp_path: Path) -> None:
    mixture = [{"task": "maze", "weight": 1.0, "final_weight": 0.0}, {"task": "flowfree", "weight": 0.0}]
    mixture[1] |= {"final_weight": 1.0}
    loop.train(run_for(dataset, data={"mixture": mixture}), tmp_path / "r", quiet=True)
    manifest = json.loads((tmp_path / "r/checkpoints/step-00000006/manifest.json").read_text())
    mazes, boards = manifest["taken"]
    assert mazes + boards == 24 and 4 <= mazes <= 20
    assert len(ShardDataset(dataset, task="maze")) == 12


def test_a_small_model_learns_a_few_clips_by_heart(tmp_path: Path) -> None:
    dataset = new_dataset(tmp_path / "d", targets=("maze:tiny",), clip="32x32x13@8", num=8)
    run = run_for(
        dataset,
        model={"channels": 12, "layers": 2, "heads": 4, "head_dim": 24, "ffn_dim": 192},
        optimizer={"steps": 150, "batch": 16, "lr": 1e-2, "muon_lr": 0.03, "warmup": 5},
        loss={"weighting": "none"},
        evaluation={"every": 0},
        checkpoints={"every": 150},
    )
    loop.train(run, tmp_path / "r", quiet=True)
    losses = [line["loss"] for line in log_of(tmp_path / "r") if "loss" in line]
    assert sum(losses[-10:]) / 10 < 0.1 * losses[0]

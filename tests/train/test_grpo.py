"""Reinforcement, whole runs of it: exact ratios, going on exactly, invariance, rewards that fail, what is refused."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from grpo_runs import brightness, grpo_run, grpo_tables, script  # noqa: E402
from puzzlegen.errors import Diverged, InvalidInput, UnknownName  # noqa: E402
from puzzlegen.train import loop, objectives, rewards  # noqa: E402
from puzzlegen.train.adapters.wan import WanPolicy  # noqa: E402
from puzzlegen.train.checkpoint import find  # noqa: E402
from puzzlegen.train.gaussian import Gaussian  # noqa: E402
from puzzlegen.train.rewards import Reward  # noqa: E402
from sft_runs import assert_same, log_of, new_dataset, run_for, state_of, written  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_dataset(tmp_path_factory.mktemp("data") / "d")


@pytest.fixture(autouse=True)
def bright_clips_are_rewarded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewards, "_judged", brightness)


@pytest.fixture(scope="module")
def whole(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rewards, "_judged", brightness)
        loop.train(grpo_run(dataset), folder, quiet=True)
    yield folder


def undisturbed(log: list[dict[str, float]]) -> list[dict[str, float]]:
    """Without what the clock decides."""
    return [{name: value for name, value in line.items() if "time/" not in name} for line in log]


def test_a_run_leaves_a_log_grids_curves_and_checkpoints(whole: Path, dataset: Path) -> None:
    lines = log_of(whole)
    assert [line["step"] for line in lines] == [1, 2, 3, 3, 4, 5, 6, 6]
    told = {"reward", "rollout_success", "reward_std", "frac_reward_zero_std", "faults", "watched", "watched_gap"}
    told |= {"policy_loss", "grad_norm", "lr", "ratio/mean", "clip_frac_high"}
    told |= {f"time/{part}" for part in ("rollout", "decode", "reward", "train")}
    assert told <= set(lines[0])
    assert any("part/maze/bright" in line for line in lines) and any("reward/flowfree" in line for line in lines)
    assert 0 < lines[0]["reward"] < 1 and lines[0]["reward_std"] > 0
    grids = sorted(path.name for path in (whole / "samples").rglob("rollouts-*.mp4"))
    assert len(grids) >= 2 and (whole / "curves.png").stat().st_size > 10_000
    checkpoint = find(whole, "newest")
    assert checkpoint.run == grpo_run(dataset) and sum(checkpoint.manifest["taken"]) == 24  # puzzles


def test_ratios_are_exactly_one_in_the_first_pass(whole: Path) -> None:
    updates = [line for line in log_of(whole) if "ratio/mean" in line]
    assert {line["ratio/logp_absdiff"] for line in updates} == {0.0}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_was_ended_goes_on_to_the_same_bits(number: signal.Signals, dataset: Path, tmp_path: Path) -> None:
    changes: dict[str, dict[str, Any]] = {"optimizer": {"steps": 14}, "checkpoints": {"every": 2}}
    changes |= {"evaluation": {"every": 0}, "objective": {"kind": "grpo", "beta": 0.1}}
    config = written(grpo_tables(dataset, **changes), tmp_path / "c.toml")
    words = [sys.executable, script(tmp_path / "p.py"), "train", "grpo", "--config", config, "--quiet"]
    child = subprocess.Popen([*map(str, words), "--out", str(tmp_path / "ended")], stderr=subprocess.PIPE, text=True)
    first = tmp_path / "ended/checkpoints/step-00000002"
    while not first.exists() and child.poll() is None:
        time.sleep(0.005)
    os.kill(child.pid, number)
    _, said = child.communicate()
    assert child.returncode == (130 if number == signal.SIGTERM else -signal.SIGKILL), said
    assert 2 <= find(tmp_path / "ended", "newest").step < 14
    run = grpo_run(dataset, **changes)
    loop.train(run, tmp_path / "ended", quiet=True)
    loop.train(run, tmp_path / "whole", quiet=True)
    assert_same(state_of(tmp_path / "ended", 14), state_of(tmp_path / "whole", 14))
    assert undisturbed(log_of(tmp_path / "ended")) == undisturbed(log_of(tmp_path / "whole"))


def gradients(run: Path) -> dict[str, Any]:
    """The means of gradients after the first update."""
    return {name: value for name, value in state_of(run, 1).items() if name.endswith("exp_avg")}


@pytest.mark.parametrize("micro_batch", [1, 5])
@pytest.mark.parametrize("objective", [{}, {"credit": "clip", "anchor": 1.0}], ids=["plain", "anchored"])
def test_micro_batches_change_nothing_but_rounding(
    objective: dict[str, Any], micro_batch: int, dataset: Path, tmp_path: Path
) -> None:
    for name, size in (("one", 0), ("parts", micro_batch)):
        changes = {"objective": {"kind": "grpo", **objective}, "machine": {"micro_batch": size}}
        run = grpo_run(dataset, optimizer={"steps": 1}, **changes)
        loop.train(run, tmp_path / name, quiet=True)
    one, parts = gradients(tmp_path / "one"), gradients(tmp_path / "parts")
    assert len(one) > 30
    for name, value in one.items():
        torch.testing.assert_close(parts[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
@pytest.mark.parametrize("scale", ["group", "batch"])
def test_two_processes_are_one(parallel: str, scale: str, dataset: Path, tmp_path: Path) -> None:
    changes = {"optimizer": {"steps": 1}, "machine": {"parallel": parallel, "micro_batch": 2}}
    changes |= {"objective": {"kind": "grpo", "scale": scale}}
    config = written(grpo_tables(dataset, **changes), tmp_path / "c.toml")
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    words = [*launcher, script(tmp_path / "p.py"), "train", "grpo", "--config", config, "--out", tmp_path / "two"]
    done = subprocess.run([*map(str, words), "--quiet"], capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    loop.train(grpo_run(dataset, **changes), tmp_path / "one", quiet=True)
    one, two = gradients(tmp_path / "one"), gradients(tmp_path / "two")
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-6)
    logs = [undisturbed(log_of(tmp_path / name)) for name in ("one", "two")]
    assert logs[1] == [pytest.approx(line, rel=1e-4, abs=1e-12) for line in logs[0]]


def test_a_model_learns_to_make_bright_clips(dataset: Path, tmp_path: Path) -> None:
    changes = {"optimizer": {"steps": 30, "batch": 48, "lr": 0.01}, "evaluation": {"every": 0}}
    changes |= {"sampling": {"members": 12, "num_steps": 4, "window": {"kind": "first", "k": 2}}}
    loop.train(grpo_run(dataset, **changes), tmp_path / "r", quiet=True)
    reward = [line["reward"] for line in log_of(tmp_path / "r")]
    assert np.mean(reward[-5:]) > np.mean(reward[:5]) + 0.05


def test_only_the_window_is_trained_and_nothing_twice(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, bool]] = []
    velocity = WanPolicy.velocity

    def counted(self: WanPolicy, x: Any, sigma: Any, condition: Any) -> Any:
        asked.append((len(x), torch.is_grad_enabled()))
        return velocity(self, x, sigma, condition)

    monkeypatch.setattr(WanPolicy, "velocity", counted)
    changes = {"optimizer": {"steps": 1}, "evaluation": {"every": 0}, "machine": {"micro_batch": 6}}
    loop.train(grpo_run(dataset, **changes), tmp_path / "r", quiet=True)
    assert asked == [(6, False)] * 2 * 4 + [(6, True)] * 2 * 2  # two parts: four steps each, then two of the window


def test_a_rollout_that_is_not_what_is_trained_ends_the_run(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    retrace = objectives.retrace

    def off(*arguments: Any) -> Gaussian:
        there = retrace(*arguments)
        return Gaussian(there.mean_BCTHW + 0.01, there.std)

    monkeypatch.setattr(objectives, "retrace", off)
    with pytest.raises(Diverged, match=r"Update 1: log ratios of up to .* do not compute the same"):
        loop.train(grpo_run(dataset), tmp_path / "r", quiet=True)
    assert not list((tmp_path / "r/checkpoints").glob("*"))


def test_more_passes_leave_the_policy_of_the_rollout(dataset: Path, tmp_path: Path) -> None:
    changes = {"optimizer": {"steps": 2, "lr": 0.02, "warmup": 0}, "objective": {"kind": "grpo", "passes": 3}}
    loop.train(grpo_run(dataset, **changes), tmp_path / "r", quiet=True)
    first = log_of(tmp_path / "r")[0]
    assert first["ratio/min"] < 1 < first["ratio/max"]
    assert state_of(tmp_path / "r", 2)["updates"] == 6


def test_the_divergence_from_the_start_is_measured_and_held_down(dataset: Path, tmp_path: Path) -> None:
    ends = []
    for beta in (1e-6, 100.0):
        changes = {"optimizer": {"lr": 0.01}, "objective": {"kind": "grpo", "beta": beta}, "evaluation": {"every": 0}}
        loop.train(grpo_run(dataset, **changes), tmp_path / str(beta), quiet=True)
        kl = [line["kl"] for line in log_of(tmp_path / str(beta))]
        assert kl[0] == 0 < kl[-1]
        ends.append(kl[-1])
    assert ends[1] < ends[0] / 2


def test_an_anchor_keeps_velocities_where_they_were(dataset: Path, tmp_path: Path) -> None:
    ends = []
    for anchor in (1e-6, 100.0):
        objective = {"kind": "grpo", "anchor": anchor, "credit": "clip"}
        changes = {"optimizer": {"lr": 0.01}, "objective": objective, "evaluation": {"every": 0}}
        loop.train(grpo_run(dataset, **changes), tmp_path / str(anchor), quiet=True)
        change = [line["velocity_change"] for line in log_of(tmp_path / str(anchor))]
        assert change[0] == 0 < change[-1]
        ends.append(change[-1])
    assert ends[1] < ends[0] / 2


def test_the_reference_of_a_run_is_the_checkpoint_it_started_from(dataset: Path, tmp_path: Path) -> None:
    first = run_for(dataset, optimizer={"steps": 1, "lr": 0.05, "ema": 0.0, "warmup": 0})
    loop.train(first, tmp_path / "sft", quiet=True)
    tables = grpo_tables(dataset, objective={"kind": "grpo", "beta": 1.0}, evaluation={"every": 0})
    run = grpo_run(dataset, **{name: tables[name] for name in ("objective", "evaluation")})
    started = replace(run, init=str(tmp_path / "sft"))
    loop.train(started, tmp_path / "r", quiet=True)
    assert log_of(tmp_path / "r")[0]["kl"] == 0 < log_of(tmp_path / "r")[-1]["kl"]


def test_what_a_run_starts_from_is_evaluated_first(dataset: Path, tmp_path: Path) -> None:
    loop.train(run_for(dataset, optimizer={"steps": 1}), tmp_path / "sft", quiet=True)
    run = grpo_run(dataset, optimizer={"steps": 3})
    started = replace(run, init=str(tmp_path / "sft"))
    loop.train(started, tmp_path / "r", quiet=True)
    before, now = log_of(tmp_path / "sft")[-1], log_of(tmp_path / "r")[0]
    assert now["step"] == 0 and {name: now[name] for name in ("success", "eval/loss")} == {
        name: before[name] for name in ("success", "eval/loss")
    }


def test_clips_that_cannot_be_judged_are_counted_and_left_out(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sometimes(frames: Any, columns: Any, reward: str, again: bool) -> Reward:
        judged = brightness(frames, columns, reward, again)
        return Reward(fault="broken") if int(frames.sum()) % 3 == 0 else judged

    monkeypatch.setattr(rewards, "_judged", sometimes)
    loop.train(grpo_run(dataset, evaluation={"every": 0}), tmp_path / "r", quiet=True)
    lines = log_of(tmp_path / "r")
    assert sum(line["faults"] for line in lines) > 3 and all(line["reward"] > 0.2 for line in lines)


def test_a_run_whose_clips_all_fail_to_be_judged_goes_on(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewards, "_judged", lambda *_: Reward(fault="broken"))
    loop.train(grpo_run(dataset, evaluation={"every": 0}), tmp_path / "r", quiet=True)
    lines = log_of(tmp_path / "r")
    assert {line["faults"] for line in lines} == {12.0} and "reward" not in lines[0]
    assert {line["grad_norm"] for line in lines} == {0.0}


def test_a_judge_that_is_killed_is_replaced(dataset: Path, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_the_first() -> None:
        while not (children := multiprocessing.active_children()):
            time.sleep(0.01)
        os.kill(children[0].pid or 0, signal.SIGKILL)
        killed.append(children[0].pid or 0)

    killer = threading.Thread(target=kill_the_first)
    killer.start()
    run = grpo_run(dataset, judging={"workers": 1}, optimizer={"steps": 2}, evaluation={"every": 0})
    loop.train(run, tmp_path / "r", quiet=True)
    killer.join()
    assert killed and [line["faults"] for line in log_of(tmp_path / "r")] == [0.0, 0.0]


@pytest.mark.parametrize("kind", ["rft", "dpo"])
def test_baselines_share_rollouts_and_rewards(kind: str, dataset: Path, tmp_path: Path) -> None:
    changes = {"objective": {"kind": kind, "draws": 2}, "sampling": {"shared_noise": False}}
    loop.train(grpo_run(dataset, **changes), tmp_path / kind, quiet=True)
    loop.train(grpo_run(dataset, sampling={"shared_noise": False}), tmp_path / "grpo", quiet=True)
    mine, theirs = log_of(tmp_path / kind), log_of(tmp_path / "grpo")
    assert mine[0]["reward"] == theirs[0]["reward"] and "ratio/mean" not in mine[0]
    assert mine[-2]["reward"] != theirs[-2]["reward"]  # the last line is of an evaluation
    if kind == "dpo":
        assert mine[0]["margin"] == 0


@pytest.mark.parametrize(
    ("sections", "complaint"),
    [
        ({"judging": {"reward": "desne"}}, "there is no reward 'desne'"),
        ({"data": {"mixture": [{"task": "sokoban"}]}}, "the dataset has no clips of sokoban"),
        ({"optimizer": {"batch": 13}}, "optimizer.batch must be a multiple of sampling.members, 3"),
        ({"sampling": {"window": {"kind": "first", "k": 4}}}, "A window of 4 steps does not fit 4 steps"),
        ({"objective": {"kind": "grpo", "credit": "clip", "norm": "none"}}, "objective.norm must be centered or guard"),
        (
            {"objective": {"kind": "grpo", "anchor": 0.1}, "machine": {"parallel": "fsdp"}},
            "machine.parallel must be ddp",
        ),
        ({"objective": {"kind": "grpo", "beta": 0.1}, "machine": {"parallel": "fsdp"}}, "machine.parallel must be ddp"),
    ],
)
def test_what_cannot_be_trained_is_refused(
    sections: dict[str, Any], complaint: str, dataset: Path, tmp_path: Path
) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=complaint):
        loop.train(grpo_run(dataset, **sections), tmp_path / "r", quiet=True)

"""How runs of fine-tuning begin: what is refused, when, and what a refusal leaves behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen.errors import Diverged, InvalidInput, PuzzlegenError  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.train import cache, loop  # noqa: E402
from puzzlegen.train.policy import open_policy  # noqa: E402
from runs import called  # noqa: E402
from sft_runs import log_of, new_dataset, run_for, tables_for, written  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return new_dataset(tmp_path_factory.mktemp("data") / "d")


def test_muon_with_lora_leaves_adamw_without_weights(dataset: Path, tmp_path: Path) -> None:
    loop.train(
        run_for(dataset, model={"lora": {"rank": 2}}, optimizer={"steps": 1, "muon_lr": 1e-3}),
        tmp_path / "r",
        quiet=True,
    )


def test_a_loss_that_is_not_finite_ends_the_run(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"The gradient of update \d is not finite. Lower optimizer.lr"):
        loop.train(run_for(dataset, optimizer={"lr": 1e20, "warmup": 0}), tmp_path / "r", quiet=True)


def test_one_process_shares_nothing(dataset: Path, tmp_path: Path) -> None:
    assert loop.train(
        run_for(dataset, optimizer={"steps": 1}, machine={"parallel": "fsdp"}), tmp_path / "r", quiet=True
    )


@pytest.mark.parametrize(
    "bad", [{"model": {"labels": ["maze"]}}, {"evaluation": {"split": "test"}}, {"model": {"patch": 5}}]
)
def test_a_start_that_was_refused_leaves_the_folder_free(bad: dict[str, Any], dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(PuzzlegenError):
        loop.train(run_for(dataset, **bad), tmp_path / "r", quiet=True)
    loop.train(run_for(dataset, optimizer={"steps": 1}), tmp_path / "r", quiet=True)


def test_other_held_out_puzzles_make_another_run(dataset: Path, tmp_path: Path) -> None:
    held, tables = tmp_path / "h", {"evaluation": {"folder": str(tmp_path / "h"), "every": 3}}
    new_dataset(held, seed=1, num=3)
    loop.train(run_for(dataset, **tables), tmp_path / "r", quiet=True)
    held.rename(tmp_path / "away")
    new_dataset(held, seed=2, num=3)
    with pytest.raises(PuzzlegenError, match="another run"):
        loop.train(run_for(dataset, **tables), tmp_path / "r", quiet=True)


def test_a_moved_dataset_is_the_same_run(dataset: Path, tmp_path: Path) -> None:
    run = run_for(dataset, optimizer={"steps": 1})
    loop.train(run, tmp_path / "r", quiet=True)
    (tmp_path / "link").symlink_to(dataset)
    loop.train(run_for(tmp_path / "link", optimizer={"steps": 1}), tmp_path / "r", quiet=True)


def test_puzzles_that_cannot_be_evaluated_are_refused_before_training(dataset: Path, tmp_path: Path) -> None:
    sections = {"model": {"labels": ["maze"]}, "data": {"mixture": [{"task": "maze"}]}}
    with pytest.raises(PuzzlegenError):
        loop.train(run_for(dataset, **sections), tmp_path / "r", quiet=True)
    assert not (tmp_path / "r/log.jsonl").exists() or log_of(tmp_path / "r") == []


def test_init_with_a_dataset_does_not_advise_to_delete_it(dataset: Path, tmp_path: Path) -> None:
    config = written(tables_for(dataset), tmp_path / "c.toml")
    done = called("train", "sft", "--config", config, "--set", f"init={dataset}", "--out", tmp_path / "r", "--quiet")
    assert "Delete" not in done.stderr and done.returncode == 2


def test_an_out_url_is_refused(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = written(tables_for(dataset, optimizer={"steps": 1}), tmp_path / "c.toml")
    done = called("train", "sft", "--config", config, "--out", "s3://bucket/x", "--quiet")
    assert done.returncode != 0 and not (tmp_path / "s3:").exists()


def test_the_shell_of_accelerate_does_not_scale_gradients(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_for(dataset, optimizer={"steps": 1})
    loop.train(run, tmp_path / "a", quiet=True)
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    loop.train(run, tmp_path / "b", quiet=True)
    assert log_of(tmp_path / "b")[0]["grad_norm"] == pytest.approx(log_of(tmp_path / "a")[0]["grad_norm"])


def test_two_runs_may_fill_one_cache_at_the_same_time(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second run starts while the first has its temporary file open; processes differ by their ids."""
    run = run_for(dataset)
    policy, rows, real, inside = open_policy(run.model), ShardDataset(dataset), cache.write_tensors, []

    def interrupted(path, tensors, facts):  # type: ignore[no-untyped-def]
        if inside:
            return real(path, tensors, facts)
        inside.append(1)
        theirs = path.with_name(f"{path.name}.tmp-{os.getppid()}")  # the other process's, half written
        theirs.write_bytes(b"half")
        cache.cache_latents(policy, rows, tmp_path / "c")
        assert theirs.exists(), "the other run's open file was deleted"
        return real(path, tensors, facts)

    monkeypatch.setattr(cache, "write_tensors", interrupted)
    cache.cache_latents(policy, rows, tmp_path / "c")


def test_a_model_with_more_positions_than_it_knows_is_refused_on_cached_latents_too(tmp_path: Path) -> None:
    options = ("--num", 2, "--format", "160x160x9@8", "--split", "train", "--out", tmp_path / "d")
    assert called("generate", "maze:tiny", *options).returncode == 0
    base = {"labels": ["maze"], "patch": 1, "temporal": 4}
    rest = {"optimizer": {"steps": 1, "batch": 1}, "evaluation": {"every": 0}}
    loop.train(run_for(tmp_path / "d", model=base | {"token": 8}, **rest), tmp_path / "a", quiet=True)
    with pytest.raises(PuzzlegenError, match="positions"):
        loop.train(run_for(tmp_path / "d", model=base | {"token": 1}, **rest), tmp_path / "b", quiet=True)


_SLOW = """
import time
from puzzlegen.train.latents import PixelCodec
real = PixelCodec.encode
def encode(self, frames):
    time.sleep(0.5)
    return real(self, frames)
PixelCodec.encode = encode
from puzzlegen.cli import main
main()
"""


def test_ctrl_c_while_caching_ends_the_run_then(dataset: Path, tmp_path: Path) -> None:
    tables = tables_for(
        dataset, data={"folder": str(dataset), "cache": str(tmp_path / "cache")}, evaluation={"every": 0}
    )
    words = ["train", "sft", "--config", written(tables, tmp_path / "c.toml"), "--out", tmp_path / "r", "--quiet"]
    child = subprocess.Popen(
        [sys.executable, "-c", _SLOW, *map(str, words)],
        stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore it
    )
    while not (tmp_path / "cache").exists():
        time.sleep(0.02)
    time.sleep(0.2)
    os.kill(child.pid, signal.SIGINT)
    assert child.wait() == 130
    assert not (tmp_path / "r/log.jsonl").exists(), "it cached everything and trained first"


def test_cache_serves_a_run_that_starts_from_another(dataset: Path, tmp_path: Path) -> None:
    sections = {"model": {"channels": 8}, "optimizer": {"steps": 1}, "evaluation": {"every": 0}}
    loop.train(run_for(dataset, **sections), tmp_path / "source", quiet=True)
    other, cached = new_dataset(tmp_path / "other", seed=9), tmp_path / "cache"
    config = written(
        tables_for(other, **sections, data={"folder": str(other), "cache": str(cached)}), tmp_path / "c.toml"
    )
    words = ["--config", config, "--set", f"init={tmp_path / 'source'}"]
    assert called("train", "cache", *words).returncode == 0
    before = {path.name for path in cached.iterdir()}
    assert called("train", "sft", *words, "--out", tmp_path / "r", "--quiet").returncode == 0
    assert {path.name for path in cached.iterdir()} == before


def test_evaluations_are_made_where_checkpoints_are(dataset: Path) -> None:
    """Else there would be nothing to choose the best one of."""
    with pytest.raises(InvalidInput, match="must be a multiple of checkpoints"):
        run_for(dataset, evaluation={"every": 2}, checkpoints={"every": 5})

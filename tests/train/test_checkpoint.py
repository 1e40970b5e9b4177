"""Checkpoints are whole or absent, and the good ones stay."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen.errors import CorruptData, InvalidInput, OutputError  # noqa: E402
from puzzlegen.train.checkpoint import Checkpoint, Checkpoints, find  # noqa: E402

STATE = {"weights/a": torch.arange(6.0).reshape(2, 3), "adamw/a/step": torch.tensor(3.0)}


def write_model(folder: Path) -> None:
    (folder / "weights").write_text("w")


def save(checkpoints: Checkpoints, step: int, success: float | None = None) -> Checkpoint:
    scores = {} if success is None else {"success": success}
    return checkpoints.save(step, write_model, STATE, {"scores": scores, "taken": [step]})


def steps_in(run: Path) -> list[int]:
    return [checkpoint.step for checkpoint in Checkpoints(run, keep=1).all()]


def test_a_checkpoint_is_read_as_it_was_written(tmp_path: Path) -> None:
    save(Checkpoints(tmp_path, keep=2), 7, success=0.5)
    found = Checkpoints(tmp_path, keep=2).newest()
    assert found and found.step == 7 and found.manifest["taken"] == [7]
    assert (found.model / "weights").read_text() == "w"
    state = found.state()
    assert set(state) == set(STATE) and all(torch.equal(state[name], STATE[name]) for name in STATE)
    assert set(found.manifest["versions"]) == {"puzzlegen", "torch", "diffusers", "peft"}


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=2)
    for step, success in ((1, 0.1), (2, 0.9), (3, None), (4, 0.2), (5, 0.3)):
        save(checkpoints, step, success)
    assert steps_in(tmp_path) == [2, 4, 5]
    assert find(tmp_path).step == 2 and find(tmp_path, "newest").step == 5
    assert find(find(tmp_path).path).step == 2


def test_of_equal_success_the_smaller_loss_is_better(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path, keep=3)
    for step, loss in ((1, 0.3), (2, 0.1), (3, 0.2)):
        checkpoints.save(step, write_model, STATE, {"scores": {"success": 0.0, "eval/loss": loss}})
    assert find(tmp_path).step == 2


def test_what_is_no_checkpoint_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is neither a checkpoint nor a run that has one"):
        find(tmp_path)
    path = save(Checkpoints(tmp_path, keep=1), 1).path
    (path / "state.safetensors").write_bytes(b"torn")
    with pytest.raises(CorruptData, match=r"step-00000001 cannot be read: .* Delete it to go on from an older one"):
        find(tmp_path).state()
    (path / "manifest.json").write_text('{"format": 2}')
    with pytest.raises(CorruptData, match="has format 2, this version of puzzlegen reads 1"):
        find(tmp_path)
    (path / "manifest.json").write_text("{")
    with pytest.raises(CorruptData, match=r"manifest.json cannot be read: .* Delete step-00000001"):
        Checkpoints(tmp_path, keep=1).newest()


def test_a_full_disk_leaves_the_last_checkpoint_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk; a child has it, so that pytest can still write."""
    code = f"""
import signal, torch
from pathlib import Path
from puzzlegen.errors import OutputError
from puzzlegen.train.checkpoint import Checkpoints
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
checkpoints = Checkpoints(Path({str(tmp_path)!r}), keep=1)
def write_model(folder): (folder / "weights").write_bytes(bytes(LARGE))
def save(step, large, state):
    global LARGE
    LARGE = large
    return checkpoints.save(step, write_model, {{"a": torch.zeros(state)}}, {{"scores": {{}}}})
save(1, 100, 100)
for large, state in ((100, 100_000), (100_000, 100)):
    try:
        save(2, large, state)
    except OutputError as error:
        print(error)
"""
    child = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        check=True,
    )
    lines = child.stdout.splitlines()
    assert len(lines) == 2
    for line in lines:
        assert line.startswith(f"Cannot write {tmp_path}/checkpoints/step-00000002: ")
        assert line.endswith("What was complete before is still there.")
    assert steps_in(tmp_path) == [1]
    assert [entry.name for entry in (tmp_path / "checkpoints").iterdir()] == ["step-00000001"]


def test_a_kill_while_saving_leaves_the_last_checkpoint_and_its_leftover_is_cleared(tmp_path: Path) -> None:
    code = f"""
import sys, time, torch
from pathlib import Path
from puzzlegen.train.checkpoint import Checkpoints
checkpoints = Checkpoints(Path({str(tmp_path)!r}), keep=1)
def write_model(folder):
    (folder / "weights").write_text("w")
    if step == 2:
        print("writing", flush=True)
        time.sleep(60)
for step in (1, 2):
    checkpoints.save(step, write_model, {{"a": torch.zeros(3)}}, {{"scores": {{}}}})
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert child.stdout and child.stdout.readline() == "writing\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert steps_in(tmp_path) == [1]
    assert len(list((tmp_path / "checkpoints").iterdir())) == 2
    save(Checkpoints(tmp_path, keep=1), 2)
    assert [entry.name for entry in (tmp_path / "checkpoints").iterdir()] == ["step-00000002"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file")
    with pytest.raises(OutputError, match=r"Cannot use .*checkpoints as a folder: it is a file"):
        save(Checkpoints(tmp_path, keep=1), 1)

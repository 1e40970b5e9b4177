"""Ray: the same results and the same bytes as without it, by tasks that outlive their workers."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import jobs
import puzzlegen
from puzzlegen.errors import OutputError
from puzzlegen.generate.engines.calls import ATTEMPTS
from runs import called, contents, descendants, lines, start, wait_for

ray = pytest.importorskip("ray", reason="needs the extra: pip install 'puzzlegen[ray]'")

from puzzlegen.generate.engines.ray_cluster import RayCluster  # noqa: E402

FEW = ("generate", "maze:tiny", "--num", 40, "--seed", 3, "--format", "tiny", "--shard-rows", 25)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayCluster]:
    cluster = RayCluster(None, 2)
    yield cluster
    cluster.close()
    assert not ray.is_initialized()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("plain") / "d"
    assert called(*FEW, "--out", folder).returncode == 0
    return contents(folder)


def test_results_are_those_of_one_process(cluster: RayCluster) -> None:
    assert sorted(cluster.run(jobs.square, range(1000))) == [number**2 for number in range(1000)]


def test_jobs_are_taken_lazily(cluster: RayCluster) -> None:
    taken = []

    def many() -> Iterator[int]:
        for number in range(10**6):
            taken.append(number)
            yield number

    run = cluster.run(jobs.square, many())
    assert len(list(islice(run, 10))) == 10
    run.close()  # type: ignore[attr-defined]
    assert len(taken) <= 10 + 4


def test_the_task_of_a_killed_worker_is_begun_again(cluster: RayCluster, tmp_path: Path) -> None:
    deadly = {3: tmp_path / "three", 19: tmp_path / "last"}
    results = list(cluster.run(jobs.killed_once, [(number, deadly.get(number)) for number in range(20)]))
    assert Counter(results) == Counter(range(20))
    assert all(marker.exists() for marker in deadly.values())


def test_a_job_that_always_kills_is_an_error_of_one_line(cluster: RayCluster, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="begun 3 times") as caught:
        list(cluster.run(jobs.killed_always, [tmp_path / "marker"]))
    assert len(lines(str(caught.value))) == 1
    assert len(lines((tmp_path / "marker").read_text())) == ATTEMPTS == 3


@pytest.mark.parametrize(("kind", "error", "text"), jobs.FAILURES)
def test_an_error_comes_as_it_was_raised(cluster: RayCluster, kind: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        list(cluster.run(jobs.fails, [kind]))
    assert (type(caught.value), str(caught.value)) == (error, text)


def test_no_job_is_running_once_an_error_is_out(cluster: RayCluster, tmp_path: Path) -> None:
    """The others have finished, or were interrupted as by Ctrl-C."""
    path = tmp_path / "job"
    with pytest.raises(FileNotFoundError):
        list(cluster.run(jobs.waits, [(path, 1), (tmp_path / "no" / "folder", 0)]))
    left = sorted(tmp_path.iterdir())
    time.sleep(1.2)
    assert sorted(tmp_path.iterdir()) == left


def test_a_job_finds_the_folder_and_the_variables_of_the_program(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PUZZLEGEN_RECIPES", "here")
    assert list(cluster.run(jobs.surroundings, [0])) == [(str(tmp_path), "here", "jobs")]
    monkeypatch.delenv("PUZZLEGEN_RECIPES")
    assert list(cluster.run(jobs.surroundings, [0])) == [(str(tmp_path), "", "jobs")]


def test_a_folder_that_a_node_does_not_see_is_an_error_of_one_line(
    cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "cwd", lambda: tmp_path / "elsewhere")
    with pytest.raises(OutputError, match=r"has no .*elsewhere.*all nodes share") as caught:
        list(cluster.run(jobs.square, [0]))
    assert len(lines(str(caught.value))) == 1


def test_a_node_with_another_version_is_an_error_of_one_line(
    cluster: RayCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It might draw other puzzles."""
    monkeypatch.setattr(puzzlegen, "__version__", "0.0.0")
    with pytest.raises(OutputError, match=r"has puzzlegen .*, not 0\.0\.0") as caught:
        list(cluster.run(jobs.square, [0]))
    assert len(lines(str(caught.value))) == 1


def test_the_dataset_is_the_same_byte_for_byte(cluster: RayCluster, plain: dict[str, bytes], tmp_path: Path) -> None:
    done = called(*FEW, "--out", tmp_path / "d", "--engine", "ray", "--workers", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "d") == plain
    done = called("verify", tmp_path / "d", "--engine", "ray")
    assert (done.returncode, done.stderr) == (0, "")
    assert ray.is_initialized()  # one that was there before is left alone


def test_a_running_ray_is_used_by_its_address_and_outlives_its_workers(
    cluster: RayCluster, plain: dict[str, bytes], tmp_path: Path
) -> None:
    address = ray.get_runtime_context().gcs_address
    process = start(*FEW, "--out", tmp_path / "d", "--engine", "ray", "--address", address, "--json")
    assert wait_for(lambda: list(tmp_path.glob("d/.work/drafts/*")), process)
    assert wait_for(lambda: at_work(), process)
    for pid in at_work():
        os.kill(pid, signal.SIGKILL)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["rows"] == 40
    assert contents(tmp_path / "d") == plain
    assert list(cluster.run(jobs.square, [3])) == [9]


def at_work() -> list[int]:
    return [pid for pid in descendants(os.getpid()) if b"_perform_at" in words_of(pid)]


def words_of(pid: int) -> bytes:
    """The command line; empty if it has ended, also if nobody has asked yet how."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_nothing_is_left_of_runs_that_were_stopped(tmp_path: Path) -> None:
    """One by Ctrl-C, one by a SIGKILL of its main process alone; each has a Ray of its own."""
    names = "interrupted", "killed"
    runs = [start(*FEW, "--out", tmp_path / name, "--engine", "ray", "--workers", 1) for name in names]
    for name, run in zip(names, runs, strict=True):
        assert wait_for(lambda name=name: list(tmp_path.glob(f"{name}/.work/drafts/*")), run)
    interrupted, killed = runs
    families = [descendants(run.pid) for run in runs]
    assert min(map(len, families)) > 2
    os.killpg(interrupted.pid, signal.SIGINT)
    killed.kill()
    _, err = interrupted.communicate(timeout=60)
    assert interrupted.returncode == 130
    assert lines(err) == ["Interrupted. What is complete stays; run the same command to go on."]
    assert not [pid for pid in families[0] if words_of(pid)]
    killed.communicate()
    end = time.monotonic() + 20
    while left := [pid for pid in families[1] if words_of(pid)]:
        if all(b"Agent" in words_of(pid) for pid in left):  # two of Ray's own that look for their parent now and then
            for pid in left:
                os.kill(pid, signal.SIGKILL)
        assert time.monotonic() < end, left
        time.sleep(0.02)


# --- the command line


def test_no_ray_at_the_address_is_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    done = called(*FEW, "--out", tmp_path / "d", "--engine", "ray", "--address", "127.0.0.1:9")
    assert done.returncode == 2
    assert len(lines(done.stderr)) == 1
    assert done.stderr.startswith("Error: No Ray answers at 127.0.0.1:9: ")
    assert not (tmp_path / "d").exists()


def test_an_address_without_ray_is_bad_input(tmp_path: Path) -> None:
    done = called(*FEW, "--out", tmp_path / "d", "--address", "auto")
    assert (done.returncode, done.stderr) == (2, "Error: --address is that of a Ray cluster. Add --engine ray.\n")


@pytest.mark.parametrize("command", [FEW, ("verify",)], ids=["generate", "verify"])
def test_without_the_extra_it_says_how_to_install_it(
    command: tuple[Any, ...], plain: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "puzzlegen.generate.engines.ray_cluster")
    monkeypatch.setitem(sys.modules, "ray", None)
    arguments = (*command, "--out", tmp_path / "d") if command == FEW else (*command, written(plain, tmp_path / "d"))
    done = called(*arguments, "--engine", "ray")
    assert done.returncode == 2
    assert done.stderr == (
        f"Error: puzzlegen {command[0]} --engine ray needs ray. Install it with: pip install 'puzzlegen[ray]'.\n"
    )


def written(files: dict[str, bytes], folder: Path) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder

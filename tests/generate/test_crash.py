"""Killed anywhere, stopped by hand, or met by a second run: the same command goes on to the same bytes."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from puzzlegen.errors import OutputError
from puzzlegen.generate import run
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from runs import contents, kill_group, lines, puzzlegen, start, wait_for, workers

LEVELS = ("maze:tiny", "maze:easy")
REQUEST = ("generate", *LEVELS, "--num", 110, "--seed", 3, "--format", "64x64x25", "--shard-rows", 75)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed") / "data set"
    done = puzzlegen(*REQUEST, "--workers", 2, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def expect_same(folder: Path, undisturbed: Path) -> None:
    """The same files with the same bytes, and nothing beside them."""
    ours, theirs = contents(folder), contents(undisturbed)
    assert list(ours) == list(theirs)
    for name in ours:
        assert ours[name] == theirs[name], name
    assert not (folder / ".work").exists()


def count(folder: Path, pattern: str) -> int:
    return len([path for path in folder.glob(pattern) if ".tmp-" not in path.name])


# 220 puzzles: 4 units; 215 or so clips in train, cut into 3 shards, the rest in one for test, which needs all parts
MOMENTS = {
    "request": lambda folder: count(folder, "request.json"),
    "first draft unit": lambda folder: count(folder, ".work/drafts/*") >= 1,
    "half of the drafts": lambda folder: count(folder, ".work/drafts/*") >= 2,
    "all drafts": lambda folder: count(folder, ".work/drafts/*") >= 4,
    "duplicates settled": lambda folder: count(folder, ".work/redrawn/*"),
    "a part half written": lambda folder: any(folder.glob(".work/parts/*.tmp-*")),
    "first part": lambda folder: count(folder, ".work/parts/*") >= 1,
    "second part": lambda folder: count(folder, ".work/parts/*") >= 2,
    "first shard": lambda folder: count(folder, "data/*") >= 1,
    "all shards but one": lambda folder: count(folder, "data/*") >= 3,
    "all shards": lambda folder: count(folder, "data/*") >= 4,
    "manifest": lambda folder: count(folder, "manifest.json"),
}


def test_killed_ever_later_and_resumed(undisturbed: Path, tmp_path: Path) -> None:
    """One folder, whose run is killed at the first moment, resumed and killed at the second, and so on."""
    folder = tmp_path / "data set"
    hit = 0
    for name, reached in MOMENTS.items():
        process = start(*REQUEST, "--workers", 2, "--out", folder)
        assert wait_for(lambda reached=reached: reached(folder), process), f"ended before: {name}"
        hit += process.poll() is None
        kill_group(process)
        if not (folder / "manifest.json").exists():
            assert any(path.suffix == ".json" for path in folder.iterdir())
    assert hit >= 8, "the kills came too late to prove anything"
    done = puzzlegen(*REQUEST, "--workers", 1, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    expect_same(folder, undisturbed)


FEW_REQUEST = Request(
    streams=(Stream(recipe="maze", level="tiny", seed=3, clip=parse_format("64x64x25")),), num=90, shard_rows=50
)
FEW = ("generate", "maze:tiny", "--num", 90, "--seed", 3, "--format", "64x64x25", "--shard-rows", 50)
_DRIVER = """
import os, shutil, signal, sys
from pathlib import Path
moment = sys.argv.pop(1)

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

replace, unlink, rmtree = Path.replace, Path.unlink, shutil.rmtree

def killed_in_replace(self, target):
    if moment == "after":
        replace(self, target)
    die()

def killed_after_unlink(self, missing_ok=False):
    unlink(self, missing_ok)
    if "parts" in self.parts and ".tmp-" not in self.name:
        die()

def killed_in_rmtree(folder, *args, **kwargs):
    if not Path(folder).is_dir():
        return
    rmtree(next(path for path in sorted(Path(folder).iterdir()) if path.is_dir()))
    die()

if moment in ("before", "after"):
    Path.replace = killed_in_replace
elif moment == "unlink":
    Path.unlink = killed_after_unlink
elif moment == "rmtree":
    shutil.rmtree = killed_in_rmtree
from puzzlegen.cli import main
main()
"""


def driven(moment: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run with one process that kills itself (SIGKILL) when the moment comes for the first time."""
    words = [sys.executable, "-c", _DRIVER, moment, *map(str, FEW), "--out", str(folder)]
    return subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)


def test_killed_before_and_after_every_rename(tmp_path: Path) -> None:
    """Every file comes into being by a rename. Killed before it, nothing is lost; killed after it, one step is done."""
    whole = tmp_path / "whole" / "d"
    assert puzzlegen(*FEW, "--out", whole).returncode == 0
    folder = tmp_path / "killed" / "d"
    renames = 0
    while True:
        before = driven("before", folder)
        after = driven("after", folder)
        if after.returncode == 0:
            break
        assert (before.returncode, after.returncode) == (-signal.SIGKILL, -signal.SIGKILL), before.stderr + after.stderr
        renames += 1
        assert renames < 40, "no progress"
    assert before.returncode == 0
    assert renames >= 10  # request, drafts, redrawn, parts, shards, manifest
    expect_same(folder, whole)


@pytest.mark.parametrize("moment", ["unlink", "rmtree"])
def test_killed_while_cleaning_up(moment: str, tmp_path: Path) -> None:
    whole, folder = tmp_path / "whole" / "d", tmp_path / "killed" / "d"
    assert puzzlegen(*FEW, "--out", whole).returncode == 0
    assert driven(moment, folder).returncode == -signal.SIGKILL
    done = puzzlegen(*FEW, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    expect_same(folder, whole)


def test_kill_of_the_main_process_alone_ends_its_workers(undisturbed: Path, tmp_path: Path) -> None:
    """As the kernel does when memory runs out. Workers left behind would fill the machine."""
    folder = tmp_path / "data set"
    process = start(*REQUEST, "--workers", 2, "--out", folder)
    assert wait_for(lambda: count(folder, ".work/parts/*"), process)
    mine = workers(process.pid)
    assert len(mine) == 2
    process.kill()
    process.wait()
    end = time.monotonic() + 10
    while any(alive(pid) for pid in mine) and time.monotonic() < end:
        time.sleep(0.02)
    left = [pid for pid in mine if alive(pid)]
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert not left
    done = puzzlegen(*REQUEST, "--workers", 2, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    expect_same(folder, undisturbed)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("moment", ["first draft unit", "first part"])
def test_interrupted(number: int, moment: str, undisturbed: Path, tmp_path: Path) -> None:
    """Ctrl-C: the signal goes to all processes of the group."""
    folder = tmp_path / "data set"
    process = start(*REQUEST, "--workers", number, "--out", folder)
    assert wait_for(lambda: MOMENTS[moment](folder), process)
    time.sleep(0.03)  # not while a finished file is being let go of: Python ignores what is raised in a __del__
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert lines(err) == ["Interrupted. What is complete stays; run the same command to go on."]
    assert not list(folder.rglob("*.tmp-*"))
    if moment == "first part":
        done = puzzlegen(*REQUEST, "--workers", number, "--out", folder)
        assert (done.returncode, done.stderr) == (0, "")
        expect_same(folder, undisturbed)


@pytest.mark.parametrize("delay", [0.0, 0.1, 0.25])
def test_interrupted_while_workers_start(delay: float, tmp_path: Path) -> None:
    """A worker that has only begun to import must not print a traceback either."""
    process = start(*REQUEST, "--workers", 2, "--out", tmp_path / "d")
    assert wait_for(lambda: workers(process.pid), process)
    time.sleep(delay)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert lines(err) == ["Interrupted. What is complete stays; run the same command to go on."]


@pytest.mark.parametrize("moment", ["request", "first draft unit", "first part"])
def test_killed_workers_cost_nothing_but_time(moment: str, undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data set"
    process = start(*REQUEST, "--workers", 2, "--out", folder)
    assert wait_for(lambda: MOMENTS[moment](folder) and len(workers(process.pid)) == 2, process)
    for pid in workers(process.pid):
        os.kill(pid, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert out.startswith("220 verified clips")
    expect_same(folder, undisturbed)


def test_second_run_on_the_same_folder_is_refused_and_harmless(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data set"
    first = start(*REQUEST, "--workers", 1, "--out", folder)
    assert wait_for(lambda: (folder / ".work" / "lock").exists(), first)
    refused = 0
    while first.poll() is None:
        second = puzzlegen(*REQUEST, "--out", folder)
        if second.returncode == 0:
            break
        assert second.returncode == 4
        assert len(lines(second.stderr)) == 1, second.stderr
        assert "Another run is writing" in second.stderr
        refused += 1
    out, err = first.communicate(timeout=60)
    assert (first.returncode, err) == (0, "")
    assert out.startswith("220 verified clips")
    assert refused >= 2
    expect_same(folder, undisturbed)


def test_second_run_leaves_the_files_of_the_first_alone(tmp_path: Path) -> None:
    """What the first run is writing just now must survive the second's look at the folder."""
    folder = tmp_path / "d"
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    try:
        second = puzzlegen(*FEW, "--out", folder)
        assert second.returncode == 4
        assert "Another run is writing" in second.stderr
        left = list(folder.rglob("*.tmp-*"))
    finally:
        holder.communicate("go\n", timeout=30)
    assert sorted(path.name for path in left) == ["part.parquet.tmp-1", "shard.parquet.tmp-1", "unit.tmp-1"]


_HOLDER = """
import sys
from pathlib import Path
from puzzlegen.generate.api import request_for
from puzzlegen.generate import run

folder = Path(sys.argv[1])

class Held:
    def run(self, function, jobs):
        for name in (".work/drafts/unit", ".work/parts/part.parquet", "data/shard.parquet"):
            (folder / f"{name}.tmp-1").write_text("being written")
        print("holding", flush=True)
        sys.stdin.readline()
        sys.exit(0)

request = request_for(("maze:tiny",), num=90, seed=3, clip="64x64x25", shard_rows=50)
run.generate(request, folder, Held(), lambda *_: None)
"""


def test_a_killed_first_write_does_not_make_the_folder_foreign(tmp_path: Path) -> None:
    """Killed before anything had its name: the folder holds one temporary file."""
    folder = tmp_path / "d"
    assert driven("before", folder).returncode == -signal.SIGKILL
    assert [path.name.split(".tmp-")[0] for path in folder.glob("*.tmp-*")] == ["request.json"]
    done = puzzlegen(*FEW, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    described = {"README.md", "croissant.json", "manifest.json", "request.json"}
    assert {path.name for path in folder.iterdir()} == {"data", *described}


def test_a_lost_shard_is_made_again(tmp_path: Path) -> None:
    """A finished dataset that lost a file is not reported as finished."""
    folder = tmp_path / "d"
    assert puzzlegen(*FEW, "--out", folder).returncode == 0
    before = contents(folder)
    lost = folder / json.loads(before["manifest.json"])["shards"][0]["path"]
    lost.unlink()
    done = puzzlegen(*FEW, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(folder) == before


def test_a_run_that_comes_while_the_first_clears_up_is_harmless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The finished run deletes its work file by file; a second run looks at the folder after the first file."""
    folder = tmp_path / "d"
    clear = shutil.rmtree
    seen = []

    def interrupted(path: Path, **options: Any) -> None:
        if not seen:
            seen.append(path)
            next(entry for entry in path.rglob("*") if entry.is_file()).unlink()
            (path / "lock").unlink(missing_ok=True)
            assert run.generate(FEW_REQUEST, folder, InProcess(), lambda *_: None)["rows"] == 90
        clear(path, **options)

    monkeypatch.setattr(shutil, "rmtree", interrupted)
    assert run.generate(FEW_REQUEST, folder, InProcess(), lambda *_: None)["rows"] == 90
    assert seen
    described = ["README.md", "croissant.json", "data", "manifest.json", "request.json"]
    assert sorted(path.name for path in folder.iterdir()) == described


def test_a_lock_that_was_taken_away_with_its_folder_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first run finishes between the second's opening of the lock file and its locking."""
    folder = tmp_path / "d"
    lock = fcntl.lockf
    monkeypatch.setattr(fcntl, "lockf", lambda *args: ((folder / ".work").rename(folder / ".work.tmp-1"), lock(*args)))
    with pytest.raises(OutputError, match="Run the same command again"):
        run.generate(FEW_REQUEST, folder, InProcess(), lambda *_: None)
    assert not (folder / "request.json").exists()

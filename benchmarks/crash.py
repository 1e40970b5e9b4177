"""Runs killed at random moments and resumed, compared byte for byte with one that nobody disturbed.

    python benchmarks/crash.py [--runs 50] [--clips 80] [--seed 0]
    python benchmarks/crash.py --engine ray --runs 10

With the local engine half of the runs lose all their processes at once (SIGKILL to the group), the others only the main
one, and half of all lose a single worker before; the same command then goes on, and is killed again one time in three.
With Ray, workers are killed only: the run must go on by itself. Nothing of puzzlegen is called but its command.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

TARGETS = ("maze:tiny", "sokoban:tiny", "flowfree:tiny")


class Run:
    """One start of the command, in a process group of its own."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        command = [sys.executable, "-m", "puzzlegen", "generate", *arguments, "--out", str(folder)]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        self.members: set[int] = set()
        """Every process that was ever seen to belong to it."""

    def workers(self) -> list[int]:
        """Processes that do jobs: children of the local engine, or of Ray's own daemon."""
        family = descendants(self.process.pid)
        self.members |= set(family)
        return [pid for pid in family if b"spawn_main" in words_of(pid) or words_of(pid).startswith(b"ray::_perform")]

    def wait(self, seconds: float) -> bool:
        """Whether it ended within this time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            self.members |= set(descendants(self.process.pid))
            time.sleep(0.02)
        return self.process.poll() is not None

    def finish(self) -> None:
        """Wait for the end. Raises AssertionError if it failed."""
        out, err = self.process.communicate(timeout=600)
        assert self.process.returncode == 0, f"exit code {self.process.returncode}: {out}{err}"

    def kill(self, whole_group: bool) -> None:
        """All processes at once, or the main one alone."""
        (os.killpg if whole_group else os.kill)(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def left_over(self, seconds: float = 20) -> int:
        """How many of its processes are still there after this time; Ray's agents leave later, on their own."""
        end = time.monotonic() + seconds
        while left := [pid for pid in self.members if (words := words_of(pid)) and b"Agent" not in words]:
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        return len(left)


def words_of(pid: int) -> bytes:
    """The command line; empty if it has ended, also if nobody has asked yet how."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def descendants(pid: int) -> list[int]:
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found[1:]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def kill_a_worker(run: Run, draw: random.Random) -> int:
    """Returns how many were killed: one, or none if there is none just now."""
    workers = run.workers()
    if not workers or run.process.poll() is not None:
        return 0
    try:
        os.kill(draw.choice(workers), signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def killed_and_resumed(arguments: list[str], folder: Path, seconds: float, draw: random.Random) -> Counter[str]:
    """A run that is killed once, or more often, and resumed until it is whole."""
    told: Counter[str] = Counter()
    while True:
        run = Run(arguments, folder)
        moment = draw.uniform(0, seconds)
        first_worker = draw.uniform(0, moment) if draw.random() < 0.5 else 0.0
        if first_worker:
            run.wait(first_worker)
            told["workers killed"] += kill_a_worker(run, draw)
        ended = run.wait(moment - first_worker)
        if ended:
            run.finish()
            return told
        whole_group = draw.random() < 0.5
        run.kill(whole_group)
        told["groups killed" if whole_group else "main processes killed"] += 1
        told["left-over processes"] += run.left_over()
        if draw.random() >= 1 / 3:
            break
        told["resumed"] += 1
    run = Run(arguments, folder)
    told["resumed"] += 1
    run.finish()
    return told


def robbed_of_workers(arguments: list[str], folder: Path, seconds: float, draw: random.Random) -> Counter[str]:
    """A run that loses one worker or two, and goes on by itself."""
    told: Counter[str] = Counter()
    run = Run(arguments, folder)
    wanted = draw.choice((1, 2))
    while told["workers killed"] < wanted and not run.wait(draw.uniform(0, seconds / 6)):
        told["workers killed"] += kill_a_worker(run, draw)
    run.finish()
    told["left-over processes"] += run.left_over()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=50)
    parser.add_argument("--clips", type=int, default=80, help="of each task")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engine", choices=["local", "ray"], default="local")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    arguments = [*TARGETS, "--num", str(options.clips), "--format", "tiny", "--shard-rows", "60"]
    arguments += ["--workers", str(options.workers)]
    draw = random.Random(options.seed)
    disturbed = killed_and_resumed if options.engine == "local" else robbed_of_workers
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        begun = time.monotonic()
        Run(arguments, Path(scratch) / "whole").finish()
        seconds = time.monotonic() - begun
        whole = contents(Path(scratch) / "whole")
        print(
            f"undisturbed: {seconds:.1f} s, {len(whole)} files, {sum(map(len, whole.values())) / 1e6:.1f} MB",
            flush=True,
        )
        for number in range(options.runs):
            folder = Path(scratch) / str(number)
            told = disturbed([*arguments, "--engine", options.engine], folder, seconds, draw)
            files = contents(folder)
            told["runs"] += 1
            told["equal"] += files == whole
            told["left-over files"] += len(set(files) - set(whole))
            print(f"run {number + 1}: {'equal' if files == whole else 'DIFFERENT'}, {dict(told)}", flush=True)
            total += told
    rows = ("runs", "groups killed", "main processes killed", "workers killed", "resumed", "equal")
    for row in (*rows, "left-over files", "left-over processes"):
        print(f"{row:<24} {total[row]:>6}")
    sys.exit(0 if total["equal"] == options.runs and not total["left-over files"] else 1)


if __name__ == "__main__":
    main()

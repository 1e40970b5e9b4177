"""Running the command line as a user does."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

from puzzlegen.cli import main

Command = Callable[..., "subprocess.CompletedProcess[str]"]

WORDS = [sys.executable, "-m", "puzzlegen"]


def puzzlegen(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    """Run to the end; `options` go to subprocess.run."""
    settings = {"capture_output": True, "text": True, "timeout": 240, "check": False, **options}
    return subprocess.run([*WORDS, *map(str, arguments)], **settings)  # type: ignore[call-overload,no-any-return]


class _Input(io.BytesIO):
    name = "<stdin>"


def called(*arguments: object, input: str | bytes = "") -> subprocess.CompletedProcess[str]:
    """The same in this process, which is much quicker; an exception that is not caught is the test's failure."""
    words = ["puzzlegen", *map(str, arguments)]
    source = io.TextIOWrapper(_Input(input.encode() if isinstance(input, str) else input), encoding="utf-8")
    out, err = io.StringIO(), io.StringIO()
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(sys, "stdin", source),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def start(*arguments: object) -> subprocess.Popen[str]:
    """Start in a process group of its own, as a shell does."""
    words = [*WORDS, *map(str, arguments)]
    return subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # a shell's `&` ignores it
        stdin=subprocess.DEVNULL,
    )


def wait_for(condition: Callable[[], object], process: subprocess.Popen[str], timeout: float = 60) -> bool:
    """Poll until it holds. False if the process ended first."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if condition():
            return True
        if process.poll() is not None:
            return bool(condition())
        time.sleep(0.001)
    raise AssertionError("waited too long")


def kill_group(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL to the process and all its workers."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def children(pid: int) -> dict[int, str]:
    """Process id -> command line of every living child."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            if parent == pid and state != "Z":
                found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except (OSError, IndexError):
            continue
    return found


def descendants(pid: int) -> list[int]:
    """All processes that it has started, and those that they have."""
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


def workers(pid: int) -> list[int]:
    """The children that are pool workers."""
    return sorted(child for child, words in children(pid).items() if "spawn_main" in words)


def lines(text: str) -> list[str]:
    """The lines that are not blank."""
    return [line for line in text.splitlines() if line.strip()]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by its path within."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

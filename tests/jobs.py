"""Jobs that behave, and jobs that do not: every engine runs them, in processes that import this file."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from puzzlegen.errors import OutputError, PuzzlegenError, UnknownName


def square(number: int) -> int:
    return number * number


def process_id(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def killed_once(job: tuple[int, Path | None]) -> int:
    """Kills its own process the first time; the folder's marker tells the times apart."""
    number, marker = job
    if marker is not None and not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def killed_always(marker: Path) -> None:
    with marker.open("a") as file:
        file.write("begun\n")
    os.kill(os.getpid(), signal.SIGKILL)


def leaves(_: int) -> None:
    sys.exit(7)


def waits(job: tuple[Path, float]) -> Path:
    """Writes its process id into the file, then takes its time, then says that it is done."""
    path, seconds = job
    path.write_text(str(os.getpid()))
    time.sleep(seconds)
    path.with_suffix(".done").write_text("done")
    return path


def large(size: int) -> bytes:
    return b"x" * size


class Unpicklable(OutputError):
    """Its arguments do not make it again."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}.")


ERRORS = {
    "name": lambda: UnknownName("recipe", "mase", ["maze"], "here"),
    "output": lambda: OutputError("The disk is full."),
    "bug": lambda: ZeroDivisionError("a bug of ours"),
    "unpicklable": lambda: Unpicklable("here", "because"),
}


FAILURES = [
    ("name", UnknownName, "here: there is no recipe 'mase'. Did you mean 'maze'?"),
    ("output", OutputError, "The disk is full."),
    ("bug", ZeroDivisionError, "a bug of ours"),
    ("unpicklable", PuzzlegenError, "here: because."),
]
"""What `fails` is told, and the error and text that must come back."""


def fails(kind: str) -> None:
    raise ERRORS[kind]()


def fails_at_seven(number: int) -> int:
    if number == 7:
        raise OutputError("Seven is taken.")
    return number


def unpicklable_result(_: int) -> object:
    return lambda: None


def surroundings(_: int) -> tuple[str, str, str]:
    """Folder, a variable of ours, and whether this file can be found by its name."""
    return str(Path.cwd()), os.environ.get("PUZZLEGEN_RECIPES", ""), __name__

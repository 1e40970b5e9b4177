"""The folder that scores go into: of one request, written by one run at a time."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from puzzlegen.errors import OutputError
from puzzlegen.shards import writer

REQUEST = "request.json"
WORK = ".work"


def refuse_other(folder: Path, described: dict[str, Any]) -> None:
    """Raise OutputError for a folder with anything but this request's scores. Writes nothing."""
    path = folder / REQUEST
    if not path.exists():
        if any(not writer.is_leftover(entry) and entry.name != WORK for entry in folder.iterdir()):
            raise OutputError(f"{folder} is not empty and holds no scores of puzzlegen. Choose another --out.")
        return
    try:
        theirs = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}. Choose another --out.") from error
    if theirs != described:
        names = [name for name in described if not isinstance(theirs, dict) or theirs.get(name) != described[name]]
        name = (names or ["request"])[0]
        there = theirs.get(name) if isinstance(theirs, dict) else theirs
        raise OutputError(f"{folder} holds scores of another request ({name}: {json.dumps(there)} there, "
                          f"{json.dumps(described.get(name))} asked). Choose another --out.")  # fmt: skip


@contextmanager
def locked(work: Path) -> Iterator[None]:
    """Refuse a second run on the same folder."""
    with writer.refusals(work / "lock"):
        lock = (work / "lock").open("w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            taken = os.path.samestat(os.fstat(lock.fileno()), (work / "lock").stat())
        except FileNotFoundError:
            taken = False
        except OSError as error:
            raise OutputError(f"Another run is writing {work.parent}. Wait for it or choose another --out.") from error
        if not taken:  # the run that held it has just finished and taken the folder away
            raise OutputError(f"Another run was writing {work.parent} until now. Run the same command again.")
        yield


def discard(work: Path) -> None:
    """Take the locked folder away at once, then delete it."""
    trash = writer.temporary_name(work)
    with writer.refusals(work):
        work.rename(trash)
    shutil.rmtree(trash, ignore_errors=True)

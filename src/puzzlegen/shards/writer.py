"""Files that are whole or absent: written under a temporary name, flushed to disk, renamed."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from puzzlegen.errors import OutputError
from puzzlegen.shards.schema import schema, writer_options

_TEMPORARY = ".tmp-"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; rename it to `path` only if the block succeeds.

    Raises:
        OutputError: disk full, no rights, or any other refusal of the file system, in one line.
    """
    temporary = temporary_name(path)
    try:
        with refusals(path):
            yield temporary
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """As `atomic`, for a folder that is not there yet, with all that the block puts into it.

    Raises:
        OutputError: disk full, no rights, or any other refusal of the file system, in one line.
    """
    temporary = temporary_name(path)
    try:
        with refusals(path):
            temporary.mkdir(parents=True)
            yield temporary
            for entry in (*temporary.rglob("*"), temporary):
                _sync(entry)
            temporary.replace(path)
            _sync(path.parent)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """As `atomic_folder`, for what a user names: it may be there if it is empty.

    Raises:
        OutputError: the folder has something in it, is a file, or cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputError(f"{out} is no empty folder. Choose another --out.")
    with atomic_folder(out) as folder:
        yield folder


def _sync(path: Path) -> None:
    """To disk, so that a rename never comes before the content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def temporary_name(path: Path) -> Path:
    """Where this process keeps `path` while it is not whole."""
    return path.with_name(f"{path.name}{_TEMPORARY}{os.getpid()}")


@contextlib.contextmanager
def refusals(path: Path) -> Iterator[None]:
    """What the file system refuses in the block becomes an OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        raise _refused(path, error) from error


def _refused(path: Path, error: OSError) -> OutputError:
    what = {errno.ENOSPC: "the disk is full", errno.EDQUOT: "the disk quota is used up", errno.EROFS: "it is read-only"}
    what |= {errno.EACCES: "no permission", errno.ENOTDIR: "a part of the path is a file"}
    reason = what.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"Cannot write {path}: {reason}. What was complete before is still there.")


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text)


def make_folder(path: Path) -> None:
    """Create a folder and its parents. Raises OutputError."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OutputError(f"Cannot use {path} as a folder: it is a file.") from error
    except OSError as error:
        raise _refused(path, error) from error


def is_leftover(path: Path) -> bool:
    """Whether it is a temporary file or folder, of a killed run if nobody is writing."""
    return _TEMPORARY in path.name


def is_abandoned(path: Path) -> bool:
    """Whether it is what a process of this machine left unfinished that is no longer there."""
    _, separator, process = path.name.rpartition(_TEMPORARY)
    if not separator or not process.isdigit():
        return False
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it is another user's
        return False
    return False


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files and folders that a killed run left behind."""
    for leftover in filter(is_leftover, folder.iterdir()):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


class ShardWriter:
    """A Parquet file written row group by row group; appears under its name only when the block succeeds.

    >>> with ShardWriter(Path("x.parquet")) as writer:  # doctest: +SKIP
    ...     writer.write(rows)
    """

    def __init__(self, target: Path | AbstractContextManager[Path], metadata: Mapping[str, str] | None = None) -> None:
        """Write to a path, or to what a store's `writing` yields; `metadata` goes into the footer."""
        self._target = atomic(target) if isinstance(target, Path) else target
        self._schema = schema(dict(metadata or {}))

    def __enter__(self) -> ShardWriter:
        with contextlib.ExitStack() as stack:
            temporary = stack.enter_context(self._target)
            file = stack.enter_context(temporary.open("xb"))  # pyarrow would keep its own open if closing fails
            self._writer = pq.ParquetWriter(file, self._schema, **writer_options())
            stack.callback(self._writer.close)  # writes a valid footer even after an error: never rename then
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)

    def write(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows as one row group."""
        self.write_table(pa.Table.from_pylist(list(rows), schema=self._schema))

    def write_table(self, table: pa.Table) -> None:
        """Add a table of this schema as one row group."""
        self._writer.write_table(table.cast(self._schema), row_group_size=len(table) or 1)

"""A dataset's folder, here or in an object store: files are whole or absent, and there is one writer at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import pyarrow.parquet as pq

from puzzlegen.errors import OutputError
from puzzlegen.shards import writer

_WHOLE = 2**40
"""More bytes than a lock file has: a lock of this length is one of all units."""


def open_store(place: str | Path | Store) -> Store:
    """The store of a folder or of a URL such as s3://bucket/prefix. Raises OutputError if its driver is missing."""
    if isinstance(place, Store):
        return place
    if "://" in str(place):
        from puzzlegen.shards.remote import RemoteStore

        remote: Store = RemoteStore(str(place))
        return remote
    return LocalStore(Path(place))


class Store(ABC):
    """Files by their name within the dataset, with "/" between its parts. Can be pickled and sent to workers."""

    @abstractmethod
    def __str__(self) -> str:
        """The folder as the user named it."""

    @abstractmethod
    def names(self, folder: str = "", *, leftovers: bool = False) -> list[str]:
        """What lies directly in a folder, sorted; nothing if it is not there.

        Args:
            folder: within the dataset; the dataset itself if empty.
            leftovers: also what a killed run has not finished writing.
        """

    @abstractmethod
    def exists(self, name: str) -> bool:
        """Whether there is a whole file of this name."""

    @abstractmethod
    def size(self, name: str) -> int:
        """Bytes of a file."""

    @abstractmethod
    def read(self, name: str, count: int | None = None) -> bytes:
        """The first `count` bytes of a file, or all. Raises OSError or OutputError."""

    @abstractmethod
    def open(self, name: str) -> BufferedReader:
        """A file to read from."""

    @abstractmethod
    def parquet(self, name: str) -> pq.ParquetFile:
        """A Parquet file, of which only what is asked for is read. Raises OSError or pyarrow's errors."""

    @abstractmethod
    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Yield a path on this machine; what is there when the block ends well becomes the file. Raises OutputError."""

    @abstractmethod
    def remove(self, name: str) -> None:
        """Delete a file, if it is there."""

    @abstractmethod
    def make_folders(self, *names: str) -> None:
        """Make the dataset's folder and these in it. Raises OutputError."""

    @abstractmethod
    def clear_leftovers(self, *names: str) -> None:
        """Delete what killed runs left half written in these folders. Only for who has the whole folder locked."""

    @abstractmethod
    def discard(self, folder: str) -> None:
        """Delete a folder; at once, so that nobody meets a half of it."""

    @abstractmethod
    def locked(self, folder: str, units: range | None = None) -> AbstractContextManager[None]:
        """Refuse, with an OutputError, whoever comes second: on the same units, or on any if not given.

        Args:
            folder: within the dataset, where the lock lies.
            units: numbers of the units that are worked on; None locks all.
        """

    def write(self, name: str, content: bytes) -> None:
        """Write a small file; it is whole or absent."""
        with self.writing(name) as path:
            path.write_bytes(content)

    def sha256(self, name: str) -> str:
        """Hex digest of a file's content."""
        with self.open(name) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True, slots=True)
class LocalStore(Store):
    """A folder of this machine, or of a file system that several machines share."""

    folder: Path

    def __str__(self) -> str:
        return str(self.folder)

    def names(self, folder: str = "", *, leftovers: bool = False) -> list[str]:
        """As in Store; empty if the folder is not there."""
        try:
            entries = list((self.folder / folder).iterdir())
        except FileNotFoundError:
            return []
        return sorted(entry.name for entry in entries if leftovers or not writer.is_leftover(entry))

    def exists(self, name: str) -> bool:
        """As in Store."""
        return (self.folder / name).is_file()

    def size(self, name: str) -> int:
        """As in Store."""
        return (self.folder / name).stat().st_size

    def read(self, name: str, count: int | None = None) -> bytes:
        """As in Store."""
        with self.open(name) as file:
            return file.read() if count is None else file.read(count)

    def open(self, name: str) -> BufferedReader:
        """As in Store."""
        return (self.folder / name).open("rb")

    def parquet(self, name: str) -> pq.ParquetFile:
        """As in Store."""
        return pq.ParquetFile(self.folder / name, memory_map=True)

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """As in Store."""
        return writer.atomic(self.folder / name)

    def remove(self, name: str) -> None:
        """As in Store."""
        (self.folder / name).unlink(missing_ok=True)

    def make_folders(self, *names: str) -> None:
        """As in Store."""
        for name in ("", *names):
            writer.make_folder(self.folder / name)

    def clear_leftovers(self, *names: str) -> None:
        """As in Store."""
        for name in names:
            writer.remove_leftovers(self.folder / name)

    def discard(self, folder: str) -> None:
        """As in Store."""
        path = self.folder / folder
        trash = writer.temporary_name(path)
        with writer.refusals(path):
            path.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)  # a run that comes now may clear it too, as a leftover

    @contextlib.contextmanager
    def locked(self, folder: str, units: range | None = None) -> Iterator[None]:
        """As in Store: byte u of the lock file stands for unit u, so that the kernel compares ranges for us."""
        path = self.folder / folder / "lock"
        with writer.refusals(path):
            lock = path.open("ab")
        with lock:
            first, count = (0, _WHOLE) if units is None else (units.start, len(units))
            try:
                fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB, count, first)
                taken = os.path.samestat(os.fstat(lock.fileno()), path.stat())
            except FileNotFoundError:
                taken = False
            except OSError as error:
                if error.errno not in (errno.EACCES, errno.EAGAIN):
                    raise OutputError(f"Cannot lock {path}: {error.strerror}. Choose another --out.") from error
                raise already_written(self, units) from error
            if taken:
                yield
                return
        # the run that held it has just finished and taken the folder away
        raise OutputError(f"Another run was writing {self} until now. Run the same command again.")


def already_written(store: Store, units: range | None, hint: str = "") -> OutputError:
    """The refusal of whoever comes second."""
    which = "" if units is None else f" some of the units {units.start}:{units.stop} of"
    return OutputError(f"Another run is writing{which} {store}. Wait for it or choose another --out.{hint}")

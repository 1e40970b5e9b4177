"""An object store through fsspec: s3://, gs://, hf://. Uploads are whole or absent; a lease is the lock."""

from __future__ import annotations

import contextlib
import functools
import json
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any, TypeVar

import pyarrow.parquet as pq

from puzzlegen.errors import OutputError, PuzzlegenError
from puzzlegen.shards import writer
from puzzlegen.shards.store import Store, already_written

T = TypeVar("T")

LEASE_S = 60.0
"""A lease that was not renewed for so long is that of a killed run."""
_RENEWALS = 4
"""How often a lease is renewed in that time."""
_DRIVERS = {"s3": "s3fs", "s3a": "s3fs", "gs": "gcsfs", "gcs": "gcsfs", "hf": "huggingface_hub", "az": "adlfs"}
_PREFIX = "lease-"


class RemoteStore(Store):
    """A prefix of an object store. Credentials come from where its driver looks for them."""

    def __init__(self, url: str) -> None:
        """Open a URL such as s3://bucket/prefix. Raises OutputError if its driver is missing."""
        self._url = url.rstrip("/")
        self._connect()

    def __getstate__(self) -> dict[str, str]:
        return {"url": self._url}

    def __setstate__(self, state: dict[str, str]) -> None:
        self._url = state["url"]
        self._connect()

    def _connect(self) -> None:
        protocol = self._url.partition("://")[0]
        try:
            from fsspec.core import url_to_fs

            self._files, self._root = url_to_fs(self._url, use_listings_cache=False)
        except ImportError as error:
            driver = _DRIVERS.get(protocol, f"the fsspec driver of {protocol}://")
            raise OutputError(f"{protocol}:// needs {driver}. Install it with: pip install {driver}.") from error
        except ValueError as error:
            raise OutputError(f"Cannot use {self._url}: {_line(error)}.") from error

    def __str__(self) -> str:
        return self._url

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else str(self._root)

    def _ask(self, name: str, call: Callable[[], T]) -> T:
        """What the driver answers; an OutputError if it refuses."""
        try:
            return call()
        except PuzzlegenError:
            raise
        except Exception as error:  # every driver raises its own kinds
            raise OutputError(f"Cannot use {self._url}/{name}: {_line(error)}.") from error

    def names(self, folder: str = "", *, leftovers: bool = False) -> list[str]:
        """As in Store; nothing is ever left over."""

        def listed() -> list[str]:
            try:
                found = self._files.ls(self._path(folder), detail=False, refresh=True)
            except FileNotFoundError:
                return []
            names = {str(path).rstrip("/").rpartition("/")[2] for path in found if path != self._path(folder)}
            return sorted(names - {""})

        return self._ask(folder, listed)

    def exists(self, name: str) -> bool:
        """As in Store."""
        return self._ask(name, lambda: bool(self._files.isfile(self._path(name))))

    def size(self, name: str) -> int:
        """As in Store."""
        return self._ask(name, lambda: int(self._files.size(self._path(name))))

    def read(self, name: str, count: int | None = None) -> bytes:
        """As in Store."""
        return self._ask(
            name, lambda: bytes(self._files.cat_file(self._path(name), start=None if count is None else 0, end=count))
        )

    def open(self, name: str) -> BufferedReader:
        """As in Store."""
        return self._ask(name, lambda: BufferedReader(self._files.open(self._path(name), "rb")))

    def parquet(self, name: str) -> pq.ParquetFile:
        """As in Store."""
        return pq.ParquetFile(self._path(name), filesystem=self._files, pre_buffer=True)

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """As in Store: a file of this machine, uploaded at the end in one step."""
        with tempfile.TemporaryDirectory(prefix="puzzlegen-") as folder:
            path = Path(folder) / "file"
            with writer.refusals(path):
                yield path
            self._ask(name, functools.partial(self._files.put_file, str(path), self._path(name)))

    def remove(self, name: str) -> None:
        """As in Store."""
        with contextlib.suppress(FileNotFoundError):
            self._ask(name, functools.partial(self._delete, name, recursive=False))

    def _delete(self, name: str, *, recursive: bool) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._files.rm(self._path(name), recursive=recursive)

    def make_folders(self, *names: str) -> None:
        """Nothing to do: a prefix is there as soon as an object is."""

    def clear_leftovers(self, *names: str) -> None:
        """Nothing to do: an upload that was broken off leaves no object."""

    def discard(self, folder: str) -> None:
        """As in Store, though not at once: who comes in between finds fewer files, never half a file."""
        self._ask(folder, functools.partial(self._delete, folder, recursive=True))

    # --- leases

    @contextlib.contextmanager
    def locked(self, folder: str, units: range | None = None) -> Iterator[None]:
        """As in Store: an object that says which units, renewed while the block runs.

        Whoever comes puts its lease there first and then looks for others, so of two that come together at most one
        goes on. Ages are compared by the store's clock. A killed run's lease runs out.
        """
        owner = uuid.uuid4().hex
        name = f"{folder}/{_PREFIX}{owner}"
        content = json.dumps(None if units is None else [units.start, units.stop]).encode()
        self.write(name, content)
        done = threading.Event()

        def renew() -> None:
            while not done.wait(LEASE_S / _RENEWALS):
                with contextlib.suppress(PuzzlegenError):  # tried again soon; a lost store stops the work itself
                    self.write(name, content)

        thread = threading.Thread(target=renew, daemon=True)
        try:
            self._refuse_second(folder, name, units)
            thread.start()
            yield
        finally:
            done.set()
            if thread.is_alive():
                thread.join()
            with contextlib.suppress(PuzzlegenError):  # it runs out by itself
                self.remove(name)

    def _refuse_second(self, folder: str, mine: str, units: range | None) -> None:
        now = self._modified(mine)
        assert now is not None
        for other in self.names(folder):
            name = f"{folder}/{other}"
            if not other.startswith(_PREFIX) or name == mine:
                continue
            renewed = self._modified(name)
            if renewed is None:
                continue
            age = (now - renewed).total_seconds()
            if age >= LEASE_S:
                self.remove(name)
            elif _overlap(units, self._units_of(name)):
                hint = f" If it was killed, its lease runs out in {max(1, round(LEASE_S - age))} s."
                raise already_written(self, units, hint)

    def _units_of(self, name: str) -> range | None:
        span = json.loads(self.read(name))
        return None if span is None else range(*span)

    def _modified(self, name: str) -> datetime | None:
        """When the store last wrote it; None if it is gone."""

        def asked() -> Any:
            try:
                return self._files.modified(self._path(name))
            except FileNotFoundError:
                return None

        found: datetime | None = self._ask(name, asked)
        return found


def _overlap(one: range | None, other: range | None) -> bool:
    if one is None or other is None:
        return True
    return one.start < other.stop and other.start < one.stop


def _line(error: BaseException) -> str:
    """The error in one line, with its kind where its words alone say little."""
    words = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, FileNotFoundError):
        return f"there is no such bucket or object ({words})"
    if isinstance(error, PermissionError):
        return f"no permission ({words})"
    return words if " " in words else f"{type(error).__name__}: {words}"

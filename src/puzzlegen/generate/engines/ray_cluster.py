"""Jobs on Ray, here or on a cluster. The only file that imports ray, which is an extra: import it when asked for."""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import ray
from ray.exceptions import OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

import puzzlegen
from puzzlegen.errors import InvalidInput, OutputError
from puzzlegen.generate.engines.calls import ATTEMPTS, lost, pack, perform, unpack

J = TypeVar("J")
R = TypeVar("R")

_IN_FLIGHT_PER_CPU = 2
_OBJECT_STORE = 128 * 2**20  # bytes; jobs and results are small, all else is in files


class RayCluster:
    """Tasks on a Ray: a local one with `num_workers` CPUs, or the one at `address` ("auto", "ray://host:10001").

    On a cluster the dataset's folder must be seen under the same path by every node, and the same version of
    puzzlegen be installed there.

    Raises:
        InvalidInput: no Ray answers at `address`.
        OutputError: a local Ray does not start.
    """

    def __init__(self, address: str | None = None, num_workers: int | None = None) -> None:
        self._started = not ray.is_initialized()
        if self._started:
            _connect(address, num_workers)
        self._perform = ray.remote(num_cpus=1, max_retries=ATTEMPTS - 1)(_perform_at)

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield results as they come; Ray begins the task of a lost worker again.

        Raises:
            OutputError: a task was lost too often, or a node cannot run it.
        """
        queue = (pack(function, job) for job in jobs)
        site = _Site.here()
        window = _IN_FLIGHT_PER_CPU * max(1, int(ray.cluster_resources().get("CPU", 1)))
        running: list[ray.ObjectRef[bytes]] = []
        try:
            while True:
                for call in islice(queue, window - len(running)):
                    running.append(self._perform.remote(site, call))
                if not running:
                    return
                done, running = ray.wait(running)
                yield unpack(ray.get(done[0]))
        except RayError as error:
            raise _explained(error) from error
        finally:
            for task in running:
                ray.cancel(task)
            if running:
                ray.wait(running, num_returns=len(running))  # no job of ours writes any more once the error is out

    def close(self) -> None:
        """Leave the cluster, or end the local Ray; one that this program had before is left alone."""
        if self._started:
            ray.shutdown()


def _connect(address: str | None, num_workers: int | None) -> None:
    """Start a local Ray, or find the one at the address: quiet, without a dashboard and without usage statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    local = {"num_cpus": num_workers, "include_dashboard": False, "object_store_memory": _OBJECT_STORE}
    try:
        host, colon, port = (address or "").removeprefix("ray://").rpartition(":")
        if colon:  # Ray itself would try, and complain, for minutes
            socket.create_connection((host, int(port)), timeout=10).close()
        ray.init(
            address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **({} if address else local)
        )
    except Exception as error:  # of many classes, also Exception itself
        reason = str(error).partition("\n")[0].rstrip(".")
        if address:
            raise InvalidInput(f"No Ray answers at {address}: {reason}. Start one, or leave --address out.") from error
        raise OutputError(f"Ray does not start: {reason}. --engine local does without it.") from error


@dataclass(frozen=True, slots=True)
class _Site:
    """What a job finds around it here and must find wherever it runs, as in a local worker."""

    version: str
    folder: str
    path: tuple[str, ...]
    variables: dict[str, str]

    @classmethod
    def here(cls) -> _Site:
        """That of this process."""
        variables = {name: os.environ[name] for name in _own_variables()}
        return cls(puzzlegen.__version__, str(Path.cwd()), tuple(sys.path), variables)

    def enter(self) -> None:
        """Make this process like it. Raises OutputError if it cannot be."""
        node = socket.gethostname()
        if puzzlegen.__version__ != self.version:
            raise OutputError(
                f"Ray node {node} has puzzlegen {puzzlegen.__version__}, not {self.version}. Install that."
            )
        try:
            os.chdir(self.folder)
        except OSError as error:
            raise OutputError(
                f"Ray node {node} has no {self.folder}: run it in a folder that all nodes share."
            ) from error
        sys.path.extend(entry for entry in self.path if entry not in sys.path)
        for name in _own_variables() - set(self.variables):
            del os.environ[name]
        os.environ.update(self.variables)


def _own_variables() -> set[str]:
    return {name for name in os.environ if name.startswith("PUZZLEGEN_")}


def _perform_at(site: _Site, call: bytes) -> bytes:
    """Worker: run a job as it would run at the site."""
    site.enter()
    return perform(call)


def _explained(error: RayError) -> OutputError:
    """One line for a failure of Ray's own."""
    if isinstance(error, (WorkerCrashedError, OutOfMemoryError)):
        return lost(type(error).__name__)
    if isinstance(error, RayTaskError) and isinstance(error.cause, OutputError):
        return error.cause
    return OutputError(f"Ray could not run a job: {' '.join(str(error).split())}")

"""Where jobs run: in this process, in spawned workers (`local`), or on Ray (`ray_cluster`, loaded only when asked for).

A worker that is killed costs nothing but time: its job is begun again in another. Results come as jobs are completed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from puzzlegen.generate.engines.local import LocalPool

__all__ = ["Engine", "InProcess", "LocalPool"]

J = TypeVar("J")
R = TypeVar("R")


class Engine(Protocol):
    """Runs jobs; jobs, results and the function can be pickled. A job may be begun more than once."""

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield the result of every job, in any order; jobs are taken lazily.

        The first error is raised and stops the rest: no job is running any more once it is out.
        """


class InProcess:
    """One job after the other, here."""

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield the results in order."""
        return map(function, jobs)

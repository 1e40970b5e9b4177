"""Where jobs run: in this process, or in a pool of spawned workers. Results come in the order of completion."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from puzzlegen.errors import OutputError

J = TypeVar("J")
R = TypeVar("R")

_IN_FLIGHT_PER_WORKER = 2


class Engine(Protocol):
    """Runs jobs; jobs, results and the function can be pickled."""

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield the result of every job. The first error is raised and stops the rest."""


class InProcess:
    """One job after the other, here."""

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield the results in order."""
        return map(function, jobs)


class LocalPool:
    """A pool of spawned processes that takes jobs lazily, so that memory does not grow with their number."""

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._pool = ProcessPoolExecutor(
            num_workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin_worker
        )

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield results as they come."""
        queue = iter(jobs)
        running: set[Future[Any]] = set()
        try:
            while True:
                for job in queue:
                    with _interrupts_held():  # this may start a worker
                        running.add(self._pool.submit(function, job))
                    if len(running) >= self._num_workers * _IN_FLIGHT_PER_WORKER:
                        break
                if not running:
                    return
                done, running = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield future.result()
        except BrokenProcessPool as error:
            raise OutputError("A worker process died. What is complete stays; the same command goes on.") from error
        finally:
            for future in running:
                future.cancel()
            wait(running)  # no job of ours writes any more once the error is out

    def close(self) -> None:
        """Stop the workers; jobs not yet begun are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Put Ctrl-C off to the end of the block.

    It reaches every process of the terminal, but workers started in the block have it blocked from their first
    moment on, and this process is not torn away between starting one and telling it what to do. Blocking alone
    would not do here: another thread of ours may still receive the signal.
    """
    late: list[int] = []
    in_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: late.append(number)) if in_main_thread else None
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
        if late:
            signal.raise_signal(signal.SIGINT)


def _begin_worker() -> None:
    """A worker ends when the main process has gone."""
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

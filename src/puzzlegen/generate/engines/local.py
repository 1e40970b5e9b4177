"""A pool of spawned processes that outlives each of them: the job of a killed worker is begun again in another."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from typing import Any, TypeVar

from puzzlegen.errors import OutputError
from puzzlegen.generate.engines.calls import ATTEMPTS, lost, pack, perform, unpack

J = TypeVar("J")
R = TypeVar("R")


@dataclass(slots=True, eq=False)
class _Job:
    call: bytes
    deaths: int = 0


@dataclass(slots=True, eq=False)
class _Worker:
    """A process and our end of the pipe to it. `ready` once it has begun to listen; `job` while it has one."""

    process: SpawnProcess
    pipe: Connection
    ready: bool = False
    job: _Job | None = None

    @property
    def is_idle(self) -> bool:
        return self.ready and self.job is None

    def receive(self) -> bytes | None:
        """What it has sent, or None if it died; only for one whose pipe or sentinel has news."""
        with suppress(EOFError, OSError):
            if self.pipe.poll():
                return self.pipe.recv_bytes()
        return None

    def bury(self) -> str:
        """Make sure that a worker whose pipe is closed is dead. Returns of what it died."""
        self.pipe.close()
        self.process.kill()
        self.process.join()
        code = self.process.exitcode or 0
        self.process.close()
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"


class LocalPool:
    """At most `num_workers` processes, started when there is a job for them. One run at a time.

    The pool holds a job for each worker and one more, however many there are, and asks a process for nothing while it
    has a job: so a death is the death of that job, and of no other.
    """

    def __init__(self, num_workers: int) -> None:
        self._num_workers = num_workers
        self._workers: list[_Worker] = []
        self._failed_starts = 0

    def run(self, function: Callable[[J], R], jobs: Iterable[J]) -> Iterator[R]:
        """Yield results as they come.

        Raises:
            OutputError: a job's workers died too often, or no worker can be started.
        """
        queue = (_Job(pack(function, job)) for job in jobs)
        backlog: deque[_Job] = deque()
        results: list[R] = []
        self._retire([worker for worker in self._workers if worker.job])  # left by a run that was never finished
        try:
            while True:
                wanted = self._num_workers - self._num_busy() + 1  # the next one is at hand when a worker asks for it
                backlog.extend(islice(queue, max(0, wanted - len(backlog))))
                self._hand_out(backlog)
                yield from results
                if not backlog and not self._num_busy():
                    return
                results = self._collect(backlog)
        except BaseException:  # an error, Ctrl-C, or the caller wants no more; a pipe may hold half a message
            self._retire([worker for worker in self._workers if not worker.is_idle])
            raise

    def close(self) -> None:
        """End the workers; one that has a job finishes it."""
        self._retire(self._workers)

    def _num_busy(self) -> int:
        return sum(worker.job is not None for worker in self._workers)

    def _hand_out(self, backlog: deque[_Job]) -> None:
        """Give jobs to the workers that have none, and start workers for those that are left."""
        for worker in [worker for worker in self._workers if worker.is_idle]:
            if not worker.process.is_alive():
                self._workers.remove(worker)
                worker.bury()
            elif backlog:
                worker.job = backlog.popleft()
                with suppress(OSError):  # killed just now: `_collect` sees it
                    worker.pipe.send_bytes(worker.job.call)
        num_starting = sum(not worker.ready for worker in self._workers)
        for _ in range(min(len(backlog) - num_starting, self._num_workers - len(self._workers))):
            self._start()

    def _collect(self, backlog: deque[_Job]) -> list[Any]:
        """Wait for news. Returns results; the jobs of dead workers go back to the head of the backlog."""
        news = set(wait([end for worker in self._workers for end in (worker.pipe, worker.process.sentinel)]))
        results = []
        for worker in list(self._workers):
            if worker.pipe not in news and worker.process.sentinel not in news:
                continue
            answer = worker.receive()
            if answer is None:
                self._workers.remove(worker)
                self._mourn(worker, backlog)
            elif worker.ready:
                worker.job = None
                results.append(unpack(answer))
            else:
                worker.ready, self._failed_starts = True, 0
        return results

    def _mourn(self, worker: _Worker, backlog: deque[_Job]) -> None:
        """Put a dead worker's job back, unless it was begun too often. Raises OutputError."""
        how = worker.bury()
        if worker.job is not None:
            worker.job.deaths += 1
            if worker.job.deaths == ATTEMPTS:
                raise lost(how)
            backlog.appendleft(worker.job)
        elif not worker.ready:
            self._failed_starts += 1
            if self._failed_starts == ATTEMPTS:
                raise OutputError(
                    f"{ATTEMPTS} worker processes died before they could begin ({how}): memory may be short, or the "
                    "reason is printed above. --workers 1 does without them."
                )

    def _start(self) -> None:
        resource_tracker.ensure_running()  # its own start would let interrupts through to a worker
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(theirs,), daemon=True)
        with _interrupts_held():
            process.start()
            theirs.close()  # so that its death closes the pipe
            self._workers.append(_Worker(process, ours))

    def _retire(self, workers: list[_Worker]) -> None:
        """End these workers after their jobs: once this returns, none of them writes any more."""
        leaving = list(workers)
        self._workers = [worker for worker in self._workers if worker not in leaving]
        for worker in leaving:
            worker.pipe.close()  # no more jobs; a result that comes now is lost
            if not worker.ready:
                worker.process.kill()
        for worker in leaving:
            worker.process.join()
            worker.process.close()


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


def _work(pipe: Connection) -> None:
    """Worker: say that it listens, then answer one call after the other until the pool closes the pipe."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send_bytes(b"")
        while True:
            pipe.send_bytes(perform(pipe.recv_bytes()))


def _end_with_parent() -> None:
    """A worker whose parent was killed would finish its job, and stand in the way of the run that goes on."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

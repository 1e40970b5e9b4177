"""The pool of processes: the same results as without it, whoever dies, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pytest

import jobs
from puzzlegen.errors import OutputError
from puzzlegen.generate.engines import InProcess, LocalPool
from puzzlegen.generate.engines.calls import ATTEMPTS
from runs import children, lines, workers

TESTS = Path(__file__).parents[1]


@pytest.fixture
def pool() -> Iterator[LocalPool]:
    pool = LocalPool(2)
    yield pool
    pool.close()
    assert workers(os.getpid()) == []


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def everyone(pool: LocalPool, number: int) -> set[int]:
    """The ids of this many workers: jobs until the slowest has started."""
    seen: set[int] = set()
    while len(seen) < number:
        seen |= set(pool.run(jobs.process_id, range(10)))
    return seen


def test_results_are_those_of_one_process(pool: LocalPool) -> None:
    assert sorted(pool.run(jobs.square, range(3000))) == list(InProcess().run(jobs.square, range(3000)))
    assert len(workers(os.getpid())) <= 2


def test_the_same_processes_serve_run_after_run(pool: LocalPool) -> None:
    assert everyone(pool, 2) == everyone(pool, 2) == set(workers(os.getpid()))


def test_no_process_is_started_without_a_job_for_it() -> None:
    pool = LocalPool(8)
    try:
        assert list(pool.run(jobs.square, [])) == []
        assert workers(os.getpid()) == []
        assert list(pool.run(jobs.square, [3])) == [9]
        assert len(workers(os.getpid())) == 1
    finally:
        pool.close()


def test_jobs_and_results_larger_than_any_pipe(pool: LocalPool) -> None:
    sizes = [5_000_000 + size for size in range(6)]
    assert sorted(map(len, pool.run(jobs.large, sizes))) == sizes
    assert sorted(pool.run(len, [b"x" * size for size in sizes])) == sizes


def test_jobs_are_taken_lazily(pool: LocalPool) -> None:
    taken: list[int] = []

    def many() -> Iterator[int]:
        for number in range(10**6):
            taken.append(number)
            yield number

    run = pool.run(jobs.square, many())
    assert len(list(islice(run, 10))) == 10
    assert len(taken) <= 10 + 2 * 2 + 1
    run.close()  # type: ignore[attr-defined]
    assert len(taken) <= 10 + 2 * 2 + 1


# --- deaths


def test_the_job_of_a_killed_worker_is_begun_again_and_the_rest_is_unharmed(pool: LocalPool, tmp_path: Path) -> None:
    deadly = {3: tmp_path / "three", 4: tmp_path / "four", 59: tmp_path / "last"}
    results = list(pool.run(jobs.killed_once, [(number, deadly.get(number)) for number in range(60)]))
    assert Counter(results) == Counter(range(60))
    assert all(marker.exists() for marker in deadly.values())


def test_a_job_that_always_kills_is_an_error_of_one_line(pool: LocalPool, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"begun 3 times .* \(SIGKILL\): memory may be short") as caught:
        list(pool.run(jobs.killed_always, [tmp_path / "marker"]))
    assert len(lines(str(caught.value))) == 1
    assert len(lines((tmp_path / "marker").read_text())) == ATTEMPTS == 3
    assert list(pool.run(jobs.square, [3])) == [9]


def test_a_job_that_leaves_is_a_death_too(pool: LocalPool) -> None:
    with pytest.raises(OutputError, match="exit code 7"):
        list(pool.run(jobs.leaves, [0]))


def test_workers_killed_while_they_wait_are_replaced() -> None:
    pool = LocalPool(4)
    try:
        for _ in range(3):
            before = everyone(pool, 4)
            assert len(before) == 4 > ATTEMPTS
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            assert not before & everyone(pool, 4)
    finally:
        pool.close()


def test_a_worker_killed_at_its_job_is_replaced(pool: LocalPool, tmp_path: Path) -> None:
    path = tmp_path / "job"

    def kill() -> None:
        wait_until(lambda: path.exists() and path.read_text())
        os.kill(int(path.read_text()), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    assert list(pool.run(jobs.waits, [(path, 0.5)])) == [path]
    killer.join()
    assert path.with_suffix(".done").exists()


def test_a_worker_killed_while_it_sends_is_replaced(pool: LocalPool) -> None:
    run = pool.run(jobs.large, [10, *[5_000_000 + number for number in range(4)]])
    sizes = [len(next(run))]
    time.sleep(0.5)  # nobody reads: they are in the midst of it
    for pid in workers(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    assert sorted([*sizes, *map(len, run)]) == [10, *[5_000_000 + number for number in range(4)]]


def test_workers_that_cannot_start_are_an_error_of_one_line(tmp_path: Path) -> None:
    done = scripted(
        tmp_path, "if __name__ == '__mp_main__': os._exit(3)", "print(list(pool.run(jobs.square, range(9))))"
    )
    assert done.stdout == ""
    assert lines(done.stderr)[-1].startswith("puzzlegen.errors.OutputError: 3 worker processes died before they could")
    assert "exit code 3" in lines(done.stderr)[-1]


# --- errors


@pytest.mark.parametrize(("kind", "error", "text"), jobs.FAILURES)
def test_an_error_comes_as_it_was_raised(pool: LocalPool, kind: str, error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        list(pool.run(jobs.fails, [kind]))
    assert (type(caught.value), str(caught.value)) == (error, text)
    notes = "".join(getattr(caught.value, "__notes__", []))
    assert ("in fails" in notes) == (kind == "bug")  # where it happened, for those who look for bugs


def test_what_cannot_be_sent_is_an_error(pool: LocalPool) -> None:
    with pytest.raises(AttributeError, match="pickle local object"):
        list(pool.run(jobs.unpicklable_result, [0]))
    with pytest.raises(AttributeError, match="pickle local object"):
        list(pool.run(jobs.square, [lambda: 0]))  # type: ignore[list-item]
    assert list(pool.run(jobs.square, [3])) == [9]


def test_the_first_error_stops_the_rest(pool: LocalPool) -> None:
    taken = []

    def numbers() -> Iterator[int]:
        for number in range(10**6):
            taken.append(number)
            yield number

    with pytest.raises(OutputError, match="Seven"):
        list(pool.run(jobs.fails_at_seven, numbers()))
    assert len(taken) < 10**4  # the other worker may be far ahead of the one that has number seven


def test_no_job_is_running_once_an_error_is_out(pool: LocalPool, tmp_path: Path) -> None:
    everyone(pool, 2)
    path = tmp_path / "job"
    with pytest.raises(FileNotFoundError):
        list(pool.run(jobs.waits, [(path, 0.7), (tmp_path / "no" / "folder", 0)]))
    assert path.with_suffix(".done").exists()


def test_a_run_that_was_given_up_does_not_disturb_the_next(pool: LocalPool) -> None:
    abandoned = pool.run(jobs.square, range(100))
    next(abandoned)
    assert sorted(pool.run(jobs.square, range(50))) == [number**2 for number in range(50)]
    del abandoned
    assert sorted(pool.run(jobs.square, range(50))) == [number**2 for number in range(50)]


# --- what is left behind


def scripted(folder: Path, head: str, body: str) -> subprocess.CompletedProcess[str]:
    process = started(folder, head, body)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def started(folder: Path, head: str, body: str) -> subprocess.Popen[str]:
    """A program with a pool of two, in a process group of its own."""
    script = folder / "program.py"
    script.write_text(
        f"import os, sys, time\n{head}\nsys.path.insert(0, {str(TESTS)!r})\nfrom pathlib import Path\nimport jobs\n"
        "from puzzlegen.generate.engines import LocalPool\nif __name__ == '__main__':\n    pool = LocalPool(2)\n    "
        + body.replace("\n", "\n    ")
    )
    return subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip


TWO_LONG_JOBS = "list(pool.run(jobs.waits, [(Path({0!r}), {2}), (Path({1!r}), {2})]))"


@pytest.mark.parametrize("busy", [True, False])
def test_workers_end_with_a_killed_parent(busy: bool, tmp_path: Path) -> None:
    paths = tmp_path / "one", tmp_path / "two"
    body = TWO_LONG_JOBS.format(*map(str, paths), 60 if busy else 1)
    process = started(tmp_path, "", body if busy else body + "\nprint('idle', flush=True); time.sleep(60)")
    wait_until(lambda: all(path.exists() for path in paths))
    if not busy:
        assert process.stdout is not None
        assert process.stdout.readline() == "idle\n"
    family = [*children(process.pid)]
    assert len(workers(process.pid)) == 2
    process.kill()
    process.communicate()
    wait_until(lambda: all(map(gone, family)))


def test_ctrl_c_lets_jobs_finish_and_leaves_nothing(tmp_path: Path) -> None:
    paths = tmp_path / "one", tmp_path / "two"
    body = (
        f"try:\n    {TWO_LONG_JOBS.format(*map(str, paths), 1)}\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    process = started(tmp_path, "", body + "pool.close()")
    wait_until(lambda: all(path.exists() for path in paths))
    family = [*children(process.pid)]
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, "interrupted\n", "")
    assert all(path.with_suffix(".done").exists() for path in paths)
    wait_until(lambda: all(map(gone, family)))


def test_a_second_ctrl_c_does_not_wait_for_the_jobs(tmp_path: Path) -> None:
    paths = tmp_path / "one", tmp_path / "two"
    process = started(tmp_path, "", TWO_LONG_JOBS.format(*map(str, paths), 60))
    wait_until(lambda: all(path.exists() for path in paths))
    family = [*children(process.pid)]
    while process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.2)
    process.communicate()
    wait_until(lambda: all(map(gone, family)))


def test_a_pool_that_is_never_closed_does_not_keep_the_program_from_ending(tmp_path: Path) -> None:
    done = scripted(tmp_path, "", "print(sum(pool.run(jobs.square, range(9))))")
    assert (done.returncode, done.stdout, done.stderr) == (0, "204\n", "")

"""What workers bring and what memory they take: the same dataset made with 1 and with 2, by the command line.

    python benchmarks/workers.py [--num 300] [--workers 1 2] [--format square256]
    python benchmarks/workers.py --num 350 7000 --workers 2     # memory must not grow with the number of clips

"x" is how many times faster than the first line of the same size; "peak" is the most that any of the processes held.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time

TARGETS = ("maze", "sokoban", "flowfree")


def measure(num: int, workers: int, clip: str) -> None:
    """Print wall seconds and the largest process of one run, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--num", num, "--format", clip, "--workers", workers, "--out", f"{folder}/d"]
        words = [sys.executable, "-m", "puzzlegen", "generate", *TARGETS, *map(str, options)]
        began = time.perf_counter()
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        spent = time.perf_counter() - began
    print(spent, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, nargs="+", default=[300], help="clips of each of three tasks")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--format", default="square256")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        measure(options.num[0], options.workers[0], options.format)
        return
    print(f"{'clips':>7} {'workers':>8} {'seconds':>8} {'clips/s':>8} {'x':>5} {'peak MB':>8}")
    for num in options.num:
        first = 0.0
        for workers in options.workers:
            words = ["--num", num, "--workers", workers, "--format", options.format, "--alone"]
            done = subprocess.run(
                [sys.executable, __file__, *map(str, words)], check=True, capture_output=True, text=True
            )
            seconds, peak = map(float, done.stdout.split())
            first, clips = first or seconds, num * len(TARGETS)
            print(f"{clips:7,} {workers:8} {seconds:8.1f} {clips / seconds:8.1f} {first / seconds:5.2f} {peak:8.0f}",
                  flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

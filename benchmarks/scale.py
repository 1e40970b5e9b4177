"""Drafts, duplicates and splits of many puzzles without a pixel: speed, memory by process, independence of workers.

    python benchmarks/scale.py --num 100000                    # mazes, once with 1 worker and once with 2
    python benchmarks/scale.py maze:tiny --num 300000          # a level with many duplicates

Memory is the most that a process has held (resource.getrusage); "largest worker" is that of all of them.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from puzzlegen.cli.engines import open_engine
from puzzlegen.generate import drafts, run
from puzzlegen.generate.api import request_for


def measure(targets: list[str], num: int, seed: int, workers: int, folder: Path) -> str:
    """Decide everything about `num` puzzles of each target in a fresh folder. Returns a digest of all decisions."""
    request = request_for(targets, num=num, seed=seed, clip="wan480")
    started = time.perf_counter()
    with open_engine(workers) as engine:
        site, moved, counts = run.draft_only(request, folder, engine, lambda *_: None)
    wall = time.perf_counter() - started
    everything = hashlib.sha256()
    for unit in site.units:
        everything.update(drafts.read_keys(site, unit, moved).tobytes())
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    spent = sum(each.ru_utime + each.ru_stime for each in (own, children))
    splits = ", ".join(f"{name} {rows:,}" for name, rows in zip(site.splits, counts.sum(axis=0).tolist(), strict=True))
    print(f"{workers} workers: {request.size:,} puzzles in {len(site.units):,} units, {wall:.0f} s, {spent:.0f} CPU-s, "
          f"{request.size / spent:.0f} puzzles/CPU-s")  # fmt: skip
    print(f"  redrawn {len(moved):,} ({moved['vain'].sum():,} draws); {splits}")
    print(f"  peak memory: main {own.ru_maxrss / 1024:.0f} MB, largest worker {children.ru_maxrss / 1024:.0f} MB")
    return everything.hexdigest()[:16]


def main() -> None:
    """Measure every number of workers in a process of its own, so that peaks are its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=["maze:easy"], metavar="RECIPE:LEVEL")
    parser.add_argument("--num", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--alone", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.alone:
        print(measure(asked.targets, asked.num, asked.seed, asked.workers[0], asked.alone))
        return
    found = []
    for workers in asked.workers:
        with tempfile.TemporaryDirectory() as folder:
            words = [*asked.targets, "--num", str(asked.num), "--seed", str(asked.seed), "--workers", str(workers)]
            done = subprocess.run([sys.executable, __file__, *words, "--alone", folder], stdout=subprocess.PIPE,
                                  text=True, check=True)  # fmt: skip
            *lines, digest = done.stdout.splitlines()
            print("\n".join(lines), flush=True)
            found.append(digest)
    print(f"all decisions are equal: {len(set(found)) == 1} ({', '.join(found)})")


if __name__ == "__main__":
    main()

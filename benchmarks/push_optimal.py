"""Sokoban levels of Boxoban's size (10x10, 4 boxes) solved with the fewest pushes, per CPU second, by both engines.

    python benchmarks/push_optimal.py [--num 2000]

The levels are drawn by the generator, a third each with 20, 25 and 30 of 100 inner cells walls. Both engines must give
the same number of pushes; the plain one solves every tenth level.
"""

from __future__ import annotations

import argparse
import time

from puzzlegen import registry
from puzzlegen.errors import Rejected
from puzzlegen.seeding import Rng
from puzzlegen.task import Task


def levels(task: Task, walls: int, num: int) -> list:
    """Starts that need 5 to 60 pushes."""
    params = task.Params(size=10, boxes=4, walls=walls, pushes=(5, 60), moves=(5, 400))
    found, attempt = [], 0
    while len(found) < num:
        attempt += 1
        try:
            found.append(task.generate(params, Rng("push-optimal", walls, attempt)))
        except Rejected:
            continue
    return found


def solved(task: Task, starts: list) -> tuple[list, float]:
    """(fewest pushes of each, levels per CPU second)."""
    began = time.process_time()
    found = [task.distance(start) for start in starts]
    return found, len(starts) / (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--num", type=int, default=2000, help="levels of each number of walls")
    options = parser.parse_args()
    plain, compiled = (registry.load("sokoban", compiled=kernels).task for kernels in (False, True))
    print(f"{'walls':>5} {'pushes':>12} {'plain':>9} {'compiled':>9}  levels per CPU second")
    for walls in (20, 25, 30):
        starts = levels(compiled, walls, options.num)
        pushes, fast = solved(compiled, starts)
        same, slow = solved(plain, starts[::10])
        assert same == pushes[::10], "the engines differ"
        print(f"{walls:5} {sum(pushes) / len(pushes):7.1f} mean {slow:9,.0f} {fast:9,.0f}", flush=True)


if __name__ == "__main__":
    main()

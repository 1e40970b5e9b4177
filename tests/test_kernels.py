"""Compiled kernels: what is kept on disk is never older than any source that it was made of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from puzzlegen.kernels import below
from puzzlegen.seeding import Rng

OUTER = """
from puzzlegen.kernels import kernel
from package.inner import STEP, inner

@kernel
def outer(number: int) -> int:
    return inner(number) + STEP
"""
INNER = """
from puzzlegen.kernels import kernel

STEP = {step}

@kernel
def inner(number: int) -> int:
    return {factor} * number
"""
RUN = "from package.outer import outer; print(outer(10), sum(outer.stats.cache_hits.values()))"


def outcome(folder: Path, *, step: int, factor: int) -> tuple[int, int]:
    """(outer(10), how often it was found on disk) in a new process."""
    (folder / "package" / "inner.py").write_text(INNER.format(step=step, factor=factor))
    path = os.pathsep.join([str(folder), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("NUMBA_CACHE_DIR", None)
    done = subprocess.run([sys.executable, "-c", RUN], env=environment, capture_output=True, text=True, check=True)
    result, hits = map(int, done.stdout.split())
    return result, hits


def test_a_kernel_is_compiled_anew_when_a_kernel_or_constant_of_another_file_changes(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "outer.py").write_text(OUTER)
    assert outcome(tmp_path, step=1, factor=2) == (21, 0)
    assert outcome(tmp_path, step=1, factor=2) == (21, 1)
    assert outcome(tmp_path, step=1, factor=3) == (31, 0)
    assert outcome(tmp_path, step=7, factor=3) == (37, 0)


def test_kernels_continue_the_stream() -> None:
    rng = Rng("stream")
    word = np.array([rng.state], np.uint64)
    for bound in (1, 2, 3, 100, 2**31 - 1):
        for _ in range(50):
            assert below(word, bound) == rng.below(bound)
            assert int(word[0]) == rng.state

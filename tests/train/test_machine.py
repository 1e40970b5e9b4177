"""What is around a training loop: processes that begin and end together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs puzzlegen[train]")

LEAVES = """
import atexit
import torch.distributed as dist
atexit.register(lambda: print("listening" if dist.is_initialized() else "left", flush=True))  # asked last of all

from puzzlegen.train.machine import open_machine
from puzzlegen.train.runs import Machine
open_machine(Machine(device="cpu"))
assert dist.is_initialized()
"""


def test_a_process_leaves_its_group_before_it_ends(tmp_path: Path) -> None:
    """With gloo's threads still running, under load, most of such processes end with SIGABRT."""
    script = tmp_path / "leaves.py"
    script.write_text(LEAVES)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["left", "left"]

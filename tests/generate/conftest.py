"""Datasets that several tests look at, and the ways to run the command line as a user does."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runs import puzzlegen

MAZE_LOOK = """
[prompts]
train = ["The {agent} walks to the {goal}."]
[looks.paper]
page = ["ivory"]
[looks.paper.marks]
floor = { shape = ["room"], color = ["white"], accent = ["slate", "navy"] }
agent = { shape = ["disc"], color = ["blue", "teal"] }
goal = { shape = ["target"], color = ["red"] }
"""


def _made(factory: pytest.TempPathFactory, name: str, *arguments: object) -> Path:
    """A dataset made once, also when pytest-xdist runs several sessions side by side."""
    root = factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / name / "manifest.json").exists():
            done = puzzlegen("generate", *arguments, "--out", root / name)
            assert done.returncode == 0, done.stderr
    return root / name


THREE_HUNDRED = ("maze", "flowfree", "sokoban", "--num", 100, "--format", "256x256x49")


@pytest.fixture(scope="session")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _made(tmp_path_factory, "one", *THREE_HUNDRED, "--workers", 1, "--shard-rows", 1000)


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _made(tmp_path_factory, "two", *THREE_HUNDRED, "--workers", 2, "--shard-rows", 37)


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each task, in one shard or two."""
    levels = ("maze:tiny", "flowfree:tiny", "sokoban:tiny")
    return _made(tmp_path_factory, "small", *levels, "--num", 2, "--format", "128x128x33")


@pytest.fixture(scope="session")
def read() -> Callable[[Path], pa.Table]:
    """All rows of a dataset, by id."""

    def rows(folder: Path) -> pa.Table:
        tables = [pq.read_table(path) for path in sorted((folder / "data").glob("*.parquet"))]
        return pa.concat_tables(tables).sort_by("id").combine_chunks()

    return rows


@pytest.fixture
def write_recipe(tmp_path: Path) -> Iterator[Callable[[str, str], Path]]:
    """Write a maze recipe file with these [levels] lines."""

    def write(name: str, levels: str) -> Path:
        path = tmp_path / f"{name}.toml"
        path.write_text(f'rules = "puzzlegen.tasks.maze:Maze"\nversion = 1\n[levels]\n{levels}\n{MAZE_LOOK}')
        return path

    yield write

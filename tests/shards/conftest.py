"""One small dataset of all tasks, made once for all tests of shards."""

from __future__ import annotations

from pathlib import Path

import pytest

from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.run import generate
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import FORMATS
from samples import TASKS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 tiny clips a task in shards of 50 rows, so that shards end in a short row group."""
    out = tmp_path_factory.mktemp("data") / "all"
    streams = tuple(Stream(recipe=task, level="tiny", seed=4, clip=FORMATS["tiny"]) for task in TASKS)
    generate(Request(streams=streams, num=40, shard_rows=50), out, InProcess(), lambda stage, done, total: None)
    return out


@pytest.fixture(scope="session")
def shards(folder: Path) -> list[Path]:
    return sorted((folder / "data").glob("*.parquet"))

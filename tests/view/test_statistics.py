"""Numbers of a dataset against counts by hand, and the picture of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.view.statistics import draw_statistics, statistics
from runs import called


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("statistics") / "data"
    targets = ("maze:tiny", "maze:easy", "sokoban:tiny")
    done = called("generate", *targets, "--num", 30, "--seed", 3, "--format", "tiny", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


class Changed:
    """A dataset whose table is another one."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def table(self, *names: str) -> pa.Table:
        return self._table.select(names)


def test_levels_are_counted(folder: Path) -> None:
    dataset = ShardDataset(folder)
    found, rows = statistics(dataset), list(dataset)
    assert found["rows"] == 90 and list(found["levels"]) == ["maze:easy", "maze:tiny", "sokoban:tiny"]
    for name, level in found["levels"].items():
        own = [row for row in rows if f"{row['task']}:{row['level']}" == name]
        lengths = [row["num_actions"] for row in own]
        assert level["rows"] == len(own) == 30 and level["optimal"] == sum(row["optimal"] for row in own)
        assert level["num_actions"] == {"min": min(lengths), "mean": round(sum(lengths) / 30, 3), "max": max(lengths)}
        assert level["distinct_puzzles"] == len({row["digest"] for row in own}) == 30
        assert sum(level["looks"].values()) == 30
        measures = [json.loads(row["measures"]) for row in own]
        assert level["measures"].keys() == measures[0].keys()
        for measure, spread in level["measures"].items():
            assert spread["max"] == max(one[measure] for one in measures)
    assert found["splits"] == {name: len(ShardDataset(folder, split=name)) for name in found["splits"]}
    assert found["shared"] == {"puzzles": 0, "boards": 0}


def test_what_splits_share_is_found(folder: Path) -> None:
    dataset = ShardDataset(folder)
    columns = (
        "task",
        "level",
        "num_actions",
        "digest",
        "structure_digest",
        "optimal",
        "unique",
        "measures",
        "look_name",
        "look",
    )
    table = dataset.table(*columns, "split")
    first = table.slice(0, 3).set_column(len(columns), "split", pa.array(["other"] * 3))
    leaky: Any = Changed(pa.concat_tables([table, first]))
    assert statistics(leaky)["shared"] == {"puzzles": 3, "boards": len(set(table["structure_digest"].to_pylist()[:3]))}


def test_the_picture_has_a_panel_for_each_measure(folder: Path, tmp_path: Path) -> None:
    draw_statistics(ShardDataset(folder), tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as picture:
        assert picture.width > 1200 and picture.height > 900
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        draw_statistics(ShardDataset(folder), tmp_path / "s.pdf")


def test_the_command_prints_a_table(folder: Path, tmp_path: Path) -> None:
    done = called("stats", folder, "--out", tmp_path / "s.png")
    assert done.returncode == 0 and (tmp_path / "s.png").exists()
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines[1:4]] == [
        [name, "30"] for name in ("maze:easy", "maze:tiny", "sokoban:tiny")
    ]
    assert "in more than one: 0 puzzles, 0 boards" in done.stdout
    found = json.loads(called("stats", folder, "--json", "--task", "maze").stdout)
    assert found["rows"] == 60

"""The card and the Croissant metadata of a dataset, as their own libraries read them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from huggingface_hub import DatasetCard

from puzzlegen.cli import commands as cli
from puzzlegen.shards.card import card, commands, croissant
from puzzlegen.shards.manifest import read_manifest
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.schema import COLUMNS


@pytest.fixture(scope="module")
def manifest(folder: Path) -> dict[str, Any]:
    return read_manifest(folder)


def test_both_are_written_with_the_dataset(folder: Path, manifest: dict[str, Any]) -> None:
    assert (folder / "README.md").read_text() == card(manifest)
    assert (folder / "croissant.json").read_text() == croissant(manifest)


def test_the_hub_reads_the_card(folder: Path, manifest: dict[str, Any]) -> None:
    found = DatasetCard.load(folder / "README.md")
    data = found.data.to_dict()
    assert (data["license"], data["size_categories"]) == ("cc0-1.0", ["n<1K"])
    assert data["pretty_name"] == "puzzlegen: flowfree, maze, sokoban"
    files = {one["split"]: one["path"] for one in data["configs"][0]["data_files"]}
    assert files == {name: f"data/{name}-*.parquet" for name in manifest["splits"]}
    assert all(f"| `{name}` |" in found.text for name in COLUMNS)


def test_datasets_loads_the_folder_by_its_card(folder: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    found = load_dataset(str(folder), cache_dir=str(tmp_path))
    assert {name: part.num_rows for name, part in found.items()} == {
        name: len(ShardDataset(folder, split=name)) for name in found
    }


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated", "ignore:The inplace keyword")  # its libraries
def test_croissant_gives_the_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlcroissant

    monkeypatch.chdir(folder)
    found = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not found.metadata.ctx.issues.errors
    rows = {row["clips/id"].decode(): row for row in found.records("clips")}
    assert sorted(rows) == sorted(ShardDataset(folder).column("id"))


def test_the_command_of_a_card_makes_the_same_dataset(manifest: dict[str, Any], tmp_path: Path) -> None:
    (command,) = commands(manifest["request"])
    words = shlex.split(command.replace("\\\n", " ").replace("DIR", str(tmp_path / "again")))
    done = CliRunner().invoke(cli, words[1:])
    assert done.exit_code == 0, done.output
    assert read_manifest(tmp_path / "again")["shards"] == manifest["shards"]

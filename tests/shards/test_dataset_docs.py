"""docs/dataset.md names every column, in order, as the schema and the card do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow.parquet as pq

from puzzlegen.shards.card import card
from puzzlegen.shards.manifest import MANIFEST
from puzzlegen.shards.schema import COLUMNS

DOCS = (Path(__file__).parents[2] / "docs" / "dataset.md").read_text()


def test_the_page_says_of_each_column_what_the_card_says(folder: Path) -> None:
    lines = [line for line in DOCS.splitlines() if re.match(r"\| `\w+` \|", line)]
    assert [line.split("`")[1] for line in lines] == list(COLUMNS)
    made = card(json.loads((folder / MANIFEST).read_text()))
    assert all(line in made for line in lines)


def test_the_page_names_the_files_that_are_there(folder: Path) -> None:
    named = re.findall(r"^  (\S+?)(?:/\S+)?\s+", DOCS.split("```")[1], re.MULTILINE)
    assert sorted(named) == sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_shards_are_as_the_page_says(shards: list[Path]) -> None:
    for shard in shards:
        footer = pq.read_metadata(shard)
        assert max(footer.row_group(group).num_rows for group in range(footer.num_row_groups)) == min(
            32, footer.num_rows
        )
        for number in range(footer.num_columns):
            chunk = footer.row_group(0).column(number)
            plain = chunk.path_in_schema.endswith(".bytes")
            assert chunk.compression == ("UNCOMPRESSED" if plain else "ZSTD")

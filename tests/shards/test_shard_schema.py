"""Shards as other programs see them: columns, encodings, statistics, and what Hugging Face datasets makes of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from puzzlegen.render import video
from puzzlegen.shards.schema import MEDIA_COLUMNS, ROW_GROUP, SCALAR_COLUMNS, schema

EXPECTED = {
    "id": "string", "task": "string", "level": "string", "split": "string", "prompt": "string",
    "video": "struct<bytes: binary, path: string>", "first_frame": "struct<bytes: binary, path: string>",
    "final_frame": "struct<bytes: binary, path: string>", "width": "int32", "height": "int32", "num_frames": "int32",
    "fps": "int32", "puzzle": "string", "actions": "list<element: string>", "action_line": "string",
    "states": "list<element: string>", "keyframes": "list<element: int32>", "action_frames": "list<element: int32>",
    "num_actions": "int32", "optimal": "bool", "unique": "bool", "measures": "string", "digest": "string",
    "structure_digest": "string", "look_name": "string", "look": "string", "task_version": "int32",
    "recipe_version": "int32", "generator_version": "string", "seed": "int64", "index": "int64", "attempt": "int32",
}  # fmt: skip


def leaves(shard: Path) -> list[Any]:
    """Metadata of every column chunk of every row group."""
    footer = pq.read_metadata(shard)
    return [
        footer.row_group(group).column(number)
        for group in range(footer.num_row_groups)
        for number in range(footer.num_columns)
    ]


def test_columns_are_the_documented_ones(shards: list[Path]) -> None:
    for shard in shards:
        found = {field.name: str(field.type).replace("item:", "element:") for field in pq.read_schema(shard)}
        assert found == EXPECTED
    assert set(SCALAR_COLUMNS) == {name for name, kind in EXPECTED.items() if "<" not in kind}
    assert MEDIA_COLUMNS == ("video", "first_frame", "final_frame")


def test_media_bytes_are_stored_plain(shards: list[Path]) -> None:
    """The mp4 must lie in the file as it is."""
    for shard in shards:
        for column in leaves(shard):
            if column.path_in_schema in ("video.bytes", "first_frame.bytes", "final_frame.bytes"):
                assert column.compression == "UNCOMPRESSED"
                assert set(column.encodings) <= {"PLAIN", "RLE"}
                assert not column.has_dictionary_page
            else:
                assert column.compression == "ZSTD", column.path_in_schema
        content = shard.read_bytes()
        for row in pq.read_table(shard).to_pylist():
            assert row["video"]["bytes"] in content
            assert row["first_frame"]["bytes"] in content


def test_row_groups_are_small_and_full(shards: list[Path]) -> None:
    assert len(shards) > 2
    rows = 0
    for shard in shards:
        footer = pq.read_metadata(shard)
        sizes = [footer.row_group(group).num_rows for group in range(footer.num_row_groups)]
        assert all(size == ROW_GROUP for size in sizes[:-1])
        assert 1 <= sizes[-1] <= ROW_GROUP
        assert footer.num_rows <= 50
        rows += footer.num_rows
    assert rows == 120
    assert 32 <= ROW_GROUP <= 64


def test_scalars_have_statistics_and_all_columns_a_page_index(shards: list[Path]) -> None:
    for shard in shards:
        for column in leaves(shard):
            assert column.has_offset_index, column.path_in_schema
            if column.path_in_schema in SCALAR_COLUMNS:
                assert column.statistics is not None, column.path_in_schema
                assert column.statistics.has_min_max or column.statistics.null_count == column.num_values, (
                    column.path_in_schema
                )
            if column.path_in_schema == "video.bytes":
                assert not column.is_stats_set, "statistics would repeat whole videos in the footer"


def test_filters_push_down(shards: list[Path]) -> None:
    table = pq.read_table(
        shards, filters=[("task", "=", "maze"), ("num_actions", ">", 5)], columns=["task", "num_actions"]
    )
    everything = [row for shard in shards for row in pq.read_table(shard, columns=["task", "num_actions"]).to_pylist()]
    assert len(table) == sum(row["task"] == "maze" and row["num_actions"] > 5 for row in everything) > 0


def test_rows_are_consistent(shards: list[Path]) -> None:
    for shard in shards:
        for row in pq.read_table(shard).to_pylist():
            assert row["action_frames"] == row["keyframes"][1:]
            assert row["keyframes"][0] == 0
            assert len(row["states"]) == len(row["keyframes"]) == row["num_actions"] + 1 == len(row["actions"]) + 1
            assert row["keyframes"] == sorted(set(row["keyframes"]))
            assert row["split"] in shard.name
            assert row["video"]["path"] == f"{row['id']}.mp4"
            frames, fps = video.decode(row["video"]["bytes"])
            assert (fps, *frames.shape) == (row["fps"], row["num_frames"], row["height"] * 3 // 2, row["width"])
            for column, frame in (("first_frame", frames[0]), ("final_frame", frames[-1])):
                picture = np.asarray(Image.open(io.BytesIO(row[column]["bytes"])))
                assert np.array_equal(picture, video.canvas_to_rgb(frame))


def test_extra_metadata_stays_beside_the_features() -> None:
    found = schema({"puzzlegen.request": "{}"}).metadata
    assert found[b"puzzlegen.request"] == b"{}"
    features = json.loads(found[b"huggingface"])["info"]["features"]
    assert list(features) == list(EXPECTED)
    assert features["video"] == {"_type": "Video"}
    assert features["first_frame"] == {"_type": "Image"}


def test_the_same_rows_give_the_same_bytes(shards: list[Path], tmp_path: Path) -> None:
    from puzzlegen.shards.writer import ShardWriter

    rows = pq.read_table(shards[0]).slice(0, 5).to_pylist()
    for name in ("one", "other"):
        with ShardWriter(tmp_path / name) as writer:
            writer.write(rows)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


@pytest.mark.filterwarnings("ignore")
def test_hugging_face_decodes_without_being_told(
    shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`load_dataset("parquet", data_files=...)` alone gives Video and Image columns."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    files = {split: [str(shard) for shard in shards if shard.name.startswith(split)] for split in ("test", "train")}
    files = {split: own for split, own in files.items() if own}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    train = loaded["train"]
    assert isinstance(train.features["video"], datasets.Video)
    assert isinstance(train.features["first_frame"], datasets.Image)
    assert isinstance(train.features["final_frame"], datasets.Image)
    assert train.features["keyframes"] == datasets.List(datasets.Value("int32"))
    assert train.features["prompt"] == datasets.Value("string")
    mine = {row["id"]: row for shard in shards for row in pq.read_table(shard).to_pylist()}
    assert sum(map(len, loaded.values())) == len(mine)
    raw = train.cast_column("video", datasets.Video(decode=False))
    for row in raw.select([0, 7, len(raw) - 1]):
        own = mine[row["id"]]
        assert isinstance(row["first_frame"], Image.Image)
        assert row["first_frame"].size == (own["width"], own["height"])
        assert np.array_equal(np.asarray(row["first_frame"]), video.decode_rgb(own["video"]["bytes"])[0])
        assert np.array_equal(np.asarray(row["final_frame"]), video.decode_rgb(own["video"]["bytes"])[-1])
        assert row["video"]["bytes"] == own["video"]["bytes"]
        plain = {name: value for name, value in own.items() if name not in MEDIA_COLUMNS}
        assert {name: row[name] for name in plain} == plain
    streamed = datasets.load_dataset("parquet", data_files=files, split="train", streaming=True)
    first = next(iter(streamed.cast_column("video", datasets.Video(decode=False))))
    assert first["video"]["bytes"] == mine[first["id"]]["video"]["bytes"]


@pytest.mark.filterwarnings("ignore")
def test_torchcodec_shows_the_same_pixels(shards: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself, and as `datasets` decodes with it: other FFmpeg, other code, the same frames."""
    try:
        from torchcodec.decoders import VideoDecoder
    except (ImportError, RuntimeError):  # it loads libraries of the system when imported
        pytest.skip("torchcodec needs the shared libraries of FFmpeg: apt-get install ffmpeg")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    files = [str(shard) for shard in shards]
    loaded = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    for row in loaded.select([0, 50, len(loaded) - 1]):
        data = next(own["video"]["bytes"] for shard in shards for own in pq.read_table(shard).to_pylist()
                    if own["id"] == row["id"])  # fmt: skip
        for decoder in (row["video"], VideoDecoder(data)):
            assert decoder.metadata.num_frames == row["num_frames"] and decoder.metadata.average_fps == row["fps"]
            frames = decoder[0 : row["num_frames"]].permute(0, 2, 3, 1).numpy()
            assert np.array_equal(frames, video.decode_rgb(data))


def test_schema_survives_arrow_tools(shards: list[Path]) -> None:
    """Nothing but a change of columns may drop the features."""
    table = pa.concat_tables([pq.read_table(shard) for shard in shards])
    assert b"huggingface" in table.schema.metadata
    assert table.schema.remove_metadata() == schema().remove_metadata()


def test_data_frames_and_sql_read_columns_and_bytes(shards: list[Path]) -> None:
    """polars, pandas and duckdb, each by its own reader."""
    import duckdb
    import pandas
    import polars

    files, rows = [*map(str, shards)], [row for shard in shards for row in pq.read_table(shard).to_pylist()]
    scalars = ["id", "num_actions", "optimal", "unique", "seed"]
    expected = sorted(({name: row[name] for name in scalars} for row in rows), key=lambda row: row["id"])
    frame = polars.read_parquet(files, columns=scalars).sort("id")
    assert frame.to_dicts() == expected
    assert frame.dtypes == [polars.String, polars.Int32, polars.Boolean, polars.Boolean, polars.Int64]
    short = polars.scan_parquet(files).filter(polars.col("num_actions") <= 4)
    videos = short.select("id", polars.col("video").struct.field("bytes")).collect()
    assert dict(videos.iter_rows()) == {row["id"]: row["video"]["bytes"] for row in rows if row["num_actions"] <= 4}
    table = pandas.concat(pandas.read_parquet(path, columns=scalars) for path in files).sort_values("id")
    assert table["num_actions"].tolist() == [row["num_actions"] for row in expected]
    with duckdb.connect() as database:
        shards_read = f"from read_parquet({files})"
        found = database.sql(f"select task, count(*), max(num_actions) {shards_read} group by task").fetchall()
        named = database.sql(f"select video.bytes {shards_read} where id = '{rows[0]['id']}'").fetchall()
    for task, count, most in found:
        own = [row["num_actions"] for row in rows if row["task"] == task]
        assert (count, most) == (len(own), max(own)) == (40, max(own))
    assert len(found) == 3 and named == [(rows[0]["video"]["bytes"],)]

"""Reading: random access, filters, epochs, drawing again, damage."""

from __future__ import annotations

import base64
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen import registry
from puzzlegen.errors import CorruptData, InvalidInput, OutputError, UnknownName
from puzzlegen.generate import sample
from puzzlegen.render import video
from puzzlegen.shards.manifest import sha256_of
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row


@pytest.fixture(scope="module")
def dataset(folder: Path) -> ShardDataset:
    return ShardDataset(folder)


@pytest.fixture(scope="module")
def plain(folder: Path) -> list[dict[str, Any]]:
    """All rows in the manifest's order, read by pyarrow alone."""
    entries = json.loads((folder / "manifest.json").read_text())["shards"]
    return [row for entry in entries for row in pq.read_table(folder / entry["path"]).to_pylist()]


def ids(rows: Any) -> list[str]:
    return [row["id"] for row in rows]


# --- access


def test_random_access_equals_sequential_reading(dataset: ShardDataset, plain: list[dict[str, Any]]) -> None:
    assert len(dataset) == len(plain) == 120
    order = np.random.default_rng(0).permutation(len(plain)).tolist()
    for index in order:
        assert dict(dataset[index]) == plain[index]
    assert ids(dataset) == ids(plain)


def test_indices_count_from_the_end_and_end(dataset: ShardDataset, plain: list[dict[str, Any]]) -> None:
    assert dataset[-1]["id"] == plain[-1]["id"]
    assert dataset[-len(plain)]["id"] == plain[0]["id"]
    for index in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError):
            dataset[index]


def test_splits_part_the_rows(folder: Path, plain: list[dict[str, Any]]) -> None:
    names = sorted({row["split"] for row in plain})
    parts = [ShardDataset(folder, split=name) for name in names]
    assert sorted(row["id"] for part in parts for row in part) == sorted(ids(plain))
    assert all(row["split"] == name for name, part in zip(names, parts, strict=True) for row in part)


@pytest.mark.parametrize(
    "filters",
    [{"task": "maze"}, {"task": ["maze", "sokoban"]}, {"task": "maze", "num_actions": 5}, {"optimal": False},
     {"unique": None}, {"unique": True}, {"level": "hard"}, {"num_actions": (4, 5, 6)}, {"index": 3},
     {"look_name": {"paper", "ice"}}],
)  # fmt: skip
def test_filters_keep_what_a_loop_keeps(folder: Path, plain: list[dict[str, Any]], filters: dict[str, Any]) -> None:
    def kept(row: dict[str, Any]) -> bool:
        return all(
            row[name] in (value if isinstance(value, (list, tuple, set)) else [value])
            for name, value in filters.items()
        )

    assert ids(ShardDataset(folder, **filters)) == [row["id"] for row in plain if kept(row)]


def test_columns_are_read_alone(folder: Path, plain: list[dict[str, Any]]) -> None:
    dataset = ShardDataset(folder, columns=("id", "keyframes"), task="sokoban")
    wanted = [{name: row[name] for name in ("id", "keyframes")} for row in plain if row["task"] == "sokoban"]
    assert [dict(row) for row in dataset] == wanted
    with pytest.raises(UnknownName, match="column 'video'"):
        dataset[0]["video"]


def test_a_column_is_that_of_the_rows(folder: Path, plain: list[dict[str, Any]]) -> None:
    assert ShardDataset(folder).column("digest") == [row["digest"] for row in plain]
    assert ShardDataset(folder, task="maze").column("actions") == [
        row["actions"] for row in plain if row["task"] == "maze"
    ]


@pytest.mark.parametrize("filters", [{}, {"task": "maze"}, {"split": "train", "num_actions": [4, 5]}])
def test_places_say_in_which_shard_a_row_lies(folder: Path, filters: dict[str, Any]) -> None:
    dataset = ShardDataset(folder, **filters)
    tables = [pq.read_table(folder / shard.path, columns=["id"])["id"].to_pylist() for shard in dataset.shards]
    assert [tables[shard][row] for shard, row in dataset.places.tolist()] == dataset.column("id")
    assert dataset.places.tolist() == sorted(dataset.places.tolist())
    for shard, table in zip(dataset.shards, tables, strict=True):
        assert (shard.rows, shard.sha256) == (len(table), sha256_of(folder / shard.path))


def test_a_table_holds_the_columns_of_the_rows(folder: Path, plain: list[dict[str, Any]]) -> None:
    table = ShardDataset(folder, task="maze").table("id", "width")
    assert table.to_pylist() == [{"id": row["id"], "width": 64} for row in plain if row["task"] == "maze"]
    assert ShardDataset(folder, num_actions=999).table("id", "width").to_pylist() == []


def test_a_shard_with_other_rows_than_its_manifest_says_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    text = (folder / "manifest.json").read_text()
    (tmp_path / "copy/manifest.json").write_text(text.replace('"rows": 50', '"rows": 49'))
    with pytest.raises(CorruptData, match="has 50 rows, its manifest says 49"):
        ShardDataset(tmp_path / "copy")


def test_rows_are_found_by_id(dataset: ShardDataset, plain: list[dict[str, Any]]) -> None:
    assert dict(dataset.find(plain[77]["id"])) == plain[77]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: ShardDataset(folder, split="trian"), "Did you mean 'train'?"),
        (lambda folder: ShardDataset(folder, levle="easy"), "Did you mean 'level'?"),
        (lambda folder: ShardDataset(folder, columns=("id", "first_fram")), "Did you mean 'first_frame'?"),
        (lambda folder: ShardDataset(folder).column("kefyrames"), "Did you mean 'keyframes'?"),
        (lambda folder: ShardDataset(folder)[0]["promt"], "Did you mean 'prompt'?"),
        (lambda folder: ShardDataset(folder).find("maze-tiny-4-00003"), "Did you mean 'maze-tiny-4-0000"),
        (lambda folder: ShardDataset(folder, video=b""), "column to filter by 'video'"),
    ],
)
def test_unknown_names_get_a_suggestion(folder: Path, make: Any, words: str) -> None:
    with pytest.raises(UnknownName) as caught:
        make(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("filters", [{"level": 3}, {"num_actions": "five"}, {"seed": [1, "x"]}, {"index": 2**70}])
def test_a_filter_of_the_wrong_type_is_one_line(folder: Path, filters: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as caught:
        ShardDataset(folder, **filters)
    assert next(iter(filters)) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no complete puzzlegen dataset"):
        ShardDataset(tmp_path)


def test_a_dataset_survives_pickling(folder: Path) -> None:
    dataset = ShardDataset(folder, task="maze", columns=("id", "video"))
    first = dict(dataset[0])
    data = pickle.dumps(dataset)
    assert len(data) < 20_000, "opened files and rows stay behind"
    copy = pickle.loads(data)
    assert dict(copy[0]) == first
    assert ids(copy) == ids(dataset)


# --- epochs


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**40), world=st.integers(1, 9), task=st.sampled_from([None, "maze"]), even=st.booleans())
def test_ranks_share_an_epoch(folder: Path, seed: int, world: int, task: str | None, even: bool) -> None:
    dataset = ShardDataset(folder, columns=("id",), **({"task": task} if task else {}))
    parts = [ids(dataset.epoch(seed=seed, rank=rank, world=world, even=even)) for rank in range(world)]
    least = len(dataset) // world
    assert {len(part) for part in parts} <= ({least} if even else {least, least + 1})
    seen = [name for part in parts for name in part]
    assert len(set(seen)) == len(seen) == (least * world if even else len(dataset))
    assert set(seen) <= set(dataset.column("id"))


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 99), world=st.integers(1, 4), data=st.data())
def test_an_epoch_resumes_exactly(folder: Path, seed: int, world: int, data: st.DataObject) -> None:
    dataset = ShardDataset(folder, columns=("id",))
    rank, skip = data.draw(st.integers(0, world - 1)), data.draw(st.integers(0, 130))
    whole = ids(dataset.epoch(seed=seed, rank=rank, world=world))
    again = ids(ShardDataset(folder, columns=("id",)).epoch(seed=seed, rank=rank, world=world, skip=skip))
    assert again == whole[skip:]


def test_epochs_depend_on_seed_and_number_alone(folder: Path) -> None:
    keys = [(seed, epoch) for seed in range(5) for epoch in range(4)]
    orders = [tuple(ShardDataset(folder).epoch_order(*key)) for key in keys]
    assert len(set(orders)) == 20
    assert orders == [tuple(ShardDataset(folder).epoch_order(*key)) for key in keys]
    assert all(sorted(order) == list(range(120)) for order in orders)
    assert list(range(120)) not in map(list, orders)


def test_epochs_read_each_row_group_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a group come together, so that a shuffled pass costs no more than a sequential one."""
    reads = []
    read = pq.ParquetFile.read_row_group

    def counted(self: Any, group: int, **options: Any) -> Any:
        reads.append(group)
        return read(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    dataset = ShardDataset(folder)
    groups = sum(pq.read_metadata(shard).num_row_groups for shard in (folder / "data").glob("*.parquet"))
    assert len([row["id"] + row["prompt"] for row in dataset.epoch(seed=1)]) == 120
    assert len(reads) == groups
    assert len([row.video + row["first_frame"]["bytes"] for row in dataset.epoch(seed=1)]) == 120
    assert len(reads) == 3 * groups


@pytest.mark.parametrize("arguments", [{"rank": 2, "world": 2}, {"rank": -1, "world": 2}, {"world": 0}, {"skip": -1}])
def test_impossible_ranks_are_refused(dataset: ShardDataset, arguments: dict[str, int]) -> None:
    """A negative skip would hand out the rows of another rank."""
    with pytest.raises(InvalidInput):
        next(dataset.epoch(seed=0, **arguments), None)


# --- frames


@pytest.mark.parametrize("task", ["maze", "flowfree", "sokoban"])
def test_drawing_again_gives_what_was_encoded(folder: Path, task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The canvases that went into the encoder when the row was made, against those drawn from the stored row."""
    encoded: list[Any] = []
    encode = video.encode_runs

    def spy(runs: Iterator[Any], clip: Any) -> bytes:
        copies = [(canvas.copy(), count) for canvas, count in runs]
        encoded.append(np.stack([canvas for canvas, count in copies for _ in range(count)]))
        return encode(iter(copies), clip)

    monkeypatch.setattr(video, "encode_runs", spy)
    recipe = registry.load(task)
    rows = {(row["look_name"], row.look.motion): row for row in ShardDataset(folder, task=task)}
    assert {look for look, _ in rows} == set(recipe.looks)
    for row in rows.values():
        stream = sample.Stream(recipe=task, level=row["level"], seed=row["seed"], clip=row.clip)
        instance = sample.draft(recipe, stream, row["index"], row["attempt"])
        made = sample.render(recipe, stream, instance)
        assert made["video"]["bytes"] == row.video, "the row can be made again alone"
        again = np.stack([canvas.copy() for canvas in row.canvases()])
        assert np.array_equal(again, encoded[-1])
        rendered, decoded = row.frames("render"), row.frames("video")
        assert rendered.shape == decoded.shape == (row["num_frames"], row["height"], row["width"], 3)
        assert rendered.dtype == decoded.dtype == np.uint8
        assert np.array_equal(rendered, np.stack([video.canvas_to_rgb(canvas) for canvas in encoded[-1]]))
        error = np.abs(rendered.astype(int) - decoded)
        assert error.mean() <= 1.0
        assert error.max() <= 24


def test_frames_come_from_the_video_unless_asked_otherwise(dataset: ShardDataset) -> None:
    row = dataset[0]
    assert np.array_equal(row.frames(), video.decode_rgb(row.video))
    with pytest.raises(InvalidInput, match="source"):
        row.frames("vidoe")  # type: ignore[arg-type]


@pytest.mark.parametrize("source", ["video", "render"])
def test_some_frames_are_those_of_all(dataset: ShardDataset, source: Any) -> None:
    row = dataset[7]
    whole = row.frames(source)
    for at in ([0], [24], [3, 1, 3, 9], range(5)):
        assert np.array_equal(row.frames(source, at=at), whole[sorted(set(at))])
    for at in ([], [25], [-1], [0, 99]):
        with pytest.raises(InvalidInput, match="has frames 0 to 24, not"):
            row.frames(source, at=at)


def test_states_follow_the_actions(dataset: ShardDataset) -> None:
    for index in (0, 50, 119):
        row = dataset[index]
        assert [row.task.text(state) for state in row.states()] == row["states"]
        assert row.task.is_solved(row.states()[-1])


def test_a_row_gives_the_instance_that_was_drawn(dataset: ShardDataset) -> None:
    """Drawn again from its key."""
    for row in dataset:
        stream = sample.Stream(recipe=row["task"], level=row["level"], seed=row["seed"], clip=row.clip)
        drawn = sample.draft(registry.load(row["task"]), stream, row["index"], row["attempt"])
        assert row.instance() == drawn and drawn.origin.id == row["id"]


def test_a_row_is_a_mapping(folder: Path) -> None:
    row = ShardDataset(folder, columns=("id", "task"))[0]
    assert "id" in row and "video" not in row
    assert row.get("video") is None and row.get("id") == row["id"]
    assert dict(row) == {"id": row["id"], "task": row["task"]} == dict(pickle.loads(pickle.dumps(row)))


def test_a_dataset_of_an_earlier_version_has_the_columns_that_it_has(folder: Path, tmp_path: Path) -> None:
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    for shard in (older / "data").glob("*.parquet"):
        pq.write_table(pq.read_table(shard).drop_columns(["action_frames"]), shard)
    row = ShardDataset(older)[0]
    assert dict(row) == {name: value for name, value in ShardDataset(folder)[0].items() if name != "action_frames"}
    assert row.get("action_frames") is None
    with pytest.raises(UnknownName, match="no column 'action_frames'"):
        row["action_frames"]
    with pytest.raises(UnknownName, match="no column 'action_frames'"):
        ShardDataset(older, columns=("id", "action_frames"))


def test_a_notebook_shows_the_clip(dataset: ShardDataset) -> None:
    row = dataset[0]
    page = row._repr_html_()
    assert (
        page is not None
        and base64.b64encode(row.video).decode() in page
        and row["id"] in page
        and row["action_line"] in page
    )
    escaped = Row({**row, "prompt": "<b>"})._repr_html_()
    assert escaped is not None and "<b>" not in escaped
    assert Row({"id": "x"})._repr_html_() is None and repr(Row({"id": "x"})) == "Row('x', 1 columns)"
    assert repr(dataset) == f"ShardDataset({dataset.folder!r}, {len(dataset)} rows)"


def test_rows_know_their_puzzle(dataset: ShardDataset) -> None:
    for index in (0, 50, 119):
        row = dataset[index]
        assert row.task.text(row.start) == row["states"][0]
        assert str(row.clip) == "64x64x25@8"
        assert row.look.name == row["look_name"]


# --- damage


def damaged(folder: Path, tmp_path: Path, change: Any) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    shard = max((copy / "data").glob("*.parquet"), key=lambda path: path.stat().st_size)
    shard.write_bytes(change(shard.read_bytes()))
    return copy


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"",
        lambda data: data[:1000],
        lambda data: data[:-1],
        lambda data: b"PAR1" + bytes(100),
        lambda data: data[:-8] + bytes(8),
    ],
    ids=["empty", "truncated", "short", "no footer", "zero tail"],
)
def test_a_shard_without_a_footer_is_corrupt_data(folder: Path, tmp_path: Path, change: Any) -> None:
    with pytest.raises(CorruptData) as caught:
        list(ShardDataset(damaged(folder, tmp_path, change)))
    assert ".parquet" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_absent_shard_is_corrupt_data(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    next((copy / "data").glob("*.parquet")).unlink()
    with pytest.raises(CorruptData, match=r"\.parquet"):
        ShardDataset(copy)


def wrecked(folder: Path, tmp_path: Path, column: str) -> Path:
    """Zeros over one column's pages, footer intact."""
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    for shard in (copy / "data").glob("*.parquet"):
        footer = pq.read_metadata(shard)
        data = bytearray(shard.read_bytes())
        for group in range(footer.num_row_groups):
            chunks = [footer.row_group(group).column(number) for number in range(footer.num_columns)]
            chunk = next(chunk for chunk in chunks if chunk.path_in_schema == column)
            begin = chunk.dictionary_page_offset or chunk.data_page_offset
            data[begin : begin + chunk.total_compressed_size] = b"\xff" * chunk.total_compressed_size
        shard.write_bytes(data)
    return copy


@pytest.mark.parametrize(
    ("column", "use"),
    [
        ("prompt", lambda folder: ShardDataset(folder)[0]["prompt"]),
        ("level", lambda folder: ShardDataset(folder, level="tiny")),
        ("id", lambda folder: ShardDataset(folder).column("id")),
        ("id", lambda folder: ShardDataset(folder).find("maze-tiny-4-000001")),
        ("video.bytes", lambda folder: ShardDataset(folder)[3].video),
    ],
)
def test_a_damaged_column_is_corrupt_data(folder: Path, tmp_path: Path, column: str, use: Any) -> None:
    with pytest.raises(CorruptData) as caught:
        use(wrecked(folder, tmp_path, column))
    assert ".parquet" in str(caught.value)
    assert "\n" not in str(caught.value)

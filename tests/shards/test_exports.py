"""Layouts of other trainers, read back by the libraries that they are for where those install."""

from __future__ import annotations

import csv
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest

import puzzlegen
from puzzlegen import exports
from puzzlegen.errors import OutputError, UnknownName
from puzzlegen.exports import LAYOUTS, export
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.schema import COLUMNS, MEDIA_COLUMNS

pytestmark = pytest.mark.filterwarnings(  # files that datasets and webdataset leave open
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module")
def dataset(folder: Path) -> ShardDataset:
    return ShardDataset(folder, task=["maze", "sokoban"])


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "new" / "out"


def read_table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(("layout", "column"), [("diffsynth", "video"), ("videofolder", "file_name")])
def test_a_table_names_every_video(dataset: ShardDataset, out: Path, layout: str, column: str) -> None:
    export(dataset, layout, out)
    table = read_table(out / "metadata.csv")
    assert len(table) == len(dataset) == len(list((out / "videos").iterdir()))
    for row, line in zip(dataset, table, strict=True):
        assert (out / line[column]).read_bytes() == row.video
        told = ("prompt", "id", "task", "level", "split", "action_line")
        assert {name: line[name] for name in told} == {name: row[name] for name in told}
        assert int(line["num_actions"]) == row["num_actions"]


@pytest.mark.filterwarnings("ignore")
def test_diffsynth_reads_its_table(dataset: ShardDataset, out: Path) -> None:
    """Where DiffSynth-Studio is installed, which wants torch for a GPU: by the class that its trainers read with."""
    unified = pytest.importorskip("diffsynth.core.data.unified_dataset", exc_type=ImportError).UnifiedDataset
    export(dataset, "diffsynth", out)
    size = {"height": dataset[0]["height"], "width": dataset[0]["width"], "num_frames": dataset[0]["num_frames"]}
    operator = unified.default_video_operator(base_path=str(out), **size)
    read = unified(str(out), str(out / "metadata.csv"), data_file_keys=("video",), main_data_operator=operator)
    assert len(read) == len(dataset)
    for number in (0, len(dataset) - 1):
        row, found = dataset[number], read[number]
        assert found["prompt"] == row["prompt"]
        assert np.array_equal(np.stack([np.asarray(frame) for frame in found["video"]]), row.frames())


@pytest.mark.filterwarnings("ignore")
def test_finetrainers_reads_its_lists(dataset: ShardDataset, out: Path) -> None:
    """Where finetrainers is installed: by the class for videos.txt and prompt.txt."""
    readers = pytest.importorskip("finetrainers.data.dataset", exc_type=ImportError)
    export(dataset, "finetrainers", out)
    read = list(readers.VideoFileCaptionFileListDataset(str(out)))
    assert [sample["caption"] for sample in read] == [row["prompt"] for row in dataset]
    for number in (0, len(read) - 1):
        video = read[number]["video"]
        frames = video[0 : len(video)].permute(0, 2, 3, 1).numpy()
        assert np.array_equal(frames, dataset[number].frames())


def test_datasets_reads_a_folder_of_videos(dataset: ShardDataset, out: Path, tmp_path: Path) -> None:
    from datasets import Video, load_dataset

    export(dataset, "videofolder", out)
    found = load_dataset("videofolder", data_dir=str(out), split="train", cache_dir=str(tmp_path / "cache"))
    videos = {row["id"]: row for row in found.cast_column("video", Video(decode=False))}
    assert {name: row["prompt"] for name, row in videos.items()} == {row["id"]: row["prompt"] for row in dataset}
    for row in dataset:
        assert Path(videos[row["id"]]["video"]["path"]).read_bytes() == row.video


def test_lists_go_line_by_line(dataset: ShardDataset, out: Path) -> None:
    export(dataset, "finetrainers", out)
    videos, prompts = ((out / name).read_text().splitlines() for name in ("videos.txt", "prompt.txt"))
    assert prompts == [row["prompt"] for row in dataset]
    assert [(out / path).read_bytes() for path in videos] == [row.video for row in dataset]


def test_webdataset_reads_tars(dataset: ShardDataset, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import webdataset

    monkeypatch.setattr(exports, "ROWS_PER_TAR", 30)
    export(dataset, "webdataset", out)
    tars = sorted(map(str, out.iterdir()))
    assert [Path(name).name for name in tars] == [f"clips-{number:06d}.tar" for number in range(3)]
    samples = [*webdataset.WebDataset(tars, shardshuffle=False)]
    for row, sample in zip(dataset, samples, strict=True):
        assert sample["__key__"] == row["id"]
        assert (sample["mp4"], sample["png"]) == (row.video, row["first_frame"]["bytes"])
        assert sample["txt"].decode() == row["prompt"]
        assert json.loads(sample["json"]) == {name: row[name] for name in COLUMNS if name not in MEDIA_COLUMNS}


def test_the_same_rows_give_the_same_tars(dataset: ShardDataset, tmp_path: Path) -> None:
    for name in "ab":
        export(dataset, "webdataset", tmp_path / name)
    first, second = (tmp_path / name / "clips-000000.tar" for name in "ab")
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as tar:
        assert {entry.mtime for entry in tar} == {0}


def test_questions_are_chats_with_pictures(dataset: ShardDataset, out: Path, tmp_path: Path) -> None:
    from datasets import load_dataset

    export(dataset, "text", out)
    chats = load_dataset("json", data_files=str(out / "metadata.jsonl"), split="train", cache_dir=str(tmp_path / "c"))
    pictures = load_dataset("imagefolder", data_dir=str(out), split="train", cache_dir=str(tmp_path / "c"))
    shown = {line["id"]: line for line in pictures}
    for row, chat in zip(dataset, chats, strict=True):
        asked, answered = chat["messages"]
        assert (asked["role"], answered["role"]) == ("user", "assistant")
        assert chat["board"] == row["states"][0] and chat["board"] in asked["content"]
        assert puzzlegen.score_text(answered["content"], row).solved
        assert (out / chat["file_name"]).read_bytes() == row["first_frame"]["bytes"]
        assert shown[row["id"]]["image"].size == (row["width"], row["height"])
        assert shown[row["id"]]["messages"][0]["content"] == asked["content"]


def test_progress_counts_clips(dataset: ShardDataset, out: Path) -> None:
    told: list[tuple[str, int, int]] = []
    export(dataset, "finetrainers", out, lambda *one: told.append(one))
    assert told == [("clips", 1, len(dataset))] * len(dataset)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_folder_with_something_in_it_is_left_alone(dataset: ShardDataset, tmp_path: Path, layout: str) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"is no empty folder\. Choose another --out"):
        export(dataset, layout, tmp_path)
    with pytest.raises(OutputError, match="is no empty folder"):
        export(dataset, layout, tmp_path / "mine.txt")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_unknown_layout_is_named(dataset: ShardDataset, out: Path) -> None:
    with pytest.raises(UnknownName, match=r"'webdatasets'\. Did you mean 'webdataset'"):
        export(dataset, "webdatasets", out)
    assert not out.exists()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_an_export_that_fails_leaves_nothing(
    dataset: ShardDataset, out: Path, layout: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stage: str, done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match="the disk is full"):
        export(dataset, layout, out, full)
    assert [*out.parent.iterdir()] == []

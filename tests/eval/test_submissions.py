"""Other people's files to (instance, k): every layout, and everything that could be meant in two ways is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from handed_in import LAYOUTS, encoded, make_dataset, native, picture, put, rows_of, write_csv
from puzzlegen.errors import CorruptData, InvalidInput, UnknownName
from puzzlegen.eval import content
from puzzlegen.eval import layouts as known
from puzzlegen.eval.catalogue import Catalogue
from puzzlegen.eval.submissions import Submission, collect
from puzzlegen.shards.manifest import MANIFEST, sha256_of


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_dataset(tmp_path_factory.mktemp("instances"))


def collected(
    root: Path, layout: str, dataset: Path, split: str | None = None, tasks: tuple[str, ...] = ()
) -> Submission:
    return collect(root, layout, Catalogue(dataset, split, tasks), split)


def data_of(submission: Submission) -> dict[str, bytes]:
    return {name: content.load(own[0]).video for name, own in submission.samples.items()}


@pytest.mark.parametrize("split", [None, "test"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_each_instance_its_own_video(
    name: str, split: str | None, dataset: Path, tmp_path: Path
) -> None:
    layout, write = LAYOUTS[name]
    tasks = ("maze",) if layout == "vrbench" else ()
    rows = rows_of(dataset, split=split, task=list(tasks) or ["maze", "sokoban"])
    assert len({row.video for row in rows}) == len(rows) >= 2
    submission = collected(write(rows, tmp_path / "s"), layout, dataset, split, tasks)
    assert data_of(submission) == {row["id"]: row.video for row in rows}
    assert submission.ks == [3 if layout == "table" else 0]
    assert submission.passed_over == 0


def test_all_layouts_are_tested() -> None:
    assert {layout for layout, _ in LAYOUTS.values()} == set(known.LAYOUTS)


def test_videos_of_what_was_not_asked_for_are_passed_over(dataset: Path, tmp_path: Path) -> None:
    rows = rows_of(dataset)
    submission = collected(native(rows, tmp_path), "native", dataset, "test")
    assert set(submission.samples) == {row["id"] for row in rows if row["split"] == "test"}
    assert submission.passed_over == sum(row["split"] == "train" for row in rows)


def test_samples_are_sorted_by_number(dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset)[0]
    for k in (10, 9, 2):
        put(tmp_path / row["task"] / row["id"] / f"{k}.MP4", row.video)
    submission = collected(tmp_path, "native", dataset)
    assert [video.k for video in submission.samples[row["id"]]] == submission.ks == [2, 9, 10]


# --- what is refused


def refused(root: Path, layout: str, dataset: Path, split: str | None = None) -> str:
    with pytest.raises(InvalidInput) as error:
        collected(root, layout, dataset, split)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_unknown_instances_are_listed_but_not_all(dataset: Path, tmp_path: Path) -> None:
    native(rows_of(dataset), tmp_path)
    for number in range(5):
        put(tmp_path / "maze" / f"maze-none-{number}" / "0.mp4", b"")
    message = refused(tmp_path, "native", dataset)
    assert "5 of 11 videos are of no instance" in message
    assert "maze/maze-none-0/0.mp4" in message
    assert "and 2 more" in message
    assert "maze-none-4" not in message


@pytest.mark.parametrize("layout", ["flat", "vbvr", "vrbench", "proar", "videorlvr", "vbvr-rl", "parquet", "table"])
def test_unknown_instances_of_other_layouts(layout: str, dataset: Path, tmp_path: Path) -> None:
    tasks = ("maze",) if layout == "vrbench" else ()
    rows = rows_of(dataset, task=list(tasks) or ["maze", "sokoban"])
    root = LAYOUTS[layout][1](rows, tmp_path / "s")
    if layout == "parquet":
        pq.write_table(pa.table({"id": ["nobody"], "bytes": [b""]}), root)
    elif layout in ("table", "videorlvr"):
        put(tmp_path / "s" / "99.mp4", b"")
        write_csv(
            root if root.is_file() else root / "metadata.csv", [{"id": "nobody", "path": "99.mp4", "video": "99.mp4"}]
        )
    else:
        stray = {
            "flat": "nobody__s0.mp4", "vbvr": "test/maze/99.mp4", "vrbench": "tiny_99.mp4", "proar": "x.mp4",
            "vbvr-rl": "000099/step_10.mp4",
        }  # fmt: skip
        put(root / stray[layout], b"")
        put(root / "x.json", b'{"sample_id": 99}')
    with pytest.raises(InvalidInput, match="of no instance of"):
        collected(root, layout, dataset, None, tasks)


def test_two_videos_for_one_sample(dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset)[0]
    put(tmp_path / row["task"] / row["id"] / "0.mp4", row.video)
    put(tmp_path / row["task"] / row["id"] / "0.webm", row.video)
    put(tmp_path / row["task"] / row["id"] / "1.mp4", row.video)
    assert f"more than one video for {row['id']} k=0." in refused(tmp_path, "native", dataset)


@pytest.mark.parametrize("layout", [name for name in known.LAYOUTS if name not in ("table", "videorlvr", "vrbench")])
def test_no_videos_at_all(layout: str, dataset: Path, tmp_path: Path) -> None:
    put(tmp_path / "readme.txt", b"nothing here")
    assert "no videos in the layout" in refused(tmp_path, layout, dataset)


def test_no_such_folder_or_layout(dataset: Path, tmp_path: Path) -> None:
    assert "there is no such folder" in refused(tmp_path / "none", "native", dataset)
    put(tmp_path / "a.mp4", b"")
    assert "is a file" in refused(tmp_path / "a.mp4", "native", dataset)
    with pytest.raises(UnknownName, match="Did you mean 'flat'"):
        collected(tmp_path, "flot", dataset)


@pytest.mark.parametrize(
    ("layout", "path"),
    [
        ("native", "0.mp4"),
        ("native", "maze/x.mp4"),
        ("native", "maze/ID/first.mp4"),
        ("native", "sokoban/ID/0.mp4"),  # a maze
        ("flat", "ID.mp4"),
        ("flat", "7.mp4"),
        ("flat", "ID__sx.mp4"),
        ("vbvr", "test/maze/clip.mp4"),
    ],
)
def test_misplaced_videos(layout: str, path: str, dataset: Path, tmp_path: Path) -> None:
    rows = rows_of(dataset, task="maze")
    LAYOUTS[layout][1](rows, tmp_path)
    path = path.replace("ID", rows[0]["id"])
    put(tmp_path / path, b"")
    message = refused(tmp_path, layout, dataset)
    assert "not laid out as" in message
    assert path in message


def test_layouts_that_state_too_little(dataset: Path, tmp_path: Path) -> None:
    put(tmp_path / "a" / "x.mp4", b"")
    assert "no .json of the same name beside x.mp4" in refused(tmp_path / "a", "proar", dataset)
    put(tmp_path / "a" / "x.json", b"{}")
    assert "states no sample_id" in refused(tmp_path / "a", "proar", dataset)
    put(tmp_path / "a" / "x.json", b"[")
    assert "cannot be read as JSON" in refused(tmp_path / "a", "proar", dataset)
    assert "holds one task, the dataset maze, sokoban" in refused(tmp_path / "a", "vrbench", dataset)
    write_csv(tmp_path / "t.csv", [{"name": "x"}])
    assert "has no column id, path" in refused(tmp_path / "t.csv", "table", dataset)
    write_csv(tmp_path / "t.csv", [{"id": "x", "path": "none.mp4"}])
    assert "t.csv:2: there is no video 'none.mp4'" in refused(tmp_path / "t.csv", "table", dataset)
    write_csv(tmp_path / "t.csv", [{"id": "x", "path": "a/x.mp4", "k": "-1"}])
    assert "k must be a whole number" in refused(tmp_path / "t.csv", "table", dataset)
    put(tmp_path / "t.parquet", b"PAR1")
    assert "cannot be read as Parquet" in refused(tmp_path / "t.parquet", "parquet", dataset)
    pq.write_table(pa.table({"id": ["x"]}), tmp_path / "t.parquet")
    assert "has no column 'bytes'" in refused(tmp_path / "t.parquet", "parquet", dataset)


def test_a_sample_id_of_another_task_is_refused(dataset: Path, tmp_path: Path) -> None:
    row = rows_of(dataset, task="maze")[0]
    put(tmp_path / "x.mp4", row.video)
    put(tmp_path / "x.json", json.dumps({"sample_id": row["id"], "task_name": "sokoban"}).encode())
    assert "is of task maze, not sokoban" in refused(tmp_path, "proar", dataset)


def test_unfinished_steps_are_no_samples(dataset: Path, tmp_path: Path) -> None:
    rows = rows_of(dataset)
    LAYOUTS["vbvr-rl"][1](rows, tmp_path)
    (tmp_path / "000001" / "step_10.mp4").unlink()
    assert "end with step 10; unfinished are 000001/step_02.mp4" in refused(tmp_path, "vbvr-rl", dataset)


# --- the manifest


def test_manifest_is_checked_and_kept(dataset: Path, tmp_path: Path) -> None:
    native(rows_of(dataset, split="test"), tmp_path)
    stated = {
        "schema_version": 1, "model": "a model", "split": "test", "cfg": 3.5, "seeds": [1, 2],
        "dataset_sha256": sha256_of(dataset / MANIFEST),
    }  # fmt: skip
    put(tmp_path / "manifest.json", json.dumps(stated).encode())
    assert collected(tmp_path, "native", dataset, "test").manifest == stated
    assert "Score it with --split test" in refused(tmp_path, "native", dataset)


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({}, "schema_version must be 1, got None"),
        ({"schema_version": 2}, "schema_version must be 1, got 2"),
        ({"schema_version": True}, "schema_version must be int, got True"),
        ({"schema_version": 1, "modl": "x"}, "There is no manifest field 'modl'. Did you mean 'model'?"),
        ({"schema_version": 1, "steps": "20"}, "steps must be int, got '20'"),
        ({"schema_version": 1, "dataset_sha256": "0"}, "made for another dataset"),
        (["schema_version"], "must hold a JSON object"),
    ],
)
def test_bad_manifests(fields: object, complaint: str, dataset: Path, tmp_path: Path) -> None:
    native(rows_of(dataset), tmp_path)
    put(tmp_path / "manifest.json", json.dumps(fields).encode())
    assert complaint.lower() in refused(tmp_path, "native", dataset).lower()


# --- contents and limits


def frames(count: int = 12, side: int = 32) -> np.ndarray:
    return np.stack([np.full((side, side, 3), 20 * number, np.uint8) for number in range(count)])


def test_frames_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    for number, frame in enumerate(frames()):
        picture(frame, tmp_path / f"frame {number}.png")
    loaded = content.of_path(tmp_path)
    assert np.array_equal(content.decode_frames(loaded.frames), frames())
    before = loaded.sha256
    (tmp_path / "frame 3.png").rename(tmp_path / "frame 12.png")
    assert content.of_path(tmp_path).sha256 != before


@pytest.mark.parametrize(
    ("name", "data", "complaint"),
    [
        ("cover.png", None, "ends with no number"),
        ("x05.png", None, "have one number"),
        ("0013.png", b"\x89PNG\r\n\x1a\n and then nothing", "picture 0013.png cannot be decoded"),
        ("0013.jpg", b"", "picture 0013.jpg cannot be decoded"),
        ("0013.png", b"#EXTM3U\n#EXTINF:1,\n0001.png\n", "picture 0013.png cannot be decoded"),
    ],
)
def test_bad_frames(name: str, data: bytes | None, complaint: str, tmp_path: Path) -> None:
    for number, frame in enumerate(frames()):
        picture(frame, tmp_path / f"{number:04d}.png")
    if data is None:
        picture(frames()[0], tmp_path / name)
    else:
        put(tmp_path / name, data)
    with pytest.raises(CorruptData, match=complaint):
        content.decode_frames(content.of_path(tmp_path).frames)


def test_frames_of_two_sizes(tmp_path: Path) -> None:
    picture(frames()[0], tmp_path / "0.png")
    picture(frames(side=30)[0], tmp_path / "1.png")
    with pytest.raises(CorruptData, match="another size"):
        content.decode_frames(content.of_path(tmp_path).frames)


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.avi", "mpeg4", "yuv420p"),
        ("a.mov", "libx264", "yuv420p"),
        ("a.mkv", "libx264", "yuv420p"),
    ],
)
def test_kinds_of_video_pass_the_limits(
    name: str, codec: str, pixels: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded(frames(), tmp_path / name, codec, pixels)
    data = (tmp_path / name).read_bytes()
    content.require_limits(data)
    monkeypatch.setattr(content, "MOST_FRAMES", 11)
    with pytest.raises(CorruptData, match="too long: 12 frames or more of 32x32"):
        content.require_limits(data)


def test_a_claimed_size_is_refused_before_anything_is_decoded(tmp_path: Path) -> None:
    """A GIF with another size in its header than its pictures have."""
    encoded(frames(), tmp_path / "a.gif", "gif", "rgb8")
    data = bytearray((tmp_path / "a.gif").read_bytes())
    data[6:10] = struct.pack("<HH", 5000, 32)
    with pytest.raises(CorruptData, match="5000x32; sides may have 4096"):
        content.require_limits(bytes(data))
    data[6:10] = struct.pack("<HH", 60000, 60000)  # more than the decoder would allocate
    with pytest.raises(CorruptData, match="states no size"):
        content.require_limits(bytes(data))


def test_all_frames_together_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded(frames(), tmp_path / "a.mp4", "libx264", "yuv420p")
    monkeypatch.setattr(content, "MOST_PIXELS", 32 * 32 * 12 - 1)
    with pytest.raises(CorruptData, match="too long"):
        content.require_limits((tmp_path / "a.mp4").read_bytes())


def test_huge_files_are_hashed_but_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "a.mp4", b"12345")
    whole = content.of_path(tmp_path / "a.mp4")
    monkeypatch.setattr(content, "MOST_BYTES", 4)
    refused = content.of_path(tmp_path / "a.mp4")
    assert refused.sha256 == whole.sha256
    assert (whole.video, refused.video, refused.fault) == (b"12345", b"", "more than 4 bytes")


@pytest.mark.parametrize(
    "data",
    [b"", b"some text", b"#EXTM3U\n#EXTINF:1,\n/etc/hosts\n", b"ffconcat version 1.0\nfile a.mp4\n", bytes(5000)],
)
def test_what_is_no_video_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptData, match="the video"):
        content.require_limits(data)


def test_only_listed_containers_are_opened(tmp_path: Path) -> None:
    """FFmpeg would open a still picture under any name, as it would a playlist of other files."""
    picture(frames()[0], tmp_path / "a.png")
    with pytest.raises(CorruptData, match="cannot be opened"):
        content.require_limits((tmp_path / "a.png").read_bytes())

"""Writing: a shard is whole or absent, whatever goes wrong, and what went wrong is one line."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from puzzlegen.errors import CorruptData, OutputError
from puzzlegen.shards import manifest, writer
from puzzlegen.shards.writer import ShardWriter, atomic, make_folder, remove_leftovers, write_text


@pytest.fixture(scope="module")
def rows(shards: list[Path]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(shards[-1]).to_pylist()
    return found


def test_a_shard_appears_only_when_it_is_whole(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "shard.parquet"
    with ShardWriter(path, {"k": "v"}) as shard:
        shard.write(rows[:3])
        assert not path.exists()
        shard.write(rows[3:4])
    assert [entry.name for entry in tmp_path.iterdir()] == ["shard.parquet"]
    footer = pq.read_metadata(path)
    assert [footer.row_group(group).num_rows for group in range(footer.num_row_groups)] == [3, 1]
    assert footer.metadata[b"k"] == b"v"
    assert pq.read_table(path).to_pylist() == rows[:4]


@pytest.mark.parametrize("error", [RuntimeError("broken task"), KeyboardInterrupt(), OutputError("no room")])
def test_an_exception_leaves_neither_file_nor_leftover(
    tmp_path: Path, rows: list[dict[str, Any]], error: BaseException
) -> None:
    with pytest.raises(type(error)) as caught, ShardWriter(tmp_path / "shard.parquet") as shard:
        shard.write(rows[:2])
        raise error
    assert caught.value is error
    assert list(tmp_path.iterdir()) == []


def test_an_exception_leaves_the_old_file_as_it_was(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    path = tmp_path / "shard.parquet"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), ShardWriter(path) as shard:
        shard.write(rows[:2])
        raise RuntimeError
    assert path.read_bytes() == b"old"


def test_a_bad_row_leaves_nothing(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    with pytest.raises(Exception, match="int"), ShardWriter(tmp_path / "shard.parquet") as shard:
        shard.write([{**rows[0], "width": "wide"}])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 kB, where mounting is allowed."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not allowed here")
    yield disk
    subprocess.run(["umount", disk], check=True)


def assert_one_line_about_a_full_disk(error: OutputError, path: Path) -> None:
    message = str(error)
    assert "\n" not in message
    assert str(path) in message
    assert "the disk is full" in message
    assert error.exit_code == 4


def test_a_full_disk_is_one_clear_error(small_disk: Path, rows: list[dict[str, Any]]) -> None:
    path = small_disk / "shard.parquet"
    with pytest.raises(OutputError) as caught, ShardWriter(path) as shard:
        for _ in range(400):
            shard.write(rows[:32])
    assert_one_line_about_a_full_disk(caught.value, path)
    assert list(small_disk.iterdir()) == []
    with pytest.raises(OutputError) as caught:
        write_text(path, "x" * 2**20)
    assert_one_line_about_a_full_disk(caught.value, path)
    assert list(small_disk.iterdir()) == []


def test_a_disk_that_is_full_at_the_footer_is_one_clear_error(small_disk: Path, rows: list[dict[str, Any]]) -> None:
    """The last write of all is that of `close`."""
    path = small_disk / "shard.parquet"
    with pytest.raises(OutputError) as caught, ShardWriter(path) as shard:
        shard.write(rows[:2])
        (small_disk / "other").write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_bsize))
        for _ in range(3):
            shard.write(rows[:2])
    assert_one_line_about_a_full_disk(caught.value, path)
    assert [entry.name for entry in small_disk.iterdir()] == ["other"]


def test_a_full_disk_leaves_no_file_open(small_disk: Path, rows: list[dict[str, Any]]) -> None:
    """Wherever the disk fills up: a deleted file that is still open would keep its space."""
    block = os.statvfs(small_disk).f_bsize
    caught = []  # errors that are kept keep what their frames hold
    for free in range(1, 40, 3):
        blocks = os.statvfs(small_disk).f_bavail
        (small_disk / "other").write_bytes(bytes(max(0, blocks - free) * block))
        try:
            with ShardWriter(small_disk / "shard.parquet") as shard:
                shard.write(rows[:4])
        except OutputError as error:
            caught.append(error)
        held = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        assert not [name for name in held if str(small_disk) in name], f"{free} blocks were free"
        for entry in small_disk.iterdir():
            entry.unlink()
    assert len(caught) > 2


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOSPC, "the disk is full"), (errno.EDQUOT, "quota"), (errno.EIO, "Input/output")]
)
def test_a_refusal_at_the_last_step_is_one_clear_error(
    tmp_path: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, step: str, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(*((os, "fsync", refuse) if step == "fsync" else (Path, "replace", refuse)))
    with pytest.raises(OutputError, match=words) as caught, ShardWriter(tmp_path / "shard.parquet") as shard:
        shard.write(rows[:1])
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_unusable_places_are_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        make_folder(file)
    with pytest.raises(OutputError, match="a part of the path is a file"):
        make_folder(file / "below")
    with pytest.raises(OutputError, match="absent"):
        write_text(tmp_path / "absent" / "x.json", "{}")
    with pytest.raises(OutputError), ShardWriter(tmp_path / "absent" / "x.parquet"):
        raise AssertionError("a shard was opened in a folder that is not there")


def test_leftovers_of_killed_runs_are_removed_and_nothing_else(tmp_path: Path) -> None:
    with atomic(tmp_path / "kept.json") as temporary:
        temporary.write_text("{}")
        name = temporary.name
    (tmp_path / name).write_text("half")
    remove_leftovers(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.json"]


class TestManifest:
    def test_survives_and_lies_sorted(self, tmp_path: Path) -> None:
        content = {"shards": [{"path": "a", "rows": 1, "sha256": "x", "split": "train"}], "rows": 1}
        manifest.write_manifest(tmp_path, content)
        assert manifest.read_manifest(tmp_path) == content
        text = (tmp_path / "manifest.json").read_text()
        assert text.endswith("}\n")
        assert text.index('"rows"') < text.index('"shards"')

    def test_absent_means_incomplete(self, tmp_path: Path) -> None:
        with pytest.raises(OutputError, match="no complete puzzlegen dataset"):
            manifest.read_manifest(tmp_path)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "{",
            "[]",
            "{}",
            '{"shards": [{}]}',
            '{"shards": [3]}',
            '{"shards": 3}',
            '{"shards": [{"path": "a", "rows": 1}]}',
            "\xff",
        ],
    )
    def test_damage_is_corrupt_data(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
        with pytest.raises(CorruptData) as caught:
            manifest.read_manifest(tmp_path)
        assert "\n" not in str(caught.value)
        assert "manifest.json" in str(caught.value)

    def test_digest_is_that_of_the_content(self, tmp_path: Path) -> None:
        (tmp_path / "x").write_bytes(b"abc")
        assert manifest.sha256_of(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_module_has_no_other_way_to_write() -> None:
    """All writing goes through `atomic`: no open(.., "w") in the package's shards."""
    for file in Path(writer.__file__).parent.glob("*.py"):
        assert '"w"' not in file.read_text()
        assert '"wb"' not in file.read_text()


def test_only_what_a_process_that_has_ended_left_is_abandoned(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert writer.is_abandoned(tmp_path / f"x.tmp-{ended.pid}")
    assert not writer.is_abandoned(tmp_path / f"x.tmp-{os.getpid()}")
    assert not writer.is_abandoned(tmp_path / "x") and not writer.is_abandoned(tmp_path / "x.tmp-y")


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    with writer.atomic_folder(tmp_path / "f") as place:
        (place / "inner").mkdir()
        (place / "inner/file").write_text("content")
        assert not (tmp_path / "f").exists()
    assert (tmp_path / "f/inner/file").read_text() == "content"
    with pytest.raises(ZeroDivisionError), writer.atomic_folder(tmp_path / "g") as place:
        (place / "file").touch()
        _ = 1 / 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["f"]

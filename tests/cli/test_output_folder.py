"""Output that cannot be used or written: one line, exit 4, and what is complete stays."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from puzzlegen.errors import OutputError
from puzzlegen.generate import run
from puzzlegen.generate.api import request_for
from puzzlegen.generate.engines import InProcess
from runs import WORDS, called, contents, lines, puzzlegen

REQUEST = ("maze:tiny", "--num", 150, "--seed", 1, "--format", "64x64x25", "--shard-rows", 80)
Mount = Callable[[str], Path]


def refused(*arguments: object) -> str:
    done = called(*arguments)
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout == ""
    assert len(lines(done.stderr)) == 1, done.stderr
    assert done.stderr.startswith("Error: ")
    return lines(done.stderr)[0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "d"
    assert called("generate", *REQUEST, "--out", folder).returncode == 0
    return folder


# --- folders of others


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--seed": 2}, ["seed", "1 there", "2 asked"]),
        ({"--num": 151}, ["num", "150 there", "151 asked"]),
        ({"--format": "64x96x25"}, ["height", "64 there", "96 asked"]),
        ({"--format": "64x64x25@8"}, ["fps", "16 there", "8 asked"]),
        ({"--shard-rows": 34}, ["shard_rows", "80 there", "34 asked"]),
        ({"--split": "train"}, ["split", '"train" asked']),
        ({"--look": "night"}, ["looks: 0 there, 1 asked"]),
        ({0: "maze:easy"}, ["level", '"tiny" there', '"easy" asked']),
        ({0: "sokoban:tiny"}, ["recipes: maze there, sokoban asked"]),
        ({"maze:easy": ""}, ["streams: 1 there, 2 asked"]),
    ],
)
def test_dataset_of_another_request(finished: Path, change: dict[object, object], expected: list[str]) -> None:
    """Says what differs, and leaves it as it is."""
    before = contents(finished)
    words: list[object] = list(REQUEST)
    for option, value in change.items():
        if option in words:
            words[words.index(option) + 1] = value
        elif option == 0:
            words[0] = value
        else:
            words += [option, value] if value else [option]
    line = refused("generate", *words, "--out", finished)
    assert str(finished) in line
    for word in expected:
        assert word in line, line
    assert contents(finished) == before


def test_other_version_of_the_generator(finished: Path, tmp_path: Path) -> None:
    """Rows of two versions must not be mixed."""
    folder = Path(shutil.copytree(finished, tmp_path / "d"))
    request = folder / "request.json"
    request.write_text(request.read_text().replace('"puzzlegen": "', '"puzzlegen": "99.'))
    line = refused("generate", *REQUEST, "--out", folder)
    assert "versions.puzzlegen" in line


def test_damaged_request(finished: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(finished, tmp_path / "d"))
    for content in (b"", b"{", b"\xff\xfe", b"[]"):
        (folder / "request.json").write_bytes(content)
        assert str(folder) in refused("generate", *REQUEST, "--out", folder)


@pytest.mark.parametrize("stranger", ["notes.txt", "data/x.parquet", ".hidden"])
def test_folder_with_other_things(tmp_path: Path, stranger: str) -> None:
    (tmp_path / stranger).parent.mkdir(exist_ok=True)
    (tmp_path / stranger).write_text("mine")
    assert "not empty" in refused("generate", *REQUEST, "--out", tmp_path)
    assert contents(tmp_path) == {stranger: b"mine"}


def test_empty_folder_is_fine(tmp_path: Path) -> None:
    assert called("generate", "maze:tiny", "--num", 1, "--format", "tiny", "--out", tmp_path).returncode == 0


def test_parents_are_made(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b c" / "ü"
    assert called("generate", "maze:tiny", "--num", 1, "--format", "tiny", "--out", folder).returncode == 0
    assert called("verify", folder).returncode == 0


# --- folders that cannot be written


def test_file_in_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert str(tmp_path / "file") in refused("generate", *REQUEST, "--out", tmp_path / "file")
    assert str(tmp_path / "file") in refused("generate", *REQUEST, "--out", tmp_path / "file" / "below")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("folder", ["/proc/data", "/sys/data"])
def test_folder_where_nothing_can_be_made(folder: str) -> None:
    assert folder in refused("generate", *REQUEST, "--out", folder)


def test_name_that_is_too_long(tmp_path: Path) -> None:
    refused("generate", *REQUEST, "--out", tmp_path / ("x" * 300))


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mount a file system in memory with these options, or skip the test where that is not permitted."""
    place = tmp_path / "mounted"
    place.mkdir()
    mounted = []

    def mount_it(options: str) -> Path:
        words = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if shutil.which("mount") is None or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("mounting is not permitted here; test_refusals_of_the_file_system stands in")
        mounted.append(place)
        return place

    yield mount_it
    for each in mounted:
        subprocess.run(["umount", str(each)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def test_read_only_folder(mount: Mount, finished: Path) -> None:
    place = mount("size=20m")
    shutil.copytree(finished, place / "finished")
    (place / "empty").mkdir()
    remount(place, "ro")
    assert "read-only" in refused("generate", *REQUEST, "--out", place / "new")
    assert "read-only" in refused("generate", *REQUEST, "--out", place / "empty")
    assert called("generate", *REQUEST, "--out", place / "finished").returncode == 0
    assert called("verify", place / "finished").returncode == 0
    assert "read-only" in refused("show", place / "finished", "maze-tiny-1-000000", "--out", place / "clip.gif")


@pytest.mark.parametrize("workers", [1, 2])
def test_full_disk(mount: Mount, finished: Path, workers: int) -> None:
    """The disk fills up again and again, and the run goes on each time there is more room."""
    place = mount("size=20k")
    folder = place / "d"
    parts: set[str] = set()
    for size in (20, 900, 1700, 2100) if workers == 1 else (900,):
        remount(place, f"size={size}k")
        line = refused("generate", *REQUEST, "--workers", workers, "--out", folder)
        assert "the disk is full" in line
        assert not list(folder.rglob("*.tmp-*"))
        now = {name for name in contents(folder) if ".parquet" in name}
        assert parts <= now or any(name.startswith("data/") for name in now)
        parts = now
    assert parts, "the disk was never large enough for a part: the test proves little"
    remount(place, "size=20m")
    done = called("generate", *REQUEST, "--workers", workers, "--out", folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(folder) == contents(finished)


def test_full_disk_of_temporary_files(mount: Mount, tmp_path: Path) -> None:
    """Clips are encoded through a temporary file."""
    place = mount("size=8k")
    done = puzzlegen("generate", *REQUEST, "--out", tmp_path / "d", env={**os.environ, "TMPDIR": str(place)})
    assert done.returncode in (0, 4), done.stderr
    assert len(lines(done.stderr)) <= 1, done.stderr
    assert not list(place.iterdir())


def test_standard_output_that_is_full() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*WORDS, "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EACCES])
def test_refusals_of_the_file_system(
    number: int, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a mount: every flush from the n-th on fails. Whatever n, the error is one, and the next run goes on."""
    request = request_for(("maze:tiny",), num=150, seed=1, clip="64x64x25", shard_rows=80)
    fsync, left = os.fsync, 0

    def failing(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(number, os.strerror(number))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    for room in range(5):
        left = room
        with pytest.raises(OutputError, match="Cannot write") as caught:
            run.generate(request, tmp_path / "d", InProcess(), lambda *_: None)
        assert "\n" not in str(caught.value)
        assert not list((tmp_path / "d").rglob("*.tmp-*"))
    left = 1000
    run.generate(request, tmp_path / "d", InProcess(), lambda *_: None)
    assert contents(tmp_path / "d") == contents(finished)

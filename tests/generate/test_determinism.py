"""The same request gives the same rows, byte for byte, whatever the workers and the shard size."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import combinations
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from puzzlegen.generate import run
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from runs import called, contents, puzzlegen

Read = Callable[[Path], pa.Table]


def test_rows_do_not_depend_on_workers_or_shards(one_worker: Path, two_workers: Path, read: Read) -> None:
    one, two = read(one_worker), read(two_workers)
    assert len(one) == len(two) == 300
    assert one.column_names == two.column_names
    for name in one.column_names:
        assert one[name].to_pylist() == two[name].to_pylist(), name


def test_shards_have_the_rows_asked_for(one_worker: Path, two_workers: Path) -> None:
    for folder, most in ((one_worker, 1000), (two_workers, 37)):
        manifest = json.loads((folder / "manifest.json").read_text())
        for split, rows in ((split, counts["rows"]) for split, counts in manifest["splits"].items()):
            sizes = [shard["rows"] for shard in manifest["shards"] if shard["split"] == split]
            assert sum(sizes) == rows
            assert all(size == most for size in sizes[:-1])
            assert 0 < sizes[-1] <= most
        assert sorted(shard["path"] for shard in manifest["shards"]) == sorted(
            f"data/{path.name}" for path in (folder / "data").iterdir()
        )


def test_order_is_index_by_index_through_the_levels(one_worker: Path) -> None:
    """Any head of a split holds all tasks alike."""
    table = pq.read_table(one_worker / "data" / "train-00000-of-00001.parquet", columns=["index", "task"])
    places = list(zip(table["index"].to_pylist(), table["task"].to_pylist(), strict=True))
    order = ["maze", "flowfree", "sokoban"]
    assert places == sorted(places, key=lambda place: (place[0], order.index(place[1])))


# --- splits and duplicates, judged from the rows' own pictures and not from their digests


def turned(lines: list[str]) -> Iterable[tuple[str, ...]]:
    """The eight rotations and mirrors of a picture made of characters."""
    width = max(map(len, lines))
    grid = [tuple(line.ljust(width)) for line in lines]
    for _ in range(4):
        grid = [*zip(*grid[::-1], strict=True)]
        yield tuple("".join(row) for row in grid)
        yield tuple("".join(row[::-1]) for row in grid)


def normal(task: str, picture: str, *, walls_only: bool) -> tuple[str, ...]:
    """One form for all copies of a puzzle, or of its structure."""
    lines = picture.split("\n")
    if walls_only and task != "flowfree":
        lines = ["".join("#" if mark == "#" else " " for mark in line) for line in lines]
    forms = list(turned(lines))
    if task == "flowfree":
        forms = [renamed(form) for form in forms]
    return min(forms)


def renamed(form: tuple[str, ...]) -> tuple[str, ...]:
    """Colors called by the order of their first dot."""
    names: dict[str, str] = {}
    return tuple(
        "".join(names.setdefault(mark, chr(97 + len(names))) if mark.isalnum() else "." for mark in line)
        for line in form
    )


def test_normal_form_sees_through_mirrors_and_colors() -> None:
    assert normal("flowfree", "AB\nAB", walls_only=False) == normal("flowfree", "ZZ\nYY", walls_only=False)
    assert normal("maze", "# S\n##G", walls_only=False) == normal("maze", "G##\nS #", walls_only=False)
    assert normal("maze", "# S\n##G", walls_only=False) != normal("maze", "# G\n##S", walls_only=False)
    assert normal("maze", "# S\n##G", walls_only=True) == normal("maze", "# G\n##S", walls_only=True)


def test_no_puzzle_twice(one_worker: Path, read: Read) -> None:
    table = read(one_worker)
    puzzles = {
        (task, normal(task, states[0], walls_only=False))
        for task, states in zip(table["task"].to_pylist(), table["states"].to_pylist(), strict=True)
    }
    assert len(puzzles) == 300
    assert len(set(zip(table["task"].to_pylist(), table["digest"].to_pylist(), strict=True))) == 300


def test_no_structure_in_two_splits(one_worker: Path, read: Read) -> None:
    table = read(one_worker)
    found: dict[str, set[tuple[str, tuple[str, ...]]]] = {}
    columns = (table[name].to_pylist() for name in ("task", "split", "states"))
    for task, split, states in zip(*columns, strict=True):
        found.setdefault(split, set()).add((task, normal(task, states[0], walls_only=True)))
    assert set(found) == {"train", "test"}
    for one, other in combinations(found.values(), 2):
        assert not one & other
    manifest = json.loads((one_worker / "manifest.json").read_text())
    assert manifest["structures_in_two_splits"] == 0


def test_ids_are_recipe_level_seed_index(one_worker: Path, read: Read) -> None:
    assert sorted(read(one_worker)["id"].to_pylist()) == sorted(
        f"{task}-medium-0-{index:06d}" for task in ("maze", "flowfree", "sokoban") for index in range(100)
    )


# --- whole files


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same request on two folders, one of them with two workers."""
    folder = tmp_path_factory.mktemp("twice")
    for name, workers in (("a", 1), ("b", 2)):
        request = ("maze:tiny", "sokoban:tiny", "--num", 20, "--seed", 5, "--format", "64x64x25", "--shard-rows", 15)
        done = puzzlegen("generate", *request, "--workers", workers, "--out", folder / name)
        assert done.returncode == 0, done.stderr
    return folder / "a", folder / "b"


def test_repeated_run_gives_identical_files_and_manifest(twice: tuple[Path, Path]) -> None:
    one, other = map(contents, twice)
    assert list(one) == list(other)
    assert {name for name in one if "/" not in name} == {"README.md", "croissant.json", "manifest.json", "request.json"}
    for name in one:
        assert one[name] == other[name], name


def test_same_command_on_a_finished_dataset_changes_nothing(twice: tuple[Path, Path]) -> None:
    folder = twice[0]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")}
    request = ("maze:tiny", "sokoban:tiny", "--num", 20, "--seed", 5, "--format", "64x64x25", "--shard-rows", 15)
    done = puzzlegen("generate", *request, "--out", folder)
    assert done.returncode == 0, done.stderr
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in folder.rglob("*")} == before


def test_nothing_of_this_machine_is_in_the_files(twice: tuple[Path, Path]) -> None:
    words = [str(twice[0].parent).encode(), str(Path.home()).encode() + b"/", str(Path.cwd()).encode() + b"/"]
    for name, content in contents(twice[0]).items():
        assert not [word for word in words if word in content], name


def test_another_seed_gives_other_puzzles(twice: tuple[Path, Path], read: Read, tmp_path: Path) -> None:
    request = ("maze:tiny", "sokoban:tiny", "--num", 20, "--seed", 6, "--format", "64x64x25", "--shard-rows", 15)
    assert puzzlegen("generate", *request, "--out", tmp_path / "c").returncode == 0
    ours, theirs = (set(read(folder)["puzzle"].to_pylist()) for folder in (twice[0], tmp_path / "c"))
    assert len(ours & theirs) <= 4


# --- compiled kernels


def test_kernels_never_change_rows(tmp_path: Path) -> None:
    request = ("maze:tiny", "sokoban:tiny", "flowfree:tiny", "--num", 5, "--format", "64x64x25")
    for kernels in ("python", "compiled"):
        done = called("generate", *request, "--kernels", kernels, "--out", tmp_path / kernels)
        assert (done.returncode, done.stderr) == (0, "")
    assert contents(tmp_path / "python") == contents(tmp_path / "compiled")


@pytest.mark.parametrize(("compiled", "num", "used"), [(None, 9, False), (None, 10, True), (False, 10, False)])
def test_kernels_are_compiled_once_before_the_work(
    compiled: bool | None, num: int, used: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "_MANY", 10)
    told: list[tuple[str, int, int]] = []
    stream = Stream(recipe="maze", level="tiny", seed=0, clip=parse_format("64x64x25"))
    request = Request(streams=(stream,), num=num, shard_rows=10)
    run.generate(request, tmp_path / "d", InProcess(), lambda *progress: told.append(progress), compiled)
    assert told[0] == (("kernels", 1, 1) if used else ("puzzles", 0, num))
    assert [stage for stage, _, _ in told].count("kernels") == used

"""`--units` and `merge`: many runs on one folder make the dataset that one run makes, byte for byte."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from puzzlegen.cli.units import units_of
from puzzlegen.errors import Incomplete, InvalidInput, LevelExhausted, OutputError
from puzzlegen.generate import clips, run, sample
from puzzlegen.generate.engines import InProcess, LocalPool
from puzzlegen.generate.plan import Request, spans
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from puzzlegen.shards.store import LocalStore
from runs import called, contents, lines, start, wait_for

CLIP = parse_format("64x64x25")
# a level that is nearly used up: units of different runs share many puzzles
REQUEST = Request(
    streams=tuple(Stream(recipe=name, level="tiny", seed=0, clip=CLIP) for name in ("flowfree", "maze")),
    num=125, shard_rows=70,
)  # fmt: skip
COMMAND = ("generate", "flowfree:tiny", "maze:tiny", "--num", 125, "--format", "64x64x25", "--shard-rows", 70)


def quiet(*_: object) -> None:
    """No progress is shown."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "d"
    run.generate(REQUEST, folder, InProcess(), quiet)
    return folder


@pytest.fixture(scope="module")
def in_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All four units made, each on its own, the last first; not yet merged."""
    folder = tmp_path_factory.mktemp("parts") / "d"
    assert REQUEST.num_units == 4
    for unit in (3, 1, 0, 2):
        run.generate_units(REQUEST, folder, range(unit, unit + 1), InProcess(), quiet)
    return folder


def test_merged_units_are_one_run(whole: Path, in_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And only clips that a unit of lower number displaced are rendered again."""
    folder = Path(shutil.copytree(in_parts, tmp_path / "d"))
    rendered = []
    render = sample.render
    monkeypatch.setattr(sample, "render", lambda *arguments: rendered.append(arguments[2].origin) or render(*arguments))
    run.merge(folder, InProcess(), quiet)
    assert contents(folder) == contents(whole)
    assert 5 < len(rendered) < 80
    assert all(origin.attempt > 0 for origin in rendered)


def test_a_run_of_the_whole_goes_on_from_units(whole: Path, in_parts: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(in_parts, tmp_path / "d"))
    (folder / ".work/parts/00000002-train.parquet").unlink()
    (folder / ".work/drafts/00000003").unlink()
    run.generate(REQUEST, folder, InProcess(), quiet)
    assert contents(folder) == contents(whole)


def test_merge_names_what_is_missing(tmp_path: Path, in_parts: Path) -> None:
    folder = Path(shutil.copytree(in_parts, tmp_path / "d"))
    for part in [*folder.glob(".work/parts/00000001-*"), *folder.glob(".work/parts/00000003-*")]:
        part.unlink()
    done = called("merge", folder)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = lines(done.stderr)
    assert "2 of 4 units are missing: 1:2, 3:4." in line
    (folder / ".work/drafts/00000000").unlink()
    with pytest.raises(Incomplete, match="units are missing: 0:1"):
        run.merge(folder, InProcess(), quiet)


def test_merge_of_what_is_no_run(tmp_path: Path, whole: Path) -> None:
    with pytest.raises(OutputError, match=r"no run of puzzlegen"):
        run.merge(tmp_path, InProcess(), quiet)
    assert not list(tmp_path.iterdir())
    before = contents(whole)
    assert run.merge(whole, InProcess(), quiet) == json.loads(before["manifest.json"])
    assert contents(whole) == before


def test_a_merge_that_is_killed_goes_on(
    whole: Path, in_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each of its steps: by then it has deleted parts whose shards are written."""
    folder = Path(shutil.copytree(in_parts, tmp_path / "d"))
    work = clips.work
    for steps in (2, 3, 5, 2, 100):
        left = steps

        def some(job: clips.Job) -> clips.Job:
            nonlocal left
            left -= 1
            if left < 0:
                raise SystemExit
            return work(job)

        monkeypatch.setattr(clips, "work", some)
        try:
            run.merge(folder, InProcess(), quiet)
        except SystemExit:
            continue
    assert contents(folder) == contents(whole)


def test_through_the_command_as_a_job_array_does(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "d"
    array = {"MIN": "4", "MAX": "8", "COUNT": "3"}
    for number, left in ((4, ["left: 1:4."]), (8, ["left: 1:2."]), (6, ["None is left:"])):
        for name, value in {**array, "ID": str(number)}.items():
            monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", value)
        done = called(*COMMAND, "--out", folder)
        assert (done.returncode, done.stderr) == (0, "")
        assert all(words in done.stdout for words in left), done.stdout
        assert f"puzzlegen merge {folder}" in done.stdout
    assert not (folder / "manifest.json").exists()
    done = called("merge", folder, "--workers", 2)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("250 verified clips")
    assert contents(folder) == contents(whole)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("0:2", range(2)), ("2:", range(2, 4)), (":3", range(3)), (":", range(4)), ("all", None), (None, None)],
)
def test_ranges(words: str | None, expected: range | None) -> None:
    assert units_of(words, REQUEST, {}) == expected


@pytest.mark.parametrize("words", ["", "3", "3:3", "2:1", "0:5", "-1:2", "a:b", "1:2:3"])
def test_bad_ranges(words: str) -> None:
    with pytest.raises(InvalidInput, match="--units"):
        units_of(words, REQUEST, {})


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
@pytest.mark.parametrize(("least", "step"), [(0, 1), (1, 1), (10, 5)])
def test_the_tasks_of_an_array_share_all_units(count: int, least: int, step: int) -> None:
    found: list[int] = []
    for rank in range(count):
        values = {"ID": least + rank * step, "MIN": least, "MAX": least + (count - 1) * step, "COUNT": count}
        share = units_of(None, REQUEST, {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()})
        assert share is not None
        found += share
    assert found == [0, 1, 2, 3]


def test_an_uneven_array_is_refused() -> None:
    values = {"ID": 2, "MIN": 1, "MAX": 9, "COUNT": 3}
    with pytest.raises(InvalidInput, match="unevenly"):
        units_of(None, REQUEST, {f"SLURM_ARRAY_TASK_{name}": str(value) for name, value in values.items()})


def test_runs_of_overlapping_units_are_refused_and_others_not(tmp_path: Path) -> None:
    """Locks are of processes, so the first holder is another one."""
    folder = tmp_path / "d"
    first = start(*COMMAND, "--units", "1:3", "--out", folder)
    assert wait_for((folder / ".work" / "parts").exists, first)
    for units in ("2:4", "0:2", "all"):
        done = called(*COMMAND, "--units", units, "--out", folder)
        assert (first.poll(), done.returncode) == (None, 4), done.stderr
        assert "Another run is writing" in done.stderr
    first.kill()
    first.communicate()
    other = LocalStore(folder)
    with other.locked(".work", range(1)):
        pass
    left = run.generate_units(REQUEST, folder, range(3, 4), InProcess(), quiet)
    assert left[-1].stop == 3


def test_units_that_use_a_level_up_say_so(tmp_path: Path) -> None:
    asked = Request(streams=REQUEST.streams[:1], num=200, shard_rows=50)
    with pytest.raises(LevelExhausted, match=r"flowfree:tiny holds about 1[56]"):
        run.generate_units(asked, tmp_path / "d", range(4), InProcess(), quiet)


def test_spans() -> None:
    assert spans([0, 1, 2, 5, 7, 8]) == [range(3), range(5, 6), range(7, 9)]
    assert spans([]) == []


def test_workers_make_the_same(whole: Path, in_parts: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(in_parts, tmp_path / "d"))
    pool = LocalPool(2)
    try:
        manifest: dict[str, Any] = run.merge(folder, pool, quiet)
    finally:
        pool.close()
    assert manifest["rows"] == 250
    assert contents(folder) == contents(whole)


def test_the_work_folder_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clips of train go as their shards are written, though the one shard of test waits for the last unit."""
    most, work = 0, clips.work

    def watched(job: clips.Job) -> clips.Job:
        nonlocal most
        most = max(most, len([*tmp_path.glob("d/.work/parts/*-train.parquet")]))
        return work(job)

    monkeypatch.setattr(clips, "work", watched)
    asked = Request(streams=REQUEST.streams[1:], num=500, shard_rows=60)
    assert asked.num_units == 8
    manifest = run.generate(asked, tmp_path / "d", InProcess(), quiet)
    assert [shard["split"] for shard in manifest["shards"]] == ["test", *["train"] * 9]
    assert most <= 3

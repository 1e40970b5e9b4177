"""No puzzle twice, none in two splits, and levels that hold too few are refused with the numbers."""

from __future__ import annotations

import json
import re
import shutil
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from puzzlegen import registry
from puzzlegen.errors import InvalidInput, LevelExhausted, OutputError
from puzzlegen.generate import claim, clips, drafts, plan, run, sample
from puzzlegen.generate.engines import Engine, InProcess, LocalPool
from puzzlegen.render.formats import parse_format
from puzzlegen.shards.store import Store
from puzzlegen.types import Instance
from runs import called, lines

Write = Callable[[str, str], Path]
Read = Callable[[Path], pa.Table]

CLIP = parse_format("64x64x25")
# nine cells, all spanning trees equally likely, four steps: the number of puzzles is counted below
THREE = "three = { size = 3, length = [4, 4], mix = { dfs = 0, wilson = 1, kruskal = 0, braided = 0 } }"


def request(
    recipe: Path | str, level: str, num: int, *, shard_rows: int = 1000, seed: int = 0, **options: Any
) -> plan.Request:
    stream = sample.Stream(recipe=str(recipe), level=level, seed=seed, clip=CLIP, **options)
    return plan.Request(streams=(stream,), num=num, shard_rows=shard_rows)


def made(asked: plan.Request, folder: Path) -> dict[str, Any]:
    return run.generate(asked, folder, InProcess(), lambda *_: None)


# --- an independent count of the puzzles of THREE


def spanning_trees() -> Iterator[frozenset[frozenset[int]]]:
    edges = [frozenset((cell, cell + 1)) for cell in range(9) if cell % 3 < 2]
    edges += [frozenset((cell, cell + 3)) for cell in range(6)]

    def grow(index: int, chosen: list[frozenset[int]], parts: dict[int, int]) -> Iterator[frozenset[frozenset[int]]]:
        if len(chosen) == 8:
            yield frozenset(chosen)
        elif index < len(edges):
            one, other = sorted(edges[index])
            if parts[one] != parts[other]:
                joined = {cell: parts[one] if part == parts[other] else part for cell, part in parts.items()}
                yield from grow(index + 1, [*chosen, edges[index]], joined)
            yield from grow(index + 1, chosen, parts)

    return grow(0, [], {cell: cell for cell in range(9)})


def count_of_three() -> int:
    turn = [(cell % 3) * 3 + 2 - cell // 3 for cell in range(9)]
    flip = [cell // 3 * 3 + 2 - cell % 3 for cell in range(9)]
    maps = [list(range(9))]
    for _ in range(3):
        maps.append([turn[cell] for cell in maps[-1]])
    maps += [[flip[cell] for cell in each] for each in maps]
    classes = set()
    for tree in spanning_trees():
        for start in range(9):
            far = {start: 0}
            queue = [start]
            for cell in queue:
                for edge in tree:
                    if cell in edge:
                        (next_cell,) = edge - {cell}
                        if next_cell not in far:
                            far[next_cell] = far[cell] + 1
                            queue.append(next_cell)
            for goal in (cell for cell, steps in far.items() if steps == 4):
                classes.add(
                    min(
                        (sorted(sorted(each[cell] for cell in edge) for edge in tree), each[start], each[goal])
                        for each in maps
                    ).__repr__()
                )
    return len(classes)


def test_spanning_trees_of_nine_cells() -> None:
    assert len(set(spanning_trees())) == 192  # Kirchhoff


@pytest.fixture(scope="module")
def exact() -> int:
    return count_of_three()


# --- levels that hold few puzzles


def test_all_puzzles_of_a_level_are_found(write_recipe: Write, tmp_path: Path, exact: int, read: Read) -> None:
    recipe = write_recipe("own", THREE)
    made(request(recipe, "three", exact), tmp_path / "all")
    rows = read(tmp_path / "all")
    assert len(set(rows["digest"].to_pylist())) == len(rows) == exact


def test_one_more_is_refused_with_the_exact_number(write_recipe: Write, tmp_path: Path, exact: int) -> None:
    recipe = write_recipe("own", THREE)
    done = called("generate", f"{recipe}:three", "--num", exact + 1, "--format", "64x64x25", "--out", tmp_path / "d")
    assert done.returncode == 1
    (line,) = lines(done.stderr)
    assert re.search(rf"holds about {exact} different puzzles, you asked for {exact + 1}\b", line), line
    assert f"Ask for at most {exact} " in line


def test_a_refused_request_leaves_the_folder_to_the_next(write_recipe: Write, tmp_path: Path, exact: int) -> None:
    recipe = write_recipe("own", THREE)
    folder = tmp_path / "d"
    with pytest.raises(LevelExhausted):
        made(request(recipe, "three", exact + 30), folder)
    assert not list(folder.iterdir())
    assert made(request(recipe, "three", 5), folder)["rows"] == 5


@pytest.mark.parametrize(("holder", "step"), [(shutil, "rmtree"), (Path, "rename"), (Path, "unlink")])
def test_a_refused_request_that_is_killed_leaves_no_drafts_to_another(
    write_recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: int, holder: object, step: str
) -> None:
    """Killed at any step of giving its folder back: never may a request with another seed take over its puzzles."""
    recipe = write_recipe("own", THREE)
    too_many, other = request(recipe, "three", exact + 1), request(recipe, "three", 5, seed=9)
    give_back = claim.give_back

    def killed(*_: object, **__: object) -> None:
        raise SystemExit

    def killed_at_this_step(store: Store) -> None:
        monkeypatch.setattr(holder, step, killed)
        give_back(store)

    monkeypatch.setattr(claim, "give_back", killed_at_this_step)
    with pytest.raises(SystemExit):
        made(too_many, tmp_path / "d")
    monkeypatch.undo()
    try:
        assert made(other, tmp_path / "d")["shards"] == made(other, tmp_path / "sound")["shards"]
    except OutputError as error:
        assert "another dataset" in str(error)


def test_refused_before_any_clip_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("rendered")

    monkeypatch.setattr(clips, "work", never)
    with pytest.raises(LevelExhausted, match=r"flowfree:tiny holds about 1[56]\d different puzzles, you asked for 500"):
        made(request("flowfree", "tiny", 500), tmp_path / "d")


def settled(asked: plan.Request, folder: Path, engine: Engine) -> list[tuple[int, int]]:
    """(digest, attempt) of every position: what a run decides before it renders anything."""
    site, moved, _ = run.draft_only(asked, folder, engine, lambda *_: None)
    rows = [row for unit in site.units for row in drafts.read_keys(site, unit, moved)[["digest", "attempt"]].tolist()]
    return [(digest, attempt) for digest, attempt in rows]


def test_flowfree_tiny_gives_150_whatever_the_workers(tmp_path: Path) -> None:
    """Nearly all that the level holds."""
    asked = request("flowfree", "tiny", 150)
    alone = settled(asked, tmp_path / "one", InProcess())
    pool = LocalPool(2)
    try:
        assert settled(asked, tmp_path / "two", pool) == alone
    finally:
        pool.close()
    assert len({digest for digest, _ in alone}) == len(alone) == 150


def test_outcome_does_not_depend_on_the_draft_unit(
    write_recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exact: int
) -> None:
    asked = request(write_recipe("own", THREE), "three", exact - 5)
    found = []
    for unit in (1, 7, 64, 1000):
        monkeypatch.setattr(plan, "UNIT", unit)
        found.append(settled(asked, tmp_path / str(unit), InProcess()))
    assert sum(attempt for _, attempt in found[0]) > exact, "hardly any puzzle was redrawn: the test proves nothing"
    assert found.count(found[0]) == 4


def test_levels_of_one_recipe_share_no_puzzle(write_recipe: Write, tmp_path: Path, exact: int, read: Read) -> None:
    """Two levels that can draw the same puzzles."""
    recipe = write_recipe("own", f"{THREE}\n{THREE.replace('three', 'again')}")
    num = exact // 2 - 3
    streams = [request(recipe, level, num).streams[0] for level in ("three", "again")]
    made(plan.Request(streams=tuple(streams), num=num, shard_rows=100), tmp_path / "d")
    rows = read(tmp_path / "d")
    assert len(set(rows["digest"].to_pylist())) == len(rows) == 2 * num


# --- splits


def test_split_gives_only_its_rows_and_no_structure_of_the_other(tmp_path: Path, read: Read) -> None:
    """Of another seed too: who trains on one set may test on the other."""
    common = ("maze:tiny", "sokoban:tiny", "--num", 8, "--format", "64x64x25")
    for split, seed in (("test", 0), ("train", 1)):
        done = called("generate", *common, "--seed", seed, "--split", split, "--out", tmp_path / split)
        assert done.returncode == 0, done.stderr
    test, train = read(tmp_path / "test"), read(tmp_path / "train")
    assert set(test["split"].to_pylist()) == {"test"}
    assert set(train["split"].to_pylist()) == {"train"}
    assert not set(test["structure_digest"].to_pylist()) & set(train["structure_digest"].to_pylist())
    for folder in ("test", "train"):
        manifest = json.loads((tmp_path / folder / "manifest.json").read_text())
        assert manifest["structures_in_two_splits"] == 0
        assert list(manifest["splits"]) == [folder]
    assert [path.name for path in (tmp_path / "test" / "data").iterdir()] == ["test-00000-of-00001.parquet"]


def test_a_split_that_a_level_cannot_reach_is_refused(
    write_recipe: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All mazes of four cells without a loop are one structure, and that is in train."""
    level = "two = { size = 2, length = [1, 1], mix = { wilson = 1, dfs = 0, kruskal = 0, braided = 0 } }"
    recipe = write_recipe("own", level)
    draws = 0
    attempt = sample.attempt_at

    def counted(*arguments: Any) -> Any:
        nonlocal draws
        draws += 1
        assert draws < 200_000, "it goes on for ever"
        return attempt(*arguments)

    monkeypatch.setattr(sample, "attempt_at", counted)
    with pytest.raises((LevelExhausted, InvalidInput), match=r"own:two.*split 'test'"):
        made(request(recipe, "two", 1, split="test"), tmp_path / "d")


# --- levels that give nothing


def test_a_level_whose_draws_are_all_rejected_says_why(tmp_path: Path) -> None:
    """One box in a small room cannot need so many pushes."""
    text = registry.recipe_paths()["sokoban"].read_text()
    level = "impossible = { size = 6, boxes = 1, walls = 20, pushes = [300, 400], moves = [300, 900] }"
    recipe = tmp_path / "bad.toml"
    recipe.write_text(re.sub(r"(?s)\[levels\].*?\n\n", f"[levels]\n{level}\n\n", text))
    clip = ("--format", "64x64x1201")
    done = called("generate", f"{recipe}:impossible", "--num", 2, *clip, "--out", tmp_path / "d")
    assert done.returncode == 2
    (line,) = lines(done.stderr)
    assert line.startswith("Error: bad:impossible: ")
    assert "Loosen [levels.impossible]" in line
    reasons = {name: int(count) for count, name in re.findall(r"(\d+) '([^']+)'", line)}
    assert sum(reasons.values()) == int(re.search(r"(\d+) draws rejected", line)[1]) == 1000  # type: ignore[index]
    assert not (tmp_path / "d").exists() or not list((tmp_path / "d").iterdir())


def test_a_clip_too_small_to_show_the_board_says_why(tmp_path: Path) -> None:
    done = called("generate", "maze:hard", "--num", 1, "--format", "32x32x81", "--out", tmp_path / "d")
    assert done.returncode == 2
    (line,) = lines(done.stderr)
    assert "maze:hard" in line
    assert "1000 'board too large for the clip'" in line


def test_a_puzzle_does_not_depend_on_how_many_follow(write_recipe: Write, tmp_path: Path, exact: int) -> None:
    recipe = write_recipe("own", THREE)
    more = settled(request(recipe, "three", exact - 2), tmp_path / "more", InProcess())
    fewer = settled(request(recipe, "three", exact // 2), tmp_path / "fewer", InProcess())
    assert fewer == more[: exact // 2]


# --- memory


def test_memory_of_the_main_process_hardly_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even a kilobyte for each clip, though rendered rows weigh tens of them. Puzzles and rows are made up."""
    recipe, stream = registry.load("maze"), request("maze", "easy", 1).streams[0]
    model = sample.draft(recipe, stream, 0)
    row = sample.render(recipe, stream, model)

    def quick_draft(_: object, __: object, index: int, *___: object) -> Instance[Any]:
        digest = f"{index:016x}"
        return replace(model, origin=replace(model.origin, index=index), digest=digest, structure=digest)

    def quick_render(_: object, __: object, instance: Instance[Any]) -> dict[str, Any]:
        identity = {"id": instance.origin.id, "digest": instance.digest, "structure_digest": instance.structure}
        return {**row, **identity, "index": instance.origin.index}

    monkeypatch.setattr(sample, "draft", quick_draft)
    monkeypatch.setattr(sample, "render", quick_render)
    made(request("maze", "easy", 100), tmp_path / "warm up")
    peaks = {}
    for num in (500, 2000):
        tracemalloc.start()
        made(request("maze", "easy", num, shard_rows=256), tmp_path / str(num))
        peaks[num] = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert len(json.dumps(row["look"])) + len(row["video"]["bytes"]) > 2000
    assert (peaks[2000] - peaks[500]) / 1500 < 1000, peaks

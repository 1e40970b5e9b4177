"""`puzzlegen verify` passes a sound dataset and finds every fault that we can put into one."""

from __future__ import annotations

import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from puzzlegen.errors import CorruptData, PuzzlegenError
from puzzlegen.generate.audit import audit
from puzzlegen.generate.engines import InProcess
from puzzlegen.shards.manifest import sha256_of
from puzzlegen.shards.writer import ShardWriter
from runs import called, lines

Row = dict[str, Any]
Edit = Callable[[list[Row]], object]


def problems(folder: Path) -> list[str]:
    """What the audit finds; a manifest that cannot be used at all is one finding."""
    try:
        return audit(folder, InProcess(), lambda *_: None)
    except CorruptData as error:
        return [str(error)]


@pytest.fixture
def copy(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small, tmp_path / "copy"))


def shards(folder: Path) -> list[Path]:
    return sorted((folder / "data").glob("*.parquet"))


def largest(folder: Path) -> Path:
    return max(shards(folder), key=lambda path: path.stat().st_size)


def manifest_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "manifest.json").read_text()))


def reseal(folder: Path) -> None:
    """Make the manifest agree with the files, as a careful forger would."""
    manifest = manifest_of(folder)
    for entry in manifest["shards"]:
        path = folder / entry["path"]
        entry["sha256"], entry["bytes"] = sha256_of(path), path.stat().st_size
        entry["rows"] = pq.read_metadata(path).num_rows
    manifest["rows"] = sum(entry["rows"] for entry in manifest["shards"])
    (folder / "manifest.json").write_text(json.dumps(manifest))


def forge(folder: Path, edit: Edit) -> None:
    """Rewrite the largest shard with edited rows, under a manifest that agrees."""
    path = largest(folder)
    metadata = {
        key.decode(): value.decode()
        for key, value in pq.read_schema(path).metadata.items()
        if key.startswith(b"puzzlegen")
    }
    rows = pq.read_table(path).to_pylist()
    edit(rows)
    with ShardWriter(path, metadata) as writer:
        writer.write(rows)
    reseal(folder)


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


def expect_fault(folder: Path, *words: str) -> None:
    """The command says it in lines that hold these words, and ends with 3."""
    done = called("verify", folder)
    assert done.returncode == 3, done.stdout + done.stderr
    assert len(lines(done.stderr)) == 1, done.stderr
    assert done.stderr.startswith("Error: "), done.stderr
    assert "fault" in done.stderr
    assert any(all(word in line for word in words) for line in lines(done.stdout)), done.stdout


# --- sound data


@pytest.mark.parametrize("workers", [1, 2])
def test_sound_dataset_passes(small: Path, workers: int) -> None:
    done = called("verify", small, "--workers", workers)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("6 of 6 clips")
    told = json.loads(called("verify", small, "--json").stdout)
    assert told == {"clips": 6, "problems": []}


def test_large_dataset_passes(two_workers: Path) -> None:
    """The 300 clips of the test of determinism."""
    done = called("verify", two_workers, "--workers", 2)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert done.stdout.startswith("300 of 300 clips")


def test_forging_nothing_leaves_it_sound(copy: Path) -> None:
    """Else the tests below would prove nothing."""
    forge(copy, lambda rows: None)
    assert problems(copy) == []


# --- damaged files


def place_of(path: Path, content: bytes) -> int:
    position = path.read_bytes().find(content)
    assert position > 0
    return position


def test_flipped_byte_in_a_video(copy: Path) -> None:
    path = largest(copy)
    row = pq.read_table(path).to_pylist()[1]
    video = row["video"]["bytes"]
    flip(path, place_of(path, video) + len(video) // 2)
    expect_fault(copy, path.name, "sha256")
    reseal(copy)
    expect_fault(copy, path.name, row["id"])


def test_flipped_byte_in_a_picture(copy: Path) -> None:
    path = largest(copy)
    row = pq.read_table(path).to_pylist()[1]
    picture = row["final_frame"]["bytes"]
    flip(path, place_of(path, picture) + len(picture) // 2)
    expect_fault(copy, path.name, "sha256")
    reseal(copy)
    expect_fault(copy, path.name, row["id"])


def test_flipped_byte_in_the_footer(copy: Path) -> None:
    path = largest(copy)
    flip(path, path.stat().st_size - 12)
    expect_fault(copy, path.name)


@pytest.mark.parametrize("end", [b"", b"PAR1"])
def test_cut_shard(copy: Path, end: bytes) -> None:
    path = largest(copy)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] + end)
    expect_fault(copy, path.name)


def test_missing_shard(copy: Path) -> None:
    path = largest(copy)
    path.unlink()
    expect_fault(copy, path.name)


def test_a_folder_in_place_of_a_shard(copy: Path) -> None:
    path = largest(copy)
    path.unlink()
    path.mkdir()
    expect_fault(copy, path.name)


def test_a_shard_that_the_manifest_does_not_know(copy: Path) -> None:
    """`datasets` would read it along with the others."""
    shutil.copy(largest(copy), copy / "data" / "train-00009-of-00010.parquet")
    expect_fault(copy, "train-00009-of-00010.parquet")


def test_any_flipped_byte_is_found_and_nothing_crashes(copy: Path) -> None:
    """Also under a manifest that was made to agree: then a flip in unused bytes may pass, but nothing else happens."""
    path = largest(copy)
    sound = path.read_bytes()
    manifest = (copy / "manifest.json").read_bytes()
    rng = random.Random(5)
    tail = int.from_bytes(sound[-8:-4], "little") + 8
    positions = [rng.randrange(len(sound)) for _ in range(10)] + [
        len(sound) - 1 - rng.randrange(tail) for _ in range(20)
    ]
    small_columns = [place for place in range(0, len(sound) - tail, 97) if sound[place : place + 4] != b"\0\0\0\0"]
    positions += rng.sample(small_columns, 10)
    for position in positions:
        flip(path, position)
        found = problems(copy)
        assert any(path.name in problem for problem in found), position
        readable = True
        try:
            reseal(copy)
        except (OSError, ValueError, pa.ArrowException):
            readable = False
        if readable:
            problems(copy)
        path.write_bytes(sound)
        (copy / "manifest.json").write_bytes(manifest)
    assert problems(copy) == []


# --- edited manifests


@pytest.mark.parametrize(
    "edit",
    [
        lambda manifest: manifest["shards"][0].update(sha256="0" * 64),
        lambda manifest: manifest["shards"][0].update(rows=1000),
        lambda manifest: manifest.update(rows=7),
        lambda manifest: manifest["shards"].pop(),
        lambda manifest: manifest["shards"].append(manifest["shards"][0]),
        lambda manifest: manifest["shards"][0].update(path="data/none.parquet"),
        lambda manifest: manifest["shards"][0].update(split="other"),
        lambda manifest: manifest.update(structures_in_two_splits=3),
    ],
    ids=["sha256", "rows of a shard", "rows", "shard gone", "shard twice", "path", "split", "shared structures"],
)
def test_edited_manifest(copy: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    manifest = manifest_of(copy)
    edit(manifest)
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert problems(copy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"shards": 3}',
        '{"shards": [3]}',
        '{"shards": []}',
        '{"shards": [{"path": "x"}]}',
        b"\xff\xfe",
    ],
)
@pytest.mark.parametrize("command", ["verify", "show"])
def test_unreadable_manifest_is_one_line(copy: Path, text: str | bytes, command: str) -> None:
    if (command, text) == ("show", '{"shards": []}'):
        return  # an empty dataset can be shown
    (copy / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = called(command, copy)
    assert done.returncode == 3
    assert len(lines(done.stderr)) == 1, done.stderr
    assert "manifest.json" in done.stderr


# --- forged rows under a manifest that agrees


def first_of(task: str, rows: list[Row]) -> Row:
    return next(row for row in rows if row["task"] == task)


def other_legal_way(rows: list[Row]) -> None:
    """A step back and forth before the solution: legal, solves, but is not what the clip shows."""
    row = first_of("maze", rows)
    back = {"U": "D", "D": "U", "L": "R", "R": "L"}[row["actions"][0]]
    row["actions"] = [row["actions"][0], back, *row["actions"]]
    row["states"] = [row["states"][0], row["states"][1], *row["states"]]


def repaint(column: str) -> Edit:
    def edit(rows: list[Row]) -> None:
        picture = np.array(Image.open(io.BytesIO(rows[0][column]["bytes"])))
        picture[0, 0] ^= 1
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "png")
        rows[0][column]["bytes"] = buffer.getvalue()

    return edit


def setting(**values: Any) -> Edit:
    return lambda rows: rows[0].update(values)


def changing(**functions: Callable[[Any], Any]) -> Edit:
    return lambda rows: rows[0].update({name: function(rows[0][name]) for name, function in functions.items()})


def swap(*columns: str) -> Edit:
    def edit(rows: list[Row]) -> None:
        same = [row for row in rows if row["task"] == "sokoban"] + [row for row in rows if row["task"] == "maze"]
        one, other = same[:2] if same[0]["task"] == same[1]["task"] else same[-2:]
        for column in columns:
            one[column], other[column] = other[column], one[column]

    return edit


FORGERIES: dict[str, Edit] = {
    "actions cut": changing(actions=lambda actions: actions[:-1]),
    "actions empty": setting(actions=[]),
    "actions illegal": changing(actions=lambda actions: [*actions[:-1], "X"]),
    "actions not as shown": other_legal_way,
    "actions null": setting(actions=None),
    "states": changing(states=lambda states: states[::-1]),
    "puzzle of another row": swap("puzzle"),
    "puzzle and states of another row": swap("puzzle", "states", "actions", "digest", "structure_digest"),
    "puzzle no json": setting(puzzle="{"),
    "puzzle null": setting(puzzle=None),
    "puzzle empty": setting(puzzle="{}"),
    "puzzle without sense": changing(puzzle=lambda puzzle: puzzle.replace("1", "9").replace("2", "9")),
    "video of another row": swap("video"),
    "video empty": setting(video={"bytes": b"", "path": "x.mp4"}),
    "video null": setting(video=None),
    "video no video": setting(video={"bytes": b"\0" * 999, "path": "x.mp4"}),
    "first frame by one level": repaint("first_frame"),
    "final frame by one level": repaint("final_frame"),
    "frames swapped": lambda rows: rows[0].update(
        first_frame=rows[0]["final_frame"], final_frame=rows[0]["first_frame"]
    ),
    "first frame null": setting(first_frame=None),
    "digest": setting(digest="0" * 16),
    "structure digest": setting(structure_digest="0" * 16),
    "split": changing(split=lambda split: {"train": "test", "test": "train"}[split]),
    "task": changing(task=lambda task: {"maze": "sokoban", "flowfree": "maze", "sokoban": "flowfree"}[task]),
    "task unknown": setting(task="chess"),
    "task version": setting(task_version=99),
    "look of another row": swap("look"),
    "look no look": setting(look="{}"),
    "width": setting(width=160),
    "height": setting(height=160),
    "frames": setting(num_frames=37),
    "rate": setting(fps=8),
    "rate without sense": setting(fps=-1),
    "id": setting(id="maze-tiny-0-000099"),
    "index": setting(index=99),
    "seed": setting(seed=99),
    "level": setting(level="hard"),
    "level unknown": setting(level="none"),
    "number of actions": changing(num_actions=lambda count: count + 1),
    "action line": changing(action_line=lambda line: line + "U"),
    "keyframes": changing(keyframes=lambda frames: [frame + 1 for frame in frames]),
    "action frames": changing(action_frames=lambda frames: frames[:-1]),
    "attempt": changing(attempt=lambda attempt: attempt + 1),
    "recipe version": setting(recipe_version=99),
    "prompt": changing(prompt=lambda prompt: prompt.replace("the", "a")),
    "optimal": setting(optimal=False),
    "unique": changing(unique=lambda unique: not unique),
    "measures": setting(measures="{}"),
    "look name": setting(look_name="other"),
    "row twice": lambda rows: rows.append(rows[0]),
    "puzzle twice under another id": lambda rows: rows.append({**rows[0], "id": "maze-tiny-0-000050", "index": 50}),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_row(copy: Path, name: str) -> None:
    path = largest(copy)
    before = {row["id"]: row for row in pq.read_table(path).to_pylist()}
    forge(copy, FORGERIES[name])
    forged = [row for row in pq.read_table(path).to_pylist() if row != before.get(row["id"])]
    found = problems(copy)
    assert found
    named = [row["id"] for row in forged] or [next(iter(before))]
    assert forged or name == "row twice", "nothing was forged"
    if name != "puzzle twice under another id":
        assert any(clip in problem for clip in named for problem in found), found


def test_forged_row_through_the_command(copy: Path) -> None:
    forge(copy, other_legal_way)
    row = first_of("maze", pq.read_table(largest(copy)).to_pylist())
    expect_fault(copy, largest(copy).name, row["id"])


def test_other_columns(copy: Path) -> None:
    path = largest(copy)
    pq.write_table(pq.read_table(path).drop_columns(["digest"]), path)
    reseal(copy)
    assert any(path.name in problem and "columns" in problem for problem in problems(copy))


def test_a_row_in_the_shard_of_another_split(copy: Path) -> None:
    """Readers go by the shard's name: a train puzzle in a test shard leaks."""
    path = largest(copy)
    renamed = path.with_name(path.name.replace("train", "test"))
    path.rename(renamed)
    manifest = manifest_of(copy)
    for entry in manifest["shards"]:
        if entry["path"] == f"data/{path.name}":
            entry.update(path=f"data/{renamed.name}", split="test")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert any(renamed.name in problem for problem in problems(copy))


def test_dataset_of_a_recipe_that_is_not_installed(write_recipe: Callable[[str, str], Path], tmp_path: Path) -> None:
    """One line that names the recipe, not a fault for every clip."""
    recipe = write_recipe("own", "tiny = { size = 3, length = [2, 4] }")
    done = called("generate", recipe, "--num", 3, "--format", "64x64x25", "--out", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    done = called("verify", tmp_path / "d")
    assert done.returncode == 2
    assert len(lines(done.stderr + done.stdout)) == 1
    assert "'own'" in done.stderr


def test_no_dataset(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        done = called("verify", folder)
        assert done.returncode == 4
        assert len(lines(done.stderr)) == 1
        assert "manifest.json" in done.stderr


def test_errors_of_workers_arrive() -> None:
    """Errors travel between processes by pickle."""
    import pickle

    from puzzlegen.errors import MissingExtra, UnknownName

    for error in (UnknownName("recipe", "x", ["y"], "z"), MissingExtra("a", "b", "c"), PuzzlegenError("one line")):
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again)) == (type(error), str(error))

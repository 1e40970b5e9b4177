"""What each command does when all is well, as a user runs it."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
from PIL import Image

from puzzlegen import registry
from puzzlegen.cli import _COMMANDS
from puzzlegen.cli.training import train_command
from puzzlegen.render import video
from puzzlegen.render.formats import FORMATS
from runs import WORDS, called, lines, puzzlegen

LEVELS = {
    "sokoban": "#####\n#@$.#\n#####",
    "maze": "#####\n#S  #\n### #\n#G  #\n#####",
    "flowfree": "ABC\n...\nABC",
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shown") / "d"
    done = called("generate", "maze:tiny", "sokoban:tiny", "--num", 2, "--format", "128x96x25", "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


# --- help


def test_help_is_quick() -> None:
    """CPU time of the whole process, best of five: nothing heavy is imported for it."""

    def spent() -> float:
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return used.ru_utime + used.ru_stime

    times = []
    for command in (["--help"], ["generate", "--help"], ["--version"], ["generate", "--help"], ["--help"]):
        before = spent()
        assert puzzlegen(*command).returncode == 0
        times.append(spent() - before)
    assert min(times) < 0.3, times


@pytest.mark.parametrize("command", [[], *([name, "--help"] for name in _COMMANDS), ["show", "-h"]])
def test_help_imports_nothing_heavy(command: list[str]) -> None:
    words = command or ["--help"]
    code = (
        "import sys\nsys.argv[1:] = " + repr(words) + "\nfrom puzzlegen.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print([name for name in ('numpy', 'av', 'pyarrow', 'cv2', 'PIL', 'imageio', 'tqdm') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert lines(done.stdout)[-1] == "[]"


@pytest.mark.parametrize("command", [*_COMMANDS, *(f"train {name}" for name in train_command.commands)])
def test_every_command_explains_itself_with_an_example(command: str) -> None:
    done = called(*command.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"puzzlegen {command}" in done.stdout.split("\n", 1)[1], "no example"
    options = [line for line in done.stdout.splitlines() if line.startswith("  --")]
    assert options or command == "train"  # which has commands instead
    assert not [line for line in options if len(line.split()) < 3 and line.split()[-1].isupper()], (
        "an option without text"
    )


def test_exit_codes_are_in_the_help() -> None:
    text = " ".join(called("--help").stdout.split())
    assert "0 done, 1 could not be done, 2 bad input, 3 corrupt data, 4 unusable output, 130 interrupted" in text


def test_version() -> None:
    import puzzlegen as package

    assert called("--version").stdout.split()[-1] == package.__version__


# --- list


def test_list() -> None:
    done = called("list")
    assert done.returncode == 0
    for name in registry.recipe_paths():
        recipe = registry.load(name)
        assert name in done.stdout
        assert " ".join(recipe.levels) in done.stdout
        assert " ".join(recipe.looks) in done.stdout
    for name, shape in FORMATS.items():
        assert any(line.split() == [name, str(shape)] for line in done.stdout.splitlines())


def test_list_as_json() -> None:
    told = json.loads(called("list", "--json").stdout)
    assert set(told["recipes"]) == set(registry.recipe_paths()) >= {"maze", "flowfree", "sokoban"}
    assert told["recipes"]["maze"]["levels"] == list(registry.load("maze").levels)
    assert told["formats"] == {name: str(shape) for name, shape in FORMATS.items()}


# --- generate


def test_dry_run_writes_nothing_and_estimates(tmp_path: Path) -> None:
    request = ("generate", "sokoban:tiny", "maze:all", "--num", 1000, "--format", "640x640x161", "--shard-rows", 300)
    done = called(*request, "--dry-run", "--out", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    assert not list(tmp_path.iterdir())
    levels = len(registry.load("maze").levels) + 1
    assert len(lines(done.stdout)) == levels + 2
    assert f"total: {1000 * levels:,} clips" in done.stdout
    assert "MB" in done.stdout


def test_dry_run_as_json(tmp_path: Path) -> None:
    request = ("generate", "maze:tiny", "sokoban:tiny", "--num", 1000, "--format", "tiny", "--shard-rows", 300)
    plan = json.loads(called(*request, "--dry-run", "--json", "--workers", 4, "--out", tmp_path / "d").stdout)
    assert not list(tmp_path.iterdir())
    assert [level["level"] for level in plan["levels"]] == ["maze:tiny", "sokoban:tiny"]
    assert (plan["clips"], plan["shards"]) == (2000, 7)
    assert (plan["units"], plan["unit_clips"]) == (32, 64)
    assert plan["bytes"] == pytest.approx(sum(level["bytes_per_clip"] for level in plan["levels"]) * 1000)
    spent = sum(level["cpu_ms_per_clip"] for level in plan["levels"])
    assert plan["seconds"] == pytest.approx(spent * 1000 / 1000 / 4)
    assert all(0.5 < level["cpu_ms_per_clip"] < 2000 for level in plan["levels"])


def test_generate_as_json_is_the_manifest(tmp_path: Path) -> None:
    done = called("generate", "maze:tiny", "--num", 3, "--format", "tiny", "--json", "--out", tmp_path / "d")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told.pop("out") == str(tmp_path / "d")
    assert told == json.loads((tmp_path / "d" / "manifest.json").read_text())
    again = called("generate", "maze:tiny", "--num", 3, "--format", "tiny", "--json", "--out", tmp_path / "d")
    assert again.stdout == done.stdout


def test_generate_all_levels_with_chosen_looks(tmp_path: Path) -> None:
    request = (
        "generate",
        "maze:all",
        "--num",
        1,
        "--format",
        "640x640x161",
        "--look",
        "night",
        "--look",
        "paper",
        "--json",
    )
    done = called(*request, "--out", tmp_path / "d")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)["levels"]) == {f"maze:{level}" for level in registry.load("maze").levels}
    looks = {
        json.loads(called("show", tmp_path / "d", clip, "--json").stdout)["look_name"]
        for clip in lines(called("show", tmp_path / "d").stdout)[:3]
    }
    assert looks <= {"night", "paper"}


def test_generate_tells_what_it_did(tmp_path: Path) -> None:
    done = called("generate", "maze:tiny", "--num", 1, "--format", "tiny", "--out", tmp_path / "d")
    assert (
        lines(done.stdout)[0].startswith("1 verified clips in 1 shard,") or "1 verified clip in 1 shard," in done.stdout
    )
    assert str(tmp_path / "d") in done.stdout


# --- show


def test_show_lists_ids(dataset: Path) -> None:
    ids = ["maze-tiny-0-000000", "maze-tiny-0-000001", "sokoban-tiny-0-000000", "sokoban-tiny-0-000001"]
    assert sorted(lines(called("show", dataset).stdout)) == ids
    assert sorted(json.loads(called("show", dataset, "--json").stdout)) == ids


def test_show_one(dataset: Path) -> None:
    done = called("show", dataset, "sokoban-tiny-0-000001")
    assert done.returncode == 0
    facts = json.loads(called("show", dataset, "sokoban-tiny-0-000001", "--json").stdout)
    assert facts["id"] == "sokoban-tiny-0-000001"
    assert facts["puzzle"] and facts["look"] and facts["measures"]
    assert "video" not in facts
    for words in (facts["prompt"], facts["action_line"], facts["states"][0], "128x96x25@16"):
        assert words in done.stdout


@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png"])
def test_show_one_writes_it(dataset: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / f"clip{ending}"
    done = called("show", dataset, "maze-tiny-0-000000", "--out", out)
    assert done.returncode == 0, done.stderr
    assert str(out) in done.stdout
    expect_readable(out, width=128, height=96, frames=25)


def test_show_contact_sheet(dataset: Path, tmp_path: Path) -> None:
    done = called("show", dataset, "--out", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    picture = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert min(picture.shape[:2]) > 200
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_reader_that_goes_away_is_no_error(dataset: Path) -> None:
    words = " ".join([*WORDS, "show", f"'{dataset}'", "maze-tiny-0-000000", "--json"])
    done = subprocess.run(f"{words} | true", shell=True, capture_output=True, text=True, check=False)
    assert done.stderr == ""


def expect_readable(path: Path, *, width: int, height: int, frames: int) -> None:
    """An mp4, a GIF, or a strip of frames that other readers can open."""
    if path.suffix == ".mp4":
        assert video.decode_rgb(path.read_bytes()).shape == (frames, height, width, 3)
        assert iio.improps(path, plugin="pyav").shape == (frames, height, width, 3)
    elif path.suffix == ".gif":
        with Image.open(path) as picture:
            assert picture.format == "GIF"
            assert picture.n_frames > 1  # equal frames may be joined
            assert picture.size == (min(width, 320), round(height * min(width, 320) / width))
            assert picture.info["loop"] == 0
    else:
        with Image.open(path) as picture:
            assert picture.size[1] == height
            assert picture.size[0] % width == 0
    assert not list(path.parent.glob("*.tmp-*"))


# --- solve


def test_solve_the_smallest_sokoban(tmp_path: Path) -> None:
    level = tmp_path / "level.xsb"
    level.write_text("#####\n#@$.#\n#####\n")
    done = called("solve", "sokoban", level)
    assert (done.returncode, done.stderr) == (0, "")
    assert lines(done.stdout)[0] == "R"


@pytest.mark.parametrize("task", LEVELS)
@pytest.mark.parametrize("source", ["file", "stdin", "crlf"])
def test_solve(task: str, source: str, tmp_path: Path) -> None:
    level = tmp_path / "my level.txt"
    level.write_bytes(LEVELS[task].replace("\n", "\r\n" if source == "crlf" else "\n").encode())
    if source == "stdin":
        done = called("solve", task, "-", "--json", input=LEVELS[task])
    else:
        done = called("solve", task, level, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert {"actions", "num_actions", "optimal", "unique"} <= set(facts)
    assert facts["num_actions"] == len(facts["actions"])
    assert facts["optimal"] is True
    expected = {"sokoban": ["R"], "maze": ["R", "D", "L"]}
    if task in expected:
        assert facts["actions"] == expected[task]
    else:
        assert facts["unique"] is True
        assert facts["num_actions"] == 6
    if task == "sokoban":
        assert (facts["moves"], facts["pushes"]) == (1, 1)
    assert lines(called("solve", task, level).stdout)[0] == registry.load(task).task.line(facts["actions"])


# --- render


@pytest.mark.parametrize("task", LEVELS)
@pytest.mark.parametrize("ending", [".mp4", ".gif", ".png"])
def test_render(task: str, ending: str, tmp_path: Path) -> None:
    out = tmp_path / f"clip{ending}"
    done = called("render", task, "-", "--out", out, "--format", "192x128x33", input=LEVELS[task])
    assert (done.returncode, done.stderr) == (0, "")
    assert "reads back as solved" in done.stdout
    assert str(out) in done.stdout
    expect_readable(out, width=192, height=128, frames=33)


def test_render_look_and_seed(tmp_path: Path) -> None:
    def made(*options: object) -> bytes:
        out = tmp_path / "clip.mp4"
        done = called("render", "maze", "-", "--out", out, "--format", "tiny", *options, input=LEVELS["maze"])
        assert done.returncode == 0, done.stderr
        return out.read_bytes()

    assert made("--look", "night") == made("--look", "night")
    assert made("--look", "night") != made("--look", "paper")
    assert len({made("--seed", seed) for seed in range(4)}) > 1


# --- check


def test_check() -> None:
    done = called("check", "maze", "--level", "tiny")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert all(line.startswith("ok ") for line in lines(done.stdout))
    assert len(lines(done.stdout)) >= 8


def test_check_finds_a_broken_task(tmp_path: Path) -> None:
    """A maze whose solver walks in circles first."""
    (tmp_path / "rules.py").write_text(
        "from dataclasses import replace\nfrom puzzlegen.tasks.maze import Maze\n\n\nclass Slow(Maze):\n"
        "    def step(self, state, action):\n        return state\n"
    )
    text = registry.recipe_paths()["maze"].read_text()
    (tmp_path / "slow.toml").write_text(text.replace("puzzlegen.tasks.maze:Maze", "rules.py:Slow"))
    done = called("check", tmp_path / "slow.toml", "--level", "tiny")
    assert done.returncode == 1
    assert "FAIL" in done.stdout
    (line,) = lines(done.stderr)
    assert "breaks" in line and "promises" in line


def test_output_survives_a_plain_terminal(dataset: Path) -> None:
    """No locale, no UTF-8."""
    plain = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for command in (("list",), ("show", dataset, "maze-tiny-0-000000"), ("--help",), ("generate", "--help")):
        done = puzzlegen(*command, env=plain)
        assert (done.returncode, done.stderr) == (0, ""), command

"""Bad input is answered in one line on stderr, with the documented exit code and nothing written."""

from __future__ import annotations

from pathlib import Path

import pytest

from runs import called, lines, puzzlegen

SMALL = ("--num", 1, "--format", "tiny")


def refused(code: int, *arguments: object, **options: object) -> str:
    """Run; the one line of the refusal, without a path that would hide what it says."""
    done = called(*arguments, **options)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(lines(done.stderr)) == 1, done.stderr
    line = lines(done.stderr)[0]
    assert line.startswith("Error: ")
    assert len(line) < 500, "a line that nobody reads"
    return line


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


# --- commands and options


def test_no_arguments_print_the_help() -> None:
    done = puzzlegen()
    assert done.returncode in (0, 2)
    assert "generate" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["genrate"], "'generate'"),
        (["generate", "mase", *SMALL], "Did you mean 'maze'?"),
        (["generate", "chess", *SMALL], "flowfree, maze, sokoban"),
        (["generate", "maze:tinny", *SMALL], "Did you mean 'tiny'?"),
        (["generate", "", *SMALL], "recipe"),
        (["generate", "./none.toml", *SMALL], "none.toml"),
        (["generate", "maze", "--num", 1, "--format", "square257"], "'square256'"),
        (["generate", "maze", "--num", 1, "--format", "100x64x25"], "width must be a multiple of 32, got 100"),
        (["generate", "maze", "--num", 1, "--format", "64x64x24"], "num_frames must be 4n+1"),
        (["generate", "maze", "--num", 1, "--format", "64x64x25@0"], "fps"),
        (["generate", "maze:expert", *SMALL], "at least 30 actions"),
        (["generate", "maze", *SMALL, "--look", "nigth"], "'night'"),
        (["generate", "maze", *SMALL, "--split", "validation"], "train, test"),
        (["generate", "maze", "maze", *SMALL], "twice"),
        (["generate", "maze", "maze:medium", *SMALL], "twice"),
        (["generate", "maze:all", "maze:easy", *SMALL], "twice"),
        (["generate", "maze", "--num", 0], "--num"),
        (["generate", "maze", "--num", "many"], "--num"),
        (["generate", "maze"], "--num"),
        (["generate", *SMALL], "RECIPE"),
        (["generate", "maze", *SMALL, "--workers", 0], "--workers"),
        (["generate", "maze", *SMALL, "--shard-rows", 0], "--shard-rows"),
        (["generate", "maze", *SMALL, "--seed", 2**63], "--seed"),
        (["generate", "maze", *SMALL, "--seed", -(2**63) - 1], "--seed"),
        (["generate", "maze", *SMALL, "--sed", 1], "--seed"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, list) else "",
)
def test_bad_request(words: list[object], expected: str, out: Path) -> None:
    where = ("--out", out) if words[0] == "generate" else ()
    assert expected in refused(2, *words, *where)
    assert not out.exists()


def test_dry_run_refuses_the_same(out: Path) -> None:
    assert "at least 30 actions" in refused(2, "generate", "maze:expert", *SMALL, "--dry-run", "--out", out)


def test_out_is_required() -> None:
    assert "--out" in refused(2, "generate", "maze", *SMALL)


@pytest.mark.parametrize("seed", [2**63 - 1, -(2**63)])
def test_largest_seeds_work(seed: int, out: Path) -> None:
    assert called("generate", "maze:tiny", *SMALL, "--seed", seed, "--out", out).returncode == 0
    assert called("verify", out).returncode == 0


# --- recipe files


MAZE = """
rules = "puzzlegen.tasks.maze:Maze"
version = 1
[levels]
tiny = { size = 4, length = [3, 8] }
[prompts]
train = ["Go to the {goal}."]
[looks.paper]
page = ["ivory"]
[looks.paper.marks]
floor = { shape = ["room"], color = ["white"], accent = ["navy"] }
agent = { shape = ["disc"], color = ["blue"] }
goal = { shape = ["target"], color = ["red"] }
"""


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("size = 4", "sise = 4", "[levels.tiny]: there is no field 'sise'. Did you mean 'size'?"),
        ("size = 4", 'size = "4"', "[levels.tiny] size: expected int"),
        ("size = 4", "size = 1", "size must be 2 to 40, got 1"),
        ("size = 4", "size = nan", "nan"),
        ("size = 4", "size = 1979-05-27", "dates"),
        ("length = [3, 8]", "length = [8, 3]", "length"),
        (", length = [3, 8]", "", "'length' is missing"),
        ("{goal}", "{gaol}", "'gaol'"),
        ("{goal}", "{goal", "[prompts] train"),
        ("{goal}", "{goal!z:x}", "[prompts] train"),
        ('["ivory"]', '["ivry"]', "'ivory'"),
        ('["target"]', '["targte"]', "'target'"),
        ("version = 1", 'version = "one"', "version"),
        ("version = 1", "", "'version' is missing"),
        ("version = 1", "version = 1\ncolour = 3", "'colour'"),
        ("maze:Maze", "maze:Mase", "Mase"),
        ("puzzlegen.tasks.maze:Maze", "nonsense", "nonsense"),
        ("puzzlegen.tasks.maze:Maze", "puzzlegen.errors:Rejected", "no puzzlegen.Task"),
        ("puzzlegen.tasks.maze:Maze", "none.py:Maze", "none.py"),
        ("[levels]", "[levels", "cannot read the recipe"),
        ("tiny = {", '"ti ny" = {', "'ti ny'"),
    ],
)
def test_bad_recipe_file(old: str, new: str, expected: str, tmp_path: Path, out: Path) -> None:
    """Names the file, the table and the field."""
    assert old in MAZE
    recipe = tmp_path / "own.toml"
    recipe.write_text(MAZE.replace(old, new))
    line = refused(2, "generate", recipe, *SMALL, "--out", out)
    assert "own.toml" in line
    assert expected in line
    assert not out.exists()


@pytest.mark.parametrize("body", ["raise ValueError('boom')", "import none_such", "x = (", "1 / 0"])
def test_rules_file_that_does_not_load(body: str, tmp_path: Path, out: Path) -> None:
    (tmp_path / "rules.py").write_text(body)
    recipe = tmp_path / "own.toml"
    recipe.write_text(MAZE.replace("puzzlegen.tasks.maze:Maze", "rules.py:Maze"))
    assert "rules.py" in refused(2, "generate", recipe, *SMALL, "--out", out)


def test_binary_recipe_file(tmp_path: Path, out: Path) -> None:
    recipe = tmp_path / "own.toml"
    recipe.write_bytes(bytes(range(256)))
    assert "own.toml" in refused(2, "generate", recipe, *SMALL, "--out", out)


def test_good_recipe_file(tmp_path: Path, out: Path) -> None:
    """Else the tests above would prove nothing."""
    recipe = tmp_path / "own.toml"
    recipe.write_text(MAZE)
    assert called("generate", recipe, *SMALL, "--out", out).returncode == 0


# --- level files


GOOD = {"sokoban": "#####\n#@$.#\n#####", "maze": "#####\n#S  #\n### #\n#G  #\n#####", "flowfree": "ABC\n...\nABC"}


@pytest.mark.parametrize(
    ("task", "text", "expected"),
    [
        ("sokoban", "#####\n#@$.x\n#####", "line 2, column 5"),
        ("sokoban", "#####\n#@@$#\n#####", ""),
        ("sokoban", "#####\n# $.#\n#####", ""),
        ("sokoban", "#####\n#@$ #\n#####", ""),
        ("sokoban", "####\n#@$.\n####", ""),
        ("sokoban", "", ""),
        ("maze", "#####\n#S  #\n###?#\n#G  #\n#####", "line 3, column 4"),
        ("maze", "#####\n#S  #\n### #\n#   #\n#####", "'G'"),
        ("maze", "#####\n#S  #\n### #\n#G  #", "odd number"),
        ("maze", "#####\n#S  #\n###\n#G  #\n#####", "line 3"),
        ("maze", "", ""),
        ("flowfree", "AB\n.!", "line 2, column 2"),
        ("flowfree", "AB\nA", "line 2"),
        ("flowfree", "AAA\n...\n...", ""),
        ("flowfree", "", ""),
    ],
)
@pytest.mark.parametrize("command", ["solve", "render"])
def test_malformed_level(command: str, task: str, text: str, expected: str, tmp_path: Path) -> None:
    level = tmp_path / "level.txt"
    level.write_text(text)
    output = ("--out", tmp_path / "clip.mp4") if command == "render" else ()
    line = refused(2, command, task, level, *output)
    assert "level.txt" in line
    assert expected in line
    assert not (tmp_path / "clip.mp4").exists()


@pytest.mark.parametrize(
    ("task", "text"),
    [
        ("sokoban", "######\n#@ $.#\n######\n".replace(" $", "$ ").replace("@$ .", "$@ .")),
        ("maze", "#####\n#S# #\n### #\n#G  #\n#####"),
        ("flowfree", "AB\nBA"),
    ],
)
def test_unsolvable_level(task: str, text: str, tmp_path: Path) -> None:
    level = tmp_path / "level.txt"
    level.write_text(text)
    line = refused(1, "solve", task, level)
    assert "level.txt" in line
    assert refused(1, "render", task, level, "--out", tmp_path / "clip.mp4") == line


@pytest.mark.parametrize("task", GOOD)
def test_unreadable_level(task: str, tmp_path: Path) -> None:
    assert "none.txt" in refused(2, "solve", task, tmp_path / "none.txt")
    assert tmp_path.name in refused(2, "solve", task, tmp_path)
    binary = tmp_path / "binary"
    binary.write_bytes(bytes(range(256)))
    assert "binary" in refused(2, "solve", task, binary)
    done = called("solve", task, "-", input=bytes(range(256)))
    assert done.returncode == 2
    assert len(lines(done.stderr)) == 1, done.stderr
    zeros = tmp_path / "zeros"
    zeros.write_bytes(b"\0" * 100)
    assert "zeros" in refused(2, "solve", task, zeros)


@pytest.mark.parametrize(
    ("options", "code", "expected"),
    [
        (["--out", "{}/clip.avi"], 2, ".mp4, .gif, .png"),
        (["--out", "{}/clip"], 2, ".mp4, .gif, .png"),
        (["--out", "{}/clip.mp4", "--look", "none"], 2, "'none'"),
        (["--out", "{}/clip.mp4", "--format", "none"], 2, "'none'"),
        (["--out", "{}/clip.mp4", "--format", "32x32x9"], 2, "--format"),
        (["--out", "{}/none/clip.mp4"], 4, "none/clip.mp4"),
        (["--out", "{}/level.txt/clip.mp4"], 4, "level.txt/clip.mp4"),
        (["--out", "{}/folder.mp4"], 4, "folder.mp4"),
    ],
)
def test_bad_render(options: list[str], code: int, expected: str, tmp_path: Path) -> None:
    (tmp_path / "level.txt").write_text("########\n#@$   .#\n########")
    (tmp_path / "folder.mp4").mkdir()
    words = [option.format(tmp_path) for option in options]
    assert expected in refused(code, "render", "sokoban", tmp_path / "level.txt", *words)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.mp4", "level.txt"]


def test_a_process_of_its_own_says_the_same(tmp_path: Path) -> None:
    """The tests above run in this process."""
    for words in (["generate", "mase", *SMALL, "--out", tmp_path / "d"], ["solve", "maze", tmp_path / "none"], ["x"]):
        alone, here = puzzlegen(*words), called(*words)
        assert (alone.returncode, alone.stdout) == (here.returncode, here.stdout)
        assert alone.stderr == here.stderr


def test_unknown_task(tmp_path: Path) -> None:
    (tmp_path / "level.txt").write_text(GOOD["maze"])
    assert "'maze'" in refused(2, "solve", "mase", tmp_path / "level.txt")
    assert "'sokoban'" in refused(2, "render", "sokobahn", tmp_path / "level.txt", "--out", tmp_path / "x.mp4")


# --- check and show


def test_check_unknown(tmp_path: Path) -> None:
    assert "'maze'" in refused(2, "check", "mase")
    assert "'tiny'" in refused(2, "check", "maze", "--level", "tinny")
    assert "none.toml" in refused(2, "check", tmp_path / "none.toml")


def test_show_unknown(out: Path) -> None:
    done = called("generate", "maze:tiny", "--num", 40, "--format", "64x64x25", "--out", out)
    assert done.returncode == 0, done.stderr
    for name in ("zzz", "maze-tiny-0-000099"):
        assert f"'{name}'" in refused(2, "show", out, name)  # must not list every id
    assert "clip.avi" in refused(2, "show", out, "maze-tiny-0-000007", "--out", out.parent / "clip.avi")
    assert "sheet.mp4" in refused(2, "show", out, "--out", out.parent / "sheet.mp4")
    assert refused(4, "show", out, "--out", out.parent / "none" / "sheet.png")
    assert refused(4, "show", out.parent)
    shard = next((out / "data").glob("train*"))
    shard.write_bytes(shard.read_bytes()[:-20])
    assert shard.name in refused(3, "show", out)
    shard.unlink()
    assert shard.name in refused(3, "show", out)

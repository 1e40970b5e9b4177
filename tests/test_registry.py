"""The registry: recipes by name and by path, from this package and from others, sound and broken."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from puzzlegen import registry
from puzzlegen.cli import commands
from puzzlegen.errors import InvalidInput, RecipeError, UnknownName
from puzzlegen.task import Task

BUILT_IN = ("flowfree", "maze", "sokoban")
MAZE = registry.recipe_paths()["maze"]
RULES = '''
from puzzlegen.tasks.maze import Maze

class Mine(Maze):
    """Mazes, of my own."""

    version = {version}
'''


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


def install(site: Path, package: str, recipes: dict[str, str], names: str = "") -> Path:
    """What pip leaves behind for a package with recipes."""
    home = site / package
    (home / "recipes").mkdir(parents=True)
    (home / "__init__.py").write_text("raise RuntimeError('looking for recipes runs no code')\n")
    for name, text in recipes.items():
        (home / "recipes" / f"{name}.toml").write_text(text)
    info = site / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[puzzlegen.recipes]\n{package} = {names or package}\n")
    return home / "recipes"


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_recipe_loads(name: str) -> None:
    recipe = registry.load(name)
    assert recipe.name == name
    assert isinstance(recipe.task, Task)
    assert list(recipe.levels) == ["tiny", "easy", "medium", "hard", "expert", "extreme"]
    assert len(recipe.looks) >= 4
    assert registry.load(name) is recipe, "loaded once"


def test_built_in_names() -> None:
    assert sorted(registry.recipe_paths()) == sorted(BUILT_IN)
    assert all(path.name == f"{name}.toml" for name, path in registry.recipe_paths().items())


def test_an_unknown_name_gets_a_suggestion() -> None:
    with pytest.raises(UnknownName, match=r"There is no recipe 'mase'\. Did you mean 'maze'\?"):
        registry.load("mase")


def test_recipes_of_other_packages_are_found_without_running_them(site: Path) -> None:
    install(site, "other_puzzles", {"labyrinth": MAZE.read_text()})
    assert sorted(registry.recipe_paths()) == sorted((*BUILT_IN, "labyrinth"))
    assert registry.load("labyrinth").name == "labyrinth"


def test_two_recipes_of_one_name_name_both_files(site: Path) -> None:
    folder = install(site, "other_puzzles", {"maze": MAZE.read_text()})
    with pytest.raises(RecipeError) as caught:
        registry.recipe_paths()
    message = str(caught.value)
    assert str(folder / "maze.toml") in message
    assert str(MAZE) in message
    assert "\n" not in message


@pytest.mark.parametrize("names", ["gone_package", "gone.below", "not a name"])
def test_an_entry_point_without_a_package_is_named(site: Path, names: str) -> None:
    install(site, "other_puzzles", {}, names)
    with pytest.raises(RecipeError) as caught:
        registry.recipe_paths()
    assert names in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_package_without_recipes_has_none(site: Path) -> None:
    install(site, "other_puzzles", {}, "json")
    assert sorted(registry.recipe_paths()) == sorted(BUILT_IN)


def test_a_broken_recipe_does_not_hide_the_others(site: Path) -> None:
    broken = {
        "nonsense": "version = [",
        "unruly": MAZE.read_text().replace("puzzlegen.tasks.maze:Maze", "other_puzzles:Maze"),
        "zealous": MAZE.read_text().replace("size = 4", "size = 400"),
    }
    install(site, "other_puzzles", {**broken, "labyrinth": MAZE.read_text()})
    for name in broken:
        with pytest.raises(InvalidInput) as caught:
            registry.load(name)
        assert f"{name}.toml" in str(caught.value)
        assert "\n" not in str(caught.value)
    result = CliRunner().invoke(commands, ["list", "--json"])
    assert result.exit_code == 0
    recipes = json.loads(result.stdout)["recipes"]
    assert sorted(recipes) == sorted((*BUILT_IN, *broken, "labyrinth"))
    assert {name for name, entry in recipes.items() if "error" in entry} == set(broken)
    plain = CliRunner().invoke(commands, ["list"]).stdout
    assert "nonsense     broken: nonsense.toml" in plain
    assert "maze         levels: tiny easy" in plain


# --- by path


def test_a_recipe_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    shutil.copy(MAZE, path)
    recipe = registry.load(str(path))
    assert recipe.name == "mine"
    assert recipe.path == path
    assert recipe.digest == registry.load("maze").digest
    assert recipe.digest != registry.load("sokoban").digest


def test_a_path_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(MAZE, tmp_path / "mine.toml")
    monkeypatch.chdir(tmp_path)
    assert registry.load("mine.toml").name == "mine"


@pytest.mark.parametrize("name", ["absent.toml", "folder/maze", "."])
def test_an_absent_path_is_one_line(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        registry.load(name)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def with_rules(folder: Path, rules: str, version: int = 7) -> str:
    """A recipe with its rules in a file beside it."""
    folder.mkdir(exist_ok=True)
    (folder / "rules.py").write_text(RULES.format(version=version))
    path = folder / "mine.toml"
    path.write_text(MAZE.read_text().replace("puzzlegen.tasks.maze:Maze", rules))
    return str(path)


def test_rules_in_a_file_beside_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_rules(tmp_path / "one", "rules.py:Mine")
    monkeypatch.chdir("/")
    task = registry.load(path).task
    assert type(task).__name__ == "Mine"
    assert task.version == 7


def test_files_of_one_name_in_two_folders_do_not_collide(tmp_path: Path) -> None:
    versions = [
        registry.load(with_rules(tmp_path / name, "rules.py:Mine", version)).task.version
        for name, version in (("a", 1), ("b", 2))
    ]
    assert versions == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("class Mine:\n    pass\n", "no puzzlegen.Task"),
        ("class Other:\n    pass\n", "Mine"),
        ("def broken(:\n", "SyntaxError"),
        ("import no_such_module_here\n", "no_such_module_here"),
        ("1 / 0\n", "ZeroDivisionError"),
        ("raise ValueError('two\\nlines')\n", "two lines"),
        ("from puzzlegen.task import Task\nclass Mine(Task):\n    pass\n", "cannot be made"),
        (
            "from puzzlegen.tasks.maze import Maze\n\nclass Mine(Maze):\n    def __init__(self):\n        {}['x']\n",
            "cannot be made",
        ),
    ],
)
def test_rules_that_cannot_be_used_are_one_line(tmp_path: Path, content: str, words: str) -> None:
    path = with_rules(tmp_path / "bad", "rules.py:Mine")
    (tmp_path / "bad" / "rules.py").write_text(content)
    with pytest.raises(RecipeError) as caught:
        registry.load(path)
    message = str(caught.value)
    assert message.startswith("mine.toml: rules = 'rules.py:Mine'")
    assert words in message
    assert "\n" not in message


def test_a_mended_file_can_be_loaded_again(tmp_path: Path) -> None:
    """A failed import leaves nothing behind."""
    path = with_rules(tmp_path / "bad", "rules.py:Mine")
    (tmp_path / "bad" / "rules.py").write_text("1 / 0\n")
    with pytest.raises(RecipeError):
        registry.load(path)
    with_rules(tmp_path / "bad", "rules.py:Mine", 3)
    assert registry.load(path).task.version == 3

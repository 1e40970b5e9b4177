"""tasks/README.md names every field, color and shape, and its recipe is one."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from puzzlegen import registry
from puzzlegen.recipe import RecipeTable
from puzzlegen.render.colors import COLORS
from puzzlegen.render.formats import FORMATS
from puzzlegen.render.looks import LookChoices, MarkChoices
from puzzlegen.render.shapes import SHAPES

DOCS = (Path(__file__).parents[1] / "tasks" / "README.md").read_text()


def named(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_the_table_names_every_field() -> None:
    fields = {named(line)[0] for line in DOCS.splitlines() if line.startswith("| `")}
    plain = {re.sub(r"[\[\]]|looks\.NAME\.|\.NAME", "", field) for field in fields}
    classes = (RecipeTable, LookChoices, MarkChoices)
    assert plain == {field.name for each in classes for field in dataclasses.fields(each)}


def test_colors_shapes_and_formats_are_those_that_there_are() -> None:
    assert named(DOCS.split("**Colors**:")[1].split(".\n")[0]) == list(COLORS)
    assert named(DOCS.split("**Shapes**:")[1].split(".\n")[0]) == list(SHAPES)
    assert set(FORMATS) <= set(named(DOCS.split("## Fields")[1]))


def test_the_recipe_of_the_page_loads_with_a_task_that_fits(tmp_path: Path) -> None:
    text = DOCS.split("```toml\n")[1].split("```")[0].replace("my_package.rules:MyTask", "puzzlegen.tasks.maze:Maze")
    (tmp_path / "mine.toml").write_text(text.replace("size = 5", "size = 5\nlength = [3, 8]"))
    recipe = registry.load(str(tmp_path / "mine.toml"))
    assert list(recipe.levels) == ["easy"] and recipe.rewards["paper"].terms == ("conn", "wall")

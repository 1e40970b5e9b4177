"""Finds recipes and loads the rules that they name. The only place that turns a name into a class.

Recipes are the `recipes/*.toml` of every package named in the entry-point group `puzzlegen.recipes`, found without
running the package's code; those in the environment variable PUZZLEGEN_RECIPES, a list of files and folders; and any
file given by its path.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from puzzlegen import recipe as recipes_module
from puzzlegen.errors import RecipeError, UnknownName
from puzzlegen.recipe import Recipe, RecipeTable
from puzzlegen.task import Task

_GROUP = "puzzlegen.recipes"
_OWN = "PUZZLEGEN_RECIPES"


def recipe_paths() -> dict[str, Path]:
    """All recipes that can be used by name. Raises RecipeError if two have one name."""
    packages = {"puzzlegen", *(entry.value for entry in entry_points(group=_GROUP))}
    paths = [path for package in sorted(packages) for path in sorted(_folder(package).glob("*.toml"))]
    found: dict[str, Path] = {}
    for path in dict.fromkeys(paths + _own_paths(os.environ.get(_OWN, ""))):
        if path.stem in found:
            raise RecipeError(f"Two recipes are called {path.stem!r}: {found[path.stem]} and {path}. Rename one.")
        found[path.stem] = path
    return found


def _own_paths(listed: str) -> list[Path]:
    """The recipes in a list of files and folders, separated as in PATH."""
    paths: list[Path] = []
    for place in (Path(name).resolve() for name in listed.split(os.pathsep) if name):
        if not place.exists():
            raise RecipeError(f"{_OWN} names {place}, which is not there.")
        paths += sorted(place.glob("*.toml")) if place.is_dir() else [place]
    return paths


def _folder(package: str) -> Path:
    """The package's recipes; those of a source checkout of puzzlegen itself lie in <repo>/tasks."""
    try:
        spec = importlib.util.find_spec(package)
    except ImportError:  # of a package that it would be part of
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise RecipeError(f"Entry point {_GROUP!r} names {package!r}, which is no installed package.")
    home = Path(next(iter(spec.submodule_search_locations)))
    folder = home / "recipes"
    checkout = home.parent.parent / "tasks"
    return checkout if package == "puzzlegen" and not folder.is_dir() else folder


def load(name: str, *, compiled: bool = False) -> Recipe:
    """Load a recipe by name or by the path of its file.

    Args:
        name: of the recipe, or the path of its .toml file.
        compiled: with its task on compiled kernels, see `Task.compiled`.

    Raises:
        UnknownName: no recipe of this name.
        RecipeError: the file or its rules cannot be used.
    """
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if not path.is_file():
            raise RecipeError(f"There is no recipe file {name}.")
        return _load(path.stem, path.resolve(), compiled)
    return _load(name, _path_of(name, os.environ.get(_OWN, "")), compiled)


@functools.lru_cache(maxsize=64)
def _path_of(name: str, own: str) -> Path:
    """Where a recipe is; kept, because looking through all packages costs more than drawing a puzzle.

    `own` only tells apart what was looked up under another value of PUZZLEGEN_RECIPES.
    """
    paths = recipe_paths()
    if name not in paths:
        raise UnknownName("recipe", name, paths)
    return paths[name]


@functools.lru_cache(maxsize=64)
def _load(name: str, path: Path, compiled: bool) -> Recipe:
    if compiled:
        plain = _load(name, path, False)
        return replace(plain, task=plain.task.compiled())
    table, digest = recipes_module.read_table(path)
    return recipes_module.build(name, path, table, digest, _task(path, table))


def _task(path: Path, table: RecipeTable) -> Task[Any, Any]:
    """Import the class that `rules` names and make one."""
    where, _, class_name = table.rules.partition(":")
    try:
        module = _module_from_file(path.parent / where) if where.endswith(".py") else importlib.import_module(where)
        kind = getattr(module, class_name)
    except Exception as error:  # importing runs anybody's code
        raise RecipeError(f"{path.name}: rules = {table.rules!r} cannot be loaded: {_line(error)}.") from error
    if not (isinstance(kind, type) and issubclass(kind, Task)):
        raise RecipeError(f"{path.name}: rules = {table.rules!r} is no puzzlegen.Task.")
    try:
        task: Task[Any, Any] = kind()
    except Exception as error:
        raise RecipeError(f"{path.name}: rules = {table.rules!r} cannot be made: {_line(error)}.") from error
    return task


def _line(error: Exception) -> str:
    """The error in one line, with its kind, as it may be of any."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _module_from_file(file: Path) -> ModuleType:
    """Import a file beside a recipe; known under its path, so that two files of one name do not collide."""
    name = f"puzzlegen_rules_{file.resolve().as_posix().encode().hex()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file.name} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up while it is being made
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module

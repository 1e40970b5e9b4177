"""Which room of the house may import which: read from the sources with `ast`, without running them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import puzzlegen

SOURCE = Path(puzzlegen.__file__).parent

CORE = ("errors", "types", "canonical", "seeding", "grid", "config")
CONTRACT = ("task", "replay", "question", "search", "kernels")
TOP = ("cli", "__init__", "__main__")
LAYERS: tuple[tuple[str, ...], ...] = (
    CORE,
    CONTRACT,
    ("tasks", "render"),
    ("recipe", "registry", "verify"),
    ("shards",),
    ("generate", "eval", "view", "testing", "loader", "exports"),
    ("train",),
    TOP,
)
"""Lowest first. A room is a file of the package or a folder in it; it may import itself and lower layers."""

SHARED = (CORE, CONTRACT, TOP)
"""Layers whose rooms may import each other."""

EXCEPTIONS = {
    "registry": {"recipe"},  # a recipe is data, the registry joins it with its rules
    "testing": {"generate"},  # the checks draw puzzles as a run does
}
"""What a room may import besides, of its own layer."""

CLOSED = {
    "train": {"generate", "testing"},  # a trainer reads datasets, however they were made
}
"""What a room may not import although it is of a lower layer."""

MAY_LOAD_BY_NAME = {
    "registry",  # rules, by the name in a recipe
    "__init__",  # public names of the package, when first used
    "cli",  # a command's module, when the command is run
}

NUMPY_AND = frozenset({"numpy"}).union
THIRD_PARTY: dict[str, frozenset[str]] = {
    **dict.fromkeys((*CORE, *CONTRACT, "recipe", "registry", "__init__", "__main__"), frozenset()),
    "kernels": frozenset({"numba"}),
    "tasks": NUMPY_AND({"numba"}),
    "render": NUMPY_AND({"PIL", "av"}),
    "verify": NUMPY_AND({"cv2"}),
    "shards": NUMPY_AND({"pyarrow", "fsspec", "av"}),
    "loader": frozenset({"torch"}),
    "exports": frozenset(),
    "generate": NUMPY_AND({"pyarrow", "tqdm", "ray"}),
    "eval": NUMPY_AND({"pyarrow", "tqdm", "av"}),
    "view": NUMPY_AND({"PIL", "matplotlib"}),
    "testing": NUMPY_AND({"pyarrow", "pytest", "cv2", "av"}),
    "cli": frozenset({"click", "tqdm"}),
    "train": NUMPY_AND(
        {"torch", "diffusers", "peft", "accelerate", "safetensors", "transformers", "huggingface_hub", "tqdm"}
    ),
}
"""What a room may import from elsewhere, the standard library aside."""

THIRD_PARTY_EXCEPTIONS = {
    "generate/plan.py": {"PIL", "av", "cv2"},  # their versions are part of what decides a dataset's bytes
    "generate/sample.py": {"cv2"},  # writes the stills of a row
    "generate/audit.py": {"PIL"},  # reads them again
    "view/clips.py": {"imageio"},  # writes GIFs
    "eval/overlay.py": {"PIL"},  # draws on frames
    "train/evaluation.py": {"PIL"},  # strips of a sheet
    "eval/pictures.py": {"PIL"},  # draws on boards
}
"""File -> package, for single files whose whole room should not have it."""

TASK_NAMES = ("maze", "sokoban", "flowfree")


class Import(NamedTuple):
    """One import statement's target."""

    module: str
    line: int


def room_of(path: Path, source: Path = SOURCE) -> str:
    """The first part of the path: a folder, or a file without its ending."""
    first = path.relative_to(source).parts[0]
    return first.removesuffix(".py")


def layer_of(room: str) -> int:
    """Fails for a room that has no place in the table."""
    for number, rooms in enumerate(LAYERS):
        if room in rooms:
            return number
    raise AssertionError(f"{room} is a new room: give it a place in LAYERS and THIRD_PARTY of {Path(__file__).name}")


def is_module(folder: Path, name: str) -> bool:
    """Whether a package's folder has a module or package of this name."""
    return (folder / f"{name}.py").is_file() or (folder / name).is_dir()


def imports_of(path: Path, source: Path = SOURCE) -> Iterator[Import]:
    """All that a file imports, wherever in it; `from puzzlegen import x` counts as puzzlegen.x if that is a room.

    `import puzzlegen` alone loads nothing: what counts are the names used of it, save the version, which all may know.
    """
    package = ("puzzlegen", *path.relative_to(source).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name != "puzzlegen" or alias.asname:
                    yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "puzzlegen":
            if node.attr != "__version__":
                yield Import(f"puzzlegen.{node.attr}" if is_module(source, node.attr) else "puzzlegen", node.lineno)
        elif isinstance(node, ast.ImportFrom):
            head = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join((*head, *([node.module] if node.module else [])))
            if module.split(".")[0] != "puzzlegen":
                yield Import(module, node.lineno)
                continue
            inner = source.joinpath(*module.split(".")[1:])
            for alias in node.names:
                yield Import(f"{module}.{alias.name}" if is_module(inner, alias.name) else module, node.lineno)


def inner_violations(path: Path, source: Path = SOURCE) -> list[str]:
    """Imports of rooms that this file's room may not know."""
    room, found = room_of(path, source), []
    layer = layer_of(room)
    for module, line in imports_of(path, source):
        parts = module.split(".")
        if parts[0] != "puzzlegen":
            continue
        target = parts[1] if len(parts) > 1 else "__init__"
        lower = layer_of(target) < layer or (layer_of(target) == layer and LAYERS[layer] in SHARED)
        allowed = lower or target == room or target in EXCEPTIONS.get(room, ())
        if target in CLOSED.get(room, ()) or (target == "tasks" and room != "tasks"):
            allowed = False  # rules are loaded by the registry, by name
        if target == room == "tasks":
            own = path.relative_to(source / "tasks").parts[:-1]
            allowed = len(parts) == 2 or tuple(parts[2:3]) == own[:1]
        if not allowed:
            found.append(f"{path.relative_to(source)}:{line}: {room} must not import {module}")
    return found


def outer_violations(path: Path, source: Path = SOURCE) -> list[str]:
    """Imports of packages that this file's room may not know."""
    room, name = room_of(path, source), path.relative_to(source).as_posix()
    allowed = THIRD_PARTY.get(room, frozenset()) | THIRD_PARTY_EXCEPTIONS.get(name, set())
    return [
        f"{name}:{line}: {room} must not import {module}"
        for module, line in imports_of(path, source)
        if (top := module.split(".")[0]) != "puzzlegen" and top not in sys.stdlib_module_names and top not in allowed
    ]


def prose_of(tree: ast.AST) -> set[int]:
    """Ids of the string constants that stand alone as a statement: docstrings, of attributes too."""
    return {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}


def words_of(path: Path) -> Iterator[tuple[str, int]]:
    """(text, line) of every identifier, import and string of a file, docstrings and comments aside."""
    tree = ast.parse(path.read_text())
    prose = prose_of(tree)
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)) and id(node) not in prose:
            yield str(node.value), line
        for field in ("id", "attr", "name", "arg", "asname", "module", "rest"):
            value = getattr(node, field, None)
            if isinstance(value, str):
                yield value, line
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.MatchClass)):
            yield " ".join(getattr(node, "names", None) or getattr(node, "kwd_attrs", [])), line


def task_name_violations(path: Path, source: Path = SOURCE) -> list[str]:
    """Places where a file names a task."""
    return [
        f"{path.relative_to(source)}:{line}: {text!r} names a task"
        for text, line in words_of(path)
        if any(name in text.lower() for name in TASK_NAMES)
    ]


def loading_violations(path: Path, source: Path = SOURCE) -> list[str]:
    """Imports by name outside the few places that may."""
    if room_of(path, source) in MAY_LOAD_BY_NAME:
        return []
    by_import = [line for module, line in imports_of(path, source) if module.split(".")[0] in ("importlib", "pkgutil")]
    by_call = [line for text, line in words_of(path) if text in ("__import__", "import_module")]
    return [f"{path.relative_to(source)}:{line}: only the registry loads by name" for line in by_import + by_call]


FILES = sorted(SOURCE.rglob("*.py"))
OUTSIDE_TASKS = [path for path in FILES if room_of(path) not in ("tasks", "recipes")]


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(SOURCE).as_posix() for path in paths]


def test_every_room_has_its_place() -> None:
    assert len(FILES) > 20
    for path in FILES:
        layer_of(room_of(path))
    rooms = [room for rooms in LAYERS for room in rooms]
    assert len(rooms) == len(set(rooms))
    assert set(THIRD_PARTY) == set(rooms)


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_imports_lead_downwards(path: Path) -> None:
    assert inner_violations(path) == []


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_only_listed_packages_are_imported(path: Path) -> None:
    assert outer_violations(path) == []


@pytest.mark.parametrize("path", OUTSIDE_TASKS, ids=names(OUTSIDE_TASKS))
def test_no_file_outside_tasks_names_a_task(path: Path) -> None:
    assert task_name_violations(path) == []


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_only_the_registry_loads_by_name(path: Path) -> None:
    assert loading_violations(path) == []


def test_exceptions_are_all_needed() -> None:
    """A line that nothing uses any more is taken out of the tables."""
    for room, targets in EXCEPTIONS.items():
        seen = {
            module.split(".")[1]
            for path in FILES
            if room_of(path) == room
            for module, _ in imports_of(path)
            if module.startswith("puzzlegen.")
        }
        assert targets <= seen
    for name, packages in THIRD_PARTY_EXCEPTIONS.items():
        if (SOURCE / name).is_file():
            assert packages <= {module.split(".")[0] for module, _ in imports_of(SOURCE / name)}, name


# --- the checks themselves can fail


@pytest.mark.parametrize(
    ("file", "code", "checker", "complaint"),
    [
        ("grid.py", "from puzzlegen import task", inner_violations, "grid must not import puzzlegen.task"),
        ("grid.py", "from puzzlegen import Task", inner_violations, "grid must not import puzzlegen"),
        ("grid.py", "import puzzlegen\nx = puzzlegen.load", inner_violations, "grid must not import puzzlegen"),
        ("grid.py", "import puzzlegen\nx = puzzlegen.task.Task", inner_violations, "must not import puzzlegen.task"),
        ("grid.py", "import puzzlegen as p", inner_violations, "grid must not import puzzlegen"),
        ("grid.py", "from . import task", inner_violations, "grid must not import puzzlegen.task"),
        ("task.py", "def f():\n    import puzzlegen.render.a", inner_violations, "task must not import"),
        ("tasks/a/rules.py", "from puzzlegen.tasks.b import x", inner_violations, "must not import puzzlegen.tasks.b"),
        ("tasks/a/rules.py", "from ..b import x", inner_violations, "tasks must not import puzzlegen.tasks.b"),
        ("tasks/a/rules.py", "from puzzlegen.tasks import b", inner_violations, "must not import puzzlegen.tasks.b"),
        ("tasks/a/rules.py", "from puzzlegen.render import x", inner_violations, "must not import puzzlegen.render"),
        ("render/a.py", "import puzzlegen.verify.b", inner_violations, "render must not import puzzlegen.verify.b"),
        ("recipe.py", "import puzzlegen.registry", inner_violations, "recipe must not import puzzlegen.registry"),
        ("view/a.py", "from puzzlegen.generate import x", inner_violations, "view must not import puzzlegen.generate"),
        ("train/a.py", "import puzzlegen.generate.b", inner_violations, "train must not import puzzlegen.generate.b"),
        ("train/a.py", "from puzzlegen import testing", inner_violations, "train must not import puzzlegen"),
        ("cli/a.py", "from puzzlegen.tasks.a import x", inner_violations, "cli must not import puzzlegen.tasks.a"),
        ("task.py", "if x:\n    import numpy.typing", outer_violations, "task must not import numpy.typing"),
        ("render/a.py", "import torch", outer_violations, "render must not import torch"),
        ("cli/a.py", "x = 'the Maze'", task_name_violations, "names a task"),
        ("cli/a.py", "x = f'{y} sokoban'", task_name_violations, "names a task"),
        ("cli/a.py", "class FlowFreeView: pass", task_name_violations, "names a task"),
        ("cli/a.py", "f(maze=1)", task_name_violations, "names a task"),
        ("cli/a.py", "from x import maze_tools as y", task_name_violations, "names a task"),
        ("cli/a.py", "x.solve_maze()", task_name_violations, "names a task"),
        ("cli/a.py", "def f(maze_state): pass", task_name_violations, "names a task"),
        ("verify/a.py", "import importlib.util", loading_violations, "only the registry"),
        ("verify/a.py", "__import__('x')", loading_violations, "only the registry"),
    ],
)
def test_violations_are_seen(file: str, code: str, checker: object, complaint: str, tmp_path: Path) -> None:
    for name in ("task.py", "registry.py", "tasks/b/rules.py", "render/b.py", "verify/b.py", file):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    path = tmp_path / file
    path.write_text(f'"""About maze, sokoban and flowfree."""\n{code}\n')
    assert callable(checker)
    found = checker(path, tmp_path)
    assert len(found) == 1
    assert complaint in found[0]


def test_what_is_allowed_is_not_complained_of(tmp_path: Path) -> None:
    for name in ("task.py", "registry.py", "tasks/a/b.py", "render/b.py", "verify/b.py", "cli/a.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    rules = tmp_path / "tasks/a/rules.py"
    rules.write_text("from puzzlegen import task\nfrom puzzlegen.tasks.a import b\nfrom . import b\nimport heapq\n")
    assert inner_violations(rules, tmp_path) == outer_violations(rules, tmp_path) == []
    command = tmp_path / "cli/a.py"
    command.write_text('import click\nimport puzzlegen\nx = puzzlegen.__version__  # of a maze\n"""Of the maze."""\n')
    for checker in (inner_violations, outer_violations, task_name_violations, loading_violations):
        assert checker(command, tmp_path) == []

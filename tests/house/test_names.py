"""Names and docstrings: modules say what they are for, and everything public says what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import puzzlegen

SOURCE = Path(puzzlegen.__file__).parent
FILES = sorted(SOURCE.rglob("*.py"))
EMPTY_WORDS = {"util", "utils", "helper", "helpers", "common", "misc", "manager", "managers", "tools", "base", "core"}
Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def names(paths: list[Path]) -> list[str]:
    return [path.relative_to(SOURCE).as_posix() for path in paths]


def public_definitions(node: ast.Module | ast.ClassDef, prefix: str = "") -> Iterator[tuple[str, Definition]]:
    """Public classes, functions and methods; what is inside functions or private classes is nobody's business."""
    for child in node.body:
        if not isinstance(child, Definition) or child.name.startswith("_"):
            continue
        yield prefix + child.name, child
        if isinstance(child, ast.ClassDef):
            yield from public_definitions(child, f"{prefix}{child.name}.")


def undocumented(code: str) -> list[str]:
    """Public definitions without a docstring, and "module" if that has none."""
    tree = ast.parse(code)
    missing = [] if ast.get_docstring(tree) else ["module"]
    return missing + [name for name, node in public_definitions(tree) if not ast.get_docstring(node)]


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_module_names_say_something(path: Path) -> None:
    words = {word for part in path.relative_to(SOURCE).with_suffix("").parts for word in part.lower().split("_")}
    assert words & EMPTY_WORDS == set()


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_everything_public_has_a_docstring(path: Path) -> None:
    assert undocumented(path.read_text()) == []


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_the_first_line_of_a_module_is_one_sentence(path: Path) -> None:
    first = (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]
    assert first.rstrip("`").endswith((".", "?"))


def test_files_stay_small() -> None:
    """A file of more than 400 lines has two subjects."""
    lengths = {path.relative_to(SOURCE).as_posix(): len(path.read_text().splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > 400} == {}


def test_missing_docstrings_are_seen() -> None:
    code = (
        "def f():\n    def inner(): pass\nclass C:\n    '''Doc.'''\n    def m(self): pass\n    def _p(self): pass\n"
        "    def __len__(self): pass\n    class D: pass\nclass _E:\n    def n(self): pass\nasync def g(): pass\n"
    )
    assert undocumented(code) == ["module", "f", "C.m", "C.D", "g"]
    assert undocumented('"""Doc."""\n') == []

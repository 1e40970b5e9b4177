"""The scorer's version: another one exactly if a source that decides scores is another one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import puzzlegen
from puzzlegen import registry
from puzzlegen.eval.version import digest_of, scorer_version
from samples import TASKS

SOURCE = Path(puzzlegen.__file__).parent


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(
        shutil.copytree(SOURCE, tmp_path_factory.mktemp("copy") / "p", ignore=shutil.ignore_patterns("__pycache__"))
    )


def edited(path: Path, rules: Path, package: Path) -> str:
    """The digest while a file is longer by a comment."""
    before = path.read_text()
    try:
        path.write_text(f"{before}# edited\n")
        return digest_of(rules, package)
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    "name",
    [
        *("task.py", "replay.py", "types.py", "grid.py", "verify/walk.py", "verify/tone.py", "render/raster.py"),
        *("eval/metrics.py", "eval/rewards.py", "eval/shown.py", "tasks/maze/rules.py", "tasks/maze/judging.py"),
    ],
)
def test_every_source_that_decides_counts(name: str, package: Path) -> None:
    rules = package / "tasks" / "maze" / "rules.py"
    assert edited(package / name, rules, package) != digest_of(rules, package) == digest_of(rules, package)


@pytest.mark.parametrize("name", ["tasks/sokoban/rules.py", "eval/page.py", "generate/plan.py", "cli/scoring.py"])
def test_other_sources_do_not(name: str, package: Path) -> None:
    rules = package / "tasks" / "maze" / "rules.py"
    assert edited(package / name, rules, package) == digest_of(rules, package)


def test_a_file_beside_a_recipe_counts_alone(package: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.py"
    rules.write_text("")
    (tmp_path / "thesis.py").write_text("")
    assert edited(tmp_path / "thesis.py", rules, package) == digest_of(rules, package)
    assert edited(rules, rules, package) != digest_of(rules, package)


def test_where_the_package_lies_does_not_matter(package: Path) -> None:
    rules = Path("tasks/maze/rules.py")
    assert digest_of(package / rules, package) == digest_of(SOURCE / rules, SOURCE)


def test_each_task_has_its_own() -> None:
    versions = {scorer_version(registry.load(task).task) for task in TASKS}
    assert len(versions) == len(TASKS)
    assert all(version.startswith(f"{puzzlegen.__version__}+") for version in versions)

"""Tasks from outside: a package of its own, and a recipe with a file beside it. Neither needs an edit in puzzlegen."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from puzzlegen import registry
from puzzlegen.errors import IllegalAction, PuzzleTextError, Unsolvable
from puzzlegen.testing.conformance import TaskConformance

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "examples" / "plugin"
SLIDE = ROOT / "examples" / "02_add_a_task" / "slide.toml"

CONFORMANCE = """
from puzzlegen.testing.conformance import TaskConformance

class TestLightsOut(TaskConformance):
    recipe = "lightsout"
"""


class TestSlide(TaskConformance):
    recipe = str(SLIDE)


def run(*command: str, site: Path | None = None, own: str = "") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PUZZLEGEN_RECIPES": own, **({"PYTHONPATH": str(site)} if site else {})}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def puzzlegen(*arguments: str, site: Path | None = None) -> subprocess.CompletedProcess[str]:
    return run(sys.executable, "-m", "puzzlegen", *arguments, site=site)


def test_check_passes_for_a_recipe_by_its_path() -> None:
    result = puzzlegen("check", str(SLIDE))
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert len(lines) >= 11
    assert all(line.startswith("ok    ") for line in lines)


def test_a_recipe_by_its_path_is_generated_and_verified(tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    result = puzzlegen("generate", f"{SLIDE}:far", "--num", "3", "--out", out, "--format", "square256")
    assert result.returncode == 0, result.stderr
    assert "3 verified clips" in result.stdout
    unknown = puzzlegen("verify", out)
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("Error: There is no recipe 'slide'.")
    result = run(sys.executable, "-m", "puzzlegen", "verify", out, own=str(SLIDE))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example package as pip installs it, in a folder of its own."""
    folder = tmp_path_factory.mktemp("site")
    result = run(
        sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
        "--no-build-isolation", "--no-index", "--target", str(folder), str(PLUGIN),
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    return folder


def test_the_package_is_found_by_name(site: Path) -> None:
    assert "lightsout    levels: easy medium hard" in puzzlegen("list", site=site).stdout
    assert "lightsout " not in puzzlegen("list").stdout


def test_the_package_keeps_the_contract(site: Path, tmp_path: Path) -> None:
    (tmp_path / "test_lightsout.py").write_text(CONFORMANCE)
    result = run(
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        str(tmp_path),
        site=site,
    )
    assert result.returncode == 0, result.stdout[-3000:]
    assert "12 passed" in result.stdout


def test_the_package_generates_and_solves(site: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    result = puzzlegen("generate", "lightsout:hard", "--num", "4", "--out", out, "--format", "square256", site=site)
    assert result.returncode == 0, result.stderr
    assert puzzlegen("verify", out, site=site).returncode == 0
    (tmp_path / "cross.txt").write_text(".#.\n###\n.#.\n")
    assert puzzlegen("solve", "lightsout", str(tmp_path / "cross.txt"), site=site).stdout.splitlines()[0] == "b2"


def test_a_dataset_of_an_absent_package_is_one_line(site: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "data")
    assert (
        puzzlegen(
            "generate", "lightsout:easy", "--num", "1", "--out", out, "--format", "square256", site=site
        ).returncode
        == 0
    )
    result = puzzlegen("verify", out)
    assert result.returncode != 0
    assert "lightsout" in result.stdout + result.stderr
    assert "Traceback" not in result.stderr


def test_rules_of_the_example_are_short() -> None:
    """It is there to be read."""
    lines = (PLUGIN / "src" / "puzzlegen_lightsout" / "rules.py").read_text().splitlines()
    assert len(lines) <= 180


class TestLightsOutRules:
    """The example's own tests: brute force over all sets of presses."""

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def import_from_source(cls) -> None:
        sys.path.insert(0, str(PLUGIN / "src"))
        try:
            from puzzlegen_lightsout import rules
        finally:
            sys.path.remove(str(PLUGIN / "src"))
        cls.rules = rules  # type: ignore[attr-defined]

    @pytest.mark.parametrize("shape", [(1, 1), (1, 4), (2, 3), (3, 3), (3, 4)])
    def test_fewest_presses_by_trying_all_sets(self, shape: tuple[int, int]) -> None:
        task, state_type = self.rules.LightsOut(), self.rules.LightsState  # type: ignore[attr-defined]
        count = shape[0] * shape[1]
        dark = state_type(shape=shape, lamps="." * count)
        fewest: dict[object, int] = {}
        names = list(task.actions(dark))
        for size in range(count + 1):
            for chosen in itertools.combinations(names, size):
                state = dark
                for name in chosen:
                    state = task.step(state, name)
                fewest.setdefault(state, size)
        for number in range(0, 2**count, max(1, 2**count // 200)):
            state = state_type(shape=shape, lamps=f"{number:0{count}b}".replace("1", "#").replace("0", "."))
            assert task.distance(state) == fewest.get(state)
            if state not in fewest:
                with pytest.raises(Unsolvable):
                    task.solve(state)

    def test_text_and_faults(self) -> None:
        task = self.rules.LightsOut()  # type: ignore[attr-defined]
        assert task.text(task.parse("#.\n.#")) == "#.\n.#"
        for text, words in (("", "1 to 8"), ("##\n#", "line 2"), ("#x", "line 1, column 2"), ("#" * 9, "1 to 8")):
            with pytest.raises(PuzzleTextError, match=words):
                task.parse(text)
        with pytest.raises(IllegalAction):
            task.step(task.parse("#.\n.#"), "c1")


def test_nothing_in_the_sources_names_these_tasks() -> None:
    for file in (ROOT / "src").rglob("*.py"):
        text = file.read_text().lower()
        assert "lightsout" not in text
        assert "class slide" not in text
    assert "lightsout" not in registry.recipe_paths()

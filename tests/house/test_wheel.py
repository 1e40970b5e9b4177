"""The wheel holds the recipes, works away from the checkout, and finds what it needs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(*command: str, cwd: Path, path: str = "") -> str:
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(command, cwd=cwd, env=environment, check=True, capture_output=True, text=True).stdout


def test_the_wheel_ships_recipes_and_runs_without_the_checkout(tmp_path: Path) -> None:
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path), cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    zipfile.ZipFile(wheel).extractall(installed)
    assert {path.name for path in (installed / "puzzlegen/recipes").glob("*.toml")} == {
        path.name for path in (ROOT / "tasks").glob("*.toml")
    }
    assert (installed / "puzzlegen/py.typed").is_file()
    listed = run(sys.executable, "-m", "puzzlegen", "list", "--json", cwd=tmp_path, path=str(installed))
    assert str(installed) in listed
    assert str(ROOT / "tasks") not in listed


def test_a_checkout_finds_its_recipes_in_tasks() -> None:
    listed = run(sys.executable, "-m", "puzzlegen", "list", "--json", cwd=Path("/"), path=str(ROOT / "src"))
    assert str(ROOT / "tasks" / "maze.toml") in listed

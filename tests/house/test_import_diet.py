"""What is loaded when: the package and its rules need nothing but Python, and help needs nothing heavy."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

import puzzlegen

HEAVY = {"numpy", "pyarrow", "av", "cv2", "torch", "diffusers", "transformers", "peft", "accelerate", "PIL", "pandas"}
TASKS = sorted(path.name for path in (Path(puzzlegen.__file__).parent / "tasks").iterdir() if path.is_dir())
CORE = ("errors", "types", "canonical", "seeding", "grid", "task", "replay")


def loaded_by(code: str) -> set[str]:
    """Top-level names of the modules that this code loads in a new process, beyond what a bare start loads."""
    script = (
        f"import sys\nbefore = set(sys.modules)\n{code}\n"
        "import json\nprint('\\n' + json.dumps(sorted(set(sys.modules) - before)))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def third_party(names: set[str]) -> set[str]:
    return names - set(sys.stdlib_module_names) - {"puzzlegen", "__mp_main__"}


def test_the_check_can_fail() -> None:
    assert third_party(loaded_by("import puzzlegen, numpy")) == {"numpy"}


def test_the_package_loads_nothing_from_elsewhere() -> None:
    names = loaded_by("import puzzlegen; dir(puzzlegen); puzzlegen.Task")
    assert "puzzlegen" in names
    assert third_party(names) == set()


@pytest.mark.parametrize(
    "module", [*CORE, "train", "train.configs", *(f"tasks.{name}" for name in TASKS if not name.startswith("_"))]
)
def test_core_and_rules_load_nothing_from_elsewhere(module: str) -> None:
    assert third_party(loaded_by(f"import puzzlegen.{module}")) == set()


def test_help_is_light() -> None:
    if importlib.util.find_spec("puzzlegen.cli") is None:
        return
    for arguments in (["--help"], ["--version"]):
        names = loaded_by(
            f"import runpy\nsys.argv = ['puzzlegen', *{arguments}]\n"
            "try:\n    runpy.run_module('puzzlegen', run_name='__main__')\n"
            "except SystemExit as end:\n    assert not end.code, end.code"
        )
        assert "puzzlegen" in names
        assert names & HEAVY == set()
        assert third_party(names) <= {"click"}


def test_every_public_name_can_be_loaded() -> None:
    others = {"load": "ShardDataset", "load_recipe": "load"}
    for name in puzzlegen.__all__:
        assert getattr(puzzlegen, name).__name__ == others.get(name, name)
    assert set(puzzlegen.__all__) <= set(dir(puzzlegen))
    with pytest.raises(AttributeError, match="module 'puzzlegen' has no attribute 'Tsak'"):
        puzzlegen.Tsak  # noqa: B018

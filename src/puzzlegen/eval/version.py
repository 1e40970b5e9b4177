"""Which scorer gave a score: the package's version and a digest of the sources that decide it."""

from __future__ import annotations

import functools
import hashlib
import inspect
from pathlib import Path
from typing import Any

import puzzlegen
from puzzlegen.task import Task

_PACKAGE = Path(__file__).parents[1]
_ROOMS = ("render", "verify")
_FILES = ("grid", "replay", "task", "types", *(f"eval/{name}" for name in ("content", "metrics", "rewards", "shown")))
_FILES += ("eval/vrbench",)


@functools.cache
def scorer_version(task: Task[Any, Any]) -> str:
    """Such as 0.1.0+3f9a0c2b71de: equal exactly if parser, judge, metrics and the task's rules are the same files."""
    return f"{puzzlegen.__version__}+{digest_of(Path(inspect.getfile(type(task))))}"


def digest_of(rules: Path, package: Path = _PACKAGE) -> str:
    """12 hex digits of the sources of the scorer and of a task.

    Args:
        rules: the file of the task's class. If it is in a package, all of that folder counts.
        package: where puzzlegen is.
    """
    in_package = (rules.parent / "__init__.py").is_file()
    sources = {
        **{path.relative_to(package): path for room in _ROOMS for path in (package / room).rglob("*.py")},
        **{Path(f"{name}.py"): package / f"{name}.py" for name in _FILES},
        **{"rules" / path.relative_to(rules.parent): path for path in (
            rules.parent.rglob("*.py") if in_package else [rules]
        )},
    }  # fmt: skip
    digest = hashlib.sha256()
    for name, path in sorted(sources.items()):
        digest.update(name.as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]

"""Which scorer gave a score: the package's version and a digest of the sources that decide it."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path

import puzzlegen

_PACKAGE = Path(__file__).parents[1]
_ROOMS = ("render", "tasks", "verify")
_FILES = ("grid", "replay", "task", "types", "eval/content", "eval/metrics", "eval/rewards", "eval/vrbench")


@functools.cache
def scorer_version() -> str:
    """Such as 0.1.0+3f9a0c2b71de: equal exactly if rules, parser, judge and metrics are the same files."""
    paths = [path for room in _ROOMS for path in (_PACKAGE / room).rglob("*.py")]
    digest = hashlib.sha256()
    for path in sorted([*paths, *(_PACKAGE / f"{name}.py" for name in _FILES)]):
        digest.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{puzzlegen.__version__}+{digest.hexdigest()[:12]}"

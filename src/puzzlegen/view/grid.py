"""Placeholder."""

from pathlib import Path
from typing import Any


def write_grid(path: Path, clips: Any, captions: Any, solved: Any, *, fps: int) -> None: ...

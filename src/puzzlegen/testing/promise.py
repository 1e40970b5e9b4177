"""An assertion that also holds under `python -O`."""

from __future__ import annotations


def promise(holds: bool, broken: str) -> None:
    """Raise AssertionError(broken) unless it holds."""
    if not holds:
        raise AssertionError(broken)

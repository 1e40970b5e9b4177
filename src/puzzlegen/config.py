"""Configurations of runs: a TOML file, and `section.key=value` over it, into a frozen dataclass.

The dataclass says everything: its fields are the keys, its types and `__post_init__` what is allowed.
`canonical.encode` gives the resolved configuration back, to be stored with the result.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from puzzlegen import canonical
from puzzlegen.errors import InvalidInput

T = TypeVar("T")


def load(kind: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read a configuration.

    Args:
        kind: the dataclass that it becomes.
        path: a TOML file.
        overrides: `section.key=value`, later ones win; a value that is no TOML is text.

    Raises:
        InvalidInput: no such file, no TOML, an unknown or missing field, or a value of the wrong type or range.
    """
    return canonical.decode(kind, read(path, overrides), path.name)


def read(path: Path, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """The tables that `load` makes a configuration of. Raises InvalidInput: no such file, or no TOML."""
    try:
        table = tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(f"{path}: cannot read the configuration: {reason}.") from error
    for override in overrides:
        _set(table, override)
    return table


def _set(table: dict[str, Any], override: str) -> None:
    """Put one value into nested tables."""
    name, separator, text = override.partition("=")
    *sections, key = (part.strip() for part in name.split("."))
    if not separator or not all((*sections, key)):
        raise InvalidInput(f"--set {override}: write section.key=value, such as optimizer.lr=1e-4.")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise InvalidInput(f"--set {override}: {section!r} is no section.")
    table[key] = _value(text.strip())


def _value(text: str) -> Any:
    """A TOML value, or the text itself."""
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if set(parsed) == {"value"} else text

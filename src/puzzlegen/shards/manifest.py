"""The manifest of a dataset: written last, so its presence means that the dataset is complete."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from puzzlegen.errors import CorruptData, OutputError
from puzzlegen.shards.writer import write_text

MANIFEST = "manifest.json"


def write_manifest(folder: Path, manifest: dict[str, Any]) -> None:
    """Write it atomically, readable and in a fixed order."""
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True) + "\n")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Raises OutputError if there is none, CorruptData if it is unreadable."""
    path = folder / MANIFEST
    if not path.is_file():
        raise OutputError(f"{folder} is no complete puzzlegen dataset: it has no {MANIFEST}.")
    try:
        manifest = json.loads(path.read_text())
        shards = list(manifest["shards"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptData(f"{path} cannot be read: {error!r}.") from error
    if not all(isinstance(shard, dict) and {"path", "rows", "sha256", "split"} <= set(shard) for shard in shards):
        raise CorruptData(f"{path} cannot be read: a shard lacks path, rows, sha256 or split.")
    return dict(manifest)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""The manifest of a dataset: written last, so its presence means that the dataset is complete."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from puzzlegen.errors import CorruptData, OutputError
from puzzlegen.shards.store import Store, open_store

MANIFEST = "manifest.json"


def write_manifest(folder: str | Path | Store, manifest: dict[str, Any]) -> None:
    """Write it atomically, readable and in a fixed order."""
    open_store(folder).write(MANIFEST, (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode())


def read_manifest(folder: str | Path | Store) -> dict[str, Any]:
    """Raises OutputError if there is none, CorruptData if it is unreadable."""
    store = open_store(folder)
    if not store.exists(MANIFEST):
        raise OutputError(f"{store} is no complete puzzlegen dataset: it has no {MANIFEST}.")
    try:
        manifest = json.loads(store.read(MANIFEST).decode())
        shards = list(manifest["shards"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise CorruptData(f"{store}/{MANIFEST} cannot be read: {error!r}.") from error
    if not all(isinstance(shard, dict) and {"path", "rows", "sha256", "split"} <= set(shard) for shard in shards):
        raise CorruptData(f"{store}/{MANIFEST} cannot be read: a shard lacks path, rows, sha256 or split.")
    return dict(manifest)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

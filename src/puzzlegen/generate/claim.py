"""Whose folder it is: a request claims it, and no other request writes into it."""

from __future__ import annotations

import json
from typing import Any

from puzzlegen import canonical
from puzzlegen.errors import OutputError
from puzzlegen.generate.drafts import WORK
from puzzlegen.shards.store import Store

REQUEST = "request.json"


def claim(store: Store, described: dict[str, Any]) -> None:
    """Take the locked folder for this request, unless another has it."""
    refuse_other(store, described)
    if not store.exists(REQUEST):
        store.write(REQUEST, (json.dumps(described, indent=2, sort_keys=True) + "\n").encode())


def give_back(store: Store) -> None:
    """Undo the claim of a request that came to nothing; the claim after the drafts, or another request takes them."""
    for place in ("drafts", "redrawn", "parts"):
        store.discard(f"{WORK}/{place}")
    store.discard("data")
    store.remove(REQUEST)
    store.discard(WORK)


def read_request(store: Store) -> dict[str, Any]:
    """The request that claimed the folder. Raises OutputError if there is none."""
    if not store.exists(REQUEST):
        raise OutputError(f"{store} holds no run of puzzlegen: it has no {REQUEST}.")
    try:
        described = json.loads(store.read(REQUEST))
    except (OSError, ValueError) as error:
        raise OutputError(f"{store}/{REQUEST} cannot be read: {error}. Choose another --out.") from error
    if not isinstance(described, dict):
        raise OutputError(f"{store}/{REQUEST} is no request of puzzlegen. Choose another --out.")
    return described


def refuse_other(store: Store, described: dict[str, Any]) -> None:
    """Raise OutputError for a folder with anything but this request's dataset. Writes nothing."""
    if not store.exists(REQUEST):
        if set(store.names()) - {WORK}:
            raise OutputError(f"{store} is not empty and no puzzlegen dataset. Choose another --out.")
        return
    theirs = read_request(store)
    if theirs != described:
        raise OutputError(
            f"{store} holds another dataset ({canonical.difference(theirs, described)}). Choose another --out."
        )

"""A job on its way to another process and its result on the way back, both as bytes."""

from __future__ import annotations

import pickle
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from puzzlegen.errors import OutputError, PuzzlegenError

J = TypeVar("J")

ATTEMPTS = 3
"""How often a job is begun before the death of its workers is taken to be its own doing."""


def pack(function: Callable[[J], Any], job: J) -> bytes:
    """What `perform` takes. Raises what pickle raises for a job that cannot be sent."""
    return pickle.dumps((function, job))


def perform(call: bytes) -> bytes:
    """Worker: run a job. Returns what `unpack` takes, be it a result or an error."""
    try:
        function, job = pickle.loads(call)
        return pickle.dumps((function(job), None, ""))
    except Exception as error:
        return _pack_error(error)


def unpack(answer: bytes) -> Any:
    """The job's result, or its error raised: of its own class, with the worker's traceback if it is a bug of ours."""
    result, error, trace = pickle.loads(answer)
    if error is None:
        return result
    if not isinstance(error, PuzzlegenError):
        error.add_note(f"\nIn the worker process:\n{trace}")
    raise error


def _pack_error(error: Exception) -> bytes:
    """Errors whose class cannot be pickled, or not be made again from its arguments, come as their text."""
    trace = traceback.format_exc()
    try:
        answer = pickle.dumps((None, error, trace))
        pickle.loads(answer)
    except Exception:
        name = "" if isinstance(error, PuzzlegenError) else f"{type(error).__name__} in a worker process: "
        return pickle.dumps((None, PuzzlegenError(name + " ".join(str(error).split())), trace))
    return answer


def lost(how: str) -> OutputError:
    """The error for a job that was begun as often as allowed; `how` says what its last worker died of."""
    return OutputError(
        f"A job was begun {ATTEMPTS} times and its worker process died each time ({how}): memory may be short. "
        "Try fewer --workers. What is complete stays; the same command goes on."
    )

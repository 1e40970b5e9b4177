"""Compiles functions with numba and keeps what was compiled on disk. Import this only where kernels are wanted."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """The function, compiled when it is first called with arguments of these types.

    What was compiled is kept beside the source, or in the user's cache where that is read-only (`NUMBA_CACHE_DIR`
    names another place); where neither can be written, every process compiles anew. Division by zero gives what numpy
    gives, and indices are not checked.
    """
    compile_: Any = functools.partial(numba.njit, error_model="numpy", nogil=True)
    try:
        compiled: F = compile_(function, cache=True)
    except RuntimeError:  # numba found no place for its cache
        compiled = compile_(function)
    return compiled

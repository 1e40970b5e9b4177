"""Compiles functions with numba and keeps what was compiled on disk. Import this only where kernels are wanted."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from types import CellType, FunctionType
from typing import Any, TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """The function, compiled when it is first called with arguments of these types.

    What was compiled is kept beside the source, or in the user's cache where that is read-only (`NUMBA_CACHE_DIR`
    names another place); where neither can be written, every process compiles anew. It is used until a source changes
    that lies in the kernel's folder, in a package around it, or in puzzlegen's own; a kernel must take nothing from
    elsewhere. Division by zero gives what numpy gives, and indices are not checked.
    """
    return _compiled(function)


def leaf(function: F) -> F:
    """A kernel that makes no arrays, but works on those that it is given; it calls leaves only.

    No references are counted in it. Around inner loops that takes half of the time, because numba counts a reference
    for every array of a tuple whenever a function that takes the tuple has branches.
    """
    return _compiled(function, _nrt=False)


def _compiled(function: F, **options: bool) -> F:
    compile_: Any = functools.partial(numba.njit, error_model="numpy", nogil=True, **options)
    try:
        compiled: F = compile_(_dated(function), cache=True)
    except RuntimeError:  # numba found no place for its cache
        compiled = compile_(function)
    return compiled


def _dated(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function with the digest of its sources as one more closure variable, which nothing reads.

    Numba compiles anew when a kernel's own file or its closure has changed. Kernels and constants that it takes from
    other files are compiled into it too, and without this would stay as they were.
    """
    plain = cast(FunctionType, function)
    code = plain.__code__.replace(co_freevars=(*plain.__code__.co_freevars, "sources"))
    parents = Path(code.co_filename).parents
    packages = parents[: plain.__module__.count(".")]  # that of the module, and those around it
    cells = (*(plain.__closure__ or ()), CellType(_digest((*packages, Path(__file__).parent))))
    dated = FunctionType(code, plain.__globals__, plain.__name__, plain.__defaults__, cells)
    dated.__doc__ = plain.__doc__
    return dated


@functools.lru_cache(maxsize=64)
def _digest(folders: tuple[Path, ...]) -> str:
    """Of all Python files that lie in these folders, not below them."""
    hasher = hashlib.sha256()
    for path in sorted({path for folder in folders for path in folder.glob("*.py")}):
        hasher.update(f"{path.name}:{path.stat().st_size}:".encode())
        hasher.update(path.read_bytes())
    return hasher.hexdigest()


_GOLDEN = numba.uint64(0x9E3779B97F4A7C15)
_FIRST = numba.uint64(0xBF58476D1CE4E5B9)
_SECOND = numba.uint64(0x94D049BB133111EB)


@leaf
def bits(word: Any) -> Any:
    """`seeding.Rng.bits`, as uint64.

    Args:
        word: uint64 [1], the state of the stream, moved on.
    """
    word[0] += _GOLDEN
    mixed = word[0]
    mixed = (mixed ^ (mixed >> numba.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> numba.uint64(27))) * _SECOND
    return mixed ^ (mixed >> numba.uint64(31))


@leaf
def below(word: Any, bound: int) -> int:
    """`seeding.Rng.below`, for a bound below 2**31.

    Args:
        word: uint64 [1], the state of the stream, moved on.
        bound: as there.
    """
    return numba.int64(bits(word) >> numba.uint64(32)) * bound >> 32  # type: ignore[no-any-return]

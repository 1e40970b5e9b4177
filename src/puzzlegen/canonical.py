"""Frozen dataclasses to plain JSON values and back, canonical bytes, digests, digests up to symmetry.

`encode` and `decode` know bool, int, float, str, None, tuple, Literal, union with None, dict with string keys,
dataclasses, and unions of dataclasses that tell themselves apart by a field `kind`. `decode` is strict: it is also how
recipe tables become parameters, so its errors name the field.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from puzzlegen.errors import InvalidInput, UnknownName

T = TypeVar("T")


def encode(value: object) -> Any:
    """The plain JSON form of a value: dataclasses become objects of their init fields, tuples become arrays."""
    if isinstance(value, (bool, int, float, str)) or value is None:
        return value
    if isinstance(value, (tuple, list)):
        return [encode(item) for item in value]
    return {key: encode(item) for key, item in _items(value).items()}


def _items(value: object) -> dict[str, Any]:
    """What an object holds: a mapping's items, a dataclass's init fields."""
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if dataclasses.is_dataclass(value):
        return {name: getattr(value, name) for name in _names(value.__class__)}
    raise TypeError(f"{type(value).__name__} has no canonical form")


@functools.lru_cache(maxsize=256)
def _names(kind: type) -> tuple[str, ...]:
    """The init fields of a dataclass."""
    return tuple(field.name for field in dataclasses.fields(kind) if field.init)


_JSON = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False, default=_items)


def dumps(value: object) -> str:
    """Canonical JSON of `encode(value)`: no spaces, sorted keys, ASCII, NaN refused. Equal values have equal text."""
    return _JSON.encode(value)


def digest(value: object) -> str:
    """16 hex digits of sha256 over the canonical JSON."""
    return hashlib.sha256(dumps(value).encode()).hexdigest()[:16]


def digest_up_to(values: Iterable[object]) -> str:
    """One digest for a whole class of equal values: that of the smallest canonical JSON among them."""
    return hashlib.sha256(min(map(dumps, values)).encode()).hexdigest()[:16]


def difference(theirs: Any, ours: Any, where: str = "") -> str:
    """The first place at which two plain JSON values differ, and how: `section.key: 1 there, 2 asked`."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if set(theirs) != set(ours):
            return f"{where}: {', '.join(sorted(theirs))} there, {', '.join(sorted(ours))} asked"
        for key in sorted(theirs):
            if theirs[key] != ours[key]:
                return difference(theirs[key], ours[key], f"{where}.{key}" if where else key)
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"{where}: {len(theirs)} there, {len(ours)} asked"
        for number, (their, our) in enumerate(zip(theirs, ours, strict=True)):
            if their != our:
                return difference(their, our, f"{where}[{number}]")
    return f"{where}: {json.dumps(theirs)} there, {json.dumps(ours)} asked"


def decode(kind: type[T], value: Any, where: str) -> T:
    """Build `kind` from plain JSON or TOML values.

    Args:
        kind: what to build, a dataclass or one of the types named above.
        value: plain JSON or TOML values.
        where: prefix of every error, such as "tasks/maze.toml: [levels.easy]".

    Raises:
        InvalidInput: wrong type, missing or unknown field, or refused by the dataclass itself.
    """
    return typing.cast(T, _decode(kind, value, where))


def _decode(kind: Any, value: Any, where: str) -> Any:
    if kind is Any:
        return value
    if dataclasses.is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), value, where)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(arguments, value, where)
    if origin is tuple:
        return _decode_tuple(arguments, value, where)
    if origin is typing.Literal:
        if any(type(value) is type(argument) and value == argument for argument in arguments):  # True == 1 == 1.0
            return value
        raise UnknownName("choice", str(value), map(str, arguments), where)
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise InvalidInput(f"{where}: expected a table, got {value!r}.")
        return {key: _decode(arguments[1], item, f"{where} {key}") for key, item in value.items()}
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return _finite(value, where)
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InvalidInput(f"{where}: expected {kind.__name__}, got {value!r}.")


def _finite(value: float, where: str) -> float:
    """NaN and infinity, which TOML knows, have no JSON form; a large int may have no float."""
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidInput(f"{where}: expected a finite number, got {value!r}.")
    return number


def _decode_union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    """The alternative of this `kind`, else the first one that fits; the error of the last if none does."""
    if value is None and type(None) in arguments:
        return None
    kinds = _kinds(arguments)
    if kinds and isinstance(value, Mapping):
        kind = value.get("kind")
        if kind is None:
            raise InvalidInput(f"{where}: its kind is missing. Set kind to one of {', '.join(sorted(kinds))}.")
        if kind not in kinds:
            raise UnknownName("kind", str(kind), kinds, where)
        return _decode(kinds[kind], value, where)
    *others, last = (argument for argument in arguments if argument is not type(None))
    for argument in others:
        try:
            return _decode(argument, value, where)
        except InvalidInput:
            continue
    return _decode(last, value, where)


@functools.lru_cache(maxsize=64)
def _kinds(arguments: tuple[Any, ...]) -> dict[str, type]:
    """The dataclasses of a union by their values of `kind`, a Literal; empty unless all of several have one."""
    alternatives = [argument for argument in arguments if argument is not type(None)]
    if len(alternatives) < 2 or not all(dataclasses.is_dataclass(one) for one in alternatives):
        return {}
    hints = [typing.get_type_hints(one).get("kind") for one in alternatives]
    return {name: one for one, hint in zip(alternatives, hints, strict=True) for name in typing.get_args(hint)}


def _decode_tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise InvalidInput(f"{where}: expected a list, got {value!r}.")
    if arguments[-1:] == (Ellipsis,):
        return tuple(_decode(arguments[0], item, where) for item in value)
    if len(value) != len(arguments):
        raise InvalidInput(f"{where}: expected {len(arguments)} values, got {len(value)}.")
    return tuple(_decode(kind, item, where) for kind, item in zip(arguments, value, strict=True))


@functools.lru_cache(maxsize=256)
def _fields(kind: type) -> dict[str, tuple[Any, bool]]:
    """Field name -> (type, required)."""
    hints = typing.get_type_hints(kind)
    missing = dataclasses.MISSING
    return {
        field.name: (hints[field.name], field.default is missing and field.default_factory is missing)
        for field in dataclasses.fields(kind)
        if field.init
    }


def _decode_dataclass(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise InvalidInput(f"{where}: expected a table, got {value!r}.")
    fields = _fields(kind)
    for name in value:
        if name not in fields:
            raise UnknownName("field", name, fields, where)
    missing = [name for name, (_, required) in fields.items() if required and name not in value]
    if missing:
        raise InvalidInput(f"{where}: field {missing[0]!r} is missing.")
    arguments = {name: _decode(fields[name][0], item, f"{where} {name}") for name, item in value.items()}
    try:
        return kind(**arguments)
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}") from error

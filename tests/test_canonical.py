"""Round trips, strictness with exact messages, and digests that never change."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.canonical import decode, difference, digest, digest_up_to, dumps, encode
from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.types import Mark


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """A leaf."""

    name: str
    at: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outer:
    """One field of every kind that the module knows."""

    flag: bool
    count: int
    share: float
    kind: Literal["glide", "step", 3]
    inner: Inner
    maybe: int | None = None
    text_or_number: str | int = 0
    many: tuple[Inner, ...] = ()
    pair: tuple[int, str] = (0, "")
    nothing: tuple[()] = ()
    table: dict[str, tuple[int, ...]] = field(default_factory=dict)
    nested: Mapping[str, Inner | None] = field(default_factory=dict)
    anything: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picky:
    """Refuses negative sizes."""

    size: int

    def __post_init__(self) -> None:
        if self.size < 0:
            raise ValueError(f"size must not be negative, got {self.size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """Holds one that may be refused."""

    picky: Picky


@dataclass(frozen=True)
class Derived:
    """Has a field that is worked out from another."""

    side: int
    area: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "area", self.side**2)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
INNER = st.builds(Inner, name=st.text(max_size=5), at=st.tuples(st.integers(), st.integers()))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | NUMBERS | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
OUTER = st.builds(
    Outer,
    flag=st.booleans(),
    count=st.integers(),
    share=NUMBERS,
    kind=st.sampled_from(["glide", "step", 3]),
    inner=INNER,
    maybe=st.none() | st.integers(),
    text_or_number=st.text(max_size=5) | st.integers(),
    many=st.lists(INNER, max_size=3).map(tuple),
    pair=st.tuples(st.integers(), st.text(max_size=5)),
    table=st.dictionaries(st.text(max_size=3), st.lists(st.integers(), max_size=3).map(tuple), max_size=3),
    nested=st.dictionaries(st.text(max_size=3), st.none() | INNER, max_size=3),
    anything=PLAIN,
)
SMALL: dict[str, Any] = {"flag": True, "count": 1, "share": 0.5, "kind": "step", "inner": {"name": "x"}}


def refusal(kind: Any, value: Any) -> str:
    """The message with which `value` is refused."""
    with pytest.raises(InvalidInput) as caught:
        decode(kind, value, "here")
    return str(caught.value)


# --- round trips


@settings(max_examples=200)
@given(OUTER)
def test_round_trip_through_json_text(value: Outer) -> None:
    again = decode(Outer, json.loads(dumps(value)), "here")
    assert again == value
    assert dumps(again) == dumps(value)
    assert type(again.count) is int
    assert type(again.share) is float
    assert type(again.flag) is bool
    assert decode(Outer, encode(value), "here") == value


@settings(max_examples=200)
@given(OUTER, OUTER)
def test_different_values_have_different_text(one: Outer, other: Outer) -> None:
    """Compared with `repr`, as 0.0 == -0.0 == False in Python."""
    if dumps(one) == dumps(other):
        assert one == other
    if repr(one) == repr(other):
        assert dumps(one) == dumps(other)


def test_encode_gives_plain_values() -> None:
    value = Outer(flag=True, count=1, share=0.5, kind=3, inner=Inner(name="x"), nested={"a": None})
    plain = encode(value)
    assert plain["inner"] == {"name": "x", "at": [0, 0]}
    assert plain["nested"] == {"a": None}
    assert plain["flag"] is True
    assert encode(Mark("box", 1, 2)) == ["box", 1, 2]
    assert list(plain) == list(Outer.__dataclass_fields__)


@pytest.mark.parametrize("value", [{1, 2}, b"x", object(), 1j, [{"a": {1}}]])
def test_encode_refuses_what_has_no_form(value: object) -> None:
    with pytest.raises(TypeError, match="has no canonical form"):
        encode(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, [1.0, -math.inf]])
def test_dumps_refuses_what_is_no_json(value: object) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        dumps(value)


def test_fields_that_are_worked_out_are_not_written() -> None:
    assert encode(Derived(3)) == {"side": 3}
    assert decode(Derived, encode(Derived(3)), "here") == Derived(3)


def test_defaults_fill_in() -> None:
    value = decode(Outer, SMALL, "here")
    assert value.inner == Inner(name="x", at=(0, 0))
    assert value.maybe is None
    assert value.table == {}


# --- canonical text


def test_canonical_text_is_short_sorted_and_ascii() -> None:
    assert dumps({"b": [1, 2.5, None, True], "a": "ü\n"}) == '{"a":"\\u00fc\\n","b":[1,2.5,null,true]}'


@settings(max_examples=200)
@given(st.lists(OUTER | PLAIN, max_size=2))
def test_canonical_text_is_that_of_the_plain_value(values: list[Any]) -> None:
    value = {"one": tuple(values), "other": MappingProxyType({"b": values, "a": Mark("box", 1)})}
    assert dumps(value) == json.dumps(encode(value), sort_keys=True, separators=(",", ":"))


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=5))
def test_key_order_does_not_matter(table: dict[str, Any]) -> None:
    backwards = dict(reversed(table.items()))
    assert dumps(backwards) == dumps(table)
    assert digest(backwards) == digest(table)


def test_digests_never_change() -> None:
    """Splits and duplicates are decided by them: a change here moves puzzles between train and test."""
    assert digest(None) == "74234e98afe7498f"  # the head of what sha256sum says of `null`
    assert digest([[2, 3], "12"]) == "c446cad6b7c77e20"
    value = Outer(flag=True, count=-1, share=0.1, kind=3, inner=Inner(name="ü"), table={"z": (1,), "a": ()})
    assert dumps(value) == (
        '{"anything":null,"count":-1,"flag":true,"inner":{"at":[0,0],"name":"\\u00fc"},"kind":3,"many":[],'
        '"maybe":null,"nested":{},"nothing":[],"pair":[0,""],"share":0.1,"table":{"a":[],"z":[1]},"text_or_number":0}'
    )
    assert digest(value) == "3e6155b3eab602ef"


def test_digest_of_a_class_does_not_depend_on_order_or_repeats() -> None:
    values = [Inner(name=name) for name in "cab"]
    whole = digest_up_to(values)
    assert whole == digest_up_to(reversed(values)) == digest_up_to([*values, *values])
    assert whole == digest(Inner(name="a"))
    assert whole != digest_up_to(values[:1])
    assert len(whole) == 16
    assert int(whole, 16) >= 0


# --- strictness


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cuont": 1}, "here: there is no field 'cuont'. Did you mean 'count'?"),
        ({"inner": {"nam": "x"}}, "here inner: there is no field 'nam'. Did you mean 'name'?"),
        ({"inner": {"name": "x", "zzzzzz": 0}}, "here inner: there is no field 'zzzzzz'. Known: name, at."),
        ({"inner": {}}, "here inner: field 'name' is missing."),
        ({"inner": 3}, "here inner: expected a table, got 3."),
        ({"inner": [["name", "x"]]}, "here inner: expected a table, got [['name', 'x']]."),
        ({"count": "1"}, "here count: expected int, got '1'."),
        ({"count": 1.0}, "here count: expected int, got 1.0."),
        ({"count": True}, "here count: expected int, got True."),
        ({"count": None}, "here count: expected int, got None."),
        ({"share": True}, "here share: expected float, got True."),
        ({"share": "0.5"}, "here share: expected float, got '0.5'."),
        ({"share": math.inf}, "here share: expected a finite number, got inf."),
        ({"share": math.nan}, "here share: expected a finite number, got nan."),
        ({"share": 10**400}, f"here share: expected a finite number, got {10**400}."),
        ({"flag": 1}, "here flag: expected bool, got 1."),
        ({"flag": "true"}, "here flag: expected bool, got 'true'."),
        ({"inner": {"name": 5}}, "here inner name: expected str, got 5."),
        ({"inner": {"name": "x", "at": [1]}}, "here inner at: expected 2 values, got 1."),
        ({"inner": {"name": "x", "at": [1, 2, 3]}}, "here inner at: expected 2 values, got 3."),
        ({"inner": {"name": "x", "at": [1, True]}}, "here inner at: expected int, got True."),
        ({"inner": {"name": "x", "at": "12"}}, "here inner at: expected a list, got '12'."),
        ({"nothing": [1]}, "here nothing: expected 0 values, got 1."),
        ({"kind": "stop"}, "here kind: there is no choice 'stop'. Did you mean 'step'?"),
        ({"kind": "zzz"}, "here kind: there is no choice 'zzz'. Known: glide, step, 3."),
        ({"kind": 3.0}, "here kind: there is no choice '3.0'. Known: glide, step, 3."),
        ({"kind": []}, "here kind: there is no choice '[]'. Known: glide, step, 3."),
        ({"maybe": "1"}, "here maybe: expected int, got '1'."),
        ({"maybe": True}, "here maybe: expected int, got True."),
        ({"text_or_number": None}, "here text_or_number: expected int, got None."),
        ({"text_or_number": 1.5}, "here text_or_number: expected int, got 1.5."),
        ({"many": [{"name": "x"}, {}]}, "here many: field 'name' is missing."),
        ({"many": {"name": "x"}}, "here many: expected a list, got {'name': 'x'}."),
        ({"table": [1]}, "here table: expected a table, got [1]."),
        ({"table": {"a": [1, "2"]}}, "here table a: expected int, got '2'."),
        ({"nested": {"a": {"name": 1}}}, "here nested a name: expected str, got 1."),
    ],
)
def test_refusals(change: dict[str, Any], message: str) -> None:
    decode(Outer, SMALL, "here")
    assert refusal(Outer, {**SMALL, **change}) == message


def test_the_first_missing_field_is_named() -> None:
    assert refusal(Outer, {}) == "here: field 'flag' is missing."
    assert refusal(Outer, {name: value for name, value in SMALL.items() if name != "kind"}).endswith(
        "field 'kind' is missing."
    )


def test_an_unknown_field_is_named_before_a_missing_one() -> None:
    """As the one is mostly the misspelt other."""
    with pytest.raises(UnknownName) as caught:
        decode(Inner, {"nam": "x"}, "a.toml: [levels.easy]")
    assert str(caught.value) == "a.toml: [levels.easy]: there is no field 'nam'. Did you mean 'name'?"


def test_a_bool_is_not_the_number_it_equals() -> None:
    assert decode(Literal[True], True, "here") is True  # type: ignore[arg-type]
    assert refusal(Literal[1], True) == "here: there is no choice 'True'. Known: 1."
    assert refusal(Literal[True], 1) == "here: there is no choice '1'. Known: True."


def test_an_int_is_taken_for_a_float_and_becomes_one() -> None:
    value = decode(Outer, {**SMALL, "share": 2}, "here").share
    assert (value, type(value)) == (2.0, float)


def test_none_only_where_it_is_allowed() -> None:
    assert decode(Outer, {**SMALL, "maybe": None}, "here").maybe is None
    assert decode(Outer, {**SMALL, "nested": {"a": None}}, "here").nested == {"a": None}


def test_what_a_dataclass_refuses_names_the_place_once() -> None:
    assert refusal(Picky, {"size": -1}) == "here: size must not be negative, got -1"
    assert refusal(House, {"picky": {"size": -1}}) == "here picky: size must not be negative, got -1"
    with pytest.raises(InvalidInput) as caught:
        decode(Picky, {"size": -1}, "here")
    assert isinstance(caught.value.__cause__, ValueError)


@settings(max_examples=300)
@given(PLAIN)
def test_any_plain_value_is_taken_or_refused_with_a_place(value: Any) -> None:
    for kind in (Outer, Inner, int, str, float, bool, Literal["a", 1], tuple[int, str], tuple[str, ...], int | None):
        try:
            taken = decode(kind, value, "here")  # type: ignore[arg-type, var-annotated]
        except InvalidInput as error:
            assert str(error).startswith("here")
        else:
            assert encode(taken) == value


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        ({"a": 1, "b": {"c": [1, 2]}}, {"a": 1, "b": {"c": [1, 3]}}, "b.c[1]: 2 there, 3 asked"),
        ({"a": 1}, {"b": 1}, ": a there, b asked"),
        ({"a": [1]}, {"a": [1, 2]}, "a: 1 there, 2 asked"),
        ({"a": "x"}, {"a": None}, 'a: "x" there, null asked'),
    ],
)
def test_the_first_difference_is_named(theirs: Any, ours: Any, told: str) -> None:
    assert difference(theirs, ours) == told

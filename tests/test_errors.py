"""Errors say what, where and what to do, survive the way out of a worker process, and have their exit codes."""

from __future__ import annotations

import copy
import inspect
import pickle

import pytest

from puzzlegen import errors
from puzzlegen.errors import (
    CorruptData,
    IllegalAction,
    InvalidInput,
    MissingExtra,
    OutputError,
    PuzzlegenError,
    PuzzleTextError,
    RecipeError,
    Rejected,
    UnknownName,
)

EXAMPLES: list[Exception] = [
    UnknownName("recipe", "mase", ["maze", "sokoban"]),
    UnknownName("field", "sise", ["size"], "a.toml: [levels.x]"),
    MissingExtra("Training", "torch", "train"),
    Rejected("too short"),
]


def classes() -> list[type[BaseException]]:
    found = [kind for _, kind in inspect.getmembers(errors, inspect.isclass)]
    return [kind for kind in found if issubclass(kind, BaseException)]


def test_every_error_has_a_base_an_exit_code_and_a_docstring() -> None:
    assert len(classes()) >= 12
    for kind in classes():
        assert kind.__doc__
        assert issubclass(kind, PuzzlegenError) or kind is Rejected
    codes = {kind.__name__: kind.exit_code for kind in classes() if issubclass(kind, PuzzlegenError)}
    assert set(codes.values()) == {1, 2, 3, 4}
    assert (codes["OutputError"], codes["CorruptData"], codes["PuzzlegenError"]) == (4, 3, 1)
    assert {codes[kind.__name__] for kind in (InvalidInput, UnknownName, RecipeError, PuzzleTextError)} == {2}
    assert not issubclass(OutputError, CorruptData)


def test_a_rejected_draw_is_no_error_for_users() -> None:
    assert not issubclass(Rejected, PuzzlegenError)
    assert Rejected("too short").reason == str(Rejected("too short")) == "too short"


def test_invalid_input_is_a_value_error() -> None:
    """So that dataclasses may refuse their fields with either."""
    assert issubclass(InvalidInput, ValueError)
    assert not issubclass(IllegalAction, ValueError)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (UnknownName("recipe", "mase", ["maze", "sokoban"]), "There is no recipe 'mase'. Did you mean 'maze'?"),
        (UnknownName("level", "zzz", ["easy", "hard"]), "There is no level 'zzz'. Known: easy, hard."),
        (UnknownName("level", "zzz", []), "There is no level 'zzz'. Known: none."),
        (UnknownName("level", "", iter(["easy"])), "There is no level ''. Known: easy."),
        (UnknownName("field", "sise", ["size"], "a.toml"), "a.toml: there is no field 'sise'. Did you mean 'size'?"),
        (
            MissingExtra("Training", "torch", "train"),
            "Training needs torch. Install it with: pip install 'puzzlegen[train]'.",
        ),
    ],
)
def test_messages(error: Exception, message: str) -> None:
    assert str(error) == message


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: str(error)[:20])
def test_errors_cross_process_borders(error: Exception) -> None:
    """A pool pickles what a worker raises; an error that cannot be unpickled looks like a dead worker."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.args == error.args
        assert vars(again) == vars(error)


def test_every_class_survives_pickling() -> None:
    """Also those that are added later: each must be among the examples or be made of one sentence."""
    special = {type(error) for error in EXAMPLES}
    for kind in classes():
        if kind not in special:
            assert str(pickle.loads(pickle.dumps(kind("one sentence")))) == "one sentence"

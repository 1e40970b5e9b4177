"""Every exception that puzzlegen raises on purpose. Each says what, where, and what to do."""

from __future__ import annotations

from collections.abc import Iterable


class PuzzlegenError(Exception):
    """Base of all errors meant for a user. The command line prints one line and exits with `exit_code`."""

    exit_code = 1


class InvalidInput(PuzzlegenError, ValueError):
    """A value from outside (option, recipe field, file) that cannot be used. Exits with 2."""

    exit_code = 2


class UnknownName(InvalidInput):
    """A name that is not among the known ones; suggests the nearest.

    >>> str(UnknownName("recipe", "mase", ["maze", "sokoban"]))
    "There is no recipe 'mase'. Did you mean 'maze'?"
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        import difflib  # only the failing path pays for it

        self.kind, self.name, self.known, self.where = kind, name, tuple(known), where
        near = difflib.get_close_matches(name, self.known, n=1)
        hint = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(self.known) or 'none'}."
        prefix = f"{where}: there" if where else "There"
        super().__init__(f"{prefix} is no {kind} {name!r}. {hint}")

    def __reduce__(self) -> tuple[object, ...]:  # pickled by its arguments: pools send errors between processes
        return type(self), (self.kind, self.name, self.known, self.where)


class RecipeError(InvalidInput):
    """A recipe file that cannot be used; names file, table and field."""


class PuzzleTextError(InvalidInput):
    """A level file that is not a puzzle of this task; names line and column where it can."""


class MissingExtra(PuzzlegenError):
    """An optional package is not installed; says how to install it."""

    exit_code = 2

    def __init__(self, feature: str, package: str, extra: str) -> None:
        self.feature, self.package, self.extra = feature, package, extra
        super().__init__(f"{feature} needs {package}. Install it with: pip install 'puzzlegen[{extra}]'.")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.feature, self.package, self.extra)


class IllegalAction(PuzzlegenError):
    """An action that the task's rules forbid in this state."""


class Unsolvable(PuzzlegenError):
    """Proved: no sequence of actions solves this puzzle."""


class SearchLimit(PuzzlegenError):
    """The solver's node limit was reached; nothing is proved."""


class LevelExhausted(PuzzlegenError):
    """A level cannot give as many puzzles as were asked for."""


class Diverged(PuzzlegenError):
    """Training no longer gives finite numbers."""


class Incomplete(PuzzlegenError):
    """Not everything is there yet that is to be joined; names what is missing."""


class OutputError(PuzzlegenError):
    """The output directory cannot be used or written."""

    exit_code = 4


class CorruptData(PuzzlegenError):
    """A shard, a row or a clip is not what its manifest or its puzzle says."""

    exit_code = 3


class Rejected(Exception):
    """A drawn puzzle that does not meet the level's conditions: draw again. Not an error.

    Args:
        reason: few fixed words without numbers, so that reasons can be counted.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

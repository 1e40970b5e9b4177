"""The nouns that every room shares: what a puzzle looks like, where it came from, how it is solved and judged."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, Protocol, TypeVar

from puzzlegen.grid import Cell, Shape

S = TypeVar("S")  # a task's state: a frozen dataclass of ints, strings, tuples and frozen dataclasses


class Mark(NamedTuple):
    """One thing drawn in one cell, without color or size; the look decides what it looks like.

    Args:
        kind: name that the recipe's looks give a shape to, such as "box".
        hue: index into the look's palette, 0 to 15, for kinds that come in several colors.
        links: mask of `grid.LINK` bits: the neighbours this cell is joined to.
    """

    kind: str
    hue: int = 0
    links: int = 0


Glyph = tuple[Mark, ...]  # one cell's content, back to front


class Token(NamedTuple):
    """A mark at a cell in one state.

    Args:
        key: tokens with equal keys in successive states are one thing that glides; None only appears.
    """

    mark: Mark
    at: Cell
    key: Hashable = None


class Stroke(NamedTuple):
    """A mark that draws while it glides from cell to cell and stays behind: the tip of a growing line."""

    mark: Mark
    source: Cell
    target: Cell


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A sequence of actions that solves a puzzle."""

    actions: tuple[str, ...]
    optimal: bool
    """Proved that no solution is better by the task's own measure (its docstring names it)."""
    unique: bool | None
    """Proved (True, False) or not decided (None): no other solution is as good."""
    measures: Mapping[str, int | float] = field(default_factory=dict)
    """Difficulty measures by name, such as `pushes` or `turns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory(Generic[S]):
    """The states that a sequence of actions walks through; len(states) == len(actions) + 1."""

    states: tuple[S, ...]
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The key that a puzzle is a pure function of."""

    recipe: str
    level: str
    seed: int
    index: int
    attempt: int

    @property
    def id(self) -> str:
        """Unique name of the clip, safe in paths: recipe, level, seed and index."""
        return f"{self.recipe}-{self.level}-{self.seed}-{self.index:06d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Generic[S]):
    """One accepted puzzle with its solution and its identity up to symmetry."""

    origin: Origin
    start: S
    solution: Solution
    digest: str
    """16 hex digits, equal for mirrored, rotated and recolored copies of one puzzle."""
    structure: str
    """16 hex digits of what splits are made by, equal for all puzzles that share it (walls of a maze)."""
    split: str


class Forgery(NamedTuple):
    """What a picture shows right after a rule was broken.

    Args:
        code: the violation that a judge should find.
        tokens: what is drawn on the backdrop then, with the keys that the state's own tokens have.
    """

    code: str
    tokens: tuple[Token, ...]


class Sighting(NamedTuple, Generic[S]):
    """A state that was read from the frames, whether or not a legal action led there, and the first such frame."""

    frame: int
    state: S


class Violation(NamedTuple):
    """Where a clip breaks the rules: a code, the frame, and the cell if one can be named."""

    code: str
    frame: int
    cell: Cell | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score(Generic[S]):
    """The judgement of one clip."""

    value: float
    """The dense reward in [0, 1]; exactly 1.0 when solved, exactly 0.0 for doing nothing."""
    solved: bool
    parts: Mapping[str, float]
    """What the value is made of, and how well the clip could be read; all in [0, 1]."""
    violations: tuple[Violation, ...]
    """What is wrong, the first fatal one first; empty exactly when solved."""
    confidence: float
    """Estimated probability that the verdict is right."""
    actions: tuple[str, ...]
    """The legal moves that were read, up to the first violation."""
    frames: tuple[int, ...]
    """The frame that first shows the state after each of these moves."""
    seen: tuple[Sighting[S], ...]
    """Every state that the clip shows at rest, in order, repeats left out; also what no legal move explains."""
    view: tuple[float, float, float, float] | None = None
    """Where the clip was found in the first picture: pixel (y, x) of the dataset's clip lies at
    (top + y * scale_y, left + x * scale_x), in the order scale_y, scale_x, top, left; None if it was not found."""


__all__ = [
    "Cell",
    "Forgery",
    "Glyph",
    "Instance",
    "Mark",
    "Origin",
    "Score",
    "Shape",
    "Sighting",
    "Solution",
    "Stroke",
    "Token",
    "Trajectory",
    "Violation",
]


class Progress(Protocol):
    """Told about every finished piece of work."""

    def __call__(self, stage: str, done: int, total: int) -> None:
        """`done` more pieces of `total`; the stage is what they are, such as "puzzles" or "clips"."""


def silent(stage: str, done: int, total: int) -> None:
    """Progress that nobody is told of."""

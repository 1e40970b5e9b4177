"""The contract of a task: rules and solver, no pixels. The only page that a task author must read.

A task is stateless: every method is a pure function of its arguments. States are frozen dataclasses built of
ints, strings, bools, tuples and other frozen dataclasses, so that they hash, compare and have one JSON form.
`puzzlegen check RECIPE` tests all that is promised here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar, Generic, TypeVar

from puzzlegen.grid import Shape
from puzzlegen.seeding import Rng
from puzzlegen.types import Forgery, Glyph, Solution, Stroke, Token

P = TypeVar("P")  # the level's parameters: a frozen dataclass
S = TypeVar("S")  # the state


class Task(ABC, Generic[P, S]):
    """Rules of one puzzle family."""

    version: ClassVar[int]
    """Goes up whenever a puzzle, a solution or a scene changes for a given key."""
    Params: ClassVar[type]
    """Frozen dataclass of a level's fields, ranges checked in `__post_init__` with ValueError."""
    State: ClassVar[type]
    """Frozen dataclass of a state."""
    manual: ClassVar[str] = ""
    """How to play from text alone: the characters of `text`, what the actions do, what solves; for language models."""
    separator: ClassVar[str] = ""
    """What stands between actions in one line; "" if every action is one character."""

    # --- puzzles and rules

    @abstractmethod
    def generate(self, params: P, rng: Rng) -> S:
        """Draw a start state. Raise Rejected(reason) for a draw that does not meet `params`."""

    @abstractmethod
    def solve(self, start: S) -> Solution:
        """Solve from any state. Raise Unsolvable or SearchLimit; never depend on time."""

    @abstractmethod
    def actions(self, state: S) -> Iterable[str]:
        """The legal actions, in a fixed order."""

    @abstractmethod
    def step(self, state: S, action: str) -> S:
        """The next state. Raise IllegalAction if the rules forbid it."""

    @abstractmethod
    def is_solved(self, state: S) -> bool:
        """Whether the puzzle is solved."""

    @abstractmethod
    def distance(self, state: S) -> int | None:
        """Fewest steps of progress left (moves, pushes, cells), 0 exactly when solved; None: cannot be solved."""

    def accepts(self, params: P, solution: Solution) -> str | None:
        """Why this solution does not meet the level (few fixed words), or None if it does."""
        return None

    def fewest_actions(self, params: P) -> int:
        """No puzzle of this level has a shorter solution; 0 if unknown. A clip too short for it is refused."""
        return 0

    def compiled(self) -> Task[P, S]:
        """This task on compiled kernels, ready to run: equal results for equal arguments. Itself, by default.

        Called before many puzzles are made; it may take a minute when kernels have never been compiled here.
        """
        return self

    # --- identity

    @abstractmethod
    def symmetries(self, start: S) -> Iterable[S]:
        """All states that are the same puzzle, in one normal form: rotations, mirrors, renamed colors, shifts."""

    def structure(self, start: S) -> object:
        """What splits are decided by: any plain value or dataclass that similar puzzles share. All, by default."""
        return start

    # --- text

    @abstractmethod
    def parse(self, text: str) -> S:
        """A start state in the field's own notation. Raise PuzzleTextError naming line and column."""

    @abstractmethod
    def text(self, state: S) -> str:
        """The state in the same notation; parse(text(start)) == start."""

    def line(self, actions: Sequence[str]) -> str:
        """The actions as one string, such as LURD."""
        return self.separator.join(actions)

    def read_line(self, line: str) -> tuple[str, ...]:
        """What stands in such a string, with spaces and commas as one likes; may be no actions of this task."""
        parts = line.replace(",", " ").split()
        return tuple(parts if self.separator else "".join(parts))

    # --- appearance

    @abstractmethod
    def shape(self, start: S) -> Shape:
        """(rows, cols) of the drawn grid."""

    @abstractmethod
    def backdrop(self, start: S) -> tuple[Glyph, ...]:
        """What never moves, one glyph a cell in reading order; the same for every state of the puzzle."""

    @abstractmethod
    def tokens(self, state: S) -> tuple[Token, ...]:
        """What the state adds to the backdrop, back to front."""

    def strokes(self, state: S, action: str) -> tuple[Stroke, ...]:
        """What draws itself from cell to cell while this action happens; nothing by default."""
        return ()

    @abstractmethod
    def glyphs(self, start: S) -> Sequence[Sequence[Glyph]]:
        """For each cell, all token stacks that some reachable state can show there, the empty stack included."""

    @abstractmethod
    def read(self, start: S, board: Sequence[Glyph]) -> S | None:
        """The state whose tokens show this board (one stack a cell), or None if no reachable state does."""

    # --- judging; the defaults suit a task for which nothing finer is published

    def blame(self, state: S, board: Sequence[Glyph | None]) -> str:
        """The violation code for a board that no legal action from `state` leads to; None: a cell that is unclear."""
        return "JUMP"

    def forgeries(self, state: S) -> Iterable[Forgery]:
        """Pictures that cheat: one step away from `state`, but by breaking a rule that this task has."""
        return ()

    def items(self, states: Sequence[S]) -> Counter[Hashable]:
        """What a walk through `states` has done, in the units that precision and recall count; nothing at the start."""
        return Counter(states[1:])

    def references(self, start: S, states: Sequence[S]) -> Iterable[Sequence[str]]:
        """Best solutions that a walk is compared with: all, or some of those that are nearest to it."""
        return [self.solve(start).actions]

    def components(self, states: Sequence[S]) -> Mapping[str, float]:
        """Named terms in [0, 1] of published rewards, for the states that a clip shows, legal or not, start first."""
        return {}

"""Clips that cheat: what must not succeed (scoring.md, b), for any task, made from its contract alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from puzzlegen.errors import Rejected
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.task import Task
from puzzlegen.testing.cheaters import forging, goals, pixels, timing, tokens, walls
from puzzlegen.testing.cheaters.film import Film, Frames, Take
from puzzlegen.types import Instance

_Maker = Callable[[Film, np.random.Generator], Iterator[Take]]


@dataclass(frozen=True, slots=True, eq=False)
class Cheat:
    """A clip that does not solve its puzzle, whatever it shows."""

    kind: str
    """Name in `KINDS`."""
    codes: tuple[str, ...]
    """Violations that a judge may name first, the likeliest first."""
    ceiling: float
    """The highest reward that it may get: 0, 0.5, or the progress of the legal moves before the cheat."""
    frames: Frames
    """RGB [T, H, W, 3]."""

    @property
    def code(self) -> str:
        """The violation that it is made for."""
        return self.codes[0]


class Kind(NamedTuple):
    """A way to cheat."""

    name: str
    meaning: str


def _kind(maker: _Maker) -> Kind:
    """Named and explained by the function that makes it."""
    name = maker.__name__.replace("_", " ")
    return Kind(name, (maker.__doc__ or "").partition("\n")[0])


_MAKERS: dict[Kind, _Maker] = {
    _kind(maker): maker
    for module in (timing, forging, tokens, walls, goals, pixels)
    for maker in module.KINDS
}  # fmt: skip

KINDS = tuple(_MAKERS)
"""All kinds, in the order in which `cheats` makes them."""


def cheats(
    task: Task[Any, Any],
    puzzle: Instance[Any],
    look: Look,
    clip: ClipFormat,
    rng: np.random.Generator,
    only: Collection[str] | None = None,
) -> Iterator[Cheat]:
    """Cheating clips of one puzzle, each made when it is asked for; kinds that the puzzle cannot show are left out.

    Args:
        task: the rules.
        puzzle: with a solution that no shorter one leads past: a jump is called so if it skips six of its actions.
        look: colors and shapes.
        clip: size and length, of every cheat too.
        rng: one number is drawn from it; what a kind shows does not depend on which others are made.
        only: names of the kinds wanted; all if not given.

    Raises:
        Rejected: the puzzle or its solution does not fit the clip.
    """
    film = Film(task, puzzle, look, clip)
    seed = int(rng.integers(1 << 62))
    for number, (kind, make) in enumerate(_MAKERS.items()):
        if only is None or kind.name in only:
            try:
                for take in make(film, np.random.default_rng([seed, number])):
                    yield Cheat(kind.name, take.codes, take.ceiling, take.frames)
            except Rejected:  # too long for the clip
                continue


__all__ = ["KINDS", "Cheat", "Kind", "cheats"]

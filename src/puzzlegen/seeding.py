"""Counter-based randomness: the same key gives the same stream on every machine, worker and library version.

The generator is SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators",
OOPSLA 2014). It is our own, and not numpy's, for two reasons: numpy promises no stable streams for its
distributions across releases, and a compiled kernel can continue this one from a single 64-bit word.
"""

from __future__ import annotations

import hashlib
from collections.abc import MutableSequence, Sequence
from typing import TypeVar

T = TypeVar("T")

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def derive(*key: str | int) -> int:
    """A 64-bit seed for this key: the head of sha256 over its parts, each tagged by type and length.

    >>> derive("maze", 1) == derive("maze", 1), derive("a", "b") == derive("ab")
    (True, False)
    """
    hasher = hashlib.sha256()
    for part in key:
        text = str(part).encode()
        hasher.update(f"{type(part).__name__}:{len(text)}:".encode())
        hasher.update(text)
    return int.from_bytes(hasher.digest()[:8], "big")


class Rng:
    """A stream of random numbers that is wholly described by `state`, one 64-bit word."""

    __slots__ = ("state",)

    def __init__(self, *key: str | int) -> None:
        self.state = derive(*key)

    def bits(self) -> int:
        """The next 64 random bits."""
        self.state = state = (self.state + _GOLDEN) & _MASK
        mixed = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return mixed ^ (mixed >> 31)

    def below(self, bound: int) -> int:
        """An integer in [0, bound), 0 < bound <= 2**32; off uniform by less than bound / 2**32."""
        return ((self.bits() >> 32) * bound) >> 32

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high], both included."""
        if low > high:  # `below` would silently give one that lies outside
            raise ValueError(f"no integer lies between {low} and {high}")
        return low + self.below(high - low + 1)

    def uniform(self) -> float:
        """A float in [0, 1) on the grid of 2**-53."""
        return (self.bits() >> 11) * 2.0**-53

    def choice(self, items: Sequence[T]) -> T:
        """One item, all equally likely."""
        return items[self.below(len(items))]

    def shuffle(self, items: MutableSequence[T]) -> None:
        """Fisher-Yates in place, from the last item down."""
        for last in range(len(items) - 1, 0, -1):
            other = self.below(last + 1)
            items[last], items[other] = items[other], items[last]

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` different items in random order; count <= len(items)."""
        pool = list(items)
        for taken in range(count):
            other = taken + self.below(len(pool) - taken)
            pool[taken], pool[other] = pool[other], pool[taken]
        return pool[:count]

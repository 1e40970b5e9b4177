"""Random numbers that belong to a sample, not to a batch: each sample has a key, and a key its own stream.

So micro-batches, ranks and restarts change nothing. Numbers are drawn on the CPU, which makes them equal on all
devices. Torch's CPU generator takes the low 32 bits of a seed, so among 100,000 streams about one pair is the same; for
noise that is harmless, and `uniform` draws from the package's own 64-bit streams.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from puzzlegen.seeding import Rng, derive

Key = tuple[str | int, ...]
"""What names a stream, such as (seed, step, sample)."""


def generator(*key: str | int) -> torch.Generator:
    """A CPU generator at the start of this key's stream."""
    return torch.Generator().manual_seed(derive(*key))


def uniform(keys: Sequence[Key]) -> Tensor:
    """One number in [0, 1) for each key, float64 [B]; the same in all versions of all packages."""
    return torch.tensor([Rng("uniform", *key).uniform() for key in keys], dtype=torch.float64)


def normal(keys: Sequence[Key], shape: Sequence[int]) -> Tensor:
    """Standard normal noise, float32 [B, *shape] on the CPU, a sample for each key."""
    return torch.stack([torch.randn(*shape, generator=generator("normal", *key)) for key in keys])


@contextmanager
def seeded(*key: str | int) -> Iterator[None]:
    """Inside, torch's global CPU stream is this key's; outside, it is as it was. For libraries that draw from it."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(*key))
        yield

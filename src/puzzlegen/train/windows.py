"""Windows: which steps of a rollout are stochastic, and so stored and trained; the others are the ODE's.

A window follows from the number of the update alone. So all members of all groups train the same steps, and a run that
goes on needs to remember nothing. The last step, down to sigma = 0, is in no window, for it is without noise. Needs no
torch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from puzzlegen.errors import InvalidInput
from puzzlegen.train.configs import require


@dataclass(frozen=True, slots=True, kw_only=True)
class All:
    """All steps but the last, as in Flow-GRPO."""

    kind: Literal["all"] = "all"

    def __call__(self, update: int, num_steps: int) -> range:
        """The stochastic steps of update number `update`, counted from 0."""
        return range(num_steps - 1)

    def reach(self, num_steps: int) -> int:
        """How many of the steps are stochastic in some update or come before one that is."""
        return num_steps - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class First:
    """The first k steps: Early-Step Focus. They decide what a clip shows, and all after them is only sampled."""

    kind: Literal["first"] = "first"
    k: int = 4
    """Steps."""
    final_k: int | None = None
    """Steps in the end, reached in a straight line; `k` if not given."""
    anneal: int = 0
    """Updates until `final_k` is reached."""

    def __post_init__(self) -> None:
        require(self.k > 0, "window.k", "positive")
        require(self.final_k is None or self.final_k > 0, "window.final_k", "positive")
        require(self.anneal >= 0, "window.anneal", "0 or more")

    def __call__(self, update: int, num_steps: int) -> range:
        """See `All`. Raises InvalidInput if the window is longer than a rollout."""
        final = self.k if self.final_k is None else self.final_k
        _check(max(self.k, final), num_steps)
        progress = min(1.0, update / self.anneal) if self.anneal else 1.0
        return range(round(self.k + progress * (final - self.k)))

    def reach(self, num_steps: int) -> int:
        """See `All`."""
        return max(self.k, self.final_k or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding:
    """k steps that move from noise towards the clip and begin anew, as in MixGRPO (arXiv:2507.21802).

    A single step, for which all noise is its own, tells best what that noise was good for (Flash-GRPO).
    """

    kind: Literal["sliding"] = "sliding"
    k: int = 4
    """Steps."""
    every: int = 25
    """Updates between two moves."""
    stride: int = 1
    """Steps of a move; `k` for windows that do not overlap."""
    within: int | None = None
    """The first so many steps, which the windows stay in, for Early-Step Focus; all but the last if not given."""

    def __post_init__(self) -> None:
        for name in ("k", "every", "stride"):
            require(getattr(self, name) > 0, f"window.{name}", "positive")
        require(self.within is None or self.within >= self.k, "window.within", f"{self.k} or more, the window's length")

    def __call__(self, update: int, num_steps: int) -> range:
        """See `First`. The last place is flush with the end, be it reached by a whole stride or not."""
        _check(max(self.k, self.within or 0), num_steps)
        furthest = (self.within or num_steps - 1) - self.k
        places = [*range(0, furthest, self.stride), furthest]
        start = places[update // self.every % len(places)]
        return range(start, start + self.k)

    def reach(self, num_steps: int) -> int:
        """See `All`."""
        return self.within or num_steps - 1


Window = All | First | Sliding
"""Which steps are stochastic, told by `kind`."""


def _check(k: int, num_steps: int) -> None:
    if k >= num_steps:
        raise InvalidInput(
            f"A window of {k} steps does not fit {num_steps} steps, the last of which has no noise. "
            "Make the window shorter, or take more steps."
        )

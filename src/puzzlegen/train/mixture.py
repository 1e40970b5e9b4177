"""Which clips make up each update: parts of a dataset by weight, each part shuffled anew in every pass over it.

The clips of an update follow from the seed and the clips that earlier updates took of each part, of which only the
numbers are kept. So a run goes on exactly, and processes agree without a word.
"""

from __future__ import annotations

from collections.abc import Sequence

from puzzlegen.errors import InvalidInput
from puzzlegen.seeding import Rng
from puzzlegen.train.runs import Part


class Mixture:
    """Draws the rows of a dataset."""

    def __init__(
        self, parts: Sequence[Part], tasks: Sequence[str], levels: Sequence[str], *, seed: int, num_steps: int
    ) -> None:
        """Sort the rows into parts.

        Args:
            parts: all rows are one part if there are none.
            tasks: of every row.
            levels: of every row.
            seed: of all orders.
            num_steps: updates of the whole run, over which weights change.

        Raises:
            InvalidInput: a part without clips, or no clips at all.
        """
        self._parts = tuple(parts) or (Part(),)
        self._seed, self._num_steps = seed, num_steps
        self._rows = [_rows_of(part, tasks, levels) for part in self._parts]
        self._orders: list[tuple[int, list[int]]] = [(-1, [])] * len(self._parts)
        self.taken = [0] * len(self._parts)
        """Clips drawn of each part so far; set it to go on from there."""

    def draw(self, step: int, batch: int) -> list[int]:
        """The rows of update number `step`, counted from 0; updates are drawn one after the other."""
        weights = self._weights(step)
        rows = []
        for number in range(step * batch, (step + 1) * batch):
            part = _pick(weights, Rng("mixture", self._seed, number).uniform())
            rows.append(self._next(part))
        return rows

    def _weights(self, step: int) -> list[float]:
        progress = step / max(1, self._num_steps - 1)
        finals = (part.weight if part.final_weight is None else part.final_weight for part in self._parts)
        return [part.weight + (final - part.weight) * progress for part, final in zip(self._parts, finals, strict=True)]

    def _next(self, part: int) -> int:
        """The next row of a part, in the order of this pass."""
        one_pass, place = divmod(self.taken[part], len(self._rows[part]))
        if self._orders[part][0] != one_pass:
            order = list(self._rows[part])
            Rng("order", self._seed, part, one_pass).shuffle(order)
            self._orders[part] = one_pass, order
        self.taken[part] += 1
        return self._orders[part][1][place]


def _rows_of(part: Part, tasks: Sequence[str], levels: Sequence[str]) -> list[int]:
    rows = [
        row
        for row, (task, level) in enumerate(zip(tasks, levels, strict=True))
        if part.task in ("", task) and (not part.levels or level in part.levels)
    ]
    if not rows:
        known = sorted({f"{task}:{level}" for task, level in zip(tasks, levels, strict=True)})
        asked = f"{part.task or 'any task'}:{','.join(part.levels) or 'any level'}"
        raise InvalidInput(f"data.mixture: the dataset has no clips of {asked}. It has {', '.join(known) or 'none'}.")
    return rows


def _pick(weights: Sequence[float], u: float) -> int:
    """The part at this place of the line that the weights make up."""
    place = u * sum(weights)
    for part, weight in enumerate(weights):
        place -= weight
        if place < 0:
            return part
    return max(range(len(weights)), key=lambda part: weights[part])  # rounding: u next to 1

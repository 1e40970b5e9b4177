"""The clips of an update with their noise, a micro-batch at a time: this process's share of what all processes take.

Noise and noise levels belong to the number of a sample, counted over the whole run, so that neither the size of a
micro-batch nor the number of processes plays a part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from accelerate import Accelerator
from torch import Tensor

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.cache import LatentCache
from puzzlegen.train.flow import draw_noise, draw_sigmas
from puzzlegen.train.mixture import Mixture
from puzzlegen.train.runs import SftRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some clips and how far each goes towards which noise."""

    z_BCTHW: Tensor
    texts: Sequence[str]
    sigma_B: Tensor
    """float64, on the CPU."""
    noise_BCTHW: Tensor


class Batches:
    """Gives the micro-batches of each update."""

    def __init__(self, run: SftRun, dataset: ShardDataset, accelerator: Accelerator) -> None:
        """Raises InvalidInput for a batch that the processes cannot share, or a mixture of clips that are not there."""
        world, size = accelerator.num_processes, run.optimizer.batch
        if size % world:
            raise InvalidInput(f"optimizer.batch {size} cannot be shared by {world} processes. Make it a multiple.")
        self.share = size // world
        """Clips of an update for this process."""
        self._run, self._accelerator = run, accelerator
        self._shift = run.loss.shift or run.model.shift
        self.mixture = Mixture(
            run.data.mixture,
            dataset.column("task"),
            dataset.column("level"),
            seed=run.seed,
            num_steps=run.optimizer.steps,
        )

    def of(self, step: int, latents: LatentCache, texts: Sequence[str]) -> Iterator[Batch]:
        """The micro-batches of update number `step`, counted from 0; one update after the other.

        Args:
            step: number of the update.
            latents: of the dataset's clips.
            texts: of the dataset's rows.
        """
        size = self._run.optimizer.batch
        rows = self.mixture.draw(step, size)
        begin = self._accelerator.process_index * self.share
        micro = self._run.machine.micro_batch or self.share
        for first in range(begin, begin + self.share, micro):
            part = range(first, min(first + micro, begin + self.share))
            chosen, numbers = [rows[place] for place in part], [step * size + place for place in part]
            yield self._batch(latents.gather(chosen), [texts[row] for row in chosen], numbers)

    def _batch(self, z_BCTHW: Tensor, texts: Sequence[str], numbers: Sequence[int]) -> Batch:
        keys, device = [(self._run.seed, number) for number in numbers], self._accelerator.device
        noise_BCTHW = draw_noise(keys, z_BCTHW.shape[1:])
        return Batch(
            z_BCTHW=z_BCTHW.to(device, non_blocking=True),
            texts=texts,
            sigma_B=draw_sigmas(keys, self._shift, self._run.loss.sampling),
            noise_BCTHW=noise_BCTHW.to(device, non_blocking=True),
        )

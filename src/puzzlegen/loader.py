"""Clips for training loops: shuffled, shared by ranks and workers, and going on in mid-epoch. Needs torch.

>>> stream = ClipStream(dataset, seed=0, transform=lambda row: torch.from_numpy(row.frames()))  # doctest: +SKIP
>>> loader = StatefulDataLoader(stream, batch_size=4, num_workers=2)  # of torchdata  # doctest: +SKIP
>>> saved = loader.state_dict()  # at any batch; later: loader.load_state_dict(saved)  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from torch.utils.data import IterableDataset, get_worker_info

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset, share
from puzzlegen.shards.row import Row


class ClipStream(IterableDataset[Any]):
    """One shuffled pass over a dataset, of which each rank and each worker of a loader has its own part.

    Together they give every clip once. The order follows from seed and epoch alone, so that a stream with the state of
    another goes on with the clip after its last one; a state belongs to a number of ranks and of workers.
    """

    def __init__(
        self,
        dataset: ShardDataset,
        *,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        even: bool = False,
        transform: Callable[[Row], Any] | None = None,
    ) -> None:
        """Begin with epoch 0.

        Args:
            dataset: whose rows are given.
            seed: of the order.
            rank: number of this process.
            world: number of processes.
            even: leave out up to world - 1 clips, so that all ranks have the same number.
            transform: made of each row, in the worker; the row itself if not given.

        Raises:
            InvalidInput: no such rank.
        """
        if not 0 <= rank < world:
            raise InvalidInput(f"rank must be 0 to world - 1, got {rank=}, {world=}.")
        self.epoch = 0
        self._dataset, self._seed, self._transform = dataset, seed, transform
        self._part = share(len(dataset), rank, world, even=even)
        self._given, self._goes_on = 0, False

    def set_epoch(self, epoch: int) -> None:
        """Let the next pass be the whole of this epoch, in an order of its own."""
        self.epoch, self._given, self._goes_on = epoch, 0, False

    def __len__(self) -> int:
        """Clips of this rank in a whole epoch, all workers together."""
        return len(self._part)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        order = self._dataset.epoch_order(self._seed, self.epoch)
        own = [order[self._part[place]] for place in share(len(self._part), number, workers)]
        self._given, self._goes_on = self._given if self._goes_on else 0, False
        for index in own[self._given :]:
            self._given += 1
            row = self._dataset[index]
            yield self._transform(row) if self._transform else row

    def state_dict(self) -> dict[str, int]:
        """How far this rank is, or with workers this worker: what `load_state_dict` goes on from."""
        return {"epoch": self.epoch, "given": self._given}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Let the next pass begin after the clips that were given when the state was taken."""
        self.epoch, self._given, self._goes_on = state["epoch"], state["given"], True

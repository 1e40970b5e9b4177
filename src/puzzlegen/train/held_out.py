"""Held-out puzzles in the course of a run: loss by noise level, success and sampled clips, shared by the processes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.row import Row
from puzzlegen.train.evaluation import Evaluation as Evaluated
from puzzlegen.train.evaluation import evaluate, losses_on, write_verdicts
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.runs import Evaluation

SAMPLES = "samples"


class HeldOut:
    """The same puzzles and the same noise at every evaluation, so that a change of the figures is one of the model."""

    def __init__(
        self, config: Evaluation, dataset: ShardDataset, policy: VideoPolicy, accelerator: Accelerator, folder: Path
    ) -> None:
        """Read and encode this process's share.

        Args:
            config: how many, and how they are sampled.
            dataset: of held-out puzzles.
            policy: the model.
            accelerator: shares the puzzles.
            folder: of the run; sampled clips go into its folder `samples`.

        Raises:
            InvalidInput: fewer puzzles than processes, or puzzles that the model cannot take.
        """
        self._config, self._policy, self._accelerator, self._folder = config, policy, accelerator, folder
        world = accelerator.num_processes
        chosen = first_of_each(dataset.column("task"), config.num)
        chosen = chosen[: len(chosen) // world * world]  # layers that processes share need all of them at the same time
        if not chosen:
            raise InvalidInput(f"{dataset.folder} has too few {config.split} puzzles to evaluate with. Generate more.")
        self._rows: list[Row] = [dataset[index] for index in chosen[accelerator.process_index :: world]]
        self._z_BCTHW = torch.cat([self._encoded(row) for row in self._rows])

    def evaluate(self, step: int) -> tuple[dict[str, float], str]:
        """Figures for the log and a line for people, the same on all processes.

        Clips, a sheet of them, both from the first process's share, and all verdicts go into `samples/step-N`.
        """
        rows, config = self._rows, self._config
        texts = [row[self._policy.text_column] for row in rows]
        folder, first = self._folder / SAMPLES / f"step-{step:08d}", self._accelerator.is_main_process
        losses = losses_on(
            self._policy, self._z_BCTHW, texts, [row["id"] for row in rows], seed=config.seed, batch=config.batch
        )
        mine = evaluate(
            self._policy,
            rows,
            num_steps=config.num_steps,
            seed=config.seed,
            batch=config.batch,
            folder=folder if first else None,
            num_clips=config.clips,
            first_BC1HW=self._z_BCTHW[:, :, :1],
        )
        figures = self._accelerator.reduce(self._on_device(losses), reduction="mean")
        losses = dict(zip(losses, figures.tolist(), strict=True))
        found = Evaluated(tuple(gather_object(list(mine.verdicts))))
        if first:
            write_verdicts(found.verdicts, folder)
        return {"eval/loss": fmean(losses.values())} | losses | found.scalars(), f"step {step}: {found}"

    def _encoded(self, row: Row) -> Tensor:
        return self._policy.encode(torch.from_numpy(row.frames()[None]))

    def _on_device(self, losses: dict[str, float]) -> Tensor:
        return torch.tensor([*losses.values()], dtype=torch.float64, device=self._accelerator.device)


def first_of_each(tasks: Sequence[str], count: int) -> list[int]:
    """The first rows of each task, at most `count` of each."""
    seen: Counter[str] = Counter()
    chosen = []
    for row, task in enumerate(tasks):
        seen[task] += 1
        if seen[task] <= count:
            chosen.append(row)
    return chosen

"""A trained model's videos of a dataset's puzzles, laid out for `puzzlegen score`."""

from __future__ import annotations

from pathlib import Path

from puzzlegen.errors import InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.adapters.toy import saved_codec
from puzzlegen.train.checkpoint import Checkpoint
from puzzlegen.train.evaluation import write_submissions
from puzzlegen.train.held_out import first_of_each
from puzzlegen.train.machine import open_machine
from puzzlegen.train.prepare import opened
from puzzlegen.train.runs import Machine
from puzzlegen.types import Progress, silent


def submit(
    checkpoint: Checkpoint,
    instances: str,
    split: str,
    out: Path,
    *,
    num: int,
    samples: int = 1,
    num_steps: int | None = None,
    seed: int = 0,
    on_cpu: bool = False,
    progress: Progress = silent,
) -> None:
    """Sample videos and write them as TASK/ID/K.mp4.

    Args:
        checkpoint: of the model.
        instances: a dataset of puzzles, a folder or a URL.
        split: of that dataset.
        out: folder of the videos; those that are there already are kept.
        num: puzzles of each task, the first ones.
        samples: videos of each puzzle.
        num_steps: of the sampler; as in the run's evaluations if not given.
        seed: of the noise.
        on_cpu: even if there is a GPU.
        progress: told about every video.

    Raises:
        PuzzlegenError: no such dataset or split, a model that cannot take it, a folder that cannot be used.
    """
    run, dataset = checkpoint.run, ShardDataset(instances, split=split)
    rows = [dataset[index] for index in first_of_each(dataset.column("task"), num)]
    if not rows:
        raise InvalidInput(f"{instances} has no {split} puzzles. Choose another --split.")
    accelerator = open_machine(Machine(device="cpu" if on_cpu else "auto"))
    policy = opened(run, [row["prompt"] for row in rows], accelerator, saved_codec(checkpoint.model), progress)
    policy.load(checkpoint.model)
    write_submissions(
        policy,
        rows,
        out,
        samples=samples,
        num_steps=num_steps or run.evaluation.num_steps,
        seed=seed,
        batch=run.evaluation.batch,
        stated={"model": run.model.kind, "checkpoint": str(checkpoint.path.resolve())},
        progress=progress,
    )

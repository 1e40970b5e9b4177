"""Supervised fine-tuning: flow matching on the clips of a dataset. `train` is the loop, from top to bottom.

What an update does follows from the run's seed and the update's number. So a run goes on bit for bit where it stopped,
and neither micro-batches nor processes change it by more than rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from puzzlegen import canonical
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.batches import Batch, Batches
from puzzlegen.train.checkpoint import Checkpoint, Checkpoints
from puzzlegen.train.flow import flow_losses, loss_weights
from puzzlegen.train.held_out import HeldOut
from puzzlegen.train.logbook import LOG, Logbook
from puzzlegen.train.machine import asked_to_stop, claimed, open_machine
from puzzlegen.train.optimization import Optimization
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.prepare import held_out_dataset, origin_of, prepared
from puzzlegen.train.runs import SftRun
from puzzlegen.types import Progress, silent
from puzzlegen.view.curves import draw_curves

CURVES = "curves.png"


def train(run: SftRun, folder: Path, *, progress: Progress = silent, quiet: bool = False) -> Checkpoint | None:
    """Train, or go on with what an earlier start of the same run has done.

    Gives the newest checkpoint on the first process, None on others.

    Args:
        run: the configuration.
        folder: of the run: log, curves, samples and checkpoints.
        progress: told about latents and embeddings before the first update.
        quiet: shows nothing while training.

    Raises:
        PuzzlegenError: bad input, an unusable folder, a full disk; what was complete before is still there.
        KeyboardInterrupt: asked to stop; there is a checkpoint of the last update.
    """
    accelerator, steps = open_machine(run.machine), run.optimizer.steps
    dataset, held_out_puzzles = ShardDataset(run.data.folder, split=run.data.split), held_out_dataset(run)
    with claimed(folder, _described(run, dataset, held_out_puzzles), accelerator):
        checkpoints = Checkpoints(folder, run.checkpoints.keep)
        checkpoint = checkpoints.newest()
        if checkpoint and checkpoint.step == steps:
            return checkpoint if accelerator.is_main_process else None
        batches = Batches(run, dataset, accelerator)
        origin = checkpoint or origin_of(run)
        policy, latents = prepared(run, dataset, accelerator, progress, after=origin)
        if origin:
            policy.load(origin.model)
        losses_of = _wrapped(policy, run, accelerator)
        optimization, start = Optimization(policy.trainable(), run.optimizer), 0
        if checkpoint:
            start = checkpoint.step
            optimization.restore(checkpoint.state(), start)
            batches.mixture.taken = list(checkpoint.manifest["taken"])
        texts = dataset.column(policy.text_column)
        held_out = held_out_puzzles and HeldOut(run.evaluation, held_out_puzzles, policy, accelerator, folder)

        with _logbook(run, folder, start, accelerator, quiet) as logbook, asked_to_stop(accelerator) as stopping:
            for step in range(start, steps):
                loss = _accumulate(losses_of, list(batches.of(step, latents, texts)), run, accelerator)
                figures = optimization.update(step)
                done, scores = step + 1, dict[str, float]()
                if _due(done, run.machine.log_every, steps):
                    logbook.log(done, {"loss": accelerator.reduce(loss, reduction="mean"), **figures})
                if held_out and _due(done, run.evaluation.every, steps):
                    with optimization.averaged():
                        scores, told = held_out.evaluate(done)
                    logbook.log(done, scores)
                    logbook.say(told)
                stop = stopping()
                if stop or _due(done, run.checkpoints.every, steps):
                    first = accelerator.is_main_process
                    averages, state = optimization.averages(keep=first), optimization.state(keep=first)
                    if first:
                        manifest = {"run": canonical.encode(run), "taken": batches.mixture.taken, "scores": scores}
                        checkpoints.save(done, partial(policy.save, values=averages), state, manifest)
                        _draw(folder)
                if stop:
                    raise KeyboardInterrupt
        return checkpoints.newest() if accelerator.is_main_process else None


def _draw(folder: Path) -> None:
    """Curves of what is logged, if anything is yet."""
    if (folder / LOG).stat().st_size:
        draw_curves(folder / LOG, folder / CURVES)


def _due(done: int, every: int, steps: int) -> bool:
    """Whether something that is done every so many updates, and after the last, is to be done now."""
    return done == steps or done % every == 0


class _FlowLosses(nn.Module):
    """The loss of each clip as a forward pass, as DDP wants it."""

    def __init__(self, policy: VideoPolicy) -> None:
        super().__init__()
        self.weights, self._policy = policy.module, policy

    def forward(self, z_BCTHW: Tensor, texts: Sequence[str], sigma_B: Tensor, noise_BCTHW: Tensor) -> Tensor:
        """See `flow_losses`."""
        condition = self._policy.condition_latents(texts, z_BCTHW[:, :, :1])
        return flow_losses(self._policy, z_BCTHW, condition, sigma_B, noise_BCTHW)


def _wrapped(policy: VideoPolicy, run: SftRun, accelerator: Accelerator) -> nn.Module:
    """Clips to losses, with the weights where the run wants them."""
    if run.machine.compile:
        policy.compile()
    if run.machine.parallel == "fsdp" and accelerator.num_processes > 1:
        policy.shard()
        return _FlowLosses(policy)
    wrapped: nn.Module = accelerator.prepare(_FlowLosses(policy))
    return wrapped


def _accumulate(losses_of: nn.Module, parts: Sequence[Batch], run: SftRun, accelerator: Accelerator) -> Tensor:
    """Add up the gradients of this process's clips. Gives their mean loss, without weights."""
    shift, count = run.loss.shift or run.model.shift, sum(len(part.texts) for part in parts)
    total = torch.zeros((), device=accelerator.device)
    for part in parts:
        with nullcontext() if part is parts[-1] else accelerator.no_sync(losses_of):
            losses_B = losses_of(part.z_BCTHW, part.texts, part.sigma_B, part.noise_BCTHW)
            weights_B = loss_weights(part.sigma_B, shift, run.loss.weighting).to(losses_B)
            ((weights_B * losses_B).sum() / count).backward()  # processes take the mean of their gradients
        total += losses_B.detach().sum() / count
    return total


def _logbook(run: SftRun, folder: Path, start: int, accelerator: Accelerator, quiet: bool) -> Logbook:
    return Logbook(
        folder,
        total_steps=run.optimizer.steps,
        trackers=run.machine.trackers,
        start_step=start,
        batch=run.optimizer.batch,
        rank=accelerator.process_index,
        quiet=quiet,
    )


def _described(run: SftRun, dataset: ShardDataset, held_out: ShardDataset | None) -> dict[str, Any]:
    """What makes a run this run: all but the machine, and the clips, wherever they are."""
    described: dict[str, Any] = canonical.encode(run)
    del described["machine"], described["data"]["folder"], described["data"]["cache"], described["evaluation"]["folder"]
    clips = {"clips": dataset, "held_out_clips": held_out}
    return described | {
        name: canonical.digest([shard.sha256 for shard in one.shards]) for name, one in clips.items() if one
    }

"""Supervised fine-tuning: flow matching on the clips of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.batches import Batch, Batches
from puzzlegen.train.checkpoint import Checkpoint
from puzzlegen.train.flow import flow_losses, loss_weights
from puzzlegen.train.machine import distributed
from puzzlegen.train.optimization import Optimization
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.prepare import cached, ready
from puzzlegen.train.runs import SftRun
from puzzlegen.types import Progress


class SftLearner:
    """See `loop.Learner`."""

    def __init__(
        self,
        run: SftRun,
        dataset: ShardDataset,
        accelerator: Accelerator,
        origin: Checkpoint | None,
        progress: Progress,
        *,
        codec_of: Checkpoint | None,
    ) -> None:
        """Open the model and encode the clips. Raises what `ready` and `cached` do.

        Args:
            run: the configuration.
            dataset: that is trained on.
            accelerator: its processes share the work.
            origin: whose weights the run starts from, if any.
            progress: told about finished pieces of work.
            codec_of: a checkpoint of this run, whose codec is kept.
        """
        self._batches, self._run, self._accelerator = Batches(run, dataset, accelerator), run, accelerator
        self.mixture = self._batches.mixture
        self.policy = ready(run, dataset, accelerator, progress, origin=origin, codec_of=codec_of)
        self._latents = cached(run, dataset, self.policy, accelerator, progress)
        self._texts = dataset.column(self.policy.text_column)
        self._losses_of = distributed(_FlowLosses(self.policy), self.policy, run.machine, accelerator)
        self.optimization = Optimization(self.policy.trainable(), run.optimizer)

    def update(self, step: int, *, logged: bool) -> dict[str, float]:
        """See `loop.Learner`."""
        loss = self._accumulate(list(self._batches.of(step, self._latents, self._texts)))
        figures = self.optimization.update(step)
        return {"loss": float(self._accelerator.reduce(loss, reduction="mean")), **figures} if logged else {}

    def show(self, folder: Path) -> None:
        """See `loop.Learner`: the samples of an evaluation are all there is."""

    def close(self) -> None:
        """See `loop.Learner`."""

    def _accumulate(self, parts: Sequence[Batch]) -> Tensor:
        """Add up the gradients of this process's clips. Gives their mean loss, without weights."""
        run, accelerator = self._run, self._accelerator
        shift, count = run.loss.shift or run.model.shift, sum(len(part.texts) for part in parts)
        total = torch.zeros((), device=accelerator.device)
        for part in parts:
            with nullcontext() if part is parts[-1] else accelerator.no_sync(self._losses_of):
                losses_B = self._losses_of(part.z_BCTHW, part.texts, part.sigma_B, part.noise_BCTHW)
                weights_B = loss_weights(part.sigma_B, shift, run.loss.weighting).to(losses_B)
                ((weights_B * losses_B).sum() / count).backward()  # processes take the mean of their gradients
            total += losses_B.detach().sum() / count
        return total


class _FlowLosses(nn.Module):
    """The loss of each clip as a forward pass, as DDP wants it."""

    def __init__(self, policy: VideoPolicy) -> None:
        super().__init__()
        self.weights, self._policy = policy.module, policy

    def forward(self, z_BCTHW: Tensor, texts: Sequence[str], sigma_B: Tensor, noise_BCTHW: Tensor) -> Tensor:
        """See `flow_losses`."""
        condition = self._policy.condition_latents(texts, z_BCTHW[:, :, :1])
        return flow_losses(self._policy, z_BCTHW, condition, sigma_B, noise_BCTHW)

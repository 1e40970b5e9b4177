"""Reinforcement: SDE-GRPO (Flow-GRPO, arXiv:2505.05470) with stochastic steps in a window, and verified rewards.

An update samples groups of clips, has them judged, and changes the weights so that those become likelier that are
better than the others of their puzzle. Groups are shared by processes as wholes.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from puzzlegen.errors import Diverged, InvalidInput
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.checkpoint import Checkpoint
from puzzlegen.train.experience import Experience, Explorer, Part
from puzzlegen.train.figures import Judged, figures_of, mean_of, ratio_figures
from puzzlegen.train.held_out import first_of_each
from puzzlegen.train.machine import distributed
from puzzlegen.train.mixture import Mixture
from puzzlegen.train.objectives import LossesOf, new_objective
from puzzlegen.train.optimization import Optimization
from puzzlegen.train.prepare import ready
from puzzlegen.train.reinforcement import Grpo, GrpoRun
from puzzlegen.train.rewards import RewardWorkers
from puzzlegen.train.stopwatch import Stopwatch
from puzzlegen.types import Progress
from puzzlegen.view.grid import write_grid


class GrpoLearner:
    """See `loop.Learner`."""

    def __init__(
        self,
        run: GrpoRun,
        dataset: ShardDataset,
        accelerator: Accelerator,
        origin: Checkpoint | None,
        progress: Progress,
        *,
        codec_of: Checkpoint | None,
    ) -> None:
        """Open the model. Raises what `ready` does, and InvalidInput for groups that the processes cannot share.

        Args:
            run: the configuration.
            dataset: of the puzzles.
            accelerator: its processes share the work.
            origin: whose weights the run starts from, if any.
            progress: told about finished pieces of work.
            codec_of: a checkpoint of this run, whose codec is kept.
        """
        self._share, rest = divmod(run.groups, accelerator.num_processes)
        if rest:
            raise InvalidInput(
                f"{run.groups} groups cannot be shared by {accelerator.num_processes} processes. Make optimizer.batch, "
                f"{run.optimizer.batch} clips in groups of {run.sampling.members}, a multiple of both."
            )
        self._run, self._accelerator, self._clock = run, accelerator, Stopwatch(accelerator.device)
        columns = dataset.column("task"), dataset.column("level")
        self.mixture = Mixture(run.data.mixture, *columns, seed=run.seed, num_steps=run.optimizer.steps)
        self.policy = ready(run, dataset, accelerator, progress, origin=origin, codec_of=codec_of)
        if run.keeps_reference:
            self.policy.remember()
        self._judges = RewardWorkers(run.judging.workers, run.judging.reward)
        self._judges.check(dataset[place] for place in first_of_each(columns[0], 1))
        self._objective = new_objective(run.objective, run.model.shift)
        module = LossesOf(self.policy, self._objective)
        self._losses_of = distributed(module, self.policy, run.machine, accelerator)
        self.optimization = Optimization(self.policy.trainable(), run.optimizer)
        self._explorer = Explorer(run, dataset, self.policy, self._judges, self._clock)
        self._last: Experience | None = None

    def update(self, step: int, *, logged: bool) -> dict[str, float]:
        """See `loop.Learner`. Raises Diverged if a ratio is not 1 before the first update with some clips."""
        rank, figures = self._accelerator.process_index, dict[str, float]()
        drawn = [*enumerate(self.mixture.draw(step, self._run.groups))]
        made = self._explorer.explore(step, drawn[rank * self._share : (rank + 1) * self._share])
        self._last = made
        with self._clock("train"):
            judged = gather_object(_judged(made, self._run.sampling.members))
            weight_B = self._weights(judged)[rank * len(made.rewards) :][: len(made.rewards)]
            for number in range(self._objective.passes):
                figures = self._accumulate(made.parts, weight_B, self._accelerator.device)
                if not number:
                    self._check_ratio(figures, step)
                figures |= self.optimization.update(step)
        return figures_of(judged, self._run.sampling.members) | figures | self._clock.taken() if logged else {}

    def show(self, folder: Path) -> None:
        """See `loop.Learner`: the clips of a group of each task side by side."""
        for row, clips, rewards in self._last.shown if self._last else ():
            captions = [f"{reward.value:.2f} {(*reward.codes, '')[0]}".strip() for reward in rewards]
            solved = [reward.solved for reward in rewards]
            write_grid(folder / f"rollouts-{row['task']}.mp4", [*clips], captions, solved, fps=row["fps"])

    def close(self) -> None:
        """See `loop.Learner`."""
        self._judges.__exit__()

    def _weights(self, judged: Sequence[Judged]) -> Tensor:
        """What each clip of all processes counts."""
        members, factors = self._run.sampling.members, self._run.judging.weights
        rewards, groups = [one.reward for one in judged], [place // members for place in range(len(judged))]
        factor_B = torch.tensor([factors.get(one.task, 1.0) for one in judged], dtype=torch.float64)
        return self._objective.weights(rewards, groups) * factor_B

    def _accumulate(self, parts: Sequence[Part], weight_B: Tensor, device: torch.device) -> dict[str, float]:
        """Add up the gradients of this process's clips. Gives figures of all processes' losses."""
        told: dict[str, list[Tensor]] = {}
        pieces = [
            (part, piece, weight_B[part.places.start : part.places.stop].to(device))
            for part in self._worth_training(parts, weight_B)
            for piece in self._objective.pieces(part)
        ]
        for number, (part, piece, weights) in enumerate(pieces, 1):
            with nullcontext() if number == len(pieces) else self._accelerator.no_sync(self._losses_of):
                losses_B, details = self._losses_of(part, piece, weights)
                (losses_B.sum() / len(weight_B)).backward()  # processes take the mean of their gradients
            if "log_ratio" in details:
                details = {"weight": weights, **details}
            for name, values_B in {"policy_loss": losses_B, **details}.items():
                told.setdefault(name, []).append(values_B.detach().double().cpu())
        return self._gathered({name: torch.cat(values) for name, values in told.items()})

    def _worth_training(self, parts: Sequence[Part], weight_B: Tensor) -> Sequence[Part]:
        """Parts with a gradient; one at least, and all where processes take turns with the layers."""
        if self._run.machine.parallel == "fsdp":
            return parts
        chosen = [p for p in parts if not self._objective.skips(weight_B[p.places.start : p.places.stop])]
        return chosen or parts[-1:]

    def _gathered(self, told: dict[str, Tensor]) -> dict[str, float]:
        """Figures of what all processes have to tell."""
        values = {name: torch.cat(gather_object([told[name]])) for name in told}
        weights, log_ratios = values.pop("weight", None), values.pop("log_ratio", None)
        figures = {name: mean_of(value) for name, value in values.items()}
        if weights is not None and log_ratios is not None and isinstance(self._run.objective, Grpo):
            figures |= ratio_figures(log_ratios, weights, self._run.objective.clip)
        return figures

    def _check_ratio(self, figures: dict[str, float], step: int) -> None:
        objective = self._run.objective
        if isinstance(objective, Grpo) and not figures["ratio/logp_absdiff"] <= objective.tolerance:
            raise Diverged(
                f"Update {step + 1}: log ratios of up to {figures['ratio/logp_absdiff']:.2g} before anything has "
                "changed; rollout and training do not compute the same. Raise objective.tolerance if it is rounding."
            )


def _judged(made: Experience, members: int) -> list[Judged]:
    """What is told to all processes of this one's clips."""
    second = {place * members: reward for place, reward in enumerate(made.second)}
    return [
        Judged(task=task, reward=reward, second=second.get(place))
        for place, (task, reward) in enumerate(zip(made.tasks, made.rewards, strict=True))
    ]

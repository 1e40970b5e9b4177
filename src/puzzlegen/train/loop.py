"""The loop that all training shares: go on where a run stopped; update, log, evaluate, save; stop when asked.

What an update does is a `Learner`'s, and follows from the run's seed and the update's number. So a run goes on bit for
bit where it stopped, and neither micro-batches nor processes change it by more than rounding.
"""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from accelerate import Accelerator

from puzzlegen import canonical
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.checkpoint import Checkpoint, Checkpoints
from puzzlegen.train.grpo import GrpoLearner
from puzzlegen.train.held_out import SAMPLES, HeldOut
from puzzlegen.train.logbook import LOG, Logbook
from puzzlegen.train.machine import asked_to_stop, claimed, open_machine
from puzzlegen.train.mixture import Mixture
from puzzlegen.train.optimization import Optimization
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.prepare import held_out_dataset, origin_of
from puzzlegen.train.reinforcement import AnyRun, GrpoRun
from puzzlegen.train.sft import SftLearner
from puzzlegen.types import Progress, silent
from puzzlegen.view.curves import draw_curves

CURVES = "curves.png"


class Learner(Protocol):
    """A way to train: what an update does, and all that it needs."""

    policy: VideoPolicy
    """The model, before the run's first update when the learner is new."""
    optimization: Optimization
    """Of its weights."""
    mixture: Mixture
    """Of the dataset's clips, taken from in every update."""

    def update(self, step: int, *, logged: bool) -> dict[str, float]:
        """Do update number `step`, counted from 0, one after the other. Gives figures for the log if it is `logged`."""

    def show(self, folder: Path) -> None:
        """Write what there is to look at of the last update, on the first process."""

    def close(self) -> None:
        """End processes that were started."""


def train(run: AnyRun, folder: Path, *, progress: Progress = silent, quiet: bool = False) -> Checkpoint | None:
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
    first = accelerator.is_main_process
    dataset, held_out_puzzles = ShardDataset(run.data.folder, split=run.data.split), held_out_dataset(run)
    with ExitStack() as stack:
        stack.enter_context(claimed(folder, _described(run, dataset, held_out_puzzles), accelerator))
        checkpoints = Checkpoints(folder, run.checkpoints.keep)
        checkpoint = checkpoints.newest()
        start = checkpoint.step if checkpoint else 0
        if checkpoint and start == steps:
            return checkpoint if first else None
        learner = _learner(run, dataset, accelerator, checkpoint, progress)
        stack.callback(learner.close)
        policy, optimization = learner.policy, learner.optimization
        if checkpoint:
            optimization.restore(checkpoint.state())
            learner.mixture.taken = list(checkpoint.manifest["taken"])
        held_out = held_out_puzzles and HeldOut(run.evaluation, held_out_puzzles, policy, accelerator, folder)
        logbook = stack.enter_context(_logbook(run, folder, start, accelerator, quiet))
        stopping = stack.enter_context(asked_to_stop(accelerator))
        if held_out and run.init and not start:  # what the run has to be better than
            _evaluate(held_out, 0, logbook)

        for step in range(start, steps):
            done, scores = step + 1, dict[str, float]()
            logged = _due(done, run.machine.log_every, steps)
            figures = learner.update(step, logged=logged)
            if logged:
                logbook.log(done, figures)
            if held_out and _due(done, run.evaluation.every, steps):
                with optimization.averaged():
                    scores = _evaluate(held_out, done, logbook)
                if first:
                    learner.show(folder / SAMPLES / f"step-{done:08d}")
            stop = stopping()
            if stop or _due(done, run.checkpoints.every, steps):
                averages, state = optimization.averages(keep=first), optimization.state(keep=first)
                if first:
                    manifest = {"run": canonical.encode(run), "taken": learner.mixture.taken, "scores": scores}
                    checkpoints.save(done, partial(policy.save, values=averages), state, manifest)
                    _draw(folder)
            if stop:
                raise KeyboardInterrupt
        return checkpoints.newest() if first else None


def _learner(
    run: AnyRun,
    dataset: ShardDataset,
    accelerator: Accelerator,
    checkpoint: Checkpoint | None,
    progress: Progress,
) -> Learner:
    """At the run's beginning; a run that goes on needs what it started from only as a reference."""
    origin = None if checkpoint and not run.keeps_reference else origin_of(run)
    if isinstance(run, GrpoRun):
        return GrpoLearner(run, dataset, accelerator, origin, progress, codec_of=checkpoint)
    return SftLearner(run, dataset, accelerator, origin, progress, codec_of=checkpoint)


def _evaluate(held_out: HeldOut, step: int, logbook: Logbook) -> dict[str, float]:
    scores, told = held_out.evaluate(step)
    logbook.log(step, scores)
    logbook.say(told)
    return scores


def _draw(folder: Path) -> None:
    """Curves of what is logged, if anything is yet."""
    if (folder / LOG).stat().st_size:
        draw_curves(folder / LOG, folder / CURVES)


def _due(done: int, every: int, steps: int) -> bool:
    """Whether something that is done every so many updates, and after the last, is to be done now."""
    return done == steps or done % every == 0


def _logbook(run: AnyRun, folder: Path, start: int, accelerator: Accelerator, quiet: bool) -> Logbook:
    return Logbook(
        folder,
        total_steps=run.optimizer.steps,
        trackers=run.machine.trackers,
        start_step=start,
        batch=run.optimizer.batch,
        rank=accelerator.process_index,
        quiet=quiet,
    )


def _described(run: AnyRun, dataset: ShardDataset, held_out: ShardDataset | None) -> dict[str, Any]:
    """What makes a run this run: all but the machine, and the clips, wherever they are."""
    described: dict[str, Any] = canonical.encode(run)
    del described["machine"], described["data"]["folder"], described["data"]["cache"], described["evaluation"]["folder"]
    clips = {"clips": dataset, "held_out_clips": held_out}
    return described | {
        name: canonical.digest([shard.sha256 for shard in one.shards]) for name, one in clips.items() if one
    }

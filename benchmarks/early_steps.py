"""What training in a window of early steps saves: seconds of an update, side by side with training all steps.

    python benchmarks/early_steps.py --set init=runs/toy-maze/checkpoints/step-00000400 [--steps 6] [--updates 6]

Updates of all windows take turns in one process, judging included; numbers are medians. "saved" is what a window saves
of the seconds of all steps, sampling, decoding and training together; "formula" what `train plan` computes for it from
the model's operations alone; "with b" the same formula with b, the cost of training a step in forward passes, as it is
measured here.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from puzzlegen import config
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.grpo import GrpoLearner
from puzzlegen.train.machine import open_machine
from puzzlegen.train.plan import Gpu
from puzzlegen.train.prepare import origin_of
from puzzlegen.train.reinforcement import GrpoRun
from puzzlegen.train.reinforcement_plan import reinforcement_plan, saved_fraction
from puzzlegen.train.windows import All, First, Window
from puzzlegen.types import silent

PRESET = Path(__file__).parents[1] / "examples/configs/toy-maze-grpo.toml"
PARTS = ("rollout", "decode", "reward", "train")


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=PRESET)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--steps", type=int, default=6, help="of the sampler")
    parser.add_argument("--updates", type=int, default=6, help="with each window")
    options = parser.parse_args()
    run = config.load(GrpoRun, options.config, [*options.overrides, f"sampling.num_steps={options.steps}"])
    windows: dict[str, Window] = {f"first {k}": First(k=k) for k in range(1, options.steps // 2 + 1)}
    windows["all"] = All()
    seconds = measured(run, windows, options.updates)
    print(f"{'window':10}{'':4}" + "".join(f"{part:>10}" for part in (*PARTS, "update", "saved", "formula", "with b")))
    every, steps = spent(seconds["all"]), options.steps
    forward = seconds["all"]["rollout"] / steps
    for name, window in windows.items():
        planned, taken = plan_of(run, window), seconds[name]
        cost = {"backward": seconds["all"]["train"] / (steps - 1) / forward, "decode": taken["decode"] / forward}
        saved = saved_fraction(steps, len(window(0, steps)), against=steps - 1, **cost)
        print(
            f"{name:10}{len(window(0, steps)):4}"
            + "".join(f"{taken[part]:10.2f}" for part in PARTS)
            + f"{sum(taken.values()):10.2f}{1 - spent(taken) / every:10.0%}{planned:10.0%}{saved:10.0%}"
        )


def measured(run: GrpoRun, windows: dict[str, Window], updates: int) -> dict[str, dict[str, float]]:
    """Median seconds of an update's parts, by window; the first update of each is left out."""
    dataset, accelerator = ShardDataset(run.data.folder, split=run.data.split), open_machine(run.machine)
    learners = {}
    for name, window in windows.items():
        sampling = dataclasses.replace(run.sampling, window=window, tail_steps=None)
        changed = dataclasses.replace(run, sampling=sampling)
        learners[name] = GrpoLearner(changed, dataset, accelerator, origin_of(run), silent, codec_of=None)
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in windows}
    for step in range(updates + 1):
        for name, learner in learners.items():
            figures[name].append(learner.update(step, logged=True))
    for learner in learners.values():
        learner.close()
    return {name: {part: _median(found[1:], f"time/{part}") for part in PARTS} for name, found in figures.items()}


def spent(seconds: dict[str, float]) -> float:
    """Of what the formula is about: judging is done beside it."""
    return sum(seconds[part] for part in ("rollout", "decode", "train"))


def plan_of(run: GrpoRun, window: Window) -> float:
    """The saving that `train plan` computes."""
    sampling = dataclasses.replace(run.sampling, window=window, tail_steps=None)
    clip = ShardDataset(run.data.folder, split=run.data.split)[0].clip
    sizes = {"width": clip.width, "height": clip.height, "num_frames": clip.num_frames}
    return reinforcement_plan(dataclasses.replace(run, sampling=sampling), **sizes, gpu=Gpu()).saved


def _median(figures: Sequence[dict[str, float]], name: str) -> float:
    return median(one[name] for one in figures)


if __name__ == "__main__":
    main()

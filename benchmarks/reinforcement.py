"""What reinforcement adds to a model that supervised training was stopped early: arms side by side, over several seeds.

    python benchmarks/reinforcement.py --init runs/toy-maze/checkpoints/step-00000400 --out runs/arms [--seeds 0 1 2]
        [--arms grpo sparse ...] [--set section.key=value] [--only-table]

Every arm starts from the same checkpoint and ends after about the same time on two cores. Each is a run in
OUT/ARM-SEED; runs that are done are not done again. The table gives success on held-out puzzles before and after, with
Wilson's interval of 95 % over all seeds' clips, and OUT/success.png draws it over minutes. Held-out puzzles are those
of the preset; nothing was chosen by them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from puzzlegen.eval.intervals import wilson
from puzzlegen.view.comparison import draw_comparison

CONFIGS = Path(__file__).parents[1] / "examples/configs"
FURTHER = ("optimizer.warmup=0", "optimizer.lr=2e-3", "optimizer.muon_lr=0.0075")
"""Supervised training goes on with half its rate, which is what it had where it was stopped, down to nothing."""
SLOWER = ("optimizer.lr=3e-5", "optimizer.muon_lr=2e-4")
"""At GRPO's rate a model that learns from its own clips forgets within ten updates what is sharp."""
PUBLISHED = (
    "sampling.window={kind='first',k=3}",
    "objective={kind='grpo'}",
    "optimizer.lr=1e-4",
    "optimizer.muon_lr=0",
)
"""Credit for a step's noise, no anchor, AdamW."""
ARMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "grpo": ("grpo", ()),
    "sparse": ("grpo", ("judging.reward=sparse",)),
    "all steps": ("grpo", ("sampling.window={kind='all'}",)),
    "as published": ("grpo", PUBLISHED),
    "rft": ("grpo", ("objective={kind='rft'}", *SLOWER)),
    "dpo": ("grpo", ("objective={kind='dpo'}", *SLOWER)),
    "further sft": ("sft", FURTHER),
}


def main() -> None:
    """Run what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--init", default="runs/toy-maze/checkpoints/step-00000400")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--arms", nargs="+", default=list(ARMS), choices=list(ARMS))
    parser.add_argument("--steps", nargs="*", default=[], metavar="ARM=UPDATES", help="how many updates an arm gets")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--only-table", action="store_true", help="run nothing, and leave out what was not run")
    options = parser.parse_args()
    steps = dict(one.split("=") for one in options.steps)
    runs = {arm: [options.out / f"{arm.replace(' ', '-')}-{seed}" for seed in options.seeds] for arm in options.arms}
    for place, seed in enumerate(options.seeds):
        for arm in options.arms:
            if not options.only_table:
                _run(arm, seed, options.init, runs[arm][place], steps.get(arm), options.overrides)
    runs = {arm: [folder for folder in folders if (folder / "log.jsonl").exists()] for arm, folders in runs.items()}
    runs = {arm: folders for arm, folders in runs.items() if folders}
    print(f"{'arm':14}{'updates':>8}{'minutes':>9}{'s/update':>10}{'before':>9}{'after':>8}  interval    gain  seeds")
    for arm, folders in runs.items():
        print(_row(arm, folders))
    logs = {arm: [folder / "log.jsonl" for folder in folders] for arm, folders in runs.items()}
    draw_comparison(logs, options.out / "success.png", title="success on held-out puzzles")


def _run(arm: str, seed: int, init: str, out: Path, steps: str | None, overrides: Sequence[str]) -> None:
    kind, changes = ARMS[arm]
    preset = CONFIGS / ("toy-maze-grpo.toml" if kind == "grpo" else "toy-maze.toml")
    words = [sys.executable, "-m", "puzzlegen", "train", kind, "--config", str(preset), "--out", str(out), "--quiet"]
    updates = [f"optimizer.steps={steps}"] if steps else []
    for change in (f"init={init}", f"seed={seed}", *changes, *overrides, *updates):
        words += ["--set", change]
    subprocess.run(words, check=True)


def _row(arm: str, folders: Sequence[Path]) -> str:
    logs = [[json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()] for folder in folders]
    ends = [[line for line in log if "success" in line] for log in logs]
    before, after = ([end[place]["success"] for end in ends] for place in (0, -1))
    updates, minutes = logs[0][-1]["step"], fmean(log[-1]["seconds"] for log in logs) / 60
    total = sum(map(_clips, folders))
    low, high = wilson(round(fmean(after) * total), total)
    pace = fmean(map(_seconds_an_update, folders, logs))
    gains = " ".join(f"{100 * (one - other):+.1f}" for one, other in zip(after, before, strict=True))
    return (
        f"{arm:14}{updates:8}{minutes:9.1f}{pace:10.2f}{fmean(before):9.1%}{fmean(after):8.1%}"
        f"  [{100 * low:.1f}, {100 * high:.1f}]{100 * (fmean(after) - fmean(before)):+7.1f}  {gains}"
    )


def _clips(folder: Path) -> int:
    """Held-out clips of the last evaluation."""
    return len(sorted((folder / "samples").glob("step-*"))[-1].joinpath("scores.jsonl").read_text().splitlines())


def _seconds_an_update(folder: Path, log: Sequence[dict[str, Any]]) -> float:
    """Without evaluations: of lines with a speed, which leaves them out."""
    batch = json.loads((folder / "run.json").read_text())["optimizer"]["batch"]
    return fmean(batch / line["samples_per_second"] for line in log if "samples_per_second" in line)


if __name__ == "__main__":
    main()

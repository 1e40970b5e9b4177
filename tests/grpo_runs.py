"""Small runs of reinforcement for tests, rewarded for what even a model of random weights does: bright clips."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import canonical
from puzzlegen.train import rewards
from puzzlegen.train.reinforcement import GrpoRun
from puzzlegen.train.rewards import Reward
from sft_runs import tables_for

TABLES: dict[str, Any] = {
    "optimizer": {"steps": 6, "batch": 12, "lr": 1e-3, "warmup": 2, "ema": 0.9},
    "sampling": {"members": 3, "num_steps": 4, "window": {"kind": "sliding", "k": 2, "every": 1, "within": 3}},
    "judging": {"workers": 0},
}


def grpo_tables(dataset: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a small run, with changes by section."""
    tables = tables_for(dataset) | TABLES
    return tables | {name: tables.get(name, {}) | change for name, change in sections.items()}


def grpo_run(dataset: Path, **sections: dict[str, Any]) -> GrpoRun:
    """The same as a configuration."""
    return canonical.decode(GrpoRun, grpo_tables(dataset, **sections), "test")


def brightness(frames: NDArray[np.uint8], columns: dict[str, Any], reward: str, again: bool) -> Reward:
    """In place of `rewards._judged`: the mean of all frames but the first."""
    value = float(frames[1:].mean() / 255)
    return Reward(value=value, solved=value > 0.5, parts={"bright": value}, codes=() if value > 0.5 else ("DARK",))


def script(path: Path) -> Path:
    """A program that is `puzzlegen`, but rewards bright clips."""
    path.write_text(
        f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport grpo_runs\ngrpo_runs.main()\n"
    )
    return path


def main() -> None:
    """What such a program does."""
    from puzzlegen.cli import main as cli

    rewards._judged = brightness
    cli()

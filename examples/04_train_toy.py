"""Train a small model on mazes from Python, for half a minute; examples/configs/toy-maze.toml trains it to the end.

python examples/04_train_toy.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from puzzlegen import config, make_dataset
from puzzlegen.train import loop
from puzzlegen.train.runs import SftRun

PRESET = Path(__file__).parent / "configs" / "toy-maze.toml"


def main(out: Path) -> None:
    data = make_dataset("maze:tiny", num=200, seed=1, clip="32x32x13@8", split="train", out=out / "data")
    held_out = make_dataset("maze:tiny", num=16, seed=1, clip="32x32x13@8", split="test", out=out / "held-out")
    changes = [f"data.folder={data.folder}", f"evaluation.folder={held_out.folder}", "machine.trackers=[]"]
    changes += ["optimizer.steps=50", "evaluation.every=50", "checkpoints.every=50"]
    run = config.load(SftRun, PRESET, changes)
    checkpoint = loop.train(run, out / "run")
    assert checkpoint
    print(f"step {checkpoint.step}: success {checkpoint.manifest['scores']['success']:.0%}, as expected so early")
    print(f"Look at {out}/run/curves.png and {out}/run/samples; {len(data)} clips were trained on.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

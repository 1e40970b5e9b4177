"""Train a small model on mazes from Python, for a minute; examples/configs/toy-maze.toml trains it to the end.

python examples/04_train_toy.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from puzzlegen import ShardDataset, config
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.run import generate
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import parse_format
from puzzlegen.train import loop
from puzzlegen.train.runs import SftRun

PRESET = Path(__file__).parent / "configs" / "toy-maze.toml"


def mazes(out: Path, split: str, num: int) -> Path:
    """A dataset of small mazes."""
    stream = Stream(recipe="maze", level="tiny", seed=1, clip=parse_format("32x32x13@8"), split=split)
    generate(Request(streams=(stream,), num=num, shard_rows=1000), out, InProcess(), lambda *_: None)
    return out


def main(out: Path) -> None:
    data, held_out = mazes(out / "data", "train", 400), mazes(out / "held-out", "test", 16)
    changes = [f"data.folder={data}", f"evaluation.folder={held_out}", "optimizer.steps=100", "machine.trackers=[]"]
    run = config.load(SftRun, PRESET, [*changes, "evaluation.every=100", "checkpoints.every=100"])
    checkpoint = loop.train(run, out / "run")
    assert checkpoint
    print(f"step {checkpoint.step}: success {checkpoint.manifest['scores']['success']:.0%}, as expected so early")
    print(f"Look at {out}/run/curves.png and {out}/run/samples; {len(ShardDataset(data))} clips were trained on.")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

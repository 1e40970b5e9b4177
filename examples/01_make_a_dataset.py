"""Make a small dataset from Python, read it back, and look at one clip.

python examples/01_make_a_dataset.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from puzzlegen import ShardDataset
from puzzlegen.generate.engines import InProcess
from puzzlegen.generate.plan import Request
from puzzlegen.generate.run import generate
from puzzlegen.generate.sample import Stream
from puzzlegen.render.formats import FORMATS
from puzzlegen.view.clips import export_clip


def main(out: Path) -> None:
    streams = tuple(
        Stream(recipe=task, level="easy", seed=0, clip=FORMATS["square256"]) for task in ("maze", "flowfree", "sokoban")
    )
    manifest = generate(Request(streams=streams, num=4, shard_rows=100), out / "data", InProcess(), lambda *_: None)
    print(f"{manifest['rows']} clips, {manifest['structures_in_two_splits']} boards in two splits")

    dataset = ShardDataset(out / "data", task="sokoban")
    row = dataset[0]
    print(row["id"], row["action_line"], row["prompt"], sep="\n")
    print(row.frames().shape, "decoded;", row.frames("render").shape, "drawn again, without the codec")
    export_clip(row.video, out / f"{row['id']}.gif")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

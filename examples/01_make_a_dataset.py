"""Make a small dataset from Python, read it back, and look at one clip.

python examples/01_make_a_dataset.py OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

from puzzlegen import load, make_dataset
from puzzlegen.view.clips import export_clip


def main(out: Path) -> None:
    made = make_dataset("maze:easy", "flowfree:easy", "sokoban:easy", num=4, clip="square256", out=out / "data")
    print(f"{len(made)} clips of {', '.join(sorted(set(made.column('task'))))}")

    row = load(out / "data", task="sokoban")[0]
    print(row["id"], row["action_line"], row["prompt"], sep="\n")
    print(row.frames().shape, "decoded;", row.frames("render").shape, "drawn again, without the codec")
    export_clip(row.video, out / f"{row['id']}.gif")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

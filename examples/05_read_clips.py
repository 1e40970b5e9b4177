"""Read a dataset: by filter, at random, as tensors in a training loop that is killed and goes on, and with `datasets`.

python examples/01_make_a_dataset.py OUT
python examples/05_read_clips.py OUT/data        # needs puzzlegen[train] and torchdata
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torchdata.stateful_dataloader import StatefulDataLoader

from puzzlegen import ClipStream, Row, load


def as_tensors(row: Row) -> dict[str, torch.Tensor | str]:
    """Runs in the loader's workers."""
    return {"id": row["id"], "video": torch.from_numpy(row.frames("render")).permute(3, 0, 1, 2)}


def loader(folder: Path) -> StatefulDataLoader:
    stream = ClipStream(load(folder), seed=0, transform=as_tensors)
    return StatefulDataLoader(stream, batch_size=2, num_workers=2)


def main(folder: Path) -> None:
    row = load(folder, task=["maze", "sokoban"], columns=("id", "task", "puzzle", "actions"))[0]
    print(row["id"], row.states()[-1], sep="\n")  # of all columns, four were read

    whole = [name for batch in loader(folder) for name in batch["id"]]
    first, seen = loader(folder), list[str]()
    for batch in first:
        seen += batch["id"]
        if len(seen) >= 4:
            break
    state = first.state_dict()  # what a checkpoint keeps
    later = loader(folder)
    later.load_state_dict(state)
    seen += [name for batch in later for name in batch["id"]]
    print(f"{len(seen)} clips, each once and in the same order: {seen == whole}; videos are {batch['video'].shape}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Score an honest clip, one seen through a bad camera, and two that cheat, against a dataset's puzzles.

python examples/01_make_a_dataset.py OUT
python examples/03_score_a_video.py OUT/data
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from puzzlegen import ShardDataset, score


def main(data: Path) -> None:
    rng = np.random.default_rng(0)
    for task in ("maze", "flowfree", "sokoban"):
        row = ShardDataset(data, task=task)[0]
        frames = row.frames()  # uint8 [T, H, W, 3]; a model's video may have another size and length
        number = np.arange(len(frames))
        videos = {
            "the dataset's own": row.video,  # bytes, a path, or frames
            "dark and noisy": np.clip(frames * 0.85 + rng.normal(0, 8, frames.shape), 0, 255).astype(np.uint8),
            "frozen": frames[0 * number],
            "cut to the solution": frames[np.where(number < len(frames) // 2, 0, -1)],
        }
        for name, video in videos.items():
            judged = score(video, row)
            verdict = "solved" if judged.solved else judged.violations[0].code
            published = score(video, row, reward="paper").value
            print(f"{task:<9} {name:<20} {verdict:<12} reward {judged.value:.2f}, as published {published:.2f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

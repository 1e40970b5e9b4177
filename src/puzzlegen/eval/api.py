"""`puzzlegen.score`: frames, a file or bytes against a row of a dataset, in one call."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.errors import InvalidInput
from puzzlegen.eval import content
from puzzlegen.eval.rewards import require_reward, reward_of
from puzzlegen.shards.row import Row
from puzzlegen.types import Score
from puzzlegen.verify.verifier import Verifier


def score(clip: Any, row: Row, *, reward: str = "dense") -> Score[Any]:
    """Judge one clip of a puzzle.

    >>> puzzlegen.score("sample.mp4", puzzlegen.ShardDataset("data")[0]).solved  # doctest: +SKIP
    True

    Args:
        clip: frames as uint8 of any size and length, RGB [T, H, W, 3], opaque RGBA [T, H, W, 4] or grey [T, H, W]
            (an array or a sequence of pictures); or the bytes of a video; or the path of a video or of a folder of
            PNG or JPEG frames.
        row: the puzzle, from a `ShardDataset`.
        reward: what `Score.value` is: "dense", "sparse" or one of the recipe's [rewards], such as "paper".

    Raises:
        InvalidInput: frames of another type or shape, no such file, no such reward (UnknownName).
        CorruptData: a video that cannot be decoded.
    """
    recipe, verifier = registry.load(row["task"]), verifier_of(row)
    require_reward(reward, recipe, verifier.start)
    if isinstance(clip, (bytes, bytearray, memoryview)):
        judged = content.judge(content.of_bytes(bytes(clip)), verifier)
    elif isinstance(clip, (str, Path)):
        if not Path(clip).exists():
            raise InvalidInput(f"{clip}: there is no such file or folder.")
        judged = content.judge(content.of_path(Path(clip)), verifier)
    else:
        judged = verifier.score_frames(as_rgb(clip))
    return dataclasses.replace(judged, value=reward_of(reward, recipe, judged))


def verifier_of(row: Row, *, follow: bool = True) -> Verifier:
    """The verifier of a row's puzzle; without `follow` of clips whose camera must stand still."""
    return Verifier(row.task, row.start, row.look, row.clip, row["num_actions"], follow=follow)


def as_rgb(frames: Any) -> NDArray[np.uint8]:
    """Frames as RGB [T, H, W, 3]. Raises InvalidInput for what is not clearly pictures of 8 bits."""
    try:
        clip = np.asarray(frames)
    except ValueError as error:
        raise InvalidInput(f"frames: not one array of pictures of one size: {error}.") from error
    if clip.dtype != np.uint8:
        hint = ' If they are in [0, 1], give (frames * 255).round().astype("uint8").' if clip.dtype.kind == "f" else ""
        raise InvalidInput(f"frames: must be uint8 levels 0 to 255, got {clip.dtype}.{hint}")
    if clip.ndim == 3 and clip.shape[2] not in (3, 4):
        clip = np.repeat(clip[..., None], 3, axis=3)
    if clip.ndim != 4 or clip.shape[3] not in (3, 4) or 0 in clip.shape:
        raise InvalidInput(f"frames: must be [T, H, W, 3], [T, H, W, 4] or grey [T, H, W], got shape {clip.shape}.")
    if clip.shape[3] == 4:
        if clip[..., 3].min() < 255:
            raise InvalidInput("frames: are partly transparent. Blend them over a background first.")
        clip = clip[..., :3]
    return np.ascontiguousarray(clip)

"""Advantages: how much better a clip is than the others of its puzzle.

    A = (r - mean of the group) / (std + eps), clipped

with the unbiased std of the group (GRPO, arXiv:2402.03300), of the whole batch (Flow-GRPO's global std), or no division
(Dr. GRPO, arXiv:2503.20783). A group is a puzzle, never a prompt, for puzzles share prompts. Left out: statistics over
past updates.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import torch
from torch import Tensor

from puzzlegen.train.reinforcement import Scale


def group_advantages(
    value_B: Tensor,
    group_B: Sequence[Hashable],
    *,
    scale: Scale = "group",
    eps: float = 1e-4,
    clip: float = 5.0,
    valid_B: Tensor | None = None,
) -> Tensor:
    """Advantages of clips, float64 [B]; exactly 0 in groups without spread.

    Args:
        value_B: rewards.
        group_B: the puzzle of each clip, by anything that can be a key.
        scale: what rewards are divided by.
        eps: added to it; not for "none".
        clip: largest size of an advantage.
        valid_B: bool; the others have no reward, whatever `value_B` says: they count nowhere and get 0.
    """
    value, advantages = value_B.double(), torch.zeros_like(value_B, dtype=torch.float64)
    groups = _groups(group_B, valid_B)
    whole = [member for members in groups for member in members]
    divisor = _std(value[whole]) + eps if scale == "batch" else 1.0
    for members in groups:
        rewards = value[members]
        if _has_spread(rewards):
            own = _std(rewards) + eps if scale == "group" else divisor
            advantages[members] = (rewards - rewards.mean()) / own
    return advantages.clamp(-clip, clip)


def share_without_spread(value_B: Tensor, group_B: Sequence[Hashable], valid_B: Tensor | None = None) -> float:
    """The share of groups from which nothing can be learned; groups with no valid member are among them."""
    groups, value = _groups(group_B, valid_B), value_B.double()
    return 1 - sum(_has_spread(value[members]) for members in groups) / max(1, len(set(group_B)))


def _groups(group_B: Sequence[Hashable], valid_B: Tensor | None) -> list[list[int]]:
    """The valid members of each group, in the order of the batch."""
    valid = [True] * len(group_B) if valid_B is None else valid_B.tolist()
    groups: defaultdict[Hashable, list[int]] = defaultdict(list)
    for member, (group, counts) in enumerate(zip(group_B, valid, strict=True)):
        if counts:
            groups[group].append(member)
    return [*groups.values()]


def _has_spread(rewards: Tensor) -> bool:
    return bool(len(rewards) > 1 and rewards.max() > rewards.min())


def _std(rewards: Tensor) -> float:
    return float(rewards.std()) if len(rewards) > 1 else 0.0

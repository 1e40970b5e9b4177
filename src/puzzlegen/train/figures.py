"""Figures for the log of a run of reinforcement: rewards by task and component, spread, ratios."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from puzzlegen.train.advantage import share_without_spread
from puzzlegen.train.rewards import Reward


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What all processes know of a clip."""

    task: str
    reward: Reward
    second: Reward | None
    """At a second look, of the first clip of its group."""


def figures_of(judged: Sequence[Judged], members: int) -> dict[str, float]:
    """Of an update's clips, whole groups of `members` one after the other; clips without a reward are only counted.

    "reward", "rollout_success", by task too, "part/TASK/COMPONENT", "reward_std" within groups,
    "frac_reward_zero_std", "faults"; "watched", success at the second look, and "watched_gap", what is lost there.
    """
    valid = [one for one in judged if one.reward.valid]
    groups = [place // members for place in range(len(judged))]
    value_B = torch.tensor([one.reward.value for one in judged], dtype=torch.float64)
    valid_B = torch.tensor([one.reward.valid for one in judged])
    figures = _means("reward", valid, lambda one: one.reward.value)
    figures |= _means("rollout_success", valid, lambda one: float(one.reward.solved))
    for name in dict.fromkeys((one.task, part) for one in valid for part in one.reward.parts):
        shares = [one.reward.parts[name[1]] for one in valid if one.task == name[0] and name[1] in one.reward.parts]
        figures["part/" + "/".join(name)] = fmean(shares)
    both = [(one.reward, one.second) for one in valid if one.second and one.second.valid]
    if both:
        figures["watched"] = fmean(second.solved for _, second in both)
        figures["watched_gap"] = fmean(first.solved for first, _ in both) - figures["watched"]
    rewards, counts = value_B.reshape(-1, members), valid_B.reshape(-1, members)
    spreads = [float(row[valid].std()) for row, valid in zip(rewards, counts, strict=True) if valid.sum() > 1]
    return figures | {
        "reward_std": fmean(spreads) if spreads else 0.0,
        "frac_reward_zero_std": share_without_spread(value_B, groups, valid_B),
        "faults": float(len(judged) - len(valid)),
    }


def ratio_figures(log_ratio_N: Tensor, advantage_N: Tensor, clip: float) -> dict[str, float]:
    """Of the ratios of policies, of all members at all trained steps in an update.

    Args:
        log_ratio_N: float64.
        advantage_N: of the same members.
        clip: as in the loss.
    """
    ratio = log_ratio_N.exp()
    return {
        "ratio/mean": mean_of(ratio),
        "ratio/min": ratio.min().item(),
        "ratio/max": ratio.max().item(),
        "ratio/logp_absdiff": log_ratio_N.abs().max().item(),
        "clip_frac_high": mean_of(((ratio > 1 + clip) & (advantage_N > 0)).double()),
        "clip_frac_low": mean_of(((ratio < 1 - clip) & (advantage_N < 0)).double()),
    }


def mean_of(values: Tensor) -> float:
    """The mean as a plain number."""
    return values.mean().item()


def _means(name: str, judged: Sequence[Judged], value: Callable[[Judged], float]) -> dict[str, float]:
    """Of all clips, and of each task's."""
    found = {name: fmean(map(value, judged))} if judged else {}
    for task in sorted({one.task for one in judged}):
        found[f"{name}/{task}"] = fmean(value(one) for one in judged if one.task == task)
    return found

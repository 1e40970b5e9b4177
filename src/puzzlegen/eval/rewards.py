"""Which number a score is reported as: ours, plain success, or a published reward made of a task's components.

`paper` and `released-code` are the rewards of VideoRLVR (arXiv:2605.15458, section 4.3; the code disagrees with the
paper, see issue 2 of its repository). They are known by the terms that they are made of, so a task has them if its
`components` returns these terms. They are for comparison: unlike ours, they pay for a clip that does nothing.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.task import Task
from puzzlegen.types import Score

Weights = Mapping[str, float]

REWARDS = ("dense", "sparse", "paper", "released-code")
PUBLISHED: dict[str, tuple[Weights | tuple[str, ...], ...]] = {
    "paper": (
        ("conn", "wall"),
        {"conn": 0.35, "valid": 0.30, "fill": 0.20, "process": 0.15},
        {"state": 0.5, "proc": 0.5},
    ),
    "released-code": (
        ("conn", "wall"),
        {"valid": 0.50, "endpoints": 0.20, "conn": 0.20, "fill": 0.10},
        {"final": 0.3, "proc": 0.7},
    ),
}
"""Sums by their weights, products by the names of their factors."""


def check_reward(mode: str, task: Task[Any, Any], start: Any, name: str) -> None:
    """Raise UnknownName for no such reward, InvalidInput if it is not published for this task."""
    if mode not in REWARDS:
        raise UnknownName("reward", mode, REWARDS)
    if mode in PUBLISHED and _formula(mode, task.components([start])) is None:
        raise InvalidInput(f"No reward {mode!r} is known for {name}. Use --reward dense or sparse.")


def reward_of(mode: str, task: Task[Any, Any], score: Score[Any]) -> float:
    """The reward of a judged clip in [0, 1]."""
    if mode == "dense":
        return score.value
    if mode == "sparse":
        return float(score.solved)
    if not score.seen:
        return 0.0
    terms = task.components([sighting.state for sighting in score.seen])
    formula = _formula(mode, terms)
    if formula is None:
        raise UnknownName("reward of this task", mode, REWARDS)
    if isinstance(formula, tuple):
        return math.prod(terms[name] for name in formula)
    return math.fsum(weight * terms[name] for name, weight in formula.items())


def with_reward(mode: str, task: Task[Any, Any], score: Score[Any]) -> Score[Any]:
    """The same judgement with this reward as its value."""
    return score if mode == "dense" else dataclasses.replace(score, value=reward_of(mode, task, score))


def _formula(mode: str, terms: Mapping[str, float]) -> Weights | tuple[str, ...] | None:
    return next((formula for formula in PUBLISHED[mode] if set(formula) <= set(terms)), None)

"""Which number a score is reported as: the judge's reward, plain success, or a published reward of the recipe.

`dense` and `sparse` exist for every task. Others are rules in a recipe's [rewards], made of the terms of
`Task.components`. They are for comparison: unlike the judge's, they may pay for a clip that does nothing.
"""

from __future__ import annotations

from typing import Any

from puzzlegen.errors import UnknownName
from puzzlegen.eval.shown import states_shown, was_read
from puzzlegen.recipe import RESERVED_REWARDS, Recipe
from puzzlegen.types import Score

DENSE, SPARSE = RESERVED_REWARDS


def require_reward(name: str, recipe: Recipe, start: Any) -> None:
    """Raise UnknownName unless a recipe has this reward and its task the components that it is made of."""
    if name in RESERVED_REWARDS:
        return
    if name not in recipe.rewards:
        raise UnknownName("reward", name, (*RESERVED_REWARDS, *recipe.rewards), recipe.name)
    recipe.rewards[name].value(recipe.task.components([start]))


def reward_of(name: str, recipe: Recipe, score: Score[Any]) -> float:
    """The reward of a judged clip in [0, 1]; a published one of a clip that could not be read is 0.

    Raises:
        UnknownName: see `require_reward`.
    """
    if name == DENSE:
        return score.value
    if name == SPARSE:
        return float(score.solved)
    shown = states_shown(recipe.task, score)
    require_reward(name, recipe, shown[0])
    return recipe.rewards[name].value(recipe.task.components(shown)) if was_read(score) else 0.0

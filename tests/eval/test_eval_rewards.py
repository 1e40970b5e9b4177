"""Rewards of a clip: the judge's own, and what the published ones pay honest clips and cheats, by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from scores_by_hand import score_of

import samples
from puzzlegen import registry
from puzzlegen.errors import UnknownName
from puzzlegen.eval.rewards import require_reward, reward_of
from puzzlegen.recipe import RESERVED_REWARDS, RewardRule
from puzzlegen.replay import replay
from puzzlegen.types import Score, Sighting, Violation

REWARDS = (*RESERVED_REWARDS, "paper", "released-code")
PUBLISHED = {  # of a frozen clip, and of one cut to the solution: by the formulas of the paper and of its code
    ("maze", "paper"): (0.0, 2 / 3),
    ("maze", "released-code"): (0.0, 2 / 3),
    ("flowfree", "paper"): (0.0, 0.35 + 0.30 + 0.20),
    ("flowfree", "released-code"): (0.20, 0.50 + 0.20 + 0.20 + 0.10),
    ("sokoban", "paper"): (0.5, 0.5),
    ("sokoban", "released-code"): (0.7, 0.3),
}


def judged(task: str, num_actions: int | None = None, code: str | None = None, solution_after: bool = False) -> Any:
    """A clip that shows so many actions of the solution, then perhaps a cut to its end."""
    puzzle, rules = samples.puzzle(task, "easy"), registry.load(task).task
    end = replay(rules, puzzle.start, puzzle.solution.actions).states[-1]
    shown = puzzle.solution.actions[:num_actions]
    return score_of(rules, puzzle.start, shown, code, [end] if solution_after else [])


@pytest.mark.parametrize("name", REWARDS)
@pytest.mark.parametrize("task", samples.TASKS)
def test_gold_earns_everything(task: str, name: str) -> None:
    assert reward_of(name, registry.load(task), judged(task)) == pytest.approx(1.0)


@pytest.mark.parametrize(("task", "name"), PUBLISHED)
def test_published_rewards_pay_for_doing_nothing_and_for_cuts(task: str, name: str) -> None:
    frozen, cut = PUBLISHED[task, name]
    recipe = registry.load(task)
    assert reward_of(name, recipe, judged(task, 0)) == pytest.approx(frozen)
    assert reward_of(name, recipe, judged(task, 0, "NO_PROCESS", solution_after=True)) == pytest.approx(cut)


def test_ours_are_the_judge_s() -> None:
    score, recipe = judged("maze", 2), registry.load("maze")
    assert (reward_of("dense", recipe, score), reward_of("sparse", recipe, score)) == (score.value, 0.0)
    assert reward_of("sparse", recipe, judged("maze")) == 1.0


def test_a_push_that_is_seen_halfway_costs_nothing() -> None:
    gold: Score[Any] = judged("sokoban")
    moved = next(number for number, action in enumerate(gold.actions) if action.isupper())
    before, after = gold.seen[moved], gold.seen[moved + 1]
    halfway = Sighting(before.frame, replace(after.state, player=before.state.player))
    seen = (*gold.seen[: moved + 1], halfway, *gold.seen[moved + 1 :])
    assert reward_of("paper", registry.load("sokoban"), replace(gold, seen=seen)) == pytest.approx(1.0)


def test_what_could_not_be_read_earns_nothing() -> None:
    unread = replace(judged("sokoban", 0), violations=(Violation("UNPARSED", 0),), value=0.0)
    assert [reward_of(name, registry.load("sokoban"), unread) for name in REWARDS] == [0.0] * 4


def test_unknown_rewards_and_terms_are_named() -> None:
    recipe, start = registry.load("maze"), samples.puzzle("maze", "easy").start
    with pytest.raises(UnknownName, match=r"maze: there is no reward 'papper'\. Did you mean 'paper'"):
        require_reward("papper", recipe, start)
    with pytest.raises(UnknownName, match="Known: dense, sparse, paper, released-code"):
        require_reward("x", recipe, start)
    broken = replace(recipe, rewards={"mine": RewardRule(where="mine.toml", product=("con",))})
    with pytest.raises(UnknownName, match=r"mine.toml: there is no reward component 'con'. Did you mean 'conn'"):
        require_reward("mine", broken, start)
    for name in REWARDS:
        require_reward(name, recipe, start)

"""Advantages: by puzzle, without those that have no reward, 0 where there is nothing to learn."""

from __future__ import annotations

from statistics import fmean, stdev

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen.train.advantage import Scale, group_advantages, share_without_spread  # noqa: E402

VALUES = [0.0, 0.5, 1.0, 0.2, 0.2, 0.2, 0.9, 0.1]
GROUPS = ["a", "a", "b", "c", "c", "c", "b", "a"]


def by_hand(scale: Scale, members: list[int]) -> list[float]:
    """Without torch, and with the standard library's statistics."""
    found = [0.0] * len(VALUES)
    for group in {GROUPS[member] for member in members}:
        own = [member for member in members if GROUPS[member] == group]
        rewards = [VALUES[member] for member in own]
        if len(set(rewards)) < 2:
            continue
        spread = {"group": stdev(rewards), "batch": stdev(VALUES[member] for member in members), "none": 1 - 1e-4}
        for member, reward in zip(own, rewards, strict=True):
            found[member] = (reward - fmean(rewards)) / (spread[scale] + 1e-4)
    return found


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_advantages_are_those_made_by_hand(scale: Scale) -> None:
    found = group_advantages(torch.tensor(VALUES, dtype=torch.float64), GROUPS, scale=scale)
    assert found.tolist() == pytest.approx(by_hand(scale, [*range(8)]))


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_members_without_reward_count_nowhere(scale: Scale) -> None:
    values, valid = torch.tensor(VALUES, dtype=torch.float64), torch.ones(8, dtype=torch.bool)
    values[1], values[2], valid[1], valid[2] = float("nan"), float("inf"), False, False
    found = group_advantages(values, GROUPS, scale=scale, valid_B=valid)
    assert found.tolist() == pytest.approx(by_hand(scale, [0, 3, 4, 5, 6, 7]))
    assert found[[1, 2, 6]].tolist() == [0, 0, 0]  # the last is alone with its puzzle now


def test_groups_are_puzzles_in_any_order_and_of_any_kind_of_key() -> None:
    values = torch.tensor([0.0, 10.0, 1.0, 11.0])
    by_puzzle = group_advantages(values, [("p", 1), ("q", 1), ("p", 1), ("q", 1)], scale="none")
    assert by_puzzle.tolist() == [-0.5, -0.5, 0.5, 0.5]
    by_shared_prompt = group_advantages(values, ["prompt"] * 4, scale="none")
    assert by_shared_prompt.tolist() != by_puzzle.tolist()


@pytest.mark.parametrize("scale", ["group", "batch", "none"])
def test_groups_without_spread_give_exactly_nothing(scale: Scale) -> None:
    """0.1 three times has a mean that is not 0.1."""
    found = group_advantages(torch.tensor([0.1, 0.1, 0.1, 0.0, 1.0]), [1, 1, 1, 2, 2], scale=scale)
    assert found[:3].tolist() == [0, 0, 0] and found[3] == -found[4] < 0


def test_advantages_are_clipped_and_add_up_to_nothing_without() -> None:
    values = torch.tensor([0.0] * 63 + [1.0])
    found = group_advantages(values, [0] * 64)
    assert found.max() == 5 and found.dtype == torch.float64
    assert abs(group_advantages(values, [0] * 64, clip=100).sum()) < 1e-9


def test_the_share_of_groups_without_spread_counts_groups() -> None:
    values, valid = torch.tensor(VALUES), torch.ones(8, dtype=torch.bool)
    assert share_without_spread(values, GROUPS) == pytest.approx(1 / 3)
    valid[2] = False
    assert share_without_spread(values, GROUPS, valid) == pytest.approx(2 / 3)
    assert share_without_spread(values, GROUPS, torch.zeros(8, dtype=torch.bool)) == 1
    assert group_advantages(values, GROUPS, scale="batch", valid_B=torch.zeros(8, dtype=torch.bool)).tolist() == [0] * 8

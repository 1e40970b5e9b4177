"""Any legal solution is accepted, also one that is longer than need be or made in another order."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from by_labels import stage
from hypothesis import given, settings
from hypothesis import strategies as st

from puzzlegen.eval.metrics import clip_metrics
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.replay import replay
from puzzlegen.types import Score
from puzzlegen.verify.verifier import Verifier
from samples import drawn

CLIP = ClipFormat(width=128, height=128, num_frames=73)

MAZE = {
    "shortest": "RDLDDRRR",
    "into a dead end and back": "RDLDDRUDRR",
    "a cell twice": "RDUDLDDRRR",
    "back and forth": "RLRLRDLDDRRR",
    "back to the start": "RDULRDLDDRRR",
}
SOKOBAN = {
    "fewest moves": "rRRlldRR",
    "the other box first": "drRRlluRR",
    "a walk around": "druRRlldRR",
    "more pushes": "rRRdLulldRRR",
    "many more pushes": "rRldRdrruLLuRllldRRR",
}
FLOWFREE = {
    "in order": "aR aD aD aD aR aU aU aU aR bD bD cD cD",
    "last color first": "cD cD bD bD aR aD aD aD aR aU aU aU aR",
    "from the other ends": "AL AD AD AD AL AU AU AU AL BU BU CU CU",
    "from both ends": "aR AL aD AD aD AD bD BU cD CU aD aR aU",
    "in turns": "aR bD aD cD aD bD aD aR cD aU aU aU aR",
}


def judged(task: str, actions: list[str]) -> Score[Any]:
    """The clip of a walk, encoded; its reference is the stored solution."""
    one = stage(task)
    path = replay(one.task, one.start, actions)
    data = video.encode(iter(drawn(task, path, one.look, CLIP)), CLIP)
    return Verifier(one.task, one.start, one.look, CLIP, len(actions)).score_video(data)


def metrics(task: str, score: Score[Any]) -> dict[str, Any]:
    one = stage(task)
    return clip_metrics(one.task, one.start, score, one.solution, len(one.solution))


def legal_ways(task: str, ways: dict[str, list[str]]) -> dict[str, list[str]]:
    """Those of this file must be what they say: legal, and solved at the end only."""
    one = stage(task)
    for name, actions in ways.items():
        states = replay(one.task, one.start, actions).states
        assert [one.task.is_solved(state) for state in states] == [False] * len(actions) + [True], name
    return ways


@pytest.mark.parametrize("name", MAZE)
def test_a_maze_may_be_walked_by_a_detour(name: str) -> None:
    actions = legal_ways("maze", {name: list(MAZE[name])})[name]
    score = judged("maze", actions)
    assert score.solved
    assert list(score.actions) == actions
    assert metrics("maze", score)["em"] == (name == "shortest")
    assert metrics("maze", score)["sd"] == (len(actions) - 8) / 8


@pytest.mark.parametrize("name", FLOWFREE)
def test_lines_may_be_drawn_in_any_order_and_from_any_end(name: str) -> None:
    actions = legal_ways("flowfree", {name: FLOWFREE[name].split()})[name]
    score = judged("flowfree", actions)
    assert score.solved
    assert stage("flowfree").boards(score.actions) == stage("flowfree").boards(actions)
    assert metrics("flowfree", score)["em"]


@pytest.mark.parametrize("name", SOKOBAN)
def test_boxes_may_be_pushed_in_any_order(name: str) -> None:
    actions = legal_ways("sokoban", {name: list(SOKOBAN[name])})[name]
    score = judged("sokoban", actions)
    assert score.solved
    assert list(score.actions) == actions
    pushes = sum(action.isupper() for action in actions)
    assert metrics("sokoban", score)["em"] == (pushes == 4)


@settings(max_examples=8, deadline=None)
@given(choices=st.lists(st.integers(0, 3), max_size=8))
def test_any_walk_that_ends_in_the_goal_is_accepted(choices: list[int]) -> None:
    """A random walk through the maze, then the way from there."""
    one = stage("maze")
    states, actions = one.walked(choices)
    stop = next((number for number, state in enumerate(states) if one.task.is_solved(state)), len(actions))
    rest = [] if one.task.is_solved(states[stop]) else one.task.solve(states[stop]).actions
    actions = [*actions[:stop], *rest]
    score = judged("maze", actions)
    assert score.solved
    assert list(score.actions) == actions
    assert metrics("maze", score)["em"] == (len(actions) == len(one.solution))


def test_a_longer_way_at_the_references_tempo_is_accepted() -> None:
    """The stored solution sets the tempo; the detour runs at it, or faster because the clip has no more frames."""
    one = stage("maze")
    for name, way in itertools.islice(MAZE.items(), 1, None):
        frames = drawn("maze", replay(one.task, one.start, way), one.look, CLIP)
        score = Verifier(one.task, one.start, one.look, CLIP, len(one.solution)).score(np.stack(list(frames)))
        assert score.solved, name

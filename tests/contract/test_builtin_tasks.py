"""The contract of tasks, kept by every built-in task on all of its levels."""

from __future__ import annotations

from puzzlegen.testing.conformance import TaskConformance


class TestMaze(TaskConformance):
    recipe = "maze"


class TestFlowFree(TaskConformance):
    recipe = "flowfree"


class TestSokoban(TaskConformance):
    recipe = "sokoban"

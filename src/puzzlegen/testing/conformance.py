"""The contract under pytest: subclass, name the recipe, done.

>>> class TestMyTask(TaskConformance):
...     recipe = "my_task"
"""

from __future__ import annotations

from typing import ClassVar

import pytest

from puzzlegen import registry
from puzzlegen.testing.checks import CHECKS
from puzzlegen.testing.subject import Subject


class TaskConformance:
    """Runs every check of `puzzlegen check` as a test of its own."""

    recipe: ClassVar[str]
    """Name or path of the recipe under test."""
    levels: ClassVar[tuple[str, ...]] = ()
    """Levels to test; all of them if empty."""

    @pytest.fixture(scope="class")
    @classmethod
    def subject(cls) -> Subject:
        """The loaded recipe with its puzzles."""
        recipe = registry.load(cls.recipe)
        return Subject(recipe, cls.levels or tuple(recipe.levels), cls.recipe)

    @pytest.mark.parametrize("promise", CHECKS)
    def test_keeps(self, subject: Subject, promise: str) -> None:
        """One promise of the contract."""
        CHECKS[promise](subject)

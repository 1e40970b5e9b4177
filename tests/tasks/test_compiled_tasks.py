"""What all tasks on compiled kernels have in common, whatever their kernels do."""

from __future__ import annotations

import pickle

import pytest

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.render.formats import FORMATS
from puzzlegen.seeding import Rng
from samples import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_whole_drafts_are_equal(task: str) -> None:
    stream = sample.Stream(recipe=task, level="hard", seed=3, clip=FORMATS["wan480"])
    plain, compiled = registry.load(task), registry.load(task, compiled=True)
    for index in range(20):
        assert sample.draft(compiled, stream, index) == sample.draft(plain, stream, index)


@pytest.mark.parametrize("task", TASKS)
def test_the_compiled_task_is_loaded_by_name_pickled_and_compiled_once(task: str) -> None:
    plain, recipe = registry.load(task).task, registry.load(task, compiled=True)
    assert type(recipe.task) is not type(plain)
    assert recipe.task.compiled() is recipe.task
    assert (recipe.task.version, recipe.task.Params, recipe.task.State) == (plain.version, plain.Params, plain.State)
    again = pickle.loads(pickle.dumps(recipe.task))
    key = ("pickled", task)
    for attempt in range(20):
        found = []
        for one in (again, plain):
            try:
                found.append(one.generate(recipe.level("tiny"), Rng(*key, attempt)))
            except sample.Rejected as rejected:
                found.append(rejected.reason)
        assert found[0] == found[1]

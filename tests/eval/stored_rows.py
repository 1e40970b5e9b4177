"""Rows as a dataset would hold them, each made once in a session."""

from __future__ import annotations

import functools

from puzzlegen import registry
from puzzlegen.generate import sample
from puzzlegen.render.formats import FORMATS
from puzzlegen.shards.row import Row
from samples import SEED, puzzle


@functools.cache
def stored(task: str, level: str = "easy", clip: str = "square256", look: str | None = None) -> Row:
    """The gold clip of one puzzle."""
    looks = () if look is None else (look,)
    stream = sample.Stream(recipe=task, level=level, seed=SEED, clip=FORMATS[clip], looks=looks)
    return Row(sample.render(registry.load(task), stream, puzzle(task, level, clip)))

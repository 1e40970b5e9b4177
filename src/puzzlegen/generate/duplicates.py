"""Redraws puzzles that an earlier index already has, up to symmetry.

Decided in index order: the lowest index keeps a puzzle, every later one draws its next attempt until it has a puzzle
that no lower index has. So the outcome depends neither on workers nor on how many indices follow.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from puzzlegen import registry
from puzzlegen.errors import LevelExhausted
from puzzlegen.generate import sample
from puzzlegen.generate.plan import Draft, Request

_LEAST_PATIENCE = 1000
_PATIENCE = 10
"""A level is exhausted after 1000 + 10 x (puzzles found) draws in a row that brought nothing new."""


def settle(request: Request, drafts: Iterable[Draft]) -> dict[tuple[int, int], str]:
    """What replaces duplicates: (stream, index) -> instance as JSON.

    Args:
        request: the streams; those of one recipe share no puzzle.
        drafts: one of every stream and index, in order of index, then stream.

    Raises:
        LevelExhausted: a stream holds fewer puzzles than are asked for; says about how many.
    """
    taken: dict[str, set[int]] = {stream.recipe: set() for stream in request.streams}
    kept = Counter[int]()
    replaced = {}
    for number, index, line in drafts:
        stream = request.streams[number]
        drawn, in_vain = line, 0
        while _digest(drawn) in taken[stream.recipe]:
            in_vain += 1
            if in_vain >= _LEAST_PATIENCE + _PATIENCE * kept[number]:
                raise _exhausted(request, number, kept[number], in_vain)
            drawn = _redraw(stream, index, drawn)
        taken[stream.recipe].add(_digest(drawn))
        kept[number] += 1
        if drawn is not line:
            replaced[number, index] = drawn
    return replaced


def _digest(line: str) -> int:
    return int(json.loads(line)["digest"], 16)


def _redraw(stream: sample.Stream, index: int, line: str) -> str:
    attempt = json.loads(line)["origin"]["attempt"]
    return sample.to_json(sample.draft(registry.load(stream.recipe), stream, index, attempt + 1))


def _exhausted(request: Request, number: int, kept: int, in_vain: int) -> LevelExhausted:
    stream = request.streams[number]
    where = f" in split {stream.split!r}" if stream.split else ""
    return LevelExhausted(
        f"{stream.recipe}:{stream.level} holds about {kept} different puzzles{where}, you asked for {request.num}: "
        f"{in_vain} draws in a row brought nothing new. Ask for at most {kept} or choose a larger level."
    )

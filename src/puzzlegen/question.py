"""A puzzle as a question in words, and the one line of a language model's words that counts as its answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from puzzlegen.errors import RecipeError
from puzzlegen.task import Task

_REQUEST = 'Think as long as you like. Then give the solution in one last line that begins with "Answer:".'
_MARK = re.compile(r"\banswer[^\w\n]*?:|<answer>", re.IGNORECASE)
_DECORATION = " \t*_`\"'.$"
"""What models put around an answer; no notation begins or ends with any of these."""


def question_of(task: Task[Any, Any], start: Any) -> str:
    """How the task is played, the board, and how to answer.

    Raises:
        RecipeError: the task has no manual.
    """
    if not task.manual:
        name = type(task).__name__
        raise RecipeError(
            f"{name} cannot be asked in words: it has no `manual`. Give its class one (see puzzlegen.task)."
        )
    return f"{task.manual}\n\n```\n{task.text(start)}\n```\n\n{_REQUEST}"


def answer_of(task: Task[Any, Any], actions: Sequence[str]) -> str:
    """The answer that is asked for."""
    return f"Answer: {task.line(actions)}"


def actions_in(task: Task[Any, Any], words: str) -> tuple[str, ...] | None:
    """The actions that a model answers with, which may be none of the task; None if it is not clear where they stand.

    What counts is the line after the last "Answer:", or all of it if the model says only one line.
    """
    marks = list(_MARK.finditer(words))
    after = words[marks[-1].end() :] if marks else words
    lines = [line for line in (line.strip(_DECORATION) for line in after.splitlines()) if line]
    if not lines or (not marks and len(lines) > 1):
        return None
    return task.read_line(lines[0].removesuffix("</answer>").rstrip(_DECORATION))

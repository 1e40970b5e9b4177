"""One clip, start to finish: a pure function of (recipe, level, seed, index) and the clip format."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

import puzzlegen
from puzzlegen import canonical
from puzzlegen.errors import InvalidInput, LevelExhausted, Rejected, SearchLimit, Unsolvable
from puzzlegen.recipe import Recipe
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import HOLD_END, Timeline, pace
from puzzlegen.render.raster import Painter, fit
from puzzlegen.replay import replay
from puzzlegen.seeding import Rng
from puzzlegen.task import Task
from puzzlegen.types import Instance, Origin, Solution, Trajectory
from puzzlegen.verify.verifier import Verifier, require_gold

MOST_REJECTIONS = 1000
"""Draws of one index that may be rejected before the level is given up. Wrong splits are counted apart."""
_PNG = (cv2.IMWRITE_PNG_COMPRESSION, 3, cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_NONE)
"""Flat pictures need no filter: half the time of a filter chosen line by line, and no more bytes."""
_MOST_MISSES = 200
"""Times the expected number of draws that a split may be missed by before it is given up: it holds nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What one run of indices is drawn from."""

    recipe: str
    """Name or path, as `registry.load` takes it."""
    level: str
    seed: int
    clip: ClipFormat
    split: str | None = None
    """Keep only puzzles of this split."""
    looks: tuple[str, ...] = ()
    """Draw only these looks; all if empty."""


def check_stream(recipe: Recipe, stream: Stream) -> None:
    """Refuse, before any work, a stream that cannot give a clip. Raises InvalidInput."""
    fewest = recipe.task.fewest_actions(recipe.level(stream.level))
    room = stream.clip.num_frames - 1 - HOLD_END
    if fewest > room:
        raise InvalidInput(
            f"{recipe.name}:{stream.level} has at least {fewest} actions, a clip of {stream.clip} holds {room}. "
            "Choose a longer clip or an easier level."
        )
    if stream.split is not None and stream.split not in recipe.splits:
        raise InvalidInput(f"{recipe.name} has no split {stream.split!r}. Known: {', '.join(recipe.splits)}.")
    recipe.draw_look(Rng("check"), stream.looks)


def draft(
    recipe: Recipe, stream: Stream, index: int, first_attempt: int = 0, stage: Callable[[str], None] = lambda _: None
) -> Instance[Any]:
    """Draw attempts of one index, from `first_attempt` on, until one is accepted.

    Args:
        recipe: the loaded recipe of the stream.
        stream: level, seed, clip format and split.
        index: of the sample.
        first_attempt: where to begin.
        stage: called with "sample" or "solve" when that stage begins (for benchmarks).

    Raises:
        InvalidInput: MOST_REJECTIONS draws were rejected; names the reasons.
        LevelExhausted: no draw is in the stream's split.
    """
    rejections: Counter[str] = Counter()
    attempt = first_attempt
    while sum(rejections.values()) - rejections["other split"] < MOST_REJECTIONS:
        origin = Origin(recipe=recipe.name, level=stream.level, seed=stream.seed, index=index, attempt=attempt)
        try:
            return attempt_at(recipe, stream, origin, stage)
        except Rejected as rejected:
            rejections[rejected.reason] += 1
        if stream.split is not None and rejections["other split"] * recipe.splits[stream.split] >= _MOST_MISSES:
            raise LevelExhausted(
                f"{recipe.name}:{stream.level} holds too few puzzles to have any in split {stream.split!r}: "
                f"{rejections['other split']} draws in a row are in another. Choose a larger level or another split."
            )
        attempt += 1
    counts = ", ".join(f"{count} {reason!r}" for reason, count in rejections.most_common())
    raise InvalidInput(f"{recipe.name}:{stream.level}: {sum(rejections.values())} draws rejected ({counts}). "
                       f"Loosen [levels.{stream.level}] or choose another clip format.")  # fmt: skip


def attempt_at(
    recipe: Recipe, stream: Stream, origin: Origin, stage: Callable[[str], None] = lambda _: None
) -> Instance[Any]:
    """The one draw of this key. Raises Rejected if it does not meet the stream."""
    task, params = recipe.task, recipe.level(origin.level)
    stage("sample")
    start = task.generate(params, Rng("puzzle", origin.recipe, origin.level, origin.seed, origin.index, origin.attempt))
    fit(task.shape(start), stream.clip)
    copies = list(task.symmetries(start))
    structures = [task.structure(copy) for copy in copies]
    structure = canonical.digest_up_to(structures)
    split = recipe.split_of(structure)
    if stream.split not in (None, split):
        raise Rejected("other split")
    stage("solve")
    try:
        solution = task.solve(start)
    except Unsolvable as error:
        raise Rejected("unsolvable") from error
    except SearchLimit as error:
        raise Rejected("search limit") from error
    reason = task.accepts(params, solution)
    if reason:
        raise Rejected(reason)
    pace(len(solution.actions), stream.clip)
    whole = all(one is other for one, other in zip(structures, copies, strict=True))
    digest = structure if whole else canonical.digest_up_to(copies)
    return Instance(origin=origin, start=start, solution=solution, digest=digest, structure=structure, split=split)


@dataclass(frozen=True, slots=True)
class Film:
    """A rendered solution that was read back as solved."""

    data: bytes
    """The mp4."""
    first: NDArray[np.uint8]
    """Its first decoded frame, a canvas [H * 3/2, W]."""
    final: NDArray[np.uint8]
    """Its last decoded frame."""
    trajectory: Trajectory[Any]
    timeline: Timeline


def film(
    task: Task[Any, Any], start: Any, actions: Sequence[str], look: Look, clip: ClipFormat, name: str,
    stage: Callable[[str], None] = lambda _: None,
) -> Film:  # fmt: skip
    """Draw, encode, decode and judge one clip.

    Raises:
        Rejected: puzzle or solution do not fit the clip.
        CorruptData: the clip does not score 1.0; names it.
    """
    timeline = pace(len(actions), clip)
    trajectory = replay(task, start, actions)
    painter = Painter(task.backdrop(start), fit(task.shape(start), clip), clip, look)
    stage("encode")
    data = video.encode_runs(painter.runs(task, trajectory, timeline), clip)
    stage("verify")
    first, final = require_gold(Verifier(task, start, look, clip, len(actions)), data, actions, name)
    return Film(data, first, final, trajectory, timeline)


def render(
    recipe: Recipe, stream: Stream, instance: Instance[Any], stage: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """The row of one puzzle, its clip verified. Raises CorruptData if the clip does not score 1.0."""
    task, start, solution, origin = recipe.task, instance.start, instance.solution, instance.origin
    look = draw_look(recipe, origin, stream.looks)
    shot = film(task, start, solution.actions, look, stream.clip, origin.id, stage)
    stage("write")
    first, final = (_png(picture) for picture in video.canvases_to_rgb((shot.first, shot.final), order="bgr"))
    keyframes = [0, *shot.timeline.action_frames]
    return {
        "id": origin.id,
        "task": origin.recipe,
        "level": origin.level,
        "split": instance.split,
        "prompt": draw_prompt(recipe, instance, look),
        "video": {"bytes": shot.data, "path": f"{origin.id}.mp4"},
        "first_frame": {"bytes": first, "path": f"{origin.id}-first.png"},
        "final_frame": {"bytes": final, "path": f"{origin.id}-final.png"},
        **canonical.encode(stream.clip),
        "puzzle": canonical.dumps(start),
        "actions": list(solution.actions),
        "action_line": task.line(solution.actions),
        "states": [task.text(state) for state in shot.trajectory.states],
        "keyframes": keyframes,
        "action_frames": keyframes[1:],
        "num_actions": len(solution.actions),
        "optimal": solution.optimal,
        "unique": solution.unique,
        "measures": canonical.dumps(solution.measures),
        "digest": instance.digest,
        "structure_digest": instance.structure,
        "look_name": look.name,
        "look": canonical.dumps(look),
        "task_version": task.version,
        "recipe_version": recipe.version,
        "generator_version": puzzlegen.__version__,
        "seed": origin.seed,
        "index": origin.index,
        "attempt": origin.attempt,
    }


def draw_look(recipe: Recipe, origin: Origin, names: tuple[str, ...] = ()) -> Look:
    """The look of a puzzle, one of the named ones; of all if there are none."""
    return recipe.draw_look(_clip_rng("look", origin), names)


def draw_prompt(recipe: Recipe, instance: Instance[Any], look: Look) -> str:
    """The prompt of a puzzle in this look."""
    origin = instance.origin
    return recipe.draw_prompt(_clip_rng("prompt", origin), instance.split, origin.level, look)


def _clip_rng(purpose: str, origin: Origin) -> Rng:
    return Rng(purpose, origin.recipe, origin.level, origin.seed, origin.index)


def _png(picture: NDArray[np.uint8]) -> bytes:
    """A picture [H, W, 3] of blue, green and red."""
    return cv2.imencode(".png", picture, _PNG)[1].tobytes()


def to_json(instance: Instance[Any]) -> str:
    """One line that `from_json` reads."""
    return canonical.dumps(instance)


def from_json(recipe: Recipe, line: str) -> Instance[Any]:
    """Read an instance of this recipe."""
    fields = json.loads(line)
    fields["origin"] = canonical.decode(Origin, fields["origin"], "origin")
    fields["start"] = canonical.decode(recipe.task.State, fields["start"], "start")
    fields["solution"] = canonical.decode(Solution, fields["solution"], "solution")
    return Instance(**fields)

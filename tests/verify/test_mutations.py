"""Every check of reader and judge is needed: with it alone switched off, some cheat is paid that is refused with it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from by_labels import STEADY, changed, stage
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.replay import stacks_of
from puzzlegen.testing.cheaters import Cheat, cheats
from puzzlegen.testing.clips import gold
from puzzlegen.types import Score
from puzzlegen.verify import atlas, judge, pace, perceive, sight, verifier, walk
from puzzlegen.verify.atlas import GOAL, LAYOUT, UNCLEAR, Labels
from puzzlegen.verify.judge import CODES, WORTHLESS
from puzzlegen.verify.verifier import Verifier
from samples import puzzle, variant

CLIP = ClipFormat(width=128, height=128, num_frames=49)
Switch = Callable[[pytest.MonkeyPatch], None]


class Paid(NamedTuple):
    """What a cheat got, and the most that it may get."""

    score: Score[Any]
    ceiling: float

    @property
    def is_too_much(self) -> bool:
        return self.score.solved or self.score.value > self.ceiling + 1e-9


class Mutation(NamedTuple):
    """A check, how to switch it off, and a cheat that gets through without it."""

    check: str
    off: Switch
    cheat: Callable[[], Paid]


# --- cheats in pixels


def filmed(task: str, look_number: int, index: int = 1) -> tuple[Any, Any, Look]:
    """Rules, puzzle and look."""
    recipe = registry.load(task)
    look = variant(recipe, list(recipe.looks)[look_number], 0)
    return recipe.task, puzzle(task, "tiny", "square256", index), look


@functools.cache
def made(task: str, kind: str, look_number: int, index: int) -> tuple[Cheat, ...]:
    """The cheating clips of one kind; kept, as making them takes longer than judging them."""
    rules, found, look = filmed(task, look_number, index)
    return tuple(cheats(rules, found, look, CLIP, np.random.default_rng(5), only={kind}))


def shown(task: str, kind: str, look_number: int = 0, index: int = 1) -> Callable[[], Paid]:
    """The one of this kind that is paid best."""

    def judged() -> Paid:
        rules, found, look = filmed(task, look_number, index)
        judge_of = Verifier(rules, found.start, look, CLIP, len(found.solution.actions))
        clips = made(task, kind, look_number, index)
        paid = [Paid(judge_of.score_frames(cheat.frames), cheat.ceiling) for cheat in clips]
        assert paid, "the puzzle cannot show this kind"
        return max(paid, key=lambda one: (one.is_too_much, one.score.value))

    return judged


def camera_that_loses_a_column() -> Paid:
    """The gold clip, panned slowly until the column where nothing happens is out of the picture."""
    rules, found, look = filmed("maze", 0)
    judge_of = Verifier(rules, found.start, look, CLIP, len(found.solution.actions))
    frames = np.stack([video.canvas_to_rgb(canvas) for canvas in gold(rules, found, look, CLIP)])
    side = judge_of.layout.cell_px
    last = frames.copy()
    for number, frame in enumerate(frames):
        share = max(0, number - 30) / (len(frames) - 31)
        move = np.array([[1, 0, 0], [0, 1, -share * 0.8 * side]])
        last[number] = cv2.warpAffine(frame, move, frame.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
    return Paid(judge_of.score_frames(last), 0.0)


# --- cheats in labels


def read(task: str, make: Callable[[Any], list[Labels]], ceiling: float = 0.0, **marked: Any) -> Callable[[], Paid]:
    """Frames that are read like this."""
    return lambda: Paid(stage(task).judged(make(stage(task)), STEADY, **marked), ceiling)


def solution(one: Any, hold: int = 3) -> list[Labels]:
    return list(one.held(one.states, hold))


def with_label(one: Any, label: int, cell: tuple[int, int] = (0, 3), first: int = 14) -> list[Labels]:
    """The solution with another label in a cell that it does not touch, from some frame on."""
    return [
        changed(labels, **{f"c{one.cell(*cell)}": label}) if number >= first else labels
        for number, labels in enumerate(solution(one))
    ]


def late_fault(one: Any, label: int) -> list[Labels]:
    """The same from the first frame of the last state on: too late to last, but for the frames that follow."""
    return with_label(one, label, first=3 * len(one.states) - 3) + with_label(one, label)[-1:] * 9


def forged(one: Any, code: str, step: int = 4) -> list[Labels]:
    """A few legal moves, then a picture that breaks a rule in this way."""
    state = one.states[step]
    for forgery in one.task.forgeries(state):
        labels = one.shown(stacks_of(forgery.tokens, one.task.shape(state)))
        if forgery.code == code and (labels >= 0).all():
            return [*one.held(one.states[: step + 1], 3), *[labels] * 20]
    raise AssertionError(f"no {code}")


def twin_until_an_arrival(one: Any) -> list[Labels]:
    frames = [one.labels(one.start)] * 6 + one.held(one.states[1:], 3)
    frames[4] = frames[5] = changed(frames[4], **{f"c{one.cell(2, 1)}": 1})
    return frames


def twin_that_comes_and_goes(one: Any) -> list[Labels]:
    """Never for long, but all the time."""
    return [
        changed(labels, **{f"c{one.cell(0, 3)}": 1}) if number % 6 in (1, 2) else labels
        for number, labels in enumerate(one.held(one.states, 6))
    ]


def covered_from_the_start(one: Any) -> list[Labels]:
    """A third of the board, where the solution does not go."""
    return [changed(labels, c2=-1, c3=-1, c6=-1, c7=-1, c9=-1) for labels in solution(one)]


def gone_for(one: Any, frames: int) -> list[Labels]:
    """The agent is nowhere for a while, then where its move leads to."""
    return [*solution(one)[:3], *[np.zeros_like(one.labels(one.start))] * frames, *solution(one)[3:]]


def moves_while_a_wire_grows(one: Any) -> list[Labels]:
    """Links of one color go on legally while a pipe that comes from nowhere stays."""
    free = one.cell(2, 2)
    label = next(number for number, stack in enumerate(one.atlas.stacks[free]) if stack and stack[0].hue == 2)
    frames = one.held(one.states[:2], 3) + one.held(one.states[2:6], 1)
    return [changed(labels, **{f"c{free}": label}) if number >= 6 else labels for number, labels in enumerate(frames)]


HIDDEN = np.zeros((27, 16), dtype=bool)
HIDDEN[14:, 3] = True
BLURRED = np.zeros((9 * 3 + 12, 16), dtype=bool)


# --- switches


def replaced(owner: Any, name: str, value: Any) -> Switch:
    return lambda patch: patch.setattr(owner, name, value)


def always(owner: Any, name: str, result: Any) -> Switch:
    return replaced(owner, name, lambda *arguments: result)


def constant(name: str, of: Callable[[walk.Walk], Any]) -> Switch:
    """An attribute of the walk that cannot be set any more."""
    return lambda patch: patch.setattr(walk.Walk, name, property(of, lambda self, value: None), raising=False)


def both(*switches: Switch) -> Switch:
    def off(patch: pytest.MonkeyPatch) -> None:
        for switch in switches:
            switch(patch)

    return off


def no_decoys(label: int) -> Switch:
    known = atlas._Decoys.of

    def without(self: Any, backdrop: Any, own: Any) -> Any:
        return [pair for pair in known(self, backdrop, own) if pair[1] != label]

    return replaced(atlas._Decoys, "of", without)


def pace_with(**changes: int) -> Switch:
    known = pace.pace_of
    return replaced(verifier, "pace_of", lambda *arguments: known(*arguments)._replace(**changes))


def worth_something(code: str) -> Switch:
    return replaced(judge, "WORTHLESS", WORTHLESS - {code})


MUTATIONS = [
    Mutation("sides of cells", both(always(walk.Walk, "_sides", None), always(walk.Walk, "flipped_now", False)),
             shown("maze", "wall removed")),
    Mutation("walls in the last frame", always(walk.Walk, "flipped_now", False),
             lambda: Paid(stage("maze").judged(solution(stage("maze")), sides=late_side()), 0.0)),
    Mutation("goals as decoys", no_decoys(GOAL), shown("maze", "goal doubled", look_number=2)),
    Mutation("colors of goals", always(perceive, "_recolored", []),
             shown("sokoban", "goal recolored", look_number=3, index=3)),
    Mutation("stray cells", always(walk.Walk, "_strays", None), shown("maze", "forgery taken back")),
    Mutation("ghosts at an arrival", constant("_ghost", lambda one: np.zeros(one._cells, dtype=bool)),
             read("maze", twin_until_an_arrival)),
    Mutation("boards that are lost", constant("_lost", lambda one: 0),
             read("maze", lambda one: gone_for(one, 12), sharp=BLURRED)),
    Mutation("marks that are too few", always(walk, "is_miscounted", False),
             read("maze", lambda one: gone_for(one, 5))),
    Mutation("view", replaced(sight.Sight, "hidden", np.zeros(16, dtype=bool)), camera_that_loses_a_column),
    Mutation("rest at the end", always(walk.Walk, "rests", True),
             read("maze", lambda one: solution(one) + [np.zeros_like(one.labels(one.start))] * 2, ceiling=0.5)),
    Mutation("flicker budget", always(judge, "_flickers", False), read("maze", twin_that_comes_and_goes)),
    Mutation("interlaced frames", always(judge, "_is_interlaced", False),
             shown("flowfree", "interlaced with the start", look_number=2)),
    Mutation("start", always(walk.Walk, "begin", None), read("maze", lambda one: one.held(one.states[1:], 3))),
    Mutation("cells covered at the start", replaced(walk, "_MOST_HIDDEN_AT_START", 1.0),
             read("maze", covered_from_the_start)),
    Mutation("reach", pace_with(reach=12), shown("maze", "cut to the end")),
    Mutation("patience", pace_with(patience=1000), shown("maze", "forgery taken back")),
    Mutation("patience with unclear cells", replaced(walk, "_UNCLEAR_PATIENCE", 1000),
             read("maze", lambda one: with_label(one, UNCLEAR)[:-3] + solution(one)[-3:])),
    Mutation("solved state at the end", always(judge, "_at_the_end", None), shown("maze", "truncated")),
    Mutation("some progress", always(judge, "_at_the_end", None), shown("maze", "frozen")),
    Mutation("cap of what was solved and left", replaced(judge, "LEFT_CAP", 0.9), shown("maze", "back to the start")),
    Mutation("cap of what is not solved", replaced(judge, "UNSOLVED_CAP", 1.0),
             read("flowfree", lambda one: solution(one)[:-3], ceiling=0.9)),
    Mutation("moves while something is wrong", always(walk.Walk, "forget_since", None),
             read("flowfree", moves_while_a_wire_grows, ceiling=1 / 13)),
    Mutation("LAYOUT_CHANGED", worth_something("LAYOUT_CHANGED"), read("maze", lambda one: with_label(one, LAYOUT))),
    Mutation("GOAL_CHANGED", worth_something("GOAL_CHANGED"), read("maze", lambda one: with_label(one, GOAL))),
    Mutation("OUT_OF_VIEW", worth_something("OUT_OF_VIEW"), read("maze", solution, hidden=HIDDEN)),
    Mutation("MULTI_AGENT", worth_something("MULTI_AGENT"), read("maze", lambda one: forged(one, "MULTI_AGENT"))),
    Mutation("BOX_COUNT", worth_something("BOX_COUNT"), read("sokoban", lambda one: forged(one, "BOX_COUNT"))),
    Mutation("NO_PROCESS", worth_something("NO_PROCESS"),
             read("maze", lambda one: solution(one)[:9] + solution(one)[-3:] * 5)),
    Mutation("OVERPAINT", worth_something("OVERPAINT"),
             read("flowfree", lambda one: solution(one)[:9] + [np.ones_like(one.labels(one.start))] * 15)),
    Mutation("UNPARSED", worth_something("UNPARSED"),
             read("maze", lambda one: solution(one)[:9] + [np.full_like(one.labels(one.start), UNCLEAR)] * 30)),
]  # fmt: skip


def late_side() -> NDArray[np.bool_]:
    sides = np.zeros((27, 16, 4), dtype=bool)
    sides[-1, 3, 0] = True
    return sides


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.check)
def test_no_check_can_be_left_out(mutation: Mutation, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = mutation.cheat()
    assert not refused.is_too_much, refused
    mutation.off(monkeypatch)
    paid = mutation.cheat()
    assert paid.is_too_much, f"{mutation.check} can be switched off: {paid.score.violations}, {paid.score.value}"


def test_the_names_of_floors_need_their_decoys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wall that is gone is refused without them too, but for no good reason."""
    erased = shown("sokoban", "walls erased")
    assert erased().score.violations[0].code == "LAYOUT_CHANGED"
    no_decoys(LAYOUT)(monkeypatch)
    assert erased().score.violations[0].code != "LAYOUT_CHANGED"


def test_every_worthless_code_that_can_follow_a_move_is_tried() -> None:
    """The two others leave no move to be paid for."""
    assert {mutation.check for mutation in MUTATIONS} >= WORTHLESS - {"NO_PROGRESS", "BAD_START"}
    assert WORTHLESS <= CODES

"""Cheating clips: that they are clips, that they cheat, and that the small animator draws what the painter draws."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import samples
from puzzlegen import registry
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import pace
from puzzlegen.render.video import canvas_to_rgb
from puzzlegen.replay import replay
from puzzlegen.seeding import Rng
from puzzlegen.testing.cheaters import KINDS, Cheat, cheats
from puzzlegen.testing.cheaters.film import Film
from puzzlegen.testing.cheaters.legality import LEAST_JUMP, leads_to
from puzzlegen.types import Instance, Origin, Trajectory

CLIP = ClipFormat(width=128, height=128, num_frames=49)
LEVELS = {"maze": "medium", "flowfree": "easy", "sokoban": "medium"}
CODES = {
    *("JUMP", "WALL_HIT", "LAYOUT_CHANGED", "GOAL_CHANGED", "MULTI_AGENT", "NO_PROGRESS", "NO_PROCESS", "END_STATE"),
    *("BAD_START", "OVERPAINT", "CROSSING", "BRANCH", "BOX_COUNT", "ILLEGAL_PUSH", "OUT_OF_VIEW", "UNPARSED"),
}
VISIBLE = 40
"""Levels, in some channel of some pixel, by which a cheat differs from the legal clip at least."""
OTHER_START = {
    *("late start", "solved throughout", "backwards", "mirrored", "other puzzle", "blank", "noise"),
}
"""Kinds whose first frame is not the puzzle's."""
NO_WALLS = {kind.name for kind in KINDS if kind.name.startswith("wall")}
NO_KEYS = {
    *("forgery that glides", "straight", "left behind", "sent ahead", "hidden", "tunnel", "tiny"),
    *("goal fetched", "goal traded"),
}
MISSING = {
    "maze": {"swap", "one too early", "two merged", "disguised"},
    "flowfree": {"swap", "two merged", "disguised"} | NO_WALLS | NO_KEYS,
    "sokoban": {"one too early"},
}
"""Kinds that no puzzle of a task can show: one keyed token, no keyed tokens and no walls, no others."""


def rules(task: str) -> Any:
    return registry.load(task).task


def look_of(task: str, number: int) -> Look:
    return registry.load(task).draw_look(Rng("cheaters", number))


def puzzle_of(task: str, index: int) -> Instance[Any]:
    return samples.puzzle(task, LEVELS[task], "square256", index)


def small_maze(index: int) -> Instance[Any]:
    return samples.puzzle("maze", "easy", "square256", index)


def made(task: str, index: int, **options: Any) -> Iterator[Cheat]:
    rng = np.random.default_rng(index)
    return cheats(rules(task), puzzle_of(task, index), look_of(task, index), CLIP, rng, **options)


@pytest.fixture(scope="module", params=samples.TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def all_of_one(task: str) -> list[Cheat]:
    return list(made(task, 0))


def longest(task: str) -> Instance[Any]:
    return max((puzzle_of(task, index) for index in range(4)), key=lambda found: len(found.solution.actions))


# --- what a cheat is


def test_every_cheat_is_a_clip_of_the_puzzle_s_size(all_of_one: list[Cheat]) -> None:
    for cheat in all_of_one:
        assert cheat.frames.shape == (CLIP.num_frames, CLIP.height, CLIP.width, 3), cheat.kind
        assert cheat.frames.dtype == np.uint8, cheat.kind


def test_every_cheat_is_seen_to_differ_from_the_legal_clip(task: str, all_of_one: list[Cheat]) -> None:
    gold = Film(rules(task), puzzle_of(task, 0), look_of(task, 0), CLIP).gold.astype(np.int16)
    for cheat in all_of_one:
        assert np.abs(cheat.frames - gold).max() >= VISIBLE, cheat.kind


def test_codes_and_ceilings_are_those_of_the_table(all_of_one: list[Cheat]) -> None:
    for cheat in all_of_one:
        assert cheat.codes, cheat.kind
        assert set(cheat.codes) <= CODES, cheat.kind
        assert len(set(cheat.codes)) == len(cheat.codes), cheat.kind
        assert cheat.code == cheat.codes[0]
        assert 0 <= cheat.ceiling <= 0.9, cheat.kind


def test_the_first_frame_is_the_puzzle_s_but_for_kinds_that_forge_it(task: str, all_of_one: list[Cheat]) -> None:
    gold = Film(rules(task), puzzle_of(task, 0), look_of(task, 0), CLIP).gold
    for cheat in all_of_one:
        assert np.array_equal(cheat.frames[0], gold[0]) == (cheat.kind not in OTHER_START), cheat.kind


def test_nearly_all_cheats_of_one_puzzle_differ(all_of_one: list[Cheat]) -> None:
    different = {cheat.frames.tobytes() for cheat in all_of_one}
    assert len(different) >= 0.95 * len(all_of_one)  # a forged jump may well be the one straight to the goal


def test_every_kind_is_reached_that_the_task_can_show(task: str) -> None:
    reached: set[str] = set()
    for index in range(6):
        reached |= {cheat.kind for cheat in made(task, index)}
        if {kind.name for kind in KINDS} - reached == MISSING[task]:
            break
    assert {kind.name for kind in KINDS} - reached == MISSING[task]


def test_kinds_have_names_and_meanings_and_name_no_task() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)
    for kind in KINDS:
        assert kind.meaning.endswith("."), kind
        assert not any(word in kind.meaning.lower() for word in (*samples.TASKS, "box", "agent", "pipe")), kind


# --- randomness


def test_the_same_generator_makes_the_same_cheats(task: str, all_of_one: list[Cheat]) -> None:
    for first, second in itertools.zip_longest(all_of_one, made(task, 0)):
        assert (first.kind, first.codes, first.ceiling) == (second.kind, second.codes, second.ceiling)
        assert np.array_equal(first.frames, second.frames), first.kind


def test_kinds_do_not_depend_on_which_others_are_made(task: str, all_of_one: list[Cheat]) -> None:
    wanted = {"truncated", "forgery at once", "painted over", "noise"}
    picked = [cheat for cheat in all_of_one if cheat.kind in wanted]
    for first, second in itertools.zip_longest(picked, made(task, 0, only=wanted)):
        assert first.kind == second.kind
        assert np.array_equal(first.frames, second.frames), first.kind


def test_other_generators_make_other_cheats() -> None:
    puzzle, look = longest("maze"), look_of("maze", 0)
    ends = set()
    for seed in range(8):
        (cheat,) = cheats(rules("maze"), puzzle, look, CLIP, np.random.default_rng(seed), only={"truncated"})
        ends.add(cheat.frames[-1].tobytes())
    assert len(ends) > 1


# --- the animator


@pytest.mark.parametrize("motion", ["glide", "step"])
def test_the_animator_draws_legal_clips_as_the_painter_does(task: str, motion: Any) -> None:
    puzzle, look = puzzle_of(task, 1), dataclasses.replace(look_of(task, 1), motion=motion)
    path = replay(rules(task), puzzle.start, puzzle.solution.actions)
    expected = np.stack([canvas_to_rgb(canvas) for canvas in samples.drawn(task, path, look, CLIP)])
    film = Film(rules(task), puzzle, look, CLIP)
    assert np.array_equal(film.gold, expected)
    film.picture(())  # the canvas shows something else in between
    film._known = {}  # draw again, and not by copying
    assert np.array_equal(film._drawn(film._poses(film.scenes)), expected)


def test_a_clip_that_is_too_short_gives_fewer_kinds_and_no_error() -> None:
    task = "maze"
    puzzle = longest(task)
    clip = ClipFormat(width=128, height=128, num_frames=9 + 4 * (len(puzzle.solution.actions) // 4))
    pace(len(puzzle.solution.actions), clip)
    found = {cheat.kind for cheat in cheats(rules(task), puzzle, look_of(task, 0), clip, np.random.default_rng(0))}
    assert "frozen" in found


# --- that it cheats


class Oracle:
    """Knows every frame that a legal clip of one small puzzle can have, drawn by the painter move by move."""

    def __init__(self, puzzle: Instance[Any], look: Look) -> None:
        name = puzzle.origin.recipe
        self.task, self.look = rules(name), look
        self.states = list(self.steps_from(puzzle.start))
        self.steps = {state: self.steps_from(state) for state in self.states}
        self.frames: dict[bytes, set[Any]] = {}
        timeline = pace(len(puzzle.solution.actions), CLIP)
        one_move = dataclasses.replace(
            timeline, num_actions=1, num_frames=timeline.hold_start + timeline.frames_per_action
        )
        for state in self.states:
            for action in self.task.actions(state):
                after = self.task.step(state, action)
                path = Trajectory(states=(state, after), actions=(action,))
                canvases = samples.drawn(name, path, look, CLIP, one_move)
                frames = [canvas_to_rgb(canvas).tobytes() for canvas in canvases[timeline.hold_start - 1 :]]
                for frame in frames[1:-1]:
                    self.frames.setdefault(frame, set()).update((state, after))
                self.frames[frames[0]], self.frames[frames[-1]] = {state}, {after}

    def steps_from(self, start: Any) -> dict[Any, int]:
        """Moves to every state, breadth first."""
        far = {start: 0}
        queue = [start]
        for state in queue:
            for action in self.task.actions(state):
                after = self.task.step(state, action)
                if after not in far:
                    far[after] = far[state] + 1
                    queue.append(after)
        return far

    def is_legal(self, frames: Any, most: int) -> bool:
        """Whether every frame is a legal picture, at most `most` moves lie between two, and the ends are right."""
        current, shown = {self.states[0]}, set[Any]()
        for number, frame in enumerate(frames):
            shown = self.frames.get(frame.tobytes(), set())
            reach = most if number else 0
            current = {after for after in shown for one in current if self.steps[one].get(after, 1000) <= reach}
        return bool(current) and shown == current and all(map(self.task.is_solved, current))


@pytest.mark.parametrize(
    ("name", "level", "index"), [("maze", "easy", 0), ("maze", "tiny", 1), ("sokoban", "tiny", 11)]
)
def test_no_cheat_is_legal_even_for_a_judge_that_lets_five_moves_pass_at_once(
    name: str, level: str, index: int
) -> None:
    puzzle, look = samples.puzzle(name, level, "square256", index), look_of(name, index)
    oracle = Oracle(puzzle, look)
    gold = Film(rules(name), puzzle, look, CLIP).gold
    assert oracle.is_legal(gold, most=1)
    assert oracle.is_legal(gold[::2], most=2)
    for seed in range(2):
        for cheat in cheats(rules(name), puzzle, look, CLIP, np.random.default_rng(seed)):
            assert not oracle.is_legal(cheat.frames, most=LEAST_JUMP - 1), cheat


def test_the_ceiling_of_a_truncated_maze_clip_is_the_share_of_its_way() -> None:
    puzzle, look = small_maze(0), look_of("maze", 0)
    oracle = Oracle(puzzle, look)
    (cheat,) = cheats(rules("maze"), puzzle, look, CLIP, np.random.default_rng(5), only={"truncated"})
    (last,) = oracle.frames[cheat.frames[-1].tobytes()]
    whole = len(puzzle.solution.actions)
    goal = next(state for state in oracle.states if rules("maze").is_solved(state))
    assert cheat.ceiling == pytest.approx(1 - oracle.steps[last][goal] / whole)
    assert 0 < cheat.ceiling < 1


@pytest.mark.parametrize("kind", ["cut to the end", "jump midway", "jump to the end", "forgery walked on", "straight",
                                  "tunnel", "forgery taken back", "walls erased in passing"])  # fmt: skip
def test_strong_cheats_end_in_the_solved_state(kind: str) -> None:
    puzzle, look = longest("maze"), look_of("maze", 2)
    gold = Film(rules("maze"), puzzle, look, CLIP).gold
    found = list(cheats(rules("maze"), puzzle, look, CLIP, np.random.default_rng(1), only={kind}))
    assert found
    for cheat in found:
        assert np.array_equal(cheat.frames[-1], gold[-1])


def test_changes_of_goals_and_walls_last_longer_than_a_flicker(task: str, all_of_one: list[Cheat]) -> None:
    gold = Film(rules(task), puzzle_of(task, 0), look_of(task, 0), CLIP).gold
    for cheat in all_of_one:
        if cheat.kind.startswith(("wall", "goal")):
            assert (cheat.frames != gold).any(axis=(1, 2, 3)).sum() > 3, cheat.kind


def hand_made(text: str) -> Instance[Any]:
    start = rules("maze").parse(text)
    origin = Origin(recipe="none", level="none", seed=0, index=0, attempt=0)
    solution = rules("maze").solve(start)
    return Instance(origin=origin, start=start, solution=solution, digest="0" * 16, structure="0" * 16, split="train")


def test_a_short_corridor_leaves_out_what_would_be_legal_there() -> None:
    puzzle = hand_made("###########\n#S       G#\n###########")
    found = {cheat.kind for cheat in cheats(rules("maze"), puzzle, look_of("maze", 0), CLIP, np.random.default_rng(0))}
    legal = {"straight", "cut to the end", "fade to the end", "curtain", "leaps", "late start", "jump midway",
             "flash of one frame", "interlaced with the start", "tunnel", "other puzzle"}  # fmt: skip
    assert not found & legal
    assert {"frozen", "truncated", "left behind", "hidden", "goal erased"} <= found


def test_a_step_through_a_wall_that_can_be_walked_around_is_not_shown_as_a_cut() -> None:
    puzzle = hand_made("#####\n#S# #\n# # #\n#  G#\n#####")
    picked = {"forgery at once", "forgery taken back", "forgery walked on", "forgery that glides"}
    found = list(cheats(rules("maze"), puzzle, look_of("maze", 0), CLIP, np.random.default_rng(0), only=picked))
    crossing = {cheat.kind for cheat in found if cheat.code == "WALL_HIT"}
    assert crossing <= {"forgery that glides", "forgery walked on"}
    assert "forgery that glides" in crossing


def test_leads_to_agrees_with_breadth_first_search() -> None:
    oracle = Oracle(small_maze(0), look_of("maze", 0))
    for one, other in itertools.product(oracle.states, repeat=2):
        assert leads_to(oracle.task, one, other) == (oracle.steps[one][other] <= LEAST_JUMP - 1)

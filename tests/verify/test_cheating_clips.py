"""Clips made by hand that break a known rule, drawn by the real painter and sent through the codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from puzzlegen import registry
from puzzlegen.grid import LINK, move
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.motion import pace
from puzzlegen.render.raster import new_canvas, planes_of
from puzzlegen.replay import board, replay
from puzzlegen.types import Glyph, Mark, Score, Trajectory
from puzzlegen.verify.verifier import Verifier
from samples import Canvases, drawn, painter, through_codec, variant

CLIP = ClipFormat(width=256, height=256, num_frames=49)

MAZE = """
#########
#S  #   #
### # # #
#   # # #
# ### # #
# #   # #
# # ### #
#      G#
#########
"""
SOLUTION = "RDLDDRRR"
ROOM = """
#######
#@ $ .#
#  $ .#
#     #
#######
"""
FLOW = """
A..A
B..C
....
B..C
"""
NUM_ACTIONS = {"maze": len(SOLUTION), "sokoban": 8, "flowfree": 13}
"""Of the shortest solutions."""


def looks(task: str) -> list[Look]:
    recipe = registry.load(task)
    return [variant(recipe, name, number, "glide") for number, name in enumerate(recipe.looks)]


def judged(task: str, start: Any, look: Look, frames: Canvases) -> Score:
    return Verifier(registry.load(task).task, start, look, CLIP, NUM_ACTIONS[task]).score(through_codec(frames, CLIP))


def code(score: Score) -> str:
    assert len(score.violations) == 1
    return score.violations[0].code


def held(
    task: str, start: Any, look: Look, boards: Sequence[Sequence[Glyph]], backdrops: Sequence[Any] | None = None
) -> Canvases:
    """Boards at rest, each for as many frames; with a start whose backdrop may differ from board to board."""
    frames = []
    share = CLIP.num_frames / len(boards)
    for number in range(CLIP.num_frames):
        index = int(number / share)
        canvas = new_canvas(CLIP.height, CLIP.width)
        painter(task, backdrops[index] if backdrops else start, look, CLIP).draw(planes_of(canvas), boards[index])
        frames.append(canvas)
    return np.stack(frames)


@pytest.fixture(scope="module")
def maze() -> Any:
    return registry.load("maze").task.parse(MAZE)


@pytest.fixture(scope="module")
def room() -> Any:
    return registry.load("sokoban").task.parse(ROOM)


@pytest.fixture(scope="module")
def flow() -> Any:
    return registry.load("flowfree").task.parse(FLOW)


def walk(start: Any, directions: str) -> Trajectory[Any]:
    """The agent walks wherever it is sent, through walls too."""
    states = [start]
    for direction in directions:
        states.append(replace(states[-1], agent=move(states[-1].agent, direction)))
    return Trajectory(states=tuple(states), actions=tuple(directions))


# --- maze


@pytest.mark.parametrize("look", looks("maze"), ids=lambda look: look.name)
class TestMaze:
    def test_the_solution_drawn_by_hand_is_gold(self, maze: Any, look: Look) -> None:
        """The helpers of this file are sound: what follows fails for its fault alone."""
        score = judged("maze", maze, look, drawn("maze", walk(maze, SOLUTION), look, CLIP))
        assert score.value == 1.0
        assert "".join(score.actions) == SOLUTION

    @pytest.mark.parametrize(("through", "legal"), [("DDDRRR", ""), ("RDDDRR", "RD"), ("RRRDDD", "R")])
    @pytest.mark.parametrize("motion", ["glide", "step"])
    def test_walking_through_a_wall_is_a_wall_hit(
        self, maze: Any, look: Look, through: str, legal: str, motion: Any
    ) -> None:
        path = walk(maze, through)
        assert path.states[-1].agent == maze.goal
        look = replace(look, motion=motion)
        score = judged("maze", maze, look, drawn("maze", path, look, CLIP))
        assert code(score) == "WALL_HIT"
        assert "".join(score.actions) == legal

    @pytest.mark.parametrize(("cell", "names"), [((3, 0), "JUMP"), ((3, 3), "NO_PROCESS")])
    def test_a_teleport_is_a_jump_and_to_the_goal_no_process(
        self, maze: Any, look: Look, cell: tuple[int, int], names: str
    ) -> None:
        rules = registry.load("maze").task
        boards = [board(rules, replace(maze, agent=at)) for at in (maze.agent, (0, 1), cell)]
        score = judged("maze", maze, look, held("maze", maze, look, boards))
        assert code(score) == names
        assert score.actions == ("R",)
        assert score.value <= 2 / len(SOLUTION)
        assert names == "JUMP" or score.value == 0

    def test_a_diagonal_step_is_a_wall_hit(self, maze: Any, look: Look) -> None:
        rules = registry.load("maze").task
        boards = [
            board(rules, replace(maze, agent=cell))
            for cell in [(0, 0), (1, 1), (1, 0), (2, 0), (3, 0), (3, 1), (3, 2), (3, 3)]
        ]
        assert code(judged("maze", maze, look, held("maze", maze, look, boards))) == "WALL_HIT"

    @pytest.mark.parametrize("cell", [(0, 2), (0, 3), (2, 2), (3, 3)])
    @pytest.mark.parametrize("length", [1, 20])
    def test_an_erased_wall_is_a_changed_layout_unless_it_flickers(
        self, maze: Any, look: Look, cell: tuple[int, int], length: int
    ) -> None:
        """For one frame or for good; far from the agent."""
        frames = drawn("maze", walk(maze, SOLUTION), look, CLIP)
        links = list(maze.links)
        index = cell[0] * 4 + cell[1]
        walled = next(bit for bit in LINK.values() if not int(links[index], 16) & bit)
        links[index] = f"{int(links[index], 16) | walled:x}"
        brush = painter("maze", replace(maze, links="".join(links)), look, CLIP)
        for frame in frames[2 : 2 + length]:
            brush.draw_cell(planes_of(frame), index, ())
        score = judged("maze", maze, look, frames)
        if length == 1:
            assert score.solved
        else:
            assert code(score) in ({"LAYOUT_CHANGED", "MULTI_AGENT"} if cell == maze.goal else {"LAYOUT_CHANGED"})
            assert score.value == 0
            assert score.violations[0].cell == cell

    def test_a_wall_that_fades_away_slowly_is_a_changed_layout(self, maze: Any, look: Look) -> None:
        """Less than a level a frame, while the agent walks: each cell is measured from when it was looked at last."""
        clip, path = replace(CLIP, num_frames=241), walk(maze, "RL" * 10 + SOLUTION)
        frames = drawn("maze", path, look, clip)
        open_cell = painter("maze", replace(maze, links=maze.links[:3] + "f" + maze.links[4:]), look, clip)
        last = pace(len(path.actions), clip).last_keyframe
        for number in range(1, clip.num_frames):
            there, gone = frames[number], frames[number].copy()
            open_cell.draw_cell(planes_of(gone), 3, ())
            share = min(number, last) / last
            frames[number] = np.rint(there * (1 - share) + gone * share).astype(np.uint8)
        score = Verifier(registry.load("maze").task, maze, look, clip).score(frames)
        assert code(score) == "LAYOUT_CHANGED"

    def test_a_wall_that_is_rebuilt_elsewhere_is_a_changed_layout(self, maze: Any, look: Look) -> None:
        rules = registry.load("maze").task
        other = rules.parse(MAZE.replace("# ### # #", "### # # #"))
        assert other.links != maze.links
        resting = board(rules, maze)
        score = judged("maze", maze, look, held("maze", maze, look, [resting, resting, resting], [maze, other, maze]))
        assert code(score) == "LAYOUT_CHANGED"

    def test_another_start_is_a_bad_start(self, maze: Any, look: Look) -> None:
        for cell in ((0, 1), (3, 2), maze.goal, (2, 3)):
            start = replace(maze, agent=cell)
            score = judged("maze", maze, look, held("maze", maze, look, [board(registry.load("maze").task, start)]))
            assert code(score) == "BAD_START"
            assert score.value == 0

    def test_leaving_the_goal_again_is_a_wrong_end(self, maze: Any, look: Look) -> None:
        score = judged("maze", maze, look, drawn("maze", walk(maze, SOLUTION + "L"), look, CLIP))
        assert code(score) == "END_STATE"
        assert "".join(score.actions) == SOLUTION + "L"
        assert score.value <= 0.9

    def test_stopping_on_the_way_is_a_wrong_end(self, maze: Any, look: Look) -> None:
        score = judged("maze", maze, look, drawn("maze", walk(maze, SOLUTION[:5]), look, CLIP))
        assert code(score) == "END_STATE"
        assert score.value == pytest.approx(5 / 8)

    def test_stopping_in_the_middle_of_the_last_step_is_a_wrong_end(self, maze: Any, look: Look) -> None:
        frames = drawn("maze", walk(maze, SOLUTION), look, CLIP)
        frames[pace(len(SOLUTION), CLIP).action_frames[-2] + 1 :] = frames[
            pace(len(SOLUTION), CLIP).action_frames[-2] + 1
        ]
        assert code(judged("maze", maze, look, frames)) == "END_STATE"

    def test_setting_out_from_the_goal_in_the_last_frames_is_a_wrong_end(self, maze: Any, look: Look) -> None:
        """The goal was reached, but the clip ends between two states."""
        path = walk(maze, SOLUTION + "L")
        frames = drawn("maze", path, look, CLIP)
        left = pace(len(path.actions), CLIP).action_frames[-1] - 1
        frames[left:] = frames[left]
        score = judged("maze", maze, look, frames)
        assert code(score) == "END_STATE"
        assert "".join(score.actions[: len(SOLUTION)]) == SOLUTION

    def test_a_second_agent_is_never_solved(self, maze: Any, look: Look) -> None:
        """From the start, in the middle, at the end, at the goal, in one frame only."""
        agent = (Mark("agent"),)
        clean = drawn("maze", walk(maze, SOLUTION), look, CLIP)
        brush = painter("maze", maze, look, CLIP)
        spans = [slice(None), slice(None), slice(9, 30), slice(-1, None), slice(20, 21), slice(20, None), slice(12, 24)]
        for frames_with, cell in zip(spans, (15, 3, 2, 3, 3, 0, 15), strict=True):
            frames = clean.copy()
            for frame in frames[frames_with]:
                brush.draw_cell(planes_of(frame), cell, agent)
            score = judged("maze", maze, look, frames)
            assert not score.solved, (frames_with, cell)

    def test_an_agent_left_behind_is_never_solved(self, maze: Any, look: Look) -> None:
        """Every cell that was walked keeps its agent, as a trail."""
        rules = registry.load("maze").task
        path = replay(rules, maze, SOLUTION)
        boards = []
        stacks = board(rules, maze)
        for state in path.states:
            stacks = [one or other for one, other in zip(stacks, board(rules, state), strict=True)]
            boards.append(stacks)
        assert not judged("maze", maze, look, held("maze", maze, look, boards)).solved

    @pytest.mark.parametrize("length", [1, 2, 12])
    def test_flashing_the_solved_state_is_no_process(self, maze: Any, look: Look, length: int) -> None:
        frames = np.repeat(drawn("maze", walk(maze, SOLUTION), look, CLIP)[:1], CLIP.num_frames, axis=0)
        frames[20 : 20 + length] = drawn("maze", walk(maze, SOLUTION), look, CLIP)[-1]
        score = judged("maze", maze, look, frames)
        assert code(score) == "NO_PROCESS" or (length == 1 and code(score) == "NO_PROGRESS")
        assert score.value == 0

    def test_walking_back_and_forth_is_allowed_but_read(self, maze: Any, look: Look) -> None:
        score = judged("maze", maze, look, drawn("maze", walk(maze, "RL" + SOLUTION), look, CLIP))
        assert score.value == 1.0
        assert "".join(score.actions) == "RL" + SOLUTION

    def test_a_moved_goal_is_never_solved(self, maze: Any, look: Look) -> None:
        other = replace(maze, goal=(0, 1))
        path = Trajectory(states=(other, replace(other, agent=(0, 1))), actions=("R",))
        score = judged("maze", maze, look, drawn("maze", path, look, CLIP))
        assert code(score) == "GOAL_CHANGED"
        assert score.value == 0
        frames = drawn("maze", walk(maze, "R"), look, CLIP)
        frames[5:] = drawn("maze", path, look, CLIP)[5:]
        score = judged("maze", maze, look, frames)
        assert code(score) == "GOAL_CHANGED"
        assert score.value == 0


# --- sokoban


@pytest.mark.parametrize("look", looks("sokoban"), ids=lambda look: look.name)
class TestSokoban:
    def boards(self, room: Any, look: Look, states: Sequence[Any]) -> Score:
        rules = registry.load("sokoban").task
        return judged("sokoban", room, look, held("sokoban", room, look, [board(rules, state) for state in states]))

    def test_the_solution_drawn_by_hand_is_gold(self, room: Any, look: Look) -> None:
        rules = registry.load("sokoban").task
        path = replay(rules, room, "rRRlldRR")
        assert self.boards(room, look, path.states).value == 1.0
        assert judged("sokoban", room, look, drawn("sokoban", path, look, CLIP)).value == 1.0

    def test_a_box_that_moves_without_the_player_is_never_solved(self, room: Any, look: Look) -> None:
        states = [room]
        for box in (0, 0, 1, 1):
            boxes = list(states[-1].boxes)
            boxes[box] = move(boxes[box], "R")
            states.append(replace(states[-1], boxes=tuple(boxes)))
        assert registry.load("sokoban").task.is_solved(states[-1])
        score = self.boards(room, look, states)
        assert code(score) == "ILLEGAL_PUSH"
        assert score.value == 0
        glided = drawn("sokoban", Trajectory(states=tuple(states), actions=("R",) * 4), look, CLIP)
        assert not judged("sokoban", room, look, glided).solved

    def test_a_push_from_afar_is_never_solved(self, room: Any, look: Look) -> None:
        """Player and box move at once, with a gap between them."""
        far = replace(room, boxes=(move(room.boxes[0], "R"), room.boxes[1]), player=move(room.player, "R"))
        assert not self.boards(room, look, [room, far, replace(far, boxes=room.goals, player=far.player)]).solved

    def test_a_pulled_box_is_an_illegal_push(self, room: Any, look: Look) -> None:
        rules = registry.load("sokoban").task
        before = replay(rules, room, "r").states
        pulled = replace(before[-1], player=room.player, boxes=(before[-1].player, room.boxes[1]))
        score = self.boards(room, look, [*before, pulled])
        assert code(score) == "ILLEGAL_PUSH"
        assert score.actions == ("r",)

    @pytest.mark.parametrize("boxes", [1, 3])
    def test_boxes_that_vanish_or_appear_are_never_solved(self, room: Any, look: Look, boxes: int) -> None:
        rules = registry.load("sokoban").task
        path = replay(rules, room, "rRRlldRR").states
        changed = [
            replace(state, boxes=(*state.boxes, (3, 3))[:boxes]) if number >= 3 else state
            for number, state in enumerate(path)
        ]
        assert not self.boards(room, look, changed).solved

    def test_two_boxes_in_one_push_are_never_solved(self, look: Look) -> None:
        rules = registry.load("sokoban").task
        start = rules.parse("#######\n#@$$..#\n#######")
        path = [start]
        for _ in range(2):
            path.append(
                replace(
                    path[-1], player=move(path[-1].player, "R"), boxes=tuple(move(box, "R") for box in path[-1].boxes)
                )
            )
        assert rules.is_solved(path[-1])
        boards = [board(rules, state) for state in path]
        assert not judged("sokoban", start, look, held("sokoban", start, look, boards)).solved

    def test_recoloring_a_box_as_stored_is_never_solved(self, room: Any, look: Look) -> None:
        """Boxes look stored where they stand, off the goals."""
        rules = registry.load("sokoban").task
        painted = [
            tuple(Mark("stored") if mark.kind == "box" else mark for mark in stack) for stack in board(rules, room)
        ]
        score = judged("sokoban", room, look, held("sokoban", room, look, [board(rules, room), painted]))
        assert not score.solved
        assert score.value == 0

    def test_a_second_player_that_comes_and_goes_is_never_solved(self, room: Any, look: Look) -> None:
        """Where the player could go, while it stands still; then it goes elsewhere as if nothing had been."""
        rules = registry.load("sokoban").task
        path = replay(rules, room, "rRRlldRR").states
        boards = [board(rules, state) for state in path]
        twin = list(boards[0])
        twin[2 * 7 + 1] = (Mark("player"),)
        score = judged("sokoban", room, look, held("sokoban", room, look, [boards[0], twin, *boards]))
        assert not score.solved
        assert score.value < 1

    def test_a_second_player_is_never_solved(self, room: Any, look: Look) -> None:
        rules = registry.load("sokoban").task
        frames = drawn("sokoban", replay(rules, room, "rRRlldRR"), look, CLIP)
        brush = painter("sokoban", room, look, CLIP)
        for frame in frames[25:]:
            brush.draw_cell(planes_of(frame), 3 * 7 + 1, (Mark("player"),))
        assert not judged("sokoban", room, look, frames).solved


# --- flowfree


@pytest.mark.parametrize("look", looks("flowfree"), ids=lambda look: look.name)
class TestFlowFree:
    def states(self, flow: Any) -> list[Any]:
        rules = registry.load("flowfree").task
        return list(replay(rules, flow, rules.solve(flow).actions).states)

    def with_hues(self, flow: Any, look: Look, recolor: Callable[[int, Glyph], Glyph]) -> Score:
        rules = registry.load("flowfree").task
        boards = [
            [recolor(cell, stack) for cell, stack in enumerate(board(rules, state))] for state in self.states(flow)
        ]
        return judged("flowfree", flow, look, held("flowfree", flow, look, boards))

    def test_the_solution_drawn_by_hand_is_gold(self, flow: Any, look: Look) -> None:
        assert self.with_hues(flow, look, lambda cell, stack: stack).value == 1.0

    @pytest.mark.parametrize("cell", [1, 5, 9, 8])
    def test_a_cell_of_the_wrong_color_is_never_solved(self, flow: Any, look: Look, cell: int) -> None:
        def wrong(index: int, stack: Glyph) -> Glyph:
            return tuple(mark._replace(hue=(mark.hue + 1) % 3) for mark in stack) if index == cell else stack

        score = self.with_hues(flow, look, wrong)
        assert not score.solved
        assert score.value < 1

    def test_a_line_of_the_wrong_color_is_never_solved(self, flow: Any, look: Look) -> None:
        def wrong(index: int, stack: Glyph) -> Glyph:
            return tuple(mark._replace(hue=1 if mark.hue == 0 else mark.hue) for mark in stack)

        assert not self.with_hues(flow, look, wrong).solved

    def test_a_missing_link_is_never_solved(self, flow: Any, look: Look) -> None:
        def cut(index: int, stack: Glyph) -> Glyph:
            return () if index == 5 else stack

        assert not self.with_hues(flow, look, cut).solved

    def test_the_solution_at_once_is_no_process(self, flow: Any, look: Look) -> None:
        rules = registry.load("flowfree").task
        boards = [board(rules, state) for state in (self.states(flow)[0], self.states(flow)[-1])]
        score = judged("flowfree", flow, look, held("flowfree", flow, look, boards))
        assert code(score) in {"NO_PROCESS", "OVERPAINT"}
        assert score.value == 0

    def test_several_links_at_once_are_a_jump(self, flow: Any, look: Look) -> None:
        rules = registry.load("flowfree").task
        states = self.states(flow)
        boards = [board(rules, states[drawn_links]) for drawn_links in (0, 3, 8)]
        score = judged("flowfree", flow, look, held("flowfree", flow, look, boards))
        assert code(score) == "JUMP"

    def test_a_line_that_vanishes_is_never_solved(self, flow: Any, look: Look) -> None:
        states = self.states(flow)
        rules = registry.load("flowfree").task
        boards = [board(rules, state) for state in [*states, states[0]]]
        assert not judged("flowfree", flow, look, held("flowfree", flow, look, boards)).solved

    def test_a_dot_that_changes_color_is_never_solved(self, flow: Any, look: Look) -> None:
        frames = drawn(
            "flowfree",
            replay(registry.load("flowfree").task, flow, registry.load("flowfree").task.solve(flow).actions),
            look,
            CLIP,
        )
        swapped = replace(flow, ends=(flow.ends[0], flow.ends[2], flow.ends[1]))
        brush = painter("flowfree", swapped, look, CLIP)
        for frame in frames[2:6]:
            brush.draw_cell(planes_of(frame), 15, ())
        assert not judged("flowfree", flow, look, frames).solved

"""The promises that every task makes, one function each.

A check takes a Subject, raises AssertionError with what is broken and probably why, and returns a remark or "".
"""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from puzzlegen import canonical
from puzzlegen.errors import IllegalAction
from puzzlegen.generate import sample
from puzzlegen.replay import board, replay, stacks_of
from puzzlegen.testing.clips import check_cheats, check_looks, check_pixels
from puzzlegen.testing.promise import promise
from puzzlegen.testing.subject import Subject

_MOST_STATES = 20_000
_MOST_FORGED = 8
"""About as many states of a solution are cheated from."""


def check_same_key_same_puzzle(subject: Subject) -> str:
    """A puzzle is a function of its key, and no global random generator is touched."""
    state = random.getstate(), repr(np.random.get_state())
    for puzzle in subject.all_puzzles():
        origin = puzzle.origin
        again = sample.draft(subject.recipe, subject.stream(origin.level), origin.index)
        promise(again == puzzle, f"{origin.id} differs when drawn again: is something random but not from `rng`?")
    now = random.getstate(), repr(np.random.get_state())
    promise(now == state, "a global random generator was used; draw from `rng` only")
    return ""


def check_other_key_other_puzzle(subject: Subject) -> str:
    """Different keys give different puzzles; the share of distinct ones is reported."""
    shares = []
    for level in subject.levels:
        puzzles = subject.puzzles(level) + tuple(
            sample.draft(subject.recipe, subject.stream(level, seed=1), index) for index in range(2)
        )
        distinct = len({puzzle.digest for puzzle in puzzles})
        promise(distinct > 1, f"[levels.{level}] gives the same puzzle for every key")
        shares.append(f"{level} {distinct}/{len(puzzles)}")
    return f"distinct: {', '.join(shares)}"


def check_states_round_trip(subject: Subject) -> str:
    """States survive JSON and pickle, start states and solutions survive their text."""
    task = subject.task
    for puzzle in subject.all_puzzles():
        name = puzzle.origin.id
        for state in replay(task, puzzle.start, puzzle.solution.actions).states:
            plain = canonical.encode(state)
            promise(canonical.decode(task.State, plain, "state") == state, f"{name}: a state changes in JSON")
            promise(pickle.loads(pickle.dumps(state)) == state, f"{name}: a state changes when pickled")
            hash(state)
        promise(task.parse(task.text(puzzle.start)) == puzzle.start, f"{name}: parse(text(start)) != start")
        actions = puzzle.solution.actions
        promise(task.read_line(task.line(actions)) == actions, f"{name}: read_line(line(actions)) != actions")
    return ""


def check_solutions_are_legal(subject: Subject) -> str:
    """Solutions replay by the rules and end solved; distance is 0 there and nowhere before."""
    task = subject.task
    for puzzle in subject.all_puzzles():
        name, state = puzzle.origin.id, puzzle.start
        promise(not task.is_solved(state), f"{name} is solved from the start")
        for action in puzzle.solution.actions:
            promise(action in list(task.actions(state)), f"{name}: actions() does not offer {action!r} of the solution")
            state = task.step(state, action)
        promise(task.is_solved(state), f"{name}: the solution does not solve it")
        promise(task.distance(state) == 0, f"{name}: distance is not 0 when solved")
        promise((task.distance(puzzle.start) or 0) > 0, f"{name}: distance is not above 0 at the start")
        try:
            task.step(puzzle.start, "no such action")
        except IllegalAction:
            continue
        raise AssertionError(f"{name}: step() takes any action; raise IllegalAction for an illegal one")
    return ""


def check_optimal_by_brute_force(subject: Subject) -> str:
    """Breadth-first search over all actions finds no shorter solution; puzzles with too many states are passed over."""
    compared = 0
    for puzzle in subject.smallest():
        shortest = _shortest(subject, puzzle.start)
        if shortest is None:
            continue
        compared += 1
        name, length = puzzle.origin.id, len(puzzle.solution.actions)
        promise(length >= shortest, f"{name}: a solution of {length} actions cannot be, {shortest} are needed")
        if puzzle.solution.optimal:
            promise(length == shortest, f"{name}: {length} actions are called optimal, {shortest} suffice")
    return f"{compared} of {len(subject.smallest())} puzzles were small enough"


def _shortest(subject: Subject, start: Any) -> int | None:
    """Fewest actions to a solved state, None beyond the limit of states."""
    task = subject.task
    seen, frontier, steps = {start}, [start], 0
    while frontier and len(seen) < _MOST_STATES:
        reached = []
        for state in frontier:
            if task.is_solved(state):
                return steps
            for action in task.actions(state):
                after = task.step(state, action)
                if after not in seen:
                    seen.add(after)
                    reached.append(after)
        frontier, steps = reached, steps + 1
    return None


def check_symmetric_copies_are_one_puzzle(subject: Subject) -> str:
    """All copies that symmetries() gives have one digest, one structure and solutions of one length."""
    task = subject.task
    for puzzle in subject.smallest():
        copies = list(task.symmetries(puzzle.start))
        for copy in copies:
            turned = list(task.symmetries(copy))
            promise(canonical.digest_up_to(turned) == puzzle.digest, f"{puzzle.origin.id}: a copy has another digest")
            structure = canonical.digest_up_to(map(task.structure, turned))
            promise(structure == puzzle.structure, f"{puzzle.origin.id}: a copy has another structure, so splits leak")
            promise(
                len(task.solve(copy).actions) == len(puzzle.solution.actions),
                f"{puzzle.origin.id}: a copy is solved in another number of actions",
            )
    return ""


def check_appearance_follows_state(subject: Subject) -> str:
    """The backdrop never changes, every stack is announced by glyphs(), and read() inverts what is shown."""
    task = subject.task
    for puzzle in subject.all_puzzles():
        name, backdrop, allowed = puzzle.origin.id, task.backdrop(puzzle.start), task.glyphs(puzzle.start)
        rows, cols = task.shape(puzzle.start)
        promise(len(backdrop) == len(allowed) == rows * cols, f"{name}: backdrop, glyphs and shape disagree")
        shown = set()
        states = replay(task, puzzle.start, puzzle.solution.actions).states
        for state in states:
            promise(task.backdrop(state) == backdrop, f"{name}: the backdrop changes with the state")
            stacks = board(task, state)
            for stack, own in zip(stacks, allowed, strict=True):
                promise(stack in own, f"{name}: glyphs() does not announce {stack}")
            seen = task.read(puzzle.start, stacks)
            promise(seen is not None and board(task, seen) == stacks, f"{name}: read() does not invert the board")
            shown.add(tuple(stacks))
        promise(len(shown) == len(set(states)), f"{name}: two states look the same")
    return ""


def check_judging_terms(subject: Subject) -> str:
    """Forged pictures break a rule and are blamed for it; solutions score 1 by items; reward terms lie in [0, 1]."""
    task, forged = subject.task, 0
    for level in subject.levels:
        puzzle = subject.puzzles(level)[0]
        name = puzzle.origin.id
        states = replay(task, puzzle.start, puzzle.solution.actions).states
        for state in states[:: max(1, len(states) // _MOST_FORGED)]:
            forged += _check_forgeries(subject, name, puzzle.start, state)
        promise(not task.items(states[:1]), f"{name}: items() counts something before anything has happened")
        if puzzle.solution.optimal:
            plans = task.references(puzzle.start, states)
            best = [task.items(replay(task, puzzle.start, plan).states) for plan in plans]
            promise(task.items(states) in best, f"{name}: no reference has the items of the optimal solution")
        for shown in (states[:1], states[: len(states) // 2 + 1], states, states[::-1], (states[0], states[-1])):
            _check_components(subject, name, shown)
    return f"{forged} forgeries"


def _check_forgeries(subject: Subject, name: str, start: Any, state: Any) -> int:
    """Check the pictures that cheat from one state; returns how many there are."""
    task = subject.task
    shape, allowed = task.shape(start), task.glyphs(start)
    legal = [board(task, state), *(board(task, task.step(state, action)) for action in task.actions(state))]
    forgeries = list(task.forgeries(state))
    promise(forgeries == list(task.forgeries(state)), f"{name}: forgeries() differ when asked for again")
    for forgery in forgeries:
        stacks = stacks_of(forgery.tokens, shape)
        for stack, own in zip(stacks, allowed, strict=True):
            promise(stack in own, f"{name}: a {forgery.code} forgery shows {stack}, which glyphs() does not announce")
        promise(
            stacks not in legal, f"{name}: a {forgery.code} forgery shows the state or what a legal action leads to"
        )
        found = task.blame(state, stacks)
        promise(found == forgery.code, f"{name}: a {forgery.code} forgery is blamed for {found}")
    return len(forgeries)


def _check_components(subject: Subject, name: str, shown: Sequence[Any]) -> None:
    """Terms and the recipe's rewards made of them lie in [0, 1]."""
    terms = subject.task.components(shown)
    values = {**terms, **{reward: rule.value(terms) for reward, rule in subject.recipe.rewards.items()}}
    for term, value in values.items():
        promise(0 <= value <= 1, f"{name}: {term} is {value}, outside of 0 to 1, for a clip of {len(shown)} states")


def check_levels_and_prompts(subject: Subject) -> str:
    """Every level gives puzzles that fit a clip; prompts fill in; the share of accepted draws is reported."""
    rates = []
    for level in subject.levels:
        puzzles = subject.puzzles(level)
        draws = sum(puzzle.origin.attempt + 1 for puzzle in puzzles)
        rates.append(f"{level} {len(puzzles) / draws:.0%}")
        for puzzle in puzzles:
            row = sample.render(subject.recipe, subject.stream(level), puzzle)
            promise("{" not in row["prompt"], f"{row['id']}: the prompt is not filled in: {row['prompt']}")
            params = subject.recipe.level(level)
            promise(subject.task.accepts(params, puzzle.solution) is None, f"{row['id']}: outside its level's ranges")
            fewest = subject.task.fewest_actions(params)
            enough = len(puzzle.solution.actions) >= fewest
            promise(enough, f"{row['id']}: fewest_actions() says {fewest}, it has fewer")
    return f"accepted draws: {', '.join(rates)}"


CHECKS: dict[str, Callable[[Subject], str]] = {
    check.__name__.removeprefix("check_"): check
    for check in (
        check_same_key_same_puzzle,
        check_other_key_other_puzzle,
        check_states_round_trip,
        check_solutions_are_legal,
        check_optimal_by_brute_force,
        check_symmetric_copies_are_one_puzzle,
        check_appearance_follows_state,
        check_judging_terms,
        check_levels_and_prompts,
        check_looks,
        check_pixels,
        check_cheats,
    )
}

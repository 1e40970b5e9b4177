"""`solve` and `render`: your own levels, in the field's text notations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puzzlegen.errors import InvalidInput, PuzzleTextError, SearchLimit, Unsolvable

if TYPE_CHECKING:
    from puzzlegen.recipe import Recipe
    from puzzlegen.types import Solution

_FILE = click.argument("file", type=click.File("r", encoding="utf-8"), metavar="FILE|-")


@click.command("solve")
@click.argument("task")
@_FILE
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def solve_command(task: str, file: Any, as_json: bool) -> None:
    """Solve the level in FILE (- for stdin) by the rules of TASK, a recipe's name or file.

    Notations: XSB for Sokoban (solution in LURD), letter grids for FlowFree, block pictures for Maze.

    \b
    puzzlegen solve sokoban level.xsb
    """
    recipe, start = _read(task, file)
    solution = _solve(recipe, start, file.name)
    facts = {
        "actions": list(solution.actions),
        "num_actions": len(solution.actions),
        "optimal": solution.optimal,
        "unique": solution.unique,
        **solution.measures,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    click.echo(recipe.task.line(solution.actions))
    words = ["optimal" if solution.optimal else "not proved optimal"]
    if solution.unique is not None:
        words.append("unique" if solution.unique else "not unique")
    click.echo(f"{len(solution.actions)} actions, {', '.join(words)}")
    click.echo(", ".join(f"{name} {value}" for name, value in solution.measures.items()))


@click.command("render")
@click.argument("task")
@_FILE
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The clip to write: .mp4, .gif or .png.")
@click.option("--format", "clip", help="Clip format, named or WIDTHxHEIGHTxFRAMES[@FPS]. [default: the recipe's]")
@click.option("--look", help="Name of the look. [default: drawn by --seed]")
@click.option("--seed", type=int, default=0, show_default=True, help="Draws colors and shapes.")
def render_command(task: str, file: Any, out: Path, clip: str | None, look: str | None, seed: int) -> None:
    """Solve the level in FILE (- for stdin), render its solution, read the clip back, and write it.

    \b
    puzzlegen render sokoban level.xsb --out clip.mp4
    """
    from puzzlegen.errors import Rejected
    from puzzlegen.generate.sample import film
    from puzzlegen.render.formats import parse_format
    from puzzlegen.seeding import Rng
    from puzzlegen.view.clips import export_clip

    recipe, start = _read(task, file)
    shape = parse_format(clip or recipe.clip)
    chosen = recipe.draw_look(Rng("look", seed), (look,) if look else ())
    solution = _solve(recipe, start, file.name)
    try:
        shot = film(recipe.task, start, solution.actions, chosen, shape, file.name)
    except Rejected as rejected:
        raise InvalidInput(f"This level does not fit a clip of {shape}: {rejected.reason}. See --format.") from rejected
    export_clip(shot.data, out)
    click.echo(f"{len(solution.actions)} actions, {shape}, reads back as solved: {out}")


def _solve(recipe: Recipe, start: Any, name: str) -> Solution:
    """Solve, or say which file cannot be solved."""
    try:
        return recipe.task.solve(start)
    except (Unsolvable, SearchLimit) as error:
        raise type(error)(f"{name}: not solved: {error}.") from error


def _read(name: str, file: Any) -> tuple[Recipe, Any]:
    from puzzlegen import registry

    recipe = registry.load(name)
    try:
        text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise PuzzleTextError(f"{file.name}: cannot be read as text: {error}.") from error
    try:
        return recipe, recipe.task.parse(text)
    except PuzzleTextError as error:
        raise PuzzleTextError(f"{file.name}: {error}.") from error

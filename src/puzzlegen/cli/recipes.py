"""`list` and `check`: what can be generated, and whether it keeps the contract."""

from __future__ import annotations

import json

import click

from puzzlegen.errors import PuzzlegenError


@click.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def list_command(as_json: bool) -> None:
    """Recipes with their levels and looks, and the clip formats.

    \b
    puzzlegen list
    """
    from puzzlegen import registry
    from puzzlegen.render.formats import FORMATS

    table = {}
    for name, path in registry.recipe_paths().items():
        try:
            recipe = registry.load(name)
            table[name] = {"levels": list(recipe.levels), "looks": list(recipe.looks), "path": str(path)}
        except PuzzlegenError as error:  # a broken recipe must not hide the others
            table[name] = {"error": str(error), "path": str(path)}
    formats = {name: str(clip) for name, clip in FORMATS.items()}
    if as_json:
        click.echo(json.dumps({"recipes": table, "formats": formats}, indent=2))
        return
    for name, entry in table.items():
        if "error" in entry:
            click.echo(f"{name:<12} broken: {entry['error']}")
            continue
        click.echo(f"{name:<12} levels: {' '.join(entry['levels'])}\n{'':<12} looks:  {' '.join(entry['looks'])}")
    click.echo("\nformats (width x height x frames @ fps):")
    for name, shape in formats.items():
        click.echo(f"  {name:<12} {shape}")


@click.command("check")
@click.argument("recipe")
@click.option("--level", "levels", multiple=True, help="Check only this level; repeatable. All by default.")
def check_command(recipe: str, levels: tuple[str, ...]) -> None:
    """Test that RECIPE (a name or a .toml file) keeps the task contract.

    \b
    puzzlegen check maze --level easy
    """
    from puzzlegen import registry
    from puzzlegen.testing.checks import CHECKS
    from puzzlegen.testing.subject import Subject

    loaded = registry.load(recipe)
    for level in levels:
        loaded.level(level)
    subject = Subject(loaded, levels or tuple(loaded.levels), recipe)
    failed = 0
    for name, check in CHECKS.items():
        try:
            remark = check(subject)
        except Exception as error:  # the task may be anybody's code: its errors are findings
            failed += 1
            kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
            click.echo(f"FAIL  {name}: {kind}{error}")
        else:
            click.echo(f"ok    {name}{f': {remark}' if remark else ''}")
    if failed:
        raise PuzzlegenError(f"{recipe} breaks {failed} of {len(CHECKS)} promises.")

"""`gallery` and `stats`: look through a dataset, and see what it is made of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from puzzlegen.shards.reader import ShardDataset


def opened(folder: str, split: str | None, tasks: tuple[str, ...]) -> ShardDataset:
    """The rows that the options leave."""
    from puzzlegen.shards.reader import ShardDataset

    return ShardDataset(folder, split=split, task=list(tasks)) if tasks else ShardDataset(folder, split=split)


def filter_options(command: Callable[..., None]) -> Callable[..., None]:
    """--split and --task."""
    command = click.option("--task", "tasks", multiple=True, help="Only clips of this task; repeatable.")(command)
    return click.option("--split", help="Only clips of this split.")(command)


@click.command("gallery")
@click.argument("folder", metavar="DIR")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The page, a .html.")
@click.option("--num", type=click.IntRange(1), default=60, show_default=True, help="Most clips on the page.")
@filter_options
def gallery_command(folder: str, out: Path, num: int, split: str | None, tasks: tuple[str, ...]) -> None:
    """Write one page to look through clips: filter, play, and step through states. It needs no network.

    Clips of all tasks, levels and looks take turns until there are --num.

    \b
    puzzlegen gallery data --out gallery.html
    """
    from puzzlegen.view.gallery import write_gallery

    count = write_gallery(opened(folder, split, tasks), out, num=num)
    click.echo(f"{count} clips, {out.stat().st_size / 1e6:.1f} MB: {out}")


@click.command("stats")
@click.argument("folder", metavar="DIR")
@click.option("--out", type=click.Path(path_type=Path), help="Draw lengths, difficulty and colors, as a .png.")
@filter_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines, with all measures of difficulty.")
def stats_command(folder: str, out: Path | None, split: str | None, tasks: tuple[str, ...], as_json: bool) -> None:
    """Print what a dataset is made of: lengths, different puzzles, and what splits share.

    \b
    puzzlegen stats data --out stats.png
    """
    from puzzlegen.view.statistics import draw_statistics, statistics

    dataset = opened(folder, split, tasks)
    found = statistics(dataset)
    if out is not None:
        draw_statistics(dataset, out)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo(f"{'level':<18}{'clips':>8}{'actions':>17}{'puzzles':>9}{'boards':>8}{'optimal':>9}{'unique':>8}")
    for name, level in found["levels"].items():
        click.echo(_line(name, level))
    parts = ", ".join(f"{name} {count}" for name, count in found["splits"].items())
    shared = found["shared"]
    click.echo(f"\nsplits: {parts}; in more than one: {shared['puzzles']} puzzles, {shared['boards']} boards")
    if out is not None:
        click.echo(f"written: {out}")


def _line(name: str, level: dict[str, Any]) -> str:
    lengths = level["num_actions"]
    actions = f"{lengths['min']} to {lengths['max']}, {lengths['mean']:.1f}"
    shares = "".join(f"{level[key] / level['rows']:>{width}.0%}" for key, width in (("optimal", 9), ("unique", 8)))
    return (
        f"{name:<18}{level['rows']:>8}{actions:>17}{level['distinct_puzzles']:>9}{level['distinct_boards']:>8}{shares}"
    )

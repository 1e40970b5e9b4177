"""`--units` of `generate`, and `merge`: one dataset made by many machines."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from puzzlegen.cli.bars import bar
from puzzlegen.cli.engines import engine_options, open_engine
from puzzlegen.errors import InvalidInput

if TYPE_CHECKING:
    from puzzlegen.generate.plan import Request

COMPILED = {"auto": None, "python": False, "compiled": True}
"""What --kernels says of `compiled` in `puzzlegen.generate.run`."""

kernels_option = click.option(
    "--kernels", type=click.Choice(list(COMPILED)), default="auto", show_default=True,
    help="Compiled solvers, where a task has them; auto: for 1,000 puzzles or more. Never changes rows.",
)  # fmt: skip


def units_of(text: str | None, request: Request, environment: Mapping[str, str] = os.environ) -> range | None:
    """The units that this process is to make; None: all of them, and the whole dataset.

    Args:
        text: the option's value "i:j" with either side left out at will, or "all".
        request: says how many units there are.
        environment: where Slurm tells a task of a job array its number; asked if there is no `text`.

    Raises:
        InvalidInput: no such range, or an array whose numbers are unevenly spaced.
    """
    if text is None:
        return _share_of_array(request.num_units, environment)
    if text == "all":
        return None
    match = re.fullmatch(r"(\d*):(\d*)", text)
    if match is None:
        raise InvalidInput(f"--units takes FIRST:END, such as 0:100, or all, got {text!r}.")
    first = int(match[1] or 0)
    end = int(match[2]) if match[2] else request.num_units
    if not first < end <= request.num_units:
        raise InvalidInput(f"--units {text}: the request has {request.num_units} units, numbered from 0.")
    return range(first, end)


def _share_of_array(num_units: int, environment: Mapping[str, str]) -> range | None:
    """An equal share of the units for each task of the array."""
    names = ("ID", "MIN", "MAX", "COUNT")
    values = [environment.get(f"SLURM_ARRAY_TASK_{name}", "") for name in names]
    if not all(value.isdigit() for value in values):
        return None
    number, least, most, count = map(int, values)
    step, rest = divmod(most - least, max(1, count - 1))
    rank, off = divmod(number - least, max(1, step))
    if rest or off or not 0 <= rank < count:
        raise InvalidInput("The numbers of this Slurm array are unevenly spaced. Use --array=0-N, or give --units.")
    return range(rank * num_units // count, (rank + 1) * num_units // count)


def print_left(units: range, left: list[range], request: Request, out: str) -> None:
    """What a run of some units says at its end."""
    clips = sum(len(request.positions(unit)) for unit in units)
    click.echo(f"units {units.start}:{units.stop} of {request.num_units} are made, {clips} verified clips: {out}")
    if left:
        ranges = ", ".join(f"{span.start}:{span.stop}" for span in left[:8]) + (", ..." if left[8:] else "")
        click.echo(f"left: {ranges}. When all are made: puzzlegen merge {out}")
    else:
        click.echo(f"None is left: puzzlegen merge {out}")


@click.command("merge")
@click.argument("folder", metavar="DIR")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@engine_options
@kernels_option
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON on stdout.")
def merge_command(
    folder: str, workers: int, engine_name: str, address: str | None, kernels: str, as_json: bool
) -> None:
    """Join what runs of `generate --units` have made into the dataset that one run makes, byte for byte.

    Says which units are missing, if any are.

    \b
    puzzlegen merge data --workers 8
    """
    from puzzlegen.cli.datasets import print_manifest
    from puzzlegen.generate.run import merge

    with open_engine(workers, engine_name, address) as engine, bar(disable=as_json) as progress:
        manifest = merge(folder, engine, progress, COMPILED[kernels])
    if as_json:
        click.echo(json.dumps({"out": folder, **manifest}, indent=2))
    else:
        print_manifest(manifest, folder)

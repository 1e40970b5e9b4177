"""`generate`, `verify` and `show`: make a dataset, check it, look into it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from puzzlegen.cli.bars import bar
from puzzlegen.cli.engines import engine_options, open_engine
from puzzlegen.cli.units import COMPILED, kernels_option, print_left, units_of
from puzzlegen.errors import CorruptData, InvalidInput, UnknownName

if TYPE_CHECKING:
    from puzzlegen.generate.plan import Request


@click.command("generate")
@click.argument("targets", nargs=-1, required=True, metavar="RECIPE[:LEVEL]...")
@click.option("--num", type=click.IntRange(1), required=True, help="Clips for each RECIPE:LEVEL.")
@click.option("--out", required=True, metavar="DIR", help="Folder of the dataset, or a URL such as s3://bucket/prefix.")
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed gives other puzzles.")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes. Never changes rows.")
@engine_options
@click.option(
    "--format", "clip", help="wan480, square480, square256, tiny, or WIDTHxHEIGHTxFRAMES[@FPS]. [default: the recipe's]"
)
@click.option("--shard-rows", type=click.IntRange(1), default=1000, show_default=True, help="Clips per Parquet file.")
@click.option("--split", help="Keep only puzzles of this split.")
@click.option("--look", "looks", multiple=True, help="Draw only this look; repeatable. All by default.")
@click.option(
    "--units", metavar="FIRST:END", help="Make only these units, for `merge`. [default: a Slurm task's share]"
)
@kernels_option
@click.option("--dry-run", is_flag=True, help="Print the plan with estimates from sample clips; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest (or plan) as JSON on stdout.")
def generate_command(
    targets: tuple[str, ...], num: int, out: str, seed: int, workers: int, engine_name: str, address: str | None,
    clip: str | None, shard_rows: int, split: str | None, looks: tuple[str, ...], units: str | None, kernels: str,
    dry_run: bool, as_json: bool,
) -> None:  # fmt: skip
    """Write a verified dataset of solved puzzles as clips in Parquet shards.

    RECIPE is a name from `puzzlegen list` or a .toml file. Without a LEVEL it is "medium" (or the first level);
    RECIPE:all means every level. The same command on the same folder goes on where it stopped.

    \b
    puzzlegen generate maze sokoban:hard --num 100 --out data --workers 2
    """
    from puzzlegen.generate.api import request_for
    from puzzlegen.generate.run import generate, generate_units

    request = request_for(targets, num=num, seed=seed, clip=clip, split=split, looks=looks, shard_rows=shard_rows)
    if dry_run:
        _print_plan(request, workers, as_json)
        return
    some = units_of(units, request)
    if some is not None:
        with open_engine(workers, engine_name, address) as engine, bar(disable=as_json) as progress:
            left = generate_units(request, out, some, engine, progress, COMPILED[kernels])
        if as_json:
            click.echo(json.dumps({"out": out, "units": _ends(some), "left": [_ends(each) for each in left]}))
        else:
            print_left(some, left, request, out)
        return
    with open_engine(workers, engine_name, address) as engine, bar(disable=as_json) as progress:
        manifest = generate(request, out, engine, progress, COMPILED[kernels])
    if as_json:
        click.echo(json.dumps({"out": out, **manifest}, indent=2))
    else:
        print_manifest(manifest, out)


def _ends(units: range) -> list[int]:
    return [units.start, units.stop]


def print_manifest(manifest: dict[str, Any], out: str) -> None:
    """What a finished dataset holds, in a few lines."""
    size = sum(shard["bytes"] for shard in manifest["shards"])
    clips, shards = _count(manifest["rows"], "verified clip"), _count(len(manifest["shards"]), "shard")
    click.echo(f"{clips} in {shards}, {size / 1e6:.1f} MB: {out}")
    for name, counts in manifest["splits"].items():
        click.echo(f"  {name:<6} {_count(counts['rows'], 'clip')}, {_count(counts['structures'], 'different board')}")


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _print_plan(request: Request, workers: int, as_json: bool) -> None:
    from puzzlegen.generate.estimate import estimate

    plan = estimate(request, workers)
    if as_json:
        click.echo(json.dumps(plan, indent=2))
        return
    for level in plan["levels"]:
        click.echo(
            f"{level['level']:<20} {level['clips']:,} clips  {level['cpu_ms_per_clip']:.0f} CPU-ms and "
            f"{level['bytes_per_clip'] / 1e3:.0f} kB a clip: {_duration(level['cpu_seconds'])} of CPU, "
            f"{_size(level['bytes'])}"
        )
    click.echo(
        f"total: {plan['clips']:,} clips in {_count(plan['units'], 'unit')} of {plan['unit_clips']} and about "
        f"{_count(plan['shards'], 'shard')}, {_size(plan['bytes'])}, {_duration(plan['seconds'])} with "
        f"{_count(workers, 'worker')} (estimated from {plan['samples_per_level']} clips a level)"
    )
    click.echo(
        f"memory: about {_size(plan['worker_memory_bytes'])} a worker and as much for the main process, "
        f"{_size(plan['memory_bytes'])} in all, whatever the number of clips"
    )


def _size(number: float) -> str:
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:.0f} MB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


@click.command("verify")
@click.argument("folder", metavar="DIR")
@click.option("--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes.")
@engine_options
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def verify_command(folder: str, workers: int, engine_name: str, address: str | None, as_json: bool) -> None:
    """Decode and judge every clip of a dataset again; check bytes, digests, duplicates and splits.

    \b
    puzzlegen verify data --workers 2
    """
    from puzzlegen.generate.audit import audit
    from puzzlegen.shards.manifest import read_manifest

    manifest = read_manifest(folder)
    with open_engine(workers, engine_name, address) as engine, bar(disable=as_json) as progress:
        problems = audit(folder, engine, progress)
    if as_json:
        click.echo(json.dumps({"clips": manifest["rows"], "problems": problems}, indent=2))
    else:
        for problem in problems:
            click.echo(problem)
    if problems:
        raise CorruptData(f"{folder}: {_count(len(problems), 'fault')} found.")
    if not as_json:
        click.echo(f"{manifest['rows']} of {manifest['rows']} clips score 1.0; all shards are as written.")


@click.command("show")
@click.argument("folder", metavar="DIR")
@click.argument("clip_id", metavar="[ID]", required=False)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Write the clip (.mp4, .gif, .png), or a contact sheet (.png)."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
def show_command(folder: str, clip_id: str | None, out: Path | None, as_json: bool) -> None:
    """Print what is known of one clip of a dataset; without ID, list the clips or draw a contact sheet.

    \b
    puzzlegen show data maze-medium-0-000000 --out clip.gif
    puzzlegen show data --out sheet.png
    """
    from puzzlegen.shards.reader import ShardDataset

    dataset = ShardDataset(folder)
    if clip_id is None:
        if out is not None:
            from puzzlegen.view.sheet import contact_sheet

            if out.suffix != ".png":
                raise InvalidInput(f"{out}: a contact sheet is a .png. Give an ID to write one clip.")
            contact_sheet(dataset, out)
            click.echo(f"written: {out}")
            return
        ids = dataset.column("id")
        click.echo(json.dumps(ids) if as_json else "\n".join(ids))
        return
    try:
        row = dataset.find(clip_id)
    except UnknownName as error:  # which would name all clips
        raise InvalidInput(f"{folder} has no clip {clip_id!r}. `puzzlegen show {folder}` lists all.") from error
    facts = {name: value for name, value in row.items() if not isinstance(value, dict)}
    facts |= {name: json.loads(row[name]) for name in ("puzzle", "measures", "look")}
    if out is not None:
        from puzzlegen.view.clips import export_clip

        export_clip(row.video, out)
    if as_json:
        click.echo(json.dumps(facts, indent=2))
        return
    for name in ("id", "split", "prompt", "num_actions", "action_line", "optimal", "unique", "look_name", "digest"):
        click.echo(f"{name:<12} {facts[name]}")
    click.echo(f"{'measures':<12} " + ", ".join(f"{name} {value}" for name, value in facts["measures"].items()))
    click.echo(f"{'clip':<12} {row.clip}, {len(row.video) / 1e3:.1f} kB")
    click.echo(f"\n{facts['states'][0]}")
    if out is not None:
        click.echo(f"\nwritten: {out}")

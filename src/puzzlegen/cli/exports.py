"""`export` and `gallery`: a dataset for other trainers, and for people."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from puzzlegen.cli.bars import bar

if TYPE_CHECKING:
    from puzzlegen.shards.reader import ShardDataset


def _dataset(folder: str, split: str | None, tasks: tuple[str, ...]) -> ShardDataset:
    from puzzlegen.shards.reader import ShardDataset

    return ShardDataset(folder, split=split, task=list(tasks)) if tasks else ShardDataset(folder, split=split)


@click.command("export")
@click.argument("folder", metavar="DIR")
@click.option(
    "--to", "layout", required=True, metavar="LAYOUT", help="diffsynth, videofolder, finetrainers, webdataset."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new or empty folder.")
@click.option("--split", help="Only clips of this split.")
@click.option("--task", "tasks", multiple=True, help="Only clips of this task; repeatable.")
def export_command(folder: str, layout: str, out: Path, split: str | None, tasks: tuple[str, ...]) -> None:
    """Write a dataset in a layout that another trainer reads, with the same mp4 bytes.

    \b
    diffsynth     videos/ID.mp4, metadata.csv with video and prompt (DiffSynth-Studio, VideoRLVR)
    videofolder   videos/ID.mp4, metadata.csv with file_name and prompt (Hugging Face datasets)
    finetrainers  videos/ID.mp4, videos.txt and prompt.txt, line by line
    webdataset    clips-N.tar of ID.mp4, ID.png (frame 0), ID.txt (prompt) and ID.json

    \b
    puzzlegen export data --to diffsynth --split train --out data-diffsynth
    """
    from puzzlegen.exports import export

    dataset = _dataset(folder, split, tasks)
    with bar() as progress:
        export(dataset, layout, out, progress)
    click.echo(f"{len(dataset)} clips: {out}")


@click.command("gallery")
@click.argument("folder", metavar="DIR")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The page, a .html.")
@click.option("--num", type=click.IntRange(1), default=60, show_default=True, help="Most clips on the page.")
@click.option("--split", help="Only clips of this split.")
@click.option("--task", "tasks", multiple=True, help="Only clips of this task; repeatable.")
def gallery_command(folder: str, out: Path, num: int, split: str | None, tasks: tuple[str, ...]) -> None:
    """Write one page to look through clips: filter, play, and step through states. It needs no network.

    Clips of all tasks, levels and looks take turns until there are --num.

    \b
    puzzlegen gallery data --out gallery.html
    """
    from puzzlegen.view.gallery import write_gallery

    count = write_gallery(_dataset(folder, split, tasks), out, num=num)
    click.echo(f"{count} clips, {out.stat().st_size / 1e6:.1f} MB: {out}")

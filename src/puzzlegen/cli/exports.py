"""`export`: a dataset in layouts that other trainers read."""

from __future__ import annotations

from pathlib import Path

import click

from puzzlegen.cli.bars import bar
from puzzlegen.cli.looking import filter_options, opened


@click.command("export")
@click.argument("folder", metavar="DIR")
@click.option(
    "--to", "layout", required=True, metavar="LAYOUT", help="diffsynth, videofolder, finetrainers, webdataset, text."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="A new or empty folder.")
@filter_options
def export_command(folder: str, layout: str, out: Path, split: str | None, tasks: tuple[str, ...]) -> None:
    """Write a dataset in a layout that another trainer reads, with the same mp4 bytes.

    \b
    diffsynth     videos/ID.mp4, metadata.csv with video and prompt (DiffSynth-Studio, VideoRLVR)
    videofolder   videos/ID.mp4, metadata.csv with file_name and prompt (Hugging Face datasets)
    finetrainers  videos/ID.mp4, videos.txt and prompt.txt, line by line
    webdataset    clips-N.tar of ID.mp4, ID.png (frame 0), ID.txt (prompt) and ID.json
    text          images/ID.png, metadata.jsonl with the board, question and answer
                  in words; `puzzlegen score-text` judges what a model answers

    \b
    puzzlegen export data --to diffsynth --split train --out data-diffsynth
    """
    from puzzlegen.exports import export

    dataset = opened(folder, split, tasks)
    with bar() as progress:
        export(dataset, layout, out, progress)
    click.echo(f"{len(dataset)} clips: {out}")

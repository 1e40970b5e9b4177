"""`score`, `score-text`, `explain` and `selftest`: judge any model's videos or words, see why, and test the judge."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from puzzlegen.errors import InvalidInput, PuzzlegenError, UnknownName

_LAYOUTS = ("native", "flat", "vbvr", "vrbench", "proar", "videorlvr", "vbvr-rl", "parquet", "table")
_PATH = click.Path(path_type=Path)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
_WORKERS = click.option(
    "-j", "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes. Never changes results."
)


@click.command("score")
@click.argument("videos", type=_PATH, metavar="VIDEOS")
@click.option("--instances", type=_PATH, required=True, help="Folder of the dataset whose puzzles the videos solve.")
@click.option("--out", type=_PATH, required=True, help="Folder for scores.parquet, summary.json and review.html.")
@_WORKERS
@click.option("--layout", type=click.Choice(_LAYOUTS), default="native", show_default=True, help="See above.")
@click.option("--split", help="Score only this split of the dataset.")
@click.option("--task", "tasks", multiple=True, help="Score only this task; repeatable. All by default.")
@click.option("--allow-missing", is_flag=True, help="Leave puzzles without a video out; labels the result PARTIAL.")
@click.option(
    "--reward",
    default="dense",
    show_default=True,
    metavar="NAME",
    help="What the column reward holds: dense, sparse, or one of the recipe's published ones, such as paper.",
)
@_JSON
def score_command(
    videos: Path, instances: Path, out: Path, workers: int, layout: str, split: str | None, tasks: tuple[str, ...],
    allow_missing: bool, reward: str, as_json: bool,
) -> None:  # fmt: skip
    """Judge VIDEOS that any model made from a dataset's first frames and prompts.

    The puzzles come from the dataset, never from the pixels; videos may have any size, length and codec. A puzzle
    without a video, and a video that cannot be read, is a failure and stays in every denominator. The same command
    on the same folder goes on where it stopped.

    The table it prints: "solved" counts clips whose every step is legal and whose end is the solution, "touched" those
    that show a solved state at any time, however they came there; "F1" compares with the nearest best solution,
    "reward" is what a trainer would be paid, "read" the share that could be read. OUT/review.html shows each clip.

    \b
    puzzlegen score outputs --instances data --out scores -j 2
    puzzlegen score outputs --instances data --split test --out scores
    puzzlegen score videos.csv --layout table --instances data --out scores

    Layouts; k counts the samples of one puzzle from 0, ID is the dataset's column id:

    \b
    native     VIDEOS/TASK/ID/K.mp4, or VIDEOS/videos/TASK/...
    flat       VIDEOS/ID__sK.mp4
    vbvr       VIDEOS/SPLIT/TASK/N.mp4
    vrbench    VIDEOS/LEVEL_N.mp4, one task (--task)
    proar      VIDEOS/NAME.mp4 with NAME.json stating sample_id, an ID or N
    videorlvr  VIDEOS/metadata.csv with a column video: files named ID or N
    vbvr-rl    VIDEOS/N/step_*.mp4; the last step is scored
    parquet    file or folder of .parquet: columns id, k (optional), bytes
    table      a .csv: columns id, k (optional), path relative to the .csv

    A video is .mp4 .webm .gif .avi .mov .mkv or a folder of .png or .jpg frames with numbers. N is the position,
    from 0, among the rows that --split and --task leave (and that SPLIT, TASK, LEVEL name), in the order of
    `puzzlegen show DIR`. VIDEOS/manifest.json may say what made the videos: schema_version (1), model,
    checkpoint, dataset_id, dataset_sha256, split, sampler, steps, cfg, seeds, fps, prompts, resize, notes.
    """
    from puzzlegen.cli.bars import bar
    from puzzlegen.cli.engines import open_engine
    from puzzlegen.eval.run import Request, score_submission

    request = Request(
        videos=videos, instances=instances, layout=layout, split=split, tasks=tasks, allow_missing=allow_missing,
        reward=reward,
    )  # fmt: skip
    with open_engine(workers) as engine, bar(disable=as_json) as progress:
        summary = score_submission(request, out, engine, progress)
    if as_json:
        click.echo(json.dumps({"out": str(out), **summary}, indent=2))
        return
    _print_summary(summary)
    click.echo(f"written: {out}; look at {out / 'review.html'}")


@click.command("score-text")
@click.argument("answers", type=_PATH, metavar="ANSWERS")
@click.option("--instances", type=_PATH, required=True, help="Folder of the dataset whose puzzles were asked.")
@click.option("--out", type=_PATH, required=True, help="A new or empty folder for scores.parquet and summary.json.")
@click.option("--split", help="Score only this split of the dataset.")
@click.option("--task", "tasks", multiple=True, help="Score only this task; repeatable. All by default.")
@click.option("--allow-missing", is_flag=True, help="Leave puzzles without an answer out; labels the result PARTIAL.")
@click.option("--reward", default="dense", show_default=True, metavar="NAME", help="As for `puzzlegen score`.")
@_JSON
def score_text_command(
    answers: Path, instances: Path, out: Path, split: str | None, tasks: tuple[str, ...], allow_missing: bool,
    reward: str, as_json: bool,
) -> None:  # fmt: skip
    """Judge what a language model answered to the questions of `puzzlegen export --to text`, by the rules for videos.

    ANSWERS is a file of JSON lines with "id", "answer" (all that the model said) and, for several answers to one
    puzzle, "k" from 0. The line after the last "Answer:" counts. An answer solves if all its actions are legal and the
    puzzle is solved after the last of them. A puzzle without an answer is a failure.

    \b
    puzzlegen score-text answers.jsonl --instances data --split test --out scores
    """
    from puzzlegen.cli.bars import bar
    from puzzlegen.eval.answers import score_answers
    from puzzlegen.eval.catalogue import Catalogue

    with bar(disable=as_json) as progress:
        summary = score_answers(
            answers, Catalogue(instances, split, tasks), out, reward=reward, allow_missing=allow_missing,
            progress=progress,
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps({"out": str(out), **summary}, indent=2))
        return
    _print_summary(summary, "answer")
    click.echo(f"written: {out}")


def _print_summary(summary: dict[str, Any], noun: str = "video") -> None:
    counts = summary["counts"]
    if summary["partial"]:
        click.echo(f"*** {summary['partial']} ***")
    heads = f"{'solved':>7} {'95 % interval':>16} {'touched':>8} {'F1':>6} {'reward':>7} {'read':>6}"
    click.echo(f"{'task':<16} {'clips' if noun == 'video' else 'n':>6} {heads}")
    tables = dict(summary["tasks"])
    if len(tables) > 1:
        tables["all"] = summary["overall"]
    for name, table in tables.items():
        low, high = table["sr_interval"]
        rates = f"{table['sr']:>7.1%} {f'{low:.1%} to {high:.1%}':>16} {table['sr_goal']:>8.1%}"
        means = f"{table['f1']:>6.3f} {table['reward']:>7.3f} {table['parse_rate']:>6.1%}"
        click.echo(f"{name:<16} {table['n']:>6} {rates} {means}")
    notes = {
        "missing": "missing" + (", left out" if summary["partial"] else ", counted as failures"),
        "unreadable": "unreadable, counted as failures",
        "passed_over": "of other splits or tasks, passed over",
        "internal_errors": "met a bug of ours: see the column error of scores.parquet",
    }
    for name, text in notes.items():
        if counts[name]:
            click.echo(f"{counts[name]} {noun}{'s' * (counts[name] > 1)} {text}")


@click.command("explain")
@click.argument("video", type=_PATH, metavar="VIDEO")
@click.option("--instances", type=_PATH, required=True, help="Folder of the dataset.")
@click.option("--id", "clip_id", required=True, help="The puzzle that the video should solve: column id.")
@click.option("--out", type=_PATH, required=True, help="The .mp4 to write.")
@_JSON
def explain_command(video: Path, instances: Path, clip_id: str, out: Path, as_json: bool) -> None:
    """Judge one VIDEO and draw what was read and what is wrong over its frames.

    The left half of what is written shows the video, the right half the puzzle after the legal moves read so far; red
    marks the cell of a violation from the frame on at which it begins.

    \b
    puzzlegen explain 0.mp4 --instances data --id maze-medium-0-000000 --out why.mp4
    """
    from puzzlegen.eval.codes import MEANINGS
    from puzzlegen.eval.content import require_limits
    from puzzlegen.eval.overlay import explain
    from puzzlegen.shards.reader import ShardDataset

    if not video.is_file():
        raise InvalidInput(f"{video}: {'is a folder; give one video' if video.is_dir() else 'there is no such file'}.")
    try:
        row = ShardDataset(instances).find(clip_id)
    except UnknownName as error:  # which would name all clips
        raise InvalidInput(f"{instances} has no clip {clip_id!r}. `puzzlegen show {instances}` lists all.") from error
    data = video.read_bytes()
    require_limits(data)
    score = explain(data, row, out)
    if as_json:
        facts = {"solved": score.solved, "value": score.value, "actions": list(score.actions), "out": str(out)}
        facts |= {"confidence": score.confidence, "parts": dict(score.parts)}
        facts["violations"] = [violation._asdict() for violation in score.violations]
        click.echo(json.dumps(facts, indent=2))
        return
    click.echo(f"{'solved' if score.solved else 'not solved'}, reward {score.value:.3f}, "
               f"{len(score.actions)} legal moves read")  # fmt: skip
    for code, frame, cell in score.violations:
        click.echo(f"{code} at frame {frame}" + (f", cell {cell}" if cell else "") + f": {MEANINGS.get(code, '')}")
    click.echo(f"written: {out}")


@click.command("selftest")
@click.option("--recipe", "recipes", multiple=True, help="Test only this recipe; repeatable. All by default.")
@click.option("--level", "levels", multiple=True, help="Only this level; repeatable, taken in turn. All by default.")
@click.option("--num", type=click.IntRange(1), default=3, show_default=True, help="Puzzles of each recipe.")
@_WORKERS
@click.option("--seed", type=int, default=0, show_default=True, help="Another seed draws other puzzles and cheats.")
@_JSON
def selftest_command(
    recipes: tuple[str, ...], levels: tuple[str, ...], num: int, workers: int, seed: int, as_json: bool
) -> None:
    """Test the judge: every honest clip must be accepted, every cheating clip refused.

    Puzzles are drawn, solved and filmed; then each is cheated on in every way that its task knows, half of the cheats
    blurred, shifted or compressed besides. "above ceiling" counts cheats that are refused but earn more than the legal
    moves before them. Exits with 1 if any verdict is wrong.

    \b
    puzzlegen selftest --recipe maze --num 10 -j 2
    """
    from puzzlegen import registry
    from puzzlegen.cli.bars import bar
    from puzzlegen.cli.engines import open_engine
    from puzzlegen.testing.selftest import examine, jobs, tabulate

    names = recipes or tuple(registry.recipe_paths())
    for name in names:
        registry.load(name)
    todo = jobs(names, num, seed, levels)
    outcomes = []
    with open_engine(workers) as engine, bar(disable=as_json) as progress:
        for found in engine.run(examine, todo):
            progress("puzzles", 1, len(todo))
            outcomes += found
    table = tabulate(outcomes)
    faults = sorted(outcome for outcome in outcomes if outcome.is_wrong)
    if as_json:
        told = {"kinds": table, "clips": len(outcomes), "wrong": len(faults), "faults": [f._asdict() for f in faults]}
        click.echo(json.dumps(told, indent=2))
    else:
        click.echo(f"{'recipe':<16} {'kind':<28} {'clips':>6} {'accepted':>9} {'above ceiling':>14}")
        for line in table:
            click.echo(f"{line['recipe']:<16} {line['kind']:<28} {line['clips']:>6} {line['accepted']:>9} "
                       f"{line['above_ceiling']:>14}" + ("  WRONG" if line["wrong"] else ""))  # fmt: skip
        for fault in faults:
            verdict = "accepted" if fault.accepted else f"refused as {fault.found}"
            click.echo(f"{fault.puzzle}: {fault.kind}" + (f" + {fault.perturbation}" * bool(fault.perturbation))
                       + f" is {verdict}" + (f", expected {fault.expected}" * bool(fault.expected)))  # fmt: skip
    if faults:
        raise PuzzlegenError(f"{len(faults)} of {len(outcomes)} verdicts are wrong.")
    if not as_json:
        click.echo(f"all {len(outcomes)} verdicts are right")

"""`train`: fine-tune video models on datasets, and what belongs to it."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from puzzlegen.cli.bars import bar
from puzzlegen.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from puzzlegen.render.formats import ClipFormat
    from puzzlegen.train.checkpoint import Checkpoint
    from puzzlegen.train.reinforcement import AnyRun

Run = TypeVar("Run")
Command = TypeVar("Command", bound=Callable[..., Any])
_PACKAGES = ("torch", "diffusers", "accelerate", "peft", "transformers", "safetensors", "matplotlib")
_FILE = click.Path(path_type=Path)


class _Here(click.Path):
    """A folder of this machine."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if "://" in str(value):
            raise InvalidInput(f"{value}: runs, videos and models are written to folders of this machine, not to URLs.")
        return super().convert(value, parameter, context)


_FOLDER = _Here(path_type=Path)


def _configured(command: Command) -> Command:
    """The options that say what a run is."""
    override = click.option(
        "--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change the configuration; repeatable."
    )
    config = click.option(
        "--config", "path", required=True, type=_FILE, metavar="FILE", help="TOML; presets are in examples/configs."
    )
    return config(override(command))


@click.group("train")
def train_command() -> None:
    """Fine-tune flow-matching video models on datasets. Needs puzzlegen[train].

    \b
    puzzlegen train plan --config examples/configs/wan22-5b-256.toml      # what it costs; needs no GPU
    puzzlegen train sft --config examples/configs/toy-maze.toml --out runs/toy
    """
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")  # it speaks of packages that nobody here needs
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")


@train_command.command("sft")
@_configured
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Folder of the run.")
@click.option("--quiet", is_flag=True, help="No progress.")
def sft_command(path: Path, overrides: tuple[str, ...], out: Path, quiet: bool) -> None:
    """Supervised fine-tuning: teach a model the clips of a dataset.

    The same command goes on where it stopped; Ctrl-C writes a checkpoint first. The second line is for eight GPUs.

    \b
    puzzlegen train sft --config examples/configs/toy-maze.toml --out runs/toy
    torchrun --nproc-per-node 8 -m puzzlegen train sft --config examples/configs/wan22-5b-480.toml --out runs/wan
    """
    from puzzlegen.train.runs import SftRun

    _train(_read(path, overrides, SftRun), out, quiet)


@train_command.command("grpo")
@_configured
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Folder of the run.")
@click.option("--quiet", is_flag=True, help="No progress.")
def grpo_command(path: Path, overrides: tuple[str, ...], out: Path, quiet: bool) -> None:
    """Reinforcement: let a model try puzzles, judge its clips, make the better ones likelier.

    Starts from the checkpoint that `init` names. The same command goes on where it stopped; Ctrl-C writes a checkpoint
    first. `objective.kind` may be rft or dpo, for comparison.

    \b
    puzzlegen train grpo --config examples/configs/toy-maze-grpo.toml --set init=runs/toy --out runs/toy-grpo
    """
    from puzzlegen.train.reinforcement import GrpoRun

    _train(_read(path, overrides, GrpoRun), out, quiet)


@train_command.command("plan")
@_configured
@click.option("--clip", help="square256, WIDTHxHEIGHTxFRAMES ...  [default: the dataset's]")
@click.option("--gpus", type=click.IntRange(1), default=1, show_default=True, help="GPUs that share a batch.")
@click.option("--gib", type=float, default=139.0, show_default=True, help="Memory of a GPU.")
@click.option("--tflops", type=float, default=790.0, show_default=True, help="Its limit in bfloat16; an H200's here.")
@click.option("--share", type=float, default=0.4, show_default=True, help="Of the limit that training may reach.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def plan_command(
    path: Path, overrides: tuple[str, ...], clip: str | None, gpus: int, gib: float, tflops: float, share: float,
    as_json: bool,
) -> None:  # fmt: skip
    """Tokens, work, memory and time of a run, and what fits: by arithmetic, without a GPU and without torch.

    \b
    puzzlegen train plan --config examples/configs/wan22-5b-256.toml --clip square256 --gpus 8
    """
    from puzzlegen.train.plan import Gpu, Plan, plan
    from puzzlegen.train.reinforcement import GrpoRun
    from puzzlegen.train.reinforcement_plan import reinforcement_plan

    run = _read_any(path, overrides)
    size, gpu = _clip_size(run, clip), Gpu(gib=gib, tflops=tflops, share=share)
    shape = {"width": size.width, "height": size.height, "num_frames": size.num_frames}
    planned: Plan
    if isinstance(run, GrpoRun):
        planned = reinforcement_plan(run, **shape, gpu=gpu, num_gpus=gpus)
    else:
        batch, rest = divmod(run.optimizer.batch, gpus)
        if rest:
            raise InvalidInput(
                f"optimizer.batch {run.optimizer.batch} cannot be shared by {gpus} GPUs. Make it a multiple."
            )
        planned = plan(
            run.model,
            **shape,
            batch=batch,
            micro_batch=run.machine.micro_batch or batch,
            steps=run.optimizer.steps,
            ema=run.optimizer.ema > 0,
            gpu=gpu,
        )
    click.echo(json.dumps(planned.as_dict(), indent=2) if as_json else "\n".join(planned.lines()))


@train_command.command("cache")
@_configured
def cache_command(path: Path, overrides: tuple[str, ...]) -> None:
    """Encode a run's clips and embed its prompts, as `sft` does before its first update.

    \b
    puzzlegen train cache --config examples/configs/toy-maze.toml
    """
    from puzzlegen.train.runs import SftRun

    run = _read(path, overrides, SftRun)
    _need_packages()
    from puzzlegen.shards.reader import ShardDataset
    from puzzlegen.train.machine import open_machine
    from puzzlegen.train.prepare import cached, origin_of, ready

    dataset, machine = ShardDataset(run.data.folder, split=run.data.split), open_machine(run.machine)
    with bar() as progress:
        policy = ready(run, dataset, machine, progress, origin=origin_of(run))
        latents = cached(run, dataset, policy, machine, progress)
    shape = "x".join(map(str, latents.shape_CTHW))
    click.echo(f"{len(latents)} clips as latents of {shape}: {run.data.cache_folder}")


@train_command.command("sample")
@click.argument("checkpoint", type=_FILE, metavar="RUN_OR_CHECKPOINT")
@click.option("--instances", required=True, metavar="DIR", help="Dataset of the puzzles.")
@click.option("--split", default="test", show_default=True, help="Of the dataset.")
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="Videos go to DIR/TASK/ID/K.mp4.")
@click.option("--num", type=click.IntRange(1), default=64, show_default=True, help="Puzzles of each task.")
@click.option("--samples", type=click.IntRange(1), default=1, show_default=True, help="Videos of each puzzle.")
@click.option("--steps", type=click.IntRange(1), help="Of the sampler. [default: those of the run's evaluation]")
@click.option("--seed", type=int, default=0, show_default=True, help="Of the noise.")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True)
def sample_command(
    checkpoint: Path, instances: str, split: str, out: Path, num: int, samples: int, steps: int | None, seed: int,
    device: str,
) -> None:  # fmt: skip
    """Write a trained model's videos of held-out puzzles, for `puzzlegen score DIR --instances ...`.

    Of a run the best checkpoint is taken. Videos that are there already are kept.

    \b
    puzzlegen train sample runs/toy --instances data/toy-maze-test --out videos --num 64
    """
    _need_packages()
    from puzzlegen.train.checkpoint import find
    from puzzlegen.train.submit import submit

    with bar() as progress:
        submit(
            find(checkpoint), instances, split, out, num=num, samples=samples, num_steps=steps, seed=seed,
            on_cpu=device == "cpu", progress=progress,
        )  # fmt: skip
    click.echo(
        f"written: {out}. Judge them: puzzlegen score {out} --instances {instances} --split {split} --out scores"
    )


@train_command.command("export")
@click.argument("checkpoint", type=_FILE, metavar="RUN_OR_CHECKPOINT")
@click.option("--out", required=True, type=_FOLDER, metavar="DIR", help="A new folder.")
def export_command(checkpoint: Path, out: Path) -> None:
    """Write a trained model as diffusers loads it: LoRA or a pipeline. Of a run the best checkpoint is taken.

    \b
    puzzlegen train export runs/wan --out lora
    """
    _need_packages()
    from puzzlegen.train.checkpoint import find
    from puzzlegen.train.export import export

    found = find(checkpoint)
    click.echo(f"written: {out}, step {found.step}. Load it: {export(found, found.run.model, out)}")


def _read(path: Path, overrides: tuple[str, ...], kind: type[Run]) -> Run:
    """A run of this kind."""
    from puzzlegen import canonical, config
    from puzzlegen.train.runs import SftRun

    tables = config.read(path, overrides)
    if kind is SftRun and _is_reinforcement(tables):
        raise InvalidInput(f"{path.name} is of reinforcement. Train it with: puzzlegen train grpo --config {path}")
    return canonical.decode(kind, tables, path.name)


def _read_any(path: Path, overrides: tuple[str, ...]) -> AnyRun:
    """A run of the kind that its tables tell."""
    from puzzlegen import config
    from puzzlegen.train.reinforcement import GrpoRun
    from puzzlegen.train.runs import SftRun

    reinforcement = _is_reinforcement(config.read(path, overrides))
    return _read(path, overrides, GrpoRun) if reinforcement else _read(path, overrides, SftRun)


def _is_reinforcement(tables: Mapping[str, Any]) -> bool:
    return tables.get("kind") == "grpo" or not tables.keys().isdisjoint(("sampling", "judging", "objective"))


def _train(run: AnyRun, out: Path, quiet: bool) -> None:
    _need_packages()
    from puzzlegen.train.loop import train

    with bar(disable=quiet) as progress:
        checkpoint = train(run, out, progress=progress, quiet=quiet)
    if checkpoint:  # the first process's
        _tell(checkpoint, out)


def _clip_size(run: AnyRun, clip: str | None) -> ClipFormat:
    """As asked, or as the run's dataset has it."""
    from puzzlegen.errors import OutputError
    from puzzlegen.render.formats import parse_format
    from puzzlegen.shards.reader import ShardDataset

    if clip:
        return parse_format(clip)
    try:
        return ShardDataset(run.data.folder, split=run.data.split)[0].clip
    except OutputError as error:
        raise InvalidInput(f"{error} Generate it, or give the size of its clips with --clip.") from error


def _need_packages() -> None:
    for package in _PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise MissingExtra("puzzlegen train", package, "train")


def _tell(checkpoint: Checkpoint, out: Path) -> None:
    """What a run has come to."""
    success = checkpoint.manifest["scores"].get("success")
    reached = "" if success is None else f", {success:.0%} of held-out puzzles solved"
    click.echo(f"step {checkpoint.step}{reached}: {checkpoint.path}")
    samples = "" if success is None else f" and {out}/samples"
    click.echo(f"Look at {out}/curves.png{samples}; go on with: puzzlegen train sample|export {out}")

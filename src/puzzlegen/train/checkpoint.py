"""Checkpoints: folders that are whole or absent, of which the newest and the best are kept.

checkpoints/step-00000500/model/              what `VideoPolicy.save` writes: the averaged weights, for pipelines
checkpoints/step-00000500/state.safetensors   weights, averages and optimizer, to go on
checkpoints/step-00000500/manifest.json       configuration, position in the data, scores, versions
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import diffusers
import peft
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

import puzzlegen
from puzzlegen import canonical
from puzzlegen.errors import CorruptData, InvalidInput, OutputError
from puzzlegen.shards import writer
from puzzlegen.train.reinforcement import AnyRun

FORMAT = 1
FOLDER, MODEL, STATE, MANIFEST = "checkpoints", "model", "state.safetensors", "manifest.json"
_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """One of a run's."""

    path: Path
    manifest: dict[str, Any]

    @property
    def step(self) -> int:
        """Updates done."""
        return int(self.manifest["step"])

    @property
    def model(self) -> Path:
        """The folder that `VideoPolicy.load` reads."""
        return self.path / MODEL

    @property
    def run(self) -> AnyRun:
        """The configuration. Raises InvalidInput for one that this version does not know."""
        kind, where = cast("type[AnyRun]", AnyRun), f"{self.path}/{MANIFEST} run"
        return canonical.decode(kind, self.manifest["run"], where)

    @property
    def rank(self) -> tuple[float, float]:
        """The higher the better: success on held-out puzzles, then a small loss."""
        scores = self.manifest["scores"]
        return scores.get("success", -1.0), -scores.get("eval/loss", float("inf"))

    def state(self) -> dict[str, Tensor]:
        """Raises CorruptData if it cannot be read."""
        try:
            tensors: dict[str, Tensor] = load_file(self.path / STATE)
        except (OSError, SafetensorError) as error:
            reason = f"{self.path} cannot be read: {error}. Delete it to go on from an older one."
            raise CorruptData(reason) from error
        return tensors


class Checkpoints:
    """The checkpoints of one run, which this process alone writes."""

    def __init__(self, run: Path, keep: int) -> None:
        """Of a run's folder; `keep` of them besides the best one."""
        self._folder, self._keep = run / FOLDER, keep

    def all(self) -> list[Checkpoint]:
        """By step. Raises CorruptData for one that cannot be read."""
        paths = self._folder.iterdir() if self._folder.is_dir() else ()
        return [read(path) for path in sorted(paths) if _NAME.fullmatch(path.name)]

    def newest(self) -> Checkpoint | None:
        """None if there is none yet."""
        found = self.all()
        return found[-1] if found else None

    def save(
        self, step: int, write_model: Callable[[Path], None], state: Mapping[str, Tensor], manifest: Mapping[str, Any]
    ) -> Checkpoint:
        """Write one and delete those that are not kept any more.

        Args:
            step: updates done.
            write_model: writes the model into an empty folder.
            state: what `Optimization.state` gives.
            manifest: what else is to be known.

        Raises:
            OutputError: disk full or the like; earlier checkpoints are as they were.
        """
        path = self._folder / f"step-{step:08d}"
        described = {"format": FORMAT, "step": step, "versions": versions(), **manifest}
        writer.make_folder(self._folder)
        writer.remove_leftovers(self._folder)
        try:
            with writer.atomic_folder(path) as place:
                (place / MODEL).mkdir()
                write_model(place / MODEL)
                save_file({name: tensor.contiguous() for name, tensor in state.items()}, place / STATE)
                (place / MANIFEST).write_text(json.dumps(described, indent=2, sort_keys=True) + "\n")
        except SafetensorError as error:  # its writer's way to say that the disk is full
            raise OutputError(f"Cannot write {path}: {error}. What was complete before is still there.") from error
        self._prune()
        return Checkpoint(path, described)

    def _prune(self) -> None:
        """Delete all but the newest and the best."""
        found = self.all()
        best = max(found, key=lambda checkpoint: (checkpoint.rank, checkpoint.step))
        for checkpoint in found[: -self._keep]:
            if checkpoint.path != best.path:
                trash = writer.temporary_name(checkpoint.path)
                with writer.refusals(checkpoint.path):
                    checkpoint.path.rename(trash)
                shutil.rmtree(trash, ignore_errors=True)


def find(path: Path, which: str = "best") -> Checkpoint:
    """A checkpoint by its folder, or the "best" or "newest" of a run by the run's.

    Raises:
        InvalidInput: there is none.
        CorruptData: it cannot be read.
    """
    if (path / MANIFEST).is_file() and (path / STATE).is_file():
        return read(path)
    found = Checkpoints(path, keep=1).all()
    if not found:
        raise InvalidInput(f"{path} is neither a checkpoint nor a run that has one. Name a run's folder.")
    return found[-1] if which == "newest" else max(found, key=lambda checkpoint: (checkpoint.rank, checkpoint.step))


def read(path: Path) -> Checkpoint:
    """Raises CorruptData for a folder that is no whole checkpoint of this format."""
    try:
        manifest = json.loads((path / MANIFEST).read_text())
        stored = manifest["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CorruptData(f"{path}/{MANIFEST} cannot be read: {error}. Delete {path.name} to do without it.") from error
    if stored != FORMAT:
        raise CorruptData(f"{path} has format {stored}, this version of puzzlegen reads {FORMAT}.")
    return Checkpoint(path, manifest)


def versions() -> dict[str, str]:
    """Of the packages that decide what training does."""
    return {package.__name__: str(package.__version__) for package in (puzzlegen, torch, diffusers, peft)}

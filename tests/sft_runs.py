"""Small runs of supervised fine-tuning, for tests."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from puzzlegen import canonical
from puzzlegen.train.runs import SftRun
from runs import called

BOTH = ("maze:tiny", "flowfree:tiny")
TABLES: dict[str, Any] = {
    "model": {"kind": "toy", "labels": ["maze", "flowfree"], "layers": 1, "heads": 2, "head_dim": 12, "ffn_dim": 16}
    | {"patch": 8, "temporal": 4},
    "optimizer": {"steps": 6, "batch": 4, "lr": 1e-3, "warmup": 2, "ema": 0.9},
    "evaluation": {"every": 3, "split": "train", "num": 2, "num_steps": 2, "clips": 1},
    "checkpoints": {"every": 3},
    "machine": {"log_every": 1, "device": "cpu", "trackers": []},
}


def new_dataset(
    folder: Path, *, targets: tuple[str, ...] = BOTH, clip: str = "32x32x21@8", seed: int = 5, num: int = 12
) -> Path:
    """Small puzzles, all of one split."""
    options = ("--num", num, "--format", clip, "--seed", seed, "--split", "train")
    done = called("generate", *targets, *options, "--out", folder)
    assert done.returncode == 0, done.stderr
    return folder


def tables_for(dataset: Path, **sections: dict[str, Any]) -> dict[str, Any]:
    """The configuration of a small run, with changes by section."""
    tables = {"data": {"folder": str(dataset)}, **TABLES}
    return tables | {name: tables.get(name, {}) | change for name, change in sections.items()}


def run_for(dataset: Path, **sections: dict[str, Any]) -> SftRun:
    """The same as a configuration."""
    return canonical.decode(SftRun, tables_for(dataset, **sections), "test")


def written(tables: dict[str, Any], path: Path) -> Path:
    """A configuration as a TOML file; its values, tables aside, are of kinds that JSON and TOML write alike."""
    lines = []
    for section, fields in tables.items():
        lines += [f"[{section}]", *(f"{name} = {_value(value)}" for name, value in fields.items())]
    path.write_text("\n".join(lines) + "\n")
    return path


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + "}"
    return json.dumps(value)


def state_of(run: Path, step: int = 6) -> dict[str, Tensor]:
    """What a checkpoint keeps."""
    tensors: dict[str, Tensor] = load_file(run / "checkpoints" / f"step-{step:08d}" / "state.safetensors")
    return tensors


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    """To the last bit."""
    assert set(one) == set(other)
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def log_of(run: Path) -> list[dict[str, float]]:
    """The lines of a log without what the clock decides."""
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if "second" not in name} for line in lines]

"""Fine-tuning of Wan's classes from a folder with all parts: prompts, clips, and what pipelines make of the result."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from diffusers import WanImageToVideoPipeline, WanTransformer3DModel  # noqa: E402
from torch import Tensor  # noqa: E402

from puzzlegen import canonical  # noqa: E402
from puzzlegen.errors import OutputError  # noqa: E402
from puzzlegen.shards.reader import ShardDataset  # noqa: E402
from puzzlegen.train import loop  # noqa: E402
from puzzlegen.train.checkpoint import find  # noqa: E402
from puzzlegen.train.conditioning import token_timesteps  # noqa: E402
from puzzlegen.train.export import export  # noqa: E402
from puzzlegen.train.policy import open_policy  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from puzzlegen.train.runs import SftRun  # noqa: E402
from puzzlegen.train.texts import TextCache  # noqa: E402
from runs import called  # noqa: E402
from sft_runs import log_of, run_for  # noqa: E402
from tiny_wan import saved_pipeline  # noqa: E402


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "d"
    options = ("--num", 6, "--format", "32x32x13@8", "--split", "train")
    assert called("generate", "maze:tiny", *options, "--out", folder).returncode == 0
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_pipeline(tmp_path_factory.mktemp("wan") / "base")


def wan_run(dataset: Path, base: Path, rank: int) -> SftRun:
    model: dict[str, Any] = {"kind": "wan", "path": str(base), "precision": "fp32", "text_length": 48}
    changes: dict[str, Any] = {
        "data": {"cache_precision": "bfloat16"},
        "optimizer": {"steps": 2, "lr": 0.05, "warmup": 0},
        "evaluation": {"every": 2, "num": 1, "num_steps": 2},
        "checkpoints": {"every": 2},
    }
    run = run_for(dataset, **changes)
    tables = canonical.encode(run) | {"model": model | {"lora": {"rank": rank, "alpha": 12.0}}}
    return canonical.decode(SftRun, tables, "test")


def velocity_of(transformer: WanTransformer3DModel, text_BLD: Tensor) -> Tensor:
    x_BCTHW = normal([("x",)], (48, 4, 2, 2))
    with torch.no_grad():
        time = token_timesteps(torch.tensor([0.7], dtype=torch.float64), 4, 1)
        velocity: Tensor = transformer(x_BCTHW, time, text_BLD, return_dict=False)[0]
    return velocity


def trained(run: SftRun, base: Path, checkpoint: Path) -> tuple[WanTransformer3DModel, Tensor]:
    """The transformer with a checkpoint's weights, as the trainer has it, and a text."""
    prompt = ShardDataset(run.data.folder).column("prompt")[0]
    policy = open_policy(run.model, TextCache(Path(run.data.cache_folder), str(base)))
    before = velocity_of(policy.transformer, policy.embed([prompt]).float())  # type: ignore[attr-defined]
    policy.load(checkpoint)
    text_BLD = policy.embed([prompt]).float()  # type: ignore[attr-defined]
    assert not torch.equal(before, velocity_of(policy.transformer, text_BLD))  # type: ignore[attr-defined]
    return policy.transformer, text_BLD  # type: ignore[attr-defined]


def test_an_exported_lora_gives_a_pipeline_the_trained_velocities(dataset: Path, base: Path, tmp_path: Path) -> None:
    run = wan_run(dataset, base, rank=4)
    loop.train(run, tmp_path / "r", quiet=True)
    assert log_of(tmp_path / "r")[-1]["success"] == 0
    found = find(tmp_path / "r")
    line = export(found, found.run.model, tmp_path / "lora")
    assert (
        line == f"WanImageToVideoPipeline.from_pretrained({str(base)!r}).load_lora_weights({str(tmp_path / 'lora')!r})"
    )
    pipeline = WanImageToVideoPipeline.from_pretrained(base)
    pipeline.load_lora_weights(tmp_path / "lora")
    ours, text_BLD = trained(run, base, found.model)
    assert torch.equal(velocity_of(pipeline.transformer, text_BLD), velocity_of(ours, text_BLD))


def test_a_wholly_trained_model_is_exported_as_a_pipeline(dataset: Path, base: Path, tmp_path: Path) -> None:
    run = wan_run(dataset, base, rank=0)
    loop.train(run, tmp_path / "r", quiet=True)
    found = find(tmp_path / "r")
    assert export(found, found.run.model, tmp_path / "all") == (
        f"WanImageToVideoPipeline.from_pretrained({str(tmp_path / 'all')!r})"
    )
    pipeline = WanImageToVideoPipeline.from_pretrained(tmp_path / "all")
    ours, text_BLD = trained(run, base, found.model)
    assert torch.equal(velocity_of(pipeline.transformer, text_BLD), velocity_of(ours, text_BLD))
    assert pipeline.text_encoder is not None and pipeline.config.expand_timesteps
    with pytest.raises(OutputError, match="all is there already"):
        export(found, found.run.model, tmp_path / "all")

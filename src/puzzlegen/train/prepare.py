"""Before the first update: prompts embedded, clips encoded, the model open. What is there already is used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from accelerate import Accelerator
from torch import Tensor

from puzzlegen.shards.reader import ShardDataset
from puzzlegen.train.cache import LatentCache, Progress, cache_latents, silent
from puzzlegen.train.configs import WanModel
from puzzlegen.train.policy import VideoPolicy, open_policy
from puzzlegen.train.runs import SftRun
from puzzlegen.train.texts import TextCache

__all__ = ["Progress", "held_out_dataset", "prepared", "silent"]


def prepared(
    run: SftRun, dataset: ShardDataset, accelerator: Accelerator, progress: Progress = silent
) -> tuple[VideoPolicy, LatentCache]:
    """The model, and the latents of its clips.

    Args:
        run: the configuration.
        dataset: that is trained on.
        accelerator: its processes share the work.
        progress: told about finished pieces of work.

    Raises:
        InvalidInput: a model that is not there, clips or prompts that it cannot take.
        OutputError: the cache cannot be written.
        CorruptData: a file of the cache, or a clip, is not what it should be.
    """
    cache = Path(run.data.cache_folder)
    prompts = [*dataset.column("prompt"), *(held_out_dataset(run).column("prompt") if run.evaluation.every else ())]
    policy = opened(run, prompts, accelerator, progress)
    cache_latents(
        policy,
        dataset,
        cache,
        dtype=run.data.cache_precision,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        progress=progress,
    )
    accelerator.wait_for_everyone()
    return policy, LatentCache(cache, dataset, policy.codec.fingerprint, dtype=run.data.cache_precision)


def opened(run: SftRun, prompts: Iterable[str], accelerator: Accelerator, progress: Progress = silent) -> VideoPolicy:
    """A run's model as it is before training, ready for these prompts. Raises what `prepared` does."""
    return open_policy(run.model, _embedded(run, prompts, accelerator, progress), device=str(accelerator.device))


def held_out_dataset(run: SftRun) -> ShardDataset:
    """The puzzles that a run is evaluated with."""
    return ShardDataset(run.evaluation.folder or run.data.folder, split=run.evaluation.split)


def _embedded(
    run: SftRun, prompts: Iterable[str], accelerator: Accelerator, progress: Progress
) -> Mapping[str, Tensor]:
    """Embeddings of all prompts, for models that read them; the first process makes those that are missing."""
    if not isinstance(run.model, WanModel):
        return {}
    cache = Path(run.data.cache_folder)
    if accelerator.is_main_process:
        TextCache(cache, run.model.path).add(
            prompts, text_length=run.model.text_length, device=str(accelerator.device), progress=progress
        )
    accelerator.wait_for_everyone()
    return TextCache(cache, run.model.path)

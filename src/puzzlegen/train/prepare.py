"""Before the first update: prompts embedded, clips encoded, the model open. What is there already is used again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from puzzlegen import canonical
from puzzlegen.shards.reader import ShardDataset
from puzzlegen.shards.writer import atomic, make_folder
from puzzlegen.train.adapters.toy import pixels_of, saved_codec
from puzzlegen.train.cache import LatentCache, cache_latents, clip_size
from puzzlegen.train.checkpoint import Checkpoint, find
from puzzlegen.train.components import ComponentsCodec
from puzzlegen.train.configs import ToyModel, WanModel
from puzzlegen.train.policy import VideoPolicy, open_policy
from puzzlegen.train.reinforcement import AnyRun
from puzzlegen.train.texts import TextCache
from puzzlegen.types import Progress, silent

_FITTED_CLIPS = 512
"""Of a dataset, to which a codec is fitted."""


def ready(
    run: AnyRun,
    dataset: ShardDataset,
    accelerator: Accelerator,
    progress: Progress = silent,
    *,
    origin: Checkpoint | None = None,
    codec_of: Checkpoint | None = None,
) -> VideoPolicy:
    """The model as it is before a run's first update, which takes the run's clips and texts.

    Args:
        run: the configuration.
        dataset: that is trained on.
        accelerator: its processes share the work.
        progress: told about finished pieces of work.
        origin: whose weights, and whose codec, the run starts with; the model's own if not given.
        codec_of: a checkpoint with the codec that is taken instead of the origin's, or of one fitted anew.

    Raises:
        InvalidInput: a model that is not there, clips or prompts that it cannot take.
        OutputError: the cache cannot be written.
    """
    datasets = [dataset, *filter(None, [held_out_dataset(run)])]
    prompts = {prompt for one in datasets for prompt in one.column("prompt")}
    policy = opened(run, prompts, accelerator, _codec(run, dataset, accelerator, codec_of or origin), progress)
    for one in datasets:
        policy.latent_shape(*clip_size(one))
        policy.check_texts(set(one.column(policy.text_column)))
    if origin:
        policy.load(origin.model)
    return policy


def cached(
    run: AnyRun, dataset: ShardDataset, policy: VideoPolicy, accelerator: Accelerator, progress: Progress = silent
) -> LatentCache:
    """The latents of a run's clips, of which those that are missing are made.

    Raises:
        OutputError: the cache cannot be written.
        CorruptData: a file of the cache, or a clip, is not what it should be.
    """
    cache = Path(run.data.cache_folder)
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
    return LatentCache(cache, dataset, policy.codec.fingerprint, dtype=run.data.cache_precision)


def opened(
    run: AnyRun,
    prompts: Iterable[str],
    accelerator: Accelerator,
    codec: ComponentsCodec | None,
    progress: Progress = silent,
) -> VideoPolicy:
    """A run's model as it is before training, ready for these prompts. Raises what `ready` does."""
    texts = _embedded(run, prompts, accelerator, progress)
    return open_policy(run.model, texts, codec=codec, device=str(accelerator.device))


def origin_of(run: AnyRun) -> Checkpoint | None:
    """The checkpoint that a run starts from, if it says so. Raises InvalidInput if there is none."""
    return find(Path(run.init)) if run.init else None


def held_out_dataset(run: AnyRun) -> ShardDataset | None:
    """The puzzles that a run is evaluated with, if it is."""
    if not run.evaluation.every:
        return None
    return ShardDataset(run.evaluation.folder or run.data.folder, split=run.evaluation.split)


def _embedded(
    run: AnyRun, prompts: Iterable[str], accelerator: Accelerator, progress: Progress
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


def _codec(
    run: AnyRun, dataset: ShardDataset, accelerator: Accelerator, after: Checkpoint | None
) -> ComponentsCodec | None:
    """For models that have one: the checkpoint's, or one fitted to the clips and kept beside their latents."""
    model = run.model
    if not isinstance(model, ToyModel) or not model.channels:
        return None
    if after:
        return saved_codec(after.model)
    clips = [shard.sha256 for shard in dataset.shards]
    key = canonical.digest([clips, model.patch, model.temporal, model.token, model.channels])
    path = Path(run.data.cache_folder) / f"codec-{key}.safetensors"
    if accelerator.is_main_process and not path.exists():
        make_folder(path.parent)
        with atomic(path) as temporary:
            _fit(model, dataset).save(temporary)
    accelerator.wait_for_everyone()
    return ComponentsCodec.load(path)


def _fit(model: ToyModel, dataset: ShardDataset) -> ComponentsCodec:
    """To clips from all over the dataset."""
    some = range(0, len(dataset), max(1, len(dataset) // _FITTED_CLIPS))
    clips = (torch.from_numpy(dataset[index].frames()[None]) for index in some)
    return ComponentsCodec.fit(clips, pixels_of(model), model.channels)

"""A trained model for others: a folder that diffusers' WanImageToVideoPipeline loads."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from puzzlegen.errors import OutputError
from puzzlegen.shards import writer
from puzzlegen.train.checkpoint import Checkpoint
from puzzlegen.train.configs import ModelConfig, WanModel

_TRAINED = "transformer"


def export(checkpoint: Checkpoint, config: ModelConfig, out: Path) -> str:
    """Write the model of a checkpoint into a new folder. Gives the line of Python that loads it.

    LoRA weights stand alone. With all weights trained, the folder is a whole pipeline if the model it began with is a
    folder too: its other parts are linked where the file system can, else copied.

    Args:
        checkpoint: which one.
        config: of its model.
        out: must not be there yet.

    Raises:
        OutputError: it is there, or cannot be written.
    """
    if out.exists():
        raise OutputError(f"{out} is there already. Choose another --out.")
    writer.make_folder(out.parent)
    base = _base_of(config)
    with writer.atomic_folder(out) as place:
        shutil.copytree(checkpoint.model, place, dirs_exist_ok=True)
        if base:
            _add_other_parts(base, place)
    return _how_to_load(config, out, whole=base is not None)


def _base_of(config: ModelConfig) -> Path | None:
    """The folder of the model that a wholly trained one began as, if it is a folder."""
    if isinstance(config, WanModel) and not config.lora and Path(config.path).is_dir():
        return Path(config.path)
    return None


def _add_other_parts(base: Path, folder: Path) -> None:
    for entry in sorted(base.iterdir()):
        if entry.name == _TRAINED:
            continue
        if entry.is_dir():
            shutil.copytree(entry, folder / entry.name, copy_function=_link)
        else:
            _link(str(entry), str(folder / entry.name))


def _link(source: str, target: str) -> None:
    try:
        os.link(os.path.realpath(source), target)  # a hub's folders hold links to files
    except OSError:
        shutil.copy2(source, target)


def _how_to_load(config: ModelConfig, out: Path, *, whole: bool) -> str:
    if not isinstance(config, WanModel):
        return f"open_policy(checkpoint.run.model, codec=saved_codec(folder)).load(folder), folder = Path({str(out)!r})"
    if config.lora:
        return f"WanImageToVideoPipeline.from_pretrained({config.path!r}).load_lora_weights({str(out)!r})"
    if whole:
        return f"WanImageToVideoPipeline.from_pretrained({str(out)!r})"
    part = f"WanTransformer3DModel.from_pretrained({str(out)!r}, subfolder={_TRAINED!r})"
    return f"WanImageToVideoPipeline.from_pretrained({config.path!r}, transformer={part})"

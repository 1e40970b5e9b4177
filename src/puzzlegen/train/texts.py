"""Embeddings of prompts by a model's text encoder, made once and kept on disk, as training never loads the encoder.

They are those of diffusers' Wan pipelines, without the zero padding. One thing differs: a pipeline cuts a prompt with
too many tokens and says nothing; here it is refused, as a model cannot follow what it is not shown.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import torch
from diffusers import WanPipeline
from diffusers.pipelines.wan.pipeline_wan import prompt_clean
from diffusers.utils import is_ftfy_available
from torch import Tensor
from transformers import AutoTokenizer, UMT5EncoderModel
from transformers.utils import cached_file, extract_commit_hash

from puzzlegen.errors import CorruptData, InvalidInput, MissingExtra
from puzzlegen.shards.writer import is_abandoned, make_folder
from puzzlegen.train.adapters.weights import check_place, loading
from puzzlegen.train.tensorfile import REMEDY, map_tensors, write_tensors
from puzzlegen.types import Progress, silent

_PARTS = ("text_encoder", "tokenizer")
_SAMPLES, _SAMPLE_BYTES = 256, 4096
"""Of each file of an encoder: no two trainings of it have the same numbers there."""


class TextCache(Mapping[str, Tensor]):
    """Embeddings bfloat16 [L, D] by prompt, of one text encoder; a file, mapped into memory.

    A tensor of the file has the sha256 of its prompt for a name, and the prompt stands in the file's metadata.
    """

    def __init__(self, folder: Path, model: str) -> None:
        """Open what is there, if anything is.

        Args:
            folder: of the cache.
            model: a folder with `text_encoder` and `tokenizer`, or the name of a model on the Hugging Face hub.

        Raises:
            InvalidInput: there is no such model.
            CorruptData: the file is damaged, or of another encoder.
        """
        self._model, self._encoder = model, encoder_fingerprint(model)
        self.path = folder / f"texts-{self._encoder}.safetensors"
        self._texts = self._read() if self.path.is_file() else {}

    def __getitem__(self, prompt: str) -> Tensor:
        return self._texts[prompt]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def add(
        self,
        prompts: Iterable[str],
        *,
        text_length: int = 512,
        device: str = "cpu",
        batch: int = 8,
        progress: Progress = silent,
    ) -> None:
        """Embed the prompts that are not there yet, as `embed_texts` does; only then is the encoder loaded.

        One process at a time: of two, the second to end would undo what the first has added. Raises OutputError too.
        """
        missing = sorted(set(prompts) - set(self))
        if not missing:
            return
        found = embed_texts(
            missing, self._model, text_length=text_length, device=device, batch=batch, progress=progress
        )
        texts = self._texts | found
        names = {_key(prompt): prompt for prompt in sorted(texts)}
        make_folder(self.path.parent)
        for leftover in filter(is_abandoned, self.path.parent.glob(f"{self.path.name}.*")):
            leftover.unlink(missing_ok=True)
        tensors = {name: texts[prompt] for name, prompt in names.items()}
        write_tensors(self.path, tensors, {"encoder": self._encoder, "prompts": names})
        self._texts = self._read()

    def _read(self) -> dict[str, Tensor]:
        texts, facts = map_tensors(self.path)
        if (encoder := facts.get("encoder")) != self._encoder:
            raise self._refusal(f"it is of encoder {encoder}, not {self._encoder}")
        prompts: dict[str, str] = facts["prompts"]
        for name, text in texts.items():
            if _key(prompts.get(name, "")) != name:
                raise self._refusal(f"{name} is not of the prompt {prompts.get(name)!r}")
            if text.ndim != 2 or text.dtype != torch.bfloat16:
                raise self._refusal(f"{name} is {text.dtype} {[*text.shape]}")
        return {prompts[name]: text for name, text in texts.items()}

    def _refusal(self, what: str) -> CorruptData:
        return CorruptData(f"{self.path} holds no embeddings by {self._model}: {what}. {REMEDY}")


@torch.no_grad()
def embed_texts(
    prompts: Iterable[str],
    model: str,
    *,
    text_length: int = 512,
    dtype: torch.dtype = torch.bfloat16,
    device: str = "cpu",
    batch: int = 8,
    progress: Progress = silent,
) -> dict[str, Tensor]:
    """Embeddings [L, D] on the CPU, L the tokens of the prompt, by a text encoder that is loaded only for this.

    Args:
        prompts: each is embedded once.
        model: a folder with `text_encoder` and `tokenizer`, or the name of a model on the Hugging Face hub.
        text_length: the most tokens of a text.
        dtype: of the encoder and of the embeddings.
        device: where the encoder is to be.
        batch: prompts that are embedded at once.
        progress: told about embedded prompts.

    Raises:
        InvalidInput: there is no such encoder, or a prompt has too many tokens.
        MissingExtra: ftfy, by which prompts are cleaned, is not installed.
    """
    if not is_ftfy_available():
        raise MissingExtra("Embedding prompts", "ftfy", "train")
    with loading("tokenizer", model):
        tokenizer = AutoTokenizer.from_pretrained(model, subfolder="tokenizer")
    lengths = {prompt: len(tokenizer(prompt_clean(prompt)).input_ids) for prompt in prompts}
    for prompt, length in lengths.items():
        if length > text_length:
            raise InvalidInput(
                f"The prompt {prompt[:60]!r}... has {length} tokens, the model is given {text_length}. Shorten it."
            )
    encoder = _load_encoder(model, dtype).to(device)
    pipeline = WanPipeline(tokenizer=tokenizer, text_encoder=encoder, vae=None, scheduler=None, transformer=None)
    found: dict[str, Tensor] = {}
    different = list(lengths)
    for start in range(0, len(different), batch):
        some = different[start : start + batch]
        text_BLD, _ = pipeline.encode_prompt(
            some, do_classifier_free_guidance=False, max_sequence_length=text_length, device=torch.device(device)
        )
        for prompt, text_LD in zip(some, text_BLD, strict=True):
            found[prompt] = text_LD[: lengths[prompt]].to("cpu", copy=True)
        progress("texts", len(some), len(different))
    del encoder, pipeline
    gc.collect()  # a pipeline refers to itself
    torch.cuda.empty_cache()
    return found


def encoder_fingerprint(model: str) -> str:
    """Of a text encoder's files: their names, sizes and samples of their bytes; of the hub's, its commit."""
    check_place(model)
    hasher = hashlib.sha256()
    if not Path(model).is_dir():
        with loading("text_encoder", model):
            config = cached_file(model, "config.json", subfolder="text_encoder")
        hasher.update(f"{model}@{extract_commit_hash(config, None)}".encode())
        return hasher.hexdigest()[:16]
    files = sorted(path for part in _PARTS for path in (Path(model) / part).rglob("*") if path.is_file())
    for path in files:
        size = path.stat().st_size
        hasher.update(f"{path.relative_to(model).as_posix()}:{size}\n".encode())
        with path.open("rb") as file:
            for start in range(0, size, max(_SAMPLE_BYTES, size // _SAMPLES)):
                file.seek(start)
                hasher.update(file.read(_SAMPLE_BYTES))
    if not files:
        raise InvalidInput(f"{model} has no folders {' and '.join(_PARTS)}. Name a Wan model in diffusers' layout.")
    return hasher.hexdigest()[:16]


def _load_encoder(model: str, dtype: torch.dtype) -> UMT5EncoderModel:
    """Raises InvalidInput if it is not there, or if weights are missing."""
    with loading("text_encoder", model):
        encoder, report = UMT5EncoderModel.from_pretrained(
            model, subfolder="text_encoder", dtype=dtype, output_loading_info=True
        )
    if lacking := ", ".join(sorted(report["missing_keys"])):
        # early transformers 5 left the embeddings of Wan's encoder at zero, with a warning
        raise InvalidInput(f"The text_encoder of {model} lacks {lacking[:200]}. Upgrade transformers or the model.")
    return encoder.eval()


def _key(prompt: str) -> str:
    return hashlib.sha256(prompt.encode()).hexdigest()

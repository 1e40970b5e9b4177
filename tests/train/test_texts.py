"""Embeddings of prompts: those of diffusers' pipeline to the last bit, kept by encoder, and made once."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from diffusers import WanImageToVideoPipeline  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from torch import Tensor  # noqa: E402
from transformers import UMT5EncoderModel  # noqa: E402

from puzzlegen.errors import CorruptData, InvalidInput, MissingExtra, PuzzlegenError  # noqa: E402
from puzzlegen.train import texts  # noqa: E402
from puzzlegen.train.adapters.wan import open_wan  # noqa: E402
from puzzlegen.train.configs import WanModel  # noqa: E402
from puzzlegen.train.tensorfile import map_tensors, write_tensors  # noqa: E402
from puzzlegen.train.texts import TextCache, embed_texts, encoder_fingerprint  # noqa: E402
from tiny_wan import saved_wan, tiny_encoder, tiny_tokenizer  # noqa: E402

LENGTH = 12
PROMPTS = ("push the box onto a goal .", "  push the  box &amp;amp; a\ngoal", "unknown words too", "")


def saved(folder: Path, seed: int = 0) -> str:
    tiny_encoder(seed).save_pretrained(folder / "text_encoder")
    tiny_tokenizer().save_pretrained(folder / "tokenizer")
    return str(folder)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A whole model in diffusers' layout."""
    return saved(saved_wan(tmp_path_factory.mktemp("wan")))


def same(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[name], expected[name]) for name in expected)


def refused(kind: type[PuzzlegenError], call: Callable[[], object], *words: str) -> None:
    """It ends with one line that has these words."""
    with pytest.raises(kind) as caught:
        call()
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


# --- embedding


@torch.no_grad()
def test_a_policy_is_given_what_the_pipeline_gives(model: str) -> None:
    pipeline = WanImageToVideoPipeline(
        tokenizer=tiny_tokenizer(), text_encoder=tiny_encoder(), vae=None, scheduler=None, transformer=None
    )
    expected, _ = pipeline.encode_prompt(
        list(PROMPTS), do_classifier_free_guidance=False, max_sequence_length=LENGTH, device=torch.device("cpu")
    )
    found = embed_texts(PROMPTS, model, text_length=LENGTH, dtype=torch.float32)
    policy = open_wan(WanModel(path=model, precision="fp32", lora=None, text_length=LENGTH), found)
    assert torch.equal(policy.embed(PROMPTS), expected)
    assert expected.dtype == torch.float32
    assert expected[0].abs().sum() > 0


def test_an_embedding_is_as_long_as_its_cleaned_text_with_its_end(model: str) -> None:
    found = embed_texts(PROMPTS, model, text_length=LENGTH)
    assert [len(found[prompt]) for prompt in PROMPTS] == [8, 7, 4, 1]
    assert {text.dtype for text in found.values()} == {torch.bfloat16}


def test_each_prompt_is_embedded_once_and_batches_are_told_of(model: str) -> None:
    told: list[tuple[str, int, int]] = []
    found = embed_texts(PROMPTS * 2, model, text_length=LENGTH, batch=3, progress=lambda *news: told.append(news))
    assert tuple(found) == PROMPTS
    assert told == [("texts", 3, 4), ("texts", 1, 4)]


def test_the_encoder_is_not_kept(model: str) -> None:
    gc.collect()
    before = sum(type(thing) is UMT5EncoderModel for thing in gc.get_objects())
    embed_texts(PROMPTS[:1], model, text_length=LENGTH)
    assert sum(type(thing) is UMT5EncoderModel for thing in gc.get_objects()) == before


def test_a_prompt_with_too_many_tokens_is_refused_before_the_encoder_is_loaded(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(texts, "_load_encoder", None)
    words = "push the box", "has 12 tokens, the model is given 11"
    refused(InvalidInput, lambda: embed_texts(["push the box " * 3 + "a goal"], model, text_length=11), *words)


def test_an_encoder_without_all_weights_is_refused(model: str, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "model")
    path = tmp_path / "model/text_encoder/model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.endswith("SelfAttention.q.weight"))
    save_file({key: value for key, value in weights.items() if key != name}, path, {"format": "pt"})
    refused(InvalidInput, lambda: embed_texts(PROMPTS, str(tmp_path / "model")), "lacks", name)


def test_a_model_that_is_not_there_is_refused(tmp_path: Path) -> None:
    refused(InvalidInput, lambda: TextCache(tmp_path, str(tmp_path)), "no folders text_encoder and tokenizer")
    refused(InvalidInput, lambda: TextCache(tmp_path, str(tmp_path / "no/where")), "There is no folder")
    refused(InvalidInput, lambda: embed_texts(["a"], str(tmp_path)), "The tokenizer of", "cannot be loaded")


def test_what_cleans_prompts_is_asked_for(model: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(texts, "is_ftfy_available", lambda: False)
    refused(MissingExtra, lambda: embed_texts(PROMPTS, model), "ftfy", "puzzlegen[train]")


# --- keeping


def test_embeddings_come_back_as_they_were_made(model: str, tmp_path: Path) -> None:
    TextCache(tmp_path, model).add(PROMPTS, text_length=LENGTH)
    assert same(TextCache(tmp_path, model), embed_texts(sorted(PROMPTS), model, text_length=LENGTH))


def test_only_what_is_missing_is_embedded(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = TextCache(tmp_path, model)
    assert len(cache) == 0
    cache.add(PROMPTS[:2], text_length=LENGTH)
    first = {prompt: text.clone() for prompt, text in cache.items()}
    (tmp_path / f"{cache.path.name}.tmp-12345").write_bytes(b"half")
    told: list[tuple[str, int, int]] = []
    cache.add(PROMPTS, text_length=LENGTH, progress=lambda *news: told.append(news))
    assert told == [("texts", 2, 2)]
    assert cache.keys() == set(PROMPTS)
    assert same({prompt: cache[prompt] for prompt in PROMPTS[:2]}, first)
    assert [*tmp_path.iterdir()] == [cache.path]
    monkeypatch.setattr(texts, "embed_texts", None)
    TextCache(tmp_path, model).add(reversed(PROMPTS))


def test_an_encoder_is_known_by_its_files_wherever_they_are(model: str, tmp_path: Path) -> None:
    shutil.copytree(model, tmp_path / "moved")
    assert encoder_fingerprint(str(tmp_path / "moved")) == encoder_fingerprint(model)
    path = tmp_path / "moved/text_encoder/model.safetensors"
    weights = load_file(path)
    save_file({name: weight * 1.01 for name, weight in weights.items()}, path, {"format": "pt"})
    assert path.stat().st_size == Path(model, "text_encoder/model.safetensors").stat().st_size
    assert encoder_fingerprint(str(tmp_path / "moved")) != encoder_fingerprint(model)


def test_an_encoder_of_the_hub_is_known_by_its_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for commit in ("1" * 40, "2" * 40):
        place = f"/hub/models--a--b/snapshots/{commit}/text_encoder/config.json"
        monkeypatch.setattr(texts, "cached_file", lambda model, name, subfolder, place=place: place)
        found.append(encoder_fingerprint("a/b"))
    assert found[0] != found[1]


def test_files_of_another_encoder_or_damaged_ones_are_refused(model: str, tmp_path: Path) -> None:
    other = saved(tmp_path / "other", seed=1)
    theirs, ours = TextCache(tmp_path, other), TextCache(tmp_path, model)
    theirs.add(PROMPTS, text_length=LENGTH)
    assert len(TextCache(tmp_path, model)) == 0, "another encoder has another file"
    tensors, facts = load_file(theirs.path), map_tensors(theirs.path)[1]
    own = {"encoder": encoder_fingerprint(model)}
    damages: dict[str, Callable[[], object]] = {
        "it is of encoder": lambda: shutil.copy(theirs.path, ours.path),
        "is not of the prompt": lambda: write_tensors(ours.path, tensors, {**own, "prompts": {}}),
        "float32 [": lambda: write_tensors(
            ours.path, {name: text.float() for name, text in tensors.items()}, facts | own
        ),
        "cannot be read": lambda: ours.path.write_bytes(theirs.path.read_bytes()[:-9]),
    }
    for words, damage in damages.items():
        damage()
        refused(CorruptData, lambda: TextCache(tmp_path, model), str(ours.path), words, "Delete it and run: puzzlegen")

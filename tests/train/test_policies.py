"""Models behind the trainers' contract: what is trained, saved and loaded, and in which types."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen import canonical  # noqa: E402
from puzzlegen.errors import InvalidInput, UnknownName  # noqa: E402
from puzzlegen.train.adapters.toy import CODEC_FILE, new_toy, pixels_of  # noqa: E402
from puzzlegen.train.adapters.wan import WanPolicy  # noqa: E402
from puzzlegen.train.components import ComponentsCodec  # noqa: E402
from puzzlegen.train.configs import Lora, ModelConfig, ToyModel, WanModel  # noqa: E402
from puzzlegen.train.flow import flow_losses  # noqa: E402
from puzzlegen.train.policy import VideoPolicy, open_policy  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from tiny_wan import LORA, TOY, pipeline_of, random_clips, saved_wan, shake, tiny_toy, tiny_wan  # noqa: E402

FEW_CHANNELS = replace(TOY, channels=5)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_wan(tmp_path_factory.mktemp("wan"))


def velocity_of(policy: VideoPolicy, texts: tuple[str, str] = ("go", "to the goal")) -> Tensor:
    """What it says of some noise."""
    clips = random_clips(2, 5, 32, 32)
    condition = policy.condition(texts, clips[:, 0])
    x = normal([(0,), (1,)], policy.codec.latent_shape(5, 32, 32))
    return policy.velocity(x, torch.tensor([0.9375, 0.3], dtype=torch.float64), condition)


def test_new_adapters_change_nothing_and_alone_are_trained(model: Path) -> None:
    plain, adapted = tiny_wan(model), tiny_wan(model, lora=LORA)
    assert torch.equal(velocity_of(plain), velocity_of(adapted))
    assert len(plain.trainable()) == len([*plain.transformer.parameters()])
    assert {name.rsplit(".", 3)[1] for name in adapted.trainable()} == {"lora_A", "lora_B"}
    assert len(adapted.trainable()) == 2 * 2 * 10  # A and B of ten layers in each of two blocks


def test_adapters_start_from_their_seed_alone(model: Path) -> None:
    torch.manual_seed(1)
    one = tiny_wan(model, lora=LORA).trainable()
    torch.manual_seed(2)
    same, other = tiny_wan(model, lora=LORA).trainable(), tiny_wan(model, lora=LORA, seed=1).trainable()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("lora", [None, LORA])
def test_the_reference_is_the_model_as_it_was_when_told_to_remember(lora: Lora | None, model: Path) -> None:
    policy = tiny_wan(model, lora=lora)
    policy.remember()
    before = velocity_of(policy)
    shake(policy)
    after = velocity_of(policy)
    with policy.reference():
        assert torch.equal(velocity_of(policy), before)
    assert torch.equal(velocity_of(policy), after) and not torch.equal(after, before)


@pytest.mark.parametrize("lora", [None, LORA])
def test_what_is_saved_is_loaded(lora: Lora | None, model: Path, tmp_path: Path) -> None:
    trained, fresh = tiny_wan(model, lora=lora), tiny_wan(model, lora=lora)
    shake(trained)
    trained.save(tmp_path)
    fresh.load(tmp_path)
    assert torch.equal(velocity_of(fresh), velocity_of(trained))
    assert fresh.trainable().keys() == trained.trainable().keys()


@pytest.mark.parametrize("lora", [None, LORA])
def test_a_toy_is_saved_with_its_labels(lora: Lora | None, tmp_path: Path) -> None:
    config = replace(TOY, lora=lora)
    trained, fresh = tiny_toy(config), tiny_toy(config)
    shake(trained)
    trained.save(tmp_path)
    assert not torch.equal(velocity_of(fresh, TOY.labels), velocity_of(trained, TOY.labels))
    fresh.load(tmp_path)
    assert torch.equal(velocity_of(fresh, TOY.labels), velocity_of(trained, TOY.labels))


def fitted(config: ToyModel, clips: Tensor) -> ComponentsCodec:
    """A codec as this model needs it."""
    return ComponentsCodec.fit([clips], pixels_of(config), config.channels)


def test_a_toy_is_saved_with_its_codec(tmp_path: Path) -> None:
    clips = random_clips(2, 5, 32, 32)
    trained = new_toy(FEW_CHANNELS, codec=fitted(FEW_CHANNELS, clips))
    shake(trained)
    trained.save(tmp_path)
    fresh = open_policy(FEW_CHANNELS, codec=ComponentsCodec.load(tmp_path / CODEC_FILE))
    fresh.load(tmp_path)
    assert torch.equal(velocity_of(fresh, TOY.labels), velocity_of(trained, TOY.labels))
    assert torch.equal(fresh.encode(clips), trained.encode(clips)) and fresh.encode(clips).shape[1] == 5


def test_pipelines_load_adapters_with_their_alpha(model: Path, tmp_path: Path) -> None:
    trained, host = tiny_wan(model, lora=LORA), tiny_wan(model)
    shake(trained)
    trained.save(tmp_path)
    pipeline_of(host).load_lora_weights(tmp_path)
    assert torch.equal(velocity_of(host), velocity_of(trained))


def test_whole_models_are_opened_by_diffusers_and_by_us(model: Path, tmp_path: Path) -> None:
    trained = tiny_wan(model)
    shake(trained)
    trained.save(tmp_path)
    trained.codec.vae.save_pretrained(tmp_path / "vae")
    assert torch.equal(velocity_of(tiny_wan(tmp_path)), velocity_of(trained))


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of autocast on CPUs only
def test_a_toy_multiplies_in_bfloat16_if_asked() -> None:
    exact, rounded = (
        velocity_of(tiny_toy(), ("left", "right")),
        velocity_of(tiny_toy(replace(TOY, precision="bf16", checkpointing=True)), ("left", "right")),
    )
    assert 0 < (rounded - exact).abs().max() < 0.1 * exact.abs().max()
    assert tiny_toy(replace(TOY, checkpointing=True)).transformer.gradient_checkpointing


def test_a_label_of_a_toy_matters_and_is_learned() -> None:
    toy = tiny_toy()
    assert not torch.equal(velocity_of(toy, ("left", "left")), velocity_of(toy, ("right", "right")))
    assert toy.trainable()["labels.weight"].shape == (2, 32)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of autocast on CPUs only
@pytest.mark.parametrize("lora", [None, LORA])
def test_bf16_keeps_time_and_trained_weights_in_float32(lora: Lora | None, model: Path) -> None:
    policy = tiny_wan(model, lora=lora, precision="bf16")
    assert {weight.dtype for weight in policy.trainable().values()} == {torch.float32}
    seen = []
    embedder = policy.transformer.condition_embedder.time_embedder
    embedder.linear_1.register_forward_hook(lambda _, inputs, output: seen.extend((inputs[0].dtype, output.dtype)))
    products = []
    policy.transformer.blocks[0].attn1.to_q.register_forward_hook(lambda _, __, output: products.append(output.dtype))
    if lora:
        adapter = policy.transformer.blocks[0].attn1.to_q.lora_A["default"]
        adapter.register_forward_hook(lambda _, inputs, output: products.extend((inputs[0].dtype, output.dtype)))
    velocity = velocity_of(policy)
    assert seen == [torch.float32] * 2 and set(products) == {torch.bfloat16}
    assert velocity.dtype == torch.float32
    exact = velocity_of(tiny_wan(model))
    assert 0 < (velocity - exact).abs().max() < 0.1 * exact.abs().max()


def test_checkpointing_changes_no_gradient(model: Path) -> None:
    clips = random_clips(1, 5, 32, 32)
    gradients = []
    for checkpointing in (False, True):
        policy = tiny_wan(model, lora=LORA, checkpointing=checkpointing)
        shake(policy)
        z, sigma = policy.encode(clips), torch.tensor([0.7], dtype=torch.float64)
        condition = policy.condition_latents(["go"], z[:, :, :1])
        flow_losses(policy, z, condition, sigma, normal([(0,)], z.shape[1:])).sum().backward()
        gradients.append({name: weight.grad for name, weight in policy.trainable().items()})
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_adapters_are_found_by_their_kind(model: Path) -> None:
    assert canonical.decode(ModelConfig, {"kind": "wan"}, "x") == WanModel()
    assert canonical.decode(ModelConfig, canonical.encode(TOY), "x") == TOY
    with pytest.raises(UnknownName, match=r"x: there is no kind 'tooy'. Did you mean 'toy'?"):
        canonical.decode(ModelConfig, {"kind": "tooy"}, "x")
    assert open_policy(TOY).text_column == "task"
    assert isinstance(open_policy(WanModel(path=str(model), precision="fp32")), WanPolicy)


def of_another_rank(model: Path, folder: Path) -> None:
    tiny_wan(model, lora=Lora(rank=2, alpha=12.0)).save(folder)
    tiny_wan(model, lora=LORA).load(folder)


def of_another_alpha(model: Path, folder: Path) -> None:
    tiny_wan(model, lora=Lora(rank=4, alpha=4.0)).save(folder)
    tiny_wan(model, lora=LORA).load(folder)


def of_a_larger_model(model: Path, folder: Path) -> None:
    tiny_wan(saved_wan(folder / "other", num_layers=3)).save(folder)
    tiny_wan(model).load(folder)


def of_other_labels(model: Path, folder: Path) -> None:
    tiny_toy().save(folder)
    tiny_toy(replace(TOY, labels=("up", "down"))).load(folder)


def of_another_codec(model: Path, folder: Path) -> None:
    new_toy(FEW_CHANNELS, codec=fitted(FEW_CHANNELS, random_clips(2, 5, 32, 32))).save(folder)
    new_toy(FEW_CHANNELS, codec=fitted(FEW_CHANNELS, random_clips(3, 5, 32, 32))).load(folder)


def of_another_patch(model: Path, folder: Path) -> None:
    tiny_toy(replace(TOY, patch=4, temporal=1)).save(folder)
    tiny_toy(replace(TOY, patch=2, temporal=4)).load(folder)


def with_a_codec_of_more_channels(model: Path, folder: Path) -> None:
    codec = fitted(replace(FEW_CHANNELS, channels=6), random_clips(2, 5, 32, 32))
    new_toy(FEW_CHANNELS, codec=codec)


def of_other_channels(model: Path, folder: Path) -> None:
    tiny_wan(saved_wan(folder, in_channels=36))


def of_a_torn_file(model: Path, folder: Path) -> None:
    saved_wan(folder)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    tiny_wan(folder)


@pytest.mark.parametrize(
    ("attempt", "complaint"),
    [
        (lambda model, folder: tiny_wan(folder / "nowhere"), "There is no folder .*nowhere. Name a folder"),
        (lambda model, folder: tiny_wan(folder), "The transformer of .* cannot be loaded"),
        (lambda model, folder: tiny_wan(model).load(folder), "is no folder of a saved model"),
        (lambda model, folder: tiny_wan(model, lora=LORA).load(folder), "cannot be read as weights"),
        (of_another_rank, r"is of another model or rank: .*lora_A.* is \[2, 24\], not \[4, 24\]"),
        (of_another_alpha, r"is of lora.alpha 4.0, not of 12.0. Set lora.alpha"),
        (of_a_larger_model, "is of another model: num_layers is 3, not 2"),
        (of_other_labels, "is of a model of left, right. Set model.labels"),
        (of_another_codec, "is of a model with codec components-.*, not components-.*. Take the codec that was saved"),
        (of_another_patch, "is of a model with codec pixels-4-1, not pixels-2-4. Take the codec that was saved"),
        (with_a_codec_of_more_channels, "The codec keeps 6 channels of patches .*, the model takes 5 channels"),
        (lambda model, folder: new_toy(FEW_CHANNELS), "model.channels = 5 needs a codec. Fit one to the clips"),
        (
            lambda model, folder: replace(TOY, channels=10**6),
            r"model.channels must be 0 to \d+, the pixel values of a patch",
        ),
        (of_other_channels, "takes 36 channels for 48 of its latents. Name a model of Wan2.2"),
        (of_a_torn_file, "The transformer of .* cannot be loaded"),
        (lambda model, folder: tiny_wan(model, lora=Lora(targets=("nothing",))), "lora.targets: .*nothing"),
        (lambda model, folder: Lora(rank=-1), "lora.rank must be 0 or more"),
        (lambda model, folder: ToyModel(labels=()), "model.labels must be different names, at least one"),
        (lambda model, folder: tiny_wan(model).embed(["stop"]), "There is no embedding of the prompt 'stop'"),
        (lambda model, folder: tiny_wan(model, text_length=2).embed(["go"]), "has 3 tokens. Raise model.text_length"),
        (lambda model, folder: tiny_toy().embed(["lefft"]), "There is no label of the toy model 'lefft'. Did you mean"),
        (lambda model, folder: tiny_wan(model).encode(random_clips(1, 6, 32, 32)), "takes 4n.1. Make clips of 5 or 9"),
        (lambda model, folder: tiny_wan(model).encode(random_clips(1, 5, 16, 32)), "in multiples of 32. Make clips of"),
        (
            lambda model, folder: tiny_toy().encode(random_clips(1, 129, 2, 2)),
            "129 tokens a side .* knows 128 positions",
        ),
    ],
)
def test_errors_are_one_line(
    attempt: Callable[[Path, Path], object], complaint: str, model: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInput) as error:
        attempt(model, tmp_path)
    message = str(error.value)
    assert re.search(complaint, message), message
    assert "\n" not in message and len(message) < 500

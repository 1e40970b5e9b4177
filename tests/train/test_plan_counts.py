"""The arithmetic of plans against torch's own counts, on the models that are trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from diffusers import AutoencoderKLWan, WanTransformer3DModel  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count  # noqa: E402

from puzzlegen.train.adapters.wan import WanPolicy  # noqa: E402
from puzzlegen.train.architecture import Architecture  # noqa: E402
from puzzlegen.train.configs import Lora, ToyModel, WanModel  # noqa: E402
from puzzlegen.train.memory import activation_bytes  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from tiny_wan import TEXT_LENGTH, TOY, random_clips, saved_wan, tiny_toy, tiny_wan  # noqa: E402

SIZE = (5, 64, 96)
"""Frames, height, width."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved_wan(tmp_path_factory.mktemp("wan"))


@pytest.fixture(scope="module")
def wide_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wide enough that sums over a token's width, which are kept too, count for nothing."""
    return saved_wan(tmp_path_factory.mktemp("wide"), num_attention_heads=4, attention_head_dim=36, ffn_dim=512)


def velocity_of(policy: WanPolicy, text: str, size: tuple[int, int, int] = SIZE) -> Tensor:
    condition = policy.condition([text], random_clips(1, *size)[:, 0])
    x = normal([(0,)], policy.codec.latent_shape(*size))
    return policy.velocity(x, torch.tensor([0.5], dtype=torch.float64), condition)


def flops_of(run: Callable[[], Any]) -> tuple[int, Any]:
    """Torch's count, with its own formulas for the attention kernels of CPUs too, and what was run gives."""
    aten = torch.ops.aten
    kernels = {
        aten._scaled_dot_product_flash_attention_for_cpu: lambda q, k, v, *_, **__: sdpa_flop_count(q, k, v),
        aten._scaled_dot_product_flash_attention_for_cpu_backward: lambda *shapes, **_: sdpa_backward_flop_count(
            *shapes[:4]
        ),
    }
    with FlopCounterMode(display=False, custom_mapping=kernels) as counter:
        result = run()
    return counter.get_total_flops(), result


def check_flops(policy: WanPolicy, text: str, architecture: Architecture, checkpointing: bool) -> None:
    tokens, lora = architecture.shape(SIZE[2], SIZE[1], SIZE[0]).tokens, policy.lora
    condition = policy.condition([text], random_clips(1, *SIZE)[:, 0])
    x = normal([(0,)], policy.codec.latent_shape(*SIZE))
    sigma = torch.tensor([0.5], dtype=torch.float64)
    forward, velocity = flops_of(lambda: policy.velocity(x, sigma, condition))
    backward, _ = flops_of(lambda: velocity.sum().backward())
    assert forward == architecture.forward_flops(tokens, lora)
    again = architecture.recompute_flops(tokens, lora) if checkpointing else 0
    assert backward == architecture.backward_flops(tokens, lora) + again


@pytest.mark.parametrize(
    ("targets", "checkpointing"),
    [
        (None, False),
        (None, True),
        (Lora().targets, False),
        (Lora().targets, True),
        (("ffn.net.2",), False),
        (("to_k", "time_proj"), True),
        (("blocks.1.attn2.to_out.0",), False),
        (("proj_out", "patch_embedding"), False),
    ],
)
def test_work_and_weights_are_those_that_torch_counts(
    targets: tuple[str, ...] | None, checkpointing: bool, model: Path
) -> None:
    config = {"lora": Lora(rank=3, targets=targets) if targets else None, "checkpointing": checkpointing}
    policy = tiny_wan(model, **config)
    architecture = Architecture.of(WanModel(path=str(model), text_length=TEXT_LENGTH))
    check_flops(policy, "go", architecture, checkpointing)
    trained = sum(weight.numel() for weight in policy.trainable().values())
    assert trained == (architecture.adapter_parameters(policy.lora) if policy.lora else architecture.parameters())


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
@pytest.mark.parametrize("token", [1, 2])
def test_a_toy_costs_what_torch_counts(token: int, lora: Lora | None) -> None:
    config = ToyModel(labels=TOY.labels, layers=2, heads=3, head_dim=8, ffn_dim=20, patch=8, token=token, lora=lora)
    policy, architecture = tiny_toy(config), Architecture.of(config)
    check_flops(policy, TOY.labels[0], architecture, checkpointing=False)
    trained = sum(weight.numel() for weight in policy.trainable().values())
    assert trained == (architecture.adapter_parameters(lora) if lora else architecture.parameters())


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of autocast on CPUs only
@pytest.mark.parametrize(
    ("lora", "precision"),
    [
        (None, "bf16"),
        (None, "fp32"),
        (Lora(rank=4), "bf16"),
        (Lora(rank=4), "fp32"),
        (Lora(rank=4, targets=("to_q", "to_v")), "bf16"),
    ],
)
def test_activations_are_what_autograd_keeps(lora: Lora | None, precision: str, wide_model: Path) -> None:
    policy = tiny_wan(wide_model, lora=lora, precision=precision)
    weights = {weight.untyped_storage().data_ptr() for weight in policy.transformer.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in weights:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    size = (9, 160, 160)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        velocity_of(policy, "go", size)
    architecture = Architecture.of(WanModel(path=str(wide_model), text_length=TEXT_LENGTH))
    tokens, element = architecture.shape(size[2], size[1], size[0]).tokens, 2 if precision == "bf16" else 4
    trained = architecture.adapter_parameters(lora) if lora else architecture.parameters()
    copies = trained * element if element == 2 else 0
    counted = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    expected = activation_bytes(architecture, tokens, lora, element, checkpointing=False) + copies
    assert counted == pytest.approx(expected, rel=0.04)


def test_the_known_sizes_are_those_of_wan() -> None:
    with torch.device("meta"):
        transformer = WanTransformer3DModel(
            num_attention_heads=24, in_channels=48, out_channels=48, ffn_dim=14336, num_layers=30
        )
    wan = Architecture.of(WanModel())
    assert wan.parameters() == sum(weight.numel() for weight in transformer.parameters())


def test_wans_autoencoder_is_estimated_to_a_thousandth() -> None:
    with torch.device("meta"):
        vae = AutoencoderKLWan(
            base_dim=160,
            decoder_base_dim=256,
            z_dim=48,
            is_residual=True,
            in_channels=12,
            out_channels=12,
            patch_size=2,
            scale_factor_spatial=16,
            latents_mean=[0.0] * 48,
            latents_std=[1.0] * 48,
        ).eval()
    wan = Architecture.of(WanModel())
    assert wan.codec_parameters() == sum(weight.numel() for weight in vae.parameters())
    shape = wan.shape(256, 256, 9)
    clip, latents = torch.empty(1, 3, 9, 256, 256, device="meta"), torch.empty(1, *shape.latent_CTHW, device="meta")
    with torch.no_grad():
        assert flops_of(lambda: vae.encode(clip))[0] == pytest.approx(wan.encode_flops(shape), rel=1e-3)
        assert flops_of(lambda: vae.decode(latents))[0] == pytest.approx(wan.decode_flops(shape), rel=1e-3)

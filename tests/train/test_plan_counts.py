"""The arithmetic of plans against torch's own counts, on the models that are trained."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from diffusers import AutoencoderKLWan, WanTransformer3DModel  # noqa: E402
from torch import Tensor  # noqa: E402
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_leaves  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count  # noqa: E402

from puzzlegen.train.adapters.wan import WanPolicy  # noqa: E402
from puzzlegen.train.architecture import Architecture  # noqa: E402
from puzzlegen.train.conditioning import Condition  # noqa: E402
from puzzlegen.train.configs import Lora, ToyModel, WanModel  # noqa: E402
from puzzlegen.train.kernels import Flow  # noqa: E402
from puzzlegen.train.memory import activation_bytes, decode_bytes, forward_bytes  # noqa: E402
from puzzlegen.train.plan import Gpu  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from puzzlegen.train.reinforcement import Grpo, GrpoRun, Sampling  # noqa: E402
from puzzlegen.train.reinforcement_plan import reinforcement_plan  # noqa: E402
from puzzlegen.train.rollout import retrace, rollout  # noqa: E402
from puzzlegen.train.runs import Data, Optimizer  # noqa: E402
from puzzlegen.train.windows import First, Sliding, Window  # noqa: E402
from tiny_wan import TEXT_LENGTH, TOY, random_clips, saved_wan, tiny_toy, tiny_wan  # noqa: E402

SIZE = (5, 64, 96)
"""Frames, height, width."""
WAN_VAE: dict[str, Any] = {
    "base_dim": 160,
    "decoder_base_dim": 256,
    "z_dim": 48,
    "is_residual": True,
    "in_channels": 12,
    "out_channels": 12,
    "patch_size": 2,
    "scale_factor_spatial": 16,
    "latents_mean": [0.0] * 48,
    "latents_std": [1.0] * 48,
}
"""Wan2.2's autoencoder."""


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


class Peak(TorchDispatchMode):
    """Counts the bytes of tensors that are made inside, and the most that there are at once."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = self.most = 0
        self._living: set[int] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {one.untyped_storage()._cdata for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        made = function(*args, **(kwargs or {}))
        for storage in (one.untyped_storage() for one in tree_leaves(made) if isinstance(one, Tensor)):
            if storage._cdata not in given | self._living:  # no view
                self._living.add(storage._cdata)
                self.bytes += storage.nbytes()
                weakref.finalize(storage, self._gone, storage._cdata, storage.nbytes())
        self.most = max(self.most, self.bytes)
        return made

    def _gone(self, storage: int, size: int) -> None:
        self._living.discard(storage)
        self.bytes -= size


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
        vae = AutoencoderKLWan(**WAN_VAE).eval()
    wan = Architecture.of(WanModel())
    assert wan.codec_parameters() == sum(weight.numel() for weight in vae.parameters())
    shape = wan.shape(256, 256, 9)
    clip, latents = torch.empty(1, 3, 9, 256, 256, device="meta"), torch.empty(1, *shape.latent_CTHW, device="meta")
    with torch.no_grad():
        assert flops_of(lambda: vae.encode(clip))[0] == pytest.approx(wan.encode_flops(shape), rel=1e-3)
        assert flops_of(lambda: vae.decode(latents))[0] == pytest.approx(wan.decode_flops(shape), rel=1e-3)


# --- reinforcement


@pytest.mark.parametrize(
    ("window", "tail_steps"), [(First(k=2), None), (First(k=3), 1), (Sliding(k=2, every=1, stride=2), 2)]
)
def test_an_update_of_reinforcement_costs_what_torch_counts(window: Window, tail_steps: int | None) -> None:
    config = ToyModel(labels=TOY.labels, layers=2, heads=3, head_dim=8, ffn_dim=20, patch=8)
    members, steps = 2, 6
    run = GrpoRun(
        model=config,
        data=Data(folder="d"),
        optimizer=Optimizer(steps=3, batch=members),
        sampling=Sampling(members=members, num_steps=steps, window=window, tail_steps=tail_steps),
        objective=Grpo(beta=0.1),
    )
    planned = reinforcement_plan(run, width=SIZE[2], height=SIZE[1], num_frames=SIZE[0], gpu=Gpu())
    planned = replace(planned, window=window(1, steps))
    policy = tiny_toy(config)

    def condition() -> Condition:  # its embedded labels are trained too: each backward pass needs its own
        return policy.condition([TOY.labels[0]] * members, random_clips(members, *SIZE)[:, 0])

    levels, stop = policy.sigmas(steps), planned.window.stop
    if tail_steps:
        levels = torch.cat((levels[:stop], torch.linspace(float(levels[stop]), 0, tail_steps + 1).double()))
    keys = [(member,) for member in range(members)]
    noise = normal(keys, policy.codec.latent_shape(*SIZE))
    alike = [0] * members  # they share the steps before the window
    made_of = partial(rollout, policy, condition(), noise, levels, Flow(), planned.window, keys, alike=alike)
    sampling, made = flops_of(made_of)

    def train() -> None:
        for step in planned.window:
            made.logp(step, retrace(policy, condition(), made, step)).sum().backward()

    def ask() -> None:
        for step in planned.window:
            retrace(policy, condition(), made, step)

    assert sampling == planned.work["sampling"]
    assert flops_of(train)[0] == planned.work["forward"] + planned.work["backward"]
    assert flops_of(ask)[0] == planned.work["reference"]


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of autocast on CPUs only
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_sampling_holds_no_more_than_is_said(precision: str, wide_model: Path) -> None:
    policy, size = tiny_wan(wide_model, lora=Lora(rank=4), precision=precision), (9, 160, 160)
    condition = policy.condition(["go"], random_clips(1, *size)[:, 0])
    x, sigma = normal([(0,)], policy.codec.latent_shape(*size)), torch.tensor([0.5], dtype=torch.float64)
    with torch.no_grad(), Peak() as peak:
        policy.velocity(x, sigma, condition)
    architecture = Architecture.of(WanModel(path=str(wide_model), text_length=TEXT_LENGTH))
    tokens, element = architecture.shape(size[2], size[1], size[0]).tokens, 2 if precision == "bf16" else 4
    assert 0.7 < peak.most / forward_bytes(architecture, tokens, policy.lora, element) < 1


@pytest.mark.parametrize("latent_frames", [3, 7])
def test_wans_autoencoder_holds_what_is_said(latent_frames: int) -> None:
    with torch.device("meta"):
        vae = AutoencoderKLWan(**WAN_VAE).eval()
    wan = Architecture.of(WanModel())
    shape = wan.shape(256, 256, 4 * latent_frames - 3)
    latents = torch.empty(1, *shape.latent_CTHW, device="meta")
    with torch.no_grad(), Peak() as peak:
        vae.decode(latents)
    assert peak.most == pytest.approx(decode_bytes(wan, shape), rel=0.02)

"""What a run will cost: against torch's own counts of the models that are trained, and against the design's tables."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from puzzlegen.errors import InvalidInput
from puzzlegen.train.architecture import Architecture
from puzzlegen.train.configs import Lora, ToyModel, WanModel
from puzzlegen.train.memory import activation_bytes, weight_bytes
from puzzlegen.train.plan import Gpu, Plan, plan

DEFAULT = WanModel()
WAN = Architecture.of(DEFAULT)
ATTENTION = Lora(rank=32, targets=("to_q", "to_k", "to_v", "to_out.0"))
BARE = Lora(rank=1, targets=("proj_out",))
"""So little that it is as if no layer had an adapter."""
LIMIT = 790e12


def planned(model: WanModel | ToyModel = DEFAULT, **changes: Any) -> Plan:
    run = {"width": 256, "height": 256, "num_frames": 49, "batch": 16, "micro_batch": 8, "steps": 1000}
    return plan(model, **(run | {"ema": True, "gpu": Gpu()} | changes))


def as_printed(number: float, printed: str) -> bool:
    """Whether a number rounds to what a table says."""
    decimals = len(printed.partition(".")[2])
    return f"{number:.{decimals}f}" == printed


# --- the design's tables


@pytest.mark.parametrize(
    ("size", "tokens", "tflop", "attention", "ms", "generated", "latent_mb", "rgb_mb"),
    [
        ((256, 256, 49), 832, "8.35", "3", "10.6", 147_456, "0.32", "9.6"),
        ((256, 256, 81), 1344, "13.4", "5", "16.9", 245_760, "0.52", "15.9"),
        ((384, 384, 81), 3024, "31.2", "11", "39.5", 552_960, "1.2", "36"),
        ((480, 480, 81), 4725, "51.4", "16", "65.1", 864_000, "1.8", "56"),
        ((512, 512, 81), 5376, "59.7", "18", "75.5", 983_040, "2.1", "64"),
        ((1280, 704, 121), 27280, "521", "53", "659", 5_068_800, "10.5", "327"),
    ],
)
def test_forward_passes_are_those_of_the_table(
    size: tuple[int, int, int],
    tokens: int,
    tflop: str,
    attention: str,
    ms: str,
    generated: int,
    latent_mb: str,
    rgb_mb: str,
) -> None:
    shape = WAN.shape(*size)
    channels, frames, rows, columns = shape.latent_CTHW
    flops = WAN.forward_flops(shape.tokens)
    assert (shape.tokens, shape.generated) == (tokens, generated)
    assert as_printed(flops / 1e12, tflop)
    assert as_printed(100 * replace(WAN, text_length=0).attention_flops(tokens) / flops, attention)
    assert as_printed(1000 * flops / LIMIT, ms)
    assert as_printed(2 * channels * frames * rows * columns / 1e6, latent_mb)
    assert as_printed(3 * shape.width * shape.height * shape.num_frames / 1e6, rgb_mb)


@pytest.mark.parametrize(
    ("size", "decode", "in_forwards", "encode", "encode_first"),
    [
        ((256, 256, 49), "59", "7.1", "11.3", "0.30"),
        ((256, 256, 81), "98", "7.3", "18.6", "0.30"),
        ((480, 480, 81), "344", "6.7", "65.5", "1.07"),
    ],
)
def test_the_autoencoder_costs_what_the_table_says(
    size: tuple[int, int, int], decode: str, in_forwards: str, encode: str, encode_first: str
) -> None:
    shape = WAN.shape(*size)
    assert as_printed(WAN.decode_flops(shape) / 1e12, decode)
    assert as_printed(WAN.decode_flops(shape) / WAN.forward_flops(shape.tokens), in_forwards)
    assert as_printed(WAN.encode_flops(shape) / 1e12, encode)
    assert as_printed(WAN.encode_flops(replace(shape, num_frames=1)) / 1e12, encode_first)


@pytest.mark.parametrize(
    ("size", "denoise", "decode", "train", "floors"),
    [
        ((256, 256, 49), 2.71, 1.20, (5.57, 2.78, 1.39, 0.70), (9.48, 6.69, 5.30, 4.61)),
        ((256, 256, 81), 4.33, 1.98, (9.05, 4.52, 2.26, 1.13), (15.4, 10.8, 8.6, 7.5)),
        ((480, 480, 81), 16.7, 6.98, (37.5, 18.8, 9.4, 4.7), (61.2, 42.4, 33.0, 28.3)),
    ],
)
def test_floors_of_a_group_are_those_of_the_text(
    size: tuple[int, int, int], denoise: float, decode: float, train: tuple[float, ...], floors: tuple[float, ...]
) -> None:
    """The text adds rounded seconds, so within 1 %."""
    shape, group, steps = WAN.shape(*size), 16, 16
    forward = WAN.forward_flops(shape.tokens)
    sampling, decoding = group * steps * forward / LIMIT, group * WAN.decode_flops(shape) / LIMIT
    assert (sampling, decoding) == pytest.approx((denoise, decode), rel=0.01)
    # The text counts gradients of all that blocks do; those of the prompt and before the first adapter are not needed.
    whole = WAN.recompute_flops(shape.tokens) + 1.5 * WAN.attention_flops(shape.tokens)
    training = [group * window * (forward + whole) / LIMIT for window in (16, 8, 4, 2)]
    assert training == pytest.approx(train, rel=0.01)
    assert [sampling + decoding + seconds for seconds in training] == pytest.approx(floors, rel=0.01)
    assert 0.92 * whole < WAN.backward_flops(shape.tokens, Lora(rank=1)) < whole


def test_weights_and_their_state_are_those_of_the_text() -> None:
    assert as_printed(WAN.parameters() / 1e9, "4.9998")
    assert as_printed(WAN.adapter_parameters(ATTENTION) / 1e6, "47.2")
    more = WAN.adapter_parameters(Lora(rank=32)) - WAN.adapter_parameters(ATTENTION)
    assert as_printed(more / 1e6, "33.4")
    lora = planned(WanModel(lora=ATTENTION)).memory
    state = 4 * WAN.adapter_parameters(ATTENTION) + (lora["gradients"] + lora["AdamW"]) * 2**30
    assert state / 1e9 == pytest.approx(0.75, abs=0.006)  # .755
    assert as_printed(lora["EMA"] * 2**30 / 1e9, "0.19")
    assert as_printed(lora["autoencoder"] * 2**30 / 1e9, "2.8")
    assert as_printed(weight_bytes(WAN, BARE, 2) / 1e9, "10.0")
    full = planned(WanModel(lora=Lora(rank=0), precision="fp32"), ema=False).memory
    assert as_printed((full["weights"] + full["gradients"] + full["AdamW"]) * 2**30 / 1e9, "80")
    assert full["EMA"] == 0


@pytest.mark.parametrize(
    ("lora", "checkpointing", "gb", "slack"),
    [(BARE, False, 7.6, 0.02), (None, False, 11.1, 0.05), (BARE, True, 0.18 + 7.6 / 30, 0.15)],
)
def test_a_thousand_tokens_keep_what_the_text_says(
    lora: Lora | None, checkpointing: bool, gb: float, slack: float
) -> None:
    kept = activation_bytes(WAN, 1000, lora, 2, checkpointing=checkpointing)
    assert kept / 1e9 == pytest.approx(gb, rel=slack)


@pytest.mark.parametrize(("size", "gb"), [((256, 256, 49), 6.4), ((480, 480, 81), 36.0)])
def test_a_clip_keeps_what_the_text_says(size: tuple[int, int, int], gb: float) -> None:
    """The text's 83 bytes a token, width and layer are of adapters that keep no copies."""
    kept = activation_bytes(WAN, WAN.shape(*size).tokens, BARE, 2, checkpointing=False)
    assert kept / 1e9 == pytest.approx(gb, rel=0.06)


# --- the run


def test_a_step_is_all_its_clips_and_a_run_all_its_steps() -> None:
    one, many = planned(batch=1, micro_batch=1), planned(batch=16, steps=250)
    assert {part: 16 * flops for part, flops in one.work.items()} == many.work
    total = sum(many.work.values())
    assert many.seconds() == pytest.approx(total / LIMIT)
    stored = many.as_dict()
    assert stored["hours"]["limit"] == pytest.approx(250 * total / LIMIT / 3600)
    assert stored["hours"]["assumed"] == pytest.approx(250 * total / (0.4 * LIMIT) / 3600)
    assert stored["clips_per_second"]["limit"] * stored["seconds_per_step"]["limit"] == pytest.approx(16)
    assert json.loads(json.dumps(stored)) == stored


def test_without_adapters_all_weights_are_trained() -> None:
    """A model is told so by adapters of rank 0."""
    full, tokens = planned(WanModel(lora=Lora(rank=0)), micro_batch=1), 832
    assert full.trained == full.parameters == WAN.parameters()
    assert full.work == {"forward": 16 * WAN.forward_flops(tokens), "backward": 16 * WAN.backward_flops(tokens, None)}
    assert full.work["backward"] > 2 * full.work["forward"]
    kept = activation_bytes(WAN, tokens, None, 2, checkpointing=False)
    assert full.memory["activations"] * 2**30 == pytest.approx(kept)


def test_work_does_not_depend_on_the_micro_batch_but_memory_does() -> None:
    small, large = planned(micro_batch=1), planned(micro_batch=16)
    assert small.work == large.work
    assert large.memory["activations"] == pytest.approx(16 * small.memory["activations"])


@pytest.mark.parametrize(
    "model", [WanModel(), WanModel(checkpointing=True), WanModel(lora=Lora(rank=0), checkpointing=True)]
)
@pytest.mark.parametrize("gib", [60.0, 100.0, 139.0, 500.0])
def test_the_largest_micro_batch_fits_and_the_next_does_not(model: WanModel, gib: float) -> None:
    run = planned(model, width=480, height=480, num_frames=81, gpu=Gpu(gib=gib))
    for size in (1, 2, 4, 8, 16):
        assert replace(run, micro_batch=size).fits == (size <= run.largest_micro_batch)


def test_what_does_not_fit_is_told_what_to_change() -> None:
    text = planned(micro_batch=16, gpu=Gpu(gib=120.0)).lines()
    assert any("127.2 GiB of 120: DOES NOT FIT" in line for line in text)
    assert text[-1] == "What to change: a micro-batch of 8 fits; with checkpointing, for 49% more work, one of 16."
    full = planned(WanModel(lora=Lora(rank=0), checkpointing=True), micro_batch=16, gpu=Gpu(gib=80.0))
    assert full.advice == "What to change: with LoRA, one of 16."
    assert planned(gpu=Gpu(gib=8.0)).advice.startswith("Not even one clip fits.")
    assert planned(WanModel(checkpointing=True)).advice == "It fits without checkpointing too, for 33% less work."
    fitting = planned()
    assert fitting.advice == "" and "GiB of 139: fits" in "\n".join(fitting.lines())


def test_a_toy_has_no_autoencoder_and_no_checkpointing() -> None:
    toy = planned(ToyModel(labels=("left",)), width=8, height=8, num_frames=7)
    assert toy.shape.tokens == 7 * 16
    assert toy.memory["autoencoder"] == 0 == toy.as_dict()["tflop_per_clip_of_autoencoder"]["encode"]
    assert not any("autoencoder" in line for line in toy.lines())


# --- what cannot be planned


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_frames": 48}, "codec takes 4n\\+1. Make clips of 45 or 49 frames"),
        ({"width": 250}, "sides in multiples of 32. Make clips of 256x256"),
        ({"batch": 0}, "batch must be positive"),
        ({"steps": 0}, "steps must be positive"),
        (
            {"model": WanModel(path="Wan-AI/Wan2.1-T2V-14B-Diffusers")},
            "not known here. Download it and name its folder",
        ),
        ({"model": WanModel(lora=Lora(targets=("to_z",)))}, "no layer's name ends in to_z"),
    ],
)
def test_what_cannot_be_planned_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as caught:
        planned(**changes).lines()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("wrong", [{"gib": 0.0}, {"tflops": -1.0}, {"share": 1.5}, {"share": float("nan")}])
def test_a_gpu_has_something_of_everything(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=f"gpu.{next(iter(wrong))} must be"):
        Gpu(**wrong)


def test_folders_that_hold_no_wan_model_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"transformer is no folder of a saved model"):
        Architecture.of(WanModel(path=str(tmp_path)))
    for part in ("transformer", "vae"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text('{"num_layers": 2}')
    with pytest.raises(InvalidInput, match="lacks 'num_attention_heads'"):
        Architecture.of(WanModel(path=str(tmp_path)))


def test_planning_loads_no_torch() -> None:
    code = (
        "import sys; from puzzlegen.train.configs import WanModel; from puzzlegen.train.plan import Gpu, plan;"
        "plan(WanModel(), width=256, height=256, num_frames=49, batch=1, micro_batch=1, steps=1, ema=True, gpu=Gpu())"
        ".lines(); print(*{'torch', 'diffusers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

"""What a run of reinforcement will cost: against the design's tables, and what a window saves against both formulas."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from puzzlegen.errors import InvalidInput
from puzzlegen.train.configs import Lora, ToyModel, WanModel
from puzzlegen.train.plan import Gpu, plan
from puzzlegen.train.reinforcement import Dpo, Grpo, GrpoRun, Rft, Sampling
from puzzlegen.train.reinforcement_plan import GrpoPlan, reinforcement_plan, saved_fraction
from puzzlegen.train.runs import Data, Machine, Optimizer
from puzzlegen.train.windows import All, First, Sliding, Window

SIZES = {"square256": (256, 256, 49), "long256": (256, 256, 81), "square480": (480, 480, 81)}
LORA = WanModel()
FULL = WanModel(lora=Lora(rank=0))


def planned(
    model: WanModel | ToyModel = LORA,
    *,
    size: tuple[int, int, int] = SIZES["square256"],
    groups: int = 1,
    steps: int = 100,
    micro_batch: int = 16,
    gpu: Gpu | None = None,
    num_gpus: int = 1,
    objective: Grpo | Rft | Dpo | None = None,
    **sampling: Any,
) -> GrpoPlan:
    run = GrpoRun(
        model=model,
        data=Data(folder="d"),
        optimizer=Optimizer(steps=steps, batch=16 * groups),
        sampling=Sampling(**({"members": 16, "num_steps": 16, "window": First(k=4)} | sampling)),
        objective=objective or Grpo(),
        machine=Machine(micro_batch=micro_batch),
    )
    width, height, num_frames = size
    return reinforcement_plan(
        run, width=width, height=height, num_frames=num_frames, gpu=gpu or Gpu(), num_gpus=num_gpus
    )


def seconds_of(one: GrpoPlan, *parts: str) -> float:
    return sum(one.work[part] for part in parts) / (one.gpu.tflops * 1e12)


# --- the design's tables


@pytest.mark.parametrize(
    ("size", "denoise", "decode", "train", "floors"),
    [
        ("square256", 2.71, 1.20, (5.57, 2.78, 1.39, 0.70), (9.48, 6.69, 5.30, 4.61)),
        ("long256", 4.33, 1.98, (9.05, 4.52, 2.26, 1.13), (15.4, 10.8, 8.6, 7.5)),
        ("square480", 16.7, 6.98, (37.5, 18.8, 9.4, 4.7), (61.2, 42.4, 33.0, 28.3)),
    ],
)
def test_seconds_of_a_group_are_the_texts_floors(
    size: str, denoise: float, decode: float, train: tuple[float, ...], floors: tuple[float, ...]
) -> None:
    """Within 3 %: the text leaves out the adapters' own work, and has gradients that stop nowhere."""
    one = planned(size=SIZES[size])
    tokens, lora = one.shape.tokens, LORA.lora
    adapters = one.architecture.forward_flops(tokens, lora) / one.architecture.forward_flops(tokens)
    assert 1.02 < adapters < 1.04
    assert seconds_of(one, "sampling") == pytest.approx(denoise * adapters, rel=0.01)
    assert seconds_of(one, "decoding") == pytest.approx(decode, rel=0.01)
    for k, training, floor in zip((16, 8, 4, 2), train, floors, strict=True):
        windowed = replace(one, window=range(k))
        assert seconds_of(windowed, "forward", "backward") == pytest.approx(training, rel=0.03)
        assert windowed.group_seconds() == windowed.seconds() == pytest.approx(floor, rel=0.03)


def test_latents_of_a_window_take_what_the_text_says() -> None:
    latents = planned(objective=Grpo(norm="none")).memory["latents"] * 2**30
    assert round(latents / 1e6) == 51
    with_means = planned().memory["latents"] * 2**30
    assert with_means / latents == pytest.approx(9 / 5)


@pytest.mark.parametrize(
    ("window", "cost", "percent"),
    [
        (8, {"backward": 4.0}, 40),
        (8, {"backward": 2.06}, 34),
        (4, {"backward": 2.06}, 50),
        (2, {"backward": 2.06}, 59),
        (8, {"backward": 2.06, "decode": 7.1}, 29),
        (4, {"backward": 2.06, "decode": 7.1}, 44),
        (2, {"backward": 2.06, "decode": 7.1}, 51),
        (4, {"backward": 3.0, "reference": 1.0}, 60),
        (16, {"backward": 2.06, "decode": 7.1}, 0),
    ],
)
def test_a_window_saves_what_the_text_says(window: int, cost: dict[str, float], percent: int) -> None:
    assert round(100 * saved_fraction(16, window, **cost)) == percent
    without_decoding = cost | {"decode": 0.0}
    assert saved_fraction(16, window, guidance=2, **without_decoding) == saved_fraction(16, window, **without_decoding)


def test_a_window_with_a_better_solver_behind_it_saves_against_the_plain_one_everywhere() -> None:
    assert saved_fraction(16, 4, backward=4.0, tail=0.5) == pytest.approx(1 - (0.25 + 0.375 + 1) / 5)
    with pytest.raises(InvalidInput, match="A window of 17 steps does not fit 16"):
        saved_fraction(16, 17, backward=2.0)


# --- what a window saves


@pytest.mark.parametrize("model", [LORA, WanModel(checkpointing=True), FULL], ids=["lora", "checkpointing", "full"])
@pytest.mark.parametrize("objective", [Grpo(), Grpo(beta=0.1), Grpo(passes=3, beta=0.1)], ids=["plain", "kl", "passes"])
@pytest.mark.parametrize(
    ("window", "tail_steps"), [(First(k=4), None), (First(k=2), 5), (Sliding(k=3, every=1), None), (All(), None)]
)
def test_both_ways_to_say_what_is_saved_agree(
    window: Window, tail_steps: int | None, objective: Grpo, model: WanModel
) -> None:
    """`saved_fraction` counts forward passes, `seconds` the work of all parts."""
    one = planned(model, objective=objective, window=window, tail_steps=tail_steps)
    everywhere = planned(model, objective=objective, window=All())
    assert one.saved == pytest.approx(1 - one.seconds() / everywhere.seconds(), abs=1e-12)
    told = one.as_dict()["saving"]
    assert told["seconds_per_step"]["limit"] == pytest.approx(everywhere.seconds() - one.seconds(), abs=1e-9)
    assert any(line.startswith("saved") for line in one.lines()) == (window != All())


def test_a_shorter_window_saves_more_and_a_short_tail_more_still() -> None:
    saved = [planned(window=First(k=k), tail_steps=tail).saved for k, tail in ((8, None), (4, None), (4, 4), (2, 4))]
    assert saved == sorted(saved) and saved[0] > 0.2
    assert planned(window=First(k=4), tail_steps=4).sampler_passes == 8


# --- the run


def test_an_update_makes_clips_and_trains_on_them() -> None:
    one, supervised = planned(groups=4), plan_of_a_clip()
    assert one.groups == 4 and one.seconds() == pytest.approx(4 * one.group_seconds())
    for part, flops in supervised.items():
        assert one.work[part] == 64 * 4 * flops
    assert one.work["sampling"] == 64 * 16 * supervised["forward"]
    assert "reference" not in one.work and "reference" not in one.memory


def plan_of_a_clip(model: WanModel = LORA) -> dict[str, float]:
    size = {"width": 256, "height": 256, "num_frames": 49}
    return plan(model, **size, batch=1, micro_batch=1, steps=1, ema=False, gpu=Gpu()).work


def test_a_penalty_asks_the_model_as_it_was_and_keeps_a_copy_of_it() -> None:
    one = planned(FULL, objective=Grpo(beta=0.1))
    assert one.work["reference"] == one.work["forward"]
    assert one.memory["reference"] == one.memory["gradients"]  # float32 too
    assert planned(objective=Grpo(beta=0.1)).memory["reference"] < 0.7  # of adapters


def test_clips_that_serve_several_passes_are_made_once() -> None:
    once, thrice = planned(), planned(objective=Grpo(passes=3))
    assert all(thrice.work[part] == once.work[part] for part in ("sampling", "decoding"))
    assert thrice.work["forward"] == 3 * once.work["forward"]
    assert any("4 steps of each clip, 3 times" in line for line in thrice.lines())


@pytest.mark.parametrize(
    ("objective", "passes", "reference", "latents", "told"),
    [
        (Rft(draws=3), 3, 0, 1, "at most 3 passes for each clip, if all are solved"),
        (Dpo(draws=2), 4, 4, 2, "at most 4 passes for each clip, if all fail"),
    ],
)
def test_objectives_without_ratios_train_on_clips(
    objective: Rft | Dpo, passes: int, reference: int, latents: int, told: str
) -> None:
    one, forward = planned(objective=objective), plan_of_a_clip()["forward"]
    assert one.work["forward"] == 16 * passes * forward
    assert one.work.get("reference", 0) == 16 * reference * forward
    assert ("reference" in one.memory) == (reference > 0)
    assert one.memory["latents"] * 2**30 == 16 * latents * 4 * 48 * 13 * 16 * 16
    assert "saving" not in one.as_dict() and one.saved == 0
    assert any(told in line for line in one.lines()) and not any(line.startswith("saved") for line in one.lines())


def test_a_run_is_all_its_updates_each_with_its_window() -> None:
    shrinking = planned(window=First(k=8, final_k=2, anneal=3), steps=5)
    assert list(shrinking.window) == list(range(8))  # what is told is the first
    assert any("with noise in 1 to 8 at first" in line for line in shrinking.lines())
    each = [planned(window=First(k=k)).seconds(0.4) for k in (8, 6, 4, 2, 2)]
    assert shrinking.run_seconds(0.4) == pytest.approx(sum(each))
    moving = planned(window=Sliding(k=4, every=1), tail_steps=2, steps=3)
    assert moving.run_seconds() > 3 * moving.seconds()  # a tail that begins later saves less
    assert moving.as_dict()["hours"]["limit"] == pytest.approx(moving.run_seconds() / 3600)


def test_peaks_are_of_what_is_done_at_a_time() -> None:
    one, two = planned(FULL, micro_batch=1), planned(FULL, micro_batch=2)
    assert one.peaks["training"] == pytest.approx(sum(one.memory.values()))
    assert one.peaks["sampling"] < one.peaks["decoding"] < one.peaks["training"] - one.memory["gradients"]
    sampled, decoded, trained = (two.peaks[what] - one.peaks[what] for what in ("sampling", "decoding", "training"))
    assert trained == pytest.approx(one.memory["activations"])
    assert 0 < sampled < decoded == pytest.approx(1.35, abs=0.01)


def test_what_decoding_needs_counts_too() -> None:
    """With checkpointing a clip takes less to train on than to decode."""
    one = planned(WanModel(checkpointing=True), gpu=Gpu(gib=19.0))
    assert one.peaks["training"] < 30 < one.peaks["decoding"]
    assert not one.fits and one.largest_micro_batch == 2
    assert one.advice == "What to change: a micro-batch of 2 fits."
    assert replace(one, micro_batch=2).fits and not replace(one, micro_batch=4).fits


def test_a_toy_decodes_for_nothing() -> None:
    toy = planned(ToyModel(labels=("left",)), size=(8, 8, 7))
    assert "decoding" not in toy.work and toy.peaks.keys() == {"training", "sampling"}


def test_a_plan_is_a_table_to_read_and_one_to_load() -> None:
    one = planned(groups=4)
    text = "\n".join(one.lines())
    for expected in (
        "update        4 puzzles, 16 clips of each",
        "sampler       16 steps, with noise in 1 to 4",
        "for an update of 64 clips",
        "  trained     4 steps of each clip",
        "GiB while training, ",
        "5.39 s a puzzle, 100 updates in ",
        "saved         42% of the time of training all 15 stochastic steps: 21.6 s an update at the limit, not 37",
    ):
        assert expected in text, text
    stored = one.as_dict()
    assert json.loads(json.dumps(stored)) == stored
    assert stored["groups"] == 4 and stored["window"] == [0, 1, 2, 3]
    assert stored["passes_per_clip"] == {"sampling": 16, "training": 4, "reference": 0}
    assert "with noise in 1 at first, 2 after it" in "\n".join(planned(window=Sliding(k=1), tail_steps=2).lines())


# --- what cannot be planned


def test_groups_are_shared_whole() -> None:
    assert planned(groups=4, num_gpus=2).groups == 2
    with pytest.raises(
        InvalidInput, match=r"batch 64 cannot be shared by 8 GPUs in groups of 16. Make it a multiple of 128"
    ):
        planned(groups=4, num_gpus=8)


def test_planning_loads_no_torch() -> None:
    code = (
        "import sys; from puzzlegen.train.configs import WanModel; from puzzlegen.train.plan import Gpu;"
        "from puzzlegen.train.reinforcement import GrpoRun; from puzzlegen.train.runs import Data, Optimizer;"
        "from puzzlegen.train.reinforcement_plan import reinforcement_plan;"
        "run = GrpoRun(model=WanModel(), data=Data(folder='d'), optimizer=Optimizer(steps=1, batch=8));"
        "reinforcement_plan(run, width=256, height=256, num_frames=49, gpu=Gpu()).lines();"
        "print(*{'torch', 'diffusers', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""

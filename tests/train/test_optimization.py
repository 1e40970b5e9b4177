"""Updates of weights: the schedule, the average, and going on exactly."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor, nn  # noqa: E402

from puzzlegen.errors import CorruptData, InvalidInput  # noqa: E402
from puzzlegen.train.optimization import Optimization, rate  # noqa: E402
from puzzlegen.train.randomness import generator  # noqa: E402
from puzzlegen.train.runs import Optimizer  # noqa: E402

CONFIG = Optimizer(steps=20, batch=1, lr=0.1, warmup=4, weight_decay=0.01, max_grad_norm=0.5, ema=0.9)


def new_weights() -> dict[str, nn.Parameter]:
    shapes = {"blocks.0.matrix": (3, 4), "bias": (4,)}
    return {name: nn.Parameter(torch.randn(shape, generator=generator(name))) for name, shape in shapes.items()}


def loss_of(weights: dict[str, nn.Parameter], step: int) -> Tensor:
    x = torch.randn(5, 3, generator=generator("x", step))
    return (x @ weights["blocks.0.matrix"] + weights["bias"]).square().sum()


def run(weights: dict[str, nn.Parameter], optimization: Optimization, steps: range) -> list[dict[str, float]]:
    figures = []
    for step in steps:
        loss_of(weights, step).backward()
        figures.append(optimization.update(step))
    return figures


def test_the_learning_rate_rises_in_a_line_and_falls_as_a_cosine() -> None:
    config = Optimizer(steps=12, batch=1, lr=2.0, warmup=3, final_lr=0.25)
    assert [rate(step, config) for step in range(4)] == [0.25, 0.5, 0.75, 1.0]
    assert rate(3 + 9, config) == pytest.approx(0.25)
    assert rate(3 + 3, config) == pytest.approx(0.25 + 0.75 * (1 + math.cos(math.pi / 3)) / 2)


def test_updates_are_those_of_adamw_with_clipping() -> None:
    ours, theirs = new_weights(), new_weights()
    optimization = Optimization(ours, CONFIG)
    adamw = torch.optim.AdamW(theirs.values(), lr=CONFIG.lr, betas=CONFIG.betas, weight_decay=CONFIG.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: rate(step, CONFIG))
    for step, figures in enumerate(run(ours, optimization, range(10))):
        loss_of(theirs, step).backward()
        norm = torch.cat([weight.grad.flatten() for weight in theirs.values()]).norm()
        assert figures == {"lr": pytest.approx(schedule.get_last_lr()[0]), "grad_norm": pytest.approx(float(norm))}
        for weight in theirs.values():
            weight.grad *= min(1.0, CONFIG.max_grad_norm / float(norm))
        adamw.step()
        adamw.zero_grad()
        schedule.step()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name])


def test_the_average_follows_its_closed_form_and_weights_come_back() -> None:
    weights = new_weights()
    optimization = Optimization(weights, CONFIG)
    average = weights["bias"].detach().clone()
    for step in range(15):
        run(weights, optimization, range(step, step + 1))
        decay = 0.0 if step == 0 else min(0.9, (1 + step) / (10 + step))
        average = decay * average + (1 - decay) * weights["bias"].detach()
    kept = weights["bias"].detach().clone()
    with pytest.raises(ZeroDivisionError), optimization.averaged():
        torch.testing.assert_close(weights["bias"].detach(), average)
        assert torch.equal(weights["bias"], optimization.averages()["bias"])
        _ = 1 / 0
    assert torch.equal(weights["bias"], kept)


def test_without_an_average_the_weights_stand_for_it() -> None:
    weights = new_weights()
    optimization = Optimization(weights, Optimizer(steps=5, batch=1))
    run(weights, optimization, range(3))
    assert torch.equal(optimization.averages()["blocks.0.matrix"], weights["blocks.0.matrix"])
    with optimization.averaged():
        assert torch.equal(optimization.averages()["blocks.0.matrix"], weights["blocks.0.matrix"])


def test_matrices_of_blocks_are_left_to_muon() -> None:
    ours, theirs = new_weights(), new_weights()
    config = Optimizer(steps=10, batch=1, lr=0.1, muon_lr=0.02, weight_decay=0.01)
    optimization = Optimization(ours, config)
    optimizers = [
        torch.optim.Muon([theirs["blocks.0.matrix"]], lr=0.02, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW([theirs["bias"]], lr=0.1, betas=config.betas, weight_decay=0.01),
    ]
    for step in range(10):
        run(ours, optimization, range(step, step + 1))
        loss_of(theirs, step).backward()
        nn.utils.clip_grad_norm_(theirs.values(), 1.0)
        for optimizer in optimizers:
            optimizer.param_groups[0]["lr"] = optimizer.defaults["lr"] * rate(step, config)
            optimizer.step()
            optimizer.zero_grad()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name])


@pytest.mark.parametrize(("ema", "muon_lr"), [(0.0, 0.0), (0.9, 0.0), (0.9, 0.02)])
def test_six_updates_are_three_and_three_more_bit_for_bit(ema: float, muon_lr: float) -> None:
    config = Optimizer(steps=6, batch=1, lr=0.1, muon_lr=muon_lr, warmup=2, weight_decay=0.01, ema=ema)
    whole = new_weights()
    uninterrupted = Optimization(whole, config)
    run(whole, uninterrupted, range(6))
    first = new_weights()
    before = Optimization(first, config)
    run(first, before, range(3))
    second = {name: nn.Parameter(torch.zeros_like(weight)) for name, weight in first.items()}
    after = Optimization(second, config)
    after.restore({name: tensor.clone() for name, tensor in before.state().items()})
    run(second, after, range(3, 6))
    expected, found = uninterrupted.state(), after.state()
    assert set(expected) == set(found)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_state_of_another_model_is_refused() -> None:
    weights = new_weights()
    optimization = Optimization(weights, CONFIG)
    run(weights, optimization, range(1))
    state = optimization.state()
    other = Optimization(weights, Optimizer(steps=5, batch=1))
    with pytest.raises(CorruptData, match="does not fit the model: ema/bias and 1 more"):
        other.restore(state)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"steps": 0}, "optimizer.steps must be positive"),
        ({"batch": 0}, "optimizer.batch must be positive"),
        ({"lr": 0.0}, "optimizer.lr must be positive"),
        ({"final_lr": 1.5}, "optimizer.final_lr must be a share of lr"),
        ({"betas": (0.9, 1.0)}, "optimizer.betas must be two numbers"),
        ({"ema": 1.0}, "optimizer.ema must be in"),
        ({"max_grad_norm": 0.0}, "optimizer.max_grad_norm must be positive"),
    ],
)
def test_values_out_of_range_are_named(change: dict[str, object], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        Optimizer(**({"steps": 1, "batch": 1} | change))

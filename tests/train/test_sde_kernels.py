"""Kernels: what they do to a Gaussian target is known exactly; they are their published formulas."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen.errors import InvalidInput  # noqa: E402
from puzzlegen.train.kernels import Cps, Dance, Flow, Kernel, Ode, Xflow  # noqa: E402
from puzzlegen.train.schedule import sigma_grid  # noqa: E402

NOISY = (Flow(), Flow(eta=1), Dance(), Dance(eta=1), Cps(eta=0.3), Cps(), Cps(eta=0.9), Xflow(), Xflow(eta=1))
DATA_STD = 0.5


def true_std(sigma: float) -> float:
    return math.hypot((1 - sigma) * DATA_STD, sigma)


def std_ratios(kernel: Kernel, num_steps: int, window: int | None = None, shift: float = 5.0) -> list[float]:
    """Std over the true marginal's after each step, of data N(0, DATA_STD^2), whose velocity is linear; no sampling.

    The ODE makes the last step, and all after `window`.
    """
    variance, ratios, levels = 1.0, [], sigma_grid(num_steps, shift).tolist()
    for number, (sigma, following) in enumerate(pairwise(levels)):
        noisy = number < (num_steps if window is None else window) and following > 0
        step = (kernel if noisy else Ode()).step(sigma, following)
        slope = (sigma - (1 - sigma) * DATA_STD**2) / true_std(sigma) ** 2  # E[noise - z0 | x] = slope * x
        variance = (step.state + step.velocity * slope) ** 2 * variance + step.std**2
        ratios.append(math.sqrt(variance) / true_std(following))
    return ratios


class Expected(NamedTuple):
    """Rounded to three decimals."""

    first: float
    worst: float
    last: float
    fine: float


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (Ode(), Expected(1.000, 1.000, 0.750, 0.996)),
        (Flow(), Expected(1.034, 1.059, 0.826, 0.998)),
        (Flow(eta=1), Expected(1.127, 1.180, 0.881, 0.998)),
        (Dance(), Expected(1.000, 1.000, 0.763, 0.996)),
        (Dance(eta=1), Expected(1.000, 1.084, 0.902, 0.999)),
        (Cps(eta=0.3), Expected(1.000, 1.000, 0.733, 0.965)),
        (Cps(), Expected(1.000, 1.000, 0.662, 0.843)),
        (Cps(eta=0.9), Expected(1.000, 1.000, 0.605, 0.750)),
        (Xflow(), Expected(1.000, 1.000, 0.728, 0.994)),
        (Xflow(eta=1), Expected(1.000, 1.000, 0.708, 0.992)),
    ],
)
def test_what_16_and_1000_steps_do_to_a_gaussian_is_known(kernel: Kernel, expected: Expected) -> None:
    ratios = std_ratios(kernel, 16)
    found = Expected(ratios[0], max(ratios), ratios[-1], std_ratios(kernel, 1000)[-1])
    assert found == pytest.approx(expected, abs=0.0006)


@pytest.mark.parametrize("kernel", [Ode(), *NOISY], ids=str)
def test_marginals_are_preserved_as_the_kernel_says(kernel: Kernel) -> None:
    levels, ratios = sigma_grid(1000, 5.0).tolist()[1:], std_ratios(kernel, 1000)
    assert (abs(ratios[-1] - 1) < 0.01) == kernel.preserves_marginals
    if kernel.preserves_marginals:
        assert max(abs(ratio - 1) for sigma, ratio in zip(levels, ratios, strict=True) if sigma < 0.95) < 0.05


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [(Flow(), 0.789), (Flow(eta=1), 0.833), (Dance(), 0.750), (Cps(), 0.750), (Xflow(), 0.750), (Xflow(eta=1), 0.750)],
)
def test_four_early_steps_leave_the_end_to_the_ode(kernel: Kernel, expected: float) -> None:
    assert std_ratios(kernel, 16, window=4)[-1] == pytest.approx(expected, abs=0.0006)


def early(kernel: Kernel, count: int, num_steps: int = 16, shift: float = 5.0) -> list[float]:
    return [kernel.step(*levels).std for levels in list(pairwise(sigma_grid(num_steps, shift).tolist()))[:count]]


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (Flow(), (0.70, 0.73, 0.53, 0.44)),
        (Cps(), (0.88, 0.87, 0.85, 0.84)),
        (Dance(), (0.034, 0.036, 0.038, 0.041)),
        (Dance(eta=1), (0.115,)),
        (Xflow(), (0.614, 0.543, 0.437, 0.381)),
    ],
    ids=str,
)
def test_how_far_early_steps_explore_is_known(kernel: Kernel, expected: tuple[float, ...]) -> None:
    assert early(kernel, len(expected)) == pytest.approx(expected, abs=0.0051 if expected[0] > 0.65 else 0.0006)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [(Flow(), {0: 0.019, 3: 0.052, 12: 0.41, 14: 0.86}), (Dance(), {0: 0.38, 14: 1.45})],
    ids=str,
)
def test_late_steps_weigh_more_in_the_gradient(kernel: Kernel, expected: dict[int, float]) -> None:
    levels = [*pairwise(sigma_grid(16, 5.0).tolist())]
    found = {number: kernel.step(*levels[number]).sensitivity for number in expected}
    assert found == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
def test_the_first_step_of_flow_has_the_std_eta(shift: float) -> None:
    for num_steps in (2, 7, 16, 200):
        assert early(Flow(eta=0.6), 1, num_steps, shift) == pytest.approx([0.6])


@pytest.mark.parametrize("kernel", NOISY, ids=str)
def test_every_grid_gives_finite_numbers_and_noise_at_all_steps_but_the_last(kernel: Kernel) -> None:
    for num_steps in range(2, 201):
        for shift in (1.0, 5.0, 12.0):
            for sigma, following in pairwise(sigma_grid(num_steps, shift).tolist()):
                step = kernel.step(sigma, following)
                assert all(math.isfinite(value) for value in (step.state, step.velocity, step.std))
                assert following == 0 or (step.std > 0 and step.velocity != 0)


@pytest.mark.parametrize("kind", [Flow, Dance, Cps, Xflow])
def test_without_noise_every_kernel_is_eulers(kind: type[Flow] | type[Dance] | type[Cps] | type[Xflow]) -> None:
    for num_steps in (1, 5, 50):
        for sigma, following in pairwise(sigma_grid(num_steps, 5.0).tolist()):
            for eta, tolerance in ((0.0, 1e-12), (1e-4, 1e-6)):
                found, euler = kind(eta=eta).step(sigma, following), Ode().step(sigma, following)
                assert (found.state, found.velocity) == pytest.approx((euler.state, euler.velocity), abs=tolerance)
                assert found.std <= eta * 2


@pytest.mark.parametrize("kernel", [Cps(), Cps(eta=1), Xflow(), Xflow(eta=3)], ids=str)
def test_coefficients_of_clip_and_noise_are_those_of_the_next_level(kernel: Kernel) -> None:
    for sigma, following in pairwise(sigma_grid(12, 5.0).tolist()):
        step = kernel.step(sigma, following)
        clip = step.state * (1 - sigma) - step.velocity  # of x = (1 - t) z0 + t e, v = e - z0
        noise = step.state * sigma + step.velocity
        assert clip == pytest.approx(1 - following)
        assert math.hypot(noise, step.std) == pytest.approx(following)


def published(kernel: Flow | Dance | Cps, x: Tensor, v: Tensor, t: float, following: float) -> tuple[Tensor, float]:
    """Mean and std, written down from flow_grpo's sd3_sde_with_logprob.py and DanceGRPO's flux_step."""
    dt = following - t
    if isinstance(kernel, Cps):
        std = following * math.sin(kernel.eta * math.pi / 2)
        clip, noise = x - t * v, x + v * (1 - t)
        return clip * (1 - following) + noise * math.sqrt(following**2 - std**2), std
    if isinstance(kernel, Flow):
        rate = math.sqrt(t / (1 - (following if t == 1 else t))) * kernel.eta
        mean = x * (1 + rate**2 / (2 * t) * dt) + v * (1 + rate**2 * (1 - t) / (2 * t)) * dt
        return mean, rate * math.sqrt(-dt)
    score = -(x - (x - t * v) * (1 - t)) / t**2
    return x + dt * v - 0.5 * kernel.eta**2 * score * dt, kernel.eta * math.sqrt(-dt)


@pytest.mark.parametrize("kernel", [Flow(), Dance(), Cps()], ids=str)
def test_steps_are_the_published_ones(kernel: Flow | Dance | Cps) -> None:
    x, v = torch.randn(2, 1, 2, 3, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for sigma, following in pairwise(sigma_grid(10, 5.0).tolist()):
        found, (mean, std) = kernel(x, v, sigma, following), published(kernel, x, v, sigma, following)
        torch.testing.assert_close(found.mean_BCTHW, mean)
        assert found.std == pytest.approx(std)


def test_xflow_is_one_process_however_it_is_cut() -> None:
    """While the clip stands still, two steps are one: what is left of the noise multiplies."""
    kernel = Xflow()

    def left(sigma: float, following: float) -> float:
        step = kernel.step(sigma, following)
        return (step.state * sigma + step.velocity) / following

    assert left(0.9, 0.7) * left(0.7, 0.2) == pytest.approx(left(0.9, 0.2))
    points = 100_000
    middles = [0.2 + 0.7 * (number + 0.5) / points for number in range(points)]
    integral = sum(kernel.eta**2 / (u * (1 - u)) for u in middles) * 0.7 / points
    assert left(0.9, 0.2) == pytest.approx(math.exp(-integral / 2))


def test_noise_out_of_range_is_refused() -> None:
    for kind in (Flow, Dance, Xflow):
        with pytest.raises(InvalidInput, match=r"^kernel\.eta must be 0 or more\.$"):
            kind(eta=-0.1)
    with pytest.raises(InvalidInput, match=r"^kernel\.eta must be in \[0, 1\]\.$"):
        Cps(eta=1.1)

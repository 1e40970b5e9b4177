"""The objective: clipped on the right side, unbiased where it says so, even over steps."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen.train.figures import ratio_figures  # noqa: E402
from puzzlegen.train.gaussian import Gaussian, Reduction  # noqa: E402
from puzzlegen.train.kernels import Cps, Dance, Flow, Kernel, Xflow  # noqa: E402
from puzzlegen.train.objective import clipped_losses, log_ratio, step_scales  # noqa: E402
from puzzlegen.train.reinforcement import RatioNorm  # noqa: E402
from puzzlegen.train.schedule import sigma_grid  # noqa: E402

CLIP = 0.1


def losses_and_gradients(log_ratios: list[float], advantages: list[float]) -> tuple[list[float], list[float]]:
    ratios = torch.tensor(log_ratios, dtype=torch.float64, requires_grad=True)
    losses = clipped_losses(ratios, torch.tensor(advantages), CLIP)
    losses.sum().backward()
    assert ratios.grad is not None
    return losses.tolist(), ratios.grad.tolist()


def test_past_the_clip_on_the_side_of_the_advantage_nothing_pushes_further() -> None:
    losses, gradients = losses_and_gradients([0.2, -0.2], [1.0, -1.0])
    assert losses == pytest.approx([-1.1, 0.9])
    assert gradients == [0, 0]


def test_past_the_clip_on_the_other_side_all_pushes_back() -> None:
    losses, gradients = losses_and_gradients([-0.2, 0.2], [1.0, -1.0])
    assert losses == gradients == pytest.approx([-math.exp(-0.2), math.exp(0.2)])


def test_within_the_clip_the_loss_is_the_ratio_times_the_advantage() -> None:
    losses, gradients = losses_and_gradients([0.0, 0.05, -0.05], [2.0, 2.0, -0.5])
    assert losses == gradients == pytest.approx([-2.0, -2 * math.exp(0.05), 0.5 * math.exp(-0.05)])


def test_huge_ratios_and_members_without_advantage_give_numbers() -> None:
    losses, gradients = losses_and_gradients([1e4, 1e4, -1e4, 3.0], [1.0, 0.0, 1.0, 0.0])
    assert losses[0] == pytest.approx(-1.1) and losses[1] == losses[3] == 0
    assert all(math.isfinite(value) for value in losses + gradients)
    assert gradients[1] == gradients[3] == 0


def moved(std: float, drift: float, shape: tuple[int, ...] = (4000, 2, 3, 4, 4)) -> tuple[Gaussian, Gaussian, Tensor]:
    """An old and a new policy's step, means apart by `drift` (rms), and what the old one has drawn."""
    chance = torch.Generator().manual_seed(5)
    old = Gaussian(torch.zeros(shape), std)
    new = Gaussian(drift * torch.randn(shape, generator=chance), std)
    return old, new, old.sample(torch.randn(shape, generator=chance))


def ratio_of(old: Gaussian, new: Gaussian, x: Tensor, norm: RatioNorm, reduction: Reduction) -> Tensor:
    drift_B = new.kl(old, reduction)
    logp, logp_old = new.log_prob(x, reduction), old.log_prob(x, reduction)
    return log_ratio(logp, logp_old, norm=norm, drift_B=drift_B, std=old.std).exp()


@pytest.mark.parametrize("norm", ["centered", "guard"])
def test_norms_take_the_bias_from_the_ratio(norm: RatioNorm) -> None:
    old, new, x = moved(std=0.5, drift=0.1)
    biased = ratio_of(old, new, x, "none", "mean")
    assert biased.mean() == pytest.approx(1 - 0.1**2 / (2 * 0.5**2), abs=0.002)
    ratio = ratio_of(old, new, x, norm, "mean")
    error = float(ratio.std()) / math.sqrt(len(ratio))
    assert abs(ratio.mean() - 1) < 3 * error + float(ratio.var()) / 2 + 1e-6
    assert biased.mean() < 1 - 20 * error


def test_guard_is_the_mean_of_noise_times_drift() -> None:
    old, new, x = moved(std=0.5, drift=0.1, shape=(8, 2, 3, 4, 4))
    z, dmu = (x / 0.5).double()[:, :, 1:], new.mean_BCTHW.double()[:, :, 1:]
    torch.testing.assert_close(ratio_of(old, new, x, "guard", "mean").log(), (z * dmu).mean((1, 2, 3, 4)))
    torch.testing.assert_close(ratio_of(old, new, x, "centered", "sum").log(), (z * dmu).sum((1, 2, 3, 4)) / 0.5)


def test_guard_is_of_the_same_size_at_every_step_and_centered_rsqrt_at_every_resolution() -> None:
    def spread(std: float, width: int, norm: RatioNorm, reduction: Reduction) -> float:
        return float(ratio_of(*moved(std, 0.02 * std, (1000, 1, 2, width, width)), norm, reduction).log().std())

    assert spread(0.7, 16, "centered", "rsqrt") == pytest.approx(spread(0.7, 4, "centered", "rsqrt"), rel=0.1)
    assert spread(0.7, 16, "centered", "rsqrt") == pytest.approx(0.02, rel=0.1)  # rms(dmu) / s
    assert spread(0.7, 16, "centered", "mean") == pytest.approx(spread(0.7, 4, "centered", "mean") / 4, rel=0.1)
    late, early = (float(ratio_of(*moved(s, 0.02, (1000, 1, 2, 8, 8)), "guard", "mean").log().std()) for s in (0.1, 1))
    assert late == pytest.approx(early, rel=0.1)


@pytest.mark.parametrize("norm", ["none", "centered", "guard"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "rsqrt"])
def test_a_policy_that_has_not_moved_has_the_ratio_one_exactly(norm: RatioNorm, reduction: Reduction) -> None:
    old, _, x = moved(std=0.5, drift=0.1, shape=(3, 2, 3, 4, 4))
    assert ratio_of(old, old, x, norm, reduction).tolist() == [1, 1, 1]


def test_norms_without_the_old_means_are_refused() -> None:
    with pytest.raises(AssertionError, match="needs the old means"):
        log_ratio(torch.zeros(2), torch.zeros(2), norm="guard")


@pytest.mark.parametrize("kernel", [Flow(), Dance(), Cps(), Xflow()], ids=str)
@pytest.mark.parametrize("norm", ["none", "guard"])
def test_scaled_steps_push_the_velocity_alike(kernel: Kernel, norm: RatioNorm) -> None:
    """By the gradients that densities have, not by the formula."""
    levels, window = sigma_grid(16, 5.0).tolist(), range(2, 15)
    scales = step_scales(kernel, levels, window, norm=norm)
    assert [*scales] == [*window]
    assert sum(scales.values()) / len(window) == pytest.approx(1)
    z, x = torch.randn(2, 1, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    norms = []
    for step, (sigma, following) in enumerate(pairwise(levels)):
        if step not in window:
            continue
        velocity = torch.zeros(1, 1, 3, 4, 4, requires_grad=True)
        now = kernel(x, velocity, sigma, following)
        old = Gaussian(now.mean_BCTHW.detach(), now.std)
        drawn = old.sample(z)
        ratio = log_ratio(now.log_prob(drawn), old.log_prob(drawn), norm=norm, drift_B=now.kl(old), std=now.std)
        (scales[step] * clipped_losses(ratio, torch.ones(1), CLIP)).sum().backward()
        assert velocity.grad is not None
        norms.append(float(velocity.grad.norm()))
    assert norms == pytest.approx([norms[0]] * len(norms), rel=1e-3)


def test_figures_tell_what_the_ratios_are() -> None:
    ratios = torch.tensor([1.0, 1.2, 0.5, 1.05, 1.3, 0.8], dtype=torch.float64)
    advantages = torch.tensor([1.0, 1.0, 2.0, 2.0, -1.0, -1.0])
    found = ratio_figures(ratios.log(), advantages, CLIP)
    assert found == pytest.approx(
        {
            "ratio/mean": 5.85 / 6,
            "ratio/min": 0.5,
            "ratio/max": 1.3,
            "ratio/logp_absdiff": math.log(2),
            "clip_frac_high": 1 / 6,
            "clip_frac_low": 1 / 6,
        }
    )

"""Gaussians: densities and divergences that torch agrees with, blind to frame 0, exact to the last millionth."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402
from torch.distributions import Normal, kl_divergence  # noqa: E402

from puzzlegen.train.gaussian import Gaussian  # noqa: E402


def a_gaussian(std: float = 0.3) -> tuple[Gaussian, Tensor]:
    mean, noise = torch.randn(2, 3, 2, 4, 2, 2, generator=torch.Generator().manual_seed(1))
    return Gaussian(mean, std), mean + std * noise


def test_densities_are_those_of_torch() -> None:
    gaussian, x = a_gaussian()
    elements = Normal(gaussian.mean_BCTHW.double(), gaussian.std).log_prob(x.double())[:, :, 1:]
    count = elements[0].numel()
    torch.testing.assert_close(gaussian.log_prob(x), elements.mean((1, 2, 3, 4)))
    torch.testing.assert_close(gaussian.log_prob(x, "sum"), elements.sum((1, 2, 3, 4)))
    torch.testing.assert_close(gaussian.log_prob(x, "rsqrt"), elements.sum((1, 2, 3, 4)) / math.sqrt(count))


def test_divergences_are_those_of_torch() -> None:
    gaussian, x = a_gaussian()
    other = Gaussian(x, gaussian.std)
    elements = kl_divergence(Normal(gaussian.mean_BCTHW.double(), 0.3), Normal(x.double(), 0.3))[:, :, 1:]
    torch.testing.assert_close(gaussian.kl(other), elements.mean((1, 2, 3, 4)))
    torch.testing.assert_close(gaussian.kl(other, "sum"), elements.sum((1, 2, 3, 4)))
    assert gaussian.kl(gaussian).tolist() == [0] * 3


def test_frame_zero_counts_in_no_density() -> None:
    gaussian, x = a_gaussian()
    other_mean, other_x = gaussian.mean_BCTHW.clone(), x.clone()
    other_mean[:, :, 0], other_x[:, :, 0] = 1e6, -1e6
    other = Gaussian(other_mean, gaussian.std)
    assert torch.equal(other.log_prob(other_x), gaussian.log_prob(x))
    assert torch.equal(other.kl(gaussian), gaussian.kl(gaussian))


def test_no_gradient_is_spoiled_by_frame_zero() -> None:
    gaussian, x = a_gaussian()
    mean = gaussian.mean_BCTHW.clone()
    mean[:, :, 0] = float("nan")
    mean.requires_grad_()
    moving = Gaussian(mean, gaussian.std)
    (moving.log_prob(x) + moving.kl(gaussian)).sum().backward()
    assert mean.grad is not None
    assert (mean.grad[:, :, 0] == 0).all() and mean.grad.isfinite().all()


def test_changes_of_a_density_by_a_millionth_are_seen() -> None:
    """In float32 a mean of about 1 has seven digits, and the ratio of an early step would be rounding."""
    gaussian, x = a_gaussian(0.7)
    drift = 1e-5 * torch.randn(x.shape, generator=torch.Generator().manual_seed(2))
    moved = Gaussian(gaussian.mean_BCTHW + drift, gaussian.std)
    actual = (moved.mean_BCTHW.double() - gaussian.mean_BCTHW.double())[:, :, 1:]
    z = ((x.double() - gaussian.mean_BCTHW.double()) / 0.7)[:, :, 1:]
    expected = ((z * actual / 0.7) - 0.5 * (actual / 0.7) ** 2).mean((1, 2, 3, 4))
    assert expected.abs().max() < 1e-5
    torch.testing.assert_close(moved.log_prob(x) - gaussian.log_prob(x), expected, rtol=1e-6, atol=1e-14)


def test_a_point_has_no_density() -> None:
    gaussian, x = a_gaussian(0.0)
    assert torch.equal(gaussian.sample(x), gaussian.mean_BCTHW)
    with pytest.raises(AssertionError, match="without noise"):
        gaussian.log_prob(x)

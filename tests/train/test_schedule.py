"""The grid of noise levels is diffusers', and times are float32."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

import numpy as np  # noqa: E402
from diffusers import FlowMatchEulerDiscreteScheduler  # noqa: E402

from puzzlegen.train.schedule import sigma_grid, timesteps  # noqa: E402


@pytest.mark.parametrize("shift", [1.0, 3.0, 5.0])
@pytest.mark.parametrize("num_steps", [1, 2, 8, 16, 50])
def test_the_grid_is_that_of_diffusers(num_steps: int, shift: float) -> None:
    scheduler = FlowMatchEulerDiscreteScheduler(shift=shift)
    scheduler.set_timesteps(sigmas=np.linspace(1, 0, num_steps + 1)[:-1])
    grid = sigma_grid(num_steps, shift)
    assert grid.dtype == torch.float64 and grid.shape == (num_steps + 1,)
    torch.testing.assert_close(grid.float(), scheduler.sigmas, atol=1.2e-7, rtol=0)
    torch.testing.assert_close(timesteps(grid)[:-1], scheduler.timesteps, atol=1.3e-4, rtol=0)


def test_the_grid_falls_from_noise_to_clip_as_in_the_published_table() -> None:
    grid = sigma_grid(16, 5.0)
    assert grid[0] == 1 and grid[-1] == 0 and (grid.diff() < 0).all()
    assert [round(sigma, 3) for sigma in grid.tolist()[:4]] == [1, 0.987, 0.972, 0.956]


def test_times_are_rounded_once_and_to_float32() -> None:
    sigma = torch.tensor([0.9375, 5 / 6], dtype=torch.float64)
    assert timesteps(sigma).dtype == torch.float32
    assert timesteps(sigma).tolist() == [937.5, float(np.float32(1000 * 5 / 6))]
    assert sigma.mul(1000).bfloat16().tolist() == [936.0, 832.0]  # the trap

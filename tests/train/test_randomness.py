"""A sample's random numbers are its own: neither batch, nor order, nor other draws play a part."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen.train.flow import draw_noise, draw_sigmas  # noqa: E402
from puzzlegen.train.randomness import generator, normal, seeded, uniform  # noqa: E402

KEYS = [(7, step, sample) for step in range(3) for sample in range(4)]


def test_batches_of_any_size_draw_the_same_numbers() -> None:
    whole_noise, whole_sigmas = draw_noise(KEYS, (2, 3, 4, 4)), draw_sigmas(KEYS, 5.0)
    for size in (1, 5):
        parts = [KEYS[start : start + size] for start in range(0, len(KEYS), size)]
        assert torch.equal(torch.cat([draw_noise(part, (2, 3, 4, 4)) for part in parts]), whole_noise)
        assert torch.equal(torch.cat([draw_sigmas(part, 5.0) for part in parts]), whole_sigmas)


def test_every_key_draws_other_numbers() -> None:
    assert len({*uniform(KEYS).tolist()}) == len(KEYS)
    assert len({*normal(KEYS, (20,))[:, 0].tolist()}) == len(KEYS)


def test_normal_numbers_are_normal() -> None:
    values = normal([(sample,) for sample in range(50)], (2000,))
    assert values.dtype == torch.float32
    assert abs(values.mean()) < 0.01 and abs(values.std() - 1) < 0.01


def test_uniform_numbers_never_change() -> None:
    assert uniform([(1, 2, 3)]).tolist() == [0.9264187878316628]


def test_global_streams_are_left_alone() -> None:
    before = torch.get_rng_state()
    generator("a")
    normal([("a",)], (3,))
    with seeded("a"):
        inside = torch.rand(2)
    assert torch.equal(torch.get_rng_state(), before)
    with seeded("a"):
        assert torch.equal(torch.rand(2), inside)

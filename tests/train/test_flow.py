"""The loss: zero at the true velocity, blind to frame 0, independent of batches; its weights are DiffSynth's."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen.train.conditioning import Condition  # noqa: E402
from puzzlegen.train.flow import (  # noqa: E402
    draw_noise,
    draw_sigmas,
    flow_losses,
    interpolate,
    loss_weights,
    losses_by_sigma,
)
from tiny_wan import random_clips, tiny_toy  # noqa: E402

KEYS = [(0, 1, sample) for sample in range(4)]


class KnownVelocity:
    """A policy that says what it is told to."""

    def __init__(self, velocity_BCTHW: Tensor) -> None:
        self.velocity_BCTHW = velocity_BCTHW

    def velocity(self, x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        return self.velocity_BCTHW


def a_batch() -> tuple[Tensor, Condition, Tensor, Tensor]:
    z = torch.randn(4, 3, 3, 2, 2, generator=torch.Generator().manual_seed(3))
    condition = Condition(first_BC1HW=z[:, :, :1], text_BLD=torch.zeros(4, 1, 8))
    return z, condition, draw_sigmas(KEYS, 5.0), draw_noise(KEYS, z.shape[1:])


def test_the_loss_is_zero_at_the_true_velocity_and_blind_to_frame_zero() -> None:
    z, condition, sigma, noise = a_batch()
    velocity = noise - z
    velocity[:, :, 0] = 1e6
    assert flow_losses(KnownVelocity(velocity), z, condition, sigma, noise).tolist() == [0] * 4
    velocity[2, :, 1:] += 2
    losses = flow_losses(KnownVelocity(velocity), z, condition, sigma, noise)
    torch.testing.assert_close(losses, torch.tensor([0, 0, 4.0, 0]))


def test_no_gradient_reaches_frame_zero() -> None:
    z, condition, sigma, noise = a_batch()
    velocity = torch.zeros_like(z, requires_grad=True)
    flow_losses(KnownVelocity(velocity), z, condition, sigma, noise).sum().backward()
    assert velocity.grad is not None
    assert (velocity.grad[:, :, 0] == 0).all() and (velocity.grad[:, :, 1:] != 0).all()


def test_the_path_leads_straight_from_clip_to_noise_at_the_target_velocity() -> None:
    z, _, _, noise = a_batch()
    ends = [interpolate(z, noise, torch.full((4,), sigma, dtype=torch.float64)) for sigma in (0, 0.5, 1)]
    assert torch.equal(ends[0], z) and torch.equal(ends[2], noise)
    torch.testing.assert_close((ends[2] - ends[1]) / 0.5, noise - z)


def test_micro_batches_change_neither_losses_nor_gradients() -> None:
    policy = tiny_toy()
    z = policy.encode(random_clips(4, 3, 8, 8))
    labels = ["left", "right", "right", "left"]
    results = []
    for size in (4, 2, 1):
        for weight in policy.trainable().values():
            weight.grad = None
        losses = []
        for part in (slice(start, start + size) for start in range(0, 4, size)):
            condition = policy.condition_latents(labels[part], z[part, :, :1])
            sigma, noise = draw_sigmas(KEYS[part], 5.0), draw_noise(KEYS[part], z.shape[1:])
            losses.append(flow_losses(policy, z[part], condition, sigma, noise) * loss_weights(sigma, 5.0).float())
            (losses[-1].sum() / 4).backward()
        results.append((torch.cat(losses), {n: w.grad for n, w in policy.trainable().items() if w.grad is not None}))
    whole, whole_gradients = results[0]
    assert whole_gradients.keys() == policy.trainable().keys()
    for losses, gradients in results[1:]:
        torch.testing.assert_close(losses, whole, atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(gradients, whole_gradients, atol=1e-6, rtol=1e-4)


def diffsynth_weights(shift: float) -> tuple[Tensor, Tensor]:
    """Times and weights, written down from DiffSynth-Studio's flow_match.py."""
    u = torch.linspace(1, 0, 1001, dtype=torch.float64)[:-1]
    x = shift * u / (1 + (shift - 1) * u) * 1000
    y = torch.exp(-2 * ((x - 1000 / 2) / 1000) ** 2)
    shifted = y - y.min()
    return x / 1000, shifted * (1000 / shifted.sum())


@pytest.mark.parametrize("shift", [3.0, 5.0])
def test_weights_are_those_of_diffsynth(shift: float) -> None:
    sigma, expected = diffsynth_weights(shift)
    torch.testing.assert_close(loss_weights(sigma, shift), expected)
    assert loss_weights(sigma, shift).mean().item() == pytest.approx(1)
    assert (loss_weights(sigma, shift, "none") == 1).all()


def test_drawn_levels_follow_their_distributions() -> None:
    keys = [(0, 0, sample) for sample in range(4000)]
    sigma = draw_sigmas(keys, 5.0)
    assert sigma.dtype == torch.float64 and sigma.min() > 0 and sigma.max() <= 1
    assert (sigma > 5 / 6).double().mean().item() == pytest.approx(0.5, abs=0.03)  # half lie above the shifted middle
    u = draw_sigmas(keys, 1.0, "logit_normal")
    logits = torch.logit(u)
    assert abs(logits.mean()) < 0.06 and abs(logits.std() - 1) < 0.04


def test_evaluation_is_by_level_and_repeats_itself() -> None:
    policy = tiny_toy()
    z = policy.encode(random_clips(2, 3, 8, 8))
    condition = policy.condition_latents(["left", "right"], z[:, :, :1])
    losses = losses_by_sigma(policy, z, condition, KEYS[:2], [0.25, 0.75, 1.0])
    assert losses.shape == (3, 2) and not losses.requires_grad
    assert torch.equal(losses, losses_by_sigma(policy, z, condition, KEYS[:2], [0.25, 0.75, 1.0]))
    alone = policy.condition_latents(["right"], z[1:, :, :1])
    of_one = losses_by_sigma(policy, z[1:], alone, KEYS[1:2], [0.25, 0.75, 1.0])
    torch.testing.assert_close(of_one[:, 0], losses[:, 1], atol=1e-6, rtol=1e-5)

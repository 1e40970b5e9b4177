"""Rollouts: the sampler's clips, densities that training finds again exactly, and gradients that are the policy's."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor, nn  # noqa: E402

from puzzlegen.train.adapters.toy import ToyPolicy  # noqa: E402
from puzzlegen.train.adapters.wan import WanPolicy  # noqa: E402
from puzzlegen.train.advantage import group_advantages  # noqa: E402
from puzzlegen.train.conditioning import Condition, pin_first_frame  # noqa: E402
from puzzlegen.train.configs import Lora  # noqa: E402
from puzzlegen.train.gaussian import Gaussian  # noqa: E402
from puzzlegen.train.kernels import Cps, Dance, Flow, Kernel, Ode, Xflow  # noqa: E402
from puzzlegen.train.objective import clipped_losses, log_ratio  # noqa: E402
from puzzlegen.train.randomness import normal  # noqa: E402
from puzzlegen.train.rollout import Rollout, retrace, rollout  # noqa: E402
from puzzlegen.train.sampling import sample_ode  # noqa: E402
from puzzlegen.train.schedule import sigma_grid  # noqa: E402
from tiny_wan import LORA, random_clips, saved_wan, shake, tiny_toy, tiny_wan  # noqa: E402

KERNELS = [Flow(), Dance(), Cps(), Xflow()]
KEYS = [(0, 7, "puzzle", member) for member in range(4)]
STEPS, WINDOW = 6, range(1, 4)


class LinearPolicy:
    """v = theta x, element by element; theta may differ between members. Frame 0 gets what means nothing."""

    def __init__(self, theta: Tensor) -> None:
        self.theta, self.calls = theta, 0

    def velocity(self, x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
        self.calls += 1
        velocity = self.theta * x_BCTHW
        return torch.cat((torch.full_like(velocity[:, :, :1], 1e6), velocity[:, :, 1:]), dim=2)


def given(count: int, shape: tuple[int, ...] = (2, 3, 2, 2)) -> tuple[Condition, Tensor]:
    noise = normal([("start", number) for number in range(count)], shape)
    return Condition(first_BC1HW=torch.ones(count, *shape)[:, :, :1], text_BLD=torch.zeros(count, 1, 1)), noise


def toy_condition(policy: ToyPolicy, count: int) -> Condition:
    """Made anew for each backward pass, for the labels' embeddings are trained too."""
    first = random_clips(count, 1, 8, 8)[:, 0]
    return policy.condition([policy.labels[member % 2] for member in range(count)], first)


def a_toy_rollout(kernel: Kernel, window: range = WINDOW, count: int = 4) -> tuple[ToyPolicy, Rollout]:
    policy = tiny_toy()
    shake(policy)
    noise = normal(KEYS[:count], policy.codec.latent_shape(3, 8, 8))
    made = rollout(policy, toy_condition(policy, count), noise, policy.sigmas(STEPS), kernel, window, KEYS[:count])
    return policy, made


def test_without_a_window_it_is_the_sampler_to_the_last_bit() -> None:
    policy, made = a_toy_rollout(Flow(), range(0))
    noise = normal(KEYS, policy.codec.latent_shape(3, 8, 8))
    expected = sample_ode(policy, toy_condition(policy, 4), noise, policy.sigmas(STEPS))
    assert torch.equal(made.z_BCTHW, expected)
    assert made.states == () and made.logp_Bk.shape == (4, 0)
    for start in range(STEPS - 1):
        assert torch.equal(a_toy_rollout(Flow(), range(start, start))[1].z_BCTHW, expected)


def test_a_step_without_noise_is_the_samplers_to_the_last_bit() -> None:
    policy, made = a_toy_rollout(Flow(), range(0))
    x = normal(KEYS, policy.codec.latent_shape(3, 8, 8))
    for sigma, following in pairwise(policy.sigmas(STEPS).tolist()):
        levels = torch.tensor([sigma, following], dtype=torch.float64)
        condition = toy_condition(policy, 4)
        pinned = pin_first_frame(x, condition)
        with torch.no_grad():
            velocity = policy.velocity(pinned, levels[:1].expand(4), condition)
        x = sample_ode(policy, condition, x, levels)
        assert torch.equal(Ode()(pinned, velocity, sigma, following).mean_BCTHW[:, :, 1:], x[:, :, 1:])
    assert torch.equal(x, made.z_BCTHW)


def test_outside_the_window_steps_are_the_odes_and_inside_the_kernels() -> None:
    """Written out step by step."""
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    made = rollout(policy, condition, noise, sigmas, Flow(), WINDOW, KEYS, keep_means=True)
    x = noise[:, :, 1:]
    for step, (sigma, following) in enumerate(pairwise(sigmas.tolist())):
        kernel = Flow() if step in WINDOW else Ode()
        transition = kernel(x, 0.3 * x, sigma, following)
        x = transition.mean_BCTHW
        if step in WINDOW:
            torch.testing.assert_close(made.means[step - 1][:, :, 1:], x)
            x = x + transition.std * normal([("sde", step, *key) for key in KEYS], noise.shape[1:])[:, :, 1:]
            torch.testing.assert_close(made.states[step][:, :, 1:], x)
    torch.testing.assert_close(made.z_BCTHW[:, :, 1:], x)


def test_the_first_frame_is_kept_and_counts_nowhere() -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    made = rollout(policy, condition, noise, sigmas, Flow(), WINDOW, KEYS)
    for x in (*made.states, made.z_BCTHW):
        assert (x[:, :, 0] == 1).all()
    other = noise.clone()
    other[:, :, 0] = -1e6
    again = rollout(policy, condition, other, sigmas, Flow(), WINDOW, KEYS)
    assert torch.equal(again.logp_Bk, made.logp_Bk) and torch.equal(again.z_BCTHW, made.z_BCTHW)
    assert made.logp_Bk.abs().max() < 10  # the velocity of frame 0 is 1e6


def test_no_gradient_comes_from_frame_zero() -> None:
    (condition, noise), theta = given(4), torch.full((4, 2, 3, 2, 2), 0.3, requires_grad=True)
    policy = LinearPolicy(theta)
    made = rollout(policy, condition, noise, sigma_grid(STEPS, 5.0), Flow(), WINDOW, KEYS)
    made.logp(2, retrace(policy, condition, made, 2)).sum().backward()
    assert theta.grad is not None
    assert (theta.grad[:, :, 0] == 0).all() and (theta.grad[:, :, 1:] != 0).all()


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
def test_rollouts_of_a_clip_are_the_same_in_batches_of_any_size(kernel: Kernel) -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    whole = rollout(policy, condition, noise, sigmas, kernel, WINDOW, KEYS)
    assert len({*whole.z_BCTHW[:, 0, 1, 0, 0].tolist()}) == 4
    for start in range(4):
        part = slice(start, start + 1)
        alone = Condition(first_BC1HW=condition.first_BC1HW[part], text_BLD=condition.text_BLD[part])
        made = rollout(policy, alone, noise[part], sigmas, kernel, WINDOW, KEYS[part])
        assert torch.equal(made.z_BCTHW, whole.z_BCTHW[part])
        assert torch.equal(made.logp_Bk, whole.logp_Bk[part])


def test_members_that_start_from_one_noise_part_in_the_window() -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    made = rollout(policy, condition, noise[:1].expand(4, -1, -1, -1, -1), sigmas, Flow(), WINDOW, KEYS)
    assert (made.states[0] == made.states[0][:1]).all()
    assert len({*made.states[1][:, 0, 1, 0, 0].tolist()}) == 4


def assert_ratios_are_one(policy: WanPolicy, condition: Condition, made: Rollout) -> None:
    for step in made.window:
        now = made.logp(step, retrace(policy, condition, made, step))
        assert now.requires_grad
        assert torch.equal(log_ratio(now.detach(), made.logp_old(step)).exp(), torch.ones(len(now)).double())
        assert made.logp_old(step).abs().max() > 0


@pytest.mark.parametrize("kernel", KERNELS, ids=str)
@pytest.mark.parametrize("mode", ["train", "eval"])
def test_ratios_are_exactly_one_before_the_first_update(kernel: Kernel, mode: str) -> None:
    policy, made = a_toy_rollout(kernel)
    policy.module.train(mode == "train")
    assert_ratios_are_one(policy, toy_condition(policy, 4), made)


@pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")  # of autocast on CPUs only
@pytest.mark.parametrize("precision", ["bf16", "fp32"])
@pytest.mark.parametrize("lora", [Lora(rank=0), LORA], ids=["all weights", "adapters"])
@pytest.mark.parametrize("checkpointing", [True, False])
def test_ratios_of_wan_are_exactly_one(precision: str, lora: Lora, checkpointing: bool, tmp_path: Path) -> None:
    policy = tiny_wan(saved_wan(tmp_path), precision=precision, lora=lora, checkpointing=checkpointing)
    policy.remember()
    shake(policy)
    policy.module.train()
    clips = random_clips(2, 9, 32, 32)
    condition = policy.condition(["go", "to the goal"], clips[:, 0])
    noise = normal(KEYS[:2], policy.codec.latent_shape(9, 32, 32))
    made = rollout(policy, condition, noise, policy.sigmas(4), Flow(), range(2), KEYS[:2])
    assert_ratios_are_one(policy, condition, made)
    with policy.reference():
        reference = retrace(policy, condition, made, 1)
    assert (retrace(policy, condition, made, 1).kl(reference) > 0).all()


def test_a_policy_that_has_moved_has_drifted() -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    made = rollout(policy, condition, noise, sigmas, Flow(), WINDOW, KEYS, keep_means=True)
    assert made.drift(2, retrace(policy, condition, made, 2)).tolist() == [0] * 4
    policy.theta = torch.tensor(0.4)
    coefficients = Flow().step(*made.sigmas[2:4])
    expected = (0.1 * coefficients.sensitivity * made.states[1][:, :, 1:].double()).square().mean((1, 2, 3, 4)) / 2
    torch.testing.assert_close(made.drift(2, retrace(policy, condition, made, 2)), expected, rtol=1e-4, atol=0)


ADVANTAGES = torch.tensor([1.0, -0.5, 0.25, -0.75], dtype=torch.float64)


def gradient(policy: ToyPolicy, loss: Tensor) -> list[Tensor]:
    return [*torch.autograd.grad(loss, [*policy.trainable().values()])]


def surrogate(policy: ToyPolicy, made: Rollout) -> Tensor:
    """-mean(A log p) over members and steps."""
    condition = toy_condition(policy, 4)
    logps = [made.logp(step, retrace(policy, condition, made, step)) for step in made.window]
    return -torch.stack([ADVANTAGES * logp for logp in logps]).mean()


def test_the_gradient_is_the_policy_gradient() -> None:
    policy, made = a_toy_rollout(Flow())
    condition = toy_condition(policy, 4)
    losses = []
    for step in made.window:
        ratio = log_ratio(made.logp(step, retrace(policy, condition, made, step)), made.logp_old(step))
        losses.append(clipped_losses(ratio, ADVANTAGES, 1e-4))
    found = gradient(policy, torch.stack(losses).mean())
    torch.testing.assert_close(found, gradient(policy, surrogate(policy, made)), rtol=1e-5, atol=1e-9)
    weights, size = [*policy.trainable().values()], math.sqrt(sum(float(part.square().sum()) for part in found))
    start, values = [weight.detach().clone() for weight in weights], []
    for way in (0.01, -0.01):
        with torch.no_grad():
            for weight, origin, part in zip(weights, start, found, strict=True):
                weight.copy_(origin + way / size * part)
            values.append(float(surrogate(policy, made)))
    assert (values[0] - values[1]) / 0.02 == pytest.approx(size, rel=1e-4)


@pytest.mark.parametrize("kernel", [Flow(), Xflow(eta=1)], ids=str)
def test_the_estimated_gradient_of_the_reward_is_the_true_one(kernel: Kernel) -> None:
    """In one dimension and from one start, z is Gaussian, and E[-(z - 1)^2] is known as a function of theta.

    Steps after the window carry no density: the gradient is that of the window's policy, what follows it fixed.
    """
    count, theta, sigmas, window = 24000, -0.4, sigma_grid(4, 3.0), range(2)
    mean, variance = torch.tensor(1.5, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    weight = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    for step, levels in enumerate(pairwise(sigmas.tolist())):
        inside = step in window
        numbers = (kernel if inside else Ode()).step(*levels)
        factor = numbers.state + numbers.velocity * (weight if inside else theta)
        mean, variance = factor * mean, factor**2 * variance + numbers.std**2
    (expected,) = torch.autograd.grad(-((mean - 1) ** 2 + variance), weight)

    own = torch.full((count, 1, 1, 1, 1), theta, requires_grad=True)  # one each, so that gradients stay apart
    condition = Condition(first_BC1HW=torch.zeros(count, 1, 1, 1, 1), text_BLD=torch.zeros(count, 1, 1))
    keys, policy = [(number,) for number in range(count)], LinearPolicy(own)
    made = rollout(policy, condition, torch.full((count, 1, 2, 1, 1), 1.5), sigmas, kernel, window, keys)
    reward = -((made.z_BCTHW[:, 0, 1, 0, 0] - 1) ** 2)
    advantage = group_advantages(reward, ["one puzzle"] * count, scale="none", clip=1e9)
    for step in window:
        ratio = log_ratio(made.logp(step, retrace(policy, condition, made, step)), made.logp_old(step))
        clipped_losses(ratio, advantage, 1e-4).sum().backward()
    assert own.grad is not None
    estimates = -own.grad.flatten().double()
    error = float(estimates.std()) / math.sqrt(count)
    assert error < 0.05 * abs(expected)
    assert abs(float(estimates.mean()) - expected) < 3 * error


class Counted:
    """Forward and backward passes of a model."""

    def __init__(self, module: nn.Module) -> None:
        self.forward = self.backward = 0
        module.register_forward_hook(self._forward)
        module.register_full_backward_hook(self._backward)

    def _forward(self, *_: object) -> None:
        self.forward += 1

    def _backward(self, *_: object) -> None:
        self.backward += 1


@pytest.mark.parametrize("window", [range(0), range(2), range(1, 4), range(STEPS - 1)], ids=str)
def test_passes_and_stored_latents_are_those_of_the_window(window: range) -> None:
    policy = tiny_toy()
    passes = Counted(policy.transformer.proj_out)
    noise = normal(KEYS[:2], policy.codec.latent_shape(3, 8, 8))
    made = rollout(policy, toy_condition(policy, 2), noise, policy.sigmas(STEPS), Flow(), window, KEYS[:2])
    assert (passes.forward, passes.backward) == (STEPS, 0)
    assert len(made.states) == (len(window) + 1 if window else 0) and made.means == ()
    assert made.logp_Bk.shape == (2, len(window)) and not made.logp_Bk.requires_grad
    for step in window:
        made.logp(step, retrace(policy, toy_condition(policy, 2), made, step)).sum().backward()
    assert (passes.forward, passes.backward) == (STEPS + len(window), len(window))


def test_fewer_levels_after_the_window_cost_less_and_leave_the_window_as_it_is() -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    whole = rollout(policy, condition, noise, sigmas, Flow(), range(2), KEYS)
    short = rollout(policy, condition, noise, sigmas[[0, 1, 2, 4, 6]], Flow(), range(2), KEYS)
    assert policy.calls == STEPS + 4
    assert torch.equal(short.logp_Bk, whole.logp_Bk) and not torch.equal(short.z_BCTHW, whole.z_BCTHW)


def test_the_last_step_is_in_no_window() -> None:
    policy, (condition, noise), sigmas = LinearPolicy(torch.tensor(0.3)), given(4), sigma_grid(STEPS, 5.0)
    with pytest.raises(AssertionError):
        rollout(policy, condition, noise, sigmas, Flow(), range(STEPS), KEYS)
    with pytest.raises(AssertionError, match="without noise"):
        rollout(policy, condition, noise, sigmas, Ode(), WINDOW, KEYS)


def test_what_members_share_before_the_window_is_sampled_once() -> None:
    class Counting(LinearPolicy):
        rows = 0

        def velocity(self, x_BCTHW: Tensor, sigma_B: Tensor, condition: Condition) -> Tensor:
            self.rows += len(x_BCTHW)
            return super().velocity(x_BCTHW, sigma_B, condition)

    condition, noise = given(2)
    members = [0, 0, 1, 1]
    both, starts, sigmas = condition.rows(members), noise[members], sigma_grid(STEPS, 5.0)
    made = []
    for alike in (None, [0, 0, 2, 2]):
        policy = Counting(torch.tensor(0.3))
        made.append(rollout(policy, both, starts, sigmas, Flow(), range(2, 4), KEYS, alike=alike))
        assert policy.rows == (4 * STEPS if alike is None else 2 * 2 + 4 * (STEPS - 2))
    assert torch.equal(made[0].z_BCTHW, made[1].z_BCTHW) and torch.equal(made[0].logp_Bk, made[1].logp_Bk)


def test_credit_is_what_became_of_the_noise_in_the_clip() -> None:
    """All is linear here: later steps multiply by 1 + theta dt, which is the Jacobian, and positive."""
    theta = torch.tensor(0.3)
    policy, (condition, noise), sigmas = LinearPolicy(theta), given(4), sigma_grid(STEPS, 5.0)
    made = rollout(policy, condition, noise, sigmas, Flow(), range(1, 2), KEYS, reduction="sum", keep_means=True)
    std = Flow().step(*made.sigmas[1:3]).std
    jacobian = torch.stack([1 + theta * (after - before) for before, after in pairwise(sigmas[2:])]).prod()
    before, mean = made.states[0], made.means[0]
    z = normal([("sde", 1, *key) for key in KEYS], noise.shape[1:])
    later = jacobian * (mean + std * z)
    outcome = later - (before - made.sigmas[1] * theta * before)
    moved = Gaussian(mean + 0.01, std)
    expected = (outcome * 0.01 / std)[:, :, 1:].sum((1, 2, 3, 4)).double()
    torch.testing.assert_close(made.credit(1, moved), expected, rtol=1e-4, atol=1e-4)
    assert jacobian > 0
    assert made.credit(1, retrace(policy, condition, made, 1)).tolist() == [0] * 4

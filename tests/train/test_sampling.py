"""Sampling is diffusers' image-to-video pipeline, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from PIL import Image  # noqa: E402

from puzzlegen.train.randomness import normal  # noqa: E402
from puzzlegen.train.sampling import sample_ode  # noqa: E402
from puzzlegen.train.schedule import sigma_grid  # noqa: E402
from tiny_wan import pipeline_of, random_clips, saved_wan, tiny_toy, tiny_wan  # noqa: E402


def test_the_loop_is_the_pipeline_to_the_last_bit(tmp_path: Path) -> None:
    policy = tiny_wan(saved_wan(tmp_path))
    pipeline = pipeline_of(policy)
    first = random_clips(1, 1, 32, 64)[:, 0]
    noise = normal([("x",)], policy.codec.latent_shape(9, 32, 64))
    condition = policy.condition(["go"], first)
    expected = pipeline(
        image=Image.fromarray(first[0].numpy()),
        height=32,
        width=64,
        num_frames=9,
        num_inference_steps=6,
        guidance_scale=1.0,
        prompt_embeds=condition.text_BLD,
        latents=noise,
        output_type="latent",
    ).frames
    assert torch.equal(sample_ode(policy, condition, noise, pipeline.scheduler.sigmas), expected)
    torch.testing.assert_close(sample_ode(policy, condition, noise, policy.sigmas(6)), expected, atol=1e-5, rtol=0)


def test_the_first_frame_is_kept_exactly() -> None:
    policy = tiny_toy()
    clips = random_clips(2, 3, 8, 8)
    noise = normal([(0,), (1,)], policy.encode(clips).shape[1:])
    z = sample_ode(policy, policy.condition(["left", "right"], clips[:, 0]), noise, policy.sigmas(3))
    decoded = policy.decode(z)
    assert decoded.shape == clips.shape
    assert torch.equal(decoded[:, 0], clips[:, 0])


def test_a_flow_towards_one_clip_ends_there_whatever_the_steps() -> None:
    """With v = (x - z) / sigma, Euler's steps are exact."""
    policy = tiny_toy()
    z = policy.encode(random_clips(1, 3, 8, 8))
    policy.velocity = lambda x, sigma, condition: (x - z) / sigma.float()[:, None, None, None, None]  # type: ignore
    condition = policy.condition_latents(["left"], z[:, :, :1])
    for num_steps in (1, 4, 9):
        sampled = sample_ode(policy, condition, normal([(0,)], z.shape[1:]), sigma_grid(num_steps, 5.0))
        torch.testing.assert_close(sampled, z, atol=1e-5, rtol=0)

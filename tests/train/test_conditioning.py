"""The first latent frame is always clean, and its tokens' time is zero."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from puzzlegen.train.conditioning import token_timesteps  # noqa: E402
from tiny_wan import random_clips, saved_wan, tiny_toy, tiny_transformer, tiny_wan  # noqa: E402

SIGMAS = torch.tensor([1.0, 0.9375], dtype=torch.float64)


def test_tokens_of_the_first_frame_have_time_zero() -> None:
    times = token_timesteps(SIGMAS, num_frames=3, tokens_per_frame=4)
    assert times.dtype == torch.float32
    assert times.tolist() == [[0] * 4 + [1000] * 8, [0] * 4 + [937.5] * 8]


@pytest.mark.parametrize("name", ["wan", "toy"])
def test_the_model_sees_the_condition_and_never_noise_in_its_place(name: str, tmp_path: Path) -> None:
    policy = tiny_wan(saved_wan(tmp_path)) if name == "wan" else tiny_toy()
    texts = ["go", "to the goal"] if name == "wan" else ["left", "right"]
    clips = random_clips(2, 5, 32, 32)
    condition = policy.condition(texts, clips[:, 0])
    x = torch.randn(policy.encode(clips).shape, generator=torch.Generator().manual_seed(0))
    seen = {}
    policy.transformer.register_forward_pre_hook(lambda _, __, inputs: seen.update(inputs), with_kwargs=True)
    policy.velocity(x, SIGMAS, condition)
    assert torch.equal(seen["hidden_states"][:, :, :1], policy.codec.encode(clips[:, :1]))
    assert torch.equal(seen["hidden_states"][:, :, 1:], x[:, :, 1:])
    per_frame = seen["timestep"].unflatten(1, (x.shape[2], -1))
    assert seen["timestep"].dtype == torch.float32
    assert (per_frame[:, 0] == 0).all()
    assert (per_frame[:, 1:] == torch.tensor([1000, 937.5])[:, None, None]).all()


def test_one_time_for_all_is_that_time_for_each_token() -> None:
    transformer = tiny_transformer()
    x = torch.randn(2, 48, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    text = torch.randn(2, 6, 16, generator=torch.Generator().manual_seed(1))
    scalar = torch.tensor([937.5, 400.0])
    with torch.no_grad():
        one, each = (transformer(x, t, text, return_dict=False)[0] for t in (scalar, scalar[:, None].expand(-1, 12)))
    torch.testing.assert_close(one, each, atol=2e-6, rtol=0)


def test_texts_are_followed_by_zeros(tmp_path: Path) -> None:
    policy = tiny_wan(saved_wan(tmp_path))
    embedded = policy.embed(["go", "to the goal"])
    assert embedded.shape == (2, 6, 16)
    assert embedded.abs().sum(2).ne(0).sum(1).tolist() == [3, 4]

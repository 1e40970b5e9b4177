"""Codecs: what can be decoded again is, the first latent frame is the first frame's, and sizes are checked."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from puzzlegen.errors import InvalidInput  # noqa: E402
from puzzlegen.train.latents import PixelCodec, WanVaeCodec, to_bytes, to_unit  # noqa: E402
from tiny_wan import random_clips, tiny_vae  # noqa: E402


def test_every_byte_survives_the_unit_range() -> None:
    frames = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16, 1).expand(-1, -1, -1, -1, 3)
    assert torch.equal(to_bytes(to_unit(frames)), frames)


@settings(max_examples=25, deadline=None)
@given(
    patch=st.integers(1, 4),
    temporal=st.sampled_from([1, 4]),
    groups=st.integers(0, 2),
    rows=st.integers(1, 3),
    columns=st.integers(1, 3),
    count=st.integers(1, 2),
)
def test_pixels_come_back_exactly(patch: int, temporal: int, groups: int, rows: int, columns: int, count: int) -> None:
    codec = PixelCodec(patch, temporal)
    clips = random_clips(count, 1 + groups * temporal, rows * patch, columns * patch)
    z = codec.encode(clips)
    assert z.shape == (count, *codec.latent_shape(*clips.shape[1:4]))
    assert torch.equal(codec.decode(z), clips)
    assert torch.equal(z[:, :, :1], codec.encode(clips[:, :1]))


def test_a_pixel_is_where_it_should_be() -> None:
    clips = torch.zeros(1, 5, 4, 6, 3, dtype=torch.uint8)
    clips[0, 3, 1, 4, 2] = 255  # third of frames 1 to 4, blue; row 1 of patch 0, column 0 of patch 2
    z = PixelCodec(2, 4).encode(clips)
    assert z.shape == (1, 48, 2, 2, 3)
    frame, color, row, column = 2, 2, 1, 0
    assert (z == 1).nonzero().tolist() == [[0, ((frame * 3 + color) * 2 + row) * 2 + column, 1, 0, 2]]


def test_generated_latents_outside_the_range_are_clipped() -> None:
    z = torch.tensor([-3.0, 0.0, 3.0]).reshape(1, 3, 1, 1, 1)
    assert PixelCodec(1).decode(z).flatten().tolist() == [0, 128, 255]


@pytest.fixture(scope="module")
def wan() -> WanVaeCodec:
    return WanVaeCodec(tiny_vae())


def test_one_encoding_gives_target_and_condition(wan: WanVaeCodec) -> None:
    clips = random_clips(2, 5, 32, 64)
    z = wan.encode(clips)
    assert z.shape == (2, *wan.latent_shape(5, 32, 64)) == (2, 48, 2, 2, 4)
    torch.testing.assert_close(z[:, :, :1], wan.encode(clips[:, :1]), atol=1e-5, rtol=0)


def test_latents_are_normalised_by_the_models_own_numbers(wan: WanVaeCodec) -> None:
    clips = random_clips(1, 1, 32, 32)
    raw = wan.vae.encode(clips.permute(0, 4, 1, 2, 3) / 127.5 - 1).latent_dist.mode()
    for channel in (0, 31):
        expected = (raw[:, channel] - 0.01 * channel) / (0.5 + 0.01 * channel)
        torch.testing.assert_close(wan.encode(clips)[:, channel], expected, atol=1e-5, rtol=0)


def test_decoding_undoes_the_normalisation(wan: WanVaeCodec) -> None:
    z = torch.randn(1, 48, 2, 2, 2, generator=torch.Generator().manual_seed(1))
    mean, std = (torch.tensor(wan.vae.config[name])[:, None, None, None] for name in ("latents_mean", "latents_std"))
    expected = to_bytes(wan.vae.decode(z * std + mean).sample)
    decoded = wan.decode(z)
    assert decoded.shape == (1, 5, 32, 32, 3)
    assert (decoded.int() - expected.int()).abs().max() <= 1


def test_encoding_is_the_mode_and_never_a_sample(wan: WanVaeCodec) -> None:
    clips = random_clips(1, 5, 32, 32)
    assert torch.equal(wan.encode(clips), wan.encode(clips))
    assert not wan.encode(clips).requires_grad


def test_fingerprints_tell_codecs_apart(wan: WanVaeCodec) -> None:
    other = tiny_vae()
    next(iter(other.parameters())).data.view(-1)[0] += 1e-3
    assert wan.fingerprint == WanVaeCodec(tiny_vae()).fingerprint != WanVaeCodec(other).fingerprint
    assert len({PixelCodec(2).fingerprint, PixelCodec(4).fingerprint, PixelCodec(2, 4).fingerprint}) == 3


@pytest.mark.parametrize(
    ("size", "complaint"),
    [
        ((6, 32, 32), "Clips of 6 frames cannot be encoded: the codec takes 4n+1. Make clips of 5 or 9 frames."),
        (
            (5, 40, 100),
            "Clips of 100x40 pixels cannot be encoded: the model takes sides in multiples of 32. Make clips of 96x32.",
        ),
    ],
)
def test_sizes_that_would_be_cut_are_refused(size: tuple[int, int, int], complaint: str, wan: WanVaeCodec) -> None:
    for codec in (wan, PixelCodec(4, 4, patches_per_token=8)):
        with pytest.raises(InvalidInput) as error:
            codec.encode(random_clips(1, *size))
        assert str(error.value) == complaint

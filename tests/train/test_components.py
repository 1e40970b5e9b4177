"""The fitted codec: the best of its kind, kept as it is, and good enough that the judge accepts what it has decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from torch import Tensor  # noqa: E402

from puzzlegen import ShardDataset  # noqa: E402
from puzzlegen.errors import InvalidInput  # noqa: E402
from puzzlegen.eval.api import verifier_of  # noqa: E402
from puzzlegen.train.components import ComponentsCodec  # noqa: E402
from puzzlegen.train.latents import PixelCodec  # noqa: E402
from runs import called  # noqa: E402
from tiny_wan import random_clips  # noqa: E402

PIXELS = PixelCodec(2, 4, patches_per_token=2)


def correlated_clips() -> Tensor:
    """Clips whose patches vary along a few directions mostly, uint8 [6, 5, 8, 12, 3]."""
    generator = torch.Generator().manual_seed(3)
    strength_D = 0.3 * 0.8 ** torch.arange(48)
    z = (torch.randn(6, 2, 4, 6, 48, generator=generator) * strength_D) @ torch.randn(48, 48, generator=generator)
    return PIXELS.decode(z.movedim(-1, 1) / 3)


def mean_square_error(codec: ComponentsCodec, clips: Tensor) -> float:
    """Of decoded clips before rounding, in pixel values from -1 to 1, over patches as the latents count them."""
    x_BTHWD = PIXELS.encode(clips).movedim(1, -1)
    z_BTHWC = codec.encode(clips).movedim(1, -1)
    back_BTHWD = (z_BTHWC * codec.scale_C) @ codec.components_CD + codec.mean_D
    return float((back_BTHWD - x_BTHWD).square().mean())


def test_with_all_components_nothing_is_lost() -> None:
    clips = correlated_clips()
    codec = ComponentsCodec.fit([clips], PIXELS, 48)
    assert torch.equal(codec.decode(codec.encode(clips)), clips)
    assert codec.latent_shape(5, 8, 12) == (48, 2, 4, 6) == tuple(codec.encode(clips).shape[1:])


def test_no_linear_codec_of_as_many_channels_loses_less() -> None:
    """NumPy's singular values are another way to the same bound, and they foretell the error."""
    clips = correlated_clips()
    codec = ComponentsCodec.fit([clips], PIXELS, 10)
    x_ND = PIXELS.encode(clips).movedim(1, -1).flatten(0, -2).double().numpy()
    singular = np.linalg.svd(x_ND - x_ND.mean(axis=0), compute_uv=False)
    bound = (singular[10:] ** 2).sum() / x_ND.size
    assert bound > 1e-4
    assert mean_square_error(codec, clips) == pytest.approx(bound, rel=1e-3)
    assert codec.mean_square_error == pytest.approx(bound, rel=1e-6)
    assert codec.psnr_db == pytest.approx(10 * np.log10(4 / bound))


def test_components_are_orthonormal_and_have_one_sign() -> None:
    clips = correlated_clips()
    codec = ComponentsCodec.fit([clips], PIXELS, 10)
    torch.testing.assert_close(codec.components_CD @ codec.components_CD.T, torch.eye(10), atol=1e-5, rtol=0)
    peaks = codec.components_CD.gather(1, codec.components_CD.abs().argmax(dim=1, keepdim=True))
    assert (peaks > 0).all()
    reversed_order = ComponentsCodec.fit([clips.flip(0)], PIXELS, 10)
    torch.testing.assert_close(reversed_order.components_CD, codec.components_CD, atol=1e-4, rtol=0)


def test_every_channel_is_centered_and_of_unit_variance() -> None:
    clips = correlated_clips()
    z = ComponentsCodec.fit([clips], PIXELS, 10).encode(clips)
    torch.testing.assert_close(z.mean(dim=(0, 2, 3, 4)), torch.zeros(10), atol=1e-3, rtol=0)
    torch.testing.assert_close(z.square().mean(dim=(0, 2, 3, 4)), torch.ones(10), atol=1e-3, rtol=0)


def test_batches_are_as_good_as_one() -> None:
    clips = correlated_clips()
    one, many = (ComponentsCodec.fit(batches, PIXELS, 10) for batches in ([clips], iter(clips.split(4))))
    torch.testing.assert_close(one.encode(clips), many.encode(clips), atol=1e-4, rtol=0)


def test_the_first_latent_frame_is_the_first_frames() -> None:
    clips = correlated_clips()
    codec = ComponentsCodec.fit([clips], PIXELS, 10)
    torch.testing.assert_close(codec.encode(clips)[:, :, :1], codec.encode(clips[:, :1]), atol=1e-5, rtol=0)
    later = clips.clone()
    later[:, 1:] = 0
    assert torch.equal(codec.encode(later)[:, :, :1], codec.encode(clips)[:, :, :1])


def test_clips_without_variety_can_be_taken() -> None:
    clips = torch.full((2, 5, 4, 4, 3), 77, dtype=torch.uint8)
    codec = ComponentsCodec.fit([clips], PIXELS, 3)
    assert torch.equal(codec.decode(codec.encode(clips)), clips)


def test_what_is_saved_is_loaded_and_has_its_fingerprint(tmp_path: Path) -> None:
    clips = correlated_clips()
    codec = ComponentsCodec.fit([clips], PIXELS, 10)
    codec.save(tmp_path / "codec.safetensors")
    loaded = ComponentsCodec.load(tmp_path / "codec.safetensors")
    assert torch.equal(loaded.encode(clips), codec.encode(clips))
    assert loaded.fingerprint == codec.fingerprint and loaded.mean_square_error == codec.mean_square_error
    assert loaded.pixels.side == codec.pixels.side
    others = (ComponentsCodec.fit([clips], PIXELS, 9), ComponentsCodec.fit([clips[:3]], PIXELS, 10))
    assert len({codec.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_decoded_clips_of_held_out_puzzles_are_accepted(tmp_path: Path) -> None:
    """Trained on 24 components of 768 pixel values, a model can be right: the judge loses nothing by the codec."""
    request = ("maze:tiny", "--look", "blueprint", "--format", "32x32x13@8", "--split")
    for split, number in (("train", 64), ("test", 16)):
        assert not called("generate", *request, split, "--num", number, "--out", tmp_path / split).returncode
    seen, held_out = ShardDataset(str(tmp_path / "train")), ShardDataset(str(tmp_path / "test"))
    batches = (torch.from_numpy(seen[index].frames())[None] for index in range(len(seen)))
    codec = ComponentsCodec.fit(batches, PixelCodec(8, 4), 24)
    assert codec.psnr_db > 33
    for row in (held_out[index] for index in range(len(held_out))):
        decoded = codec.decode(codec.encode(torch.from_numpy(row.frames())[None]))[0].numpy()
        assert decoded.shape == (13, 32, 32, 3)
        assert verifier_of(row).score_frames(decoded).solved


def loaded_from(folder: Path, content: bytes | dict[str, Tensor]) -> ComponentsCodec:
    from safetensors.torch import save_file

    path = folder / "codec.safetensors"
    path.write_bytes(content) if isinstance(content, bytes) else save_file(content, path)
    return ComponentsCodec.load(path)


def test_errors_are_one_line(tmp_path: Path) -> None:
    codec = ComponentsCodec.fit([correlated_clips()], PIXELS, 10)
    attempts = [
        (lambda: ComponentsCodec.fit([], PIXELS, 10), "A codec cannot be fitted to no clips"),
        (lambda: ComponentsCodec.fit([], PIXELS, 49), "A patch of 48 pixel values has no 49 components"),
        (lambda: ComponentsCodec.load(tmp_path / "nowhere"), "cannot be read as weights"),
        (lambda: loaded_from(tmp_path, b"torn"), "cannot be read as weights"),
        (lambda: loaded_from(tmp_path, {"labels": torch.zeros(1)}), "is no codec: it has no 'patch'"),
        (lambda: codec.encode(random_clips(1, 6, 8, 8)), "takes 4n.1. Make clips of 5 or 9"),
        (lambda: codec.encode(random_clips(1, 5, 6, 8)), "sides in multiples of 4. Make clips of 8x8"),
    ]
    for attempt, complaint in attempts:
        with pytest.raises(InvalidInput, match=complaint) as error:
            attempt()
        assert "\n" not in str(error.value)

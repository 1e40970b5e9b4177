"""A linear codec, fitted in closed form: patches of clips on their principal components.

    z = (x - mean) @ components.T / scale,  x' = mean + (z * scale) @ components

with x the pixels of a patch as `PixelCodec` stacks them. Of all linear codecs with as many channels it has the least
mean square error on the clips it is fitted to (Eckart and Young, 1936), and it leaves small models few numbers a token.
All channels have unit variance there: what moves covers few pixels, yet weighs as much in a loss as what stands.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from puzzlegen.errors import InvalidInput
from puzzlegen.train.adapters import weights
from puzzlegen.train.latents import LatentShape, PixelCodec, digest_of
from puzzlegen.train.randomness import generator

_LEAST_SCALE = 1 / 255
"""Half a level of a byte: what varies less is noise, and is not blown up."""

_PATCHES_OF_A_CLIP = 128


class ComponentsCodec:
    """Lossy: of the pixels of a patch, or with temporal 4 of four frames of it, the components that vary most."""

    def __init__(
        self,
        pixels: PixelCodec,
        mean_D: Tensor,
        components_CD: Tensor,
        scale_C: Tensor,
        mean_square_error: float = 0.0,
    ) -> None:
        """Of a fitted basis.

        Args:
            pixels: stacks D pixel values of a patch.
            mean_D: of the patches.
            components_CD: orthonormal rows.
            scale_C: what a step of one in a channel is in pixel values.
            mean_square_error: of the clips that it was fitted to, in pixel values from -1 to 1.
        """
        self.pixels, self.mean_square_error = pixels, mean_square_error
        self.mean_D, self.components_CD, self.scale_C = mean_D.float(), components_CD.float(), scale_C.float()

    @classmethod
    def fit(cls, batches: Iterable[Tensor], pixels: PixelCodec, channels: int) -> ComponentsCodec:
        """The codec with this many channels that loses least of these clips.

        Args:
            batches: uint8 [B, T, H, W, 3], of any sizes that `pixels` takes; a few hundred clips will do, of which at
                most 128 patches each are looked at.
            pixels: says what a patch is.
            channels: how many components to keep.

        Raises:
            InvalidInput: no clips, or more channels than a patch has pixel values.
        """
        size = 3 * pixels.temporal * pixels.patch**2
        if not 0 < channels <= size:
            raise InvalidInput(
                f"A patch of {size} pixel values has no {channels} components. Set 1 to {size} channels."
            )
        count, total_D, products_DD = 0, torch.zeros(size).double(), torch.zeros(size, size).double()
        for number, frames_BTHWC in enumerate(batches):
            x_ND = pixels.encode(frames_BTHWC).movedim(1, -1).flatten(0, -2)
            chosen = torch.randperm(len(x_ND), generator=generator("components", number))
            x_ND = x_ND[chosen[: _PATCHES_OF_A_CLIP * len(frames_BTHWC)]].double()
            count += len(x_ND)
            total_D += x_ND.sum(dim=0)
            products_DD += x_ND.T @ x_ND
        if not count:
            raise InvalidInput("A codec cannot be fitted to no clips. Name a dataset that holds some.")
        mean_D = total_D / count
        variances, vectors = torch.linalg.eigh(products_DD / count - mean_D.outer(mean_D))  # rising
        variances, components_CD = variances.flip(0).clamp(min=0), vectors.flip(1).T[:channels]
        largest = components_CD.gather(1, components_CD.abs().argmax(dim=1, keepdim=True))
        components_CD = components_CD * largest.sign()  # a component's sign is anybody's choice: its peak is positive
        scale_C = variances[:channels].sqrt().clamp(min=_LEAST_SCALE)
        return cls(pixels, mean_D, components_CD, scale_C, float(variances[channels:].sum()) / size)

    @property
    def psnr_db(self) -> float:
        """Of the clips that it was fitted to, decoded, before rounding; pixel values span 2."""
        return 10 * math.log10(4 / self.mean_square_error) if self.mean_square_error else math.inf

    @cached_property
    def fingerprint(self) -> str:
        """Of the patch and of all numbers."""
        return f"components-{digest_of(self._tensors, self.pixels.fingerprint)}"

    def latent_shape(self, num_frames: int, height: int, width: int) -> LatentShape:
        """(channels, frames, height / patch, width / patch)."""
        return len(self.scale_C), *self.pixels.latent_shape(num_frames, height, width)[1:]

    def encode(self, frames_BTHWC: Tensor) -> Tensor:
        """Latents of uint8 clips, each channel with mean 0 and variance 1 over the clips it was fitted to."""
        x_BTHWD = self.pixels.encode(frames_BTHWC).movedim(1, -1)
        device = x_BTHWD.device
        z_BTHWC = (x_BTHWD - self.mean_D.to(device)) @ self.components_CD.T.to(device) / self.scale_C.to(device)
        return z_BTHWC.movedim(-1, 1).contiguous()

    def decode(self, z_BCTHW: Tensor) -> Tensor:
        """Clips of latents."""
        device = z_BCTHW.device
        scaled_BTHWC = z_BCTHW.float().movedim(1, -1) * self.scale_C.to(device)
        x_BTHWD = scaled_BTHWC @ self.components_CD.to(device) + self.mean_D.to(device)
        return self.pixels.decode(x_BTHWD.movedim(-1, 1))

    def save(self, path: Path) -> None:
        """Write one safetensors file."""
        numbers = {name: getattr(self.pixels, name) for name in ("patch", "temporal", "side")}
        metadata = {name: str(value) for name, value in numbers.items()}
        save_file(self._tensors, path, metadata | {"mean_square_error": repr(self.mean_square_error)})

    @classmethod
    def load(cls, path: Path) -> ComponentsCodec:
        """Read what `save` wrote. Raises InvalidInput if it is not there or something else."""
        tensors, metadata = weights.read_tensors(path)
        try:
            patch, temporal, side = (int(metadata[name]) for name in ("patch", "temporal", "side"))
            pixels = PixelCodec(patch, temporal, patches_per_token=side // patch)
            mean_D, components_CD, scale_C = (tensors[name] for name in ("mean", "components", "scale"))
            return cls(pixels, mean_D, components_CD, scale_C, float(metadata["mean_square_error"]))
        except KeyError as error:
            raise InvalidInput(
                f"{path} is no codec: it has no {error}. Name a file that a run saved one in."
            ) from error

    @property
    def _tensors(self) -> dict[str, Tensor]:
        return {
            "mean": self.mean_D,
            "components": self.components_CD.contiguous(),
            "scale": self.scale_C.contiguous(),
        }

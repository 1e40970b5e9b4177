"""What a clip becomes in latents and tokens, and which sizes of clips there are for a codec; needs no torch."""

from __future__ import annotations

from dataclasses import dataclass

from puzzlegen.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A clip as a codec and a transformer see it."""

    width: int
    """In pixels, as the height."""
    height: int
    num_frames: int
    stride: int
    """Pixels of a latent's side."""
    temporal: int
    """Frames of a latent frame; the first stands alone."""
    token: int
    """Latents of a token's side."""
    channels: int
    """Of a latent."""

    def __post_init__(self) -> None:
        check_size(self.num_frames, self.height, self.width, self.temporal, self.stride * self.token)

    @property
    def latent_CTHW(self) -> tuple[int, int, int, int]:
        """Channels, frames, rows and columns of the latents."""
        frames = (self.num_frames - 1) // self.temporal + 1
        return self.channels, frames, self.height // self.stride, self.width // self.stride

    @property
    def tokens(self) -> int:
        """What the transformer attends to, the text aside."""
        _, frames, rows, columns = self.latent_CTHW
        return frames * rows * columns // self.token**2

    @property
    def generated(self) -> int:
        """Elements of the latents that a model makes: all but the first frame."""
        channels, frames, rows, columns = self.latent_CTHW
        return channels * (frames - 1) * rows * columns


def check_size(num_frames: int, height: int, width: int, temporal: int, side: int) -> None:
    """Of clips that a codec is given, for autoencoders silently cut what does not fit.

    Raises InvalidInput unless frames are temporal * n + 1 and sides are multiples of `side`.
    """
    if (num_frames - 1) % temporal:
        good = (num_frames - 1) // temporal * temporal + 1
        raise InvalidInput(
            f"Clips of {num_frames} frames cannot be encoded: the codec takes {temporal}n+1. "
            f"Make clips of {good} or {good + temporal} frames."
        )
    if height % side or width % side:
        raise InvalidInput(
            f"Clips of {width}x{height} pixels cannot be encoded: the model takes sides in multiples of {side}. "
            f"Make clips of {_near(width, side)}x{_near(height, side)}."
        )


def _near(length: int, side: int) -> int:
    return max(side, round(length / side) * side)

"""Figures of matplotlib as PNG files, the same bytes for the same drawing; and what all their axes look like."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from puzzlegen.errors import InvalidInput, MissingExtra
from puzzlegen.shards.writer import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_DPI = 110


@contextlib.contextmanager
def drawing(out: Path, width: float, height: float) -> Iterator[Figure]:
    """A figure of this size in inches to draw on; it is written to `out` when the block succeeds.

    Raises:
        InvalidInput: `out` does not end in .png.
        MissingExtra: matplotlib is not installed.
        OutputError: `out` cannot be written.
    """
    if out.suffix != ".png":
        raise InvalidInput(f"{out}: the name of a picture of curves must end in .png.")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("Drawing curves", "matplotlib", "train") from error
    figure = Figure((width, height), dpi=_DPI, layout="constrained")
    yield figure
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    with atomic(out) as temporary:
        temporary.write_bytes(picture.getvalue())


def dress(axes: Axes, title: str) -> None:
    """Title, grid and small numbers."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)


def in_percent(axes: Axes) -> None:
    """An axis of shares from 0 to 1."""
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")

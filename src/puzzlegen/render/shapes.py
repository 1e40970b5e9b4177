"""Shapes that marks are drawn with: vector drawings on a supersampled cell, on a grid of 2 output pixels.

Straight edges lie on even output pixels, so that 4:2:0 chroma keeps them sharp; only round edges are smoothed.
A shape draws what the brush holds (color, accent, links) and knows no task.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from PIL import Image, ImageDraw

from puzzlegen.grid import LINK

RGB = tuple[int, int, int]

SUPERSAMPLING = 4


@dataclass(frozen=True, slots=True)
class Brush:
    """A cell to draw on. Coordinates are output pixels, (0, 0) top left, floats allowed."""

    image: Image.Image
    cell_px: int
    color: RGB
    accent: RGB
    links: int

    def even(self, share: float, least: int = 2) -> int:
        """The even number of pixels nearest to this share of the cell, at least `least`."""
        return max(least, 2 * round(self.cell_px * share / 2))

    def box(self, left: float, top: float, right: float, bottom: float, color: RGB) -> None:
        """Fill a rectangle; right and bottom excluded."""
        if right > left and bottom > top:
            self._draw.rectangle(_scaled(left, top, right, bottom, -1), fill=(*color, 255))

    def rounded(self, left: float, top: float, right: float, bottom: float, radius: float, color: RGB) -> None:
        """Fill a rectangle with round corners."""
        self._draw.rounded_rectangle(
            _scaled(left, top, right, bottom, -1), radius=radius * SUPERSAMPLING, fill=(*color, 255)
        )

    def disc(self, x: float, y: float, radius: float, color: RGB) -> None:
        """Fill a disc around (x, y)."""
        self._draw.ellipse(_scaled(x - radius, y - radius, x + radius, y + radius, -1), fill=(*color, 255))

    def polygon(self, points: Sequence[tuple[float, float]], color: RGB) -> None:
        """Fill a polygon of (x, y) corners."""
        scaled = [(x * SUPERSAMPLING, y * SUPERSAMPLING) for x, y in points]
        self._draw.polygon(scaled, fill=(*color, 255))

    @property
    def _draw(self) -> ImageDraw.ImageDraw:
        return ImageDraw.Draw(self.image)


class Shape(NamedTuple):
    """A drawing and the noun that prompts use for it."""

    draw: Callable[[Brush], None]
    noun: str


def _scaled(left: float, top: float, right: float, bottom: float, inset: int) -> tuple[float, float, float, float]:
    """Pillow includes the right and bottom pixel."""
    scale = SUPERSAMPLING
    return left * scale, top * scale, right * scale + inset, bottom * scale + inset


def shade(color: RGB, factor: float) -> RGB:
    """Darker (factor < 1) or lighter (factor > 1, towards white)."""
    if factor <= 1:
        red, green, blue = (round(level * factor) for level in color)
    else:
        red, green, blue = (round(255 - (255 - level) / factor) for level in color)
    return red, green, blue


# --- floors and walls


def _room(brush: Brush) -> None:
    """Floor with a wall in the accent along every side without a link, and a post in every corner."""
    size = brush.cell_px
    wall = brush.even(0.08)
    brush.box(0, 0, size, size, brush.color)
    for left, top in ((0, 0), (size - wall, 0), (0, size - wall), (size - wall, size - wall)):
        brush.box(left, top, left + wall, top + wall, brush.accent)
    sides = {"U": (0, 0, size, wall), "D": (0, size - wall, size, size)}
    sides |= {"L": (0, 0, wall, size), "R": (size - wall, 0, size, size)}
    for direction, side in sides.items():
        if not brush.links & LINK[direction]:
            brush.box(*side, brush.accent)


def _plain(brush: Brush) -> None:
    brush.box(0, 0, brush.cell_px, brush.cell_px, brush.color)


def _tile(brush: Brush) -> None:
    """A floor tile: the joint is drawn right and below, so that neighbouring tiles share it."""
    size = brush.cell_px
    brush.box(0, 0, size, size, brush.accent)
    brush.box(0, 0, size - 2, size - 2, brush.color)


def _framed(brush: Brush) -> None:
    """A cell inside a two-sided frame, so that the frame is closed around the board too."""
    size = brush.cell_px
    brush.box(0, 0, size, size, brush.accent)
    edge = 2 if size >= 24 else 0
    brush.box(edge, edge, size - edge, size - edge, brush.color)


def _bricks(brush: Brush) -> None:
    """Three courses of bricks, every other one shifted by half a brick; joints in the accent."""
    size = brush.cell_px
    if size < 16:
        brush.box(0, 0, size, size, brush.color)
        return
    brush.box(0, 0, size, size, brush.accent)
    heights = _thirds(size)
    half, quarter, top = size // 4 * 2, size // 8 * 2, 0
    for course, height in enumerate(heights):
        edges = (0, half, size) if course % 2 == 0 else (-quarter, quarter, half + quarter, size + quarter)
        for left, right in itertools.pairwise(edges):
            brush.box(max(0, left), top, min(size, right - 2), top + height - 2, brush.color)
        top += height


def _thirds(size: int) -> tuple[int, int, int]:
    third = 2 * round(size / 6)
    return third, third, size - 2 * third


def _block(brush: Brush) -> None:
    """A raised block: lighter above, darker below."""
    size, edge = brush.cell_px, brush.even(0.1)
    brush.box(0, 0, size, size, shade(brush.color, 0.72))
    brush.box(0, 0, size, size - edge, brush.color)
    brush.box(0, 0, size, edge // 2 // 2 * 2, shade(brush.color, 1.35))


# --- things


def _disc(brush: Brush) -> None:
    center = brush.cell_px / 2
    brush.disc(center, center, brush.even(0.6, 4) / 2, brush.accent)
    brush.disc(center, center, brush.even(0.6, 4) / 2 - _rim(brush), brush.color)


def _rim(brush: Brush) -> float:
    """Width of an outline; none when color and accent agree or the cell is small."""
    return 0 if brush.color == brush.accent or brush.cell_px < 24 else brush.even(0.05)


def _square(brush: Brush) -> None:
    margin = brush.even(0.22)
    low, high = margin, brush.cell_px - margin
    radius = brush.cell_px * 0.08
    brush.rounded(low, low, high, high, radius, brush.accent)
    rim = _rim(brush)
    brush.rounded(low + rim, low + rim, high - rim, high - rim, radius, brush.color)


def _diamond(brush: Brush) -> None:
    center = brush.cell_px / 2
    reach = brush.even(0.72, 4) / 2
    for radius, color in ((reach, brush.accent), (reach - 1.4 * _rim(brush), brush.color)):
        low, high = center - radius, center + radius
        brush.polygon([(center, low), (high, center), (center, high), (low, center)], color)


def _star(brush: Brush) -> None:
    center = brush.cell_px / 2
    outer = brush.even(0.78, 4) / 2
    points = []
    for corner in range(10):
        radius = outer if corner % 2 == 0 else outer * 0.45
        angle = math.pi * (corner / 5 - 0.5)
        points.append((center + radius * math.cos(angle), center + 0.04 * brush.cell_px + radius * math.sin(angle)))
    brush.polygon(points, brush.color)


def _ring(brush: Brush) -> None:
    """An open ring: what stands inside it stays visible."""
    center = brush.cell_px / 2
    image = Image.new("L", brush.image.size, 0)
    draw = ImageDraw.Draw(image)
    outer = brush.even(0.8, 6) / 2
    inner = outer - brush.even(0.14)
    for radius, level in ((outer, 255), (inner, 0)):
        draw.ellipse(_scaled(center - radius, center - radius, center + radius, center + radius, -1), fill=level)
    brush.image.paste((*brush.color, 255), mask=image)


def _target(brush: Brush) -> None:
    """A ring with a dot in its middle."""
    _ring(brush)
    center = brush.cell_px / 2
    brush.disc(center, center, brush.even(0.26, 4) / 2, brush.color)


def _flag(brush: Brush) -> None:
    """A pole with a pennant."""
    size = brush.cell_px
    pole, top, bottom = brush.even(0.28), brush.even(0.14), size - brush.even(0.14)
    width = brush.even(0.07)
    brush.box(pole, top, pole + width, bottom, brush.accent)
    middle = top + (bottom - top) * 0.32
    tip = size - brush.even(0.14)
    brush.polygon([(pole + width, top), (tip, middle), (pole + width, 2 * middle - top)], brush.color)


def _pad(brush: Brush) -> None:
    """A flat marking on the floor, as large as the cell allows."""
    margin = brush.even(0.14)
    brush.box(margin, margin, brush.cell_px - margin, brush.cell_px - margin, brush.color)


def _crate(brush: Brush) -> None:
    """A wooden box: frame in the accent, two crossing planks."""
    size = brush.cell_px
    margin, frame = brush.even(0.08), brush.even(0.09)
    low, high = margin, size - margin
    if size < 12:  # too small for a frame: the color decides what it is
        brush.box(low, low, high, high, brush.color)
        return
    brush.box(low, low, high, high, brush.accent)
    brush.box(low + frame, low + frame, high - frame, high - frame, brush.color)
    inner_low, inner_high, half = low + frame, high - frame, frame * 0.5
    if size < 24:
        return
    for flip in (False, True):
        corners = [
            (inner_low, inner_low), (inner_low + 2 * half, inner_low), (inner_high, inner_high - 2 * half),
            (inner_high, inner_high), (inner_high - 2 * half, inner_high), (inner_low, inner_low + 2 * half),
        ]  # fmt: skip
        brush.polygon([(size - x if flip else x, y) for x, y in corners], brush.accent)


def _barrel(brush: Brush) -> None:
    """A round box seen from above, with a lid in the accent."""
    center = brush.cell_px / 2
    outer = brush.even(0.84, 6) / 2
    brush.disc(center, center, outer, brush.accent)
    brush.disc(center, center, outer - brush.even(0.09), brush.color)
    if brush.cell_px >= 24:
        brush.disc(center, center, brush.even(0.22) / 2, brush.accent)


def _gem(brush: Brush) -> None:
    """An eight-sided stone with a bright table."""
    size = brush.cell_px
    layers = [(0.1, brush.accent), (0.1 + 0.09, brush.color), (0.32, shade(brush.color, 1.5))]
    for margin, color in layers if size >= 12 else layers[:2]:  # else the table would cover the color
        low = brush.even(margin)
        high, cut = size - low, (size - 2 * low) * 0.28
        corners = [
            (low + cut, low), (high - cut, low), (high, low + cut), (high, high - cut),
            (high - cut, high), (low + cut, high), (low, high - cut), (low, low + cut),
        ]  # fmt: skip
        brush.polygon(corners, color)


def _person(brush: Brush) -> None:
    """A figure seen from the front: shoulders, head in the accent."""
    size = brush.cell_px
    brush.rounded(size * 0.18, size * 0.46, size * 0.82, size * 0.9, size * 0.2, brush.color)
    brush.disc(size / 2, size * 0.3, size * 0.22, brush.accent)


def _robot(brush: Brush) -> None:
    """A square head with two eyes in the accent."""
    size = brush.cell_px
    margin = brush.even(0.18)
    brush.rounded(margin, margin, size - margin, size - margin, size * 0.14, brush.color)
    eye = max(1.5, size * 0.09)
    for x in (0.38, 0.62):
        brush.disc(size * x, size * 0.44, eye, brush.accent)
    brush.box(brush.even(0.36), brush.even(0.64), size - brush.even(0.36), brush.even(0.64) + 2, brush.accent)


# --- lines


def _pipe(brush: Brush) -> None:
    """Half a line from the centre to each linked side, round at the centre."""
    size = brush.cell_px
    width = _line_width(brush)
    low, high, center = (size - width) / 2, (size + width) / 2, size / 2
    brush.disc(center, center, width / 2, brush.color)
    arms = {"U": (low, 0, high, center), "D": (low, center, high, size)}
    arms |= {"L": (0, low, center, high), "R": (center, low, size, high)}
    for direction, arm in arms.items():
        if brush.links & LINK[direction]:
            brush.box(*arm, brush.color)


def _tip(brush: Brush) -> None:
    """The end of a pipe: a disc of its width."""
    center = brush.cell_px / 2
    brush.disc(center, center, _line_width(brush) / 2, brush.color)


def _line_width(brush: Brush) -> int:
    """About a third of the cell, a multiple of 4 so that both halves are even; 4 at least."""
    return max(4, 4 * round(brush.cell_px * 0.36 / 4))


def _dot(brush: Brush) -> None:
    center = brush.cell_px / 2
    brush.disc(center, center, brush.even(0.62, 6) / 2, brush.color)


def _bead(brush: Brush) -> None:
    """A dot with a light center, so that ends stand out from the line."""
    _dot(brush)
    center = brush.cell_px / 2
    brush.disc(center, center, brush.cell_px * 0.14, shade(brush.color, 2.6))


def _button(brush: Brush) -> None:
    """A rounded square end."""
    margin = brush.even(0.2)
    brush.rounded(margin, margin, brush.cell_px - margin, brush.cell_px - margin, brush.cell_px * 0.14, brush.color)


SHAPES: dict[str, Shape] = {
    "room": Shape(_room, "floor"),
    "plain": Shape(_plain, "floor"),
    "tile": Shape(_tile, "floor"),
    "framed": Shape(_framed, "cell"),
    "bricks": Shape(_bricks, "brick wall"),
    "block": Shape(_block, "wall"),
    "disc": Shape(_disc, "disc"),
    "square": Shape(_square, "square"),
    "diamond": Shape(_diamond, "diamond"),
    "star": Shape(_star, "star"),
    "ring": Shape(_ring, "ring"),
    "target": Shape(_target, "target"),
    "flag": Shape(_flag, "flag"),
    "pad": Shape(_pad, "square marking"),
    "crate": Shape(_crate, "crate"),
    "barrel": Shape(_barrel, "barrel"),
    "gem": Shape(_gem, "gem"),
    "person": Shape(_person, "figure"),
    "robot": Shape(_robot, "robot"),
    "pipe": Shape(_pipe, "line"),
    "tip": Shape(_tip, "line"),
    "dot": Shape(_dot, "dot"),
    "bead": Shape(_bead, "bead"),
    "button": Shape(_button, "button"),
}

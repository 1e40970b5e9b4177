"""Sprites: exact blending, lossless cropping, and shapes that stay in their cell at every size."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from puzzlegen.render.colors import COLORS
from puzzlegen.render.looks import Style
from puzzlegen.render.raster import new_canvas, planes_of
from puzzlegen.render.shapes import SHAPES, SUPERSAMPLING, Brush
from puzzlegen.render.sprites import Planes, Sprite, sprite

SIZES = range(8, 97, 4)
MATRIX = np.array(
    [
        [0.18258588, 0.61423059, 0.06200706],
        [-0.10064373, -0.33857195, 0.43921569],
        [0.43921569, -0.39894216, -0.04027352],
    ]
)


def flat_sprite(level: int, alpha: np.ndarray[Any, Any]) -> Sprite:
    """A sprite of one level with an alpha plane, chroma transparent."""
    none = np.zeros((alpha.shape[0] // 2, alpha.shape[1] // 2), dtype=np.uint16)
    weighted = (level * alpha.astype(int) + 128).astype(np.uint16)
    cover = (255 - alpha).astype(np.uint16)
    return Sprite(0, 0, (weighted, none + 128, none + 128), (cover, none + 255, none + 255))


@pytest.mark.parametrize("level", [0, 1, 16, 127, 128, 200, 235, 254, 255])
def test_blending_divides_by_255_exactly(level: int) -> None:
    """Every pair of alpha and background, against rounding in whole numbers and in floats."""
    alpha, background = np.meshgrid(np.arange(256), np.arange(256), indexing="ij")
    picture = planes_of(new_canvas(256, 256))
    picture.y[:] = background
    picture.u[:], picture.v[:] = 77, 99
    flat_sprite(level, alpha).blend(picture, 0, 0)
    whole = level * alpha + background * (255 - alpha)
    assert np.array_equal(picture.y, (2 * whole + 255) // 510)
    assert np.abs(picture.y - (level * (alpha / 255.0) + background * (1 - alpha / 255.0))).max() <= 0.5 + 1e-9
    assert (picture.u == 77).all()
    assert (picture.v == 99).all()


def test_alpha_0_changes_nothing_and_alpha_255_covers() -> None:
    background = np.arange(256, dtype=np.uint8).reshape(16, 16)
    for alpha, expected in ((0, background), (255, np.full((16, 16), 42))):
        picture = planes_of(new_canvas(16, 16))
        picture.y[:] = background
        flat_sprite(42, np.full((16, 16), alpha)).blend(picture, 0, 0)
        assert np.array_equal(picture.y, expected)


def oracle(style: Style, links: int, cell_px: int, background: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """The whole cell in floats, uncropped: mix in RGB with premultiplied alpha, then convert."""
    image = Image.new("RGBA", (cell_px * SUPERSAMPLING,) * 2, (0, 0, 0, 0))
    SHAPES[style.shape].draw(Brush(image, cell_px, COLORS[style.color], COLORS[style.accent], links))
    fine = np.asarray(image, dtype=np.float64)
    levels = fine[..., :3] @ MATRIX.T + (16, 128, 128)
    planes = []
    for channel, step in enumerate((1, 2, 2)):
        block = SUPERSAMPLING * step
        count = cell_px // step
        alpha = fine[..., 3] / 255
        colored = (levels[..., channel] * alpha).reshape(count, block, count, block).mean(axis=(1, 3))
        mean = alpha.reshape(count, block, count, block).mean(axis=(1, 3))
        planes.append(colored + background[channel] * (1 - mean))
    return planes


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("cell_px", [8, 20, 36, 64])
def test_sprite_is_what_was_drawn(shape: str, cell_px: int) -> None:
    """Cropping, premultiplying and chroma averaging lose nothing: within a rounding of alpha, color and sum."""
    style = Style(shape=shape, color="yellow", accent="blue")
    for background in ((30, 90, 200), (220, 160, 60)):
        for links in (0, 5, 15):
            picture = planes_of(new_canvas(cell_px, cell_px))
            for plane, level in zip(picture, background, strict=True):
                plane[:] = level
            sprite(style, links, cell_px).blend(picture, 0, 0)
            for plane, expected in zip(picture, oracle(style, links, cell_px, background), strict=True):
                assert np.abs(plane - expected).max() <= 1.6, f"{shape} at {cell_px} px, links {links}"


@pytest.mark.parametrize("shape", SHAPES)
def test_blending_touches_the_cell_only(shape: str) -> None:
    side = 24
    canvas = new_canvas(3 * side, 4 * side)
    picture = planes_of(canvas)
    rng = np.random.default_rng(1)
    canvas[:] = rng.integers(0, 256, canvas.shape)
    before = Planes(*(plane.copy() for plane in picture))
    sprite(Style(shape=shape, color="red", accent="white"), 15, side).blend(picture, side, side)
    for plane, old, step in zip(picture, before, (1, 2, 2), strict=True):
        cell = np.zeros(plane.shape, dtype=bool)
        cell[side // step : 2 * side // step, side // step : 2 * side // step] = True
        assert np.array_equal(plane[~cell], old[~cell])
        assert (plane[cell] != old[cell]).any()


class CarefulBrush(Brush):
    """Refuses to draw outside the cell, and straight edges off the grid of 2 pixels."""

    __slots__ = ()

    def _inside(self, *places: float) -> None:
        assert all(-1e-9 <= place <= self.cell_px + 1e-9 for place in places), f"{places} in a cell of {self.cell_px}"

    def box(self, left: float, top: float, right: float, bottom: float, color: Any) -> None:
        self._inside(left, top)
        if right > left and bottom > top:
            self._inside(right, bottom)
        assert all(place % 2 == 0 for place in (left, top, right, bottom)), (left, top, right, bottom)
        Brush.box(self, left, top, right, bottom, color)

    def rounded(self, left: float, top: float, right: float, bottom: float, radius: float, color: Any) -> None:
        self._inside(left, top, right, bottom)
        assert left < right
        assert top < bottom
        Brush.rounded(self, left, top, right, bottom, radius, color)

    def disc(self, x: float, y: float, radius: float, color: Any) -> None:
        assert radius > 0
        self._inside(x - radius, y - radius, x + radius, y + radius)
        Brush.disc(self, x, y, radius, color)

    def polygon(self, points: Any, color: Any) -> None:
        self._inside(*(place for point in points for place in point))
        Brush.polygon(self, points, color)


def careful_drawing(shape: str, cell_px: int, links: int) -> np.ndarray[Any, Any]:
    image = Image.new("RGBA", (cell_px * SUPERSAMPLING,) * 2, (0, 0, 0, 0))
    SHAPES[shape].draw(CarefulBrush(image, cell_px, COLORS["red"], COLORS["white"], links))
    return np.asarray(image)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_draws_at_every_size(shape: str) -> None:
    by_links = len({careful_drawing(shape, 32, links).tobytes() for links in range(16)})
    assert by_links in (1, 16), "a shape shows all links or none"
    for cell_px in SIZES:
        for links in range(16) if by_links == 16 else (0,):
            picture = careful_drawing(shape, cell_px, links)
            share = (picture[..., 3] > 0).mean()
            assert share > 0.03, f"{shape} covers {share:.3f} of a cell of {cell_px} px, links {links}"
            assert (picture[..., :3][picture[..., 3] > 0] == COLORS["red"]).all(axis=-1).any(), (
                f"{shape}: no color at {cell_px} px"
            )


@pytest.mark.parametrize("shape", ["room", "pipe"])
@pytest.mark.parametrize("cell_px", SIZES)
def test_link_masks_stay_apart(shape: str, cell_px: int) -> None:
    """Any two masks differ clearly in some of the 4x4 blocks that the reader looks at."""
    style = Style(shape=shape, color="white", accent="black")
    blocks = []
    for links in range(16):
        picture = planes_of(new_canvas(cell_px, cell_px))
        picture.fill("black" if shape == "pipe" else "white")
        sprite(style, links, cell_px).blend(picture, 0, 0)
        blocks.append(picture.y.reshape(4, cell_px // 4, 4, cell_px // 4).mean(axis=(1, 3)))
    for one in range(16):
        for other in range(one):
            assert np.abs(blocks[one] - blocks[other]).max() >= 20, f"{one} and {other} at {cell_px} px"


@given(st.integers(0, 3).map(lambda n: 2 * n), st.integers(0, 3).map(lambda n: 2 * n))
def test_blending_at_an_offset_only_moves_the_picture(top: int, left: int) -> None:
    mark = sprite(Style(shape="star", color="red", accent="red"), 0, 16)
    here, there = planes_of(new_canvas(32, 32)), planes_of(new_canvas(32, 32))
    here.fill("gray")
    there.fill("gray")
    mark.blend(here, 0, 0)
    mark.blend(there, top, left)
    for one, other in zip(here.window(0, 0, 16, 16), there.window(top, left, 16, 16), strict=True):
        assert np.array_equal(one, other)

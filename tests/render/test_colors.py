"""Colors against the decimal BT.709 matrix of 8-bit video, and against what a player makes of them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.render.colors import COLORS, rgb_to_yuv, yuv_of
from puzzlegen.render.video import canvas_to_rgb

# 8-bit RGB to BT.709 limited range, as decimal coefficients (not computed from the luma weights).
MATRIX = np.array(
    [
        [0.18258588, 0.61423059, 0.06200706],
        [-0.10064373, -0.33857195, 0.43921569],
        [0.43921569, -0.39894216, -0.04027352],
    ]
)
OFFSET = np.array([16, 128, 128])
LEVEL = st.integers(0, 255)


@given(LEVEL, LEVEL, LEVEL)
def test_agrees_with_the_decimal_matrix(red: int, green: int, blue: int) -> None:
    expected = MATRIX @ (red, green, blue) + OFFSET
    found = rgb_to_yuv(np.array([red, green, blue], dtype=np.float32))
    assert np.abs(found - expected).max() < 1e-3


@pytest.mark.parametrize(
    ("rgb", "yuv"),
    [((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128)), ((255, 0, 0), (63, 102, 240)),
     ((0, 255, 0), (173, 42, 26)), ((0, 0, 255), (32, 240, 118))],
)  # fmt: skip
def test_textbook_values(rgb: tuple[int, int, int], yuv: tuple[int, int, int]) -> None:
    assert np.rint(rgb_to_yuv(np.array(rgb, dtype=np.float32))).astype(int).tolist() == list(yuv)


@pytest.mark.parametrize("name", COLORS)
def test_a_player_shows_the_named_color(name: str) -> None:
    y, u, v = yuv_of(name)
    canvas = np.empty((48, 32), dtype=np.uint8)
    canvas[:32], canvas[32:40], canvas[40:] = y, u, v
    shown = canvas_to_rgb(canvas).reshape(-1, 3).astype(int)
    assert np.abs(shown - COLORS[name]).max() <= 2, f"{name} is shown as {shown[0]}"


@pytest.mark.parametrize("name", COLORS)
def test_levels_are_in_limited_range(name: str) -> None:
    y, u, v = yuv_of(name)
    assert 16 <= y <= 235
    assert 16 <= u <= 240
    assert 16 <= v <= 240


def test_names_are_plain_words_and_colors_differ() -> None:
    assert all(re.fullmatch(r"[a-z]+( [a-z]+)?", name) for name in COLORS)
    assert len({yuv_of(name) for name in COLORS}) == len(COLORS)

"""Clip formats: what is read, what is refused, and how."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puzzlegen.errors import InvalidInput
from puzzlegen.render.formats import FORMATS, ClipFormat, parse_format


@pytest.mark.parametrize("name", FORMATS)
def test_names_and_their_written_form_agree(name: str) -> None:
    assert parse_format(name) == FORMATS[name]
    assert parse_format(str(FORMATS[name])) == FORMATS[name]


def test_named_formats_are_those_of_the_models() -> None:
    assert str(FORMATS["wan480"]) == "832x480x81@16"
    assert str(FORMATS["square480"]) == "480x480x81@16"
    assert str(FORMATS["square256"]) == "256x256x49@16"


@given(st.integers(1, 60), st.integers(1, 60), st.integers(2, 100), st.integers(1, 120))
def test_every_valid_format_survives_its_text(width: int, height: int, length: int, fps: int) -> None:
    clip = ClipFormat(width=32 * width, height=32 * height, num_frames=4 * length + 1, fps=fps)
    assert parse_format(str(clip)) == clip


def test_fps_is_16_by_default() -> None:
    assert parse_format("64x32x9").fps == 16


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wan", ["wan", "Did you mean 'wan480'?"]),
        ("squre480", ["Did you mean 'square480'?"]),
        ("", ["There is no clip format ''"]),
        ("480", ["480"]),
        ("480x480", ["480x480"]),
        ("480x480x81x", ["480x480x81x"]),
        ("-64x64x25", ["-64x64x25"]),
        ("64x64x25@", ["64x64x25@"]),
        ("64x64x25@8.5", ["64x64x25@8.5"]),
        ("50x64x25", ["width must be a multiple of 32, got 50"]),
        ("64x0x25", ["height must be a multiple of 32, got 0"]),
        ("64x64x24", ["num_frames must be 4n+1", "24"]),
        ("64x64x5", ["num_frames must be 4n+1 and at least 9", "5"]),
        ("64x64x25@0", ["fps must be 1 to 120, got 0"]),
        ("64x64x25@121", ["fps must be 1 to 120, got 121"]),
    ],
)
def test_bad_formats_are_refused_in_one_line(text: str, words: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_format(text)
    message = str(caught.value)
    assert "\n" not in message
    assert "clip format" in message
    assert all(word in message for word in words), message


@given(st.text(alphabet="0123456789x@- ", max_size=20))
def test_no_text_raises_anything_else(text: str) -> None:
    try:
        clip = parse_format(text)
    except InvalidInput:
        return
    assert clip.width % 32 == clip.height % 32 == 0

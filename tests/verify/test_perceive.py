"""Perception, cell by cell: every stack is known under noise, and no backdrop is taken for another."""

from __future__ import annotations

import numpy as np
import pytest

from puzzlegen import registry
from puzzlegen.grid import LINK
from puzzlegen.render.formats import ClipFormat
from puzzlegen.render.looks import Look
from puzzlegen.render.raster import Layout, Painter, new_canvas, planes_of
from puzzlegen.testing.clips import noisy
from puzzlegen.types import Glyph, Mark
from puzzlegen.verify import perceive
from samples import painter, variants

# Every link mask once, none of them a real maze.
STRANGE = tuple((Mark("floor", 0, mask),) for mask in range(16))
STACKS: list[tuple[Glyph, ...]] = [((), (Mark("agent"),))] * 16
CLIP = ClipFormat(width=512, height=512, num_frames=9)
LOOKS = list(variants(registry.load("maze")))


def read(look: Look, cell_px: int, backdrop: tuple[Glyph, ...], board: list[Glyph], noise: int) -> np.ndarray:  # type: ignore[type-arg]
    layout = Layout((4, 4), cell_px, 32, 64)
    allowed = perceive.candidates(Painter(STRANGE, layout, CLIP, look), STACKS)
    canvas = new_canvas(CLIP.height, CLIP.width)
    Painter(backdrop, layout, CLIP, look).draw(planes_of(canvas), board)
    rough = noisy(canvas, np.random.default_rng(noise))
    return perceive.boards([planes_of(rough)], layout, (0, 0), allowed)[0]


@pytest.mark.parametrize("cell_px", range(8, 97, 8))
def test_every_wall_and_agent_is_known_and_every_changed_wall_is_not(cell_px: int) -> None:
    for number, look in enumerate(LOOKS):
        empty: list[Glyph] = [()] * 16
        assert (read(look, cell_px, STRANGE, empty, number) == 0).all()
        assert (read(look, cell_px, STRANGE, [(Mark("agent"),)] * 16, number) == 1).all()
        for bit in LINK.values():
            changed = tuple((mark._replace(links=mark.links ^ bit),) for (mark,) in STRANGE)
            labels = read(look, cell_px, changed, empty, number)
            assert (labels == perceive.UNCLEAR).all(), f"{look.name} {look.styles['floor']} at {cell_px} px: {labels}"


def test_a_board_without_any_backdrop_can_be_read() -> None:
    layout = Layout((1, 2), 16, 0, 0)
    brush = Painter(((), ()), layout, CLIP, LOOKS[0])
    allowed = perceive.candidates(brush, [((), (Mark("agent"),))] * 2)
    canvas = new_canvas(CLIP.height, CLIP.width)
    brush.draw(planes_of(canvas), [(), (Mark("agent"),)])
    assert perceive.boards([planes_of(canvas)], layout, (0, 0), allowed).tolist() == [[0, 1]]


def test_labels_of_a_stack_that_cannot_be_there_are_unclear() -> None:
    start = registry.load("maze").task.parse("#####\n#S G#\n#####")
    allowed = perceive.candidates(painter("maze", start, LOOKS[0], CLIP), registry.load("maze").task.glyphs(start))
    assert allowed.labels([(Mark("agent"),), (Mark("goal"),)]).tolist() == [1, perceive.UNCLEAR]
    assert allowed.board(np.array([1, 0], dtype=np.int16)) == [(Mark("agent"),), ()]

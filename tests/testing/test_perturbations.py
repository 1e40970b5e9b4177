"""Every row of the must-tolerate list does what its name says, by a measure of its own."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.errors import PuzzlegenError
from puzzlegen.render.formats import FORMATS
from puzzlegen.render.motion import pace
from puzzlegen.render.video import canvas_to_rgb
from puzzlegen.testing import codecs
from puzzlegen.testing.codecs import CODECS, encode_rgb
from puzzlegen.testing.movers import erased
from puzzlegen.testing.perturbations import _SCENE_TO_FILE, PERTURBATIONS, composed, families, mixed
from puzzlegen.testing.tracking import find_mover
from samples import drawn, painter, through_codec, trajectory, variant

Frames = NDArray[np.uint8]
CLIP = FORMATS["square256"]


class Sample(NamedTuple):
    frames: Frames
    bare: Frames
    """The same states drawn without the thing that moves."""
    cell_px: float


class Without:
    """Rules whose states show no mark of one kind."""

    def __init__(self, task: Any, kind: str) -> None:
        self._task, self._kind = task, kind

    def __getattr__(self, name: str) -> Any:
        return getattr(self._task, name)

    def tokens(self, state: Any) -> tuple[Any, ...]:
        return tuple(token for token in self._task.tokens(state) if token.mark.kind != self._kind)


def rgb(canvases: Any) -> Frames:
    return np.stack([canvas_to_rgb(canvas) for canvas in canvases])


@functools.cache
def sample(task: str = "maze", level: str = "medium", look: int = 0, motion: str = "glide") -> Sample:
    recipe = registry.load(task)
    chosen = variant(recipe, list(recipe.looks)[look], 0, motion)
    path = trajectory(task, level, "square256")
    without: Any = Without(recipe.task, {"maze": "agent", "sokoban": "player"}[task])
    brush = painter(task, path.states[0], chosen, CLIP)
    bare = rgb([canvas.copy() for canvas in brush.frames(without, path, pace(len(path.actions), CLIP))])
    frames = rgb(through_codec(drawn(task, path, chosen, CLIP), CLIP))
    frames.flags.writeable = bare.flags.writeable = False
    return Sample(frames, bare, brush.layout.cell_px)


@functools.cache
def perturbed(name: str, strength: float = 1.0, seed: int = 3, short: bool = False, task: str = "maze") -> Frames:
    frames, _, cell_px = sample(task)
    return PERTURBATIONS[name].apply(frames[:5] if short else frames, cell_px, np.random.default_rng(seed), strength)


def difference(one: Frames, other: Frames) -> float:
    return float(np.abs(one.astype(np.int16) - other).mean())


def psnr(one: Frames, other: Frames) -> float:
    return float(10 * np.log10(255**2 / ((one.astype(np.float64) - other) ** 2).mean()))


def spot() -> Frames:
    """A soft spot in the middle of a dark picture: its centroid can be measured."""
    square = (np.arange(96) - 47.5) ** 2
    level = 255 * np.exp(-(square + square[:, None]) / (2 * 8**2))
    return np.repeat(np.broadcast_to(level[None, ..., None], (1, 96, 96, 3)).astype(np.uint8), 9, axis=0)


def shift_of(frame: Frames) -> NDArray[np.float64]:
    """(right, down) from the middle, by the spot's centroid."""
    level = frame[..., 0].astype(np.float64)
    where = np.arange(96) - 47.5
    return np.array([(level * where).sum(), (level.T * where).sum()]) / level.sum()


def patch(*color: int) -> Frames:
    return np.broadcast_to(np.array(color, np.uint8), (2, 16, 16, 3)).copy()


def on_patch(name: str, *color: int, strength: float = 1.0, seed: int = 0) -> NDArray[np.float64]:
    changed = PERTURBATIONS[name].apply(patch(*color), 16, np.random.default_rng(seed), strength)
    return np.asarray(changed.mean(axis=(0, 1, 2)))


def hue_of(color: NDArray[np.float64]) -> float:
    """Degrees, by the angle around the gray axis (equals the HSV hue at corners and mid-edges of the hexagon)."""
    red, green, blue = color
    return float(np.degrees(np.arctan2(np.sqrt(3) * (green - blue), 2 * red - green - blue)))


# --- all of them


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_perturbation_is_a_pure_function_that_changes_the_picture(name: str) -> None:
    task = "sokoban" if "turned" in name else "maze"  # a disc looks the same turned
    frames = sample(task).frames[::3]  # read-only: writing to it would raise
    before = frames.tobytes()
    one, again = (PERTURBATIONS[name].apply(frames, 32, np.random.default_rng(3)) for _ in range(2))
    assert frames.tobytes() == before
    assert one.dtype == np.uint8 and one.ndim == 4 and one.shape[3] == 3 and one.flags.c_contiguous
    assert np.array_equal(one, again)
    assert not np.shares_memory(one, frames)
    assert one.shape != frames.shape or difference(one, frames) > 0.002


@pytest.mark.parametrize(
    "name", ["coarse", "letterbox", "shift_2px", "drift", "hue", "gaussian_noise", "shade", "occluder"]
)
def test_another_rng_gives_another_picture(name: str) -> None:
    assert len({perturbed(name, seed=seed, short=True).tobytes() for seed in range(6)}) > 1


def test_the_list_is_complete_and_ordered() -> None:
    asked = [
        *("blur", "codec", "resize", "bars", "translation", "zoom", "color", "noise"),
        *("time", "content", "flicker", "shade", "occluder"),
    ]
    assert list(families()) == asked
    assert [row.name for own in families().values() for row in own] == list(PERTURBATIONS)
    assert sorted(_SCENE_TO_FILE) == sorted(asked)
    assert all(row.family == family for family, own in families().items() for row in own)
    assert {row.name for row in PERTURBATIONS.values() if row.needs_mover} == {
        *("mover_large", "mover_small", "mover_turned", "mover_morphed", "flicker_mover")
    }


@pytest.mark.parametrize("name", [n for n, row in PERTURBATIONS.items() if row.family in ("blur", "codec", "color")])
def test_more_strength_changes_more(name: str) -> None:
    frames = sample("sokoban").frames[:5]
    weak, full, strong = (
        difference(perturbed(name, strength, short=True, task="sokoban"), frames) for strength in (0.4, 1.0, 1.6)
    )
    assert weak < full < strong


@pytest.mark.parametrize(
    ("frames", "cell_px", "strength"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), 8, 1),
        (np.zeros((8, 8, 3), np.uint8), 8, 1),
        (np.zeros((0, 8, 8, 3), np.uint8), 8, 1),
        (np.zeros((2, 8, 8, 3), np.uint8), 0, 1),
        (np.zeros((2, 8, 8, 3), np.uint8), 8, 0),
        (np.zeros((2, 8, 8, 3), np.uint8), 8, float("nan")),
    ],
)
def test_unfit_arguments_are_refused(frames: Any, cell_px: float, strength: float) -> None:
    with pytest.raises(ValueError, match="blur takes"):
        PERTURBATIONS["blur"].apply(frames, cell_px, np.random.default_rng(0), strength)


# --- blur, codec, resize, bars


def test_blur_widens_an_edge_by_its_sigma() -> None:
    edge = np.zeros((1, 40, 200, 3), np.uint8)
    edge[:, :, 100:] = 255
    rows = PERTURBATIONS["blur"].apply(edge, 50, np.random.default_rng(0))[0, 20, :, 0].astype(np.float64)
    slope = np.diff(rows) / 255  # of a blurred step: the kernel itself
    where = np.arange(len(slope))
    sigma = np.sqrt((slope * where**2).sum() - (slope * where).sum() ** 2)
    assert sigma == pytest.approx(0.08 * 50, rel=0.05)


@pytest.mark.parametrize(("name", "least", "most"), [("h264", 25, 36), ("h265", 28, 40), ("vp9", 25, 38)])
def test_codecs_lose_much_but_keep_the_story(name: str, least: float, most: float) -> None:
    frames = sample("sokoban").frames
    coded = perturbed(name, task="sokoban")
    assert coded.shape == frames.shape
    assert least < psnr(coded, frames) < most


@pytest.mark.parametrize("name", CODECS)
def test_codecs_keep_a_flat_color(name: str) -> None:
    """Reading BT.601 as BT.709 would move a channel of these by 10 levels or more."""
    for color in ((200, 40, 40), (40, 180, 60)):
        flat = np.full((2, 64, 64, 3), color, np.uint8)
        coded = PERTURBATIONS[name].apply(flat, 16, np.random.default_rng(0), 0.1)
        assert np.abs(coded[:, 8:-8, 8:-8].astype(int) - color).max() <= 5


@pytest.mark.parametrize("name", CODECS)
def test_codecs_take_odd_sides_and_a_single_frame(name: str) -> None:
    odd = sample().frames[:1, :129, :131]
    assert PERTURBATIONS[name].apply(odd, 32, np.random.default_rng(0)).shape == odd.shape


@pytest.mark.parametrize("name", CODECS)
def test_codecs_take_pictures_smaller_than_their_blocks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """x265 writes past its buffers there and tears down the process, so the picture must be padded before."""
    encoded: list[tuple[int, ...]] = []

    def spy(frames: NDArray[np.uint8], *options: Any) -> bytes:
        encoded.append(frames.shape)
        return encode_rgb(frames, *options)

    monkeypatch.setattr(codecs, "encode_rgb", spy)
    small = np.full((3, 39, 40, 3), 90, np.uint8)
    assert PERTURBATIONS[name].apply(small, 10, np.random.default_rng(0)).shape == small.shape
    ((_, height, width, _),) = encoded
    assert min(height, width) >= CODECS[name].least_side
    assert height % 2 == width % 2 == 0
    assert CODECS["h265"].least_side >= 64


def test_a_missing_encoder_is_named() -> None:
    with pytest.raises(PuzzlegenError, match=r"libnone is missing in PyAV .*pip install"):
        encode_rgb(sample().frames[:1], CODECS["h264"]._replace(encoder="libnone"))


def test_coarse_is_10_to_12_pixels_a_cell() -> None:
    for seed in range(8):
        coarse = perturbed("coarse", seed=seed, short=True)
        assert 9.8 <= 32 * coarse.shape[1] / 256 <= 12.2
        assert coarse.shape[1] % 2 == coarse.shape[2] % 2 == 0
        assert psnr(cv2.resize(coarse[0], (256, 256)), sample().frames[0]) > 12
    small = sample().frames[:2, ::4, ::4]
    assert np.array_equal(PERTURBATIONS["coarse"].apply(small, 8, np.random.default_rng(0)), small)


@pytest.mark.parametrize("name", ["832x480", "512x512", "1280x720"])
def test_stretches_have_their_size_and_shrink_back(name: str) -> None:
    width, height = map(int, name.split("x"))
    stretched = perturbed(name, short=True)
    assert stretched.shape == (5, height, width, 3)
    back = cv2.resize(stretched[0], (256, 256), interpolation=cv2.INTER_AREA)
    assert psnr(back, sample().frames[0]) > 24


@pytest.mark.parametrize(("name", "axis"), [("letterbox", 0), ("pillarbox", 1)])
def test_bars_frame_the_whole_picture_in_one_color(name: str, axis: int) -> None:
    frame, uneven = sample().frames[0], 0
    for seed in range(6):
        framed = np.moveaxis(perturbed(name, seed=seed, short=True)[0], axis, 0)
        inner = np.moveaxis(frame, axis, 0)
        bars = [int(np.argmin([np.array_equal(line, edge[0]) for line in edge])) for edge in (framed, framed[::-1])]
        assert all(0.05 * 256 - 1 <= bar <= 0.2 * 256 + 1 for bar in bars)
        assert np.array_equal(framed[bars[0] : len(framed) - bars[1]], inner)
        assert len(np.unique(framed[: bars[0]].reshape(-1, 3), axis=0)) == 1
        uneven += bars[0] != bars[1]
    assert uneven


# --- translation, zoom


def test_shifts_are_as_far_as_they_say() -> None:
    directions = set()
    for seed in range(24):
        right, down = shift_of(PERTURBATIONS["shift_2px"].apply(spot(), 32, np.random.default_rng(seed))[0])
        assert max(abs(right), abs(down)) == pytest.approx(2, abs=0.05)
        directions.add((round(right), round(down)))
        way = shift_of(PERTURBATIONS["shift_cell"].apply(spot(), 32, np.random.default_rng(seed))[0])
        assert np.linalg.norm(way) == pytest.approx(0.12 * 32, abs=0.05)
    assert len(directions) == 8


def test_drift_is_steady_from_nothing_to_its_limit() -> None:
    drifted = PERTURBATIONS["drift"].apply(spot(), 32, np.random.default_rng(0))
    ways = [float(np.linalg.norm(shift_of(frame))) for frame in drifted]
    assert ways == pytest.approx([0.17 * 32 * at / 8 for at in range(9)], abs=0.06)


@pytest.mark.parametrize(("name", "factor"), [("zoom_in", 1.02), ("zoom_out", 0.98)])
def test_zoom_scales_about_the_centre(name: str, factor: float) -> None:
    dots = np.zeros((1, 200, 200, 3), np.uint8)
    dots[:, 19:22, 19:22] = dots[:, 178:181, 178:181] = 255  # 79.5 px from the centre 99.5 on either side, in x and y
    zoomed = PERTURBATIONS[name].apply(dots, 20, np.random.default_rng(0))[0, ..., 0].astype(np.float64)
    corner = zoomed[:100, :100]
    where = (corner * np.arange(100)).sum() / corner.sum()
    assert 99.5 - where == pytest.approx(79.5 * factor, abs=0.15)
    assert np.abs(zoomed - zoomed[::-1, ::-1]).max() <= 2


# --- color, noise, shade


def test_hue_turns_a_pure_color_by_15_degrees_either_way() -> None:
    turns = {round(hue_of(on_patch("hue", 180, 60, 60, seed=seed))) for seed in range(8)}
    assert len(turns) == 2
    assert all(abs(abs(turn) - 15) <= 2 for turn in turns)  # the two angles part by a degree within a sextant
    assert on_patch("hue", 90, 90, 90).tolist() == [90, 90, 90]


@pytest.mark.parametrize(("name", "factor"), [("saturation_low", 0.7), ("saturation_high", 1.3)])
def test_saturation_scales_the_spread_of_channels(name: str, factor: float) -> None:
    assert np.ptp(on_patch(name, 150, 110, 90)) == pytest.approx(60 * factor, abs=1.5)
    assert on_patch(name, 90, 90, 90).tolist() == [90, 90, 90]


@pytest.mark.parametrize(("name", "expected"), [("gamma_low", 0.8), ("gamma_high", 1.25)])
def test_gamma_bends_the_middle_and_keeps_the_ends(name: str, expected: float) -> None:
    changed = on_patch(name, 0, 100, 255)
    assert changed[[0, 2]].tolist() == [0, 255]
    assert np.log(changed[1] / 255) / np.log(100 / 255) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(("name", "factor"), [("brightness_low", 0.8), ("brightness_high", 1.2)])
def test_brightness_multiplies(name: str, factor: float) -> None:
    assert on_patch(name, 40, 100, 200) == pytest.approx([40 * factor, 100 * factor, 200 * factor], abs=0.51)


def test_noise_has_its_deviation_and_differs_between_frames_and_channels() -> None:
    gray = np.full((3, 64, 64, 3), 128, np.uint8)
    noise = PERTURBATIONS["gaussian_noise"].apply(gray, 16, np.random.default_rng(0)).astype(np.float64) - 128
    assert noise.std() == pytest.approx(25, rel=0.03)
    assert abs(noise.mean()) < 1
    for one, other in ((noise[0], noise[1]), (noise[..., 0], noise[..., 1])):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.05


def test_salt_and_pepper_touch_one_pixel_in_a_hundred() -> None:
    gray = np.full((4, 128, 128, 3), 128, np.uint8)
    spotted = PERTURBATIONS["salt_and_pepper"].apply(gray, 16, np.random.default_rng(0))
    assert (spotted == 255).all(axis=3).mean() == pytest.approx(0.005, rel=0.15)
    assert (spotted == 0).all(axis=3).mean() == pytest.approx(0.005, rel=0.15)
    assert np.isin(spotted, (0, 128, 255)).all()


def test_shade_is_still_soft_and_three_quarters_at_its_darkest() -> None:
    white = np.full((2, 128, 128, 3), 200, np.uint8)
    for seed in range(5):
        shaded = PERTURBATIONS["shade"].apply(white, 16, np.random.default_rng(seed))
        assert np.array_equal(shaded[0], shaded[1])
        assert shaded.min() == pytest.approx(150, abs=1)
        assert np.abs(np.diff(shaded[0].astype(int), axis=0)).max() <= 3  # no edge


# --- time: each frame of a ramp shows its own number


def told(name: str, count: int = 49, strength: float = 1.0) -> list[int]:
    ramp = np.broadcast_to(np.arange(0, 2 * count, 2, dtype=np.uint8)[:, None, None, None], (count, 2, 2, 3))
    return [int(level) for level in PERTURBATIONS[name].apply(ramp, 8, np.random.default_rng(0), strength)[:, 0, 0, 0]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("drop", [2 * at for at in range(0, 49, 4)]),
        ("repeat", [2 * (at // 4) for at in range(4 * 49)]),
        ("fps_8", [4 * at for at in range(25)]),
        ("fps_24_blend", [round(4 * at / 3) for at in range(73)]),
        ("finish_early", [4 * at for at in range(25)] + [96] * 24),
    ],
)
def test_time_is_told_as_it_says(name: str, expected: list[int]) -> None:
    assert told(name) == expected


def test_24_frames_a_second_show_the_nearest_frame() -> None:
    seen = np.array(told("fps_24")) / 2
    assert len(seen) == 73
    assert np.abs(seen - np.arange(73) / 1.5).max() <= 0.5


def test_a_slow_start_holds_a_quarter_and_still_tells_all() -> None:
    seen = told("start_slowly")
    assert len(seen) == 49
    assert seen.count(0) == 1 + round(49 / 4)
    assert seen == sorted(seen) and seen[-1] == 96
    assert np.diff(seen).max() <= 4


@pytest.mark.parametrize("name", [row.name for row in families()["time"]])
@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_clips_of_any_length_keep_both_ends_and_their_order(name: str, count: int) -> None:
    seen = told(name, count)
    assert seen == sorted(seen)
    assert seen[0] == 0 and seen[-1] == 2 * (count - 1)


# --- what moves


@pytest.mark.parametrize(
    ("task", "level", "look", "motion"),
    [
        ("maze", "medium", 0, "glide"),
        ("maze", "hard", 2, "step"),
        ("sokoban", "tiny", 3, "glide"),
        ("sokoban", "hard", 0, "glide"),
        ("sokoban", "medium", 1, "step"),
    ],
)
def test_the_mover_is_found_and_erased(task: str, level: str, look: int, motion: str) -> None:
    """Against the same clip drawn without it."""
    frames, bare, cell_px = sample(task, level, look, motion)
    truth = (np.abs(frames.astype(int) - bare) > 40).any(3)
    masks = find_mover(frames, cell_px)
    assert ((masks & truth).sum(axis=(1, 2)) / (masks | truth).sum(axis=(1, 2))).min() > 0.6
    left = (np.abs(erased(frames, masks, cell_px).astype(int) - bare) > 60).any(axis=3)
    assert left.sum(axis=(1, 2)).max() <= 0.12 * cell_px**2


@pytest.mark.parametrize(("name", "area"), [("mover_large", 2.0), ("mover_small", 0.6), ("mover_morphed", 1.0)])
def test_the_mover_has_the_area_it_says(name: str, area: float) -> None:
    frames, bare, _ = sample()
    before, after = ((np.abs(some.astype(int) - bare) > 60).any(3) for some in (frames, perturbed(name)))
    free = slice(4, 30)  # not on the goal, which shows through
    ratio = after[free].sum(axis=(1, 2)) / before[free].sum(axis=(1, 2))
    assert np.median(ratio) == pytest.approx(area, rel=0.12)
    assert ratio == pytest.approx(np.full(len(ratio), area), rel=0.25)


def orientation(mask: NDArray[np.bool_]) -> float:
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    return float(np.degrees(0.5 * np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"])))


def test_the_mover_turns_by_30_degrees() -> None:
    frames, bare, _ = sample("sokoban")
    turned = perturbed("mover_turned", task="sokoban")
    one, other = ((np.abs(some[20].astype(int) - bare[20]) > 60).any(2) for some in (frames, turned))
    turn = (orientation(other) - orientation(one) + 90) % 180 - 90
    assert abs(turn) == pytest.approx(30, abs=6)


def test_a_morph_starts_from_nothing() -> None:
    frames, bare, _ = sample()
    morphed = perturbed("mover_morphed")
    assert psnr(morphed[0], frames[0]) > 30
    mask = (np.abs(morphed[30].astype(int) - bare[30]) > 60).any(2)
    (_, (one, other), _) = cv2.minAreaRect(np.argwhere(mask).astype(np.float32))
    assert 1.3 < max(one, other) / min(one, other) < 1.4**2 + 0.2


def test_the_mover_vanishes_for_one_frame_between_the_ends() -> None:
    frames, bare, _ = sample()
    for seed in range(4):
        blinking = perturbed("flicker_mover", seed=seed)
        changed = np.flatnonzero((blinking != frames).any(axis=(1, 2, 3)))
        assert len(changed) == 1
        assert 0 < changed[0] < len(frames) - 1
        assert (np.abs(blinking[changed[0]].astype(int) - bare[changed[0]]) > 60).any(2).sum() < 20
    assert len(np.flatnonzero((perturbed("flicker_mover", 3.0) != frames).any(axis=(1, 2, 3)))) == 3


@pytest.mark.parametrize("name", [row.name for row in PERTURBATIONS.values() if row.needs_mover])
def test_where_nothing_moves_nothing_is_redrawn(name: str) -> None:
    still = np.repeat(sample().frames[:1], 6, axis=0)
    assert np.array_equal(PERTURBATIONS[name].apply(still, 32, np.random.default_rng(0)), still)


def test_a_strip_of_a_fifth_flickers_in_one_frame() -> None:
    frames = sample().frames
    axes = set()
    for seed in range(8):
        flickering = perturbed("flicker_strip", seed=seed)
        changed = np.flatnonzero((flickering != frames).any(axis=(1, 2, 3)))
        assert len(changed) == 1
        assert 0 < changed[0] < len(frames) - 1
        mean = np.rint(frames[changed[0]].mean(axis=(0, 1))).astype(np.uint8)
        flat = (flickering[changed[0]] == mean).all(axis=2)
        lines = [int(flat.all(axis=1 - axis).sum()) for axis in (0, 1)]
        assert max(lines) == pytest.approx(0.2 * 256, abs=1)
        axes.add(int(np.argmax(lines)))
    assert axes == {0, 1}


@pytest.mark.parametrize("task", ["maze", "sokoban"])
def test_an_occluder_hides_only_what_never_changes(task: str) -> None:
    frames, _, _ = sample(task)
    for seed in range(5):
        covered = perturbed("occluder", seed=seed, task=task)
        hidden = (covered != frames).any(axis=3)
        assert (hidden == hidden[0]).mean() > 0.999  # the codec may show the patch's color by chance
        rows, columns = (np.flatnonzero(hidden.any(axis=axis)) for axis in ((0, 2), (0, 1)))
        area = (np.ptp(rows) + 1) * (np.ptp(columns) + 1) / hidden[0].size
        assert 0.009 < area < 0.052
        inside = frames[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(int)
        assert np.ptp(inside, axis=0).max() <= 40


def test_an_occluder_takes_the_full_five_percent_where_it_may_and_nothing_where_it_must_not() -> None:
    still = np.full((2, 100, 100, 3), 77, np.uint8)
    covered = PERTURBATIONS["occluder"].apply(still, 10, np.random.default_rng(0))
    assert (covered != still).any(axis=3)[0].mean() == pytest.approx(0.05, rel=0.1)
    dot = np.stack([still[0]] * 2)
    dot[1, 50, 50] = 0
    for seed in range(20):  # a quarter of a cell of 160 pixels around what changes stays free
        hidden = PERTURBATIONS["occluder"].apply(dot, 160, np.random.default_rng(seed))[0, 10:91, 10:91]
        assert np.array_equal(hidden, dot[0, 10:91, 10:91])
    flashing = np.stack([still[0], still[0] + 100])
    assert np.array_equal(PERTURBATIONS["occluder"].apply(flashing, 10, np.random.default_rng(0)), flashing)


# --- mixtures


def test_mixtures_have_different_families_in_scene_order() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        names = mixed(rng, 3).name.split("+")
        own = [PERTURBATIONS[name].family for name in names]
        assert len(set(own)) == 3
        assert own == sorted(own, key=_SCENE_TO_FILE.index)
    drawn_rows = {mixed(rng, 2, mover=False) for _ in range(200)}
    assert not any(row.needs_mover for row in drawn_rows)
    assert {row.family for row in drawn_rows} == {"mixed"}
    assert any(mixed(rng).needs_mover for _ in range(60))


def test_a_mixture_applies_its_parts_in_turn() -> None:
    frames = sample().frames[:5]
    both = composed([PERTURBATIONS["zoom_in"], PERTURBATIONS["gaussian_noise"]])
    one = PERTURBATIONS["zoom_in"].apply(frames, 32, np.random.default_rng(1))
    expected = PERTURBATIONS["gaussian_noise"].apply(one, 32, np.random.default_rng(1))
    assert np.array_equal(both.apply(frames, 32, np.random.default_rng(1)), expected)


def test_every_family_goes_with_every_other() -> None:
    frames = sample().frames[::8]
    for seed in range(3):
        rng = np.random.default_rng(seed)
        every = mixed(rng, len(families()))
        assert every.apply(frames, 32, rng).dtype == np.uint8


@pytest.mark.parametrize("count", [0, 14])
def test_a_mixture_of_too_many_is_refused(count: int) -> None:
    with pytest.raises(ValueError, match="count must be 1 to 13"):
        mixed(np.random.default_rng(0), count)


def test_perturbations_travel_to_other_processes() -> None:
    rng = np.random.default_rng(0)
    rows: list[Callable[..., Any] | Any] = [*PERTURBATIONS.values(), mixed(rng)]
    assert [pickle.loads(pickle.dumps(row)).name for row in rows] == [row.name for row in rows]

"""Looks: which shape and colors each kind of mark is drawn with. A recipe offers choices, a clip draws one of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.render.colors import COLORS
from puzzlegen.render.shapes import SHAPES
from puzzlegen.seeding import Rng

Motion = Literal["glide", "step"]
_NUM_HUES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How one kind of mark is drawn in one clip."""

    shape: str
    """Name in `shapes.SHAPES`."""
    color: str = ""
    """Name in `colors.COLORS`; empty: the palette's color of the mark's hue."""
    accent: str = ""
    """Second color, for shapes that have one (walls, outlines, lids); empty: the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Everything that decides a clip's colors and shapes; stored with the clip."""

    name: str
    page: str
    """Color around the board."""
    motion: Motion
    """glide: moving marks slide from cell to cell; step: they appear in the next cell."""
    styles: Mapping[str, Style]
    palette: tuple[str, ...] = ()
    """Color of each hue."""

    def style(self, kind: str, hue: int) -> Style:
        """The style of a mark with its color filled in."""
        if kind not in self.styles:
            raise UnknownName("mark", kind, self.styles, f"look {self.name!r}")
        style = self.styles[kind]
        if not style.color and hue >= len(self.palette):
            raise InvalidInput(f"look {self.name!r} has {len(self.palette)} palette colors, {hue + 1} are needed.")
        color = style.color or self.palette[hue]
        return Style(shape=style.shape, color=color, accent=style.accent or color)


class Words(str):
    """What a prompt calls a kind of mark: `{agent}` is "blue disc"; `.color`, `.shape`, `.accent` give the parts."""

    color: str
    shape: str
    accent: str

    def __new__(cls, style: Style) -> Words:
        """The words for one style."""
        shape = SHAPES[style.shape].noun
        words = super().__new__(cls, f"{style.color} {shape}".strip())
        words.color, words.shape, words.accent = style.color, shape, style.accent
        return words


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkChoices:
    """What a recipe offers for one kind of mark; one of each list is drawn per clip."""

    shape: tuple[str, ...]
    color: tuple[str, ...] = ("",)
    accent: tuple[str, ...] = ("",)

    def __post_init__(self) -> None:
        _require(shape=self.shape, color=self.color, accent=self.accent)
        _check("shape", self.shape, SHAPES)
        _check("color", (name for name in (*self.color, *self.accent) if name), COLORS)

    def draw(self, rng: Rng) -> Style:
        """One style."""
        return Style(shape=rng.choice(self.shape), color=rng.choice(self.color), accent=rng.choice(self.accent))


@dataclass(frozen=True, slots=True, kw_only=True)
class LookChoices:
    """One `[looks.NAME]` table of a recipe."""

    page: tuple[str, ...]
    marks: dict[str, MarkChoices]
    motion: tuple[Motion, ...] = ("glide",)
    palette: tuple[str, ...] = field(default=())
    """Colors for marks with a hue, shuffled per clip."""

    def __post_init__(self) -> None:
        _require(page=self.page, motion=self.motion)
        _check("color", (*self.page, *self.palette), COLORS)
        if len(set(self.palette)) < len(self.palette):
            raise ValueError("palette names a color twice")

    def draw(self, name: str, rng: Rng) -> Look:
        """One look."""
        palette = list(self.palette)
        rng.shuffle(palette)
        return Look(
            name=name,
            page=rng.choice(self.page),
            motion=rng.choice(self.motion),
            styles={kind: choices.draw(rng) for kind, choices in sorted(self.marks.items())},
            palette=tuple(palette[:_NUM_HUES]),
        )


def _check(kind: str, names: Iterable[str], known: Iterable[str]) -> None:
    for name in names:
        if name not in known:
            raise UnknownName(kind, name, known)


def _require(**choices: tuple[str, ...]) -> None:
    for name, values in choices.items():
        if not values:
            raise InvalidInput(f"{name} needs at least one choice")

"""Recipes: a task's levels, prompts, looks and splits as data. The format is explained in tasks/README.md."""

from __future__ import annotations

import math
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from puzzlegen import canonical
from puzzlegen.errors import InvalidInput, RecipeError, UnknownName
from puzzlegen.render.formats import FORMATS
from puzzlegen.render.looks import Look, LookChoices, Words
from puzzlegen.seeding import Rng
from puzzlegen.task import Task

_FULL = 1 + 1e-9  # weights such as 0.1 rarely add up to 1 exactly

RESERVED_REWARDS = ("dense", "sparse")
"""Rewards that every task has from the judge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardTable:
    """The fields of one reward in a recipe file; one of the two is given."""

    product: tuple[str, ...] | None = None
    """Names of the task's components that are multiplied."""
    weights: dict[str, float] | None = None
    """Weights of the components that are summed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RewardRule:
    """A published reward, made of the terms that `Task.components` gives."""

    where: str
    """File and table, for errors."""
    product: tuple[str, ...] = ()
    """The factors; if empty it is the weighted sum."""
    weights: Mapping[str, float] = field(default_factory=dict)

    @property
    def terms(self) -> tuple[str, ...]:
        """The components that it is made of."""
        return self.product or tuple(self.weights)

    def value(self, components: Mapping[str, float]) -> float:
        """The product or the weighted sum, in [0, 1] for components in [0, 1].

        Raises:
            UnknownName: the task gives no such component.
        """
        for term in self.terms:
            if term not in components:
                raise UnknownName("reward component", term, components, self.where)
        if self.product:
            return math.prod(components[term] for term in self.product)
        return min(1.0, math.fsum(weight * components[term] for term, weight in self.weights.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeTable:
    """The fields of a recipe file."""

    rules: str
    """"module:Class", or "file.py:Class" for a file beside the recipe."""
    version: int
    """Goes up whenever an edit of the recipe changes a puzzle or a pixel."""
    levels: dict[str, dict[str, Any]]
    prompts: dict[str, tuple[str, ...]]
    """Templates by split; a split without its own uses those of "train"."""
    looks: dict[str, LookChoices]
    clip: str | None = None
    """Default clip format, wan480 if not given."""
    splits: dict[str, float] = field(default_factory=lambda: {"train": 0.98, "test": 0.02})
    rewards: dict[str, RewardTable] = field(default_factory=dict)
    """Published rewards by name, besides "dense" and "sparse" that every task has."""

    def __post_init__(self) -> None:
        for name, table in (("levels", self.levels), ("looks", self.looks)):
            if not table:
                raise ValueError(f"[{name}] is empty")
        for name in (*self.levels, *self.looks, *self.splits):
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ValueError(f"names are letters, digits and '_', got {name!r}")
        if not self.prompts.get("train"):
            raise ValueError("[prompts] train needs at least one prompt")
        if any(share <= 0 for share in self.splits.values()) or abs(sum(self.splits.values()) - 1) > 1e-9:
            raise ValueError("[splits] must be shares above 0 that add up to 1")
        for split in self.prompts:
            if split != "train" and split not in self.splits:
                raise UnknownName("split", split, self.splits, "[prompts]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A loaded recipe with its task."""

    name: str
    path: Path
    version: int
    digest: str
    """Digest of the file's content but for its rewards: equal digests give equal data."""
    task: Task[Any, Any]
    levels: Mapping[str, Any]
    """Level name -> the task's Params."""
    prompts: Mapping[str, tuple[str, ...]]
    looks: Mapping[str, LookChoices]
    splits: Mapping[str, float]
    clip: str
    rewards: Mapping[str, RewardRule]
    """The judge's own, "dense" and "sparse", are not among them."""

    def level(self, name: str) -> Any:
        """Params of a level. Raises UnknownName."""
        if name not in self.levels:
            raise UnknownName("level", name, self.levels, self.name)
        return self.levels[name]

    def draw_look(self, rng: Rng, names: tuple[str, ...] = ()) -> Look:
        """A look drawn from all the recipe's looks, or from the named ones."""
        for name in names:
            if name not in self.looks:
                raise UnknownName("look", name, self.looks, self.name)
        name = rng.choice(names or tuple(self.looks))
        return self.looks[name].draw(name, rng)

    def draw_prompt(self, rng: Rng, split: str, level: str, look: Look) -> str:
        """A prompt for this split that names what the look draws."""
        template = rng.choice(self.prompts.get(split) or self.prompts["train"])
        return template.format(**canonical.encode(self.levels[level]), **words(look))

    def split_of(self, structure: str) -> str:
        """The split that a structure digest belongs to: its head as a fraction of 1, against the shares."""
        position = int(structure[:12], 16) / 16**12
        for name, share in self.splits.items():
            position -= share
            if position < 0:
                return name
        return name  # shares that add up to a rounding error less than 1


def words(look: Look) -> dict[str, Words]:
    """What prompts call each kind of mark in this look."""
    return {kind: Words(style) for kind, style in look.styles.items()}


def read_table(path: Path) -> tuple[RecipeTable, str]:
    """Parse a recipe file. Returns its table and the digest of all in it that decides data, which rewards do not.

    Raises:
        RecipeError: naming file, table and field.
    """
    try:
        content = path.read_bytes()
        raw = tomllib.loads(content.decode())
        canonical.dumps(raw)  # refuses what has no place in a recipe, in [rewards] too
        digest = canonical.digest({name: table for name, table in raw.items() if name != "rewards"})
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path.name}: cannot read the recipe: {error}.") from error
    except (TypeError, ValueError) as error:
        raise RecipeError(f"{path.name}: dates, nan and inf have no place in a recipe ({error}).") from error
    if "clip" in raw and raw["clip"] not in FORMATS:
        raise UnknownName("clip format", str(raw["clip"]), FORMATS, path.name)
    return canonical.decode(RecipeTable, raw, path.name), digest


def build(name: str, path: Path, table: RecipeTable, digest: str, task: Task[Any, Any]) -> Recipe:
    """Join a recipe's table with its task, checking levels and prompts against it."""
    levels: dict[str, Any] = {
        level: canonical.decode(task.Params, fields, f"{path.name}: [levels.{level}]")
        for level, fields in table.levels.items()
    }
    _check_prompts(path.name, table, {field for params in levels.values() for field in canonical.encode(params)})
    rewards = table.rewards.items()
    recipe = Recipe(
        name=name,
        path=path,
        version=table.version,
        digest=digest,
        task=task,
        levels=levels,
        prompts=table.prompts,
        looks=table.looks,
        splits=table.splits,
        clip=table.clip or "wan480",
        rewards={reward: _rule(f"{path.name}: [rewards.{reward}]", reward, fields) for reward, fields in rewards},
    )
    _fill_in_prompts(path.name, recipe)
    return recipe


def _rule(where: str, name: str, table: RewardTable) -> RewardRule:
    """Check one reward. Raises RecipeError."""
    if name in RESERVED_REWARDS:
        raise RecipeError(f"{where}: the name {name!r} is taken by the judge's own reward; choose another.")
    if not name.replace("_", "").replace("-", "").isalnum() or not name.isascii():
        raise RecipeError(f"{where}: names of rewards are letters, digits, '_' and '-', got {name!r}.")
    if (table.product is None) == (table.weights is None):
        given = "neither" if table.product is None else "both"
        raise RecipeError(f"{where}: give either 'product' or 'weights', this has {given}.")
    if table.product is not None and (not table.product or len(set(table.product)) < len(table.product)):
        raise RecipeError(f"{where}: 'product' must name one or more components, none of them twice.")
    weights = table.weights or {}
    if table.weights is not None and (min(weights.values(), default=0.0) < 0 or not 0 < sum(weights.values()) <= _FULL):
        raise RecipeError(f"{where}: 'weights' must not be negative, and their sum must be above 0 and at most 1.")
    return RewardRule(where=where, product=table.product or (), weights=weights)


def _check_prompts(where: str, table: RecipeTable, params_fields: set[str]) -> None:
    """Every {field} of every prompt is a field of Params or a mark that all looks draw."""
    kinds = set.intersection(*(set(look.marks) for look in table.looks.values()))
    known = sorted(params_fields | kinds)
    for split, templates in table.prompts.items():
        for template in templates:
            try:
                names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
            except ValueError as error:
                raise InvalidInput(f"{where}: [prompts] {split}: {error} in {template!r}.") from error
            for name in names:
                head, _, attribute = name.partition(".")
                if head not in known or attribute not in ("", "color", "shape", "accent"):
                    raise UnknownName("prompt field", name, known, f"{where}: [prompts] {split}")


def _fill_in_prompts(where: str, recipe: Recipe) -> None:
    """Every prompt can be filled in: no part of what has none, no format that does not fit."""
    look = recipe.draw_look(Rng("check prompts"))
    for split, templates in recipe.prompts.items():
        for template in templates:
            try:
                for params in recipe.levels.values():
                    template.format(**canonical.encode(params), **words(look))
            except (AttributeError, LookupError, TypeError, ValueError) as error:
                raise InvalidInput(f"{where}: [prompts] {split}: {error} in {template!r}.") from error

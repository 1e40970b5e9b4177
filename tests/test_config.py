from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from puzzlegen import canonical, config
from puzzlegen.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    power: int
    fuel: str = "steam"

    def __post_init__(self) -> None:
        if self.power <= 0:
            raise ValueError("power must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boat:
    kind: Literal["boat"] = "boat"
    masts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Cart:
    kind: Literal["cart"] = "cart"
    wheels: tuple[float, ...] = (1.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    engine: Engine
    vehicle: Boat | Cart = field(default_factory=Boat)
    spare: Boat | Cart | None = None


FILE = """
[engine]
power = 3
[vehicle]
kind = "cart"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "trip.toml"
    file.write_text(FILE)
    return file


def test_a_file_becomes_the_dataclass(path: Path) -> None:
    assert config.load(Trip, path) == Trip(engine=Engine(power=3), vehicle=Cart())


def test_overrides_are_toml_values_or_text_and_the_last_one_wins(path: Path) -> None:
    overrides = ["engine.power=4", "engine.power = 5", "engine.fuel=coal", "vehicle.wheels=[1.5, 2]"]
    loaded = config.load(Trip, path, overrides)
    assert loaded == Trip(engine=Engine(power=5, fuel="coal"), vehicle=Cart(wheels=(1.5, 2.0)))
    assert config.load(Trip, path, ['engine.fuel="coal"']).engine.fuel == "coal"


def test_an_override_cannot_smuggle_in_a_second_key(path: Path) -> None:
    assert config.load(Trip, path, ["engine.fuel=1\npower = 9"]).engine == Engine(power=3, fuel="1\npower = 9")


def test_an_override_may_open_a_section_that_the_file_lacks(path: Path) -> None:
    assert config.load(Trip, path, ["spare.kind=boat", "spare.masts=2"]).spare == Boat(masts=2)


def test_what_was_resolved_is_read_again_as_the_same(path: Path) -> None:
    loaded = config.load(Trip, path, ["spare.kind=boat"])
    assert canonical.decode(Trip, canonical.encode(loaded), "stored") == loaded


@pytest.mark.parametrize(
    ("overrides", "complaint"),
    [
        (["engine.powr=1"], "trip.toml engine: there is no field 'powr'. Did you mean 'power'?"),
        (["engine.power=no"], "trip.toml engine power: expected int, got 'no'."),
        (["engine.power=0"], "trip.toml engine: power must be positive"),
        (["vehicle.kind=bot"], "trip.toml vehicle: there is no kind 'bot'. Did you mean 'boat'?"),
        (["vehicle.masts=2"], "trip.toml vehicle: there is no field 'masts'. Known: kind, wheels."),
        (["spare={}"], "trip.toml spare: its kind is missing. Set kind to one of boat, cart."),
        (["engine.power"], "--set engine.power: write section.key=value, such as optimizer.lr=1e-4."),
        (["engine..power=1"], "--set engine..power=1: write section.key=value, such as optimizer.lr=1e-4."),
        (["engine.power.x=1"], "--set engine.power.x=1: 'power' is no section."),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, overrides: list[str], complaint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        config.load(Trip, path, overrides)
    assert str(raised.value) == complaint


@pytest.mark.parametrize(("content", "reason"), [("[engine", "Expected"), (None, "No such file"), (b"\xff", "decode")])
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path, content: str | bytes | None, reason: str) -> None:
    file = tmp_path / "x.toml"
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInput, match=reason) as raised:
        config.load(Trip, file)
    assert str(raised.value).startswith(f"{file}: cannot read the configuration") and "\n" not in str(raised.value)

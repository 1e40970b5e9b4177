"""The log of a resumed run is that of an undisturbed one; trackers, the bar and ranks as the user sees them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from importlib.machinery import ModuleSpec
from itertools import count
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

torch = pytest.importorskip("torch", reason="training needs puzzlegen[train]")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402

from puzzlegen.errors import InvalidInput, OutputError, UnknownName  # noqa: E402
from puzzlegen.train.logbook import Logbook  # noqa: E402


def clock(start: float = 0.0, tick: float = 1.0) -> Callable[[], float]:
    """Tells a tick more at each call."""
    times: Iterator[float] = count(start, tick)
    return lambda: next(times)


def train(folder: Path, steps: range, **options: Any) -> None:
    """Log every step, and every second one twice, as training with an evaluation does."""
    options = {"total_steps": 6, "trackers": (), "start_step": steps.start - 1, **options}
    with Logbook(folder, **options) as logbook:
        for step in steps:
            logbook.log(step, {"loss": 1 / max(1, step), "lr": torch.tensor(0.5) ** step})
            if step % 2 == 0:
                logbook.log(step, {"success": step / 10})


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def without_time(folder: Path) -> list[dict[str, Any]]:
    return [{name: value for name, value in line.items() if name != "seconds"} for line in lines(folder)]


def test_a_line_holds_step_time_and_values(tmp_path: Path) -> None:
    train(tmp_path, range(1, 3), clock=clock())
    assert lines(tmp_path) == [
        {"step": 1, "seconds": 1.0, "loss": 1.0, "lr": 0.5},
        {"step": 2, "seconds": 2.0, "loss": 0.5, "lr": 0.25},
        {"step": 2, "seconds": 3.0, "success": 0.2},
    ]


def test_each_line_is_on_disk_when_it_is_logged(tmp_path: Path) -> None:
    logbook = Logbook(tmp_path, total_steps=3, trackers=())
    for step in (1, 2):
        logbook.log(step, {"loss": 0.1})
        assert len(lines(tmp_path)) == step
    logbook.close()


@pytest.mark.parametrize("torn", ["", '{"step": 5, "sec'])
def test_a_resumed_run_has_the_log_of_an_undisturbed_one(torn: str, tmp_path: Path) -> None:
    train(tmp_path / "whole", range(1, 7), trackers=("tensorboard",))
    train(tmp_path / "cut", range(1, 6), trackers=("tensorboard",))
    with (tmp_path / "cut" / "log.jsonl").open("a") as file:
        file.write(torn)  # a killed run's last line
    train(tmp_path / "cut", range(4, 7), trackers=("tensorboard",))  # its last checkpoint is of step 3
    assert without_time(tmp_path / "cut") == without_time(tmp_path / "whole")
    assert without_time(tmp_path / "cut")[-1] == {"step": 6, "success": 0.6}
    assert scalars(tmp_path / "cut") == scalars(tmp_path / "whole")
    assert not [path for path in (tmp_path / "cut").iterdir() if ".tmp" in path.name]


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows."""
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    return {name: [(event.step, event.value) for event in events.Scalars(name)] for name in events.Tags()["scalars"]}


def test_tensorboard_has_the_same_numbers(tmp_path: Path) -> None:
    train(tmp_path, range(1, 5), trackers=("tensorboard",))
    shown = scalars(tmp_path)
    assert [(step, round(value, 6)) for step, value in shown["success"]] == [(2, 0.2), (4, 0.4)]
    assert shown["lr"] == [(1, 0.5), (2, 0.25), (3, 0.125), (4, 0.0625)]


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_other_trackers_are_told_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = mock.MagicMock(__spec__=ModuleSpec(name, None))
    monkeypatch.setitem(sys.modules, name, package)
    train(tmp_path / "my run", range(1, 3), trackers=(name,))
    package.init.assert_called_once_with(project="puzzlegen", name="my run")
    told = [(call.kwargs["step"], call.args[0]) for call in package.init.return_value.log.call_args_list]
    assert told == [(1, {"loss": 1.0, "lr": 0.5}), (2, {"loss": 0.5, "lr": 0.25}), (2, {"success": 0.2})]


def test_a_run_that_begins_anew_has_a_new_log(tmp_path: Path) -> None:
    train(tmp_path, range(5), start_step=0)
    train(tmp_path, range(2), start_step=0)
    assert [line["step"] for line in lines(tmp_path)] == [0, 0, 1]


def test_time_goes_on_where_the_kept_lines_end(tmp_path: Path) -> None:
    train(tmp_path, range(1, 4), clock=clock(100))
    train(tmp_path, range(3, 5), clock=clock(7000))
    assert [(line["step"], line["seconds"]) for line in lines(tmp_path)] == [
        (1, 1),
        (2, 2),
        (2, 3),
        (3, 4),
        (4, 5),
        (4, 6),
    ]


def test_speed_is_that_of_training_and_not_of_evaluations(tmp_path: Path) -> None:
    times = iter([0.0, 2.0, 4.0, 64.0, 65.0])
    with Logbook(tmp_path, total_steps=4, trackers=(), batch=8, clock=lambda: next(times)) as logbook:
        logbook.log(1, {"loss": 1.0})
        logbook.log(2, {"loss": 1.0})
        logbook.log(2, {"success": 0.0})  # took a minute
        logbook.log(3, {"loss": 1.0})
    assert [line.get("samples_per_second") for line in lines(tmp_path)] == [4, 4, None, 8]


def test_a_loss_may_still_hang_on_its_graph(tmp_path: Path) -> None:
    with Logbook(tmp_path, total_steps=1, trackers=()) as logbook:
        logbook.log(1, {"loss": torch.tensor(2.0, requires_grad=True) / 4})
    assert lines(tmp_path)[0]["loss"] == 0.5


def test_what_is_no_number_becomes_null(tmp_path: Path) -> None:
    with Logbook(tmp_path, total_steps=1, trackers=()) as logbook:
        logbook.log(1, {"loss": float("nan"), "grad_norm": torch.tensor(float("inf")), "lr": 1})
    text = (tmp_path / "log.jsonl").read_text()
    (line,) = (json.loads(text, parse_constant=pytest.fail),)  # NaN and Infinity are no JSON
    assert (line["loss"], line["grad_norm"], line["lr"]) == (None, None, 1.0)


def test_other_ranks_write_and_say_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train(tmp_path / "run", range(1, 7), rank=1, trackers=("tensorboard",))
    assert not (tmp_path / "run").exists()
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_a_line_a_minute_and_the_last_one_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Logbook(tmp_path, total_steps=300, trackers=(), clock=clock(tick=1.0)) as logbook:
        for step in range(1, 301):
            logbook.log(step, {"loss": 0.25, "lr": 0.001, "grad_norm": 3})
        logbook.say("success 1/2")
    shown = capsys.readouterr().err.splitlines()
    assert 4 <= len(shown) <= 7
    assert all(line.startswith("step ") and "loss 0.2500  lr 1.0e-03" in line for line in shown[:-1])
    assert shown[-2].startswith("step 300/300") and shown[-2].endswith("00:00 left") and shown[-1] == "success 1/2"


def test_on_a_terminal_a_bar_shows_loss_and_rate(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Logbook(tmp_path, total_steps=4, start_step=2, trackers=()) as logbook:
        logbook.log(4, {"loss": 0.125, "samples_per_second": 31.96})
    last = capsys.readouterr().err.split("\r")[-1]
    assert "train: 100%" in last and "4/4" in last and "loss 0.1250" in last and "32.0 samples/s" in last


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Logbook(tmp_path, total_steps=1, trackers=(), quiet=True) as logbook:
        logbook.log(1, {"loss": 1.0})
        logbook.say("success")
    assert capsys.readouterr() == ("", "")


def test_errors_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownName, match=r"no tracker 'wandv'\. Did you mean 'wandb'"):
        Logbook(tmp_path, total_steps=1, trackers=("wandv",))
    for package in ("wandb", "trackio"):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(
            InvalidInput, match=f"^Logging to {package} needs its package. Install .* install {package}"
        ):
            Logbook(tmp_path, total_steps=1, trackers=(package,))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="it is a file"):
        Logbook(tmp_path / "file", total_steps=1, trackers=())
    (tmp_path / "tensorboard").write_text("")
    with pytest.raises(OutputError, match=r"Cannot write .*tensorboard: File exists"):
        Logbook(tmp_path, total_steps=1)
    with Logbook(tmp_path / "run", total_steps=1, trackers=()) as logbook:
        (tmp_path / "run" / "log.jsonl").unlink()
        (tmp_path / "run" / "log.jsonl").mkdir()
        with pytest.raises(OutputError, match=r"Cannot write .*log\.jsonl"):
            logbook.log(1, {"loss": 1.0})

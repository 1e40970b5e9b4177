"""Curves of a training run: what the log holds is drawn, whatever else is missing from it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="curves need puzzlegen[train]")

from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from puzzlegen.errors import CorruptData, InvalidInput, MissingExtra
from puzzlegen.view.curves import draw_curves
from puzzlegen.view.panels import panels_of
from puzzlegen.view.runlog import RunLog, smoothed

TRAINING = {"loss": 0.1, "lr": 0.001, "grad_norm": 2.0, "samples_per_second": 30.0}
EVALUATION = {"success": 0.5, "success_low": 0.3, "success_high": 0.7, "loss/sigma_0.5": 0.2, "loss/sigma_0.9": 0.1}

REINFORCEMENT = {
    "reward": 0.3, "reward/a": 0.2, "reward/b": 0.4, "rollout_success": 0.1, "watched": 0.1, "watched_gap": -0.2,
    "part/a/progress": 0.2, "part/a/clear": 0.9, "part/b/progress": 0.4, "part/b/clear": 0.8,
    "frac_reward_zero_std": 0.25, "faults": 1.0, "ratio/mean": 0.9999, "ratio/min": 0.9, "ratio/max": 1.1,
    "ratio/logp_absdiff": 0.1, "clip_frac_high": 0.001, "clip_frac_low": 0.0, "kl": 0.01, "policy_loss": -0.1,
    "grad_norm": 0.5, "lr": 1e-4, "time/rollout": 5.0, "time/decode": 1.0, "time/reward": 0.5, "time/train": 4.0,
}  # fmt: skip
HELD_OUT = {
    "eval_reward": 0.85, "eval_reward/a": 0.8, "eval_reward/b": 0.9,
    "success": 0.5, "success/a": 0.55, "success/b": 0.6, "eval/loss": 0.2, "loss/sigma_0.5": 0.2,
}  # fmt: skip


def written(folder: Path, *records: Mapping[str, float | None]) -> Path:
    """A log with a line for each record, ten seconds a step."""
    lines = [json.dumps({"step": step, "seconds": 10.0 * step, **record}) for step, record in enumerate(records, 1)]
    (folder / "log.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return folder / "log.jsonl"


def drawn(log: Path) -> Image.Image:
    draw_curves(log, log.with_name("curves.png"))
    with Image.open(log.with_name("curves.png")) as picture:
        picture.load()
    return picture


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([TRAINING], id="one step"),
        pytest.param([{"loss": 0.1}, {"loss": 0.2}], id="loss alone"),
        pytest.param([{"loss": None}, {"loss": None}], id="all lost"),
        pytest.param([{"loss": 0.0}], id="a loss of zero"),
        pytest.param([EVALUATION], id="an evaluation alone"),
        pytest.param(
            [TRAINING, EVALUATION, {**TRAINING, "loss": None}, EVALUATION], id="both, and a loss that is none"
        ),
        pytest.param([{"success/a": 0.2, "success": 0.4, "success/b": 0.6}], id="two tasks without intervals"),
        pytest.param([{"reward": 0.1, "eval_reward/a": 0.2}, {"reward": 0.3}], id="rewards"),
        pytest.param([REINFORCEMENT, HELD_OUT, REINFORCEMENT], id="reinforcement"),
        pytest.param([dict.fromkeys(REINFORCEMENT | HELD_OUT)], id="reinforcement, all lost"),
        pytest.param([{"ratio/mean": 1.0, "time/train": 1.0, "time/decode": None}], id="some of it"),
    ],
)
def test_every_log_is_drawn(records: list[dict[str, float | None]], tmp_path: Path) -> None:
    pixels = np.asarray(drawn(written(tmp_path, *records)).convert("L"))
    assert pixels.std() > 5


def test_there_is_a_panel_for_what_the_log_holds(tmp_path: Path) -> None:
    one = drawn(written(tmp_path, {"loss": 0.1}))
    three = drawn(written(tmp_path, TRAINING | {"samples_per_second": None}, EVALUATION))
    assert three.width > 2.5 * one.width and three.height > 1.5 * one.height


def titles(folder: Path, *records: Mapping[str, float | None]) -> list[str]:
    return [panel.title for panel in panels_of(RunLog(written(folder, *records)))]


def test_the_names_in_the_log_choose_the_panels(tmp_path: Path) -> None:
    supervised = ["loss", "success on held-out puzzles", "held-out loss by noise level"]
    speed = ["learning rate", "gradient norm", "clips per second"]
    assert titles(tmp_path, TRAINING, EVALUATION, {"eval_reward": 0.1, "eval_reward/a": 0.1}) == supervised + speed
    policy = ["groups of equal rewards", "ratio of policies, less 1", "clipped ratios", "policy loss"]
    reinforced = ["reward", *supervised[1:], "parts of the reward", *policy, "divergence from the reference"]
    assert titles(tmp_path, REINFORCEMENT, HELD_OUT) == [*reinforced, *speed[:2], "seconds of an update"]
    assert titles(tmp_path, {"rollout_success": 0.1}) == ["success on held-out puzzles"]
    assert titles(tmp_path, {"time/train": 1.0, "reward_of_something": 1.0}) == ["seconds of an update"]


def panel_axes(folder: Path, title: str, *records: Mapping[str, float | None]) -> Axes:
    """The panel with this title, drawn."""
    run, axes = RunLog(written(folder, *records)), Figure().add_subplot()
    next(panel for panel in panels_of(run) if panel.title == title).draw(axes, run)
    return axes


def test_all_rewards_are_inside_the_picture(tmp_path: Path) -> None:
    low, high = panel_axes(tmp_path, "reward", REINFORCEMENT, HELD_OUT, REINFORCEMENT).get_ylim()
    assert low <= -0.2 and 0.9 < high < 1.1


def test_a_task_has_one_color_in_all_panels(tmp_path: Path) -> None:
    drawn_of_b = {"reward": [0.4, 0.9], "success on held-out puzzles": [0.6], "parts of the reward": [0.4, 0.8]}
    colors = [
        to_hex(line.get_color())
        for title, values in drawn_of_b.items()
        for line in panel_axes(tmp_path, title, REINFORCEMENT, HELD_OUT).get_lines()
        if np.asarray(line.get_ydata()).tolist() in [[value] for value in values]
    ]
    assert len(colors) == 5 and len(set(colors)) == 1


def test_the_time_of_an_update_is_stacked(tmp_path: Path) -> None:
    slow = REINFORCEMENT | {"time/train": 9.5}
    axes = panel_axes(tmp_path, "seconds of an update", REINFORCEMENT, HELD_OUT, slow)
    tops = [np.asarray(area.get_paths()[0].vertices)[:, 1].max() for area in axes.collections]
    assert tops == [5.0, 6.0, 6.5, 16.0]
    assert axes.get_legend_handles_labels()[1] == ["rollout", "decode", "reward", "train"]


def test_the_same_log_gives_the_same_bytes(tmp_path: Path) -> None:
    log = written(tmp_path, TRAINING, EVALUATION)
    drawn(log)
    before = log.with_name("curves.png").read_bytes()
    drawn(log)
    assert log.with_name("curves.png").read_bytes() == before


def test_a_series_leaves_out_what_was_not_finite_or_not_logged(tmp_path: Path) -> None:
    run = RunLog(written(tmp_path, {"loss": 0.5}, {"loss": None}, {"success": 1.0}, {"loss": 0.25}))
    assert run.series("loss").tolist() == [[1, 4], [0.5, 0.25]]
    assert run.timed("loss").tolist() == [[1 / 6, 4 / 6], [0.5, 0.25]]
    assert run.names("loss") == ["loss"] and run.names("success") == ["success"]
    assert [run.duration(step) for step in (0, 2, 4)] == ["0 s", "20 s", "40 s"]


def test_smoothing_keeps_constants_and_halves_noise() -> None:
    assert smoothed(np.full(5, 3.0), 2.0) == pytest.approx([3.0] * 5)
    values = np.random.default_rng(0).normal(size=4000)
    assert smoothed(values, 50.0)[500:].std() == pytest.approx(
        (1 / 100) ** 0.5, rel=0.25
    )  # (1-d)/(1+d), d = exp(-1/50)


def test_what_cannot_be_drawn_is_said_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = written(tmp_path, TRAINING)
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        draw_curves(log, tmp_path / "curves.pdf")
    with pytest.raises(InvalidInput, match="cannot be read: No such file"):
        draw_curves(tmp_path / "none.jsonl", tmp_path / "curves.png")
    for text, kind, complaint in (
        ("", InvalidInput, "holds no line yet"),
        ('{"step": 1, "seconds": 2}\n', InvalidInput, "none of the numbers"),
        ('{"step": 1, "seco', CorruptData, "is no log of a training run, or its last line was cut off"),
        ("[1]\n", CorruptData, "is no log"),
    ):
        log.write_text(text)
        with pytest.raises(kind, match=complaint):
            draw_curves(log, tmp_path / "curves.png")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"needs matplotlib\. .* pip install 'puzzlegen\[train\]'"):
        draw_curves(written(tmp_path, TRAINING), tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()

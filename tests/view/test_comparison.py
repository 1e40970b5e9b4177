"""Runs compared: what the curve of an arm says of the runs that it is made of."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="curves need puzzlegen[train]")

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.view.comparison import draw_comparison, mean_curve


def test_the_mean_is_taken_while_all_runs_are_running() -> None:
    rising, flat = np.array([[0.0, 2.0], [0.0, 2.0]]), np.array([[1.0, 3.0], [1.0, 1.0]])
    times, mean, low, high = mean_curve([rising, flat]).tolist()
    assert times == [1, 2]
    assert mean == [1, 1.5]
    assert (low, high) == ([1, 1], [1, 2])


def test_a_run_alone_is_its_own_mean() -> None:
    curve = np.array([[1.0, 4.0, 5.0], [0.2, 0.1, 0.7]])
    assert np.array_equal(mean_curve([curve]), [curve[0], curve[1], curve[1], curve[1]])


def test_the_mean_is_exact_at_every_time() -> None:
    """It bends where one of the runs does, and nowhere else."""
    rng = np.random.default_rng(0)
    curves = [np.stack((np.sort(rng.uniform(0, 10, size)), rng.normal(size=size))) for size in (5, 9, 2)]
    times, mean, low, high = mean_curve(curves)
    everywhere = rng.uniform(times[0], times[-1], 500)
    by_hand = np.mean([np.interp(everywhere, *curve) for curve in curves], axis=0)
    assert np.interp(everywhere, times, mean) == pytest.approx(by_hand)
    assert times[0] == max(curve[0, 0] for curve in curves) and times[-1] == min(curve[0, -1] for curve in curves)
    assert (low <= mean).all() and (mean <= high).all()


def test_runs_that_never_ran_at_the_same_time_have_a_point_in_common() -> None:
    early, late = np.array([[0.0, 1.0], [0.1, 0.3]]), np.array([[2.0, 3.0], [0.5, 0.9]])
    assert mean_curve([early, late])[:, 0] == pytest.approx([2.0, 0.4, 0.3, 0.5])
    assert mean_curve([early, late]).shape == (4, 1)


def written(path: Path, *values: float | None) -> Path:
    """A log of success, a minute a line."""
    lines = [{"step": step, "seconds": 60.0 * step, "success": value} for step, value in enumerate(values, 1)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def test_a_comparison_has_the_colors_of_its_arms_and_the_same_bytes_again(tmp_path: Path) -> None:
    seeds = [written(tmp_path / f"{seed}.jsonl", 0.1 + seed / 10, None, 0.6) for seed in range(3)]
    out = tmp_path / "comparison.png"
    draw_comparison({"this": seeds, "that": [written(tmp_path / "that.jsonl", 0.9, 0.95)]}, out, title="two arms")
    before = out.read_bytes()
    with Image.open(out) as picture:
        seen = {color for _, color in picture.convert("RGB").getcolors(1 << 20) or ()}
    assert {(31, 119, 180), (255, 127, 14)} <= seen and (44, 160, 44) not in seen
    draw_comparison({"this": seeds, "that": [tmp_path / "that.jsonl"]}, out, title="two arms")
    assert out.read_bytes() == before


def test_a_log_without_the_metric_is_named(tmp_path: Path) -> None:
    runs = {"this": [written(tmp_path / "log.jsonl", 0.5)]}
    with pytest.raises(UnknownName, match=r"log\.jsonl: there is no number 'sucess'\. Did you mean 'success'\?"):
        draw_comparison(runs, tmp_path / "comparison.png", metric="sucess")
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        draw_comparison(runs, tmp_path / "comparison.svg")
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]

"""Several runs in one picture: a number of their logs over minutes of training, by arm and with the spread of seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import UnknownName
from puzzlegen.view.figures import drawing, dress, in_percent
from puzzlegen.view.runlog import RunLog

_INCHES = (8.0, 5.0)
_SHARES = ("success", "rollout_success", "frac_reward_zero_std", "clip_frac_")
"""Beginnings of the names of shares, which have an axis in percent."""


def draw_comparison(
    runs: Mapping[str, Sequence[Path]], out: Path, *, metric: str = "success", title: str | None = None
) -> None:
    """Draw a thin line for each run, and for each arm the mean of its runs with all between the lowest and the highest.

    Args:
        runs: the log.jsonl of each run by the label of its arm, such as one for each seed.
        out: ends in .png.
        metric: a name in the logs.
        title: of the picture; the metric if not given.

    Raises:
        InvalidInput: another ending, or an empty log.
        UnknownName: a log does not hold the metric.
        CorruptData: a file is no log.
        MissingExtra: matplotlib is not installed.
        OutputError: `out` cannot be written.
    """
    arms = {label: [_curve(path, metric) for path in paths] for label, paths in runs.items()}
    share = metric.startswith(_SHARES)
    with drawing(out, *_INCHES) as figure:
        axes = figure.add_subplot()
        for number, (label, curves) in enumerate(arms.items()):
            color = f"C{number}"
            for minutes, values in curves:
                axes.plot(minutes, values, color=color, alpha=0.45, linewidth=0.8)
            minutes, mean, low, high = mean_curve(curves)
            axes.fill_between(minutes, low, high, color=color, alpha=0.12, linewidth=0)
            last = f"{mean[-1]:.0%}" if share else f"{mean[-1]:.3g}"
            axes.plot(minutes, mean, color=color, linewidth=2.4, label=f"{label}  {last}")
        if share:
            in_percent(axes)
        dress(axes, title or metric)
        axes.set_xlim(left=0)
        axes.set_xlabel("minutes of training", fontsize=9)
        axes.legend(fontsize=9, frameon=False)


def mean_curve(curves: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Times, mean, lowest and highest of curves [4, M], each [2, N] of ascending times and values, straight in between.

    From where all curves have begun to where the first one ends, so that none comes in or drops out on the way. If one
    ends before another begins, it is the point where the last one begins, with what others ended with.
    """
    begin = max(curve[0, 0] for curve in curves)
    end = max(begin, min(curve[0, -1] for curve in curves))
    times = np.unique(np.concatenate([[begin, end], *(curve[0] for curve in curves)]))
    times = times[(times >= begin) & (times <= end)]
    values = np.stack([np.interp(times, *curve) for curve in curves])
    return np.stack((times, values.mean(axis=0), values.min(axis=0), values.max(axis=0)))


def _curve(path: Path, metric: str) -> NDArray[np.float64]:
    run = RunLog(path)
    curve = run.timed(metric)
    if not curve.size:
        known = [name for name in run.names("") if name not in ("step", "seconds") and run.series(name).size]
        raise UnknownName("number", metric, known, where=str(path))
    return curve

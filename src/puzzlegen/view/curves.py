"""Curves of a training run: a PNG of small panels from its log, to see at a glance whether it learns."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from puzzlegen.errors import CorruptData, InvalidInput, MissingExtra
from puzzlegen.shards.writer import atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_PANEL_INCHES = (4.7, 3.0)
_DPI = 110
_SMOOTHED_SHARE = 0.03
"""Over which share of its points a noisy curve is smoothed."""
_MOST_MARKED = 40
"""Points of a curve that are still marked one by one."""
_BLUE = "#1f5fa8"
_SIGMA = "loss/sigma_"


class RunLog:
    """The numbers of a log.jsonl."""

    def __init__(self, path: Path) -> None:
        """Read them.

        Raises:
            InvalidInput: there is no such file, or no line in it yet.
            CorruptData: it holds something else.
        """
        try:
            lines = path.read_text().splitlines()
        except OSError as error:
            raise InvalidInput(f"{path}: cannot be read: {error.strerror}. Name the log.jsonl of a run.") from error
        try:
            self._records = [json.loads(line) for line in lines]
            places = [(int(record["step"]), float(record["seconds"])) for record in self._records]
        except (ValueError, KeyError, TypeError) as error:
            raise CorruptData(f"{path}: is no log of a training run, or its last line was cut off.") from error
        if not places:
            raise InvalidInput(f"{path}: holds no line yet. Wait for the run's first step.")
        self.steps, self.seconds = np.array(places, dtype=np.float64).T
        """Of all lines [N]."""

    def names(self, prefix: str) -> list[str]:
        """The names that begin so, in order of appearance."""
        return [*dict.fromkeys(name for record in self._records for name in record if name.startswith(prefix))]

    def series(self, name: str) -> NDArray[np.float64]:
        """Steps and values of a name [2, M]; what was not finite is left out."""
        values = np.array([record.get(name) for record in self._records], dtype=np.float64)  # None becomes NaN
        return np.stack((self.steps, values))[:, np.isfinite(values)]

    def duration(self, step: float) -> str:
        """How long training took until this step."""
        return _duration(float(np.interp(step, [0, *self.steps], [0, *self.seconds])))


def draw_curves(log: Path, out: Path) -> None:
    """Draw what a run's log.jsonl holds of losses, success, reward, learning rate, gradient norm and speed.

    Args:
        log: the log.jsonl.
        out: ends in .png.

    Raises:
        InvalidInput: another ending, or nothing in the log.
        CorruptData: it is no log.
        MissingExtra: matplotlib is not installed.
        OutputError: `out` cannot be written.
    """
    if out.suffix != ".png":
        raise InvalidInput(f"{out}: the name of a picture of curves must end in .png.")
    run = RunLog(log)
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("Drawing curves", "matplotlib", "train") from error
    panels = [(title, draw) for title, name, draw in _PANELS if run.names(name)]
    if not panels:
        raise InvalidInput(f"{log}: holds none of the numbers that are drawn. Name the log.jsonl of a training run.")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure((columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1] + 0.5), dpi=_DPI, layout="constrained")
    figure.suptitle(_headline(run, log), fontsize=12)
    for number, (title, draw) in enumerate(panels, 1):
        axes = figure.add_subplot(rows, columns, number)
        draw(axes, run)
        _dress(axes, run, title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    with atomic(out) as temporary:
        temporary.write_bytes(picture.getvalue())


def _headline(run: RunLog, log: Path) -> str:
    """Which run, how far it is, and how good."""
    parts = [log.resolve().parent.name, f"step {run.steps[-1]:,.0f}", run.duration(run.steps[-1])]
    success = run.series("success")[1]
    return "   ·   ".join([*parts, f"success {success[-1]:.0%}"] if len(success) else parts)


def _duration(seconds: float) -> str:
    """In a unit that suits it.

    >>> _duration(90), _duration(600), _duration(9000)
    ('90 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _dress(axes: Axes, run: RunLog, title: str) -> None:
    """Title, grid, and an axis of steps with the training time that they took."""
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(which="both", labelsize=8)
    axes.set_xlim(0, 1.02 * max(1.0, run.steps[-1]))
    axes.locator_params("x", nbins=5, integer=True)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}\n{run.duration(step)}" if step else "0")


def _noisy(name: str, *, log: bool) -> Callable[[Axes, RunLog], None]:
    """A panel of one curve, faint, with its running mean and the newest value of that."""

    def draw(axes: Axes, run: RunLog) -> None:
        steps, values = run.series(name)
        mean = smoothed(values, max(1.0, _SMOOTHED_SHARE * len(values)))
        axes.plot(steps, values, color=_BLUE, alpha=0.25, linewidth=0.8)
        axes.plot(steps, mean, color=_BLUE, linewidth=1.6)
        if not log:
            axes.set_ylim(bottom=0)
        elif _spans_decades(values):
            axes.set_yscale("log")
        if len(mean):
            axes.text(1, 1.02, f"{mean[-1]:.3g}", color=_BLUE, fontsize=9, ha="right", transform=axes.transAxes)

    return draw


def _spans_decades(values: NDArray[np.float64]) -> bool:
    """Whether a logarithmic axis is the better one; on less than a decade its ticks are hard to read."""
    return len(values) > 0 and values.min() > 0 and bool(values.max() > 10 * values.min())


def _by_sigma(axes: Axes, run: RunLog) -> None:
    """Held-out losses, one curve a noise level, pale near the clip and dark near noise."""
    from matplotlib import colormaps

    names = run.names(_SIGMA)
    colors = colormaps["viridis_r"](np.linspace(0.1, 1, len(names)))
    for name, color in zip(names, colors, strict=True):
        steps, values = run.series(name)
        axes.plot(steps, values, color=color, linewidth=1.4, marker=_marker(steps), label=name.removeprefix(_SIGMA))
    if _spans_decades(np.concatenate([run.series(name)[1] for name in names] or [np.empty(0)])):
        axes.set_yscale("log")
    axes.legend(title="sigma", fontsize=7, title_fontsize=7, ncols=2, frameon=False)


def _success(axes: Axes, run: RunLog) -> None:
    """Each task's success with its interval, and that of all if there are several."""
    tasks = run.names("success/")
    for name in tasks:
        _band(axes, run, name, name.replace("success/", "success_low/"), name.replace("success/", "success_high/"))
    if len(tasks) > 1:
        steps, values = run.series("success")
        axes.plot(steps, values, color="black", linewidth=1.2, linestyle="--", label=_with_last("all", values))
    elif not tasks:
        _band(axes, run, "success", "success_low", "success_high")
    axes.set_ylim(-0.02, 1.02)
    axes.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.legend(fontsize=8, frameon=False)


def _band(axes: Axes, run: RunLog, name: str, low: str, high: str) -> None:
    steps, values = run.series(name)
    label = _with_last(name.removeprefix("success/"), values)
    (line,) = axes.plot(steps, values, linewidth=1.6, marker=_marker(steps), label=label)
    lows, highs = run.series(low), run.series(high)
    if lows.shape == highs.shape == (2, len(steps)):
        axes.fill_between(steps, lows[1], highs[1], color=line.get_color(), alpha=0.15, linewidth=0)


def _with_last(label: str, values: NDArray[np.float64]) -> str:
    return f"{label}  {values[-1]:.0%}" if len(values) else label


def _reward(axes: Axes, run: RunLog) -> None:
    """Of rollouts in training, and of the held-out puzzles of each task."""
    if run.names("reward"):
        _noisy("reward", log=False)(axes, run)
    for name in run.names("eval_reward/"):
        steps, values = run.series(name)
        axes.plot(steps, values, linewidth=1.4, marker=_marker(steps), label=name.removeprefix("eval_reward/"))
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=8, frameon=False)


def _plain(name: str) -> Callable[[Axes, RunLog], None]:
    """A panel of one curve as it is."""

    def draw(axes: Axes, run: RunLog) -> None:
        axes.plot(*run.series(name), color=_BLUE, linewidth=1.6)
        axes.set_ylim(bottom=0)

    return draw


def _marker(steps: NDArray[np.float64]) -> str:
    return "." if len(steps) <= _MOST_MARKED else ""


def smoothed(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    """The running mean of values [N] with weights that fall by a factor of e over `width` points; no start-up bias."""
    decay = np.exp(-1.0 / width)
    total = weight = 0.0
    means = np.empty_like(values)
    for index, value in enumerate(values):
        total, weight = decay * total + value, decay * weight + 1.0
        means[index] = total / weight
    return means


_PANELS: tuple[tuple[str, str, Callable[[Any, RunLog], None]], ...] = (
    ("loss", "loss", _noisy("loss", log=True)),
    ("success on held-out puzzles", "success", _success),
    ("held-out loss by noise level", _SIGMA, _by_sigma),
    ("reward", "reward", _reward),
    ("learning rate", "lr", _plain("lr")),
    ("gradient norm", "grad_norm", _noisy("grad_norm", log=True)),
    ("clips per second", "samples_per_second", _noisy("samples_per_second", log=False)),
)
"""Title, the beginning of the names that it needs, and how it is drawn."""

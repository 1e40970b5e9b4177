"""The panels of a run's curves: what each needs of the log, and how it is drawn. A task has one color everywhere."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from puzzlegen.view.figures import in_percent
from puzzlegen.view.runlog import RunLog, smoothed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SMOOTHED_SHARE = 0.03
"""Over which share of its points a noisy curve is smoothed."""
_MOST_MARKED = 40
"""Points of a curve that are still marked one by one."""
_BLUE, _ALARM = "#1f5fa8", "#c0392b"
_SIGMA = "loss/sigma_"
_STYLES = ("-", "--", ":", "-.")


class Panel(NamedTuple):
    """One small picture."""

    title: str
    needs: tuple[str, ...]
    """It is drawn if the log holds one of these names, or one that begins with one of those that end in "/" or "_"."""
    draw: Callable[[Axes, RunLog], None]


def panels_of(run: RunLog) -> list[Panel]:
    """The panels that this log holds something for, in the order to draw them."""
    known = run.names("")

    def has(needed: str) -> bool:
        return needed in known or (needed[-1] in "/_" and any(name.startswith(needed) for name in known))

    return [panel for panel in _PANELS if any(map(has, panel.needs))]


def _noisy(name: str, *, log: bool = False, signed: bool = False) -> Callable[[Axes, RunLog], None]:
    """A panel of one curve, faint, with its running mean and the newest value of that."""

    def draw(axes: Axes, run: RunLog) -> None:
        steps, values = run.series(name)
        mean = _running_mean(values)
        axes.plot(steps, values, color=_BLUE, alpha=0.25, linewidth=0.8)
        axes.plot(steps, mean, color=_BLUE, linewidth=1.6)
        if log and _spans_decades(values):
            axes.set_yscale("log")
        elif not log and not signed:
            axes.set_ylim(bottom=0)
        if len(mean):
            axes.text(1, 1.02, f"{mean[-1]:.3g}", color=_BLUE, fontsize=9, ha="right", transform=axes.transAxes)

    return draw


def _running_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return smoothed(values, max(1.0, _SMOOTHED_SHARE * len(values)))


def _smooth_line(axes: Axes, run: RunLog, name: str, color: str, style: str = "-", label: str | None = None) -> None:
    """The running mean of a noisy curve."""
    steps, values = run.series(name)
    axes.plot(steps, _running_mean(values), color=color, linewidth=1.3, linestyle=style, label=label)


def _task_colors(run: RunLog) -> dict[str, str]:
    """The color of each task in all panels."""
    prefixes = ("success/", "eval_reward/", "reward/", "part/")
    tasks = [name.split("/")[1] for prefix in prefixes for name in run.names(prefix)]
    return {task: f"C{number}" for number, task in enumerate(dict.fromkeys(tasks))}


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
    if _spans_decades(np.concatenate([run.series(name)[1] for name in names])):
        axes.set_yscale("log")
    axes.legend(title="sigma", fontsize=7, title_fontsize=7, ncols=2, frameon=False)


def _success(axes: Axes, run: RunLog) -> None:
    """Each task's success with its interval, that of all if there are several, and that of rollouts in training."""
    tasks, colors = run.names("success/"), _task_colors(run)
    for name in tasks:
        low, high = name.replace("success/", "success_low/"), name.replace("success/", "success_high/")
        _band(axes, run, name, low, high, colors[name.removeprefix("success/")])
    if len(tasks) > 1:
        steps, values = run.series("success")
        axes.plot(steps, values, color="black", linewidth=1.2, linestyle="--", label=_with_last("all", values))
    elif not tasks and run.names("success"):
        _band(axes, run, "success", "success_low", "success_high", "C0")
    if run.names("rollout_success"):
        steps, values = run.series("rollout_success")
        axes.plot(steps, values, color="gray", alpha=0.3, linewidth=0.8)
        label = _with_last("rollouts", mean := _running_mean(values))
        axes.plot(steps, mean, color="gray", alpha=0.8, linewidth=1.2, label=label)
    in_percent(axes)
    _name_lines(axes)


def _band(axes: Axes, run: RunLog, name: str, low: str, high: str, color: str) -> None:
    steps, values = run.series(name)
    label = _with_last(name.removeprefix("success/"), values)
    axes.plot(steps, values, color=color, linewidth=1.6, marker=_marker(steps), label=label)
    lows, highs = run.series(low), run.series(high)
    if lows.shape == highs.shape == (2, len(steps)):
        axes.fill_between(steps, lows[1], highs[1], color=color, alpha=0.15, linewidth=0)


def _with_last(label: str, values: NDArray[np.float64]) -> str:
    return f"{label}  {values[-1]:.0%}" if len(values) else label


def _reward(axes: Axes, run: RunLog) -> None:
    """Of rollouts, all and by task, and of held-out puzzles; and the watched one of rollouts. Success tells colors."""
    colors, by_task, held_out = _task_colors(run), run.names("reward/"), run.names("eval_reward/")
    _noisy("reward", signed=True)(axes, run)  # the axis is set when all is drawn
    if len(by_task) > 1:
        for name in by_task:
            _smooth_line(axes, run, name, colors[name.removeprefix("reward/")], ":")
        axes.plot([], [], ":", color="gray", label="by task")
    for name in held_out:
        steps, values = run.series(name)
        color = colors[name.removeprefix("eval_reward/")]
        axes.plot(steps, values, color=color, linewidth=1.4, marker=_marker(steps))
    if held_out:
        axes.plot([], [], ".-", color="gray", label="held out")
    for name, label, style in (("watched", "watched", "-"), ("watched_gap", "gap to watched", ":")):
        if name in run.names(name):
            _smooth_line(axes, run, name, _ALARM, style, label)
    axes.set_ylim(bottom=min([0.0, *_running_mean(run.series("watched_gap")[1])]))
    _name_lines(axes)


def _parts(axes: Axes, run: RunLog) -> None:
    """What rewards are made of, by task: a color for each task and a style of line for each part."""
    names = [name.split("/", 2)[1:] for name in run.names("part/")]
    colors, parts = _task_colors(run), list(dict.fromkeys(part for _, part in names))
    styles = dict(zip(parts, cycle(_STYLES)))
    for task, part in names:
        _smooth_line(axes, run, f"part/{task}/{part}", colors[task], styles[part])
    for task in dict.fromkeys(task for task, _ in names):
        axes.plot([], [], color=colors[task], label=task)
    for part, style in styles.items():
        axes.plot([], [], color="gray", linestyle=style, label=part)
    _name_lines(axes)


def _spread(axes: Axes, run: RunLog) -> None:
    """The share of groups that teach nothing, as all their rewards are equal; marks where clips could not be judged."""
    _noisy("frac_reward_zero_std")(axes, run)
    in_percent(axes)
    steps, faults = run.series("faults")
    if faults.any():
        axes.plot(steps[faults > 0], 0 * steps[faults > 0], "x", color=_ALARM, label="clips not judged")
    _name_lines(axes)


def _ratio(axes: Axes, run: RunLog) -> None:
    """How far ratios of policies are from 1: their mean, and all between the least and the largest."""
    steps, lows, highs = *run.series("ratio/min"), run.series("ratio/max")[1]
    if len(lows) == len(highs):
        axes.fill_between(steps, lows - 1, highs - 1, color=_BLUE, alpha=0.2, linewidth=0)
    steps, means = run.series("ratio/mean")
    axes.plot(steps, means - 1, color=_BLUE, linewidth=1.4)
    axes.yaxis.set_major_formatter("{x:.2g}")


def _clipped(axes: Axes, run: RunLog) -> None:
    """The shares of steps of clips whose ratio is past the limit."""
    from matplotlib.ticker import PercentFormatter

    for name, label, color in (("clip_frac_high", "above", _ALARM), ("clip_frac_low", "below", _BLUE)):
        _smooth_line(axes, run, name, color, label=label)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    _name_lines(axes)


def _times(axes: Axes, run: RunLog) -> None:
    """The seconds of an update, part above part."""
    parts = {name.removeprefix("time/"): run.series(name) for name in run.names("time/")}
    parts = {name: part for name, part in parts.items() if part.size}
    if parts:
        steps = np.unique(np.concatenate([steps for steps, _ in parts.values()]))
        heights = [np.interp(steps, *part) for part in parts.values()]
        axes.stackplot(steps, *heights, labels=[*parts], alpha=0.75, linewidth=0)
    axes.set_ylim(bottom=0)
    _name_lines(axes)


def _plain(name: str) -> Callable[[Axes, RunLog], None]:
    """A panel of one curve as it is."""

    def draw(axes: Axes, run: RunLog) -> None:
        axes.plot(*run.series(name), color=_BLUE, linewidth=1.6)
        axes.set_ylim(bottom=0)

    return draw


def _marker(steps: NDArray[np.float64]) -> str:
    return "." if len(steps) <= _MOST_MARKED else ""


def _name_lines(axes: Axes) -> None:
    """A legend, if there is something to name; small and in columns if there is much."""
    count = len(axes.get_legend_handles_labels()[0])
    if count:
        axes.legend(fontsize=8 if count < 5 else 7, ncols=1 if count < 5 else 2, frameon=False)


_PANELS = (
    Panel("reward", ("reward",), _reward),
    Panel("loss", ("loss",), _noisy("loss", log=True)),
    Panel("success on held-out puzzles", ("success", "success/", "rollout_success"), _success),
    Panel("held-out loss by noise level", (_SIGMA,), _by_sigma),
    Panel("parts of the reward", ("part/",), _parts),
    Panel("groups of equal rewards", ("frac_reward_zero_std",), _spread),
    Panel("ratio of policies, less 1", ("ratio/mean",), _ratio),
    Panel("clipped ratios", ("clip_frac_high", "clip_frac_low"), _clipped),
    Panel("policy loss", ("policy_loss",), _noisy("policy_loss", signed=True)),
    Panel("divergence from the reference", ("kl",), _noisy("kl")),
    Panel("learning rate", ("lr",), _plain("lr")),
    Panel("gradient norm", ("grad_norm",), _noisy("grad_norm", log=True)),
    Panel("clips per second", ("samples_per_second",), _noisy("samples_per_second")),
    Panel("seconds of an update", ("time/",), _times),
)

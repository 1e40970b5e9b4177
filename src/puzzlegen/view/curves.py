"""Curves of a training run: a PNG of small panels from its log, to see at a glance whether it learns."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from puzzlegen.errors import InvalidInput
from puzzlegen.view.figures import drawing, dress
from puzzlegen.view.panels import panels_of
from puzzlegen.view.runlog import RunLog

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 3
_PANEL_INCHES = (4.7, 3.0)


def draw_curves(log: Path, out: Path) -> None:
    """Draw what a run's log.jsonl holds: of losses, success, rewards, ratios of policies, where the time goes and more.

    Args:
        log: the log.jsonl.
        out: ends in .png.

    Raises:
        InvalidInput: another ending, or nothing in the log.
        CorruptData: it is no log.
        MissingExtra: matplotlib is not installed.
        OutputError: `out` cannot be written.
    """
    run = RunLog(log)
    panels = panels_of(run)
    if not panels:
        raise InvalidInput(f"{log}: holds none of the numbers that are drawn. Name the log.jsonl of a training run.")
    columns = min(_COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with drawing(out, columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1] + 0.5) as figure:
        figure.suptitle(_headline(run, log), fontsize=12)
        for number, panel in enumerate(panels, 1):
            axes = figure.add_subplot(rows, columns, number)
            panel.draw(axes, run)
            dress(axes, panel.title)
            _count_steps(axes, run)


def _headline(run: RunLog, log: Path) -> str:
    """Which run, how far it is, and how good."""
    parts = [log.resolve().parent.name, f"step {run.steps[-1]:,.0f}", run.duration(run.steps[-1])]
    success = run.series("success")[1]
    return "   ·   ".join([*parts, f"success {success[-1]:.0%}"] if len(success) else parts)


def _count_steps(axes: Axes, run: RunLog) -> None:
    """An axis of steps with the training time that they took."""
    axes.set_xlim(0, 1.02 * max(1.0, run.steps[-1]))
    axes.locator_params("x", nbins=5, integer=True)
    axes.xaxis.set_major_formatter(lambda step, _: f"{step:,.0f}\n{run.duration(step)}" if step else "0")

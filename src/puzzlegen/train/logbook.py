"""What is said of a run while it trains: lines of log.jsonl, trackers such as TensorBoard, and a progress bar.

The log of a resumed run is that of an undisturbed one: lines of steps that are trained again are dropped first. Only
`seconds` differs, the time spent on the steps that are kept; nothing that decides training reads it.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Protocol, SupportsFloat

from torch import Tensor
from tqdm import tqdm

from puzzlegen.errors import InvalidInput, UnknownName
from puzzlegen.shards.writer import make_folder, refusals, write_text

LOG = "log.jsonl"
TRACKERS = ("tensorboard", "wandb", "trackio")
_PROJECT = "puzzlegen"
_LINE_EVERY_S = 60.0
_SHOWN = {"loss": "{:.4f}", "reward": "{:.3f}", "lr": "{:.1e}", "samples_per_second": "{:.1f} samples/s"}
"""What the bar shows of a step's values, and how."""


class Tracker(Protocol):
    """Where numbers are sent besides the log."""

    def log(self, values: Mapping[str, float], step: int) -> None:
        """Send the numbers of a step."""

    def finish(self) -> None:
        """Send what is left."""


class Logbook:
    """The one object that a training loop tells its numbers.

    >>> with Logbook(Path("run"), total_steps=100) as logbook:  # doctest: +SKIP
    ...     logbook.log(1, {"loss": loss, "lr": lr})
    """

    def __init__(
        self,
        folder: Path,
        *,
        total_steps: int,
        trackers: Sequence[str] = ("tensorboard",),
        start_step: int = 0,
        batch: int = 0,
        rank: int = 0,
        quiet: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Open a run's log; on ranks other than 0 nothing is ever written or shown.

        Args:
            folder: of the run; gets log.jsonl and, with that tracker, `tensorboard`.
            total_steps: at which training ends.
            trackers: names of TRACKERS.
            start_step: the last step that the checkpoint holds; what is logged of later ones is dropped. At 0 a run
                begins, and with it a new log.
            batch: clips of a step; if given, samples_per_second is logged too: of the time since the last line, so that
                a line of an evaluation keeps its time apart.
            rank: of this process.
            quiet: show nothing on stderr.
            clock: seconds.

        Raises:
            UnknownName: no such tracker.
            InvalidInput: a tracker's package is not installed.
            OutputError: the folder cannot be written.
        """
        for name in trackers:
            if name not in TRACKERS:
                raise UnknownName("tracker", name, TRACKERS)
        self._silent, self._quiet, self._clock = rank != 0, quiet or rank != 0, clock
        self._total, self._first_step, self._batch, self._path = total_steps, start_step, batch, folder / LOG
        self._trackers: list[Tracker] = []
        self._earlier = 0.0
        if not self._silent:
            make_folder(folder)
            self._trackers = [_started(name, folder, start_step) for name in trackers]
            kept = _lines_up_to(self._path, start_step)
            self._earlier = json.loads(kept[-1])["seconds"] if kept else 0.0
            write_text(self._path, "".join(f"{line}\n" for line in kept))
        hidden = True if self._quiet else None  # None: tqdm hides it where there is no terminal
        self._bar = tqdm(total=total_steps, initial=start_step, desc="train", unit=" steps", disable=hidden)
        self._began = self._spoke = self._last_time = clock()
        self._last_step = start_step

    def log(self, step: int, values: Mapping[str, SupportsFloat]) -> None:
        """Write a line; a step may have several, such as one of training and one of an evaluation.

        Args:
            step: how many steps are done.
            values: numbers by name; loss, reward, lr and samples_per_second are also shown.

        Raises:
            OutputError: the disk is full.
        """
        if self._silent:
            return
        now = self._clock()
        numbers = {name: _number(value) for name, value in values.items()}
        if self._batch and step > self._last_step and now > self._last_time:
            speed = self._batch * (step - self._last_step) / (now - self._last_time)
            numbers.setdefault("samples_per_second", round(speed, 3))
        self._last_step, self._last_time = step, now
        plain = {name: value if math.isfinite(value) else None for name, value in numbers.items()}  # JSON has no NaN
        line = json.dumps({"step": step, "seconds": round(self._earlier + now - self._began, 3), **plain})
        with refusals(self._path), self._path.open("a") as file:
            file.write(f"{line}\n")
        for tracker in self._trackers:
            tracker.log(numbers, step=step)
        self._show(step, numbers, now)

    def say(self, text: str) -> None:
        """Show a line to the user, above the bar."""
        if not self._quiet:
            tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Finish the bar and the trackers."""
        self._bar.close()
        for tracker in self._trackers:
            tracker.finish()

    def __enter__(self) -> Logbook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _show(self, step: int, numbers: Mapping[str, float], now: float) -> None:
        """Move the bar; where there is no terminal, say something every minute and at the end."""
        shown = "  ".join(_labelled(name, form, numbers[name]) for name, form in _SHOWN.items() if name in numbers)
        if not self._bar.disable:
            if shown:
                self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(step - self._bar.n)
        elif shown and (step == self._total or now - self._spoke >= _LINE_EVERY_S):
            self._spoke = now
            pace = (now - self._began) / max(1, step - self._first_step)
            left = tqdm.format_interval(pace * (self._total - step))
            self.say(f"step {step}/{self._total}  {shown}  {left} left")


def _number(value: SupportsFloat) -> float:
    return float(value.detach() if isinstance(value, Tensor) else value)


def _labelled(name: str, form: str, value: float) -> str:
    return form.format(value) if " " in form else f"{name} {form.format(value)}"


def _lines_up_to(path: Path, last_step: int) -> list[str]:
    """The whole lines of steps that are done; none for a run that begins."""
    if not last_step or not path.exists():
        return []
    with refusals(path):
        lines = path.read_text().splitlines()
    return [line for line in lines if (step := _step_of(line)) is not None and step <= last_step]


def _step_of(line: str) -> int | None:
    """None for the end of a line that a killed run did not finish."""
    try:
        return int(json.loads(line)["step"])
    except ValueError:
        return None


def _started(name: str, folder: Path, start_step: int) -> Tracker:
    """TensorBoard, or one of accelerate's trackers."""
    try:
        if name == "tensorboard":
            return _TensorBoard(folder / name, start_step)
        from accelerate import PartialState
        from accelerate.tracking import LOGGER_TYPE_TO_CLASS

        PartialState()  # without it they cannot even log that they have started
        tracker = LOGGER_TYPE_TO_CLASS[name](_PROJECT, name=folder.resolve().name)
        tracker.start()
    except ImportError as error:
        raise InvalidInput(f"Logging to {name} needs its package. Install it with: pip install {name}.") from error
    started: Tracker = tracker
    return started


class _TensorBoard:
    """Event files that hide what an earlier run logged of the steps that are trained again."""

    def __init__(self, folder: Path, start_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._folder, purge_step = folder, start_step + 1 if start_step else 0
        with refusals(folder):
            self._writer = SummaryWriter(str(folder), purge_step=purge_step, flush_secs=10)

    def log(self, values: Mapping[str, float], step: int) -> None:
        with refusals(self._folder):
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def finish(self) -> None:
        with refusals(self._folder):
            self._writer.close()

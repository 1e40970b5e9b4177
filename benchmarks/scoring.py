"""CPU seconds that scoring one clip takes, by stage, and how many times those of decoding it.

    python benchmarks/scoring.py [--tasks maze] [--levels medium hard] [--cases gold worn] [--clips 3] [--repeats 5]

gold: the dataset's own file. frames: the same as RGB frames, so that decoding is color conversion. worn: h264 at crf 44
and shifted, so that view and tone are searched for, and undone in every frame. noisy: RGB frames, noise of sigma 25,
and every cell is looked at in every frame. cheat: several actions left out midway, so that the walk ends early.

"setup" is the verifier, which samples of one puzzle share; "find" the search for view and tone in the first frame,
"follow" the adjusting of the view in later frames; "watch" what is left of reading, "walk" of judging; "first" the
metrics of the first sample of a puzzle, with its references solved for, "metrics" those of any other one. Numbers are
milliseconds, medians of the repeats; "all" is the sum without setup and first, "best" the best repeat.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numpy.typing import NDArray

from puzzlegen import registry
from puzzlegen.errors import PuzzlegenError
from puzzlegen.eval.metrics import clip_metrics
from puzzlegen.eval.rewards import reward_of
from puzzlegen.generate import sample
from puzzlegen.generate.sample import Stream
from puzzlegen.recipe import Recipe
from puzzlegen.render import video
from puzzlegen.render.formats import ClipFormat, parse_format
from puzzlegen.render.looks import Look
from puzzlegen.render.planes import Planes
from puzzlegen.render.raster import fit
from puzzlegen.seeding import Rng
from puzzlegen.testing.cheaters import cheats
from puzzlegen.testing.codecs import CODECS, encode_rgb
from puzzlegen.testing.perturbations import PERTURBATIONS
from puzzlegen.types import Instance
from puzzlegen.verify import find, judge, observer, sight, verifier
from puzzlegen.verify.tone import Tone
from puzzlegen.verify.verifier import Verifier

STAGES = ("decode", "observe", "tone", "find", "follow", "classify", "watch", "walk", "progress", "metrics")
APART = ("setup", "first")
CASES = ("gold", "frames", "worn", "noisy", "cheat")
_PATCHES: tuple[tuple[Any, str, str], ...] = (
    (sight, "observe", "observe"),
    (observer, "classify", "classify"),
    (Tone, "undo", "tone"),
    (find, "classify", "classify"),
    (verifier, "find", "find"),
    (observer.Observer, "_follow", "follow"),
    (verifier, "judge", "walk"),
    (judge, "progress_of", "progress"),
)
"""(where a function is looked up, its name, its stage); what it calls of other stages counts there."""


class Stopwatch:
    """Adds CPU time to the innermost stage that has begun and not ended."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._stages, self._since = [""], time.process_time()

    @contextlib.contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        self._tick()
        self._stages.append(stage)
        try:
            yield
        finally:
            self._tick()
            self._stages.pop()

    def _tick(self) -> None:
        now = time.process_time()
        self.spent[self._stages[-1]] += now - self._since
        self._since = now

    def timed(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        """The same function, its time added to a stage."""

        def run(*args: Any, **kwargs: Any) -> Any:
            with self(stage):
                return function(*args, **kwargs)

        return run

    def each(self, items: Iterator[Planes]) -> Iterator[Planes]:
        """The same items; the time that each takes to come goes to "decode"."""
        while True:
            with self("decode"):
                item = next(items, None)
            if item is None:
                return
            yield item


class Subject(NamedTuple):
    """A clip to score."""

    recipe: Recipe
    puzzle: Instance[Any]
    look: Look
    clip: ClipFormat
    content: bytes | NDArray[np.uint8]
    """A file, or RGB frames [T, H, W, 3]."""

    def pictures(self) -> Iterator[Planes]:
        """Decodes."""
        if isinstance(self.content, bytes):
            return video.open_planes(self.content)[1]
        return map(video.rgb_to_planes, self.content)


def subjects(name: str, level: str, clip: ClipFormat, num: int, cases: Sequence[str]) -> dict[str, list[Subject]]:
    """Clips of the same puzzles for each case."""
    recipe = registry.load(name)
    found: dict[str, list[Subject]] = defaultdict(list)
    for index in range(num):
        puzzle = sample.draft(recipe, Stream(recipe=name, level=level, seed=3, clip=clip), index)
        look = recipe.draw_look(Rng("scoring", name, level, index))
        shot = sample.film(recipe.task, puzzle.start, puzzle.solution.actions, look, clip, puzzle.origin.id)
        rgb = video.decode_rgb(shot.data)
        for case in cases:
            content = _content(case, shot.data, rgb, Subject(recipe, puzzle, look, clip, b""))
            if content is not None:
                found[case].append(Subject(recipe, puzzle, look, clip, content))
    return found


def _content(case: str, data: bytes, rgb: NDArray[np.uint8], subject: Subject) -> bytes | NDArray[np.uint8] | None:
    rng = np.random.default_rng(0)
    cell_px = float(fit(subject.recipe.task.shape(subject.puzzle.start), subject.clip).cell_px)
    if case == "gold":
        return data
    if case == "frames":
        return rgb
    if case == "worn":
        return encode_rgb(PERTURBATIONS["shift_cell"].apply(rgb, cell_px, rng), CODECS["h264"])
    if case == "noisy":
        return PERTURBATIONS["gaussian_noise"].apply(rgb, cell_px, rng)
    for cheat in cheats(subject.recipe.task, subject.puzzle, subject.look, subject.clip, rng, only=("jump midway",)):
        return encode_rgb(cheat.frames, CODECS["h264"], strength=0.0)
    return None  # too short for it


def score(subject: Subject, watch: Stopwatch, warm: bool) -> float:
    """Score one clip, with all that the run of an evaluation does for it. Returns its reward."""
    task, start, actions = subject.recipe.task, subject.puzzle.start, subject.puzzle.solution.actions
    with watch("setup"):
        judged_by = Verifier(task, start, subject.look, subject.clip, len(actions))
    with watch("watch"):
        found = judged_by.score_pictures(watch.each(subject.pictures()))
    with watch("progress"):
        reward = reward_of("dense", subject.recipe, found)
    with watch("metrics" if warm else "first"):
        clip_metrics(task, start, found, actions, len(actions))
    return reward


def measure(clips: Sequence[Subject], warm: bool) -> tuple[dict[str, float], float]:
    """CPU milliseconds per clip by stage, and the mean reward."""
    watch = Stopwatch()
    with contextlib.ExitStack() as stack:
        for owner, name, stage in _PATCHES:
            stack.enter_context(mock.patch.object(owner, name, watch.timed(getattr(owner, name), stage)))
        rewards = [score(subject, watch, warm) for subject in clips]
    spent = {stage: 1000 * watch.spent[stage] / len(clips) for stage in STAGES + APART}
    return spent, statistics.fmean(rewards)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=["maze", "flowfree", "sokoban"])
    parser.add_argument("--levels", nargs="+", default=["medium", "hard"])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--format", default="square480")
    parser.add_argument("--clips", type=int, default=3)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    clip = parse_format(asked.format)
    print(f"CPU-ms per clip of {clip}, median of {asked.repeats} x {asked.clips} clips")
    columns = (*STAGES, "all", "best", "/decode", *APART, "reward")
    print(f"{'task':9}{'level':8}{'case':7}" + "".join(f"{column:>9}" for column in columns))
    for name in asked.tasks:
        for level in asked.levels:
            try:
                found = subjects(name, level, clip, asked.clips, asked.cases)
            except PuzzlegenError as error:
                print(f"{name:9}{level:8}{error}")
                continue
            for case, clips in found.items():
                first, reward = measure(clips, warm=False)
                runs = [measure(clips, warm=True)[0] for _ in range(asked.repeats)]
                middle = {stage: statistics.median(run[stage] for run in runs) for stage in (*STAGES, "setup")}
                totals = [sum(run[stage] for stage in STAGES) for run in runs]
                whole = statistics.median(totals)
                numbers = [middle[stage] for stage in STAGES]
                numbers += [whole, min(totals), whole / middle["decode"], middle["setup"], first["first"]]
                cells = "".join(f"{number:9.1f}" for number in numbers)
                print(f"{name:9}{level:8}{case:7}{cells}{reward:9.2f}", flush=True)


if __name__ == "__main__":
    main()

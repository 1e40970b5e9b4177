"""What a run of reinforcement is told, section by section; needs no torch. See `runs` for what all runs are told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from puzzlegen.train.configs import require
from puzzlegen.train.gaussian import Reduction
from puzzlegen.train.kernels import Flow, StochasticKernel
from puzzlegen.train.runs import Run, SftRun
from puzzlegen.train.windows import First, Window

Credit = Literal["noise", "clip"]
"""What a step's advantage is given to: to its noise, the policy gradient as published, or to what became of it in the
clip. Most of the noise is taken away again by later steps, and what an advantage says of it is chance alone; the clip
shows what is left. That changes the scale of the gradient in each direction, never its sign, see `objective`."""
Scale = Literal["group", "batch", "none"]
"""Whose standard deviation rewards are divided by. "batch" weighs tasks by the spread of their rewards."""
RatioNorm = Literal["none", "centered", "guard"]
"""What is done about the bias of ratios, see `objective`. "none", as published; "centered" takes it away, so that with
the reduction "rsqrt" a ratio is of the same size at every resolution; "guard" takes it away and multiplies by s, so
that it is of the same size at every step (GRPO-Guard; its division of the loss by -dt is `equalize`'s)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How clips are sampled that a model learns from."""

    members: int = 8
    """Clips of each puzzle: a group."""
    num_steps: int = 10
    """Steps of the sampler."""
    tail_steps: int | None = None
    """Steps after the window, where fewer do; as many as `num_steps` leaves if not given."""
    window: Window = field(default_factory=First)
    """Which steps are stochastic, and trained."""
    kernel: StochasticKernel = field(default_factory=Flow)
    """The noise of these steps."""
    shared_noise: bool = True
    """Members of a group start from the same noise, so that they differ by the window's alone."""

    def __post_init__(self) -> None:
        require(self.members > 1, "sampling.members", "2 or more: a clip is compared with the others of its puzzle")
        require(self.num_steps > 1, "sampling.num_steps", "2 or more")
        require(self.tail_steps is None or self.tail_steps > 0, "sampling.tail_steps", "positive")
        self.window(0, self.num_steps)  # knows best whether it fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """What clips are rewarded for."""

    reward: str = "dense"
    """"dense", "sparse", or a published one of the recipes' [rewards], such as "paper" or "released-code"."""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Factor of the advantages of a task's clips, by task; 1 if not given."""
    watch: int = 4
    """Groups of each process whose first clip is looked at again, once an mp4 encoder has taken away what is no motion
    of a puzzle. Nothing is trained on it; where clips that were solved are not any more, the model has learned to
    please the reader."""
    workers: int = 1
    """Processes that judge clips while others are sampled; 0 judges in between."""

    def __post_init__(self) -> None:
        require(self.watch >= 0, "judging.watch", "0 or more")
        require(self.workers >= 0, "judging.workers", "0 or more")
        require(all(weight >= 0 for weight in self.weights.values()), "judging.weights", "0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grpo:
    """Policy gradient with group-relative advantages and a clipped ratio. Defaults are for one pass."""

    kind: Literal["grpo"] = "grpo"
    scale: Scale = "group"
    """What rewards are divided by."""
    advantage_clip: float = 5.0
    """Largest size of an advantage."""
    clip: float = 0.1
    """How far from 1 a ratio may go; published values of about 1e-4 belong to the reduction "mean"."""
    reduction: Reduction = "rsqrt"
    """How log-densities of a clip's elements make one number."""
    norm: RatioNorm = "centered"
    """What is done about the bias of ratios."""
    credit: Credit = "noise"
    """What a step's advantage is given to."""
    equalize: bool = False
    """Weigh steps so that all of a window push the velocity alike."""
    beta: float = 0.0
    """Weight of the divergence from the model that the run began with; 0 keeps no copy of it."""
    anchor: float = 0.0
    """Weight of the mean squared change of velocities since the run began, on each group's first clip at noise levels
    below those of all windows: it keeps the steps that rewards say nothing of as they were. 0 keeps no copy either."""
    passes: int = 1
    """Updates with the same clips; from the second one on ratios are not 1."""
    tolerance: float = 1e-6
    """Largest log ratio before the first update with some clips; where it is more, rollout and training differ."""

    def __post_init__(self) -> None:
        for name in ("advantage_clip", "clip", "passes"):
            require(getattr(self, name) > 0, f"objective.{name}", "positive")
        require(self.credit == "noise" or self.norm != "none", "objective.norm", "centered or guard to credit the clip")
        for name in ("beta", "anchor"):
            require(getattr(self, name) >= 0, f"objective.{name}", "0 or more")
        require(self.tolerance >= 0, "objective.tolerance", "0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rft:
    """Rejection-sampling fine-tuning: flow matching on those clips of the model's own that solve their puzzle."""

    kind: Literal["rft"] = "rft"
    draws: int = 1
    """Noise levels of each clip in an update."""

    def __post_init__(self) -> None:
        require(self.draws > 0, "objective.draws", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dpo:
    """Diffusion-DPO (arXiv:2311.12908) for flow matching: the planner's clip is better than one that failed."""

    kind: Literal["dpo"] = "dpo"
    beta: float = 100.0
    """Inverse temperature, on mean squared errors of velocities."""
    draws: int = 1
    """Noise levels of each pair in an update."""

    def __post_init__(self) -> None:
        require(self.beta > 0, "objective.beta", "positive")
        require(self.draws > 0, "objective.draws", "positive")


ObjectiveConfig = Grpo | Rft | Dpo
"""What is done with judged clips, told by `kind`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpoRun(Run):
    """Reinforcement: `puzzlegen train grpo --config FILE`."""

    kind: Literal["grpo"] = "grpo"
    sampling: Sampling = field(default_factory=Sampling)
    judging: Judging = field(default_factory=Judging)
    objective: ObjectiveConfig = field(default_factory=Grpo)

    def __post_init__(self) -> None:
        Run.__post_init__(self)  # super() does not know a class that `slots` has made anew
        batch, members = self.optimizer.batch, self.sampling.members
        require(batch % members == 0, "optimizer.batch", f"a multiple of sampling.members, {members}: whole groups")
        if self.keeps_reference:
            require(self.machine.parallel == "ddp", "machine.parallel", "ddp: shared weights cannot be kept twice")

    @property
    def groups(self) -> int:
        """Puzzles of an update."""
        return self.optimizer.batch // self.sampling.members

    @property
    def keeps_reference(self) -> bool:
        """Whether training needs the model that the run began with."""
        objective = self.objective
        return isinstance(objective, Dpo) or (isinstance(objective, Grpo) and objective.beta + objective.anchor > 0)


AnyRun = SftRun | GrpoRun
"""A run of training, told by `kind`."""

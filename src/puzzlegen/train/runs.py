"""What a training run is told, section by section; needs no torch. Presets are in examples/configs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from puzzlegen.train.configs import ModelConfig, require

TimeSampling = Literal["uniform", "logit_normal"]
Weighting = Literal["bsmntw", "none"]
Precision = Literal["float32", "bfloat16"]
Tracker = Literal["tensorboard", "wandb", "trackio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of a dataset's clips, and how often they are drawn."""

    task: str = ""
    """Only this task; all if empty."""
    levels: tuple[str, ...] = ()
    """Only these levels; all if empty."""
    weight: float = 1.0
    """Share of the clips drawn, in proportion to the other parts' weights."""
    final_weight: float | None = None
    """Weight at the end of the run, reached in a straight line: a curriculum. As at the beginning if not given."""

    def __post_init__(self) -> None:
        ends = (self.weight, self.weight if self.final_weight is None else self.final_weight)
        require(min(ends) >= 0 and max(ends) > 0, "mixture weight", "0 or more, and not 0 from beginning to end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """Which clips are trained on."""

    folder: str
    """A dataset that `puzzlegen generate` wrote, or its URL."""
    split: str = "train"
    """Of the dataset."""
    mixture: tuple[Part, ...] = ()
    """Parts with weights; if empty, every clip is as likely as any other."""
    cache: str = ""
    """Folder of the clips' latents and the prompts' embeddings; `<folder>-cache` beside a local dataset if empty."""
    cache_precision: Precision = "float32"
    """Of latents on disk."""

    def __post_init__(self) -> None:
        require(bool(self.cache) or "://" not in self.folder, "data.cache", "given for a dataset in an object store")

    @property
    def cache_folder(self) -> str:
        """Where latents and embeddings are kept."""
        return self.cache or f"{self.folder.rstrip('/')}-cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimizer:
    """How weights follow gradients: AdamW, or Muon for matrices; a linear warm-up, then half a cosine."""

    steps: int
    """Updates of the whole run."""
    batch: int
    """Clips an update, over all processes and micro-batches."""
    lr: float = 1e-4
    """Learning rate at the end of the warm-up."""
    muon_lr: float = 0.0
    """Learning rate of Muon, for the matrices of the transformer's blocks; 0 leaves them to AdamW."""
    final_lr: float = 0.0
    """Learning rate at the end of the run, as a share of `lr`."""
    warmup: int = 0
    """Updates until `lr` is reached."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of the running means of gradients and their squares."""
    weight_decay: float = 0.0
    """Decoupled from the gradient."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    ema: float = 0.0
    """Decay of the average of the weights that is evaluated and exported, at most (1 + n) / (10 + n) after n updates;
    0 for none."""

    def __post_init__(self) -> None:
        require(self.steps > 0, "optimizer.steps", "positive")
        require(self.batch > 0, "optimizer.batch", "positive")
        require(self.lr > 0, "optimizer.lr", "positive")
        require(self.muon_lr >= 0, "optimizer.muon_lr", "0 or more")
        require(0 <= self.final_lr <= 1, "optimizer.final_lr", "a share of lr in [0, 1]")
        require(self.warmup >= 0, "optimizer.warmup", "0 or more")
        require(all(0 <= beta < 1 for beta in self.betas), "optimizer.betas", "two numbers in [0, 1)")
        require(self.weight_decay >= 0, "optimizer.weight_decay", "0 or more")
        require(self.max_grad_norm > 0, "optimizer.max_grad_norm", "positive")
        require(0 <= self.ema < 1, "optimizer.ema", "in [0, 1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Which noise levels count how much."""

    sampling: TimeSampling = "uniform"
    """How noise levels are drawn before they are shifted."""
    weighting: Weighting = "bsmntw"
    """Of the loss by noise level: a bell about 0.5, or none."""
    shift: float | None = None
    """Of the noise levels drawn; the model's if not given."""

    def __post_init__(self) -> None:
        require(self.shift is None or self.shift > 0, "loss.shift", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Sampling held-out puzzles in between, judged by the verifier."""

    every: int = 500
    """Updates between two evaluations, a multiple of `checkpoints.every`; one more at the end. 0 for none at all."""
    folder: str = ""
    """A dataset of held-out puzzles; the training dataset if empty."""
    split: str = "test"
    """Of that dataset."""
    num: int = 64
    """Puzzles of each task, the first ones in the dataset; all if there are fewer."""
    num_steps: int = 20
    """Steps of the sampler."""
    seed: int = 0
    """Of the noise that clips are sampled from."""
    batch: int = 16
    """Clips sampled at a time by each process."""
    clips: int = 4
    """Clips of each task kept as mp4, beside the true ones."""

    def __post_init__(self) -> None:
        require(self.every >= 0, "evaluation.every", "0 or more")
        for name in ("num", "num_steps", "batch"):
            require(getattr(self, name) > 0, f"evaluation.{name}", "positive")
        require(self.clips >= 0, "evaluation.clips", "0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoints:
    """What is kept of a run."""

    every: int = 500
    """Updates between two checkpoints; one more at the end."""
    keep: int = 2
    """The newest so many, and the best one besides."""

    def __post_init__(self) -> None:
        require(self.every > 0, "checkpoints.every", "positive")
        require(self.keep > 0, "checkpoints.keep", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """How the work is done. May be changed between two starts of one run; results differ by rounding at most."""

    device: Literal["auto", "cpu"] = "auto"
    """auto takes GPUs if there are any."""
    threads: int = 0
    """CPU threads of each process; as many as torch takes if 0."""
    micro_batch: int = 0
    """Clips in memory at a time on each process; its whole share of the batch if 0."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """With several processes: all weights on each, or a share of them (FSDP2), to train all of a large model."""
    compile: bool = False
    """Compile the transformer's blocks: minutes at the start, faster steps."""
    trackers: tuple[Tracker, ...] = ("tensorboard",)
    """Where figures go besides log.jsonl."""
    log_every: int = 10
    """Updates between two lines of the log."""

    def __post_init__(self) -> None:
        require(self.threads >= 0, "machine.threads", "0 or more")
        require(self.micro_batch >= 0, "machine.micro_batch", "0 or more")
        require(self.log_every > 0, "machine.log_every", "positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What all kinds of training are told."""

    model: ModelConfig
    data: Data
    optimizer: Optimizer
    evaluation: Evaluation = field(default_factory=Evaluation)
    checkpoints: Checkpoints = field(default_factory=Checkpoints)
    machine: Machine = field(default_factory=Machine)
    seed: int = 0
    """Of noise, noise levels and the order of clips."""
    init: str = ""
    """A checkpoint whose weights the run starts from, such as that of a supervised run; the model's own if empty."""

    def __post_init__(self) -> None:
        every = self.checkpoints.every
        multiple = f"a multiple of checkpoints.every, {every}: the best checkpoint is chosen among those evaluated"
        require(self.evaluation.every % every == 0, "evaluation.every", multiple)

    @property
    def keeps_reference(self) -> bool:
        """Whether training needs the model that the run began with."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SftRun(Run):
    """Supervised fine-tuning: `puzzlegen train sft --config FILE`."""

    kind: Literal["sft"] = "sft"
    loss: Loss = field(default_factory=Loss)

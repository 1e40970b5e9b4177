"""What a training run will cost: work, memory and time by arithmetic, without a GPU and without torch.

Work counts matrix products alone, so time at the GPU's limit is a floor. Memory is all that is held, as if at once;
what the allocator wastes comes on top, so leave a few GiB free.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from puzzlegen.errors import InvalidInput
from puzzlegen.train.architecture import Architecture
from puzzlegen.train.configs import Lora, ToyModel, WanModel
from puzzlegen.train.memory import FLOAT32, GIB, activation_bytes, weight_bytes
from puzzlegen.train.shape import Shape

Row = tuple[str, str]
"""Of a table to read: what, and how much."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """What a run may use; the defaults are an H200's."""

    gib: float = 139.0
    """Memory."""
    tflops: float = 790.0
    """Of large matrix products in bfloat16, measured: the limit."""
    share: float = 0.4
    """Of the limit that a training run is assumed to reach."""

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not value > 0:
                raise InvalidInput(f"gpu.{name} must be positive.")
        if self.share > 1:
            raise InvalidInput("gpu.share must be at most 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run and its cost. Floating-point operations are in FLOP, memory in GiB, times in seconds."""

    model: WanModel | ToyModel
    architecture: Architecture
    shape: Shape
    """Of the clips."""
    batch: int
    """Clips of an update."""
    micro_batch: int
    """Clips of a pass."""
    steps: int
    """Updates."""
    ema: bool
    """Whether an average of the trained weights is kept."""
    gpu: Gpu

    @property
    def lora(self) -> Lora | None:
        """The adapters, if they alone are trained."""
        return self.model.lora or None

    @property
    def parameters(self) -> int:
        """All weights of the model, adapters included."""
        return self.architecture.parameters() + (self.trained if self.lora else 0)

    @property
    def trained(self) -> int:
        """Weights that are trained."""
        return self.architecture.adapter_parameters(lora) if (lora := self.lora) else self.parameters

    @property
    def work(self) -> dict[str, float]:
        """FLOP of an update by part."""
        tokens, lora = self.shape.tokens, self.lora
        work: dict[str, float] = {
            "forward": self.batch * self.architecture.forward_flops(tokens, lora),
            "backward": self.batch * self.architecture.backward_flops(tokens, lora),
        }
        if self.model.checkpointing:
            work["recompute"] = self.batch * self.architecture.recompute_flops(tokens, lora)
        return work

    @property
    def memory(self) -> dict[str, float]:
        """GiB by part, at the most that is held at once while training."""
        state = self.trained * FLOAT32 / GIB
        return {
            "weights": weight_bytes(self.architecture, self.lora, self._element) / GIB,
            "gradients": state,
            "AdamW": 2 * state,
            "EMA": state * self.ema,
            "autoencoder": self.architecture.codec_parameters() * FLOAT32 / GIB,
            "activations": self.micro_batch * self._clip_gib,
        }

    @property
    def peaks(self) -> dict[str, float]:
        """GiB in all, by what is done."""
        return {"training": sum(self.memory.values())}

    @property
    def fits(self) -> bool:
        """Whether memory suffices, by this arithmetic."""
        return max(self.peaks.values()) <= self.gpu.gib

    @property
    def largest_micro_batch(self) -> int:
        """The largest that fits and divides the batch; 0 if not even one clip fits."""
        sizes = (size for size in range(1, self.batch + 1) if self.batch % size == 0)
        return max((size for size in sizes if replace(self, micro_batch=size).fits), default=0)

    @property
    def advice(self) -> str:
        """What to change if it does not fit, or need not be; empty if nothing."""
        if self.fits:
            if self.model.checkpointing and (plain := self._with(checkpointing=False)).fits:
                return f"It fits without checkpointing too, for {1 - plain._total / self._total:.0%} less work."
            return ""
        largest = self.largest_micro_batch
        found = [f"a micro-batch of {largest} fits"] if largest else []
        if not self.model.checkpointing:
            other = self._with(checkpointing=True)
            if other.largest_micro_batch > largest:
                more = other._total / self._total - 1
                found.append(f"with checkpointing, for {more:.0%} more work, one of {other.largest_micro_batch}")
        if self.lora is None:
            other = self._with(lora=Lora())
            if other.largest_micro_batch > largest:
                found.append(f"with LoRA, one of {other.largest_micro_batch}")
        if not found:
            return "Not even one clip fits. Take smaller or shorter ones, or a larger GPU."
        return f"What to change: {'; '.join(found)}."

    def seconds(self, share: float = 1.0) -> float:
        """Of an update at this share of the GPU's limit."""
        return self._total / (share * self.gpu.tflops * 1e12)

    def run_seconds(self, share: float = 1.0) -> float:
        """Of all updates."""
        return self.steps * self.seconds(share)

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain JSON values."""
        shares = {"limit": 1.0, "assumed": self.gpu.share}
        encode, decode = self.architecture.encode_flops(self.shape), self.architecture.decode_flops(self.shape)
        return {
            "clip": {"width": self.shape.width, "height": self.shape.height, "num_frames": self.shape.num_frames},
            "latent_CTHW": list(self.shape.latent_CTHW),
            "tokens": {"video": self.shape.tokens, "text": self.architecture.text_length},
            "parameters": {"all": self.parameters, "trained": self.trained},
            "batch": self.batch,
            "micro_batch": self.micro_batch,
            "steps": self.steps,
            "tflop_per_step": {part: flops / 1e12 for part, flops in self.work.items()},
            "tflop_per_clip_of_autoencoder": {"encode": encode / 1e12, "decode": decode / 1e12},
            "memory_gib": self.memory,
            "peaks_gib": self.peaks,
            "fits": self.fits,
            "largest_micro_batch": self.largest_micro_batch,
            "advice": self.advice,
            "gpu": asdict(self.gpu),
            "seconds_per_step": {name: self.seconds(share) for name, share in shares.items()},
            "clips_per_second": {name: self.batch / self.seconds(share) for name, share in shares.items()},
            "hours": {name: self.run_seconds(share) / 3600 for name, share in shares.items()},
        }

    def lines(self) -> list[str]:
        """All of it as a table to read, with what to change last."""
        table = [*self._clip_rows(), *self._work_rows(), *self._memory_rows(), *self._speed_rows()]
        if self.architecture.wan_vae:
            encode, decode = self.architecture.encode_flops(self.shape), self.architecture.decode_flops(self.shape)
            table.append(("autoencoder", f"about {_tflop(encode)} to encode a clip, {_tflop(decode)} to decode one"))
        return [f"{name:<14}{text}" for name, text in table] + [self.advice] * bool(self.advice)

    def _clip_rows(self) -> list[Row]:
        """What is trained on, and what is trained."""
        shape, lora = self.shape, self.lora
        channels, frames, rows, columns = shape.latent_CTHW
        trained = f"{_count(self.parameters)}, {_count(self.trained)} of them trained"
        return [
            ("clip", f"{shape.width} x {shape.height}, {shape.num_frames} frames"),
            ("latents", f"{frames} x {rows} x {columns}, {channels} channels"),
            ("tokens", f"{shape.tokens:,}, and {self.architecture.text_length} of text"),
            ("parameters", trained + (f": LoRA of rank {lora.rank}" if lora else "")),
        ]

    def _work_rows(self) -> list[Row]:
        tokens = self.shape.tokens
        attention = self.architecture.attention_flops(tokens) / self.architecture.forward_flops(tokens, self.lora)
        return [
            ("work", f"{_tflop(self._total)} for an update of {self.batch} clips"),
            *((f"  {part}", _tflop(flops)) for part, flops in self.work.items()),
            ("  attention", f"{attention:.0%} of forward"),
        ]

    def _memory_rows(self) -> list[Row]:
        highest = max(self.peaks.values())
        rows = [
            ("memory", f"{highest:.1f} GiB of {self.gpu.gib:g}: {'fits' if self.fits else 'DOES NOT FIT'}"),
            *((f"  {part}", f"{gib:.2f} GiB") for part, gib in self.memory.items() if gib >= 0.005),
            ("", f"for {self.micro_batch} clips at once, {self._clip_gib:.2f} GiB each"),
        ]
        if len(self.peaks) > 1:
            rows.append(("  peaks", ", ".join(f"{gib:.1f} GiB while {what}" for what, gib in self.peaks.items())))
        return [*rows, ("largest", f"micro-batch that fits and divides {self.batch}: {self.largest_micro_batch}")]

    def _speed_rows(self) -> list[Row]:
        shares = {"at the limit": 1.0, f"at {self.gpu.share:.0%} of it": self.gpu.share}
        return [
            (name, f"{self._speed(share)}, {self.steps:,} updates in {_duration(self.run_seconds(share))}")
            for name, share in shares.items()
        ]

    def _speed(self, share: float) -> str:
        seconds = self.seconds(share)
        return f"{seconds:.3g} s an update, {self.batch / seconds:.3g} clips a second"

    @property
    def _element(self) -> int:
        """Bytes of a number in matrix products."""
        return 2 if self.model.precision == "bf16" else FLOAT32

    @property
    def _total(self) -> float:
        return sum(self.work.values())

    @property
    def _clip_gib(self) -> float:
        tokens, lora = self.shape.tokens, self.lora
        kept = activation_bytes(self.architecture, tokens, lora, self._element, checkpointing=self.model.checkpointing)
        return kept / GIB

    def _with(self, **changes: Any) -> Plan:
        return replace(self, model=replace(self.model, **changes))


def plan(
    model: WanModel | ToyModel,
    *,
    width: int,
    height: int,
    num_frames: int,
    batch: int,
    micro_batch: int,
    steps: int,
    ema: bool,
    gpu: Gpu,
) -> Plan:
    """The cost of a run.

    Args:
        model: as configured; of a folder, its config.json are read.
        width: of the clips in pixels.
        height: the same.
        num_frames: of the clips.
        batch: clips of an optimizer's step.
        micro_batch: clips of a forward pass.
        steps: of the optimizer.
        ema: whether an average of the trained weights is kept.
        gpu: what to run on.

    Raises:
        InvalidInput: the model's sizes are not known, it does not take such clips, or a number is not positive.
    """
    for name, value in {"batch": batch, "micro_batch": micro_batch, "steps": steps}.items():
        if value < 1:
            raise InvalidInput(f"{name} must be positive.")
    architecture = Architecture.of(model)
    shape = architecture.shape(width, height, num_frames)
    return Plan(
        model=model,
        architecture=architecture,
        shape=shape,
        batch=batch,
        micro_batch=micro_batch,
        steps=steps,
        ema=ema,
        gpu=gpu,
    )


def _count(number: int) -> str:
    """Such as 5.00 B or 161 M."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if number >= size:
            return f"{number / size:.2f} {unit}"
    return str(number)


def _tflop(flops: float) -> str:
    """With three digits at least."""
    number = flops / 1e12
    return f"{number:,.0f} TFLOP" if number >= 100 else f"{number:.3g} TFLOP"


def _duration(seconds: float) -> str:
    """In the largest unit that gives at least one."""
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} seconds"

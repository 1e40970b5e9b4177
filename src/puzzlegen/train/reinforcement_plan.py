"""What a run of reinforcement will cost, and what its window saves; needs no torch.

The arithmetic is `plan`'s. An update samples clips, decodes them and trains on them:

    GRPO: each step of the window forward and backward, again for each of `passes` over the same clips
    RFT:  each clip forward and backward, `draws` times, at most: if all of them solve their puzzle
    DPO:  two clips for each sampled one, at most: if all of them fail; and both through the reference

Left out, as in `plan`: evaluations. Judging is the processor's work, and is done while others are sampled.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import Any

from puzzlegen.errors import InvalidInput
from puzzlegen.train.memory import FLOAT32, GIB, decode_bytes, forward_bytes
from puzzlegen.train.plan import Gpu, Plan, Row, plan
from puzzlegen.train.reinforcement import Dpo, Grpo, GrpoRun, ObjectiveConfig, Sampling


@dataclass(frozen=True, kw_only=True)
class GrpoPlan(Plan):
    """A run of reinforcement and its cost. Numbers of an update are those of one with this window."""

    sampling: Sampling
    objective: ObjectiveConfig
    window: range
    """Steps of the sampler that are stochastic."""

    @property
    def groups(self) -> int:
        """Puzzles of an update."""
        return self.batch // self.sampling.members

    @property
    def sampler_passes(self) -> float:
        """Forward passes that make a clip: fewer than steps where the sampler takes fewer after the window, and where
        the members of a group share those before it."""
        left = self.sampling.num_steps - self.window.stop
        before = self.window.start / (self.sampling.members if self.sampling.shared_noise else 1)
        return before + len(self.window) + min(left, self.sampling.tail_steps or left)

    @property
    def trained_passes(self) -> float:
        """Forward and backward passes for each sampled clip, at most; an anchor takes one for each group."""
        if isinstance(self.objective, Grpo):
            return (len(self.window) + self._anchored) * self.objective.passes
        return self.objective.draws * (2 if isinstance(self.objective, Dpo) else 1)

    @property
    def reference_passes(self) -> float:
        """Forward passes of the model that the run began with for each sampled clip."""
        if isinstance(self.objective, Grpo):
            steps = len(self.window) * (self.objective.beta > 0)
            return (steps + self._anchored) * self.objective.passes
        return self.trained_passes * isinstance(self.objective, Dpo)

    @property
    def work(self) -> dict[str, float]:
        """FLOP of an update by part."""
        forward = self._forward_flops
        work: dict[str, float] = {"sampling": self.batch * self.sampler_passes * forward}
        if decode := self.architecture.decode_flops(self.shape):
            work["decoding"] = self.batch * decode
        work |= {part: self.trained_passes * flops for part, flops in super().work.items()}
        if self.reference_passes:
            work["reference"] = self.batch * self.reference_passes * forward
        return work

    @property
    def memory(self) -> dict[str, float]:
        """See `Plan`; besides, a copy of the trained weights as they were, and the latents that are trained on."""
        memory = super().memory
        activations = memory.pop("activations")
        if self.reference_passes:
            memory["reference"] = self.trained * FLOAT32 / GIB
        memory["latents"] = self.batch * self._kept_latents * math.prod(self.shape.latent_CTHW) * FLOAT32 / GIB
        return memory | {"activations": activations}

    @property
    def peaks(self) -> dict[str, float]:
        """See `Plan`; while clips are made there are no gradients."""
        memory, tokens = self.memory, self.shape.tokens
        held = sum(memory.values()) - memory["gradients"] - memory["activations"]
        sampling = forward_bytes(self.architecture, tokens, self.lora, self._element)
        peaks = super().peaks | {"sampling": held + self.micro_batch * sampling / GIB}
        if decoding := decode_bytes(self.architecture, self.shape):
            peaks["decoding"] = held + self.micro_batch * decoding / GIB
        return peaks

    @property
    def everywhere(self) -> GrpoPlan:
        """The same, were all steps stochastic that can be: all but the last."""
        plain = replace(self.sampling, tail_steps=None)
        return replace(self, sampling=plain, window=range(self.sampling.num_steps - 1))

    @property
    def saved(self) -> float:
        """The share of the time of `everywhere` that the window saves; 0 for objectives that train no steps."""
        if not isinstance(self.objective, Grpo):
            return 0.0
        steps, window, forward = self.sampling.num_steps, len(self.window), self._forward_flops
        there_and_back = sum(super().work.values()) / self.batch
        anchor = self.objective.passes * self._anchored * (1 + there_and_back / forward)
        return saved_fraction(
            steps,
            window,
            against=steps - 1,
            backward=self.objective.passes * there_and_back / forward,
            reference=self.objective.passes * (self.objective.beta > 0),
            tail=(self.sampler_passes - window) / (steps - window),
            decode=self.architecture.decode_flops(self.shape) / forward + anchor,
        )

    def group_seconds(self, share: float = 1.0) -> float:
        """Of an update's puzzle, at this share of the GPU's limit."""
        return self.seconds(share) / self.groups

    def run_seconds(self, share: float = 1.0) -> float:
        """Of all updates, each with its own window."""
        return sum(count * replace(self, window=window).seconds(share) for window, count in self._windows.items())

    def as_dict(self) -> dict[str, Any]:
        """See `Plan`."""
        shares = {"limit": 1.0, "assumed": self.gpu.share}
        plain = super().as_dict() | {
            "objective": self.objective.kind,
            "groups": self.groups,
            "members": self.sampling.members,
            "num_steps": self.sampling.num_steps,
            "window": [*self.window],
            "passes_per_clip": {
                "sampling": self.sampler_passes,
                "training": self.trained_passes,
                "reference": self.reference_passes,
            },
            "seconds_per_group": {name: self.group_seconds(share) for name, share in shares.items()},
        }
        if isinstance(self.objective, Grpo):
            plain["saving"] = {
                "against_steps": self.sampling.num_steps - 1,
                "fraction": self.saved,
                "seconds_per_step": {
                    name: self.everywhere.seconds(share) - self.seconds(share) for name, share in shares.items()
                },
            }
        return plain

    def _clip_rows(self) -> list[Row]:
        first, last = self.window[0] + 1, self.window[-1] + 1
        told = f"{self.sampling.num_steps} steps, with noise in {f'{first} to {last}' if last > first else first}"
        if len(self._windows) > 1:
            told += " at first"
        if self.sampling.tail_steps:
            told += f", {min(self.sampling.tail_steps, self.sampling.num_steps - self.window.stop)} after it"
        update = f"{self.groups} puzzles, {self.sampling.members} clips of each"
        return [*super()._clip_rows(), ("update", update), ("sampler", told)]

    def _work_rows(self) -> list[Row]:
        objective = self.objective
        if isinstance(objective, Grpo):
            told = f"{len(self.window)} steps of each clip" + f", {objective.passes} times" * (objective.passes > 1)
        else:
            failed = isinstance(objective, Dpo)
            told = f"at most {self.trained_passes} passes for each clip, if all {'fail' if failed else 'are solved'}"
        return [*super()._work_rows(), ("  trained", told)]

    def _speed_rows(self) -> list[Row]:
        rows = super()._speed_rows()
        if isinstance(self.objective, Grpo) and self.saved:
            mine, all_steps = self.seconds(), self.everywhere.seconds()
            told = f"{self.saved:.0%} of the time of training all {self.sampling.num_steps - 1} stochastic steps: "
            rows.append(("saved", told + f"{mine:.3g} s an update at the limit, not {all_steps:.3g}"))
        return rows

    def _speed(self, share: float) -> str:
        return f"{super()._speed(share)}, {self.group_seconds(share):.3g} s a puzzle"

    @property
    def _forward_flops(self) -> int:
        return self.architecture.forward_flops(self.shape.tokens, self.lora)

    @property
    def _windows(self) -> Counter[range]:
        """Those of the run, with the number of their updates."""
        return Counter(self.sampling.window(update, self.sampling.num_steps) for update in range(self.steps))

    @property
    def _anchored(self) -> float:
        """Clips that hold velocities where they were, for each sampled one."""
        return isinstance(self.objective, Grpo) and (self.objective.anchor > 0) / self.sampling.members

    @property
    def _kept_latents(self) -> int:
        """Of a sampled clip: before and after the steps and, where ratios are corrected, their means; or clips."""
        if isinstance(self.objective, Grpo):
            return len(self.window) * (1 if self.objective.norm == "none" else 2) + 1
        return 2 if isinstance(self.objective, Dpo) else 1


def reinforcement_plan(
    run: GrpoRun, *, width: int, height: int, num_frames: int, gpu: Gpu, num_gpus: int = 1
) -> GrpoPlan:
    """The cost of a run.

    Args:
        run: the configuration.
        width: of the clips in pixels.
        height: the same.
        num_frames: of the clips.
        gpu: what to run on.
        num_gpus: so many share an update; what is planned is one of them.

    Raises:
        InvalidInput: as for `plan`, or GPUs cannot have as many whole groups each.
    """
    if run.groups % num_gpus:
        raise InvalidInput(
            f"optimizer.batch {run.optimizer.batch} cannot be shared by {num_gpus} GPUs in groups of "
            f"{run.sampling.members}. Make it a multiple of {num_gpus * run.sampling.members}."
        )
    batch = run.optimizer.batch // num_gpus
    base = plan(
        run.model,
        width=width,
        height=height,
        num_frames=num_frames,
        batch=batch,
        micro_batch=run.machine.micro_batch or batch,
        steps=run.optimizer.steps,
        ema=run.optimizer.ema > 0,
        gpu=gpu,
    )
    return GrpoPlan(
        **{field.name: getattr(base, field.name) for field in fields(base)},
        sampling=run.sampling,
        objective=run.objective,
        window=run.sampling.window(0, run.sampling.num_steps),
    )


def saved_fraction(
    num_steps: int,
    window: int,
    *,
    backward: float,
    against: int | None = None,
    reference: float = 0.0,
    guidance: int = 1,
    tail: float = 1.0,
    decode: float = 0.0,
) -> float:
    """The share of GRPO's time that training in `window` of the sampler's steps saves, against training in more.

        cost(k) = g * (k + c * (T - k)) + r + k * g * (b + kappa), in forward passes a sample;  1 - cost(k) / cost(all)

    Args:
        num_steps: T, of the sampler.
        window: k, steps that are trained.
        backward: b, a forward pass for training and its backward pass.
        against: steps that would be trained otherwise, with c = 1; all T if not given.
        reference: kappa, 1 if a KL term asks a reference model.
        guidance: g, 2 with classifier-free guidance.
        tail: c, the cost of a step outside of the window, for a better solver there.
        decode: r, decoding and judging a clip.
    """
    if not 0 <= window <= num_steps or num_steps < 1:
        raise InvalidInput(f"A window of {window} steps does not fit {num_steps}. Take one of 0 to {num_steps}.")

    def cost(trained: int, solver: float) -> float:
        sampling = guidance * (trained + solver * (num_steps - trained)) + decode
        return sampling + trained * guidance * (backward + reference)

    return 1 - cost(window, tail) / cost(num_steps if against is None else against, 1.0)

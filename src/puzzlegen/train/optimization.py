"""From gradients to weights: AdamW and Muon with warm-up and cosine, clipping, and an average of the weights."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import torch
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import AdamW, Muon

from puzzlegen.errors import CorruptData, Diverged
from puzzlegen.train.runs import Optimizer


def rate(step: int, config: Optimizer) -> float:
    """The share of the learning rates at update number `step`, counted from 0.

    A line up to 1, then half a cosine down to `final_lr`.
    """
    if step < config.warmup:
        return (step + 1) / (config.warmup + 1)
    progress = (step - config.warmup) / max(1, config.steps - config.warmup)
    return config.final_lr + (1 - config.final_lr) * (1 + math.cos(math.pi * progress)) / 2


class Optimization:
    """The trained weights with all that an update needs to know of the updates before it."""

    def __init__(self, weights: Mapping[str, nn.Parameter], config: Optimizer) -> None:
        """Takes the weights as they are now for the start of the average."""
        self._weights, self._config = dict(weights), config
        hidden = {name: weight for name, weight in self._weights.items() if config.muon_lr and _is_hidden(name, weight)}
        others, decay = [self._weights[name] for name in self._weights if name not in hidden], config.weight_decay
        self._optimizers: dict[str, tuple[torch.optim.Optimizer, float]] = {}
        if others:
            self._optimizers["adamw"] = AdamW(others, betas=config.betas, weight_decay=decay, fused=True), config.lr
        if hidden:
            muon = Muon(hidden.values(), weight_decay=decay, adjust_lr_fn="match_rms_adamw")
            self._optimizers["muon"] = muon, config.muon_lr
        self._updates = torch.zeros((), dtype=torch.int64)
        self._ema = EMAModel(self._weights.values(), decay=config.ema, foreach=True) if config.ema else None

    def update(self, step: int) -> dict[str, float]:
        """Change the weights by their gradients and forget those. Gives `lr` and the norm before clipping.

        Raises Diverged, on all processes and before any weight has changed, if the norm is not finite.
        """
        share = rate(step, self._config)
        norm = float(_whole(nn.utils.clip_grad_norm_(self._weights.values(), self._config.max_grad_norm)))
        if not math.isfinite(norm):
            raise Diverged(
                f"The gradient of update {step + 1} is not finite. Lower optimizer.lr, or look for what is wrong "
                "with the clips; checkpoints are from before."
            )
        for optimizer, lr in self._optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = lr * share
        self._step()
        self._updates += 1
        if self._ema:
            self._ema.step(self._weights.values())
        return {"lr": self._config.lr * share, "grad_norm": norm}

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Inside, the weights are their average, where one is kept."""
        if not self._ema:
            yield
            return
        kept = [weight.detach().clone() for weight in self._weights.values()]
        self._put(self._ema.shadow_params)
        try:
            yield
        finally:
            self._put(kept)

    def averages(self, *, keep: bool = True) -> dict[str, Tensor]:
        """The average of the weights, or the weights where none is kept, by name.

        Every process must ask, as each may have a part; those that do not `keep` get nothing.
        """
        values = self._ema.shadow_params if self._ema else self._weights.values()
        return _gathered(zip(self._weights, values, strict=True), keep)

    def state(self, *, keep: bool = True) -> dict[str, Tensor]:
        """All that is needed to go on: weights, their averages, the optimizers' running means. As for `averages`."""
        return _gathered(self._tensors().items(), keep)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Continue where `state` was taken. Raises CorruptData unless `state` is of a run of the same model."""
        for weight in self._weights.values():  # optimizers make their means with the first gradient
            weight.grad = torch.zeros_like(weight)
        self._step()
        own = self._tensors()
        differing = sorted(set(own) ^ set(state)) or [name for name in own if own[name].shape != state[name].shape]
        if differing:
            raise CorruptData(f"The stored state does not fit the model: {differing[0]} and {len(differing) - 1} more.")
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(_like(tensor, state[name]))
        if self._ema:
            self._ema.optimization_step = int(self._updates)

    @torch.no_grad()
    def _put(self, values: Iterable[Tensor]) -> None:
        for weight, value in zip(self._weights.values(), values, strict=True):
            weight.copy_(value)

    def _tensors(self) -> dict[str, Tensor]:
        named: dict[str, Tensor] = {f"weights/{name}": weight for name, weight in self._weights.items()}
        named["updates"] = self._updates
        if self._ema:
            named |= {f"ema/{n}": value for n, value in zip(self._weights, self._ema.shadow_params, strict=True)}
        for kind, (optimizer, _) in self._optimizers.items():
            for name, weight in self._weights.items():
                named |= {f"{kind}/{name}/{key}": value for key, value in optimizer.state.get(weight, {}).items()}
        return named

    def _step(self) -> None:
        for optimizer, _ in self._optimizers.values():
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)


def _is_hidden(name: str, weight: Tensor) -> bool:
    """Whether it is a matrix within the repeated blocks: what Muon is for."""
    return weight.ndim == 2 and "blocks." in name


def _gathered(named: Iterable[tuple[str, Tensor]], keep: bool) -> dict[str, Tensor]:
    """Tensors as they are; those of which each process has a part are joined, one by one, in main memory."""
    found: dict[str, Tensor] = {}
    for name, tensor in named:
        joined = _whole(tensor.detach())
        if keep:
            found[name] = joined.cpu().clone() if isinstance(tensor, DTensor) else joined
    return found


def _whole(tensor: Tensor) -> Tensor:
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def _like(tensor: Tensor, value: Tensor) -> Tensor:
    """A whole value, or this process's part of it, on the tensor's device."""
    if isinstance(tensor, DTensor):
        return distribute_tensor(value.to(tensor.device), tensor.device_mesh, tensor.placements)
    return value.to(tensor.device)

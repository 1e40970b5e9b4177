"""Devices, processes and the run's folder: what is around a loop, the same for all of them."""

from __future__ import annotations

import atexit
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import torch
import torch.distributed as dist
from accelerate import Accelerator
from accelerate.utils import InitProcessGroupKwargs, broadcast_object_list
from torch import nn

from puzzlegen import canonical
from puzzlegen.errors import InvalidInput, OutputError, PuzzlegenError
from puzzlegen.shards.store import open_store
from puzzlegen.train.policy import VideoPolicy
from puzzlegen.train.runs import Machine

RUN = "run.json"
_WORK = ".work"
_PATIENCE = timedelta(hours=4)
"""How long processes wait for one that still encodes clips or writes a large checkpoint."""


def open_machine(config: Machine) -> Accelerator:
    """The devices and processes of this run: one process, or as many as torchrun or accelerate has started.

    Of accelerate's own settings none is taken over: precision, accumulation and sharding are the run's.

    Raises:
        InvalidInput: accelerate is set up to wrap models in its own way.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.backends.cuda.enable_cudnn_sdp(False)  # its backward pass gives NaN for small noise levels
    patience = InitProcessGroupKwargs(timeout=_PATIENCE)
    accelerator = Accelerator(cpu=config.device == "cpu", mixed_precision="no", kwargs_handlers=[patience])
    kind = accelerator.distributed_type.value
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise InvalidInput(f"accelerate is set up for {kind}. Choose plain processes there, and set machine.parallel.")
    atexit.register(_leave_processes)
    return accelerator


def _leave_processes() -> None:
    """A process that ends with its threads still listening to the others is aborted now and then."""
    if dist.is_initialized():
        dist.destroy_process_group()


def distributed(losses: nn.Module, policy: VideoPolicy, config: Machine, accelerator: Accelerator) -> nn.Module:
    """A module that makes losses with the policy, ready for all processes, with weights where they belong."""
    if config.compile:
        policy.compile()
    if config.parallel == "fsdp" and accelerator.num_processes > 1:
        policy.shard()
        return losses
    wrapped: nn.Module = accelerator.prepare(losses)
    return wrapped


@contextmanager
def claimed(folder: Path, described: Mapping[str, Any], accelerator: Accelerator) -> Iterator[None]:
    """Take the folder for this run: inside, no other process writes it, and no other run ever did.

    Args:
        folder: made if it is not there.
        described: what makes it this run and no other, in plain JSON values.
        accelerator: the first process alone writes.

    Raises:
        OutputError: another run's folder, or another process is at it; on all processes.
    """
    with ExitStack() as stack:
        refusals: list[PuzzlegenError | None] = [None]
        if accelerator.is_main_process:
            try:
                stack.enter_context(_claimed_by_this_process(folder, described))
            except PuzzlegenError as error:
                refusals = [error]
        (refusal,) = broadcast_object_list(refusals)
        if refusal:
            raise refusal
        yield


@contextmanager
def _claimed_by_this_process(folder: Path, described: Mapping[str, Any]) -> Iterator[None]:
    store = open_store(folder)
    store.make_folders()
    _refuse_other(folder, described)
    store.make_folders(_WORK)
    with store.locked(_WORK):
        store.write(RUN, (json.dumps(described, indent=2, sort_keys=True) + "\n").encode())
        yield


def _refuse_other(folder: Path, described: Mapping[str, Any]) -> None:
    store = open_store(folder)
    if not set(store.names()) - {_WORK, RUN}:  # a start that came to nothing, such as one with a wrong path
        return
    if not store.exists(RUN):
        raise OutputError(f"{folder} is not empty and holds no run of puzzlegen. Choose another --out.")
    try:
        theirs = json.loads(store.read(RUN))
    except (OSError, ValueError) as error:
        raise OutputError(f"{folder}/{RUN} cannot be read: {error}. Choose another --out.") from error
    if theirs != described:
        where = canonical.difference(theirs, described)
        raise OutputError(f"{folder} holds another run ({where}). Choose another --out.")


@contextmanager
def asked_to_stop(accelerator: Accelerator) -> Iterator[Callable[[], bool]]:
    """Yield a question for the end of each update: has any process had a SIGINT or SIGTERM?

    The second signal acts at once, as it does without us.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        accelerator.set_trigger()
        if accelerator.is_main_process:
            print("\nStopping after this update; once more to stop at once.", file=sys.stderr)
        signal.signal(number, before[signal.Signals(number)])

    for number in before:
        signal.signal(number, note)
    try:
        yield accelerator.check_trigger
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

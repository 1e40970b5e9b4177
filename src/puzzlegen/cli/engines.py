"""Options that say where jobs run, and the engine they ask for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, TypeVar

import click

from puzzlegen.errors import InvalidInput, MissingExtra

if TYPE_CHECKING:
    from puzzlegen.generate.engines import Engine
    from puzzlegen.generate.engines.ray_cluster import RayCluster

Command = TypeVar("Command", bound=Callable[..., Any])


def engine_options(command: Command) -> Command:
    """Add --engine and --address; the command gets `engine_name` and `address`, for `open_engine`."""
    address = click.option(
        "--address",
        metavar="ADDRESS",
        help='With --engine ray: a running cluster, such as "auto". [default: a local Ray]',
    )
    engine = click.option(
        "--engine", "engine_name", type=click.Choice(["local", "ray"]), default="local", show_default=True,
        help="Processes of this machine, or Ray. Never changes rows.",
    )  # fmt: skip
    return engine(address(command))


@contextmanager
def open_engine(workers: int, name: str = "local", address: str | None = None) -> Iterator[Engine]:
    """The engine for the block: here with one worker, in a pool with more, or on Ray.

    Raises:
        InvalidInput: an address without Ray, or one that nothing answers at.
        MissingExtra: ray is not installed.
    """
    from puzzlegen.generate.engines import InProcess, LocalPool

    if address is not None and name != "ray":
        raise InvalidInput("--address is that of a Ray cluster. Add --engine ray.")
    if name == "ray":
        # Ray tells of killed workers and new nodes; stdout is for results
        with redirect_stdout(sys.stderr), closing(_ray(workers, address)) as engine:
            yield engine
    elif workers > 1:
        with closing(LocalPool(workers)) as engine:
            yield engine
    else:
        yield InProcess()


def _ray(workers: int, address: str | None) -> RayCluster:
    """A cluster has the workers it has; a local Ray has as many as are asked for."""
    try:
        from puzzlegen.generate.engines.ray_cluster import RayCluster
    except ModuleNotFoundError as error:
        if error.name != "ray":
            raise
        raise MissingExtra(f"{click.get_current_context().command_path} --engine ray", "ray", "ray") from error
    return RayCluster(address, workers)

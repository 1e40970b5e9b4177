"""The command line: one file per group of commands; nothing heavy is imported before a command runs."""

from __future__ import annotations

import importlib
import os
import sys

import click

import puzzlegen
from puzzlegen.errors import OutputError, PuzzlegenError

_COMMANDS = {
    "list": "puzzlegen.cli.recipes",
    "check": "puzzlegen.cli.recipes",
    "generate": "puzzlegen.cli.datasets",
    "merge": "puzzlegen.cli.units",
    "verify": "puzzlegen.cli.datasets",
    "show": "puzzlegen.cli.datasets",
    "gallery": "puzzlegen.cli.looking",
    "stats": "puzzlegen.cli.looking",
    "export": "puzzlegen.cli.exports",
    "solve": "puzzlegen.cli.puzzles",
    "render": "puzzlegen.cli.puzzles",
    "score": "puzzlegen.cli.scoring",
    "score-text": "puzzlegen.cli.scoring",
    "explain": "puzzlegen.cli.scoring",
    "selftest": "puzzlegen.cli.scoring",
    "train": "puzzlegen.cli.training",
}
_INTERRUPTED = 130


class _Commands(click.Group):
    """Loads a command's module when the command, or its help, is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(_COMMANDS[cmd_name])
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            from puzzlegen.errors import UnknownName

            raise UnknownName("command", args[0], _COMMANDS)
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(puzzlegen.__version__)
def commands() -> None:
    """Procedural video-reasoning data: puzzles sampled, solved, rendered, verified and sharded.

    Exit codes: 0 done, 1 could not be done, 2 bad input, 3 corrupt data, 4 unusable output, 130 interrupted.
    """


def main() -> None:
    """Run; errors that are meant for a user become one line on stderr and their exit code."""
    for library in ("OPENBLAS", "VECLIB"):  # our matrices are small: more threads only wait for each other
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")
    try:
        status = commands(prog_name="puzzlegen", standalone_mode=False)
    except click.Abort:
        click.echo("Interrupted. What is complete stays; run the same command to go on.", err=True)
        status = _INTERRUPTED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        status = error.exit_code
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        hint = f" See {context.command_path} --help." if context else ""
        click.echo(f"Error: {' '.join(error.format_message().split())}{hint}", err=True)
        status = error.exit_code
    except PuzzlegenError as error:
        click.echo(f"Error: {error}", err=True)
        status = error.exit_code
    except BrokenPipeError:  # the reader of our output has gone, such as `| head`
        sys.stderr.close()
        status = 1
    except OSError as error:  # whatever the file system refuses where no room foresaw it
        click.echo(f"Error: {error}", err=True)
        status = OutputError.exit_code
    sys.exit(status if isinstance(status, int) else 0)

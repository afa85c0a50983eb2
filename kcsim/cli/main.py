"""The ``kcsim`` command: its subcommands, and what happens to errors."""

from __future__ import annotations

import errno
import sys

import typer

from kcsim.cli import (
    check,
    cluster,
    compare,
    estimate,
    evaluate,
    hardware,
    mapping,
    networks,
    schema,
)
from kcsim.cli.interrupt import interruptible
from kcsim.cli.streams import abandon_output, prepare_streams, say
from kcsim.errors import InputError, KcsimError

MAX_PROBLEMS = 25
WRONG_INPUT = 2
BROKEN_PIPE = 141
"""As of a program that the signal of a broken pipe has ended."""

app = typer.Typer(
    name="kcsim",
    help="Estimate what a CNN accelerator spends on a network: energy, memory traffic, cycles, "
    "for dense weights and for clustered ones.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.command(name="estimate")(estimate.command)
app.command(name="compare")(compare.command)
app.command(name="cluster")(cluster.command)
app.command(name="evaluate")(evaluate.command)
app.command(name="check")(check.command)
app.command(name="map")(mapping.command)
app.command(name="networks")(networks.command)
app.command(name="hardware")(hardware.command)
app.command(name="schema")(schema.command)


def _show_version(asked: bool) -> None:
    if asked:
        from kcsim import __version__

        typer.echo(f"kcsim {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and stop.",
        callback=_show_version,
        is_eager=True,
    ),
) -> None:
    """Estimate what a CNN accelerator spends on a network."""


def run() -> None:
    """Run the command; user errors end with exit code 2 and no traceback, Ctrl-C with 130."""
    prepare_streams()
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has gone, and wants no more.
        abandon_output()
        code = BROKEN_PIPE
    except OSError as error:
        abandon_output()
        place = f"'{error.filename}'" if error.filename else "standard output"
        closed = error.errno == errno.EBADF
        say(f"error: {place}: {'it is closed' if closed else (error.strerror or 'failed').lower()}")
        code = WRONG_INPUT
    sys.exit(code)


def _run() -> int | str | None:
    """What the command ends with, as `sys.exit` takes it."""
    try:
        with interruptible():
            app()
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            # Typer would end with what says that layers differ.
            raise stop.__context__ from None
        return stop.code
    except InputError as error:
        _report(error)
        return WRONG_INPUT
    except KcsimError as error:
        say(f"error: {error}")
        return WRONG_INPUT
    return 0


def _report(error: InputError) -> None:
    for problem in error.problems[:MAX_PROBLEMS]:
        say(f"error: {problem.with_excerpt()}")
    hidden = len(error.problems) - MAX_PROBLEMS
    if hidden > 0:
        say(f"error: and {hidden} more")

"""The ``kcsim`` command: its subcommands, and what happens to errors."""

from __future__ import annotations

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
from kcsim.errors import InputError, KcsimError

__all__ = ["app", "run"]

MAX_PROBLEMS = 25

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
    try:
        with interruptible():
            app()
    except InputError as error:
        _report(error)
        sys.exit(2)
    except KcsimError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        # The reader of a pipe has gone; keep Python from complaining at exit.
        sys.stderr.close()
        sys.exit(141)


def _report(error: InputError) -> None:
    for problem in error.problems[:MAX_PROBLEMS]:
        print(f"error: {problem.with_excerpt()}", file=sys.stderr)
    hidden = len(error.problems) - MAX_PROBLEMS
    if hidden > 0:
        print(f"error: and {hidden} more", file=sys.stderr)

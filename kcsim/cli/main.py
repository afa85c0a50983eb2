"""The ``kcsim`` command: its subcommands, and what happens to errors."""

from __future__ import annotations

import errno
import gc
import os
import sys

import typer

from kcsim.cli import (
    answer,
    check,
    check_sharing,
    check_weights,
    cite,
    cluster,
    compare,
    convert,
    estimate,
    evaluate,
    explain,
    explore,
    front,
    hardware,
    map,
    map_network,
    networks,
    plot,
    retrain,
    schema,
)
from kcsim.cli.interrupt import interruptible
from kcsim.cli.streams import abandon, end_errors, prepare_streams, say
from kcsim.cli.usage import Commands, UsageError, usage_problem
from kcsim.errors import InputError, KcsimError

MAX_PROBLEMS = 25
GARBAGE = 100_000
"""Objects that there are more of before cycles among them are looked for. A command makes few, and
looking for them takes a tenth of a short one."""
WRONG_INPUT = 2
BROKEN_PIPE = 141
"""As of a program that the signal of a broken pipe has ended."""

COMMANDS = {
    "Networks": {"estimate": estimate, "compare": compare},
    "Mappings of layers": {
        "map": map,
        "map-network": map_network,
        "front": front,
        "evaluate": evaluate,
    },
    "Spaces of designs": {"explore": explore, "answer": answer, "plot": plot},
    "Trained weights": {"cluster": cluster, "retrain": retrain},
    "Checks by execution": {
        "check": check,
        "check-sharing": check_sharing,
        "check-weights": check_weights,
    },
    "Where numbers come from": {"explain": explain, "cite": cite},
    "Files of other tools": {"convert": convert},
    "What there is": {"networks": networks, "hardware": hardware, "schema": schema},
}

app = typer.Typer(
    name="kcsim",
    cls=Commands,
    help="Estimate what a CNN accelerator spends on a network: energy, memory traffic, cycles, "
    "for dense weights and for clustered ones.",
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
for panel, commands in COMMANDS.items():
    for name, module in commands.items():
        app.command(name=name, rich_help_panel=panel)(module.command)


def _show_version(asked: bool) -> None:
    if asked:
        from kcsim import __version__

        typer.echo(f"kcsim {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def main(
    context: typer.Context,
    version: bool = typer.Option(
        False,
        "--version",
        help="Print the version and stop.",
        callback=_show_version,
        is_eager=True,
    ),
) -> None:
    """Estimate what a CNN accelerator spends on a network."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(WRONG_INPUT)


def run() -> None:
    """Run the command; user errors end with exit code 2 and no traceback, Ctrl-C with 130."""
    prepare_streams()
    gc.set_threshold(GARBAGE)
    # Looking for plugins of pydantic, of which none is for kcsim, takes a tenth of a short command.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    try:
        code = _run()
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe has gone, and wants no more.
        abandon(sys.stdout)
        code = BROKEN_PIPE
    except OSError as error:
        abandon(sys.stdout)
        place = f"'{error.filename}'" if error.filename else "standard output"
        closed = error.errno == errno.EBADF
        say(f"error: {place}: {'it is closed' if closed else (error.strerror or 'failed').lower()}")
        code = WRONG_INPUT
    end_errors()
    sys.exit(code)


def _run() -> int | str | None:
    """What the command ends with, as `sys.exit` takes it."""
    try:
        with interruptible():
            return app(prog_name="kcsim", standalone_mode=False) or 0
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            # Typer would end with what says that layers differ.
            raise stop.__context__ from None
        return stop.code
    except UsageError as error:
        _report(InputError(usage_problem(error)))
        return WRONG_INPUT
    except InputError as error:
        _report(error)
        return WRONG_INPUT
    except KcsimError as error:
        say(f"error: {error}")
        return WRONG_INPUT


def _report(error: InputError) -> None:
    for problem in error.problems[:MAX_PROBLEMS]:
        say(f"error: {problem.with_excerpt()}")
    hidden = len(error.problems) - MAX_PROBLEMS
    if hidden > 0:
        say(f"error: and {hidden} more")

"""``kcsim hardware``: the shipped hardware files, or the text of one."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import text_argument


def command(
    name: Annotated[
        str | None, text_argument(metavar="[NAME]", help="Print this file, to start from.")
    ] = None,
) -> None:
    """List the shipped hardware files, or print one."""
    from kcsim.hardware.notes import hardware_notes
    from kcsim.hardware.reader import find_hardware, load_hardware, shipped_names

    if name is not None:
        text = find_hardware(name).read_text(encoding="utf-8")
        notes = hardware_notes(load_hardware(name))
        typer.echo(text if text.endswith("\n") or not notes else text + "\n", nl=False)
        for note in notes:
            typer.echo(f"# {note}")
        return
    for shipped in shipped_names():
        typer.echo(f"{shipped:26s} {load_hardware(shipped).description}")

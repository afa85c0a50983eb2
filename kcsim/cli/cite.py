"""``kcsim cite``: the sources that numbers of a hardware rest on."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import HardwareFile, Overrides

BibTeX = Annotated[bool, typer.Option("--bibtex", help="As entries of BibTeX.")]


def command(hw: HardwareFile, overrides: Overrides = None, bibtex: BibTeX = False) -> None:
    """List what energies, area and leakage rest on, and what the file says of those typed in."""
    from kcsim.hardware.components.sources import bibtex as entries
    from kcsim.hardware.components.sources import citation
    from kcsim.hardware.explained import sources_of, typed_energies
    from kcsim.hardware.reader import load_hardware

    keys = sources_of(load_hardware(hw, overrides or ()))
    if bibtex:
        typer.echo(entries(keys), nl=False)
        return
    for key in keys:
        typer.echo(f"{key}: {citation(key)}")
    for line in typed_energies(hw, overrides or ()):
        typer.echo(line)

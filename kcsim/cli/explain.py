"""``kcsim explain``: where one number of a hardware, or of a result, comes from."""

from __future__ import annotations

from typing import Annotated

import typer

from kcsim.cli.options import HardwareFile, Overrides, text_argument, text_option

Place = Annotated[
    str,
    text_argument(
        metavar="NUMBER",
        help="As levels.buffer.read_pj, area, leakage, area.buffer; with --layer an energy of "
        "its account, as 'buffer inputs read' or 'MAC compute'.",
    ),
]
LayerOfResult = Annotated[
    str | None,
    text_option("--layer LAYER", "NETWORK/LAYER: explain an energy of its best mapping."),
]


def command(
    number: Place,
    hw: HardwareFile,
    overrides: Overrides = None,
    layer: LayerOfResult = None,
) -> None:
    """Say where a number comes from: formula, inputs, and line of a file or row of a table."""
    if layer is None:
        from kcsim.hardware.explained import explain_number

        lines = explain_number(hw, number, overrides or ())
    else:
        from kcsim.cli.running import waiting
        from kcsim.report.explained_energy import explain_energy

        with waiting(keeps=True):
            lines = explain_energy(hw, number, layer, overrides or ())
    for line in lines:
        typer.echo(line)

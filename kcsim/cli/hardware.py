"""``kcsim hardware``: the shipped hardware files, or the text, the numbers or the area of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from kcsim.cli.options import Format, Output, Overrides, Size, text_argument, text_option

if TYPE_CHECKING:
    from kcsim.hardware.components.library import ComponentLibrary

Resolved = Annotated[
    bool,
    typer.Option(
        "--resolved",
        help="Print the complete file: all numbers that follow from sizes, and where from.",
    ),
]
Parts = Annotated[
    bool, typer.Option("--parts", help="Print area and leakage of every part as tables.")
]
Library = Annotated[
    str | None,
    text_option(
        "--library NAME",
        "What estimates parts: kcsim, hwcomponents, or a file with Accelergy's tables. "
        "[default: kcsim]",
    ),
]
Accelergy = Annotated[
    bool, typer.Option("--accelergy", help="Print energies and areas as Accelergy's ERT and ART.")
]
AreaPlot = Annotated[
    str | None, text_option("--plot FILE", "Draw the area of every part: png, pdf or svg.")
]


def command(
    name: Annotated[
        str | None,
        text_argument(metavar="[NAME]", help="Print this file, to start from."),
    ] = None,
    resolved: Resolved = False,
    parts: Parts = False,
    accelergy: Accelergy = False,
    library: Library = None,
    overrides: Overrides = None,
    format_: Format = None,
    output: Output = None,
    plot: AreaPlot = None,
    size: Size = None,
) -> None:
    """List the shipped hardware files, or print one: its text, its numbers or its area."""
    from kcsim.cli.running import check_output, emit, refuse_unused
    from kcsim.hardware.reader import load_hardware, shipped_names

    asked = {
        "--resolved": resolved,
        "--parts": parts,
        "--accelergy": accelergy,
        "--library": library,
        "--set": overrides,
        "--plot": plot,
        "--size": size,
    }
    if name is None:
        refuse_unused({**asked, "--format": format_, "-o": output}, "no file is named", "a NAME")
        for shipped in shipped_names():
            typer.echo(f"{shipped:26s} {load_hardware(shipped).description}")
        return
    if not parts:
        refuse_unused({"--format": format_}, "a file is printed as YAML", "--parts")
    check_output(output, plot)
    hardware = load_hardware(name, overrides or (), _library(library))
    if plot:
        from kcsim.report.area_figure import plot_area
        from kcsim.report.pictures import COLUMN

        plot_area(hardware, plot, size or COLUMN)
    else:
        refuse_unused({"--size": size}, "nothing is drawn", "--plot")
    if parts:
        from kcsim.cli.running import choose_format, show_as
        from kcsim.report.hardware_data import hardware_tables

        show_as(choose_format(format_, output, has_json=False), output, hardware_tables(hardware))
    elif accelergy:
        from kcsim.hardware.accelergy import accelergy_text

        emit(accelergy_text(hardware), output)
    elif resolved or overrides or library:
        from kcsim.hardware.written import resolved_text

        emit(resolved_text(hardware), output)
    elif output or not plot:
        emit(_text(name), output)


def _library(name: str | None) -> ComponentLibrary | None:
    """The library that an option names; ``None`` for that of kcsim."""
    if name in (None, "kcsim"):
        return None
    if name == "hwcomponents":
        from kcsim.hardware.components.hwcomponents_models import HwcomponentsLibrary

        return HwcomponentsLibrary()
    from kcsim.hardware.accelergy import read_accelergy

    return read_accelergy(str(name))


def _text(name: str) -> str:
    """The text of a file, and what a user of it should know."""
    from kcsim.hardware.notes import hardware_notes
    from kcsim.hardware.reader import find_hardware, load_hardware

    text = find_hardware(name).read_text(encoding="utf-8")
    notes = hardware_notes(load_hardware(name))
    text = text if text.endswith("\n") or not notes else text + "\n"
    return text + "".join(f"# {note}\n" for note in notes)

"""The figure of a hardware's area: a bar for every part, of all its instances."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kcsim.errors import InputError, Problem
from kcsim.hardware.areas import chip_area, described_components
from kcsim.hardware.schema import Hardware
from kcsim.report.pictures import COLORS, STYLE, check_plot_path, check_size, write_picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BAR = 0.28
_FRAME = 0.75


def draw_area(hardware: Hardware, size: str = "column") -> Figure:
    """Draw the area of every part, with its error bar.

    Parameters
    ----------
    hardware : Hardware
    size : {"column", "page"}

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If no area is known.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure as NewFigure

    width = check_size(size)
    components = described_components(hardware)
    known = [(each, each.area) for each in components if each.area]
    whole = chip_area(hardware, components)
    if whole is None:
        problem = f"no area of {hardware.name} is known"
        raise InputError(Problem(problem, "kind of a level, or its area_mm2"))
    with mpl.rc_context(STYLE):
        inches = width, _FRAME + _BAR * len(known)
        figure = NewFigure(figsize=inches, layout="constrained")
        axes = figure.subplots()
        values = [area.value * each.instances for each, area in known]
        below = [v * (1 - area.low) for v, (_, area) in zip(values, known, strict=True)]
        above = [v * (area.high - 1) for v, (_, area) in zip(values, known, strict=True)]
        axes.barh(
            [each.name for each, _ in known], values, xerr=[below, above], color=COLORS[0],
            height=0.7, error_kw={"elinewidth": 0.7},
        )  # fmt: skip
        axes.invert_yaxis()
        axes.set_xlabel("area of all instances [mm²]")
        factor = hardware.layout_factor
        more = "" if factor == 1 else f", layout factor {factor:g}"
        axes.set_title(f"{whole.value:.3g} mm² in all{more}")
    return figure


def plot_area(hardware: Hardware, path: str | os.PathLike[str], size: str = "column") -> None:
    """Draw areas into a file; see `draw_area`.

    Parameters
    ----------
    hardware : Hardware
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not at all.
    size : {"column", "page"}

    Raises
    ------
    InputError
        If the ending names no format, the file cannot be written, or no area is known.
    """
    check_plot_path(path)
    write_picture(path, lambda: draw_area(hardware, size), dpi=200)

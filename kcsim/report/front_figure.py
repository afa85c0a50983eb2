"""Figure of a front: energy over cycles of the mappings that no other beats in both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from kcsim.hardware.schema import Hardware
from kcsim.mapping.search import Front
from kcsim.report.axes import verbatim
from kcsim.report.cells import scale
from kcsim.report.pictures import COLORS, STYLE, check_size, write_picture
from kcsim.workload.layer import ConvLayer

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_HEIGHT = 2.6
"""Inches."""
_BESIDE = 0.08
"""Room around the points, as a share of what they span."""


def plot_front(
    layer: ConvLayer,
    hardware: Hardware,
    front: Front,
    path: str | os.PathLike[str],
    size: str = "column",
) -> None:
    """Draw energy and cycles of every mapping of a front, the one of least EDP marked.

    What lies above the line is beaten by a mapping of the front in both.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    front : Front
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not at all.
    size : {"column", "page"}
        As wide as a column of a paper, or as a page with two.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    import matplotlib as mpl

    width = check_size(size)

    def draw() -> Figure:
        with mpl.rc_context(STYLE):
            return _draw(layer, hardware, front, width)

    write_picture(path, draw, dpi=200)


def _draw(layer: ConvLayer, hardware: Hardware, front: Front, width: float) -> Figure:
    from matplotlib.figure import Figure

    unit = hardware.energy_unit
    by_cycles, prefix = scale(front[-1].cycles)
    # Energies in pJ have a prefix of their own.
    in_joules = 1e-12 if unit == "pJ" else 1.0
    by_energy, energy_prefix = scale(front[0].energy * in_joules)
    cycles = [point.cycles / by_cycles for point in front]
    energy = [point.energy * in_joules / by_energy for point in front]
    best = min(range(len(front)), key=lambda i: front[i].energy * front[i].cycles)
    figure = Figure(figsize=(width, _HEIGHT), layout="constrained")
    axes = figure.add_subplot()
    left, right = _around(cycles)
    low, high = _around(energy)
    line_x, line_y = [cycles[0], *cycles, right], [high, *energy, energy[-1]]
    axes.step(line_x, line_y, where="post", color=COLORS[0], linewidth=1)
    axes.fill_between(line_x, line_y, high, step="post", color=COLORS[0], alpha=0.08, linewidth=0)
    axes.plot(cycles, energy, "o", color=COLORS[0], markersize=4, label="mappings of the front")
    axes.plot(cycles[best], energy[best], "o", color=COLORS[5], markersize=6, label="least EDP")
    axes.set_xlim(left, right)
    axes.set_ylim(low, high)
    axes.set_xlabel(f"cycles [{prefix}]" if prefix else "cycles")
    named = f"{energy_prefix}J" if unit == "pJ" else f"{energy_prefix} {unit}".strip()
    axes.set_ylabel(f"energy [{named}]")
    axes.ticklabel_format(useOffset=False)
    axes.legend()
    proved = "not proved" if front.note else "proved"
    axes.set_title(verbatim(f"{layer.name} on {hardware.name} ({proved})"))
    return figure


def _around(values: list[float]) -> tuple[float, float]:
    """Limits of an axis with room around some values."""
    least, most = min(values), max(values)
    room = _BESIDE * (most - least or most or 1.0)
    return least - room, most + 2 * room

"""The figure of a network: energy of every layer by component."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from kcsim.estimation.result import Result
from kcsim.report.axes import verbatim
from kcsim.report.beside import Beside, accuracy_text
from kcsim.report.pictures import STYLE, check_size, write_picture
from kcsim.report.plot import Bars, bars, draw_bars, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN_SCALE_FROM = 2.0
# All measures in inches.
_LAYER = 0.17
_FRAME = 0.62
_PANEL = 1.35
_LETTER = 0.062
_LEGEND_COLUMN = 1.15
_LINE = 0.15
_UPRIGHT = 6
"""Letters of names that need not be turned where layers have room."""


def plot_energy(result: Result, path: str | os.PathLike[str], size: str = "page") -> None:
    """Draw the energy of every layer by component, the last run beside the first.

    Where fully connected layers spend far more than convolutions, each kind has
    its own scale.

    Parameters
    ----------
    result : Result
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not
        at all.
    size : {"column", "page"}
        As wide as a column of a paper, or as a page with two: layers that have no room side by
        side stand below each other.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_energy(result, size), dpi=200)


def draw_energy(result: Result, size: str = "page") -> Figure:
    """Draw the energy of every layer; see `plot_energy`."""
    import matplotlib as mpl

    shown = Beside.last(result)
    title = "\n".join(filter(None, (shown.subject, shown.pair, accuracy_text(shown.runs))))
    result = replace(result, runs={run.name: run for run in shown.runs})
    data = bars(result, ("layer", "component"))
    kinds = [layer.kind for layer in result.network]
    with mpl.rc_context(STYLE):
        return _draw(data, kinds, title, check_size(size))


class _Panel(NamedTuple):
    """Layers that are drawn side by side, and those with which they share a scale."""

    name: str
    scaled_as: list[int]
    layers: list[int]


def _draw(data: Bars, kinds: Sequence[str], title: str, width: float) -> Figure:
    from matplotlib.figure import Figure

    room = int((width - _FRAME) / _LAYER)
    rows = _rows(_groups(data, kinds), room)
    handles = legend(data)
    columns = max(1, min(len(handles), int(width / _LEGEND_COLUMN)))
    lines = textwrap.wrap(title.replace("\n", "; "), int(width / _LETTER))
    longest = max(map(len, data.groups))
    below = -(-len(handles) // columns) + len(lines)
    height = len(rows) * (_PANEL + longest * _LETTER + _LINE) + (below + 1) * _LINE
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(h_pad=0.03, w_pad=0.02)  # type: ignore[union-attr, call-arg]
    most = max(sum(max(3, len(panel.layers)) for panel in row) for row in rows)
    below_each_other = figure.add_gridspec(len(rows))
    for number, row in enumerate(rows):
        spaces = [max(3, len(panel.layers)) for panel in row]
        if len(row) == 1:
            spaces = [max(most, 3)]
        grid = below_each_other[number].subgridspec(1, len(row), width_ratios=spaces)
        for place, (panel, wide) in enumerate(zip(row, spaces, strict=True)):
            axis = figure.add_subplot(grid[place])
            draw_bars(axis, data, panel.layers, panel.scaled_as)
            inches = (width - _FRAME * len(row)) / sum(spaces)
            names = max(len(data.groups[i]) for i in panel.layers)
            is_upright = names <= _UPRIGHT and names * _LETTER < inches
            axis.tick_params(axis="x", rotation=0 if is_upright else 90)
            axis.set_xlim(-0.7, wide - 0.3)
            axis.set_title(textwrap.fill(panel.name, int(inches * wide / _LETTER)))
    figure.suptitle(verbatim("\n".join(lines)))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, columnspacing=1.0)
    return figure


def _rows(groups: dict[str, list[int]], room: int) -> list[list[_Panel]]:
    """Panels below each other, and side by side where there is room for all of two."""
    whole = [_Panel(name, chosen, chosen) for name, chosen in groups.items()]
    if sum(max(3, len(panel.layers)) for panel in whole) + 4 * (len(whole) - 1) <= room:
        return [whole]
    rows = []
    for name, chosen in groups.items():
        parts = -(-len(chosen) // room)
        each = -(-len(chosen) // parts)
        for start in range(0, len(chosen), each):
            shown = name if start == 0 else ""
            rows.append([_Panel(shown, chosen, chosen[start : start + each])])
    return rows


def _groups(data: Bars, kinds: Sequence[str]) -> dict[str, list[int]]:
    """Layers that share a scale."""
    largest = data.energy.sum(axis=-1).max(axis=0)
    linear = [i for i, kind in enumerate(kinds) if kind == "linear"]
    others = [i for i, kind in enumerate(kinds) if kind != "linear"]
    if linear and others and largest[linear].max() > _OWN_SCALE_FROM * largest[others].max():
        plain = all(kinds[i] == "conv" for i in others)
        name = "convolutions" if plain else "other layers"
        return {name: others, "fully connected, at its own scale": linear}
    return {"": list(range(len(data.groups)))}

"""The figure of a network: energy of every layer by component."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from kcsim.estimation.result import Result
from kcsim.report.beside import Beside, accuracy_text
from kcsim.report.pictures import write_picture
from kcsim.report.plot import Bars, bars, draw_bars, legend, verbatim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OWN_SCALE_FROM = 2.0
_LAYERS_A_ROW = 42
_INCHES_A_LAYER = ((4, 12, 24, 42), (0.65, 0.6, 0.4, 0.27))


def plot_energy(result: Result, path: str | os.PathLike[str]) -> None:
    """Draw the energy of every layer by component, the last run beside the first.

    Where fully connected layers spend far more than convolutions, each kind has
    its own scale.

    Parameters
    ----------
    result : Result
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not
        at all.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    shown = Beside.last(result)
    lines = (shown.subject, shown.pair, accuracy_text(shown.runs))
    title = verbatim("\n".join(filter(None, lines)))
    result = replace(result, runs={run.name: run for run in shown.runs})
    data = bars(result, ("layer", "component"))
    kinds = [layer.kind for layer in result.network]
    write_picture(path, lambda: _draw(data, kinds, title), dpi=150, bbox_inches="tight")


def _draw(data: Bars, kinds: Sequence[str], title: str) -> Figure:
    from matplotlib.figure import Figure

    groups = _groups(data, kinds)
    largest = max(map(len, groups.values()))
    figure = Figure(layout="constrained")
    if largest <= _LAYERS_A_ROW:
        # Side by side; a panel needs room for its title even where it has few layers.
        spaces = [max(3, len(chosen)) for chosen in groups.values()]
        panels = [(name, chosen, chosen) for name, chosen in groups.items()]
        axes = figure.subplots(1, len(panels), squeeze=False, width_ratios=spaces)
        inches = np.interp(sum(spaces), *_INCHES_A_LAYER) * sum(spaces)
        figure.set_size_inches(2.4 + 0.6 * len(panels) + inches, 4.2)
    else:
        rows = -(-largest // _LAYERS_A_ROW)
        spaces = [-(-largest // rows)]
        panels = [
            (name, chosen, chosen[start : start + spaces[0]])
            for name, chosen in groups.items()
            for start in range(0, len(chosen), spaces[0])
        ]
        axes = figure.subplots(len(panels), 1, squeeze=False)
        inches = np.interp(spaces[0], *_INCHES_A_LAYER) * spaces[0]
        figure.set_size_inches(3.0 + inches, 0.5 + 3.0 * len(panels))
    many = len(data.groups) > 20
    for i, (axis, (name, scaled_as, chosen)) in enumerate(zip(axes.flat, panels, strict=True)):
        draw_bars(axis, data, chosen, scaled_as)
        upright = not many and max(len(data.groups[i]) for i in chosen) <= 6
        axis.tick_params(axis="x", labelsize=7.5 if many else 9, rotation=0 if upright else 90)
        axis.set_xlim(-0.7, spaces[i % len(spaces)] - 0.3)
        axis.set_title(name if chosen[0] == scaled_as[0] else "", fontsize=9)
    figure.suptitle(title, fontsize=11)
    figure.legend(handles=legend(data), loc="outside right center", frameon=False)
    return figure


def _groups(data: Bars, kinds: Sequence[str]) -> dict[str, list[int]]:
    """Layers that share a scale."""
    largest = data.energy.sum(axis=-1).max(axis=0)
    linear = [i for i, kind in enumerate(kinds) if kind == "linear"]
    others = [i for i, kind in enumerate(kinds) if kind != "linear"]
    if linear and others and largest[linear].max() > _OWN_SCALE_FROM * largest[others].max():
        plain = all(kinds[i] == "conv" for i in others)
        name = "convolutions" if plain else "other layers"
        return {name: others, "fully connected,\nat its own scale": linear}
    return {"": list(range(len(data.groups)))}

"""Plots of whole networks; matplotlib is loaded when something is drawn."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.estimation.result import Estimate
from kcsim.report.cells import scale
from kcsim.report.network_data import clustered_name
from kcsim.report.pictures import COLOURS, write_picture
from kcsim.sums import exact_sums

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# What every hardware has looks the same in every plot.
_FIXED = {"MAC": "#56B4E9", "codebook": "#D55E00", "static": "#999999"}
HATCH = "/////"
_OWN_SCALE_FROM = 2.0
_LAYERS_A_ROW = 42
_INCHES_A_LAYER = ((4, 12, 24, 42), (0.65, 0.6, 0.4, 0.27))


@dataclass(frozen=True, eq=False)
class LayerEnergies:
    """What `plot_energy` draws.

    Attributes
    ----------
    unit : str
        ``pJ``, or ``MAC``.
    runs, layers, components : tuple of str
        The axes of `energy`.
    kinds : tuple of str
        ``conv`` or ``linear``, layer by layer.
    energy : ndarray of float64, [runs, layers, components]
        In `unit`.
    """

    unit: str
    runs: tuple[str, ...]
    layers: tuple[str, ...]
    kinds: tuple[str, ...]
    components: tuple[str, ...]
    energy: np.ndarray


def energy_by_layer(estimate: Estimate, largest: int = len(COLOURS)) -> LayerEnergies:
    """Energy of every run, layer and component.

    Parameters
    ----------
    estimate : Estimate
    largest : int
        How many components to tell apart; the smallest beyond are added up as
        ``other``.

    Returns
    -------
    LayerEnergies
    """
    accounts = [
        [plain_account(layer.energy_by_component()) for layer in run.layers]
        for run in estimate.runs
    ]
    names = [_plain(name) for run in reversed(estimate.runs) for name in run.energy_by_component()]
    components = list(dict.fromkeys(names))
    energy = np.array(
        [[[account.get(c, 0.0) for c in components] for account in run] for run in accounts]
    )
    components, energy = in_few(components, energy, largest)
    return LayerEnergies(
        unit=estimate.hardware.energy_unit,
        runs=tuple(run.weights for run in estimate.runs),
        layers=tuple(layer.name for layer in estimate.network),
        kinds=tuple(layer.kind for layer in estimate.network),
        components=tuple(components),
        energy=energy,
    )


def plot_energy(estimate: Estimate, path: str | os.PathLike[str]) -> None:
    """Draw the energy of every layer by component, dense beside clustered.

    Where fully connected layers spend far more than convolutions, each kind has
    its own scale.

    Parameters
    ----------
    estimate : Estimate
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not
        at all.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    beside = f"\ndense beside {clustered_name(estimate.clustered)}" if estimate.clustered else ""
    title = _verbatim(f"{estimate.network.name} on {estimate.hardware.name}{beside}")
    data = energy_by_layer(estimate)
    write_picture(path, lambda: _draw(data, title), dpi=150, bbox_inches="tight")


def _plain(component: str) -> str:
    """A codebook that did not fit its store is drawn with those that did."""
    return "codebook" if component.startswith("codebook (") else component


def plain_account(account: Mapping[str, float]) -> dict[str, float]:
    """An account of components with all codebooks as one."""
    return exact_sums((_plain(name), energy) for name, energy in account.items())


def in_few(names: Sequence[str], energy: np.ndarray, largest: int) -> tuple[list[str], np.ndarray]:
    """At most so many parts of an energy: the smallest beyond are added up as ``other``.

    Parameters
    ----------
    names : sequence of str
    energy : ndarray of float64, [..., names]
    largest : int
    """
    if len(names) <= largest:
        return list(names), energy
    totals = energy.reshape(-1, len(names)).sum(axis=0)
    order = np.argsort(-totals, kind="stable")
    kept = np.sort(order[: largest - 1])
    rest = energy[..., order[largest - 1 :]].sum(axis=-1, keepdims=True)
    return [*(names[i] for i in kept), "other"], np.concatenate([energy[..., kept], rest], axis=-1)


def _draw(data: LayerEnergies, title: str) -> Figure:
    from matplotlib.figure import Figure

    groups = _groups(data)
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
    for i, (axis, (name, scaled_as, chosen)) in enumerate(zip(axes.flat, panels, strict=True)):
        _draw_bars(axis, data, chosen, scaled_as)
        axis.set_xlim(-0.7, spaces[i % len(spaces)] - 0.3)
        axis.set_title(name if chosen[0] == scaled_as[0] else "", fontsize=9)
    figure.suptitle(title, fontsize=11)
    _add_legend(figure, data)
    return figure


def _groups(data: LayerEnergies) -> dict[str, list[int]]:
    """Layers that share a scale."""
    largest = data.energy.sum(axis=-1).max(axis=0)
    linear = [i for i, kind in enumerate(data.kinds) if kind == "linear"]
    others = [i for i, kind in enumerate(data.kinds) if kind != "linear"]
    if linear and others and largest[linear].max() > _OWN_SCALE_FROM * largest[others].max():
        return {"convolutions": others, "fully connected,\nat its own scale": linear}
    return {"": list(range(len(data.layers)))}


def _draw_bars(
    axis: Axes, data: LayerEnergies, chosen: Sequence[int], scaled_as: Sequence[int]
) -> None:
    base = 1e-12 if data.unit == "pJ" else 1.0
    largest = float(data.energy[:, scaled_as].sum(axis=-1).max()) * base
    factor, prefix = scale(largest)
    width = 0.8 / len(data.runs)
    places = np.arange(len(chosen))
    colours = component_colours(data.components)
    for run, values in enumerate(data.energy[:, chosen] * (base / factor)):
        bottom = np.zeros(len(chosen))
        middle = places + (run - (len(data.runs) - 1) / 2) * width
        for colour, heights in zip(colours, values.T, strict=True):
            # The edge of a bar without height would show as a line.
            seen = heights > 0
            axis.bar(
                middle[seen],
                heights[seen],
                width,
                bottom=bottom[seen],
                zorder=2,
                **_look(colour, run),
            )
            bottom += heights
    names = [data.layers[i] for i in chosen]
    upright = max(map(len, names)) <= 6 and len(data.layers) <= 20
    small = len(data.layers) > 20
    axis.set_xticks(
        places,
        [_verbatim(name) for name in names],
        rotation=0 if upright else 90,
        fontsize=7.5 if small else 9,
    )
    axis.set_ylim(0, 1.04 * largest / factor or 1)
    unit = f"{prefix}J" if data.unit == "pJ" else f"{prefix} MAC".strip()
    axis.set_ylabel(f"energy [{unit}]")
    axis.grid(axis="y", color="0.85", linewidth=0.6, zorder=0)
    axis.spines[["top", "right"]].set_visible(False)


def _verbatim(name: str) -> str:
    """A name of which matplotlib makes no formula."""
    return name.replace("$", r"\$")


def component_colours(components: Sequence[str]) -> list[str]:
    """A colour for each component, of at most eight; all differ."""
    taken = {_FIXED[name] for name in components if name in _FIXED}
    free = iter(
        sorted(set(COLOURS) - taken, key=lambda c: (c in _FIXED.values(), COLOURS.index(c)))
    )
    return [_FIXED[name] if name in _FIXED else next(free) for name in components]


def _look(colour: str, run: int) -> dict[str, Any]:
    """Full colour for dense weights; paler and hatched for clustered ones."""
    from matplotlib.colors import to_rgb

    if run == 0:
        return {"facecolor": colour, "edgecolor": "white", "linewidth": 0.3}
    paler = 0.45 * np.array(to_rgb(colour)) + 0.55
    return {"facecolor": paler, "edgecolor": colour, "linewidth": 0.3, "hatch": HATCH}


def _add_legend(figure: Figure, data: LayerEnergies) -> None:
    from matplotlib.patches import Patch

    colours = component_colours(data.components)
    # From top to bottom, as the bars are stacked.
    handles = [
        Patch(label=_verbatim(name), **_look(colour, 0))
        for name, colour in reversed([*zip(data.components, colours, strict=True)])
    ]
    if len(data.runs) > 1:
        clustered: dict[str, Any] = {"facecolor": "0.85", "edgecolor": "0.4", "hatch": HATCH}
        handles.append(Patch(label="left: dense", facecolor="0.4"))
        handles.append(Patch(label="right: clustered", **clustered))
    figure.legend(handles=handles, loc="outside right center", frameon=False)

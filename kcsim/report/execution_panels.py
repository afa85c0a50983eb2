"""Panels of a comparison: where to decode, and how each layer is executed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from kcsim.estimation.reasons import decoded_at
from kcsim.estimation.result import Result
from kcsim.report.axes import clear, in_words, verbatim
from kcsim.report.cells import scale
from kcsim.report.cut_bars import mark_cut, shown_up_to
from kcsim.report.pictures import COLORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

_LOOKS: dict[str, dict[str, Any]] = {
    "dense": {"facecolor": COLORS[7], "edgecolor": "white"},
    "decode": {"facecolor": COLORS[4], "edgecolor": "white"},
    "share_products": {"facecolor": COLORS[2], "edgecolor": "white", "hatch": "/////"},
    "share_sums": {"facecolor": COLORS[1], "edgecolor": "0.15", "hatch": "....."},
}
_PAIR = 0.4
_OWN_SCALE_FROM = 2.0
# All measures in inches.
_GROUP = 0.17
"""Of the two bars of a layer, at least."""
_RATIO = 2
"""So many times as wide are groups with a ratio above them."""
_WIDEST = 0.65
"""Of a group in a panel that stands alone."""
_FRAME = 0.62
"""Of the scale beside a panel."""
_PANEL = 1.35
_LETTER = 0.062
_LINE = 0.15
_LEAST_GROUPS = 4
_LEGEND_COLUMN = 1.1


@dataclass(frozen=True, eq=False)
class Panel:
    """Bars on one scale, some groups of them side by side.

    Attributes
    ----------
    title : str
    groups : tuple of str
        What stands below the bars.
    executions : tuple of tuple of str
        Of the bars of each group, which gives their colors.
    energies : tuple of tuple of float
    highest : float
        What is shown, in the unit of energies.
    ratios : tuple of str
        Above each group, where it has a single bar.
    notes : tuple of str
        What is said of bars that are cut.
    """

    title: str
    groups: tuple[str, ...]
    executions: tuple[tuple[str, ...], ...]
    energies: tuple[tuple[float, ...], ...]
    highest: float
    ratios: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def places(self) -> int:
        """How many groups it has room for."""
        return max(_LEAST_GROUPS, len(self.groups))

    @property
    def room(self) -> int:
        """What it needs, in the least width of a group."""
        return self.places * (_RATIO if self.ratios else 1)


def execution_panels(result: Result, width: float) -> list[list[Panel]]:
    """Where to decode, if there is a choice, and all layers: panels side by side, in rows.

    Parameters
    ----------
    result : Result
        Of `kcsim.compare_executions`.
    width : float
        Of the figure, in inches.
    """
    room = int((width - _FRAME) / _GROUP)
    gap = int(np.ceil(_FRAME / _GROUP))
    panels = [*_places_panel(result), *_layer_panels(result, room)]
    rows: list[list[Panel]] = []
    left = 0
    for panel in panels:
        if rows and left >= gap + panel.room:
            rows[-1].append(panel)
            left -= gap + panel.room
        else:
            rows.append([panel])
            left = room - panel.room
    return rows


def panels_height(rows: Sequence[Sequence[Panel]], width: float) -> float:
    """The height of rows of panels with what stands around them, in inches."""
    names = [max(len(name) for panel in row for name in panel.groups) for row in rows]
    lines = [
        max(len(_note(panel, width)) + len(_title(panel, width, row)) for panel in row)
        for row in rows
    ]
    return sum(
        _PANEL + _LETTER * letters + _LINE * (1 + more)
        for letters, more in zip(names, lines, strict=True)
    ) + _LINE * (1 + -(-len(_used(rows)) // _legend_columns(width)))  # fmt: skip


def draw_panels(figure: Figure, rows: Sequence[Sequence[Panel]], unit: str) -> list[Axes]:
    """Draw rows of panels below each other, and what their colors tell.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With a constrained layout.
    rows : sequence of sequence of Panel
    unit : str
        Of energies: ``pJ`` or ``MAC``.
    """
    width = figure.get_figwidth()
    grid, drawn = figure.add_gridspec(len(rows)), []
    for number, row in enumerate(rows):
        beside = grid[number].subgridspec(1, len(row), width_ratios=[p.room for p in row])
        for place, panel in enumerate(row):
            axis = figure.add_subplot(beside[place])
            draw_panel(axis, panel, unit, int((width - _FRAME) / _WIDEST) if len(row) == 1 else 0)
            axis.set_title("\n".join(_title(panel, width, row)))
            axis.set_xlabel("\n".join(map(verbatim, _note(panel, width))))
            drawn.append(axis)
    figure.legend(
        handles=_handles(_used(rows)), loc="outside lower center", ncols=_legend_columns(width),
        handlelength=1.2, columnspacing=1.2,
    )  # fmt: skip
    return drawn


def draw_panel(axis: Axes, panel: Panel, unit: str, places: int = 0) -> None:
    """Draw the bars of a panel, with room for so many groups at least; see `draw_panels`."""
    base = 1e-12 if unit == "pJ" else 1.0
    factor, prefix = scale(panel.highest * base)
    per_unit = base / factor
    highest = panel.highest * per_unit
    for place, (executions, energies) in enumerate(
        zip(panel.executions, panel.energies, strict=True)
    ):
        bar = 2 * _PAIR / len(energies) if len(energies) > 1 else 0.7
        for i, (execution, energy) in enumerate(zip(executions, energies, strict=True)):
            middle = place + (i - (len(energies) - 1) / 2) * bar
            height = min(energy * per_unit, highest)
            axis.bar(middle, height, bar, linewidth=0.3, zorder=2, **_LOOKS[execution])
            if energy > panel.highest:
                mark_cut(axis, middle, height, bar)
        if panel.ratios and panel.ratios[place]:
            axis.annotate(
                panel.ratios[place], (place, min(max(energies) * per_unit, highest)), (0, 2),
                ha="center", textcoords="offset points",
            )  # fmt: skip
    axis.set_xticks(range(len(panel.groups)), [verbatim(name) for name in panel.groups])
    axis.tick_params(axis="x", rotation=90, length=0)
    free = (max(places, panel.places) - len(panel.groups)) / 2
    axis.set_xlim(-0.7 - free, len(panel.groups) - 0.3 + free)
    axis.set_ylim(0, (1.15 if panel.ratios else 1.04) * highest or 1)
    axis.set_ylabel(f"energy [{prefix}J]" if unit == "pJ" else f"energy [{prefix} MAC]")
    clear(axis)


def _places_panel(result: Result) -> list[Panel]:
    """Dense weights, and all layers decoded at each level; none where only one was tried."""
    places, dense = decoded_at(result), result.runs["dense"]
    if not places:
        return []
    energies = [dense.energy, *(each.energy for each in places)]
    ratios = ["", *(_ratio(dense.energy, each.energy) for each in places)]
    panel = Panel(
        "all decoded at", ("dense", *(each.level for each in places)),
        (("dense",), *(("decode",) for _ in places)), tuple((e,) for e in energies),
        shown_up_to(energies, dense.energy), tuple(ratios),
    )  # fmt: skip
    return [panel]


def _ratio(dense: float, energy: float) -> str:
    """A ratio in few letters."""
    if not energy:
        return ""
    ratio = dense / energy
    return f"{ratio:.2f}×" if 0.1 <= ratio < 10 else f"{ratio:.2g}×"


def _layer_panels(result: Result, room: int) -> list[Panel]:
    """All layers, dense and as ``auto`` executes them, on one scale or on two."""
    pairs = list(zip(result.runs["dense"].layers, result.runs["auto"].layers, strict=True))
    panels = []
    for title, chosen in _scales(result, pairs).items():
        group = [pairs[i] for i in chosen]
        highest = shown_up_to([max(dense.energy, auto.energy) for dense, auto in group])
        parts = -(-len(group) // room)
        each = -(-len(group) // parts)
        for start in range(0, len(group), each):
            shown = group[start : start + each]
            panel = Panel(
                title if start == 0 else "", tuple(auto.layer.name for _, auto in shown),
                tuple(("dense", auto.execution) for _, auto in shown),
                tuple((dense.energy, auto.energy) for dense, auto in shown), highest,
                notes=tuple(_cut_note(pair, highest, result) for pair in shown),
            )  # fmt: skip
            panels.append(panel)
    return panels


def _scales(result: Result, pairs: Sequence[tuple[Any, Any]]) -> dict[str, list[int]]:
    """Layers by the scale that they are drawn at: fully connected ones may have their own."""
    kinds = [layer.kind for layer in result.network]
    linear = [i for i, kind in enumerate(kinds) if kind == "linear"]
    others = [i for i, kind in enumerate(kinds) if kind != "linear"]
    most = [max((pairs[i][0].energy for i in each), default=0.0) for each in (linear, others)]
    if linear and others and most[0] > _OWN_SCALE_FROM * most[1]:
        name = "convolutions" if all(kinds[i] == "conv" for i in others) else "other layers"
        return {f"{name}: dense, auto": others, "fully connected: dense, auto": linear}
    return {"each layer: dense, auto": list(range(len(pairs)))}


def _cut_note(pair: tuple[Any, Any], highest: float, result: Result) -> str:
    """What a layer takes whose bars are cut."""
    if max(each.energy for each in pair) <= highest:
        return ""
    is_pj = result.hardware.energy_unit == "pJ"
    base = 1e-12 if is_pj else 1.0
    factor, prefix = scale(max(each.energy for each in pair) * base)
    values = " and ".join(f"{each.energy * base / factor:.3g}" for each in pair)
    return f"{pair[1].layer.name} {values} {prefix}{'J' if is_pj else ' MAC'}"


def _title(panel: Panel, width: float, row: Sequence[Panel]) -> list[str]:
    inches = (width - _FRAME * len(row)) * panel.room / sum(each.room for each in row)
    return textwrap.wrap(panel.title, max(8, int((inches + _FRAME / 2) / _LETTER))) or [""]


def _note(panel: Panel, width: float) -> list[str]:
    """What stands below a panel of its bars that are cut."""
    known = [note for note in panel.notes if note]
    if not known:
        return []
    inches = min(width - _FRAME, max(panel.room * _GROUP + _FRAME / 2, width / 3))
    return textwrap.wrap("cut: " + "; ".join(known), int(inches / _LETTER))


def _used(rows: Sequence[Sequence[Panel]]) -> list[str]:
    used = {name for row in rows for panel in row for bars in panel.executions for name in bars}
    return [name for name in _LOOKS if name in used]


def _handles(used: Sequence[str]) -> list[Patch]:
    from matplotlib.patches import Patch

    return [Patch(label=in_words(name), linewidth=0.3, **_LOOKS[name]) for name in used]


def _legend_columns(width: float) -> int:
    return max(1, int(width / _LEGEND_COLUMN))

"""Figure of a mapped layer: loop nest, tiles and energy, level by level."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report.cells import shown
from kcsim.report.mapping_data import Account, MappedLevel, NestLoop, Store, Tile, mapped_levels
from kcsim.report.mapping_text import listed, percent, totals
from kcsim.report.pictures import COLORS, STYLE, write_picture
from kcsim.report.table import Column
from kcsim.workload.layer import TENSORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

_COLORS = {"weights": COLORS[0], "inputs": COLORS[1], "outputs": COLORS[2], "": COLORS[7]}
_DIM = "0.4"

# All measures in inches, of a figure as wide as two columns of a paper.
_WIDTH = 7.16
_LINE = 0.145
_PADDING = 0.06
_GAP = 0.05
_TOP = 0.83
_NEST = (0.12, 1.9)
_RAILS = (1.95, 2.02, 2.09)
_TILES = (2.19, 3.22)
_STORE = (3.28, 3.78)
_SHARES = (3.83, 4.83)
_PARTS = (4.88, 5.38)
_ENERGY = (5.4, 6.13)
_VALUES = (6.17, 7.06)
_LARGEST_INDENT = 0.09
_BAR = 0.09

# Letters that are fitted to coarse pixels are wider than in print.
_HINTING = 1.03

# Larger numbers are rounded, for want of room.
_EXACT_WORDS = 10**9
_EXACT_INDEXES = 10**7


def draw_mapping(estimate: LayerEstimate) -> Figure:
    """Draw the loop nest of a mapped layer, the tiles that every level holds, and the energy.

    Every level is a band: its loops, outermost first; beside them what one
    instance holds of every tensor, and how much of the capacity that fills; beside
    these the energy of the level and of the network below it, all on one scale.
    The line of a tensor runs through the levels that it passes by.

    Parameters
    ----------
    estimate : LayerEstimate

    Returns
    -------
    matplotlib.figure.Figure
        As wide as two columns of a paper, and as high as the nest needs.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    bands = _bands(mapped_levels(estimate))
    height = bands[-1].bottom + _GAP
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_WIDTH, height))
        page = figure.add_axes((0, 0, 1, 1))
        page.set(xlim=(0, _WIDTH), ylim=(height, 0))
        page.set_axis_off()
        _draw_heading(page, estimate)
        for band in bands:
            _draw_band(page, band)
        _draw_rails(page, bands)
        _draw_nests(page, bands)
        for band in bands:
            _draw_tiles(page, band)
        _draw_energy(page, bands, estimate)
    return figure


def plot_mapping(estimate: LayerEstimate, path: str | os.PathLike[str]) -> None:
    """Draw a mapped layer to a file; see `draw_mapping`.

    Parameters
    ----------
    estimate : LayerEstimate
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not
        at all.

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_mapping(estimate), dpi=200)


@dataclass(frozen=True)
class _Band:
    """A level and where it is drawn."""

    level: MappedLevel
    top: float
    bottom: float

    def line(self, number: int) -> float:
        """Middle of a line of text."""
        return self.top + _PADDING + (number + 0.5) * _LINE


def _bands(levels: tuple[MappedLevel, ...]) -> list[_Band]:
    bands, top = [], _TOP
    for level in levels:
        lines = max(
            _head_lines(level) + len(level.nest),
            _tile_lines(level),
            len(_spent(level)),
        )
        bottom = top + 2 * _PADDING + lines * _LINE
        bands.append(_Band(level, top, bottom))
        top = bottom + _GAP
    return bands


def _head_lines(level: MappedLevel) -> int:
    return 1 + (level.available > 1)


def _tile_lines(level: MappedLevel) -> int:
    return sum(map(_store_lines, level.stores)) + bool(level.passing)


def _store_lines(store: Store) -> int:
    return max(1 + store.is_half, sum(map(_lines_of, store.tiles)))


def _lines_of(tile: Tile) -> int:
    return 1 if tile.indexes is None else 2


def _tile_places(level: MappedLevel) -> dict[str, int]:
    """The line of every tensor that is kept at a level."""
    places, top = {}, 0
    for store in level.stores:
        line = top
        for tile in store.tiles:
            places[tile.tensor] = line
            line += _lines_of(tile)
        top += _store_lines(store)
    return places


def _spent(level: MappedLevel) -> list[Account]:
    """Accounts with something to show."""
    return [account for account in level.accounts if account.total > 0]


def _draw_heading(page: Axes, estimate: LayerEstimate) -> None:
    layer, hardware = estimate.layer, estimate.counts.hardware
    sizes = " ".join(f"{d}={n}" for d, n in layer.dimensions.items() if n > 1)
    shape = f"{sizes}: {estimate.counts.macs:,} MACs".lstrip(": ")
    if block := estimate.weight_format.shown_unit:
        shape += f"; indexes of {'×'.join(map(str, block))} weights down to "
        shape += hardware.levels[estimate.weight_format.decode_level].name
    span = _NEST[0], _VALUES[1]
    _write(page, span, 0.16, f"{layer.name} on {hardware.name}", size=10, weight="bold")
    _write(page, span, 0.35, totals(estimate), size=8)
    _write(page, span, 0.51, shape, size=7, color=_DIM)
    unit = "" if hardware.energy_unit == "pJ" else f" [{hardware.energy_unit}]"
    for span, text in (
        (_NEST, "loop nest"),
        ((_RAILS[0] - 0.03, _SHARES[1]), "tiles of one instance [words], share of capacity"),
        ((_PARTS[0], _VALUES[1]), f"energy{unit}, share of all"),
    ):
        _write(page, span, _TOP - 0.08, text, size=7.5, style="italic")


def _draw_band(page: Axes, band: _Band) -> None:
    left = _NEST[0] - 0.06
    size = _VALUES[1] + 0.04 - left, band.bottom - band.top
    _draw_box(page, left, band.top, *size, facecolor="0.95")


def _draw_rails(page: Axes, bands: list[_Band]) -> None:
    """A line for every tensor from the outermost level to the MAC units."""
    end = bands[-1].line(0)
    for x, tensor in zip(_RAILS, TENSORS, strict=True):
        ends = bands[0].line(_tile_places(bands[0].level)[tensor]), end
        page.plot((x, x), ends, color=_COLORS[tensor], linewidth=1.2, solid_capstyle="butt")
    page.plot((_RAILS[0], _RAILS[-1]), (end, end), color="0.2", linewidth=2)


def _draw_nests(page: Axes, bands: list[_Band]) -> None:
    indent = _indent([_loop_text(loop) for band in bands for loop in band.level.loops])
    depth = 0
    for band in bands:
        level = band.level
        _write(page, _NEST, band.line(0), level.name, size=8, weight="bold")
        if level.available > 1:
            text = f"{level.used:,} of {level.available:,} in use"
            _write(page, _NEST, band.line(1), text, color=_DIM)
        for line, each in enumerate(level.nest, start=_head_lines(level)):
            span = _NEST[0] + depth * indent, _NEST[1]
            if isinstance(each, str):
                _write(page, span, band.line(line), f"[{each}]", color=_COLORS[each])
                continue
            _write(page, span, band.line(line), _loop_text(each))
            depth += 1


def _indent(texts: list[str]) -> float:
    """How far each of nested lines is moved, so that all fit."""
    room, font = _NEST[1] - _NEST[0] - 0.01, _font()
    rooms = ((room - _length(text, font)) / i for i, text in enumerate(texts) if i)
    return max(0.0, min((_LARGEST_INDENT, *rooms)))


def _loop_text(loop: NestLoop) -> str:
    word, axis = ("parallel", f" ({loop.axis})") if loop.axis else ("for", "")
    short = ", last short" if loop.is_last_short else ""
    return f"{word} {loop.dimension} in {loop.bound:,}{axis}{short}"


def _draw_tiles(page: Axes, band: _Band) -> None:
    level, places = band.level, _tile_places(band.level)
    for store in level.stores:
        for tile in store.tiles:
            x, y = _RAILS[TENSORS.index(tile.tensor)], band.line(places[tile.tensor])
            page.plot(x, y, marker="s", markersize=4.5, color=_COLORS[tile.tensor])
            _write(page, _TILES, y, tile.tensor)
            _write(page, _TILES, y, _number(tile.words, _EXACT_WORDS), right=True)
            if tile.indexes is not None:
                text = f"in {_number(tile.indexes, _EXACT_INDEXES)} indexes"
                _write(page, _TILES, y + _LINE, text, right=True, color=_DIM)
        if store.capacity_bits is not None:
            y = band.line(places[store.tiles[0].tensor])
            _draw_share(page, store, store.capacity_bits, y)
    if level.passing:
        line = band.line(sum(map(_store_lines, level.stores)))
        span = _TILES[0], _SHARES[1]
        _write(page, span, line, f"{listed(level.passing)} pass by", color=_DIM, style="italic")


def _draw_share(page: Axes, store: Store, capacity_bits: int, y: float) -> None:
    """Draw how full a store is: one bar over the lines of its tiles."""
    height = (sum(map(_lines_of, store.tiles)) - 1) * _LINE + _BAR
    top, (left, right) = y - _BAR / 2, _STORE
    width = right - left
    _draw_box(page, left, top, width, height, facecolor="white")
    for tile in store.tiles:
        length = tile.bits / capacity_bits * width
        _draw_box(page, left, top, length, height, facecolor=_COLORS[tile.tensor])
        left += length
    _draw_box(page, _STORE[0], top, width, height, fill=False, edgecolor="0.3", linewidth=0.6)
    room = shown(capacity_bits, Column("capacity", "bit", "bits"))
    _write(page, _SHARES, y, f"{percent(store.share or 0)} of {room}")
    if store.is_half:
        _write(page, _SHARES, y + _LINE, "in each of 2 buffers", color=_DIM)


def _draw_energy(page: Axes, bands: list[_Band], estimate: LayerEstimate) -> None:
    largest = max((a.total for band in bands for a in _spent(band.level)), default=0.0)
    column = Column("energy", estimate.counts.hardware.energy_unit, "energy")
    for band in bands:
        for line, account in enumerate(_spent(band.level)):
            y, left = band.line(line), _ENERGY[0]
            _write(page, _PARTS, y, account.part, color=_DIM)
            for tensor, color in _COLORS.items():
                length = account.energy.get(tensor, 0.0) / largest * (_ENERGY[1] - _ENERGY[0])
                _draw_box(page, left, y - _BAR / 2, length, _BAR, facecolor=color)
                left += length
            share = percent(account.total / estimate.energy)
            span = left + _VALUES[0] - _ENERGY[1], _VALUES[1]
            _write(page, span, y, f"{shown(account.total, column)}, {share}")


def _draw_box(
    page: Axes, left: float, top: float, width: float, height: float, **look: Any
) -> None:
    from matplotlib.patches import Rectangle

    page.add_patch(Rectangle((left, top), width, height, **look))


def _number(value: int, limit: int) -> str:
    return shown(value if value < limit else float(value), Column("number", "", "number"))


def _write(
    page: Axes, span: tuple[float, float], y: float, text: str, right: bool = False, **look: Any
) -> None:
    """Write a line at one end of a span; what does not fit is cut short."""
    font = _font(**{key: look.pop(key) for key in ("size", "weight", "style") if key in look})
    text = whole = " ".join(text.split())
    kept = len(whole)
    while kept and _length(text, font) > span[1] - span[0]:
        kept -= 1
        text = whole[:kept].rstrip() + "…"
    page.text(
        span[right],
        y,
        text,
        font=font,
        horizontalalignment="right" if right else "left",
        verticalalignment="center_baseline",
        parse_math=False,
        **look,
    )


def _font(size: float = 7, **look: Any) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size, **look)


def _length(text: str, font: FontProperties) -> float:
    from matplotlib.textpath import text_to_path

    points: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return _HINTING * points / 72

"""Figure of a mapped layer: loop nest, tiles and energy, level by level."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from kcsim.model.layer_estimate import LayerEstimate
from kcsim.report.cells import shown
from kcsim.report.mapping_data import NestLoop, Store, mapped_levels
from kcsim.report.mapping_layout import (
    BAR,
    GAP,
    LARGEST_INDENT,
    LINE,
    PLACES,
    Band,
    Places,
    Span,
    account_bands,
    account_stores,
    bands_of,
    head_lines,
    lines_of,
    passing_lines,
    spent,
    store_lines,
    tile_places,
    wrapped,
)
from kcsim.report.mapping_text import percent, totals
from kcsim.report.pictures import COLORS, STYLE, TEXT, check_size, write_picture
from kcsim.report.table import Column
from kcsim.workload.layer import TENSORS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties

_COLORS = {"weights": COLORS[0], "inputs": COLORS[1], "outputs": COLORS[2], "": COLORS[7]}
_DIM = "0.4"

# Letters that are fitted to coarse pixels are wider than in print.
_HINTING = 1.03

# Larger numbers are rounded, for want of room.
_EXACT_WORDS = 10**9
_EXACT_INDEXES = 10**7


def draw_mapping(estimate: LayerEstimate, size: str = "page") -> Figure:
    """Draw the loop nest of a mapped layer, the tiles that every level holds, and the energy.

    Every level is a band: its loops, outermost first; beside them what one
    instance holds of every tensor, and how much of the capacity that fills; beside
    these the energy of the level and of the network below it, all on one scale.
    The line of a tensor runs through the levels that it passes by.

    Parameters
    ----------
    estimate : LayerEstimate
    size : {"column", "page"}
        As wide as a column of a paper, or as a page with two.

    Returns
    -------
    matplotlib.figure.Figure
        As high as the nest needs.

    Raises
    ------
    InputError
        If there is no such size.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    check_size(size)
    places, levels = PLACES[size], mapped_levels(estimate)
    top = 0.3 + 0.18 * len(_heading(estimate, places))
    bands = bands_of(levels, places, top)
    accounts = bands
    if places.is_column:
        accounts = account_bands(levels, bands[-1].bottom + LINE + 3 * GAP)
    height = accounts[-1].bottom + GAP
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(places.width, height))
        page = figure.add_axes((0, 0, 1, 1))
        page.set(xlim=(0, places.width), ylim=(height, 0))
        page.set_axis_off()
        _draw_heading(page, places, estimate, top, accounts[0].top)
        for band in {id(band): band for band in (*bands, *accounts)}.values():
            _draw_band(page, places, band)
        _draw_rails(page, places, bands)
        _draw_nests(page, places, bands)
        for band, account in zip(bands, accounts, strict=True):
            _draw_tiles(page, places, band)
            _draw_stores(page, places, account)
        _draw_energy(page, places, accounts, estimate)
    return figure


def plot_mapping(estimate: LayerEstimate, path: str | os.PathLike[str], size: str = "page") -> None:
    """Draw a mapped layer to a file; see `draw_mapping`.

    Parameters
    ----------
    estimate : LayerEstimate
    path : str or path
        A file that ends in ``.png``, ``.pdf`` or ``.svg``; written whole or not
        at all.
    size : {"column", "page"}

    Raises
    ------
    InputError
        If the ending names no format, or the file cannot be written.
    """
    write_picture(path, lambda: draw_mapping(estimate, size), dpi=200)


def _heading(estimate: LayerEstimate, places: Places) -> list[tuple[str, dict[str, Any]]]:
    """Lines above the nest, and how they look; names are cut, all else is wrapped."""
    layer, hardware = estimate.layer, estimate.counts.hardware
    sizes = " ".join(f"{d}={n}" for d, n in layer.dimensions.items() if n > 1)
    shape = f"{sizes}: {estimate.counts.macs:,} MACs".lstrip(": ")
    if block := estimate.weight_format.shown_unit:
        shape += f"; indexes of {'×'.join(map(str, block))} weights down to "
        shape += hardware.levels[estimate.weight_format.decode_level].name
    span = places.nest[0], places.values[1]
    return [
        (f"{layer.name} on {hardware.name}", {"weight": "bold"}),
        *((line, {}) for line in wrapped(totals(estimate), span)),
        *((line, {"color": _DIM}) for line in wrapped(shape, span)),
    ]


def _draw_heading(
    page: Axes, places: Places, estimate: LayerEstimate, top: float, accounts_top: float
) -> None:
    span = places.nest[0], places.values[1]
    for i, (text, look) in enumerate(_heading(estimate, places)):
        _write(page, span, 0.14 + 0.18 * i, text, **look)
    unit = estimate.counts.hardware.energy_unit
    energy = f"energy{'' if unit == 'pJ' else f' [{unit}]'}, share of all"
    tiles = (places.rails[0] - 0.03, places.tiles[1])
    titles = [
        (places.nest, top, "loop nest"),
        (tiles, top, "tiles [words]"),
        (span, accounts_top, f"share of capacity; {energy}"),
    ]
    if not places.is_column:
        words = "tiles of one instance [words], share of capacity"
        titles[1:] = [
            ((tiles[0], places.shares[1]), top, words),
            ((places.parts[0], places.values[1]), top, energy),
        ]
    for place, below, text in titles:
        _write(page, place, below - 0.09, text, style="italic")


def _draw_band(page: Axes, places: Places, band: Band) -> None:
    left = places.nest[0] - 0.06
    size = places.values[1] + 0.04 - left, band.bottom - band.top
    _draw_box(page, left, band.top, *size, facecolor="0.95")


def _draw_rails(page: Axes, places: Places, bands: list[Band]) -> None:
    """A line for every tensor from the outermost level to the MAC units."""
    end = bands[-1].line(0)
    for x, tensor in zip(places.rails, TENSORS, strict=True):
        ends = bands[0].line(tile_places(bands[0].level)[tensor]), end
        page.plot((x, x), ends, color=_COLORS[tensor], linewidth=1.2, solid_capstyle="butt")
    page.plot((places.rails[0], places.rails[-1]), (end, end), color="0.2", linewidth=2)


def _draw_nests(page: Axes, places: Places, bands: list[Band]) -> None:
    texts = [_loop_text(loop) for band in bands for loop in band.level.loops]
    indent, nest = _indent(texts, places.nest), places.nest
    depth = 0
    for band in bands:
        level = band.level
        _write(page, nest, band.line(0), level.name, weight="bold")
        if level.available > 1:
            text = f"{level.used:,} of {level.available:,} in use"
            _write(page, nest, band.line(1), text, color=_DIM)
        for line, each in enumerate(level.nest, start=head_lines(level)):
            span = nest[0] + depth * indent, nest[1]
            if isinstance(each, str):
                _write(page, span, band.line(line), f"[{each}]", weight="bold")
                continue
            _write(page, span, band.line(line), _loop_text(each))
            depth += 1


def _indent(texts: list[str], nest: Span) -> float:
    """How far each of nested lines is moved, so that all fit."""
    room, font = nest[1] - nest[0] - 0.01, _font()
    rooms = ((room - _length(text, font)) / i for i, text in enumerate(texts) if i)
    return max(0.0, min((LARGEST_INDENT, *rooms)))


def _loop_text(loop: NestLoop) -> str:
    word, axis = ("parallel", f" ({loop.axis})") if loop.axis else ("for", "")
    short = ", last short" if loop.is_last_short else ""
    return f"{word} {loop.dimension} in {loop.bound:,}{axis}{short}"


def _draw_tiles(page: Axes, places: Places, band: Band) -> None:
    level, lines, span = band.level, tile_places(band.level), places.tiles
    for store in level.stores:
        for tile in store.tiles:
            x, y = places.rails[TENSORS.index(tile.tensor)], band.line(lines[tile.tensor])
            page.plot(x, y, marker="s", markersize=4.5, color=_COLORS[tile.tensor])
            _write(page, span, y, tile.tensor)
            _write(page, span, y, _number(tile.words, _EXACT_WORDS), right=True)
            if tile.indexes is not None:
                text = f"in {_number(tile.indexes, _EXACT_INDEXES)} indexes"
                _write(page, span, y + LINE, text, right=True, color=_DIM)
    line = sum(map(store_lines, level.stores))
    end = span[1] if places.is_column else places.shares[1]
    for text in passing_lines(level, places):
        _write(page, (span[0], end), band.line(line), text, color=_DIM, style="italic")
        line += 1


def _draw_stores(page: Axes, places: Places, band: Band) -> None:
    """How full stores are: beside their tiles, or one below the other."""
    level, lines, line = band.level, tile_places(band.level), 1
    if places.is_column:
        _write(page, places.nest, band.line(0), level.name, weight="bold")
    for store in level.stores:
        if store.capacity_bits is None:
            continue
        if places.is_column:
            _write(page, places.parts, band.line(line), "capacity", color=_DIM)
            _draw_share(page, places, store, band.line(line), 1)
            line += 1 + store.is_half
        else:
            count = sum(map(lines_of, store.tiles))
            _draw_share(page, places, store, band.line(lines[store.tiles[0].tensor]), count)


def _draw_share(page: Axes, places: Places, store: Store, y: float, lines: int) -> None:
    """Draw how full a store is: one bar over the lines of its tiles."""
    capacity_bits = store.capacity_bits or 1
    height = (lines - 1) * LINE + BAR
    top, (left, right) = y - BAR / 2, places.store
    width = right - left
    _draw_box(page, left, top, width, height, facecolor="white")
    for tile in store.tiles:
        length = tile.bits / capacity_bits * width
        _draw_box(page, left, top, length, height, facecolor=_COLORS[tile.tensor])
        left += length
    _draw_box(page, places.store[0], top, width, height, fill=False, edgecolor="0.3", linewidth=0.6)
    room = shown(capacity_bits, Column("capacity", "bit", "bits"))
    _write(page, places.shares, y, f"{percent(store.share or 0)} of {room}")
    if store.is_half:
        _write(page, places.shares, y + LINE, "in each of 2 buffers", color=_DIM)


def _draw_energy(page: Axes, places: Places, bands: list[Band], estimate: LayerEstimate) -> None:
    largest = max((a.total for band in bands for a in spent(band.level)), default=0.0)
    column = Column("energy", estimate.counts.hardware.energy_unit, "energy")
    start, end = places.energy
    for band in bands:
        first = 1 + account_stores(band.level) if places.is_column else 0
        for line, account in enumerate(spent(band.level), first):
            y, left = band.line(line), start
            _write(page, places.parts, y, account.part, color=_DIM)
            for tensor, color in _COLORS.items():
                length = account.energy.get(tensor, 0.0) / largest * (end - start)
                _draw_box(page, left, y - BAR / 2, length, BAR, facecolor=color)
                left += length
            share = percent(account.total / estimate.energy)
            span = left + places.values[0] - end, places.values[1]
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


def _font(size: float = TEXT, **look: Any) -> FontProperties:
    from matplotlib.font_manager import FontProperties

    return FontProperties(size=size, **look)


def _length(text: str, font: FontProperties) -> float:
    from matplotlib.textpath import text_to_path

    points: float = text_to_path.get_text_width_height_descent(text, font, ismath=False)[0]
    return _HINTING * points / 72

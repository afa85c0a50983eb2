"""What multiplying by entries costs at least, knowing the loops for the widest table."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

import numpy as np

from kcsim.cost.prices import build_machines
from kcsim.cost.static import busy_pj
from kcsim.cost.zero_savings import left_of_cycles
from kcsim.kernels.layout import OUTPUTS
from kcsim.kernels.search import machine as columns
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult
from kcsim.sharing.cost import Cost, in_use_pj
from kcsim.sharing.phase_prices import entry_prices
from kcsim.sharing.phases import fitted_entries, phase_hardware, units_of
from kcsim.sharing.places import Place
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.shapes import smooth
from kcsim.sharing.tiles import Tile


def cut_short(shared: SharedLayer, place: Place, tile: Tile, loops: SearchResult) -> Cost:
    """Of all tables of a layer, under loops that the narrower ones cut short.

    Of what a run of the widest table takes, one with fewer entries takes its share at least; and
    it takes a step for as many entries as are multiplied side by side. Where entries are added up,
    an output starts anew in narrower runs as often as in the widest one, or once for each entry:
    what of that is more than their share spares its way back.

    Parameters
    ----------
    shared : SharedLayer
    place : Place
    tile : Tile
    loops : SearchResult
        For a table of `smooth(widest)` entries.
    """
    ordered, rounds = place.ordered, tile.rounds(shared.layer)
    widths, again = shared.widths(tile, ordered), rounds.N * rounds.P * rounds.Q
    tables, widest = tables_of_widest(shared, tile, ordered), smooth(max(widths))
    steps, side_by_side = _steps(loops.mapping, shared.sharing.merged)
    compute = shared.hardware.compute
    layer = shared.entries_layer(tile, widest)
    each = steps * compute.cycles_per_mac * float(left_of_cycles(compute, layer.zeros))
    cycles = {n: each * -(-n // side_by_side) for n in widths}
    energy = tables * (loops.energy - busy_pj(shared.hardware) * loops.cycles)
    if shared.sharing.merged == "C":
        for beside, pj in _returned_pj(shared, place, tile, loops.mapping):
            more = sum(k * (min(beside, n) - n * beside / widest) for n, k in widths.items())
            energy -= again * more * layer.output_words * pj
    total = again * sum(cycles[n] * count for n, count in widths.items())
    longest = max(cycles.values()) * again * sum(widths.values())
    fitted = fitted_entries(loops.mapping, shared, max(widths))
    in_use = in_use_pj(shared.hardware, fitted, place.home)
    return Cost(energy * _SLACK, total * _SLACK, longest * _SLACK, in_use)


def tables_of_widest(shared: SharedLayer, tile: Tile, ordered: int) -> float:
    """Tables of `smooth(widest)` entries that have as many as all tables of a layer."""
    widths, rounds = shared.widths(tile, ordered), tile.rounds(shared.layer)
    entries = sum(n * count for n, count in widths.items())
    return rounds.N * rounds.P * rounds.Q * entries / smooth(max(widths))


_SLACK = 1 - 1e-12
"""Sums are rounded."""


def _returned_pj(
    shared: SharedLayer, place: Place, tile: Tile, mapping: Mapping
) -> Iterator[tuple[int, float]]:
    """What an output costs at most that comes back, and where: in how many instances it starts."""
    hardware = phase_hardware(shared, "entries", place.home, place.home, tile, place.ordered)
    inner = len(hardware.levels)
    held = [i for i in range(place.home, inner) if mapping.keeps_array(hardware)[i, OUTPUTS]]
    costs, finished = _output_costs(shared, place, tile)
    beside = [1]
    for own in mapping.levels:
        spatial = (*own.spatial_x, *own.spatial_y)
        entries = [loop.bound for loop in spatial if loop.dimension == shared.sharing.merged]
        beside.append(beside[-1] * math.prod(entries))
    yield 1, finished
    for level, child in itertools.pairwise([*held, inner]):
        filled = costs[child, columns.FILL_PJ] if child < inner else 0.0
        moved = float(costs[level:child, columns.TRANSFER_PJ].sum())
        yield beside[level], float(costs[level, columns.READ_PJ])
        yield beside[child], float(costs[level, columns.READ_PJ] + filled) + moved


def _output_costs(shared: SharedLayer, place: Place, tile: Tile) -> tuple[np.ndarray, float]:
    """What outputs cost of the phase that multiplies, at least 0, and what finished ones spare."""
    home, ordered = place.home, place.ordered
    key = "output costs", home, ordered, units_of(shared, "entries", tile, ordered)
    if key not in shared.known:
        hardware = phase_hardware(shared, "entries", home, home, tile, ordered)
        layer, keeps = shared.entries_layer(tile, 1), np.ones((len(hardware.levels), 3), np.bool_)
        prices = entry_prices(shared, home)
        machine, bare = build_machines(layer, hardware, keeps, prices=prices)
        costs = np.maximum(np.maximum(machine.costs, bare.costs)[:, OUTPUTS], 0.0)
        spared = [columns.SPARED_PJ, columns.SPARED_TRANSFER_PJ]
        shared.known[key] = costs, float(machine.finished[:, spared].sum())
    found: tuple[np.ndarray, float] = shared.known[key]
    return found


def _steps(mapping: Mapping, merged: str) -> tuple[int, int]:
    """Steps in time, those over entries aside, and entries that are multiplied side by side."""
    steps, beside = 1, 1
    for level in mapping.levels:
        for loop in level.temporal:
            steps *= loop.bound if loop.dimension != merged else 1
        for loop in (*level.spatial_x, *level.spatial_y):
            beside *= loop.bound if loop.dimension == merged else 1
    return steps, beside

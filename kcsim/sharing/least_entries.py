"""What multiplying by entries costs at least, knowing the loops for the widest table."""

from __future__ import annotations

from kcsim.cost.static import busy_pj
from kcsim.cost.zero_savings import left_of_cycles
from kcsim.mapping.nest import Mapping
from kcsim.mapping.search import SearchResult
from kcsim.sharing.account import Cost
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.shapes import smooth
from kcsim.sharing.tiles import Tile


def cut_short(shared: SharedLayer, tile: Tile, ordered: int, loops: SearchResult) -> Cost:
    """Of all tables of a layer, under loops that the narrower ones cut short.

    Of what a run of the widest table takes, one with fewer entries takes its share at least; and
    it takes a step for as many entries as are multiplied side by side.

    Parameters
    ----------
    shared : SharedLayer
    tile : Tile
    ordered : int
        Filters that share an order; 0 for none.
    loops : SearchResult
        For a table of `smooth(widest)` entries.
    """
    widths, rounds = shared.widths(tile, ordered), tile.rounds(shared.layer)
    again, widest = rounds.N * rounds.P * rounds.Q, smooth(max(widths))
    tables = tables_of_widest(shared, tile, ordered)
    steps, beside = _steps(loops.mapping, shared.sharing.merged)
    compute = shared.hardware.compute
    layer = shared.entries_layer(tile, widest)
    each = steps * compute.cycles_per_mac * float(left_of_cycles(compute, layer.zeros))
    cycles = {n: each * -(-n // beside) for n in widths}
    energy = tables * (loops.energy - busy_pj(shared.hardware) * loops.cycles)
    total = again * sum(cycles[n] * count for n, count in widths.items())
    longest = max(cycles.values()) * again * sum(widths.values())
    return Cost(energy * _SLACK, total * _SLACK, longest * _SLACK)


def tables_of_widest(shared: SharedLayer, tile: Tile, ordered: int) -> float:
    """Tables of `smooth(widest)` entries that have as many as all tables of a layer."""
    widths, rounds = shared.widths(tile, ordered), tile.rounds(shared.layer)
    entries = sum(n * count for n, count in widths.items())
    return rounds.N * rounds.P * rounds.Q * entries / smooth(max(widths))


_SLACK = 1 - 1e-12
"""Sums are rounded."""


def _steps(mapping: Mapping, merged: str) -> tuple[int, int]:
    """Steps in time, those over entries aside, and entries that are multiplied side by side."""
    steps, beside = 1, 1
    for level in mapping.levels:
        for loop in level.temporal:
            steps *= loop.bound if loop.dimension != merged else 1
        for loop in (*level.spatial_x, *level.spatial_y):
            beside *= loop.bound if loop.dimension == merged else 1
    return steps, beside

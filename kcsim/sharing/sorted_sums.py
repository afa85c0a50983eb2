"""Sums of filters that share one sorted order of their units, of real indexes or expected ones.

Hegde et al., UCNN, ISCA 2018, Section III: the units of a group of filters are sorted by the entry
of the first filter, those with the same one by that of the second, and so on. Each input is read
once for all of them. A filter needs one product for every run of units that agree in its entry and
in those of the filters before it.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from kcsim.clustering.entry_use import EntryUse
from kcsim.clustering.sorted_units import expected_sums
from kcsim.kernels.sorted_units import count_sums
from kcsim.sharing.distinct_entries import DistinctEntries, Widths, spread_evenly


class SortedSums(NamedTuple):
    """What all tiles of a layer need whose filters share orders.

    Attributes
    ----------
    widths : tuple of (int, int)
        How many tables, one for each filter of each tile, have each number of sums.
    room : int
        Sums of one group, each filter with the most that one of its place has.
    passed : int
        Sums that a filter passes on to the one before it, in all groups.
    zero_share : float
        Share of the units of a group that no filter has an entry for.
    """

    widths: Widths
    room: int
    passed: int
    zero_share: float


def sorted_sums(distinct: DistinctEntries, blocks: int, filters: int, most: int) -> SortedSums:
    """The sums of all tiles that differ in groups, filters and channels.

    Parameters
    ----------
    distinct : DistinctEntries
    blocks : int
        Blocks of channels of a group that are in a tile; a divisor of their number.
    filters : int
        That share an order; a divisor of those of a group of channels.
    most : int
        Units in one sum, after which a new one begins; 0 for any number.
    """
    if filters == 1 and not most:
        widths = distinct.widths("filter", blocks)
        return SortedSums(widths, max(n for n, _ in widths), 0, distinct.zero_share)
    key = blocks, filters, most
    if key not in distinct.known_sums:
        make = _expected if distinct.keys is None else _counted
        distinct.known_sums[key] = make(distinct, blocks, filters, most)
    found: SortedSums = distinct.known_sums[key]
    return found


def _counted(distinct: DistinctEntries, blocks: int, filters: int, most: int) -> SortedSums:
    assert distinct.keys is not None
    groups, across, every, taps = distinct.keys.shape
    keys = distinct.keys.reshape(groups, across // filters, filters, every // blocks, blocks, taps)
    keys = keys.transpose(0, 1, 3, 2, 4, 5).reshape(-1, filters, blocks * taps)
    sums, passed = np.zeros(keys.shape[:2], np.int64), np.zeros(len(keys), np.int64)
    count_sums(np.ascontiguousarray(keys), most, sums, passed)
    found, often = np.unique(sums, return_counts=True)
    widths = tuple(zip(found.tolist(), often.tolist(), strict=True))
    zero = (keys < 0).all(axis=1).mean()
    return SortedSums(widths, int(sums.max(axis=0).sum()), int(passed.sum()), float(zero))


def _expected(distinct: DistinctEntries, blocks: int, filters: int, most: int) -> SortedSums:
    """Whole numbers: of each place in a group, those next to their mean."""
    spaces = blocks if distinct.part.settings.is_product else 1
    use = EntryUse() if distinct.uses is None else distinct.uses.filter
    units = blocks // spaces * distinct.units_per_kernel
    one = expected_sums(distinct.kinds, units, use, distinct.zero_share, filters, most)
    layer = distinct.part.layer
    tables = layer.out_channels // filters * (distinct.blocks // blocks)
    widths: Counter[int] = Counter()
    room = 0
    for mean in one.sums:
        even = spread_evenly(max(round(spaces * mean * tables), 0), tables)
        room += max(width for width, _ in even)
        for width, times in even:
            widths[width] += times
    passed, zeros = round(spaces * one.passed * tables), distinct.zero_share**filters
    return SortedSums(tuple(sorted(widths.items())), room, passed, zeros)

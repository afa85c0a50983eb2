"""Units of filters in one sorted order: what runs there are, found by sorting them."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np


class Run(NamedTuple):
    """Units of a filter that follow each other and have the same entry.

    Attributes
    ----------
    entry : int
        Negative for none.
    parts : tuple of int
        The runs of the next filter that it is made of; of the last filter, its own number.
    is_passed : bool
        Whether its sum is part of one that a filter before multiplies.
    """

    entry: int
    parts: tuple[int, ...]
    is_passed: bool


class SortedUnits(NamedTuple):
    """Units in order.

    Attributes
    ----------
    ranks : int64[units]
        The run of the last filter that each unit is in; -1 for none.
    runs : list of list of Run
        Of every filter.
    """

    ranks: np.ndarray
    runs: list[list[Run]]


def sort_units(keys: np.ndarray, most: int) -> SortedUnits:
    """Sort the units of some filters, and cut them into runs.

    Parameters
    ----------
    keys : int64[filters, units]
        Negative keys are no entry.
    most : int
        Units of one run of the first filter that has an entry, at most; 0 for any number.
    """
    filters, units = keys.shape
    entries = {u: tuple(keys[:, u].tolist()) for u in range(units) if (keys[:, u] >= 0).any()}
    met: Counter[tuple[int, ...]] = Counter()
    paths = {}
    for unit in sorted(entries, key=lambda u: entries[u]):
        own = entries[unit]
        first = next(f for f in range(filters) if own[f] >= 0)
        cut = met[own[: first + 1]] // most if most else 0
        met[own[: first + 1]] += 1
        # What a run of each filter is called: by all entries up to it, and its cut.
        paths[unit] = [(own[: f + 1], cut if f >= first else 0) for f in range(filters)]
    names = [list(dict.fromkeys(path[f] for path in paths.values())) for f in range(filters)]
    ranks = np.full(units, -1, np.int64)
    for unit, path in paths.items():
        ranks[unit] = names[-1].index(path[-1])
    inside = [
        dict.fromkeys((path[f], path[min(f + 1, filters - 1)]) for path in paths.values())
        for f in range(filters)
    ]
    runs = [
        [
            Run(
                name[0][-1],
                tuple(names[min(f + 1, filters - 1)].index(b) for a, b in inside[f] if a == name),
                any(key >= 0 for key in name[0][:-1]),
            )
            for name in names[f]
        ]
        for f in range(filters)
    ]
    return SortedUnits(ranks, runs)

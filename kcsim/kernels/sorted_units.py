"""Sums of filters whose units come in one sorted order."""

import numpy as np

from kcsim.kernels.compilation import kernel


@kernel
def count_sums(keys, most, sums, passed):
    """Count the sums of filters that share one order, for every row.

    Units are sorted by the entry of the first filter, those with the same one by that of the
    second, and so on. A sum of a filter begins wherever its entry, or that of a filter before it,
    changes. After `most` units with the same entry of the first filter that has one, new sums begin
    for it and all filters behind it.

    Parameters
    ----------
    keys : int64[rows, filters, units]
        A negative key is no entry. Units without entries in any filter are left out.
    most : int
        Units in one sum; 0 for any number.
    sums : int64[rows, filters]
        Filled with the sums of every filter that are multiplied by an entry.
    passed : int64[rows]
        Filled with the sums that a filter passes on to the one before it, to be added up there:
        all whose units have an entry in some filter before.
    """
    filters = keys.shape[1]
    for row in range(keys.shape[0]):
        order = np.argsort(keys[row, filters - 1], kind="mergesort")
        for f in range(filters - 2, -1, -1):
            order = order[np.argsort(keys[row, f][order], kind="mergesort")]
        last, added = -1, 0
        for unit in order:
            leader = 0
            while leader < filters and keys[row, leader, unit] < 0:
                leader += 1
            if leader == filters:
                continue
            first = 0
            if last >= 0:
                while first < filters and keys[row, first, unit] == keys[row, first, last]:
                    first += 1
            if first <= leader:
                added = 0
            elif added == most and most > 0:
                first, added = leader, 0
            added += 1
            last = unit
            for f in range(first, filters):
                sums[row, f] += keys[row, f, unit] >= 0
                passed[row] += f > leader

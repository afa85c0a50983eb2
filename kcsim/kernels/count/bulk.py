"""Checking and counting many mappings of one layer; see `kcsim.kernels.nest` for the arrays."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.counting import count_nest
from kcsim.kernels.nest import BOUND, DIMENSION, KIND, LEVEL, TEMPORAL


@kernel
def count_mappings(loops, window, rules, spans, counts, temporal_steps):
    """Count many mappings of one layer; see `count_mapping`.

    Parameters
    ----------
    loops : int64[mappings, loops, 4]
    window : int64[4]
    rules : int64[levels, 8]
    spans : int64[mappings, levels + 1, 26]
    counts : int64[mappings, levels, 3, 6]
    temporal_steps : int64[mappings]
        The last three are filled.
    """
    count = loops.shape[1]
    steps = np.empty((count, 2), np.int64)
    for i in range(loops.shape[0]):
        temporal_steps[i] = count_nest(loops[i], count, window, rules, spans[i], steps, counts[i])


@kernel
def find_fault(loops, sizes, room):
    """The first mapping that does not map a layer on a hardware, if there is one.

    Parameters
    ----------
    loops : int64[mappings, loops, 4]
    sizes : int64[8]
        Size of each dimension of the layer.
    room : int64[levels, 3]
        Children along X and Y below each level, in the last two columns.

    Returns
    -------
    mapping : int64
        -1 if all are sound.
    fault : int64
        The column of `loops` that holds a wrong value; 4 for levels out of order, 5 for bounds that
        do not multiply to a size, 6 for more children than there are.
    place : int64
        The loop, dimension, or three times the level plus the kind.
    """
    levels = room.shape[0]
    covered, used = np.empty(8, np.int64), np.empty((levels, 3), np.int64)
    most = np.array([levels, 3, 8, np.iinfo(np.int64).max])
    for mapping in range(loops.shape[0]):
        covered.fill(1)
        used.fill(1)
        for i in range(loops.shape[1]):
            loop = loops[mapping, i]
            for column in range(4):
                if loop[column] < (column == BOUND) or loop[column] >= most[column]:
                    return mapping, column, i
            if i and loop[LEVEL] < loops[mapping, i - 1, LEVEL]:
                return mapping, 4, i
            # Bounds beyond the size are faults; cut, so that their product cannot wrap.
            dimension, bound = loop[DIMENSION], min(loop[BOUND], sizes[loop[DIMENSION]] + 1)
            covered[dimension] *= bound
            if covered[dimension] > sizes[dimension]:
                return mapping, 5, dimension
            if loop[KIND] != TEMPORAL:
                used[loop[LEVEL], loop[KIND]] *= bound
                if used[loop[LEVEL], loop[KIND]] > room[loop[LEVEL], loop[KIND]]:
                    return mapping, 6, 3 * loop[LEVEL] + loop[KIND]
        for dimension in range(8):
            if covered[dimension] != sizes[dimension]:
                return mapping, 5, dimension
    return -1, 0, 0

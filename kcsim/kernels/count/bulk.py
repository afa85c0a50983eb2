"""Checking and counting many mappings of one layer; see `kcsim.kernels.layout` for the arrays."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.counting import count_nest
from kcsim.kernels.layout import SPAN, STEP, TEMPORAL
from kcsim.kernels.nest import helper


@kernel
def count_mappings(loops, heights, window, rules, tiles, instances, counts, temporal_steps):
    """Count many mappings of one layer; see `count_mapping`.

    Parameters
    ----------
    loops : LOOP[mappings, loops]
    heights : int64[mappings, levels, 3]
        Or one for all.
    window : WINDOW[2]
    rules : RULE[levels]
    tiles : int64[mappings, levels, 3]
    instances : int64[mappings, levels + 1]
    counts : COUNT[mappings, levels, 3]
    temporal_steps : int64[mappings]
        The last four are filled.
    """
    levels = rules.shape[0]
    spans, steps = np.empty(levels + 1, SPAN), np.empty(loops.shape[1], STEP)
    for i in range(loops.shape[0]):
        places = heights[min(i, heights.shape[0] - 1)]
        temporal_steps[i] = count_nest(loops[i], places, window, rules, spans, steps, counts[i])
        for level in range(levels + 1):
            instances[i, level] = spans[level].instances
            for tensor in range(3 if level < levels else 0):
                tiles[i, level, tensor] = spans[level].tile[tensor]


@helper
def wrong_field(loop, levels):
    """The first field of a loop that is out of range, counted from 0; -1 if none is."""
    if not 0 <= loop.level < levels:
        return 0
    if not 0 <= loop.kind < 3:
        return 1
    if not 0 <= loop.dimension < 8:
        return 2
    return -1 if loop.bound > 0 else 3


@kernel
def find_fault(loops, sizes, room):
    """The first mapping that does not map a layer on a hardware, if there is one.

    Parameters
    ----------
    loops : LOOP[mappings, loops]
    sizes : int64[8]
        Size of each dimension of the layer.
    room : int64[levels, 3]
        Children along X and Y below each level, in the last two columns.

    Returns
    -------
    mapping : int64
        -1 if all are sound.
    fault : int64
        The field of a loop that is out of range, from 0 to 3; 4 for levels out of order, 5 for
        bounds that do not multiply to a size, 6 for more children than there are.
    place : int64
        The loop, dimension, or three times the level plus the kind.
    """
    levels = room.shape[0]
    covered, used = np.empty(8, np.int64), np.empty((levels, 3), np.int64)
    for mapping in range(loops.shape[0]):
        covered.fill(1)
        used.fill(1)
        for i in range(loops.shape[1]):
            loop = loops[mapping, i]
            field = wrong_field(loop, levels)
            if field >= 0:
                return mapping, field, i
            if i and loop.level < loops[mapping, i - 1].level:
                return mapping, 4, i
            # Bounds beyond the size are faults; cut, so that their product cannot wrap.
            dimension, bound = loop.dimension, min(loop.bound, sizes[loop.dimension] + 1)
            covered[dimension] *= bound
            if covered[dimension] > sizes[dimension]:
                return mapping, 5, dimension
            if loop.kind != TEMPORAL:
                used[loop.level, loop.kind] *= bound
                if used[loop.level, loop.kind] > room[loop.level, loop.kind]:
                    return mapping, 6, 3 * loop.level + loop.kind
        for dimension in range(8):
            if covered[dimension] != sizes[dimension]:
                return mapping, 5, dimension
    return -1, 0, 0

"""Iterations of loops whose bounds do not divide a dimension: the last round is short.

A nest is walked event by event. An *event* is the advance of one loop, with all loops
inside it starting again; the first step is one more. What an event moves depends, for each
dimension, on the iteration in which the loops around it are only near the end of the
dimension, where tiles are short and children idle. So each dimension has a few *classes* of
iterations that are counted once and multiplied. See `kcsim.kernels.nest` for the arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.nest import BOUND, DIMENSION, KIND, LEVEL, STEP, TEMPORAL, helper

BASE, TIMES = 0, 1
"""Columns of classes: an iteration of the class as the index it begins at, and how many."""


class Walk(NamedTuple):
    """The loops above a level, and what they walk over.

    Attributes
    ----------
    loops : int64[loops, 4]
    steps : int64[loops, 2]
        ``STEP``: indices by which one iteration of a loop advances its dimension.
    sizes : int64[8]
        Size of each dimension of the layer.
    extent : int64[8]
        Indices of each dimension that a full tile of the level spans.
    above : int64
        Number of loops above the level.
    event : int64
        The loop that advances; -1 for the first step, `above` for every step.
    """

    loops: np.ndarray
    steps: np.ndarray
    sizes: np.ndarray
    extent: np.ndarray
    above: int
    event: int


@helper
def advances(walk, dimension):
    """Whether the event is the advance of a loop over a dimension."""
    inside = 0 <= walk.event < walk.above
    return inside and walk.loops[max(walk.event, 0), DIMENSION] == dimension


@helper
def list_cuts(walk, dimension, end, cuts):
    """Where the temporal iterations before loop `end` over a dimension change their class.

    The last index of the dimension lies at one place of every loop. A child at a lower place
    of a spatial loop is busy in all iterations that are like the last one up to that loop, a
    child at a higher place in none of them.

    Parameters
    ----------
    cuts : int64[:]
        Filled, ascending: iterations at which classes end, the last one excluded.

    Returns
    -------
    int64
        Number of classes, some of them empty.
    """
    loops, last_index = walk.loops, walk.sizes[dimension] - 1
    count, last, covered = 0, 0, 1
    spans = np.empty_like(cuts)
    for i in range(loops.shape[0]):
        if loops[i, DIMENSION] != dimension:
            continue
        bound = loops[i, BOUND]
        covered *= bound
        if i < end and loops[i, KIND] == TEMPORAL:
            for k in range(count):
                cuts[k] *= bound
                spans[k] *= bound
            last = last * bound + last_index // walk.steps[i, STEP] % bound
        elif i < end:
            cuts[count], spans[count] = last, 1
            count += 1
    if covered == last_index + 1:
        iterations = 1
        for i in range(max(end, 0)):
            if loops[i, DIMENSION] == dimension and loops[i, KIND] == TEMPORAL:
                iterations *= loops[i, BOUND]
        cuts[0] = iterations
        return 1
    cuts[count], cuts[count + 1] = last, last + 1
    for k in range(count):
        cuts[2 * count + 1 - k] = cuts[k] + spans[k]
    return 2 * count + 2


@helper
def list_classes(walk, dimension, classes):
    """Classes of iterations of the temporal loops over a dimension around the event.

    Within a class, the same children are busy and do the same; see `list_cuts`.

    Parameters
    ----------
    classes : int64[:, 2]
        Filled: ``BASE``, ``TIMES``.

    Returns
    -------
    int64
        Number of classes.
    """
    end = walk.event + advances(walk, dimension)
    cuts = np.empty(2 * walk.above + 2, np.int64)
    found, low = 0, 0
    for k in range(list_cuts(walk, dimension, end, cuts)):
        high = cuts[k]
        times, chosen = high - low, high - 1
        if advances(walk, dimension):
            # The loop that advances has left its first iteration.
            bound = walk.loops[walk.event, BOUND]
            times -= -(-high // bound) + (-low // bound)
            chosen -= chosen % bound == 0
        base = first_index(walk, dimension, end, chosen)
        # Beyond the size even the first child is idle.
        if times > 0 and base < walk.sizes[dimension]:
            classes[found, BASE], classes[found, TIMES] = base, times
            found += 1
        low = high
    return found


@helper
def first_index(walk, dimension, end, iteration):
    """Index at which a numbered iteration of the temporal loops before `end` begins."""
    base = 0
    for i in range(end - 1, -1, -1):
        if walk.loops[i, DIMENSION] == dimension and walk.loops[i, KIND] == TEMPORAL:
            base += iteration % walk.loops[i, BOUND] * walk.steps[i, STEP]
            iteration //= walk.loops[i, BOUND]
    return base


@helper
def previous_index(walk, dimension, index):
    """Where the tile before the event began that begins at `index` after it."""
    if advances(walk, dimension):
        index -= walk.steps[walk.event, STEP]
    for i in range(walk.event + 1, walk.above):
        if walk.loops[i, DIMENSION] == dimension and walk.loops[i, KIND] == TEMPORAL:
            most = (walk.sizes[dimension] - 1 - index) // walk.steps[i, STEP]
            index += min(walk.loops[i, BOUND] - 1, most) * walk.steps[i, STEP]
    return index


@helper
def tile_extent(walk, dimension, index):
    """Indices that a tile spans that begins at `index`; none where that lies outside the layer."""
    return max(0, min(walk.extent[dimension], walk.sizes[dimension] - index))


@helper
def child_count(walk, dimension):
    """Number of places along a dimension at which the children above the level stand."""
    count = 1
    for i in range(walk.above):
        if walk.loops[i, DIMENSION] == dimension and walk.loops[i, KIND] != TEMPORAL:
            count *= walk.loops[i, BOUND]
    return count


@helper
def child_offset(walk, dimension, child, level, shares):
    """Index at which a child begins; -1 if networks from `level` on share its stream with another.

    Children are counted along one dimension, that does not index the tensor where sharing
    is asked about.
    """
    offset = 0
    for i in range(walk.above - 1, -1, -1):
        if walk.loops[i, DIMENSION] == dimension and walk.loops[i, KIND] != TEMPORAL:
            place = child % walk.loops[i, BOUND]
            if place > 0 and walk.loops[i, LEVEL] >= level and shares[walk.loops[i, LEVEL]]:
                return -1
            offset += place * walk.steps[i, STEP]
            child //= walk.loops[i, BOUND]
    return offset


@helper
def busy_children(walk, dimension, level, shares, classes):
    """Children with a stream of their own, summed over the iterations around the event."""
    busy = 0
    for k in range(list_classes(walk, dimension, classes)):
        for child in range(child_count(walk, dimension)):
            offset = child_offset(walk, dimension, child, level, shares)
            if offset >= 0 and classes[k, BASE] + offset < walk.sizes[dimension]:
                busy += classes[k, TIMES]
    return busy


@helper
def plain_extents(walk, dimension, shares, in_step, classes):
    """Extents of the tiles of all children along a dimension that is no window axis.

    Parameters
    ----------
    in_step : bool
        Whether all tiles change with that of the first child, as partial sums do.

    Returns
    -------
    every, kept : int64
        Summed over children and iterations: of all tiles, and of those that the event
        leaves where they are.
    """
    every, kept = 0, 0
    is_new = walk.event < 0 or walk.event == walk.above
    for k in range(list_classes(walk, dimension, classes)):
        for child in range(child_count(walk, dimension)):
            level = shares.shape[0]
            index = classes[k, BASE] + child_offset(walk, dimension, child, level, shares)
            extent = tile_extent(walk, dimension, index)
            every += classes[k, TIMES] * extent
            leader = classes[k, BASE] if in_step else index
            if not is_new and extent > 0 and previous_index(walk, dimension, leader) == leader:
                kept += classes[k, TIMES] * extent
    return every, kept

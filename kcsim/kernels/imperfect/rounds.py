"""Iterations of loops whose bounds do not divide a dimension: the last round is short.

A nest is walked event by event. An *event* is the advance of one loop, with all loops
inside it starting again; the first step is one more. What an event moves depends, for each
dimension, on the iteration in which the loops around it are only near the end of the
dimension, where tiles are short and children idle. So each dimension has a few *classes* of
iterations that are counted once and multiplied. See `kcsim.kernels.layout` for the arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import int64

from kcsim.kernels.layout import TEMPORAL, record
from kcsim.kernels.nest import allocating

CLASS = record(base=int64, times=int64)
"""A class of iterations: the index at which one of them begins, and how many there are."""


class Nest(NamedTuple):
    """A mapped layer; see `kcsim.kernels.layout`.

    Attributes
    ----------
    loops : LOOP[loops]
    steps : STEP[loops]
    spans : SPAN[levels + 1]
    sizes : int64[8]
        Size of each dimension of the layer.
    window : WINDOW[2]
    rules : RULE[levels]
    """

    loops: np.ndarray
    steps: np.ndarray
    spans: np.ndarray
    sizes: np.ndarray
    window: np.ndarray
    rules: np.ndarray


class Walk(NamedTuple):
    """The loops outside of a tensor's place at a level, and what they walk over.

    Attributes
    ----------
    loops : LOOP[loops]
    steps : STEP[loops]
    sizes : int64[8]
        Size of each dimension of the layer.
    extent : int64[8]
        Indices of each dimension that a full tile of the tensor spans.
    above : int64
        Number of loops outside of the place.
    event : int64
        The loop that advances; -1 for the first step, `above` for every step.
    """

    loops: np.ndarray
    steps: np.ndarray
    sizes: np.ndarray
    extent: np.ndarray
    above: int
    event: int


@allocating
def walk_above(tensor, nest, level, event):
    """The walk of the loops outside of a tensor's place at a level, at an event."""
    span = nest.spans[level]
    return Walk(nest.loops, nest.steps, nest.sizes, span.box[tensor], span.outside[tensor], event)


@allocating
def advances(walk, dimension):
    """Whether the event is the advance of a loop over a dimension."""
    inside = 0 <= walk.event < walk.above
    return inside and walk.loops[max(walk.event, 0)].dimension == dimension


@allocating
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
        if loops[i].dimension != dimension:
            continue
        bound = loops[i].bound
        covered *= bound
        if i < end and loops[i].kind == TEMPORAL:
            for k in range(count):
                cuts[k] *= bound
                spans[k] *= bound
            last = last * bound + last_index // walk.steps[i].step % bound
        elif i < end:
            cuts[count], spans[count] = last, 1
            count += 1
    if covered == last_index + 1:
        iterations = 1
        for i in range(max(end, 0)):
            if loops[i].dimension == dimension and loops[i].kind == TEMPORAL:
                iterations *= loops[i].bound
        cuts[0] = iterations
        return 1
    cuts[count], cuts[count + 1] = last, last + 1
    for k in range(count):
        cuts[2 * count + 1 - k] = cuts[k] + spans[k]
    return 2 * count + 2


@allocating
def list_classes(walk, dimension, classes):
    """Classes of iterations of the temporal loops over a dimension around the event.

    Within a class, the same children are busy and do the same; see `list_cuts`.

    Parameters
    ----------
    classes : CLASS[:]
        Filled.

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
            bound = walk.loops[walk.event].bound
            times -= -(-high // bound) + (-low // bound)
            chosen -= chosen % bound == 0
        base = first_index(walk, dimension, end, chosen)
        # Beyond the size even the first child is idle.
        if times > 0 and base < walk.sizes[dimension]:
            classes[found].base, classes[found].times = base, times
            found += 1
        low = high
    return found


@allocating
def first_index(walk, dimension, end, iteration):
    """Index at which a numbered iteration of the temporal loops before `end` begins."""
    base = 0
    for i in range(end - 1, -1, -1):
        if walk.loops[i].dimension == dimension and walk.loops[i].kind == TEMPORAL:
            base += iteration % walk.loops[i].bound * walk.steps[i].step
            iteration //= walk.loops[i].bound
    return base


@allocating
def previous_index(walk, dimension, index):
    """Where the tile before the event began that begins at `index` after it."""
    if advances(walk, dimension):
        index -= walk.steps[walk.event].step
    for i in range(walk.event + 1, walk.above):
        if walk.loops[i].dimension == dimension and walk.loops[i].kind == TEMPORAL:
            most = (walk.sizes[dimension] - 1 - index) // walk.steps[i].step
            index += min(walk.loops[i].bound - 1, most) * walk.steps[i].step
    return index


@allocating
def tile_extent(walk, dimension, index):
    """Indices that a tile spans that begins at `index`; none where that lies outside the layer."""
    return max(0, min(walk.extent[dimension], walk.sizes[dimension] - index))


@allocating
def child_count(walk, dimension):
    """Number of places along a dimension at which the children above the level stand."""
    count = 1
    for i in range(walk.above):
        if walk.loops[i].dimension == dimension and walk.loops[i].kind != TEMPORAL:
            count *= walk.loops[i].bound
    return count


@allocating
def child_offset(walk, dimension, child, level, shares):
    """Index at which a child begins; -1 if networks from `level` on share its stream with another.

    Children are counted along one dimension, that does not index the tensor where sharing
    is asked about.
    """
    offset = 0
    for i in range(walk.above - 1, -1, -1):
        if walk.loops[i].dimension == dimension and walk.loops[i].kind != TEMPORAL:
            place = child % walk.loops[i].bound
            if place > 0 and walk.loops[i].level >= level and shares[walk.loops[i].level]:
                return -1
            offset += place * walk.steps[i].step
            child //= walk.loops[i].bound
    return offset


@allocating
def busy_children(walk, dimension, level, shares, classes):
    """Children with a stream of their own, summed over the iterations around the event."""
    busy = 0
    for k in range(list_classes(walk, dimension, classes)):
        for child in range(child_count(walk, dimension)):
            offset = child_offset(walk, dimension, child, level, shares)
            if offset >= 0 and classes[k].base + offset < walk.sizes[dimension]:
                busy += classes[k].times
    return busy


@allocating
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
            index = classes[k].base + child_offset(walk, dimension, child, level, shares)
            extent = tile_extent(walk, dimension, index)
            every += classes[k].times * extent
            leader = classes[k].base if in_step else index
            if not is_new and extent > 0 and previous_index(walk, dimension, leader) == leader:
                kept += classes[k].times * extent
    return every, kept

"""Counts of mapped loop nests whose bounds do not divide the layer.

The nest is walked event by event; see `kcsim.kernels.rounds`, and `kcsim.kernels.nest` for the
arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from kcsim.kernels.nest import (
    DOWN,
    FILLS,
    INDEXES,
    INPUTS,
    KIND,
    NO_MULTICAST,
    OUTPUTS,
    READS,
    TEMPORAL,
    UP,
    UPDATES,
    WORD_MULTICAST,
    P,
    helper,
    measure,
    new_workspace,
    tile_size,
)
from kcsim.kernels.requests import NEW, WHOLE, new_requests, window_words
from kcsim.kernels.rounds import TIMES, Walk, busy_children, list_classes, plain_extents


@helper
def moved_words(tensor, walk, window, parent, child, shares, by_word, arriving):
    """Words of a tensor that one event brings to the children of a level that keeps it.

    Parameters
    ----------
    shares : bool[levels]
        Whether the network below a level merges equal streams.
    by_word : bool
        Whether the last network carries every distinct word once.
    arriving : int64[levels + 1]
        Added to: words that arrive at each level from the parent (what it reads) to the child.
    """
    levels = shares.shape[0]
    classes = np.empty((4, 2 * walk.above + 2, 2), np.int64)
    every, kept = 1, int(walk.event >= 0 and walk.event < walk.above)
    for dimension in range(P if tensor == INPUTS else 8):
        if INDEXES[tensor, dimension]:
            extents = plain_extents(walk, dimension, shares, classes[0])
            every *= extents[0]
            kept *= extents[1]
    sums = np.zeros((2, levels + 1), np.int64)
    if tensor == INPUTS:
        seen = np.zeros(plane(walk, window) if by_word else (0, 0), np.bool_)
        requests = new_requests(walk, levels)
        window_words(walk, window, parent, child, shares, by_word, requests, seen, classes, sums)
    else:
        sums[WHOLE] = 1
    for level in range(parent, child + 1):
        busy = 1
        for dimension in range(8):
            if not INDEXES[tensor, dimension]:
                busy *= busy_children(walk, dimension, level, shares, classes[0])
        arriving[level] += busy * ((every - kept) * sums[WHOLE, level] + kept * sums[NEW, level])


@helper
def plane(walk, window):
    """Rows and columns of the inputs."""
    rows, columns = 1, 1
    for i in range(2):
        scale = window[2 * i], window[2 * i + 1]
        rows += scale[0] * (walk.sizes[P + 2 * i] - 1)
        columns += scale[1] * (walk.sizes[P + 2 * i + 1] - 1)
    return rows, columns


@helper
def all_moved_words(tensor, loops, loop_count, work, sizes, window, parent, child, shares, by_word):
    """Words that arrive at each level from parent to child, over all events: int64[levels + 1]."""
    levels = shares.shape[0]
    above = work.above[child] if child < levels else loop_count
    arriving = np.zeros(levels + 1, np.int64)
    for event in range(-1, above + 1):
        # MACs ask at every step; others at the first one and whenever a loop advances.
        if (child == levels) != (event == above):
            continue
        if 0 <= event < above and loops[event, KIND] != TEMPORAL:
            continue
        walk = Walk(loops[:loop_count], work.steps, sizes, work.extents[child], above, event)
        moved_words(tensor, walk, window, parent, child, shares, by_word, arriving)
    return arriving


@helper
def busy_instances(tensor, level, loops, loop_count, work, sizes):
    """Instances of a level that are ever busy, along dimensions that do not index a tensor.

    With ``tensor`` -1 along all dimensions.
    """
    above = work.above[level] if level < work.above.shape[0] else loop_count
    walk = Walk(loops[:loop_count], work.steps, sizes, work.extents[level], above, -1)
    shares = np.zeros(work.above.shape[0], np.bool_)
    classes = np.empty((2 * above + 2, 2), np.int64)
    busy = 1
    for dimension in range(8):
        if tensor < 0 or not INDEXES[tensor, dimension]:
            busy *= busy_children(walk, dimension, 0, shares, classes)
    return busy


@helper
def count_steps(loops, loop_count, work, sizes):
    """Steps of the computation: iterations of the temporal loops that have anything to do."""
    levels = work.above.shape[0]
    walk = Walk(loops[:loop_count], work.steps, sizes, work.extents[levels], loop_count, loop_count)
    classes = np.empty((2 * loop_count + 2, 2), np.int64)
    steps = 1
    for dimension in range(8):
        iterations = 0
        for k in range(list_classes(walk, dimension, classes)):
            iterations += classes[k, TIMES]
        steps *= iterations
    return steps


@helper
def count_pair(
    tensor, parent, child, loops, loop_count, work, sizes, window, multicast, reduction,
    counts, transfers,
):  # fmt: skip
    """Accesses and transfers between a level that keeps a tensor and the next one below."""
    levels = multicast.shape[0]
    shares = np.empty(levels, np.bool_)
    for level in range(levels):
        shares[level] = reduction[level]
        if tensor != OUTPUTS:
            # Every MAC reads its operand: the innermost network shares nothing.
            shares[level] = multicast[level] != NO_MULTICAST and level < levels - 1
    by_word = tensor == INPUTS and child < levels and multicast[child - 1] == WORD_MULTICAST
    arriving = all_moved_words(
        tensor, loops, loop_count, work, sizes, window, parent, child, shares, by_word
    )
    direction = UP if tensor == OUTPUTS else DOWN
    for network in range(parent, child):
        transfers[network, tensor, direction] += arriving[network + 1]
    if tensor != OUTPUTS:
        counts[parent, tensor, READS] += arriving[parent]
        if child < levels:
            counts[child, tensor, FILLS] = arriving[child]
        return
    outputs = tile_size(OUTPUTS, sizes, window)
    counts[parent, tensor, UPDATES] = arriving[parent]
    for level in range(parent, child + 1 if child < levels else parent + 1):
        held = outputs * busy_instances(tensor, level, loops, loop_count, work, sizes)
        if level == parent:
            counts[parent, tensor, READS] = arriving[parent] - held
        else:
            transfers[level - 1, tensor, DOWN] += arriving[level] - held
            if level == child:
                counts[child, tensor, FILLS] = arriving[child] - held


@njit(cache=True, nogil=True, error_model="numpy")
def count_imperfect(
    loops, loop_count, sizes, window, keeps, multicast, reduction,
    tiles, instances, counts, transfers,
):  # fmt: skip
    """Count every access of a mapped layer, as `kcsim.kernels.counting.count_mapping` does.

    Bounds may multiply to more than a dimension has, and nothing is forwarded. This takes
    far longer than the closed forms, which need factors that divide.

    Parameters
    ----------
    sizes : int64[8]
        Size of each dimension of the layer.
    loops, loop_count, window, keeps, multicast, reduction, tiles, instances, counts, transfers
        As there. `instances` are those that are ever busy.

    Returns
    -------
    int64
        Steps of the computation: cycles at one MAC a cycle.
    """
    levels = keeps.shape[0]
    work = new_workspace(levels, loop_count)
    measure(loops, loop_count, work, instances)
    counts.fill(0)
    transfers.fill(0)
    for level in range(levels + 1):
        instances[level] = busy_instances(-1, level, loops, loop_count, work, sizes)
    for tensor in range(3):
        parent = 0
        for level in range(levels):
            extent = np.minimum(work.extents[level], sizes)
            kept = keeps[level, tensor]
            tiles[level, tensor] = tile_size(tensor, extent, window) if kept else 0
        for child in range(1, levels + 1):
            if child == levels or keeps[child, tensor]:
                count_pair(
                    tensor, parent, child, loops, loop_count, work, sizes, window, multicast,
                    reduction, counts, transfers,
                )  # fmt: skip
                parent = child
    return count_steps(loops, loop_count, work, sizes)

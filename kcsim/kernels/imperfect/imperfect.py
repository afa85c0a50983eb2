"""Counts of mapped loop nests whose bounds do not divide the layer.

The nest is walked event by event; see `kcsim.kernels.imperfect.rounds`, and
`kcsim.kernels.nest` for the arrays.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.imperfect.forwarding_walk import walk_forwarding
from kcsim.kernels.imperfect.requests import NEW, WHOLE, new_requests, window_words
from kcsim.kernels.imperfect.rounds import TIMES, Walk, busy_children, list_classes, plain_extents
from kcsim.kernels.nest import (
    ABOVE,
    CHILDREN,
    DOWN,
    FILLS,
    FORWARDS,
    INDEXES,
    INPUTS,
    INSTANCES,
    KEEPS,
    KIND,
    MULTICAST,
    NO_MULTICAST,
    OUTPUTS,
    READS,
    REDUCES,
    TEMPORAL,
    TILE,
    UP,
    UPDATES,
    WORD_MULTICAST,
    P,
    helper,
    measure,
    tile_size,
)


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
            extents = plain_extents(walk, dimension, shares, tensor == OUTPUTS, classes[0])
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
def all_moved_words(tensor, loops, steps, spans, sizes, window, parent, child, shares, by_word):
    """Words that arrive at each level from parent to child, over all events: int64[levels + 1]."""
    levels = shares.shape[0]
    above = spans[child, ABOVE]
    arriving = np.zeros(levels + 1, np.int64)
    for event in range(-1, above + 1):
        # MACs ask at every step; others at the first one and whenever a loop advances.
        if (child == levels) != (event == above):
            continue
        if 0 <= event < above and loops[event, KIND] != TEMPORAL:
            continue
        walk = Walk(loops, steps, sizes, spans[child, :8], above, event)
        moved_words(tensor, walk, window, parent, child, shares, by_word, arriving)
    return arriving


@helper
def busy_instances(tensor, level, loops, steps, spans, sizes):
    """Instances of a level that are ever busy, along dimensions that do not index a tensor.

    With ``tensor`` -1 along all dimensions.
    """
    above = spans[level, ABOVE]
    walk = Walk(loops, steps, sizes, spans[level, :8], above, -1)
    shares = np.zeros(spans.shape[0], np.bool_)
    classes = np.empty((2 * above + 2, 2), np.int64)
    busy = 1
    for dimension in range(8):
        if tensor < 0 or not INDEXES[tensor, dimension]:
            busy *= busy_children(walk, dimension, 0, shares, classes)
    return busy


@helper
def count_steps(loops, steps, spans, sizes):
    """Steps of the computation: iterations of the temporal loops that have anything to do."""
    count = loops.shape[0]
    walk = Walk(loops, steps, sizes, spans[-1, :8], count, count)
    classes = np.empty((2 * count + 2, 2), np.int64)
    total = 1
    for dimension in range(8):
        iterations = 0
        for k in range(list_classes(walk, dimension, classes)):
            iterations += classes[k, TIMES]
        total *= iterations
    return total


@helper
def count_pair(tensor, parent, child, loops, steps, spans, sizes, window, rules, counts):
    """Accesses and transfers between a level that keeps a tensor and the next one below."""
    levels = rules.shape[0]
    shares = np.empty(levels, np.bool_)
    for level in range(levels):
        shares[level] = rules[level, REDUCES] != 0
        if tensor != OUTPUTS:
            # Every MAC reads its operand: the innermost network shares nothing.
            shares[level] = rules[level, MULTICAST] != NO_MULTICAST and level < levels - 1
    by_word = tensor == INPUTS and child < levels
    by_word = by_word and rules[child - 1, MULTICAST] == WORD_MULTICAST
    arriving = all_moved_words(
        tensor, loops, steps, spans, sizes, window, parent, child, shares, by_word
    )
    direction = UP if tensor == OUTPUTS else DOWN
    for network in range(parent, child):
        counts[network, tensor, direction] += arriving[network + 1]
    if tensor != OUTPUTS:
        counts[parent, tensor, READS] += arriving[parent]
        if child < levels:
            counts[child, tensor, FILLS] += arriving[child]
        return
    outputs = tile_size(OUTPUTS, sizes.reshape(1, 8), 0, window)
    counts[parent, tensor, UPDATES] = arriving[parent]
    for level in range(parent, child + 1 if child < levels else parent + 1):
        held = outputs * busy_instances(tensor, level, loops, steps, spans, sizes)
        if level == parent:
            counts[parent, tensor, READS] = arriving[parent] - held
        else:
            counts[level - 1, tensor, DOWN] += arriving[level] - held
            if level == child:
                counts[child, tensor, FILLS] = arriving[child] - held


@kernel
def count_imperfect(loops, sizes, window, rules, spans, counts):
    """Count every access of a mapped layer, as `kcsim.kernels.count.counting.count_mapping` does.

    Bounds may multiply to more than a dimension has. This takes far longer than the closed
    forms, which need factors that divide, and where a network forwards as long as there are steps.

    Parameters
    ----------
    loops : int64[loops, 4]
    sizes : int64[8]
        Size of each dimension of the layer.
    window, rules, spans, counts
        As there; `spans` has the extents of full tiles, and the instances that are ever busy.

    Returns
    -------
    int64
        Steps of the computation: cycles at one MAC a cycle.
    """
    levels = rules.shape[0]
    steps = np.empty((loops.shape[0], 2), np.int64)
    measure(loops, loops.shape[0], spans, steps)
    clipped = np.minimum(spans[:, :8], sizes)
    counts.fill(0)
    for level in range(levels + 1):
        spans[level, INSTANCES] = busy_instances(-1, level, loops, steps, spans, sizes)
        for tensor in range(3):
            spans[level, TILE + tensor] = 0
            if level < levels and rules[level, KEEPS + tensor]:
                spans[level, TILE + tensor] = tile_size(tensor, clipped, level, window)
    for tensor in range(3):
        parent = 0
        for child in range(1, levels + 1):
            if child < levels and not rules[child, KEEPS + tensor]:
                continue
            forwards = child < levels and tensor != OUTPUTS and spans[child - 1, CHILDREN] > 1
            if forwards and rules[child - 1, FORWARDS + tensor]:
                walk_forwarding(
                    tensor, parent, child, loops, steps, spans, sizes, window, rules, counts
                )
            else:
                count_pair(tensor, parent, child, loops, steps, spans, sizes, window, rules, counts)
            parent = child
    return count_steps(loops, steps, spans, sizes)

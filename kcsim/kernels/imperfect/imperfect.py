"""Counts of mapped loop nests whose bounds do not divide the layer.

The nest is walked event by event; see `kcsim.kernels.imperfect.rounds`, and
`kcsim.kernels.layout` for the arrays.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.padding import has_padding
from kcsim.kernels.imperfect.forwarding_walk import walk_forwarding
from kcsim.kernels.imperfect.requests import NEW, WHOLE, new_requests, window_words
from kcsim.kernels.imperfect.rounds import (
    CLASS,
    Nest,
    busy_children,
    list_classes,
    plain_extents,
    walk_above,
)
from kcsim.kernels.layout import (
    INDEXES,
    INPUTS,
    NO_MULTICAST,
    OUTPUTS,
    STEP,
    TEMPORAL,
    WORD_MULTICAST,
    P,
    R,
)
from kcsim.kernels.nest import allocating, clear, cut_box, measure, tile_size, window_extent


@allocating
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
    classes = np.empty((4, 2 * walk.above + 2), CLASS)
    every, kept = 1, int(walk.event >= 0 and walk.event < walk.above)
    for dimension in range(P if tensor == INPUTS else 8):
        if INDEXES[tensor, dimension]:
            extents = plain_extents(walk, dimension, shares, tensor == OUTPUTS, classes[0])
            every *= extents[0]
            kept *= extents[1]
    sums = np.zeros((2, levels + 1), np.int64)
    if tensor == INPUTS:
        plane = window_extent(walk.sizes, window, 0), window_extent(walk.sizes, window, 1)
        seen = np.zeros(plane if by_word else (0, 0), np.bool_)
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


@allocating
def all_moved_words(tensor, nest, parent, child, shares, by_word):
    """Words that arrive at each level from parent to child, over all events: int64[levels + 1]."""
    levels, above = shares.shape[0], nest.spans[child].outside[tensor]
    arriving = np.zeros(levels + 1, np.int64)
    for event in range(-1, above + 1):
        # MACs ask at every step; others at the first one and whenever a loop advances.
        if (child == levels) != (event == above):
            continue
        if 0 <= event < above and nest.loops[event].kind != TEMPORAL:
            continue
        walk = walk_above(tensor, nest, child, event)
        moved_words(tensor, walk, nest.window, parent, child, shares, by_word, arriving)
    return arriving


@allocating
def busy_instances(tensor, nest, level):
    """Instances of a level that are ever busy, along dimensions that do not index a tensor.

    With ``tensor`` -1 along all dimensions.
    """
    # Loops in time do not matter at the first step, nor does which of them are outside.
    walk = walk_above(OUTPUTS, nest, level, -1)
    shares = np.zeros(nest.spans.shape[0], np.bool_)
    classes = np.empty(2 * walk.above + 2, CLASS)
    busy = 1
    for dimension in range(8):
        if tensor < 0 or not INDEXES[tensor, dimension]:
            busy *= busy_children(walk, dimension, 0, shares, classes)
    return busy


@allocating
def count_steps(nest):
    """Steps of the computation: iterations of the temporal loops that have anything to do."""
    count = nest.loops.shape[0]
    walk = walk_above(OUTPUTS, nest, nest.rules.shape[0], count)
    classes = np.empty(2 * count + 2, CLASS)
    total = 1
    for dimension in range(8):
        iterations = 0
        for k in range(list_classes(walk, dimension, classes)):
            iterations += classes[k].times
        total *= iterations
    return total


@allocating
def count_pair(tensor, nest, parent, child, counts):
    """Accesses and transfers between a level that keeps a tensor and the next one below."""
    rules = nest.rules
    levels = rules.shape[0]
    shares = np.empty(levels, np.bool_)
    for level in range(levels):
        shares[level] = rules[level].reduces
        if tensor != OUTPUTS:
            # Every MAC reads its operand: the innermost network shares nothing.
            shares[level] = rules[level].multicast != NO_MULTICAST and level < levels - 1
    by_word = tensor == INPUTS and child < levels
    by_word = by_word and rules[child - 1].multicast == WORD_MULTICAST
    arriving = all_moved_words(tensor, nest, parent, child, shares, by_word)
    if tensor != OUTPUTS:
        for network in range(parent, child):
            counts[network, tensor].down += arriving[network + 1]
        counts[parent, tensor].reads += arriving[parent]
        if child < levels:
            counts[child, tensor].fills += arriving[child]
        return
    for network in range(parent, child):
        counts[network, OUTPUTS].up += arriving[network + 1]
    outputs = tile_size(OUTPUTS, nest.sizes, nest.window)
    counts[parent, OUTPUTS].updates = arriving[parent]
    for level in range(parent, child + 1 if child < levels else parent + 1):
        returning = arriving[level] - outputs * busy_instances(OUTPUTS, nest, level)
        if level == parent:
            counts[parent, OUTPUTS].reads = returning
        else:
            counts[level - 1, OUTPUTS].down += returning
            if level == child:
                counts[child, OUTPUTS].fills = returning


@allocating
def hold_pixels(nest):
    """Let levels from which padding stays away hold none: the largest tile counts."""
    rules, spans, window, child = nest.rules, nest.spans, nest.window, nest.rules.shape[0]
    whole = nest.sizes
    for level in range(rules.shape[0] - 1, -1, -1):
        if not rules[level].keeps[INPUTS]:
            continue
        if child < rules.shape[0] and has_padding(rules[child]):
            extent = np.minimum(spans[level].box[INPUTS], whole)
            words = spans[level].tile[INPUTS]
            for axis in range(2):
                words //= window_extent(extent, window, axis)
                words *= most_lines(extent, whole, window, axis, rules[child])
            spans[level].tile[INPUTS] = words
        child = level


@allocating
def most_lines(extent, whole, window, axis, rule):
    """The most lines of the image that any tile has along an axis, short ones included."""
    begin, end = rule.padding[axis, 0], window_extent(whole, window, axis) - rule.padding[axis, 1]
    stride, dilation, best = window[axis].stride, window[axis].dilation, 0
    for out in range(0, whole[P + axis], extent[P + axis]):
        outs = min(extent[P + axis], whole[P + axis] - out)
        for tap in range(0, whole[R + axis], extent[R + axis]):
            taps = min(extent[R + axis], whole[R + axis] - tap)
            low = stride * out + dilation * tap
            high = low + stride * (outs - 1) + dilation * (taps - 1) + 1
            best = max(best, min(high, end) - max(low, begin))
    return best


@kernel
def count_imperfect(loops, heights, sizes, window, rules, spans, counts):
    """Count every access of a mapped layer, as `kcsim.kernels.count.counting.count_mapping` does.

    Bounds may multiply to more than a dimension has. This takes far longer than the closed
    forms, which need factors that divide, and where a network forwards as long as there are steps.

    Parameters
    ----------
    loops : LOOP[:]
    sizes : int64[8]
        Size of each dimension of the layer.
    heights, window, rules, spans, counts
        As there; `spans` has the extents of full tiles, and the instances that are ever busy.

    Returns
    -------
    int64
        Steps of the computation: cycles at one MAC a cycle.
    """
    levels, steps = rules.shape[0], np.empty(loops.shape[0], STEP)
    measure(loops, heights, spans, steps)
    nest = Nest(loops, steps, spans, sizes, window, rules)
    for level in range(levels + 1):
        for tensor in range(3):
            cut_box(tensor, loops, spans[level])
        spans[level].instances = busy_instances(-1, nest, level)
    for level in range(levels):
        for tensor in range(3):
            clipped = np.minimum(spans[level].box[tensor], sizes)
            clear(counts[level, tensor])
            kept = rules[level].keeps[tensor]
            spans[level].tile[tensor] = tile_size(tensor, clipped, window) if kept else 0
    for tensor in range(3):
        parent = 0
        for child in range(1, levels + 1):
            if child < levels and not rules[child].keeps[tensor]:
                continue
            forwards = child < levels and tensor != OUTPUTS and spans[child - 1].children > 1
            walks = forwards and rules[child - 1].forwards[tensor]
            if child < levels and tensor == INPUTS:
                walks = walks or has_padding(rules[child])
            if walks:
                walk_forwarding(tensor, nest, parent, child, counts)
            else:
                count_pair(tensor, nest, parent, child, counts)
            parent = child
    hold_pixels(nest)
    return count_steps(nest)

"""Forwarding where bounds do not divide the layer: step by step, since no closed form is known.

Every child's tile is followed through all steps; see `kcsim.kernels.nest` for the arrays.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.imperfect.requests import mixed
from kcsim.kernels.nest import (
    ABOVE,
    BOUND,
    CHILDREN,
    DILATION_H,
    DIMENSION,
    DOWN,
    FILLS,
    FORWARDED,
    INPUTS,
    KIND,
    LEVEL,
    MULTICAST,
    NO_MULTICAST,
    READS,
    SPATIAL_Y,
    STEP,
    STRIDE_H,
    TEMPORAL,
    WORD_MULTICAST,
    C,
    G,
    M,
    N,
    P,
    R,
    S,
    helper,
)

LOW, SIZE, OLD_LOW, OLD_SIZE, GIVEN, GIVEN_SIZE, ASKED, ASKED_SIZE = range(8)
"""Rows of tiles: the tile now and when it was last filled; what was given one step before, and
what is asked for now. Five axes each; an extent of 0 along the first stands for nothing."""

AXES = np.array([[G, M, C, R, S], [N, G, C, -1, -1]])


@helper
def child_starts(loops, steps, above):
    """Indices at which the children below the first loops begin: int64[children, 8]."""
    count = 1
    for i in range(above):
        count *= 1 if loops[i, KIND] == TEMPORAL else loops[i, BOUND]
    starts = np.zeros((count, 8), np.int64)
    for child in range(count):
        rest = child
        for i in range(above - 1, -1, -1):
            if loops[i, KIND] != TEMPORAL:
                starts[child, loops[i, DIMENSION]] += rest % loops[i, BOUND] * steps[i, STEP]
                rest //= loops[i, BOUND]
    return starts


@helper
def place_tile(tensor, start, offset, extent, sizes, window, tile):
    """Put a child's tile at some indices into rows ``LOW``, ``SIZE``; False if it is idle."""
    for dimension in range(8):
        if start[dimension] + offset[dimension] >= sizes[dimension]:
            return False
    for axis in range(5):
        dimension = AXES[tensor, axis]
        if dimension >= 0:
            index = start[dimension] + offset[dimension]
            tile[LOW, axis] = index
            tile[SIZE, axis] = min(extent[dimension], sizes[dimension] - index)
            continue
        output, tap = P + axis - 3, R + axis - 3
        first, first_tap = start[output] + offset[output], start[tap] + offset[tap]
        outputs = min(extent[output], sizes[output] - first)
        taps = min(extent[tap], sizes[tap] - first_tap)
        stride, dilation = window[STRIDE_H + axis - 3], window[DILATION_H + axis - 3]
        tile[LOW, axis] = stride * first + dilation * first_tap
        tile[SIZE, axis] = stride * (outputs - 1) + dilation * (taps - 1) + 1
    return True


@helper
def ask(tensor, tile):
    """Put what a tile lacks into rows ``ASKED``, ``ASKED_SIZE``; returns its words."""
    moved, window_axis = 0, -1
    is_first = tile[OLD_SIZE, 0] == 0
    for axis in range(5):
        low, size = tile[LOW, axis], tile[SIZE, axis]
        tile[ASKED, axis], tile[ASKED_SIZE, axis] = low, size
        ahead = low - tile[OLD_LOW, axis]
        if ahead != 0 or size > tile[OLD_SIZE, axis]:
            moved += 1
            window_axis = axis if tensor == INPUTS and axis >= 3 and ahead >= 0 else -1
    if moved == 0 and not is_first:
        tile[ASKED_SIZE, 0] = 0
    elif moved == 1 and window_axis >= 0 and not is_first:
        end = tile[LOW, window_axis] + tile[SIZE, window_axis]
        old_end = tile[OLD_LOW, window_axis] + tile[OLD_SIZE, window_axis]
        tile[ASKED, window_axis] = max(tile[LOW, window_axis], old_end)
        tile[ASKED_SIZE, window_axis] = max(0, end - tile[ASKED, window_axis])
    words = 1
    for axis in range(5):
        words *= tile[ASKED_SIZE, axis]
        tile[OLD_LOW, axis], tile[OLD_SIZE, axis] = tile[LOW, axis], tile[SIZE, axis]
    return words


@helper
def is_same(one, one_row, other, other_row):
    """Whether two boxes, each in a row and the next one, are the same."""
    differences = 0
    for axis in range(5):
        differences += one[one_row, axis] != other[other_row, axis]
        differences += one[one_row + 1, axis] != other[other_row + 1, axis]
    return differences == 0


@helper
def is_served(tiles, child, children, columns):
    """Whether a mesh neighbour was given one step before what a child asks for."""
    first, place = child // children * children, child % children
    for other in range(first, first + children):
        x = abs((other - first) // columns - place // columns)
        y = abs((other - first) % columns - place % columns)
        if x + y == 1 and is_same(tiles[child], ASKED, tiles[other], GIVEN):
            return True
    return False


@helper
def asked_word(tile, place, strides):
    """Number of the word at a place, counted row by row, of what is asked for."""
    word = 0
    for axis in range(4, -1, -1):
        word += (tile[ASKED, axis] + place % tile[ASKED_SIZE, axis]) * strides[axis]
        place //= tile[ASKED_SIZE, axis]
    return word


@helper
def read_words(tiles, words, first, last, multicast, strides, seen, clock):
    """Words that some siblings ask for (`words` > 0) above their network.

    `seen` (int64[words of the tensor]) holds the clock at which a word was last asked for.
    """
    total = 0
    clock[0] += 1
    for i in range(first, last):
        if words[i] == 0:
            continue
        if multicast != WORD_MULTICAST:
            is_own = True
            for j in range(first, i if multicast != NO_MULTICAST else first):
                is_own = is_own and not (words[j] and is_same(tiles[i], ASKED, tiles[j], ASKED))
            total += words[i] * is_own
            continue
        for place in range(words[i]):
            word = asked_word(tiles[i], place, strides)
            total += seen[word] != clock[0]
            seen[word] = clock[0]
    return total


@helper
def stream_key(tiles, words, first, last, strides, seen, clock):
    """A hash of the distinct words that some children ask for; see `read_words`."""
    key = 0
    clock[0] += 1
    for i in range(first, last):
        for place in range(words[i]):
            word = asked_word(tiles[i], place, strides)
            if seen[word] != clock[0]:
                key += mixed(word, 0)
                seen[word] = clock[0]
    return key


@helper
def merged_words(streams, keys, first, last):
    """Words of some streams, of which those of the same words share the largest one."""
    total = 0
    for i in range(first, last):
        is_own = True
        for j in range(first, last):
            more = streams[j] - streams[i]
            if keys[j] == keys[i] and (more > 0 or (more == 0 and j < i)):
                is_own = False
        total += streams[i] * is_own
    return total


@helper
def climb(
    tensor, parent, child, tiles, words, spans, rules, strides, seen, clock, streams, keys, counts
):
    """Count what is asked for (`words` > 0) on its way up to the level that is read for it.

    `streams` and `keys` (int64[instances of the level above the children]) are room to work in.
    """
    below, count = spans[child - 1, CHILDREN], streams.shape[0]
    multicast = rules[child - 1, MULTICAST]
    for i in range(count):
        first, last = i * below, (i + 1) * below
        streams[i] = read_words(tiles, words, first, last, multicast, strides, seen, clock)
    for network in range(child - 2, parent - 1, -1):
        siblings = spans[network, CHILDREN]
        shares = rules[network, MULTICAST] != NO_MULTICAST and siblings > 1
        for i in range(count):
            counts[network, tensor, DOWN] += streams[i]
            keys[i] = i
            if shares:
                first, last = i * below, (i + 1) * below
                keys[i] = stream_key(tiles, words, first, last, strides, seen, clock)
        below, count = below * siblings, count // siblings
        for i in range(count):
            streams[i] = merged_words(streams, keys, i * siblings, (i + 1) * siblings)
    for i in range(count):
        counts[parent, tensor, READS] += streams[i]


@helper
def next_step(loops, steps, above, sizes, index, start):
    """Go to the next iteration that has something to do; False at the end."""
    for i in range(above - 1, -1, -1):
        if loops[i, KIND] != TEMPORAL:
            continue
        dimension, step = loops[i, DIMENSION], steps[i, STEP]
        if index[i] + 1 < loops[i, BOUND] and start[dimension] + step < sizes[dimension]:
            index[i] += 1
            start[dimension] += step
            return True
        start[dimension] -= index[i] * step
        index[i] = 0
    return False


@helper
def walk_forwarding(
    tensor, parent, child, loops, steps, spans, sizes, window, rules, counts
):  # fmt: skip
    """Count weights or inputs that come to children which take them from neighbours, too.

    Parameters
    ----------
    parent, child : int64
        A level that keeps the tensor, and the next one that does.
    sizes : int64[8]
        Size of each dimension of the layer.
    counts : int64[levels, 3, 6]
        Added to.
    """
    level = child - 1
    above, children = spans[child, ABOVE], spans[level, CHILDREN]
    columns = 1
    for i in range(above):
        if loops[i, LEVEL] == level and loops[i, KIND] == SPATIAL_Y:
            columns *= loops[i, BOUND]
    starts, extent = child_starts(loops, steps, above), spans[child, :8]
    tiles = np.zeros((starts.shape[0], 8, 5), np.int64)
    words = np.empty(starts.shape[0], np.int64)
    streams, keys = np.empty((2, starts.shape[0] // children), np.int64)
    index, start = np.zeros(above, np.int64), np.zeros(8, np.int64)
    whole, strides = np.zeros((8, 5), np.int64), np.ones(5, np.int64)
    place_tile(tensor, start, start, sizes, sizes, window, whole)
    for axis in range(3, -1, -1):
        strides[axis] = strides[axis + 1] * whole[SIZE, axis + 1]
    seen, clock = np.zeros(strides[0] * whole[SIZE, 0], np.int64), np.zeros(1, np.int64)
    while True:
        for i in range(starts.shape[0]):
            is_busy = place_tile(tensor, start, starts[i], extent, sizes, window, tiles[i])
            words[i] = ask(tensor, tiles[i]) if is_busy else 0
            counts[child, tensor, FILLS] += words[i]
        for i in range(starts.shape[0]):
            if words[i] and is_served(tiles, i, children, columns):
                counts[level, tensor, FORWARDED] += words[i]
                counts[child, tensor, READS] += words[i]
                # Not asked for above, but given.
                words[i] = -words[i]
        for i in range(starts.shape[0]):
            tiles[i, GIVEN], tiles[i, GIVEN_SIZE] = tiles[i, ASKED], tiles[i, ASKED_SIZE]
            tiles[i, GIVEN_SIZE, 0] *= words[i] != 0
            words[i] = max(0, words[i])
            counts[level, tensor, DOWN] += words[i]
        climb(
            tensor, parent, child, tiles, words, spans, rules, strides, seen, clock, streams, keys,
            counts,
        )  # fmt: skip
        if not next_step(loops, steps, above, sizes, index, start):
            return

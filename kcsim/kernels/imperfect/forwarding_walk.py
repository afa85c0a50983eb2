"""Forwarding where bounds do not divide the layer: step by step, since no closed form is known.

Every child's tile is followed through all steps; see `kcsim.kernels.layout` for the arrays.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy import int64

from kcsim.kernels.imperfect.requests import mixed
from kcsim.kernels.layout import (
    BOX,
    INPUTS,
    NO_MULTICAST,
    SPATIAL_Y,
    TEMPORAL,
    WORD_MULTICAST,
    C,
    G,
    M,
    N,
    P,
    R,
    S,
    record,
)
from kcsim.kernels.nest import allocating

CHILD = record(now=BOX, old=BOX, given=BOX, asked=BOX, words=int64, moved=int64)
"""A child, and the boxes of its tile; one of extent 0 along the first axis is none.

now, old
    What it spans, and what it spanned when it was last filled.
given, asked
    What was given one step before, and what is asked for now.
words
    Words of what is asked for above; less than 0 if a neighbor gives them.
moved
    Of these, what is no padding that stays away.
"""

OPERAND_AXES = np.array([[G, M, C, R, S], [N, G, C, -1, -1]])


class Children(NamedTuple):
    """The children below the loops that are walked, and room to work in.

    Attributes
    ----------
    tiles : CHILD[children]
    strides : int64[5]
        Words of the tensor from one index to the next, along each axis.
    seen : int64[words of the tensor]
        The clock at which a word was last asked for.
    clock : int64[1]
    streams, keys : int64[instances of the level above the children]
    image : int64[2, 2]
        First row and column that are moved, and the ends of both.
    """

    tiles: np.ndarray
    strides: np.ndarray
    seen: np.ndarray
    clock: np.ndarray
    streams: np.ndarray
    keys: np.ndarray
    image: np.ndarray


@allocating
def child_starts(loops, steps, above):
    """Indices at which the children below the first loops begin: int64[children, 8]."""
    count = 1
    for i in range(above):
        count *= 1 if loops[i].kind == TEMPORAL else loops[i].bound
    starts = np.zeros((count, 8), np.int64)
    for child in range(count):
        rest = child
        for i in range(above - 1, -1, -1):
            if loops[i].kind != TEMPORAL:
                starts[child, loops[i].dimension] += rest % loops[i].bound * steps[i].step
                rest //= loops[i].bound
    return starts


@allocating
def place_tile(tensor, start, offset, extent, sizes, window, box):
    """Fill the box of a child's tile at some indices; False if it is idle."""
    for dimension in range(8):
        if start[dimension] + offset[dimension] >= sizes[dimension]:
            return False
    for axis in range(5):
        dimension = OPERAND_AXES[tensor, axis]
        if dimension >= 0:
            index = start[dimension] + offset[dimension]
            box.low[axis] = index
            box.size[axis] = min(extent[dimension], sizes[dimension] - index)
            continue
        output, tap = P + axis - 3, R + axis - 3
        first, first_tap = start[output] + offset[output], start[tap] + offset[tap]
        outputs = min(extent[output], sizes[output] - first)
        taps = min(extent[tap], sizes[tap] - first_tap)
        stride, dilation = window[axis - 3].stride, window[axis - 3].dilation
        box.low[axis] = stride * first + dilation * first_tap
        box.size[axis] = stride * (outputs - 1) + dilation * (taps - 1) + 1
    return True


@allocating
def ask(tensor, tile):
    """Note what a tile lacks as what it asks for; returns its words."""
    now, old, asked = tile.now, tile.old, tile.asked
    moved, window_axis = 0, -1
    is_first = old.size[0] == 0
    for axis in range(5):
        asked.low[axis], asked.size[axis] = now.low[axis], now.size[axis]
        ahead = now.low[axis] - old.low[axis]
        if ahead != 0 or now.size[axis] > old.size[axis]:
            moved += 1
            window_axis = axis if tensor == INPUTS and axis >= 3 and ahead >= 0 else -1
    if moved == 0 and not is_first:
        asked.size[0] = 0
    elif moved == 1 and window_axis >= 0 and not is_first:
        end = now.low[window_axis] + now.size[window_axis]
        old_end = old.low[window_axis] + old.size[window_axis]
        asked.low[window_axis] = max(now.low[window_axis], old_end)
        asked.size[window_axis] = max(0, end - asked.low[window_axis])
    words = 1
    for axis in range(5):
        words *= asked.size[axis]
        old.low[axis], old.size[axis] = now.low[axis], now.size[axis]
    return words


@allocating
def words_in_image(box, words, image):
    """Words of a box without the padding that stays away."""
    for axis in range(2):
        low, size = box.low[axis + 3], box.size[axis + 3]
        inside = min(low + size, image[1, axis]) - max(low, image[0, axis])
        words = words // max(1, size) * max(0, inside)
    return words


@allocating
def is_moved(word, strides, image):
    """Whether a word is none of the padding that stays away."""
    row, column = word // strides[3] % (strides[2] // strides[3]), word % strides[3]
    return image[0, 0] <= row < image[1, 0] and image[0, 1] <= column < image[1, 1]


@allocating
def is_same(box, other):
    """Whether two boxes are the same."""
    differences = 0
    for axis in range(5):
        differences += box.low[axis] != other.low[axis]
        differences += box.size[axis] != other.size[axis]
    return differences == 0


@allocating
def is_served(tiles, child, children, columns):
    """Whether a mesh neighbor was given one step before what a child asks for."""
    first, place = child // children * children, child % children
    for other in range(first, first + children):
        x = abs((other - first) // columns - place // columns)
        y = abs((other - first) % columns - place % columns)
        if x + y == 1 and is_same(tiles[child].asked, tiles[other].given):
            return True
    return False


@allocating
def word_at(box, place, strides):
    """Number of the word at a place in a box, counted row by row."""
    word = 0
    for axis in range(4, -1, -1):
        word += (box.low[axis] + place % box.size[axis]) * strides[axis]
        place //= box.size[axis]
    return word


@allocating
def read_words(children, first, last, multicast):
    """Words that some siblings ask for above their network."""
    tiles, seen, clock, total = children.tiles, children.seen, children.clock, 0
    clock[0] += 1
    for i in range(first, last):
        if tiles[i].words == 0:
            continue
        if multicast != WORD_MULTICAST:
            is_own = True
            for j in range(first, i if multicast != NO_MULTICAST else first):
                is_alike = tiles[j].words and is_same(tiles[i].asked, tiles[j].asked)
                is_own = is_own and not is_alike
            total += tiles[i].moved * is_own
            continue
        for place in range(tiles[i].words):
            word = word_at(tiles[i].asked, place, children.strides)
            is_new = seen[word] != clock[0]
            total += is_new and is_moved(word, children.strides, children.image)
            seen[word] = clock[0]
    return total


@allocating
def stream_key(children, first, last):
    """A hash of the distinct words that some children ask for above their network."""
    tiles, seen, clock, key = children.tiles, children.seen, children.clock, 0
    clock[0] += 1
    for i in range(first, last):
        for place in range(tiles[i].words):
            word = word_at(tiles[i].asked, place, children.strides)
            if seen[word] != clock[0]:
                key += mixed(word, 0)
                seen[word] = clock[0]
    return key


@allocating
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


@allocating
def climb(tensor, nest, parent, child, children, counts):
    """Count what is asked for on its way up to the level that is read for it."""
    streams, keys = children.streams, children.keys
    below, count = nest.spans[child - 1].children, streams.shape[0]
    multicast = nest.rules[child - 1].multicast
    for i in range(count):
        streams[i] = read_words(children, i * below, (i + 1) * below, multicast)
    for network in range(child - 2, parent - 1, -1):
        siblings = nest.spans[network].children
        shares = nest.rules[network].multicast != NO_MULTICAST and siblings > 1
        for i in range(count):
            counts[network, tensor].down += streams[i]
            keys[i] = stream_key(children, i * below, (i + 1) * below) if shares else i
        below, count = below * siblings, count // siblings
        for i in range(count):
            streams[i] = merged_words(streams, keys, i * siblings, (i + 1) * siblings)
    for i in range(count):
        counts[parent, tensor].reads += streams[i]


@allocating
def next_step(nest, above, index, start):
    """Go to the next iteration that has something to do; False at the end."""
    for i in range(above - 1, -1, -1):
        loop, step = nest.loops[i], nest.steps[i].step
        if loop.kind != TEMPORAL:
            continue
        dimension = loop.dimension
        if index[i] + 1 < loop.bound and start[dimension] + step < nest.sizes[dimension]:
            index[i] += 1
            start[dimension] += step
            return True
        start[dimension] -= index[i] * step
        index[i] = 0
    return False


@allocating
def new_children(tensor, nest, child, count, parents):
    """`Children` at a level that have asked for nothing so far."""
    whole, nowhere, strides = np.zeros(1, BOX), np.zeros(8, np.int64), np.ones(5, np.int64)
    place_tile(tensor, nowhere, nowhere, nest.spans[0].extent, nest.sizes, nest.window, whole[0])
    # What is a part of an array does not keep it: hence it is looked up anew.
    for axis in range(3, -1, -1):
        strides[axis] = strides[axis + 1] * whole[0].size[axis + 1]
    seen, clock = np.zeros(strides[0] * whole[0].size[0], np.int64), np.zeros(1, np.int64)
    streams, keys = np.empty((2, parents), np.int64)
    image = np.zeros((2, 2), np.int64)
    for axis in range(2):
        image[1, axis] = whole[0].size[axis + 3]
        if tensor == INPUTS:
            image[0, axis] = nest.rules[child].padding[axis, 0]
            image[1, axis] -= nest.rules[child].padding[axis, 1]
    return Children(np.zeros(count, CHILD), strides, seen, clock, streams, keys, image)


@allocating
def walk_forwarding(tensor, nest, parent, child, counts):
    """Count weights or inputs step by step, as where children take them from neighbors, too.

    Parameters
    ----------
    nest : Nest
    parent, child : int64
        A level that keeps the tensor, and the next one that does.
    counts : COUNT[levels, 3]
        Added to.
    """
    level, extent = child - 1, nest.spans[child].box[tensor]
    above = nest.spans[child].outside[tensor]
    siblings, columns = nest.spans[level].children, 1
    for i in range(above):
        if nest.loops[i].level == level and nest.loops[i].kind == SPATIAL_Y:
            columns *= nest.loops[i].bound
    starts = child_starts(nest.loops, nest.steps, above)
    children = new_children(tensor, nest, child, starts.shape[0], starts.shape[0] // siblings)
    serves = nest.rules[level].forwards[tensor] and siblings > 1
    tiles, count, network = children.tiles, counts[child, tensor], counts[level, tensor]
    index, start = np.zeros(above, np.int64), np.zeros(8, np.int64)
    while True:
        for i in range(starts.shape[0]):
            is_busy = place_tile(
                tensor, start, starts[i], extent, nest.sizes, nest.window, tiles[i].now
            )
            tiles[i].words = ask(tensor, tiles[i]) if is_busy else 0
            tiles[i].moved = words_in_image(tiles[i].asked, tiles[i].words, children.image)
            count.fills += tiles[i].moved
        for i in range(starts.shape[0]):
            words = tiles[i].words
            if words and serves and is_served(tiles, i, siblings, columns):
                network.forwarded += tiles[i].moved
                count.reads += tiles[i].moved
                # Not asked for above, but given.
                tiles[i].words = -words
        for i in range(starts.shape[0]):
            tiles[i].given = tiles[i].asked
            tiles[i].given.size[0] *= tiles[i].words != 0
            tiles[i].words = max(0, tiles[i].words)
            tiles[i].moved *= tiles[i].words > 0
            network.down += tiles[i].moved
        climb(tensor, nest, parent, child, children, counts)
        if not next_step(nest, above, index, start):
            return

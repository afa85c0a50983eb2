"""Forwarding: what children of an array take from their neighbors.

See `kcsim.kernels.layout` for the arrays.
"""

from __future__ import annotations

import numpy as np
from numpy import int64

from kcsim.kernels.layout import (
    INDEXES,
    INPUTS,
    SPATIAL_X,
    SPATIAL_Y,
    TEMPORAL,
    TILE_MULTICAST,
    WORD_MULTICAST,
    P,
    Q,
    R,
    record,
)
from kcsim.kernels.nest import allocating, filled_box, helper, tile_window

ADVANCE = record(times=int64, rows=int64, columns=int64, shift=(int64, 8), loop=int64)
"""One kind of advance of the loops above a level.

times
    How often it happens.
rows, columns
    Of new words that it brings.
shift
    By how much it moves the tile, as `position_shift` counts.
loop
    The loop that advances, by its place in the nest.
"""


@helper
def position_shift(tensor, dimension, amount, window, shift):
    """Add to `shift` (int64[8]) the movement of a tile by `amount` indices.

    Input rows are kept in place P and input columns in place Q.
    """
    if not INDEXES[tensor, dimension]:
        return
    if tensor == INPUTS and dimension >= P:
        axis = (dimension - P) % 2
        scale = window[axis].stride if dimension < R else window[axis].dilation
        shift[P + axis] += scale * amount
    else:
        shift[dimension] += amount


@allocating
def child_positions(tensor, level, loops, steps, window):
    """Position of the tile of every child below one instance: int64[x, y, 8]."""
    size = np.ones(3, np.int64)
    for i in range(loops.shape[0]):
        if loops[i].level == level and loops[i].kind != TEMPORAL:
            size[loops[i].kind] *= loops[i].bound
    positions = np.zeros((size[SPATIAL_X], size[SPATIAL_Y], 8), np.int64)
    rest = np.zeros(3, np.int64)
    for x in range(size[SPATIAL_X]):
        for y in range(size[SPATIAL_Y]):
            rest[SPATIAL_X], rest[SPATIAL_Y] = x, y
            for i in range(loops.shape[0] - 1, -1, -1):
                if loops[i].level == level and loops[i].kind != TEMPORAL:
                    index = rest[loops[i].kind] % loops[i].bound
                    rest[loops[i].kind] //= loops[i].bound
                    position_shift(
                        tensor, loops[i].dimension, index * steps[i].step, window, positions[x, y]
                    )
    return positions


@helper
def is_apart(position, other, distance):
    """Whether two positions (int64[8]) differ by exactly a distance."""
    for dimension in range(8):
        if position[dimension] - other[dimension] != distance[dimension]:
            return False
    return True


@helper
def given_before(positions, is_served, child, row, column, rows, columns):
    """Whether a child before this one is given the word at a row and column of this one's box."""
    size_y = positions.shape[1]
    here = positions[child // size_y, child % size_y]
    for j in range(child):
        other = positions[j // size_y, j % size_y]
        above, left = here[P] + row - other[P], here[Q] + column - other[Q]
        given = not is_served[j] and 0 <= above < rows and 0 <= left < columns
        for dimension in range(8):
            if dimension != P and dimension != Q:
                given = given and other[dimension] == here[dimension]
        if given:
            return True
    return False


@allocating
def needed_words(positions, is_served, multicast, rows, columns):
    """Words that the level above reads for all children that no neighbor serves.

    Parameters
    ----------
    positions : int64[x, y, 8]
    is_served : bool[children]
    multicast : int64
        How the network shares reads: by child, by equal tile or by word.
    rows, columns : int64
        Extents of what each child is given; all other axes count as one word.
    """
    nowhere = np.zeros(8, np.int64)
    size_y = positions.shape[1]
    words = 0
    for i in range(is_served.shape[0]):
        if is_served[i]:
            continue
        if multicast == WORD_MULTICAST:
            for row in range(rows):
                for column in range(columns):
                    words += not given_before(positions, is_served, i, row, column, rows, columns)
            continue
        repeated = False
        for j in range(i if multicast == TILE_MULTICAST else 0):
            repeated = repeated or (
                not is_served[j]
                and is_apart(
                    positions[i // size_y, i % size_y], positions[j // size_y, j % size_y], nowhere
                )
            )
        words += 0 if repeated else rows * columns
    return words


@helper
def find_served(positions, shift, is_served):
    """Mark who takes a tile from a mesh neighbor when all tiles move by `shift`.

    A child is served when a neighbor was just given what it needs now. Fills
    `is_served` (bool[children]) and returns how many are.
    """
    size_x, size_y = positions.shape[0], positions.shape[1]
    served = 0
    for i in range(size_x * size_y):
        x, y = i // size_y, i % size_y
        is_served[i] = False
        for other_x in range(max(0, x - 1), min(size_x, x + 2)):
            for other_y in range(max(0, y - 1), min(size_y, y + 2)):
                adjacent = abs(other_x - x) + abs(other_y - y) == 1
                if adjacent and is_apart(positions[other_x, other_y], positions[x, y], shift):
                    is_served[i] = True
        served += is_served[i]
    return served


@allocating
def tile_advances(tensor, level, loops, steps, spans, window, repeated):
    """Every kind of advance of the loops above a level, innermost loop first.

    Windows may slide only by as much as the last time (`repeated`); see
    `kcsim.kernels.count.counting.sliding_words`.

    Returns
    -------
    advances : ADVANCE[kinds]
    bound : int64
        Bound of the innermost loop, 1 if there is none.
    """
    rows, columns = 1, 1
    if tensor == INPUTS:
        rows = tile_window(spans[level], window, 0)
        columns = tile_window(spans[level], window, 1)
    advances = np.zeros(loops.shape[0], ADVANCE)
    reset = np.zeros(8, np.int64)
    kinds, innermost, last_rows, last_columns = 0, 1, 0, 0
    for i in range(spans[level].outside[tensor] - 1, -1, -1):
        bound = loops[i].bound
        if loops[i].kind != TEMPORAL or bound == 1:
            continue
        if kinds == 0:
            innermost = bound
        shift = advances[kinds].shift
        for dimension in range(8):
            shift[dimension] -= reset[dimension]
        position_shift(tensor, loops[i].dimension, steps[i].step, window, shift)
        position_shift(tensor, loops[i].dimension, steps[i].step * (bound - 1), window, reset)
        is_window = tensor == INPUTS
        plain = False
        for dimension in range(8):
            if not (is_window and P <= dimension <= Q):
                plain = plain or shift[dimension] != 0
        new_rows, new_columns = filled_box(
            plain, shift[P] * is_window, shift[Q] * is_window, rows, columns
        )
        if repeated and is_window and new_rows > 0:
            if last_rows == 0 and last_columns == 0:
                last_rows, last_columns = shift[P], shift[Q]
            if shift[P] != last_rows or shift[Q] != last_columns:
                new_rows, new_columns = rows, columns
        advances[kinds].times = (bound - 1) * steps[i].outer
        advances[kinds].rows, advances[kinds].columns = new_rows, new_columns
        advances[kinds].loop = i
        kinds += 1
    return advances[:kinds], innermost


@helper
def brings(advance, rows, columns):
    """Whether an advance brings as many rows and columns of new words."""
    return advance.rows == rows and advance.columns == columns


@allocating
def forward(tensor, level, loops, steps, spans, window, rules, counts):
    """Take from neighbors what they were given one step before.

    A child is served by a mesh neighbor if the words it needs now are exactly
    those that the neighbor was given in the previous step. The neighbor then
    pays one more read, the nearest level above that keeps the tensor one less.
    See `count_mapping` for the parameters; `level` is the level above the children.
    """
    advances, innermost = tile_advances(
        tensor, level + 1, loops, steps, spans, window, rules[0].repeated
    )
    rows, columns = 1, 1
    if tensor == INPUTS:
        rows = tile_window(spans[level + 1], window, 0)
        columns = tile_window(spans[level + 1], window, 1)
    line = spans[level + 1].tile[tensor] // (rows * columns)
    positions = child_positions(tensor, level, loops, steps, window)
    nobody = np.zeros(positions.shape[0] * positions.shape[1], np.bool_)
    is_served = nobody.copy()
    multicast = rules[level].multicast
    forwarded, saved = 0, 0
    for kind in range(advances.shape[0]):
        advance = advances[kind]
        times, new_rows, new_columns = advance.times, advance.rows, advance.columns
        if new_rows == 0:
            continue
        if kind == 0:
            # The first advance of a run follows an outer advance or the first fill,
            # each later one follows its like.
            matching = times // (innermost - 1) * (innermost - 2)
            for other in range(1, advances.shape[0]):
                if brings(advances[other], new_rows, new_columns):
                    matching += advances[other].times
            matching += new_rows == rows and new_columns == columns
        else:
            matching = times if brings(advances[0], new_rows, new_columns) else 0
        if matching == 0:
            continue
        everything = needed_words(positions, nobody, multicast, new_rows, new_columns)
        served = find_served(positions, advance.shift, is_served)
        rest = needed_words(positions, is_served, multicast, new_rows, new_columns)
        forwarded += matching * line * new_rows * new_columns * served
        saved += matching * line * (everything - rest)
    instances = spans[level].instances
    counts[level + 1, tensor].reads += forwarded * instances
    counts[level, tensor].down -= forwarded * instances
    counts[level, tensor].forwarded += forwarded * instances
    parent = level
    while not rules[parent].keeps[tensor]:
        # All instances are spared alike, so that equal streams stay equal.
        parent -= 1
        counts[parent, tensor].down -= saved * spans[parent + 1].instances
        saved *= spans[parent].spread[tensor]
    counts[parent, tensor].reads -= saved * spans[parent].instances

"""A mapped loop nest as arrays, and what can be read off it at once.

One mapping is an array of loops, outermost first, one row each:

====== ===========================================================
column meaning
====== ===========================================================
0      storage level that the loop belongs to, 0 for the outermost
1      ``TEMPORAL``, ``SPATIAL_X`` or ``SPATIAL_Y``
2      dimension: N G M C P Q R S are 0 to 7
3      bound
====== ===========================================================

Tensors are numbered weights 0, inputs 1, outputs 2. Network `n` lies below
level `n`; the MAC units are below the last level.

What a level keeps and what its network can do are one row of *rules*, what can be read off a
nest is one row of *spans* for each level and one of *steps* for each loop, and what is counted
is in *counts*. They are few and wide because every array that a kernel hands on costs time.

*rules*, int64[levels, 9]
    ``KEEPS`` (3 columns): whether the level stores a tensor. ``MULTICAST``: how the network
    below shares reads. ``REDUCES``: whether it adds up partial sums. ``FORWARDS`` (3): whether
    children take a tensor from their neighbours. ``REPEATED``: whether windows slide only by as
    much as the last time (all levels alike).
*spans*, int64[levels + 1, 26], the last row for the MAC unit
    ``EXTENT`` (8): indices of each dimension that one instance spans. ``SPATIAL`` (8): spatial
    bounds of the network below. ``CHILDREN``: their product. ``SPREAD`` (3): words that the level
    sends for one word that each child is given (or receives for one word from each). ``HELD``:
    distinct words of outputs that one instance ever holds. ``ABOVE``: number of loops that belong
    to the levels above. ``INSTANCES``: instances in use. ``TILE`` (3): words of each tensor that
    one instance stores.
*steps*, int64[loops, 2]
    ``STEP``: indices by which one iteration of a loop advances its dimension. ``OUTER``: product
    of the bounds of the temporal loops around it.
*counts*, int64[levels, 3, 6]
    By level and tensor: ``READS``, ``FILLS``, ``UPDATES`` of the level; in the network below,
    words that arrive at the children (``DOWN``), that leave them upwards (``UP``), and that they
    take from neighbours (``FORWARDED``).
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Only called from other kernels, into which they are compiled: wrappers for Python
# and cache files of their own would double the time of the first run.
helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

# Called from one place only: compiled as a part of it, which spares the time to compile it alone.
inlined = njit(inline="always", error_model="numpy")

TEMPORAL, SPATIAL_X, SPATIAL_Y = 0, 1, 2
LEVEL, KIND, DIMENSION, BOUND = 0, 1, 2, 3
N, G, M, C, P, Q, R, S = range(8)
WEIGHTS, INPUTS, OUTPUTS = 0, 1, 2
READS, FILLS, UPDATES, DOWN, UP, FORWARDED = range(6)
"""Columns of counts: accesses of a level, words in the network below it."""
NO_MULTICAST, TILE_MULTICAST, WORD_MULTICAST = 0, 1, 2
STRIDE_H, STRIDE_W, DILATION_H, DILATION_W = 0, 1, 2, 3
KEEPS, MULTICAST, REDUCES, FORWARDS, REPEATED = 0, 3, 4, 5, 8
"""Columns of rules."""

INDEXES = np.array(
    [
        [False, True, True, True, False, False, True, True],
        [True, True, False, True, True, True, True, True],
        [True, True, True, False, True, True, False, False],
    ]
)


EXTENT, SPATIAL, CHILDREN, SPREAD, HELD, ABOVE, INSTANCES, TILE, SPANS = (
    0, 8, 16, 17, 20, 21, 22, 23, 26,
)  # fmt: skip
"""Columns of spans."""
STEP, OUTER = 0, 1
"""Columns of steps."""


@helper
def measure(loops, loop_count, spans, steps):
    """Fill steps, and spans but for ``SPREAD``, ``HELD`` and ``TILE``.

    Returns
    -------
    int64
        Product of the temporal bounds: steps of the computation.
    """
    levels = spans.shape[0] - 1
    for dimension in range(8):
        spans[levels, EXTENT + dimension] = 1
    i = loop_count - 1
    for level in range(levels - 1, -1, -1):
        children = 1
        for dimension in range(8):
            spans[level, EXTENT + dimension] = spans[level + 1, EXTENT + dimension]
            spans[level, SPATIAL + dimension] = 1
        while i >= 0 and loops[i, LEVEL] == level:
            dimension, bound = loops[i, DIMENSION], loops[i, BOUND]
            steps[i, STEP] = spans[level, EXTENT + dimension]
            spans[level, EXTENT + dimension] *= bound
            if loops[i, KIND] != TEMPORAL:
                spans[level, SPATIAL + dimension] *= bound
                children *= bound
            i -= 1
        spans[level, CHILDREN] = children
        spans[level, ABOVE] = i + 1
    spans[levels, ABOVE] = loop_count
    spans[0, INSTANCES] = 1
    for level in range(levels):
        spans[level + 1, INSTANCES] = spans[level, INSTANCES] * spans[level, CHILDREN]
    temporal_steps = 1
    for i in range(loop_count):
        steps[i, OUTER] = temporal_steps
        if loops[i, KIND] == TEMPORAL:
            temporal_steps *= loops[i, BOUND]
    return temporal_steps


@helper
def window_extent(spans, level, window, axis):
    """Words along an input axis (0 rows, 1 columns) that a tile needs.

    `spans` has the extents of the tiles of a level in its first 8 columns.
    """
    outputs, taps = spans[level, P + axis], spans[level, R + axis]
    return window[STRIDE_H + axis] * (outputs - 1) + window[DILATION_H + axis] * (taps - 1) + 1


@helper
def plain_product(tensor, spans, level, start):
    """Product of 8 columns over the dimensions of a tensor, window axes of inputs aside."""
    if tensor == WEIGHTS:
        product = spans[level, start + M] * spans[level, start + C]
        product *= spans[level, start + R] * spans[level, start + S]
    elif tensor == OUTPUTS:
        product = spans[level, start + N] * spans[level, start + M]
        product *= spans[level, start + P] * spans[level, start + Q]
    else:
        product = spans[level, start + N] * spans[level, start + C]
    return product * spans[level, start + G]


@helper
def tile_size(tensor, spans, level, window):
    """Words of a tensor's tile; see `window_extent`."""
    words = plain_product(tensor, spans, level, EXTENT)
    if tensor == INPUTS:
        words *= window_extent(spans, level, window, 0) * window_extent(spans, level, window, 1)
    return words


@helper
def filled_box(plain, rows, columns, tile_rows, tile_columns):
    """Rows and columns of new words after a tile has moved.

    A window that slides forward along one axis keeps what it still covers; any
    other movement replaces the whole tile; no movement needs nothing.
    """
    if not plain:
        if rows == 0 and columns == 0:
            return 0, 0
        if columns == 0 and 0 < rows < tile_rows:
            return rows, tile_columns
        if rows == 0 and 0 < columns < tile_columns:
            return tile_rows, columns
    return tile_rows, tile_columns

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
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

# Only called from other kernels, into which they are compiled: wrappers for Python
# and cache files of their own would double the time of the first run.
helper = njit(  # type: ignore[call-overload]  # the stubs lack these two options
    error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)

TEMPORAL, SPATIAL_X, SPATIAL_Y = 0, 1, 2
LEVEL, KIND, DIMENSION, BOUND = 0, 1, 2, 3
N, G, M, C, P, Q, R, S = range(8)
WEIGHTS, INPUTS, OUTPUTS = 0, 1, 2
READS, FILLS, UPDATES = 0, 1, 2
NO_MULTICAST, TILE_MULTICAST, WORD_MULTICAST = 0, 1, 2
STRIDE_H, STRIDE_W, DILATION_H, DILATION_W = 0, 1, 2, 3
DOWN, UP, FORWARDED = 0, 1, 2

INDEXES = np.array(
    [
        [False, True, True, True, False, False, True, True],
        [True, True, False, True, True, True, True, True],
        [True, True, True, False, True, True, False, False],
    ]
)


class Workspace(NamedTuple):
    """What can be read off a nest before anything is counted.

    Attributes
    ----------
    extents : int64[levels + 1, 8]
        Indices of each dimension that one instance of a level spans; the last
        row is the MAC unit.
    bounds : int64[levels, 8]
        Spatial bounds of the network below each level.
    children : int64[levels]
        Their product.
    spread : int64[levels, 3]
        Words that a level sends for one word that each child is given (or
        receives for one word from each).
    held : int64[levels]
        Distinct words of outputs that one instance ever holds.
    above : int64[levels]
        Number of loops that belong to the levels above.
    steps : int64[loops]
        Indices by which one iteration of a loop advances its dimension.
    outer : int64[loops]
        Product of the bounds of the temporal loops around a loop.
    """

    extents: np.ndarray
    bounds: np.ndarray
    children: np.ndarray
    spread: np.ndarray
    held: np.ndarray
    above: np.ndarray
    steps: np.ndarray
    outer: np.ndarray


@helper
def new_workspace(levels, loop_count):
    """A workspace for nests of up to `loop_count` loops."""
    return Workspace(
        np.empty((levels + 1, 8), np.int64),
        np.empty((levels, 8), np.int64),
        np.empty(levels, np.int64),
        np.empty((levels, 3), np.int64),
        np.empty(levels, np.int64),
        np.empty(levels, np.int64),
        np.empty(loop_count, np.int64),
        np.empty(loop_count, np.int64),
    )


@helper
def measure(loops, loop_count, work, instances):
    """Fill a workspace, but for spread and held, and the instances.

    Returns
    -------
    int64
        Product of the temporal bounds: steps of the computation.
    """
    levels = work.bounds.shape[0]
    for dimension in range(8):
        work.extents[levels, dimension] = 1
    i = loop_count - 1
    for level in range(levels - 1, -1, -1):
        extent, bounds = work.extents[level], work.bounds[level]
        children = 1
        for dimension in range(8):
            extent[dimension] = work.extents[level + 1, dimension]
            bounds[dimension] = 1
        while i >= 0 and loops[i, LEVEL] == level:
            dimension, bound = loops[i, DIMENSION], loops[i, BOUND]
            work.steps[i] = extent[dimension]
            extent[dimension] *= bound
            if loops[i, KIND] != TEMPORAL:
                bounds[dimension] *= bound
                children *= bound
            i -= 1
        work.children[level] = children
        work.above[level] = i + 1
    instances[0] = 1
    for level in range(levels):
        instances[level + 1] = instances[level] * work.children[level]
    temporal_steps = 1
    for i in range(loop_count):
        work.outer[i] = temporal_steps
        if loops[i, KIND] == TEMPORAL:
            temporal_steps *= loops[i, BOUND]
    return temporal_steps


@helper
def window_extent(extent, window, axis):
    """Words along an input axis (0 rows, 1 columns) that a tile needs."""
    output, kernel = (P, R) if axis == 0 else (Q, S)
    stride, dilation = window[STRIDE_H + axis], window[DILATION_H + axis]
    return stride * (extent[output] - 1) + dilation * (extent[kernel] - 1) + 1


@helper
def tile_size(tensor, extent, window):
    """Words of a tensor's tile whose dimensions span `extent` (int64[8])."""
    if tensor == WEIGHTS:
        return extent[G] * extent[M] * extent[C] * extent[R] * extent[S]
    if tensor == OUTPUTS:
        return extent[N] * extent[G] * extent[M] * extent[P] * extent[Q]
    pixels = window_extent(extent, window, 0) * window_extent(extent, window, 1)
    return extent[N] * extent[G] * extent[C] * pixels


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

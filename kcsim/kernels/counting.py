"""Closed-form counts of a mapped loop nest.

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
level `n`; the MAC units are below the last level. All counts are of words and
of all instances together. The rules are those of the counting page of the
documentation, which this file follows in order.
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
    """What `count_mapping` works out about a nest before it counts.

    Attributes
    ----------
    extents : int64[levels + 1, 8]
        Indices of each dimension that one instance of a level spans; the last
        row is the MAC unit.
    bounds : int64[levels, 8]
        Spatial bounds of the network below each level.
    spread : int64[levels, 3]
        Words that a level sends for one word that each child is given (or
        receives for one word from each).
    steps : int64[loops]
        Indices by which one iteration of a loop advances its dimension.
    outer : int64[loops]
        Product of the bounds of the temporal loops around a loop.
    """

    extents: np.ndarray
    bounds: np.ndarray
    spread: np.ndarray
    steps: np.ndarray
    outer: np.ndarray


@helper
def new_workspace(levels, loop_count):
    """A workspace for nests of up to `loop_count` loops."""
    return Workspace(
        np.empty((levels + 1, 8), np.int64),
        np.empty((levels, 8), np.int64),
        np.empty((levels, 3), np.int64),
        np.empty(loop_count, np.int64),
        np.empty(loop_count, np.int64),
    )


@helper
def measure(loops, loop_count, work, instances):
    """Fill the extents, bounds, steps and outer products of a workspace, and the instances.

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
        for dimension in range(8):
            extent[dimension] = work.extents[level + 1, dimension]
            bounds[dimension] = 1
        while i >= 0 and loops[i, LEVEL] == level:
            dimension = loops[i, DIMENSION]
            work.steps[i] = extent[dimension]
            extent[dimension] *= loops[i, BOUND]
            if loops[i, KIND] != TEMPORAL:
                bounds[dimension] *= loops[i, BOUND]
            i -= 1
    instances[0] = 1
    for level in range(levels):
        instances[level + 1] = instances[level] * children_in_use(work.bounds[level])
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
def greatest_common_divisor(a, b):
    """Greatest common divisor of two positive integers."""
    while b:
        a, b = b, a % b
    return a


@helper
def distinct_positions(count_a, step_a, count_b, step_b):
    """Number of distinct values of ``step_a * i + step_b * j``.

    Two index pairs meet when they differ by a multiple of
    ``(step_b, -step_a) / gcd``; each value is counted at the pair that has no
    predecessor in that direction.
    """
    if count_a == 1 or count_b == 1:
        return count_a * count_b
    divisor = greatest_common_divisor(step_a, step_b)
    shift_a, shift_b = step_b // divisor, step_a // divisor
    return count_a * count_b - max(0, count_a - shift_a) * max(0, count_b - shift_b)


@helper
def covered_length(count_a, step_a, count_b, step_b, length):
    """Length of the union of ``[step_a*i + step_b*j, ... + length)`` over all i, j."""
    if count_a == 1 or count_b == 1:
        count = max(count_a, count_b)
        step = step_a if count_b == 1 else step_b
        return min(step, length) * (count - 1) + length
    divisor = greatest_common_divisor(step_a, step_b)
    shift_a, shift_b = step_b // divisor, step_a // divisor
    total = 0
    for i in range(count_a):
        for j in range(count_b):
            if i >= shift_a and j + shift_b < count_b:
                continue
            here = step_a * i + step_b * j
            gap = length
            for other in range(count_b):
                following = max(0, (here - step_b * other) // step_a + 1)
                if following < count_a:
                    gap = min(gap, step_a * following + step_b * other - here)
            total += gap
    return total


@helper
def plain_spread(tensor, bounds):
    """Children with distinct tiles, leaving the window axes of inputs aside."""
    spread = 1
    for dimension in range(8):
        if INDEXES[tensor, dimension] and not (tensor == INPUTS and dimension >= P):
            spread *= bounds[dimension]
    return spread


@helper
def distinct_tiles(tensor, bounds, below, window):
    """Number of distinct tiles among the children of one instance.

    Parameters
    ----------
    bounds : int64[8]
        Spatial bounds of the network.
    below : int64[8]
        Extents of one child.
    window : int64[4]
        Strides and dilations, vertical and horizontal.
    """
    spread = plain_spread(tensor, bounds)
    if tensor == INPUTS:
        for axis in range(2):
            output, kernel = P + axis, R + axis
            spread *= distinct_positions(
                bounds[output],
                window[STRIDE_H + axis] * below[output],
                bounds[kernel],
                window[DILATION_H + axis] * below[kernel],
            )
    return spread


@helper
def covered_words(bounds, below, window, rows, columns):
    """Distinct input words that all children of one instance are given in one step.

    `rows` and `columns` are the extents of what each child is given.
    """
    words = plain_spread(INPUTS, bounds) * below[N] * below[G] * below[C]
    for axis in range(2):
        output, kernel = P + axis, R + axis
        words *= covered_length(
            bounds[output],
            window[STRIDE_H + axis] * below[output],
            bounds[kernel],
            window[DILATION_H + axis] * below[kernel],
            rows if axis == 0 else columns,
        )
    return words


@helper
def own_shift(tensor, dimension, step, window):
    """By how many words one iteration of a loop moves a tile.

    Returns
    -------
    plain : bool
        Whether the tile moves along an axis other than the window axes.
    rows, columns : int64
        The movement along the window axes of the inputs.
    """
    if not INDEXES[tensor, dimension]:
        return False, 0, 0
    if tensor == INPUTS:
        if dimension == P:
            return False, window[STRIDE_H] * step, 0
        if dimension == R:
            return False, window[DILATION_H] * step, 0
        if dimension == Q:
            return False, 0, window[STRIDE_W] * step
        if dimension == S:
            return False, 0, window[DILATION_W] * step
    return True, 0, 0


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


@helper
def moved_words(tensor, level, loops, loop_count, work, window, by_word):
    """Words that the tile changes of one instance bring in.

    Every step of the loops above `level` is an advance of one loop with all
    loops inside it starting again; each such advance moves the tile by the
    same amount every time, so advances are counted loop by loop.

    Parameters
    ----------
    work : Workspace
    by_word : bool
        Whether `covered` is wanted (inputs only).

    Returns
    -------
    words : int64
        Words that one instance is filled with.
    covered : int64
        Distinct words that all instances below one parent are filled with,
        step by step: what a word-tagged network reads. Zero unless wanted.
    """
    below, bounds = work.extents[level], work.bounds[level - 1]
    rows, columns = 1, 1
    if tensor == INPUTS:
        rows, columns = window_extent(below, window, 0), window_extent(below, window, 1)
        line = below[N] * below[G] * below[C]
    else:
        line = tile_size(tensor, below, window)
    words = line * rows * columns
    covered = covered_words(bounds, below, window, rows, columns) if by_word else 0
    reset_plain, reset_rows, reset_columns = False, 0, 0
    for i in range(loop_count - 1, -1, -1):
        bound = loops[i, BOUND]
        if loops[i, LEVEL] >= level or loops[i, KIND] != TEMPORAL or bound == 1:
            continue
        advances = (bound - 1) * work.outer[i]
        plain, own_rows, own_columns = own_shift(tensor, loops[i, DIMENSION], work.steps[i], window)
        new_rows, new_columns = filled_box(
            plain or reset_plain, own_rows - reset_rows, own_columns - reset_columns, rows, columns
        )
        words += advances * line * new_rows * new_columns
        if by_word and new_rows > 0:
            covered += advances * covered_words(bounds, below, window, new_rows, new_columns)
        reset_plain = reset_plain or plain
        reset_rows += own_rows * (bound - 1)
        reset_columns += own_columns * (bound - 1)
    return words, covered


@helper
def held_words(tensor, level, loops, loop_count, work, window):
    """Distinct words of outputs (or weights) that one instance ever holds."""
    words = tile_size(tensor, work.extents[level], window)
    for i in range(loop_count):
        if (
            loops[i, LEVEL] < level
            and loops[i, KIND] == TEMPORAL
            and INDEXES[tensor, loops[i, DIMENSION]]
        ):
            words *= loops[i, BOUND]
    return words


@helper
def children_in_use(bounds):
    """Product of the spatial bounds."""
    children = 1
    for dimension in range(8):
        children *= bounds[dimension]
    return children


@helper
def next_keeper(keeps, tensor, level):
    """The nearest level below `level` that keeps a tensor; the number of levels if none."""
    below = level + 1
    while below < keeps.shape[0] and not keeps[below, tensor]:
        below += 1
    return below


@helper
def count_operand(
    tensor, loops, loop_count, work, instances, temporal_steps, window, keeps, multicast,
    counts, transfers,
):  # fmt: skip
    """Reads, fills and transfers of weights or inputs; see `count_mapping`."""
    levels = keeps.shape[0]
    for parent in range(levels):
        if not keeps[parent, tensor]:
            continue
        child = next_keeper(keeps, tensor, parent)
        last = child - 1
        if child == levels:
            # Every MAC reads its operand: the innermost network shares nothing.
            arriving = temporal_steps
            leaving = arriving * children_in_use(work.bounds[last])
            if last > parent:
                last -= 1
                arriving, leaving = leaving, leaving * work.spread[last, tensor]
                transfers[levels - 1, tensor, DOWN] += arriving * instances[levels - 1]
        else:
            by_word = multicast[last] == WORD_MULTICAST and tensor == INPUTS
            arriving, covered = moved_words(tensor, child, loops, loop_count, work, window, by_word)
            counts[child, tensor, FILLS] = arriving * instances[child]
            leaving = covered if by_word else arriving * work.spread[last, tensor]
        transfers[last, tensor, DOWN] += arriving * instances[last + 1]
        for network in range(last - 1, parent - 1, -1):
            transfers[network, tensor, DOWN] += leaving * instances[network + 1]
            leaving *= work.spread[network, tensor]
        counts[parent, tensor, READS] += leaving * instances[parent]


@helper
def count_outputs(
    loops, loop_count, work, instances, temporal_steps, window, keeps, counts, transfers
):
    """Reads, fills, updates and transfers of outputs; see `count_mapping`."""
    levels = keeps.shape[0]
    for parent in range(levels):
        if not keeps[parent, OUTPUTS]:
            continue
        child = next_keeper(keeps, OUTPUTS, parent)
        rising = temporal_steps
        if child < levels:
            rising, _ = moved_words(OUTPUTS, child, loops, loop_count, work, window, False)
        for network in range(child - 1, parent - 1, -1):
            transfers[network, OUTPUTS, UP] += rising * instances[network + 1]
            if child < levels:
                # A MAC's sum is accumulated where it is kept; only a tile returns.
                held = held_words(OUTPUTS, network + 1, loops, loop_count, work, window)
                transfers[network, OUTPUTS, DOWN] += (rising - held) * instances[network + 1]
                if network == child - 1:
                    counts[child, OUTPUTS, FILLS] = (rising - held) * instances[child]
            rising *= work.spread[network, OUTPUTS]
        held = held_words(OUTPUTS, parent, loops, loop_count, work, window)
        counts[parent, OUTPUTS, UPDATES] = rising * instances[parent]
        counts[parent, OUTPUTS, READS] = (rising - held) * instances[parent]


@helper
def position_shift(tensor, dimension, amount, window, shift):
    """Add to `shift` (int64[8]) the movement of a tile by `amount` indices.

    Input rows are kept in place P and input columns in place Q.
    """
    if not INDEXES[tensor, dimension]:
        return
    if tensor == INPUTS and dimension >= P:
        axis = (dimension - P) % 2
        scale = window[STRIDE_H + axis] if dimension < R else window[DILATION_H + axis]
        shift[P + axis] += scale * amount
    else:
        shift[dimension] += amount


@helper
def child_positions(tensor, level, loops, loop_count, steps, window):
    """Position of the tile of every child below one instance: int64[x, y, 8]."""
    size = np.ones(3, np.int64)
    for i in range(loop_count):
        if loops[i, LEVEL] == level and loops[i, KIND] != TEMPORAL:
            size[loops[i, KIND]] *= loops[i, BOUND]
    positions = np.zeros((size[SPATIAL_X], size[SPATIAL_Y], 8), np.int64)
    rest = np.zeros(3, np.int64)
    for x in range(size[SPATIAL_X]):
        for y in range(size[SPATIAL_Y]):
            rest[SPATIAL_X], rest[SPATIAL_Y] = x, y
            for i in range(loop_count - 1, -1, -1):
                if loops[i, LEVEL] == level and loops[i, KIND] != TEMPORAL:
                    index = rest[loops[i, KIND]] % loops[i, BOUND]
                    rest[loops[i, KIND]] //= loops[i, BOUND]
                    position_shift(
                        tensor, loops[i, DIMENSION], index * steps[i], window, positions[x, y]
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
def served_by_neighbours(positions, shift, shared):
    """Who takes a tile from a mesh neighbour when all tiles move by `shift`.

    A child is served when a neighbour was just given what it needs now.

    Returns
    -------
    served : int64
        Number of children served by a neighbour.
    rest : int64
        Reads needed above for the others: distinct tiles if `shared`.
    """
    size_x, size_y = positions.shape[0], positions.shape[1]
    is_served = np.zeros((size_x, size_y), np.bool_)
    nowhere = np.zeros(8, np.int64)
    served, rest = 0, 0
    for i in range(size_x * size_y):
        x, y = i // size_y, i % size_y
        for other_x in range(max(0, x - 1), min(size_x, x + 2)):
            for other_y in range(max(0, y - 1), min(size_y, y + 2)):
                adjacent = abs(other_x - x) + abs(other_y - y) == 1
                if adjacent and is_apart(positions[other_x, other_y], positions[x, y], shift):
                    is_served[x, y] = True
        served += is_served[x, y]
    for i in range(size_x * size_y):
        x, y = i // size_y, i % size_y
        repeated = is_served[x, y]
        for j in range(i if shared and not repeated else 0):
            other_x, other_y = j // size_y, j % size_y
            if not is_served[other_x, other_y] and is_apart(
                positions[x, y], positions[other_x, other_y], nowhere
            ):
                repeated = True
                break
        rest += not repeated
    return served, rest


@helper
def tile_advances(tensor, level, loops, loop_count, work, window):
    """Every kind of advance of the loops above a level, innermost loop first.

    Returns
    -------
    advances : int64[kinds, 3]
        How often it happens; rows and columns of new words it brings.
    shifts : int64[kinds, 8]
        By how much it moves the tile, as `position_shift` counts.
    bound : int64
        Bound of the innermost loop, 1 if there is none.
    """
    below = work.extents[level]
    rows, columns = 1, 1
    if tensor == INPUTS:
        rows, columns = window_extent(below, window, 0), window_extent(below, window, 1)
    advances = np.zeros((loop_count, 3), np.int64)
    shifts = np.zeros((loop_count, 8), np.int64)
    reset = np.zeros(8, np.int64)
    kinds, innermost = 0, 1
    for i in range(loop_count - 1, -1, -1):
        bound = loops[i, BOUND]
        if loops[i, LEVEL] >= level or loops[i, KIND] != TEMPORAL or bound == 1:
            continue
        if kinds == 0:
            innermost = bound
        shift = shifts[kinds]
        for dimension in range(8):
            shift[dimension] -= reset[dimension]
        position_shift(tensor, loops[i, DIMENSION], work.steps[i], window, shift)
        position_shift(tensor, loops[i, DIMENSION], work.steps[i] * (bound - 1), window, reset)
        is_window = tensor == INPUTS
        plain = False
        for dimension in range(8):
            if not (is_window and P <= dimension <= Q):
                plain = plain or shift[dimension] != 0
        new_rows, new_columns = filled_box(
            plain, shift[P] * is_window, shift[Q] * is_window, rows, columns
        )
        advances[kinds, 0] = (bound - 1) * work.outer[i]
        advances[kinds, 1] = new_rows
        advances[kinds, 2] = new_columns
        kinds += 1
    return advances[:kinds], shifts[:kinds], innermost


@helper
def forward(
    tensor, level, loops, loop_count, work, instances, window, multicast, counts, transfers
):
    """Take from neighbours what they were given one step before.

    A child is served by a mesh neighbour if the words it needs now are exactly
    those that the neighbour was given in the previous step. The neighbour then
    pays one more read, the level above one less. See `count_mapping` for the
    parameters; `level` is the level above the children.
    """
    below = work.extents[level + 1]
    advances, shifts, innermost = tile_advances(tensor, level + 1, loops, loop_count, work, window)
    rows, columns = 1, 1
    if tensor == INPUTS:
        rows, columns = window_extent(below, window, 0), window_extent(below, window, 1)
    line = tile_size(tensor, below, window) // (rows * columns)
    positions = child_positions(tensor, level, loops, loop_count, work.steps, window)
    forwarded, saved = 0, 0
    for kind in range(advances.shape[0]):
        times, new_rows, new_columns = advances[kind, 0], advances[kind, 1], advances[kind, 2]
        if new_rows == 0:
            continue
        if kind == 0:
            # The first advance of a run follows an outer advance or the first fill,
            # each later one follows its like.
            matching = times // (innermost - 1) * (innermost - 2)
            for other in range(1, advances.shape[0]):
                if advances[other, 1] == new_rows and advances[other, 2] == new_columns:
                    matching += advances[other, 0]
            matching += new_rows == rows and new_columns == columns
        else:
            same = advances[0, 1] == new_rows and advances[0, 2] == new_columns
            matching = times if same else 0
        if matching == 0:
            continue
        served, rest = served_by_neighbours(positions, shifts[kind], multicast != NO_MULTICAST)
        words = matching * line * new_rows * new_columns
        forwarded += words * served
        saved += words * (work.spread[level, tensor] - rest)
    counts[level + 1, tensor, READS] += forwarded * instances[level]
    counts[level, tensor, READS] -= saved * instances[level]
    transfers[level, tensor, DOWN] -= forwarded * instances[level]
    transfers[level, tensor, FORWARDED] += forwarded * instances[level]


@helper
def count_nest(
    loops, loop_count, window, keeps, multicast, reduction, forwarding, work,
    tiles, instances, counts, transfers,
):  # fmt: skip
    """Count every access of a mapped layer, in a given workspace; see `count_mapping`."""
    levels = keeps.shape[0]
    temporal_steps = measure(loops, loop_count, work, instances)
    counts.fill(0)
    transfers.fill(0)
    for level in range(levels):
        children = children_in_use(work.bounds[level])
        for tensor in range(3):
            shares = reduction[level] if tensor == OUTPUTS else multicast[level] != NO_MULTICAST
            work.spread[level, tensor] = children
            if shares and children > 1:
                work.spread[level, tensor] = distinct_tiles(
                    tensor, work.bounds[level], work.extents[level + 1], window
                )
            kept = keeps[level, tensor]
            tiles[level, tensor] = tile_size(tensor, work.extents[level], window) if kept else 0
    for tensor in (WEIGHTS, INPUTS):
        count_operand(
            tensor, loops, loop_count, work, instances, temporal_steps, window, keeps, multicast,
            counts, transfers,
        )  # fmt: skip
    count_outputs(
        loops, loop_count, work, instances, temporal_steps, window, keeps, counts, transfers
    )
    for level in range(levels - 1):
        for tensor in (WEIGHTS, INPUTS):
            if forwarding[level, tensor] and keeps[level, tensor] and keeps[level + 1, tensor]:
                forward(
                    tensor, level, loops, loop_count, work, instances, window, multicast[level],
                    counts, transfers,
                )  # fmt: skip
    return temporal_steps


@njit(cache=True, nogil=True, error_model="numpy")
def count_mapping(
    loops, loop_count, window, keeps, multicast, reduction, forwarding,
    tiles, instances, counts, transfers,
):  # fmt: skip
    """Count every access of a mapped layer.

    Parameters
    ----------
    loops : int64[:, 4]
        The mapping; only the first `loop_count` rows are read.
    window : int64[4]
        Strides and dilations: vertical stride, horizontal stride, vertical
        dilation, horizontal dilation.
    keeps : bool[levels, 3]
        Whether a level stores a tensor.
    multicast : int64[levels]
        How the network below a level shares reads.
    reduction : bool[levels]
        Whether the network below a level adds up partial sums.
    forwarding : bool[levels, 3]
        Whether children below a level take a tensor from their neighbours.
    tiles : int64[levels, 3]
        Filled: words of each tensor's tile in one instance.
    instances : int64[levels + 1]
        Filled: instances in use; the last entry is the MAC units.
    counts : int64[levels, 3, 3]
        Filled: reads, fills and updates of each tensor at each level.
    transfers : int64[levels, 3, 3]
        Filled: words that arrive at the children below each level, and that
        leave them upwards, and that they take from their neighbours.

    Returns
    -------
    int64
        Product of the temporal bounds: cycles at one MAC a cycle.
    """
    work = new_workspace(keeps.shape[0], loop_count)
    return count_nest(
        loops, loop_count, window, keeps, multicast, reduction, forwarding, work,
        tiles, instances, counts, transfers,
    )  # fmt: skip

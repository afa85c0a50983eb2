"""Closed-form counts of a mapped loop nest.

See `kcsim.kernels.nest` for the arrays. All counts are of words and of all
instances together. The rules are those of the counting page of the
documentation.
"""

from __future__ import annotations

from numba import njit

from kcsim.kernels.forwarding import forward
from kcsim.kernels.nest import (
    BOUND,
    DILATION_H,
    DILATION_W,
    DIMENSION,
    DOWN,
    FILLS,
    INDEXES,
    INPUTS,
    KIND,
    NO_MULTICAST,
    OUTPUTS,
    READS,
    STRIDE_H,
    STRIDE_W,
    TEMPORAL,
    UP,
    UPDATES,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    G,
    M,
    N,
    P,
    Q,
    R,
    S,
    filled_box,
    helper,
    measure,
    new_workspace,
    tile_size,
    window_extent,
)


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
    # Intervals that touch along one index are one interval to the other index.
    if count_a == 1 or length >= step_a:
        length += step_a * (count_a - 1)
        return min(step_b, length) * (count_b - 1) + length
    if count_b == 1 or length >= step_b:
        length += step_b * (count_b - 1)
        return min(step_a, length) * (count_a - 1) + length
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
    if tensor == WEIGHTS:
        return bounds[G] * bounds[M] * bounds[C] * bounds[R] * bounds[S]
    if tensor == OUTPUTS:
        return bounds[N] * bounds[G] * bounds[M] * bounds[P] * bounds[Q]
    return bounds[N] * bounds[G] * bounds[C]


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
def input_shift(dimension, step, window):
    """By how many words one iteration of a loop moves a tile of inputs.

    Returns
    -------
    plain : bool
        Whether the tile moves along an axis other than the window axes.
    rows, columns : int64
        The movement along the window axes.
    """
    if dimension == P:
        return False, window[STRIDE_H] * step, 0
    if dimension == R:
        return False, window[DILATION_H] * step, 0
    if dimension == Q:
        return False, 0, window[STRIDE_W] * step
    if dimension == S:
        return False, 0, window[DILATION_W] * step
    return dimension != M, 0, 0


@helper
def replaced_words(tensor, level, size, loops, work):
    """Words that the tile changes of one instance bring in, for weights and outputs.

    Going outwards from the level, nothing changes up to the first loop that
    indexes the tensor; from there on, every iteration replaces the tile.

    Parameters
    ----------
    size : int64
        Words of the tile.
    """
    for i in range(work.above[level] - 1, -1, -1):
        bound = loops[i, BOUND]
        if loops[i, KIND] == TEMPORAL and bound > 1 and INDEXES[tensor, loops[i, DIMENSION]]:
            return size * work.outer[i] * bound
    return size


@helper
def sliding_words(level, loops, work, window, by_word):
    """Words that the tile changes of one instance bring in, for inputs.

    Every step of the loops above `level` is an advance of one loop with all
    loops inside it starting again; each such advance moves the tile by the
    same amount every time, so advances are counted loop by loop.

    Parameters
    ----------
    work : Workspace
    by_word : bool
        Whether `covered` is wanted.

    Returns
    -------
    words : int64
        Words that one instance is filled with.
    covered : int64
        Distinct words that all instances below one parent are filled with,
        step by step: what a word-tagged network reads. Zero unless wanted.
    """
    below, bounds = work.extents[level], work.bounds[level - 1]
    rows, columns = window_extent(below, window, 0), window_extent(below, window, 1)
    line = below[N] * below[G] * below[C]
    words = line * rows * columns
    covered = covered_words(bounds, below, window, rows, columns) if by_word else 0
    reset_plain, reset_rows, reset_columns = False, 0, 0
    for i in range(work.above[level] - 1, -1, -1):
        bound = loops[i, BOUND]
        if loops[i, KIND] != TEMPORAL or bound == 1:
            continue
        advances = (bound - 1) * work.outer[i]
        plain, own_rows, own_columns = input_shift(loops[i, DIMENSION], work.steps[i], window)
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
def next_keeper(keeps, tensor, level):
    """The nearest level below `level` that keeps a tensor; the number of levels if none."""
    below = level + 1
    while below < keeps.shape[0] and not keeps[below, tensor]:
        below += 1
    return below


@helper
def count_operand(
    tensor, loops, work, instances, temporal_steps, window, keeps, multicast,
    tiles, counts, transfers,
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
            leaving = arriving * work.children[last]
            if last > parent:
                last -= 1
                arriving, leaving = leaving, leaving * work.spread[last, tensor]
                transfers[levels - 1, tensor, DOWN] += arriving * instances[levels - 1]
        else:
            by_word = multicast[last] == WORD_MULTICAST and tensor == INPUTS
            if tensor == INPUTS:
                arriving, leaving = sliding_words(child, loops, work, window, by_word)
            else:
                arriving = replaced_words(tensor, child, tiles[child, tensor], loops, work)
            if not by_word:
                leaving = arriving * work.spread[last, tensor]
            counts[child, tensor, FILLS] = arriving * instances[child]
        transfers[last, tensor, DOWN] += arriving * instances[last + 1]
        for network in range(last - 1, parent - 1, -1):
            transfers[network, tensor, DOWN] += leaving * instances[network + 1]
            leaving *= work.spread[network, tensor]
        counts[parent, tensor, READS] += leaving * instances[parent]


@helper
def count_outputs(loops, work, instances, temporal_steps, keeps, tiles, counts, transfers):
    """Reads, fills, updates and transfers of outputs; see `count_mapping`."""
    levels = keeps.shape[0]
    for parent in range(levels):
        if not keeps[parent, OUTPUTS]:
            continue
        child = next_keeper(keeps, OUTPUTS, parent)
        rising = temporal_steps
        if child < levels:
            rising = replaced_words(OUTPUTS, child, tiles[child, OUTPUTS], loops, work)
            counts[child, OUTPUTS, FILLS] = (rising - work.held[child]) * instances[child]
        for network in range(child - 1, parent - 1, -1):
            transfers[network, OUTPUTS, UP] += rising * instances[network + 1]
            if child < levels:
                # A MAC's sum is accumulated where it is kept; only a tile returns.
                returning = (rising - work.held[network + 1]) * instances[network + 1]
                transfers[network, OUTPUTS, DOWN] += returning
            rising *= work.spread[network, OUTPUTS]
        counts[parent, OUTPUTS, UPDATES] = rising * instances[parent]
        counts[parent, OUTPUTS, READS] = (rising - work.held[parent]) * instances[parent]


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
    work.held[0] = tile_size(OUTPUTS, work.extents[0], window)
    for level in range(levels):
        children = work.children[level]
        for tensor in range(3):
            shares = reduction[level] if tensor == OUTPUTS else multicast[level] != NO_MULTICAST
            work.spread[level, tensor] = children
            if shares and children > 1:
                work.spread[level, tensor] = distinct_tiles(
                    tensor, work.bounds[level], work.extents[level + 1], window
                )
            kept = keeps[level, tensor]
            tiles[level, tensor] = tile_size(tensor, work.extents[level], window) if kept else 0
        if level + 1 < levels:
            work.held[level + 1] = work.held[level]
            if children > 1:
                work.held[level + 1] //= plain_spread(OUTPUTS, work.bounds[level])
    for tensor in (WEIGHTS, INPUTS):
        count_operand(
            tensor, loops, work, instances, temporal_steps, window, keeps, multicast,
            tiles, counts, transfers,
        )  # fmt: skip
    count_outputs(loops, work, instances, temporal_steps, keeps, tiles, counts, transfers)
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

"""Closed-form counts of a mapped loop nest.

See `kcsim.kernels.nest` for the arrays. All counts are of words and of all
instances together. The rules are those of the counting page of the
documentation.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.forwarding import forward
from kcsim.kernels.nest import (
    ABOVE,
    BOUND,
    CHILDREN,
    DILATION_H,
    DIMENSION,
    DOWN,
    EXTENT,
    FILLS,
    FORWARDS,
    HELD,
    INDEXES,
    INPUTS,
    INSTANCES,
    KEEPS,
    KIND,
    MULTICAST,
    NO_MULTICAST,
    OUTER,
    OUTPUTS,
    READS,
    REDUCES,
    REPEATED,
    SPATIAL,
    SPREAD,
    STEP,
    STRIDE_H,
    TEMPORAL,
    TILE,
    UP,
    UPDATES,
    WORD_MULTICAST,
    M,
    P,
    R,
    filled_box,
    helper,
    inlined,
    measure,
    plain_product,
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
    if length == 1:
        return distinct_positions(count_a, step_a, count_b, step_b)
    if count_b > count_a:
        count_a, step_a, count_b, step_b = count_b, step_b, count_a, step_a
    divisor = greatest_common_divisor(step_a, step_b)
    shift_a, shift_b = step_b // divisor, step_a // divisor
    total = 0
    for j in range(count_b):
        # Where a later j has the same places, they are counted there.
        last = count_a if j + shift_b >= count_b else min(count_a, shift_a)
        i = 0
        while i < last:
            # The nearest interval that follows is as far away for all i up to `until`.
            gap, until = length, last
            for other in range(count_b):
                distance = (step_b * (other - j) - 1) % step_a + 1
                following = i + (distance - step_b * (other - j)) // step_a
                if distance < gap and following < count_a:
                    if following >= 0:
                        gap = distance
                    else:
                        until = min(until, i - following)
            for other in range(count_b):
                distance = (step_b * (other - j) - 1) % step_a + 1
                following = i + (distance - step_b * (other - j)) // step_a
                if distance == gap and 0 <= following < count_a:
                    until = min(until, i + count_a - following)
            total += gap * (until - i)
            i = until
    return total


@helper
def distinct_tiles(tensor, spans, level, window):
    """Number of distinct tiles among the children of one instance of a level."""
    spread = plain_product(tensor, spans, level, SPATIAL)
    if tensor == INPUTS:
        for axis in range(2):
            spread *= distinct_positions(
                spans[level, SPATIAL + P + axis],
                window[STRIDE_H + axis] * spans[level + 1, P + axis],
                spans[level, SPATIAL + R + axis],
                window[DILATION_H + axis] * spans[level + 1, R + axis],
            )
    return spread


@helper
def covered_words(spans, level, window, rows, columns):
    """Distinct input words that all children of one instance are given in one step.

    `rows` and `columns` are the extents of what each child is given.
    """
    words = plain_product(INPUTS, spans, level, SPATIAL)
    words *= plain_product(INPUTS, spans, level + 1, EXTENT)
    for axis in range(2):
        words *= covered_length(
            spans[level, SPATIAL + P + axis],
            window[STRIDE_H + axis] * spans[level + 1, P + axis],
            spans[level, SPATIAL + R + axis],
            window[DILATION_H + axis] * spans[level + 1, R + axis],
            rows if axis == 0 else columns,
        )
    return words


@helper
def replaced_words(tensor, level, loops, steps, spans):
    """Words that the tile changes of one instance bring in, for weights and outputs.

    Going outwards from the level, nothing changes up to the first loop that
    indexes the tensor; from there on, every iteration replaces the tile.
    """
    size = spans[level, TILE + tensor]
    for i in range(spans[level, ABOVE] - 1, -1, -1):
        bound = loops[i, BOUND]
        if loops[i, KIND] == TEMPORAL and bound > 1 and INDEXES[tensor, loops[i, DIMENSION]]:
            return size * steps[i, OUTER] * bound
    return size


@inlined
def sliding_words(level, loops, steps, spans, window, by_word, repeated):
    """Words that the tile changes of one instance bring in, for inputs.

    Every step of the loops above `level` is an advance of one loop with all
    loops inside it starting again; each such advance moves the tile by the
    same amount every time, so advances are counted loop by loop.

    Parameters
    ----------
    by_word : bool
        Whether `covered` is wanted.
    repeated : bool
        Whether the window slides only by as much as it last moved. As outer loops advance it has
        always moved with the innermost loop that moves it, and is about to do so again.

    Returns
    -------
    words : int64
        Words that one instance is filled with.
    covered : int64
        Distinct words that all instances below one parent are filled with,
        step by step: what a word-tagged network reads. Zero unless wanted.
    """
    rows, columns = window_extent(spans, level, window, 0), window_extent(spans, level, window, 1)
    line = plain_product(INPUTS, spans, level, EXTENT)
    words = line * rows * columns
    covered = covered_words(spans, level - 1, window, rows, columns) if by_word else 0
    # What one round of all loops inside has moved the tile by; a new round takes it back.
    plain, round_rows, round_columns, last_rows, last_columns = False, 0, 0, 0, 0
    for i in range(spans[level, ABOVE] - 1, -1, -1):
        bound, dimension = loops[i, BOUND], loops[i, DIMENSION]
        if loops[i, KIND] != TEMPORAL or bound == 1:
            continue
        advances = (bound - 1) * steps[i, OUTER]
        own_rows, own_columns = 0, 0
        if dimension >= P:
            axis = (dimension - P) % 2
            scale = window[STRIDE_H + axis] if dimension < R else window[DILATION_H + axis]
            own_rows = scale * steps[i, STEP] * (1 - axis)
            own_columns = scale * steps[i, STEP] * axis
        elif dimension != M:
            plain = True
        move_rows, move_columns = own_rows - round_rows, own_columns - round_columns
        new_rows, new_columns = filled_box(plain, move_rows, move_columns, rows, columns)
        if repeated and new_rows > 0:
            if last_rows == 0 and last_columns == 0:
                last_rows, last_columns = move_rows, move_columns
            if move_rows != last_rows or move_columns != last_columns:
                new_rows, new_columns = rows, columns
        words += advances * line * new_rows * new_columns
        if by_word and new_rows > 0:
            covered += advances * covered_words(spans, level - 1, window, new_rows, new_columns)
        round_rows += own_rows * (bound - 1)
        round_columns += own_columns * (bound - 1)
    return words, covered


@helper
def next_keeper(rules, tensor, level):
    """The nearest level below `level` that keeps a tensor; the number of levels if none."""
    below = level + 1
    while below < rules.shape[0] and not rules[below, KEEPS + tensor]:
        below += 1
    return below


@helper
def count_operand(tensor, loops, steps, spans, temporal_steps, window, rules, counts):
    """Reads, fills and transfers of weights or inputs; see `count_mapping`."""
    levels = rules.shape[0]
    for parent in range(levels):
        if not rules[parent, KEEPS + tensor]:
            continue
        child = next_keeper(rules, tensor, parent)
        last = child - 1
        if child == levels:
            # Every MAC reads its operand: the innermost network shares nothing.
            arriving = temporal_steps
            leaving = arriving * spans[last, CHILDREN]
            if last > parent:
                last -= 1
                arriving, leaving = leaving, leaving * spans[last, SPREAD + tensor]
                counts[levels - 1, tensor, DOWN] += arriving * spans[levels - 1, INSTANCES]
        else:
            by_word = rules[last, MULTICAST] == WORD_MULTICAST and tensor == INPUTS
            if tensor == INPUTS:
                arriving, leaving = sliding_words(
                    child, loops, steps, spans, window, by_word, rules[0, REPEATED] != 0
                )
            else:
                arriving = replaced_words(tensor, child, loops, steps, spans)
            if not by_word:
                leaving = arriving * spans[last, SPREAD + tensor]
            counts[child, tensor, FILLS] = arriving * spans[child, INSTANCES]
        counts[last, tensor, DOWN] += arriving * spans[last + 1, INSTANCES]
        for network in range(last - 1, parent - 1, -1):
            counts[network, tensor, DOWN] += leaving * spans[network + 1, INSTANCES]
            leaving *= spans[network, SPREAD + tensor]
        counts[parent, tensor, READS] += leaving * spans[parent, INSTANCES]


@inlined
def count_outputs(loops, steps, spans, temporal_steps, rules, counts):
    """Reads, fills, updates and transfers of outputs; see `count_mapping`."""
    levels = rules.shape[0]
    for parent in range(levels):
        if not rules[parent, KEEPS + OUTPUTS]:
            continue
        child = next_keeper(rules, OUTPUTS, parent)
        rising = temporal_steps
        if child < levels:
            rising = replaced_words(OUTPUTS, child, loops, steps, spans)
            returning = rising - spans[child, HELD]
            counts[child, OUTPUTS, FILLS] = returning * spans[child, INSTANCES]
        for network in range(child - 1, parent - 1, -1):
            counts[network, OUTPUTS, UP] += rising * spans[network + 1, INSTANCES]
            if child < levels:
                # A MAC's sum is accumulated where it is kept; only a tile returns.
                returning = (rising - spans[network + 1, HELD]) * spans[network + 1, INSTANCES]
                counts[network, OUTPUTS, DOWN] += returning
            rising *= spans[network, SPREAD + OUTPUTS]
        counts[parent, OUTPUTS, UPDATES] = rising * spans[parent, INSTANCES]
        returning = rising - spans[parent, HELD]
        counts[parent, OUTPUTS, READS] = returning * spans[parent, INSTANCES]


@inlined
def spread_tiles(spans, window, rules):
    """Fill the columns ``TILE``, ``SPREAD`` and ``HELD`` of spans."""
    spans[0, HELD] = tile_size(OUTPUTS, spans, 0, window)
    for level in range(rules.shape[0]):
        children = spans[level, CHILDREN]
        for tensor in range(3):
            shares = rules[level, MULTICAST] != NO_MULTICAST
            if tensor == OUTPUTS:
                shares = rules[level, REDUCES] != 0
            spread, size = children, 0
            if shares and children > 1:
                spread = distinct_tiles(tensor, spans, level, window)
            if rules[level, KEEPS + tensor]:
                size = tile_size(tensor, spans, level, window)
            spans[level, SPREAD + tensor], spans[level, TILE + tensor] = spread, size
        held = spans[level, HELD]
        if children > 1:
            held //= plain_product(OUTPUTS, spans, level, SPATIAL)
        spans[level + 1, HELD] = held


@inlined
def count_nest(loops, loop_count, window, rules, spans, steps, counts):
    """Count every access of a mapped layer; see `count_mapping`."""
    levels = rules.shape[0]
    temporal_steps = measure(loops, loop_count, spans, steps)
    for level in range(levels):
        for tensor in range(3):
            for column in range(6):
                counts[level, tensor, column] = 0
    spread_tiles(spans, window, rules)
    for tensor in range(2):
        count_operand(tensor, loops, steps, spans, temporal_steps, window, rules, counts)
    count_outputs(loops, steps, spans, temporal_steps, rules, counts)
    for level in range(levels - 1):
        for tensor in range(2):
            forwards = rules[level, FORWARDS + tensor] and rules[level + 1, KEEPS + tensor]
            if forwards and spans[level, CHILDREN] > 1:
                forward(tensor, level, loops, loop_count, steps, spans, window, rules, counts)
    return temporal_steps


@kernel
def count_mapping(loops, loop_count, window, rules, spans, counts):
    """Count every access of a mapped layer.

    Parameters
    ----------
    loops : int64[:, 4]
        The mapping; only the first `loop_count` rows are read.
    window : int64[4]
        Strides and dilations: vertical stride, horizontal stride, vertical
        dilation, horizontal dilation.
    rules : int64[levels, 9]
        What each level keeps, and what the network below it can do.
    spans : int64[levels + 1, 26]
        Filled: tiles, instances and more.
    counts : int64[levels, 3, 6]
        Filled: reads, fills and updates of each tensor at each level; words that
        arrive at the children below, that leave them upwards, and that they
        take from their neighbours.

    Returns
    -------
    int64
        Product of the temporal bounds: cycles at one MAC a cycle.
    """
    steps = np.empty((loop_count, 2), np.int64)
    return count_nest(loops, loop_count, window, rules, spans, steps, counts)

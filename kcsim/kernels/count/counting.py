"""Closed-form counts of a mapped loop nest.

See `kcsim.kernels.layout` for the arrays. All counts are of words and of all
instances together. The rules are those of the counting page of the
documentation.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.count.forwarding import forward
from kcsim.kernels.count.padding import count_real_inputs, has_padding, hold_no_padding
from kcsim.kernels.count.positions import covered_length, distinct_positions
from kcsim.kernels.layout import (
    INDEXES,
    INPUTS,
    NO_MULTICAST,
    OUTPUTS,
    STEP,
    TEMPORAL,
    WORD_MULTICAST,
    M,
    P,
    R,
)
from kcsim.kernels.nest import (
    clear,
    filled_box,
    helper,
    inlined,
    measure,
    plain_product,
    tile_size,
    tile_window,
    tile_words,
)


@helper
def distinct_tiles(tensor, spans, level, window):
    """Number of distinct tiles among the children of one instance of a level."""
    spread = plain_product(tensor, spans[level].spatial)
    if tensor == INPUTS:
        for axis in range(2):
            spread *= distinct_positions(
                spans[level].spatial[P + axis],
                window[axis].stride * spans[level + 1].extent[P + axis],
                spans[level].spatial[R + axis],
                window[axis].dilation * spans[level + 1].extent[R + axis],
            )
    return spread


@helper
def covered_words(spans, level, window, rows, columns):
    """Distinct input words that all children of one instance are given in one step.

    `rows` and `columns` are the extents of what each child is given, of its whole extent along
    other axes; see `covered_box`.
    """
    line = plain_product(INPUTS, spans[level + 1].extent)
    return covered_box(spans, level, window, line, rows, columns)


@helper
def covered_box(spans, level, window, line, rows, columns):
    """Distinct words in equal boxes of inputs, one for each child of an instance.

    Boxes lie as far apart as the children, whose extents may be larger.

    Parameters
    ----------
    line : int64
        Words of a box at one row and column.
    rows, columns : int64
        Extents of a box.
    """
    words = plain_product(INPUTS, spans[level].spatial) * line
    for axis in range(2):
        words *= covered_length(
            spans[level].spatial[P + axis],
            window[axis].stride * spans[level + 1].extent[P + axis],
            spans[level].spatial[R + axis],
            window[axis].dilation * spans[level + 1].extent[R + axis],
            rows if axis == 0 else columns,
        )
    return words


@helper
def replaced_words(tensor, size, outside, loops, steps):
    """Words that the tile changes of one instance bring in, for weights and outputs.

    Going outwards from the tensor's place, nothing changes up to the first loop that
    indexes the tensor; from there on, every iteration replaces the tile.

    Parameters
    ----------
    size : int64
        Words of the tile.
    outside : int64
        Number of loops outside of the place.
    """
    for i in range(outside - 1, -1, -1):
        bound = loops[i].bound
        if loops[i].kind == TEMPORAL and bound > 1 and INDEXES[tensor, loops[i].dimension]:
            return size * steps[i].outer * bound
    return size


@inlined
def sliding_words(level, loops, steps, spans, window, by_word, repeated):
    """Words that the tile changes of one instance bring in, for inputs.

    Every step of the loops outside of the place of inputs at `level` is an advance of one loop
    with all loops inside it starting again; each such advance moves the tile by the
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
    rows, columns = tile_window(spans[level], window, 0), tile_window(spans[level], window, 1)
    words = spans[level].tile[INPUTS]
    line = words // (rows * columns)
    covered = covered_box(spans, level - 1, window, line, rows, columns) if by_word else 0
    # What one round of all loops inside has moved the tile by; a new round takes it back.
    plain, round_rows, round_columns, last_rows, last_columns = False, 0, 0, 0, 0
    for i in range(spans[level].outside[INPUTS] - 1, -1, -1):
        bound, dimension = loops[i].bound, loops[i].dimension
        if loops[i].kind != TEMPORAL or bound == 1:
            continue
        advances = (bound - 1) * steps[i].outer
        own_rows, own_columns = 0, 0
        if dimension >= P:
            axis = (dimension - P) % 2
            scale = window[axis].stride if dimension < R else window[axis].dilation
            own_rows = scale * steps[i].step * (1 - axis)
            own_columns = scale * steps[i].step * axis
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
            new = covered_box(spans, level - 1, window, line, new_rows, new_columns)
            covered += advances * new
        round_rows += own_rows * (bound - 1)
        round_columns += own_columns * (bound - 1)
    return words, covered


@inlined
def move_tiles(loops, steps, spans, window, rules):
    """Fill ``moved`` and ``covered`` of spans.

    They follow from what a tensor's tile spans, from the loops outside of its place, and from the
    tensor alone: the one place where they do.
    """
    for level in range(1, rules.shape[0]):
        span = spans[level]
        for tensor in range(3):
            if not rules[level].keeps[tensor]:
                continue
            if tensor == INPUTS:
                by_word = rules[level - 1].multicast == WORD_MULTICAST
                span.moved[tensor], span.covered = sliding_words(
                    level, loops, steps, spans, window, by_word, rules[0].repeated
                )
            else:
                outside = span.outside[tensor]
                span.moved[tensor] = replaced_words(
                    tensor, span.tile[tensor], outside, loops, steps
                )


@helper
def next_keeper(rules, tensor, level):
    """The nearest level below `level` that keeps a tensor; the number of levels if none."""
    below = level + 1
    while below < rules.shape[0] and not rules[below].keeps[tensor]:
        below += 1
    return below


@helper
def count_operand(tensor, spans, temporal_steps, rules, counts):
    """Reads, fills and transfers of weights or inputs; see `count_mapping`."""
    levels = rules.shape[0]
    for parent in range(levels):
        if not rules[parent].keeps[tensor]:
            continue
        child = next_keeper(rules, tensor, parent)
        last = child - 1
        if tensor == INPUTS and child < levels and has_padding(rules[child]):
            # Only pixels move there: see `count_real_inputs`.
            continue
        if child == levels:
            # Every MAC reads its operand: the innermost network shares nothing.
            arriving = temporal_steps
            leaving = arriving * spans[last].children
            if last > parent:
                last -= 1
                arriving, leaving = leaving, leaving * spans[last].spread[tensor]
                counts[levels - 1, tensor].down += arriving * spans[levels - 1].instances
        else:
            by_word = rules[last].multicast == WORD_MULTICAST and tensor == INPUTS
            arriving = spans[child].moved[tensor]
            leaving = arriving * spans[last].spread[tensor]
            if by_word:
                leaving = spans[child].covered
            counts[child, tensor].fills = arriving * spans[child].instances
        counts[last, tensor].down += arriving * spans[last + 1].instances
        for network in range(last - 1, parent - 1, -1):
            counts[network, tensor].down += leaving * spans[network + 1].instances
            leaving *= spans[network].spread[tensor]
        counts[parent, tensor].reads += leaving * spans[parent].instances


@inlined
def count_outputs(spans, temporal_steps, rules, counts):
    """Reads, fills, updates and transfers of outputs; see `count_mapping`."""
    levels = rules.shape[0]
    for parent in range(levels):
        if not rules[parent].keeps[OUTPUTS]:
            continue
        child = next_keeper(rules, OUTPUTS, parent)
        rising = temporal_steps
        if child < levels:
            rising = spans[child].moved[OUTPUTS]
            returning = rising - spans[child].held
            counts[child, OUTPUTS].fills = returning * spans[child].instances
        for network in range(child - 1, parent - 1, -1):
            counts[network, OUTPUTS].up += rising * spans[network + 1].instances
            if child < levels:
                # A MAC's sum is accumulated where it is kept; only a tile returns.
                returning = (rising - spans[network + 1].held) * spans[network + 1].instances
                counts[network, OUTPUTS].down += returning
            rising *= spans[network].spread[OUTPUTS]
        counts[parent, OUTPUTS].updates = rising * spans[parent].instances
        returning = rising - spans[parent].held
        counts[parent, OUTPUTS].reads = returning * spans[parent].instances


@inlined
def spread_tiles(spans, window, rules):
    """Fill ``tile``, ``spread`` and ``held`` of spans."""
    spans[0].held = tile_size(OUTPUTS, spans[0].extent, window)
    for level in range(rules.shape[0]):
        children = spans[level].children
        for tensor in range(3):
            shares = rules[level].multicast != NO_MULTICAST
            if tensor == OUTPUTS:
                shares = rules[level].reduces
            spread, size = children, 0
            if shares and children > 1:
                spread = distinct_tiles(tensor, spans, level, window)
            if rules[level].keeps[tensor]:
                size = tile_words(tensor, spans[level], window)
            spans[level].spread[tensor], spans[level].tile[tensor] = spread, size
        held = spans[level].held
        if children > 1:
            held //= plain_product(OUTPUTS, spans[level].spatial)
        spans[level + 1].held = held


@inlined
def count_nest(loops, heights, window, rules, spans, steps, counts):
    """Count every access of a mapped layer; see `count_mapping`."""
    levels = rules.shape[0]
    temporal_steps = measure(loops, heights, spans, steps)
    for level in range(levels):
        for tensor in range(3):
            clear(counts[level, tensor])
    spread_tiles(spans, window, rules)
    move_tiles(loops, steps, spans, window, rules)
    for tensor in range(2):
        count_operand(tensor, spans, temporal_steps, rules, counts)
    for parent in range(levels - 1):
        child = next_keeper(rules, INPUTS, parent)
        if rules[parent].keeps[INPUTS] and child < levels and has_padding(rules[child]):
            count_real_inputs(parent, child, loops, steps, spans, window, rules, counts)
    count_outputs(spans, temporal_steps, rules, counts)
    for level in range(levels - 1):
        for tensor in range(2):
            forwards = rules[level].forwards[tensor] and rules[level + 1].keeps[tensor]
            if forwards and spans[level].children > 1:
                forward(tensor, level, loops, steps, spans, window, rules, counts)
    hold_no_padding(spans, window, rules)
    return temporal_steps


@kernel
def count_mapping(loops, heights, window, rules, spans, counts):
    """Count every access of a mapped layer.

    Parameters
    ----------
    loops : LOOP[:]
    heights : int64[levels, 3]
        Loops of a level in time that stand outside of a tensor's place, the first ones of it.
    window : WINDOW[2]
    rules : RULE[levels]
    spans : SPAN[levels + 1]
    counts : COUNT[levels, 3]
        The last two are filled.

    Returns
    -------
    int64
        Product of the temporal bounds: cycles at one MAC a cycle.
    """
    steps = np.empty(loops.shape[0], STEP)
    return count_nest(loops, heights, window, rules, spans, steps, counts)

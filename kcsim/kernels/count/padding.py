"""Inputs that are moved without their padding, which a level generates.

Where tiles lie, how they move, and which ones are the same is as with the padding; of what is
moved, the part in the image is counted. A box of inputs has rows and columns, so the words of many
boxes are a product of two sums, over the places along either axis; and what each lacks is where it
begins at less than the padding from an end of the padded map.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.count.forwarding import tile_advances
from kcsim.kernels.count.positions import covered_length, distinct_positions
from kcsim.kernels.layout import (
    INDEXES,
    INPUTS,
    NO_MULTICAST,
    TEMPORAL,
    WORD_MULTICAST,
    P,
    R,
    record,
)
from kcsim.kernels.nest import allocating, helper, tile_window, window_extent

FLOW = record(child=np.int64, advancing=np.int64, shared=np.int64, by_word=np.bool_)
"""Words on their way into tiles of a level, as one loop advances.

child
    The level.
advancing
    The loop; -1 for the first tiles.
shared
    The outermost network that they have passed, which shares them; as `child` for none.
by_word
    Whether the network above the level reads each word once.
"""


@helper
def has_padding(rule):
    """Whether padding stays away from a level."""
    padding = rule.padding
    return padding[0, 0] + padding[0, 1] + padding[1, 0] + padding[1, 1] > 0


@helper
def spread_places(table, most, step, low, high):
    """Let what lies at each line lie from `low` to `high` times a step further."""
    for line in range(most - 1, -1, -1):
        found, times = 0, low
        while times <= high and times * step <= line:
            found += table[line - times * step]
            times += 1
        table[line] = found


@helper
def line_step(loop, step, axis, window):
    """Lines by which a loop moves tiles along an axis, 0 if it does not."""
    if loop.dimension == P + axis:
        return window[axis].stride * step.step
    if loop.dimension == R + axis:
        return window[axis].dilation * step.step
    return 0


@helper
def shares_tiles(rules, flow, level):
    """Whether the network below a level has shared what passes it."""
    return level >= flow.shared and rules[level].multicast != NO_MULTICAST


@helper
def find_children(level, axis, outside, loops, steps, window, most, own):
    """Fill whether a child below an instance of a level begins so many lines from its first one."""
    for line in range(most):
        own[line] = line == 0
    for i in range(outside):
        step = line_step(loops[i], steps[i], axis, window)
        if step > 0 and loops[i].level == level and loops[i].kind != TEMPORAL:
            spread_places(own, most, step, 0, loops[i].bound - 1)
    for line in range(most):
        own[line] = min(own[line], 1)


@helper
def add_places(table, own, most):
    """Let what lies at each line lie at those of some children instead."""
    for line in range(most - 1, -1, -1):
        found = 0
        for other in range(line + 1):
            found += own[other] * table[line - other]
        table[line] = found


@helper
def find_places(flow, axis, end, outside, loops, steps, window, rules, most, table, own):
    """Fill how many tiles begin at each line from an end (0 or 1) of the padded map.

    Parameters
    ----------
    outside : int64
        Loops outside of the place of inputs.
    most : int64
        Lines that matter.
    table, own : int64[most]
        Filled: places of tiles, or where words are read once, of those of the first child; then
        `own` has where all children below an instance are.
    """
    for line in range(most):
        table[line] = line == 0
    for i in range(outside):
        step, bound = line_step(loops[i], steps[i], axis, window), loops[i].bound
        if step == 0 or (loops[i].kind != TEMPORAL and shares_tiles(rules, flow, loops[i].level)):
            continue
        low, high = 0, bound - 1
        if loops[i].kind == TEMPORAL:
            if i == flow.advancing:
                low, high = 1 - end, bound - 1 - end
            elif i > flow.advancing:
                low = high = (bound - 1) * end
        spread_places(table, most, step, low, high)
    for level in range(flow.shared, flow.child):
        if shares_tiles(rules, flow, level):
            find_children(level, axis, outside, loops, steps, window, most, own)
            if not flow.by_word or level < flow.child - 1:
                add_places(table, own, most)


@helper
def lines_in_padding(flow, most, offset, length, table, own):
    """Lines of padding at one end, of all that begins so far behind its tile's first line."""
    found = 0
    for first in range(most):
        if table[first] == 0:
            continue
        if not flow.by_word:
            found += table[first] * max(0, min(length, most - first - offset))
            continue
        for line in range(most - first):
            is_covered = False
            for child in range(max(0, line - offset - length + 1), line - offset + 1):
                is_covered = is_covered or own[child] > 0
            found += table[first] * is_covered
    return found


@helper
def all_lines(flow, axis, length, outside, loops, steps, spans, window, rules):
    """Lines along an axis of all tiles, or of what they are given, with padding."""
    count = 1
    for i in range(outside):
        if line_step(loops[i], steps[i], axis, window) == 0:
            continue
        if loops[i].kind == TEMPORAL:
            if i <= flow.advancing:
                count *= loops[i].bound - (i == flow.advancing)
        elif not shares_tiles(rules, flow, loops[i].level):
            count *= loops[i].bound
    for level in range(flow.shared, flow.child):
        if not shares_tiles(rules, flow, level):
            continue
        outs, taps = spans[level].spatial[P + axis], spans[level].spatial[R + axis]
        out_step = window[axis].stride * spans[level + 1].extent[P + axis]
        tap_step = window[axis].dilation * spans[level + 1].extent[R + axis]
        if flow.by_word and level == flow.child - 1:
            length = covered_length(outs, out_step, taps, tap_step, length)
        else:
            count *= distinct_positions(outs, out_step, taps, tap_step)
    return count * length


@helper
def real_lines(flow, axis, new, outside, loops, steps, spans, window, rules, table, own):
    """Lines along an axis of what all tiles are given, the last `new` lines of each.

    Without padding.
    """
    whole = tile_window(spans[flow.child], window, axis)
    found = all_lines(flow, axis, new, outside, loops, steps, spans, window, rules)
    for end in range(2):
        most = rules[flow.child].padding[axis, end]
        if most > 0:
            find_places(
                flow, axis, end, outside, loops, steps, window, rules, most, table, own
            )  # fmt: skip
            offset = (whole - new) * (end == 0)
            found -= lines_in_padding(flow, most, offset, new, table, own)
    return found


@helper
def boxes_of(flow, outside, loops, rules):
    """Boxes that are moved, for each row and column."""
    count = 1
    for i in range(outside):
        dimension, bound = loops[i].dimension, loops[i].bound
        if dimension >= P:
            continue
        if loops[i].kind == TEMPORAL:
            if i <= flow.advancing:
                count *= bound - (i == flow.advancing)
        elif INDEXES[INPUTS, dimension] or not shares_tiles(rules, flow, loops[i].level):
            count *= bound
    return count


@allocating
def count_real_inputs(parent, child, loops, steps, spans, window, rules, counts):
    """Reads, fills and transfers of inputs between two levels, without padding.

    See `kcsim.kernels.count.counting.count_mapping`.
    """
    advances, _ = tile_advances(INPUTS, child, loops, steps, spans, window, rules[0].repeated)
    most, outside = 0, spans[child].outside[INPUTS]
    for axis in range(2):
        for end in range(2):
            most = max(most, rules[child].padding[axis, end])
    table, own = np.empty(most, np.int64), np.empty(most, np.int64)
    tile_rows, tile_columns = (
        tile_window(spans[child], window, 0), tile_window(spans[child], window, 1),
    )  # fmt: skip
    line = spans[child].tile[INPUTS] // (tile_rows * tile_columns)
    # What is a part of an array does not keep it.
    flows = np.zeros(1, FLOW)
    flows[0].child = child
    for shared in range(child, parent - 1, -1):
        flows[0].shared = shared
        flows[0].by_word = shared < child and rules[child - 1].multicast == WORD_MULTICAST
        words = 0
        for kind in range(-1, advances.shape[0]):
            rows, columns, advancing = tile_rows, tile_columns, -1
            if kind >= 0:
                rows, columns = advances[kind].rows, advances[kind].columns
                advancing = advances[kind].loop
            if rows == 0:
                continue
            flows[0].advancing = advancing
            moved = line * boxes_of(flows[0], outside, loops, rules)
            for axis in range(2):
                moved *= real_lines(
                    flows[0], axis, rows if axis == 0 else columns, outside, loops, steps, spans,
                    window, rules, table, own,
                )  # fmt: skip
            words += moved
        if shared == child:
            counts[child, INPUTS].fills = words
        if shared > parent:
            counts[shared - 1, INPUTS].down += words
        else:
            counts[parent, INPUTS].reads += words


@helper
def most_real_lines(extent, whole, window, axis, rule):
    """The most lines of the image that any tile of an extent has along an axis.

    Parameters
    ----------
    extent, whole : int64[8]
        Of a tile, and of the layer.
    """
    length, before = window_extent(extent, window, axis), rule.padding[axis, 0]
    end = window_extent(whole, window, axis) - rule.padding[axis, 1]
    step, best = window[axis].stride * extent[P + axis], 0
    last = whole[P + axis] // extent[P + axis] - 1
    for tap in range(whole[R + axis] // extent[R + axis]):
        first = window[axis].dilation * extent[R + axis] * tap
        # The nearest tiles around where the image begins have the most.
        near = max(0, min(last, (before - first) // step))
        for out in range(near, min(near + 2, last + 1)):
            low = first + out * step
            best = max(best, min(low + length, end) - max(low, before))
    return best


@helper
def most_pixels(span, whole, window, axis, rule):
    """Likewise, of the tile of a level at its place."""
    if span.outside[INPUTS] > span.above:
        return most_real_lines(span.box[INPUTS], whole, window, axis, rule)
    return most_real_lines(span.extent, whole, window, axis, rule)


@helper
def hold_no_padding(spans, window, rules):
    """Let levels from which padding stays away hold none: the largest tile counts."""
    child = rules.shape[0]
    for level in range(rules.shape[0] - 1, -1, -1):
        if not rules[level].keeps[INPUTS]:
            continue
        if child < rules.shape[0] and has_padding(rules[child]):
            span = spans[level]
            lines = tile_window(span, window, 0) * tile_window(span, window, 1)
            pixels = span.tile[INPUTS] // lines
            for axis in range(2):
                pixels *= most_pixels(span, spans[0].extent, window, axis, rules[child])
            span.tile[INPUTS] = pixels
        child = level

"""Inputs that are moved without their padding: lines of the image among those of tiles.

Hardware that moves padding has no `Margins`: what asks for them first is compiled as nothing.

Rows and columns go apart. Along an axis, loops outside of a tile reach each of its places once,
whatever their order; of what they spare by sliding, padding is left out as well. How much padding
there is follows from how many tiles begin at each line near an end of the map. So a label has
*strips*, float64[slots, fields]: one for each open node, and a last one for what is in flight.

Of a node: ``SHARE``, the share of rounds that another one was right before (0 where padding is
moved), and ``BY_WORD``, whether a network reads each word of its second part once; then, for each
part (see `kcsim.kernels.search.inputs.NODE`) and axis: ``LINES`` of the image in all, ``PLACES`` of
tiles in a round, and behind them how many are at each distance from the first one (or the last).
Of what is in flight, for each axis: lines of the image in all, 0 where padding is moved, and lines
of padding of a round at each distance from either end of the map.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.count.positions import covered_length, distinct_positions
from kcsim.kernels.layout import P, R
from kcsim.kernels.nest import helper

SHARE, BY_WORD, PARTS = range(3)
LINES, PLACES, BEGINS = range(3)


class Margins(NamedTuple):
    """Padding that is not moved.

    Attributes
    ----------
    lines : int64[2, 2]
        Rows and columns of it, before the image and behind it.
    clips : bool[levels]
        Whether it stays away from a level.
    pairs : int64[2, tiles]
        The number of a tile's extent along rows (output positions and taps), and columns.
    begins : float64[2, pairs, most]
        How many tiles of the layer begin at each line, by that number; `most` is 0 where a layer
        has no padding.
    real : float64[2, pairs]
        Lines of the image in all tiles of the layer together.
    touched : float64[2]
        Lines of the image that windows touch.
    filled, held : float64[tiles]
        Words of the image in a tile of inputs: the mean of all tiles, and the most.
    meets : bool
        Whether a network may share lines that some of its children are given, but not others.
    bare_fits : bool
        Whether the outermost level has room for inputs with their padding.
    """

    lines: np.ndarray
    clips: np.ndarray
    pairs: np.ndarray
    begins: np.ndarray
    real: np.ndarray
    touched: np.ndarray
    filled: np.ndarray
    held: np.ndarray
    meets: bool
    bare_fits: bool


@helper
def most_lines(problem):
    """Lines from an end of the map that matter, 0 where there is no padding."""
    return problem.margins.begins.shape[2]


@helper
def words_filled(margins, level, box, words):
    """Words of a tile of inputs that a level is filled with, of so many with their padding."""
    if margins is None or not margins.clips[level]:
        return words
    return margins.filled[box]


@helper
def most_words(margins, box, words):
    """Words that a tile of inputs has at most without padding, of so many with it."""
    if margins is None:
        return words
    return margins.held[box]


@helper
def is_clipped(margins, level):
    """Whether padding stays away from a level."""
    if margins is None:
        return False
    return margins.clips[level]


@helper
def may_stay_bare(margins):
    """Whether the outermost level has room for inputs with their padding."""
    if margins is None:
        return True
    return margins.bare_fits


@helper
def part_at(problem, part, axis):
    """Where a part of a node begins in its strip."""
    return PARTS + (2 * part + axis) * (BEGINS + most_lines(problem))


@helper
def flight_at(problem, axis):
    """Where an axis of what is in flight begins in its strip."""
    return axis * (1 + 2 * most_lines(problem))


@helper
def places_left(problem, box, axis):
    """Places that loops around a box reach along an axis."""
    extent, whole = problem.lattice.extents[box], problem.lattice.extents[-1]
    return whole[P + axis] / extent[P + axis] * (whole[R + axis] / extent[R + axis])


@helper
def open_strip(margins, problem, strips, number, level, box, rows, columns):
    """Fill the strips of a node that has just been placed, and of what is in flight to it.

    Parameters
    ----------
    number : int
        Of the node.

    Returns
    -------
    bool
        Whether it is filled without padding.
    """
    if margins is None or most_lines(problem) == 0:
        return False
    strip, flight, most = strips[number], strips[strips.shape[0] - 1], most_lines(problem)
    strip[SHARE] = flight[0] = 0.0
    if not margins.clips[level]:
        return False
    strip[SHARE], strip[BY_WORD] = 1.0, 0.0
    for axis in range(2):
        real = margins.real[axis, margins.pairs[axis, box]]
        for part in range(2):
            at = part_at(problem, part, axis)
            strip[at + LINES], strip[at + PLACES] = real, 1.0
            for line in range(most):
                strip[at + BEGINS + line] = line == 0
        at = flight_at(problem, axis)
        flight[at] = real
        for end in range(2):
            for line in range(most):
                lines = min(rows if axis == 0 else columns, margins.lines[axis, end] - line)
                flight[at + 1 + end * most + line] = max(0, lines)
    return True


@helper
def line_steps(problem, box, axis):
    """Lines from one tile to the next, along output positions and taps."""
    window, extent = problem.machine.window, problem.lattice.extents[box]
    return window[axis].stride * extent[P + axis], window[axis].dilation * extent[R + axis]


@helper
def united_lines(problem, node, axis, first, length, lines):
    """Lines of padding at an end, of what children of a spread are given together.

    Parameters
    ----------
    first, length : int
        Distance of the first child's lines from the end, and how many each is given.
    lines : int
        Of padding.
    """
    spread = problem.lattice.extents[node.tile]
    out_step, tap_step = line_steps(problem, node.below, axis)
    found = 0
    for line in range(first, lines):
        for tap in range(spread[R + axis]):
            behind = line - first - tap * tap_step
            if behind < 0:
                break
            if behind - min(behind // out_step, spread[P + axis] - 1) * out_step < length:
                found += 1
                break
    return found


@helper
def lines_of_padding(problem, node, is_united, axis, end, first, length):
    """Lines of padding of tiles that begin at a distance from an end of the map.

    Parameters
    ----------
    is_united : bool
        Whether words of all children of a network count once.
    first, length : int
        See `united_lines`.
    """
    lines = problem.margins.lines[axis, end]
    if length <= 0 or first >= lines:
        return 0
    if is_united:
        return united_lines(problem, node, axis, first, length, lines)
    return min(length, lines - first)


@helper
def lines_given(problem, node, is_united, axis, new):
    """Lines that the last ones of a tile come to, for one place of it."""
    if not is_united:
        return new
    spread = problem.lattice.extents[node.tile]
    out_step, tap_step = line_steps(problem, node.below, axis)
    return covered_length(spread[P + axis], out_step, spread[R + axis], tap_step, new)


@helper
def real_lines(problem, node, strip, part, axis, box, shift, new):
    """Lines of the image that the last ones of a round's first tiles have, wherever it lies.

    Parameters
    ----------
    box : int
        What loops that put the round elsewhere iterate over.
    shift : int
        Lines from a first tile to the last one that loops in time inside make of it.
    new : int
        How many lines of each tile.
    """
    margins = problem.margins
    at, pair = part_at(problem, part, axis), margins.pairs[axis, box]
    if new <= 0:
        return 0.0
    united = part == 1 and strip[BY_WORD] > 0
    found = strip[at + PLACES] * places_left(problem, box, axis)
    found *= lines_given(problem, node, united, axis, new)
    for end in range(2):
        skipped = shift if end == 1 else node.length[axis] - new
        for own in range(margins.lines[axis, end] - skipped):
            begins = strip[at + BEGINS + own]
            if begins == 0:
                continue
            for further in range(margins.lines[axis, end] - skipped - own):
                times = begins * margins.begins[axis, pair, further]
                if times > 0:
                    found -= times * lines_of_padding(
                        problem, node, united, axis, end, own + further + skipped, new
                    )
    return found


@helper
def slide_strip(problem, node, strip, axis, box, after, own, bound, new, factors):
    """Let a loop move a node along an axis, so that its tiles have so many new lines.

    Parameters
    ----------
    box, after : int
        What the loop iterates over, and what it makes.
    own, bound : int
        Lines by which it moves a round, and how often.
    factors : float64[2]
        Filled: by how much its words become less, as in `NODE.kept`.
    """
    length, shift = node.length[axis], node.shift
    further = shift + own * (bound - 1)
    for part in range(2 if node.below >= 0 else 1):
        at = part_at(problem, part, axis)
        first = real_lines(problem, node, strip, part, axis, after, further, length)
        lines = strip[at + LINES]
        left = lines
        if new < length:
            spared = real_lines(problem, node, strip, part, axis, box, shift, length) - first
            spared -= real_lines(problem, node, strip, part, axis, box, shift, new)
            spared += real_lines(problem, node, strip, part, axis, after, further, new)
            left = max(0.0, lines - strip[SHARE] * spared)
        strip[at + LINES] = left
        factors[part] = left / lines if lines > 0 else 1.0
        node.kept[part] = min(1.0, strip[SHARE] * first / left) if left > 0 else 0.0


@helper
def move_flight(margins, problem, strips, axis, own, bound):
    """Let a loop move what is in flight by lines along an axis, as if all changed as a whole."""
    if margins is None or most_lines(problem) == 0:
        return
    flight, most = strips[strips.shape[0] - 1], most_lines(problem)
    if flight[0] <= 0:
        return
    for end in range(2):
        at = flight_at(problem, axis) + 1 + end * most
        for line in range(most):
            for further in range(1, bound):
                if line + further * own >= most:
                    break
                flight[at + line] += flight[at + line + further * own]


@helper
def spare_flight(problem, node, strip, flight, axis, own, bound, new):
    """Leave out of what is in flight what stays where it is, as a loop slides its node.

    Parameters
    ----------
    node : NODE
        Before it has moved.
    strip : float64[fields]
        After it has.
    """
    most, length, part = most_lines(problem), node.length[axis], 1 if node.below >= 0 else 0
    at, begins = flight_at(problem, axis), part_at(problem, part, axis) + BEGINS
    united = part == 1 and strip[BY_WORD] > 0
    flight[at] = strip[begins - BEGINS + LINES]
    for end in range(2):
        skipped = (length - new) * (1 - end)
        for line in range(problem.margins.lines[axis, end]):
            for step in range(1, bound):
                first = line + step * own
                if end == 1:
                    first = line + (bound - 1 - step) * own + node.shift
                for place in range(most):
                    if first + place >= most:
                        break
                    spared = lines_of_padding(
                        problem, node, united, axis, end, first + place, length
                    ) - lines_of_padding(
                        problem, node, united, axis, end, first + place + skipped, new
                    )  # fmt: skip
                    spared *= strip[begins + place] * strip[SHARE]
                    flight[at + 1 + end * most + line] -= spared


@helper
def is_first(out, tap, taps, out_step, tap_step):
    """Whether no other child before one of a spread begins at the same line."""
    divisor, other = out_step, tap_step
    while other:
        divisor, other = other, divisor % other
    return out < tap_step // divisor or tap + out_step // divisor >= taps


@helper
def put_apart(problem, table, at, most, split, box, axis, is_shared, inwards):
    """Let lines of a table be those of all children of a spread, or of those with a tile apart.

    Parameters
    ----------
    is_shared : bool
        Whether children with the same tile count once.
    inwards : bool
        Whether the table says what lies in a place, not how much a place is further out.
    """
    spread = problem.lattice.extents[problem.splits[split].tile]
    outs, taps = spread[P + axis], spread[R + axis]
    if outs * taps == 1:
        return
    out_step, tap_step = line_steps(problem, box, axis)
    for i in range(most):
        line = most - 1 - i if inwards else i
        found = 0.0
        for tap in range(taps):
            if tap * tap_step >= most:
                break
            for out in range(outs):
                other = out * out_step + tap * tap_step
                other = line - other if inwards else line + other
                if other < 0 or other >= most:
                    break
                if not is_shared or is_first(out, tap, taps, out_step, tap_step):
                    found += table[at + other]
        table[at + line] = found


@helper
def padding_in_flight(problem, flight, axis, box):
    """Lines of padding of what is in flight, wherever loops around a box put it."""
    margins, most, found = problem.margins, most_lines(problem), 0.0
    at, pair = flight_at(problem, axis), margins.pairs[axis, box]
    for end in range(2):
        for line in range(margins.lines[axis, end]):
            found += margins.begins[axis, pair, line] * flight[at + 1 + end * most + line]
    return found


@helper
def children_apart(problem, split, box, axis):
    """Children of a spread along an axis, and those with different tiles of inputs."""
    spread = problem.lattice.extents[problem.splits[split].tile]
    out_step, tap_step = line_steps(problem, box, axis)
    outs, taps = spread[P + axis], spread[R + axis]
    return outs * taps, distinct_positions(outs, out_step, taps, tap_step)

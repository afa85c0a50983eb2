"""What moves of inputs: the tiles of open nodes as loops outside slide them.

A node of inputs is *open* while its tile may still share words with the one before. A `NODE` says
how much of it stays when the next loop moves it; the words that have moved so far are priced.
"""

from __future__ import annotations

from numpy import float64, int64

from kcsim.kernels.count.positions import covered_length, distinct_positions
from kcsim.kernels.layout import C, G, M, N, P, R, record
from kcsim.kernels.nest import helper
from kcsim.kernels.search.padding import (
    BY_WORD,
    LINES,
    PLACES,
    SHARE,
    lines_given,
    part_at,
    places_left,
    slide_strip,
    spare_flight,
)

MOST_ADVANCES = 6
BEFORE, NONE = -1, -2
STILL, STUCK = -1, 2
"""Axes of a tile that has not moved, and of one that always changes as a whole."""

NODE = record(
    axis=int64, shift=int64, last=int64, length=(int64, 2), kept=(float64, 2), tile=int64,
    below=int64, count=int64, advance=(int64, MOST_ADVANCES), times=(float64, MOST_ADVANCES + 1),
    sliding=int64, words=float64, spread=(float64, 2),
)  # fmt: skip
"""An open node of inputs.

axis, shift, last
    The axis along which its tile moves (`STILL`, `STUCK`), by how many words in a round, and in
    the last move.
length
    Its rows and columns.
kept
    Share of the words of a round that a tile has that would stay; of those that all children
    together are given, where a network reads each word once.
tile, below
    The spread over such a network, as inputs see it, and the box that is spread, which is
    `BEFORE` until then, and `NONE` where the network is another one.
count, advance, times
    Before such a network: how often a round brings words of a whole tile (first), and of so many
    rows or columns of it.
sliding
    Whether loops that leave it where it is are not counted on.
words
    Words that it would move in all if it were closed now.
spread
    Instances along rows and columns since it was placed.
"""


@helper
def distinct_children(problem, tile, box):
    """Children of a spread, a tile as inputs see it, that are given different tiles of inputs."""
    window, spread, extent = (
        problem.machine.window, problem.lattice.extents[tile], problem.lattice.extents[box],
    )  # fmt: skip
    distinct = float(spread[N] * spread[C] * spread[G])
    for axis in range(2):
        distinct *= distinct_positions(
            spread[P + axis], window[axis].stride * extent[P + axis],
            spread[R + axis], window[axis].dilation * extent[R + axis],
        )  # fmt: skip
    return distinct


@helper
def covered_words(problem, tile, box, rows, columns):
    """Distinct words of a line that the children of a spread are given in one step."""
    window, spread, extent = (
        problem.machine.window, problem.lattice.extents[tile], problem.lattice.extents[box],
    )  # fmt: skip
    covered = float(spread[N] * spread[C] * spread[G])
    for axis in range(2):
        covered *= covered_length(
            spread[P + axis], window[axis].stride * extent[P + axis],
            spread[R + axis], window[axis].dilation * extent[R + axis],
            rows if axis == 0 else columns,
        )  # fmt: skip
    return covered


@helper
def open_node(node, rows, columns, by_word, words):
    """Fill a node that has just been placed."""
    node.axis, node.shift, node.last = STILL, 0, 0
    node.length[0], node.length[1] = rows, columns
    node.kept[0], node.kept[1] = 1.0, 1.0
    node.tile, node.below, node.count = -1, NONE, 0
    if by_word:
        node.below = BEFORE
    node.times[0] = 1.0
    node.sliding, node.words = 0, words
    node.spread[0] = node.spread[1] = 1.0


@helper
def fresh_of_all(problem, node, axis, new):
    """Share of a tile's words that so many new lines bring, where each word is read once."""
    rows = new if axis == 0 else node.length[0]
    columns = new if axis == 1 else node.length[1]
    fresh = covered_words(problem, node.tile, node.below, rows, columns)
    return fresh / covered_words(problem, node.tile, node.below, node.length[0], node.length[1])


@helper
def overlaps(problem, node, axis, new):
    """Whether a tile that moves by so many words keeps some; `NODE.last` is noted."""
    if problem.machine.rules[0].repeated and new != 0:
        if node.last == 0:
            node.last = new
        if new != node.last:
            return False
    return 0 <= new < node.length[axis]


@helper
def has_strip(strip):
    """Whether a node is filled without padding."""
    return strip.shape[0] > 0 and strip[SHARE] > 0


@helper
def move_strip(margins, problem, node, strip, flight, box, axis, own, bound, stride, new, factors):
    """Move the lines of an open node; see `move_node`.

    Parameters
    ----------
    margins : Margins or None
    axis, own : int
        Along which the loop moves its tile, by how many lines.
    new : int
        Lines that are new then.
    """
    if margins is None or not has_strip(strip):
        return
    if own > 0 and axis != STUCK:
        slide_strip(problem, node, strip, axis, box, box + stride, own, bound, new, factors)
        if flight.shape[0] > 0 and new < node.length[axis]:
            spare_flight(problem, node, strip, flight, axis, own, bound, new)
    elif axis >= 0:
        strip[SHARE] /= bound


@helper
def move_node(problem, node, strip, flight, box, dimension, bound, stride, factors):
    """Move an open node by a loop around it.

    Parameters
    ----------
    strip, flight : float64[fields]
        See `kcsim.kernels.search.padding`; the second is empty if nothing is in flight to the node.
    box, stride : int
        What the loop iterates over, and what it adds to its number.
    factors : float64[2]
        Filled: by how much the words of an iteration become less, as in `NODE.kept`.

    Returns
    -------
    bool
        Whether all that has to be remembered could be.
    """
    window, own = problem.machine.window, 0
    axis = node.axis
    if dimension == M and axis == STILL and node.sliding:
        axis = node.axis = STUCK
    if dimension >= P:
        axis = (dimension - P) % 2
        scale = window[axis].stride if dimension < R else window[axis].dilation
        own = scale * problem.lattice.extents[box, dimension]
        if node.axis == 1 - axis:
            axis = STUCK
    new = 1
    whole = axis == STUCK
    if not whole and axis >= 0:
        new = own - node.shift
        whole = not overlaps(problem, node, axis, new)
    stays = not whole and (axis < 0 or new == 0)
    fresh, covered = 1.0, 1.0
    if stays:
        fresh, covered = 0.0, 0.0
    elif not whole:
        fresh = new / node.length[axis]
        if node.below >= 0:
            covered = fresh_of_all(problem, node, axis, new)
    for i in range(2):
        times = bound - (bound - 1) * node.kept[i] * (1 - (fresh if i == 0 else covered))
        factors[i] = times / bound
        node.kept[i] /= times
    lines = node.length[axis] if whole and 0 <= axis <= 1 else new
    move_strip(
        problem.margins, problem, node, strip, flight, box, axis, own, bound, stride, lines,
        factors,
    )  # fmt: skip
    node.words *= factors[0]
    complete = True
    if node.below == BEFORE and not (stays and node.axis == STILL):
        complete = remember(node, bound, new, whole, stays)
    if dimension >= P:
        node.axis = axis
        node.shift += own * (bound - 1)
    return complete


@helper
def is_over(problem, node, box):
    """Whether no loop around a box can leave any words of a node's tile where they are."""
    if node.axis == STILL:
        return False
    if node.axis == STUCK:
        return True
    window, axis = problem.machine.window, node.axis
    extent, whole = problem.lattice.extents[box], problem.lattice.extents[-1]
    for dimension, scale, other, other_scale in (
        (P + axis, window[axis].stride, R + axis, window[axis].dilation),
        (R + axis, window[axis].dilation, P + axis, window[axis].stride),
    ):  # fmt: skip
        if extent[dimension] < whole[dimension]:
            further = other_scale * (whole[other] - extent[other])
            if scale * extent[dimension] - node.shift - further < node.length[axis]:
                return False
    return True


@helper
def most_of_lines(margins, problem, node, strip, axis, part, rounds, new, bare):
    """The most of a node's lines that some rounds leave, where tiles have so many new ones.

    Where there is padding, the first tiles may have less of the image than others.

    Parameters
    ----------
    margins : Margins or None
    bare : float
        What it is where padding is moved.
    """
    if margins is None or not has_strip(strip):
        return bare
    at = part_at(problem, part, axis)
    if strip[at + LINES] <= 0:
        return 0.0
    lines = node.length[axis] - new
    if part == 1 and strip[BY_WORD] > 0:
        lines = lines_given(problem, node, True, axis, node.length[axis])
    return min(
        node.kept[part], strip[SHARE] * strip[at + PLACES] * rounds * lines / strip[at + LINES]
    )


@helper
def most_kept(problem, node, strip, box, part):
    """The most of a round's words that loops around a box leave where they are, once it moves."""
    if node.axis == STUCK:
        return 0.0
    window, axis = problem.machine.window, node.axis
    extent, whole = problem.lattice.extents[box], problem.lattice.extents[-1]
    kept, left, least = 0.0, 1.0, node.length[axis]
    for dimension, scale, other, other_scale in (
        (P + axis, window[axis].stride, R + axis, window[axis].dilation),
        (R + axis, window[axis].dilation, P + axis, window[axis].stride),
    ):  # fmt: skip
        if extent[dimension] == whole[dimension]:
            continue
        left *= whole[dimension] / extent[dimension]
        # Loops over the other dimension in between bring it nearer, spreads over this one further.
        nearer = other_scale * (whole[other] - extent[other])
        new = max(0, scale * extent[dimension] - node.shift - nearer)
        least = min(least, new)
        kept = max(kept, 1.0 if part == 1 else 1 - new / node.length[axis])
    kept *= node.kept[part] * (1 - 1 / left)
    return most_of_lines(
        problem.margins, problem, node, strip, axis, part, left - 1, least, kept
    )  # fmt: skip


@helper
def least_of_lines(margins, problem, node, strip, axis, part, left):
    """The least share of what closing a node costs that slides along an axis leave.

    Parameters
    ----------
    margins : Margins or None
    left : float
        Places that loops reach along the axis.
    """
    if margins is None or not has_strip(strip):
        lines = node.length[axis] * node.spread[axis]
        return max(1.0, problem.lines[axis] / lines) / left
    lines = strip[part_at(problem, part, axis) + LINES]
    share = margins.touched[axis] / lines if lines > 0 else 1.0
    return max(1 / left, min(1.0, share))


@helper
def least_of_node(problem, node, strip, box, part, sliding):
    """The least share of what closing a node costs that loops around a box leave, or slides do."""
    if node.axis == STILL:
        extent, whole, least = problem.lattice.extents[box], problem.lattice.extents[-1], 1.0
        for axis in range(2):
            if problem.slides[axis]:
                left = places_left(problem, box, axis)
                share = least_of_lines(problem.margins, problem, node, strip, axis, part, left)
                least = min(least, share)
        if not sliding and not node.sliding:
            least *= extent[M] / whole[M]
    else:
        least = 1 - most_kept(problem, node, strip, box, part)
    if node.below < 0 and node.words > 0:
        # Every word is moved once at least.
        least = max(least, problem.distinct[-1] / node.words)
    return least


@helper
def share_of_slides(problem, node, strip, box, first, part):
    """The most of what closing a node costs that loops over positions (`P`), or taps (`R`), spare.

    They only do along one axis.
    """
    extent, whole, best = problem.lattice.extents[box], problem.lattice.extents[-1], 0.0
    for axis in range(2):
        if problem.slides[axis] and node.axis in (STILL, axis):
            window = problem.machine.window[axis]
            scale = window.stride if first == P else window.dilation
            new, fresh = scale * extent[first + axis] - node.shift, 0.0
            if part == 0:
                fresh = new / node.length[axis]
            if 0 <= new < node.length[axis]:
                spared = 1 - extent[first + axis] / whole[first + axis]
                share = spared * node.kept[part] * (1 - fresh)
                rounds = spared * places_left(problem, box, axis)
                share = most_of_lines(
                    problem.margins, problem, node, strip, axis, part, rounds, new, share
                )
                best = max(best, share)
    return best


@helper
def remember(node, bound, new, whole, stays):
    """Note what a round of a loop brings, for a network that reads each word once."""
    for i in range(node.count + 1):
        node.times[i] *= bound
    if whole:
        return True
    node.times[0] -= bound - 1
    if stays:
        return True
    for i in range(node.count):
        if node.advance[i] == new:
            node.times[i + 1] += bound - 1
            return True
    if node.count == MOST_ADVANCES:
        return False
    node.advance[node.count] = new
    node.times[node.count + 1] = bound - 1
    node.count += 1
    return True


@helper
def cross_by_word(problem, node, tile, below):
    """Let a node cross a network that reads each word once.

    Returns
    -------
    float
        Words that all children together are given in a round, for each of one child.
    """
    node.tile, node.below = tile, below
    rows, columns = node.length[0], node.length[1]
    full = covered_words(problem, tile, below, rows, columns)
    words, covered = node.times[0] * rows * columns, node.times[0] * full
    for i in range(node.count):
        new = node.advance[i]
        new_rows, new_columns = rows, columns
        if node.axis == 0:
            new_rows = new
        else:
            new_columns = new
        words += node.times[i + 1] * new_rows * new_columns
        covered += node.times[i + 1] * covered_words(problem, tile, below, new_rows, new_columns)
    node.kept[1] = full / covered
    node.count = 0
    return covered / words

"""What inputs without padding become on their way through a network; see `padding`."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS, C, G, M, N, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.search.inputs import STILL
from kcsim.kernels.search.labels import MIRRORED, PLACED_STEP, WAITS
from kcsim.kernels.search.padding import (
    BEGINS,
    BY_WORD,
    LINES,
    PLACES,
    SHARE,
    children_apart,
    flight_at,
    lines_given,
    most_lines,
    padding_in_flight,
    part_at,
    put_apart,
    real_lines,
    united_lines,
)
from kcsim.kernels.search.progress import FORGOTTEN
from kcsim.kernels.search.tilings import DIMENSION, PRIME

MOST_KINDS = 8


@helper
def slides_by(problem, node, axis, own):
    """New lines of a tile that a loop moves by so many along an axis; all where it is replaced."""
    length = node.length[axis]
    if not problem.slides[axis] or node.axis not in (STILL, axis):
        return length
    new = own - node.shift
    if problem.machine.rules[0].repeated and new != 0 and node.last not in (0, new):
        return length
    return new if 0 <= new < length else length


@helper
def clear_kind(kinds, kind, new):
    """Begin a row of `find_kinds` with new lines."""
    for k in range(kinds.shape[1]):
        kinds[kind, k] = 0.0
    kinds[kind, 0] = new


@helper
def repeat_places(places, most, own, bound):
    """Let places at each distance from either end be those of all rounds of a loop."""
    for end in range(2):
        at = 1 + end * most
        for i in range(most):
            line = most - 1 - i
            for step in range(1, bound):
                if step * own > line:
                    break
                places[at + line] += places[at + line - step * own]


@helper
def grow_kinds(kinds, count, most, own, bound, shift, share, new):
    """Let a loop repeat a round of tiles; returns how many kinds there are.

    Parameters
    ----------
    kinds : float64[kinds, fields]
        See `find_kinds`.
    own, bound : int
        Lines by which the loop moves the round, and how often.
    shift : int
        By how many lines loops inside move a tile.
    share : float
        See `kcsim.kernels.search.padding`.
    new : int
        Lines that the first tiles have in all rounds but the first.
    """
    for kind in range(count):
        repeat_places(kinds[kind], most, own, bound)
    if new == kinds[0, 0]:
        return count
    own_kind = -1
    if new > 0:
        for kind in range(1, count):
            if kinds[kind, 0] == new:
                own_kind = kind
        if own_kind < 0 and count < MOST_KINDS:
            own_kind = count
            clear_kind(kinds, count, new)
            count += 1
    for end in range(2):
        for step in range(1, bound):
            line = step * own if end == 0 else (bound - 1 - step) * own + shift
            if line < most:
                kinds[0, 1 + end * most + line] -= share
                if own_kind >= 0:
                    kinds[own_kind, 1 + end * most + line] += share
    return count


@helper
def find_kinds(search, label, axis, length):
    """Fill in how many lines tiles of a node have that are new, and where such tiles begin.

    Fills rows of ``search.kinds``: new lines, then tiles at each distance from the first one's
    begin, and from the last one's end, within a round of all loops in time around the node.

    Parameters
    ----------
    label : int
        Whose last step is of the level that has the node.
    length : int
        Lines of a tile.

    Returns
    -------
    int
        How many there are; the first one has all lines.
    """
    problem, labels, kinds, path = search.problem, search.labels, search.kinds, search.path
    digits, window, most = problem.lattice.digits, problem.machine.window, most_lines(problem)
    steps, at, exchanged = 0, label, 0
    while labels.rows[at].step != PLACED_STEP + INPUTS:
        if labels.rows[at].state & MIRRORED:
            exchanged ^= 1
        if 0 <= labels.rows[at].step < PLACED_STEP:
            path[steps] = 2 * at + exchanged
            steps += 1
        at = labels.rows[at].parent
    clear_kind(kinds, 0, length)
    kinds[0, 1], kinds[0, 1 + most] = 1.0, 1.0
    count, share = 1, 1.0
    for i in range(steps - 1, -1, -1):
        loop, own_axis = path[i] // 2, axis ^ (path[i] & 1)
        source = labels.rows[loop].parent
        row, factor = labels.rows[source], labels.rows[loop].step
        dimension, bound = digits[factor, DIMENSION], digits[factor, PRIME]
        node, is_open = labels.nodes[source, row.nodes - 1], not row.state & WAITS
        if dimension == M and is_open and node.axis == own_axis:
            share /= bound
        if dimension < P or (dimension - P) % 2 != own_axis:
            continue
        scale = window[own_axis].stride if dimension < R else window[own_axis].dilation
        own, new = scale * problem.lattice.extents[row.box, dimension], length
        if is_open:
            new = slides_by(problem, node, own_axis, own)
        count = grow_kinds(kinds, count, most, own, bound, node.shift, share, new)
    return count


@helper
def unite_flight(search, new, node, flight, axis):
    """Let padding in flight be what a network reads that reads each word once."""
    problem, most = search.problem, most_lines(search.problem)
    if most == 1:
        # The outermost line comes once in a round, to one child.
        return
    length = node.length[axis]
    count = find_kinds(search, search.labels.rows[new].parent, axis, length)
    for end in range(2):
        lines, at = problem.margins.lines[axis, end], flight_at(problem, axis) + 1 + end * most
        for line in range(most):
            found = 0.0
            for kind in range(count):
                given = int(search.kinds[kind, 0])
                skipped = line + (length - given) * (1 - end)
                for place in range(most):
                    times = search.kinds[kind, 1 + end * most + place]
                    if times != 0:
                        found += times * united_lines(
                            problem, node, axis, place + skipped, given, lines
                        )
            flight[at + line] = found


@helper
def united_share(problem, node, spread, axis, ratio, children):
    """Lines that all children together are given along an axis, for each that they are given."""
    length = node.length[axis]
    if node.axis != axis:
        return lines_given(problem, node, True, axis, length) / (length * children)
    tile, other = problem.lattice.extents[spread.inputs], 1 - axis
    across = lines_given(problem, node, True, other, node.length[other]) / node.length[other]
    ratio *= spread.children / (tile[N] * tile[C] * tile[G])
    return ratio / (across * children)


@helper
def cross_flight(search, new, split, box, shares, by_word, ratio):
    """Let what is in flight cross a network.

    Returns
    -------
    ratio : float
        Words that are left of each.
    joins : bool
        Whether children share lines that others are not given.
    """
    problem, labels, spread = search.problem, search.labels, search.problem.splits[split]
    row, strips, most = labels.rows[new], labels.strips[new], most_lines(problem)
    flight, tile = strips[strips.shape[0] - 1], problem.lattice.extents[spread.tile]
    left, joins = 1 / tile[M] if shares else 1.0, False
    for axis in range(2):
        at = flight_at(problem, axis)
        lines = flight[at]
        every = lines + padding_in_flight(problem, flight, axis, box)
        children, apart = children_apart(problem, split, box, axis)
        if by_word:
            node = labels.nodes[new, row.nodes - 1]
            every *= united_share(problem, node, spread, axis, ratio, children)
            unite_flight(search, new, node, flight, axis)
        else:
            is_shared = shares and apart < children
            if is_shared:
                every *= apart / children
                joins = True
            for end in range(2):
                put_apart(
                    problem, flight, at + 1 + end * most, most, split, box, axis, is_shared, False
                )
        every -= padding_in_flight(problem, flight, axis, box + spread.tile)
        flight[at] = max(0.0, every)
        if lines > 0:
            left *= flight[at] / lines
    return left, joins


@helper
def join_part(problem, node, strip, flight, split, box, axis, by_word):
    """Fill the second part of a node, of what a network reads for all children, along an axis."""
    most, first, at = most_lines(problem), part_at(problem, 0, axis), part_at(problem, 1, axis)
    strip[at + LINES] = flight[flight_at(problem, axis)]
    if by_word:
        strip[at + PLACES] = 1.0
        for line in range(most):
            strip[at + BEGINS + line] = line == 0
        return
    _, apart = children_apart(problem, split, box, axis)
    strip[at + PLACES] = strip[first + PLACES] * apart
    for line in range(most):
        strip[at + BEGINS + line] = strip[first + BEGINS + line]
    put_apart(problem, strip, at + BEGINS, most, split, box, axis, True, True)


@helper
def spread_part(problem, strip, part, split, box, axis):
    """Let a part of a node be that of all children of a spread."""
    at = part_at(problem, part, axis)
    strip[at + PLACES] *= children_apart(problem, split, box, axis)[0]
    put_apart(problem, strip, at + BEGINS, most_lines(problem), split, box, axis, False, True)


@helper
def cross_lines(margins, search, new, split, box, shares, by_word, ratio):
    """Let the lines of nodes, and of what is in flight, be those of all children of a spread.

    Parameters
    ----------
    margins : Margins or None
    shares, by_word : bool
        Whether the network shares what children are given, and by word.
    ratio : float
        Words that are left of each in flight, where padding is moved.

    Returns
    -------
    float
        The same as it is.
    """
    if margins is None or most_lines(search.problem) == 0:
        return ratio
    problem, labels, spread = search.problem, search.labels, search.problem.splits[split]
    row, strips, joins = labels.rows[new], labels.strips[new], False
    flight = strips[strips.shape[0] - 1]
    flies = flight[0] > 0 and row.flight[INPUTS] > 0
    if flies:
        ratio, joins = cross_flight(search, new, split, box, shares, by_word, ratio)
    for i in range(row.nodes):
        node, strip = labels.nodes[new, i], strips[i]
        if strip[SHARE] == 0:
            continue
        is_own = flies and i + 1 == row.nodes and (by_word or joins)
        second = node.below >= 0
        if is_own and second and not by_word:
            # A third part would be needed.
            labels.tally[FORGOTTEN] = 1
        if is_own and by_word:
            strip[BY_WORD] = 1.0
        for axis in range(2):
            if is_own:
                join_part(problem, node, strip, flight, split, box, axis, by_word)
            elif second:
                spread_part(problem, strip, 1, split, box, axis)
            spread_part(problem, strip, 0, split, box, axis)
        if is_own:
            node.tile, node.below, node.kept[1] = spread.inputs, problem.inputs[box], 1.0
            if 0 <= node.axis <= 1:
                axis, after = node.axis, box + spread.tile
                first = real_lines(
                    problem, node, strip, 1, axis, after, node.shift, node.length[axis]
                )
                lines = strip[part_at(problem, 1, axis) + LINES]
                node.kept[1] = min(1.0, strip[SHARE] * first / lines) if lines > 0 else 0.0
    return ratio

"""Labels of one stage and box, of which none is worse in all than another."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.nest import helper
from kcsim.kernels.search.inputs import BEFORE, NONE, STILL, has_strip, least_of_node
from kcsim.kernels.search.labels import (
    AGAIN,
    APART,
    FORWARDS,
    GENERATED,
    HELD,
    INPUTS_OPEN,
    MAY_FORWARD,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    PHASE,
    RETURNS,
    SPENT,
    WAITS,
    WEIGHTS_OPEN,
    taken_off,
)  # fmt: skip
from kcsim.kernels.search.padding import BEGINS, PLACES, flight_at, most_lines, part_at
from kcsim.kernels.search.progress import COUNT

SLACK = 1 + 1e-12


@helper
def nodes_alike(x, y):
    """Whether of two open nodes of inputs the first keeps at least as much as the other."""
    if x.axis != y.axis or x.shift != y.shift or x.last != y.last:
        return False
    if x.sliding > y.sliding:
        return False
    if x.tile != y.tile or x.below != y.below or x.count != y.count:
        return False
    if x.below != NONE:
        # Between children words overlap as tiles do: only equal ones are compared.
        if x.length[0] != y.length[0] or x.length[1] != y.length[1]:
            return False
        for i in range(x.count + 1):
            if x.times[i] != y.times[i] or (i < x.count and x.advance[i] != y.advance[i]):
                return False
        return True
    return (x.axis == 1 or x.length[0] >= y.length[0]) and (
        x.axis == 0 or x.length[1] >= y.length[1]
    )


@helper
def strips_alike(margins, problem, node, other, x, y):
    """Whether loops leave as many lines of two alike nodes where they are, whatever follows.

    Parameters
    ----------
    margins : Margins or None
    node, other : NODE
    x, y : float64[fields]
        Their strips.
    """
    if margins is None or (not has_strip(x) and not has_strip(y)):
        return True
    if has_strip(x) != has_strip(y):
        return False
    most = most_lines(problem)
    if node.below == BEFORE and node.count > 0 and most > 1:
        # Where the tiles begin decides on what a network reads once.
        return False
    for part in range(2 if node.below >= 0 else 1):
        for axis in range(2):
            if node.axis in (STILL, axis):
                if node.length[axis] != other.length[axis]:
                    return False
                at = part_at(problem, part, axis)
                for k in range(at + PLACES, at + BEGINS + most):
                    if x[k] != y[k]:
                        return False
    return True


@helper
def all_alike(search, one, other):
    """Whether the open nodes of a label are alike those of another; see `nodes_alike`."""
    problem, labels = search.problem, search.labels
    count = labels.rows[one].nodes
    if count != labels.rows[other].nodes:
        return False
    for i in range(count):
        x, y = labels.nodes[one, i], labels.nodes[other, i]
        if not nodes_alike(x, y):
            return False
        own, others = labels.strips[one, i], labels.strips[other, i]
        if not strips_alike(problem.margins, problem, x, y, own, others):
            return False
    return True


@helper
def padded_alike(margins, search, one, other, alike):
    """Whether of what two labels have in flight, networks let pass no more of the first one."""
    if margins is None or most_lines(search.problem) == 0:
        return True
    problem, labels = search.problem, search.labels
    row = labels.rows[other]
    if row.flight[INPUTS] == 0 and labels.rows[one].flight[INPUTS] == 0:
        return True
    slots, most = labels.strips.shape[1], most_lines(problem)
    x, y = labels.strips[one, slots - 1], labels.strips[other, slots - 1]
    if (x[0] > 0) != (y[0] > 0):
        return False
    if x[0] == 0 or not margins.meets:
        return True
    if not alike and row.nodes > 0:
        return False
    for axis in range(2):
        at = flight_at(problem, axis)
        if x[at] > y[at] * SLACK or (most > 1 and x[at] * SLACK < y[at]):
            return False
        for k in range(at + 1, at + 1 + 2 * most):
            if x[k] != y[k]:
                return False
    return True


@helper
def most_more(part, other, least):
    """The most by which an open part may cost more than another, when both shrink alike."""
    more = part - other
    return more if more > 0 else more * least


@helper
def least_open(margins, search, label, i, part, is_sliding):
    """The least share of a part of an open node, which has not moved, that loops leave."""
    problem, row = search.problem, search.labels.rows[label]
    if margins is None or most_lines(problem) == 0:
        return 1 / (problem.along[row.box] if is_sliding else problem.unseen[INPUTS, row.box])
    node, strip = search.labels.nodes[label, i], search.labels.strips[label, i]
    return least_of_node(problem, node, strip, row.box, part, False)


@helper
def excess(search, one, other, k, alike):
    """The most by which one label may cost more than another on an account, whatever follows."""
    labels, problem = search.labels, search.problem
    a, b = labels.rows[one], labels.rows[other]
    first, second = labels.amounts[one], labels.amounts[other]
    stage_copies = problem.unseen[OUTPUTS, a.box]
    more = first[SPENT, k] - second[SPENT, k]
    more += taken_off(second[HELD, k] - first[HELD, k], stage_copies)
    for tensor, kind in ((WEIGHTS, WEIGHTS_OPEN), (OUTPUTS, OUTPUTS_OPEN)):
        more += most_more(first[kind, k], second[kind, k], 1 / problem.unseen[tensor, a.box])
    if problem.machine.has_wide_sums:
        more += max(0.0, second[second.shape[0] - 1, k] - first[first.shape[0] - 1, k])
    if alike:
        x, y = labels.nodes[one], labels.nodes[other]
        for i in range(a.nodes):
            for j in range(2):
                p, q = first[INPUTS_OPEN + 2 * i + j, k], second[INPUTS_OPEN + 2 * i + j, k]
                more_open = max(p - q, p * (1 - x[i].kept[j]) - q * (1 - y[i].kept[j]))
                if more_open < 0 and x[i].axis < 0:
                    more_open *= least_open(
                        problem.margins, search, one, i, j, y[i].sliding
                    )  # fmt: skip
                more += more_open
    else:
        for i in range(a.nodes):
            more += first[INPUTS_OPEN + 2 * i, k] + first[INPUTS_OPEN + 2 * i + 1, k]
        for i in range(b.nodes):
            for j in range(2):
                part = second[INPUTS_OPEN + 2 * i + j, k]
                node, strip = labels.nodes[other, i], labels.strips[other, i]
                more -= part * least_of_node(problem, node, strip, a.box, j, False)
    return more


@helper
def leaves_as_much(a, b):
    """Whether a label leaves as much room and as many choices as another, for no more leakage."""
    if (a.state ^ b.state) & (RETURNS | WAITS | AGAIN | APART) or a.state & ~b.state & PHASE:
        return False
    if b.loops & ~a.loops or a.made != b.made:
        return False
    if b.state & ~a.state & GENERATED:
        return False
    if (a.state | b.state) & (MAY_FORWARD | FORWARDS):
        return False
    for i in range(4):
        if a.whole[i] != b.whole[i]:
            return False
    for i in range(3):
        if a.used[i] > b.used[i] * SLACK:
            return False
    return a.copies <= b.copies * SLACK and a.leak * a.units <= b.leak * b.units * SLACK


@helper
def flies_no_more(search, one, other, alike):
    """Whether of two labels the first has no more words in flight, whatever follows."""
    labels, problem = search.labels, search.problem
    a, b = labels.rows[one], labels.rows[other]
    for tensor in range(3):
        x, y = a.flight[tensor], b.flight[tensor]
        if tensor == INPUTS:
            if b.nodes > 0 and not alike:
                node = labels.nodes[other, b.nodes - 1]
                strip, part = labels.strips[other, b.nodes - 1], 1 if node.below >= 0 else 0
                y *= least_of_node(problem, node, strip, a.box, part, False)
        else:
            flag = OPEN_WEIGHTS if tensor == WEIGHTS else OPEN_OUTPUTS
            if b.state & flag and not a.state & flag:
                y /= problem.unseen[tensor, a.box]
        if x > y * SLACK:
            return False
    if alike and a.nodes > 0 and a.flight[INPUTS] > 0:
        x, y = labels.nodes[one][a.nodes - 1], labels.nodes[other][a.nodes - 1]
        j = 1 if x.below >= 0 else 0
        if a.flight[INPUTS] * (1 - x.kept[j]) > b.flight[INPUTS] * (1 - y.kept[j]) * SLACK:
            return False
    return True


@helper
def is_no_worse(search, one, other):
    """Whether a label is no worse than another in whatever may follow."""
    labels = search.labels
    a, b = labels.rows[one], labels.rows[other]
    if not leaves_as_much(a, b):
        return False
    if search.problem.machine.has_wide_sums and b.state & ~a.state & OPEN_OUTPUTS:
        # Loops that leave sums where they are send none of them again.
        return False
    alike = all_alike(search, one, other)
    if not alike and (a.state | b.state) & WAITS:
        return False
    if not padded_alike(search.problem.margins, search, one, other, alike):
        return False
    if not flies_no_more(search, one, other, alike):
        return False
    scale = abs(labels.amounts[other, SPENT, 0]) + 1e-300
    more = excess(search, one, other, 0, alike)
    if more > 1e-12 * scale:
        return False
    if not search.by_cycles and more < -1e-9 * scale:
        return True
    if a.units * SLACK < b.units:
        return False
    for k in range(1, labels.amounts.shape[2]):
        scale = abs(labels.amounts[other, SPENT, k])
        if excess(search, one, other, k, alike) > 1e-12 * scale:
            return False
    return True


@helper
def add_label(search, stage):
    """Add the label behind the last one to a stage, unless another is no worse; whether it was."""
    labels = search.labels
    rows, heads = labels.rows, labels.heads
    new = labels.tally[COUNT]
    box = rows[new].box
    least = rows[new].least
    before, at, count, worst, before_worst = -1, heads[stage, box], 0, -1, -1
    while at >= 0:
        following = rows[at].next
        # What comes to less in the end is bounded by less.
        if rows[at].least <= least * SLACK and is_no_worse(search, at, new):
            return False
        if least <= rows[at].least * SLACK and is_no_worse(search, new, at):
            if before < 0:
                heads[stage, box] = following
            else:
                rows[before].next = following
        else:
            count += 1
            if worst < 0 or rows[at].least >= rows[worst].least:
                worst, before_worst = at, before
            before = at
        at = following
    if 0 <= search.width <= count:
        if rows[worst].least <= rows[new].least:
            return False
        if before_worst < 0:
            heads[stage, box] = rows[worst].next
        else:
            rows[before_worst].next = rows[worst].next
    rows[new].next = heads[stage, box]
    heads[stage, box] = new
    labels.tally[COUNT] = new + 1
    return True

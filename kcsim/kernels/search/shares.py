"""What words in flight cost at least, of which networks share some."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.nest import helper
from kcsim.kernels.search.inputs import least_of_node
from kcsim.kernels.search.labels import OPEN_OUTPUTS, OPEN_WEIGHTS, WAITS
from kcsim.kernels.search.padding import most_lines


@helper
def least_shared(first, second, third, product):
    """The least of three costs of words, each times the share that is sent apart.

    Shares are 1 at most, and their product is bounded: a loop over children is shared by one
    tensor alone, but where windows overlap.
    """
    apart = 0.0
    for _ in range(4):
        count, costs = 0, 1.0
        for cost in (first, second, third):
            if cost > 0:
                count += 1
                costs *= cost
        if count == 0:
            return apart
        each = (product * costs) ** (1.0 / count)
        # What is cheaper than that is not shared at all.
        if not (0 < first < each or 0 < second < each or 0 < third < each):
            return apart + count * each
        if 0 < first < each:
            apart, first = apart + first, 0.0
        if 0 < second < each:
            apart, second = apart + second, 0.0
        if 0 < third < each:
            apart, third = apart + third, 0.0
    return apart


@helper
def most_shrinking(margins, search, label):
    """By how much inputs in flight to an open node may become less at most."""
    problem, labels = search.problem, search.labels
    row = labels.rows[label]
    if margins is None or most_lines(problem) == 0:
        return problem.unseen[INPUTS, row.box]
    if row.state & WAITS:
        return 1.0
    node, strip = labels.nodes[label, row.nodes - 1], labels.strips[label, row.nodes - 1]
    part = 1 if node.below >= 0 else 0
    return 1 / max(1e-300, least_of_node(problem, node, strip, row.box, part, False))


@helper
def more_shared(search, label, level):
    """What words in flight cost more than if each were shared as well as any can be."""
    problem, labels = search.problem, search.labels
    row, inward = labels.rows[label], search.inward[level - 1]
    weights, inputs, outputs = row.flight[WEIGHTS], row.flight[INPUTS], row.flight[OUTPUTS]
    inputs *= row.share
    if row.state & OPEN_WEIGHTS:
        weights /= problem.unseen[WEIGHTS, row.box]
    if row.state & OPEN_OUTPUTS:
        outputs /= problem.unseen[OUTPUTS, row.box]
    if row.nodes > 0:
        inputs /= most_shrinking(problem.margins, search, label)
    weights, inputs, outputs = weights * inward[0], inputs * inward[1], outputs * inward[2]
    least = search.shares[level - 1]
    apart = weights * least[0] + inputs * least[1] + outputs * least[2]
    return max(0.0, least_shared(weights, inputs, outputs, least[3]) - apart)

"""What of a partial mapping is open, and what is spent once it closes."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS, M, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import may_slide
from kcsim.kernels.search.inputs import BEFORE, STILL, is_over, move_node
from kcsim.kernels.search.labels import (
    INPUTS_OPEN,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    SPENT,
    WAITS,
    WEIGHTS_OPEN,
)  # fmt: skip


@helper
def spend_open(labels, new, kind):
    """Spend what closing something costs."""
    amounts = labels.amounts[new]
    for k in range(amounts.shape[1]):
        amounts[SPENT, k] += amounts[kind, k]
        amounts[kind, k] = 0.0


@helper
def scale_open(labels, new, kind, factor):
    """Let what closing something costs become less."""
    amounts = labels.amounts[new]
    for k in range(amounts.shape[1]):
        amounts[kind, k] *= factor


@helper
def move_slot(labels, new, source, target):
    """Move an open node of inputs, with what closing it costs."""
    if source == target:
        return
    labels.nodes[new, target] = labels.nodes[new, source]
    for k in range(labels.strips.shape[2]):
        labels.strips[new, target, k] = labels.strips[new, source, k]
    amounts = labels.amounts[new]
    for j in range(2):
        for k in range(amounts.shape[1]):
            amounts[INPUTS_OPEN + 2 * target + j, k] = amounts[INPUTS_OPEN + 2 * source + j, k]
            amounts[INPUTS_OPEN + 2 * source + j, k] = 0.0


@helper
def close_inputs(search, new):
    """Close inputs, whose tiles change as a whole from here on."""
    labels = search.labels
    row = labels.rows[new]
    outermost = row.nodes - 1
    if labels.nodes[new, outermost].below == BEFORE:
        # What one level sends for all children of a network is only known there.
        row.state |= WAITS
        first = outermost
    else:
        first = row.nodes
    for i in range(first):
        spend_open(labels, new, INPUTS_OPEN + 2 * i)
        spend_open(labels, new, INPUTS_OPEN + 2 * i + 1)
    if first < row.nodes:
        move_slot(labels, new, outermost, 0)
        row.nodes = 1
    else:
        row.nodes = 0


@helper
def loop_inputs(search, new, dimension, bound, stride):
    """Let a loop move open inputs; whether all could be remembered."""
    problem, labels = search.problem, search.labels
    row = labels.rows[new]
    outermost = labels.nodes[new, row.nodes - 1]
    stays = dimension == M
    if dimension >= P:
        axis = (dimension - P) % 2
        stays = problem.slides[axis] and (outermost.axis == STILL or outermost.axis == axis)
    if not stays:
        close_inputs(search, new)
        return True
    complete = True
    factors, strips = search.factors, labels.strips[new]
    flight = strips[strips.shape[0] - 1]
    for i in range(row.nodes):
        node, flies = labels.nodes[new, i], i + 1 == row.nodes and row.flight[INPUTS] > 0
        complete = move_node(
            problem, node, strips[i], flight[: flight.shape[0] * flies], row.box, dimension, bound,
            stride, factors,
        ) and complete  # fmt: skip
        for j in range(2):
            scale_open(labels, new, INPUTS_OPEN + 2 * i + j, factors[j])
    row.flight[INPUTS] *= factors[1 if labels.nodes[new, row.nodes - 1].below >= 0 else 0]
    return complete


@helper
def settle(search, new, begins):
    """Close what no loop can leave where it is any more.

    Parameters
    ----------
    begins : bool
        Whether a level begins, for which it has been decided what the next loop leaves.
    """
    problem, labels = search.problem, search.labels
    row = labels.rows[new]
    for tensor, flag, kind in (
        (WEIGHTS, OPEN_WEIGHTS, WEIGHTS_OPEN), (OUTPUTS, OPEN_OUTPUTS, OUTPUTS_OPEN),
    ):  # fmt: skip
        if row.state & flag and problem.unseen[tensor, row.box] == 1:
            spend_open(labels, new, kind)
            row.state &= ~flag
    if row.nodes == 0 or row.state & WAITS:
        return
    over = problem.unseen[INPUTS, row.box] == 1
    if begins and not over:
        # Beside another tensor that is open, inputs only stay where windows slide.
        over = row.state & OPEN_OUTPUTS != 0 and not may_slide(problem, row.box, R)
        if row.state & OPEN_WEIGHTS and not may_slide(problem, row.box, P):
            over = True
    if over:
        close_inputs(search, new)


@helper
def settle_inputs(search, new):
    """Close nodes of inputs of which nothing can stay any more."""
    problem, labels = search.problem, search.labels
    row, nodes, left = labels.rows[new], labels.nodes[new], 0
    for i in range(row.nodes - 1):
        if is_over(problem, nodes[i], row.box):
            spend_open(labels, new, INPUTS_OPEN + 2 * i)
            spend_open(labels, new, INPUTS_OPEN + 2 * i + 1)
        else:
            move_slot(labels, new, i, left)
            left += 1
    move_slot(labels, new, row.nodes - 1, left)
    row.nodes = left + 1
    if left == 0 and is_over(problem, nodes[0], row.box):
        close_inputs(search, new)

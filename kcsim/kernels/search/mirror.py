"""Of a partial mapping and the one with rows and columns exchanged, one is kept."""

from __future__ import annotations

from kcsim.kernels.layout import P
from kcsim.kernels.nest import helper
from kcsim.kernels.search.labels import MIRRORED
from kcsim.kernels.search.padding import flight_at, most_lines, part_at


@helper
def comes_second(problem, labels, label):
    """Whether of a label and that with rows and columns exchanged the other one is kept."""
    row = labels.rows[label]
    if problem.mirror[row.box] != row.box:
        return problem.mirror[row.box] < row.box
    for i in range(row.nodes):
        node = labels.nodes[label, i]
        if 0 <= node.axis <= 1:
            return node.axis == 1
        if node.length[0] != node.length[1]:
            return node.length[0] < node.length[1]
    return False


@helper
def exchange_axes(problem, labels, label):
    """Exchange rows and columns."""
    row, mirror = labels.rows[label], problem.mirror
    row.state |= MIRRORED
    row.loops = row.loops & 15 | (row.loops & 0x50) << 1 | (row.loops & 0xA0) >> 1
    row.near = row.near & 15 | (row.near & 0x50) << 1 | (row.near & 0xA0) >> 1
    if row.within >= P:
        row.within ^= 1
    row.box = mirror[row.box]
    row.whole[1], row.whole[2] = row.whole[2], row.whole[1]
    for i in range(row.nodes):
        node = labels.nodes[label, i]
        if 0 <= node.axis <= 1:
            node.axis = 1 - node.axis
        node.length[0], node.length[1] = node.length[1], node.length[0]
        node.spread[0], node.spread[1] = node.spread[1], node.spread[0]
        if node.below >= 0:
            node.tile, node.below = mirror[node.tile], mirror[node.below]
    exchange_strips(problem.margins, problem, labels, label)


@helper
def exchange_strips(margins, problem, labels, label):
    """Exchange lines of rows and of columns."""
    if margins is None or most_lines(problem) == 0:
        return
    strips, nodes = labels.strips[label], labels.rows[label].nodes
    size = part_at(problem, 0, 1) - part_at(problem, 0, 0)
    for i in range(nodes):
        for part in range(2):
            first, second = part_at(problem, part, 0), part_at(problem, part, 1)
            for k in range(size):
                own = strips[i, first + k]
                strips[i, first + k], strips[i, second + k] = strips[i, second + k], own
    last, second = strips.shape[0] - 1, flight_at(problem, 1)
    for k in range(second):
        own = strips[last, k]
        strips[last, k], strips[last, second + k] = strips[last, second + k], own

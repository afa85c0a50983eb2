"""How a partial mapping grows outwards: by a loop, by a node, by a spread over children.

Each function copies a label behind the last one and changes it; -1 stands for none.
"""

from __future__ import annotations

from kcsim.kernels.layout import (
    INDEXES,
    INPUTS,
    OUTPUTS,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    M,
    P,
    R,
    S,
)  # fmt: skip
from kcsim.kernels.nest import helper, window_extent
from kcsim.kernels.search.bounds import may_iterate, may_slide
from kcsim.kernels.search.closing import (
    close_inputs,
    loop_inputs,
    scale_open,
    settle,
    settle_inputs,
    spend_open,
)  # fmt: skip
from kcsim.kernels.search.crossing import (
    SPANNED,
    arrive,
    cross_inputs,
    cross_outputs,
    cross_weights,
    look_up,
    size_of,
)  # fmt: skip
from kcsim.kernels.search.inputs import STILL, open_node
from kcsim.kernels.search.labels import (
    FORWARDS,
    HELD,
    INPUTS_OPEN,
    MAY_FORWARD,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    PHASE,
    RETURNS,
    SPENT,
    TWICE,
    UNMOVED,
    WAITS,
    WEIGHTS_OPEN,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY,
    DECODER,
    FILL_PJ,
    GROUP,
    LEAK_PJ,
    PORT,
    STORE,
    VALUE_BITS,
    WRITE_CYCLES,
)  # fmt: skip
from kcsim.kernels.search.progress import COUNT, FORGOTTEN
from kcsim.kernels.search.tilings import DIMENSION, PRIME, STRIDE, cut_share

PLACED_STEP, SPREAD_STEP = 64, 128
"""Steps below the first are loops over a factor; then come nodes of a tensor, then spreads."""
COMMIT_STEP = -2
"""The step by which it is decided what the next loop may leave where it is."""
KEEP_WEIGHTS, KEEP_OUTPUTS, KEEP_INPUTS = range(3)


@helper
def copy_label(labels, source, step):
    """Copy a label behind the last one, as its successor."""
    new = labels.tally[COUNT]
    labels.rows[new] = labels.rows[source]
    labels.rows[new].parent, labels.rows[new].step = source, step
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[new, kind, k] = labels.amounts[source, kind, k]
    for i in range(labels.rows[new].nodes):
        labels.nodes[new, i] = labels.nodes[source, i]
    return new


@helper
def loop_over(search, source, stage, factor):
    """The label with a loop over a prime factor around it."""
    problem, labels = search.problem, search.labels
    digits, row = problem.lattice.digits, labels.rows[source]
    dimension, bound = digits[factor, DIMENSION], digits[factor, PRIME]
    place, stride = problem.places[problem.stages[stage].level], digits[factor, STRIDE]
    if not may_iterate(problem, place, factor, row.box):
        return -1
    phase = 0
    if place.stationary >= 0:
        if INDEXES[place.stationary, dimension]:
            phase = PHASE
        elif row.state & PHASE:
            return -1
    new = copy_label(labels, source, factor)
    row = labels.rows[new]
    row.state |= phase
    if row.state & UNMOVED:
        row.state &= ~UNMOVED
        if dimension < P and not row.state & TWICE:
            # What neighbors were given the step before is nothing, or has no word of it.
            row.state &= ~(MAY_FORWARD | FORWARDS)
            row.spare, row.share = 0.0, 1.0
    for tensor, flag, kind in (
        (WEIGHTS, OPEN_WEIGHTS, WEIGHTS_OPEN), (OUTPUTS, OPEN_OUTPUTS, OUTPUTS_OPEN),
    ):  # fmt: skip
        if not row.state & flag:
            continue
        if INDEXES[tensor, dimension]:
            spend_open(labels, new, kind)
            row.state &= ~flag
        else:
            scale_open(labels, new, kind, 1.0 / bound)
            row.flight[tensor] /= bound
    moves = row.nodes > 0 and not row.state & WAITS
    if moves and not loop_inputs(search, new, dimension, bound):
        labels.tally[FORGOTTEN] = 1
    row.box += stride
    if row.nodes > 0 and not row.state & WAITS:
        settle_inputs(search, new)
    settle(search, new, False)
    return new


@helper
def place_node(search, source, stage, tensor):
    """The label with a node around it."""
    problem, labels = search.problem, search.labels
    machine, level, box = problem.machine, problem.stages[stage].level, labels.rows[source].box
    extent = problem.lattice.extents[box]
    words, cut = problem.words[tensor, box], 1.0
    if tensor == WEIGHTS and level <= machine.unit[DECODER]:
        cut = cut_share(machine.unit, extent[M], extent[C], extent[R], extent[S])
    group = int(machine.rooms[level, GROUP + tensor])
    used = labels.rows[source].used[group]
    used += words * cut * machine.costs[level, tensor, VALUE_BITS]
    # The slack is for rounding: bits may be fractions where indexes are coded.
    if used > machine.rooms[level, CAPACITY + group] * (1 + 1e-12):
        return -1
    new = copy_label(labels, source, PLACED_STEP + tensor)
    row, place, amounts = labels.rows[new], problem.places[level], labels.amounts[new]
    row.used[group] = used
    costs, moved = machine.costs[level, tensor], words * problem.rounds[box]
    kind = WEIGHTS_OPEN
    if tensor == OUTPUTS:
        kind = OUTPUTS_OPEN
        row.state |= OPEN_OUTPUTS | RETURNS
        amounts[HELD, 0] += problem.outputs * costs[FILL_PJ]
        amounts[HELD, place.write_port] += (
            problem.outputs * costs[WRITE_CYCLES] * row.units * (place.write_port > 0)
        )
    elif tensor == WEIGHTS:
        row.state |= OPEN_WEIGHTS
        if machine.unit[DECODER] >= 0:
            for i in range(4):
                row.whole[i] = extent[SPANNED[i]] if size_of(machine.unit, i) > 1 else 1
    else:
        kind = INPUTS_OPEN + 2 * row.nodes
        if machine.rules[level - 1].forwards[INPUTS]:
            row.state |= MAY_FORWARD | UNMOVED
        node = labels.nodes[new, row.nodes]
        by_word = machine.rules[level - 1].multicast == WORD_MULTICAST
        rows, columns = (
            window_extent(extent, machine.window, 0), window_extent(extent, machine.window, 1),
        )  # fmt: skip
        open_node(node, rows, columns, by_word, moved)
        row.nodes += 1
        for k in range(amounts.shape[1]):
            amounts[kind, k] = amounts[kind + 1, k] = 0.0
    amounts[kind, 0] += moved * cut * costs[FILL_PJ]
    if place.write_port > 0:
        amounts[kind, place.write_port] += moved * cut * costs[WRITE_CYCLES] * row.units
    row.flight[tensor] = moved
    return new


@helper
def commit(search, source, choice):
    """The label once it is known which tensor the next loop may leave where it is.

    No loop leaves more than one of weights, outputs and tiles of inputs that do not move; where
    nothing follows a level's nodes in the level, this is decided before its children are.

    Parameters
    ----------
    choice : int
        `KEEP_WEIGHTS`, `KEEP_OUTPUTS`, `KEEP_INPUTS`; -1 is returned if that tensor is not open.
    """
    problem, labels = search.problem, search.labels
    row = labels.rows[source]
    moves = row.nodes > 0 and not row.state & WAITS
    still, slides = False, False
    if moves:
        for i in range(row.nodes):
            node = labels.nodes[source, i]
            still = still or (node.axis == STILL and not node.sliding)
            slides = slides or node.axis != STILL or problem.along[row.box] > 1
    plain = row.state & (OPEN_WEIGHTS | OPEN_OUTPUTS)
    if choice == KEEP_INPUTS:
        stays = still and problem.unseen[INPUTS, row.box] > problem.along[row.box]
        if plain and not (moves and (stays or plain != OPEN_WEIGHTS | OPEN_OUTPUTS)):
            return -1
    elif not plain & (OPEN_WEIGHTS if choice == KEEP_WEIGHTS else OPEN_OUTPUTS):
        return -1
    new = copy_label(labels, source, COMMIT_STEP)
    labels.tally[COUNT] = new + 1
    row = labels.rows[new]
    if choice != KEEP_WEIGHTS:
        spend_open(labels, new, WEIGHTS_OPEN)
        row.state &= ~OPEN_WEIGHTS
    if choice != KEEP_OUTPUTS:
        spend_open(labels, new, OUTPUTS_OPEN)
        row.state &= ~OPEN_OUTPUTS
    if choice != KEEP_INPUTS and moves:
        first = P if choice == KEEP_WEIGHTS else R
        if slides and may_slide(problem, row.box, first):
            for i in range(row.nodes):
                labels.nodes[new, i].sliding = 1
        else:
            close_inputs(search, new)
    return new


@helper
def spread_over(search, source, network, split, kept_inside, stage):
    """The label spread over the children of a level, which then begins in a stage.

    The factors that are spread have to divide what is left of the layer.
    """
    problem, labels = search.problem, search.labels
    machine, box = problem.machine, labels.rows[source].box
    new = copy_label(labels, source, SPREAD_STEP + split)
    row, spread, kept = labels.rows[new], problem.splits[split], problem.stages[stage].kept
    innermost = network + 2 == problem.places.shape[0]
    row.state &= ~PHASE
    cross_weights(search, new, network, split, box, kept_inside, innermost and not kept & 1)
    cross_outputs(search, new, network, split, innermost and not kept & 4)
    cross_inputs(search, new, network, split, box, innermost and not kept & 2)
    tile = problem.lattice.extents[spread.tile]
    for i in range(row.nodes):
        for axis in range(2):
            labels.nodes[new, i].spread[axis] *= tile[P + axis] * tile[R + axis]
    row.units *= spread.children
    row.copies *= spread.children
    row.box = box + spread.tile
    row.leak += machine.cycles[network, LEAK_PJ] / row.units
    for i in range(3):
        row.used[i] = 0.0
    if network == machine.unit[DECODER]:
        look_up(search, new, not innermost or kept & 1 != 0)
    if network == machine.unit[STORE]:
        row.copies += machine.copy_pj
    if network == machine.unit[PORT] and problem.store_port > 0:
        port, amounts = problem.places[network].read_port, labels.amounts[new]
        for account in (SPENT, WEIGHTS_OPEN):
            amounts[account, port] += amounts[account, problem.store_port] * row.units
            amounts[account, problem.store_port] = 0.0
    for tensor in range(3):
        if kept >> tensor & 1:
            arrive(search, new, network, tensor)
    if row.nodes > 0:
        settle_inputs(search, new)
    settle(search, new, True)
    return new

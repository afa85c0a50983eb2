"""How a partial mapping grows outwards: by a loop, by a node, by a spread over children.

Each function copies a label behind the last one and changes it; -1 stands for none.
"""

from __future__ import annotations

from kcsim.kernels.count.lookups import lookup_words
from kcsim.kernels.layout import (
    INDEXES, INPUTS, NO_MULTICAST, OUTPUTS, WEIGHTS, WORD_MULTICAST, C, G, M, P, R, S,
)  # fmt: skip
from kcsim.kernels.nest import helper, window_extent
from kcsim.kernels.search.bounds import may_slide
from kcsim.kernels.search.inputs import (
    BEFORE, STILL, cross_by_word, distinct_children, is_over, move_node, open_node,
)  # fmt: skip
from kcsim.kernels.search.labels import (
    HELD, INPUTS_OPEN, OPEN_OUTPUTS, OPEN_WEIGHTS, OUTPUTS_OPEN, PHASE, RETURNS, SPENT, WAITS,
    WEIGHTS_OPEN,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY, DECODER, ENTRY_BITS, FILL_PJ, FILTERS, GROUP, LEAK_PJ, PORT, READ_CYCLES, READ_PJ,
    SPILL_CYCLES, STORE, TRANSFER_PJ, UPDATE_PJ, VALUE_BITS, WORD_BITS, WRITE_CYCLES,
)  # fmt: skip
from kcsim.kernels.search.tilings import DIMENSION, LIMIT, PRIME, STRIDE, cut_share

SPANNED = (C, R, S, M)
"""Dimensions that a unit of weights spans."""
PLACED_STEP, SPREAD_STEP = 64, 128
"""Steps below the first are loops over a factor; then come nodes of a tensor, then spreads."""


@helper
def copy_label(labels, source, step):
    """Copy a label behind the last one, as its successor."""
    new = labels.tally[0]
    labels.rows[new] = labels.rows[source]
    labels.rows[new].parent, labels.rows[new].step = source, step
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[new, kind, k] = labels.amounts[source, kind, k]
    for i in range(labels.rows[new].nodes):
        labels.nodes[new, i] = labels.nodes[source, i]
    return new


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
def loop_inputs(search, new, dimension, bound):
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
    factors = search.factors
    for i in range(row.nodes):
        node = labels.nodes[new, i]
        complete = move_node(problem, node, row.box, dimension, bound, factors) and complete
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
    if problem.unseen[INPUTS, row.box] == 1:
        close_inputs(search, new)
    elif begins and row.state & OPEN_OUTPUTS and not may_slide(problem, row.box, R):
        close_inputs(search, new)
    elif begins and row.state & OPEN_WEIGHTS and not may_slide(problem, row.box, P):
        close_inputs(search, new)


@helper
def settle_inputs(search, new):
    """Close nodes of inputs of which nothing can stay any more."""
    problem, labels = search.problem, search.labels
    row, nodes, amounts = labels.rows[new], labels.nodes[new], labels.amounts[new]
    left = 0
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


@helper
def move_slot(labels, new, source, target):
    """Move an open node of inputs, with what closing it costs."""
    if source == target:
        return
    labels.nodes[new, target] = labels.nodes[new, source]
    amounts = labels.amounts[new]
    for j in range(2):
        for k in range(amounts.shape[1]):
            amounts[INPUTS_OPEN + 2 * target + j, k] = amounts[INPUTS_OPEN + 2 * source + j, k]
            amounts[INPUTS_OPEN + 2 * source + j, k] = 0.0


@helper
def loop_over(search, source, stage, factor):
    """The label with a loop over a prime factor around it."""
    problem, labels = search.problem, search.labels
    digits, row = problem.lattice.digits, labels.rows[source]
    dimension, bound = digits[factor, DIMENSION], digits[factor, PRIME]
    place, stride = problem.places[problem.stages[stage].level], digits[factor, STRIDE]
    limit = digits[factor, LIMIT]
    if not place.dimensions[dimension] or row.box // stride % (limit + 1) == limit:
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
    if row.nodes > 0 and not row.state & WAITS:
        if not loop_inputs(search, new, dimension, bound):
            labels.tally[7] = 1
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
        node = labels.nodes[new, row.nodes]
        by_word = machine.rules[level - 1].multicast == WORD_MULTICAST
        window = machine.window
        open_node(node, window_extent(extent, window, 0), window_extent(extent, window, 1), by_word, moved)
        row.nodes += 1
        for k in range(amounts.shape[1]):
            amounts[kind, k] = amounts[kind + 1, k] = 0.0
    amounts[kind, 0] += moved * cut * costs[FILL_PJ]
    if place.write_port > 0:
        amounts[kind, place.write_port] += moved * cut * costs[WRITE_CYCLES] * row.units
    row.flight[tensor] = moved
    return new


@helper
def account_of(labels, new, tensor):
    """The row of amounts that pays for the present flight of a tensor."""
    row = labels.rows[new]
    if tensor == WEIGHTS:
        return WEIGHTS_OPEN if row.state & OPEN_WEIGHTS else SPENT
    if tensor == OUTPUTS:
        return OUTPUTS_OPEN if row.state & OPEN_OUTPUTS else SPENT
    if row.nodes == 0:
        return SPENT
    return INPUTS_OPEN + 2 * row.nodes - 2 + (labels.nodes[new, row.nodes - 1].below >= 0)


@helper
def size_of(unit, i):
    """Extent of a unit of weights along a dimension of `SPANNED`."""
    return unit[FILTERS if i == 3 else i]


@helper
def sent_units(unit, whole):
    """Indexes that are sent for each that would be if no unit of weights were cut."""
    share = 1.0
    for i in range(4):
        size = size_of(unit, i)
        share *= -(-whole[i] // size) * size / whole[i] if size > 1 else 1.0
    return share


@helper
def arrive(search, new, level, tensor):
    """Let what a level keeps of a tensor be read, or added to, for all that is further in."""
    problem, labels = search.problem, search.labels
    machine, place, row = problem.machine, problem.places[level], labels.rows[new]
    costs, words, amounts = machine.costs[level, tensor], row.flight[tensor], labels.amounts[new]
    account = account_of(labels, new, tensor)
    if tensor == WEIGHTS and level <= machine.unit[DECODER]:
        words *= sent_units(machine.unit, row.whole)
    amounts[account, 0] += words * costs[READ_PJ]
    if place.read_port > 0:
        amounts[account, place.read_port] += words * costs[READ_CYCLES] * row.units
    if tensor == OUTPUTS:
        amounts[account, 0] += words * costs[UPDATE_PJ]
        amounts[HELD, 0] += problem.outputs * costs[READ_PJ]
        if place.read_port > 0:
            amounts[HELD, place.read_port] += problem.outputs * costs[READ_CYCLES] * row.units
        if place.write_port > 0:
            writing = costs[WRITE_CYCLES] + costs[SPILL_CYCLES]
            amounts[account, place.write_port] += words * writing * row.units
            spilled = problem.outputs * costs[SPILL_CYCLES] * row.units
            amounts[HELD, place.write_port] += spilled
    row.flight[tensor] = 0.0


@helper
def look_up(search, new, kept):
    """Account for the lookups of weights that leave the level of the decoder."""
    problem, labels = search.problem, search.labels
    machine, row = problem.machine, labels.rows[new]
    unit, words, whole = machine.unit, row.flight[WEIGHTS], row.whole
    account = account_of(labels, new, WEIGHTS)
    lookup_pj, cycles = machine.lookup_pj, machine.lookup_cycles
    if not kept:
        lookup_pj, cycles = problem.bare_pj[3], problem.bare_cycles
    labels.amounts[new, account, 0] += words * lookup_pj
    if cycles > 0:
        sizes = (unit[FILTERS], unit[0], unit[1], unit[2])
        read = lookup_words(
            whole[3], whole[0], whole[1], whole[2], sizes, unit[ENTRY_BITS], unit[WORD_BITS]
        )
        cycles *= words * read / (whole[0] * whole[1] * whole[2] * whole[3])
        if unit[PORT] == machine.rules.shape[0]:
            cycles *= row.units
        labels.amounts[new, account, problem.store_port] += cycles


@helper
def cross_weights(search, new, network, split, box, kept_inside, bare):
    """Let weights cross the network below a level."""
    problem, labels = search.problem, search.labels
    machine, row, spread = problem.machine, labels.rows[new], problem.splits[split]
    innermost = network + 2 == problem.places.shape[0]
    moved_pj = machine.costs[network, WEIGHTS, TRANSFER_PJ]
    if bare:
        moved_pj = problem.bare_pj[WEIGHTS]
    if network + 1 <= machine.unit[DECODER]:
        extent, whole = problem.lattice.extents[box], row.whole
        if kept_inside & 1:
            moved_pj *= cut_share(machine.unit, whole[3], whole[0], whole[1], whole[2])
        else:
            moved_pj *= cut_share(machine.unit, extent[M], extent[C], extent[R], extent[S])
    labels.amounts[new, account_of(labels, new, WEIGHTS), 0] += row.flight[WEIGHTS] * moved_pj
    if machine.rules[network].multicast != NO_MULTICAST and not innermost:
        tile = problem.lattice.extents[spread.tile]
        row.flight[WEIGHTS] *= tile[G] * tile[M] * tile[C] * tile[R] * tile[S] / spread.children
        if machine.unit[DECODER] >= 0:
            for i in range(4):
                row.whole[i] *= tile[SPANNED[i]] if size_of(machine.unit, i) > 1 else 1


@helper
def cross_outputs(search, new, network, split, bare):
    """Let outputs cross the network below a level, and partial sums return."""
    problem, labels = search.problem, search.labels
    machine, row, spread = problem.machine, labels.rows[new], problem.splits[split]
    amounts, moved_pj = labels.amounts[new], machine.costs[network, OUTPUTS, TRANSFER_PJ]
    if bare:
        moved_pj = problem.bare_pj[OUTPUTS]
    if row.state & RETURNS:
        amounts[HELD, 0] += problem.outputs * moved_pj
        moved_pj *= 2
    amounts[account_of(labels, new, OUTPUTS), 0] += row.flight[OUTPUTS] * moved_pj
    if machine.rules[network].reduces:
        row.flight[OUTPUTS] /= spread.copies
    for k in range(amounts.shape[1]):
        amounts[HELD, k] *= spread.copies


@helper
def cross_inputs(search, new, network, split, box, bare):
    """Let inputs cross the network below a level."""
    problem, labels = search.problem, search.labels
    machine, row, spread = problem.machine, labels.rows[new], problem.splits[split]
    innermost = network + 2 == problem.places.shape[0]
    moved_pj = machine.costs[network, INPUTS, TRANSFER_PJ]
    if bare:
        moved_pj = problem.bare_pj[INPUTS]
    labels.amounts[new, account_of(labels, new, INPUTS), 0] += row.flight[INPUTS] * moved_pj
    below = problem.inputs[box]
    if row.nodes > 0 and labels.nodes[new, row.nodes - 1].below == BEFORE:
        node = labels.nodes[new, row.nodes - 1]
        ratio = cross_by_word(problem, node, spread.inputs, below)
        row.flight[INPUTS] *= ratio / spread.children
        if row.state & WAITS:
            row.state &= ~WAITS
            spend_open(labels, new, INPUTS_OPEN)
            row.nodes = 0
    elif machine.rules[network].multicast != NO_MULTICAST and not innermost:
        if spread.children > 1:
            distinct = distinct_children(problem, spread.inputs, below)
            row.flight[INPUTS] *= distinct / spread.children


KEEP_WEIGHTS, KEEP_OUTPUTS, KEEP_INPUTS = range(3)
COMMIT_STEP = -2


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
    labels.tally[0] = new + 1
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

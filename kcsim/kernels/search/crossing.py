"""What words in flight cost on their way between levels, and how many are sent."""

from __future__ import annotations

from kcsim.kernels.count.lookups import lookup_words
from kcsim.kernels.layout import (
    INPUTS,
    NO_MULTICAST,
    OUTPUTS,
    WEIGHTS,
    C,
    G,
    M,
    R,
    S,
)  # fmt: skip
from kcsim.kernels.nest import helper
from kcsim.kernels.search.closing import spend_open
from kcsim.kernels.search.inputs import BEFORE, cross_by_word, distinct_children
from kcsim.kernels.search.labels import (
    AGAIN,
    APART,
    FORWARDS,
    HELD,
    INPUTS_OPEN,
    MAY_FORWARD,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    RETURNS,
    SPENT,
    TWICE,
    WAITS,
    WEIGHTS_OPEN,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    DECODER,
    DOWN,
    ENTRY_BITS,
    FILTERS,
    FIRST_CYCLES,
    FIRST_PJ,
    PORT,
    READ,
    READ_CYCLES,
    READ_PJ,
    SPARED_CYCLES,
    SPARED_NETWORK_CYCLES,
    SPARED_PJ,
    SPARED_TRANSFER_PJ,
    SPILL_CYCLES,
    TRANSFER_PJ,
    UP,
    UPDATE,
    UPDATE_CYCLES,
    UPDATE_PJ,
    WORD_BITS,
)  # fmt: skip
from kcsim.kernels.search.strips import cross_lines
from kcsim.kernels.search.tilings import cut_share

SPANNED = (C, R, S, M)
"""Dimensions that a unit of weights spans."""


@helper
def link_pj(problem, network, tensor, bare):
    """Energy of a word on one link of the mesh below a level."""
    return problem.link_pj[problem.link_pj.shape[0] - 1 if bare else network, tensor]


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
    machine, row = problem.machine, labels.rows[new]
    costs, words, amounts = machine.costs[level, tensor], row.flight[tensor], labels.amounts[new]
    account = account_of(labels, new, tensor)
    if tensor == WEIGHTS and level <= machine.unit[DECODER]:
        words *= sent_units(machine.unit, row.whole)
    amounts[account, 0] += words * costs[READ_PJ]
    if tensor == INPUTS:
        row.spare += (1 - row.share) * words * costs[READ_PJ]
        row.share = 1.0
    ports = machine.ports[level, tensor]
    if ports[READ] > 0:
        amounts[account, ports[READ]] += words * costs[READ_CYCLES] * row.units
    if tensor == OUTPUTS:
        amounts[account, 0] += words * costs[UPDATE_PJ]
        amounts[HELD, 0] += problem.outputs * (costs[READ_PJ] - costs[FIRST_PJ])
        if ports[READ] > 0:
            begun = costs[READ_CYCLES] - costs[FIRST_CYCLES]
            amounts[HELD, ports[READ]] += problem.outputs * begun * row.units
        if ports[UPDATE] > 0:
            writing = costs[UPDATE_CYCLES] + costs[SPILL_CYCLES]
            amounts[account, ports[UPDATE]] += words * writing * row.units
            spilled = problem.outputs * costs[SPILL_CYCLES] * row.units
            amounts[HELD, ports[UPDATE]] += spilled
        if machine.has_wide_sums:
            is_whole = problem.unseen[OUTPUTS, row.box] == 1 and not row.state & AGAIN
            if not row.state & APART and (row.state & RETURNS or is_whole):
                spared, last = machine.finished[level], amounts.shape[0] - 1
                amounts[last, 0] += problem.outputs * spared[SPARED_PJ]
                if ports[UPDATE] > 0:
                    spared_cycles = problem.outputs * spared[SPARED_CYCLES] * row.units
                    amounts[last, ports[UPDATE]] += spared_cycles
            if row.state & APART:
                row.state = row.state & ~APART | AGAIN
    row.flight[tensor] = 0.0


@helper
def finish_crossing(search, new, network, split):
    """Let outputs that are finished spare what they can on the network below a level.

    Where several children hold the same outputs, none of what they hold is finished.
    """
    problem, labels = search.problem, search.labels
    row, amounts = labels.rows[new], labels.amounts[new]
    last = amounts.shape[0] - 1
    is_whole = problem.unseen[OUTPUTS, row.box] == 1 and not row.state & AGAIN
    if problem.splits[split].copies > 1:
        for k in range(amounts.shape[1]):
            amounts[last, k] = 0.0
        if not problem.machine.rules[network].reduces:
            row.state |= APART
    elif not row.state & APART and (row.state & RETURNS or is_whole):
        spared_pj = problem.machine.finished[network, SPARED_TRANSFER_PJ]
        spared_pj += problem.splits[split].links[OUTPUTS] * problem.finished_link_pj[network]
        amounts[last, 0] += problem.outputs * spared_pj


@helper
def enter_network(search, new, network):
    """Let what is in flight take the time of the network below a level, at its upper end."""
    problem, labels = search.problem, search.labels
    machine, row, amounts = problem.machine, labels.rows[new], labels.amounts[new]
    for tensor in range(3):
        down, up = machine.ports[network, tensor, DOWN], machine.ports[network, tensor, UP]
        if down == 0 and up == 0:
            continue
        account, words = account_of(labels, new, tensor), row.flight[tensor]
        cycles = machine.network_cycles[network, tensor] * row.units
        if tensor == WEIGHTS and network + 1 <= machine.unit[DECODER]:
            words *= sent_units(machine.unit, row.whole)
        if tensor != OUTPUTS:
            amounts[account, down] += words * cycles
            continue
        amounts[account, up] += words * cycles
        if row.state & RETURNS:
            amounts[account, down] += words * cycles
            amounts[HELD, down] += problem.outputs * cycles
        if machine.has_wide_sums and not row.state & APART:
            is_whole = problem.unseen[OUTPUTS, row.box] == 1 and not row.state & AGAIN
            if row.state & RETURNS or is_whole:
                spared = machine.finished[network, SPARED_NETWORK_CYCLES] * row.units
                amounts[amounts.shape[0] - 1, up] += problem.outputs * spared


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
    moved_pj += spread.links[WEIGHTS] * link_pj(problem, network, WEIGHTS, bare)
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
    each_link = link_pj(problem, network, OUTPUTS, bare)
    back_pj = moved_pj + spread.links[3] * each_link
    moved_pj += spread.links[OUTPUTS] * each_link
    if row.state & RETURNS:
        amounts[HELD, 0] += problem.outputs * back_pj
        moved_pj += back_pj
    amounts[account_of(labels, new, OUTPUTS), 0] += row.flight[OUTPUTS] * moved_pj
    if machine.rules[network].reduces:
        row.flight[OUTPUTS] /= spread.copies
    for k in range(amounts.shape[1]):
        amounts[HELD, k] *= spread.copies
    if machine.has_wide_sums:
        finish_crossing(search, new, network, split)


@helper
def cross_inputs(search, new, network, split, box, bare):
    """Let inputs cross the network below a level."""
    problem, labels = search.problem, search.labels
    machine, row, spread = problem.machine, labels.rows[new], problem.splits[split]
    innermost = network + 2 == problem.places.shape[0]
    moved_pj = machine.costs[network, INPUTS, TRANSFER_PJ]
    if bare:
        moved_pj = problem.bare_pj[INPUTS]
    links = spread.links[INPUTS]
    if spread.tilted >= 0:
        links += problem.tilted[spread.tilted, box]
    moved_pj += links * link_pj(problem, network, INPUTS, bare)
    arriving = row.flight[INPUTS]
    labels.amounts[new, account_of(labels, new, INPUTS), 0] += row.flight[INPUTS] * moved_pj
    below, ratio = problem.inputs[box], 1.0
    by_word = row.nodes > 0 and labels.nodes[new, row.nodes - 1].below == BEFORE
    shares = machine.rules[network].multicast != NO_MULTICAST and not innermost
    if by_word:
        node = labels.nodes[new, row.nodes - 1]
        ratio = cross_by_word(problem, node, spread.inputs, below) / spread.children
    elif shares and spread.children > 1:
        ratio = distinct_children(problem, spread.inputs, below) / spread.children
    ratio = cross_lines(problem.margins, search, new, split, box, shares, by_word, ratio)
    row.flight[INPUTS] *= ratio
    if by_word and row.state & WAITS:
        row.state &= ~WAITS
        spend_open(labels, new, INPUTS_OPEN)
        row.nodes = 0
    note_forwarding(problem, row, network, spread, arriving, moved_pj)


@helper
def note_forwarding(problem, row, network, spread, arriving, moved_pj):
    """Note what forwarding may spare of inputs that have crossed a network.

    Parameters
    ----------
    arriving : float
        Words that its children are given.
    moved_pj : float
        Energy of one of them on the network.
    """
    if row.state & MAY_FORWARD:
        row.state &= ~MAY_FORWARD
        if spread.forwards:
            row.state |= FORWARDS | (TWICE if row.state & FORWARDS else 0)
            row.spare += arriving * max(0.0, moved_pj - problem.forward_pj[network + 1])
            row.share = min(1.0, spread.shares[INPUTS] * arriving / row.flight[INPUTS])
    elif row.share < 1:
        row.spare += (1 - row.share) * arriving * moved_pj

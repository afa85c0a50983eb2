"""The cost of a mapping, stage by stage from outside in.

Stage `l` of a mapping is what level `l` decides: its loops in time, their order, and the spread
over its children. Once the stages above are known, so is all that crosses the boundary to the
tiles of level ``l + 1``, whatever happens inside them: how often a tile changes depends on the
loops around it alone. So the cost of a mapping is the sum over its stages, and each is a handful of
products. `kcsim.kernels.counting` counts the same accesses one by one, as integers. See
`kcsim.kernels.reuse` for what the stages above hand down.
"""

from __future__ import annotations

from kcsim.kernels.counting import (
    distinct_tiles,
)
from kcsim.kernels.machine import (
    DECODER,
    FILL_PJ,
    LEAK_PJ,
    OVERLAPPED,
    READ_CYCLES,
    READ_PJ,
    SPILL_CYCLES,
    STORE,
    TRANSFER_PJ,
    UPDATE_PJ,
    WRITE_CYCLES,
)
from kcsim.kernels.nest import (
    CHILDREN,
    INPUTS,
    KEEPS,
    MULTICAST,
    NO_MULTICAST,
    OUTPUTS,
    REDUCES,
    SPATIAL,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    R,
    S,
    helper,
    inlined,
    plain_product,
    tile_size,
)
from kcsim.kernels.reuse import (
    AXIS,
    BUSY,
    COST,
    HELD,
    IDLE,
    MOVED,
    OWN,
    READING,
    RUN,
    SHARE,
    SPREAD,
    TRANSIT,
    UNITS,
    WRITING,
    arriving_inputs,
)
from kcsim.kernels.tilings import cut_share


@helper
def share_of(tensor, level, rules, window, spans):
    """Words that a level sends (takes in, for outputs) for each word of a child.

    Parameters
    ----------
    spans : int64[2, 26]
        Row 0: ``SPATIAL`` and ``CHILDREN`` of the network; row 1: ``EXTENT`` of a child.
    """
    children = spans[0, CHILDREN]
    # Between the innermost level and its MAC units nothing but sums is shared.
    shares = rules[level, MULTICAST] != NO_MULTICAST and level + 1 < rules.shape[0]
    if tensor == OUTPUTS:
        shares = rules[level, REDUCES] != 0
    if children == 1 or not shares:
        return 1.0
    return distinct_tiles(tensor, spans, 0, window) / children


@helper
def keeper_of(tensor, level, rules):
    """The nearest level that keeps a tensor: the level itself or one above."""
    while not rules[level, KEEPS + tensor]:
        level -= 1
    return level


@inlined
def arriving_words(tensor, level, machine, below, moves, spans, times):
    """Words of weights or inputs that a level's network brings to its children.

    Returns
    -------
    words : float
        Words that arrive, over all children.
    leaving : float
        Words that leave the level for that, over all instances.
    """
    if level + 1 == machine.rules.shape[0]:
        return machine.macs, machine.macs
    if tensor == WEIGHTS:
        words = tile_size(WEIGHTS, spans, 1, machine.window) * times / below[RUN + WEIGHTS]
        return words, words * below[OWN + WEIGHTS]
    by_word = machine.rules[level, MULTICAST] == WORD_MULTICAST
    words, covered, iterations = arriving_inputs(below, moves, spans, machine.window, by_word)
    words *= times / iterations
    if by_word:
        return words, covered * times / (iterations * spans[0, CHILDREN])
    return words, words * below[OWN + INPUTS]


@helper
def give_operands(level, machine, row, below, moves, spans, times):
    """Cost of the weights and inputs that cross the network below a level."""
    child, levels, costs, unit = level + 1, machine.rules.shape[0], machine.costs, machine.unit
    energy, together = 0.0, child < levels and machine.rules[level, MULTICAST] != NO_MULTICAST
    # Clustered weights: a tile needs the index of every unit that it holds a part of.
    cut, sent = 1.0, 1.0
    if unit[DECODER] >= 0:
        cut = cut_share(unit, spans[1, C], spans[1, R], spans[1, S])
        for i, d in ((0, C), (1, R), (2, S)):
            below[SPREAD + i] = row[SPREAD + i] * (spans[0, SPATIAL + d] if together else 1)
            whole = spans[1, d] * below[SPREAD + i]
            sent *= -(-whole // unit[i]) * unit[i] / whole
    for tensor in (WEIGHTS, INPUTS):
        clustered = tensor == WEIGHTS and unit[DECODER] >= 0
        crossing_pj = costs[level, tensor, TRANSFER_PJ]
        if clustered and child <= unit[DECODER]:
            crossing_pj *= cut
            if child == unit[DECODER] and not machine.rules[child, KEEPS + tensor]:
                # What passes through the level of the decoder is looked up on its way.
                crossing_pj += machine.lookup_pj
        if child < levels and not machine.rules[child, KEEPS + tensor]:
            below[SHARE + tensor] = row[SHARE + tensor] * below[OWN + tensor]
            below[TRANSIT + tensor] = crossing_pj + row[TRANSIT + tensor] * below[OWN + tensor]
            continue
        words, leaving = arriving_words(tensor, level, machine, below, moves, spans, times)
        keeper = keeper_of(tensor, level, machine.rules)
        read_pj, read_words = costs[keeper, tensor, READ_PJ], leaving * row[SHARE + tensor]
        looked_up_pj = 0.0
        if clustered and keeper == unit[DECODER]:
            looked_up_pj = read_words * machine.lookup_pj
        if clustered and keeper <= unit[DECODER]:
            read_words *= sent
        below[MOVED + 2 * keeper + READING] += read_words * costs[keeper, tensor, READ_CYCLES]
        energy += words * crossing_pj + leaving * row[TRANSIT + tensor]
        energy += read_words * read_pj + looked_up_pj
        if child < levels:
            if clustered and child <= unit[DECODER]:
                words *= cut
            energy += words * costs[child, tensor, FILL_PJ]
            filling = words * costs[child, tensor, WRITE_CYCLES]
            below[MOVED + 2 * child + WRITING] += filling
            below[SHARE + tensor], below[TRANSIT + tensor] = 1.0, 0.0
            if clustered:
                below[SPREAD] = below[SPREAD + 1] = below[SPREAD + 2] = 1.0
    return energy


@inlined
def take_outputs(level, machine, above, spans, times, returns):
    """Cost of the outputs that cross the network below a level, up and down again.

    Parameters
    ----------
    returns : bool
        Whether a level further in keeps outputs, so that partial sums come back.
    """
    child, levels, costs = level + 1, machine.rules.shape[0], machine.costs
    row, below = above[level], above[child]
    transfer_pj, share = costs[level, OUTPUTS, TRANSFER_PJ], below[OWN + OUTPUTS]
    held = row[HELD] * spans[0, CHILDREN] / plain_product(OUTPUTS, spans, 0, SPATIAL)
    below[HELD] = held
    if child < levels and not machine.rules[child, KEEPS + OUTPUTS]:
        below[SHARE + OUTPUTS] = row[SHARE + OUTPUTS] * share
        below[TRANSIT + OUTPUTS] = transfer_pj + row[TRANSIT + OUTPUTS] * share
        if returns:
            below[TRANSIT + OUTPUTS] += transfer_pj
        return -transfer_pj * held if returns else 0.0
    rising, energy = machine.macs, machine.macs * transfer_pj
    if child < levels:
        rising = tile_size(OUTPUTS, spans, 1, machine.window) * times / below[RUN + OUTPUTS]
        energy = (rising - held) * (costs[child, OUTPUTS, FILL_PJ] + transfer_pj)
        # The first of the sums that arrive there will find nothing to read.
        energy += rising * transfer_pj - held * costs[child, OUTPUTS, READ_PJ]
        writing = (rising - held) * costs[child, OUTPUTS, WRITE_CYCLES]
        below[MOVED + 2 * child + WRITING] += writing
    keeper = keeper_of(OUTPUTS, level, machine.rules)
    updates = rising * share * row[SHARE + OUTPUTS]
    reads = updates - above[keeper, HELD]
    reading, writing = MOVED + 2 * keeper + READING, MOVED + 2 * keeper + WRITING
    below[reading] += reads * costs[keeper, OUTPUTS, READ_CYCLES]
    below[writing] += updates * costs[keeper, OUTPUTS, WRITE_CYCLES]
    below[writing] += reads * costs[keeper, OUTPUTS, SPILL_CYCLES]
    energy += rising * share * row[TRANSIT + OUTPUTS]
    below[SHARE + OUTPUTS], below[TRANSIT + OUTPUTS] = 1.0, 0.0
    return energy + updates * (costs[keeper, OUTPUTS, UPDATE_PJ] + costs[keeper, OUTPUTS, READ_PJ])


@inlined
def spend(level, machine, above, moves, spans, times, returns):
    """Fill the row of `above` below a level, with the cost up to there.

    Parameters
    ----------
    level : int
        The ``RUN``, ``MOVES`` and ``AXIS`` of the row below it are there already.
    spans : int64[2, 26]
        Row 0: ``SPATIAL`` and ``CHILDREN`` of the network; row 1: ``EXTENT`` of a child.
    times : float
        Tiles that all children work on, one after the other.
    returns : bool
        Whether a level further in keeps outputs.
    """
    row, below = above[level], above[level + 1]
    below[UNITS] = row[UNITS] * spans[0, CHILDREN]
    for i in range(MOVED, above.shape[1]):
        below[i] = row[i]
    for tensor in range(3):
        below[OWN + tensor] = share_of(tensor, level, machine.rules, machine.window, spans)
    energy = give_operands(level, machine, row, below, moves[level + 1], spans, times)
    energy += take_outputs(level, machine, above, spans, times, returns)
    if level + 1 == machine.unit[STORE]:
        energy += machine.copy_pj * below[UNITS]
    below[COST], below[BUSY] = row[COST] + energy, row[BUSY]
    for i in range(min(level + 2, machine.rules.shape[0])):
        moved = max(below[MOVED + 2 * i + READING], below[MOVED + 2 * i + WRITING])
        below[BUSY] = max(below[BUSY], moved / above[i, UNITS])


@inlined
def finish(machine, above, leakage_pj):
    """Turn the last row of `above` into energy (``COST``) and cycles (``BUSY``) of the mapping.

    Parameters
    ----------
    leakage_pj : float
        Leakage that `start` has counted.
    """
    levels = machine.rules.shape[0]
    last, cycle_pj = above[levels], machine.static_pj
    computing = machine.macs * machine.cycles_per_mac / last[UNITS]
    cycles = computing
    for i in range(levels):
        moved = max(last[MOVED + 2 * i + READING], last[MOVED + 2 * i + WRITING]) / above[i, UNITS]
        cycles = max(cycles, moved if machine.cycles[i, OVERLAPPED] else computing + moved)
    for i in range(levels + 1):
        cycle_pj += machine.cycles[i, LEAK_PJ] * above[i, UNITS]
    last[COST], last[BUSY] = last[COST] - leakage_pj + cycle_pj * cycles, cycles


@inlined
def start(machine, above, outputs, floor):
    """Fill the row of `above` for the outermost level, which keeps everything.

    Parameters
    ----------
    outputs : float
        Words of outputs.
    floor : float64[3]
        Least energy of the cycles: what they cost whatever is in use, and leakage; and
        least cycles of the transfers of the outermost level.
    """
    row = above[0]
    for i in range(row.shape[0]):
        row[i] = 0.0
    row[UNITS], row[HELD], row[AXIS] = 1.0, outputs, -1.0
    for tensor in range(3):
        row[RUN + tensor], row[SHARE + tensor], row[SPREAD + tensor] = 1.0, 1.0, 1.0
    row[COST], row[IDLE] = machine.mac_pj + floor[1], floor[0]
    row[BUSY] = floor[2]
    row[COST] -= outputs * machine.costs[0, OUTPUTS, READ_PJ]
    if machine.unit[STORE] == 0:
        row[COST] += machine.copy_pj

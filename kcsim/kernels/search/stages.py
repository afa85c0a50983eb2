"""The cost of a mapping, stage by stage from outside in.

Stage `l` of a mapping is what level `l` decides: its loops in time, their order, and the spread
over its children. Once the stages above are known, so is all that crosses the boundary to the
tiles of level ``l + 1``, whatever happens inside them: how often a tile changes depends on the
loops around it alone. So the cost of a mapping is the sum over its stages, and each is a handful of
products. `kcsim.kernels.count.counting` counts the same accesses one by one, as integers. See
`kcsim.kernels.search.reuse` for what the stages above hand down.
"""

from __future__ import annotations

from kcsim.kernels.count.counting import distinct_tiles
from kcsim.kernels.count.lookups import lookup_words
from kcsim.kernels.layout import INPUTS, NO_MULTICAST, OUTPUTS, WEIGHTS, WORD_MULTICAST, C, M, R, S
from kcsim.kernels.nest import helper, inlined, plain_product, tile_size
from kcsim.kernels.search.machine import (
    DECODER,
    ENTRY_BITS,
    FILL_PJ,
    FILTERS,
    LEAK_PJ,
    OVERLAPPED,
    PORT,
    READ_CYCLES,
    READ_PJ,
    SPILL_CYCLES,
    STORE,
    TRANSFER_PJ,
    UPDATE_PJ,
    WORD_BITS,
    WRITE_CYCLES,
)
from kcsim.kernels.search.reuse import (
    AXIS,
    BUSY,
    COST,
    HELD,
    IDLE,
    LOOKED,
    MOVED,
    OWN,
    READING,
    RUN,
    SHARE,
    SPREAD,
    TRANSIT,
    UNITS,
    WIDE,
    WRITING,
    arriving_inputs,
)
from kcsim.kernels.search.tilings import cut_share


@helper
def share_of(tensor, level, rules, window, spans):
    """Words that a level sends (takes in, for outputs) for each word of a child.

    Parameters
    ----------
    spans : SPAN[2]
        First: ``spatial`` and ``children`` of the network; second: ``extent`` of a child.
    """
    children = spans[0].children
    # Between the innermost level and its MAC units nothing but sums is shared.
    shares = rules[level].multicast != NO_MULTICAST and level + 1 < rules.shape[0]
    if tensor == OUTPUTS:
        shares = rules[level].reduces
    if children == 1 or not shares:
        return 1.0
    return distinct_tiles(tensor, spans, 0, window) / children


@helper
def keeper_of(tensor, level, rules):
    """The nearest level that keeps a tensor: the level itself or one above."""
    while not rules[level].keeps[tensor]:
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
        words = tile_size(WEIGHTS, spans[1].extent, machine.window) * times / below[RUN + WEIGHTS]
        return words, words * below[OWN + WEIGHTS]
    by_word = machine.rules[level].multicast == WORD_MULTICAST
    words, covered, iterations = arriving_inputs(below, moves, spans, machine.window, by_word)
    words *= times / iterations
    if by_word:
        return words, covered * times / (iterations * spans[0].children)
    return words, words * below[OWN + INPUTS]


@helper
def spread_units(level, machine, row, below, spans):
    """How units of clustered weights meet the children of a level; fills SPREAD, LOOKED and WIDE.

    Returns
    -------
    cut : float
        Indexes that a child needs for each that it would if its tile cut no unit.
    sent : float
        Likewise, what leaves the level that keeps weights, for all children that share it.
    """
    unit, child = machine.unit, level + 1
    if unit[DECODER] < 0:
        return 1.0, 1.0
    together = child < machine.rules.shape[0] and machine.rules[level].multicast != NO_MULTICAST
    sent = 1.0
    for i, d, size in ((0, C, unit[0]), (1, R, unit[1]), (2, S, unit[2]), (3, M, unit[FILTERS])):
        spread = spans[0].spatial[d] if together else 1
        below[SPREAD + i] = row[SPREAD + i] * spread
        below[WIDE + i] = 1.0 if child == unit[DECODER] else row[WIDE + i] * spread
        whole = spans[1].extent[d] * below[SPREAD + i]
        sent *= -(-whole // size) * size / whole
    below[LOOKED] = 1.0 if child == unit[DECODER] else row[LOOKED] * below[OWN + WEIGHTS]
    extent = spans[1].extent
    return cut_share(unit, extent[M], extent[C], extent[R], extent[S]), sent


@helper
def look_up(machine, below, spans, words):
    """Add the cycles of looking up weights that leave the decoder, over all copies of the codebook.

    Parameters
    ----------
    spans : SPAN[2]
        Second: ``extent`` of a child that they are decoded for.
    """
    unit, port = machine.unit, MOVED + 2 * machine.unit[PORT] + READING
    extent = spans[1].extent
    channels, rows = int(extent[C] * below[WIDE]), int(extent[R] * below[WIDE + 1])
    columns = int(extent[S] * below[WIDE + 2])
    # Filters of units that each have one look up alike.
    filters = int(extent[M] * below[WIDE + 3]) if unit[FILTERS] > 1 else 1
    sizes = (unit[FILTERS], unit[0], unit[1], unit[2])
    read = lookup_words(filters, channels, rows, columns, sizes, unit[ENTRY_BITS], unit[WORD_BITS])
    below[port] += words * read * machine.lookup_cycles / (filters * channels * rows * columns)


@helper
def give_operands(level, machine, row, below, moves, spans, times):
    """Cost of the weights and inputs that cross the network below a level."""
    child, levels, costs = level + 1, machine.rules.shape[0], machine.costs
    energy, decoder = 0.0, machine.unit[DECODER]
    cut, sent = spread_units(level, machine, row, below, spans)
    for tensor in (WEIGHTS, INPUTS):
        indexed = tensor == WEIGHTS and child <= decoder
        crossing_pj = costs[level, tensor, TRANSFER_PJ]
        if indexed:
            crossing_pj *= cut
            if child == decoder and not machine.rules[child].keeps[tensor]:
                # What passes through the level of the decoder is looked up on its way.
                crossing_pj += machine.lookup_pj
        if child < levels and not machine.rules[child].keeps[tensor]:
            below[SHARE + tensor] = row[SHARE + tensor] * below[OWN + tensor]
            below[TRANSIT + tensor] = crossing_pj + row[TRANSIT + tensor] * below[OWN + tensor]
            continue
        words, leaving = arriving_words(tensor, level, machine, below, moves, spans, times)
        keeper = keeper_of(tensor, level, machine.rules)
        read_pj, read_words = costs[keeper, tensor, READ_PJ], leaving * row[SHARE + tensor]
        if tensor == WEIGHTS and keeper <= decoder:
            if keeper == decoder:
                energy += read_words * machine.lookup_pj
            if level >= decoder and machine.lookup_cycles > 0:
                look_up(machine, below, spans, leaving * row[LOOKED])
            read_words *= sent
        below[MOVED + 2 * keeper + READING] += read_words * costs[keeper, tensor, READ_CYCLES]
        energy += words * crossing_pj + leaving * row[TRANSIT + tensor] + read_words * read_pj
        if child < levels:
            if indexed:
                words *= cut
            energy += words * costs[child, tensor, FILL_PJ]
            filling = words * costs[child, tensor, WRITE_CYCLES]
            below[MOVED + 2 * child + WRITING] += filling
            below[SHARE + tensor], below[TRANSIT + tensor] = 1.0, 0.0
            if tensor == WEIGHTS:
                below[SPREAD] = below[SPREAD + 1] = below[SPREAD + 2] = below[SPREAD + 3] = 1.0
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
    held = row[HELD] * spans[0].children / plain_product(OUTPUTS, spans[0].spatial)
    below[HELD] = held
    if child < levels and not machine.rules[child].keeps[OUTPUTS]:
        below[SHARE + OUTPUTS] = row[SHARE + OUTPUTS] * share
        below[TRANSIT + OUTPUTS] = transfer_pj + row[TRANSIT + OUTPUTS] * share
        if returns:
            below[TRANSIT + OUTPUTS] += transfer_pj
        return -transfer_pj * held if returns else 0.0
    rising, energy = machine.macs, machine.macs * transfer_pj
    if child < levels:
        rising = tile_size(OUTPUTS, spans[1].extent, machine.window) * times / below[RUN + OUTPUTS]
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


@helper
def store_cycles(machine, above, row):
    """Cycles of what a row of `above` looks up in each store of a codebook."""
    looked_up = above[row, MOVED + 2 * machine.rules.shape[0] + READING]
    return looked_up / above[machine.unit[DECODER], UNITS]


@inlined
def spend(level, machine, above, moves, spans, times, returns):
    """Fill the row of `above` below a level, with the cost up to there.

    Parameters
    ----------
    level : int
        The ``RUN``, ``MOVES`` and ``AXIS`` of the row below it are there already.
    spans : SPAN[2]
        First: ``spatial`` and ``children`` of the network; second: ``extent`` of a child.
    times : float
        Tiles that all children work on, one after the other.
    returns : bool
        Whether a level further in keeps outputs.
    """
    row, below = above[level], above[level + 1]
    below[UNITS] = row[UNITS] * spans[0].children
    for i in range(MOVED, above.shape[1]):
        below[i] = row[i]
    for tensor in range(3):
        below[OWN + tensor] = share_of(tensor, level, machine.rules, machine.window, spans)
    energy = give_operands(level, machine, row, below, moves[level + 1], spans, times)
    energy += take_outputs(level, machine, above, spans, times, returns)
    if level + 1 == machine.unit[STORE]:
        energy += machine.copy_pj * below[UNITS]
        below[MOVED + 2 * (level + 1) + WRITING] += machine.copy_cycles * below[UNITS]
    below[COST], below[BUSY] = row[COST] + energy, row[BUSY]
    for i in range(min(level + 2, machine.rules.shape[0])):
        moved = max(below[MOVED + 2 * i + READING], below[MOVED + 2 * i + WRITING])
        below[BUSY] = max(below[BUSY], moved / above[i, UNITS])
    if 0 <= machine.unit[DECODER] <= level:
        below[BUSY] = max(below[BUSY], store_cycles(machine, above, level + 1))


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
    if machine.unit[DECODER] >= 0:
        cycles = max(cycles, store_cycles(machine, above, levels))
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
        row[RUN + tensor], row[SHARE + tensor] = 1.0, 1.0
    for i in range(4):
        row[SPREAD + i], row[WIDE + i] = 1.0, 1.0
    row[LOOKED] = 1.0
    row[COST], row[IDLE] = machine.mac_pj + floor[1], floor[0]
    row[BUSY] = floor[2]
    row[MOVED + READING] = machine.load_cycles
    row[COST] -= outputs * machine.costs[0, OUTPUTS, READ_PJ]
    if machine.unit[STORE] == 0:
        row[COST] += machine.copy_pj

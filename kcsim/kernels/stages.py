"""The cost of a mapping, stage by stage from outside in.

Stage `l` of a mapping is what level `l` decides: its loops in time, their order, and the spread
over its children. Once the stages above are known, so is all that crosses the boundary to the
tiles of level ``l + 1``, whatever happens inside them: how often a tile changes depends on the
loops around it alone. So the cost of a mapping is the sum over its stages, and each is a handful of
products. `kcsim.kernels.counting` counts the same accesses one by one, as integers.

What the stages above hand down is a row of *above*, float64[levels + 1, 22 + 2 * levels]:

=========== ==================================================================
column      meaning
=========== ==================================================================
COST        energy so far, but for what a cycle costs
IDLE        energy that cycles cost at least, by the units that are spread so far
UNITS       instances of the level
HELD        distinct words of outputs, over all instances of the level
RUN         (3) innermost iterations around the level that leave a tile where it is
SHARE       (3) words read from (written to) where a tensor is kept, for one on the level's network
TRANSIT     (3) energy of the networks in between, for such a word
SPREAD      (3) children over C, R and S on networks in between that share reads of weights
BUSY        cycles that the transfers above need at least
MOVES, AXIS see below
OWN         (3) words that the level above sends (takes in) for each that crosses its network
MOVED       (2 by level) cycles of the reads and of the writes of a level, over all its instances
=========== ==================================================================

and, for inputs, a row of *moves*, float64[levels + 1, loops, 2]: the bound of each of the innermost
loops around the level, from the inside out, and the words by which an iteration moves the tile.
All move it along the same axis of the window (``AXIS``: 0 rows, 1 columns, -1 none does), or not
at all; with the first other loop, every further iteration replaces the whole tile.
"""

from __future__ import annotations

from kcsim.kernels.counting import covered_words, distinct_tiles
from kcsim.kernels.machine import (
    DECODER,
    FILL_PJ,
    LEAK_PJ,
    OVERLAPPED,
    READ_CYCLES,
    READ_PJ,
    SOURCE,
    SPILL_CYCLES,
    STORE,
    TRANSFER_PJ,
    UPDATE_PJ,
    WRITE_CYCLES,
)
from kcsim.kernels.nest import (
    CHILDREN,
    DILATION_H,
    EXTENT,
    INDEXES,
    INPUTS,
    KEEPS,
    MULTICAST,
    NO_MULTICAST,
    OUTPUTS,
    REDUCES,
    SPATIAL,
    STRIDE_H,
    WEIGHTS,
    WORD_MULTICAST,
    C,
    M,
    P,
    R,
    S,
    helper,
    plain_product,
    tile_size,
    window_extent,
)
from kcsim.kernels.tilings import cut_share

COST, IDLE, UNITS, HELD, RUN, SHARE, TRANSIT, SPREAD, BUSY, MOVES, AXIS, OWN, MOVED = (
    0, 1, 2, 3, 4, 7, 10, 13, 16, 17, 18, 19, 22,
)  # fmt: skip
STILL = RUN + 1
"""Of inputs."""
READING, WRITING = 0, 1


@helper
def run_of(tensor, bounds, order, outer):
    """Innermost iterations that leave a tile of weights or outputs where it is.

    Parameters
    ----------
    bounds : int64[8]
        Bounds of the loops of a level.
    order : int64[8]
        Their dimensions, outermost first.
    outer : float
        Such iterations of the loops around, which follow where no loop of the level moves the tile.
    """
    run = 1.0
    for i in range(7, -1, -1):
        bound = bounds[order[i]]
        if bound > 1:
            if INDEXES[tensor, order[i]]:
                return run
            run *= bound
    return run * outer


@helper
def find_moves(level, bounds, order, extents, window, above, moves):
    """Fill what the row below a level says of the moves of inputs.

    Parameters
    ----------
    bounds, order : int64[8]
        Bounds and order of the loops of the level.
    extents : int64[8]
        What all children of the level span together: the step of its loops.
    """
    below, count, axis, ends = above[level + 1], 0, -1, False
    for i in range(7, -1, -1):
        dimension = order[i]
        bound = bounds[dimension]
        if bound == 1 or ends:
            continue
        shift, own = 0, axis
        if dimension >= P:
            own = (dimension - P) % 2
            scale = window[STRIDE_H + own] if dimension < R else window[DILATION_H + own]
            shift = scale * extents[dimension]
        if (dimension < P and dimension != M) or own == 1 - axis:
            ends = True
            continue
        axis = own
        moves[level + 1, count, 0], moves[level + 1, count, 1] = bound, shift
        count += 1
    outer = int(above[level, AXIS])
    for i in range(int(above[level, MOVES])):
        shift = moves[level, i, 1]
        if shift > 0 and outer == 1 - axis:
            ends = True
        if not ends:
            axis = outer if shift > 0 else axis
            moves[level + 1, count, 0], moves[level + 1, count, 1] = moves[level, i, 0], shift
            count += 1
    below[MOVES], below[AXIS], below[STILL] = count, axis, 1.0
    for i in range(count):
        if moves[level + 1, i, 1] > 0:
            return
        below[STILL] *= moves[level + 1, i, 0]


@helper
def arriving_inputs(row, moves, spans, window, by_word):
    """Words of inputs that a child is given in one round of the moves around it.

    Parameters
    ----------
    row, moves : float64[:], float64[:, 2]
        Of the child, see the module.
    spans : int64[2, 26]
        Row 0: ``SPATIAL`` of the network; row 1: ``EXTENT`` of the child.

    Returns
    -------
    words : float
        For one child.
    covered : float
        Distinct words for all children of one parent together, if `by_word`.
    iterations : float
        Steps of one round.
    """
    rows, columns = window_extent(spans, 1, window, 0), window_extent(spans, 1, window, 1)
    line = plain_product(INPUTS, spans, 1, EXTENT)
    axis, moved, iterations = row[AXIS], 0.0, 1.0
    length = columns if axis == 1 else rows
    full, words, full_covered, covered = 0.0, 0.0, 0.0, 0.0
    for i in range(-1, int(row[MOVES])):
        bound, advance, new_rows, new_columns = 1.0, 0.0, rows, columns
        if i >= 0:
            bound, advance = moves[i, 0], moves[i, 1] - moved
            if advance == 0:
                new_rows = 0
            elif 0 < advance < length:
                new_rows = int(advance) if axis == 0 else rows
                new_columns = int(advance) if axis == 1 else columns
        new, new_covered = float(line * new_rows * new_columns), 0.0
        if by_word and new_rows > 0:
            new_covered = float(covered_words(spans, 0, window, new_rows, new_columns))
        if i < 0:
            full, words, full_covered, covered = new, new, new_covered, new_covered
            continue
        # Another iteration repeats the round, whose first tile is now not all new.
        words = words * bound - (bound - 1) * (full - new)
        covered = covered * bound - (bound - 1) * (full_covered - new_covered)
        iterations *= bound
        moved += moves[i, 1] * (bound - 1)
    return words, covered, iterations


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


@helper
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
        if child < levels and not machine.rules[child, KEEPS + tensor]:
            below[SHARE + tensor] = row[SHARE + tensor] * below[OWN + tensor]
            below[TRANSIT + tensor] = crossing_pj + row[TRANSIT + tensor] * below[OWN + tensor]
            continue
        words, leaving = arriving_words(tensor, level, machine, below, moves, spans, times)
        keeper = keeper_of(tensor, level, machine.rules)
        read_pj = costs[keeper, tensor, READ_PJ]
        if clustered and keeper <= unit[DECODER]:
            read_pj = read_pj * sent + (machine.lookup_pj if keeper == unit[SOURCE] else 0.0)
        read = leaving * row[SHARE + tensor]
        below[MOVED + 2 * keeper + READING] += read * costs[keeper, tensor, READ_CYCLES]
        energy += words * crossing_pj + leaving * row[TRANSIT + tensor] + read * read_pj
        if child < levels:
            fill_pj = costs[child, tensor, FILL_PJ]
            energy += words * fill_pj * (cut if clustered and child <= unit[DECODER] else 1.0)
            writing = words * costs[child, tensor, WRITE_CYCLES]
            below[MOVED + 2 * child + WRITING] += writing
            below[SHARE + tensor], below[TRANSIT + tensor] = 1.0, 0.0
            if clustered:
                below[SPREAD] = below[SPREAD + 1] = below[SPREAD + 2] = 1.0
    return energy


@helper
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


@helper
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


@helper
def finish(machine, above, leakage_pj):
    """Turn the last row of `above` into energy (``COST``) and cycles (``BUSY``) of the whole mapping.

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


@helper
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

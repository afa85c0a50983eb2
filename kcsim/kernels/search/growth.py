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
from kcsim.kernels.search.bounds import (
    may_iterate,
)  # fmt: skip
from kcsim.kernels.search.closing import (
    loop_inputs,
    scale_open,
    settle,
    settle_inputs,
    spend_open,
)  # fmt: skip
from kcsim.kernels.search.costs import bits_of, words_held
from kcsim.kernels.search.crossing import (
    SPANNED,
    arrive,
    cross_inputs,
    cross_outputs,
    cross_weights,
    enter_network,
    look_up,
    size_of,
)  # fmt: skip
from kcsim.kernels.search.inputs import open_node
from kcsim.kernels.search.labels import (
    AGAIN,
    ANY_LOOP,
    FORWARDS,
    GENERATED,
    HELD,
    INPUTS_OPEN,
    MAY_FORWARD,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    PHASE,
    PLACED_STEP,
    RETURNS,
    SEEN,
    SPENT,
    SPREAD_STEP,
    TWICE,
    UNMOVED,
    WAITS,
    WEIGHTS_OPEN,
    copy_label,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY,
    DECODER,
    DRAIN_CYCLES,
    DRAIN_PJ,
    DUMP,
    FILL,
    FILL_PJ,
    GROUP,
    LEAK_PJ,
    LOAD,
    PORT,
    READ,
    STORE,
    TILE,
    WRITE_CYCLES,
)  # fmt: skip
from kcsim.kernels.search.padding import is_clipped, move_flight, open_strip, words_filled
from kcsim.kernels.search.progress import FORGOTTEN
from kcsim.kernels.search.tilings import DIMENSION, PRIME, STRIDE, cut_share


@helper
def move_inputs(row, dimension):
    """Note that a loop moves what neighbors may be given."""
    if row.state & UNMOVED:
        row.state &= ~UNMOVED
        if dimension < P and not row.state & TWICE:
            # What neighbors were given the step before is nothing, or has no word of it.
            row.state &= ~(MAY_FORWARD | FORWARDS)
            row.spare, row.share = 0.0, 1.0


@helper
def move_lines(search, new, dimension, bound):
    """Let a loop over positions or taps move what is in flight, as if all changed as a whole."""
    problem, labels = search.problem, search.labels
    if dimension < P:
        return
    window, axis = problem.machine.window, (dimension - P) % 2
    scale = window[axis].stride if dimension < R else window[axis].dilation
    own = scale * problem.lattice.extents[labels.rows[new].box, dimension]
    move_flight(problem.margins, problem, labels.strips[new], axis, own, bound)


@helper
def loop_over(search, source, stage, factor):
    """The label with a loop over a prime factor around it."""
    problem, labels = search.problem, search.labels
    digits, row = problem.lattice.digits, labels.rows[source]
    dimension, bound = digits[factor, DIMENSION], digits[factor, PRIME]
    place, stride = problem.places[problem.stages[stage].level], digits[factor, STRIDE]
    if not row.loops >> dimension & 1 or not may_iterate(problem, place, factor, row.box):
        return -1
    made = problem.moves[row.made, factor] if place.limited else 0
    if made < 0:
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
    row.loops, row.near, row.within, row.made = ANY_LOOP, ANY_LOOP, dimension, made
    if problem.machine.has_wide_sums and not (
        INDEXES[OUTPUTS, dimension] or row.state & OPEN_OUTPUTS
    ):
        row.state |= AGAIN
    move_inputs(row, dimension)
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
    move_lines(search, new, dimension, bound)
    moves = row.nodes > 0 and not row.state & WAITS
    if moves and not loop_inputs(search, new, dimension, bound, stride):
        labels.tally[FORGOTTEN] = 1
    row.box += stride
    if row.nodes > 0 and not row.state & WAITS:
        settle_inputs(search, new)
    settle(search, new, False)
    return new


@helper
def loops_near(problem, level, row, tensor):
    """Dimensions of which a loop of the level may stand right outside of a node, as bits.

    All may where a user wants an order. Otherwise, a node that does not see the loop could stand
    outside of it as well, at no cost. One whose tile is replaced by it could also stand inside of
    the loop right within, if that replaces it too, and new tiles take no time of their own.
    """
    if problem.places[level].ordered:
        return row.near
    if tensor == INPUTS and level > 0 and problem.machine.rules[level - 1].forwards[INPUTS]:
        # What stays here decides on what neighbors have.
        return row.near
    near = row.near & SEEN[tensor]
    if row.within < 0 or (tensor == WEIGHTS and not problem.whole_units):
        return near
    if problem.machine.stalls[level, tensor, TILE] > 0:
        return near
    replacing = SEEN[tensor]
    for i in range(4):
        if tensor == INPUTS and problem.slides[i % 2]:
            replacing &= ~(1 << P + i)
    return near & ~replacing if replacing >> row.within & 1 else near


@helper
def made_with(problem, row, level, tensor):
    """What of a level there is with a node around a label, -1 if a user wants none there."""
    if problem.may_hold.shape[0] > 0 and not problem.may_hold[level, tensor, row.box]:
        return -1
    if not problem.places[level].limited:
        return 0
    return problem.moves[row.made, problem.lattice.digits.shape[0] + tensor]


@helper
def stand_still(machine, amounts, kind, level, tensor, moved, rounds, outputs, units):
    """Add the cycles during which the array waits for a node's tiles.

    Parameters
    ----------
    moved, rounds, outputs : float
        Words of the node and its tiles, and words of outputs, over all instances.
    """
    waits, stall = machine.stalls[level, tensor], machine.stall_account
    cycles = moved * (waits[LOAD] + waits[DUMP]) + rounds * waits[TILE]
    amounts[kind, stall] += cycles * units
    if tensor == OUTPUTS:
        amounts[HELD, stall] += outputs * waits[LOAD] * units


@helper
def place_inputs(search, new, level, moved):
    """Fill a node of inputs behind the last one.

    Parameters
    ----------
    moved : float
        Words of all its tiles.
    """
    problem, labels = search.problem, search.labels
    machine, row, amounts = problem.machine, labels.rows[new], labels.amounts[new]
    kind, extent = INPUTS_OPEN + 2 * row.nodes, problem.lattice.extents[row.box]
    if machine.rules[level - 1].forwards[INPUTS]:
        row.state |= MAY_FORWARD | UNMOVED
    by_word = machine.rules[level - 1].multicast == WORD_MULTICAST
    rows, columns = (
        window_extent(extent, machine.window, 0), window_extent(extent, machine.window, 1),
    )  # fmt: skip
    open_node(labels.nodes[new, row.nodes], rows, columns, by_word, moved)
    strips = labels.strips[new]
    if open_strip(problem.margins, problem, strips, row.nodes, level, row.box, rows, columns):
        row.state |= GENERATED
    row.nodes += 1
    for k in range(amounts.shape[1]):
        amounts[kind, k] = amounts[kind + 1, k] = 0.0


@helper
def place_node(search, source, stage, tensor):
    """The label with a node around it."""
    problem, labels = search.problem, search.labels
    machine, level, box = problem.machine, problem.stages[stage].level, labels.rows[source].box
    extent = problem.lattice.extents[box]
    made = made_with(problem, labels.rows[source], level, tensor)
    if made < 0:
        return -1
    words, cut = problem.words[tensor, box], 1.0
    if tensor == WEIGHTS and level <= machine.unit[DECODER]:
        cut = cut_share(machine.unit, extent[M], extent[C], extent[R], extent[S])
    group = int(machine.rooms[level, GROUP + tensor])
    is_whole = problem.unseen[OUTPUTS, box] == 1
    bits = bits_of(machine, labels.rows[source], level, tensor, is_whole)
    held = words_held(problem, labels.rows[source], tensor, box)
    used = labels.rows[source].used[group] + held * cut * bits
    # The slack is for rounding: bits may be fractions where indexes are coded.
    if used > machine.rooms[level, CAPACITY + group] * (1 + 1e-12):
        return -1
    new = copy_label(labels, source, PLACED_STEP + tensor)
    row, port, amounts = labels.rows[new], machine.ports[level, tensor, FILL], labels.amounts[new]
    row.made, row.used[group], row.near = made, used, loops_near(problem, level, row, tensor)
    if tensor == INPUTS:
        words = words_filled(problem.margins, level, box, words)
    costs, moved = machine.costs[level, tensor], words * problem.rounds[box]
    kind = WEIGHTS_OPEN
    if tensor == OUTPUTS:
        kind = OUTPUTS_OPEN
        row.state = row.state & ~AGAIN | OPEN_OUTPUTS | RETURNS
        amounts[HELD, 0] += problem.outputs * costs[FILL_PJ]
        amounts[HELD, port] += problem.outputs * costs[WRITE_CYCLES] * row.units * (port > 0)
        drain, reading = costs[DRAIN_PJ], machine.ports[level, tensor, READ]
        amounts[kind, 0] += moved * drain
        amounts[kind, reading] += moved * costs[DRAIN_CYCLES] * row.units * (reading > 0)
    elif tensor == WEIGHTS:
        row.state |= OPEN_WEIGHTS
        if machine.unit[DECODER] >= 0:
            for i in range(4):
                row.whole[i] = extent[SPANNED[i]] if size_of(machine.unit, i) > 1 else 1
    else:
        kind = INPUTS_OPEN + 2 * row.nodes
        place_inputs(search, new, level, moved)
    amounts[kind, 0] += moved * cut * costs[FILL_PJ]
    if port > 0:
        amounts[kind, port] += moved * cut * costs[WRITE_CYCLES] * row.units
    if machine.stall_account > 0:
        rounds = problem.rounds[box]
        if tensor == INPUTS and is_clipped(problem.margins, level):
            # Of tiles as large as the room for them.
            rounds = moved / max(held, 1.0)
        stand_still(
            machine, amounts, kind, level, tensor, moved * cut, rounds, problem.outputs, row.units
        )
    row.flight[tensor] = moved
    return new


@helper
def read_lookups(problem, amounts, level, units):
    """Lookups in a codebook that lies in a level are reads of it."""
    port = problem.machine.ports[level, WEIGHTS, READ]
    for account in (SPENT, WEIGHTS_OPEN):
        amounts[account, port] += amounts[account, problem.store_port] * units
        amounts[account, problem.store_port] = 0.0


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
    row.near, row.within = ANY_LOOP, -1
    if row.box + spread.tile + 1 == problem.rounds.shape[0]:
        row.loops = ANY_LOOP
    cross_weights(search, new, network, split, box, kept_inside, innermost and not kept & 1)
    cross_outputs(search, new, network, split, innermost and not kept & 4)
    cross_inputs(search, new, network, split, box, innermost and not kept & 2)
    tile = problem.lattice.extents[spread.tile]
    for i in range(row.nodes):
        for axis in range(2):
            labels.nodes[new, i].spread[axis] *= tile[P + axis] * tile[R + axis]
    row.made = problem.places[network].start
    row.units *= spread.children
    row.copies *= spread.children
    row.box = box + spread.tile
    row.leak += machine.cycles[network, LEAK_PJ] / row.units
    for i in range(3):
        row.used[i] = 0.0
    if machine.port_ends[network, 1] < machine.port_ends[network, 2]:
        enter_network(search, new, network)
    if network == machine.unit[DECODER]:
        look_up(search, new, not innermost or kept & 1 != 0)
    if network == machine.unit[STORE]:
        row.copies += machine.copy_pj
    if network == machine.unit[PORT] and problem.store_port > 0:
        read_lookups(problem, labels.amounts[new], network, row.units)
    for tensor in range(3):
        if kept >> tensor & 1:
            arrive(search, new, network, tensor)
    if row.nodes > 0:
        settle_inputs(search, new)
    settle(search, new, True)
    return new

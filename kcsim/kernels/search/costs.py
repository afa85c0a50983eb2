"""What a partial mapping, and all that may become of it, costs at least."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import loops_left, most_saved, spared_shares
from kcsim.kernels.search.comparing import add_label
from kcsim.kernels.search.inputs import least_of_node, share_of_slides
from kcsim.kernels.search.labels import (
    AGAIN,
    APART,
    FORWARDS,
    GENERATED,
    HELD,
    INPUTS_OPEN,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    RETURNS,
    SEEN,
    SPENT,
    WAITS,
    WEIGHTS_OPEN,
    next_loops,
    taken_off,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY,
    FILL,
    GROUP,
    MORE_CYCLES,
    OVERLAPPED,
    PORT,
    READ,
    READ_PJ,
    SHARED_CYCLES,
    SPARED_BITS,
    STORE,
    TRANSFER_PJ,
    UPDATE_PJ,
    VALUE_BITS,
)  # fmt: skip
from kcsim.kernels.search.mirror import comes_second, exchange_axes
from kcsim.kernels.search.padding import most_words
from kcsim.kernels.search.progress import CYCLES, ENERGY, ENERGY_DELAY, FOUND, FRONT, TOLERANCE
from kcsim.kernels.search.shares import more_shared


@helper
def least_lookup_cycles(problem, amounts):
    """The least cycles of lookups that instances of a level are still to read, however many."""
    if problem.store_port == 0 or problem.machine.unit[PORT] == problem.machine.rules.shape[0]:
        return 0.0
    most = problem.places[problem.machine.unit[PORT]].most_units
    return amounts[SPENT, problem.store_port] / most + problem.machine.start_cycles


@helper
def most_fixed_cycles(machine):
    """The most cycles of other parts of an account that a port waits for, however many units."""
    found = 0.0
    for level in range(machine.rules.shape[0]):
        found = max(found, machine.cycles[level, MORE_CYCLES])
    return found


@helper
def cycles_of(problem, amounts, copies, own_units, units, complete):
    """Cycles of a mapping, or the least of a partial one, but for `least_lookup_cycles`.

    Parameters
    ----------
    own_units, units : float
        MAC units in use so far, and of the whole mapping at most.
    """
    machine = problem.machine
    cycles = machine.macs * machine.cycles_per_mac / units
    stall = machine.stall_account
    if stall > 0:
        cycles += max(0.0, amounts[SPENT, stall] - taken_off(amounts[HELD, stall], copies)) / units
    for level in range(problem.places.shape[0] - 2, -1, -1):
        ends, moved, carried = machine.port_ends[level], 0.0, 0.0
        for port in range(ends[0], ends[2]):
            words = (amounts[SPENT, port] - taken_off(amounts[HELD, port], copies)) / units
            if machine.has_wide_sums:
                words -= amounts[amounts.shape[0] - 1, port] / units
            if complete and level == 0:
                if port == machine.ports[0, WEIGHTS, READ]:
                    words += machine.load_cycles
                if port == machine.ports[0, OUTPUTS, READ]:
                    words += machine.bias_cycles
            if (
                complete
                and level == machine.unit[STORE]
                and port == machine.ports[level, WEIGHTS, FILL]
            ):
                words += machine.copy_cycles
            if port < ends[1]:
                moved = max(moved, words)
            else:
                carried = max(carried, words)
        if machine.cycles[level, OVERLAPPED]:
            cycles = max(cycles, carried)
        else:
            cycles = max(cycles, carried) + moved
        moved += machine.cycles[level, MORE_CYCLES] + machine.cycles[level, SHARED_CYCLES] / units
        cycles = max(cycles, moved)
    if problem.store_port > 0:
        # All units inside of an instance of a level wait for the lookups there.
        inside = own_units if machine.unit[PORT] < machine.rules.shape[0] else 1.0
        cycles = max(cycles, amounts[SPENT, problem.store_port] * inside / units)
    return cycles + machine.start_cycles


@helper
def is_too_much(search, energy, cycles):
    """Whether what costs so much at least cannot be better than what has been found."""
    slack, objective = 1 - TOLERANCE, search.objective
    value = energy
    if objective == ENERGY_DELAY:
        value = energy * cycles
    elif objective == CYCLES:
        value = cycles
    if value > search.most:
        return True
    for i in range(search.labels.tally[FOUND]):
        known_energy, known_cycles = search.best[i, 0], search.best[i, 1]
        if objective == ENERGY_DELAY:
            if value >= known_energy * known_cycles * slack:
                return True
        elif objective == FRONT:
            if energy >= known_energy * slack and cycles >= known_cycles * slack:
                return True
        else:
            other, known, known_other = cycles, known_energy, known_cycles
            if objective == CYCLES:
                other, known, known_other = energy, known_cycles, known_energy
            if value > known * (1 + TOLERANCE):
                return True
            if value >= known * slack and other >= known_other * slack:
                return True
    return False


@helper
def value_of_best(search):
    """What a mapping's energy, or cycles, or both multiplied, must not be above to be the best.

    Those that are not above may be too much all the same. Of a front it is infinite.
    """
    value, objective = search.most, search.objective
    if search.labels.tally[FOUND] > 0 and objective != FRONT:
        energy = search.best[0, 0] if objective != CYCLES else 1.0
        cycles = search.best[0, 1] if objective != ENERGY else 1.0
        value = min(value, energy * cycles * (1 + TOLERANCE))
    return value


@helper
def add_parts(parts, shares, cost):
    """Parts of a cost, with those of another one; see `most_saved`."""
    return (
        parts[0] + shares[0] * cost, parts[1] + shares[1] * cost, parts[2] + shares[2] * cost,
        parts[3] + shares[3] * cost, parts[4] + shares[4] * cost,
    )  # fmt: skip


@helper
def open_parts(search, label, prices):
    """Energy of closing weights, outputs and inputs now, with what is in flight.

    Parameters
    ----------
    prices : float64[3]
        Of the words in flight, on their way outwards.

    Returns
    -------
    weights, outputs : float
    inputs : tuple of float
        See `most_saved`.
    flying : tuple of float
        The same for each unit of energy that a word of inputs in flight costs more.
    """
    problem, labels = search.problem, search.labels
    row, amounts = labels.rows[label], labels.amounts[label]
    weights = row.flight[WEIGHTS] * prices[WEIGHTS] + amounts[WEIGHTS_OPEN, 0]
    outputs = row.flight[OUTPUTS] * prices[OUTPUTS] + amounts[OUTPUTS_OPEN, 0]
    inputs, flying = (0.0, 0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0, 0.0)
    for i in range(row.nodes):
        node, strip = labels.nodes[label, i], labels.strips[label, i]
        for j in range(2):
            shares = (1.0, 0.0, 0.0, 0.0, 0.0)
            if not row.state & WAITS:
                shares = (
                    1.0,
                    1 - least_of_node(problem, node, strip, row.box, j, False),
                    1 - least_of_node(problem, node, strip, row.box, j, True),
                    share_of_slides(problem, node, strip, row.box, P, j),
                    share_of_slides(problem, node, strip, row.box, R, j),
                )
            inputs = add_parts(inputs, shares, amounts[INPUTS_OPEN + 2 * i + j, 0])
            if i + 1 == row.nodes and j == (node.below >= 0):
                flying = shares
    inputs = add_parts(inputs, flying, row.flight[INPUTS] * row.share * prices[INPUTS])
    return weights, outputs, inputs, flying


@helper
def close_cost(search, label, stage, shares, weights, outputs, inputs):
    """The least energy of closing all that a label has open.

    Parameters
    ----------
    stage : int
        What follows.
    shares : Spared
        Of the box that it follows in.
    weights, outputs, inputs : float, float, tuple of float
        See `open_parts`.
    """
    problem, row = search.problem, search.labels.rows[label]
    closed = weights + outputs + inputs[0]
    loops, _ = next_loops(problem, row, stage)
    if not (row.state & OPEN_WEIGHTS and loops & ~SEEN[WEIGHTS]):
        weights = 0.0
    if not (row.state & OPEN_OUTPUTS and loops & ~SEEN[OUTPUTS]):
        outputs = 0.0
    return closed - most_saved(shares, weights, outputs, inputs)


@helper
def arrival_pj(search, level, kept, tensor):
    """The least energy of a word that arrives at a level that keeps some tensors."""
    if not kept >> tensor & 1:
        return search.outward[level, tensor]
    return search.problem.machine.costs[level, tensor, UPDATE_PJ if tensor == OUTPUTS else READ_PJ]


@helper
def leave_cost(search, label, stage, parts):
    """The least energy of closing all, and of what is to come, where a level has all its tensors.

    Parameters
    ----------
    parts : tuple
        See `open_parts`.
    """
    problem, row, best = search.problem, search.labels.rows[label], np.inf
    weights, outputs, inputs, flying = parts
    level, more = problem.stages[stage].level - 1, search.prices
    shares = spared_shares(problem, row.box)
    for outer in range(problem.places[level].first_stage, problem.places[level].last_stage):
        for tensor in range(3):
            arrival = arrival_pj(search, level, problem.stages[outer].kept, tensor)
            more[tensor] = search.shares[level, tensor] * (arrival - search.inward[level, tensor])
            more[tensor] *= row.flight[tensor]
        closing = close_cost(
            search, label, stage, shares, weights + more[WEIGHTS], outputs + more[OUTPUTS],
            add_parts(inputs, flying, row.share * more[INPUTS]),
        )  # fmt: skip
        best = min(best, search.beyond[outer, row.box] + closing)
    return best


@helper
def sums_back(problem, sums, copies, price):
    """Partial sums that come back for so many that are sent, at the least cost.

    Parameters
    ----------
    sums : float
        The most that may be sent where one that comes back spares energy, else the least.
    copies : float
        Instances at most that hold the same output, of which each finds nothing the first time.
    """
    # Zeros may spare more than a read costs.
    return max(0.0, sums - problem.outputs * (copies if price >= 0 else 1.0))


@helper
def plain_cost(search, new, stage, copies):
    """The least energy that is still to come for a label."""
    problem, labels = search.problem, search.labels
    machine, row, level = problem.machine, labels.rows[new], problem.stages[stage].level
    amounts, box = labels.amounts[new], row.box
    held, energy = amounts[HELD, 0], 0.0
    here = problem.stages[stage]
    if here.placed & 4:
        # Every instance sends each of its outputs at least once.
        energy -= taken_off(held, min(copies, row.flight[OUTPUTS] / problem.outputs))
    elif here.kept & 4 and search.sent[level] > 0:
        energy -= max(0.0, held - problem.outputs * search.sent[level]) * copies
    else:
        energy -= taken_off(held, copies)
    energy += row.copies
    if machine.has_wide_sums:
        energy -= amounts[amounts.shape[0] - 1, 0] + problem.spared_pj[level]
    parts = open_parts(search, new, search.outward[level])
    if level > 0 and here.placed == here.kept and here.kept:
        energy += leave_cost(search, new, stage, parts)
    else:
        shares = spared_shares(problem, box)
        energy += search.rest[stage, box] + close_cost(search, new, stage, shares, *parts[:3])
    if level > 0:
        energy += more_shared(search, new, level)
    back_pj = search.outward[level, 3]
    if row.state & RETURNS and level > 0:
        back_pj += machine.costs[level - 1, OUTPUTS, TRANSFER_PJ]
    sums = row.flight[OUTPUTS]
    if row.state & OPEN_OUTPUTS and back_pj >= 0:
        sums /= problem.unseen[OUTPUTS, box]
    return energy + back_pj * sums_back(problem, sums, copies, back_pj)


@helper
def bits_of(machine, row, level, tensor, is_whole):
    """Bits of a value of a tensor that a label holds at a level.

    Parameters
    ----------
    is_whole : bool
        Whether no loop around a place there adds to outputs.
    """
    bits = machine.costs[level, tensor, VALUE_BITS]
    if tensor == OUTPUTS and is_whole and not row.state & (AGAIN | APART):
        bits -= machine.finished[level, SPARED_BITS]
    return bits


@helper
def words_held(problem, row, tensor, box):
    """Words of a tensor in a tile that a level would hold."""
    if tensor == INPUTS and row.state & GENERATED:
        return most_words(problem.margins, box, problem.words[tensor, box])
    return problem.words[tensor, box]


@helper
def may_go_on(problem, row, stage):
    """Whether a loop may follow, and whether tensors that are not placed yet fit here."""
    here, machine = problem.stages[stage], problem.machine
    loops, certain = next_loops(problem, row, stage)
    if not loops & loops_left(problem, row.box) and (certain or row.box + 1 < len(problem.rounds)):
        return False
    for group in range(3):
        used = row.used[group]
        for tensor in range(3):
            is_left = here.kept & ~here.placed & 1 << tensor != 0
            if is_left and machine.rooms[here.level, GROUP + tensor] == group:
                # The place may come once all loops are inside that add.
                bits = bits_of(machine, row, here.level, tensor, True)
                used += words_held(problem, row, tensor, row.box) * bits
        if used > machine.rooms[here.level, CAPACITY + group] * (1 + 1e-12):
            return False
    return True


@helper
def is_dead(search, row, stage):
    """Whether nothing that a user allows can become of a label."""
    return not search.problem.alive[row.made, row.box] or search.rest[stage, row.box] == np.inf


@helper
def keep_label(search, new, stage):
    """Keep the label behind the last one, if a mapping with it may be the best."""
    problem, labels = search.problem, search.labels
    if not may_go_on(problem, labels.rows[new], stage):
        return
    if problem.alive.shape[0] > 0 and is_dead(search, labels.rows[new], stage):
        return
    machine, row, level = problem.machine, labels.rows[new], problem.stages[stage].level
    amounts, place, box = labels.amounts[new], problem.places[level], row.box
    copies = min(place.most_copies, problem.unseen[OUTPUTS, box])
    energy = machine.mac_pj + amounts[SPENT, 0] - row.spare
    energy += plain_cost(search, new, stage, copies)
    units = row.units * min(place.most_units, problem.rounds[box])
    start = machine.start_cycles
    cycles = machine.macs * machine.cycles_per_mac / units + start
    if not row.state & FORWARDS:
        cycles = cycles_of(problem, amounts, copies, row.units, units, False)
    # Fewer instances leak less, but for longer, but for what a layer begins with.
    leaking = (cycles - start - most_fixed_cycles(machine)) * units + start * row.units
    cycles = max(cycles, search.least_cycles, least_lookup_cycles(problem, amounts))
    energy += row.leak * max(leaking, cycles * row.units)
    energy += cycles * machine.static_pj
    if is_too_much(search, energy, cycles):
        return
    row.least = energy
    if search.objective != ENERGY:
        row.least = cycles if search.objective == CYCLES else energy * cycles
    if problem.mirror.shape[0] > 0 and comes_second(problem, labels, new):
        exchange_axes(problem, labels, new)
    add_label(search, stage)

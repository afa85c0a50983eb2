"""What a partial mapping, and all that may become of it, costs at least."""

from __future__ import annotations

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import left, most_saved
from kcsim.kernels.search.inputs import STILL, least_of_node
from kcsim.kernels.search.labels import (
    FORWARDS,
    HELD,
    INPUTS_OPEN,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    OUTPUTS_OPEN,
    RETURNS,
    SPENT,
    WAITS,
    WEIGHTS_OPEN,
    add_label,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY,
    GROUP,
    OVERLAPPED,
    STORE,
    TRANSFER_PJ,
    VALUE_BITS,
)  # fmt: skip
from kcsim.kernels.search.progress import CYCLES, ENERGY, ENERGY_DELAY, FOUND, FRONT, TOLERANCE


@helper
def cycles_of(problem, amounts, copies, units, complete):
    """Cycles of a mapping, or the least of a partial one, with so many MAC units."""
    machine = problem.machine
    computing = machine.macs * machine.cycles_per_mac / units
    cycles = computing
    for level in range(problem.places.shape[0] - 1):
        place, moved = problem.places[level], 0.0
        for port in (place.read_port, place.write_port):
            if port > 0:
                words = (amounts[SPENT, port] - amounts[HELD, port] * copies) / units
                if port == place.read_port and level == 0 and complete:
                    words += machine.load_cycles
                if port == place.write_port and level == machine.unit[STORE] and complete:
                    words += machine.copy_cycles
                moved = max(moved, words)
        cycles = max(cycles, moved if machine.cycles[level, OVERLAPPED] else computing + moved)
    if problem.store_port > 0:
        cycles = max(cycles, amounts[SPENT, problem.store_port] / units)
    return cycles


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
def stay_cost(search, stage, tensor, box, cost, words):
    """The least energy of closing one tensor, and of what is to come in a stage.

    It is a concave function of the price of a word, of which some points are known.

    Parameters
    ----------
    cost, words : float
        Of closing the tensor now.
    """
    prices = search.stay_pj[search.problem.stages[stage].level, tensor]
    values, price = search.staying[stage, tensor], cost / words
    lower, lower_price = search.rest[stage, box], 0.0
    for i in range(prices.shape[0]):
        if price < prices[i]:
            share = (price - lower_price) / (prices[i] - lower_price)
            return lower * (1 - share) + values[i, box] * share
        lower, lower_price = values[i, box], prices[i]
    return lower


@helper
def open_parts(search, label, prices):
    """Energy of closing weights, outputs and inputs now, with what is in flight.

    Parameters
    ----------
    prices : float64[3]
        Of the words in flight, on their way outwards.

    Returns
    -------
    tuple of float
        Weights, outputs, inputs; what of inputs loops may spare, and what slides alone may; these
        shares of what flies.
    """
    problem, labels = search.problem, search.labels
    row, amounts = labels.rows[label], labels.amounts[label]
    weights = row.flight[WEIGHTS] * prices[WEIGHTS] + amounts[WEIGHTS_OPEN, 0]
    outputs = row.flight[OUTPUTS] * prices[OUTPUTS] + amounts[OUTPUTS_OPEN, 0]
    flying = row.flight[INPUTS] * row.share * prices[INPUTS]
    inputs, moving, sliding, flying_moves, flying_slides = flying, 0.0, 0.0, 0.0, 0.0
    for i in range(row.nodes):
        node = labels.nodes[label, i]
        for j in range(2):
            part = amounts[INPUTS_OPEN + 2 * i + j, 0]
            inputs += part
            moves = slides = 0.0
            if not row.state & WAITS:
                moves = 1 - least_of_node(problem, node, row.box, j, False)
                slides = 1 - least_of_node(problem, node, row.box, j, True)
            if i + 1 == row.nodes and j == (node.below >= 0):
                part += flying
                flying_moves, flying_slides = moves, slides
            moving += part * moves
            sliding += part * slides
    return weights, outputs, inputs, moving, sliding, flying_moves, flying_slides


@helper
def rest_cost(search, label, stage, box, weights, outputs, inputs, moving, sliding):
    """The least energy of closing all that a label has open, and of what is to come in a stage.

    Parameters
    ----------
    box : int
        Where the stage is.
    weights, outputs, inputs, moving, sliding : float
        See `open_parts`.
    """
    problem, row = search.problem, search.labels.rows[label]
    level, rest = problem.stages[stage].level, search.rest[stage, box]
    one, closed = row.state & (OPEN_WEIGHTS | OPEN_OUTPUTS), weights + outputs + inputs
    if search.stay_pj[level, 0, 0] > 0:
        if one in (OPEN_WEIGHTS, OPEN_OUTPUTS):
            tensor, cost, first = WEIGHTS, weights, P
            if one == OPEN_OUTPUTS:
                tensor, cost, first = OUTPUTS, outputs, R
            every, lines = left(problem, box, first)
            words = problem.words[tensor, box] * problem.rounds[box]
            staying = stay_cost(search, stage, tensor, box, cost, words)
            best = staying + closed - cost - min(sliding, inputs * (1 - 1 / lines))
            if row.nodes == 0:
                return best
            best = min(best, rest + cost / every + closed - cost - sliding)
            return min(best, rest + closed - moving)
        if one == 0 and row.nodes == 1 and not row.state & WAITS:
            node = search.labels.nodes[label, 0]
            if node.axis == STILL and not node.sliding:
                return closed - inputs + stay_cost(search, stage, INPUTS, box, inputs, node.words)
    return rest + closed - spared(search, label, box, weights, outputs, inputs, moving, sliding)


@helper
def spared(search, label, box, weights, outputs, inputs, moving, sliding):
    """The most that loops around a box can spare of what a label has open; see `open_parts`."""
    row = search.labels.rows[label]
    if not row.state & OPEN_WEIGHTS:
        weights = 0.0
    if not row.state & OPEN_OUTPUTS:
        outputs = 0.0
    if row.nodes == 0 or row.state & WAITS:
        inputs = 0.0
    return most_saved(search.problem, box, weights, outputs, inputs, moving, sliding)


@helper
def sums_back(problem, sums, least, copies, price):
    """Partial sums that come back for so many that are sent, at the least cost.

    Parameters
    ----------
    least : float
        By how much fewer may be sent.
    copies : float
        Instances at most that hold the same output, of which each finds nothing the first time.
    """
    if price < 0:
        # Zeros may spare more than a read costs.
        return max(0.0, sums - problem.outputs)
    return max(0.0, sums / least - problem.outputs * copies)


@helper
def least_shared(first, second, third, product):
    """The least of three costs of words, each times the share that is sent apart.

    Shares are 1 at most, and their product is bounded: a loop over children is shared by one
    tensor alone, but where windows overlap.
    """
    apart = 0.0
    for _ in range(4):
        count, costs = 0, 1.0
        for cost in (first, second, third):
            if cost > 0:
                count += 1
                costs *= cost
        if count == 0:
            return apart
        each = (product * costs) ** (1.0 / count)
        # What is cheaper than that is not shared at all.
        if not (0 < first < each or 0 < second < each or 0 < third < each):
            return apart + count * each
        if 0 < first < each:
            apart, first = apart + first, 0.0
        if 0 < second < each:
            apart, second = apart + second, 0.0
        if 0 < third < each:
            apart, third = apart + third, 0.0
    return apart


@helper
def more_shared(search, label, level):
    """What words in flight cost more than if each were shared as well as any can be."""
    problem, labels = search.problem, search.labels
    row, inward = labels.rows[label], search.inward[level - 1]
    weights, inputs, outputs = row.flight[WEIGHTS], row.flight[INPUTS], row.flight[OUTPUTS]
    inputs *= row.share
    if row.state & OPEN_WEIGHTS:
        weights /= problem.unseen[WEIGHTS, row.box]
    if row.state & OPEN_OUTPUTS:
        outputs /= problem.unseen[OUTPUTS, row.box]
    if row.nodes > 0:
        inputs /= problem.unseen[INPUTS, row.box]
    weights, inputs, outputs = weights * inward[0], inputs * inward[1], outputs * inward[2]
    least = search.shares[level - 1]
    apart = weights * least[0] + inputs * least[1] + outputs * least[2]
    return max(0.0, least_shared(weights, inputs, outputs, least[3]) - apart)


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
        energy -= held * (min(copies, row.flight[OUTPUTS] / problem.outputs) if held > 0 else 1.0)
    elif here.kept & 4 and search.sent[level] > 0:
        energy -= max(0.0, held - problem.outputs * search.sent[level]) * copies
    else:
        energy -= held * (copies if held > 0 else 1.0)
    energy += row.copies
    weights, outputs, inputs, moving, sliding, _, _ = open_parts(search, new, search.outward[level])
    energy += rest_cost(search, new, stage, box, weights, outputs, inputs, moving, sliding)
    if level > 0:
        energy += more_shared(search, new, level)
    back_pj = search.outward[level, 3]
    if row.state & RETURNS and level > 0:
        back_pj += machine.costs[level - 1, OUTPUTS, TRANSFER_PJ]
    is_open = row.state & OPEN_OUTPUTS != 0
    least = problem.unseen[OUTPUTS, box] if is_open else 1.0
    returning = sums_back(problem, row.flight[OUTPUTS], least, copies, back_pj)
    energy += returning * back_pj
    return energy


@helper
def has_room(problem, row, stage):
    """Whether a level has room for the tensors that are not placed yet, all right here."""
    here, machine = problem.stages[stage], problem.machine
    for group in range(3):
        used = row.used[group]
        for tensor in range(3):
            is_left = here.kept & ~here.placed & 1 << tensor != 0
            if is_left and machine.rooms[here.level, GROUP + tensor] == group:
                bits = machine.costs[here.level, tensor, VALUE_BITS]
                used += problem.words[tensor, row.box] * bits
        if used > machine.rooms[here.level, CAPACITY + group] * (1 + 1e-12):
            return False
    return True


@helper
def keep_label(search, new, stage):
    """Keep the label behind the last one, if a mapping with it may be the best."""
    problem, labels = search.problem, search.labels
    if not has_room(problem, labels.rows[new], stage):
        return
    machine, row, level = problem.machine, labels.rows[new], problem.stages[stage].level
    amounts, place, box = labels.amounts[new], problem.places[level], row.box
    copies = min(place.most_copies, problem.unseen[OUTPUTS, box])
    energy = machine.mac_pj + amounts[SPENT, 0] - row.spare
    energy += plain_cost(search, new, stage, copies)
    units = row.units * min(place.most_units, problem.rounds[box])
    cycles = machine.macs * machine.cycles_per_mac / units
    if not row.state & FORWARDS:
        cycles = cycles_of(problem, amounts, copies, units, False)
    # Fewer instances leak less, but for longer.
    energy += row.leak * max(cycles * units, search.least_cycles * row.units)
    cycles = max(cycles, search.least_cycles)
    energy += cycles * machine.static_pj
    if is_too_much(search, energy, cycles):
        return
    row.least = energy
    if search.objective != ENERGY:
        row.least = cycles if search.objective == CYCLES else energy * cycles
    add_label(search, stage)

"""The best mapping of a layer, as the cheapest way from the MAC units to the whole layer.

A partial mapping grows outwards by a loop over a prime factor, a node, or a spread over the
children of the next level. Labels of one stage and box of which another is no worse in all are
dropped, and so are those that cost too much, with the least that is still to come.
"""

from __future__ import annotations

import numpy as np

from kcsim.kernels.compilation import kernel
from kcsim.kernels.layout import INDEXES, INPUTS, OUTPUTS, WEIGHTS, P, R
from kcsim.kernels.nest import helper
from kcsim.kernels.reference import refer
from kcsim.kernels.search.bounds import left, most_saved
from kcsim.kernels.search.growth import (
    PLACED_STEP, SPREAD_STEP, commit, loop_over, place_node, spend_open, spread_over,
)  # fmt: skip
from kcsim.kernels.search.inputs import STILL, least_of_node
from kcsim.kernels.search.labels import (
    HELD, INPUTS_OPEN, OPEN_OUTPUTS, OPEN_WEIGHTS, OUTPUTS_OPEN, RETURNS, SPENT, WAITS,
    WEIGHTS_OPEN, add_label,
)  # fmt: skip
from kcsim.kernels.search.machine import (
    CAPACITY, GROUP, LEAK_PJ, OVERLAPPED, STORE, TRANSFER_PJ, VALUE_BITS,
)  # fmt: skip
from kcsim.kernels.search.tilings import DIMENSION

ENERGY, CYCLES, ENERGY_DELAY, FRONT = range(4)
(
    COUNT, STAGE, BOX, LABEL_AT, FOUND, STEPS, CROSSED, FORGOTTEN, WAYS_OF, BUNDLES,
    FINISHED,
) = range(11)  # fmt: skip
"""Columns of the tally: labels; where the search stands (3); points found; labels that grew;
spreads that were tried; whether a label was kept that is not exact; for what the ways to spread are
listed, and in how many bundles; whole mappings."""
DONE, PAUSED, FULL = range(3)
TOLERANCE = 1e-9


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
    flying = row.flight[INPUTS] * prices[INPUTS]
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
        if one == OPEN_WEIGHTS or one == OPEN_OUTPUTS:
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
            if here.kept & ~here.placed & 1 << tensor:
                if machine.rooms[here.level, GROUP + tensor] == group:
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
    copies, held = min(place.most_copies, problem.unseen[OUTPUTS, box]), amounts[HELD, 0]
    energy = machine.mac_pj + amounts[SPENT, 0]
    energy += plain_cost(search, new, stage, copies)
    units = row.units * min(place.most_units, problem.rounds[box])
    cycles = cycles_of(problem, amounts, copies, units, False)
    # Fewer instances leak less, but for longer.
    energy += row.leak * max(cycles * units, search.least_cycles * row.units)
    cycles = max(cycles, search.least_cycles)
    energy += cycles * machine.static_pj
    if is_too_much(search, energy, cycles):
        return
    row.least = energy
    if search.objective != 0:
        row.least = cycles if search.objective == CYCLES else energy * cycles
    add_label(search, stage)


@helper
def finish(search, new):
    """Take a whole mapping, if it is better than what has been found."""
    problem, labels = search.problem, search.labels
    machine, row, amounts = problem.machine, labels.rows[new], labels.amounts[new]
    labels.tally[FINISHED] += 1
    for kind in range(WEIGHTS_OPEN, amounts.shape[0]):
        if kind < INPUTS_OPEN + 2 * row.nodes:
            spend_open(labels, new, kind)
    cycles = cycles_of(problem, amounts, 1.0, row.units, True)
    energy = machine.mac_pj + amounts[SPENT, 0] - amounts[HELD, 0] + row.copies
    energy += cycles * (machine.static_pj + row.leak * row.units)
    if is_too_much(search, energy, cycles):
        return
    kept = 0
    if search.objective == FRONT:
        for i in range(labels.tally[FOUND]):
            slack = 1 - TOLERANCE
            if search.best[i, 0] < energy * slack or search.best[i, 1] < cycles * slack:
                for column in range(2):
                    search.best[kept, column] = search.best[i, column]
                search.found[kept] = search.found[i]
                kept += 1
    if kept < search.found.shape[0]:
        search.best[kept, 0], search.best[kept, 1] = energy, cycles
        search.found[kept] = new
        labels.tally[FOUND] = kept + 1
        labels.tally[COUNT] = new + 1


@helper
def sees(problem, tensor, dimension):
    """Whether a loop replaces the whole tile of a tensor, whatever else it does."""
    if not INDEXES[tensor, dimension]:
        return False
    if tensor == INPUTS and dimension >= P:
        return not problem.slides[(dimension - P) % 2]
    return True


@helper
def may_follow(problem, labels, label, dimension):
    """Whether a loop may stand right outside of the nodes placed last.

    A node that does not see the loop could stand outside of it as well, at no cost. One whose tile
    is replaced by it could also stand inside of the loop right within, if that replaces it too.
    """
    inner = label
    while PLACED_STEP <= labels.rows[inner].step < SPREAD_STEP:
        inner = labels.rows[inner].parent
    within = -1
    if 0 <= labels.rows[inner].step < PLACED_STEP:
        within = problem.lattice.digits[labels.rows[inner].step, DIMENSION]
    at = label
    while at != inner:
        tensor = labels.rows[at].step - PLACED_STEP
        if not INDEXES[tensor, dimension]:
            return False
        if within >= 0 and sees(problem, tensor, dimension) and sees(problem, tensor, within):
            if tensor != WEIGHTS or problem.whole_units:
                return False
        at = labels.rows[at].parent
    return True


@helper
def list_ways(search, network, box):
    """Fill the ways to spread what is left of the layer around a box; how many bundles there are."""
    problem, ways, bundles, count = search.problem, search.ways, search.bundles, 0
    lattice, place, entry = problem.lattice, problem.places[network], search.entry[network]
    whole, bundled, last = problem.rounds.shape[0] - 1, 0, -1
    rest = lattice.exponents[whole - box] | lattice.spare
    for split in range(place.first_split, place.last_split):
        spread = problem.splits[split]
        after = box + spread.tile
        if after > whole or entry[after] == np.inf:
            continue
        if (rest - lattice.exponents[spread.tile]) & lattice.spare != lattice.spare:
            continue
        way = ways[count]
        way.split, way.box, way.rest = split, after, entry[after]
        for tensor in range(3):
            way.shares[tensor] = spread.shares[tensor] * search.inward[network, tensor]
        way.back = spread.shares[OUTPUTS] * search.inward[network, 3]
        way.copies = spread.copies * min(place.most_copies, problem.unseen[OUTPUTS, after])
        way.units = spread.children * place.most_units
        if spread.bundle != last:
            last = spread.bundle
            bundles[bundled] = way
            bundles[bundled].split = count
            bundled += 1
        count += 1
        bundle = bundles[bundled - 1]
        bundle.box, bundle.rest = count, min(bundle.rest, way.rest)
        for tensor in range(3):
            bundle.shares[tensor] = min(bundle.shares[tensor], way.shares[tensor])
        bundle.back = min(bundle.back, way.back)
        bundle.copies = max(bundle.copies, way.copies)
        bundle.units = max(bundle.units, way.units)
    return bundled


@helper
def spread_all(search, label, network, kept_inside):
    """Spread a label over the children of a level in all ways."""
    problem, row, tally = search.problem, search.labels.rows[label], search.labels.tally
    machine, box = problem.machine, row.box
    if tally[WAYS_OF] != box * problem.places.shape[0] + network:
        tally[WAYS_OF] = box * problem.places.shape[0] + network
        tally[BUNDLES] = list_ways(search, network, box)
    prices = search.prices
    for tensor in range(3):
        prices[tensor] = machine.costs[network, tensor, TRANSFER_PJ]
        if network + 2 == problem.places.shape[0]:
            prices[tensor] = min(prices[tensor], problem.bare_pj[tensor])
    parts = open_parts(search, label, prices)
    weights, outputs, inputs, moving, sliding, _, _ = parts
    closing = weights + outputs + inputs
    closing -= spared(search, label, box, weights, outputs, inputs, moving, sliding)
    back_pj = prices[OUTPUTS] if row.state & RETURNS else 0.0
    for i in range(tally[BUNDLES]):
        bundle = search.bundles[i]
        tally[CROSSED] += 1
        if not may_spread(search, label, bundle, closing, back_pj):
            continue
        for j in range(bundle.split, bundle.box):
            tally[CROSSED] += 1
            if may_spread(search, label, search.ways[j], closing, back_pj):
                spread_one(search, label, network, j, kept_inside, parts, back_pj)


@helper
def cost_around(search, label, way, back_pj):
    """The least energy with a way to spread, but for closing what is open and what is to come.

    Parameters
    ----------
    back_pj : float
        Of a partial sum that comes back, on the network.

    Returns
    -------
    tuple of float
        Energy, and cycles at least.
    """
    problem, labels = search.problem, search.labels
    machine, row = problem.machine, labels.rows[label]
    held, energy = labels.amounts[label, HELD, 0], labels.amounts[label, SPENT, 0]
    fewer = problem.unseen[OUTPUTS, row.box] if row.state & OPEN_OUTPUTS else 1.0
    price = back_pj + way.back
    energy += machine.mac_pj + row.copies - held * (way.copies if held > 0 else 1.0)
    energy += price * sums_back(problem, row.flight[OUTPUTS], fewer, way.copies, price)
    cycles = machine.macs * machine.cycles_per_mac / (row.units * way.units)
    cycles = max(cycles, search.least_cycles)
    return energy + cycles * machine.static_pj, cycles


@helper
def may_spread(search, label, way, closing, back_pj):
    """Whether a mapping may be the best in which a label is spread in a way, or in a bundle.

    Parameters
    ----------
    closing : float
        The least energy of closing what is open, on the way outwards.
    """
    problem, row = search.problem, search.labels.rows[label]
    energy, cycles = cost_around(search, label, way, back_pj)
    weights, inputs, outputs = (
        row.flight[WEIGHTS] * way.shares[WEIGHTS], row.flight[INPUTS] * way.shares[INPUTS],
        row.flight[OUTPUTS] * way.shares[OUTPUTS],
    )  # fmt: skip
    if row.state & OPEN_WEIGHTS:
        weights /= problem.unseen[WEIGHTS, row.box]
    if row.state & OPEN_OUTPUTS:
        outputs /= problem.unseen[OUTPUTS, row.box]
    if row.nodes > 0:
        inputs /= problem.unseen[INPUTS, row.box]
    return not is_too_much(search, energy + closing + way.rest + weights + inputs + outputs, cycles)


@helper
def spread_one(search, label, network, number, kept_inside, parts, back_pj):
    """Spread a label in one way, for all that the level then may keep.

    Parameters
    ----------
    number : int
        The way.
    parts : tuple of float
        See `open_parts`.
    """
    way, row, place = search.ways[number], search.labels.rows[label], search.problem.places[network]
    energy, cycles = cost_around(search, label, way, back_pj)
    weights, outputs, inputs, moving, sliding, moves, slides = parts
    weights += row.flight[WEIGHTS] * way.shares[WEIGHTS]
    outputs += row.flight[OUTPUTS] * way.shares[OUTPUTS]
    sent = row.flight[INPUTS] * way.shares[INPUTS]
    for stage in range(place.first_stage, place.last_stage):
        rest = rest_cost(
            search, label, stage, way.box, weights, outputs, inputs + sent,
            moving + sent * moves, sliding + sent * slides,
        )  # fmt: skip
        if not is_too_much(search, energy + rest, cycles):
            new = spread_over(search, label, network, way.split, kept_inside, stage)
            keep_label(search, new, stage)


@helper
def grow(search, label, stage):
    """Keep all labels that follow from one."""
    problem, labels = search.problem, search.labels
    here, step = problem.stages[stage], labels.rows[label].step
    if here.level == 0 and labels.rows[label].box + 1 == problem.rounds.shape[0]:
        finish(search, copy_final(labels, label))
        return
    for tensor in range(3):
        after = here.after[tensor]
        if after < 0 or (PLACED_STEP <= step < SPREAD_STEP and step - PLACED_STEP > tensor):
            continue
        new = place_node(search, label, stage, tensor)
        if new >= 0:
            keep_label(search, new, after)
    if here.loops:
        for factor in range(problem.lattice.digits.shape[0]):
            if may_follow(problem, labels, label, problem.lattice.digits[factor, DIMENSION]):
                new = loop_over(search, label, stage, factor)
                if new >= 0:
                    keep_label(search, new, stage)
    if here.kept == here.placed and here.level > 0:
        for choice in range(3):
            new = commit(search, label, choice)
            if new >= 0:
                count = labels.tally[COUNT]
                spread_all(search, new, here.level - 1, here.kept)
                if labels.tally[COUNT] == count:
                    labels.tally[COUNT] = new


@helper
def copy_final(labels, label):
    """The label, copied behind the last one."""
    new = labels.tally[COUNT]
    labels.rows[new] = labels.rows[label]
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[new, kind, k] = labels.amounts[label, kind, k]
    return new


@helper
def begin(search):
    """Fill the first label: nothing but a MAC unit."""
    problem, labels = search.problem, search.labels
    row, levels = labels.rows[0], problem.places.shape[0] - 1
    row.parent, row.step, row.next, row.box, row.state, row.nodes = -1, -1, -1, 0, 0, 0
    row.units, row.copies = 1.0, 0.0
    row.leak = problem.machine.cycles[levels, LEAK_PJ]
    for i in range(3):
        row.flight[i], row.used[i] = problem.machine.macs, 0.0
    for i in range(4):
        row.whole[i] = 1
    for kind in range(labels.amounts.shape[1]):
        for k in range(labels.amounts.shape[2]):
            labels.amounts[0, kind, k] = 0.0
    labels.tally[COUNT] = 1
    labels.tally[LABEL_AT] = labels.tally[WAYS_OF] = -1


@kernel
def search_on(search, steps):
    """Begin a search, or go on with it for some steps.

    Nothing comes first: a MAC unit, spread below the innermost level in all ways.

    Returns
    -------
    int
        `DONE`, `PAUSED` after the steps, or `FULL`: more room is needed.
    """
    search = refer(search)
    problem, labels = search.problem, search.labels
    tally, tiles = labels.tally, problem.rounds.shape[0]
    if tally[COUNT] == 0:
        begin(search)
        spread_all(search, 0, problem.places.shape[0] - 2, 0)
    choices = 1
    for place in problem.places:
        choices = max(choices, place.last_stage - place.first_stage)
    room = 64 + 3 * choices * problem.splits.shape[0]
    until = tally[CROSSED] + 10 * tally[STEPS] + steps
    while tally[STAGE] < problem.stages.shape[0]:
        while tally[BOX] < tiles:
            if tally[LABEL_AT] < 0:
                tally[LABEL_AT] = labels.heads[tally[STAGE], tally[BOX]]
            while tally[LABEL_AT] >= 0:
                if tally[COUNT] + room > labels.rows.shape[0]:
                    return FULL
                if tally[CROSSED] + 10 * tally[STEPS] >= until:
                    return PAUSED
                label = tally[LABEL_AT]
                grow(search, label, tally[STAGE])
                tally[STEPS] += 1
                tally[LABEL_AT] = labels.rows[label].next
            tally[BOX] += 1
        tally[BOX] = 0
        tally[STAGE] += 1
    return DONE

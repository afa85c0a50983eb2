"""The ways to spread what is left of a layer over the children of a level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import most_saved, spared_shares
from kcsim.kernels.search.costs import (
    add_parts,
    arrival_pj,
    close_cost,
    is_too_much,
    keep_label,
    open_parts,
    value_of_best,
)  # fmt: skip
from kcsim.kernels.search.growth import spread_over
from kcsim.kernels.search.labels import (
    HELD,
    OPEN_OUTPUTS,
    OPEN_WEIGHTS,
    RETURNS,
    SPENT,
    taken_off,
)  # fmt: skip
from kcsim.kernels.search.machine import TRANSFER_PJ
from kcsim.kernels.search.progress import CROSSED, CYCLES, ENERGY_DELAY, WAYS_OF
from kcsim.kernels.search.shares import most_shrinking


@helper
def begin_ways(search, network, box):
    """Begin to look at the ways to spread what is left of the layer around a box."""
    ways, place = search.ways, search.problem.places[network]
    first, last = ways.of_level[network]
    for i in range(first, last):
        ways.listed[i] = False
        for choice in range(place.last_stage - place.first_stage):
            ways.bundled.rest[choice, i] = search.beyond[place.first_stage + choice, box]


@helper
def list_ways(search, network, box, bundle):
    """Find what is to come with each way of a bundle."""
    problem, ways, place = search.problem, search.ways, search.problem.places[network]
    lattice, entry, whole = problem.lattice, search.entry[network], problem.rounds.shape[0] - 1
    left = lattice.exponents[whole - box] | lattice.spare
    ways.listed[bundle] = True
    for choice in range(place.last_stage - place.first_stage):
        rest, least = search.rest[place.first_stage + choice], np.inf
        for i in range(ways.first[bundle], ways.first[bundle + 1]):
            after, found = box + ways.tiles[i], np.inf
            fits = (left - ways.exponents[i]) & lattice.spare == lattice.spare
            if fits and after <= whole and entry[after] < np.inf:
                found = rest[after]
            ways.each.rest[choice, i] = found
            least = min(least, found)
        ways.bundled.rest[choice, bundle] = least


class Leaving(NamedTuple):
    """What a label costs at least on its way outwards, however it is spread.

    Attributes
    ----------
    energy : float
        But for what is to come, and for:
    held : float
        What each further instance with the same outputs takes off again.
    copies : float
        Such instances at most.
    back_pj, apart_pj : float
        Of a partial sum that comes back, on the network, and of one that the level sends apart.
    sums, outputs : float
        Partial sums that are sent, at most and at least.
    unit_cycles : float
        Cycles, times the children in use.
    weights_pj, inputs_pj, outputs_pj : float
        Of words that the level sends, if it sends all apart.
    closing : float
        Energy of closing what is open, which is part of `energy`.
    """

    energy: float
    held: float
    copies: float
    back_pj: float
    apart_pj: float
    sums: float
    outputs: float
    unit_cycles: float
    weights_pj: float
    inputs_pj: float
    outputs_pj: float
    closing: float


@helper
def leave_network(search, label, network, choice, back_pj, closing):
    """The `Leaving` of a label, for one choice of what the level then keeps."""
    problem, labels = search.problem, search.labels
    machine, row, place = problem.machine, labels.rows[label], problem.places[network]
    kept = problem.stages[place.first_stage + choice].kept
    energy = machine.mac_pj + row.copies + labels.amounts[label, SPENT, 0] - row.spare + closing
    if machine.has_wide_sums:
        last = labels.amounts.shape[1] - 1
        energy -= labels.amounts[label, last, 0] + problem.spared_pj[network + 1]
    weights, inputs, outputs = row.flight[WEIGHTS], row.flight[INPUTS], row.flight[OUTPUTS]
    if row.state & OPEN_WEIGHTS:
        weights /= problem.unseen[WEIGHTS, row.box]
    if row.state & OPEN_OUTPUTS:
        outputs /= problem.unseen[OUTPUTS, row.box]
    if row.nodes > 0:
        inputs /= most_shrinking(problem.margins, search, label)
    return Leaving(
        energy, labels.amounts[label, HELD, 0], problem.unseen[OUTPUTS, row.box], back_pj,
        search.inward[network, 3], row.flight[OUTPUTS], outputs,
        machine.macs * machine.cycles_per_mac / row.units / place.most_units,
        weights * arrival_pj(search, network, kept, WEIGHTS),
        inputs * row.share * arrival_pj(search, network, kept, INPUTS),
        outputs * arrival_pj(search, network, kept, OUTPUTS), closing,
    )  # fmt: skip


@helper
def cost_around(search, leaving, spreads, first, last, rest):
    """Fill the energy and the cycles at least of a label in some ways, or bundles.

    Parameters
    ----------
    spreads : Spreads
    first, last : int
    rest : float64[ways]
        What is to come outside.
    """
    least_cycles, static_pj = search.least_cycles, search.problem.machine.static_pj
    outputs, objective = search.problem.outputs, search.objective
    weights, inputs = spreads.shares[WEIGHTS, first:last], spreads.shares[INPUTS, first:last]
    sent, copies = spreads.shares[OUTPUTS, first:last], spreads.copies[first:last]
    units, outside = spreads.units[first:last], rest[first:last]
    energies, cycles = spreads.energy[first:last], spreads.cycles[first:last]
    values = spreads.value[first:last]
    for i in range(last - first):
        price, alike = leaving.back_pj + sent[i] * leaving.apart_pj, min(copies[i], leaving.copies)
        sums = leaving.sums if price < 0 else leaving.outputs
        sums = max(0.0, sums - outputs * (1.0 if price < 0 else alike))
        energy = leaving.energy - taken_off(leaving.held, alike)
        energy += price * sums + leaving.weights_pj * weights[i] + leaving.inputs_pj * inputs[i]
        time = max(leaving.unit_cycles / units[i], least_cycles)
        energy += leaving.outputs_pj * sent[i] + outside[i] + time * static_pj
        energies[i], cycles[i] = energy, time
        value = energy if objective != CYCLES else 1.0
        values[i] = value * (time if objective in (CYCLES, ENERGY_DELAY) else 1.0)


@helper
def may_win(search, spreads, number, rest, most):
    """Whether a mapping may be the best in which a label is spread in a way, or in a bundle.

    Parameters
    ----------
    rest : float
        What is to come outside; infinite where the way does not fit.
    most : float
        See `value_of_best`.
    """
    if rest == np.inf or spreads.value[number] > most:
        return False
    return not is_too_much(search, spreads.energy[number], spreads.cycles[number])


@helper
def spread_all(search, label, network, kept_inside):
    """Spread a label over the children of a level in all ways."""
    problem, row, tally = search.problem, search.labels.rows[label], search.labels.tally
    machine, box, place, ways = problem.machine, row.box, problem.places[network], search.ways
    if tally[WAYS_OF] != box * problem.places.shape[0] + network:
        tally[WAYS_OF] = box * problem.places.shape[0] + network
        begin_ways(search, network, box)
    prices = search.prices
    for tensor in range(3):
        prices[tensor] = machine.costs[network, tensor, TRANSFER_PJ]
        if network + 2 == problem.places.shape[0]:
            prices[tensor] = min(prices[tensor], problem.bare_pj[tensor])
    parts = open_parts(search, label, prices)
    weights, outputs, inputs, _ = parts
    closing = weights + outputs + inputs[0] - most_saved(
        spared_shares(problem, box), weights if row.state & OPEN_WEIGHTS else 0.0,
        outputs if row.state & OPEN_OUTPUTS else 0.0, inputs,
    )  # fmt: skip
    back_pj = prices[OUTPUTS] if row.state & RETURNS else 0.0
    first, last = ways.of_level[network]
    most = value_of_best(search)
    for choice in range(place.last_stage - place.first_stage):
        leaving = leave_network(search, label, network, choice, back_pj, closing)
        rest, outside = ways.bundled.rest[choice], ways.each.rest[choice]
        cost_around(search, leaving, ways.bundled, first, last, rest)
        tally[CROSSED] += last - first
        for i in range(first, last):
            if not may_win(search, ways.bundled, i, rest[i], most):
                continue
            if not ways.listed[i]:
                ways.bundled.energy[i] -= rest[i]
                list_ways(search, network, box, i)
                ways.bundled.energy[i] += rest[i]
                if not may_win(search, ways.bundled, i, rest[i], most):
                    continue
            cost_around(search, leaving, ways.each, ways.first[i], ways.first[i + 1], outside)
            tally[CROSSED] += ways.first[i + 1] - ways.first[i]
            for j in range(ways.first[i], ways.first[i + 1]):
                if may_win(search, ways.each, j, outside[j], most):
                    spread_one(search, label, network, choice, j, kept_inside, parts, leaving)


@helper
def spread_one(search, label, network, choice, way, kept_inside, parts, leaving):
    """Spread a label in one way, for one choice of what the level then keeps.

    Parameters
    ----------
    parts : tuple
        See `open_parts`.
    leaving : Leaving
    """
    problem, row, ways = search.problem, search.labels.rows[label], search.ways
    stage, shares = problem.places[network].first_stage + choice, ways.each.shares
    kept, sent = problem.stages[stage].kept, search.prices
    energy = ways.each.energy[way] - leaving.closing - leaving.weights_pj * shares[WEIGHTS, way]
    energy -= leaving.inputs_pj * shares[INPUTS, way] + leaving.outputs_pj * shares[OUTPUTS, way]
    for tensor in range(3):
        arriving = row.flight[tensor] * arrival_pj(search, network, kept, tensor)
        sent[tensor] = shares[tensor, way] * arriving
    weights, outputs, inputs, flying = parts
    energy += close_cost(
        search, label, stage, spared_shares(problem, row.box + ways.tiles[way]),
        weights + sent[WEIGHTS], outputs + sent[OUTPUTS],
        add_parts(inputs, flying, row.share * sent[INPUTS]),
    )  # fmt: skip
    if not is_too_much(search, energy, ways.each.cycles[way]):
        new = spread_over(search, label, network, way, kept_inside, stage)
        keep_label(search, new, stage)

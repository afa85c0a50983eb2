"""The ways to spread what is left of a layer over the children of a level."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kcsim.kernels.layout import INPUTS, OUTPUTS, WEIGHTS
from kcsim.kernels.nest import helper
from kcsim.kernels.search.bounds import most_saved
from kcsim.kernels.search.costs import (
    add_parts,
    arrival_pj,
    close_cost,
    is_too_much,
    keep_label,
    open_parts,
    sums_back,
)  # fmt: skip
from kcsim.kernels.search.growth import spread_over
from kcsim.kernels.search.labels import HELD, OPEN_OUTPUTS, OPEN_WEIGHTS, RETURNS, SPENT
from kcsim.kernels.search.machine import TRANSFER_PJ
from kcsim.kernels.search.progress import BUNDLES, CROSSED, WAYS_OF
from kcsim.kernels.search.shares import most_shrinking


@helper
def list_ways(search, network, box):
    """Fill the ways to spread what is left of the layer around a box; returns their bundles."""
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


class Leaving(NamedTuple):
    """What a label costs at least on its way outwards, however it is spread.

    Attributes
    ----------
    energy : float
        But for closing what is open, for what is to come, and for:
    held : float
        What each further instance with the same outputs takes off again.
    back_pj, sums : float
        Of a partial sum that comes back, on the network; how many are sent.
    unit_cycles : float
        Cycles, times the children in use.
    weights, inputs, outputs : float
        Words that are sent.
    """

    energy: float
    held: float
    back_pj: float
    sums: float
    unit_cycles: float
    weights: float
    inputs: float
    outputs: float


@helper
def leave_network(search, label, network, back_pj):
    """The `Leaving` of a label."""
    problem, labels = search.problem, search.labels
    machine, row = problem.machine, labels.rows[label]
    energy = machine.mac_pj + row.copies + labels.amounts[label, SPENT, 0] - row.spare
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
        energy, labels.amounts[label, HELD, 0], back_pj, row.flight[OUTPUTS],
        machine.macs * machine.cycles_per_mac / row.units, weights, inputs * row.share, outputs,
    )  # fmt: skip


@helper
def cost_around(search, leaving, way):
    """The least energy with a way to spread, but for closing what is open and what is to come.

    Returns
    -------
    tuple of float
        Energy, and cycles at least.
    """
    problem = search.problem
    price = leaving.back_pj + way.back
    sums = leaving.sums if price < 0 else leaving.outputs
    held = leaving.held * (way.copies if leaving.held > 0 else 1.0)
    energy = leaving.energy - held + price * sums_back(problem, sums, way.copies, price)
    cycles = max(leaving.unit_cycles / way.units, search.least_cycles)
    return energy + cycles * problem.machine.static_pj, cycles


@helper
def may_spread(search, leaving, way, closing):
    """Whether a mapping may be the best in which a label is spread in a way, or in a bundle.

    Parameters
    ----------
    closing : float
        The least energy of closing what is open, on the way outwards.
    """
    energy, cycles = cost_around(search, leaving, way)
    sent = leaving.weights * way.shares[WEIGHTS] + leaving.inputs * way.shares[INPUTS]
    sent += leaving.outputs * way.shares[OUTPUTS]
    return not is_too_much(search, energy + closing + way.rest + sent, cycles)


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
    weights, outputs, inputs, _ = parts
    closing = weights + outputs + inputs[0] - most_saved(
        problem, box, weights if row.state & OPEN_WEIGHTS else 0.0,
        outputs if row.state & OPEN_OUTPUTS else 0.0, inputs,
    )  # fmt: skip
    back_pj = prices[OUTPUTS] if row.state & RETURNS else 0.0
    leaving = leave_network(search, label, network, back_pj)
    for i in range(tally[BUNDLES]):
        bundle = search.bundles[i]
        tally[CROSSED] += 1
        if not may_spread(search, leaving, bundle, closing):
            continue
        for j in range(bundle.split, bundle.box):
            tally[CROSSED] += 1
            if may_spread(search, leaving, search.ways[j], closing):
                spread_one(search, label, network, j, kept_inside, parts, leaving)


@helper
def spread_one(search, label, network, number, kept_inside, parts, leaving):
    """Spread a label in one way, for all that the level then may keep.

    Parameters
    ----------
    number : int
        The way.
    parts : tuple
        See `open_parts`.
    leaving : Leaving
    """
    problem, way, row = search.problem, search.ways[number], search.labels.rows[label]
    energy, cycles = cost_around(search, leaving, way)
    weights, outputs, inputs, flying = parts
    place, shares = problem.places[network], problem.splits[way.split].shares
    for stage in range(place.first_stage, place.last_stage):
        kept = problem.stages[stage].kept
        sent_weights, sent_inputs, sent_outputs = (
            row.flight[WEIGHTS] * shares[WEIGHTS] * arrival_pj(search, network, kept, WEIGHTS),
            row.flight[INPUTS] * shares[INPUTS] * arrival_pj(search, network, kept, INPUTS),
            row.flight[OUTPUTS] * shares[OUTPUTS] * arrival_pj(search, network, kept, OUTPUTS),
        )  # fmt: skip
        rest = search.rest[stage, way.box] + close_cost(
            search, label, stage, way.box, weights + sent_weights, outputs + sent_outputs,
            add_parts(inputs, flying, row.share * sent_inputs),
        )  # fmt: skip
        if not is_too_much(search, energy + rest, cycles):
            new = spread_over(search, label, network, way.split, kept_inside, stage)
            keep_label(search, new, stage)

"""Search for a good mapping of one layer: iterated local search over tile factors.

A candidate gives every prime factor of every dimension a place: a level's
temporal loops, or the children below it along X or Y. Each level also has one
of a few loop orders. The search moves factors, exchanges them and changes
orders as long as that helps, then shakes the candidate and starts again.
Everything is tried at one place of one loop, which keeps compilation short.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from kcsim.kernels.counting import count_nest
from kcsim.kernels.nest import (
    BOUND,
    DIMENSION,
    DOWN,
    FILLS,
    FORWARDED,
    INSTANCES,
    KIND,
    LEVEL,
    READS,
    SPANS,
    TILE,
    UP,
    UPDATES,
    helper,
)

ENERGY, CYCLES, ENERGY_DELAY = 0, 1, 2
PLACES_PER_LEVEL = 3
PATIENCE = 40


class Machine(NamedTuple):
    """What one layer meets on one hardware, as arrays.

    Attributes
    ----------
    window : int64[4]
        Strides and dilations.
    rules : int64[levels, 8]
        What each level keeps, and what the network below it can do.
    capacity_bits : float64[levels, 3]
        Capacity of each group of tensors; infinite where unlimited.
    group : int64[levels, 3]
        The group that holds a tensor.
    value_bits : float64[levels, 3]
        Bits of one stored value.
    access_pj : float64[levels, 3, 3]
        Energy of one word read, filled, updated.
    transfer_pj : float64[levels, 3]
        Energy of one word crossing the network below a level.
    cycle_pj : float64[levels + 1]
        Leakage of one instance in use, a cycle; the last entry is the MAC units.
    static_pj : float64
        Energy of a cycle that depends on nothing.
    read_cycles, write_cycles : float64[levels, 3]
        Cycles that one word takes at one instance; zero where unlimited.
    overlapped : bool[levels]
        Whether transfers run beside the computation.
    cycles_per_mac : float64
    """

    window: np.ndarray
    rules: np.ndarray
    capacity_bits: np.ndarray
    group: np.ndarray
    value_bits: np.ndarray
    access_pj: np.ndarray
    transfer_pj: np.ndarray
    cycle_pj: np.ndarray
    static_pj: float
    read_cycles: np.ndarray
    write_cycles: np.ndarray
    overlapped: np.ndarray
    cycles_per_mac: float


class Space(NamedTuple):
    """Where factors may go, and in which orders loops may stand.

    Attributes
    ----------
    allowed : bool[places, 8]
        Place ``3 * level + kind`` may take factors of a dimension.
    room : int64[places]
        Largest product of the factors of a place (the size of the array).
    orders : int64[orders, 8]
        Permutations of the dimensions, outermost first.
    order_allowed : bool[levels, orders]
    """

    allowed: np.ndarray
    room: np.ndarray
    orders: np.ndarray
    order_allowed: np.ndarray


class Scratch(NamedTuple):
    """Work arrays of one search."""

    loops: np.ndarray
    steps: np.ndarray
    spans: np.ndarray
    counts: np.ndarray


@helper
def write_loops(factors, order, orders, loops):
    """Turn factors (int64[places, 8]) and orders (int64[levels]) into loops.

    Returns the number of loops.
    """
    count = 0
    for level in range(order.shape[0]):
        for kind in range(PLACES_PER_LEVEL):
            place = PLACES_PER_LEVEL * level + kind
            for i in range(8):
                dimension = orders[order[level], i] if kind == 0 else i
                if factors[place, dimension] > 1:
                    loops[count, LEVEL] = level
                    loops[count, KIND] = kind
                    loops[count, DIMENSION] = dimension
                    loops[count, BOUND] = factors[place, dimension]
                    count += 1
    return count


@helper
def fits(machine, spans):
    """Whether the tiles of every level fit its capacity."""
    for level in range(spans.shape[0] - 1):
        for group in range(3):
            bits = 0.0
            for tensor in range(3):
                if machine.group[level, tensor] == group:
                    bits += spans[level, TILE + tensor] * machine.value_bits[level, tensor]
            if bits > machine.capacity_bits[level, group]:
                return False
    return True


@helper
def energy_and_cycles(machine, temporal_steps, spans, counts):
    """Energy (pJ) and cycles of a counted mapping, MACs and lookups aside."""
    levels = counts.shape[0]
    energy = 0.0
    computing = temporal_steps * machine.cycles_per_mac
    cycles = computing
    for level in range(levels):
        reading, writing = 0.0, 0.0
        for tensor in range(3):
            for action in range(3):  # reads, fills, updates
                energy += counts[level, tensor, action] * machine.access_pj[level, tensor, action]
            crossing = counts[level, tensor, DOWN] + counts[level, tensor, UP]
            crossing += counts[level, tensor, FORWARDED]
            energy += crossing * machine.transfer_pj[level, tensor]
            reading += counts[level, tensor, READS] * machine.read_cycles[level, tensor]
            writing += (
                counts[level, tensor, FILLS] + counts[level, tensor, UPDATES]
            ) * machine.write_cycles[level, tensor]
        moving = max(reading, writing) / spans[level, INSTANCES]
        cycles = max(cycles, moving if machine.overlapped[level] else computing + moving)
    per_cycle = machine.static_pj
    for level in range(levels + 1):
        per_cycle += machine.cycle_pj[level] * spans[level, INSTANCES]
    return energy + per_cycle * cycles, cycles


@helper
def cost_of(machine, space, factors, order, mac_pj, objective, scratch):
    """The objective of one candidate; infinite if it does not fit."""
    loop_count = write_loops(factors, order, space.orders, scratch.loops)
    steps = count_nest(
        scratch.loops, loop_count, machine.window, machine.rules,
        scratch.spans, scratch.steps, scratch.counts,
    )  # fmt: skip
    if not fits(machine, scratch.spans):
        return np.inf
    energy, cycles = energy_and_cycles(machine, steps, scratch.spans, scratch.counts)
    energy += mac_pj
    if objective == ENERGY:
        return energy
    if objective == CYCLES:
        # Less than one cycle for the energy: it decides between mappings of equal speed.
        return cycles + energy / (energy + 1e12)
    return energy * cycles


@helper
def place_product(factors, place):
    """Product of all factors at a place."""
    product = 1
    for dimension in range(8):
        product *= factors[place, dimension]
    return product


@helper
def move(space, factors, dimension, prime, source, target):
    """Move one prime factor to another place, whatever the room there.

    Returns False, without a change, if there is none to move or it may not go there.
    """
    if factors[source, dimension] % prime or not space.allowed[target, dimension]:
        return False
    factors[source, dimension] //= prime
    factors[target, dimension] *= prime
    return True


@helper
def apply(space, factors, order, proposal):
    """Change a candidate as a proposal says.

    Parameters
    ----------
    proposal : int64[6]
        ``(dimension, prime, source, target, other, back)``: move `prime` of
        `dimension` to the target, and `back` of the dimension `other` from
        there to the source unless `other` is negative. With a negative
        dimension: ``(-1, level, order, ...)``, a loop order for a level.

    Returns
    -------
    bool
        Whether the candidate has changed.
    """
    dimension, prime, source = proposal[0], proposal[1], proposal[2]
    target, other, back = proposal[3], proposal[4], proposal[5]
    if dimension < 0:
        if order[prime] == source:
            return False
        order[prime] = source
        return True
    if not move(space, factors, dimension, prime, source, target):
        return False
    if other >= 0 and not move(space, factors, other, back, target, source):
        move(space, factors, dimension, prime, target, source)
        return False
    if (
        place_product(factors, target) > space.room[target]
        or place_product(factors, source) > space.room[source]
    ):
        undo(space, factors, proposal)
        return False
    return True


@helper
def undo(space, factors, proposal):
    """Take back an applied proposal that moved factors."""
    dimension, prime, source = proposal[0], proposal[1], proposal[2]
    target, other, back = proposal[3], proposal[4], proposal[5]
    move(space, factors, dimension, prime, target, source)
    if other >= 0:
        move(space, factors, other, back, source, target)


@helper
def next_random(state, bound):
    """A number below `bound` from a 64-bit xorshift generator (state: uint64[1])."""
    x = state[0]
    x ^= x << np.uint64(13)
    x ^= x >> np.uint64(7)
    x ^= x << np.uint64(17)
    state[0] = x
    return np.int64((x >> np.uint64(11)) % np.uint64(bound))


@helper
def shuffle(state, items):
    """Put `items` (int64[:]) into a random order."""
    for i in range(items.shape[0] - 1, 0, -1):
        j = next_random(state, i + 1)
        items[i], items[j] = items[j], items[i]


@helper
def copy_candidate(factors, order, target_factors, target_order):
    """Copy factors and loop orders."""
    for level in range(order.shape[0]):
        target_order[level] = order[level]
    for place in range(factors.shape[0]):
        for dimension in range(8):
            target_factors[place, dimension] = factors[place, dimension]


@helper
def descend(machine, space, factors, order, proposals, sequence, mac_pj, objective, scratch):
    """Take proposals, round and round in the given sequence, until none improves the candidate.

    Returns the objective of the candidate, infinite if it does not fit.
    """
    count = sequence.shape[0]
    cost, idle, position = np.inf, 0, -1
    while idle <= count:
        old_order = 0
        if position >= 0:
            proposal = proposals[sequence[position]]
            old_order = order[proposal[1]] if proposal[0] < 0 else 0
        idle += 1
        if position < 0 or apply(space, factors, order, proposal):
            trial = cost_of(machine, space, factors, order, mac_pj, objective, scratch)
            if trial < cost:
                cost, idle = trial, 0
            elif position >= 0 and proposal[0] < 0:
                order[proposal[1]] = old_order
            elif position >= 0:
                undo(space, factors, proposal)
        position = position + 1 if position + 1 < count else 0
    return cost


@njit(cache=True, nogil=True, error_model="numpy")
def search(machine, space, factors, order, proposals, mac_pj, objective, rounds, seed):
    """Improve a mapping that fits.

    Each round shakes the base, a good candidate, and then takes proposals in
    random order as long as one improves it. When `PATIENCE` rounds have not
    bettered the base, the next one starts from the given candidate again.

    Parameters
    ----------
    machine : Machine
    space : Space
    factors : int64[places, 8]
        A candidate that fits; replaced by the best one found.
    order : int64[levels]
        Its loop orders (rows of ``space.orders``); replaced likewise.
    proposals : int64[:, 6]
        Every change worth trying, at least one; see `apply`.
    mac_pj : float
        Energy that does not depend on the mapping.
    objective : int
        ``ENERGY``, ``CYCLES`` or ``ENERGY_DELAY``.
    rounds : int
    seed : int
        Equal seeds give equal results.

    Returns
    -------
    float
        The objective of the best candidate; infinite if none fits.
    """
    levels, count = order.shape[0], proposals.shape[0]
    scratch = Scratch(
        np.empty((8 * PLACES_PER_LEVEL * levels, 4), np.int64),
        np.empty((8 * PLACES_PER_LEVEL * levels, 2), np.int64),
        np.empty((levels + 1, SPANS), np.int64),
        np.empty((levels, 3, 6), np.int64),
    )
    state = np.array([seed * 2654435769 + 88172645463325252], np.uint64)
    sequence = np.arange(count)
    best, base, stale = np.inf, np.inf, 0
    first_factors, first_order = factors.copy(), order.copy()
    base_factors, base_order = factors.copy(), order.copy()
    for index in range(rounds):
        if stale == PATIENCE:
            copy_candidate(first_factors, first_order, base_factors, base_order)
            base, stale = np.inf, 0
        trial, trial_order = base_factors.copy(), base_order.copy()
        if index > 0:
            for _ in range(3 + next_random(state, 12)):
                apply(space, trial, trial_order, proposals[next_random(state, count)])
        shuffle(state, sequence)
        current = descend(
            machine, space, trial, trial_order, proposals, sequence, mac_pj, objective, scratch
        )
        stale += 1
        if current < base:
            base, stale = current, 0
            copy_candidate(trial, trial_order, base_factors, base_order)
        if current < best:
            best = current
            copy_candidate(trial, trial_order, factors, order)
    return best

"""Loops of small layers listed one by one, and the price of counted mappings: parts of oracles."""

from __future__ import annotations

import itertools

import numpy as np

from kcsim import Mapping
from kcsim.cost.zero_savings import left_of_cycles, left_of_macs, left_of_reads, value_bits
from kcsim.hardware.schema import LevelConstraint
from kcsim.mapping.nest import LevelLoops
from kcsim.workload.layer import DIMENSIONS, TENSORS

BLIND = {None: "", "weights": "NPQ", "inputs": "M", "outputs": "CRS"}


def primes(number):
    """Prime factors and their exponents."""
    found = {}
    while number > 1:
        factor = next(d for d in range(2, number + 1) if number % d == 0)
        found[factor] = found.get(factor, 0) + 1
        number //= factor
    return found


def shared_out(exponent, places):
    """All ways to share equal factors over places."""
    if places == 1:
        return [(exponent,)]
    return [
        (first, *rest)
        for first in range(exponent + 1)
        for rest in shared_out(exponent - first, places - 1)
    ]


def factorings(sizes, hardware, most):
    """Bounds of every distribution of prime factors: int64[mappings, levels, 3, 8].

    In time, along X, along Y. None if there are too many.
    """
    levels = len(hardware.levels)
    limits = [hardware.dataflow.levels.get(n, LevelConstraint()) for n in hardware.level_names]
    allowed = [[c.temporal, c.spatial_x, c.spatial_y] for c in limits]
    room = np.array([[2**40, lv.fanout.x, lv.fanout.y] for lv in hardware.levels])
    bounds = np.ones((1, levels, 3, 8), np.int64)
    for d, size in enumerate(sizes):
        for prime, exponent in primes(size).items():
            places = [
                (i, k)
                for i in range(levels)
                for k in range(3)
                if (allowed[i][k] is None or DIMENSIONS[d] in allowed[i][k]) and room[i, k] >= prime
            ]
            if not places:
                return bounds[:0]
            shares = np.array(shared_out(exponent, len(places)))
            more = np.ones((len(shares), levels, 3, 8), np.int64)
            for (i, k), share in zip(places, shares.T, strict=True):
                more[:, i, k, d] = prime**share
            bounds = (bounds[:, None] * more).reshape(-1, levels, 3, 8)
            bounds = bounds[(bounds.prod(axis=3) <= room).all(axis=(1, 2))]
            if len(bounds) > most:
                return None
    return bounds


def orders_of(active, stationary):
    """Every order of some dimensions; those blind to the stationary tensor innermost."""
    blind = [d for d in active if DIMENSIONS[d] in BLIND[stationary]]
    moving = [d for d in active if d not in blind]
    pairs = itertools.product(itertools.permutations(moving), itertools.permutations(blind))
    return [outer + inner for outer, inner in pairs]


def every_nest(layer, hardware, most=20_000):
    """Loops of every mapping, fitting or not: int64[mappings, loops, 4]; None if too many."""
    sizes = list(layer.dimensions.values())
    used = [d for d in range(8) if sizes[d] > 1]
    bounds, levels = factorings(sizes, hardware, most), len(hardware.levels)
    if bounds is None:
        return None
    limits = [hardware.dataflow.levels.get(n, LevelConstraint()) for n in hardware.level_names]
    active = (bounds[:, :, 0, :] > 1).reshape(len(bounds), -1)
    groups, members = np.unique(active, axis=0, return_inverse=True)
    found, total = [np.empty((0, 3 * len(used) * levels, 4), np.int64)], 0
    for g, group in enumerate(groups.reshape(len(groups), levels, 8)):
        rows = bounds[members.ravel() == g]
        choices = [
            orders_of(np.flatnonzero(group[i]).tolist(), limits[i].stationary)
            for i in range(levels)
        ]
        total += len(rows) * int(np.prod([len(c) for c in choices]))
        if total > most:
            return None
        for order in itertools.product(*choices):
            slots = [
                (i, k, d)
                for i in range(levels)
                for k in range(3)
                for d in ([*order[i], *(d for d in used if d not in order[i])] if k == 0 else used)
            ]
            loops = np.empty((len(rows), len(slots), 4), np.int64)
            for j, (i, k, d) in enumerate(slots):
                loops[:, j, :3] = i, k, d
                loops[:, j, 3] = rows[:, i, k, d]
            found.append(loops)
    return np.concatenate(found)


def bypasses(hardware):
    """Every choice of what the levels leave out."""
    choices = [
        [c for n in range(len(lv.may_bypass) + 1) for c in itertools.combinations(lv.may_bypass, n)]
        for lv in hardware.levels
    ]
    for chosen in itertools.product(*choices):
        names = zip(hardware.level_names, chosen, strict=True)
        yield Mapping(tuple(LevelLoops(name, bypass=left) for name, left in names))


def price(layer, hardware, counts, keeps, sums=None):
    """Energy and cycles of counted mappings, from the definitions and without rounding.

    Where partial sums are wider than outputs, their `SumStates` are needed.
    """
    compute, zeros, last = hardware.compute, layer.zeros, len(hardware.levels) - 1
    words = counts.accesses.astype(float)
    arriving = counts.transfers[..., :2].sum(axis=-1).astype(float)
    timed, computed = float(left_of_cycles(compute, zeros)), float(left_of_macs(compute, zeros))
    computing = counts.temporal_steps * timed * compute.cycles_per_mac
    energy = np.full(len(words), layer.macs * computed * compute.mac_pj)
    energy += layer.macs * (timed - computed) * compute.gated_mac_pj
    energy += bias_energy(layer, hardware)
    moved, networks, cycles = [], [], computing + standing(hardware, counts, keeps)
    for i, level in enumerate(hardware.levels):
        taken = np.zeros((3, 3, len(words)))
        for j, tensor in enumerate(TENSORS):
            bits, links = hardware.level_bits[i], hardware.network_bits(i)
            width = bits[tensor]
            stored = float(value_bits(level, tensor, width, zeros))
            paid = counted_words(hardware, counts, keeps, i, j)
            spent = paid.copy()
            crossing = arriving[:, i, j].copy()
            if i == last and keeps[i, j]:
                left = float(left_of_reads(compute, zeros, tensor))
                served = words[:, i, j, 0] if tensor == "outputs" else layer.macs
                for action in (0, 2) if tensor == "outputs" else (0,):
                    paid[:, action] -= served * (1 - left)
                    spent[:, action] -= served * (1 - timed)
                crossing -= served * (1 - left)
            finished = words[:, i, j, 2] - words[:, i, j, 0] if tensor == "outputs" else 0.0
            carried = crossing * links[tensor]
            if tensor == "outputs" and sums is not None:
                if bits["partial_sums"] > width:
                    finished = layer.output_words * sums.finish[:, i] * (words[:, i, j, 2] > 0)
                    width = bits["partial_sums"]
                less = layer.output_words * sums.cross[:, i]
                carried = crossing * links["partial_sums"]
                carried = carried - less * (links["partial_sums"] - links["outputs"])
            for k, action in enumerate(("read", "write", "update")):
                size = width if tensor == "outputs" else stored
                less = finished * (width - stored) if k == 2 else 0.0
                word_bits = level.word_bits_of(tensor)
                price = level.price(tensor, action) / (word_bits * level.words_per_access(tensor))
                energy += (paid[:, k] * size - less) * price
                taken[j, k] = (spent[:, k] * size - less) / word_bits
            energy += carried * level.fanout.transfer_price(tensor) / level.word_bits
        instances = counts.instances[:, i]
        taken[2, 0] += bias_reads(layer, hardware) * (i == 0)
        networks.append(network_cycles(layer, hardware, counts, keeps, sums, i) / instances)
        moved.append(busiest(level, taken) / instances)
    cycles = in_turns(hardware, cycles, moved, networks)
    return energy + leaking(hardware, counts) * cycles, cycles


def counted_words(hardware, counts, keeps, index, tensor):
    """Reads, fills and updates of a tensor that the level counts: float64[mappings, 3]."""
    words = counts.accesses[:, index, tensor].astype(float)
    counted = hardware.levels[index].counted
    if TENSORS[tensor] == "outputs":
        if counted.first_reads:
            words[:, 0] = words[:, 2]
        if counted.drains and index and keeps[index, tensor]:
            words[:, 0] += counts.transfers[:, index - 1, tensor, 1]
    if not counted.fills:
        words[:, 1] = 0
    return words


def in_turns(hardware, cycles, moved, networks):
    """Cycles of all levels and networks, from the innermost outwards, and of latencies."""
    levels = zip(reversed(hardware.levels), moved[::-1], networks[::-1], strict=True)
    for level, own, network in levels:
        cycles = np.maximum(cycles, network)
        cycles = cycles + own if level.buffering == "single" else np.maximum(cycles, own)
    for level in hardware.levels:
        links = level.fanout.x - 1 + level.fanout.y - 1
        cycles = cycles + level.latency_cycles + links * level.fanout.hop_latency
    return cycles


def leaking(hardware, counts):
    """Energy of a cycle, whatever happens in it."""
    energy, there = hardware.static_pj_per_cycle, 1
    for i, part in enumerate((*hardware.levels, hardware.compute)):
        idle, used = part.idle or hardware.idle, counts.instances[:, i]
        energy = energy + part.leakage_pj_per_cycle * (used + idle.leakage * (there - used))
        energy = energy + part.clock_pj_per_cycle * (used + idle.clock * (there - used))
        there *= part.fanout.children if part is not hardware.compute else 1
    return energy


def bias_reads(layer, hardware):
    """Words of the outermost level that biases take."""
    words = layer.out_channels if layer.bias and hardware.biases == "counted" else 0
    bits = hardware.level_bits[0]["partial_sums"]
    return words * bits / hardware.levels[0].word_bits_of("outputs")


def bias_energy(layer, hardware):
    """Energy of reading biases, and of adding them."""
    words, outermost = bias_reads(layer, hardware), hardware.levels[0]
    if not words:
        return 0.0
    reading = words / outermost.words_per_access("outputs") * outermost.price("outputs", "read")
    return reading + layer.output_words * hardware.add_pj


def network_cycles(layer, hardware, counts, keeps, sums, index):
    """Cycles of the busier direction of the network below a level, of all instances."""
    level, links = hardware.levels[index], hardware.network_bits(index)
    entering = np.zeros((2, len(counts.accesses)))
    for j, tensor in enumerate(TENSORS):
        for k, way in enumerate(entering_words(counts, keeps, index, j)):
            sent = way * links["partial_sums" if tensor == "outputs" else tensor]
            if tensor == "outputs" and k and sums is not None:
                whole = sums.finish[:, index] if keeps[index, j] else sums.cross[:, index - 1]
                wider = links["partial_sums"] - links["outputs"]
                sent = sent - layer.output_words * whole * wider
            entering[k] += sent / level.word_bits
    return entering.max(axis=0) / (level.fanout.words_per_cycle or np.inf)


def standing(hardware, counts, keeps):
    """Cycles that the array stands still, of what each tile is filled with or sends up."""
    cycles = np.zeros(len(counts.accesses))
    for i, level in enumerate(hardware.levels):
        instances, bits = counts.instances[:, i], hardware.level_bits[i]
        passes = dict(level.stalls.cycles_per_tile)
        array = hardware.levels[i - 1].fanout if i else None
        if array and array.systolic:
            extra = (array.x + array.y - 2) * array.systolic.fill + array.y * array.systolic.drain
            passes[array.systolic.stationary] = passes.get(array.systolic.stationary, 0) + extra
        for j, tensor in enumerate(TENSORS):
            if not keeps[i, j]:
                continue
            filled = counts.accesses[:, i, j, 1] / instances
            left = counts.transfers[:, i - 1, j, 1] / instances if i else 0 * filled
            tiles = (left if tensor == "outputs" else filled) / np.maximum(
                counts.tile_words[:, i, j], 1
            )
            # The outermost level has one tile, which is there from the start.
            cycles += passes.get(tensor, 0) * (tiles if i else 1)
            width = bits["partial_sums" if tensor == "outputs" else tensor]
            words = width / level.word_bits_of(tensor)
            if tensor in level.stalls.loads and level.counted.fills:
                cycles += filled * words * slowness(level, tensor, "fill")
            if tensor == "outputs" and level.stalls.dumps:
                cycles += left * words * slowness(level, tensor, "read")
    return cycles


def slowness(level, tensor, direction):
    """Cycles of a word that passes alone."""
    reads, writes = level.read_words_per_cycle, level.write_words_per_cycle
    if level.shared_port:
        reads, writes = reads or writes, writes or reads
    rate = level.shared_bandwidth or (reads if direction == "read" else writes)
    for port in level.port_list:
        ways = {*port.directions, *(["fill"] if "write" in port.directions else [])}
        if tensor in port.tensors and direction in ways:
            rate = port.words_per_cycle
    return 1 / rate if rate else 0.0


def entering_words(counts, keeps, index, tensor):
    """Words that pass the upper end of the network below a level: down, and up."""
    if keeps[index, tensor]:
        down, up = counts.accesses[:, index, tensor, [0, 2]].astype(float).T
        # Words read for a neighbor go to it.
        down = down - counts.transfers[:, index - 1, tensor, 2] * (index > 0)
    else:
        down, up = counts.transfers[:, index - 1, tensor, :2].astype(float).T
    # Sums that are added to at a level do not go down to its MAC units.
    return (down * keeps[index + 1 :, 2].any(), up) if tensor == 2 else (down, 0 * down)


def busiest(level, words):
    """Cycles of the port of a level that takes longest for words[tensor, action] of all."""
    reads, writes = level.read_words_per_cycle, level.write_words_per_cycle
    if level.port_list:
        found = [np.zeros(words.shape[2])]
        for port in level.port_list:
            ways = {"read": [0], "fill": [1], "update": [2], "write": [1, 2]}
            actions = [k for direction in port.directions for k in ways[direction]]
            tensors = [TENSORS.index(tensor) for tensor in port.tensors]
            passing = words[tensors][:, actions].sum(axis=(0, 1))
            found.append(passing / port.words_per_cycle)
        return np.max(found, axis=0)
    if level.shared_bandwidth:
        return words.sum(axis=(0, 1)) / level.shared_bandwidth
    if level.shared_port:
        reads, writes = reads or writes, writes or reads
    down = words[:, 0].sum(axis=0) / (reads or np.inf)
    up = words[:, 1:].sum(axis=(0, 1)) / (writes or np.inf)
    return down + up if level.shared_port else np.maximum(down, up)


def front_of(energy, cycles):
    """Points that no other beats in both, those equal but for rounding once: float64[points, 2]."""
    front = []
    for i in np.lexsort((energy, cycles)):
        if not front or energy[i] < front[-1][0] * (1 - 1e-9):
            if front and cycles[i] <= front[-1][1] * (1 + 1e-9):
                front.pop()
            front.append((energy[i], cycles[i]))
    return np.array(front)

"""Every place of the children of a mapping on the meshes of an array, counted in bulk: an oracle.

`uneven_space` lists one way to lay the factors that are spread along X and Y, in one order. Where a
network forwards, or pays for hops, all of them differ.
"""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import numpy as np
from every_mapping import price, primes
from fixed_parts import admits, has_fixed
from small_problems import layer_of
from uneven_problems import random_hardware
from uneven_space import Block, Costs, count_all, spaces_of

from kcsim import count_mappings
from kcsim.hardware.schema import LevelConstraint
from kcsim.workload.layer import DIMENSIONS

_WINDOWS = "PPPQQRRRSSMCCNG"
_SEEN = {"weights": "GMCRS", "outputs": "NGMPQ"}


def placed_problem(seed, kind, most=1500):
    """A layer and a hardware with networks that forward, or have hops, and so many mappings."""
    rng = random.Random(seed)
    while True:
        hardware = _hardware(rng, kind)
        window = [tuple(rng.choice(values) for _ in "RC") for values in ((1, 1, 1, 2), (1, 1, 2))]
        sizes, count = {}, 0
        for _ in range(rng.choice((3, 4, 4, 5))):
            dimension, prime = rng.choice(_WINDOWS), rng.choice((2, 2, 3))
            larger = sizes | {dimension: sizes.get(dimension, 1) * prime}
            if dimension in "RS" and larger[dimension] > 3:
                continue
            found = count_all(layer_of(larger, *window), hardware, fitting=True)
            if 0 < found <= most:
                sizes, count = larger, found
        if count:
            return layer_of(sizes, *window), hardware


def _hardware(rng, kind):
    """A random hardware of `uneven_problems`, where words cross meshes."""
    hardware = random_hardware(rng, True)
    levels = list(hardware.levels)
    for i, level in enumerate(levels):
        more, inside = {}, i + 1 < len(levels)
        if kind == "hops" and (i + 2 == len(levels) or rng.random() < 0.3):
            more = {"hop_pj": rng.choice((0.1, 0.5, 2.0)), "x": rng.choice((1, 2, 3, 4))}
        elif kind == "forwarding" and inside and rng.random() < 0.7:
            more = {"forwarding": ("inputs",), "x": rng.choice((2, 3, 4))}
        if more:
            more["y"] = rng.choice((1, 1, 2, 3))
            levels[i] = replace(level, fanout=replace(level.fanout, **more))
    return replace(hardware, levels=tuple(levels))


def placed_costs(layer, hardware, even=False):
    """Energy and cycles of all mappings that fit, with all places of children: dense, no zeros."""
    energies, cycles = [np.empty(0)], [np.empty(0)]
    for space in spaces_of(layer, hardware, even, True):
        keeps = space.bypass.keeps_array(hardware)
        for block in space.blocks():
            for loops, rows in _placed(block.loops, hardware):
                heights = block.heights[rows]
                counts = count_mappings(layer, hardware, loops, block.bypass, heights)
                energy, time = price(layer, hardware, counts, keeps)
                energies.append(energy + _hops_pj(layer, hardware, loops, counts))
                cycles.append(time)
    return Costs(np.concatenate(energies), np.concatenate(cycles), [])


def placed_mappings(layer, hardware):
    """All mappings of `placed_costs`, in the same order."""
    return [
        Block(block.bypass, placed, block.heights[rows]).mapping(i, hardware)
        for space in spaces_of(layer, hardware, False, True)
        for block in space.blocks()
        for placed, rows in _placed(block.loops, hardware)
        for i in range(len(rows))
    ]


def has_placed(mapping, fix, hardware):
    """Whether a mapping has what is fixed, its children where they are asked for."""
    given = {level.level: level for level in fix.levels}
    return has_fixed(mapping, fix, hardware) and all(
        not _matters(level)
        or (
            _stands(own.spatial_x, given[own.level].spatial_x)
            and _stands(own.spatial_y, given[own.level].spatial_y)
        )
        for level, own in zip(hardware.levels, mapping.levels, strict=True)
        if own.level in given
    )


def _matters(level):
    return level.fanout.hop_pj or level.fanout.forwarding


def _stands(loops, items):
    """Whether loops over children along an axis are those of a pattern, in its order."""
    if items is None:
        return True
    names = [item[0] if item != "..." else item for item in items]
    made = dict.fromkeys(DIMENSIONS, 1)
    for loop in loops:
        made[loop.dimension] *= loop.bound
    others = names.index("...") if "..." in names else None
    ranks = [
        names.index(loop.dimension) if loop.dimension in names else others for loop in loops
    ]  # fmt: skip
    named = all(admits(item, made) for item in items if item != "...")
    return named and None not in ranks and ranks == sorted(ranks)


def _placed(loops, hardware):
    """Groups of mappings with the same loops over children, for every place of these."""
    matters = [i for i, level in enumerate(hardware.levels) if _matters(level)]
    spatial = np.isin(loops[0, :, 0], matters) & (loops[0, :, 1] > 0) if len(loops) else []
    keys, groups = np.unique(loops[:, spatial].reshape(len(loops), -1), axis=0, return_inverse=True)
    for group, key in enumerate(keys):
        rows = np.flatnonzero(groups.ravel() == group)
        own = key.reshape(-1, 4).tolist()
        choices = [_places(hardware, i, [n for n in own if n[0] == i]) for i in matters]
        for chosen in itertools.product(*choices):
            parts = []
            for i in range(len(hardware.levels)):
                parts.append(loops[rows][:, (loops[0, :, 0] == i) & ~spatial])
                if i in matters:
                    placed = np.array(chosen[matters.index(i)], np.int64).reshape(1, -1, 4)
                    parts.append(np.repeat(placed, len(rows), axis=0))
            yield np.concatenate(parts, axis=1), rows


def _places(hardware, index, own):
    """Every way to lay the factors of some loops along X and Y."""
    level = hardware.levels[index]
    constraint = hardware.dataflow.levels.get(level.name, LevelConstraint())
    allowed = constraint.spatial_x, constraint.spatial_y
    factors = [(d, p) for _, _, d, bound in own for p, n in primes(bound).items() for _ in range(n)]
    found = set()
    for order in set(itertools.permutations(factors)):
        for cut in range(len(order) + 1):
            axes = order[:cut], order[cut:]
            if all(
                np.prod([p for _, p in axis], dtype=int) <= room
                and all(names is None or DIMENSIONS[d] in names for d, _ in axis)
                for axis, room, names in zip(
                    axes, (level.fanout.x, level.fanout.y), allowed, strict=True
                )
            ):
                found.add(tuple((index, k + 1, d, p) for k in range(2) for d, p in axes[k]))
    return sorted(found)


def _hops_pj(layer, hardware, loops, counts):
    """Energy of all hops, from the places of all children: one by one."""
    energy = np.zeros(len(loops))
    for i, level in enumerate(hardware.levels):
        if not level.fanout.hop_pj:
            continue
        extents = np.ones((len(loops), 8), np.int64)
        for j in range(loops.shape[1]):
            inside = loops[:, j, 0] > i
            extents[np.arange(len(loops)), loops[:, j, 2]] *= np.where(inside, loops[:, j, 3], 1)
        mesh = [tuple(n) for n in loops[0].tolist() if n[0] == i and n[1] > 0]
        keys, members = np.unique(extents, axis=0, return_inverse=True)
        for tensor, name in enumerate(("weights", "inputs", "outputs")):
            bits = getattr(hardware.precision_bits, name) / level.word_bits
            for way in range(2):
                links = np.array([
                    _links(layer, hardware, i, mesh, key, name, way) for key in keys.tolist()
                ])[members.ravel()]  # fmt: skip
                words = counts.transfers[:, i, tensor, way]
                energy += words * links * level.fanout.hop_pj * bits
    return energy


def _links(layer, hardware, index, mesh, extents, tensor, way):
    """Links of a word for each child: to the last column that needs it, then up every column."""
    fanout = hardware.levels[index].fanout
    shared = fanout.reduction if way else fanout.multicast != "none"
    shared = shared and index + 1 < len(hardware.levels)
    children = []
    for indices in itertools.product(*(range(bound) for _, _, _, bound in mesh)):
        place, stride, start = [0, 0], [1, 1], dict.fromkeys(DIMENSIONS, 0)
        size = dict(zip(DIMENSIONS, extents, strict=True))
        # The innermost loop is the last one along Y.
        for (_, kind, d, bound), n in zip(reversed(mesh), reversed(indices), strict=True):
            place[kind - 1] += n * stride[kind - 1]
            stride[kind - 1] *= bound
            start[DIMENSIONS[d]] += n * size[DIMENSIONS[d]]
            size[DIMENSIONS[d]] *= bound
        if tensor == "inputs":
            rows = layer.stride[0] * start["P"] + layer.dilation[0] * start["R"]
            columns = layer.stride[1] * start["Q"] + layer.dilation[1] * start["S"]
            tile = start["N"], start["G"], start["C"], rows, columns
        else:
            tile = tuple(start[d] for d in _SEEN[tensor])
        children.append((tile if shared else indices, *place))
    total = 0
    for tile in {child[0] for child in children}:
        own = [(x, y) for name, x, y in children if name == tile]
        total += max(x for x, _ in own)
        total += sum(max(y for a, y in own if a == x) for x in {x for x, _ in own})
    return total / len(children)

"""Every uneven mapping of a tiny layer, counted in bulk and priced: an oracle for the search.

A mapping shares the prime factors of the layer out over the levels, in time or over the children,
puts those in time of every level into any order, and lets every tensor that a level keeps stand at
any of its loops. Of equal mappings one is listed: factors of a dimension with nothing in between
are one loop, and which axis children lie along does not matter.

Left out are loops of a level before all that it keeps, which the level above has as well, and which
no search has to try behind an array; a level that keeps nothing may have loops.
"""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np
from every_mapping import bypasses, front_of, price, primes

from kcsim import Mapping, count_mappings
from kcsim.cost.padding import generates_padding
from kcsim.cost.partial_sums import counted, has_wide_sums, sum_states
from kcsim.cost.prices import window_array
from kcsim.cost.rooms import rooms_of
from kcsim.hardware.schema import LevelConstraint
from kcsim.kernels.layout import INDEXES, LOOP
from kcsim.mapping.nest import LevelLoops, Loop
from kcsim.workload.layer import DIMENSIONS, TENSORS

TOGETHER = 1 << 15
"""Mappings counted at once: some 50 MB."""


class Block(NamedTuple):
    """Mappings that keep the same tensors at every level; as `kcsim.count_mappings` takes them.

    Attributes
    ----------
    bypass : Mapping
        What levels do not keep.
    loops : int64[mappings, loops, 4]
    heights : int64[mappings, levels, 3]
    """

    bypass: Mapping
    loops: np.ndarray
    heights: np.ndarray

    def mapping(self, index, hardware):
        """One of them as a `Mapping`, of which equal neighbors are one loop."""
        entries = []
        for i, level in enumerate(hardware.levels):
            own = self.loops[index][self.loops[index, :, 0] == i].tolist()
            heights = self.heights[index, i].tolist()
            nests, places = ([], [], []), list(heights)
            time = 0
            for _, kind, dimension, bound in own:
                time += kind == 0
                nest = nests[kind]
                if bound == 1:
                    continue
                joined = bool(nest) and nest[-1].dimension == DIMENSIONS[dimension]
                if kind == 0 and joined and time - 1 not in heights:
                    nest[-1] = Loop(nest[-1].dimension, nest[-1].bound * bound)
                    continue
                nest.append(Loop(DIMENSIONS[dimension], bound))
                if kind == 0:
                    places = np.where(np.array(heights) >= time, len(nest), places).tolist()
            bypassed = self.bypass.levels[i].bypass
            entries.append(LevelLoops(level.name, *map(tuple, nests), bypassed, tuple(places)))
        return Mapping(tuple(entries))


class Costs(NamedTuple):
    """What all mappings that fit cost, without any rounding.

    Attributes
    ----------
    energy, cycles : float64[mappings]
    spaces : list of Space
        Mappings are numbered through all of them.
    """

    energy: np.ndarray
    cycles: np.ndarray
    spaces: list[Space]

    def mapping(self, index):
        """One of them as a `Mapping`."""
        for space in self.spaces:
            if index < space.count:
                return space.take([index]).mapping(0, space.hardware)
            index -= space.count
        raise IndexError(index)

    def best(self, objective):
        """The best for an objective, of equal ones the best for the other; None if none fits."""
        if not np.isfinite(self.energy).any():
            return None
        values = {
            "energy": (self.energy, self.cycles),
            "cycles": (self.cycles, self.energy),
            "edp": (self.energy * self.cycles, self.energy),
        }
        first, second = values[objective]
        equal = np.flatnonzero(first <= first.min() * (1 + 1e-9))
        index = int(equal[second[equal].argmin()])
        value = float(first[index])
        energy, cycles = float(self.energy[index]), float(self.cycles[index])
        return Best(value, energy, cycles, self.mapping(index))

    def front(self):
        """Points that no other beats in both: float64[points, 2], energy and cycles."""
        finite = np.isfinite(self.energy)
        return front_of(self.energy[finite], self.cycles[finite])


class Best(NamedTuple):
    """The best of all mappings: the value of the objective, and what it is made of."""

    value: float
    energy: float
    cycles: float
    mapping: Mapping


class Lattice:
    """Boxes that the prime factors of a layer make, numbered so that factors add up."""

    def __init__(self, layer):
        factors = [
            (d, prime, exponent)
            for d, size in enumerate(layer.dimensions.values())
            for prime, exponent in primes(size).items()
        ]
        self.dimension, self.prime, self.most = np.array(factors, np.int64).reshape(-1, 3).T
        self.stride = np.cumprod([1, *(self.most + 1)])[:-1]
        self.count = int((self.most + 1).prod())
        self.digits = np.arange(self.count)[:, None] // self.stride % (self.most + 1)
        self.extents = np.ones((self.count, len(DIMENSIONS)), np.int64)
        for f, (d, prime, _) in enumerate(factors):
            self.extents[:, d] *= prime ** self.digits[:, f]
        self.factors = len(factors)

    def only(self, dimensions):
        """Boxes that are 1 in all dimensions but some; None for any."""
        if dimensions is None:
            return np.ones(self.count, np.bool_)
        other = [d for d, name in enumerate(DIMENSIONS) if name not in dimensions]
        return (self.extents[:, other] == 1).all(axis=1)

    def words(self, layer, hardware):
        """Words of the tile of each tensor that spans a box: int64[boxes, 3]."""
        size = dict(zip(DIMENSIONS, self.extents.T, strict=True))
        windows = window_array(layer, hardware).tolist()
        rows, columns = (
            stride * (size[p] - 1) + dilation * (size[r] - 1) + 1
            for (stride, dilation), (p, r) in zip(windows, ("PR", "QS"), strict=True)
        )
        weights = size["G"] * size["M"] * size["C"] * size["R"] * size["S"]
        inputs = size["N"] * size["G"] * size["C"] * rows * columns
        outputs = size["N"] * size["G"] * size["M"] * size["P"] * size["Q"]
        return np.column_stack([weights, inputs, outputs])

    def splits(self, constraint, fanout):
        """What of each box lies along X if it is spread over children; -1 if it cannot be."""
        found, parts = np.full(self.count, -1), self.extents.prod(axis=1)
        along_x = np.flatnonzero(self.only(constraint.spatial_x) & (parts <= fanout.x))
        along_y = np.flatnonzero(self.only(constraint.spatial_y) & (parts <= fanout.y))
        for x, y in itertools.product(along_x, along_y):
            if (self.digits[x] + self.digits[y] <= self.most).all():
                found[x + y] = x
        return found


class Entries(NamedTuple):
    """Loops in time of one level with the tensors among them, listed box by box.

    Attributes
    ----------
    start : int64[boxes + 1]
        First entry of the box that the loops make.
    loops : int64[entries, loops, 2]
        Dimension and bound; of 1 behind the last one.
    heights : int64[entries, 3]
    inside : int64[entries, 3]
        Box of the loops behind each tensor.
    """

    start: np.ndarray
    loops: np.ndarray
    heights: np.ndarray
    inside: np.ndarray


def words_of(lattice, box, known):
    """Every order of the factors of a box: int64[orders, factors]."""
    if box not in known:
        parts = []
        for f in np.flatnonzero(lattice.digits[box]):
            rest = words_of(lattice, box - int(lattice.stride[f]), known)
            parts.append(np.hstack([np.full((len(rest), 1), f), rest]))
        known[box] = np.concatenate(parts) if parts else np.empty((1, 0), np.int64)
    return known[box]


def orders_of(lattice, box, stationary, again, known):
    """The orders of `words_of` that a dataflow allows, and where no dimension comes `again`."""
    words = words_of(lattice, box, known)
    dimensions = lattice.dimension[words]
    allowed = np.ones(len(words), np.bool_)
    if stationary is not None:
        sees = INDEXES[TENSORS.index(stationary)][dimensions]
        allowed &= ~(~sees[:, :-1] & sees[:, 1:]).any(axis=1)
    if not again:
        runs = (dimensions[:, 1:] != dimensions[:, :-1]).sum(axis=1) + 1
        present = int((lattice.extents[box] > 1).sum())
        allowed &= runs == present if present else True
    return words[allowed]


def heights_of(loops, keeps, even):
    """Every place of the tensors that are kept, the first one before all loops: int64[n, 3]."""
    choices = [range(loops + 1) if kept and not even else (0,) for kept in keeps]
    every = np.array(list(itertools.product(*choices)), np.int64)
    return every[every[:, keeps].min(axis=1) == 0] if any(keeps) else every


def places_of(lattice, words, heights, keeps):
    """Pairs of orders and heights of which none are equal: positions in both."""
    bound, dimension = lattice.prime[words], lattice.dimension[words]
    # Factors of a dimension with no tensor in between are one loop: only the rising order counts.
    same = dimension[:, 1:] == dimension[:, :-1]
    falls = same & (bound[:, :-1] > bound[:, 1:])
    gaps = np.arange(1, words.shape[1])
    joined = ~(heights[:, keeps, None] == gaps).any(axis=1)
    return np.nonzero(falls.astype(np.int64) @ joined.T.astype(np.int64) == 0)


def entries_of(lattice, constraint, keeps, even, again):
    """All that one level may do in time."""
    known, allowed = {}, lattice.only(constraint.temporal)
    start, columns = [0], []
    width = int(lattice.most.sum())
    for box in range(lattice.count):
        start.append(start[-1])
        words = orders_of(lattice, box, constraint.stationary, again, known)
        if not allowed[box] or not len(words):
            continue
        length = words.shape[1]
        heights = heights_of(length, keeps, even)
        order, place = places_of(lattice, words, heights, keeps)
        words, heights = words[order], heights[place]
        loops = np.zeros((len(words), width, 2), np.int64)
        loops[..., 1] = 1
        loops[:, :length] = np.stack([lattice.dimension[words], lattice.prime[words]], axis=2)
        behind = np.zeros((len(words), length + 1), np.int64)
        behind[:, :length] = np.cumsum(lattice.stride[words][:, ::-1], axis=1)[:, ::-1]
        columns.append((loops, heights, np.take_along_axis(behind, heights, axis=1)))
        start[-1] += len(words)
    return Entries(np.array(start), *map(np.concatenate, zip(*columns, strict=True)))


class Space:
    """All mappings with one choice of what levels keep; each is made from its number."""

    def __init__(self, layer, hardware, bypass, even=False, fitting=False, again=True):
        """List what each level may do; see `all_mappings`."""
        self.layer, self.hardware, self.bypass = layer, hardware, bypass
        self.lattice = lattice = Lattice(layer)
        keeps = bypass.keeps_array(hardware)
        given = hardware.dataflow.levels
        limits = [given.get(name, LevelConstraint()) for name in hardware.level_names]
        self.splits = [
            lattice.splits(limit, level.fanout)
            for limit, level in zip(limits, hardware.levels, strict=True)
        ]
        self.shares = self._shared_out(limits)
        self.entries = [
            entries_of(lattice, limit, kept, even or i == 0, again)
            for i, (limit, kept) in enumerate(zip(limits, keeps, strict=True))
        ]
        self.listed, self.first, self.size = [], [], []
        for i in range(len(limits)):
            self._list(i, keeps[i] if fitting else None)
        sizes = np.prod(self.size, axis=0, dtype=np.int64)
        self.ends = np.cumsum(sizes)
        self.count = int(sizes.sum())

    def _shared_out(self, limits):
        """Boxes of every level, in time and over its children: int64[ways, levels, 2]."""
        lattice, levels = self.lattice, len(limits)
        ways = np.zeros((1, levels, 2), np.int64)
        for f in range(lattice.factors):
            stride, most = int(lattice.stride[f]), int(lattice.most[f])
            places = []
            for i, limit in enumerate(limits):
                name = DIMENSIONS[lattice.dimension[f]]
                if limit.temporal is None or name in limit.temporal:
                    places.append((i, 0))
                if self.splits[i][stride] >= 0:
                    places.append((i, 1))
            given = [
                chosen
                for chosen in itertools.product(range(most + 1), repeat=len(places))
                if sum(chosen) == most
            ]
            shares = np.zeros((len(given), levels, 2), np.int64)
            for j, (i, k) in enumerate(places):
                shares[:, i, k] = [stride * chosen[j] for chosen in given]
            ways = (ways[:, None] + shares).reshape(-1, levels, 2)
            for i in range(levels):
                ways = ways[self.splits[i][ways[:, i, 1]] >= 0]
        return ways

    def _list(self, level, keeps):
        """List the entries of a level for each way; with `keeps` those whose tiles fit."""
        entries, words = self.entries[level], self.lattice.words(self.layer, self.hardware)
        widths = self.hardware.level_bits[level]
        bits = words * np.array([widths[tensor] for tensor in TENSORS])
        inner = self.shares[:, level + 1 :].sum(axis=(1, 2)) + self.shares[:, level, 1]
        pairs = np.column_stack([inner, self.shares[:, level, 0]])
        pairs, way = np.unique(pairs, axis=0, return_inverse=True)
        listed = [np.empty(0, np.int64)]
        for below, box in pairs:
            found = np.arange(entries.start[box], entries.start[box + 1])
            if keeps is not None:
                tiles = np.take_along_axis(bits, below + entries.inside[found], axis=0) * keeps
                needed = dict(zip(TENSORS, tiles.T, strict=True))
                fits = np.ones(len(found), np.bool_)
                for room in rooms_of(self.hardware.levels[level]):
                    fits &= room.holds(needed)
                found = found[fits]
            listed.append(found)
        sizes = np.array([len(found) for found in listed])
        self.listed.append(np.concatenate(listed))
        self.first.append(np.cumsum(sizes)[:-1][way.ravel()])
        self.size.append(sizes[1:][way.ravel()])

    def take(self, indices):
        """Some mappings by their numbers, from 0 to `count` - 1."""
        indices = np.asarray(indices, np.int64)
        way = np.searchsorted(self.ends, indices, side="right")
        rest = indices - np.concatenate([[0], self.ends])[way]
        columns, levels = [], len(self.entries)
        heights = np.zeros((len(indices), levels, len(TENSORS)), np.int64)
        for i in range(levels - 1, -1, -1):
            rest, place = np.divmod(rest, self.size[i][way])
            entry = self.listed[i][self.first[i][way] + place]
            heights[:, i] = self.entries[i].heights[entry]
            both = self.shares[way, i, 1]
            along_x = self.splits[i][both]
            temporal = self.entries[i].loops[entry]
            width = int((temporal[..., 1] > 1).any(axis=0).sum())
            own = [(i, 0, temporal[:, j, 0], temporal[:, j, 1]) for j in range(width)]
            for kind, boxes in ((1, along_x), (2, both - along_x)):
                extents = self.lattice.extents[boxes]
                used = np.flatnonzero((extents > 1).any(axis=0))
                own += [(i, kind, d, extents[:, d]) for d in used]
            columns = own + columns
        loops = np.empty((len(indices), len(columns), 4), np.int64)
        for j, column in enumerate(columns):
            for k, values in enumerate(column):
                loops[:, j, k] = values
        return Block(self.bypass, loops, heights)

    def blocks(self, together=TOGETHER):
        """All mappings, some at a time."""
        for at in range(0, self.count, together):
            yield self.take(np.arange(at, min(self.count, at + together)))


def spaces_of(layer, hardware, even=False, fitting=False, again=True):
    """A `Space` for every choice of what levels keep; see `all_mappings`."""
    return [Space(layer, hardware, b, even, fitting, again) for b in bypasses(hardware)]


def count_all(layer, hardware, even=False, fitting=False, again=True):
    """Number of mappings that `all_mappings` yields."""
    return sum(space.count for space in spaces_of(layer, hardware, even, fitting, again))


def all_mappings(layer, hardware, even=False, fitting=False, again=True):
    """Every mapping, some at a time, as `Block`.

    Parameters
    ----------
    layer : ConvLayer
    hardware : Hardware
    even : bool
        Only those in which all tensors of a level stand before its loops.
    fitting : bool
        Only those whose tiles, of dense weights, fit.
    again : bool
        Whether a dimension may come again in time at a level, with another one in between.
    """
    for space in spaces_of(layer, hardware, even, fitting, again):
        yield from space.blocks()


def costs_of_all(layer, hardware, even=False, again=True):
    """What all mappings that fit cost, with dense weights: no forwarding, no hops."""
    # Tiles without padding take less room than was asked for.
    padded = generates_padding(layer, hardware)
    spaces = spaces_of(layer, hardware, even, not padded, again)
    parts = [(np.empty(0), np.empty(0))]
    for space in spaces:
        keeps = space.bypass.keeps_array(hardware)
        for block in space.blocks():
            counts = count_mappings(layer, hardware, block.loops, block.bypass, block.heights)
            if not has_wide_sums(hardware):
                assert padded or counts.fits.all()
                costs = price(layer, hardware, counts, keeps)
                parts.append(tuple(np.where(counts.fits, cost, np.inf) for cost in costs))
                continue
            # Partial sums take more room than was asked for.
            loops = np.ascontiguousarray(block.loops).view(LOOP)[..., 0]
            columns = counted(counts.accesses, counts.transfers)
            sums = sum_states(hardware, loops, block.heights, keeps, columns, layer.output_words)
            costs = price(layer, hardware, counts, keeps, sums)
            parts.append(tuple(np.where(counts.fits, cost, np.inf) for cost in costs))
    return Costs(*(np.concatenate(column) for column in zip(*parts, strict=True)), spaces)


def best_of_all(layer, hardware, objective, even=False):
    """The `Best` mapping for an objective; None if none fits."""
    return costs_of_all(layer, hardware, even).best(objective)


def front_of_all(layer, hardware, even=False):
    """Energy and cycles that no mapping betters in both: float64[points, 2]."""
    return costs_of_all(layer, hardware, even).front()

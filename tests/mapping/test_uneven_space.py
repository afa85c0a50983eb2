"""The list of every uneven mapping: is it every mapping, each once, with its price?"""

import dataclasses
from itertools import combinations

import numpy as np
import pytest
from every_mapping import BLIND
from small_problems import layer_of
from uneven_problems import random_problem
from uneven_space import all_mappings, costs_of_all, count_all

from kcsim import count_mappings, evaluate
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Dataflow, Hardware, LevelConstraint
from kcsim.workload.layer import DIMENSIONS

DRAM = Level(name="DRAM", read_pj=100, write_pj=100)
BUFFER = Level(name="buffer", read_pj=3, write_pj=2, capacity_words=20)
ARRAY = dataclasses.replace(BUFFER, fanout=Fanout(x=2, y=3))


def of(*levels, **constraints):
    """Hardware of some levels."""
    dataflow = Dataflow(levels={name: LevelConstraint(**c) for name, c in constraints.items()})
    return Hardware(name="some", levels=levels, compute=Compute(mac_pj=1), dataflow=dataflow)


@pytest.mark.parametrize(
    ("sizes", "hardware", "even", "every"),
    [
        # One loop is at DRAM, or at one of 7 heights with a tensor before it.
        ({}, of(DRAM, BUFFER), 1, 1),
        ({"M": 2}, of(DRAM, BUFFER), 2, 1 + 7),
        # Two of different dimensions in both orders, with 1, 7 and 3^3 - 2^3 heights.
        ({"P": 2, "C": 3}, of(DRAM, BUFFER), 2 * 3, 2 * (1 + 7 + 19)),
        ({"P": 4}, of(DRAM, BUFFER), 3, 1 + 7 + 19),
        # Both inside are one loop of 6 unless a tensor stands between them, at 12 of 19 heights.
        ({"P": 6}, of(DRAM, BUFFER), 1 + 2 + 1, 1 + 2 * 7 + 7 + 2 * 12),
        # P may come again: P=2 R=3 P=2.
        ({"P": 4, "R": 3}, of(DRAM), 3, 3),
        # In time at DRAM, at the buffer, or below it.
        ({"M": 5}, of(DRAM, ARRAY), 2, 1 + 7),
        ({"M": 3}, of(DRAM, ARRAY), 3, 1 + 7 + 1),
        # 2 along X and 3 along Y, or 3 along Y alone, or either of both.
        ({"M": 6}, of(DRAM, ARRAY), 4 + 2 + 2 + 1, 46 + 8 + 8 + 1),
        # With the two tensors kept there are 3 heights of one loop, with one 1, with none 1.
        (
            {"M": 2},
            of(DRAM, dataclasses.replace(BUFFER, may_bypass=("weights", "inputs"))),
            4 * 2,
            (1 + 7) + 2 * (1 + 3) + (1 + 1),
        ),
        ({"M": 2, "N": 2}, of(DRAM, BUFFER, buffer={"temporal": ("M",)}), 2 + 1, 2 + 7),
        (
            {"M": 2, "N": 2},
            of(DRAM, BUFFER, buffer={"stationary": "weights"}, DRAM={"temporal": ()}),
            1,
            19,
        ),
        ({"M": 2}, of(DRAM, BUFFER, DRAM={"temporal": ()}, buffer={"temporal": ("N",)}), 0, 0),
    ],
)
def test_spaces_of_few_loops_are_counted_by_hand(sizes, hardware, even, every):
    layer = layer_of(sizes)
    assert count_all(layer, hardware, even=True) == even
    assert count_all(layer, hardware) == every
    assert sum(len(block.loops) for block in all_mappings(layer, hardware)) == every


class Chains:
    """Every mapping, step by step: a tensor's place, a loop, or the end of a level.

    Attributes
    ----------
    found : set
        For every mapping, of every level: the chain in time, of loops as pairs and of what stands
        at one place as a frozen set, and the factors over the children.
    """

    def __init__(self, layer, hardware, keeps):
        self.found, self.levels = set(), hardware.levels
        self.kept = [{t for t in range(3) if here[t]} for here in keeps]
        given = hardware.dataflow.levels
        self.limits = [given.get(name, LevelConstraint()) for name in hardware.level_names]
        self.walk(0, tuple(layer.dimensions.values()), (), ())

    def walk(self, i, left, here, done):
        """Go on from what is `left` of the layer, with the chain `here` of level `i` so far."""
        kept = self.kept[i]
        missing = kept.difference(*(item for item in here if isinstance(item, frozenset)))
        if not missing:
            for rest in self.spread(i, left):
                spread = tuple(a // b for a, b in zip(left, rest, strict=True))
                self.descend(i + 1, rest, (*done, (here, spread)))
        if not here or not isinstance(here[-1], frozenset):
            for n in range(1, 4):
                for chosen in combinations(sorted(missing), n):
                    self.walk(i, left, (*here, frozenset(chosen)), done)
        if (not kept or missing != kept) and (i or not missing):
            for d, bound in divisors(left, self.limits[i].temporal):
                if self.may_follow(i, d, here):
                    self.walk(i, less(left, d, bound), (*here, (d, bound)), done)

    def descend(self, i, left, done):
        """Begin level `i`, if there is one."""
        if i < len(self.levels):
            self.walk(i, left, (), done)
        elif max(left) == 1:
            self.found.add(done)

    def spread(self, i, left):
        """What may be left after loops over the children."""
        limit, fanout = self.limits[i], self.levels[i].fanout
        reached, todo = set(), [(left, fanout.x, fanout.y)]
        while todo:
            state = todo.pop()
            if state not in reached:
                reached.add(state)
                rest, x, y = state
                ways = [(d, n, n, 1) for d, n in divisors(rest, limit.spatial_x) if n <= x]
                ways += [(d, n, 1, n) for d, n in divisors(rest, limit.spatial_y) if n <= y]
                todo += [(less(rest, d, n), x // a, y // b) for d, n, a, b in ways]
        return {rest for rest, _, _ in reached}

    def may_follow(self, i, d, here):
        """Whether a loop over `d` is another one than the last, and what stays put allows it."""
        loops = [item[0] for item in here if isinstance(item, tuple)]
        if here and isinstance(here[-1], tuple) and here[-1][0] == d:
            return False
        blind = BLIND[self.limits[i].stationary]
        return DIMENSIONS[d] in blind or not any(DIMENSIONS[n] in blind for n in loops)


def divisors(left, allowed):
    """Loops that some dimensions may have."""
    for d, size in enumerate(left):
        if allowed is None or DIMENSIONS[d] in allowed:
            yield from ((d, n) for n in range(2, size + 1) if size % n == 0)


def less(left, d, bound):
    """What is left of the sizes behind a loop."""
    return (*left[:d], left[d] // bound, *left[d + 1 :])


def chain_of(mapping, keeps):
    """A mapping as `Chains` has it."""
    chain = []
    for level, kept in zip(mapping.levels, keeps, strict=True):
        here, loops = [], [*level.temporal, None]
        for position, loop in enumerate(loops):
            standing = {t for t in range(3) if kept[t] and level.heights[t] == position}
            here += [frozenset(standing)] * bool(standing)
            here += [(DIMENSIONS.index(loop.dimension), loop.bound)] if loop else []
        spread = [1] * len(DIMENSIONS)
        for loop in (*level.spatial_x, *level.spatial_y):
            spread[DIMENSIONS.index(loop.dimension)] *= loop.bound
        chain.append((tuple(here), tuple(spread)))
    return tuple(chain)


@pytest.mark.parametrize("seeds", range(4))
def test_each_mapping_is_listed_once(seeds):
    several = 0
    for seed in range(1000 * seeds, 1000 * seeds + 30):
        layer, hardware = random_problem(seed, most=1500)
        if count_all(layer, hardware) > 6000:
            continue
        found = {}
        for block in all_mappings(layer, hardware):
            keeps = block.bypass.keeps_array(hardware)
            mappings = [block.mapping(i, hardware) for i in range(len(block.loops))]
            for mapping in mappings[:: max(1, len(mappings) // 7)]:
                mapping.check(layer, hardware)
            found.setdefault(keeps.tobytes(), []).extend(chain_of(m, keeps) for m in mappings)
        for keeps, listed in found.items():
            keeps = np.frombuffer(keeps, np.bool_).reshape(-1, 3)
            assert len(listed) == len(set(listed))
            assert set(listed) == Chains(layer, hardware, keeps).found
            several += len(listed) > 100
    assert several > 5


def test_mappings_that_fit_are_those_that_the_counter_finds_to_fit():
    fitting = wrong = 0
    for seed in range(60):
        layer, hardware = random_problem(seed, most=20_000)
        if count_all(layer, hardware) > 200_000:
            continue
        fit = 0
        for block in all_mappings(layer, hardware):
            counts = count_mappings(layer, hardware, block.loops, block.bypass, block.heights)
            fit += int(counts.fits.sum())
            wrong += int((~counts.fits).sum())
        assert fit == count_all(layer, hardware, fitting=True)
        fitting += fit
    assert fitting > 10_000
    assert wrong > 10_000


def slack(estimate):
    """What rounding up to whole accesses and cycles may add to the energy of a layer."""
    cycles = 2 + estimate.counts.hardware.compute.cycles_per_mac
    return sum(
        item.energy / item.accesses * (cycles if item.component == "static" else 1)
        for item in estimate.items
    )


def test_costs_are_those_of_an_evaluation_but_for_rounding():
    rng, checked = np.random.default_rng(0), 0
    for seed in range(60):
        layer, hardware = random_problem(seed, most=20_000, plain=True)
        costs = costs_of_all(layer, hardware)
        for index in rng.permutation(len(costs.energy))[:6].tolist():
            estimate = evaluate(layer, hardware, costs.mapping(index))
            energy, cycles = costs.energy[index], costs.cycles[index]
            assert abs(estimate.energy - energy) <= slack(estimate) + 1e-8 * (1 + energy)
            more = estimate.cycles.total - cycles
            assert -1e-8 * cycles <= more <= hardware.compute.cycles_per_mac + 1
            checked += 1
    assert checked > 200

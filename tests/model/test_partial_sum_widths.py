"""Widths of values: partial sums apart from outputs, by level, and by layer."""

import dataclasses
import itertools
import random
from collections import Counter

import numpy as np
import pytest
from uneven_problems import random_problem
from uneven_space import all_mappings

from kcsim import MappingError, count_layer, evaluate, load_hardware
from kcsim.cost.partial_sums import counted, sum_states
from kcsim.kernels.layout import TEMPORAL
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

ADDING, OUTPUTS = (3, 6, 7), 2
ACCUMULATOR = {
    "name": "accumulator",
    "precision_bits": {"weights": 8, "inputs": 8, "outputs": 8, "partial_sums": 32},
    "levels": [
        {"name": "DRAM", "word_bits": 8, "read_pj": 10, "write_pj": 10},
        {"name": "ACC", "word_bits": 32, "capacity_words": 128, "read_pj": 1, "write_pj": 1,
         "keeps": ["outputs"]},
    ],
    "compute": {"mac_pj": 1},
}  # fmt: skip
LINEAR = ConvLayer.linear("fc", 64, 512, bias=False)
ONCE = Mapping((LevelLoops("DRAM"), LevelLoops("ACC", (Loop("C", 64), Loop("M", 512)))))
SPILLED = Mapping(
    (
        LevelLoops("DRAM", (Loop("C", 2), Loop("M", 4))),
        LevelLoops("ACC", (Loop("C", 32), Loop("M", 128))),
    )
)


def accumulator(**changes):
    data = {**ACCUMULATOR, "levels": [dict(level) for level in ACCUMULATOR["levels"]]}
    data["levels"][1] |= changes
    return load_hardware(data)


def bits_of(estimate):
    return {(i.component, i.action): i.bits for i in estimate.items if i.tensor == "outputs"}


def test_partial_sums_do_not_fit_where_outputs_would():
    with pytest.raises(MappingError, match=r"512 take 512 words of 32 bits; .* the 128"):
        evaluate(LINEAR, accumulator(), ONCE)


def test_an_accumulator_pays_for_partial_sums_and_dram_for_outputs():
    estimate = evaluate(LINEAR, accumulator(capacity_words=512), ONCE)
    energy = sum(i.energy for i in estimate.items if i.component == "ACC")
    assert energy == 32_256 + 32_768
    assert bits_of(estimate)["DRAM", "update"] == 512 * 8


def test_sums_that_leave_before_they_are_finished_are_wide():
    bits = bits_of(evaluate(LINEAR, accumulator(), SPILLED))
    assert bits["DRAM", "update"] == 512 * 32 + 512 * 8
    assert bits["DRAM", "read"] == bits["ACC", "fill"] == 512 * 32


class Walk:
    """A mapping walked word by word: who adds how much to which word of outputs, and sends it.

    Every store has the number of products in each word that it holds; what arrives with all of
    them is finished. Sums of children are added up where the network reduces.
    """

    def __init__(self, layer, hardware, loops, heights, keeps):
        self.need = layer.dimensions["C"] * layer.dimensions["R"] * layer.dimensions["S"]
        self.hardware, self.keeps, self.heights = hardware, keeps[:, OUTPUTS], heights[:, OUTPUTS]
        self.loops = [tuple(row) for row in loops.tolist() if row[3] > 1]
        levels = len(keeps)
        self.keepers = [i for i in range(levels) if self.keeps[i]]
        self.arrived = [[] for _ in range(levels)]
        self.crossed = [[] for _ in range(levels)]
        self.held = [{} for _ in range(levels)]
        self.tile = [{} for _ in range(levels)]
        self._run()

    def _run(self):
        in_time = [i for i, loop in enumerate(self.loops) if loop[1] == TEMPORAL]
        spread = [i for i, loop in enumerate(self.loops) if loop[1] != TEMPORAL]
        ranges = [[range(self.loops[i][3]) for i in part] for part in (in_time, spread)]
        for step in itertools.product(*ranges[0]):
            index = dict(zip(in_time, step, strict=True))
            places = []
            for where in itertools.product(*ranges[1]):
                places.append(index | dict(zip(spread, where, strict=True)))
            self._change_tiles(places)
            sums = [(place, self._word(place), 1) for place in places]
            self._send(len(self.keeps), self.keepers[-1], sums)
        for position in range(len(self.keepers) - 1, 0, -1):
            self._dump(position, list(self.held[self.keepers[position]]))

    def _word(self, place):
        word = {}
        for i, (_, _, dimension, bound) in enumerate(self.loops):
            if dimension not in ADDING:
                word[dimension] = word.get(dimension, 0) * bound + place[i]
        return tuple(sorted(word.items()))

    def _instance(self, level, place):
        own = [i for i, loop in enumerate(self.loops) if loop[1] != TEMPORAL and loop[0] < level]
        return tuple(place[i] for i in own)

    def _tile_of(self, level, place):
        seen, found = 0, []
        for i, (at, kind, dimension, _) in enumerate(self.loops):
            inside = at > level
            if at == level:
                inside = kind != TEMPORAL or seen >= self.heights[level]
                seen += kind == TEMPORAL
            if not inside and dimension not in ADDING and kind == TEMPORAL:
                found.append(place[i])
        return tuple(found)

    def _change_tiles(self, places):
        for position in range(len(self.keepers) - 1, 0, -1):
            level = self.keepers[position]
            left = set()
            for place in places:
                key, tile = self._instance(level, place), self._tile_of(level, place)
                if self.tile[level].get(key, tile) != tile:
                    left.add(key)
            self._dump(position, [k for k in self.held[level] if k[0] in left])
            for place in places:
                self.tile[level][self._instance(level, place)] = self._tile_of(level, place)

    def _dump(self, position, keys):
        level, above = self.keepers[position], self.keepers[position - 1]
        sums = []
        for key in keys:
            place, count = self.held[level].pop(key)
            sums.append((place, key[1], count))
        self._send(level, above, sums)

    def _send(self, level, above, sums):
        """Sums leave a level for the next one that keeps them, through the networks between.

        They have with them what came down before they were added to.
        """
        for network in range(level - 1, above - 1, -1):
            self.crossed[network] += [
                count + self._before(above, place, word) == self.need for place, word, count in sums
            ]
            if self.hardware.levels[network].fanout.reduction:
                # What one child sends apart stays apart.
                merged, sent = {}, Counter()
                for place, word, count in sums:
                    child = self._instance(network + 1, place), word
                    key = self._instance(network, place), word, sent[child]
                    sent[child] += 1
                    known = merged.get(key, (place, word, 0))
                    merged[key] = known[0], word, known[2] + count
                sums = list(merged.values())
        arriving = Counter((self._instance(above, place), word) for place, word, _ in sums)
        for place, word, count in sums:
            key = self._instance(above, place), word
            whole = count + self._before(above, place, word) == self.need
            self.arrived[above].append(whole and arriving[key] == 1)
            known = self.held[above].get(key, (place, 0))[1]
            self.held[above][key] = place, known + count

    def is_last(self, level):
        """Whether no loop outside of the place of outputs at a level adds to them."""
        seen = 0
        for at, kind, dimension, _ in self.loops:
            outside = at < level or (
                at == level and kind == TEMPORAL and seen < self.heights[level]
            )
            seen += at == level and kind == TEMPORAL
            if outside and dimension in ADDING:
                return False
        return True

    def _before(self, level, place, word):
        """What a level, and those outside, hold of a sum."""
        keys = [(i, (self._instance(i, place), word)) for i in self.keepers if i <= level]
        return sum(self.held[i].get(key, (place, 0))[1] for i, key in keys)


@pytest.mark.parametrize("seeds", range(3))
def test_finished_words_are_those_that_a_walk_of_the_loops_finds(seeds):
    rng, checked, found = random.Random(seeds), 0, set()
    for seed in range(100 * seeds, 100 * seeds + 25):
        layer, hardware = random_problem(seed, most=3000, plain=True)
        if layer.macs > 200:
            continue
        blocks = list(all_mappings(layer, hardware))
        for _ in range(12):
            block = rng.choice(blocks)
            keeps = block.bypass.keeps_array(hardware)
            index = rng.randrange(len(block.loops))
            mapping = block.mapping(index, hardware)
            loops, heights = mapping.loop_array(hardware), mapping.heights_array(hardware)
            counts = count_layer(layer, unlimited(hardware), mapping)
            columns = counted(counts.accesses, counts.transfers)[None]
            states = sum_states(
                hardware, loops[None], heights[None], keeps, columns, layer.output_words
            )
            walk = Walk(layer, hardware, loops.view((np.int64, 4)), heights, keeps)
            for i in walk.keepers:
                arrived = walk.arrived[i]
                assert len(arrived) == counts.accesses[i, OUTPUTS, 2]
                finished = bool(states.holds_finished[0, i])
                # What stays at a level further in while loops add is held in full width as well.
                assert finished == (all(arrived) and walk.is_last(i))
                if i != walk.keepers[-1]:
                    assert sum(arrived) == layer.output_words * states.finish[0, i]
                found.add((finished, bool(states.finish[0, i])))
            for i, crossed in enumerate(walk.crossed):
                if i < len(walk.crossed) - 1 and i + 1 <= walk.keepers[-1]:
                    assert sum(crossed) == layer.output_words * states.cross[0, i]
            checked += 1
    assert checked > 100
    assert found == {(False, False), (False, True), (True, True)}


def unlimited(hardware):
    """The hardware with room for everything."""
    levels = []
    for level in hardware.levels:
        parts = tuple(
            dataclasses.replace(p, capacity_words=10**9, capacity_kib=None)
            for p in level.partitions
        )
        size = {} if parts or not level.kept_tensors else {"capacity_words": 10**9}
        levels.append(dataclasses.replace(level, partitions=parts, capacity_kib=None, **size))
    return dataclasses.replace(hardware, levels=tuple(levels))

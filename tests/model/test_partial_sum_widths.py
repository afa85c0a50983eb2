"""Widths of values: partial sums apart from outputs, by level, and by layer."""

import dataclasses
import random

import numpy as np
import pytest
from sums_walker import OUTPUTS, SumsWalk
from uneven_problems import random_problem
from uneven_space import all_mappings

from kcsim import MappingError, count_layer, evaluate, load_hardware
from kcsim.cost.partial_sums import counted, sum_states
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

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
            walk = SumsWalk(hardware, loops.view((np.int64, 4)), heights, keeps)
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

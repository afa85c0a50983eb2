"""The best mapping that has what is fixed: the search against a list of every mapping."""

import random

import numpy as np
import pytest
from every_mapping import front_of
from fixed_parts import has_fixed, random_fix
from uneven_problems import random_problem
from uneven_space import costs_of_all

from kcsim import MappingError, count_layer, find_front, search_mapping
from kcsim.mapping.fixed import FixedLevel, FixedMapping
from kcsim.mapping.search import OBJECTIVES, objective_value
from kcsim.replay.dense import compare, replay_layer

ROUNDING = 1e-8


def problems_of(seed, most, fixes, even=False):
    """What is fixed of some mappings of a small problem, with the mask of those that have it."""
    layer, hardware = random_problem(seed, most=most)
    costs, rng = costs_of_all(layer, hardware, even=even), random.Random(seed)
    every = [costs.mapping(i) for i in range(len(costs.energy))]
    for _ in range(fixes if every else 0):
        fix = random_fix(rng, rng.choice(every), hardware)
        if fix.levels:
            mask = np.array([has_fixed(mapping, fix, hardware) for mapping in every])
            yield layer, hardware, fix, costs.energy[mask], costs.cycles[mask]


def check_fixed(layer, hardware, fix, energy, cycles, even=False):
    """Every objective and the front."""
    if not len(energy):
        with pytest.raises(MappingError) as refused:
            search_mapping(layer, hardware, fix=fix, even=even)
        assert len(str(refused.value).splitlines()) <= 2
        return
    values = {"energy": energy, "cycles": cycles, "edp": energy * cycles}
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective, fix=fix, even=even)
        mine = objective_value(objective, result.energy, result.cycles)
        assert mine == pytest.approx(values[objective].min(), rel=ROUNDING, abs=1e-9)
        assert (result.proved, result.gap) == (True, 0)
        assert has_fixed(result.mapping, fix, hardware)
        if hardware.skipped_pixels == "moved":
            counts = count_layer(layer, hardware, result.mapping)
            assert compare(replay_layer(layer, hardware, result.mapping), counts) == ()
    front = np.array(
        [(n.energy, n.cycles) for n in find_front(layer, hardware, fix=fix, even=even)]
    )
    expected = front_of(energy, cycles)
    assert front.shape == expected.shape
    assert np.allclose(front, expected, rtol=ROUNDING, atol=1e-9)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("seeds", range(3))
def test_best_of_all_mappings_that_have_what_is_fixed(seeds, even):
    checked = 0
    for seed in range(1000 * seeds + 500, 1000 * seeds + 506):
        for problem in problems_of(seed, 2000, 2, even):
            check_fixed(*problem, even)
            checked += 1
    assert checked > 3


def test_parts_of_mappings_that_may_go_on_in_other_ways_are_told_apart():
    """One may still have a loop that is fixed around it, another one, as large, no longer."""
    for problem in problems_of(30_174, 3000, 4):
        check_fixed(*problem)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(60))
def test_best_of_all_mappings_that_have_what_is_fixed_at_length(seeds):
    for seed in range(20_000 + 10 * seeds, 20_010 + 10 * seeds):
        for problem in problems_of(seed, 20_000, 4, even=seed % 4 == 0):
            check_fixed(*problem, even=seed % 4 == 0)


@pytest.mark.parametrize("seeds", range(2))
def test_a_mapping_that_is_fixed_as_a_whole_is_what_is_found(seeds):
    for seed in range(100 * seeds, 100 * seeds + 8):
        layer, hardware = random_problem(seed, most=2000)
        costs = costs_of_all(layer, hardware)
        rng = random.Random(seed)
        for index in [rng.randrange(len(costs.energy)) for _ in range(3 * bool(len(costs.energy)))]:
            mapping = costs.mapping(index)
            levels = []
            for i, level in enumerate(mapping.levels):
                kept = [t for t in hardware.levels[i].kept_tensors if t not in level.bypass]
                levels.append(
                    FixedLevel(
                        level.level,
                        nest=[str(item) for item in nest_of(level, kept)],
                        spatial_x=[str(loop) for loop in level.spatial_x],
                        spatial_y=[str(loop) for loop in level.spatial_y],
                        bypass=level.bypass if i else None,
                    )
                )
            found = search_mapping(layer, hardware, fix=FixedMapping(tuple(levels)))
            assert found.energy == pytest.approx(costs.energy[index], rel=ROUNDING, abs=1e-9)
            assert found.cycles == pytest.approx(costs.cycles[index], rel=ROUNDING, abs=1e-9)


def nest_of(level, kept):
    """Loops in time, and all kept tensors at their places."""
    heights = dict(zip(("weights", "inputs", "outputs"), level.heights, strict=True))
    for position in range(len(level.temporal) + 1):
        yield from (tensor for tensor in kept if heights[tensor] == position)
        yield from level.temporal[position : position + 1]

"""What a mapping comes to, told without a search: as the search says, and as the counts say."""

from __future__ import annotations

import dataclasses
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_design import LAYER, design
from small_problems import small_problems
from uneven_space import costs_of_all

from kcsim import evaluate
from kcsim.hardware.schema import Dataflow, LevelConstraint
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import find_front, search_mapping
from kcsim.mapping.verify import costs_in_space
from kcsim.workload.layer import ConvLayer


def only_costs(mapping, layer, hardware):
    (costs,) = costs_in_space(mapping, layer, hardware)
    return costs


@settings(max_examples=60, deadline=None)
@given(small_problems(), st.booleans(), st.data())
def test_any_mapping_comes_to_what_it_is_counted_for(problem, even, data):
    layer, hardware = problem
    costs = costs_of_all(layer, hardware, even=even)
    for _ in range(min(5, len(costs.energy))):
        index = data.draw(st.integers(0, len(costs.energy) - 1))
        expected = pytest.approx((costs.energy[index], costs.cycles[index]), rel=1e-9, abs=1e-9)
        mapping = costs.mapping(index)
        assert list(costs_in_space(mapping, layer, hardware, even=even)) == [expected]
        assert list(costs_in_space(mapping, layer, hardware)) == [expected]


def test_every_mapping_of_a_front_comes_to_what_it_says():
    for point in find_front(LAYER, design()):
        expected = pytest.approx((point.energy, point.cycles), rel=1e-12)
        assert only_costs(point.mapping, LAYER, design()) == expected


@pytest.mark.parametrize("order", list(permutations("MPCR")), ids="".join)
def test_other_loops_come_to_what_they_are_counted_for(order):
    sizes = {"M": 4, "P": 2, "C": 2, "R": 3}
    outer = tuple(Loop(d, sizes[d]) for d in order)
    mapping = Mapping((LevelLoops("DRAM", outer), LevelLoops("PE", (Loop("Q", 2), Loop("S", 3)))))
    counted = evaluate(LAYER, design(), mapping)
    found = only_costs(mapping, LAYER, design())
    assert found == pytest.approx((counted.energy, counted.cycles.total))


BEST = search_mapping(LAYER, design()).mapping


def with_level(name, **changes):
    levels = (
        dataclasses.replace(level, **changes) if level.level == name else level
        for level in BEST.levels
    )
    return Mapping(tuple(levels))


@pytest.mark.parametrize(
    "mapping",
    [
        Mapping((LevelLoops("DRAM", tuple(Loop(d, 2) for d in "MPQ")),)),
        Mapping((*BEST.levels, LevelLoops("PE"))),
        Mapping((*BEST.levels[:-1], dataclasses.replace(BEST.levels[-1], level="chip"))),
        with_level("PE", bypass=("weights",)),
        with_level("buffer", spatial_x=(Loop("M", 4),)),
        # All of the layer in one PE, which has no room for it.
        Mapping((LevelLoops("PE", tuple(Loop(d, n) for d, n in LAYER.dimensions.items())),)),
        # One loop with nothing to do.
        Mapping((LevelLoops("DRAM", (
            Loop("N", 1), Loop("M", 4), Loop("C", 2), Loop("P", 2), Loop("Q", 2), Loop("R", 3),
            Loop("S", 3),
        )),)),
        # Bounds that do not divide.
        Mapping((LevelLoops("DRAM", (
            Loop("M", 4), Loop("C", 2), Loop("P", 2), Loop("Q", 2), Loop("R", 2), Loop("S", 3),
        )), LevelLoops("PE", (Loop("R", 2),)))),
    ],
    ids=range(8),
)  # fmt: skip
def test_what_no_search_may_find_comes_to_nothing(mapping):
    assert list(costs_in_space(mapping, LAYER, design())) == []


def test_what_a_dataflow_forbids_comes_to_nothing():
    sizes = {d: n for d, n in LAYER.dimensions.items() if n > 1}
    every = tuple(Loop(d, n) for d, n in sizes.items())
    mapping = Mapping((LevelLoops("DRAM", every),))
    assert list(costs_in_space(mapping, LAYER, design()))
    names = tuple(loop.dimension for loop in every if loop.dimension != "M")
    for constraint in (LevelConstraint(temporal=names), LevelConstraint(stationary="weights")):
        hardware = design(dataflow=Dataflow(levels={"DRAM": constraint}))
        assert list(costs_in_space(mapping, LAYER, hardware)) == []


def test_a_bypass_that_the_hardware_leaves_open_is_no_fault():
    hardware = design(pe={"may_bypass": ("weights",), "read_pj": 50.0})
    found = search_mapping(ConvLayer("conv", 2, 4, 4, 4, 3, 3), hardware)
    assert any(level.bypass for level in found.mapping.levels)
    assert only_costs(found.mapping, LAYER, hardware) == (found.energy, found.cycles)


def test_tensors_between_loops_are_no_part_of_the_even_space():
    inner = LevelLoops("PE", (Loop("Q", 2), Loop("S", 3)), heights=(1, 0, 0))
    outer = tuple(Loop(d, n) for d, n in (("M", 4), ("P", 2), ("C", 2), ("R", 3)))
    mapping = Mapping((LevelLoops("DRAM", outer), inner))
    counted = evaluate(LAYER, design(), mapping)
    expected = pytest.approx((counted.energy, counted.cycles.total))
    assert only_costs(mapping, LAYER, design()) == expected
    assert list(costs_in_space(mapping, LAYER, design(), even=True)) == []

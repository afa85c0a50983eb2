"""Mappings with short last rounds that are found from larger layers."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imperfect_space import imperfect_costs, imperfect_problem

from kcsim import (
    ConvLayer,
    LevelLoops,
    Loop,
    Mapping,
    MappingError,
    Network,
    count_layer,
    estimate,
    evaluate,
    load_hardware,
    map_layer,
    parse_clustering,
    search_mapping,
)
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
from kcsim.mapping.search import OBJECTIVES, objective_value
from kcsim.model.imperfect import improve_imperfectly

DENSE = WeightFormat(16)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(1, 40), st.integers(1, 20), st.integers(1, 30), st.sampled_from((1, 3)),
    st.sampled_from(("energy", "cycles", "edp")), st.sampled_from(("eyeriss", "simple")),
)  # fmt: skip
def test_never_worse_and_counted_as_it_is(filters, channels, outputs, taps, objective, name):
    layer, hardware = ConvLayer("c", channels, filters, outputs + taps - 1, outputs + taps - 1,
                                taps, taps), load_hardware(name)  # fmt: skip
    perfect = search_mapping(layer, hardware, objective=objective)
    found = improve_imperfectly(layer, hardware, DENSE, perfect, objective=objective)
    assert found.proved == (found.note == "") == (found.gap == 0)
    assert found.mapping.problems(layer, hardware) == ()
    estimate = evaluate(layer, hardware, found.mapping)
    cost = {
        "energy": estimate.energy,
        "cycles": estimate.cycles.total,
        "edp": estimate.energy * estimate.cycles.total,
    }[objective]
    least = evaluate(layer, hardware, perfect.mapping)
    bar = {
        "energy": least.energy,
        "cycles": least.cycles.total,
        "edp": least.energy * least.cycles.total,
    }[objective]
    assert cost <= bar * (1 + 1e-6)
    if found.mapping != perfect.mapping:
        assert cost < bar, "accesses are whole in both"


def test_primes_no_longer_leave_the_array_idle():
    layer, hardware = ConvLayer("c", 16, 127, 13, 13, 1, 1), load_hardware("simple")
    perfect, found = (
        map_layer(layer, hardware, objective="cycles", imperfect=choice) for choice in (False, True)
    )
    assert found.cycles.total < perfect.cycles.total
    assert found.counts.macs == layer.macs
    assert found.search is not None
    assert found.search.proved or found.search.note


@pytest.mark.parametrize("seed", range(6))
def test_all_mappings_are_counted_where_there_are_few(seed):
    layer, hardware = imperfect_problem(seed, 300)
    costs = imperfect_costs(layer, hardware)
    for objective in OBJECTIVES:
        found = map_layer(layer, hardware, objective=objective, imperfect=True)
        best = min(objective_value(objective, *each) for each in costs)
        mine = objective_value(objective, found.energy, found.cycles.total)
        assert mine >= best * (1 - 1e-9)
        assert found.search.proved
        assert mine == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize(("name", "most"), [("simple", 2.9063e12), ("eyeriss", 1.7197e13)])
def test_several_dimensions_are_larger_together(name, most):
    """Two primes of channels, and 17 rows and columns: no single one of them helps."""
    layer, hardware = ConvLayer("c", 127, 251, 17, 17, 1, 1), load_hardware(name)
    perfect, found = (map_layer(layer, hardware, imperfect=choice) for choice in (False, True))
    assert found.energy * found.cycles.total <= most
    assert most < 0.01 * perfect.energy * perfect.cycles.total
    assert found.counts.macs == layer.macs


def test_what_fills_the_array_needs_no_proof_beyond():
    layer, hardware = ConvLayer("c", 16, 16, 8, 8, 1, 1), load_hardware("simple")
    found = map_layer(layer, hardware, objective="cycles", imperfect=True)
    assert found.search.proved
    assert found.cycles.total == layer.macs // 256


@pytest.mark.parametrize("size", [2, 14])
def test_nothing_is_proved_by_bounds_of_what_the_search_does_not_see(size):
    layer = ConvLayer("c", 1, 2, size, size, 3, 3, padding=(1, 1, 1, 1))
    hardware = load_hardware("simple", ["padding=generated"])
    found = map_layer(layer, hardware, imperfect=True).search
    assert not found.proved
    assert math.isnan(found.gap)
    assert "of an image short tiles hold is not part of the search" in found.note


def test_the_time_limit_holds_and_is_told():
    layer, hardware = ConvLayer("c", 509, 509, 113, 113, 7, 7), load_hardware("simple")
    begun = time.monotonic()
    found = map_layer(layer, hardware, time_limit=1.0, imperfect=True)
    assert time.monotonic() - begun < 30
    assert not found.search.proved
    assert "the time limit ended the search" in found.search.note


def test_networks_are_estimated_with_short_rounds():
    layers = (ConvLayer("a", 3, 7, 9, 9, 3, 3), ConvLayer("b", 7, 11, 7, 7, 1, 1))
    network = Network("primes", layers)
    plain, found = (
        estimate("simple", network, "scalar:k=4", objective="cycles", imperfect=choice)
        for choice in (False, True)
    )
    for run, other in zip(plain.runs.values(), found.runs.values(), strict=True):
        assert other.cycles < run.cycles


def test_units_of_clustered_weights_stay_whole():
    layer, hardware = ConvLayer("c", 5, 7, 11, 11, 3, 3), load_hardware("eyeriss")
    form = weight_formats([layer], hardware, parse_clustering("kernel:k=16"))[0]
    found = map_layer(layer, hardware, form, imperfect=True)
    assert found.energy == pytest.approx(evaluate(layer, hardware, found.mapping, form).energy)


def test_images_that_are_too_large_to_be_marked_are_refused():
    layer = ConvLayer("wide", 3, 4, 6, 6, 3, 3, padding=65536)
    sizes = {"M": 4, "C": 3, "R": 3, "S": 3, "Q": 131076, "P": 26216}
    loops = tuple(Loop(dimension, size) for dimension, size in sizes.items())
    mapping = Mapping((LevelLoops("DRAM", loops), LevelLoops("buffer", (Loop("P", 5),))))
    message = rf"marked in an image, here of {131078**2} pixels; expected at most 100000000 pixels"
    with pytest.raises(MappingError, match=message):
        count_layer(layer, load_hardware("eyeriss"), mapping)

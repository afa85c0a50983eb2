"""Mappings with short last rounds that are found from larger layers."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcsim import (
    ConvLayer,
    LevelLoops,
    Loop,
    Mapping,
    MappingError,
    count_layer,
    evaluate,
    load_hardware,
    map_layer,
    parse_clustering,
    search_mapping,
)
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
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
    assert not found.proved
    assert math.isnan(found.gap)
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
        assert not found.mapping.is_perfect(layer)


def test_primes_no_longer_leave_the_array_idle():
    layer, hardware = ConvLayer("c", 16, 127, 13, 13, 1, 1), load_hardware("simple")
    perfect, found = (
        map_layer(layer, hardware, objective="cycles", imperfect=choice) for choice in (False, True)
    )
    assert found.cycles.total < perfect.cycles.total
    assert found.counts.macs == layer.macs
    assert found.search is not None
    assert found.search.note


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

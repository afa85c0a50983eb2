"""Many mappings at once: the same counts as one by one, and one line for the first that is none."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from mapped_layers import mapped_layers

from kcsim import MappingError, count_layer, load_layer
from kcsim.errors import OverflowedCountError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.bulk import count_mappings, stack_mappings
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("conv", 4, 6, 10, 10, 3, 3)
HARDWARE = Hardware(
    name="tiny",
    levels=(
        Level(name="DRAM", read_pj=1, write_pj=1),
        Level(name="buffer", read_pj=1, write_pj=1, capacity_words=400, fanout=Fanout(x=3, y=2)),
    ),
    compute=Compute(mac_pj=1),
)


def nest(*inner):
    """The loops over some dimensions at the buffer, all others outside."""
    loops = [Loop(d, n) for d, n in LAYER.dimensions.items() if n > 1]
    return Mapping(
        (
            LevelLoops("DRAM", tuple(loop for loop in loops if loop.dimension not in inner)),
            LevelLoops("buffer", tuple(loop for loop in loops if loop.dimension in inner)),
        )
    )


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(mapped_layers())
def test_counts_are_those_of_one_mapping(mapped):
    layer, hardware, mapping = mapped
    one = count_layer(layer, hardware, mapping)
    reversed_order = Mapping(
        tuple(dataclasses.replace(loops, temporal=loops.temporal[::-1]) for loops in mapping.levels)
    )
    other = count_layer(layer, hardware, reversed_order)
    loops = stack_mappings([mapping, reversed_order, mapping], hardware)
    counts = count_mappings(layer, hardware, loops, bypass=mapping)
    for i, expected in enumerate((one, other, one)):
        assert (counts.accesses[i] == expected.accesses).all()
        assert (counts.transfers[i] == expected.transfers).all()
        assert (counts.tile_words[i] == expected.tile_words).all()
        assert (counts.instances[i] == expected.instances).all()
        assert counts.temporal_steps[i] == expected.temporal_steps
    assert counts.fits.all()


def test_mappings_of_different_lengths_and_what_fits():
    mappings = [nest("R", "S"), nest("P", "Q", "M"), nest()]
    counts = count_mappings(LAYER, HARDWARE, stack_mappings(mappings, HARDWARE))
    assert counts.fits.tolist() == [True, False, True]
    for i in (0, 2):
        one = count_layer(LAYER, HARDWARE, mappings[i])
        assert (counts.accesses[i] == one.accesses).all()
    with pytest.raises(MappingError, match="too small"):
        count_layer(LAYER, HARDWARE, mappings[1])


GOOD = stack_mappings([nest("R", "S")] * 4, HARDWARE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, 2), "mapping 2: level 2 of loop 5 is out of range"),
        ((0, -1), "mapping 2: level -1 of loop 5 is out of range"),
        ((1, 3), "mapping 2: kind 3 of loop 5 is out of range"),
        ((2, 8), "mapping 2: dimension 8 of loop 5 is out of range"),
        ((3, 0), "mapping 2: bound 0 of loop 5 is out of range"),
        ((0, 0), None),
        ((3, 2), "mapping 2: its loops over S do not multiply to the 3 of conv"),
        ((3, 2**62), "mapping 2: its loops over S do not multiply to the 3 of conv"),
        ((2, 6), "mapping 2: its loops over R do not multiply to the 3 of conv"),
        ((1, 1), None),
        ((1, 2), "mapping 2: it needs more than the 2 children along Y of 'buffer'"),
    ],
)
def test_the_first_wrong_mapping_is_named(change, message):
    loops = GOOD.copy()
    column, value = change
    loops[2:, 5, column] = value
    if message is None:
        loops[2:, 4:, 0] = value if column == 0 else loops[2:, 4:, 0]
        count_mappings(LAYER, HARDWARE, loops)
        return
    with pytest.raises(MappingError) as caught:
        count_mappings(LAYER, HARDWARE, loops)
    assert str(caught.value) == message


def test_levels_out_of_order():
    loops = GOOD.copy()
    loops[1] = loops[1, ::-1]
    with pytest.raises(MappingError, match="mapping 1: loop 2 belongs to a level outside"):
        count_mappings(LAYER, HARDWARE, loops)


@pytest.mark.parametrize(
    ("loops", "shape"),
    [
        (np.zeros((2, 4), np.int64), "int64[2, 4]"),
        (np.zeros((1, 2, 3), np.int64), "int64[1, 2, 3]"),
        (np.zeros((1, 2, 4)), "float64[1, 2, 4]"),
        ([], "float64[0]"),
    ],
)
def test_other_arrays_are_refused(loops, shape):
    with pytest.raises(MappingError) as caught:
        count_mappings(LAYER, HARDWARE, loops)
    assert f"loops are {shape}; expected integers [mappings, loops, 4]" in str(caught.value)


def test_no_mappings_give_no_counts():
    counts = count_mappings(LAYER, HARDWARE, GOOD[:0])
    assert counts.accesses.shape == (0, 2, 3, 3)
    assert counts.fits.shape == (0,)


def test_layers_whose_counts_may_not_fit_are_refused():
    layer = dataclasses.replace(load_layer("alexnet/conv1"), batch=2**31 - 1)
    with pytest.raises(OverflowedCountError):
        count_mappings(layer, HARDWARE, GOOD)

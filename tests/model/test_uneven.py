"""Uneven mappings: the definition by unrolling, a published layer, capacities, and weights."""

from __future__ import annotations

import dataclasses
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers
from small_design import LAYER, MAPPING, design
from unrolled import unroll, with_places

import kcsim
from kcsim import InputError, MappingError, count_layer, evaluate
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.replay.dense import compare, replay_layer

NORMAL = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
MOST_LEVELS = 16


def by_tile(hardware):
    """The hardware with networks that send a tile to all children that want it, and forward none.

    These share what children ask for together, also when a level stands in between that keeps
    nothing of it.
    """
    levels = tuple(
        dataclasses.replace(
            level, fanout=dataclasses.replace(level.fanout, multicast="tile", forwarding=())
        )
        for level in hardware.levels
    )
    return dataclasses.replace(hardware, levels=levels)


@pytest.mark.parametrize("imperfect", [False, True])
def test_counts_are_those_of_a_level_for_each_tensor(imperfect):
    uneven = 0

    @NORMAL
    @given(mapped_layers(uneven=True, imperfect=imperfect))
    def compared(mapped):
        nonlocal uneven
        layer, hardware, mapping = mapped
        hardware = by_tile(hardware)
        assume(sum(len(level.kept_tensors) or 1 for level in hardware.levels) <= MOST_LEVELS - 5)
        flat, even, owners = unroll(hardware, mapping)
        counts, unrolled = count_layer(layer, hardware, mapping), count_layer(layer, flat, even)
        uneven += bool(mapping.heights_array(hardware).any())
        found, tiles = np.zeros_like(counts.accesses), np.zeros_like(counts.tile_words)
        for i, name in enumerate(flat.level_names):
            found[hardware.level_index(owners[name])] += unrolled.accesses[i]
            tiles[hardware.level_index(owners[name])] += unrolled.tile_words[i]
        assert (found == counts.accesses).all()
        assert (tiles == counts.tile_words).all()
        assert unrolled.temporal_steps == counts.temporal_steps

    compared()
    assert uneven > 30


@NORMAL
@given(
    mapped_layers(uneven=True),
    st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3)),
    st.data(),
)
def test_bits_of_indexes_are_those_of_a_level_for_each_tensor(mapped, unit, data):
    layer, hardware, mapping = mapped
    hardware = by_tile(hardware)
    assume(sum(len(level.kept_tensors) or 1 for level in hardware.levels) <= MOST_LEVELS - 5)
    names = [
        level.name
        for level, keeps in zip(hardware.levels, mapping.keeps_array(hardware), strict=True)
        if keeps[0]
    ]
    decoder = data.draw(st.sampled_from(names))
    form = WeightFormat(16, unit, Fraction(5), hardware.level_index(decoder))
    flat, even, owners = unroll(hardware, mapping)
    place = next(
        i for i, level in enumerate(flat.levels)
        if owners[level.name] == decoder and "weights" in level.kept_tensors
    )  # fmt: skip
    other = evaluate(layer, flat, even, dataclasses.replace(form, decode_level=place))
    bits, expected = Counter(), Counter()
    for item in evaluate(layer, hardware, mapping, form).items:
        if item.component in hardware.level_names:
            bits[item.component, item.tensor, item.action] += item.bits
    for item in other.items:
        if item.component in owners:
            expected[owners[item.component], item.tensor, item.action] += item.bits
    assert bits == expected


def one_unit(outer=65536, inner=256):
    """Two memories and a MAC, with energies of 200, 6, 1 and 1 a word."""
    levels = (
        Level(name="DRAM", read_pj=200, write_pj=200),
        Level(name="L1", read_pj=6, write_pj=6, capacity_words=outer),
        Level(name="L2", read_pj=1, write_pj=1, capacity_words=inner),
    )
    return Hardware(name="one unit", levels=levels, compute=Compute(mac_pj=1))


DOWNSAMPLE = Mapping(
    (
        LevelLoops("DRAM"),
        with_places("L1", "outputs C=4 weights Q=7 inputs M=16"),
        with_places("L2", "outputs C=64 inputs M=32 weights P=7"),
    )
)


def test_a_layer_of_resnet18():
    layer = kcsim.load_layer("resnet18/layer4.0.downsample")
    estimate = evaluate(layer, one_unit(), DOWNSAMPLE)
    assert estimate.counts.tile_words[1:].tolist() == [[32768, 832, 25088], [1, 13, 224]]
    # Others pay a read at the level that a finished or unfinished sum leaves upwards, too.
    counts = estimate.counts
    left = 6 * counts.moved("DRAM", "outputs", "up") + counts.moved("L1", "outputs", "up")
    assert (estimate.energy, left) == (79_065_600, 250_880)
    assert estimate.energy + left == 79_316_480
    even = tuple(dataclasses.replace(level, heights=(0, 0, 0)) for level in DOWNSAMPLE.levels)
    with pytest.raises(MappingError, match="'L1' is too small for its tiles: weights 131072"):
        evaluate(layer, one_unit(), Mapping(even))


def test_a_layer_of_resnet18_is_executed():
    layer = kcsim.load_layer("resnet18/layer4.0.downsample")
    replay = replay_layer(layer, one_unit(), DOWNSAMPLE)
    assert compare(replay, count_layer(layer, one_unit(), DOWNSAMPLE)) == ()


def test_all_tiles_of_a_level_have_to_fit_together():
    layer = kcsim.load_layer("resnet18/layer4.0.downsample")
    room = 32768 + 832 + 25088
    assert count_layer(layer, one_unit(outer=room), DOWNSAMPLE).temporal_steps == layer.macs
    with pytest.raises(MappingError) as caught:
        count_layer(layer, one_unit(outer=room - 1, inner=237), DOWNSAMPLE)
    assert [str(problem) for problem in caught.value.problems] == [
        "level 'L1' is too small for its tiles: weights 32768 + inputs 832 + outputs 25088 take "
        f"{room} words; expected at most the {room - 1} that it has",
        "level 'L2' is too small for its tiles: weights 1 + inputs 13 + outputs 224 take 238 "
        "words; expected at most the 237 that it has",
    ]


@settings(NORMAL, max_examples=100)
@given(mapped_layers(uneven=True), st.data())
def test_many_mappings_count_as_one_by_one(mapped, data):
    layer, hardware, mapping = mapped
    mappings = [mapping]
    for _ in range(3):
        levels = [
            dataclasses.replace(
                level,
                heights=tuple(
                    data.draw(st.integers(0, len(level.temporal) * (i > 0))) for _ in "wio"
                ),
            )
            for i, level in enumerate(mapping.levels)
        ]
        mappings.append(Mapping(tuple(levels)))
    loops, heights = (
        kcsim.stack_mappings(mappings, hardware),
        kcsim.stack_heights(mappings, hardware),
    )
    counts = kcsim.count_mappings(layer, hardware, loops, bypass=mapping, heights=heights)
    for i, each in enumerate(mappings):
        expected = count_layer(layer, hardware, each)
        assert (counts.accesses[i] == expected.accesses).all()
        assert (counts.transfers[i] == expected.transfers).all()
        assert (counts.tile_words[i] == expected.tile_words).all()
        assert (counts.instances[i] == expected.instances).all()
        assert counts.temporal_steps[i] == expected.temporal_steps


def test_many_mappings_fit_by_the_tiles_at_their_places():
    layer = kcsim.load_layer("resnet18/layer4.0.downsample")
    even = Mapping(tuple(dataclasses.replace(n, heights=(0, 0, 0)) for n in DOWNSAMPLE.levels))
    mappings = [even, DOWNSAMPLE]
    loops = kcsim.stack_mappings(mappings, one_unit())
    heights = kcsim.stack_heights(mappings, one_unit())
    counts = kcsim.count_mappings(layer, one_unit(), loops, heights=heights)
    assert counts.fits.tolist() == [False, True]


SMALL = kcsim.stack_mappings([MAPPING] * 3, design())


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ((2, 1, 1), 3, "mapping 2: height 3 of inputs at 'buffer'; expected 0 to the 2 loops in "
         "time before any over children there"),
        ((1, 2, 0), -1, "mapping 1: height -1 of weights at 'PE'; expected 0 to the 3 loops in "
         "time before any over children there"),
        ((0, 0, 2), 1, "mapping 0: height 1 of outputs at 'DRAM'; expected 0: the outermost level "
         "keeps tensors as a whole"),
    ],
)  # fmt: skip
def test_heights_out_of_range_are_refused(place, value, message):
    heights = np.zeros((3, 3, 3), np.int64)
    heights[place] = value
    with pytest.raises(MappingError) as caught:
        kcsim.count_mappings(LAYER, design(), SMALL, heights=heights)
    assert str(caught.value) == message


def test_heights_of_another_shape_are_refused():
    with pytest.raises(MappingError) as caught:
        kcsim.count_mappings(LAYER, design(), SMALL, heights=np.zeros((3, 2, 3), np.int64))
    expected = "heights are int64[3, 2, 3]; expected integers [3, 3, 3]: mappings, levels, tensors"
    assert str(caught.value) == expected


def test_what_a_level_does_not_keep_has_no_height():
    level = LevelLoops("buffer", (Loop("P", 2),), bypass=("inputs",), heights=(1, 1, 1))
    assert level.heights == (1, 0, 1)
    hardware = design(buffer={"keeps": ("outputs",)})
    mapping = Mapping((LevelLoops("DRAM"), level, LevelLoops("PE")))
    assert mapping.heights_array(hardware).tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0]]


def test_loops_of_one_iteration_stand_nowhere():
    level = LevelLoops("buffer", (Loop("P", 1), Loop("C", 2), Loop("Q", 1)), heights=(1, 2, 3))
    assert level.with_loops(level.nests).heights == (0, 1, 1)
    mapping = Mapping((LevelLoops("DRAM"), level))
    assert mapping.heights_array(design()).tolist() == [[0, 0, 0], [0, 1, 1], [0, 0, 0]]


@pytest.mark.parametrize("heights", [(0, 0), (0, 3, 0), (-1, 0, 0)])
def test_heights_that_are_none_are_refused(heights):
    with pytest.raises(InputError) as caught:
        LevelLoops("buffer", (Loop("P", 2), Loop("C", 2)), heights=heights)
    assert str(caught.value) == (
        f"the heights of weights, inputs and outputs at 'buffer' are {list(heights)}; expected "
        "three numbers from 0 to its 2 loops in time"
    )


def test_indexes_of_a_tile_of_weights_are_those_at_its_place():
    # The two channels of a unit are looped over outside of the weights of the buffer: each of
    # their tiles, of one channel, takes the indexes of all units that it cuts.
    dram, buffer, pe = MAPPING.levels
    outside = LevelLoops("DRAM", dram.temporal)
    inner = LevelLoops("PE", tuple(loop for loop in pe.temporal if loop.dimension != "C"))
    nest = LevelLoops(
        "buffer", (Loop("C", 2), *buffer.temporal), buffer.spatial_x, heights=(1, 0, 0)
    )
    hardware = dataclasses.replace(
        design(), codebook=CodebookStore(level="buffer", capacity_kib=8.0, read_pj=3, write_pj=4)
    )
    form = WeightFormat(16, (2, 3, 3), Fraction(4), 1, 72, 72 * 16)
    account = {
        (i.component, i.tensor, i.action): i
        for i in evaluate(LAYER, hardware, Mapping((outside, nest, inner)), form).items
    }
    fill = account["buffer", "weights", "fill"]
    # 2 x 2 tiles of 18 weights come once each, of 2 filters: an index for every filter and tile.
    assert (fill.count, fill.bits) == (72, 2 * 2 * 2 * 4)


def test_a_mapping_as_text_names_tensors_behind_loops():
    nest = with_places("buffer", "outputs P=2 inputs C=2 weights")
    assert str(Mapping((LevelLoops("DRAM"), nest, LevelLoops("PE", (Loop("M", 4),))))) == (
        "DRAM\n"
        "  buffer\n"
        "    for P in 2\n"
        "      [inputs]\n"
        "      for C in 2\n"
        "        [weights]\n"
        "        PE\n"
        "          for M in 4"
    )

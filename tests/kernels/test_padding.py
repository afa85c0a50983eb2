"""Padding that a level generates: closed forms and executed nests against sets of words."""

import dataclasses

import oracle
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mapped_layers import TENSORS, padded_layers

from kcsim.errors import InputError, MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.best import map_layer
from kcsim.model.counts import ACTIONS, DIRECTIONS, count_layer
from kcsim.replay.dense import compare, replay_layer
from kcsim.workload.layer import ConvLayer

NORMAL = settings(
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def check_replay(mapped, skipped_pixels="moved"):
    layer, hardware, mapping = mapped
    hardware = dataclasses.replace(hardware, skipped_pixels=skipped_pixels)
    assert (
        compare(replay_layer(layer, hardware, mapping), count_layer(layer, hardware, mapping)) == ()
    )


def check(mapped):
    counts, walk = count_layer(*mapped), oracle.walk(*mapped)
    for level, name in enumerate(mapped[1].level_names):
        for j, tensor in enumerate(TENSORS):
            place = name, tensor
            walked = [getattr(walk, action)[place] for action in (*ACTIONS, *DIRECTIONS)]
            counted = [*counts.accesses[level, j], *counts.transfers[level, j]]
            assert counted == walked, place
            assert counts.tile_words[level, j] == walk.tile_words[place], place


@NORMAL
@given(padded_layers(forwards=False))
def test_counts_without_padding_equal_the_walk(mapped):
    check(mapped)


@NORMAL
@given(padded_layers(uneven=True, forwards=False), st.sampled_from(("moved", "left_out")))
def test_replays_without_padding_equal_the_closed_forms(mapped, skipped_pixels):
    check_replay(mapped, skipped_pixels)


def slides_freely(mapped):
    layer, hardware, mapping = mapped
    return layer, dataclasses.replace(hardware, slides="any"), mapping


@NORMAL
@given(padded_layers(imperfect=True).map(slides_freely))
def test_short_tiles_without_padding_equal_the_walk(mapped):
    check(mapped)
    check_replay(mapped)


@NORMAL
@given(padded_layers(windows=True).map(slides_freely))
def test_forwarded_tiles_without_padding_equal_the_walk(mapped):
    check(mapped)
    check_replay(mapped)


def two_levels(**keys):
    levels = (
        Level(name="DRAM", read_pj=200, write_pj=200),
        Level(name="buffer", read_pj=6, write_pj=6, capacity_words=4_000_000),
    )
    return Hardware(name="two", levels=levels, compute=Compute(mac_pj=1), **keys)


def test_a_padded_map_of_14_rows_is_read_as_14_rows():
    layer = ConvLayer("conv5", 512, 512, 14, 14, 3, 3, padding=1)
    nest = [Loop(*loop) for loop in zip("MCPQRS", (512, 512, 14, 14, 3, 3), strict=True)]
    mapping = Mapping((LevelLoops("DRAM"), LevelLoops("buffer", tuple(nest))))
    for keys, words in (({}, 14 * 14 * 512), ({"padding": "moved"}, 16 * 16 * 512)):
        counts = count_layer(layer, two_levels(**keys), mapping)
        assert counts.words("DRAM", "inputs", "reads") == words
        assert counts.words("buffer", "inputs", "fills") == words
        assert counts.words("buffer", "inputs", "reads") == layer.macs


def test_who_generates_padding_is_a_level_that_keeps_inputs():
    with pytest.raises(InputError, match="there is no level 'bufer'"):
        two_levels(padding="generated", padding_level="bufer")
    with pytest.raises(InputError, match="but padding is moved"):
        two_levels(padding="moved", padding_level="buffer")


def test_the_best_mapping_reads_the_image_once_and_is_proved():
    layer = ConvLayer("conv", 4, 4, 4, 4, 3, 3, padding=1)
    found = map_layer(layer, two_levels(padding="generated"))
    assert found.search.proved
    assert found.counts.words("DRAM", "inputs", "reads") == 4 * 4 * 4
    moved = map_layer(layer, two_levels(padding="moved"))
    assert moved.search.proved
    assert moved.counts.words("DRAM", "inputs", "reads") == 4 * 6 * 6
    assert found.search.energy < moved.search.energy


def test_a_search_says_that_it_takes_padding_for_moved_where_neighbors_pass_inputs_on():
    layer = ConvLayer("conv", 4, 4, 4, 4, 3, 3, padding=1)
    hardware = two_levels(padding="generated")
    above, buffer = hardware.levels
    above = dataclasses.replace(above, fanout=Fanout(x=2, forwarding=("inputs",)))
    hardware = dataclasses.replace(hardware, levels=(above, buffer))
    found = map_layer(layer, hardware)
    assert not found.search.proved
    assert "takes padding for moved" in found.search.note
    unpadded = dataclasses.replace(layer, padding=(0, 0, 0, 0))
    assert map_layer(unpadded, hardware).search.proved


def test_an_endless_margin_is_refused():
    layer = ConvLayer("padded", 8, 8, 8, 8, 3, 3, padding=(0, 1, 2, 2**31))
    with pytest.raises(MappingError, match=r"rows or columns of padding .* at most 4096"):
        map_layer(layer, two_levels(padding="generated"))

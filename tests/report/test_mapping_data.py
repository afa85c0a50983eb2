"""Loops, tiles and energy of a mapped layer, level by level: they are those of the estimate."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from mapped_layers import mapped_layers
from small_design import LAYER, MAPPING, design

import kcsim
from kcsim.hardware.level import Partition
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.report.mapping_data import NestLoop, Store, Tile, mapped_levels
from kcsim.workload.layer import TENSORS


def energies(estimate):
    levels = mapped_levels(estimate)
    return {(level.name, a.part): a.energy for level in levels for a in level.accounts}


@settings(max_examples=40)
@given(mapped_layers(imperfect=True))
def test_it_is_what_was_counted(case):
    layer, hardware, mapping = case
    estimate = kcsim.evaluate(layer, hardware, mapping)
    *levels, units = mapped_levels(estimate)
    assert tuple(level.name for level in levels) == hardware.level_names
    for i, level in enumerate(levels):
        tiles = {tile.tensor: tile.words for store in level.stores for tile in store.tiles}
        counted = dict(zip(TENSORS, map(int, estimate.counts.tile_words[i]), strict=True))
        assert tiles == {tensor: counted[tensor] for tensor in tiles}
        assert set(tiles).isdisjoint(level.passing)
        assert {*tiles, *level.passing} == set(TENSORS)
        assert not any(counted[tensor] for tensor in level.passing)
        assert all(0 <= (store.share or 0) <= 1 for store in level.stores)
        assert level.used == estimate.counts.instances[i] <= level.available
        below = (*levels, units)[i + 1]
        children = level.used * math.prod(loop.bound for loop in level.loops if loop.axis)
        assert below.used == children or (below.used < children and not mapping.is_perfect(layer))
        assert below.available == level.available * hardware.levels[i].fanout.children
    assert (units.loops, units.stores, units.passing) == ((), (), ())
    for dimension, size in layer.dimensions.items():
        loops = [x for level in levels for x in level.loops if x.dimension == dimension]
        assert math.prod(loop.bound for loop in loops) == mapping.bound(dimension)
        short = [loop.is_last_short for loop in loops]
        assert short == [i == 0 and mapping.bound(dimension) > size for i in range(len(loops))]
    spent = sum(account.total for level in (*levels, units) for account in level.accounts)
    assert spent == pytest.approx(estimate.energy)


def test_shares_of_partitions():
    parts = (
        Partition(tensors=("outputs", "weights"), capacity_words=60),
        Partition(tensors=("inputs",), capacity_words=40),
    )
    hardware = design(buffer={"capacity_words": None, "partitions": parts})
    stores = mapped_levels(kcsim.evaluate(LAYER, hardware, MAPPING))[1].stores
    tiles = [Tile("weights", 36, None, 576), Tile("outputs", 8, None, 128)]
    assert stores == (
        Store(tuple(tiles), 960, False),
        Store((Tile("inputs", 32, None, 512),), 640, False),
    )
    assert [store.share for store in stores] == [44 / 60, 32 / 40]


def test_half_of_a_double_buffer():
    hardware = design(buffer={"capacity_words": 200, "buffering": "double"})
    dram, buffer, *_ = mapped_levels(kcsim.evaluate(LAYER, hardware, MAPPING))
    assert [(s.capacity_bits, s.is_half, s.share) for s in buffer.stores] == [(1600, True, 0.76)]
    assert [(s.capacity_bits, s.is_half, s.share) for s in dram.stores] == [(None, False, None)]


def test_loops_that_iterate_once_are_left_out():
    first, *rest = MAPPING.levels
    one = LevelLoops("DRAM", (Loop("C", 1), *first.temporal), (Loop("P", 1),))
    levels = mapped_levels(kcsim.evaluate(LAYER, design(), Mapping((one, *rest))))
    assert levels[0].loops == (NestLoop("M", 2),)
    assert levels[1].loops == (NestLoop("P", 2), NestLoop("Q", 2), NestLoop("M", 2, "X"))


def test_tensors_stand_among_the_loops():
    first, buffer, pe = MAPPING.levels
    loops = Loop("C", 1), *buffer.temporal
    buffer = replace(buffer, temporal=loops, heights=(1, 2, 0))
    levels = mapped_levels(kcsim.evaluate(LAYER, design(), Mapping((first, buffer, pe))))
    assert levels[1].nest == (
        "weights", "outputs", NestLoop("P", 2), "inputs", NestLoop("Q", 2), NestLoop("M", 2, "X")
    )  # fmt: skip
    assert levels[1].loops == (NestLoop("P", 2), NestLoop("Q", 2), NestLoop("M", 2, "X"))
    assert levels[0].nest == levels[0].loops
    assert [tile.words for tile in levels[1].stores[0].tiles] == [36, 24, 8]


def test_indexes_down_to_the_decoder(indexed):
    levels = mapped_levels(indexed())
    tiles = [level.stores[0].tiles[0] for level in levels[:-1]]
    # One index of 8 bits for each kernel of nine weights; the PEs hold the weights themselves.
    assert tiles == [
        Tile("weights", 72, 8, 64),
        Tile("weights", 36, 4, 32),
        Tile("weights", 18, None, 288),
    ]


@pytest.mark.parametrize(
    ("capacity_kib", "component", "place"),
    [(1, "codebook", "buffer"), (0.05, "codebook (buffer)", "buffer")],
)
def test_energy_by_place_and_tensor(indexed, capacity_kib, component, place):
    estimate = indexed(capacity_kib)
    components = {
        ("DRAM", "storage"): "DRAM",
        ("buffer", "storage"): "buffer",
        (place, "codebook"): component,
        ("buffer", "network"): "buffer network",
        ("PE", "storage"): "PE",
        ("MAC units", "MAC"): "MAC",
    }
    found = energies(estimate)
    assert list(found) == list(components)
    for key, name in components.items():
        items = [item for item in estimate.items if item.component == name]
        assert found[key] == {
            tensor: pytest.approx(sum(i.energy for i in items if i.tensor == tensor))
            for tensor in {item.tensor for item in items}
        }


def test_a_codebook_that_only_dram_holds_is_paid_there(indexed):
    found = energies(indexed(0.05, buffer={"capacity_words": 45}))
    assert ("DRAM", "codebook") in found
    assert ("buffer", "codebook") not in found


def test_static_energy_stands_with_the_units():
    estimate = kcsim.evaluate(LAYER, design(static_pj_per_cycle=3), MAPPING)
    assert energies(estimate)["MAC units", "static"] == {"": 3 * estimate.cycles.total}

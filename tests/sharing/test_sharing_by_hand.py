"""A shared convolution small enough to count by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from kcsim.clustering.precision import StoredValues
from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.hardware.level import Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.sharing.account import evaluate_shared
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer, SharedMapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.weights.clustered_layer import ClusteredLayer, Codebook
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("hand", 2, 4, 2, 2, 1, 1)
HARDWARE = Hardware(
    name="hand",
    levels=tuple(
        Level(name=name, read_pj=1, write_pj=1, capacity_words=None if i == 0 else 1000)
        for i, name in enumerate(("DRAM", "buffer", "register"))
    ),
    compute=Compute(mac_pj=1),
    codebook=CodebookStore(level="buffer", capacity_kib=1, read_pj=1, write_pj=1),
)
INDEXES = np.array([[0, 1], [0, 1], [0, 0], [1, 0]], np.int32).reshape(4, 2, 1, 1)
"""Filters 0 and 1 use one entry for each channel; 2 and 3 use both for channel 0, one for 1."""
READS, FILLS, UPDATES = range(3)
WEIGHTS, INPUTS, OUTPUTS = range(3)
DRAM, BUFFER, REGISTER = range(3)


def shared(sharing):
    part = resolve_layer(LAYER, parse_clustering("scalar:k=2"))
    codebook = Codebook(part.codebook, StoredValues(np.ones((2, 1, 1, 1), np.float32), 32))
    distinct = DistinctEntries.of(ClusteredLayer(part, INDEXES), codebook)
    (form,) = weight_formats((LAYER,), HARDWARE, parse_clustering("scalar:k=2"))
    return SharedLayer(LAYER, HARDWARE, form, distinct, SHARINGS[sharing])


def loops(level, text):
    return Mapping((LevelLoops(level, tuple(Loop.parse(each) for each in text.split())),))


def plan(sharing, gather, entries):
    """Tiles of two filters and one channel; for both filters in turn, one channel and the other."""
    outer = Mapping((*loops("DRAM", "M=2 C=2").levels, *loops("buffer", "M=2 P=2 Q=2").levels))
    tile = Tile(N=1, G=1, M=2, C=1, P=2, Q=2)
    return SharedMapping(
        SHARINGS[sharing], "buffer", "buffer", False, tile, outer, loops("buffer", gather),
        loops("buffer", entries),
    )  # fmt: skip


@pytest.fixture(scope="module")
def products():
    mapping = plan("share_products", "M=2 P=2 Q=2", "M=2 P=2 Q=2")
    return evaluate_shared(shared("share_products"), mapping)


@pytest.fixture(scope="module")
def sums():
    mapping = plan("share_sums", "M=2 P=2 Q=2", "P=2 Q=2")
    return evaluate_shared(shared("share_sums"), mapping)


def test_products_are_computed_once_for_each_entry_of_a_tile(products):
    # Tiles have 1 and 1, 2 and 1 entries, for 4 pixels each.
    assert products.intermediate.words == 20
    assert products.entries.counts.macs == 20
    assert products.intermediate_accesses[:, UPDATES].tolist() == [0, 20, 20]
    # 4 tiles, 2 filters, 4 outputs: each takes one product from the buffer.
    assert products.intermediate_accesses[:, READS].tolist() == [0, 32, 0]
    assert products.intermediate_accesses[:, FILLS].tolist() == [0, 0, 0]
    assert products.operations.multiplies == 20
    assert products.operations.adds == 32
    # A table of 4 places for 2 entries, the most of any tile.
    assert (products.intermediate.width, products.intermediate.tile_words) == (2, 8)


def test_inputs_indexes_and_outputs_of_products(products):
    accesses = products.counts.accesses
    # The 4 pixels of a channel come for each of 4 tiles, and again for each entry of a tile.
    assert accesses[:, INPUTS, READS].tolist() == [16, 20, 20]
    assert accesses[:, INPUTS, FILLS].tolist() == [0, 16, 20]
    # 2 indexes a tile, read for each of 4 outputs by the adders; 1, 1, 2 and 1 entries to look up,
    # whose lists come with the indexes.
    assert accesses[:, WEIGHTS, READS].tolist() == [8, 8 + 5, 32 + 20]
    assert accesses[:, WEIGHTS, FILLS].tolist() == [0, 8, 8 + 5]
    bits = {(i.component, i.action): i.bits for i in products.items if i.tensor == "weights"}
    # One bit for each index and each entry of a list.
    assert bits["DRAM", "read"] == bits["buffer", "fill"] == 8 + 5
    assert products.lookups == 5
    # 8 outputs of 4 tiles come to the buffer; those of the second channel are added to the first's.
    assert accesses[:, OUTPUTS, UPDATES].tolist() == [16, 32, 32]
    assert accesses[:, OUTPUTS, READS].tolist() == [0, 16, 0]


def test_tables_of_all_entries_take_no_lists():
    mapping = plan("share_products", "M=2 P=2 Q=2", "M=2 P=2 Q=2")
    found = evaluate_shared(shared("share_products"), replace(mapping, listed=False))
    # Each of 4 tiles has both entries, for 4 pixels each.
    assert (
        found.intermediate.words == found.entries.counts.macs == found.operations.multiplies == 32
    )
    assert found.operations.adds == 32
    assert (found.intermediate.width, found.intermediate.tile_words) == (2, 8)
    assert found.counts.accesses[:, WEIGHTS, READS].tolist() == [8, 8 + 8, 32 + 32]
    bits = {(i.component, i.action): i.bits for i in found.items if i.tensor == "weights"}
    # One bit for each index.
    assert bits["DRAM", "read"] == bits["buffer", "fill"] == 8
    assert found.lookups == 8
    assert not found.intermediate.is_expectation


def test_sums_are_multiplied_once_for_each_entry_of_a_filter(sums):
    # Every filter has one unit and one entry in a tile of one channel: 4 tiles, 2 filters.
    assert sums.intermediate.words == 32
    assert sums.intermediate_accesses[:, UPDATES].tolist() == [0, 32, 0]
    assert sums.intermediate_accesses[:, READS].tolist() == [0, 32 + 32, 32]
    assert sums.entries.counts.macs == 32
    # Each sum is of one value, so that nothing is added before it is multiplied.
    assert sums.operations.multiplies == 32
    assert sums.operations.adds == 32
    accesses = sums.counts.accesses
    # Pixels are gathered for each of two filters.
    assert accesses[:, INPUTS, READS].tolist() == [16, 32, 32]
    assert accesses[:, WEIGHTS, READS].tolist() == [8, 8 + 8, 32 + 32]
    assert accesses[:, OUTPUTS, UPDATES].tolist() == [16, 32, 32]
    assert accesses[:, OUTPUTS, READS].tolist() == [0, 16, 0]


@pytest.mark.parametrize("sharing", ["share_products", "share_sums"])
def test_tiles_of_one_row_compute_as_much_as_tiles_of_two(sharing):
    whole = plan(sharing, "M=2 P=2 Q=2", "P=2 Q=2" if sharing == "share_sums" else "M=2 P=2 Q=2")
    rows = replace(
        whole, tile=whole.tile._replace(P=1),
        outer=Mapping((*loops("DRAM", "M=2 C=2 P=2").levels, *loops("buffer", "M=2 Q=2").levels)),
        gather=loops("buffer", "M=2 Q=2"),
        entries=loops("buffer", "Q=2" if sharing == "share_sums" else "M=2 Q=2"),
    )  # fmt: skip
    one, two = (evaluate_shared(shared(sharing), each) for each in (rows, whole))
    assert one.intermediate.words == two.intermediate.words == one.entries.counts.macs
    assert one.operations == two.operations
    assert one.intermediate.tile_words * 2 == two.intermediate.tile_words


def test_units_in_order_have_an_address_and_say_where_their_entry_ends():
    layer, tile = shared("share_sums"), Tile(N=1, G=1, M=2, C=2, P=2, Q=2)
    # One of two units of a filter, and a bit for the last one of an entry.
    assert layer.index_bits(tile, ordered=True) == 1 + 1
    assert layer.index_bits(tile._replace(C=1), ordered=True) == 0 + 1
    assert layer.index_bits(tile, ordered=False) == 1


def test_spilled_products_go_through_the_outermost_level():
    whole = Tile.whole(LAYER)
    mapping = replace(
        plan("share_products", "", ""), home="DRAM", gathered_at="buffer", tile=whole,
        outer=loops("DRAM", "M=4 C=2 P=2 Q=2"),
        gather=Mapping((*loops("DRAM", "P=2").levels, *loops("buffer", "M=4 C=2 Q=2").levels)),
        entries=loops("DRAM", "M=2 P=2 Q=2"),
    )  # fmt: skip
    found = evaluate_shared(shared("share_products"), mapping)
    # Both channels have both entries; 4 pixels each.
    assert found.intermediate.words == 16
    assert found.intermediate.spilled
    assert found.intermediate_accesses[DRAM].tolist() == [16, 0, 16]
    # Tables come to the buffer row by row; 4 filters, 2 channels and 4 outputs gather from there.
    assert found.intermediate_accesses[BUFFER].tolist() == [32, 16, 16]
    assert found.counts.accesses[BUFFER, INPUTS, FILLS] == 16
    assert found.counts.accesses[DRAM, OUTPUTS].tolist() == [0, 0, 16]


def test_zero_units_that_are_left_out_have_no_address():
    layer, tile = shared("share_sums"), Tile(N=1, G=1, M=2, C=2, P=2, Q=2)
    # Five of the eight units have the other entry.
    left_out = replace(
        layer.distinct, keys=np.where(layer.distinct.keys == 0, -1, 1), zero_share=5 / 8
    )
    without = replace(layer, distinct=left_out)
    assert without.index_bits(tile, ordered=True) == Fraction(3, 8) * 2
    assert without.index_bits(tile, ordered=False) == 1


def test_a_running_sum_stays_in_its_adder():
    plain = plan("share_sums", "M=2 P=2 Q=2", "P=2 Q=2")
    bare = tuple(
        replace(level, keeps=()) if level.name == "register" else level for level in HARDWARE.levels
    )
    layer = replace(shared("share_sums"), hardware=replace(HARDWARE, levels=bare))
    one_by_one, ordered = (
        evaluate_shared(layer, replace(plain, ordered=order)) for order in (False, True)
    )
    # 32 sums of one unit each: read, added to and written for each unit, or written once; and read
    # by the phase that multiplies.
    assert one_by_one.intermediate_accesses[BUFFER].tolist() == [32 + 32, 0, 32]
    assert ordered.intermediate_accesses[BUFFER].tolist() == [32, 0, 32]
    whole = replace(
        plain, tile=plain.tile._replace(C=2), outer=Mapping(
            (*loops("DRAM", "M=2").levels, *loops("buffer", "M=2 C=2 P=2 Q=2").levels)
        ), gather=loops("buffer", "M=2 C=2 P=2 Q=2"), entries=loops("buffer", "C=2 P=2 Q=2"),
    )  # fmt: skip
    one_by_one, ordered = (
        evaluate_shared(layer, replace(whole, ordered=order)) for order in (False, True)
    )
    # Three filters have two entries and one has one: 7 sums of 4 pixels, from 8 units.
    assert one_by_one.intermediate_accesses[BUFFER].tolist() == [32 + 28, 0, 32]
    assert ordered.intermediate_accesses[BUFFER].tolist() == [28, 0, 28]

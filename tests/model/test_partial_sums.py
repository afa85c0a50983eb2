"""Partial sums that come and go cost what they take: on networks too, and at their own width."""

from dataclasses import replace

import pytest
from small_design import LAYER, design

from kcsim.clustering.spec import parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
from kcsim.errors import MappingError, OverflowedCountError
from kcsim.hardware.level import Fanout, Partition
from kcsim.hardware.schema import CodebookStore, Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import search_mapping
from kcsim.model.bulk import count_mappings, stack_mappings
from kcsim.model.counts import check_range, count_layer
from kcsim.model.evaluate import evaluate
from kcsim.model.traffic import moved_bits
from kcsim.workload.layer import ConvLayer

PRECISION = Precision(weights=4, inputs=8, outputs=32)
NETWORK = Fanout(x=2, transfer_pj=3)
MAPPING = Mapping(
    (
        LevelLoops("DRAM", (Loop("M", 2),)),
        LevelLoops("buffer", (Loop("C", 2), Loop("P", 2), Loop("Q", 2)), (Loop("M", 2),)),
        LevelLoops("PE", (Loop("R", 3), Loop("S", 3))),
    )
)
"""Each of two PEs works on 8 sums, one at a time, and on each of them twice."""
SPILLED = Mapping(
    (
        LevelLoops("DRAM", (Loop("C", 2), Loop("M", 2))),
        LevelLoops("buffer", (Loop("P", 2), Loop("Q", 2)), (Loop("M", 2),)),
        LevelLoops("PE", (Loop("R", 3), Loop("S", 3))),
    )
)


def wide(**changes):
    """Sums four times as wide as inputs, in words of 16 bits."""
    parts = {name: {"word_bits": 16} for name in ("dram", "buffer", "pe")}
    parts["buffer"]["fanout"] = NETWORK
    for name, values in changes.items():
        parts[name] = {**parts[name], **values}
    return design(precision_bits=PRECISION, **parts)


def account(hardware, mapping=MAPPING, layer=LAYER):
    result = evaluate(layer, hardware, mapping)
    return {(i.component, i.tensor, i.action): i for i in result.items}


def test_sums_pay_for_their_way_back():
    moved = account(wide())["buffer network", "outputs", "transfer"]
    # 16 sums rise from each PE, and all but the first 8 of each had come down before.
    assert moved.count == 2 * 16 + 2 * 8
    assert moved.bits == 48 * 32
    assert (moved.accesses, moved.energy) == (96, 96 * 3)


def test_sums_pay_on_every_network_that_they_pass():
    hardware = wide(dram={"fanout": Fanout(transfer_pj=5)}, buffer={"keeps": ("weights", "inputs")})
    found = account(hardware)
    assert found["buffer network", "outputs", "transfer"].energy == 96 * 3
    assert found["DRAM network", "outputs", "transfer"].count == 48
    assert found["DRAM network", "outputs", "transfer"].energy == 96 * 5


def test_sums_that_spill_pay_between_dram_and_buffer():
    found = account(wide(dram={"fanout": Fanout(transfer_pj=5)}), SPILLED)
    assert found["DRAM network", "outputs", "transfer"].count == 32 + 16
    assert found["DRAM network", "outputs", "transfer"].energy == 96 * 5
    assert found["DRAM", "outputs", "update"].accesses == 64
    assert found["DRAM", "outputs", "read"].accesses == 32
    assert found["buffer", "outputs", "fill"].accesses == 32


def test_sums_pay_where_children_add_up():
    # Both channels at once: the PEs' sums are added on their way, and what returns fills both.
    by_channel = Mapping(
        (
            LevelLoops("DRAM", (Loop("M", 4),)),
            LevelLoops("buffer", (Loop("R", 3), Loop("P", 2), Loop("Q", 2)), (Loop("C", 2),)),
            LevelLoops("PE", (Loop("S", 3),)),
        )
    )
    found = account(wide(), by_channel)
    rising, returning = 2 * 4 * 12, 2 * 4 * 8
    assert found["buffer network", "outputs", "transfer"].count == rising + returning
    assert found["buffer", "outputs", "update"].count == 4 * 12
    apart = replace(NETWORK, reduction=False)
    found = account(wide(buffer={"fanout": apart}), by_channel)
    assert found["buffer", "outputs", "update"].count == rising
    # Of two sums that stand in the buffer one was never there before.
    assert found["buffer network", "outputs", "transfer"].count == rising + returning


def test_every_value_is_measured_at_its_own_width():
    hardware = wide()
    result = evaluate(LAYER, hardware, MAPPING)
    bits = {"weights": 4, "inputs": 8, "outputs": 32}
    found = {i.tensor for i in result.items if i.tensor}
    assert found == set(bits)
    for item in result.items:
        if item.tensor:
            assert item.bits == item.count * bits[item.tensor], item
            assert item.accesses == -(-item.count * bits[item.tensor] // 16), item


def test_wide_sums_take_the_bandwidth_they_take():
    counts = count_layer(LAYER, wide(), MAPPING)
    form = WeightFormat(4)
    assert moved_bits(counts, form, 2, "outputs", "updates") == 288 * 32
    rates = {"read_words_per_cycle": 1, "write_words_per_cycle": 0.5}
    cycles = evaluate(LAYER, wide(pe=rates), MAPPING).cycles.transfer["PE"]
    # In 2 PEs. Read: 288 weights, 288 inputs, 272 sums. Written: 72, 192, 16 that return, 288.
    reads, writes = 288 * 4 + 288 * 8 + 272 * 32, 72 * 4 + 192 * 8 + (16 + 288) * 32
    assert cycles == max(-(-reads // 32), -(-writes // 16))


def test_wide_sums_take_the_room_they_take():
    # 9 weights, 9 inputs and one sum in a PE: 36, 72 and 32 bits.
    assert count_layer(LAYER, wide(pe={"capacity_words": 9}), MAPPING)
    with pytest.raises(MappingError, match=r"take 9 words of 16 bits; expected at most the 8"):
        count_layer(LAYER, wide(pe={"capacity_words": 8}), MAPPING)
    one = (
        Partition(tensors=("weights", "inputs"), capacity_words=7),
        Partition(tensors=("outputs",), capacity_words=1),
    )
    with pytest.raises(MappingError, match=r"outputs 1 take 2 words of 16 bits"):
        count_layer(LAYER, wide(pe={"partitions": one, "capacity_words": None}), MAPPING)


def test_the_mapper_pays_for_wide_sums_as_the_account_does():
    for objective in ("energy", "edp"):
        hardware = wide(dram={"fanout": Fanout(transfer_pj=5)}, pe={"capacity_words": 9})
        found = search_mapping(LAYER, hardware, objective=objective)
        account_of = evaluate(LAYER, hardware, found.mapping)
        # Up to whole accesses.
        assert found.energy == pytest.approx(account_of.energy, rel=0.01)
        narrow = replace(hardware, precision_bits=replace(PRECISION, outputs=8))
        assert search_mapping(LAYER, narrow, objective=objective).energy < found.energy


def test_bulk_counts_know_which_sums_fit():
    hardware = wide(pe={"capacity_words": 9})
    loops = stack_mappings([MAPPING], hardware)
    assert count_mappings(LAYER, hardware, loops).fits.tolist() == [True]
    smaller = wide(pe={"capacity_words": 8})
    assert count_mappings(LAYER, smaller, loops).fits.tolist() == [False]


def test_a_codebook_is_as_wide_as_weights_whatever_sums_are():
    store = CodebookStore(level="buffer", capacity_kib=1, read_pj=2, write_pj=3)
    hardware = replace(wide(), codebook=store)
    (form,) = weight_formats([LAYER], hardware, parse_clustering("scalar:k=5"))
    assert (form.value_bits, form.codebook_bits) == (4, 20)
    result = evaluate(LAYER, hardware, MAPPING, form)
    load = next(i for i in result.items if i.action == "load")
    # 20 bits: two words of DRAM, five of the store.
    assert load.energy == 2 * 200 + 5 * 3


@pytest.mark.parametrize("side", ["stride", "dilation"])
def test_counts_that_windows_make_too_large_are_refused(side):
    # A tap, or an output, this far from the next one takes as many words between them.
    far = 2**24 - 1

    def layer(filters):
        size = far + 1
        if side == "dilation":
            return ConvLayer("far", 1, filters, size, size, 2, 2, dilation=(far, far))
        return ConvLayer("far", 1, filters, size, size, 1, 1, stride=(far, far))

    assert layer(2**10).macs == 4 * 2**10
    check_range(layer(2**10 - 1))
    with pytest.raises(OverflowedCountError, match="its counts may not fit in 64 bits"):
        check_range(layer(2**10))
    loops = tuple(Loop(d, n) for d, n in layer(2**10).dimensions.items() if n > 1)
    with pytest.raises(OverflowedCountError):
        count_layer(layer(2**10), design(), Mapping((LevelLoops("DRAM", loops),)))

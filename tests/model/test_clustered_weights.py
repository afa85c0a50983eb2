"""Clustered weights on the hardware: indexes above the decoder, dense weights below.

The layer is that of `test_energy_and_cycles`: 4 x 2 kernels of 3x3, so 8 units of 9 weights.
"""

import dataclasses
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers

import kcsim
from kcsim import InputError, MappingError, evaluate, parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("conv", 2, 4, 4, 4, 3, 3)
MAPPING = Mapping(
    (
        LevelLoops("DRAM", (Loop("M", 2),)),
        LevelLoops("buffer", (Loop("P", 2), Loop("Q", 2)), (Loop("M", 2),)),
        LevelLoops("PE", (Loop("C", 2), Loop("R", 3), Loop("S", 3))),
    )
)
DENSE = WeightFormat(16)


def design(decode="DRAM", store_kib=8.0, buffer_words=100, **fanout):
    return Hardware(
        name="small",
        levels=(
            Level(name="DRAM", read_pj=200, write_pj=210),
            Level(
                name="buffer", read_pj=6, write_pj=7, capacity_words=buffer_words,
                fanout=Fanout(**({"x": 3, "y": 3, "transfer_pj": 2} | fanout)),
            ),
            Level(name="PE", read_pj=1, write_pj=1, capacity_words=50),
        ),
        compute=Compute(mac_pj=0.5),
        codebook=CodebookStore(level=decode, capacity_kib=store_kib, read_pj=3, write_pj=4),
    )  # fmt: skip


def kernels(decode=0, entries=4, index_bits=2, loads=False):
    """The format of whole kernels as units."""
    words = 9 * entries
    return WeightFormat(16, (1, 3, 3), Fraction(index_bits), decode, words, 16 * words, loads)


def items(estimate):
    return {(i.component, i.tensor, i.action): i for i in estimate.items}


def test_units_of_a_tile():
    form = kernels()
    whole = {"N": 1, "G": 2, "M": 4, "C": 3, "P": 5, "Q": 5, "R": 3, "S": 3}
    assert form.units_in(whole) == 2 * 4 * 3
    assert form.units_in(whole | {"R": 1, "S": 2}) == 2 * 4 * 3
    # Five channels in units of two: the last unit is needed for one of them.
    pairs = dataclasses.replace(form, unit=(2, 1, 1))
    assert pairs.units_in(whole | {"C": 5}) == 2 * 4 * 3 * 3 * 3
    assert form.bits_per_word(0, whole) == Fraction(2, 9)
    assert form.bits_per_word(0, whole | {"R": 1}) == Fraction(2, 3)
    assert form.bits_per_word(1, whole) == 16
    assert DENSE.bits_per_word(0, whole) == 16
    with pytest.raises(ValueError, match="dense weights have no units"):
        DENSE.units_in(whole)


def test_indexes_above_the_decoder():
    account = items(evaluate(LAYER, design(), MAPPING, kernels(index_bits=6)))
    read = account["DRAM", "weights", "read"]
    # 8 units of 6 bits: three words of 16 bits.
    assert (read.count, read.bits, read.accesses, read.energy) == (72, 48.0, 3, 600)


def test_a_fraction_of_a_bit():
    form = dataclasses.replace(kernels(), unit_bits=Fraction(7, 3))
    read = items(evaluate(LAYER, design(), MAPPING, form))["DRAM", "weights", "read"]
    assert read.bits == pytest.approx(8 * 7 / 3)
    assert read.accesses == 2


def test_everything_else_equals_the_dense_run():
    dense, clustered = (evaluate(LAYER, design(), MAPPING, form) for form in (DENSE, kernels()))
    assert (dense.counts.accesses == clustered.counts.accesses).all()
    one, other = items(dense), items(clustered)
    assert other.keys() - one.keys() == {("codebook", "weights", "lookup")}
    assert one.keys() <= other.keys()
    different = {key for key in one if one[key] != other[key]}
    assert different == {("DRAM", "weights", "read")}


def test_lookups():
    # Each unit is handed on once; its 9 values are read from the store one by one.
    lookup = items(evaluate(LAYER, design(), MAPPING, kernels()))["codebook", "weights", "lookup"]
    assert (lookup.count, lookup.bits, lookup.accesses) == (8, 72 * 16, 72)
    assert lookup.energy == 72 * 3
    assert evaluate(LAYER, design(), MAPPING, kernels()).lookups == 8
    assert evaluate(LAYER, design(), MAPPING, DENSE).lookups == 0


def test_decoding_at_the_buffer():
    account = items(evaluate(LAYER, design("buffer"), MAPPING, kernels(decode=1, index_bits=6)))
    for key in (
        ("DRAM", "weights", "read"),
        ("buffer", "weights", "fill"),
        ("buffer", "weights", "read"),
    ):
        assert (account[key].bits, account[key].accesses) == (48.0, 3)
    assert account["PE", "weights", "fill"].accesses == 72
    assert account["PE", "weights", "read"].accesses == 288
    assert account["codebook", "weights", "lookup"].count == 8


def test_the_network_below_the_decoder_carries_dense_weights():
    # The decoder is at the output of its level: what goes to the PEs is decoded.
    dense = evaluate(LAYER, design("buffer"), MAPPING, DENSE)
    clustered = evaluate(LAYER, design("buffer"), MAPPING, kernels(decode=1))
    key = ("buffer network", "weights", "transfer")
    assert items(clustered)[key] == items(dense)[key]


def test_indexes_take_less_room():
    # The buffer's tiles: 36 weights or 4 indexes of 4 bits, and 32 inputs, 8 outputs.
    evaluate(LAYER, design("buffer", buffer_words=41), MAPPING, kernels(1, index_bits=4))
    with pytest.raises(MappingError, match="level 'buffer' is too small"):
        evaluate(LAYER, design("buffer", buffer_words=40), MAPPING, kernels(1, index_bits=4))
    with pytest.raises(MappingError, match="level 'buffer' is too small"):
        evaluate(LAYER, design("buffer", buffer_words=75), MAPPING, DENSE)
    evaluate(LAYER, design("buffer", buffer_words=76), MAPPING, DENSE)
    with pytest.raises(MappingError, match="level 'buffer' is too small"):
        # Decoded at DRAM, the buffer holds dense weights.
        evaluate(LAYER, design("DRAM", buffer_words=75), MAPPING, kernels(0))


def test_a_tile_that_cuts_units_pays_for_whole_indexes():
    # One row of the filter at a time: each kernel's index goes down three times.
    cut = Mapping(
        (
            LevelLoops("DRAM", (Loop("R", 3),)),
            LevelLoops("buffer", (Loop("Q", 2), Loop("M", 4))),
            LevelLoops("PE", (Loop("C", 2), Loop("S", 3), Loop("P", 2))),
        )
    )
    estimate = evaluate(LAYER, design("DRAM"), cut, kernels())
    read = items(estimate)["DRAM", "weights", "read"]
    assert read.count == 72
    assert read.bits == 3 * 8 * 2
    assert items(estimate)["codebook", "weights", "lookup"].count == 3 * 8


def test_a_unit_sent_to_several_children_in_parts_counts_once():
    # Rows along X, columns along Y: nine PEs get one weight of a kernel each.
    spread = Mapping(
        (
            LevelLoops("DRAM"),
            LevelLoops(
                "buffer",
                (Loop("M", 4), Loop("C", 2), Loop("P", 2), Loop("Q", 2)),
                (Loop("R", 3),),
                (Loop("S", 3),),
            ),
        )
    )
    hardware = design("buffer", buffer_words=200)
    estimate = evaluate(LAYER, hardware, spread, kernels(1))
    read = items(estimate)["buffer", "weights", "read"]
    assert (read.count, read.bits) == (72, 8 * 2)
    assert estimate.lookups == 8
    # Without multicast every PE is sent the index of its own.
    alone = design("buffer", buffer_words=200, multicast="none")
    assert items(evaluate(LAYER, alone, spread, kernels(1)))["buffer", "weights", "read"].bits == (
        72 * 2
    )


def test_the_codebook_is_loaded():
    account = items(evaluate(LAYER, design(), MAPPING, kernels(loads=True)))
    load = account["codebook", "weights", "load"]
    # 4 entries of 9 values: 36 words are read from DRAM and written to the store.
    assert (load.count, load.bits, load.accesses) == (36, 576.0, 36)
    assert load.energy == 36 * 200 + 36 * 4
    account = items(evaluate(LAYER, design(), MAPPING, kernels(loads=False)))
    assert ("codebook", "weights", "load") not in account


def test_every_copy_of_the_store_is_loaded():
    # Decoders at the output of both PEs in use.
    account = items(evaluate(LAYER, design("PE"), MAPPING, kernels(2, loads=True)))
    assert account["codebook", "weights", "load"].energy == 36 * 200 + 2 * 36 * 4


def test_a_codebook_that_does_not_fit_is_read_above():
    # 36 words of 16 bits do not fit 1/16 KiB, and go to the level that decodes: DRAM.
    account = items(evaluate(LAYER, design(store_kib=0.0625), MAPPING, kernels()))
    assert ("codebook", "weights", "lookup") not in account
    lookup = account["codebook (DRAM)", "weights", "lookup"]
    assert (lookup.count, lookup.accesses, lookup.energy) == (8, 72, 72 * 200)
    # 72 bytes fit in 9/128 KiB.
    account = items(evaluate(LAYER, design(store_kib=9 / 128), MAPPING, kernels()))
    assert ("codebook", "weights", "lookup") in account


@pytest.mark.parametrize(
    ("buffer_words", "place", "energy"),
    # The buffer holds 8 bits of indexes, 32 inputs, 8 outputs: half a word and 40.
    [(77, "buffer", 72 * 6), (76, "DRAM", 72 * 200)],
)
def test_a_codebook_that_does_not_fit_takes_the_nearest_room(buffer_words, place, energy):
    hardware = design("buffer", store_kib=0.0625, buffer_words=buffer_words)
    account = items(evaluate(LAYER, hardware, MAPPING, kernels(1)))
    assert account[f"codebook ({place})", "weights", "lookup"].energy == energy


def test_a_codebook_that_stays_in_dram_is_not_loaded():
    account = items(evaluate(LAYER, design(store_kib=0.0625), MAPPING, kernels(loads=True)))
    load = account.get(("codebook", "weights", "load"))
    assert load is None or load.energy == 0


def test_formats_of_a_network():
    first = ConvLayer("first", 3, 8, 10, 10, 3, 3)
    layers = [first, ConvLayer("second", 8, 8, 8, 8, 3, 3), ConvLayer.linear("fc", 288, 10)]
    hardware = design("buffer")
    shared = weight_formats(layers, hardware, parse_clustering("kernel:k=16,scope=network"))
    assert [form.unit for form in shared] == [(1, 3, 3), (1, 3, 3), None]
    assert [form.loads_codebook for form in shared] == [True, False, False]
    assert [form.decode_level for form in shared] == [1, 1, -1]
    assert shared[0].unit_bits == shared[1].unit_bits == 4
    assert (shared[0].codebook_words, shared[0].codebook_bits) == (144, 144 * 16)
    own = weight_formats(layers, hardware, parse_clustering("kernel:k=16,scope=layer"))
    assert [form.loads_codebook for form in own] == [True, True, False]
    dense = weight_formats(layers, hardware, None)
    assert dense == (WeightFormat(16),) * 3
    narrow = parse_clustering("scaled_kernel:k=16,scale_bits=5,transforms=4,codebook_bits=8")
    scaled = weight_formats(layers, hardware, narrow)[0]
    assert scaled.unit_bits == 4 + 2 + 5
    assert scaled.codebook_bits == 144 * 8


def test_no_store():
    hardware = dataclasses.replace(design(), codebook=None)
    with pytest.raises(InputError, match="small has no codebook store: add a 'codebook' section"):
        weight_formats([LAYER], hardware, parse_clustering("kernel:k=4"))


@settings(max_examples=100, deadline=None)
@given(mapped_layers(words=False), st.data())
def test_clustering_changes_no_count_and_nothing_below(mapped, data):
    layer, hardware, mapping = mapped
    decode = data.draw(st.integers(0, len(hardware.levels) - 1))
    sizes = (layer.in_channels // layer.groups, layer.kernel_height, layer.kernel_width)
    unit = tuple(
        data.draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0]))
        for size in sizes
    )
    store = CodebookStore(
        level=hardware.levels[decode].name, capacity_kib=1e6, read_pj=1, write_pj=1
    )
    hardware = dataclasses.replace(hardware, codebook=store)
    clustered = WeightFormat(16, unit, Fraction(5), decode, 4, 64)
    one, other = (evaluate(layer, hardware, mapping, form) for form in (DENSE, clustered))
    assert (one.counts.accesses == other.counts.accesses).all()
    assert one.cycles.compute == other.cycles.compute
    dense, indexes = items(one), items(other)
    for (component, tensor, action), item in dense.items():
        above = component in hardware.level_names[: decode + 1]
        if tensor == "weights" and above:
            moved = indexes[component, tensor, action]
            assert moved.count == item.count
            # Not less than if no tile ever cut a unit.
            assert moved.bits >= 5 * item.count / (unit[0] * unit[1] * unit[2]) * (1 - 1e-12)
        elif not component.endswith("network"):
            assert indexes[component, tensor, action] == item
    units = layer.weight_words // (unit[0] * unit[1] * unit[2])
    assert other.lookups >= units


@pytest.mark.parametrize("hardware", ["eyeriss_isca2016", "simple", "tpu_like"])
def test_estimates_beside_each_other(hardware):
    result = kcsim.estimate(hardware, "lenet5", "kernel:k=16,scope=network")
    dense, clustered = result.runs.values()
    assert dense.macs == clustered.macs
    assert clustered.lookups > 0
    assert dense.lookups == 0
    for one, other in zip(dense.layers, clustered.layers, strict=True):
        if other.weight_format.unit is None:
            assert other.items == one.items
            continue
        units = other.layer.out_channels * (other.layer.in_channels // other.layer.groups)
        read = items(other)["DRAM", "weights", "read"]
        times = read.count / other.layer.weight_words
        assert read.bits >= times * units * other.weight_format.unit_bits
    loads = [i for layer in clustered.layers for i in layer.items if i.action == "load"]
    assert len(loads) == 1
    frame = result.energy(by=["layer", "component"])
    assert frame.energy.sum() == pytest.approx(dense.energy + clustered.energy)
    assert set(frame.run) == {"dense", "decode"}


def test_macs_that_read_parts_of_a_unit_pay_for_whole_indexes():
    # The network between the innermost level and its MAC units shares nothing (rule 8), so
    # each of nine MACs, with a weight of its own, needs the index for itself.
    hardware = Hardware(
        name="flat",
        levels=(Level(name="DRAM", read_pj=1, write_pj=1, fanout=Fanout(x=3, y=3)),),
        compute=Compute(mac_pj=1),
        codebook=CodebookStore(level="DRAM", capacity_kib=8, read_pj=3, write_pj=4),
    )
    loops = (Loop("M", 4), Loop("C", 2), Loop("P", 2), Loop("Q", 2))
    mapping = Mapping((LevelLoops("DRAM", loops, (Loop("R", 3),), (Loop("S", 3),)),))
    read = items(evaluate(LAYER, hardware, mapping, kernels()))["DRAM", "weights", "read"]
    assert (read.count, read.bits) == (288, 288 * 2)

"""Energy and cycles of one small layer, computed by hand.

The layer has 4 output and 2 input channels, a 3x3 filter and 2x2 outputs: 288 MACs, 72 weights,
32 inputs, 16 outputs. DRAM iterates over two halves of the output channels, the buffer over the
pixels, two PEs take one output channel each. So the weights go down once; a PE's window of
2x3x3 inputs slides by one column, and starts again twice for each half: 2 x (18 + 6 + 18 + 6).
"""

import dataclasses

import pytest
from small_design import LAYER, MAPPING, design

from kcsim import count_layer, evaluate
from kcsim.errors import MappingError, OverflowedCountError
from kcsim.hardware.level import Fanout, Level, Partition
from kcsim.hardware.schema import Compute, Hardware, Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer


def items(estimate):
    return {(i.component, i.tensor, i.action): i for i in estimate.items}


def test_counts_by_hand():
    counts = count_layer(LAYER, design(), MAPPING)
    assert counts.accesses.tolist() == [
        # weights, inputs, outputs: reads, fills, updates
        [[72, 0, 0], [32, 0, 0], [0, 0, 16]],
        [[72, 72, 0], [96, 32, 0], [0, 0, 16]],
        [[288, 72, 0], [288, 192, 0], [272, 0, 288]],
    ]
    assert counts.transfers.tolist() == [
        # down, up, forwarded
        [[72, 0, 0], [32, 0, 0], [0, 16, 0]],
        [[72, 0, 0], [192, 0, 0], [0, 16, 0]],
        [[288, 0, 0], [288, 0, 0], [0, 288, 0]],
    ]
    assert counts.tile_words.tolist() == [[72, 32, 16], [36, 32, 8], [18, 18, 1]]
    assert counts.instances.tolist() == [1, 1, 2, 2]
    assert counts.temporal_steps == 144
    assert (counts.macs, counts.utilization) == (288, 1.0)
    assert counts.words("buffer", "inputs", "fills") == 32
    assert counts.moved("buffer", "inputs", "down") == 192


def test_the_account_of_the_whole_layer():
    estimate = evaluate(LAYER, design(), MAPPING)
    found = {key: (i.count, i.accesses, i.energy) for key, i in items(estimate).items()}
    assert found == {
        ("DRAM", "weights", "read"): (72, 72, 72 * 200),
        ("DRAM", "inputs", "read"): (32, 32, 32 * 200),
        ("DRAM", "outputs", "update"): (16, 16, 16 * 210),
        ("buffer", "weights", "read"): (72, 72, 72 * 6),
        ("buffer", "weights", "fill"): (72, 72, 72 * 7),
        ("buffer", "inputs", "read"): (96, 96, 96 * 6),
        ("buffer", "inputs", "fill"): (32, 32, 32 * 7),
        ("buffer", "outputs", "update"): (16, 16, 16 * 7),
        ("PE", "weights", "read"): (288, 288, 288),
        ("PE", "weights", "fill"): (72, 72, 72),
        ("PE", "inputs", "read"): (288, 288, 288),
        ("PE", "inputs", "fill"): (192, 192, 192),
        ("PE", "outputs", "read"): (272, 272, 272),
        ("PE", "outputs", "update"): (288, 288, 288),
        ("buffer network", "weights", "transfer"): (72, 72, 144),
        ("buffer network", "inputs", "transfer"): (192, 192, 384),
        ("buffer network", "outputs", "transfer"): (16, 16, 32),
        ("MAC", "", "compute"): (288, 288, 144),
    }
    assert estimate.energy == sum(energy for _, _, energy in found.values())
    assert list(estimate.energy_by_component()) == [
        "DRAM", "buffer", "buffer network", "PE", "MAC"
    ]  # fmt: skip
    assert all(i.bits == 16 * i.count for i in estimate.items if i.tensor)
    assert estimate.lookups == 0


def test_energy_of_updates_and_partitions():
    pe = {
        "capacity_words": None,
        "update_pj": 3,
        "partitions": (
            Partition(tensors=("weights", "inputs"), capacity_words=36, read_pj=10, write_pj=20),
            Partition(tensors=("outputs",), capacity_words=1),
        ),
    }
    account = items(evaluate(LAYER, design(pe=pe), MAPPING))
    assert account["PE", "weights", "read"].energy == 288 * 10
    assert account["PE", "inputs", "fill"].energy == 192 * 20
    assert account["PE", "outputs", "read"].energy == 272
    assert account["PE", "outputs", "update"].energy == 288 * 3


@pytest.mark.parametrize(
    ("block", "bits", "accesses"),
    [
        # Blocks of 16-bit words for 72 weights, 32 inputs, 16 outputs of 16 bits
        (1, 16, (72, 32, 16)),
        (5, 16, (15, 7, 4)),
        (64, 16, (2, 1, 1)),
        # and with weights of other widths, packed into whole words.
        (1, 8, (36, 32, 16)),
        (8, 8, (5, 4, 2)),
        (1, 5, (23, 32, 16)),
        (1, 1, (5, 32, 16)),
        (1, 24, (108, 32, 16)),
    ],
)
def test_blocks_and_widths(block, bits, accesses):
    hardware = design(
        {"block_words": block, "word_bits": 16}, {"capacity_words": 1000},
        {"capacity_words": 1000}, precision_bits=Precision(weights=bits),
    )  # fmt: skip
    account = items(evaluate(LAYER, hardware, MAPPING))
    weights = account["DRAM", "weights", "read"]
    found = (
        weights.accesses,
        account["DRAM", "inputs", "read"].accesses,
        account["DRAM", "outputs", "update"].accesses,
    )
    assert found == accesses
    assert (weights.count, weights.bits) == (72, 72 * bits)
    assert weights.energy == 200 * accesses[0]


def test_words_of_a_level():
    # 8-bit words in the buffer: a 16-bit value takes two accesses, there and on its network.
    account = items(evaluate(LAYER, design(buffer={"word_bits": 8, "capacity_kib": 1,
                                                   "capacity_words": None}), MAPPING))  # fmt: skip
    assert account["buffer", "inputs", "read"].accesses == 2 * 96
    assert account["buffer network", "inputs", "transfer"].accesses == 2 * 192
    assert account["DRAM", "inputs", "read"].accesses == 32


def test_forwarded_words_are_accounted_apart():
    # Two PEs hold a row of the filter each; where a row of outputs follows the other, the PE
    # above takes the row of the image that the one below just had.
    layer = ConvLayer("rows", 1, 1, 4, 3, 2, 1)
    hardware = design(buffer={"fanout": Fanout(x=2, transfer_pj=2, forwarding=("inputs",))})
    loops = LevelLoops("buffer", (Loop("P", 3),), (Loop("R", 2),))
    mapping = Mapping((loops, LevelLoops("PE", (Loop("Q", 3),))))
    account = items(evaluate(layer, hardware, mapping))
    # 2 PEs x 3 rows x 3 words; in 2 of the 3 steps one PE is served by the other.
    assert account["buffer network", "inputs", "transfer"].count == 18 - 6
    assert account["buffer network", "inputs", "forward"].count == 6
    assert account["buffer network", "inputs", "forward"].energy == 6 * 2
    assert account["buffer", "inputs", "read"].count == 18 - 6
    assert account["PE", "inputs", "read"].count == layer.macs + 6


def test_compute_bound_cycles():
    estimate = evaluate(LAYER, design(compute={"cycles_per_mac": 3}), MAPPING)
    assert estimate.cycles.compute == estimate.cycles.total == 144 * 3
    assert estimate.cycles.transfer == {"DRAM": 0, "buffer": 0, "PE": 0}
    assert estimate.cycles.bound_by == "compute"


@pytest.mark.parametrize(
    ("bandwidth", "cycles"),
    [
        ({"read_words_per_cycle": 0.5}, 208),  # (72 + 32) / 0.5
        ({"read_words_per_cycle": 3}, 35),  # 104 / 3, up
        ({"write_words_per_cycle": 0.1}, 160),  # 16 / 0.1
        ({"read_words_per_cycle": 0.5, "write_words_per_cycle": 0.1}, 208),
        ({"read_words_per_cycle": 1.3}, 80),  # 104 / 1.3
    ],
)
def test_bandwidth_of_dram(bandwidth, cycles):
    result = evaluate(LAYER, design(bandwidth), MAPPING).cycles
    assert result.transfer == {"DRAM": cycles, "buffer": 0, "PE": 0}
    assert result.total == max(144, cycles)
    assert result.bound_by == ("DRAM" if cycles > 144 else "compute")


def test_bandwidth_of_several_instances():
    # Both PEs together read 288 + 288 + 272 words and write 72 + 192 + 288.
    result = evaluate(
        LAYER, design(pe={"read_words_per_cycle": 2, "write_words_per_cycle": 1}), MAPPING
    ).cycles
    assert result.transfer["PE"] == 552 // 2
    assert (result.total, result.bound_by) == (276, "PE")


def test_bandwidth_counts_bits():
    hardware = design(
        {"read_words_per_cycle": 0.5, "word_bits": 32}, precision_bits=Precision(weights=8)
    )
    # 72 x 8 + 32 x 16 bits at 16 bits a cycle.
    assert evaluate(LAYER, hardware, MAPPING).cycles.transfer["DRAM"] == 68


@pytest.mark.parametrize(
    ("buffering", "total", "bound_by"),
    [("overlapped", 200, "buffer"), ("double", 200, "buffer"), ("single", 344, "buffer")],
)
def test_buffering(buffering, total, bound_by):
    # The buffer reads 72 + 96 words and writes 72 + 32 + 16: at 0.6 a cycle just 200 cycles.
    buffer = {"buffering": buffering, "write_words_per_cycle": 0.6, "capacity_words": 200}
    result = evaluate(LAYER, design(buffer=buffer), MAPPING).cycles
    assert result.transfer["buffer"] == 200
    assert (result.total, result.bound_by) == (total, bound_by)


def test_a_single_buffer_delays_even_if_it_is_fast():
    buffer = {"buffering": "single", "read_words_per_cycle": 168}
    result = evaluate(LAYER, design(buffer=buffer), MAPPING).cycles
    assert (result.total, result.bound_by) == (144 + 1, "buffer")


def test_double_buffering_halves_the_room():
    # The buffer's tiles are 36 + 32 + 8 words.
    for capacity, buffering in ((76, "overlapped"), (76, "single"), (152, "double")):
        evaluate(
            LAYER, design(buffer={"capacity_words": capacity, "buffering": buffering}), MAPPING
        )
        with pytest.raises(ValueError, match="level 'buffer' is too small for its tiles"):
            evaluate(
                LAYER,
                design(buffer={"capacity_words": capacity - 1, "buffering": buffering}),
                MAPPING,
            )


def test_leakage_and_static_energy():
    hardware = design(
        {"leakage_pj_per_cycle": 1, "read_words_per_cycle": 0.5},
        {"leakage_pj_per_cycle": 0.25},
        {"leakage_pj_per_cycle": 0.125, "fanout": Fanout(y=4)},
        {"leakage_pj_per_cycle": 0.0625},
        static_pj_per_cycle=10,
    )
    static = items(evaluate(LAYER, hardware, MAPPING))["static", "", "cycle"]
    # Two PEs and two of their eight MAC units are in use, for 208 cycles.
    assert static.count == static.accesses == 208
    assert static.energy == 208 * (10 + 1 + 0.25 + 2 * 0.125 + 2 * 0.0625)
    assert count_layer(LAYER, hardware, MAPPING).utilization == 0.25
    assert ("static", "", "cycle") not in items(evaluate(LAYER, design(), MAPPING))


def test_padding_that_is_moved_is_counted_like_pixels():
    padded = ConvLayer("padded", 2, 4, 2, 2, 3, 3, padding=1)
    for hardware in (design(), design(buffer={"fanout": Fanout(x=2, multicast="word")})):
        hardware = dataclasses.replace(hardware, padding="moved")
        one, other = (count_layer(layer, hardware, MAPPING) for layer in (LAYER, padded))
        assert (one.accesses == other.accesses).all()
        assert (one.transfers == other.transfers).all()


def one_level():
    return Hardware(
        name="one", levels=(Level(name="DRAM", read_pj=1, write_pj=1),), compute=Compute(mac_pj=1)
    )


def in_one_level(layer):
    loops = tuple(Loop(d, size) for d, size in layer.dimensions.items())
    return Mapping((LevelLoops("DRAM", loops),))


def test_counts_near_the_limit_are_exact():
    # 2^57 MACs: the bound on every count, 32 times as large, is the last below 2^63.
    layer = ConvLayer.linear("large", 2**29, 2**28 - 1)
    counts = count_layer(layer, one_level(), in_one_level(layer))
    assert counts.words("DRAM", "weights", "reads") == 2**29 * (2**28 - 1)
    outputs = counts.words("DRAM", "outputs", "updates") - counts.words("DRAM", "outputs", "reads")
    assert outputs == 2**28 - 1
    account = items(evaluate(layer, one_level(), in_one_level(layer)))
    assert account["DRAM", "weights", "read"].bits == 16 * layer.macs


@pytest.mark.parametrize(
    "layer",
    [
        ConvLayer.linear("huge", 2**31, 2**30),
        ConvLayer("strided", 2**20, 2**20, 2**20, 2**20, 1, 1, stride=1024),
        ConvLayer.linear("batched", 2**20, 2**20, batch=2**20),
    ],
    ids=lambda layer: layer.name,
)
def test_counts_that_could_overflow_are_refused(layer):
    with pytest.raises(OverflowedCountError, match=f"{layer.name} has {layer.macs} MACs: its coun"):
        count_layer(layer, one_level(), in_one_level(layer))


def test_estimates_do_not_depend_on_the_name():
    other = dataclasses.replace(LAYER, name="other")
    one, two = (evaluate(layer, design(), MAPPING) for layer in (LAYER, other))
    assert one.items == two.items


def test_forwarding_of_short_tiles_is_only_walked_where_that_ends_soon():
    fanout = Fanout(x=3, forwarding=("inputs",))
    levels = (
        Level(name="DRAM", read_pj=1, write_pj=1, fanout=fanout),
        Level(name="buffer", read_pj=1, write_pj=1, capacity_words=10**6),
    )
    hardware = Hardware(name="mesh", levels=levels, compute=Compute(mac_pj=1))
    layer = ConvLayer("conv", 64, 64, 256, 64, 1, 1, batch=2)
    outer = tuple(Loop(d, n) for d, n in layer.dimensions.items() if n > 1 and d != "Q")
    mapping = Mapping((LevelLoops("DRAM", (*outer, Loop("Q", 22)), (Loop("Q", 3),)),))
    with pytest.raises(MappingError, match="has to be walked, here for 138412032 tiles"):
        count_layer(layer, hardware, mapping)

"""Ports, networks, latency, stalls and passes: what a cycle hides and what it does not."""

import dataclasses

import pytest

from kcsim import InputError, evaluate, load_hardware, map_layer
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.layer import ConvLayer
from kcsim.workload.precision import LayerBits

POINTWISE = ConvLayer("pw", 64, 64, 64, 1, 1, 1)
PAIRS = Mapping(
    (
        LevelLoops("DRAM"),
        LevelLoops("SRAM", (Loop("P", 64), Loop("C", 64)), (Loop("M", 64),)),
    )
)
"""Everything is loaded once: 4,096 weights, 4,096 inputs, 4,096 outputs."""


def chip(dram=None, sram=None, fanout=None):
    return load_hardware(
        {
            "name": "chip",
            "precision_bits": {"weights": 8, "inputs": 8, "outputs": 8},
            "levels": [
                {"name": "DRAM", "word_bits": 8, "read_pj": 10, "write_pj": 10, **(dram or {})},
                {"name": "SRAM", "word_bits": 8, "capacity_kib": 1024, "read_pj": 1,
                 "write_pj": 1, "fanout": {"x": 64, **(fanout or {})}, **(sram or {})},
            ],
            "compute": {"mac_pj": 1},
        }
    )  # fmt: skip


def cycles(**parts):
    return evaluate(POINTWISE, chip(**parts), PAIRS).cycles


ONE_WORD = {"read_words_per_cycle": 1, "write_words_per_cycle": 1}


def test_reads_and_writes_go_side_by_side_unless_they_share_a_port():
    assert cycles(dram=ONE_WORD).total == 8192
    assert cycles(dram={**ONE_WORD, "shared_port": True}).total == 8192 + 4096


def test_a_shared_port_without_one_rate_has_that_of_the_other():
    assert cycles(dram={"read_words_per_cycle": 2, "shared_port": True}).total == 4096 + 2048
    assert cycles(dram={"shared_bandwidth": 2}).total == 4096 + 2048


@pytest.mark.parametrize(
    ("ports", "expected"),
    [
        ([{"tensors": ["inputs"], "words_per_cycle": 0.5}], 8192),
        ([{"tensors": ["weights", "outputs"], "words_per_cycle": 0.5}], 16384),
        ([{"directions": ["write"], "words_per_cycle": 0.25}], 16384),
        ([{"directions": ["read"], "words_per_cycle": 1},
          {"tensors": ["outputs"], "directions": ["update"], "words_per_cycle": 0.25}], 16384),
        ([{"directions": ["fill"], "words_per_cycle": 0.1}], 4096),
        ([{"words_per_cycle": 1}], 12288),
    ],
)  # fmt: skip
def test_ports_take_the_time_of_what_passes_them(ports, expected):
    assert cycles(dram={"ports": ports}).total == expected


def test_fills_have_a_port_of_their_own():
    fills = {"ports": [{"directions": ["fill"], "words_per_cycle": 0.5}]}
    assert cycles(sram=fills).total == (4096 + 4096) * 2


def test_words_for_several_children_enter_a_network_once():
    """Below a buffer with PEs: each input goes to all 64, each weight to one."""
    data = {
        "name": "broadcast",
        "levels": [
            {"name": "DRAM", "read_pj": 1, "write_pj": 1,
             "fanout": {"x": 64, "words_per_cycle": 1}},
            {"name": "PE", "read_pj": 1, "write_pj": 1, "capacity_words": 10_000},
        ],
        "compute": {"mac_pj": 1},
    }  # fmt: skip
    inside = LevelLoops("PE", (Loop("P", 64), Loop("C", 64)))
    mapping = Mapping((LevelLoops("DRAM", (), (Loop("M", 64),)), inside))
    found = evaluate(POINTWISE, load_hardware(data), mapping).cycles
    assert (found.transfer["DRAM network"], found.total) == (8192, 8192)
    assert found.bound_by == "DRAM network"


def test_a_layer_begins_with_the_latencies_on_the_way_in():
    found = cycles(dram={**ONE_WORD, "latency_cycles": 100}, fanout={"hop_latency": 2})
    assert (found.latency, found.total) == (100 + 63 * 2, 8192 + 100 + 63 * 2)


def test_a_singly_buffered_level_takes_turns_with_all_further_in():
    buffer_bound = {"read_words_per_cycle": 64, "write_words_per_cycle": 64}
    beside = cycles(dram=ONE_WORD, sram=buffer_bound)
    turns = cycles(dram={**ONE_WORD, "buffering": "single"}, sram=buffer_bound)
    assert beside.transfer["SRAM"] > beside.compute
    assert turns.total == turns.transfer["SRAM"] + 8192


def test_loads_that_are_not_hidden_add_to_the_computation():
    rate = {"write_words_per_cycle": 2}
    hidden = cycles(sram=rate)
    found = cycles(sram={**rate, "stalls": {"loads": ["weights"]}})
    assert (hidden.standing, found.standing) == (0, 4096 // 2)
    assert found.total == max(found.compute + found.standing, found.transfer["SRAM"])


def test_dumps_that_are_not_hidden_add_to_the_computation():
    rate = {"read_words_per_cycle": 10**6}
    assert cycles(sram={**rate, "stalls": {"dumps": True}}).standing == 1
    rate = {"read_words_per_cycle": 1}
    assert cycles(sram={**rate, "stalls": {"dumps": True}}).standing == 4096


def square(stationary, drain, registers):
    """4x4 units, bare or with registers that keep what is stationary."""
    array = {"stationary": stationary, "drain": drain}
    levels = [
        {"name": "DRAM", "read_pj": 1, "write_pj": 1},
        {"name": "buffer", "read_pj": 1, "write_pj": 1, "capacity_words": 10**6,
         "fanout": {"x": 4, "y": 4, "systolic": array}},
    ]  # fmt: skip
    if registers:
        levels.append({"name": "PE", "read_pj": 1, "write_pj": 1, "capacity_words": 64})
    return load_hardware({"name": "square", "levels": levels, "compute": {"mac_pj": 1}})


@pytest.mark.parametrize("registers", [False, True])
@pytest.mark.parametrize(("drain", "expected"), [(False, 10), (True, 14)])
def test_an_output_stationary_array_fills_and_drains_once_a_pass(drain, expected, registers):
    """T + rows + columns - 2 cycles for T = 4 steps on 4x4 units; draining adds the rows."""
    spread = ((Loop("M", 4),), (Loop("P", 4),))
    nests = [LevelLoops("buffer", (Loop("C", 4),), *spread)]
    if registers:
        nests = [LevelLoops("buffer", (), *spread), LevelLoops("PE", (Loop("C", 4),))]
    layer = ConvLayer("tile", 4, 4, 4, 1, 1, 1)
    hardware = square("outputs", drain, registers)
    assert evaluate(layer, hardware, Mapping(tuple(nests))).cycles.total == expected


def test_each_new_tile_of_weights_begins_a_pass():
    layer = ConvLayer("tiles", 8, 8, 5, 1, 1, 1)
    mapping = Mapping(
        (
            LevelLoops("DRAM", (Loop("M", 2), Loop("C", 2))),
            LevelLoops("buffer", (Loop("P", 5),), (Loop("M", 4),), (Loop("C", 4),)),
        )
    )
    found = evaluate(layer, square("weights", False, True), mapping).cycles
    assert (found.compute, found.standing) == (20, 4 * 6)
    turned = Mapping(
        (
            LevelLoops("DRAM", (Loop("P", 5), Loop("M", 2), Loop("C", 2))),
            LevelLoops("buffer", (), (Loop("M", 4),), (Loop("C", 4),)),
        )
    )
    assert evaluate(layer, square("weights", False, True), turned).cycles.standing == 20 * 6


SMALL = {
    "name": "small",
    "levels": [
        {"name": "DRAM", "read_pj": 100, "write_pj": 100, "shared_bandwidth": 8,
         "latency_cycles": 100},
        {"name": "SRAM", "capacity_kib": 64, "read_pj": 5, "write_pj": 5,
         "fanout": {"x": 4, "words_per_cycle": 2, "hop_latency": 1}},
    ],
    "compute": {"mac_pj": 1},
}  # fmt: skip
NARROW = ConvLayer("c1", 8, 8, 8, 8, 3, 3, precision_bits=LayerBits(weights=4, inputs=8, outputs=8))


def test_each_key_of_a_chip_changes_the_number_that_it_names():
    mapping = map_layer(NARROW, load_hardware(SMALL)).mapping

    def found(layer=NARROW, dram=(), fanout=()):
        outer, inner = SMALL["levels"]
        levels = [{**outer, **dict(dram)}, {**inner, "fanout": {**inner["fanout"], **dict(fanout)}}]
        return evaluate(layer, load_hardware({**SMALL, "levels": levels}), mapping)

    whole = found()
    assert (whole.energy, whole.cycles.total) == (162_528, 7879)
    dram = found(dram={"shared_bandwidth": 4}).cycles.transfer["DRAM"]
    # Weights of 4 bits, inputs and outputs of 8, in words of 16.
    assert dram == (576 // 4 + 512 // 2 + 288 // 2) // 4
    assert found(dram={"latency_cycles": 0}).cycles.total == 7879 - 100
    assert found(fanout={"hop_latency": 0}).cycles.total == 7879 - 3
    free = found(fanout={"words_per_cycle": None}).cycles
    assert (free.total, "SRAM network" in free.transfer) == (5287, False)
    plain = found(layer=dataclasses.replace(NARROW, precision_bits=LayerBits()))
    assert plain.energy > whole.energy


PROBLEMS = {
    "two ports for one access": (
        {"ports": [{"words_per_cycle": 1}, {"tensors": ["inputs"], "words_per_cycle": 1}]},
        "two ports of level 'DRAM' have the reads of inputs; expected each in one port",
    ),
    "ports and rates": (
        {"ports": [{"words_per_cycle": 1}], "read_words_per_cycle": 1},
        "level 'DRAM' has both ports and read_words_per_cycle; expected one of them",
    ),
    "a shared port that is not limited": (
        {"shared_port": True},
        "level 'DRAM' has a shared port without a rate; expected read_words_per_cycle or",
    ),
    "a direction that there is not": (
        {"ports": [{"directions": ["raed"], "words_per_cycle": 1}]},
        "'raed'; expected 'read', 'write', 'fill' or 'update'; did you mean 'read'?",
    ),
    "words of an access that it has not": (
        {"used_words_per_access": 3, "block_words": 2},
        "used_words_per_access of level 'DRAM' is 3; expected a whole number up to 2",
    ),
    "partial sums that are narrower": (
        {"precision_bits": {"partial_sums": 4}},
        "partial sums of 4 bits are narrower than outputs of 8 at level 'DRAM'; expected "
        "partial_sums: 8 or more",
    ),
    "a stall for what is not there": (
        {"stalls": {"loads": ["weight"]}},
        "'weight'; expected 'weights', 'inputs' or 'outputs'; did you mean 'weights'?",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_what_is_wrong_is_said(case):
    keys, message = PROBLEMS[case]
    with pytest.raises(InputError) as caught:
        chip(dram=keys)
    assert message in str(caught.value)


def test_a_systolic_array_needs_what_stays_in_it():
    with pytest.raises(InputError, match="weights stay in the systolic array below 'DRAM'"):
        load_hardware(
            {
                "name": "none",
                "levels": [
                    {"name": "DRAM", "read_pj": 1, "write_pj": 1,
                     "fanout": {"x": 2, "systolic": {"stationary": "weights"}}},
                    {"name": "PE", "read_pj": 1, "write_pj": 1, "capacity_words": 4,
                     "keeps": ["outputs"]},
                ],
                "compute": {"mac_pj": 1},
            }
        )  # fmt: skip


def test_an_access_serves_the_words_that_are_used():
    """A row of 8 words, of which one is used: eight times as many accesses."""
    packed = evaluate(POINTWISE, chip(dram={"block_words": 8}), PAIRS)
    used = evaluate(POINTWISE, chip(dram={"block_words": 8, "used_words_per_access": 1}), PAIRS)
    energies = [
        sum(i.energy for i in estimate.items if i.component == "DRAM")
        for estimate in (packed, used)
    ]
    assert energies == [3 * 4096 / 8 * 10, 3 * 4096 * 10]


def test_what_a_level_reads_for_a_neighbor_does_not_enter_the_network_below_it():
    """Three PEs slide over five inputs: two of them get what their neighbor had."""
    layer = ConvLayer("rows", 1, 1, 5, 1, 3, 1)
    nest = Mapping((LevelLoops("DRAM", (Loop("R", 3),), (Loop("P", 3),)), LevelLoops("PE")))
    runs = []
    for forwarding in ([], ["inputs"]):
        data = {
            "name": "row",
            "levels": [
                {"name": "DRAM", "read_pj": 1, "write_pj": 1,
                 "fanout": {"x": 3, "forwarding": forwarding}},
                {"name": "PE", "read_pj": 1, "write_pj": 1, "capacity_words": 16,
                 "fanout": {"words_per_cycle": 0.01}},
            ],
            "compute": {"mac_pj": 1},
        }  # fmt: skip
        runs.append(evaluate(layer, load_hardware(data), nest))
    plain, forwards = runs
    assert forwards.counts.moved("DRAM", "inputs", "forwarded") == 4
    reads = [run.counts.words("PE", "inputs", "reads") for run in runs]
    assert reads == [9, 9 + 4]
    assert forwards.cycles.total == plain.cycles.total == 2 * 3 * 100

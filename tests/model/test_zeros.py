"""Zeros: MACs gated and skipped against all patterns of zeros; accounts by hand; monotony."""

import dataclasses
import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapped_layers import mapped_layers
from small_design import LAYER, MAPPING, design

import kcsim
from kcsim import count_layer, evaluate
from kcsim.cost.prices import build_machine
from kcsim.cost.weight_format import WeightFormat
from kcsim.cost.zero_savings import left_of_cycles, left_of_macs
from kcsim.errors import InputError, MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware, Precision
from kcsim.kernels.search.machine import READ_CYCLES, TRANSFER_PJ, UPDATE_PJ
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.traffic import expected_words
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares

TREATMENTS = (None, "gate", "skip")
TENSORS = ("weights", "inputs", "outputs")

# 2 filters of 2 taps over a row of 3 inputs: 8 MACs, 4 weights, 4 outputs.
TINY = ConvLayer("tiny", 1, 2, 1, 3, 1, 2, zeros=ZeroShares(0.25, 0.5, 0.0))
LOOPS = {
    "in one go": ("", "M=2 Q=2 S=2"),
    "sums that come back": ("S=2", "M=2 Q=2"),
}


def loops(text):
    return tuple(Loop(part[0], int(part[2:])) for part in text.split())


def tiny_hardware(inputs, weights):
    zeros = {"inputs": inputs, "weights": weights}
    zeros = {operand: treatment for operand, treatment in zeros.items() if treatment}
    levels = (
        Level(name="DRAM", read_pj=9, write_pj=9),
        Level(name="PE", read_pj=1, write_pj=1, capacity_words=99),
    )
    return Hardware(
        name="tiny", levels=levels, compute=Compute(mac_pj=1, zeros=zeros, gated_mac_pj=0.25)
    )


def one_by_one(zero_inputs, zero_weights, treatments):
    """What a MAC unit does that meets these zeros, MAC by MAC in the order of the loops."""
    done = dict.fromkeys(("computed", "steps", "inputs", "weights", "reads", "updates"), 0)
    started = set()
    for s, m, q in itertools.product(range(2), range(2), range(2)):
        zero = {"inputs": zero_inputs[q + s], "weights": zero_weights[2 * m + s]}
        first = (m, q) not in started
        started.add((m, q))
        skipped = any(zero[t] for t in zero if treatments[t] == "skip")
        stopped = skipped
        done["steps"] += not skipped
        order = sorted(zero, key=lambda t: treatments[t] != "gate")
        for operand in order:
            if not stopped:
                done[operand] += 1
                stopped = treatments[operand] == "gate" and zero[operand]
        done["computed"] += not stopped
        done["reads"] += not stopped and not first
        done["updates"] += not stopped or first
    return done


def expected(treatments, zeros):
    """Expectation over all patterns of zeros, each weighted by its probability."""
    total = dict.fromkeys(("computed", "steps", "inputs", "weights", "reads", "updates"), 0)
    shares = [zeros.fraction("inputs")] * 3 + [zeros.fraction("weights")] * 4
    for pattern in itertools.product((False, True), repeat=7):
        weight = Fraction(1)
        for is_zero, share in zip(pattern, shares, strict=True):
            weight *= share if is_zero else 1 - share
        done = one_by_one(pattern[:3], pattern[3:], treatments)
        total = {what: total[what] + weight * done[what] for what in total}
    return total


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize("weights", TREATMENTS)
@pytest.mark.parametrize("inputs", TREATMENTS)
def test_what_is_left_is_the_expectation_over_all_patterns(inputs, weights, name):
    hardware = tiny_hardware(inputs, weights)
    outer, inner = map(loops, LOOPS[name])
    mapping = Mapping((LevelLoops("DRAM", outer), LevelLoops("PE", inner)))
    found = evaluate(TINY, hardware, mapping)
    left = expected({"inputs": inputs, "weights": weights}, TINY.zeros)
    words = {
        tensor: expected_words(found.counts, 1, tensor, "reads", gated=True)
        for tensor in ("inputs", "weights")
    }
    assert words == {"inputs": left["inputs"], "weights": left["weights"]}
    for action in ("reads", "updates"):
        assert expected_words(found.counts, 1, "outputs", action, gated=True) == left[action]
    assert 8 * left_of_macs(hardware.compute, TINY.zeros) == left["computed"]
    assert 8 * left_of_cycles(hardware.compute, TINY.zeros) == left["steps"]
    # Rounded up once, where it is paid for.
    assert found.macs_left.computed == -(-left["computed"] // 1)
    assert found.macs_left.skipped == 8 - -(-left["steps"] // 1)
    assert sum(found.macs_left) == 8
    assert found.cycles.compute == -(-left["steps"] // 1)
    # Counts stay those of the dense layer.
    dense = count_layer(dataclasses.replace(TINY, zeros=ZeroShares()), hardware, mapping)
    assert (found.counts.accesses == dense.accesses).all()


def with_zeros(**shares):
    return dataclasses.replace(LAYER, zeros=ZeroShares(**shares))


def items(estimate):
    return {(i.component, i.tensor, i.action): i for i in estimate.items}


def test_gating_by_hand():
    gated = {"zeros": {"inputs": "gate"}, "gated_mac_pj": 0.125}
    dense = items(evaluate(LAYER, design(compute=gated), MAPPING))
    account = items(evaluate(with_zeros(inputs=0.3), design(compute=gated), MAPPING))
    # 288 x 0.7 = 201.6 MACs; 272 x 0.7 = 190.4 of the sums that are read, and 16 that begin.
    changed = {
        ("PE", "weights", "read"): (288, 202, 202),
        ("PE", "outputs", "read"): (272, 191, 191),
        ("PE", "outputs", "update"): (288, 207, 207),
        ("MAC", "", "compute"): (202, 202, 101),
        ("MAC", "", "gate"): (86, 86, 86 / 8),
    }
    for key, item in account.items():
        if key in changed:
            assert (item.count, item.accesses, item.energy) == changed[key]
        else:
            assert item == dense[key]
    assert account["PE", "weights", "read"].bits == pytest.approx(201.6 * 16)


def test_gating_takes_the_cycles_that_it_did_skipping_does_not():
    pe = {"read_words_per_cycle": 2}
    dense = evaluate(LAYER, design(pe=pe), MAPPING).cycles
    assert (dense.compute, dense.transfer["PE"]) == (144, 212)
    layer = with_zeros(inputs=0.3)
    gated = evaluate(layer, design(pe=pe, compute={"zeros": {"inputs": "gate"}}), MAPPING)
    assert gated.cycles == dense
    skipped = evaluate(layer, design(pe=pe, compute={"zeros": {"inputs": "skip"}}), MAPPING)
    # 144 x 0.7 = 100.8 steps; 848 x 0.7 words at 4 a cycle.
    assert (skipped.cycles.compute, skipped.cycles.transfer["PE"]) == (101, 149)
    assert skipped.macs_left == (202, 0, 86)
    assert skipped.utilization == 202 / (149 * 2)


def test_what_bypasses_the_innermost_level_is_not_spared():
    # One read above serves several MACs, of which not all see a zero.
    innermost = dataclasses.replace(MAPPING.levels[2], bypass=("weights",))
    spread = Mapping((*MAPPING.levels[:2], innermost))
    hardware = design(compute={"zeros": {"inputs": "gate"}})
    one = items(evaluate(LAYER, hardware, spread))
    other = items(evaluate(with_zeros(inputs=0.5), hardware, spread))
    assert other["buffer", "weights", "read"] == one["buffer", "weights", "read"]
    assert other["PE", "outputs", "read"].accesses == 136


def test_words_that_are_not_read_do_not_travel():
    hardware = design(
        pe={"fanout": Fanout(transfer_pj=1)}, compute={"zeros": {"inputs": "gate"}}
    )  # fmt: skip
    account = items(evaluate(with_zeros(inputs=0.5), hardware, MAPPING))
    transfers = {t: account["PE network", t, "transfer"].accesses for t in TENSORS}
    assert transfers == {"inputs": 288, "weights": 144, "outputs": 16 + 136}


def test_compression_by_hand():
    dram = {"compression": {"inputs": "run_length", "weights": "bitmask", "outputs": "bitmask"}}
    layer = with_zeros(inputs=0.5, weights=0.25, outputs=0.75)
    estimate = evaluate(layer, design(dram, precision_bits=Precision(weights=8)), MAPPING)
    account = items(estimate)
    assert account["DRAM", "weights", "read"].bits == 72 * (1 + 0.75 * 8)
    # 64 / 3 bits for a run of a geometric length, cut at 31: 2 - 2^-31 values.
    assert account["DRAM", "inputs", "read"].bits == pytest.approx(32 * 64 / 3 / (2 - 2.0**-31))
    assert account["DRAM", "outputs", "update"].bits == 16 * (1 + 0.25 * 16)
    assert account["DRAM", "outputs", "update"].accesses == 5
    # Below, all is plain; the energy of MACs is not spared.
    assert account["buffer", "inputs", "fill"].bits == 32 * 16
    assert account["MAC", "", "compute"].count == 288
    assert estimate.rests_on_zeros


# Channels outermost: every output returns once before it is finished.
SPLIT = Mapping(
    (
        LevelLoops("DRAM", (Loop("C", 2), Loop("M", 2))),
        MAPPING.levels[1],
        LevelLoops("PE", (Loop("R", 3), Loop("S", 3))),
    )
)


def test_partial_sums_travel_in_full():
    layer = with_zeros(outputs=0.75)
    account = items(evaluate(layer, design({"compression": {"outputs": "bitmask"}}), SPLIT))
    update, read = account["DRAM", "outputs", "update"], account["DRAM", "outputs", "read"]
    assert (update.count, update.bits) == (32, 16 * 16 + 16 * 5)
    assert (read.count, read.bits) == (16, 16 * 16)


def test_compression_widens_the_link():
    dram = {"read_words_per_cycle": 0.5, "compression": {"inputs": "bitmask"}}
    assert evaluate(LAYER, design(dram), MAPPING).cycles.total == 208
    # 72 plain words and 32 of 1 + 0.25 x 16 bits, at 8 bits a cycle.
    cycles = evaluate(with_zeros(inputs=0.75), design(dram), MAPPING).cycles
    assert cycles.total == (72 * 16 + 32 * 5) // 8


def test_tiles_must_fit_whatever_their_values():
    compressed = {"compression": {"inputs": "bitmask"}, "capacity_words": 76}
    layer = with_zeros(inputs=0.9)
    evaluate(layer, design(buffer=compressed), MAPPING)
    with pytest.raises(MappingError, match="level 'buffer' is too small"):
        evaluate(layer, design(buffer=compressed | {"capacity_words": 75}), MAPPING)


def test_indexes_are_not_compressed():
    layer = with_zeros(weights=0.75)
    hardware = design(
        {"compression": {"weights": "bitmask"}}, {"compression": {"weights": "bitmask"}}
    )
    indexed = evaluate(layer, hardware, MAPPING, WeightFormat(16, (1, 3, 3), Fraction(2), 0, 36))
    account = items(indexed)
    assert account["DRAM", "weights", "read"].bits == 8 * 2
    assert account["buffer", "weights", "read"].bits == 72 * 5
    codings = [(s.level, s.coding) for s in indexed.stored_tensors]
    assert codings == [("DRAM", None), ("buffer", "bitmask")]


treated = st.fixed_dictionaries(
    {}, optional={t: st.sampled_from(["gate", "skip"]) for t in ("inputs", "weights")}
)
codings = st.sampled_from(["run_length", "bitmask"])
shares = st.floats(0, 1, exclude_max=True)


def equipped(draw, hardware):
    """The hardware with random uses of zeros."""
    levels = []
    for i, level in enumerate(hardware.levels):
        able = [t for t in level.kept_tensors if i == 0 or t != "outputs"]
        compression = {t: draw(codings) for t in able if draw(st.booleans())}
        rates = {"read_words_per_cycle": 0.5, "write_words_per_cycle": 0.25}
        levels.append(dataclasses.replace(level, compression=compression, **rates))
    compute = Compute(mac_pj=2, zeros=draw(treated), gated_mac_pj=draw(st.sampled_from([0, 0.5])))
    return dataclasses.replace(hardware, levels=tuple(levels), compute=compute)


@settings(max_examples=100, deadline=None)
@given(mapped_layers(), st.data())
def test_more_zeros_never_cost_more(mapped, data):
    layer, hardware, mapping = mapped
    hardware = equipped(data.draw, hardware)
    pairs = [sorted(data.draw(st.tuples(shares, shares))) for _ in TENSORS]
    few, many = (
        evaluate(dataclasses.replace(layer, zeros=ZeroShares(*values)), hardware, mapping)
        for values in zip(*pairs, strict=True)
    )
    assert (few.counts.accesses == many.counts.accesses).all()
    assert many.energy <= few.energy * (1 + 1e-12)
    assert many.cycles.total <= few.cycles.total
    assert few.utilization <= 1
    for estimate in (few, many):
        assert sum(estimate.macs_left) == layer.macs
        assert min(estimate.macs_left) >= 0
        assert all(item.accesses >= 0 for item in estimate.items)


@settings(max_examples=50, deadline=None)
@given(mapped_layers(), st.data())
def test_hardware_for_zeros_costs_nothing_without_zeros(mapped, data):
    layer, hardware, mapping = mapped
    able = equipped(data.draw, hardware)
    plain = dataclasses.replace(
        able,
        levels=tuple(dataclasses.replace(level, compression={}) for level in able.levels),
        compute=Compute(mac_pj=2),
    )
    one, other = (evaluate(layer, h, mapping) for h in (able, plain))
    assert (one.items, one.cycles) == (other.items, other.cycles)
    assert not one.rests_on_zeros


@settings(max_examples=100, deadline=None)
@given(mapped_layers(words=False), st.data())
def test_the_search_pays_what_the_account_says(mapped, data):
    layer, hardware, mapping = mapped
    hardware = equipped(data.draw, hardware)
    # Words of one bit leave nothing to round; the search does not see what neighbors exchange.
    levels = [
        dataclasses.replace(
            level, word_bits=1, capacity_words=10**9 if i else None,
            fanout=dataclasses.replace(level.fanout, forwarding=()),
        )
        for i, level in enumerate(hardware.levels)
    ]  # fmt: skip
    hardware = dataclasses.replace(hardware, levels=tuple(levels))
    zeros = ZeroShares(*data.draw(st.tuples(shares, shares, shares)))
    layer = dataclasses.replace(layer, zeros=zeros)
    machine = build_machine(layer, hardware, mapping.keeps_array(hardware))
    estimate = evaluate(layer, hardware, mapping)
    paid = [item for item in estimate.items if item.component not in ("MAC", "static")]
    expected = sum(item.energy for item in paid)
    counts = estimate.counts
    found = (counts.accesses * machine.costs[:, :, : UPDATE_PJ + 1]).sum()
    for i, level in enumerate(hardware.levels):
        for j, tensor in enumerate(TENSORS):
            words = sum(counts.moved(level.name, tensor, way) for way in ("down", "up"))
            found += words * machine.costs[i, j, TRANSFER_PJ]
    assert found == pytest.approx(expected, abs=3 * len(paid), rel=1e-9)


def test_the_search_pays_partial_sums_in_full():
    layer = with_zeros(outputs=0.75)
    hardware = design({"compression": {"outputs": "bitmask"}, "read_words_per_cycle": 2})
    estimate = evaluate(layer, hardware, SPLIT)
    costs = build_machine(layer, hardware, SPLIT.keeps_array(hardware)).costs[0, 2]
    outputs = [
        item for item in estimate.items if item.component == "DRAM" and item.tensor[0] == "o"
    ]
    assert sum(item.accesses for item in outputs) == 16 + 16 + 5
    accesses = estimate.counts.accesses[0, 2]
    assert (accesses * costs[: UPDATE_PJ + 1]).sum() == sum(item.energy for item in outputs)
    assert accesses[0] * costs[READ_CYCLES] == 16 / 2


def test_zeros_of_a_network():
    text = "inputs=0.5,outputs=0.5;conv1:inputs=0"
    plain, sparse = (
        kcsim.estimate("eyeriss", "lenet5", "kernel:k=16", zeros=zeros) for zeros in (None, text)
    )
    for one, other in zip(plain.runs.values(), sparse.runs.values(), strict=True):
        assert one.macs == other.macs
        assert one.energy > other.energy
        assert not any(layer.rests_on_zeros for layer in one.layers)
        shares = [layer.layer.zeros.inputs for layer in other.layers]
        assert shares == [0, 0.5, 0.5, 0.5]
        gated = sum(layer.macs_left.gated for layer in other.layers)
        assert gated == sum(layer.counts.macs // 2 for layer in other.layers[1:])
    by_name = kcsim.estimate(
        "eyeriss", "lenet5", "kernel:k=16",
        zeros={"*": ZeroShares(inputs=0.5, outputs=0.5), "conv1": ZeroShares(outputs=0.5)},
    )  # fmt: skip
    assert [run.energy for run in by_name.runs.values()] == [
        run.energy for run in sparse.runs.values()
    ]


@pytest.mark.parametrize("zeros", ["inputs=nan", 0.5, {"conv1": 0.5}, {"conv9": ZeroShares()}])
def test_wrong_zeros(zeros):
    with pytest.raises(InputError):
        kcsim.estimate("eyeriss", "lenet5", zeros=zeros)

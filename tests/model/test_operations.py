"""Energy, traffic and cycles of additions, concatenations and poolings."""

import dataclasses

import pytest

import kcsim
from kcsim.hardware.counted import Counted
from kcsim.hardware.level import Level
from kcsim.hardware.network import Fanout
from kcsim.hardware.schema import Compute, Hardware
from kcsim.model.operations import estimate_operation
from kcsim.workload.operation import Operation, addition, concatenation, pooling

CHIP = Hardware(
    name="chip",
    levels=(
        Level(name="DRAM", read_pj=100, write_pj=90, word_bits=16, read_words_per_cycle=2),
        Level(
            name="buffer", read_pj=6, write_pj=5, update_pj=7, word_bits=16, capacity_words=1000,
            fanout=Fanout(x=4, transfer_pj=2), keeps=("inputs", "outputs"),
        ),
        Level(name="PE", read_pj=1, write_pj=1, word_bits=16, capacity_words=8, keeps=("outputs",)),
    ),
    compute=Compute(mac_pj=3, add_pj=0.5),
)  # fmt: skip


def energy(operation, hardware=CHIP):
    found = estimate_operation(operation, hardware)
    return {(i.component, i.tensor, i.action): i.energy for i in found.items}


def test_an_addition_moves_each_word_through_all_levels_that_keep_it_once():
    assert energy(addition("sum", 40)) == {
        ("DRAM", "inputs", "read"): 80 * 100,
        ("DRAM", "outputs", "update"): 40 * 90,
        ("buffer", "inputs", "fill"): 80 * 5,
        ("buffer", "inputs", "read"): 80 * 6,
        ("buffer", "outputs", "update"): 40 * 7,
        ("buffer network", "inputs", "transfer"): 80 * 2,
        ("buffer network", "outputs", "transfer"): 40 * 2,
        ("PE", "outputs", "update"): 40,
        ("MAC", "", "add"): 40 * 0.5,
    }
    found = estimate_operation(addition("sum", 40, batch=3), CHIP)
    assert found.energy == pytest.approx(3 * estimate_operation(addition("s", 40), CHIP).energy)


def test_time_is_that_of_the_slowest_port_or_of_the_adders():
    assert estimate_operation(addition("sum", 40), CHIP).cycles == 80 / 2
    assert estimate_operation(pooling("pool", 36, 4, taps=1000), CHIP).cycles == 4 * 999 / 4
    late = dataclasses.replace(CHIP.levels[0], latency_cycles=7, shared_port=True)
    slow = dataclasses.replace(CHIP, levels=(late, *CHIP.levels[1:]))
    assert estimate_operation(addition("sum", 40), slow).cycles == (80 + 40) / 2 + 7


def test_a_concatenation_copies_in_the_outermost_level():
    found = energy(concatenation("both", 40))
    assert found == {("DRAM", "inputs", "read"): 4000, ("DRAM", "outputs", "update"): 3600}


def test_what_a_file_counts_holds_for_operations_too():
    counted = dataclasses.replace(CHIP.levels[1], counted=Counted(drains=True, fills=False))
    found = energy(addition("sum", 40), dataclasses.replace(
        CHIP, levels=(CHIP.levels[0], counted, CHIP.levels[2]), static_pj_per_cycle=10
    ))  # fmt: skip
    assert ("buffer", "inputs", "fill") not in found
    assert found["buffer", "outputs", "read"] == 40 * 6
    assert found["static", "", "cycle"] == 400


def test_values_are_packed_in_words():
    bits = dataclasses.replace(CHIP.precision_bits, inputs=4)
    found = energy(addition("sum", 40), dataclasses.replace(CHIP, precision_bits=bits))
    assert found["DRAM", "inputs", "read"] == 20 * 100


def test_other_operations_are_not_counted():
    with pytest.raises(ValueError, match="softmax is not counted"):
        estimate_operation(Operation("s", "softmax", 4, 4), CHIP)


def test_an_estimate_has_the_operations_of_a_network_beside_its_layers():
    result = kcsim.estimate("eyeriss", "lenet5")
    assert [each.operation.kind for each in result.operations] == ["pool", "pool"]
    assert "beside them 2 pool: " in str(result)
    (table,) = [t for t in kcsim.report.network_data.estimate_tables(result)
                if t.title == "Operations: lenet5"]  # fmt: skip
    assert table.column("adds") == (3 * (20 * 12 * 12 + 50 * 4 * 4),)
    assert table.column("energy") == (sum(each.energy for each in result.operations),)

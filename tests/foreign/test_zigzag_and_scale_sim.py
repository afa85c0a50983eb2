"""Accelerators of ZigZag; configurations and topologies of SCALE-Sim."""

from dataclasses import replace

import pytest

import kcsim
from kcsim.errors import InputError
from kcsim.hardware.foreign.scale_sim_config import read_scale_sim_config
from kcsim.hardware.foreign.zigzag import zigzag_accelerator, zigzag_of
from kcsim.hardware.reader import shipped_names
from kcsim.hardware.resolution import hardware_of_data
from kcsim.reading.foreign_yaml import foreign_text, parse_foreign_yaml
from kcsim.workload.imports.scale_sim import scale_sim_topology
from kcsim.workload.layer import ConvLayer


def memory(size, operands, served, bits=64, cost=1.0):
    ports = [{"name": "rw_port_1", "type": "read_write", "bandwidth_min": bits,
              "bandwidth_max": bits, "allocation": ["I1, tl"]}]  # fmt: skip
    return {"size": size, "r_cost": cost, "w_cost": cost / 2, "area": 0, "latency": 1,
            "operands": operands, "ports": ports, "served_dimensions": served}  # fmt: skip


ARRAY = {
    "unit_energy": 0.25, "dimensions": ["D1", "D2"], "sizes": [8, 4], "input_precision": [8, 8]
}  # fmt: skip
ACCELERATOR = {
    "name": "small",
    "memories": {
        "rf_w": memory(64, ["I2"], [], bits=8),
        "rf_o": memory(256, ["O"], ["D1"], bits=16),
        "sram": memory(2**20, ["I1", "O"], ["D1", "D2"], cost=20.0),
        "dram": memory(10**10, ["I1", "I2", "O"], ["D1", "D2"], cost=640.0),
    },
    "operational_array": ARRAY,
    "dataflows": {"D1": ["K, 8"], "D2": ["C, 4"]},
}


def hardware(data, unit="pJ"):
    made = zigzag_of(parse_foreign_yaml(foreign_text(data), "z.yaml"), unit)
    return hardware_of_data(made.data, None, "hardware"), made.lost


def test_memories_are_levels_by_what_they_serve():
    found, lost = hardware(ACCELERATOR)
    assert found.level_names == ("dram", "sram", "rf_o", "rf_w")
    assert [(n.fanout.x, n.fanout.y) for n in found.levels] == [(1, 1), (1, 4), (8, 1), (1, 1)]
    dram, sram, sums, weights = found.levels
    assert (dram.block_words, dram.read_pj, dram.write_pj) == (8, 640.0, 320.0)
    assert dram.capacity_kib is None
    assert (sram.capacity_kib, sram.kept_tensors) == (128, ("inputs", "outputs"))
    assert (weights.capacity_bits("weights"), sums.read_words_per_cycle) == (64, 2)
    assert found.compute.mac_pj == 0.25
    assert found.mac_units == 32
    assert all(level.shared_port for level in found.levels)
    assert not any("port" in each for each in lost)
    assert hardware(ACCELERATOR, "MAC")[0].energy_unit == "MAC"


@pytest.mark.parametrize("name", shipped_names())
def test_a_shipped_design_is_the_same_after_a_journey(name):
    known = kcsim.load_hardware(name)
    found, _ = hardware(zigzag_accelerator(known).data, known.energy_unit)
    for ours, theirs in zip(known.levels, found.levels, strict=True):
        assert ours.name == theirs.name
        assert set(ours.kept_tensors) == set(theirs.kept_tensors)
        assert ours.fanout.children == theirs.fanout.children
        bits = [level.block_words * level.word_bits for level in (ours, theirs)]
        for action in ("read", "write"):
            # Parts become one, which costs what the dearest of them does.
            costs = [ours.price(tensor, action) for tensor in ours.kept_tensors] or [0]
            cost = getattr(theirs, f"{action}_pj") / bits[1]
            assert max(costs) / bits[0] == pytest.approx(cost)
    assert found.compute.mac_pj == known.compute.mac_pj


def test_ports_of_tensors_and_shared_ones_are_the_same_after_a_journey():
    known = kcsim.load_hardware("eyeriss")
    found, _ = hardware(zigzag_accelerator(known).data)
    dram, buffer = found.levels[:2]
    # 1.2 words of 16 bits are 19 whole ones.
    assert (dram.shared_port, dram.read_words_per_cycle) == (True, 19 / 16)
    served = [(set(port.serves), port.words_per_cycle) for port in buffer.port_list]
    assert served == [
        ({("inputs", "reads")}, 1), ({("outputs", "reads")}, 4), ({("outputs", "updates")}, 4),
        ({("inputs", "fills"), ("outputs", "fills")}, 1),
    ]  # fmt: skip


def test_ports_that_share_an_access_are_told():
    twice = memory(64, ["I2"], [], bits=8)
    twice["ports"] = [{**twice["ports"][0], "allocation": ["I2, tl", "I2, fh"]}] * 2
    memories = ACCELERATOR["memories"] | {"rf_w": twice}
    found, lost = hardware(ACCELERATOR | {"memories": memories})
    assert not found.levels[-1].port_list
    assert "rf_w: ports by tensor; the widest one is taken for all" in lost


def test_counts_are_the_same_after_a_journey():
    known = kcsim.load_hardware("simple")
    found, lost = hardware(zigzag_accelerator(known).data, "MAC")
    layer = kcsim.load_layer("lenet5/conv2")
    mapping = kcsim.find_mapping(layer, known)
    ours, theirs = (kcsim.count_layer(layer, each, mapping) for each in (known, found))
    assert (ours.accesses == theirs.accesses).all()
    assert "width of outputs" in " ".join(lost)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memories": {}}, "no accelerator of ZigZag"),
        ({"operational_array": ARRAY | {"is_imc": True}}, "computes in memory"),
        ({"operational_array": ARRAY | {"sizes": [8]}}, "no lists of one length"),
        ({"operational_array": ARRAY | {"unit_energy": "much"}}, "unit_energy is 'much'"),
        ({"memories": {"a": memory(64, ["I3"], [])}}, "operands of 'a'"),
        ({"memories": {"a": memory(64, ["I1"], ["D9"])}}, "'a' serves ['D9']"),
        ({"memories": {"a": memory(0, ["I1"], [])}}, "the size of 'a' is 0"),
        ({"memories": {"a": memory(64, ["I1"], []) | {"ports": []}}}, "'a' has no ports"),
        (
            {"memories": {"a": memory(64, ["I1"], ["D1"]), "b": memory(64, ["O"], ["D2"])}},
            "no tree",
        ),
    ],
)
def test_accelerators_that_cannot_be_get_one_line(change, message):
    with pytest.raises(InputError) as caught:
        hardware(ACCELERATOR | change)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


# --- SCALE-Sim


@pytest.fixture
def write(tmp_path):
    def writer(text, name):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return writer


HEAD = "Layer name, IFMAP Height, IFMAP Width, Filter Height, Filter Width, Channels, Num Filter, "


def test_a_topology_of_convolutions(write):
    text = f"\ufeff{HEAD}Strides,\nConv1 , 224, 224, 11, 11, 3, 96, 4,\nConv2,27,27,5,5,96,256,1,\n"
    text += "Conv2,14,14,3,3,8,1,1,#dw\nPart two,,,,\nDP1,14,14,3,3,8,2,2,1,\n\n"
    network = kcsim.load_network(write(text, "net.csv"))
    assert network.layers == (
        ConvLayer("Conv1", 3, 96, 224, 224, 11, 11, 4, (0, 3, 0, 3)),
        ConvLayer("Conv2", 96, 256, 27, 27, 5, 5),
        ConvLayer("Conv2_1", 8, 1, 14, 14, 3, 3),
        ConvLayer("DP1", 8, 16, 14, 14, 3, 3, (2, 1), (0, 1, 0, 0), groups=8),
    )
    # SCALE-Sim: ceil((224 - 11 + 4) / 4) = 55 rows.
    assert network.layers[0].macs == 55 * 55 * 121 * 3 * 96
    assert "hang over the end" in network.notes[0]


def test_a_topology_of_products(write):
    network = kcsim.load_network(write("Layer,M,N,K,\nQKT,1024,512,64,\n", "gemm.csv"))
    assert network.layers == (ConvLayer.linear("QKT", 64, 512, bias=False, sequence=1024),)


def test_a_topology_is_the_same_after_a_journey(write):
    for name in ("alexnet_ungrouped", "resnet18"):
        known = kcsim.load_network(name)
        text, lost = scale_sim_topology(known)
        again = kcsim.load_network(write(text, "again.csv"))
        assert [layer.macs for layer in again] == [layer.macs for layer in known]
        assert [layer.weight_words for layer in again] == [layer.weight_words for layer in known]
        assert any("padding" in each for each in lost)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("c,1,2,3,", "has 3 numbers behind its name, not 7 or 8"),
        ("c,8,8,3,3,B,4,1,", "'B' is no whole number above 0"),
        ("c,8,8,3,3,0,4,1,", "'0' is no whole number above 0"),
        ("c,2,2,3,3,1,4,1,", "kernel_height is 3"),
        ("c,8,8,3,3,1,4,1,1,2:4,", "is sparse"),
        ("c,99999999999,8,3,3,1,4,1,", "in_height is 99999999999"),
    ],
)
def test_rows_that_are_none_get_one_line_with_their_place(write, row, message):
    with pytest.raises(InputError) as caught:
        kcsim.load_network(write(f"{HEAD}Strides,\n{row}\n", "bad.csv"))
    assert message in str(caught.value)
    assert "bad.csv:2:1: " in str(caught.value)


CONFIG = """[general]
run_name = tiny
[architecture_presets]
ArrayHeight: 16
ArrayWidth: 8
IfmapSramSzkB: 64
FilterSramSzkB: 32
OfmapSramSzkB: 16
Dataflow : ws
Bandwidth : 10
[run_presets]
InterfaceBandwidth: USER
"""


@pytest.mark.parametrize(("flow", "kept"), [("ws", "weights"), ("os", "outputs"), ("is", "inputs")])
def test_a_configuration_is_an_array_with_three_memories(write, flow, kept):
    made = read_scale_sim_config(write(CONFIG.replace(": ws", f": {flow}"), "c.cfg"))
    found = hardware_of_data(made.data, None, "hardware")
    assert (found.levels[1].fanout.x, found.levels[1].fanout.y) == (8, 16)
    assert found.levels[1].capacity_bits("inputs") == 64 * 8192 // 2
    assert found.levels[0].read_words_per_cycle == 10
    assert found.levels[2].kept_tensors == (kept,)
    layer = replace(kcsim.load_layer("lenet5/conv2"), bias=False)
    assert kcsim.map_layer(layer, found).energy > 0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("ArrayHeight: 16", "ArrayHeight: many", "arrayheight is 'many'"),
        ("Dataflow : ws", "Dataflow : rs", "Dataflow is 'rs'; expected os, ws or is"),
        ("[architecture_presets]", "[presets]", "is no configuration of SCALE-Sim"),
        ("run_name = tiny", "run_name", "is no configuration"),
    ],
)
def test_configurations_that_are_none_get_one_line(write, old, new, message):
    with pytest.raises(InputError) as caught:
        read_scale_sim_config(write(CONFIG.replace(old, new), "c.cfg"))
    assert message in str(caught.value)

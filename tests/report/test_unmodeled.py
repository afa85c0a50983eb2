"""What is not modeled stands in every output."""

import dataclasses

import pytest

import kcsim
from kcsim.report.compare_data import comparison_tables
from kcsim.report.documents import to_dict
from kcsim.report.network_data import estimate_tables
from kcsim.report.unmodeled_data import operations_tables, unmodeled_note, unmodeled_tables
from kcsim.report.workload_data import network_table
from kcsim.workload.layer import ConvLayer
from kcsim.workload.operation import Operation, addition

NETWORK = kcsim.Network(
    "n",
    (ConvLayer("conv", 4, 4, 6, 6, 3, 3, padding=1), ConvLayer.matmul("scores", 6, 4, 6)),
    operations=(addition("sum", 144), Operation("rnn", "gru", 8, 8, 96, macs=5328)),
    edges=(("conv", "sum"),),
    notes=("conv: half of it.",),
)


@pytest.fixture(scope="module")
def result():
    return kcsim.compare_executions("simple", NETWORK, "scalar:k=4")


def test_tables_have_each_kind_with_its_shares():
    (table,), (counted,) = unmodeled_tables(NETWORK), operations_tables(NETWORK)
    assert table.column("operation") == ("gru",)
    assert table.column("macs") == (5328,)
    assert counted.column("operation") == ("add",)
    assert counted.column("adds") == (144,)
    macs = 144 * 36 + 144
    assert NETWORK.macs == macs
    assert table.column("macs_share") == (5328 / (5328 + macs),)
    layers = 144 + 144 + 144 + 24 + 24 + 36
    assert counted.column("bytes_share")[0] == pytest.approx(432 / (layers + 432 + 112))
    assert not unmodeled_tables(kcsim.load_network("alexnet"))


def test_tables_of_all_commands_have_it(result):
    for tables in (estimate_tables(result), comparison_tables(result)):
        assert {"Operations: n", "Not modeled: n"} <= {table.title for table in tables}
        assert any("conv: half of it." in table.notes for table in tables)
    assert "conv: half of it." in network_table(NETWORK).notes


def test_texts_have_it(result):
    (note,) = unmodeled_note(NETWORK)
    assert note.startswith("Not modeled: 1 gru; 0.5 of the MACs, ")
    assert "beside them 1 add: " in str(result)
    assert "not modeled: 1 gru" in str(result)
    assert "1 operations not modeled" in repr(NETWORK)
    assert "1 operations not modeled" in NETWORK._repr_html_()


def test_json_has_every_operation_and_edge(result):
    network = to_dict(result)["network"]
    assert [each["name"] for each in network["operations"]] == ["sum", "rnn"]
    assert network["operations"][1]["macs"] == 5328
    assert network["edges"] == [{"source": "conv", "target": "sum"}]
    assert network["notes"] == ["conv: half of it."]
    assert network["macs_share"] == 0.5


def test_energy_and_cycles_are_those_of_the_layers_alone(result):
    plain = dataclasses.replace(NETWORK, operations=(), edges=())
    other = kcsim.compare_executions("simple", plain, "scalar:k=4")
    for name, run in result.runs.items():
        assert (run.energy, run.cycles) == (other[name].energy, other[name].cycles)

"""Tables and JSON of estimates with zeros: what they say adds up."""

import pytest

import kcsim
from kcsim.report.beside import Beside
from kcsim.report.documents import to_dict
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import estimate_tables
from kcsim.report.zeros_data import compressed_bits, zeros_table


@pytest.fixture(scope="module")
def sparse():
    zeros = "inputs=0.5,outputs=0.6;conv1:inputs=0"
    return kcsim.estimate("eyeriss", "lenet5", "kernel:k=16", zeros=zeros)


def test_macs_and_traffic_of_the_table(sparse):
    table = zeros_table(Beside.last(sparse))
    (total,) = table.footers
    for row, layer in zip(table.rows, sparse["decode"].layers, strict=True):
        assert row[:2] == (layer.layer.name, layer.layer.zeros.inputs)
        assert sum(row[4:7]) == layer.counts.macs
        moved, plain = compressed_bits(layer)
        assert row[7] == moved
        assert row[8] == plain / moved > 1
    assert sum(total[4:7]) == sparse.dense.macs
    # conv1 keeps its inputs plain: only its outputs count, each once.
    coding = sparse.dense.layers[0].stored_tensors[1]
    words = sparse.dense.layers[0].layer.output_words
    assert table.rows[0][7] == pytest.approx(words * coding.value_bits)


def test_tables_say_that_they_are_expectations(sparse):
    titles = [table.title.partition(":")[0] for table in estimate_tables(sparse)]
    assert titles[0] == "Layers (expected)"
    assert "Zeros" in titles
    titles = [table.title.partition(":")[0] for table in layer_tables(sparse.dense.layers[1])]
    assert "Compression" in titles


def test_json_says_what_is_an_expectation(sparse):
    for run, written in zip(sparse.runs.values(), to_dict(sparse)["runs"], strict=True):
        for layer, document in zip(run.layers, written["layers"], strict=True):
            zeros = document["zeros"]
            assert zeros["is_expectation"]
            macs = [zeros[f"{what}_macs"] for what in ("computed", "gated", "skipped")]
            assert tuple(macs) == layer.macs_left
            assert [s["coding"] for s in zeros["stored_tensors"]] == [
                None if layer.layer.name == "conv1" else "run_length", "run_length",
            ]  # fmt: skip

"""The tables: parts add up, and numbers are those of the estimate."""

import pytest

import kcsim
from kcsim.report.beside import Beside
from kcsim.report.cells import heading, scale, shown
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import (
    components_table,
    estimate_tables,
    layers_table,
    metrics_table,
    storage_table,
    tensors_table,
)
from kcsim.report.table import Column, Table, column


def energy_ratio(result):
    return result.dense.energy / result["decode"].energy


def test_layers_add_up_to_the_total(clustered):
    table = layers_table(Beside.last(clustered))
    (total,) = table.footers
    assert table.column("layer") == ("conv1", "conv2", "ip1", "ip2")
    for i, each in enumerate(table.columns):
        if each.kind in ("integer", "energy") or each.key == "energy_share":
            assert sum(row[i] for row in table.rows) == pytest.approx(total[i], rel=1e-12)
    assert total[table.columns.index(column("energy", of="dense", unit="pJ"))] == (
        clustered.dense.energy
    )
    assert total[4] == energy_ratio(clustered)


def test_utilization_of_layers_averages_to_that_of_the_network(clustered):
    table = layers_table(Beside.last(clustered))
    cycles, use = table.column("decode_cycles"), table.column("utilization")
    mean = sum(c * u for c, u in zip(cycles, use, strict=True)) / sum(cycles)
    assert mean == pytest.approx(clustered["decode"].utilization)


@pytest.mark.parametrize("make", [components_table, tensors_table])
def test_accounts_add_up(clustered, make):
    table = make(Beside.last(clustered))
    (total,) = table.footers
    for run, i in ((clustered.dense, 1), (clustered["decode"], 3)):
        assert sum(row[i] or 0 for row in table.rows) == pytest.approx(run.energy)
        assert total[i] == pytest.approx(run.energy)
        assert sum(row[i + 1] or 0 for row in table.rows) == pytest.approx(1)
    assert total[-1] == pytest.approx(energy_ratio(clustered))


def test_a_codebook_has_no_dense_energy_and_no_ratio(clustered):
    table = components_table(Beside.last(clustered))
    (row,) = (row for row in table.rows if row[0] == "codebook")
    assert row[1] is None
    assert row[2] is None
    assert row[3] > 0
    assert row[5] is None


def test_storage_adds_up(clustered):
    table = storage_table(Beside.last(clustered))
    (total,) = table.footers
    storage = clustered["decode"].storage
    assert sum(table.column("decode_size_bits")) == total[2] == clustered["decode"].weights_bits
    assert sum(table.column("dense_size_bits")) == total[1] == clustered.dense.weights_bits
    assert total[3] == storage.ratio(biases=False)
    assert "expected" not in table.title


def test_expected_storage_is_marked():
    result = kcsim.estimate("eyeriss", "lenet5", "kernel:k=16,index=entropy")
    assert "(expected)" in storage_table(Beside.last(result)).title


def test_metrics(clustered):
    rows = {row[0]: row[1:] for row in metrics_table(Beside.last(clustered)).rows}
    dense = clustered.dense
    assert rows["computational full adders"][1] == dense.deep_kmeans_total.computational_full_adders
    assert rows["innermost accesses per MAC"][1] == dense.innermost_accesses_per_mac
    assert rows["lookups"] == ("", 0, clustered["decode"].lookups, None)
    assert rows["energy per MAC"][0] == "pJ"
    power = rows["average power"][1]
    assert power * rows["seconds"][1] == pytest.approx(dense.energy * 1e-12)


def test_relative_energies_have_the_unit_of_a_mac(dense):
    tables = estimate_tables(dense)
    assert not any("clustered" in column.key for table in tables for column in table.columns)
    assert [column.key for column in tables[0].columns][:4] == [
        "layer", "macs", "energy", "energy_share",
    ]  # fmt: skip
    metrics = {row[0]: row[1:] for row in tables[-1].rows}
    assert metrics["energy per MAC"][0] == "MAC"
    assert "seconds" not in metrics
    assert "average power" not in metrics


def test_layer_tables_add_up(layer):
    accesses, transfers, capacity, cycles, components, metrics = layer_tables(layer)
    parts = dict(zip(components.column("component"), components.column("energy"), strict=True))
    assert sum(parts.values()) == pytest.approx(layer.energy) == components.footers[0][1]
    levels = dict.fromkeys(accesses.column("level"), 0.0)
    for name, energy in zip(accesses.column("level"), accesses.column("energy"), strict=True):
        levels[name] += energy
    assert levels == pytest.approx({name: parts[name] for name in levels})
    assert transfers.footers[0][-1] == pytest.approx(parts["buffer network"])
    assert cycles.footers[0][1] == layer.cycles.total
    assert all(share is None or 0 <= share <= 1 for share in capacity.column("capacity_used"))
    assert dict(zip(metrics.column("metric"), metrics.column("value"), strict=True))["MACs"] == (
        layer.counts.macs
    )


def test_capacity_in_use_is_that_of_the_tiles(layer):
    table = layer_tables(layer)[2]
    used = dict(zip(zip(table.column("level"), table.column("holds"), strict=True),
                    table.column("used_bits"), strict=True))  # fmt: skip
    words = int(layer.counts.tile_words[2, 0])
    assert used["scratchpads", "weights"] == 16 * words
    # DRAM holds an index of 4 bits for each of the 1000 kernels of 5 x 5.
    held = layer.counts.layer
    assert used["DRAM", "weights, inputs, outputs"] == 4 * 1000 + 16 * (
        held.input_words + held.output_words
    )


def test_a_table_refuses_rows_of_another_length():
    with pytest.raises(ValueError, match="2 values in 1 columns"):
        Table("title", (Column("one"),), ((1, 2),))


@pytest.mark.parametrize(
    ("value", "column", "expected"),
    [
        (42_600_000_000, Column("e", "pJ", "energy"), "42.6 mJ"),
        (999.96, Column("e", "pJ", "energy"), "1.00 nJ"),
        (0.0, Column("e", "pJ", "energy"), "0 J"),
        (83_500_000.0, Column("e", "MAC", "energy"), "83.5 M"),
        (12_400_000, Column("n", "", "integer"), "12,400,000"),
        (9999, Column("n", "", "integer"), "9,999"),
        (999_999.0, Column("n", "", "number"), "1.00 M"),
        (0, Column("n", "", "number"), "0"),
        (3.98961, Column("n", "", "number"), "3.99"),
        (0.268, Column("n", "", "number"), "0.268"),
        (1.5e-7, Column("n", "", "number"), "1.50e-07"),
        (4, Column("s", "bit", "bits"), "0.500 B"),
        (8192, Column("s", "bit", "bits"), "1.00 KiB"),
        (2.5 * 8 * 2**30, Column("s", "bit", "bits"), "2.50 GiB"),
        (5 * 8 * 2**40, Column("s", "bit", "bits"), "5120 GiB"),
        (1.0, Column("r", "", "ratio"), "1.00"),
        (123.4, Column("r", "", "ratio"), "123"),
        (0.00123, Column("r", "", "ratio"), "0.00123"),
        (0.12345, Column("p", "", "share"), "12.3 %"),
        ("conv1", Column("layer"), "conv1"),
        (None, Column("e", "pJ", "energy"), "–"),
    ],
)
def test_numbers_for_people(value, column, expected):
    assert shown(value, column) == expected


def test_headings_name_the_unit_that_cells_lack():
    assert heading(Column("energy", "pJ", "energy")) == "energy"
    assert heading(Column("energy", "MAC", "energy")) == "energy [MAC]"
    assert heading(Column("used", "bit", "bits")) == "used"
    assert heading(Column("reads", "words", "integer")) == "reads [words]"


def test_scale():
    assert scale(0) == (1, "")
    assert scale(999.9) == (1000, "k")
    assert scale(2e-5) == (1e-6, "µ")
    assert scale(1e30) == (1e15, "P")

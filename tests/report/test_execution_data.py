"""How layers are executed, as tables: what was chosen, by how much, and where products lie."""

from dataclasses import replace

import numpy as np
import pytest
from random_clustered import random_clustered

import kcsim
from kcsim.report.beside import Beside
from kcsim.report.execution_data import (
    execution_notes,
    execution_table,
    execution_tables,
    intermediate_table,
    next_best,
)
from kcsim.report.layer_data import layer_tables
from kcsim.report.network_data import components_table, estimate_tables, tensors_table

EXPECTED = "Figures of shared layers rest on expected distinct entries: no weights given."


@pytest.fixture(scope="module")
def weighted():
    """An estimate with real indexes, all layers of which share products."""
    network = kcsim.load_network("lenet5").select(["conv*"])
    weights = random_clustered(network, "kernel:k=8,scope=layer")
    return kcsim.estimate("simple", network, weights=weights, execution="share_products")


def test_the_next_best_execution_is_the_best_of_all_others(shared):
    table = execution_table(shared["auto"], "lenet5")
    layers = [layer for layer in shared["auto"].layers if layer.execution != "dense"]
    assert table.column("layer") == ("conv1", "conv2")
    for layer, row in zip(layers, table.rows, strict=True):
        others = [each for each in layer.alternatives if each.execution != layer.execution]
        best = min(others, key=lambda each: each.energy * each.cycles)
        assert row[1:4] == (layer.execution, layer.decode_level, best.execution)
        energy, cycles = best.energy / layer.energy, best.cycles / layer.cycles.total
        assert row[4:] == pytest.approx((energy, cycles, energy * cycles))
        assert row[6] >= 1
    assert "Layers: 2 share_products, 2 dense (not shown)." in table.notes


def test_without_another_execution_the_next_best_place_is_named():
    network = kcsim.load_network("lenet5").select(["conv2"])
    result = kcsim.estimate("simple", network, "kernel:k=8", decode_level="auto")
    (layer,) = result["decode"].layers
    best = next_best(layer)
    assert best == layer.alternatives[1]
    (row,) = execution_table(result["decode"], "").rows
    assert row[1:4] == ("decode", layer.decode_level, f"decode at {best.decode_level}")


def test_decoding_where_the_hardware_says_takes_a_line_and_no_table(clustered):
    assert execution_tables(clustered["decode"], "") == ()
    tables = estimate_tables(clustered)
    assert "Clustered layers are decoded at DRAM." in tables[0].notes
    assert not any(table.title.startswith("Execution") for table in tables)


def test_sums_that_are_gathered_in_order_say_so(shared):
    run = shared["auto"]
    first, *others = run.layers
    ordered = replace(first, plan=replace(first.plan, ordered=True))
    table = intermediate_table(replace(run, layers=(ordered, *others)), "lenet5")
    assert table.column("gathered_at")[0] == f"{first.plan.gathered_at} (in order)"


def test_products_and_sums_are_those_of_the_model(shared):
    table = intermediate_table(shared["auto"], "lenet5")
    layers = shared["auto"].layers[:2]
    assert table.column("home") == tuple(layer.plan.home for layer in layers)
    assert table.column("gathered_at") == tuple(layer.plan.gathered_at for layer in layers)
    assert table.column("width") == tuple(layer.intermediate.width for layer in layers)
    assert table.column("words") == tuple(layer.intermediate.words for layer in layers)
    held = tuple(layer.intermediate.home_bits for layer in layers)
    assert table.column("home_bits") == held
    (total,) = table.footers
    assert total[-1] == pytest.approx(shared["auto"].energy_by_tensor()["intermediate"])
    assert table.column("tile") == ("whole layer", "whole layer")


def test_tiles_are_named_by_what_is_cut():
    network = kcsim.load_network("lenet5").select(["conv2"])
    hardware = kcsim.load_hardware("simple", ["levels.buffer.capacity_kib=8"])
    result = kcsim.estimate(hardware, network, "kernel:k=8", execution="share_products")
    (layer,) = result["share_products"].layers
    (tile,) = intermediate_table(result["share_products"], "").column("tile")
    named = dict(part.split("=") for part in tile.split())
    assert named
    for name, size in layer.plan.tile._asdict().items():
        assert named.get(name, str(layer.layer.dimensions[name])) == str(size)


def test_what_is_spilled_is_marked(shared):
    first, second, *rest = shared["auto"].layers
    away = replace(first, intermediate=replace(first.intermediate, home="DRAM", spilled=True))
    table = intermediate_table(replace(shared["auto"], layers=(away, second, *rest)), "")
    assert table.column("home") == ("DRAM (spilled)", second.plan.home)
    assert any(note.startswith("Spilled") for note in table.notes)
    kept = intermediate_table(shared["auto"], "")
    assert not any(note.startswith("Spilled") for note in kept.notes)


def test_expected_entries_are_said_to_be_expected(shared, weighted):
    tables = estimate_tables(shared)
    marked = [table.title for table in tables if EXPECTED in table.notes]
    assert [title.partition(":")[0] for title in marked] == [
        "Layers", "Shared products and sums (expected)",
    ]  # fmt: skip
    for table in estimate_tables(weighted):
        assert EXPECTED not in table.notes
        assert "expected" not in table.title
    assert not weighted["share_products"].layers[0].intermediate.is_expectation


def test_reasons_are_given_once_each(shared):
    first, second, *rest = shared["auto"].layers
    long = [replace(first, note=f"decoded, not share_sums: way {i}") for i in range(2)]
    alike = [
        replace(layer, note=f"decoded, not share_sums: {layer.layer.name} cannot share")
        for layer in (first, second)
    ]
    assert execution_notes([*alike, *rest, *long]) == (
        "conv1, conv2: decoded, not share_sums: cannot share.",
        "conv1: decoded, not share_sums: way 0.",
        "conv1: decoded, not share_sums: way 1.",
    )
    run = replace(shared["auto"], layers=(*alike, *rest))
    assert execution_table(run, "").notes[-1].endswith("cannot share.")
    named_after_another = [replace(layer, note=alike[1].note) for layer in alike]
    assert execution_notes(named_after_another) == execution_notes(alike)
    many = execution_notes([alike[0]] * 9)
    assert many == (
        "conv1, conv1, conv1, conv1, conv1, conv1 and 3 more: "
        "decoded, not share_sums: cannot share.",
    )


@pytest.mark.parametrize("make", [components_table, tensors_table])
def test_accounts_of_shared_layers_add_up(shared, make):
    table = make(Beside.last(shared))
    (total,) = table.footers
    assert sum(row[3] or 0 for row in table.rows) == pytest.approx(shared["auto"].energy)
    assert total[3] == pytest.approx(shared["auto"].energy)
    names = {"adder", "MAC"} if make is components_table else {"intermediate", "other"}
    assert names < {row[0] for row in table.rows}


def test_the_tables_of_a_layer_that_shares_add_up(shared):
    layer = shared["auto"].layers[1]
    accesses, transfers, *_ = tables = layer_tables(layer)
    by_component = layer.energy_by_component()
    levels = layer.counts.hardware.level_names
    assert accesses.footers[0][-1] == pytest.approx(sum(by_component[name] for name in levels))
    assert transfers.footers[0][-1] == pytest.approx(by_component["buffer network"])
    shown = {row[:2]: row[4:7] for row in accesses.rows}
    for name, words in zip(levels, layer.intermediate_accesses.tolist(), strict=True):
        assert shown.get((name, "intermediate"), (0, 0, 0)) == tuple(words)
    assert not any(table.title.startswith("Capacity") for table in tables)


def test_tiles_below_the_home_are_those_of_the_phases_and_fit(shared):
    layer = shared["auto"].layers[1]
    words = layer.tile_words
    home = layer.counts.hardware.level_index(layer.plan.home)
    np.testing.assert_array_equal(words[: home + 1], layer.counts.tile_words[: home + 1])
    gathered, multiplied = layer.gather.counts.tile_words, layer.entries.counts.tile_words
    # Products are the outputs of one phase and the inputs of the other.
    assert words[-1].tolist() == [
        max(gathered[-1, 0], multiplied[-1, 0]), multiplied[-1, 1], gathered[-1, 2],
    ]  # fmt: skip
    np.testing.assert_array_equal(
        shared.dense.layers[1].tile_words, shared.dense.layers[1].counts.tile_words
    )


def test_no_array_is_busier_than_always(shared, comparison):
    for run in (*shared.runs.values(), *comparison.runs.values()):
        assert 0 < run.utilization <= 1
    dense = shared.dense
    done = dense.macs * dense.hardware.compute.cycles_per_mac
    busy = done / (dense.cycles * dense.hardware.mac_units)
    assert dense.utilization == pytest.approx(busy)

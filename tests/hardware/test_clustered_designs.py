"""Shipped designs that decode in their PEs, against what the papers say and each other."""

import pytest
from test_reports import script

import kcsim
from kcsim.workload import zoo
from kcsim.workload.layer import TENSORS, ConvLayer
from kcsim.workload.network import Network

# Lookups a MAC: lanes of UCNN may share one.
LANES = {"eyeriss_codebook": 1, "eie_like": 1, "ucnn_like": 8}
REPORT = script("ucnn_eie")


@pytest.mark.parametrize("network", ["alexnet", "lenet5", "resnet20"])
@pytest.mark.parametrize("hardware", LANES)
def test_every_layer_is_decoded_beside_its_macs(hardware, network):
    found = kcsim.estimate(hardware, network, "scalar:k=16", objective="energy")
    assert len(found["decode"].layers) == len(zoo.load(network).layers)
    for layer in found["decode"].layers:
        assert layer.counts.macs / LANES[hardware] <= layer.lookups <= layer.counts.macs
        components = layer.energy_by_component()
        assert components["codebook"] > 0
        assert "codebook (DRAM)" not in components
    if LANES[hardware] == 1:
        assert found["decode"].lookups == found["decode"].macs


@pytest.mark.parametrize(
    ("hardware", "clusters"), [("eyeriss_codebook", 256), ("eie_like", 16), ("ucnn_like", 256)]
)
def test_the_codebook_has_room_for_the_entries_of_the_design(hardware, clusters):
    for entries in (clusters, clusters + 1):
        found = kcsim.estimate(hardware, "lenet5", f"scalar:k={entries}")
        layer = found["decode"].layers[-2]  # with more weights than entries
        assert ("codebook" in layer.energy_by_component()) == (entries == clusters)


def test_the_filter_scratchpad_holds_more_indexes_than_weights():
    found = kcsim.estimate("eyeriss_codebook", "alexnet", "scalar:k=16", objective="energy")
    dense, clustered = (
        max(layer.counts.tile_words[-1, TENSORS.index("weights")] for layer in run.layers)
        for run in found.runs.values()
    )
    assert dense <= 224 < clustered <= 4 * 224


def test_the_power_of_a_pe_of_eie():
    # One weight a cycle at 800 MHz; EIE stores an index of 4 bits with 4 bits of position.
    hardware = kcsim.load_hardware("eie_like")
    pe, store = hardware.levels[-1], hardware.codebook
    energy = 8 / 16 * pe.price("weights", "read") + pe.price("inputs", "read")
    energy += pe.price("outputs", "read") + pe.price("outputs", "update")
    energy += pe.leakage_pj_per_cycle + store.read_pj + hardware.compute.mac_pj
    assert energy * 0.8 == pytest.approx(9.157, rel=0.005)  # mW, Table II


@pytest.mark.parametrize("name", REPORT.EIE)
def test_times_of_eie(name):
    layer, microseconds = REPORT.eie_layer(name), REPORT.EIE[name][-1]
    # With as much work for all PEs, as the paper's theoretical time.
    (macs,) = (item.accesses for item in layer.items if item.component == "MAC")
    off = macs / 64 / 800 / microseconds - 1
    # Of random zeros: those of VGG-7 need more padding than the paper's.
    assert off == pytest.approx(0, abs=0.15) or (name == "VGG-7" and off < 0.31)
    # Whole outputs are dealt out to the PEs.
    assert macs / 64 - 1 <= layer.cycles.total


def test_each_weight_that_eie_computes_with_is_read_once_and_whole():
    network = Network("one", (ConvLayer.linear("fc", 4096, 4096),))
    spec = "scalar:k=16,sparse=0.91,positions=relative,dense=none"
    run = kcsim.estimate("eie_like", network, spec, zeros="inputs=0.647", objective="cycles")
    items = {(i.component, i.tensor, i.action): i for i in run["decode"].layers[0].items}
    macs, reads = items["MAC", "", "compute"].accesses, items["PE", "weights", "read"]
    # An index of 4 bits with 4 bits of position: SpmatRead of Table II, 6.19 pJ. The count of
    # entries is 32 bits.
    assert reads.bits == pytest.approx(8 * macs, rel=1e-4)
    assert reads.energy / macs == pytest.approx(6.19, rel=0.01)
    pe = sum(
        item.energy for (component, _, action), item in items.items()
        if component in ("PE", "MAC", "codebook", "static") and action not in ("fill", "load")
    )  # fmt: skip
    assert pe / macs * 0.8 == pytest.approx(9.157, rel=0.2)  # mW


def test_padding_of_relative_positions_is_computed_with():
    network = Network("one", (ConvLayer.linear("fc", 512, 64),))
    density, macs = 0.05, {}
    for positions in ("all", "relative"):
        spec = f"scalar:k=16,sparse={1 - density},positions={positions},dense=none"
        (layer,) = kcsim.estimate("eie_like", network, spec)["decode"].layers
        (macs[positions],) = (i.accesses for i in layer.items if i.component == "MAC")
    # A run of 16 zeros or more takes one entry for each 16.
    longer = (1 - density) ** 16
    assert macs["all"] == pytest.approx(512 * 64 * density, abs=1)
    assert macs["relative"] == pytest.approx(macs["all"] / (1 - longer), rel=1e-3)

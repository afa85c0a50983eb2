"""DRAM traffic of Eyeriss on AlexNet with its run-length coding: JSSC 2017, Tables III and V.

The mappings follow Table III: m output channels of n images and e rows in the buffer, q*r input
channels at a time, p*t filters in the array. Table III and Table V contradict each other for
conv3 in what the buffer moves; DRAM's traffic is the same for both.
"""

from pathlib import Path

import pytest

from kcsim import evaluate, load_hardware, load_network
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.workload.zeros_reader import network_with_zeros

ZEROS = Path(__file__).parents[1] / "data" / "eyeriss_alexnet_zeros.yaml"

# DRAM, buffer, array along X and Y, scratchpads; published MB
LAYERS = {
    # 8 strips of 7 rows; conv1 has 55, the last strip is short.
    "conv1": ("N=4 P=8 C=3", "M=3 Q=55", "P=7 M=2", "R=11", "M=16 S=11", 5.0),
    "conv2": ("N=4 G=2 M=2 C=24", "M=4 P=3 Q=27", "P=9", "R=5", "M=16 C=2 S=5", 4.0),
    "conv3": ("M=6 C=64", "N=4 Q=13", "P=13", "R=3 M=4", "M=16 C=4 S=3", 3.0),
    "conv4": ("G=2 M=3 C=32", "M=2 N=4 Q=13", "P=13", "R=3 C=2 M=2", "M=16 C=3 S=3", 2.1),
    "conv5": ("G=2 M=2 C=32", "M=2 N=4 Q=13", "P=13", "R=3 C=2 M=2", "M=16 C=3 S=3", 1.3),
}


def mapping(name, nest=()):
    dram, buffer, x, y, pads = (
        tuple(Loop(part[0], int(part[2:])) for part in text.split())
        for text in nest or LAYERS[name][:5]
    )
    levels = (LevelLoops("DRAM", dram), LevelLoops("buffer", buffer, x, y))
    return Mapping((*levels, LevelLoops("scratchpads", pads)))


def estimate(name, zeros=True):
    network = load_network("alexnet").with_batch(4)
    layer = (network_with_zeros(network, ZEROS) if zeros else network).layer(name)
    return evaluate(layer, load_hardware("eyeriss"), mapping(name))


def megabytes(estimate):
    return sum(item.bits for item in estimate.items if item.component == "DRAM") / 8e6


@pytest.mark.parametrize("name", LAYERS)
def test_dram_traffic(name):
    assert megabytes(estimate(name)) == pytest.approx(LAYERS[name][-1], rel=0.1)


def test_dram_traffic_of_all_layers():
    published = sum(layer[-1] for layer in LAYERS.values())
    assert sum(map(megabytes, map(estimate, LAYERS))) == pytest.approx(published, rel=0.04)


def test_what_is_compressed():
    for name in LAYERS:
        codings = {stored.tensor: stored.coding for stored in estimate(name).stored_tensors}
        # The image has no zeros to speak of and is sent plain, as on the chip.
        inputs = None if name == "conv1" else "run_length"
        assert codings == {"inputs": inputs, "outputs": "run_length"}


def test_without_shares_nothing_is_compressed_or_gated():
    for name in LAYERS:
        plain = estimate(name, zeros=False)
        assert all(item.bits == 16 * item.count for item in plain.items if item.tensor)
        assert plain.macs_left == (plain.counts.macs, 0, 0)
        assert not plain.rests_on_zeros


# What the buffer gives and takes, fills aside: published MB. Those of conv3 are met with three
# channels and two sets of PEs for them, as in conv4 and conv5, not with four and one (Table III).
BUFFER = {"conv1": 18.5, "conv2": 77.6, "conv3": 50.2, "conv4": 37.4, "conv5": 24.9}
CONV3 = ("M=6 C=43", "M=2 N=4 Q=13", "P=13", "R=3 C=2 M=2", "M=16 C=3 S=3")


def buffer_megabytes(name, changes=()):
    hardware = load_hardware("eyeriss", changes)
    layer = load_network("alexnet").with_batch(4).layer(name)
    nest = mapping(name, CONV3) if name == "conv3" else mapping(name)
    items = evaluate(layer, hardware, nest).items
    found = [i for i in items if i.component == "buffer" and i.action in ("read", "update")]
    return sum(item.count for item in found) * 2 / 1e6


@pytest.mark.parametrize("name", BUFFER)
def test_the_buffer_reads_sums_on_their_first_pass_too(name):
    # Three strips of conv2 read rows at their ends twice, which the chip folds in another way.
    error = 0.02 if name == "conv2" else 0.003
    assert buffer_megabytes(name) == pytest.approx(BUFFER[name], rel=error)


@pytest.mark.parametrize("name", [name for name in BUFFER if name != "conv2"])
def test_without_first_reads_the_buffer_would_be_accessed_less_than_published(name):
    changes = ["levels.buffer.counted.first_reads=false"]
    assert buffer_megabytes(name, changes) < 0.99 * BUFFER[name]

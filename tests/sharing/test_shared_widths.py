"""Products and sums of a shared convolution are as wide as partial sums, wherever they go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from test_sharing_by_hand import HARDWARE, LAYER, loops, plan, shared

from kcsim.errors import MappingError
from kcsim.hardware.level import Fanout, Partition
from kcsim.hardware.schema import Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.sharing.account import evaluate_shared

WIDTHS = {"weights": 4, "inputs": 8, "outputs": 32, "intermediate": 32}


def with_widths(layer, **changes):
    """A shared layer with sums wider than inputs, in words of 16 bits; changes of the buffer."""
    dram, buffer, register = (replace(level, word_bits=16) for level in HARDWARE.levels)
    network = Fanout(transfer_pj=3)
    hardware = replace(
        HARDWARE,
        levels=(
            replace(dram, fanout=network), replace(buffer, fanout=network, **changes), register,
        ),
        precision_bits=Precision(weights=4, inputs=8, outputs=32),
    )  # fmt: skip
    return replace(layer, hardware=hardware)


def evaluated(sharing, **changes):
    layer = with_widths(shared(sharing), **changes)
    entries = "M=2 P=2 Q=2" if sharing == "share_products" else "P=2 Q=2"
    return evaluate_shared(layer, plan(sharing, "M=2 P=2 Q=2", entries))


@pytest.mark.parametrize("sharing", ["share_products", "share_sums"])
def test_every_tensor_moves_at_its_own_width(sharing):
    found, seen = evaluated(sharing), set()
    for item in found.items:
        # Indexes have widths of their own.
        if item.tensor in WIDTHS and item.tensor != "weights":
            assert item.bits == item.count * WIDTHS[item.tensor], item
            assert item.accesses == -(-item.count * WIDTHS[item.tensor] // 16), item
            seen.add((item.component, item.tensor))
    for tensor in ("inputs", "outputs", "intermediate"):
        assert ("buffer", tensor) in seen
        assert ("buffer network", tensor) in seen


def test_products_pay_for_two_words_each_on_networks_and_in_the_buffer():
    items = {(i.component, i.tensor, i.action): i for i in evaluated("share_products").items}
    # 20 products are written, 32 gathered from there; one way and the other they cross a network.
    assert items["buffer", "intermediate", "update"].energy == 20 * 2
    assert items["buffer", "intermediate", "read"].energy == 32 * 2
    assert items["buffer network", "intermediate", "transfer"].energy == (20 + 32) * 2 * 3


@pytest.mark.parametrize("sharing", ["share_products", "share_sums"])
def test_products_and_sums_take_the_room_of_partial_sums(sharing):
    # Two indexes of a bit, 4 inputs of 8 bits, 8 outputs of 32 bits, 8 products or sums likewise.
    bits = 2 * 1 + 4 * 8 + 8 * 32 + 8 * 32
    assert evaluated(sharing).intermediate.home_bits == bits
    assert evaluated(sharing, capacity_words=-(-bits // 16))
    with pytest.raises(MappingError, match="products or sums included"):
        evaluated(sharing, capacity_words=bits // 16)


def test_products_lie_with_inputs_and_sums_with_outputs():
    def parts(inputs, outputs):
        rest = {"capacity_words": None}
        return rest | {
            "partitions": (
                Partition(tensors=("weights",), capacity_words=100),
                Partition(tensors=("inputs",), capacity_words=inputs),
                Partition(tensors=("outputs",), capacity_words=outputs),
            )
        }

    inputs, outputs, between = 4 * 8 // 16, 8 * 32 // 16, 8 * 32 // 16
    assert evaluated("share_products", **parts(inputs + between, outputs))
    assert evaluated("share_sums", **parts(100, outputs + between))
    for sharing, room in (
        ("share_products", (inputs + between - 1, 100)),
        ("share_sums", (100, outputs + between - 1)),
    ):
        with pytest.raises(MappingError, match="products or sums included"):
            evaluated(sharing, **parts(*room))


def test_homes_side_by_side_wait_for_the_one_with_most_entries():
    layer = shared("share_products")
    dram, buffer, register = layer.hardware.levels
    hardware = replace(layer.hardware, levels=(replace(dram, fanout=Fanout(x=2)), buffer, register))
    alone = plan("share_products", "M=2 P=2 Q=2", "M=2 P=2 Q=2")
    outer = Mapping(
        (
            LevelLoops("DRAM", (Loop("C", 2),), (Loop("M", 2),)),
            *loops("buffer", "M=2 P=2 Q=2").levels,
        )
    )
    beside = evaluate_shared(replace(layer, hardware=hardware), replace(alone, outer=outer))
    # Tables of 1, 1, 2 and 1 entries of 4 pixels: two rounds, as if each had one of two.
    assert beside.cycles.compute == 2 * 8 + 2 * 8
    # One after the other each takes what it needs: 20 products, 32 gathers.
    assert evaluate_shared(layer, alone).cycles.compute == 20 + 32
    assert beside.counts.macs == evaluate_shared(layer, alone).counts.macs == 20
    assert LAYER.macs == 32

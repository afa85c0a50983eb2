"""Products and sums of a shared convolution have widths of their own, wherever they go."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_sharing_by_hand import HARDWARE, LAYER, loops, plan, shared

from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.cost.clustered_formats import weight_formats
from kcsim.errors import MappingError
from kcsim.hardware.level import Fanout, Partition
from kcsim.hardware.schema import Precision
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.sharing.account import evaluate_shared
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer

WIDTHS = {"weights": 4, "inputs": 8, "outputs": 32, "intermediate": 32}


GIVEN = Precision(weights=4, inputs=8, outputs=32, products=32, sums=32)
FROM_OPERANDS = Precision(weights=4, inputs=8, outputs=32)


def with_widths(layer, precision=GIVEN, **changes):
    """A shared layer with sums wider than inputs, in words of 16 bits; changes of the buffer."""
    dram, buffer, register = (replace(level, word_bits=16) for level in HARDWARE.levels)
    network = Fanout(transfer_pj=3)
    hardware = replace(
        HARDWARE,
        levels=(
            replace(dram, fanout=network), replace(buffer, fanout=network, **changes), register,
        ),
        precision_bits=precision,
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
def test_products_and_sums_take_the_room_of_their_width(sharing):
    # Two indexes of a bit, and lists of as many entries, 4 inputs of 8 bits, 8 outputs of 32 bits,
    # 8 products or sums likewise.
    bits = 2 * 1 + 2 * 1 + 4 * 8 + 8 * 32 + 8 * 32
    assert evaluated(sharing).intermediate.home_bits == bits
    assert evaluated(sharing, capacity_words=-(-bits // 16))
    with pytest.raises(MappingError, match="products or sums included"):
        evaluated(sharing, capacity_words=bits // 16)


@pytest.mark.parametrize(("sharing", "bits"), [("share_products", 4 + 8), ("share_sums", 8)])
def test_widths_that_are_not_given_follow_from_operands(sharing, bits):
    found = evaluated(sharing, precision=FROM_OPERANDS)
    assert found.intermediate.value_bits == bits
    items = [item for item in found.items if item.tensor == "intermediate"]
    assert items
    assert all(item.bits == item.count * bits for item in items)
    assert found.intermediate.home_bits == 2 * 1 + 2 * 1 + 4 * 8 + 8 * 32 + 8 * bits


def shared_by(spec, layer, sharing, precision):
    part = resolve_layer(layer, parse_clustering(spec))
    hardware = replace(HARDWARE, precision_bits=precision)
    (form,) = weight_formats((layer,), hardware, parse_clustering(spec))
    return SharedLayer(layer, hardware, form, DistinctEntries.expected(part), SHARINGS[sharing])


@given(
    sharing=st.sampled_from(tuple(SHARINGS)),
    spec=st.sampled_from(("scalar:k=2", "row:k=2", "kernel:k=2,dense=none", "product:k=2,length=2",
                          "scaled_kernel:k=2,dense=none")),
    weights=st.integers(2, 9), inputs=st.integers(2, 9), channels=st.sampled_from((2, 4, 6)),
    kernel=st.sampled_from((2, 3)),
)  # fmt: skip
def test_every_product_and_sum_fits_its_width_and_needs_all_of_it(
    sharing, spec, weights, inputs, channels, kernel
):
    layer = ConvLayer("any", channels, 2, 4, 4, kernel, kernel)
    precision = Precision(weights=weights, inputs=inputs)
    shared = shared_by(spec, layer, sharing, precision)
    tile = Tile.whole(layer)
    # The largest unsigned operands, added up as often as there are: one bit less would not do,
    # but for what the rounding of each part gives.
    weight, value = 2**weights - 1, 2**inputs - 1
    factor = weight if shared.has_factors else 1
    size = shared.unit.size
    most = size * weight * value
    if sharing == "share_sums":
        most = factor * value * (channels * kernel * kernel // size * shared.depth)
        most //= shared.depth
    bits = shared.arithmetic(tile).bits
    assert bits - 2 <= most.bit_length() <= bits


def test_units_of_other_widths_cost_their_full_adders():
    precision = Precision(weights=8, inputs=8)
    layer = ConvLayer("any", 4, 2, 4, 4, 3, 3)
    products = shared_by("scalar:k=2", layer, "share_products", precision)
    own = products.arithmetic(Tile.whole(layer))
    # A product of 8 x 8 bits is what a MAC of the hardware adds: nothing changes.
    assert (own.bits, own.add_pj, own.mac_pj) == (16, products.hardware.add_pj, 1)
    sums = shared_by("scalar:k=2", layer, "share_sums", precision)
    own = sums.arithmetic(Tile.whole(layer))
    # Sums of 36 inputs have 6 bits more: 14 in place of the 16 of a product for the adder, and
    # 8 x 14 + 8 + 14 full adders in place of 8 x 8 + 8 + 8.
    assert own.bits == 8 + 6
    assert own.add_pj == pytest.approx(sums.hardware.add_pj * 14 / 16)
    assert own.mac_pj == pytest.approx((8 * 14 + 8 + 14) / (8 * 8 + 8 + 8))
    scaled = shared_by("scaled_kernel:k=2,dense=none", layer, "share_products", precision)
    own = scaled.arithmetic(Tile.whole(layer))
    # A kernel of 9 weights: 4 bits more, and a factor of 8 x 20 bits in place of 8 x 8.
    assert own.bits == 16 + 4
    assert own.factor_pj == pytest.approx(scaled.hardware.multiply_pj * 20 / 8)


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

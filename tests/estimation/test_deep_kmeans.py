import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kcsim
from kcsim.clustering.scheme import Clustering
from kcsim.clustering.spec import parse_clustering
from kcsim.clustering.storage import network_storage
from kcsim.errors import InputError
from kcsim.estimation.deep_kmeans import (
    DeepKMeansRules,
    dot_product_full_adders,
    layer_cost,
    network_cost,
    representational_bits,
    total_cost,
)
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network


@pytest.mark.parametrize(
    ("length", "activation_bits", "weight_bits", "full_adders"),
    [
        (9, 8, 8, 728),
        (27, 8, 8, 2_248),
        (576, 8, 8, 51_239),
        (4608, 8, 8, 423_908),
        (9, 16, 16, 2_584),
        (576, 16, 16, 171_031),
        (1, 8, 8, 64),
        (2, 8, 8, 144),
        (512, 8, 8, 45_032),
    ],
)
def test_full_adders_of_a_dot_product(length, activation_bits, weight_bits, full_adders):
    assert dot_product_full_adders(length, weight_bits, activation_bits) == full_adders


@pytest.mark.parametrize("arguments", [(0, 8, 8), (4, 0, 8), (4, 8, -1)])
def test_no_dot_product(arguments):
    with pytest.raises(InputError, match="expected numbers of at least 1"):
        dot_product_full_adders(*arguments)


def mnist_net():
    sizes = (784, 512, 512, 512, 10)
    return [ConvLayer.linear(f"fc{a}", a, b) for a, b in itertools.pairwise(sizes)], 0


def cifar_net():
    # 2x32C3-MP-2x64C3-MP-2x128C3-256-256-10 without padding.
    shapes = [(3, 32, 32), (32, 32, 30), (32, 64, 14), (64, 64, 12), (64, 128, 5), (128, 128, 3)]
    convolutions = [
        ConvLayer(f"conv{i}", inputs, outputs, side, side, 3, 3, bias=True)
        for i, (inputs, outputs, side) in enumerate(shapes)
    ]
    linear = [ConvLayer.linear(f"fc{a}", a, b) for a, b in ((128, 256), (256, 256), (256, 10))]
    # The script counts what a convolution behind a pooling reads at its size before the pooling.
    return convolutions + linear, 32 * (28**2 - 14**2) + 64 * (10**2 - 5**2)


@pytest.mark.parametrize(
    ("net", "activation_bits", "weight_bits", "full_adders", "bits"),
    [
        (mnist_net, 8, 8, 82_941_568, 7_477_456),
        (mnist_net, 6, 6, 53_112_168, 5_608_092),
        (mnist_net, 6, 7, 59_637_156, 6_540_454),
        (mnist_net, 16, 16, 276_848_128, 14_954_912),
        (cifar_net, 8, 8, 1_348_542_592, 3_702_096),
        (cifar_net, 8, 12, 1_900_019_648, 5_255_672),
        (cifar_net, 16, 16, 4_535_361_536, 7_404_192),
    ],
)
def test_sakr_totals(net, activation_bits, weight_bits, full_adders, bits):
    # Output of the published cost_evaluation.py scripts.
    rules = DeepKMeansRules(weight_bits, activation_bits, count_bias=True)
    layers, words_before_pooling = net()
    assert total_cost(network_cost(layers, rules=rules)).computational_full_adders == full_adders
    counted = representational_bits(layers, weight_bits, activation_bits)
    assert counted + words_before_pooling * activation_bits == bits


LENET = zoo.load("lenet5")


@pytest.mark.parametrize("k", range(1, 11))
def test_lenet_conv1_figure_2(k):
    # 1 - K/100 less weight cost, at 90 to 99 %; the activation cost stays.
    dense = layer_cost(LENET.layers[0])
    shared, *_ = network_cost(LENET, Clustering("row", k=k, dense="linear"))
    assert 1 - shared.weight_bit_uses / dense.weight_bit_uses == pytest.approx(1 - k / 100)
    assert shared.activation_bit_uses == dense.activation_bit_uses


@pytest.mark.parametrize(
    ("rules", "operand"),
    [
        (None, 3),
        (DeepKMeansRules(buffer_access="mac"), 3),
        (DeepKMeansRules(buffer_access="word"), 6),
    ],
)
def test_dense_mac_of_16_bit(rules, operand):
    # "The representational cost of a MAC is about 6 times" its computation: 1 + 3 + 3.
    layer = LENET.layers[1]
    cost = layer_cost(layer, rules)
    assert cost.computational_mac_units == pytest.approx(layer.macs)
    assert cost.weight_mac_units == pytest.approx(operand * layer.macs)
    assert cost.activation_mac_units == pytest.approx(operand * layer.macs)
    assert cost.mac_units == pytest.approx((1 + 2 * operand) * layer.macs)


def test_an_estimate_counts_as_the_paper_does():
    run = kcsim.estimate("eyeriss", Network("one", LENET.layers[1:2])).dense
    assert run.deep_kmeans_total.mac_units == pytest.approx(7 * run.macs)


def test_representational_cost_scales_with_bits():
    layer = LENET.layers[1]
    cost = layer_cost(layer, DeepKMeansRules(weight_bits=8, activation_bits=4))
    assert cost.weight_mac_units == pytest.approx(1.5 * layer.macs)
    assert cost.activation_mac_units == pytest.approx(0.75 * layer.macs)
    narrow = dot_product_full_adders(500, 8, 4) / dot_product_full_adders(500, 16, 16)
    assert cost.computational_mac_units == pytest.approx(layer.macs * narrow)


def test_only_a_bias_that_exists_is_one_more_product():
    rules = DeepKMeansRules(count_bias=True)
    for bias in (True, False):
        cost = layer_cost(ConvLayer.linear("fc", 8, 3, bias=bias), rules)
        assert cost.computational_full_adders == 3 * dot_product_full_adders(8 + bias, 16, 16)


@given(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
def test_uses_against_loops(batch, stride, groups, padding):
    layer = ConvLayer(
        "conv", 2, 4, 5, 4, 3, 2, stride=stride, padding=padding, groups=groups, batch=batch
    )
    uses = Counter()
    for m, c, r, s in itertools.product(range(4), range(2 // groups), range(3), range(2)):
        for _image in range(batch):
            rows = range(0, 5 + 2 * padding - 2, stride)
            columns = range(0, 4 + 2 * padding - 1, stride)
            uses[m, c, r, s] += len(rows) * len(columns)
    cost = layer_cost(layer, DeepKMeansRules(weight_bits=3, activation_bits=5))
    assert cost.weight_bit_uses == uses.total() * 3
    assert cost.activation_bit_uses == uses.total() * 5
    outputs = uses.total() // (2 // groups * 6)
    adders = dot_product_full_adders(2 // groups * 6, 3, 5)
    assert cost.computational_full_adders == outputs * adders


@given(
    st.sampled_from(["scalar", "row", "kernel", "son", "pq"]),
    st.floats(0.001, 1),
    st.sampled_from(["resnet20", "lenet5", "mobilenet_v1"]),
)
def test_sharing_lies_between_its_bounds(scheme, rate, name):
    clustering = Clustering(scheme, rate=rate, length=4 if scheme == "pq" else None)
    network = zoo.load(name)
    dense = network_cost(network)
    costs = {
        products: network_cost(network, clustering, DeepKMeansRules(products=products))
        for products in ("dense", "expected", "shared")
    }
    for i, plain in enumerate(dense):
        full, expected, least = (
            costs[products][i].computational_full_adders
            for products in ("dense", "expected", "shared")
        )
        assert full == plain.computational_full_adders
        assert expected <= full * (1 + 1e-12)
        assert least <= full
        assert costs["shared"][i].activation_bit_uses == plain.activation_bit_uses
        assert costs["shared"][i].weight_bit_uses <= plain.weight_bit_uses


def test_products_of_one_cluster():
    # All 20 filters x 5 rows that meet a pixel have one entry.
    rules = DeepKMeansRules(products="expected")
    shared, *_ = network_cost(LENET, Clustering("row", k=1), rules)
    dense = layer_cost(LENET.layers[0])
    ratio = shared.computational_full_adders / dense.computational_full_adders
    assert ratio == pytest.approx(1 / 100)


@pytest.mark.parametrize("spec", ["row:k=4", "son:k=16", "kernel:rate=0.1", "pq:k=8,length=4"])
def test_weight_cost_by_stored_bits(spec):
    clustering = parse_clustering(spec)
    network = zoo.load("resnet20")
    costs = network_cost(network, clustering, DeepKMeansRules(weight_cost="bits"))
    storage = network_storage(network, clustering, weight_bits=16)
    # Each layer's share of the stored bits is its weight cost over its uses of each weight.
    bits = [
        cost.weight_bit_uses / layer.macs * layer.weight_words
        for cost, layer in zip(costs, network, strict=True)
    ]
    stored = sum(layer.weights_bits for layer in storage.layers)
    assert sum(bits) == pytest.approx(stored + sum(storage.shared_codebook_bits.values()))


def test_rules_name_every_mistake():
    with pytest.raises(InputError) as caught:
        DeepKMeansRules(0, 8, weight_cost="bit", products="all", buffer_access_macs=-1)
    assert str(caught.value).splitlines() == [
        "weight_bits is 0; expected a whole number from 1 to 64",
        "weight_cost is 'bit'; expected rate or bits; did you mean 'bits'?",
        "products is 'all'; expected dense or expected or shared",
        "buffer_access_macs is -1; expected a number from 0 on",
    ]

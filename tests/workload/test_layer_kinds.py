"""Kinds of layers that network files know beside convolutions of images."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kcsim
from kcsim.errors import InputError
from kcsim.workload.layer import ConvLayer, LayerError
from kcsim.workload.lowering import Convolution, lower, lower_transposed, transposed_size
from kcsim.workload.network import Network
from kcsim.workload.operation import Operation
from kcsim.workload.reader import network_to_yaml, read_network
from kcsim.workload.unmodeled import unmodeled


@pytest.fixture
def read(tmp_path):
    def reader(text):
        (tmp_path / "net.yaml").write_text(text, encoding="utf-8")
        return read_network(tmp_path / "net.yaml")

    return reader


def layers(read, *entries, head="input: {channels: 3, height: 8, width: 10}"):
    lines = "".join(f"  - {{{entry}}}\n" for entry in entries)
    return read(f"name: n\n{head}\nlayers:\n{lines}")


# --- products of matrices


def test_tokens_cost_the_same_in_all_their_spellings(read):
    spelled = [
        "name: a, type: matmul, m: 24, k: 96, n: 64, trained: true",
        "name: b, type: linear, in_features: 96, out_features: 64, sequence: 24, bias: false",
        "name: c, type: conv, in_channels: 96, out_channels: 64, in_size: [24, 1], kernel: 1",
    ]
    network = layers(read, *spelled)
    assert {tuple(layer.dimensions.items()) for layer in network} == {
        (("N", 1), ("G", 1), ("M", 64), ("C", 96), ("P", 24), ("Q", 1), ("R", 1), ("S", 1))
    }
    hardware = kcsim.load_hardware("simple")
    found = [kcsim.map_layer(layer, hardware).energy for layer in network]
    assert found[0] == pytest.approx(found[1]) == pytest.approx(found[2])


def test_heads_are_groups_and_so_are_images(read):
    network = layers(read, "name: qk, type: matmul, m: 197, k: 64, n: 197, heads: 12")
    (layer,) = network
    assert layer.macs == 12 * 197 * 64 * 197
    assert (layer.trained_words, layer.parameters) == (0, 0)
    assert layer.weight_words == 12 * 64 * 197
    three = network.with_batch(3)
    assert three.images == 3
    assert three.layers[0].dimensions["G"] == 36
    assert three.with_batch(1).layers == network.layers


@pytest.mark.parametrize(
    "settings", [{"bias": True}, {"batch": 2}, {"in_width": 2}, {"kernel_width": 1, "stride": 2}]
)
def test_products_of_computed_matrices_have_no_bias_and_no_windows(settings):
    plain = {"in_width": 1, "kernel_height": 1, "kernel_width": 1} | settings
    with pytest.raises(LayerError, match="kind is 'matmul'"):
        ConvLayer("a", 4, 4, 4, plain.pop("in_width"), plain.pop("kernel_height"),
                  plain.pop("kernel_width"), kind="matmul", **plain)  # fmt: skip


def test_what_is_not_trained_is_never_clustered_nor_stored():
    network = Network("n", (ConvLayer.matmul("qk", 8, 4, 8), ConvLayer.linear("fc", 16, 16)))
    result = kcsim.estimate("simple", network, "scalar:k=4,dense=none")
    storage = result["decode"].storage
    assert [part.clustering.unit is None for part in storage.layers] == [True, False]
    assert storage.uncompressed_weights_bits == 256 * 16
    assert result.dense.weights_bits == 256 * 16
    weights = {"fc.weight": np.zeros((16, 16), np.float32)}
    clustered = kcsim.cluster_network(network, weights, "scalar:k=1")
    assert list(clustered.layers) == ["fc"]
    assert kcsim.estimate("simple", network, weights=clustered).dense.macs == network.macs
    with pytest.raises(InputError, match="multiplies computed matrices"):
        clustered.decode("qk")
    alone = Network("n", (ConvLayer.matmul("qk", 8, 4, 8),))
    assert kcsim.estimate("simple", alone).dense.weights_bits == 0


# --- convolutions of one and three dimensions


def test_one_dimension_is_one_row(read):
    network = layers(
        read, "name: c1, type: conv1d, out_channels: 16, kernel: 3, padding: 1",
        "name: c2, type: conv1d, out_channels: 24, kernel: 9, stride: 2, padding: same",
        "type: global_pool", "name: fc, type: linear, out_features: 5",
        head="input: {channels: 40, height: 1, width: 101}",
    )  # fmt: skip
    assert network.layers == (
        ConvLayer("c1", 40, 16, 1, 101, 1, 3, padding=(0, 1)),
        ConvLayer("c2", 16, 24, 1, 101, 1, 9, (1, 2), (0, 0, 4, 4)),
        ConvLayer.linear("fc", 24, 5),
    )
    assert network.layers[0].macs == 193_920


def test_a_row_is_asked_for_where_an_image_comes(read):
    with pytest.raises(InputError, match="layer 'a': its input has 8 rows; expected one row"):
        layers(read, "name: a, type: conv1d, out_channels: 2, kernel: 3")


def test_three_dimensions_give_up_one_and_say_what_that_costs(read):
    entry = "name: c3d, type: conv, in_channels: 3, out_channels: 64, in_size: [16, 112, 112]"
    network = layers(read, f"{entry}, kernel: [3, 3, 3], padding: 1")
    (layer,) = network
    assert layer.macs == 16 * 112 * 112 * 64 * 3 * 27
    assert layer.weight_words == 64 * 3 * 27
    assert layer.output_words == 64 * 16 * 112 * 112
    assert network.images == 1
    assert network.with_batch(2).layers[0].batch == 2 * layer.batch
    assert "read their inputs anew" in network.notes[0]
    # Where one axis has no windows, or windows that do not overlap, nothing is lost.
    for kernel, extra in (("[1, 3, 3]", ""), ("[2, 3, 3]", ", stride: [2, 1, 1]")):
        exact = layers(read, f"{entry}, kernel: {kernel}{extra}")
        assert not exact.notes
        assert exact.layers[0].input_words == 3 * 16 * 112 * 112


def test_volumes_are_handed_on(read):
    network = layers(
        read, "name: a, type: conv3d, out_channels: 8, kernel: 3, padding: same",
        "type: pool, kernel: [1, 2, 2]",
        "name: b, type: conv3d, out_channels: 4, kernel: [4, 1, 1]",
        "name: fc, type: linear, out_features: 2",
        head="input: {channels: 2, depth: 4, height: 6, width: 8}",
    )  # fmt: skip
    assert network.layers[0].output_words == 8 * 4 * 6 * 8
    assert network.layers[1].output_words == 4 * 3 * 4
    assert network.layers[2].in_channels == 48
    assert network.operations[0].output_words == 8 * 4 * 3 * 4


@st.composite
def convolutions(draw, axes):
    size, kernel, stride, dilation, padding = [], [], [], [], []
    for _ in range(axes):
        kernel.append(draw(st.integers(1, 4)))
        dilation.append(draw(st.integers(1, 3)))
        reach = dilation[-1] * (kernel[-1] - 1) + 1
        pad = draw(st.integers(0, 2)), draw(st.integers(0, 2))
        padding.append(pad)
        size.append(max(1, reach - sum(pad)) + draw(st.integers(0, 4)))
        stride.append(draw(st.integers(1, 4)))
    groups = draw(st.integers(1, 2))
    ins, outs = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 3))
    return Convolution("c", ins, outs, tuple(size), tuple(kernel), tuple(stride), tuple(padding),
                       tuple(dilation), groups, draw(st.integers(1, 2)))  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(convolutions(3))
def test_volumes_keep_their_products_weights_and_outputs(conv):
    (layer,) = lower(conv).layers
    outputs = conv.batch * conv.out_channels * np.prod(conv.out_size)
    taps = conv.in_channels // conv.groups * np.prod(conv.kernel)
    assert layer.output_words == outputs
    assert layer.macs == outputs * taps
    assert layer.weight_words == conv.out_channels * taps
    weights = np.arange(layer.weight_words).reshape(
        conv.out_channels, conv.in_channels // conv.groups, *conv.kernel
    )
    (cut,) = lower(conv).cut(weights)
    shape = layer.out_channels, layer.in_channels // layer.groups
    assert cut.shape == (*shape, layer.kernel_height, layer.kernel_width)
    assert sorted(cut.ravel()) == list(range(layer.weight_words))


# --- transposed convolutions


def test_two_by_two_upwards_is_one_layer_that_loses_nothing(read):
    network = layers(
        read, "name: up, type: conv_transpose, in_channels: 64, out_channels: 32, in_size: 28, "
        "kernel: 2, stride: 2, bias: true", "name: out, type: conv, out_channels: 2, kernel: 1",
    )  # fmt: skip
    up, out = network
    assert up.macs == 6_422_528
    assert up.weight_words == 64 * 32 * 4
    assert (up.input_words, up.output_words) == (64 * 28 * 28, 32 * 56 * 56)
    assert out == ConvLayer("out", 32, 2, 56, 56, 1, 1)
    assert network.parameters == 64 * 32 * 4 + 32 + 64
    assert not network.notes


def test_other_kernels_are_a_layer_for_each_set_of_taps(read):
    entry = "type: conv_transpose, in_channels: 4, out_channels: 6, in_size: 7, kernel: 3"
    network = layers(read, f"name: up, {entry}, stride: 2, padding: 1, output_padding: 1")
    assert [layer.name for layer in network] == ["up.phase0", "up.phase1", "up.phase2", "up.phase3"]
    assert [layer.kernel_height * layer.kernel_width for layer in network] == [1, 2, 2, 4]
    assert network.macs == 4 * 6 * 9 * 49
    assert network.weight_words == 4 * 6 * 9
    assert "4 layers" in network.notes[0]
    same = layers(read, f"name: up, {entry}, stride: 2, padding: same")
    assert sum(layer.output_words for layer in same) == 6 * 14 * 14


def pairs_of(conv, extra):
    """How many pixels of inputs and outputs each tap connects, one axis after the other."""
    found = 1
    for axis, outputs in enumerate(transposed_size(conv, extra)):
        before = conv.padding[axis][0]
        found *= sum(
            0 <= conv.stride[axis] * x + conv.dilation[axis] * r - before < outputs
            for x in range(conv.size[axis]) for r in range(conv.kernel[axis])
        )  # fmt: skip
    return found


def without_padding(layer):
    """MACs of a layer whose input is no padding, of one channel and filter."""
    found = 1
    for size, taps, spread, before, outputs in (
        (layer.in_height, layer.kernel_height, layer.dilation[0], layer.padding[0],
         layer.out_height),
        (layer.in_width, layer.kernel_width, layer.dilation[1], layer.padding[2], layer.out_width),
    ):  # fmt: skip
        found *= sum(
            0 <= out + spread * tap - before < size
            for out, tap in itertools.product(range(outputs), range(taps))
        )
    return found


@settings(max_examples=300, deadline=None)
@given(convolutions(2), st.tuples(st.integers(0, 1), st.integers(0, 1)))
def test_transposed_convolutions_multiply_what_they_are_to(conv, extra):
    if min(transposed_size(conv, extra)) < 1:
        return
    try:
        lowered = lower_transposed(conv, extra)
    except LayerError:
        assert pairs_of(conv, extra) == 0
        return
    products = sum(
        without_padding(layer) * (layer.out_channels // conv.out_channels)
        for layer in lowered.layers
    )
    assert products == pairs_of(conv, extra)
    sizes = transposed_size(conv, extra)
    words = sum(layer.output_words for layer in lowered.layers)
    assert words <= conv.batch * conv.out_channels * np.prod(sizes)


def test_the_layers_of_a_transposed_convolution_compute_it():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    for kernel, stride, padding, extra, groups in (
        (2, 2, 0, 0, 1), (3, 2, 1, 1, 2), (4, 2, 1, 0, 1), (5, 3, 2, 1, 2), (3, 1, 0, 0, 1),
    ):  # fmt: skip
        model = torch.nn.ConvTranspose2d(
            4, 6, kernel, stride, padding, extra, groups=groups, bias=False
        )
        image = torch.randn(1, 4, 5, 5)
        expected = model(image).detach()
        conv = Convolution("up", 4, 6, (5, 5), (kernel,) * 2, (stride,) * 2, ((padding,) * 2,) * 2,
                           (1, 1), groups)  # fmt: skip
        lowered = lower_transposed(conv, (extra, extra))
        parts = lowered.cut(model.weight.detach().numpy())
        values = []
        for layer, weights in zip(lowered.layers, parts, strict=True):
            top, bottom, left, right = layer.padding
            padded = torch.nn.functional.pad(image, (left, right, top, bottom))
            if layer.in_height == layer.in_width == 5:
                outputs = torch.nn.functional.conv2d(
                    padded, torch.from_numpy(weights.copy()), groups=groups
                )
                values += outputs.flatten().tolist()
        np.testing.assert_allclose(
            np.sort(values), np.sort(expected.flatten()), rtol=1e-4, atol=1e-5
        )


# --- what is listed


NET = """
name: residual
input: {channels: 16, height: 32, width: 32}
layers:
  - {name: c1, type: conv, out_channels: 16, kernel: 3, padding: same}
  - {name: bn1, type: batchnorm}
  - {name: c2, type: conv, out_channels: 16, kernel: 3, padding: 1, from: bn1}
  - {name: add1, type: add, from: [c2, c1]}
  - {name: both, type: concat, from: [add1, c1]}
  - {type: pool, kernel: 2}
  - {type: pool, kernel: 2}
  - {name: head, type: conv, out_channels: 4, kernel: 1}
  - {name: rnn, type: gru, out_features: 5}
  - {name: soft, type: other, operation: softmax, input_words: 5, output_words: 5}
"""


def test_everything_else_is_listed_with_what_it_moves(read):
    network = read(NET)
    kinds = {operation.name: operation.kind for operation in network.operations}
    assert kinds == {"add1": "add", "both": "concat", "pool": "pool", "pool_1": "pool",
                     "rnn": "gru", "soft": "softmax"}  # fmt: skip
    by_name = {operation.name: operation for operation in network.operations}
    assert by_name["add1"].moved_words == 3 * 16_384
    assert by_name["add1"].adds == 16_384
    assert by_name["both"].moved_words == 4 * 16_384
    assert by_name["rnn"].macs == 3 * 5 * (4 * 8 * 8 + 5)
    assert network.layers[-1].in_channels == 32
    assert network.norm_parameters == 32
    assert set(network.edges) == {
        ("c1", "c2"), ("c2", "add1"), ("c1", "add1"), ("add1", "both"), ("c1", "both"),
        ("both", "pool"), ("pool", "pool_1"), ("pool_1", "head"), ("head", "rnn"), ("rnn", "soft"),
    }  # fmt: skip


def test_shares_are_those_of_all_macs_and_all_bytes(read):
    network = read(NET)
    *kinds, total = unmodeled(network, weight_bits=4, input_bits=8, output_bits=16)
    assert [each.kind for each in kinds] == ["gru", "softmax"], "what has energy is not listed"
    gru = next(each for each in kinds if each.kind == "gru")
    assert gru.macs_share == gru.macs / (network.macs + gru.macs) == total.macs_share
    layers_bits = sum(
        layer.input_words * 8 + layer.output_words * 16 + layer.weight_words * 4
        for layer in network
    )
    own_bits = {
        each.name: each.input_words * 8 + each.output_words * 16 + each.weight_words * 4
        for each in network.operations
    }
    all_bits = layers_bits + sum(own_bits.values())
    assert total.bytes_share == pytest.approx((own_bits["rnn"] + own_bits["soft"]) / all_bits)
    assert sum(each.bytes_share for each in kinds) == pytest.approx(total.bytes_share)


def test_a_file_written_of_a_network_has_all_of_it(read):
    network = read(NET)
    again = read(network_to_yaml(network))
    assert again == network
    assert set(again.edges) == set(network.edges)
    assert set(again.operations) == set(network.operations)
    assert again.notes == network.notes
    batched = read(network_to_yaml(network.with_batch(3)))
    assert batched == network.with_batch(3)
    assert set(batched.operations) == set(network.with_batch(3).operations)


def test_clustered_weights_keep_the_network_that_they_came_with(tmp_path):
    torch = pytest.importorskip("torch")

    class Branches(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.a = torch.nn.LayerNorm(6), torch.nn.Linear(6, 6)
            self.b = torch.nn.Linear(6, 6)

        def forward(self, x):
            return self.a(self.norm(x)) + self.b(x)

    network = kcsim.from_torch(Branches(), torch.zeros(1, 5, 6))
    clustered = kcsim.cluster_network(network, None, "scalar:k=2,dense=none")
    kcsim.save_clustered(clustered, tmp_path / "c.safetensors")
    again = kcsim.load_clustered(tmp_path / "c.safetensors").network
    assert again == network
    assert set(again.edges) == set(network.edges)
    assert set(again.operations) == set(network.operations)


def test_a_file_of_every_kind_of_layer_reads_back_as_it_is(read):
    network = Network(
        "all",
        (
            ConvLayer.linear("tokens", 4, 6, sequence=5, bias=False),
            ConvLayer.matmul("scores", 5, 4, 5, heads=3),
            ConvLayer("frames", 3, 8, 6, 6, 3, 3, batch=4, per_image=4),
            ConvLayer("dw", 4, 4, 5, 5, 3, 3, groups=4, batch=2, per_image=2),
        ),
        operations=(Operation("soft max", "softmax", 75, 75),),
        edges=(("tokens", "scores"), ("scores", "soft max")),
        notes=("one: two", "# three"),
    )
    for batch in (1, 2):
        again = read(network_to_yaml(network.with_batch(batch)))
        assert again == network.with_batch(batch)
        assert (again.operations, again.notes) == (
            network.with_batch(batch).operations, network.notes,
        )  # fmt: skip
        assert set(again.edges) == set(network.edges)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("name: a, type: conv, out_channels: 2, kernel: 3, from: b", "there is no layer 'b'"),
        ("name: a, type: conv, out_channels: 2, kernel: [3, 3, 3, 3]", "kernel is"),
        ("name: a, type: conv3d, out_channels: 2, kernel: 3", "nothing gives in_depth"),
        ("name: a, type: linear, out_features: 2, sequence: 7", "240 words is no sequence of 7"),
        ("name: a, type: matmul, m: 2, k: 3", "missing key 'n'"),
        ("name: a, type: conv_transpose, out_channels: 2, kernel: 2, padding: 9", "has -"),
        ("name: a, type: other, operation: softmax, macs: -1", "is -1"),
        ("name: a, type: gru, out_features: 0", "is 0"),
    ],
)
def test_entries_that_cannot_be_get_one_line(read, entry, message):
    with pytest.raises(InputError) as caught:
        layers(read, entry)
    assert message in str(caught.value)


def test_networks_refuse_steps_of_one_name_and_edges_of_none():
    layer = ConvLayer.linear("fc", 2, 2)
    with pytest.raises(InputError, match="two steps named 'fc'"):
        Network("n", (layer,), operations=(Operation("fc", "add"),))
    with pytest.raises(InputError, match="no layer or operation 'gc1'"):
        Network("n", (layer,), edges=(("gc1", "fc"),))
    with pytest.raises(InputError, match="input_words is -1"):
        Operation("a", "add", -1)


def test_a_selection_of_layers_has_their_edges_alone(read):
    chosen = read(NET).select("c*")
    assert chosen.edges == (("c1", "c2"),)
    assert not chosen.operations

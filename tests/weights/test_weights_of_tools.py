"""Weights as tools for training, pruning and export write them; what is not read is named."""

from __future__ import annotations

import zipfile
from collections import OrderedDict

import numpy as np
import pytest
from safetensors.numpy import save_file

import kcsim
from kcsim.errors import InputError
from kcsim.weights.matching import match_weights

RNG = np.random.default_rng(0)
CONV = RNG.normal(size=(8, 4, 3, 3)).astype(np.float32)
FC = RNG.normal(size=(16, 16)).astype(np.float32)
CONV_NETWORK = kcsim.Network("c", (kcsim.ConvLayer("conv1", 4, 8, 8, 8, 3, 3),))
FC_NETWORK = kcsim.Network("fc", (kcsim.ConvLayer.linear("fc1", 16, 16),))


def refusal(path, network=CONV_NETWORK, names=None):
    with pytest.raises(InputError) as caught:
        match_weights(network, kcsim.load_weights(path), names)
    return str(caught.value)


def weights(path, network=CONV_NETWORK, names=None):
    return match_weights(network, kcsim.load_weights(path), names)[network.layers[0].name].weight


# --- ONNX


@pytest.fixture
def graph(tmp_path):
    """Write a graph of nodes (type, inputs, outputs, attributes) and stored arrays."""
    onnx = pytest.importorskip("onnx")

    def write(nodes, stored):
        made = [
            onnx.helper.make_node(kind, inputs, outputs, name=f"{outputs[0]}_node", **attributes)
            for kind, inputs, outputs, attributes in nodes
        ]
        ends = [
            onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "xy"
        ]
        arrays = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in stored.items()]
        model = onnx.helper.make_model(
            onnx.helper.make_graph(made, "g", ends[:1], ends[1:], arrays)
        )
        onnx.save(model, tmp_path / "w.onnx")
        return tmp_path / "w.onnx"

    return write


def constant(array):
    onnx = pytest.importorskip("onnx")
    return ("Constant", [], ["fc1.weight"], {"value": onnx.numpy_helper.from_array(array)})


LAYOUTS = {
    "Gemm as stored": ([("Gemm", ["x", "fc1.weight"], ["y"], {"transB": 1})], FC),
    "Gemm transposed": ([("Gemm", ["x", "fc1.weight"], ["y"], {"transB": 0})], FC.T),
    "Gemm scaled": ([("Gemm", ["x", "fc1.weight"], ["y"], {"transB": 1, "alpha": 2.0})], FC / 2),
    "Gemm on the left": ([("Gemm", ["fc1.weight", "x"], ["y"], {})], FC),
    "Gemm on the left, transposed": ([("Gemm", ["fc1.weight", "x"], ["y"], {"transA": 1})], FC.T),
    "MatMul on the right": ([("MatMul", ["x", "fc1.weight"], ["y"], {})], FC.T),
    "MatMul on the left": ([("MatMul", ["fc1.weight", "x"], ["y"], {})], FC),
    "behind Transpose": (
        [
            ("Transpose", ["fc1.weight"], ["t"], {"perm": [1, 0]}),
            ("MatMul", ["x", "t"], ["y"], {}),
        ],
        FC,
    ),
    "behind Reshape": (
        [("Reshape", ["fc1.weight", "s"], ["t"], {}), ("MatMul", ["t", "x"], ["y"], {})],
        FC.ravel(),
    ),
}


@pytest.mark.parametrize(("nodes", "stored"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_of_a_matrix_gives_outputs_by_inputs(graph, nodes, stored):
    path = graph(nodes, {"fc1.weight": np.ascontiguousarray(stored), "s": np.array([16, -1])})
    assert list(kcsim.load_weights(path)) == ["fc1.weight"]
    np.testing.assert_array_equal(weights(path, FC_NETWORK)[:, :, 0, 0], FC)


def test_a_constant_node_holds_weights_too(graph):
    path = graph([constant(CONV), ("Conv", ["x", "fc1.weight"], ["y"], {})], {})
    np.testing.assert_array_equal(weights(path), CONV)


@pytest.mark.parametrize("axis", [None, 0, -4])
def test_integers_behind_dequantize_linear_are_scaled(graph, axis):
    codes = RNG.integers(-128, 128, CONV.shape).astype(np.int8)
    scale = np.float32(0.25) if axis is None else RNG.random(8).astype(np.float32)
    zero = np.int8(3) if axis is None else np.arange(8, dtype=np.int8)
    attributes = {} if axis is None else {"axis": axis}
    path = graph(
        [
            ("DequantizeLinear", ["conv1.weight_quantized", "s", "z"], ["w"], attributes),
            ("Conv", ["x", "w"], ["y"], {}),
        ],
        {"conv1.weight_quantized": codes, "s": scale, "z": zero},
    )
    shape = (-1, 1, 1, 1)
    expected = (codes - zero.astype(int).reshape(shape)) * scale.reshape(shape)
    assert list(kcsim.load_weights(path)) == ["conv1.weight"]
    np.testing.assert_allclose(weights(path), expected, rtol=1e-6)


def test_a_codebook_behind_gather_is_found_again(graph):
    layer = kcsim.ConvLayer("conv", 16, 32, 8, 8, 3, 3)
    codebook = np.sort(RNG.normal(size=16).astype(np.float32))
    codes = RNG.integers(16, size=(32, 16, 3, 3)).astype(np.uint8)
    path = graph(
        [
            ("Cast", ["codes"], ["i"], {"to": 7}),
            ("Gather", ["codebook", "i"], ["w"], {"axis": 0}),
            ("Conv", ["x", "w"], ["conv"], {}),
        ],
        {"codes": codes, "codebook": codebook},
    )
    clustered = kcsim.cluster_network(kcsim.Network("n", (layer,)), path, "found")
    np.testing.assert_array_equal(clustered.decode("conv"), codebook[codes])
    assert clustered.storage().total_bits == 16 * 32 + 4608 * 4


W8 = np.ones(CONV.shape, np.int8)
UNREAD = {
    "stored as integers": ([("Conv", ["x", "w"], ["y"], {})], "w is int8"),
    "made by another node": (
        [("Mul", ["w", "w"], ["v"], {}), ("Conv", ["x", "v"], ["y"], {})],
        "y_node.weight is the output of Mul, which is not read",
    ),
    "known at run time only": (
        [("Relu", ["x"], ["v"], {}), ("Conv", ["x", "v"], ["y"], {})],
        "y_node.weight is computed from the inputs of the graph, by Relu",
    ),
    "an input": (
        [("Conv", ["x", "x"], ["y"], {})],
        "x is an input of the graph, not a stored tensor",
    ),
    "made by nothing": ([("Conv", ["x", "q"], ["y"], {})], "q is made by no node"),
    "missing": ([("Conv", ["x"], ["y"], {})], "y_node.weight is missing"),
    "made by itself": (
        [("Identity", ["v"], ["v"], {}), ("Conv", ["x", "v"], ["y"], {})],
        "y_node.weight is computed from the inputs of the graph, by Identity",
    ),
    "behind many nodes": (
        [("Identity", [f"{'w' * i}"], ["w" * (i + 1)], {}) for i in range(1, 99)]
        + [("Conv", ["x", "w" * 99], ["y"], {})],
        "behind more than 50 nodes",
    ),
    "of another kind": (
        [("ConvTranspose", ["x", "w"], ["y"], {})],
        "w is an input of ConvTranspose, which is not read",
    ),
    "entries out of range": (
        [("Gather", ["c", "w"], ["v"], {}), ("Conv", ["x", "v"], ["y"], {})],
        "the output of Gather, which fails",
    ),
    "too many values": (
        [("Gather", ["d", "w"], ["v"], {}), ("Conv", ["x", "v"], ["y"], {})],
        "the output of Gather, which fails: more than 134217728 values",
    ),
}


@pytest.mark.parametrize(("nodes", "message"), UNREAD.values(), ids=UNREAD)
def test_weights_of_a_graph_that_are_not_read_say_what_they_are(graph, nodes, message):
    stored = {"w": W8, "c": np.ones(1, np.float32), "d": np.ones((2, 10**6), np.float32)}
    error = refusal(graph(nodes, stored))
    assert "holds no weights that are read: " in error
    assert message in error
    assert error.endswith("; expected floating point")


# --- state dicts


@pytest.fixture
def checkpoint(tmp_path):
    torch = pytest.importorskip("torch")

    def write(content):
        torch.save(content, tmp_path / "w.pth")
        return tmp_path / "w.pth"

    return write


@pytest.fixture
def module():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    return torch.nn.Sequential(OrderedDict(conv1=torch.nn.Conv2d(4, 8, 3)))


@pytest.mark.parametrize("as_bool", [False, True])
def test_pruned_weights_are_masked(checkpoint, module, as_bool):
    prune = pytest.importorskip("torch.nn.utils.prune")
    for name in ("weight", "bias"):
        prune.random_unstructured(module.conv1, name, 0.5)
    state = module.state_dict()
    if as_bool:
        state = {k: v.bool() if k.endswith("_mask") else v for k, v in state.items()}
    assert "conv1.weight" not in state
    found = match_weights(CONV_NETWORK, kcsim.load_weights(checkpoint(state)))["conv1"]
    assert np.count_nonzero(found.weight) == found.weight.size // 2
    np.testing.assert_array_equal(found.weight, module.conv1.weight.detach().numpy())
    np.testing.assert_array_equal(found.bias, module.conv1.bias.detach().numpy())


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("dim", [0, 1, None])
@pytest.mark.parametrize("is_parametrization", [False, True])
def test_weight_norms_are_multiplied_out(checkpoint, module, is_parametrization, dim):
    torch = pytest.importorskip("torch")
    utils = torch.nn.utils
    norm = utils.parametrizations.weight_norm if is_parametrization else utils.weight_norm
    norm(module.conv1, dim=dim)
    parts = dict(module.conv1.named_parameters())
    parts["parametrizations.weight.original0" if is_parametrization else "weight_g"].data *= 3
    # The forward pass of the older one computes the weights.
    module(torch.zeros(1, 4, 3, 3))
    np.testing.assert_allclose(
        weights(checkpoint(module.state_dict())), module.conv1.weight.detach().numpy(), rtol=1e-5
    )


def broken(module, name):
    """A state dict of which kcsim cannot know the weights."""
    torch = pytest.importorskip("torch")
    weight, ones = module.conv1.weight.detach(), torch.ones(8, 1, 1, 1)
    utils = torch.nn.utils
    if name == "spectral_norm":
        utils.spectral_norm(module.conv1)
    elif name == "new spectral_norm":
        utils.parametrizations.spectral_norm(module.conv1)
    elif name == "orthogonal":
        utils.parametrizations.orthogonal(module.conv1)
    return {
        "mask missing": {"conv1.weight_orig": weight},
        "mask of another shape": {"conv1.weight_orig": weight, "conv1.weight_mask": ones},
        "norms missing": {"conv1.weight_v": weight},
        "directions missing": {"conv1.weight_g": ones},
        "norms of another shape": {"conv1.weight_v": weight, "conv1.weight_g": torch.ones(3)},
        "sparse": {"conv1.weight": weight.to_sparse()},
        "meta": {"conv1.weight": weight.to("meta")},
        "complex": {"conv1.weight": weight.to(torch.complex64)},
        "int8": {"conv1.weight": weight.to(torch.int8)},
        "huge": {"conv1.weight": torch.zeros(1).expand(1 << 20, 1 << 20)},
    }.get(name) or module.state_dict()


BROKEN = {
    "spectral_norm": "under the spectral_norm of torch",
    "new spectral_norm": "under a parametrization of torch other than weight_norm",
    "orthogonal": "under a parametrization of torch other than weight_norm",
    "mask missing": "incomplete: 'conv1.weight_mask' is missing",
    "mask of another shape": "pruned by a mask of another shape",
    "norms missing": "incomplete: 'conv1.weight_g' is missing",
    "directions missing": "incomplete: 'conv1.weight_v' is missing",
    "norms of another shape": "under a weight norm whose parts do not fit each other",
    "sparse": "sparse_coo",
    "meta": "on the device meta, without values",
    "complex": "complex64",
    "int8": "int8",
    "huge": "of 1099511627776 values, more than 1073741824",
}


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("other", [False, True], ids=["alone", "beside another"])
@pytest.mark.parametrize("name", BROKEN)
def test_weights_that_a_state_dict_does_not_give_are_never_guessed(checkpoint, module, name, other):
    torch = pytest.importorskip("torch")
    state = dict(broken(module, name))
    if other:
        # Of the very shape, but of no name.
        state["spare"] = torch.ones(8, 4, 3, 3)
    error = refusal(checkpoint(state))
    assert f"conv1.weight is {BROKEN[name]}" in error.replace(
        "'conv1.weight' is", "conv1.weight is"
    )


PLACES = ("state_dict", "model_state_dict", "model", "net", "network", "module", "params")


@pytest.mark.parametrize("place", PLACES)
def test_a_state_dict_one_level_down(checkpoint, module, place):
    torch = pytest.importorskip("torch")
    beside = {"epoch": 3, "acc": torch.tensor(93.1), "optimizer": {"state": {}, "param_groups": []}}
    path = checkpoint({place: module.state_dict(), **beside})
    np.testing.assert_array_equal(weights(path), module.conv1.weight.detach().numpy())


def test_state_dicts_that_are_not_the_only_ones(checkpoint, module):
    state = module.state_dict()
    # "state_dict" says itself what it is.
    path = checkpoint({"ema": {k: 2 * v for k, v in state.items()}, "state_dict": state})
    np.testing.assert_array_equal(weights(path), module.conv1.weight.detach().numpy())
    for content, message in (
        ({"model": state, "ema": state}, "holds tensors under 'model', 'ema'; expected a state "
         "dict, alone or as the only one under state_dict, model_state_dict, model"),
        ({"momenta": state}, "holds tensors under 'momenta'; expected a state dict"),
        ({"model": {"inner": state}}, "holds no state dict: its dict has the keys 'model'"),
        ({}, "holds no state dict: its dict is empty"),
    ):  # fmt: skip
        assert message in refusal(checkpoint(content))


def test_a_whole_module_names_the_way_out(checkpoint, module):
    error = refusal(checkpoint(module))
    assert "holds more than tensors; expected a state dict (torch.save(model.state_dict()" in error


# --- NumPy and safetensors


@pytest.mark.parametrize("ending", ["npz", "safetensors"])
@pytest.mark.parametrize("names", [None, {"conv1": "conv1.weight"}])
def test_integers_are_called_integers(tmp_path, ending, names):
    path = tmp_path / f"w.{ending}"
    # The other is the only one of floating point that has the layer's shape.
    tensors = {"conv1.weight": W8, "spare": CONV}
    (save_file if ending == "safetensors" else lambda t, p: np.savez(p, **t))(tensors, path)
    assert refusal(path, names=names) == (
        f"'{path}': 'conv1.weight' is int8; expected weights of floating point"
    )


def test_tensors_that_are_left_out_are_listed_where_a_layer_has_none(tmp_path):
    np.savez(tmp_path / "w.npz", a=W8, b=np.ones((8, 4, 3, 3, 3)), c=np.ones((8, 4, 5, 5)))
    error = refusal(tmp_path / "w.npz")
    assert "weights that match no layer: c (8x4x5x5)" in error
    assert "not read: b is of 5 axes (8x4x3x3x3), a is int8" in error


def test_a_member_of_an_archive_that_is_no_array(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, **{"conv1.weight": CONV})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("README.txt", "trained on a Tuesday")
    np.testing.assert_array_equal(weights(path), CONV)
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("README.txt", "trained on a Tuesday")
    error = refusal(tmp_path / "w.zip")
    assert "holds no weights that are read: README.txt is no array of NumPy (.npy)" in error


@pytest.mark.parametrize("kernel", [(1, 5), (5, 1)])
@pytest.mark.parametrize("prefix", ["", "body."])
def test_convolutions_along_one_axis(tmp_path, kernel, prefix):
    sizes = {"in_height": 40 if kernel[0] > 1 else 1, "in_width": 40 if kernel[1] > 1 else 1}
    layers = [
        kcsim.ConvLayer(name, channels, 32, **sizes, kernel_height=kernel[0],
                        kernel_width=kernel[1])
        for name, channels in (("conv1", 1), ("conv2", 32))
    ]  # fmt: skip
    network = kcsim.Network("ecg", tuple(layers))
    tensors = {
        f"{prefix}{layer.name}.weight": RNG.normal(size=(32, layer.in_channels, 5)).astype("f4")
        for layer in layers
    }
    np.savez(tmp_path / "w.npz", **tensors)
    for names in (None, {layer.name: f"{prefix}{layer.name}.weight" for layer in layers}):
        found = match_weights(network, kcsim.load_weights(tmp_path / "w.npz"), names)
        for layer in layers:
            given = tensors[f"{prefix}{layer.name}.weight"]
            assert found[layer.name].weight.shape == (32, layer.in_channels, *kernel)
            np.testing.assert_array_equal(found[layer.name].weight.squeeze(), given.squeeze())
            assert not found[layer.name].by_shape


def test_the_order_of_axes_in_keras_is_named(tmp_path):
    network = kcsim.Network(
        "k", (*CONV_NETWORK, kcsim.ConvLayer.linear("fc", 8, 10)),
    )  # fmt: skip
    for name in ("conv1.weight", "a"):
        np.savez(tmp_path / "w.npz", **{name: CONV.transpose(2, 3, 1, 0), "fc.weight": FC[:10, :8]})
        error = refusal(tmp_path / "w.npz", network)
        assert f"tensor '{name}' is 3x3x4x8; expected 8x4x3x3 for layer 'conv1', as (M, C" in error
    np.savez(tmp_path / "w.npz", **{"conv1.weight": CONV, "fc.weight": FC[:8, :10]})
    assert refusal(tmp_path / "w.npz", network).endswith(
        "tensor 'fc.weight' is 8x10; expected 10x8x1x1 for layer 'fc', as (outputs, inputs)"
    )


def test_what_rows_of_a_square_matrix_are_is_said_where_the_file_does_not(
    tmp_path, graph, checkpoint
):
    torch = pytest.importorskip("torch")
    path = tmp_path / "w.npz"
    np.savez(path, **{"fc1.weight": FC})
    (note,) = kcsim.cluster_network(FC_NETWORK, path, "scalar:k=4").notes
    assert note == "Square matrices are taken as (outputs, inputs): fc1."
    for known in (
        checkpoint({"fc1.weight": torch.tensor(FC)}),
        graph([("MatMul", ["x", "fc1.weight"], ["y"], {})], {"fc1.weight": FC}),
    ):
        assert kcsim.cluster_network(FC_NETWORK, known, "scalar:k=4").notes == ()


# --- files in the wrong place


@pytest.mark.parametrize("name", ["w.npz", "w.safetensors", "w.onnx", "w.h5", "w.pth"])
def test_weights_in_place_of_clustered_weights_or_of_a_text(tmp_path, name):
    path = tmp_path / name
    if name == "w.npz":
        np.savez(path, **{"conv1.weight": CONV})
        what = "is a zip archive, as NumPy and torch write"
    elif name == "w.safetensors":
        save_file({"conv1.weight": CONV}, path)
        what = "is a file of safetensors"
    else:
        start, what = {
            "w.onnx": (b"\x08\x07", "is a protocol buffer, as ONNX models are"),
            "w.h5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes"),
            "w.pth": (b"\x80\x02", "is a pickle, as torch writes"),
        }[name]
        # Larger than any text may be, which is not what is wrong with it.
        path.write_bytes(start + bytes(3_000_000))
    for read in (kcsim.load_network, kcsim.load_hardware):
        with pytest.raises(InputError) as caught:
            read(str(path) if read is kcsim.load_network else path)
        expected = f"'{path}' {what}; expected a text in YAML; weights are for --weights"
        if name == "w.onnx":
            # An ONNX model is a network, too.
            expected = {
                kcsim.load_network: f"'{path}' is damaged or no ONNX model; expected an ONNX model",
                kcsim.load_hardware: f"'{path}' is an ONNX model; expected a hardware file; an "
                f"ONNX model is read by: --network '{path}'",
            }[read]
        assert str(caught.value) == expected
    if name == "w.safetensors":
        what = "holds weights that are not clustered"
    with pytest.raises(InputError) as caught:
        kcsim.estimate("eyeriss", weights=path)
    assert str(caught.value) == (
        f"'{path}' {what}; expected clustered weights: cluster them first, with kcsim cluster "
        "--weights ... -o FILE"
    )

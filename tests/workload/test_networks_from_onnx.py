"""Networks of ONNX models: the zoo's, written by torch's exporter, and graphs by hand."""

import numpy as np
import pytest

import kcsim
from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

onnx = pytest.importorskip("onnx")
RNG = np.random.default_rng(0)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_a_network_of_the_zoo_exported_to_onnx_is_that_of_the_zoo(name, tmp_path):
    pytest.importorskip("torch")
    from onnx_of_torch import export
    from zoo_in_torch import build

    network = kcsim.load_network(export(*build(name, "cpu"), tmp_path))
    known = zoo.load(name)
    assert network.layers == known.layers
    assert network.parameters == known.parameters
    assert network.macs == known.macs
    first = known.layers[0]
    shape = first.out_channels, first.in_channels, first.kernel_height, first.kernel_width
    assert network.weights[f"{first.name}.weight"].shape == shape


def test_what_torch_and_onnx_say_of_one_module_is_the_same(tmp_path):
    torch = pytest.importorskip("torch")
    from onnx_of_torch import export
    from test_networks_from_torch import MODELS

    for name in ("ViT block", "U-Net, 2x2 upwards", "U-Net, 3x3 upwards", "1-D audio", "3-D"):
        module, shape = MODELS[name]
        example = torch.zeros(1, *shape[1:])
        one = kcsim.from_torch(module.eval(), example)
        two = kcsim.load_network(export(module.eval(), example, tmp_path, values=True))
        assert [layer.dimensions for layer in one] == [layer.dimensions for layer in two], name
        assert one.parameters == two.parameters, name
        named = {layer.name for layer in one if layer.name in {each.name for each in two}}
        assert named
        for layer in named & {layer.name for layer in one.trained_layers}:
            key = f"{layer}.weight"
            np.testing.assert_array_equal(one.weights[key], two.weights[key])


@pytest.fixture
def graph(tmp_path):
    """Write a graph of nodes (type, inputs, outputs, attributes), stored arrays and inputs."""

    def write(nodes, stored, name="m.onnx", **inputs):
        made = [
            onnx.helper.make_node(kind, ins, outs, name=attributes.pop("node", ""), **attributes)
            for kind, ins, outs, attributes in ((k, i, o, dict(a)) for k, i, o, a in nodes)
        ]
        ends = [
            onnx.helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, shape)
            for key, shape in inputs.items()
        ]
        out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, None)
        arrays = [onnx.numpy_helper.from_array(np.asarray(v), k) for k, v in stored.items()]
        model = onnx.helper.make_model(onnx.helper.make_graph(made, "g", ends, [out], arrays))
        onnx.save(model, tmp_path / name)
        return str(tmp_path / name)

    return write


CONV = RNG.normal(size=(8, 4, 3, 3)).astype(np.float32)
FC = RNG.normal(size=(6, 5)).astype(np.float32)
PADDED = {"pads": [1, 1, 1, 1]}
PRODUCTS = {
    "Gemm as stored": (("Gemm", ["x", "fc.weight"], ["y"], {"transB": 1}), FC, (1, 5)),
    "Gemm transposed": (("Gemm", ["x", "fc.weight"], ["y"], {"transB": 0}), FC.T, (1, 5)),
    "Gemm scaled": (
        ("Gemm", ["x", "fc.weight"], ["y"], {"transB": 1, "alpha": 2.0}),
        FC / 2,
        (1, 5),
    ),
    "Gemm on the left": (("Gemm", ["fc.weight", "x"], ["y"], {}), FC, (5, 1)),
    "MatMul on the right": (("MatMul", ["x", "fc.weight"], ["y"], {}), FC.T, (1, 5)),
    "MatMul on the left": (("MatMul", ["fc.weight", "x"], ["y"], {}), FC, (5, 1)),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_matrices_on_either_side_are_one_layer(graph, name):
    node, values, shape = PRODUCTS[name]
    network = kcsim.load_network(
        graph([node], {"fc.weight": np.ascontiguousarray(values)}, x=shape)
    )
    assert network.layers == (ConvLayer.linear("fc", 5, 6, bias=False),)
    np.testing.assert_allclose(network.weights["fc.weight"][:, :, 0, 0], FC, rtol=1e-6)


def test_weights_are_found_in_constants_and_behind_what_reorders_them(graph):
    value = onnx.numpy_helper.from_array(CONV.transpose(2, 3, 1, 0).copy())
    nodes = [
        ("Constant", [], ["w"], {"value": value}),
        ("Transpose", ["w"], ["t"], {"perm": [3, 2, 0, 1]}),
        ("Conv", ["x", "t"], ["y"], {"node": "first", **PADDED}),
    ]
    network = kcsim.load_network(graph(nodes, {}, x=(2, 4, 8, 8)))
    assert network.layers == (ConvLayer("first", 4, 8, 8, 8, 3, 3, padding=1, batch=2),)
    np.testing.assert_array_equal(network.weights["first.weight"], CONV)


def test_integer_weights_come_with_their_scales(graph):
    codes = RNG.integers(-100, 100, CONV.shape).astype(np.int8)
    scales = np.linspace(0.01, 0.08, 8).astype(np.float32)
    nodes = [
        ("DequantizeLinear", ["conv.weight_quantized", "s", "z"], ["w"], {"axis": 0}),
        ("QuantizeLinear", ["x", "one"], ["q"], {}),
        ("DequantizeLinear", ["q", "one"], ["d"], {}),
        ("Conv", ["d", "w"], ["y"], {"node": "conv", **PADDED}),
    ]
    stored = {"conv.weight_quantized": codes, "s": scales, "z": np.zeros(8, np.int8),
              "one": np.float32(1)}  # fmt: skip
    network = kcsim.load_network(graph(nodes, stored, x=(1, 4, 8, 8)))
    assert [layer.name for layer in network] == ["conv"]
    np.testing.assert_allclose(network.weights["conv.weight"], codes * scales[:, None, None, None])
    assert not network.operations


def test_a_convolution_of_integers_is_a_layer_with_real_weights(graph):
    codes = RNG.integers(0, 200, CONV.shape).astype(np.uint8)
    nodes = [
        ("QLinearConv", ["q", "s", "z", "w", "s", "zw", "s", "z"], ["r"],
         {"node": "conv", **PADDED}),
        ("DequantizeLinear", ["r", "s", "z"], ["y"], {}),
    ]  # fmt: skip
    nodes.insert(0, ("QuantizeLinear", ["x", "s", "z"], ["q"], {}))
    stored = {"w": codes, "s": np.float32(0.5), "z": np.uint8(0), "zw": np.uint8(100)}
    network = kcsim.load_network(graph(nodes, stored, x=(1, 4, 8, 8)))
    assert network.layers == (ConvLayer("conv", 4, 8, 8, 8, 3, 3, padding=1),)
    np.testing.assert_array_equal(
        network.weights["conv.weight"], (codes.astype(np.float32) - 100) * 0.5
    )


def test_a_codebook_that_is_looked_up_is_found_again(graph):
    codes = RNG.integers(0, 16, CONV.shape).astype(np.uint8)
    codebook = RNG.normal(size=16).astype(np.float32)
    nodes = [
        ("Cast", ["codes"], ["i"], {"to": onnx.TensorProto.INT64}),
        ("Gather", ["codebook", "i"], ["w"], {}),
        ("Conv", ["x", "w"], ["y"], {"node": "conv", **PADDED}),
    ]
    path = graph(nodes, {"codes": codes, "codebook": codebook}, x=(1, 4, 8, 8))
    result = kcsim.estimate("simple", path, "found")
    storage = result["decode"].storage
    assert storage.weights_bits == 16 * 16 + 4 * CONV.size
    np.testing.assert_array_equal(
        kcsim.cluster_network(path, None, "found").decode("conv"), codebook[codes]
    )


@pytest.mark.parametrize("mode", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_padding_by_name(graph, mode):
    nodes = [("Conv", ["x", "w"], ["y"], {"node": "conv", "auto_pad": mode, "strides": [2, 2]})]
    (layer,) = kcsim.load_network(graph(nodes, {"w": CONV}, x=(1, 4, 8, 9)))
    expected = {"SAME_UPPER": (0, 1, 1, 1), "SAME_LOWER": (1, 0, 1, 1), "VALID": (0, 0, 0, 0)}
    assert layer == ConvLayer("conv", 4, 8, 8, 9, 3, 3, 2, expected[mode])


def test_a_bias_that_is_added_apart_is_that_of_the_layer(graph):
    nodes = [
        ("MatMul", ["x", "fc.weight"], ["t"], {"node": "fc"}),
        ("Add", ["t", "b"], ["u"], {}),
        ("Relu", ["u"], ["y"], {}),
    ]
    stored = {"fc.weight": FC.T.copy(), "b": np.arange(6, dtype=np.float32)}
    network = kcsim.load_network(graph(nodes, stored, x=(1, 7, 5)))
    assert network.layers == (ConvLayer.linear("fc", 5, 6, sequence=7),)
    np.testing.assert_array_equal(network.weights["fc.bias"], np.arange(6))
    assert not network.operations
    assert network.notes == ("Fused with what they follow: 1 relu.",)


def test_a_batch_that_is_left_open_is_one_image_and_other_sizes_are_asked_for(graph):
    nodes = [("Conv", ["x", "w"], ["y"], {"node": "conv"})]
    path = graph(nodes, {"w": CONV}, x=("N", 4, 8, 8))
    assert kcsim.load_network(path).images == 1
    assert kcsim.load_network(path).with_batch(5).layers[0].batch == 5
    assert kcsim.load_network(f"{path}@3x4x9x9").layers[0].in_height == 9
    path = graph(nodes, {"w": CONV}, "open.onnx", x=("N", 4, "height", "width"))
    with pytest.raises(InputError, match=r"leaves sizes .* x \(1, 4, height, width\); .*@1x4x224"):
        kcsim.load_network(path)
    assert kcsim.load_network(f"{path}@1x4x6x7").layers[0].out_width == 5
    with pytest.raises(InputError, match="has 4 axes"):
        kcsim.load_network(f"{path}@1x4x6")


def test_everything_that_is_no_layer_is_listed(graph):
    nodes = [
        ("Conv", ["x", "w"], ["a"], {"node": "conv", **PADDED}),
        ("Relu", ["a"], ["b"], {}),
        ("MaxPool", ["b"], ["c"], {"node": "pool", "kernel_shape": [2, 2], "strides": [2, 2]}),
        ("Resize", ["c", "", "s"], ["d"], {"node": "up"}),
        ("Add", ["b", "d"], ["e"], {"node": "sum"}),
        ("Concat", ["e", "b"], ["y"], {"node": "cat", "axis": 1}),
    ]
    stored = {"w": CONV, "s": np.array([1, 1, 2, 2], np.float32)}
    network = kcsim.load_network(graph(nodes, stored, x=(1, 4, 8, 8)))
    kinds = {operation.name: operation.kind for operation in network.operations}
    assert kinds == {"pool": "pool", "up": "resize", "sum": "add", "cat": "concat"}
    assert network.feeders("sum") == ("conv", "up")
    words = {operation.name: operation.moved_words for operation in network.operations}
    assert words == {"pool": 512 + 128, "up": 128 + 512 + 4, "sum": 3 * 512, "cat": 2048}


@pytest.mark.parametrize(
    ("node", "weight", "name"),
    [
        ("/layer1/layer1.0/conv1/Conv", "onnx::Conv_19", "layer1.0.conv1"),
        ("/down/down.0/down.0.1/Conv", "onnx::Conv_19", "down.0.1"),
        ("/a/a.0/b/b.0/Conv", "onnx::Conv_19", "a.0.b.0"),
        ("model/conv1/Conv2D", "ReadVariableOp:0", "model/conv1/Conv2D"),
        ("Conv_7", "features.0.weight", "features.0"),
        ("Conv_7", "7", "Conv_7"),
        ("", "7", "y"),
        ("first", "conv1/kernel", "conv1"),
    ],
)
def test_names_are_those_of_the_source(graph, node, weight, name):
    path = graph([("Conv", ["x", weight], ["y"], {"node": node})], {weight: CONV}, x=(1, 4, 8, 8))
    assert [layer.name for layer in kcsim.load_network(path)] == [name]


HOSTILE = {
    "nothing": b"",
    "text": b"no model at all",
    "cut": None,
    "zeros": bytes(1000),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_damaged_files_get_one_line(graph, tmp_path, name):
    path = graph([("Conv", ["x", "w"], ["y"], {})], {"w": CONV}, x=(1, 4, 8, 8))
    whole = (tmp_path / "m.onnx").read_bytes()
    assert path.endswith("m.onnx")
    content = HOSTILE[name]
    (tmp_path / "bad.onnx").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError) as caught:
        kcsim.load_network(tmp_path / "bad.onnx")
    assert len(str(caught.value).splitlines()) == 1


BROKEN = {
    "axes that do not fit": (("Conv", ["x", "w"], ["y"], {}), CONV, (1, 4, 8)),
    "channels that do not fit": (("Conv", ["x", "w"], ["y"], {}), CONV, (1, 3, 8, 8)),
    "a kernel beyond its image": (("Conv", ["x", "w"], ["y"], {}), CONV, (1, 4, 2, 2)),
    "products that do not fit": (("MatMul", ["x", "w"], ["y"], {}), FC, (3, 3)),
    "no layer": (("Mul", ["x", "w"], ["y"], {}), FC, (6, 5)),
}


@pytest.mark.parametrize("name", BROKEN)
def test_models_that_cannot_be_are_refused(graph, name):
    node, values, shape = BROKEN[name]
    with pytest.raises(InputError):
        kcsim.load_network(graph([node], {"w": values}, x=shape))


def test_weights_outside_of_the_folder_are_not_read(graph, tmp_path):
    path = graph([("Conv", ["x", "w"], ["y"], {"node": "c"})], {"w": CONV}, x=(1, 4, 8, 8))
    model = onnx.load(path)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    network = kcsim.load_network(path)
    with pytest.raises(InputError, match="a file in the folder of the model"):
        network.weights["c.weight"]

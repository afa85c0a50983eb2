import subprocess
import sys

import pytest

from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.reader import load_layer, load_network, network_to_yaml, read_network
from kcsim.workload.zeros import ZeroShares


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def writer(text, name="net.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return writer


@pytest.mark.parametrize("name", zoo.NAMES)
def test_round_trip_of_the_zoo(write, name):
    network = zoo.load(name)
    assert read_network(write(network_to_yaml(network))) == network


def test_round_trip_of_everything_that_a_layer_can_have(write):
    network = Network(
        "yes: no # maybe",
        (
            ConvLayer("true", 4, 6, 9, 7, 3, 2, (2, 1), (1, 0, 2, 3), (2, 1), 2, 3, True),
            ConvLayer("1e3", 4, 8, 9, 7, 1, 1, padding=(1, 2), groups=4, batch=2),
            ConvLayer("größe/α😀", 1, 1, 1, 1, 1, 1, batch=3),
            ConvLayer.linear("-", 4, 4, bias=False, batch=3),
            ConvLayer("z", 1, 1, 1, 1, 1, 1, batch=3, zeros=ZeroShares(0.1, 1e-7, 1 / 3)),
        ),
        norm_parameters=5,
        source='a "quoted" \\ source',
    )
    assert read_network(write(network_to_yaml(network))) == network


SEQUENTIAL = """
name: sequential
batch: 2
input: {channels: 3, height: 32, width: 30}
layers:
  - {name: conv1, type: conv, out_channels: 8, kernel: 3, padding: 1}
  - {type: pool, kernel: 2}
  - {name: dw, type: depthwise, kernel: [3, 5], stride: 2, padding: [1, 2], bias: true}
  - {type: pool, kernel: 3, stride: 2, ceil_mode: true}
  - {name: conv2, type: conv, out_channels: 16, kernel: 1, groups: 4}
  - {name: fc, type: linear, out_features: 10}
  - {name: aside, type: conv, in_channels: 8, in_size: [5, 6], out_channels: 2, kernel: 1}
  - {name: more, type: conv, out_channels: 2, kernel: 1, batch: 7}
"""


def test_sequential_networks_infer_their_shapes(write):
    assert read_network(write(SEQUENTIAL)).layers == (
        ConvLayer("conv1", 3, 8, 32, 30, 3, 3, padding=1, batch=2),
        ConvLayer("dw", 8, 8, 16, 15, 3, 5, 2, (1, 2), groups=8, bias=True, batch=2),
        ConvLayer("conv2", 8, 16, 4, 4, 1, 1, groups=4, batch=2),
        ConvLayer.linear("fc", 16 * 4 * 4, 10, batch=2),
        ConvLayer("aside", 8, 2, 5, 6, 1, 1, batch=2),
        ConvLayer("more", 2, 2, 5, 6, 1, 1, batch=7),
    )


def test_lenet5_as_a_sequential_file(write):
    text = """
name: lenet5
source: Caffe, examples/mnist/lenet.prototxt
input: {channels: 1, height: 28, width: 28}
layers:
  - {name: conv1, type: conv, out_channels: 20, kernel: 5, bias: true}
  - {type: pool, kernel: 2}
  - {name: conv2, type: conv, out_channels: 50, kernel: 5, bias: true}
  - {type: pool, kernel: 2}
  - {name: ip1, type: linear, out_features: 500}
  - {name: ip2, type: linear, out_features: 10}
"""
    assert read_network(write(text)) == zoo.load("lenet5")


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("kernel", [2, 3])
@pytest.mark.parametrize("stride", [1, 2, 3, 4])
@pytest.mark.parametrize("padding", [0, 1])
def test_pooling_against_torch(write, ceil_mode, kernel, stride, padding):
    torch = pytest.importorskip("torch")
    pool = torch.nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil_mode)
    for size in range(3, 12):
        text = f"""
name: pooled
input: {{channels: 1, height: {size}, width: {size + 1}}}
layers:
  - {{type: pool, kernel: {kernel}, stride: {stride}, padding: {padding},
      ceil_mode: {str(ceil_mode).lower()}}}
  - {{name: conv, type: conv, out_channels: 1, kernel: 1}}
"""
        layer = read_network(write(text)).layers[0]
        shape = pool(torch.empty(1, size, size + 1, device="meta")).shape
        assert (layer.in_height, layer.in_width) == tuple(shape[1:])


COMPUTING = (
    "'conv', 'conv2d', 'conv3d', 'conv1d', 'conv_transpose', 'depthwise', 'linear', 'matmul'"
)
LISTED = (
    "'pool', 'global_pool', 'add', 'concat', 'lstm', 'gru', 'rnn', 'other', 'batch_norm', "
    "'batchnorm', 'relu', 'activation', 'dropout', 'flatten'"
)
HEAD = "name: broken\nlayers:\n"
INPUT = "name: broken\ninput: {channels: 4, height: 8, width: 8}\nlayers:\n"
CONV = "  - {name: a, type: conv, in_channels: 4, in_size: 8, out_channels: 6, kernel: 3"
BROKEN = {
    "not a mapping": ("- a", "1:1: the network file must be a mapping, not a list"),
    "no layers": ("name: broken", "1:1: missing key 'layers'"),
    "empty layers": (
        "name: broken\nlayers: []",
        "2:9: 'layers' has too few entries (0); expected at least 1",
    ),
    "only pools": (
        INPUT + "  - {type: pool, kernel: 2}",
        "4:3: no layer computes anything that is modeled, but pool; "
        "expected a layer of the type conv, depthwise or linear",
    ),
    "a layer that is a text": (
        HEAD + "  - a",
        "3:5: 'layers[0]' must be a mapping, not the text 'a'",
    ),
    "blank name of the network": (
        "name: ' '\nlayers:\n" + CONV + "}",
        "1:7: a network cannot be named ' '; expected a printable text",
    ),
    "blank name of a layer": (
        HEAD + "  - {name: '', type: linear, in_features: 1, out_features: 6}",
        "3:12: layer '': name is ''; expected a printable text",
    ),
    "unknown type": (
        HEAD + "  - {name: a, type: covn}",
        f"3:21: 'type' is 'covn'; expected one of {COMPUTING}, {LISTED}; did you mean 'conv'?",
    ),
    "missing type": (HEAD + "  - {name: a, kernel: 3}", "3:5: missing key 'type'"),
    "missing kernel": (
        HEAD + "  - {name: a, type: conv, in_channels: 4, in_size: 8, out_channels: 6}",
        "3:5: missing key 'kernel'",
    ),
    "misspelled key": (
        HEAD + CONV + ", strid: 2}",
        "3:83: unknown key 'strid'; expected one of from, name, batch, zeros, precision_bits, "
        "in_channels, in_height, in_width, in_size, kernel, stride, padding, dilation, bias, type, "
        "out_channels, groups, per_image; did you mean 'stride'?",
    ),
    "key of another type": (
        HEAD + "  - {name: fc, type: linear, out_features: 9, in_channels: 3}",
        "3:47: unknown key 'in_channels'; expected one of from, name, batch, zeros, "
        "precision_bits, type, "
        "in_features, out_features, bias, sequence",
    ),
    "key given twice": (
        HEAD + CONV + ", kernel: 4}",
        "3:83: duplicate key 'kernel', first given on line 3",
    ),
    "number for a truth value": (
        HEAD + CONV + ", bias: 1}",
        "3:89: 'bias' must be true or false, not the number 1",
    ),
    "no stride": (
        HEAD + CONV + ", stride: 0}",
        "3:91: 'stride' is 0; expected a number >= 1 or a list",
    ),
    "padding by name": (
        HEAD + CONV + ", padding: sane}",
        "3:92: 'padding' is 'sane'; expected an integer or a list or 'same' or 'valid'; "
        "did you mean 'same'?",
    ),
    "three paddings": (
        HEAD + CONV + ", padding: [1, 2, 3]}",
        "3:92: layer 'a': padding is (1, 2, 3); expected a whole number, two or four of them",
    ),
    "negative norm_parameters": (
        "name: broken\nnorm_parameters: -1\nlayers:\n" + CONV + "}",
        "2:18: 'norm_parameters' is -1; expected a number >= 0",
    ),
    "size beyond 2^31": (
        HEAD + "  - {name: fc, type: linear, in_features: 3, out_features: 9223372036854775808}",
        "3:60: 'out_features' is 9223372036854775808; expected a number <= 2147483648",
    ),
    "MACs beyond 2^63": (
        HEAD + "  - {name: a, type: linear, in_features: 2147483648, out_features: 2147483648, "
        "batch: 2}",
        "3:12: layer 'a': it has 9223372036854775808 multiply-accumulates; "
        "expected at most 9223372036854775807 (2^63 - 1)",
    ),
    "groups": (
        HEAD + CONV + ", groups: 3}",
        "3:91: layer 'a': groups is 3; expected a divisor of in_channels (4)",
    ),
    "outputs of a depthwise layer": (
        INPUT + "  - {name: dw, type: depthwise, kernel: 3, out_channels: 6}",
        "4:58: layer 'dw': groups is 4; expected a divisor of out_channels (6)",
    ),
    "dilated kernel": (
        HEAD + CONV + ", dilation: [1, 4]}",
        "3:80: layer 'a': kernel_width is 3 (9 with dilation 4); "
        "expected at most the padded input width (8)",
    ),
    "pool larger than its image": (
        INPUT + "  - {type: pool, kernel: [2, 9]}\n" + CONV + "}",
        "4:26: layer 'pool': kernel_width is 9; expected at most the padded input width (8)",
    ),
    "pool of nothing": (
        HEAD + "  - {type: pool, kernel: 2}",
        "3:5: layer 'pool': nothing gives the size of its input; "
        "expected a layer before it, or an 'input' of the network",
    ),
    "sizes of nothing": (
        HEAD + "  - {name: a, type: conv, in_width: 3, out_channels: 6, kernel: 3}",
        "3:12: layer 'a': nothing gives in_channels, in_height; "
        "expected a value here, a layer before it, or an 'input' of the network",
    ),
    "features of nothing": (
        HEAD + "  - {name: a, type: linear, out_features: 6}",
        "3:12: layer 'a': nothing gives in_features; "
        "expected a value here, a layer before it, or an 'input' of the network",
    ),
    "size given twice": (
        HEAD + CONV + ", in_width: 8}",
        "3:52: layer 'a': both 'in_size' and 'in_width' are given; expected one of them",
    ),
    "name given twice": (
        HEAD + CONV + "}\n" + CONV + "}",
        "4:12: layer 'a': an earlier layer has the same name",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_broken_files(write, text, message):
    with pytest.raises(InputError) as raised:
        read_network(write(text))
    assert str(raised.value) == f"net.yaml:{message}"


def test_faults_of_all_layers_are_told_at_once(write):
    text = """
name: broken
layers:
  - name: a
    type: conv
    in_channels: 4
    in_size: 8
    out_channels: 6
    kernel: 9
    groups: 3
  - {name: after, type: conv, out_channels: 6, kernel: 3}
  - {name: after-that, type: linear, out_features: 6}
  - {name: c, type: conv, in_channels: 4, in_size: 8, out_channels: 6, kernel: 3, groups: 4}
"""
    with pytest.raises(InputError) as raised:
        read_network(write(text))
    assert str(raised.value).splitlines() == [
        "net.yaml:9:13: layer 'a': kernel_height is 9; "
        "expected at most the padded input height (8)",
        "net.yaml:9:13: layer 'a': kernel_width is 9; expected at most the padded input width (8)",
        "net.yaml:10:13: layer 'a': groups is 3; expected a divisor of in_channels (4)",
        "net.yaml:13:91: layer 'c': groups is 4; expected a divisor of out_channels (6)",
    ]
    assert "    groups: 3\n                ^" in raised.value.with_excerpts()


def test_a_repeated_name_hides_no_later_fault(write):
    text = HEAD + CONV + "}\n" + CONV + "}\n  - {name: b, type: conv, out_channels: 1, kernel: 7}"
    with pytest.raises(InputError) as raised:
        read_network(write(text))
    assert [problem.mark.line for problem in raised.value.problems] == [4, 5, 5]


def test_load_network(write, tmp_path):
    network = zoo.load("lenet5")
    path = write(network_to_yaml(network))
    assert load_network(network) is network
    assert load_network(path) == network
    assert load_network(tmp_path / path) == network
    assert load_network("LeNet-5") == network
    assert load_network(write(network_to_yaml(network), "without_suffix")) == network
    with pytest.raises(InputError, match=r"^no such file: 'nat.yml'; did you mean 'net.yaml'\?$"):
        load_network("nat.yml")
    with pytest.raises(InputError, match="lists; did you mean 'alexnet'"):
        load_network("alexnett")


A_LAYER = "{name: conv, type: conv, in_channels: 4, in_size: 8, out_channels: 6, kernel: 3}"


def test_load_layer(write, tmp_path):
    expected = ConvLayer("conv", 4, 6, 8, 8, 3, 3)
    assert load_layer("AlexNet/conv3") == zoo.load("alexnet").layer("conv3")
    assert load_layer(write(A_LAYER)) == expected
    assert load_layer(tmp_path / "net.yaml") == expected
    assert load_layer(write(f"layer: {A_LAYER}")) == expected
    write(f"name: net\nlayers: [{A_LAYER}, {A_LAYER.replace('conv,', 'a/b,', 1)}]")
    assert load_layer("net.yaml/conv") == expected
    assert load_layer("net.yaml/a/b").name == "a/b"
    assert load_layer(f"{tmp_path}/net.yaml/conv") == expected


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("alexnet", "'alexnet' names no layer; expected NETWORK/LAYER, as 'alexnet/conv1'"),
        ("nope/conv1", "no network is called 'nope'; expected a name that `kcsim networks` lists"),
        ("nope.yaml/conv1", "no such file: 'nope.yaml'"),
        ("resnet18/conv2", "network 'resnet18' has no layer 'conv2'; did you mean 'conv1'?"),
    ],
)
def test_layers_that_do_not_exist(spec, message):
    with pytest.raises(InputError) as raised:
        load_layer(spec)
    assert str(raised.value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("3", "1:1: the layer file must be a mapping, not the number 3"),
        (
            f"layers: [{A_LAYER}]",
            "1:1: the file holds a network, and one layer is wanted; "
            "expected 'net.yaml/NAME' with the name of a layer",
        ),
        (
            "type: pool\nkernel: 3",
            f"1:7: 'type' is 'pool'; expected one of {COMPUTING}",
        ),
        (
            f"layer: {A_LAYER[:-1]}, groups: 4}}",
            "1:97: layer 'conv': groups is 4; expected a divisor of out_channels (6)",
        ),
        (
            "name: a\ntype: linear\nout_features: 3",
            "1:7: layer 'a': nothing gives in_features; "
            "expected a value here, a layer before it, or an 'input' of the network",
        ),
    ],
)
def test_broken_layer_files(write, text, message):
    with pytest.raises(InputError) as raised:
        load_layer(write(text))
    assert str(raised.value) == f"net.yaml:{message}"


def test_the_zoo_needs_no_heavy_imports():
    program = (
        "import sys; from kcsim.workload.reader import load_network; load_network('resnet18');"
        "assert not {'numpy', 'pydantic', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)

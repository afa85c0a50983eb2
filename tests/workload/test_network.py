import pickle

import pytest

from kcsim.errors import InputError
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network


def small():
    layers = [ConvLayer("conv1", 3, 8, 8, 8, 3, 3), ConvLayer.linear("fc", 8, 10)]
    return Network("small", layers, norm_parameters=16)


def test_totals():
    network = small()
    assert network.macs == 3 * 8 * 9 * 36 + 80
    assert network.weight_words == 216 + 80
    assert network.parameters == 216 + 80 + 10 + 16
    assert len(network) == 2
    assert [layer.name for layer in network] == ["conv1", "fc"]


def test_networks_are_values():
    assert small() == small()
    assert hash(small()) == hash(small())
    assert isinstance(small().layers, tuple)
    assert pickle.loads(pickle.dumps(small())) == small()


def test_texts():
    assert repr(small()) == "Network('small': 2 layers, 322 parameters, 7,856 MACs)"
    html = small()._repr_html_()
    assert html.count("<tr>") == 3
    assert "<td>3×8×8</td>" in html
    assert "&lt;b&gt;" in Network("<b>", small().layers)._repr_html_()


def test_with_batch():
    batched = small().with_batch(4)
    assert batched.macs == 4 * small().macs
    assert batched.parameters == small().parameters
    assert batched.with_batch(1) == small()


def test_layer():
    assert small().layer("fc") is not None
    with pytest.raises(InputError) as raised:
        small().layer("conv2")
    assert str(raised.value) == (
        "network 'small' has no layer 'conv2'; expected one of conv1, fc; did you mean 'conv1'?"
    )
    with pytest.raises(InputError) as raised:
        zoo.load("resnet18").layer("layer9.0.conv1")
    assert "did you mean 'layer" in str(raised.value)


def test_select():
    alexnet = zoo.load("alexnet")
    assert [x.name for x in alexnet.select(["fc8", "conv[23]"])] == ["conv2", "conv3", "fc8"]
    assert len(alexnet.select("conv*")) == 5
    assert alexnet.select("*") == alexnet
    with pytest.raises(InputError, match=r"no layer 'conv9'.*did you mean 'conv5'"):
        alexnet.select(["conv1", "conv9"])


def test_select_takes_names_that_look_like_patterns():
    odd = Network("odd", (ConvLayer.linear("a[1]", 2, 2), ConvLayer.linear("a1", 2, 2)))
    assert [x.name for x in odd.select("a[1]")] == ["a[1]", "a1"]


def test_norm_parameters_of_a_part_are_unknown():
    assert small().select("conv1").norm_parameters == 0
    assert small().select("*").norm_parameters == 16


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("n", ()), "network 'n' has no layers"),
        (
            ("n", (ConvLayer.linear("a", 1, 1), ConvLayer.linear("a", 2, 2))),
            "network 'n' has two layers named 'a'",
        ),
        (
            ("n", (ConvLayer.linear("a", 1, 1),), -1),
            "network 'n': norm_parameters is -1; expected a count from 0 to 2^63 - 1",
        ),
        (
            ("n", (ConvLayer.linear("a", 1, 1),), 1.5),
            "network 'n': norm_parameters is 1.5; expected a count from 0 to 2^63 - 1",
        ),
        (
            (" ", (ConvLayer.linear("a", 1, 1),)),
            "a network cannot be named ' '; expected a printable text",
        ),
    ],
)
def test_networks_that_cannot_be(arguments, message):
    with pytest.raises(InputError) as raised:
        Network(*arguments)
    assert str(raised.value) == message

"""A layer's counts, against torch; and every way in which a layer cannot be."""

import dataclasses
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcsim.errors import InputError
from kcsim.workload.layer import DIMENSIONS, ConvLayer, LayerError
from kcsim.workload.zeros import ZeroShares

SHAPE = {
    "name": "a",
    "in_channels": 6,
    "out_channels": 4,
    "in_height": 9,
    "in_width": 8,
    "kernel_height": 3,
    "kernel_width": 3,
}


def layer(**changes):
    return ConvLayer(**(SHAPE | changes))


def test_counts_of_a_small_layer():
    small = layer(stride=2, padding=(1, 0, 2, 1), groups=2, batch=5, bias=True)
    assert (small.out_height, small.out_width) == (4, 5)
    assert small.dimensions == dict(zip(DIMENSIONS, (5, 2, 2, 3, 4, 5, 3, 3), strict=True))
    assert small.weight_words == 4 * 3 * 9
    assert small.biases == 4
    assert small.parameters == 112
    assert small.macs == 5 * 4 * 4 * 5 * 27
    assert small.input_words == 5 * 6 * 72
    assert small.padded_input_words == 5 * 6 * 10 * 11
    assert small.output_words == 5 * 4 * 20


def test_short_forms():
    assert layer(stride=2).stride == (2, 2)
    assert layer(padding=1).padding == (1, 1, 1, 1)
    assert layer(padding=(1, 2)).padding == (1, 1, 2, 2)
    assert layer(dilation=[2, 1]).dilation == (2, 1)
    assert layer(stride=(1, 1), padding=0) == layer()


def test_numbers_of_numpy_become_python_integers():
    numpy = pytest.importorskip("numpy")
    made = layer(in_channels=numpy.int32(6), stride=numpy.int64(2))
    assert made == layer(stride=2)
    assert type(made.in_channels) is int
    assert type(made.stride[0]) is int


def test_linear():
    fc = ConvLayer.linear("fc", 512, 10, batch=3)
    assert fc.kind == "linear"
    assert fc.bias
    assert fc.macs == 3 * 5120
    assert fc.dimensions == dict(zip(DIMENSIONS, (3, 1, 10, 512, 1, 1, 1, 1), strict=True))
    assert fc.is_pointwise


def test_kinds_of_convolution():
    assert layer(groups=6, out_channels=12).is_depthwise
    assert not layer(groups=2).is_depthwise
    assert not layer(in_channels=1).is_depthwise
    assert layer(kernel_height=1, kernel_width=1).is_pointwise
    assert not layer(kernel_width=1).is_pointwise


def test_shape_key_leaves_out_only_the_name():
    assert layer(name="b").shape_key == layer().shape_key
    changes = {
        "in_channels": 8,
        "out_channels": 8,
        "in_height": 10,
        "in_width": 10,
        "kernel_height": 2,
        "kernel_width": 2,
        "stride": 2,
        "padding": 1,
        "dilation": 2,
        "groups": 2,
        "batch": 2,
        "bias": True,
        "zeros": ZeroShares(inputs=0.5),
    }
    keys = {layer(**{field: value}).shape_key for field, value in changes.items()}
    assert len(keys | {layer().shape_key}) == len(changes) + 1


def test_layers_are_values():
    assert hash(layer(stride=2)) == hash(layer(stride=(2, 2)))
    assert pickle.loads(pickle.dumps(layer())) == layer()
    assert layer().with_batch(7) == layer(batch=7)
    with pytest.raises(dataclasses.FrozenInstanceError):
        layer().batch = 2


@pytest.mark.parametrize(
    ("changes", "field", "message"),
    [
        ({"name": ""}, "name", "layer '': name is ''; expected a printable text"),
        ({"name": "a\nb"}, "name", r"layer 'a\nb': name is 'a\nb'; expected a printable text"),
        ({"name": 3}, "name", "layer 3: name is 3; expected a printable text"),
        (
            {"in_channels": 0},
            "in_channels",
            "layer 'a': in_channels is 0; expected 1 to 2147483648 (2^31)",
        ),
        ({"batch": -1}, "batch", "layer 'a': batch is -1; expected 1 to 2147483648 (2^31)"),
        (
            {"in_height": 2**31 + 1},
            "in_height",
            "layer 'a': in_height is 2147483649; expected 1 to 2147483648 (2^31)",
        ),
        (
            {"out_channels": True},
            "out_channels",
            "layer 'a': out_channels is True; expected a whole number",
        ),
        ({"in_width": 8.0}, "in_width", "layer 'a': in_width is 8.0; expected a whole number"),
        ({"groups": "2"}, "groups", "layer 'a': groups is '2'; expected a whole number"),
        ({"groups": [2, 2]}, "groups", "layer 'a': groups is [2, 2]; expected a whole number"),
        (
            {"stride": (1, 2, 3)},
            "stride",
            "layer 'a': stride is (1, 2, 3); expected a whole number or two of them",
        ),
        (
            {"stride": (0, 1)},
            "stride",
            "layer 'a': stride is (0, 1); expected 1 to 2147483648 (2^31)",
        ),
        ({"padding": -1}, "padding", "layer 'a': padding is -1; expected 0 to 2147483648 (2^31)"),
        (
            {"padding": "same"},
            "padding",
            "layer 'a': padding is 'same'; expected a whole number, two or four of them",
        ),
        (
            {"dilation": None},
            "dilation",
            "layer 'a': dilation is None; expected a whole number or two of them",
        ),
        ({"bias": 1}, "bias", "layer 'a': bias is 1; expected true or false"),
        ({"kind": "fc"}, "kind", "layer 'a': kind is 'fc'; expected 'conv', 'linear' or 'matmul'"),
        (
            {"kind": "linear"},
            "kind",
            "layer 'a': kind is 'linear'; expected a 1x1 kernel, an image of one column, stride "
            "and dilation 1, no padding, no groups",
        ),
        (
            {"groups": 3},
            "groups",
            "layer 'a': groups is 3; expected a divisor of out_channels (4)",
        ),
        (
            {"kernel_height": 12, "padding": 1},
            "kernel_height",
            "layer 'a': kernel_height is 12; expected at most the padded input height (11)",
        ),
        (
            {"dilation": (1, 4)},
            "kernel_width",
            "layer 'a': kernel_width is 3 (9 with dilation 4); "
            "expected at most the padded input width (8)",
        ),
        (
            {"in_channels": 2**31, "out_channels": 2**31, "batch": 2**10},
            "name",
            "layer 'a': it has 1785054530524725890777088 multiply-accumulates; "
            "expected at most 9223372036854775807 (2^63 - 1)",
        ),
    ],
)
def test_layers_that_cannot_be(changes, field, message):
    with pytest.raises(LayerError) as raised:
        layer(**changes)
    assert isinstance(raised.value, InputError)
    assert str(raised.value) == message
    assert raised.value.fields == (field,)


def test_every_fault_is_told_at_once():
    with pytest.raises(LayerError) as raised:
        layer(in_channels=0, stride=-1, bias="no")
    assert raised.value.fields == ("in_channels", "stride", "bias")


def test_input_words_that_do_not_fit():
    sparse = {"in_height": 2**31, "in_width": 2**31, "stride": 2**31}
    with pytest.raises(LayerError, match="padded input words"):
        layer(**sparse)


SMALL = st.integers(1, 4)
PAIRS = st.tuples(SMALL, SMALL)


@st.composite
def shapes(draw):
    groups = draw(SMALL)
    kernel, dilation = draw(PAIRS), draw(PAIRS)
    vertical, horizontal = draw(st.tuples(st.integers(0, 3), st.integers(0, 3)))
    height, width = (
        draw(st.integers(max(1, d * (k - 1) + 1 - 2 * p), 20))
        for d, k, p in zip(dilation, kernel, (vertical, horizontal), strict=True)
    )
    return {
        "in_channels": groups * draw(SMALL),
        "out_channels": groups * draw(SMALL),
        "in_height": height,
        "in_width": width,
        "kernel_height": kernel[0],
        "kernel_width": kernel[1],
        "stride": draw(PAIRS),
        "padding": (vertical, horizontal),
        "dilation": dilation,
        "groups": groups,
        "batch": draw(SMALL),
        "bias": draw(st.booleans()),
    }


@settings(deadline=None, max_examples=200)
@given(shapes())
def test_counts_against_torch(shape):
    torch = pytest.importorskip("torch")
    ours = ConvLayer("random", **shape)
    theirs = torch.nn.Conv2d(
        shape["in_channels"],
        shape["out_channels"],
        (shape["kernel_height"], shape["kernel_width"]),
        stride=shape["stride"],
        padding=shape["padding"],
        dilation=shape["dilation"],
        groups=shape["groups"],
        bias=shape["bias"],
        device="meta",
    )
    image = (shape["batch"], shape["in_channels"], shape["in_height"], shape["in_width"])
    output = theirs(torch.empty(image, device="meta"))
    assert (ours.out_height, ours.out_width) == tuple(output.shape[2:])
    assert ours.output_words == output.numel()
    assert ours.parameters == sum(p.numel() for p in theirs.parameters())
    assert ours.macs == output.numel() * theirs.weight[0].numel()
    extents = 1
    for extent in ours.dimensions.values():
        extents *= extent
    assert ours.macs == extents

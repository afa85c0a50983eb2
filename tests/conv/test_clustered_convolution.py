"""Every execution against torch's convolution of the decoded weights, and against each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from random_clustered import random_clustered

from kcsim.clustering.precision import StoredValues
from kcsim.conv.execute import ClusteredConvolution, clustered_conv2d
from kcsim.conv.operations import count_operations
from kcsim.errors import InputError
from kcsim.workload.execution import EXECUTIONS
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

torch = pytest.importorskip("torch")

SPECS = (
    "scalar:k=5",
    "row:k=4",
    "kernel:k=3",
    "kernel:k=40",
    "kernel:k=6,transforms=4",
    "scaled_kernel:k=4,transforms=2",
    "linear_kernel:k=4,offset_bits=32",
    "product:k=3,length=2",
    "product:k=4,length=3",
    "block:k=4,shape=Cx1x1",
    "block:k=3,shape=1xRx1",
)


@st.composite
def layers(draw):
    """Small layers of every geometry, large ones now and then."""
    small = st.integers(1, 3)
    groups = draw(st.sampled_from([1, 1, 2, 3]))
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    padding = draw(st.tuples(*[st.integers(0, 3)] * 4))
    dilation = draw(st.tuples(small, small))
    sides = st.integers(1, 70 if draw(st.integers(0, 4)) == 0 else 15)
    height, width = draw(sides), draw(sides)
    assume(dilation[0] * (kernel[0] - 1) < height + padding[0] + padding[1])
    assume(dilation[1] * (kernel[1] - 1) < width + padding[2] + padding[3])
    return ConvLayer(
        "layer",
        groups * draw(st.integers(1, 6)),
        groups * draw(st.integers(1, 6)),
        height,
        width,
        *kernel,
        stride=draw(st.tuples(small, small)),
        padding=padding,
        dilation=dilation,
        groups=groups,
        batch=draw(st.integers(1, 3)),
    )


def clustered(layer, spec, seed=0):
    if layer.is_pointwise and "_kernel" in spec:
        spec = "kernel:k=3"  # single weights have no shape beside their scale
    weights = random_clustered(Network("one", (layer.with_batch(1),)), f"{spec},dense=none", seed)
    found = weights.layers["layer"]
    return found, weights.codebooks[found.part.codebook]


def whole(found, codebook, rng):
    """The same indexes with integers in place of all values."""

    def drawn(stored, low, high):
        if stored is None:
            return None
        return StoredValues(rng.integers(low, high, stored.codes.shape).astype(np.float32), 32)

    return (
        replace(found, scales=drawn(found.scales, -9, 9), offsets=drawn(found.offsets, -300, 300)),
        replace(codebook, entries=drawn(codebook.entries, -128, 128)),
    )


def by_torch(layer, inputs, weights):
    """In double precision, in which small integers are exact."""
    top, bottom, left, right = layer.padding
    padded = torch.nn.functional.pad(torch.tensor(inputs).double(), (left, right, top, bottom))
    weights = torch.tensor(weights).double()
    return torch.nn.functional.conv2d(
        padded, weights, None, layer.stride, 0, layer.dilation, layer.groups
    ).numpy()


def magnitudes(found, codebook):
    """Decoded weights if nothing in them cancels: the scale of rounding."""

    def positive(stored):
        return stored and replace(stored, codes=np.abs(stored.codes))

    found = replace(found, scales=positive(found.scales), offsets=positive(found.offsets))
    return found.decode(replace(codebook, entries=positive(codebook.entries)))


def images(layer, rng, dtype=np.float32):
    shape = (layer.batch, layer.in_channels, layer.in_height, layer.in_width)
    if dtype == np.float32:
        return rng.standard_normal(shape, np.float32)
    limits = np.iinfo(dtype)
    return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)


@given(layers(), st.sampled_from(SPECS), st.integers(0, 9))
@settings(max_examples=120)
def test_single_precision_is_that_of_torch_and_counts_are_the_formulas(layer, spec, seed):
    found, codebook = clustered(layer, spec, seed)
    inputs = images(layer, np.random.default_rng(seed))
    expected = by_torch(layer, inputs, found.decode(codebook))
    scale = by_torch(layer, np.abs(inputs), magnitudes(found, codebook)).max()
    for execution in EXECUTIONS:
        convolution = ClusteredConvolution(found, codebook, execution=execution)
        outputs, operations = convolution.run(inputs, threads=1)
        assert outputs.dtype == np.float32
        np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5 * scale)
        assert operations == count_operations(found, execution, layer)


@given(layers(), st.sampled_from(SPECS), st.sampled_from([np.int8, np.int16]))
@settings(max_examples=80)
def test_integers_are_exact(layer, spec, dtype):
    rng = np.random.default_rng(1)
    found, codebook = whole(*clustered(layer, spec), rng)
    inputs = images(layer, rng, dtype)
    expected = by_torch(layer, inputs, found.decode(codebook))
    bias = rng.integers(-(2**31), 2**31, layer.out_channels)
    for execution in EXECUTIONS:
        outputs = clustered_conv2d(inputs, found, codebook, bias, execution=execution, threads=1)
        assert outputs.dtype == np.int64
        assert (outputs == expected + bias[:, None, None]).all()


@given(layers(), st.sampled_from(SPECS), st.sampled_from(EXECUTIONS))
@settings(max_examples=30)
def test_threads_do_not_matter(layer, spec, execution):
    found, codebook = clustered(layer, spec)
    convolution = ClusteredConvolution(found, codebook, execution=execution)
    inputs = images(layer, np.random.default_rng(2))
    alone, operations = convolution.run(inputs, threads=1)
    for threads in (2, 3, 8):
        outputs, counted = convolution.run(inputs, threads=threads)
        assert outputs.tobytes() == alone.tobytes()
        assert counted == operations


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize("spec", SPECS)
def test_a_map_of_many_tiles_and_strips(spec, execution):
    layer = ConvLayer("layer", 6, 7, 75, 71, 3, 3, padding=(1, 0, 2, 1), batch=2)
    found, codebook = whole(*clustered(layer, spec), np.random.default_rng(3))
    inputs = images(layer, np.random.default_rng(4), np.int8)
    outputs, operations = ClusteredConvolution(
        found, codebook, execution=execution, whole=True
    ).run(inputs, threads=2)
    assert (outputs == by_torch(layer, inputs, found.decode(codebook))).all()
    assert operations == count_operations(found, execution, layer)


@pytest.mark.parametrize("execution", EXECUTIONS)
@pytest.mark.parametrize(
    "layer",
    [
        ConvLayer("layer", 2, 3, 2, 1, 1, 3, padding=(0, 0, 200, 200), dilation=(1, 100)),
        ConvLayer("layer", 2, 3, 1, 2, 2, 2, padding=(3, 0, 0, 300), dilation=(2, 299)),
        ConvLayer("layer", 2, 3, 1, 2, 1, 1, padding=(90, 3, 150, 7), stride=(4, 1)),
        ConvLayer.linear("layer", 70, 5),
    ],
    ids=["both sides", "right", "pointwise", "linear"],
)
def test_wide_padding_and_single_pixels(layer, execution):
    found, codebook = clustered(layer, "scalar:k=5")
    found, codebook = whole(found, codebook, np.random.default_rng(5))
    inputs = images(layer, np.random.default_rng(6), np.int16)
    outputs = clustered_conv2d(inputs, found, codebook, execution=execution)
    assert (outputs == by_torch(layer, inputs, found.decode(codebook))).all()


def test_products_of_kernels_by_hand():
    """Two filters of one channel: two distinct kernels, then one."""
    layer = ConvLayer("layer", 1, 2, 5, 6, 3, 3)
    found, _ = clustered(layer, "kernel:k=2")
    for indexes, products in (([0, 1], 2), ([1, 1], 1)):
        these = replace(found, indexes=np.array(indexes, np.int32).reshape(2, 1, 1, 1))
        operations = count_operations(these, "share_products")
        assert operations.multiplies == products * 9 * 12
        assert operations.adds == products * 8 * 12 + 2 * 12
        sums = count_operations(these, "share_sums")
        assert (sums.multiplies, sums.adds) == (2 * 9 * 12, 2 * 9 * 12)


def test_auto_takes_the_fewest_operations():
    layer = ConvLayer("layer", 16, 64, 14, 14, 3, 3)
    found, codebook = clustered(layer, "kernel:k=4")
    assert ClusteredConvolution(found, codebook).execution == "share_products"
    layer = ConvLayer("layer", 64, 4, 14, 14, 3, 3)
    found, codebook = clustered(layer, "kernel:k=2")
    assert ClusteredConvolution(found, codebook).execution == "share_sums"
    layer = ConvLayer("layer", 2, 2, 14, 14, 3, 3)
    found, codebook = clustered(layer, "linear_kernel:k=4")
    assert ClusteredConvolution(found, codebook).execution == "decode"


def test_other_images_read_only_and_double_precision():
    layer = ConvLayer("layer", 3, 4, 8, 8, 3, 3, padding=1)
    found, codebook = clustered(layer, "kernel:k=3")
    other = replace(layer, in_height=11, in_width=5, batch=2)
    inputs = images(other, np.random.default_rng(0)).astype(np.float64)
    inputs.setflags(write=False)
    outputs = clustered_conv2d(inputs, found, codebook)
    expected = by_torch(other, inputs, found.decode(codebook))
    np.testing.assert_allclose(outputs, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        (np.zeros((3, 8, 8), np.float32), {}, "inputs are 3x8x8; expected (N, C, H, W)"),
        (np.zeros((1, 2, 8, 8), np.float32), {}, "inputs are 1x2x8x8; expected (N, 3, 8, 8)"),
        (np.zeros((0, 3, 8, 8), np.float32), {}, "N above 0"),
        (np.zeros((1, 3, 0, 8), np.float32), {}, "no side of 0"),
        (np.zeros((1, 3, 1, 1), np.float32), {}, "kernel_height is 3"),
        (np.zeros((1, 3, 8, 8), complex), {}, "inputs have the type complex128"),
        (np.zeros((1, 3, 8, 8), np.int8), {}, "the codebook cannot meet integer inputs"),
        (np.zeros((1, 3, 8, 8)), {"execution": "share_product"}, "did you mean"),
        (np.zeros((1, 3, 8, 8)), {"threads": 0}, "threads is 0"),
        (np.zeros((1, 3, 8, 8)), {"bias": np.zeros(3)}, "bias is float64 3; expected 4 numbers"),
    ],
)
def test_bad_arguments(inputs, options, message):
    found, codebook = clustered(ConvLayer("layer", 3, 4, 8, 8, 3, 3), "kernel:k=3")
    with pytest.raises(InputError) as error:
        clustered_conv2d(inputs, found, codebook, **options)
    assert message in str(error.value)

"""Shares of zeros: their range, and where they come from."""

import math
from fractions import Fraction

import pytest

from kcsim.errors import InputError
from kcsim.workload.layer import ConvLayer, LayerError
from kcsim.workload.reader import load_layer, load_network
from kcsim.workload.zeros import ZeroShares
from kcsim.workload.zeros_reader import layer_with_zeros, network_with_zeros

LENET = load_network("lenet5")


def inputs(zeros):
    return [layer.zeros.inputs for layer in network_with_zeros(LENET, zeros)]


@pytest.mark.parametrize("share", [-0.1, 1, 1.5, math.nan, math.inf, -math.inf, "0.5", True, None])
def test_what_is_no_share(share):
    with pytest.raises(InputError, match=r"share of zero inputs is .*; expected a number from 0"):
        ZeroShares(inputs=share)


def test_shares_are_values():
    assert ZeroShares(inputs=0.3).fraction("inputs") == Fraction(3, 10)
    assert not ZeroShares()
    assert ZeroShares(outputs=0.1)
    assert hash(ZeroShares(0)) == hash(ZeroShares(0.0))
    with pytest.raises(LayerError, match=r"zeros is 0\.5; expected ZeroShares"):
        ConvLayer("x", 1, 1, 1, 1, 1, 1, zeros=0.5)


def test_zeros_change_no_count():
    for one, other in zip(LENET, network_with_zeros(LENET, "inputs=0.9,weights=0.5"), strict=True):
        assert (one.macs, one.dimensions) == (other.macs, other.dimensions)
        assert (one.weight_words, one.input_words) == (other.weight_words, other.input_words)


@pytest.mark.parametrize(
    ("zeros", "shares"),
    [
        ("inputs=0.5", [0.5, 0.5, 0.5, 0.5]),
        ("inputs=0.5;conv1:inputs=0", [0, 0.5, 0.5, 0.5]),
        # A later entry wins; other tensors stay.
        ("conv*:inputs=0.25; conv2: inputs = 0.75; outputs=0.1", [0.25, 0.75, 0, 0]),
        (ZeroShares(inputs=0.5), [0.5, 0.5, 0.5, 0.5]),
        ({"ip?": ZeroShares(inputs=0.5)}, [0, 0, 0.5, 0.5]),
    ],
)
def test_shares_of_a_network(zeros, shares):
    assert inputs(zeros) == shares


def test_shares_of_a_file(tmp_path):
    path = tmp_path / "zeros.yaml"
    path.write_text("'*': {inputs: 0.5}\nconv1: {inputs: 0, weights: 0.25}\n")
    assert inputs(path) == inputs(str(path)) == [0, 0.5, 0.5, 0.5]
    assert layer_with_zeros(LENET.layers[0], path).zeros == ZeroShares(weights=0.25)
    # What a network says stays where nothing else is given.
    again = network_with_zeros(network_with_zeros(LENET, path), "conv1:outputs=0.75")
    assert again.layers[0].zeros == ZeroShares(weights=0.25, outputs=0.75)


def test_shares_of_a_layer_in_a_file(tmp_path):
    path = tmp_path / "layer.yaml"
    path.write_text(
        "{name: fc, type: linear, in_features: 4, out_features: 2, zeros: {inputs: 0.5}}"
    )
    assert load_layer(path).zeros == ZeroShares(inputs=0.5)


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("inputs", ["1: incomplete setting 'inputs'; expected TENSOR=SHARE, as inputs=0.5"]),
        (
            "conv1:inputs=2,wieghts=0.5;ip1:outputs=x",
            [
                "7: the share of zero inputs is 2.0; expected a number from 0 to below 1",
                "16: there is no tensor 'wieghts'; expected one of inputs, weights, outputs; "
                "did you mean 'weights'?",
                "32: the share of zero outputs is 'x'; expected a number from 0 to below 1",
            ],
        ),
        ("inputs=0.1,inputs=0.2", ["12: inputs are given twice"]),
        (
            "konv1:inputs=0.1",
            ["1: no layer matches 'konv1'; expected one of conv1, conv2, ip1, ip2; "
             "did you mean 'conv1'?"],
        ),
    ],
)  # fmt: skip
def test_broken_texts(text, messages):
    with pytest.raises(InputError) as caught:
        network_with_zeros(LENET, text)
    assert [str(problem) for problem in caught.value.problems] == [
        f"--zeros:1:{message}" for message in messages
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conv1: {inputs: 1}", "1:17: 'inputs' is 1; expected a number < 1"),
        ("conv1: {inputs: -0.1}", "1:17: 'inputs' is -0.1; expected a number >= 0"),
        ("conv1: {inputs: .nan}", "1:17: 'inputs' is nan; expected a finite number"),
        ("conv1: {input: 0.1}", "1:9: unknown key 'input'; expected one of weights, inputs, out"),
        ("conv1: 0.5", "1:8: 'conv1' must be a mapping, not the number 0.5"),
        ("conv1: {}\nkonv2: {inputs: 0.5}", "2:1: no layer matches 'konv2'; expected one of"),
        ("[0.5]", "1:1: the file of zero shares must be a mapping, not a list"),
    ],
)
def test_broken_files_of_shares(tmp_path, text, message):
    path = tmp_path / "zeros.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        network_with_zeros(LENET, path)
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"{path}:{message}")

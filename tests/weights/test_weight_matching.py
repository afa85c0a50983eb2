"""Layers of the zoo under the names that training frameworks give their tensors."""

from __future__ import annotations

import re

import numpy as np
import pytest

from kcsim.clustering.units import weights_shape
from kcsim.errors import InputError
from kcsim.weights.cluster import cluster_network
from kcsim.weights.matching import match_names, match_weights
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

BRANCHES = {"1x1": "1", "3x3r": "2.0", "3x3": "2.1", "5x5r": "3.0", "5x5": "3.1", "pool": "4.1"}


def vgg16(name):
    numbers = dict(zip([f"conv{b}-{i}" for b in range(1, 6) for i in range(1, 3 + (b > 2))],
                       (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28), strict=True))  # fmt: skip
    if name in numbers:
        return f"features.{numbers[name]}"
    return {"fc6": "classifier.0", "fc7": "classifier.3"}.get(name, "classifier.6")


def googlenet(name):
    block, _, branch = name.partition(".")
    if branch:
        return f"inception{block}.branch{BRANCHES[branch]}.conv"
    return {"conv1": "conv1.conv", "conv2": "conv2.conv", "conv3": "conv3.conv"}.get(name, name)


def squeezenet(version):
    places = {"1_0": (3, 4, 5, 7, 8, 9, 10, 12), "1_1": (3, 4, 6, 7, 9, 10, 11, 12)}[version]

    def name(layer):
        fire = re.fullmatch(r"f(\d)\.(s1|e1|e3)", layer)
        if fire is None:
            return {"conv1": "features.0", "conv10": "classifier.1"}[layer]
        kind = {"s1": "squeeze", "e1": "expand1x1", "e3": "expand3x3"}[fire[2]]
        return f"features.{places[int(fire[1]) - 2]}.{kind}"

    return name


def densenet(name):
    if match := re.fullmatch(r"d(\d)\.(\d+)\.(\d)x\d", name):
        conv = {"1": 1, "3": 2}[match[3]]
        return f"features.denseblock{match[1]}.denselayer{match[2]}.conv{conv}"
    if match := re.fullmatch(r"t(\d)", name):
        return f"features.transition{match[1]}.conv"
    return {"conv0": "features.conv0", "fc": "classifier"}[name]


def mobilenet_v2(name):
    if match := re.fullmatch(r"b(\d+)\.(exp|dw|proj)", name):
        first = match[1] == "1"
        place = {"exp": "0.0", "dw": "0.0" if first else "1.0", "proj": "1" if first else "2"}
        return f"features.{match[1]}.conv.{place[match[2]]}"
    return {"conv0": "features.0.0", "conv_last": "features.18.0", "fc": "classifier.1"}[name]


def mobilenet_v1(name):
    if match := re.fullmatch(r"(dw|pw)(\d+)", name):
        return f"model.{match[2]}.{0 if match[1] == 'dw' else 3}"
    return {"conv1": "model.0.0", "fc": "fc"}[name]


def resnet(name):
    return f"{name}.0" if name.endswith("downsample") else name


def cifar_resnet(name):
    return re.sub(r"^l(\d)\.(\d+)\.c(\d)$", r"layer\1.\2.conv\3", name).replace("fc", "linear")


def wide_resnet(name):
    name = re.sub(r"^g(\d)\.b(\d)\.c(\d)$", r"block\1.layer.\2.conv\3", name)
    return re.sub(r"^g(\d)\.b(\d)\.sc$", r"block\1.layer.\2.convShortcut", name)


def caffe(name):
    return name


STYLES = {
    "vgg16": vgg16,
    "vgg16_cifar": vgg16,
    "googlenet": googlenet,
    "googlenet_torchvision": googlenet,
    "squeezenet1_0": squeezenet("1_0"),
    "squeezenet1_1": squeezenet("1_1"),
    "densenet121": densenet,
    "mobilenet_v1": mobilenet_v1,
    "mobilenet_v2": mobilenet_v2,
    "resnet20": cifar_resnet,
    "resnet56": cifar_resnet,
} | dict.fromkeys(("resnet18", "resnet34", "resnet50", "wide_resnet50_2"), resnet) | {
    name: wide_resnet for name in zoo.NAMES if name.startswith("wrn")
}  # fmt: skip


def styled(network):
    """The right tensor of every layer."""
    style = STYLES.get(network.name, caffe)
    names = {layer.name: f"{style(layer.name)}.weight" for layer in network}
    assert len(set(names.values())) == len(network)
    return names


def shapes(network, names):
    return {names[layer.name]: weights_shape(layer) for layer in network}


@pytest.mark.parametrize("name", zoo.NAMES)
@pytest.mark.parametrize("container", ["", "net.backbone."])
def test_every_network_in_the_order_of_its_modules(name, container):
    network = zoo.load(name)
    right = {layer: container + tensor for layer, tensor in styled(network).items()}
    assert match_names(network, shapes(network, right)) == right


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_network_in_the_order_of_the_alphabet(name):
    # As safetensors keep them: the order of the file says nothing.
    network = zoo.load(name)
    right = styled(network)
    found = dict(sorted(shapes(network, right).items()))
    if name.startswith("googlenet"):
        # Two modules have branches of one shape, and nothing tells these apart.
        unclear = ("3b.1x1", "3b.3x3r", "4c.1x1", "4c.3x3r")
        with pytest.raises(InputError, match=r"4 of 58 layers have no weights; expected names"):
            match_names(network, found)
        given = {layer: right[layer] for layer in unclear}
    else:
        given = {}
    assert match_names(network, found, given) == right


def chain(*names, shape=(4, 4, 3, 3)):
    return Network("chain", tuple(ConvLayer(n, *shape[1::-1], 9, 9, *shape[2:]) for n in names))


def same(*names, shape=(4, 4, 3, 3)):
    return dict.fromkeys(names, shape)


def test_equal_shapes_under_words_that_say_nothing():
    # The order of the alphabet is not that of the layers.
    network = chain("first", "second")
    with pytest.raises(InputError) as caught:
        match_names(network, same("body.weight", "stem.weight"), file="w.npz")
    assert str(caught.value).splitlines() == [
        "'w.npz' has no weights of 4x4x3x3 that are clearly those of layer 'first'; expected one "
        "of body.weight, stem.weight",
        "'w.npz' has no weights of 4x4x3x3 that are clearly those of layer 'second'; expected one "
        "of body.weight, stem.weight",
        "weights that match no layer: body.weight (4x4x3x3), stem.weight (4x4x3x3)",
        "2 of 2 layers have no weights; expected names that say which tensor each layer has "
        "(--names FILE), or fewer layers",
    ]
    assert match_names(network, same("stem.weight", "body.weight")) == {
        "first": "stem.weight",
        "second": "body.weight",
    }


def test_one_tensor_more_than_layers():
    with pytest.raises(InputError, match="2 of 2 layers have no weights"):
        match_names(chain("a", "b"), same("features.0", "features.1", "features.2"))


def test_numbers_are_no_hint_across_kinds():
    # Off by one: "conv1" is not "features.1", which is the second layer.
    network = chain("conv1", "conv2", "conv3")
    tensors = same("features.0.weight", "features.1.weight", "features.2.weight")
    assert match_names(network, tensors) == {
        "conv1": "features.0.weight",
        "conv2": "features.1.weight",
        "conv3": "features.2.weight",
    }


def test_numbers_are_compared_as_numbers():
    network = chain(*(f"layer {i}" for i in range(12)))
    tensors = same(*sorted(f"features.{i}.weight" for i in range(12)))
    found = match_names(network, tensors)
    assert found["layer 2"] == "features.2.weight"
    assert found["layer 10"] == "features.10.weight"


def test_a_tensor_of_the_right_name_and_another_shape():
    network = chain("conv1", "conv2")
    tensors = same("conv1.weight") | same("conv2.weight", shape=(3, 3, 4, 4))
    with pytest.raises(InputError) as caught:
        match_names(network, tensors, file="w.npz")
    assert str(caught.value) == (
        "'w.npz': tensor 'conv2.weight' is 3x3x4x4; expected 4x4x3x3 for layer 'conv2', as "
        "(M, C, R, S)"
    )


def test_names_that_are_given(tmp_path):
    network = chain("first", "second")
    tensors = same("body", "stem")
    right = {"first": "stem", "second": "body"}
    assert match_names(network, tensors, right) == right
    assert match_names(network, tensors, {"first": "stem"}) == right
    arrays = {name: np.full(shape, name == "stem", "f4") for name, shape in tensors.items()}
    (tmp_path / "names.yaml").write_text("first: stem\nsecond: body\n")
    matched = match_weights(network, arrays, tmp_path / "names.yaml")
    assert [matched[layer].tensor for layer in ("first", "second")] == ["stem", "body"]
    assert matched["first"].weight[0, 0, 0, 0] == 1
    assert not matched["first"].by_shape


def test_weights_that_are_matched_by_shape_say_so():
    network = Network("n", (*chain("first"), *chain("second", shape=(4, 4, 5, 5))))
    arrays = {"first.weight": np.ones((4, 4, 3, 3)), "other.weight": np.ones((4, 4, 5, 5))}
    matched = match_weights(network, arrays)
    assert [matched[layer].by_shape for layer in ("first", "second")] == [False, True]
    (note,) = cluster_network(network, arrays | noise(arrays), "kernel:k=2").notes
    assert note == "Matched by shape and order: second is other.weight (1 of 2 layers)."


def noise(arrays):
    rng = np.random.default_rng(0)
    return {name: rng.normal(size=array.shape) for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"firts": "stem"}, "network 'chain' has no layer 'firts'; did you mean 'first'?"),
        ({"first": "stam"}, "no weights 'stam' for layer 'first'; did you mean 'stem'?"),
        ({"first": "stem", "second": "stem"}, "two layers are given the same tensor"),
    ],
)
def test_given_names_that_are_wrong(names, message):
    with pytest.raises(InputError) as caught:
        match_names(chain("first", "second"), same("body", "stem"), names)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[first]", "names.yaml:1:1: no names of tensors; expected layer: tensor"),
        ("first: 3", "names.yaml:1:8: the tensor of layer 'first' is no text; expected its name"),
        ("first: [", "names.yaml:1:9: not valid YAML"),
    ],
)
def test_files_of_names_that_are_wrong(tmp_path, text, message):
    path = tmp_path / "names.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        match_weights(chain("first"), {"stem": np.zeros((4, 4, 3, 3))}, path)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_0", "vgg16"])
def test_no_permutation_of_a_file_gives_a_wrong_match(name):
    network = zoo.load(name)
    right = styled(network)
    items = list(shapes(network, right).items())
    rng = np.random.default_rng(0)
    for _ in range(20):
        shuffled = dict(items[i] for i in rng.permutation(len(items)))
        try:
            assert match_names(network, shuffled) == right
        except InputError:
            continue

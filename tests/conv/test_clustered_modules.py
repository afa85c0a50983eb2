"""Clustered convolutions in torch models."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from random_clustered import random_clustered

from kcsim.conv import EXECUTIONS
from kcsim.errors import InputError
from kcsim.workload import ConvLayer, Network

torch = pytest.importorskip("torch")

NETWORK = Network(
    "small",
    (
        ConvLayer("conv1", 3, 8, 12, 12, 3, 3, stride=2, padding=1, bias=True),
        ConvLayer("conv2", 8, 6, 6, 6, 3, 3, padding=(0, 0, 1, 1), groups=2),
        ConvLayer.linear("fc", 6, 7),
    ),
)
ARCHITECTURES = ("kernel:k=7", "linear_kernel:k=4", "kernel:k=5,transforms=4", "scalar:k=9")


def small_model():
    nn = torch.nn
    model = nn.Sequential()
    model.add_module("conv1", nn.Conv2d(3, 8, 3, stride=2, padding=1))
    model.add_module("relu", nn.ReLU())
    model.add_module("conv2", nn.Conv2d(8, 6, 3, padding=(0, 1), groups=2, bias=False))
    model.add_module("pool", nn.AdaptiveAvgPool2d(1))
    model.add_module("flat", nn.Flatten())
    model.add_module("fc", nn.Linear(6, 7))
    return model


def decoded(model, clustered):
    """The model with dense weights that are the decoded ones."""
    for name, module in model.named_modules():
        if name in {layer.name for layer in NETWORK}:
            weights = torch.from_numpy(np.array(clustered.decode(name)))
            module.weight.data = weights.reshape(module.weight.shape)
    return model


@pytest.mark.parametrize("execution", ["auto", *EXECUTIONS])
@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_a_model_computes_the_same(spec, execution):
    from kcsim.conv.module import ClusteredConv2d, cluster_model

    clustered = random_clustered(NETWORK, spec)
    model = small_model()
    inputs = torch.randn(2, 3, 12, 12)
    expected = decoded(model, clustered)(inputs)
    changed = cluster_model(model, clustered, execution=execution, threads=1)
    assert changed is model
    swapped = {name for name, part in model.named_modules() if isinstance(part, ClusteredConv2d)}
    assert swapped == set(clustered.layers) - {"fc"}
    torch.testing.assert_close(model(inputs), expected, rtol=1e-4, atol=1e-4)
    assert model.conv2.operations.multiplies > 0
    other = torch.randn(1, 3, 9, 20)
    assert model(other).shape == (1, 7)


@pytest.mark.parametrize("spec", ARCHITECTURES)
def test_a_state_dict_round_trip(spec, tmp_path):
    from safetensors.torch import load_file, save_file

    from kcsim.conv.module import cluster_model

    inputs = torch.randn(1, 3, 12, 12)
    saved = cluster_model(small_model(), random_clustered(NETWORK, spec, seed=1), threads=1)
    expected = saved(inputs)
    save_file(saved.state_dict(), tmp_path / "model.safetensors")
    loaded = cluster_model(small_model(), random_clustered(NETWORK, spec, seed=2), threads=1)
    assert not torch.equal(loaded(inputs), expected)
    loaded.load_state_dict(load_file(tmp_path / "model.safetensors"))
    assert torch.equal(loaded(inputs), expected)


def test_an_index_beyond_the_codebook_is_refused():
    from kcsim.conv.module import cluster_model

    model = cluster_model(small_model(), random_clustered(NETWORK))
    state = model.state_dict()
    state["conv1.indexes"][0, 0] = 7
    model.load_state_dict(state)
    with pytest.raises(InputError, match="an index is 7; expected 0 to 6"):
        model(torch.randn(1, 3, 12, 12))


def test_other_padding_is_refused():
    from kcsim.conv.module import cluster_model

    model = small_model()
    model.conv1 = torch.nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")
    with pytest.raises(InputError, match="pads by 'reflect'"):
        cluster_model(model, random_clustered(NETWORK))


def test_a_model_without_a_layer_is_refused():
    from kcsim.conv.module import cluster_model

    model = small_model()
    model.conv2 = torch.nn.Conv2d(8, 6, 5)
    with pytest.raises(InputError, match="conv2"):
        cluster_model(model, random_clustered(NETWORK))


def test_without_torch(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "kcsim.conv.module", raising=False)
    with pytest.raises(InputError, match=r"pip install 'kcsim\[torch\]'"):
        import kcsim.conv.module  # noqa: F401

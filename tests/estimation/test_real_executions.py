"""Trained weights of Deep Compression, whose scalars are clustered, executed with shared values."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from real_weights import real_file

import kcsim
from kcsim.cost.clustered_formats import weight_formats
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.replay.sharing import compare_shared, replay_shared
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.search import find_shared_mapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.workload.network import Network

CHOSEN = ("f2.s1", "f2.e3")
HARDWARE = Hardware(
    name="two levels",
    levels=(
        Level(name="DRAM", read_pj=200, write_pj=200),
        Level(name="buffer", read_pj=6, write_pj=6, capacity_words=2**17, fanout=Fanout(x=16)),
    ),
    compute=Compute(mac_pj=1, zeros={"weights": "skip"}),
    codebook=CodebookStore(level="buffer", capacity_kib=1, read_pj=1, write_pj=1),
)


@cache
def trained():
    """All layers of SqueezeNet 1.0, recognized as clustered."""
    path = real_file("imagenet_squeezenet1_0_deepcompression.npz")
    return kcsim.cluster_network("squeezenet1_0", path, "found")


def cut_to(names, size):
    """Some layers alone, with smaller images: the weights are the same."""
    whole = trained()
    layers = {
        layer.name: replace(
            layer, in_height=size + layer.kernel_height - 1 - sum(layer.padding[:2]),
            in_width=size + layer.kernel_width - 1 - sum(layer.padding[2:]),
        )
        for layer in whole.network if layer.name in names
    }  # fmt: skip
    clustered = {
        name: replace(known, part=replace(known.part, layer=layers[name]))
        for name, known in whole.layers.items() if name in layers
    }  # fmt: skip
    books = {known.part.codebook: whole.codebooks[known.part.codebook]
             for known in clustered.values()}  # fmt: skip
    network = Network("some layers", tuple(layers.values()))
    return replace(whole, network=network, layers=clustered, codebooks=books, dense={}, biases={})


@pytest.mark.slow
def test_executions_of_trained_layers_are_compared():
    weights = cut_to(CHOSEN, 4)
    compared = kcsim.compare_executions(HARDWARE, weights=weights, objective="energy")
    layers = {name: run.layers for name, run in compared.runs.items()}
    for i, layer in enumerate(weights.network):
        singles = [layers[name][i].energy for name in ("decode", *SHARINGS)]
        assert layers["auto"][i].energy <= min(singles)
        for sharing in SHARINGS:
            found = layers[sharing][i]
            assert found.execution == sharing
            assert not found.intermediate.is_expectation
            # Zeros are many, and left out: so are their sums and products.
            share = found.shared.distinct.zero_share
            assert share == pytest.approx(np.mean(weights.decode(layer.name) == 0))
            assert found.operations.adds < layers["decode"][i].operations.adds * 1.1


def test_distinct_values_of_trained_weights():
    weights = trained()
    for name in CHOSEN:
        known, decoded = weights.layers[name], weights.decode(name)
        codebook = weights.codebooks[known.part.codebook]
        for without_zeros in (False, True):
            found = DistinctEntries.of(known, codebook, without_zeros=without_zeros)
            plain = [
                len(np.unique(bits[bits << 1 != 0] if without_zeros else bits))
                for bits in (decoded.view(np.uint32)[:, c] for c in range(decoded.shape[1]))
            ]
            assert found.per_block(len(decoded)).ravel().tolist() == plain


@pytest.mark.parametrize("sharing", SHARINGS)
def test_trained_weights_are_executed_as_counted(sharing):
    weights = cut_to(("f2.s1",), 2)
    (layer,), known = weights.network, weights.layers["f2.s1"]
    codebook = weights.codebooks[known.part.codebook]
    distinct = DistinctEntries.of(known, codebook)
    (form,) = weight_formats((layer,), HARDWARE, weights)
    shared = SharedLayer(layer, HARDWARE, form, distinct, SHARINGS[sharing])
    found = find_shared_mapping(shared, "energy")
    inputs = np.random.default_rng(1).normal(
        size=(layer.batch, layer.in_channels, layer.in_height, layer.in_width)
    )
    replayed = replay_shared(shared, found.plan, known, codebook, inputs)
    assert compare_shared(replayed, found) == ()
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.conv2d(
        torch.from_numpy(inputs), torch.from_numpy(weights.decode(layer.name).astype(np.float64)),
        stride=layer.stride, padding=(layer.padding[0], layer.padding[2]),
    ).numpy()  # fmt: skip
    np.testing.assert_allclose(replayed.outputs, expected, rtol=1e-9, atol=1e-9)

"""Zeros of clustered weights: their share, and what it spares."""

import dataclasses
from fractions import Fraction

import numpy as np
import pytest
from decoded_layers import decoded, format_of, items, with_store
from hypothesis import given, settings
from hypothesis import strategies as st
from random_clustered import SMALL, random_clustered
from small_design import LAYER, MAPPING, design

from kcsim import InputError, evaluate, parse_clustering
from kcsim.clustering.precision import quantize
from kcsim.cost.clustered_formats import clustered_zeros, weight_formats
from kcsim.hardware.level import Fanout
from kcsim.hardware.schema import Compute
from kcsim.mapping.search import search_mapping
from kcsim.weights.clustered_layer import Codebook
from kcsim.workload.layer import ConvLayer
from kcsim.workload.zeros import ZeroShares


def test_zeros_of_a_specification():
    layers = [
        LAYER,
        dataclasses.replace(LAYER, name="own", zeros=ZeroShares(weights=0.5)),
        dataclasses.replace(LAYER, name="inputs", zeros=ZeroShares(inputs=0.25)),
        ConvLayer.linear("fc", 16, 4),
    ]
    found = clustered_zeros(layers, parse_clustering("row:k=4,sparse=0.3;inputs:sparse=0.7"))
    shares = [dataclasses.astuple(layer.zeros) for layer in found]
    assert shares == [(0.3, 0, 0), (0.5, 0, 0), (0.7, 0.25, 0), (0, 0, 0)]
    assert found[0].zeros.fraction("weights") == Fraction(3, 10)
    for layer, before in zip(found, layers, strict=True):
        assert dataclasses.replace(layer, zeros=before.zeros) == before
    assert clustered_zeros(layers, parse_clustering("row:k=4")) == tuple(layers)


def with_zero_entries(weights, dead=()):
    """Random weights whose first entry is zero, and the only one of some layers."""
    codebooks = {}
    for name, codebook in weights.codebooks.items():
        entries = codebook.entries.values.copy()
        entries[0] = 0
        codebooks[name] = Codebook(name, quantize(entries, 32, "entries"))
    layers = {
        name: dataclasses.replace(layer, indexes=np.zeros_like(layer.indexes))
        if name in dead
        else layer
        for name, layer in weights.layers.items()
    }
    return dataclasses.replace(weights, layers=layers, codebooks=codebooks)


@pytest.mark.parametrize("spec", ["row:k=4", "scalar:k=5", "scaled_kernel:k=6", "kernel:k=3"])
def test_zeros_of_real_weights(spec):
    weights = with_zero_entries(random_clustered(spec=spec))
    found = clustered_zeros(list(SMALL), weights)
    assert any(layer.zeros.weights for layer in found)
    for before, layer in zip(SMALL, found, strict=True):
        if layer.name not in weights.layers:
            assert layer == before
            continue
        units = weights.layers[layer.name]
        share = Fraction(int((units.indexes == 0).sum()), units.indexes.size)
        assert layer.zeros.weights == float(share)
        assert layer.zeros.fraction("weights") == pytest.approx(share, abs=1e-15)
    # Random entries, of which none is zero.
    assert clustered_zeros(list(SMALL), random_clustered(spec=spec)) == tuple(SMALL)


def test_offsets_hide_zero_entries():
    weights = with_zero_entries(random_clustered(spec="linear_kernel:k=4"))
    assert clustered_zeros(list(SMALL), weights) == tuple(SMALL)


def test_weights_that_are_all_zero():
    weights = with_zero_entries(random_clustered(spec="row:k=4"), dead=("conv1",))
    share = clustered_zeros([SMALL.layers[0]], weights)[0].zeros.fraction("weights")
    assert 1 - Fraction(1, 10**15) < share < 1
    hardware = with_store(design(compute={"zeros": {"weights": "skip"}}))
    layer = clustered_zeros([SMALL.layers[0]], weights)[0]
    (form,) = weight_formats([layer], hardware, weights)
    mapping = search_mapping(layer, hardware, weights=form.costs(hardware)).mapping
    assert evaluate(layer, hardware, mapping, form).macs_left.computed == 1


def test_zeros_of_layers_that_do_not_fit():
    with pytest.raises(InputError, match="have no layer 'conv'"):
        clustered_zeros([LAYER], random_clustered(spec="row:k=4"))


@settings(max_examples=60, deadline=None)
@given(decoded(), st.fractions(0, Fraction(99, 100), max_denominator=100),
       st.sampled_from(("gate", "skip")))  # fmt: skip
def test_zero_weights_spare_exactly_their_share(problem, share, treatment):
    layer, hardware, mapping, form = problem
    share = Fraction(round(100 * share), 100)
    compute = Compute(mac_pj=2, zeros={"weights": treatment}, gated_mac_pj=0.5)
    hardware = dataclasses.replace(hardware, compute=compute)
    zeros = ZeroShares(weights=float(share))
    dense, sparse = (
        evaluate(each, hardware, mapping, form)
        for each in (layer, dataclasses.replace(layer, zeros=zeros))
    )
    one, other = items(dense), items(sparse)
    left = -(-(layer.macs * (1 - share)) // 1)
    assert other["MAC", "", "compute"].count == left
    gated = other.get(("MAC", "", "gate"))
    assert (gated.count if gated else 0) == (layer.macs - left) * (treatment == "gate")
    # A weight has to be looked up to be known as zero; one that is skipped is not.
    innermost = len(hardware.levels) - 1
    is_kept = mapping.keeps_array(hardware)[innermost, 0]
    spared = treatment == "skip" and form.decode_level == innermost and is_kept
    macs = layer.macs * share * spared
    for action in ("multiply", "add"):
        key = "codebook", "weights", action
        assert other[key].accesses == -(-(one[key].accesses - macs) // 1)
        assert other[key].count == one[key].count
    # Indexes of zeros move like all others.
    for name in hardware.level_names[: form.decode_level + (not spared)]:
        key = name, "weights", "read"
        assert other.get(key) == one.get(key)
        assert other.get((name, "weights", "fill")) == one.get((name, "weights", "fill"))


def test_the_search_looks_up_no_weights_that_are_not_read():
    compute = {"mac_pj": 0, "zeros": {"inputs": "gate"}}
    free = {"read_pj": 0, "write_pj": 0}
    buffer = free | {"fanout": Fanout(x=2)}
    hardware = with_store(design(free, buffer, free, compute), level="PE", write_pj=0)
    layer = dataclasses.replace(LAYER, zeros=ZeroShares(inputs=0.25))
    form = format_of(layer, hardware)
    found = search_mapping(layer, hardware, objective="energy", weights=form.costs(hardware))
    assert found.energy == pytest.approx(0.75 * 288 * 3)
    assert evaluate(layer, hardware, found.mapping, form).energy == 0.75 * 288 * 3


def test_pruned_layers_on_a_design_that_skips_zeros():
    compute = {"mac_pj": 1, "zeros": {"weights": "skip"}}
    hardware = with_store(design(compute=compute), level="PE")
    (layer,) = clustered_zeros([LAYER], parse_clustering("row:k=4,sparse=0.5"))
    form = format_of(layer, hardware, "row:k=4,sparse=0.5")
    account = items(evaluate(layer, hardware, MAPPING, form))
    assert account["MAC", "", "compute"].count == 144
    assert account["codebook", "weights", "lookup"].accesses == 144
    assert account["DRAM", "weights", "read"].bits == 24 * 2

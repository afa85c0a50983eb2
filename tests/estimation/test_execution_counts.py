"""What executions count: operations, room, and every kind of layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from random_clustered import random_clustered
from random_sharing import SPECS
from shared_layers import KERNELS, LAYER, SMALL, layers_of, on_one_level, shared_layer

import kcsim
from kcsim.clustering.resolve import resolve_layer
from kcsim.clustering.spec import parse_clustering
from kcsim.conv.operations import count_operations
from kcsim.cost.clustered_formats import weight_formats
from kcsim.hardware.reader import load_hardware
from kcsim.sharing.account import SharedEstimate
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.strategies import SHARINGS
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network


@pytest.mark.parametrize("sharing", SHARINGS)
def test_real_and_expected_weights_give_the_same_structure(sharing):
    network = Network("one", (LAYER,))
    real = random_clustered(network, KERNELS, 3)
    (expected,) = layers_of(network, sharing)
    (found,) = kcsim.estimate(SMALL, network, weights=real, execution=sharing)[sharing].layers
    for each in (expected, found):
        assert isinstance(each, SharedEstimate)
        assert each.execution == sharing
        assert each.counts.layer.name == "layer"
        assert each.energy == pytest.approx(sum(each.energy_by_component().values()))
    assert expected.intermediate.is_expectation
    assert not found.intermediate.is_expectation
    names = [{(i.component, i.tensor, i.action) for i in e.items} for e in (expected, found)]
    assert names[0] == names[1]


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize(
    "layer",
    [
        ConvLayer("layer", 6, 8, 5, 6, 3, 3, padding=1, batch=2),
        ConvLayer("layer", 12, 8, 7, 7, 3, 2, groups=2, dilation=2),
    ],
    ids=["plain", "grouped"],
)
def test_operations_of_a_whole_tile_are_those_of_the_convolution(spec, sharing, layer):
    everything = random_clustered(Network("one", (layer,)), spec, 5)
    weights = everything.layers["layer"]
    codebook = everything.codebooks[weights.part.codebook]
    hardware = load_hardware("simple")
    (form,) = weight_formats((layer,), hardware, everything)
    found = on_one_level(layer, hardware, DistinctEntries.of(weights, codebook), sharing, form)
    assert found.operations == count_operations(weights, sharing)


@pytest.mark.parametrize("spec", ["kernel:k=3,dense=none", "kernel:k=3,transforms=4,dense=none"])
@pytest.mark.parametrize("sharing", SHARINGS)
def test_operations_where_a_stride_passes_over_rows(spec, sharing):
    layer = ConvLayer("layer", 4, 6, 9, 9, 3, 3, stride=2)
    everything = random_clustered(Network("one", (layer,)), spec, 5)
    weights = everything.layers["layer"]
    hardware = load_hardware("simple")
    (form,) = weight_formats((layer,), hardware, everything)
    distinct = DistinctEntries.of(weights, everything.codebooks[weights.part.codebook])
    found = on_one_level(layer, hardware, distinct, sharing, form).operations
    counted = count_operations(weights, sharing)
    if sharing == "share_products":
        # Units that fill a kernel are multiplied once for each output.
        assert found == counted
    else:
        # Sums of every row are used by some tap, but not every row by every tap.
        assert found.multiplies == counted.multiplies
        assert found.adds >= counted.adds


@pytest.mark.parametrize("spec", SPECS)
def test_operations_of_decoding(spec):
    network = Network("one", (ConvLayer("layer", 6, 8, 5, 6, 3, 3, padding=1, batch=2),))
    everything = random_clustered(network, spec, 5)
    (found,) = kcsim.estimate(SMALL, network, weights=everything)["decode"].layers
    counted, kind = count_operations(everything.layers["layer"], "decode"), found.weight_format
    # The decoder multiplies every weight that it gives by a scale, and adds an offset.
    assert found.operations.multiplies - counted.multiplies == (
        kind.multiplies_per_weight * given_weights(found)
    )
    assert found.operations.adds - counted.adds == kind.adds_per_weight * given_weights(found)


def given_weights(estimate):
    """Weights that leave the decoder: each unit that is looked up in full."""
    return estimate.lookups * int(np.prod(estimate.weight_format.unit))


@pytest.mark.parametrize(
    "layer",
    [
        replace(LAYER, batch=2),
        ConvLayer("layer", 4, 4, 5, 5, 3, 3, groups=2),
        ConvLayer("layer", 3, 3, 5, 5, 3, 3, groups=3),
        ConvLayer("layer", 2, 4, 7, 7, 3, 3, stride=2),
        ConvLayer("layer", 2, 4, 7, 7, 3, 3, dilation=2),
        ConvLayer("layer", 2, 4, 6, 4, 3, 1, stride=(2, 1), padding=(1, 0)),
        ConvLayer.linear("layer", 6, 4),
    ],
    ids=["batch", "groups", "depthwise", "stride", "dilation", "odd", "linear"],
)
@pytest.mark.parametrize("sharing", SHARINGS)
def test_every_kind_of_layer(layer, sharing):
    (found,) = layers_of(Network("one", (layer,)), sharing, "energy")
    assert found.execution == sharing
    assert found.layer == layer
    assert 0 < found.utilization <= 1
    operations = found.operations
    assert operations.multiplies > 0
    assert found.full_adders > 0
    # Nothing is shared that is not there: one product a unit and tap at most.
    assert found.intermediate.width <= 3


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("spec", ["kernel:k={},scope=layer", "row:k={}", "scalar:k={}"])
def test_fewer_entries_never_take_more_room(sharing, spec):
    hardware, words = load_hardware("simple"), []
    layer = ConvLayer("layer", 4, 12, 6, 6, 3, 3)
    for k in (1, 2, 3, 5, 9, 20, 48):
        shared = shared_layer(layer, hardware, spec.format(k), sharing)
        found = on_one_level(layer, hardware, shared.distinct, sharing, shared.form)
        words.append((found.intermediate.words, found.intermediate.width))
    assert words == sorted(words)
    assert words[0] < words[-1]


@pytest.mark.parametrize("sharing", SHARINGS)
def test_a_short_last_sub_vector_is_multiplied_as_a_whole_one(sharing):
    layer, longer = (ConvLayer("layer", channels, 8, 5, 6, 3, 3) for channels in (5, 6))
    spec = "product:k=2,length=3"
    everything = random_clustered(Network("one", (layer,)), spec, 5)
    weights, hardware = everything.layers["layer"], load_hardware("simple")
    (form,) = weight_formats((layer,), hardware, everything)
    distinct = DistinctEntries.of(weights, everything.codebooks[weights.part.codebook])
    found = on_one_level(layer, hardware, distinct, sharing, form).operations
    whole = replace(weights, part=resolve_layer(longer, parse_clustering(spec)))
    assert found.multiplies == count_operations(whole, sharing).multiplies
    assert found.multiplies > count_operations(weights, sharing).multiplies

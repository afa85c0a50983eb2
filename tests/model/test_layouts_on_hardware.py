"""Layouts of codebooks on the hardware: what moves, what is looked up, and what is shared."""

from __future__ import annotations

import numpy as np
import pytest
from decoded_layers import format_of, items, with_store
from random_clustered import LAYOUT_SPECS, SMALL, random_clustered
from small_design import design

import kcsim
from kcsim import InputError, MappingError
from kcsim.cost.clustered_formats import weight_formats
from kcsim.model.best import map_layer
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.plan import SharedLayer
from kcsim.sharing.search import find_shared_mapping
from kcsim.sharing.strategies import SHARINGS

CONV = kcsim.ConvLayer("conv", 8, 8, 10, 10, 3, 3)


@pytest.mark.parametrize("spec", LAYOUT_SPECS)
def test_what_is_stored_beside_codebooks_moves_with_the_units(spec):
    weights = random_clustered(spec=spec)
    hardware = with_store(design())
    forms = weight_formats(SMALL.layers, hardware, weights)
    stored = weights.storage(weight_bits=hardware.precision_bits.weights)
    for form, each in zip(forms, stored.layers, strict=True):
        part = each.clustering
        if part.unit is None:
            continue
        # Steps of scales stay behind, as they do with the codebook.
        steps = 0
        if part.settings.filter_scale_bits not in (None, 16, 32):
            steps = 32
        moved = each.weights_bits - each.codebook_bits - steps
        assert float(form.unit_bits * part.units) == pytest.approx(moved, rel=1e-12)
        assert form.codebook_words == part.codebook_words


def test_each_stage_is_a_lookup_and_each_but_the_first_an_addition():
    hardware = with_store(design(compute={"add_pj": 0.5}), read_words_per_cycle=1.0)
    one, three = (format_of(CONV, hardware, f"scalar:k=4,stages={n}") for n in (1, 3))
    mapping = map_layer(CONV, hardware, weight_format=one).mapping
    plain = items(kcsim.evaluate(CONV, hardware, mapping, one))
    summed = items(kcsim.evaluate(CONV, hardware, mapping, three))
    key = ("codebook", "weights", "lookup")
    for name in ("count", "bits", "accesses", "energy"):
        assert getattr(summed[key], name) == 3 * getattr(plain[key], name)
    assert summed["codebook", "weights", "add"].count == 2 * plain[key].count
    assert three.codebook_words == 3 * one.codebook_words


def test_a_unit_of_several_filters_is_one_lookup_for_those_that_leave_together():
    hardware = with_store(design())
    units = {n: format_of(CONV, hardware, f"block:k=4,shape={n}x1x1x1") for n in (1, 2, 8)}
    whole = {"G": 1, "M": 8, "C": 8, "R": 3, "S": 3}
    assert [units[n].units_in(whole) for n in (1, 2, 8)] == [576, 288, 72]
    # A tile of 3 filters cuts units of 2, and pays for the whole of them.
    assert units[2].units_in(whole | {"M": 3}) == 2 * 72


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("block:k=4,shape=2x1x1x1", "its units span several filters"),
        ("block:k=4,shape=2xRxS", "its units span both channels and taps"),
        ("scalar:k=4,stages=2", "its units are sums of entries"),
        ("scalar:k=4,codebook_filters=2", "its filters or channels have codebooks of their own"),
        ("scalar:k=4,outliers=0.1", "its weights have outliers or scales of filters"),
        ("scalar:k=4,filter_scale_bits=8", "its weights have outliers or scales of filters"),
    ],
)
def test_layouts_that_share_nothing_say_why(spec, reason):
    network = kcsim.Network("one", (CONV,))
    result = kcsim.estimate("simple", network, clustering=spec, execution="auto")
    layer = result["auto"].layers[0]
    assert layer.execution == "decode"
    result = kcsim.estimate("simple", network, clustering=spec, execution="share_sums")
    assert reason in result["share_sums"].layers[0].note
    weights = kcsim.cluster_network(
        network, {"conv.weight": np.random.default_rng(0).normal(size=(8, 8, 3, 3))}, spec
    )
    found, codebook = weights.layers["conv"], weights.codebooks["conv"]
    images = np.ones((1, 8, 10, 10), np.float32)
    with pytest.raises(InputError, match=reason):
        kcsim.clustered_conv2d(images, found, codebook, execution="share_products")
    outputs = kcsim.clustered_conv2d(images, found, codebook)
    assert np.isfinite(outputs).all()


def test_mapping_a_layer_that_shares_nothing_is_refused():
    hardware = kcsim.load_hardware("simple")
    spec = "scalar:k=4,stages=2"
    (form,) = weight_formats((CONV,), hardware, kcsim.parse_clustering(spec))
    part = kcsim.clustering.resolve.resolve_layer(CONV, kcsim.parse_clustering(spec))
    shared = SharedLayer(
        CONV, hardware, form, DistinctEntries.expected(part), SHARINGS["share_sums"]
    )
    with pytest.raises(MappingError, match="conv cannot share sums: its units are sums"):
        find_shared_mapping(shared)


@pytest.mark.parametrize("spec", ["block:k=4,shape=2x1x1", "block:k=4,shape=1x3x1"])
def test_blocks_of_one_codebook_share_as_other_units_do(spec):
    network = kcsim.Network("one", (CONV,))
    result = kcsim.estimate("simple", network, clustering=spec, execution="share_products")
    assert result["share_products"].layers[0].execution == "share_products"

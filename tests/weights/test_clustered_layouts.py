"""Weights clustered in every layout: decoded by definition, and fitted as well as promised."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_clustered import LAYOUT_SPECS, SMALL, SPECS, random_clustered

import kcsim
from kcsim.clustering.units import weights_shape

LAYER = kcsim.ConvLayer("conv", 8, 16, 9, 9, 3, 3)
NETWORK = kcsim.Network("one", (LAYER,))
RANDOM = np.random.default_rng(0)
WEIGHTS = RANDOM.normal(size=(16, 8, 3, 3)).astype(np.float32)


def clustered(text, weights=WEIGHTS):
    result = kcsim.cluster_network(NETWORK, {"conv.weight": weights}, text)
    return result, result.layers["conv"]


def weight_at(layer, codebook, place):
    """One weight of a clustered layer, from the definition alone."""
    part, settings = layer.part, layer.part.settings
    unit, entries = part.unit, codebook.entries.values
    m, c, r, s = place
    if layer.outliers is not None:
        flat = np.ravel_multi_index(place, weights_shape(part.layer))
        if flat in layer.outliers.positions.tolist():
            return layer.outliers.values[layer.outliers.positions.tolist().index(flat)]
    at = (m // unit.filters, c // unit.channels, r // unit.height, s // unit.width)
    within = ((m % unit.filters) * unit.channels + c % unit.channels, r % unit.height,
              s % unit.width)  # fmt: skip
    across = settings.codebook_filters or part.layer.out_channels
    all_channels = part.layer.in_channels // part.layer.groups
    along = settings.codebook_channels or all_channels
    book = m // across * -(-all_channels // along) + c // along
    books = part.subspaces
    value = np.float32(0)
    for stage in range(settings.stages):
        index = layer.indexes[stage][at] if settings.stages > 1 else layer.indexes[at]
        first = (stage * books + book) * unit.filters * unit.channels
        value = value + entries[index, first + within[0], within[1], within[2]]
    if layer.filter_scales is not None:
        value = value * layer.filter_scales.values[m]
    return value


@given(st.sampled_from(LAYOUT_SPECS), st.integers(0, 99), st.data())
def test_weights_decode_by_definition(spec, seed, data):
    weights = random_clustered(spec=spec, seed=seed)
    name = data.draw(st.sampled_from(sorted(weights.layers)))
    layer = weights.layers[name]
    if layer.part.settings.is_product or layer.part.settings.transforms > 1:
        return
    decoded = weights.decode(name)
    place = tuple(data.draw(st.integers(0, size - 1)) for size in decoded.shape)
    expected = weight_at(layer, weights.codebooks[layer.part.codebook], place)
    assert decoded[place] == expected


@pytest.mark.parametrize("spec", SPECS + LAYOUT_SPECS)
def test_real_indexes_take_the_bits_that_are_counted_one_by_one(spec):
    weights = random_clustered(spec=spec)
    for each in weights.storage().layers:
        layer = weights.layers.get(each.clustering.layer.name)
        if layer is None or layer.part.settings.index != "fixed":
            continue
        part, positions = layer.part, layer.part.settings.positions
        kept = layer.indexes.size if positions == "all" else np.count_nonzero(layer.indexes)
        if positions == "relative":
            gaps = np.diff(np.flatnonzero(layer.indexes.ravel()), prepend=-1) - 1
            kept += sum(gap // 2**part.settings.position_bits for gap in gaps.tolist())
            assert each.positions_bits == kept * part.settings.position_bits + 32
        entries = part.clusters - (positions == "bitmask")
        assert each.indexes_bits == kept * max(entries - 1, 0).bit_length()
        if layer.outliers is not None:
            words = part.layer.weight_words
            width = (words - 1).bit_length()
            assert each.outliers_bits == len(layer.outliers.positions) * (32 + width)


# --- what clustering promises


@pytest.mark.parametrize(
    "text",
    [
        "scalar:k=8,codebook_filters=4",
        "scalar:k=8,codebook_channels=2",
        "row:k=8,codebook_filters=8,codebook_channels=4",
        "block:k=8,shape=2x1x1,codebook_filters=8",
        "scalar:k=8,filter_scale_bits=32",
        "scalar:k=8,stages=2",
        "scalar:k=8,outliers=0.05",
    ],
)
def test_finer_layouts_lose_less(text):
    scheme = text.split(",")[0]
    shape = ",shape=2x1x1" if "block" in text else ""
    plain = clustered(f"{scheme}{shape},scope=layer")[1]
    if "filter_scale" in text:
        # Filters of different sizes, of one distribution.
        sizes = np.exp(RANDOM.normal(size=(16, 1, 1, 1))).astype(np.float32)
        plain = clustered(f"{scheme},scope=layer", WEIGHTS * sizes)[1]
        assert clustered(text, WEIGHTS * sizes)[1].mean_squared_error < plain.mean_squared_error
        return
    assert clustered(text)[1].mean_squared_error < plain.mean_squared_error


@pytest.mark.parametrize("across", [1, 4, 16])
def test_each_codebook_is_the_best_of_its_own_weights(across):
    layer = clustered(f"scalar:k=4,codebook_filters={across}")[1]
    alone = [
        kcsim.cluster_network(
            kcsim.Network("part", (kcsim.ConvLayer("conv", 8, across, 9, 9, 3, 3),)),
            {"conv.weight": WEIGHTS[first : first + across]},
            "scalar:k=4",
        ).layers["conv"].mean_squared_error
        for first in range(0, 16, across)
    ]  # fmt: skip
    assert layer.mean_squared_error == pytest.approx(np.mean(alone))


def test_outliers_are_the_largest_and_come_back_exactly():
    result, layer = clustered("scalar:k=4,outliers=0.03")
    count = round(0.03 * WEIGHTS.size)
    largest = np.sort(np.argsort(-np.abs(WEIGHTS.ravel()))[:count])
    assert (layer.outliers.positions == largest).all()
    assert (result.decode("conv").ravel()[largest] == WEIGHTS.ravel()[largest]).all()
    # What is left is clustered as if it stood alone.
    rest = np.delete(WEIGHTS.ravel(), largest)
    network = kcsim.Network("rest", (kcsim.ConvLayer.linear("fc", len(rest), 1),))
    alone = kcsim.cluster_network(network, {"fc.weight": rest[None]}, "scalar:k=4")
    error = layer.mean_squared_error * WEIGHTS.size
    assert error == pytest.approx(alone.layers["fc"].mean_squared_error * rest.size)


@pytest.mark.parametrize("positions", ["relative", "bitmask"])
def test_zero_weights_stay_zero(positions):
    pruned = np.where(np.abs(WEIGHTS) < 0.8, 0, WEIGHTS).astype(np.float32)
    result, layer = clustered(f"scalar:k=9,positions={positions}", pruned)
    decoded = result.decode("conv")
    assert ((decoded == 0) >= (pruned == 0)).all()
    zero = layer.indexes == 0
    assert (zero == (pruned == 0)).all()
    assert not decoded[zero].any()


def test_sparse_scalars_are_pruned_by_magnitude():
    result, _ = clustered("scalar:k=9,sparse=0.6,positions=bitmask")
    smallest = np.argsort(np.abs(WEIGHTS.ravel()))[: int(0.6 * WEIGHTS.size)]
    assert (np.flatnonzero(result.decode("conv").ravel() == 0) == np.sort(smallest)).all()


@given(st.integers(1, 3), st.integers(2, 6), st.integers(0, 50))
@settings(max_examples=15)
def test_stages_never_lose_more_than_fewer_of_them(stages, k, seed):
    weights = np.random.default_rng(seed).normal(size=(16, 8, 3, 3)).astype(np.float32)
    errors = [
        clustered(f"block:k={k},shape=2x1x1,stages={count}", weights)[1].mean_squared_error
        for count in (stages, stages + 1)
    ]
    assert errors[1] <= errors[0] * (1 + 1e-6)


def test_filters_of_one_shape_and_many_sizes_need_one_codebook_and_scales():
    codebook = np.array([-1, -0.5, 0.25, 1], np.float32)
    sizes = 2.0 ** np.arange(-8, 8, dtype=np.float32)
    weights = codebook[RANDOM.integers(4, size=(16, 8, 3, 3))] * sizes[:, None, None, None]
    assert clustered("scalar:k=4,filter_scale_bits=32", weights)[1].variance_kept > 1 - 1e-6
    assert clustered("scalar:k=4", weights)[1].variance_kept < 0.999


def test_codebooks_of_layouts_serve_networks_too():
    tensors = {
        f"{layer.name}.weight": np.random.default_rng(1).normal(size=weights_shape(layer))
        for layer in SMALL
    }
    result = kcsim.cluster_network(SMALL, tensors, "scalar:k=9,scope=network,positions=relative")
    assert len(result.codebooks) == 1
    assert result.storage().total_bits == pytest.approx(
        9 * 32 + sum(
            layer.stored_counts.sum() * 8 + 32 for layer in result.layers.values()
        )
    )  # fmt: skip

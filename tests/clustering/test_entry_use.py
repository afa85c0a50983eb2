"""How unevenly entries are used: against drawn tables, and against real weights that are there."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from real_weights import real_file

import kcsim
from kcsim.clustering.entry_use import EntryUse, Expected, entry_uses, expected_entries
from kcsim.clustering.resolve import resolve_network
from kcsim.sharing.distinct_entries import DistinctEntries


@given(kinds=st.integers(1, 4), draws=st.integers(0, 5), concentration=st.integers(1, 4))
def test_distinct_entries_of_an_urn_by_enumeration(kinds, draws, concentration):
    # Polya's urn: every draw puts one more of its entry in; the Dirichlet-multinomial distribution.
    mean = square = Fraction(0)
    for sequence in itertools.product(range(kinds), repeat=draws):
        chance, seen = Fraction(1), Counter()
        for i, entry in enumerate(sequence):
            chance *= Fraction(concentration + seen[entry], kinds * concentration + i)
            seen[entry] += 1
        mean += chance * len(seen)
        square += chance * len(seen) ** 2
    found = expected_entries(kinds, draws, EntryUse(concentration))
    assert found.mean == pytest.approx(float(mean))
    assert found.deviation == pytest.approx(math.sqrt(square - mean**2), abs=1e-6)


@given(kinds=st.integers(2, 5), draws=st.integers(0, 5))
def test_distinct_entries_of_uniform_draws_by_enumeration(kinds, draws):
    counts = [len(set(each)) for each in itertools.product(range(kinds), repeat=draws)]
    found = expected_entries(kinds, draws, EntryUse())
    assert found.mean == pytest.approx(np.mean(counts))
    assert found.deviation == pytest.approx(np.std(counts), abs=1e-6)


@given(kinds=st.integers(1, 300), draws=st.integers(0, 3000))
@settings(deadline=None)
def test_a_large_concentration_is_uniform(kinds, draws):
    uniform, nearly = (expected_entries(kinds, draws, EntryUse(a)) for a in (math.inf, 1e7))
    assert nearly.mean == pytest.approx(uniform.mean, rel=1e-3)


@given(
    kinds=st.integers(1, 300), draws=st.integers(0, 3000),
    concentration=st.floats(0.05, 1000), spread=st.floats(0, 4),
)  # fmt: skip
@settings(deadline=None)
def test_uneven_use_needs_fewer_entries_and_more_units_need_more(
    kinds, draws, concentration, spread
):
    use = EntryUse(concentration, spread)
    found, more = (expected_entries(kinds, n, use) for n in (draws, draws + 1))
    assert -1e-9 <= found.mean <= min(kinds, draws) * (1 + 1e-6)
    assert found.mean <= more.mean * (1 + 1e-6)
    assert found.mean <= expected_entries(kinds, draws, EntryUse()).mean * (1 + 1e-6) + 1e-6
    assert found.deviation >= 0


def test_the_expected_maximum_is_that_of_normal_tables():
    drawn = np.random.default_rng(0).normal(50, 4, (4000, 25))
    assert Expected(50, 4).widest(25, 1000) == pytest.approx(drawn.max(axis=1).mean(), rel=0.01)
    assert Expected(50, 4).widest(25, 52) == 52
    assert Expected(50, 4).widest(1, 1000) == 50


@pytest.mark.parametrize("scheme", ["scalar", "row", "kernel", "scaled_kernel", "product"])
def test_uses_between_known_sizes_lie_between_theirs(scheme):
    length = ",length=4" if scheme == "product" else ""
    low, middle, high = (
        entry_uses(kcsim.parse_clustering(f"{scheme}:k=16{length}"), k) for k in (16, 30, 64)
    )
    for few, some, many in zip(low, middle, high, strict=True):
        for a, b, c in zip(few, some, many, strict=True):
            assert min(a, c) - 1e-12 <= b <= max(a, c) + 1e-12
    beyond = entry_uses(kcsim.parse_clustering(f"{scheme}:k=16{length}"), 10**6)
    assert beyond == entry_uses(kcsim.parse_clustering(f"{scheme}:k=16{length}"), 10**7)


def test_of_schemes_without_known_layers_draws_are_uniform():
    uses = entry_uses(kcsim.parse_clustering("block:k=16,shape=4x1x1"), 16)
    assert uses.block == uses.filter == EntryUse()


def test_one_table_is_as_wide_as_the_expected_maximum_and_the_total_stays():
    network = kcsim.load_network("resnet20")
    part = resolve_network(network.layers, kcsim.parse_clustering("scalar:k=64"))[5]
    uses = entry_uses(part.settings, part.clusters)
    found = DistinctEntries.expected(part, uses=uses)
    one = expected_entries(64, 16 * 9, uses.block)
    counted = found.per_block(16)
    assert counted.max() == round(one.widest(counted.size, 64))
    assert counted.max() > one.mean + 1
    assert abs(counted.sum() - one.mean * counted.size) <= 0.5
    rest = np.sort(counted.ravel())[:-1]
    assert rest.max() - rest.min() <= 1


@pytest.mark.parametrize(
    "spec", ["scalar:k=16", "scalar:k=64", "row:k=64", "kernel:k=16,scope=layer"]
)
def test_layers_of_a_network_that_was_not_fitted_to_have_as_many_entries(spec):
    weights = str(real_file("cifar10_resnet56.npz"))
    clustered = kcsim.cluster_network("resnet56", weights, spec, seed=0)
    expected, uniform, real = Counter(), Counter(), Counter()
    for layer in clustered.layers.values():
        if layer.part.unit is None:
            continue
        uses = entry_uses(layer.part.settings, layer.part.clusters)
        found = DistinctEntries.of(layer, clustered.codebooks[layer.part.codebook])
        for name in ("per_block", "per_filter"):
            size = layer.part.layer.out_channels if name == "per_block" else found.blocks
            real[name] += getattr(found, name)(size).sum()
            for total, given_uses in ((expected, uses), (uniform, None)):
                drawn = DistinctEntries.expected(layer.part, uses=given_uses)
                total[name] += getattr(drawn, name)(size).sum()
    for name, count in real.items():
        assert expected[name] == pytest.approx(count, rel=0.06)
        assert uniform[name] > 1.1 * count

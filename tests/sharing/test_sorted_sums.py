"""Filters that share one order of their units: sums, against plain walks, draws and hands."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from shared_layers import shared_layer
from test_sharing_by_hand import HARDWARE, loops, plan, shared

import kcsim
from kcsim.clustering.entry_use import EntryUse, expected_entries
from kcsim.clustering.sorted_units import expected_sums
from kcsim.kernels.sorted_units import count_sums
from kcsim.replay.sorted_units import sort_units
from kcsim.sharing.account import evaluate_shared
from kcsim.sharing.distinct_entries import DistinctEntries
from kcsim.sharing.limits import possible_groups
from kcsim.sharing.sorted_sums import sorted_sums
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

KEYS = arrays.arrays(
    np.int64, st.tuples(st.just(1), st.integers(1, 4), st.integers(1, 24)),
    elements=st.integers(-1, 3),
)  # fmt: skip


def counted(keys, most=0):
    """Sums of every filter, and those that are passed on."""
    sums, passed = np.zeros(keys.shape[:2], np.int64), np.zeros(len(keys), np.int64)
    count_sums(keys, most, sums, passed)
    return sums, passed


@given(KEYS, st.integers(0, 5))
def test_sums_are_the_runs_of_sorted_units(keys, most):
    sums, passed = counted(keys, most)
    found = sort_units(keys[0], most)
    assert sums[0].tolist() == [sum(run.entry >= 0 for run in runs) for runs in found.runs]
    assert passed[0] == sum(run.is_passed for runs in found.runs for run in runs)


@given(KEYS)
def test_without_a_cap_filters_have_as_many_sums_as_combinations_of_entries(keys):
    sums, passed = counted(keys)
    columns = [tuple(column) for column in keys[0].T.tolist()]
    for f in range(keys.shape[1]):
        found = {column[: f + 1] for column in columns if column[f] >= 0}
        assert sums[0, f] == len(found)
    handed = {column[: f + 1] for column in columns for f in range(1, keys.shape[1])
              if max(column[:f]) >= 0}  # fmt: skip
    assert passed[0] == len(handed)


@given(KEYS, st.integers(1, 5))
def test_a_cap_bounds_what_one_sum_adds_up_and_a_larger_one_takes_no_more_sums(keys, most):
    sums, passed = counted(keys, most)
    larger, fewer = counted(keys, most + 1)
    none, least = counted(keys)
    # The first filter is cut into as few parts as the cap allows.
    often = np.unique(keys[0, 0][keys[0, 0] >= 0], return_counts=True)[1]
    assert sums[0, 0] == sum(-(-n // most) for n in often.tolist())
    assert (sums >= none).all()
    assert (sums[:, 0] >= larger[:, 0]).all()
    assert passed >= least
    assert fewer >= least


@pytest.mark.parametrize("concentration", [0.3, 2.0, math.inf])
@pytest.mark.parametrize(("kinds", "units", "zero", "filters", "most"), [
    (5, 40, 0.0, 2, 0), (17, 144, 0.5, 2, 0), (17, 144, 0.5, 2, 16), (3, 60, 0.4, 3, 0),
    (3, 60, 0.4, 3, 8), (1, 20, 0.3, 2, 0), (64, 300, 0.2, 1, 16),
])  # fmt: skip
def test_expected_sums_are_the_mean_of_draws(kinds, units, zero, filters, most, concentration):
    rng, draws = np.random.default_rng(7), 1500
    keys = np.empty((draws, filters, units), np.int64)
    for own in keys.reshape(-1, units):
        shares = np.full(kinds, 1 / kinds)
        if concentration < math.inf:
            shares = rng.dirichlet(np.full(kinds, concentration))
        own[:] = np.where(rng.random(units) < zero, -1, rng.choice(kinds, units, p=shares))
    sums, passed = counted(keys, most)
    found = expected_sums(kinds, units, EntryUse(concentration), zero, filters, most)
    # Where cuts fall is taken to be anywhere alike: within a few percent.
    close = 0.015 if not most or filters == 1 else 0.06
    for f in range(filters):
        assert found.sums[f] == pytest.approx(sums[:, f].mean(), rel=close, abs=0.06)
    assert found.passed == pytest.approx(passed.mean(), rel=close, abs=0.06)


@given(
    st.integers(1, 300), st.integers(0, 3000), st.sampled_from((0.05, 0.4, 3.0, math.inf)),
    st.integers(1, 3),
)  # fmt: skip
@settings(deadline=None)
def test_the_first_filter_of_a_group_has_as_many_sums_as_one_alone(kinds, units, a, filters):
    one = expected_entries(kinds, units, EntryUse(a)).mean
    found = expected_sums(kinds, units, EntryUse(a), 0.0, filters)
    assert found.sums[0] == pytest.approx(one, rel=2e-3, abs=1e-6)
    assert all(np.diff(found.sums) >= -1e-6)


def test_two_filters_share_an_order_by_hand():
    # Filters 0 and 1 have entries 0 and 1; 2 has 0 and 0, 3 has 1 and 0: see INDEXES.
    bare = tuple(
        replace(level, keeps=()) if level.name == "register" else level for level in HARDWARE.levels
    )
    layer = replace(shared("share_sums"), hardware=replace(HARDWARE, levels=bare))
    whole = replace(
        plan("share_sums", "", ""), ordered=True, group=2, tile=Tile(1, 1, 4, 2, 2, 2),
        outer=loops("buffer", "M=4 C=2 P=2 Q=2"), gather=loops("buffer", "M=2 C=2 P=2 Q=2"),
        entries=loops("buffer", "C=2 P=2 Q=2"),
    )  # fmt: skip
    found = evaluate_shared(layer, whole)
    # The pairs (0, 0) and (1, 1); and (0, 1) and (0, 0): two sums, but for filter 2 with one.
    assert layer.widths(whole.tile, 2) == {1: 1, 2: 3}
    # Two groups gather two units each for 4 outputs, 2 sums are passed on for each output.
    assert found.gather.counts.macs == 2 * 2 * 4
    assert layer.passed(whole.tile, 2) == (2 + 2) * 4
    assert found.entries.counts.macs == 7 * 4
    assert found.operations.adds == 28 - 28 + 16 + 16
    (adds,) = (item for item in found.items if item.component == "adder")
    assert adds.count == 16 + 16
    # An address of one bit and two end bits for two filters.
    assert layer.index_bits(whole.tile, 2) == Fraction(1 + 2, 2)
    assert layer.gather_form(whole.tile, 2).unit_bits == 1 + 2
    # One list of 2 entries for each filter, and one of the third with 1: at most 2 of each place.
    assert layer.room(whole.tile, 2) == 2
    alone = evaluate_shared(
        layer, replace(whole, group=1, gather=loops("buffer", "M=4 C=2 P=2 Q=2"))
    )
    assert alone.gather.counts.macs == 4 * 2 * 4
    assert alone.entries.counts.macs == found.entries.counts.macs
    assert alone.counts.accesses[1, 1, 0] == 2 * found.counts.accesses[1, 1, 0]


def test_a_cap_narrows_sums_and_multiplies_more_often():
    layer = ConvLayer("any", 16, 4, 4, 4, 3, 3)
    plain = shared_layer(layer, HARDWARE, "scalar:k=2", "share_sums")
    compute = replace(HARDWARE.compute, group_cap=4)
    capped = replace(plain, hardware=replace(HARDWARE, compute=compute))
    tile = Tile.whole(layer)
    # 144 units of 16 bits: 8 bits more, or 2.
    assert plain.arithmetic(tile, 1).bits == 16 + 8
    assert capped.arithmetic(tile, 1).bits == 16 + 2
    # A table of all entries is not cut.
    assert capped.arithmetic(tile).bits == 16 + 8
    assert max(plain.widths(tile, 1)) == 2
    assert 144 // 4 <= max(capped.widths(tile, 1)) <= 144 // 4 + 2


@given(st.integers(1, 4), st.integers(0, 9), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_expected_and_real_tables_add_up_over_tiles(filters, most, seed):
    layer = ConvLayer("any", 6, 12, 4, 4, 3, 1)
    expected = shared_layer(layer, HARDWARE, "scalar:k=3", "share_sums").distinct
    rng = np.random.default_rng(seed)
    real = DistinctEntries(expected.part, rng.integers(-1, 3, (1, 12, 6, 3)), 3, 0.25)
    for distinct in (expected, real):
        for blocks in (1, 2, 3, 6):
            found = sorted_sums(distinct, blocks, filters, most)
            assert sum(count for _, count in found.widths) == 12 * 6 // blocks
            assert max(width for width, _ in found.widths) <= found.room
            assert 0 <= found.zero_share <= 1
            assert (found.passed == 0) == (filters == 1)


def test_sums_of_units_with_scales_are_not_shared():
    bare = tuple(
        replace(level, keeps=()) if level.name == "register" else level for level in HARDWARE.levels
    )
    hardware = replace(HARDWARE, levels=bare, compute=replace(HARDWARE.compute, filter_group=4))
    layer = ConvLayer("any", 2, 4, 4, 4, 3, 3)
    plain = shared_layer(layer, hardware, "kernel:k=2,dense=none", "share_sums")
    scaled = shared_layer(layer, hardware, "scaled_kernel:k=2,dense=none", "share_sums")
    assert possible_groups(plain, 1) == (1, 2, 4)
    assert possible_groups(scaled, 1) == (1,)
    assert possible_groups(replace(plain, hardware=HARDWARE), 1) == ()


def test_tiles_of_which_all_units_are_expected_to_be_zero_have_no_sums():
    hardware = replace(HARDWARE, compute=replace(HARDWARE.compute, zeros={"weights": "gate"}))
    layer = ConvLayer("few", 2, 2, 1, 1, 1, 1)
    network, spec = Network("one", (layer,)), "row:k=3,sparse=0.5,dense=none"
    (found,) = kcsim.compare_executions(hardware, network, spec).runs["share_sums"].layers
    assert found.execution == "share_sums"

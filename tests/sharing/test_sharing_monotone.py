"""What has to hold in theory: more of anything is never worse, and `auto` is as good as any way."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from shared_layers import SMALL, problems, reached, shared_layer

import kcsim
from kcsim.errors import MappingError
from kcsim.mapping.search import OBJECTIVES
from kcsim.sharing.search import find_shared_mapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network

SLOW = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
WAYS = ("decode", *SHARINGS)


def best(layer, hardware, spec, sharing, objective):
    """What the best mapping comes to, and the least that any may; infinite where none fits."""
    try:
        found = find_shared_mapping(shared_layer(layer, hardware, spec, sharing), objective)
    except MappingError:
        return float("inf"), float("inf")
    value = reached(found, objective)
    return value, value * (1 - found.search.gap)


def never_worse(problem, sharing, objective, change):
    """The best mapping on the changed hardware comes to no more than on the hardware.

    Energies of accesses are rounded up to whole ones, by loops that the search takes for equal.
    """
    layer, hardware, spec = problem
    hardware = replace(
        hardware, levels=tuple(replace(each, word_bits=8) for each in hardware.levels),
        precision_bits=replace(hardware.precision_bits, weights=8, inputs=8, outputs=8,
                               products=16, sums=16),
    )  # fmt: skip
    before, _ = best(layer, hardware, spec, sharing, objective)
    _, after = best(layer, change(hardware), spec, sharing, objective)
    assert after <= before * (1 + 1e-9) + 1e-9


def with_levels(hardware, **changes):
    return replace(hardware, levels=(
        hardware.levels[0], *(replace(each, **changes) for each in hardware.levels[1:]),
    ))  # fmt: skip


def with_more_room(hardware):
    return with_levels(hardware, capacity_words=2 * hardware.levels[1].capacity_words)


def with_groups(hardware):
    return replace(hardware, compute=replace(hardware.compute, filter_group=4))


CHANGES = st.sampled_from((with_more_room, with_groups))


@SLOW
@given(problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)), CHANGES)
def test_more_room_and_larger_groups_are_never_worse(problem, objective, sharing, change):
    never_worse(problem, sharing, objective, change)


@pytest.mark.slow
@MANY
@given(problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)), CHANGES)
def test_more_room_and_larger_groups_are_never_worse_in_300_problems(
    problem, objective, sharing, change
):
    never_worse(problem, sharing, objective, change)


@SLOW
@given(problems(), st.sampled_from(tuple(SHARINGS)), st.sampled_from((0.5, 1, 4)))
def test_more_bandwidth_is_never_slower(problem, sharing, rate):
    layer, hardware, spec = problem
    narrow = with_levels(hardware, read_words_per_cycle=rate, write_words_per_cycle=rate)
    wide = with_levels(hardware, read_words_per_cycle=2 * rate, write_words_per_cycle=2 * rate)
    before, _ = best(layer, narrow, spec, sharing, "cycles")
    _, after = best(layer, wide, spec, sharing, "cycles")
    assert after <= before * (1 + 1e-9)


@SLOW
@given(problems(), st.sampled_from(OBJECTIVES), st.sampled_from((None, 0.5, 2)))
def test_auto_is_as_good_as_any_way_also_with_limited_ports(problem, objective, rate):
    layer, hardware, spec = problem
    hardware = with_levels(hardware, read_words_per_cycle=rate, write_words_per_cycle=rate)
    hardware = replace(hardware, codebook=replace(hardware.codebook, read_words_per_cycle=rate))
    network = Network("one", (layer,))
    try:
        runs = kcsim.compare_executions(hardware, network, spec, objective=objective).runs
    except MappingError:
        return
    (auto,) = runs["auto"].layers
    for way in WAYS:
        (layer,) = runs[way].layers
        assert reached(auto, objective) <= reached(layer, objective) * (1 + 1e-9)


@pytest.mark.parametrize("execution", WAYS)
def test_energy_does_not_fall_with_more_entries(execution):
    network = Network("one", (ConvLayer("layer", 4, 8, 6, 6, 3, 3),))
    energies = [
        kcsim.estimate(
            SMALL, network, f"scalar:k={k}", execution=execution, objective="energy"
        )[execution].energy
        for k in (2, 4, 8, 16, 32, 64)
    ]  # fmt: skip
    assert energies == sorted(energies)

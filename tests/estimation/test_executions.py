"""Ways to execute a clustered layer: the best is found, counts are right, refusals are clear."""

from __future__ import annotations

import itertools
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_clustered import random_clustered, zeroed
from shared_layers import KERNELS, LAYER, SMALL, layers_of, problems, reached

import kcsim
from kcsim.errors import InputError, MappingError
from kcsim.estimation.executions import EXECUTIONS
from kcsim.hardware.level import Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.search import OBJECTIVES, objective_value
from kcsim.sharing.strategies import SHARINGS
from kcsim.workload.layer import ConvLayer
from kcsim.workload.network import Network
from kcsim.workload.zeros import ZeroShares

SINGLE = EXECUTIONS[:-1]


def figures(layers):
    """All that a result says of each layer, but for the time that its search took."""
    return [
        (e.layer, e.execution, e.decode_level, e.energy, e.cycles, e.operations, e.items,
         e.alternatives, e.note, e.mapping, e.search.gap)
        for e in layers
    ]  # fmt: skip


# --- the choice


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), st.sampled_from(OBJECTIVES))
def test_auto_is_never_worse_than_any_execution_at_any_decode_level(problem, objective):
    check_auto(problem, objective)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), st.sampled_from(OBJECTIVES))
def test_auto_is_never_worse_on_300_problems(problem, objective):
    check_auto(problem, objective)


def check_auto(problem, objective):
    layer, hardware, spec = problem
    network, options = Network("one", (layer,)), {"hardware": hardware, "spec": spec}
    try:
        (best,) = layers_of(network, "auto", objective, **options)
    except MappingError:
        assume(False)
    value, single = reached(best, objective), {}
    for execution, level in itertools.product(SINGLE, hardware.level_names):
        (found,) = layers_of(network, execution, objective, decode_level=level, **options)
        assert bool(found.note) == (found.execution != execution)
        assert found.decode_level == level
        single[execution, level] = reached(found, objective)
        assert value <= single[execution, level] * (1 + 1e-9)
    # It is one of them, and what it was chosen from says the same.
    assert value == pytest.approx(min(single.values()), rel=1e-9)
    own = best.alternatives[0]
    assert (own.execution, own.decode_level) == (best.execution, best.decode_level)
    assert (own.energy, own.cycles) == (best.energy, best.cycles.total)
    for each in best.alternatives:
        worth = objective_value(objective, each.energy, each.cycles)
        assert worth == pytest.approx(single[each.execution, each.decode_level], rel=1e-9)
    for execution in SINGLE:
        (free,) = layers_of(network, execution, objective, decode_level="auto", **options)
        least = min(single[execution, level] for level in hardware.level_names)
        assert reached(free, objective) == pytest.approx(least, rel=1e-9)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_compared_executions_are_those_of_estimate(objective):
    network = Network("two", (LAYER, ConvLayer.linear("fc", 4, 6)))
    compared = kcsim.compare_executions(SMALL, network, KERNELS, objective=objective)
    assert list(compared.runs) == ["dense", *EXECUTIONS]
    for name in EXECUTIONS:
        alone = layers_of(network, name, objective)
        for one, other in zip(compared.runs[name].layers, alone, strict=True):
            assert one.energy == other.energy
            assert one.cycles == other.cycles
            assert one.execution == other.execution
            # In these runs the decoder stays where the hardware has it.
            assert name == "auto" or one.decode_level == "DRAM"
        for single in SINGLE:
            pairs = zip(compared.runs["auto"].layers, compared.runs[single].layers, strict=True)
            assert all(reached(a, objective) <= reached(b, objective) for a, b in pairs)
    plain = kcsim.estimate(SMALL, network, objective=objective).dense
    assert plain.energy == compared.runs["dense"].energy
    frame = compared.layers()
    assert len(frame) == 5 * len(network)
    assert set(frame.execution) <= {"dense", *SINGLE}


@pytest.mark.parametrize("name", ["simple", "eyeriss_codebook", "ucnn_like"])
def test_shipped_hardware(name):
    network = Network("one", (ConvLayer("layer", 2, 4, 3, 3, 3, 3),))
    compared = kcsim.compare_executions(name, network, KERNELS, objective="energy")
    least = min(compared.runs[single].layers[0].energy for single in SINGLE)
    assert compared.runs["auto"].layers[0].energy <= least
    for sharing in SHARINGS:
        assert compared.runs[sharing].layers[0].execution == sharing


@pytest.mark.slow
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_lenet5_on_shipped_hardware(objective):
    compared = kcsim.compare_executions("simple", "lenet5", KERNELS, objective=objective)
    for single in SINGLE:
        pairs = zip(compared.runs["auto"].layers, compared.runs[single].layers, strict=True)
        assert all(reached(a, objective) <= reached(b, objective) for a, b in pairs)


def test_results_depend_on_no_order_and_no_number_of_threads(monkeypatch):
    network = Network("three", (
        LAYER, replace(LAYER, name="again"), ConvLayer("other", 2, 4, 3, 3, 3, 3),
    ))  # fmt: skip
    monkeypatch.setenv("KCSIM_CACHE_DIR", "")
    runs = []
    for threads in (1, 4):
        monkeypatch.setattr(os, "cpu_count", lambda threads=threads: threads)
        runs.append(figures(layers_of(network, "auto")))
    assert runs[0] == runs[1]
    backwards = Network("three", tuple(network)[::-1])
    assert figures(layers_of(backwards, "auto"))[::-1] == runs[0]
    assert [each[0].name for each in runs[0]] == ["layer", "again", "other"]


# --- refusals


@pytest.mark.parametrize("sharing", SHARINGS)
def test_layers_that_cannot_share_are_decoded_and_say_why(sharing):
    alone = Hardware(
        name="alone",
        levels=(Level(name="memory", read_pj=1, write_pj=1, capacity_words=700),),
        compute=Compute(mac_pj=1),
        codebook=CodebookStore(level="memory", capacity_kib=1, read_pj=1, write_pj=1),
    )
    # 144 weights, 128 inputs and 288 outputs; products or sums take 576 words.
    layer = ConvLayer("layer", 2, 8, 8, 8, 3, 3)
    network = Network("two", (layer, ConvLayer("dense", 2, 2, 4, 4, 1, 1)))
    spec = "kernel:k=16,scope=layer"
    clustered, dense = layers_of(network, sharing, hardware=alone, spec=spec)
    assert (clustered.execution, dense.execution) == ("decode", "dense")
    assert clustered.note == (
        f"decoded, not {sharing}: layer cannot {sharing.replace('_', ' ')}: "
        "no tile fits, not even the smallest, on alone"
    )
    assert dense.note == ""
    (plain, _) = layers_of(network, "decode", hardware=alone, spec=spec)
    assert (plain.energy, plain.note) == (clustered.energy, "")
    # Of the best, nothing was asked for that it is not.
    (best, _) = layers_of(network, "auto", hardware=alone, spec=spec)
    assert (best.execution, best.note) == ("decode", "")


@pytest.mark.parametrize("sharing", SHARINGS)
def test_weights_that_are_all_zero_are_decoded_where_zeros_are_skipped(sharing):
    network = Network("one", (LAYER,))
    everything = random_clustered(network, KERNELS, 3)
    everything = replace(
        everything, codebooks={name: zeroed(each) for name, each in everything.codebooks.items()}
    )
    skipping = replace(SMALL, compute=Compute(mac_pj=1, zeros={"weights": "skip"}))
    (found,) = kcsim.estimate(skipping, network, weights=everything, execution=sharing)[
        sharing
    ].layers
    assert found.execution == "decode"
    assert found.note.count("\n") == 0
    assert found.note.startswith(f"decoded, not {sharing}: ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"execution": "share_product"},
         "there is no execution 'share_product'; expected one of decode, share_products, "
         "share_sums, auto; did you mean 'share_products'?"),
        ({"decode_level": "bufer"},
         "there is no level 'bufer'; expected one of DRAM, buffer, registers; "
         "did you mean 'buffer'?"),
    ],
)  # fmt: skip
def test_unknown_names(options, message):
    with pytest.raises(InputError) as caught:
        kcsim.estimate(SMALL, Network("one", (LAYER,)), KERNELS, **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("execution", EXECUTIONS)
def test_hardware_without_a_codebook_store(execution):
    bare = replace(SMALL, codebook=None)
    network = Network("one", (LAYER,))
    for given_level in (None, "DRAM", "auto"):
        with pytest.raises(InputError, match="small has no codebook store") as caught:
            kcsim.estimate(bare, network, KERNELS, execution=execution, decode_level=given_level)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="small has no codebook store"):
        kcsim.compare_executions(bare, network, KERNELS)


def test_comparing_needs_a_clustering():
    with pytest.raises(InputError, match="no clustering is given"):
        kcsim.compare_executions(SMALL, Network("one", (LAYER,)))


# --- found by these tests


def test_equal_layers_with_different_shares_of_zero_units():
    zeros = ZeroShares(weights=0.5)
    a, b = (ConvLayer(name, 4, 8, 3, 3, 3, 3, zeros=zeros) for name in "ab")
    skipping = replace(SMALL, compute=Compute(mac_pj=1, zeros={"weights": "skip"}))
    options = {"hardware": skipping, "objective": "energy"}
    spec = "row:k=40,sparse=0.1,dense=none,scope=layer"
    both = layers_of(
        Network("two", (a, b)), "share_products", spec=spec + ";b:sparse=0.9", **options
    )
    (alone,) = layers_of(Network("one", (a,)), "share_products", spec=spec, **options)
    assert both[0].energy == alone.energy
    assert both[0].operations != both[1].operations


@pytest.mark.parametrize("execution", ["decode", "auto"])
def test_places_of_the_decoder_that_fit_nowhere_are_passed_over(execution):
    # Index, scale and offset take 33 bits; the cell register has 16.
    network, spec = Network("one", (ConvLayer("layer", 3, 4, 4, 4, 3, 3),)), "linear_kernel:k=2"
    own = kcsim.estimate("nvdla_like", network, spec)["decode"].layers[0]
    found = kcsim.estimate("nvdla_like", network, spec, execution=execution, decode_level="auto")[
        execution
    ].layers[0]
    assert reached(found, "edp") <= reached(own, "edp")


@pytest.mark.parametrize("options", [{"execution": "auto"}, {"decode_level": "buffer"}])
def test_executions_without_a_clustering_are_refused(options):
    with pytest.raises(InputError, match="no clustering is given"):
        kcsim.estimate(SMALL, Network("one", (LAYER,)), **options)

"""The best mapping of all: the search against a list of every mapping, each counted on its own."""

import dataclasses
import random
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_problems import ENERGIES, hardwares, layer_of, sizes_of, small_problems
from uneven_problems import random_problem
from uneven_space import all_mappings, costs_of_all, count_all

from kcsim import MappingError, count_layer, evaluate
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Dataflow, Hardware, LevelConstraint
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.memory import Memory
from kcsim.mapping.search import (
    OBJECTIVES,
    find_front,
    objective_value,
    search_mapping,
    solve_below,
)
from kcsim.mapping.task import Task
from kcsim.mapping.verify import costs_in_space
from kcsim.replay.dense import compare, replay_layer

ROUNDING = 1e-8


def slack(estimate):
    """What rounding up to whole accesses and cycles may add to the energy of a layer."""
    cycles = 2 + estimate.counts.hardware.compute.cycles_per_mac
    return sum(
        item.energy / item.accesses * (cycles if item.component == "static" else 1)
        for item in estimate.items
    )


def check_cost(result, layer, hardware, form=None):
    """What the search says of a mapping is what the mapping costs, but for rounding."""
    if form is not None:
        form = dataclasses.replace(form, codebook_level=result.codebook_level)
    estimate = evaluate(layer, hardware, result.mapping, form)
    room = slack(estimate) + ROUNDING * (1 + estimate.energy)
    assert abs(estimate.energy - result.energy) <= room
    cycles = estimate.cycles.total - result.cycles
    assert -ROUNDING * result.cycles <= cycles <= hardware.compute.cycles_per_mac + 1
    return estimate


def no_better(found, best):
    """Not above the best, nor below it."""
    return found == pytest.approx(best, rel=ROUNDING, abs=1e-9)


def check_problem(layer, hardware, even=False):
    """Every objective and the front, against the list of all mappings."""
    costs = costs_of_all(layer, hardware, even=even)
    if not np.isfinite(costs.energy).any():
        with pytest.raises(MappingError):
            search_mapping(layer, hardware, even=even)
        return
    count = count_all(layer, hardware, even=even)
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective, even=even)
        best = costs.best(objective)
        mine = objective_value(objective, result.energy, result.cycles)
        assert no_better(mine, best.value), f"{objective}: better is\n{best.mapping}"
        if objective != "edp":
            assert no_better(result.energy, best.energy), "the tie"
            assert no_better(result.cycles, best.cycles), "the tie"
        assert (result.proved, result.gap) == (True, 0)
        assert 0 < result.evaluated <= result.mappings == count
        check_cost(result, layer, hardware)
        check_replay(result.mapping, layer, hardware)
        again = list(costs_in_space(result.mapping, layer, hardware, even=even))
        assert again == [pytest.approx((result.energy, result.cycles), rel=1e-12, abs=1e-12)]
    found = find_front(layer, hardware, even=even)
    front = np.array([(point.energy, point.cycles) for point in found])
    expected = costs.front()
    assert front.shape == expected.shape
    assert np.allclose(front, expected, rtol=ROUNDING, atol=1e-9)


def check_replay(mapping, layer, hardware):
    """What a replay of the mapping moves, word by word, is what is counted."""
    if hardware.skipped_pixels == "moved":
        counts = count_layer(layer, hardware, mapping)
        assert compare(replay_layer(layer, hardware, mapping), counts) == ()


def plain(stationary=None, **buffer):
    """DRAM and a small buffer; where something stays put at DRAM, all loops are there."""
    constraint = {}
    if stationary:
        constraint["DRAM"] = LevelConstraint(stationary=stationary)
        constraint["buffer"] = LevelConstraint(temporal=())
    return Hardware(
        name="plain",
        levels=(
            Level(name="DRAM", read_pj=10, write_pj=1),
            Level(
                **{"name": "buffer", "read_pj": 0.5, "write_pj": 2, "capacity_words": 6} | buffer
            ),
        ),
        compute=Compute(mac_pj=1),
        dataflow=Dataflow(levels=constraint),
    )


@pytest.mark.parametrize("capacity", [4, 5, 6, 8, 12])
@pytest.mark.parametrize(
    "sizes",
    [
        {"P": 2, "Q": 2, "S": 2},
        {"Q": 2, "R": 2, "S": 2},
        {"P": 3, "Q": 3, "S": 3},
        {"M": 2, "P": 2, "R": 2},
        {"C": 2, "P": 4, "R": 3},
    ],
    ids=lambda sizes: "".join(f"{d}{n}" for d, n in sizes.items()),
)
def test_equal_steps_along_either_axis_are_two_orders(sizes, capacity):
    check_problem(layer_of(sizes), plain(capacity_words=capacity))


@pytest.mark.parametrize("stationary", ["weights", "inputs", "outputs"])
@pytest.mark.parametrize("keeps", ["weights", "inputs", "outputs"])
@pytest.mark.parametrize(
    "sizes", [{"M": 2, "C": 3, "R": 2}, {"M": 2, "N": 3, "P": 2}, {"C": 2, "P": 3, "Q": 2}]
)
def test_what_stays_put_may_leave_the_order_open(sizes, keeps, stationary):
    hardware = plain(stationary, keeps=(keeps,), capacity_words=2)
    check_problem(layer_of(sizes), hardware)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(small_problems(most=10_000), st.booleans())
def test_best_of_all_mappings(problem, even):
    check_problem(*problem, even)


@settings(max_examples=30, suppress_health_check=list(HealthCheck))
@given(small_problems(most=10_000, free=True), st.booleans())
def test_best_of_all_mappings_without_constraints(problem, even):
    check_problem(*problem, even)


@pytest.mark.parametrize("even", [False, True])
@pytest.mark.parametrize("seeds", range(4))
def test_best_of_all_mappings_where_each_level_has_a_purpose(seeds, even):
    for seed in range(1000 * seeds, 1000 * seeds + 8):
        check_problem(*random_problem(seed, most=20_000), even)


@pytest.mark.parametrize("seed", [40_188, 40_260])
def test_windows_that_slide_in_several_loops_keep_what_they_may(seed):
    check_problem(*random_problem(seed, most=3000), even=False)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(small_problems(most=60_000), st.booleans())
def test_best_of_all_mappings_at_length(problem, even):
    check_problem(*problem, even)


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(100))
def test_best_of_all_mappings_where_each_level_has_a_purpose_at_length(seeds):
    for seed in range(10_000 + 20 * seeds, 10_020 + 20 * seeds):
        check_problem(*random_problem(seed, most=100_000), even=seed % 4 == 0)


def square_problem(seed, most):
    """A layer whose rows and columns are alike, on random hardware."""
    rng = random.Random(seed)
    while True:
        _, hardware = random_problem(rng.randrange(10**6), most=1000)
        hardware = dataclasses.replace(hardware, dataflow=Dataflow())
        size, kernel, stride = (
            rng.choice((1, 2, 3, 4)),
            rng.choice((1, 2, 3)),
            rng.choice((1, 1, 2)),
        )
        sizes = {
            "P": size,
            "Q": size,
            "R": kernel,
            "S": kernel,
            rng.choice("MC"): rng.choice((1, 2)),
        }
        layer = layer_of(sizes, (stride, stride))
        if 0 < count_all(layer, hardware, fitting=True) <= most:
            return layer, hardware


@pytest.mark.parametrize("seed", range(12))
def test_best_of_all_mappings_where_rows_and_columns_are_alike(seed):
    check_problem(*square_problem(seed, most=20_000))


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_nothing_costs_anything(objective):
    hardware = Hardware(
        name="free",
        levels=(Level(name="DRAM", read_pj=0, write_pj=0),),
        compute=Compute(mac_pj=0),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = search_mapping(layer_of({"M": 4}), hardware, objective=objective)
    assert (result.energy, result.cycles, result.gap) == (0, 4, 0)


def test_a_dimension_may_be_spread_alone():
    """R fits the array whole: no level has to iterate over it."""
    once = LevelConstraint(temporal=("P",), spatial_x=("R",), spatial_y=())
    hardware = Hardware(
        name="spread",
        levels=(Level(name="DRAM", read_pj=1, write_pj=1, fanout=Fanout(x=3)),),
        compute=Compute(mac_pj=1),
        dataflow=Dataflow(levels={"DRAM": once}),
    )
    check_problem(layer_of({"P": 2, "R": 3}), hardware)


def test_an_outermost_level_that_is_too_small():
    hardware = Hardware(
        name="small",
        levels=(Level(name="DRAM", read_pj=1, write_pj=1, capacity_words=11),),
        compute=Compute(mac_pj=1),
    )
    assert search_mapping(layer_of({"M": 3, "C": 2}), hardware).proved
    with pytest.raises(MappingError, match="has no mapping on small"):
        search_mapping(layer_of({"M": 4, "C": 2}), hardware)


@st.composite
def clustered_problems(draw, most=700):
    """A small problem with clustered weights of any unit, decoded at any level."""
    hardware = draw(hardwares(free=draw(st.booleans())))
    sizes = draw(sizes_of("NGMMCCCCPQRRRSSS", most, hardware))
    layer = layer_of(sizes)
    depth, rows, columns = (sizes.get(d, 1) for d in "CRS")
    unit = draw(
        st.sampled_from(
            ((1, 1, 1), (1, 1, columns), (1, rows, columns), (2, 1, 1), (3, 1, 1), (depth, 1, 1))
        )
    )
    decode = draw(st.integers(0, len(hardware.levels) - 1))
    store = CodebookStore(
        level=hardware.level_names[decode],
        capacity_kib=draw(st.sampled_from((0.001, 0.01, 8.0))),
        read_pj=draw(st.sampled_from(ENERGIES)),
        write_pj=draw(st.sampled_from(ENERGIES)),
        word_bits=draw(st.sampled_from((8, 16, 24))),
        read_words_per_cycle=draw(st.sampled_from((None, 0.3, 1.0, 2.0))),
    )
    filters = draw(st.sampled_from((1, 1, 2, sizes.get("M", 1))))
    stages = draw(st.sampled_from((1, 1, 2)))
    words = draw(st.integers(1, 6)) * filters * unit[0] * unit[1] * unit[2]
    bits = draw(st.sampled_from((4, 8, 16)))
    index = Fraction(draw(st.integers(1, 40)), draw(st.sampled_from((1, 3, 4))))
    form = WeightFormat(
        hardware.precision_bits.weights, unit, index, decode, words, words * bits,
        draw(st.booleans()), unit_filters=filters, stages=stages,
    )  # fmt: skip
    return layer, dataclasses.replace(hardware, codebook=store), form


def evaluated(layer, hardware, form, even):
    """Energy and cycles of every mapping that fits, as `kcsim.evaluate` has them, rounded up."""
    costs = []
    # Tiles of indexes take other room than those of weights, so that all have to be tried.
    for block in all_mappings(layer, hardware, even=even):
        for i in range(len(block.loops)):
            try:
                estimate = evaluate(layer, hardware, block.mapping(i, hardware), form)
            except MappingError:
                continue
            costs.append((estimate.energy, estimate.cycles.total))
    return np.array(costs, float).reshape(-1, 2)


def check_clustered(layer, hardware, form, even=False):
    costs, weights = evaluated(layer, hardware, form, even), form.costs(hardware)
    if not len(costs):
        with pytest.raises(MappingError):
            search_mapping(layer, hardware, weights=weights, even=even)
        return
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective, weights=weights, even=even)
        check_cost(result, layer, hardware, form)
        # Those are rounded up, the search rounds nothing.
        least = {"energy": costs[:, 0], "cycles": costs[:, 1], "edp": costs[:, 0] * costs[:, 1]}
        mine = {"energy": result.energy, "cycles": result.cycles}
        mine["edp"] = result.energy * result.cycles
        assert mine[objective] <= least[objective].min() * (1 + ROUNDING) + 1e-9, objective


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(clustered_problems(), st.booleans())
def test_best_of_all_mappings_of_clustered_weights(problem, even):
    check_clustered(*problem, even)


@pytest.mark.parametrize(("rate", "leakage"), [(0.125, 0), (0.5, 5.0)])
@pytest.mark.parametrize("sizes", [{"M": 16}, {"M": 8, "C": 2}], ids=str)
def test_lookups_in_several_buffers_go_side_by_side(rate, leakage, sizes):
    """Of a codebook that is too large for the stores of the PEs."""
    levels = (
        Level(
            name="DRAM", read_pj=20, write_pj=20, read_words_per_cycle=rate, fanout=Fanout(x=4)
        ),
        Level(
            name="buffer", read_pj=2, write_pj=2, capacity_words=24, read_words_per_cycle=rate,
            fanout=Fanout(x=2),
        ),
        Level(name="PE", read_pj=1, write_pj=1, capacity_words=3),
    )  # fmt: skip
    store = CodebookStore(level="PE", capacity_kib=0.001, read_pj=1, write_pj=1)
    compute = Compute(mac_pj=1, leakage_pj_per_cycle=leakage)
    hardware = Hardware(name="chip", levels=levels, compute=compute, codebook=store)
    layer, form = layer_of(sizes), WeightFormat(16, (1, 1, 1), Fraction(2), 2, 4, 64)
    check_clustered(layer, hardware, form)
    check_near_best(layer, hardware, form)


@pytest.mark.parametrize("unit", [(1, 1, 1), (1, 1, 3)], ids=str)
def test_stores_of_several_buffers_go_side_by_side(unit):
    levels = (
        Level(name="DRAM", read_pj=20, write_pj=20, fanout=Fanout(x=4)),
        Level(name="buffer", read_pj=2, write_pj=2, capacity_words=64, fanout=Fanout(x=2)),
        Level(name="PE", read_pj=1, write_pj=1, capacity_words=8),
    )
    # Two of three values come in a word, and words less often than MAC units take them.
    store = CodebookStore(
        level="buffer", capacity_kib=1, read_pj=1, write_pj=1, word_bits=16,
        read_words_per_cycle=0.125,
    )  # fmt: skip
    hardware = Hardware(name="chip", levels=levels, compute=Compute(mac_pj=1), codebook=store)
    words = 4 * unit[2]
    layer, form = (
        layer_of({"M": 4, "S": 3}),
        WeightFormat(16, unit, Fraction(2), 1, words, 8 * words),
    )
    check_clustered(layer, hardware, form)
    check_near_best(layer, hardware, form)


def check_near_best(layer, hardware, form):
    """Check that what is just above the best rules out none that may become it."""
    weights = form.costs(hardware)
    for objective in OBJECTIVES:
        best = search_mapping(layer, hardware, objective=objective, weights=weights)
        value = objective_value(objective, best.energy, best.cycles)
        task = Task(layer, hardware, weights)
        found = solve_below(task, objective, value * (1 + 1e-9), 60, Deadline(), Memory())
        assert found
        assert objective_value(objective, found.energy, found.cycles) == pytest.approx(value)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(clustered_problems(most=4000), st.booleans())
def test_best_of_all_mappings_of_clustered_weights_at_length(problem, even):
    check_clustered(*problem, even)

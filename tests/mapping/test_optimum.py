"""The best mapping of all: the search against a list of every mapping, each counted on its own."""

import dataclasses
import warnings
from fractions import Fraction

import numpy as np
import pytest
from every_mapping import every_nest, front_of, price_all
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_problems import ENERGIES, hardwares, layer_of, small_problems

from kcsim import MappingError, evaluate
from kcsim.cost.weight_format import WeightFormat
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Dataflow, Hardware, LevelConstraint
from kcsim.mapping.search import OBJECTIVES, find_front, search_mapping

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


def check_problem(problem):
    layer, hardware, loops = problem
    _, bypass, energy, cycles = priced = price_all(layer, hardware, loops)
    if not bypass:
        with pytest.raises(MappingError):
            search_mapping(layer, hardware)
        return
    values = {"energy": energy, "cycles": cycles, "edp": energy * cycles}
    second = {"energy": cycles, "cycles": energy}
    for objective, value in values.items():
        result = search_mapping(layer, hardware, objective=objective)
        mine = {"energy": result.energy, "cycles": result.cycles}
        mine["edp"] = result.energy * result.cycles
        best = priced.mapping(int(value.argmin()), hardware)
        assert no_better(mine[objective], value.min()), f"{objective}: better is\n{best}"
        assert result.proved
        assert result.gap == 0
        assert 0 < result.evaluated <= result.mappings
        if objective in second:
            equals = second[objective][value <= value.min() * (1 + 1e-9)]
            other = result.cycles if objective == "energy" else result.energy
            assert no_better(other, equals.min()), "the tie"
        check_cost(result, layer, hardware)
    front = np.array([(p.energy, p.cycles) for p in find_front(layer, hardware)])
    expected = front_of(energy, cycles)
    assert front.shape == expected.shape
    assert np.allclose(front, expected, rtol=ROUNDING, atol=1e-9)


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


def listed(layer, hardware):
    return layer, hardware, every_nest(layer, hardware)


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
    check_problem(listed(layer_of(sizes), plain(capacity_words=capacity)))


@pytest.mark.parametrize("stationary", ["weights", "inputs", "outputs"])
@pytest.mark.parametrize("keeps", ["weights", "inputs", "outputs"])
@pytest.mark.parametrize(
    "sizes", [{"M": 2, "C": 3, "R": 2}, {"M": 2, "N": 3, "P": 2}, {"C": 2, "P": 3, "Q": 2}]
)
def test_what_stays_put_may_leave_the_order_open(sizes, keeps, stationary):
    hardware = plain(stationary, keeps=(keeps,), capacity_words=2)
    check_problem(listed(layer_of(sizes), hardware))


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(small_problems(most=2500))
def test_best_of_all_mappings(problem):
    check_problem(problem)


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(small_problems(most=2500, free=True))
def test_best_of_all_mappings_without_constraints(problem):
    check_problem(problem)


@pytest.mark.slow
@settings(max_examples=2500, suppress_health_check=list(HealthCheck))
@given(small_problems(most=6000))
def test_best_of_all_mappings_at_length(problem):
    check_problem(problem)


@pytest.mark.slow
@settings(max_examples=1500, suppress_health_check=list(HealthCheck))
@given(small_problems(most=20_000, free=True))
def test_best_of_all_mappings_without_constraints_at_length(problem):
    check_problem(problem)


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
    check_problem(listed(layer_of({"P": 2, "R": 3}), hardware))


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
def clustered_problems(draw, most=250):
    """A small problem with clustered weights of any unit, decoded at any level."""
    hardware = draw(hardwares(free=draw(st.booleans())))
    sizes, loops = {}, None
    for dimension, prime in draw(
        st.lists(
            st.tuples(st.sampled_from("NGMMCCCCPQRRRSSS"), st.sampled_from((2, 2, 3))),
            min_size=2,
            max_size=6,
        )
    ):
        larger = sizes | {dimension: sizes.get(dimension, 1) * prime}
        more = every_nest(layer_of(larger), hardware, most)
        if more is not None:
            sizes, loops = larger, more
    layer = layer_of(sizes)
    if loops is None:
        loops = every_nest(layer, hardware)
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
    return layer, dataclasses.replace(hardware, codebook=store), loops, form


def evaluated(problem):
    """Energy and cycles of every mapping that fits, as `kcsim.evaluate` has them, rounded up."""
    layer, hardware, loops, form = problem
    # Tiles of indexes take other room than those of weights, so that all have to be tried.
    roomy = dataclasses.replace(
        hardware,
        levels=tuple(
            dataclasses.replace(
                level,
                capacity_words=2**40 if i and level.kept_tensors and not level.partitions else None,
                partitions=tuple(
                    dataclasses.replace(p, capacity_words=2**40) for p in level.partitions
                ),
            )
            for i, level in enumerate(hardware.levels)
        ),
    )
    every, costs = price_all(layer, roomy, loops), []
    for i in range(len(every.bypass)):
        try:
            estimate = evaluate(layer, hardware, every.mapping(i, hardware), form)
        except MappingError:
            continue
        costs.append((estimate.energy, estimate.cycles.total))
    return np.array(costs, float).reshape(-1, 2)


def check_clustered(problem):
    layer, hardware, _, form = problem
    costs = evaluated(problem)
    if not len(costs):
        with pytest.raises(MappingError):
            search_mapping(layer, hardware, weights=form.costs(hardware))
        return
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective, weights=form.costs(hardware))
        check_cost(result, layer, hardware, form)
        # Those are rounded up, the search rounds nothing.
        least = {"energy": costs[:, 0], "cycles": costs[:, 1], "edp": costs[:, 0] * costs[:, 1]}
        mine = {"energy": result.energy, "cycles": result.cycles}
        mine["edp"] = result.energy * result.cycles
        assert mine[objective] <= least[objective].min() * (1 + ROUNDING) + 1e-9, objective


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(clustered_problems())
def test_best_of_all_mappings_of_clustered_weights(problem):
    check_clustered(problem)


@pytest.mark.slow
@settings(max_examples=1000, suppress_health_check=list(HealthCheck))
@given(clustered_problems(most=600))
def test_best_of_all_mappings_of_clustered_weights_at_length(problem):
    check_clustered(problem)

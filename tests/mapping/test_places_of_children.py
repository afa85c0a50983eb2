"""Where children stand on the mesh: all mappings with all places, for forwarding and for hops."""

import dataclasses
import random

import numpy as np
import pytest
from fixed_parts import random_fix
from placed_space import has_placed, placed_costs, placed_mappings, placed_problem

from kcsim import ConvLayer, MappingError, evaluate, load_hardware, load_layer
from kcsim.mapping.fixed import FixedLevel, FixedMapping
from kcsim.mapping.ranking import rank_mappings
from kcsim.mapping.search import OBJECTIVES, find_front, objective_value, search_mapping
from kcsim.mapping.verify import costs_in_space

ROUNDING = 1e-8


def check_problem(layer, hardware):
    """Every objective and the front, against the list of all mappings."""
    costs = placed_costs(layer, hardware)
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective)
        values = {
            "energy": costs.energy, "cycles": costs.cycles, "edp": costs.energy * costs.cycles
        }[objective]  # fmt: skip
        mine = objective_value(objective, result.energy, result.cycles)
        assert mine == pytest.approx(values.min(), rel=ROUNDING)
        assert (result.proved, result.gap, result.note) == (True, 0, "")
        (again,) = costs_in_space(result.mapping, layer, hardware)
        assert again == pytest.approx((result.energy, result.cycles))
    found = [(point.energy, point.cycles) for point in find_front(layer, hardware)]
    assert np.allclose(found, costs.front(), rtol=ROUNDING)


@pytest.mark.parametrize("seed", [*range(12), 32])
def test_no_mapping_with_forwarding_is_better(seed):
    check_problem(*placed_problem(seed, "forwarding"))


@pytest.mark.parametrize("seed", range(12))
def test_no_mapping_has_fewer_hops_for_what_it_moves(seed):
    check_problem(*placed_problem(seed, "hops"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forwarding", "hops"])
@pytest.mark.parametrize("seed", range(12, 150))
def test_no_mapping_is_better_in_many_more_problems(seed, kind):
    check_problem(*placed_problem(seed, kind))


def check_fixed(seed, kind):
    """What is fixed of some mappings, where children stand at one of many places."""
    layer, hardware = placed_problem(seed, kind, 400)
    every, costs = placed_mappings(layer, hardware), placed_costs(layer, hardware)
    rng = random.Random(seed)
    for _ in range(4):
        fix = random_fix(rng, rng.choice(every), hardware)
        own = np.array([has_placed(mapping, fix, hardware) for mapping in every])
        if not own.any():
            with pytest.raises(MappingError):
                search_mapping(layer, hardware, fix=fix)
            continue
        found = search_mapping(layer, hardware, fix=fix)
        least = (costs.energy * costs.cycles)[own].min()
        assert found.energy * found.cycles == pytest.approx(least, rel=ROUNDING)
        assert found.proved
        assert has_placed(found.mapping, fix, hardware)


def check_ranks(seed, kind):
    """The best mapping of every way to spread and to keep, the best first."""
    layer, hardware = placed_problem(seed, kind, 400)
    costs, best = placed_costs(layer, hardware), {}
    for mapping, value in zip(
        placed_mappings(layer, hardware), costs.energy * costs.cycles, strict=True
    ):
        key = tuple(
            (frozenset(level.bypass), *(bound_of(level, d) for d in layer.dimensions))
            for level in mapping.levels
        )
        best[key] = min(value, best.get(key, np.inf))
    found = rank_mappings(layer, hardware, 5)
    expected = sorted(best.values())[:5]
    assert [each.energy * each.cycles for each in found] == pytest.approx(expected, rel=ROUNDING)
    assert all(each.proved for each in found)


def bound_of(level, dimension):
    """Children over which a level spreads a dimension."""
    loops = (*level.spatial_x, *level.spatial_y)
    return np.prod([loop.bound for loop in loops if loop.dimension == dimension], dtype=int)


@pytest.mark.parametrize("kind", ["forwarding", "hops"])
@pytest.mark.parametrize("seed", range(200, 206))
def test_no_mapping_that_has_what_is_fixed_is_better(seed, kind):
    check_fixed(seed, kind)
    check_ranks(seed, kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["forwarding", "hops"])
@pytest.mark.parametrize("seed", range(206, 400))
def test_no_mapping_that_has_what_is_fixed_is_better_in_many_more_problems(seed, kind):
    check_fixed(seed, kind)
    check_ranks(seed, kind)


def with_network(hardware, index, **changes):
    levels = list(hardware.levels)
    fanout = dataclasses.replace(levels[index].fanout, **changes)
    levels[index] = dataclasses.replace(levels[index], fanout=fanout)
    return dataclasses.replace(hardware, levels=tuple(levels))


def test_a_real_layer_with_hops_is_proved_and_costs_what_it_says():
    layer = load_layer("alexnet/conv3")
    hardware = with_network(load_hardware("simple"), 1, hop_pj=0.2, transfer_pj=0.0)
    result = search_mapping(layer, hardware)
    assert result.proved
    assert evaluate(layer, hardware, result.mapping).energy == pytest.approx(result.energy)


def test_hops_are_shared_by_the_children_that_stand_side_by_side():
    """What inputs do not see lies inside, next to each other, where all else is equal."""
    layer = ConvLayer("c", 2, 8, 1, 1, 1, 1)
    hardware = with_network(load_hardware("simple"), 1, hop_pj=50.0, x=16, y=1)
    result = search_mapping(layer, hardware, objective="energy")
    loops = next(level for level in result.mapping.levels if level.level == "buffer").spatial_x
    assert result.proved
    estimate = evaluate(layer, hardware, result.mapping)
    for order in (loops, loops[::-1]):
        levels = [
            dataclasses.replace(level, spatial_x=order) if level.level == "buffer" else level
            for level in result.mapping.levels
        ]
        other = dataclasses.replace(result.mapping, levels=tuple(levels))
        assert estimate.energy <= evaluate(layer, hardware, other).energy


@pytest.mark.parametrize("order", [("M=8", "C=2"), ("C=2", "M=8")])
def test_hops_are_those_of_the_order_that_is_fixed(order):
    layer = ConvLayer("c", 2, 8, 2, 2, 1, 1)
    hardware = with_network(load_hardware("simple"), 1, hop_pj=50.0, x=16, y=1)
    fix = FixedMapping((FixedLevel("buffer", spatial_x=order),))
    result = search_mapping(layer, hardware, objective="energy", fix=fix)
    loops = next(level for level in result.mapping.levels if level.level == "buffer").spatial_x
    assert tuple(map(str, loops)) == order
    assert evaluate(layer, hardware, result.mapping).energy == pytest.approx(result.energy)


def test_forwarding_never_costs_more_than_the_best_mapping_without_it():
    layer = ConvLayer("c", 2, 2, 8, 8, 3, 3)
    plain = with_network(load_hardware("simple"), 1, x=4, y=4)
    forwarding = with_network(plain, 1, forwarding=("inputs",))
    for objective in OBJECTIVES:
        known = search_mapping(layer, plain, objective=objective)
        found = search_mapping(layer, forwarding, objective=objective, time_limit=2.0)
        same = evaluate(layer, forwarding, known.mapping)
        bar = objective_value(objective, same.energy, same.cycles.total)
        mine = objective_value(objective, found.energy, found.cycles)
        assert mine <= bar * (1 + ROUNDING)

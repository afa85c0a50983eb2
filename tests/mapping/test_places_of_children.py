"""Where children stand on the mesh: all mappings with all places, for forwarding and for hops."""

import dataclasses

import numpy as np
import pytest
from placed_space import placed_costs, placed_problem

from kcsim import ConvLayer, evaluate, load_hardware, load_layer
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


@pytest.mark.parametrize("seed", range(12))
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

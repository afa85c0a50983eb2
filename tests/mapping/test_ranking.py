"""The best mappings that differ: the search against a list of every mapping."""

import numpy as np
import pytest
from fixed_parts import tiles_of
from uneven_problems import random_problem
from uneven_space import costs_of_all

from kcsim import InputError, MappingError, load_hardware, load_layer, rank_mappings
from kcsim.mapping.search import OBJECTIVES, objective_value
from kcsim.workload.layer import TENSORS


def shape_of(tensor, tile, layer):
    """The shape of a tile: of inputs in rows and columns."""
    n, g, m, c, p, q, r, s = tile.values()
    if tensor == "weights":
        return g, m, c, r, s
    if tensor == "outputs":
        return n, g, m, p, q
    rows, columns = (
        stride * (outs - 1) + dilation * (taps - 1) + 1
        for stride, dilation, outs, taps in zip(
            layer.stride, layer.dilation, (p, q), (r, s), strict=True
        )
    )
    return n, g, c, rows, columns


def what_differs(mapping, layer, hardware, differ):
    """What levels keep and spread, and the tiles that they hold."""
    found, tiles = [], tiles_of(mapping, hardware)
    for i, level in enumerate(mapping.levels):
        kept = [t for t in hardware.levels[i].kept_tensors if t not in level.bypass]
        spread = {}
        for loop in (*level.spatial_x, *level.spatial_y):
            spread[loop.dimension] = spread.get(loop.dimension, 1) * loop.bound
        held = ()
        if differ == "tiles" and i:
            held = tuple(shape_of(t, tiles[i][TENSORS.index(t)], layer) for t in kept)
        found.append((tuple(kept), tuple(sorted(spread.items())), held))
    return tuple(found)


def check_ranking(layer, hardware, objective, differ, count):
    costs, best = costs_of_all(layer, hardware), {}
    values = {
        "energy": costs.energy, "cycles": costs.cycles, "edp": costs.energy * costs.cycles,
    }[objective]  # fmt: skip
    if not len(values):
        with pytest.raises(MappingError):
            rank_mappings(layer, hardware, count, objective=objective, differ=differ)
        return 0
    for index in np.argsort(values, kind="stable").tolist():
        key = what_differs(costs.mapping(index), layer, hardware, differ)
        best.setdefault(key, values[index])
    found = rank_mappings(layer, hardware, count, objective=objective, differ=differ)
    mine = [objective_value(objective, each.energy, each.cycles) for each in found]
    assert mine == [pytest.approx(n, rel=1e-8, abs=1e-9) for n in sorted(best.values())[:count]]
    keys = [what_differs(each.mapping, layer, hardware, differ) for each in found]
    assert len(set(keys)) == len(keys)
    assert all(each.proved and each.gap == 0 for each in found)
    return len(found)


@pytest.mark.parametrize("differ", ["spreads", "tiles"])
@pytest.mark.parametrize("seeds", range(3))
def test_best_of_all_mappings_that_differ(seeds, differ):
    several = 0
    for seed in range(1000 * seeds + 700, 1000 * seeds + 705):
        layer, hardware = random_problem(seed, most=2000)
        several += check_ranking(layer, hardware, OBJECTIVES[seed % 3], differ, 6) > 1
    assert several > 0


@pytest.mark.slow
@pytest.mark.parametrize("seeds", range(30))
def test_best_of_all_mappings_that_differ_at_length(seeds):
    for seed in range(30_000 + 10 * seeds, 30_010 + 10 * seeds):
        layer, hardware = random_problem(seed, most=20_000)
        for differ in ("spreads", "tiles"):
            check_ranking(layer, hardware, OBJECTIVES[seed % 3], differ, 12)


def test_more_than_there_are_are_not_made_up():
    layer, hardware = load_layer("lenet5/conv1"), load_hardware("weight_stationary")
    every = rank_mappings(layer, hardware, 100, objective="energy")
    assert 1 < len(every) < 100
    assert [n.energy for n in every] == sorted(n.energy for n in every)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "from 1 to 100"),
        ({"count": 101}, "from 1 to 100"),
        ({"differ": "tile"}, "did you mean 'tiles'"),
        ({"objective": "power"}, "unknown objective"),
        ({"time_limit": 0.0}, "above 0"),
    ],
)
def test_wrong_questions_are_refused(wrong, message):
    with pytest.raises(InputError, match=message):
        rank_mappings(load_layer("lenet5/conv1"), load_hardware("simple"), **wrong)

"""Mappings that the search finds: legal and repeatable; `test_optimum` says that none is better."""

import dataclasses
import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kcsim import InputError, MappingError, count_layer, evaluate, find_mapping, load_hardware
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.reader import shipped_names
from kcsim.hardware.schema import Compute, Dataflow, Hardware, LevelConstraint
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import find_front, search_mapping
from kcsim.workload import zoo
from kcsim.workload.layer import ConvLayer

RELEVANT = {"weights": "GMCRS", "inputs": "NGCPQRS", "outputs": "NGMPQ"}
OBJECTIVES = ("edp", "energy", "cycles")


def unique_layers(*networks):
    layers = {layer.shape_key: layer for name in networks for layer in zoo.load(name)}
    return list(layers.values())


SOME_LAYERS = [
    *unique_layers("lenet5", "alexnet", "resnet20"),
    *unique_layers("mobilenet_v2")[:8],
    *unique_layers("googlenet")[20:24],
    ConvLayer("batch", 6, 10, 9, 12, 3, 2, stride=(2, 1), dilation=(1, 2), groups=2, batch=4),
    ConvLayer("point", 1, 1, 1, 1, 1, 1),
    ConvLayer.linear("primes", 127, 31, batch=7),
]


def cost(estimate, objective):
    energy, cycles = estimate.energy, estimate.cycles.total
    return {"edp": energy * cycles, "energy": energy, "cycles": cycles}[objective]


def all_in_dram(layer, hardware):
    loops = tuple(Loop(d, size) for d, size in layer.dimensions.items() if size > 1)
    return Mapping((LevelLoops(hardware.levels[0].name, loops),))


def check_constraints(mapping, hardware):
    for level in mapping.levels:
        fanout = hardware.levels[hardware.level_index(level.level)].fanout
        allowed = hardware.dataflow.levels.get(level.level, LevelConstraint())
        choices = (allowed.temporal, allowed.spatial_x, allowed.spatial_y)
        for nest, choice in zip(level.nests, choices, strict=True):
            assert choice is None or {loop.dimension for loop in nest} <= set(choice)
        for nest, size in ((level.spatial_x, fanout.x), (level.spatial_y, fanout.y)):
            product = 1
            for loop in nest:
                product *= loop.bound
            assert product <= size
        if allowed.stationary:
            moves = [loop.dimension in RELEVANT[allowed.stationary] for loop in level.temporal]
            assert moves == sorted(moves, reverse=True), "what does not move it comes innermost"


def check_found(layer, hardware, objective="edp"):
    mapping = search_mapping(layer, hardware, objective=objective, time_limit=0.3).mapping
    assert mapping.problems(layer, hardware) == ()
    found = evaluate(layer, hardware, mapping)  # refuses what does not fit
    check_constraints(mapping, hardware)
    assert {level.level for level in mapping.levels} == set(hardware.level_names)
    worst = evaluate(layer, hardware, all_in_dram(layer, hardware))
    assert cost(found, objective) <= cost(worst, objective)
    return mapping


@functools.cache
def shipped(name):
    return load_hardware(name)


@pytest.mark.parametrize("hardware", shipped_names())
def test_every_hardware_maps_some_layers(hardware):
    for layer in SOME_LAYERS:
        check_found(layer, shipped(hardware))


@pytest.mark.parametrize("hardware", shipped_names())
@pytest.mark.parametrize("objective", ["energy", "cycles"])
def test_other_objectives(hardware, objective):
    for layer in unique_layers("lenet5"):
        check_found(layer, shipped(hardware), objective)


@pytest.mark.slow
@pytest.mark.parametrize("hardware", shipped_names())
@pytest.mark.parametrize("network", zoo.NAMES)
def test_every_hardware_maps_every_network(hardware, network):
    for layer in unique_layers(network):
        check_found(layer, shipped(hardware))


@pytest.mark.parametrize("hardware", shipped_names())
@pytest.mark.parametrize("objective", OBJECTIVES)
def test_two_searches_find_the_same(hardware, objective):
    layer = ConvLayer("conv", 6, 16, 10, 10, 3, 3)
    first, second = (
        dataclasses.replace(
            search_mapping(layer, shipped(hardware), objective=objective), seconds=0.0
        )
        for _ in range(2)
    )
    assert repr(first) == repr(second)
    assert find_mapping(layer, shipped(hardware), objective=objective) == first.mapping


def test_each_objective_is_served_best_by_its_own_search():
    hardware = shipped("simple.yaml")
    for layer in unique_layers("lenet5"):
        found = {o: search_mapping(layer, hardware, objective=o) for o in OBJECTIVES}
        values = {
            o: {"energy": r.energy, "cycles": r.cycles, "edp": r.energy * r.cycles}
            for o, r in found.items()
        }
        for objective in OBJECTIVES:
            best = min(value[objective] for value in values.values())
            assert values[objective][objective] <= best * (1 + 1e-9)
        front = find_front(layer, hardware)
        assert front[0].cycles == pytest.approx(values["cycles"]["cycles"])
        assert front[-1].energy == pytest.approx(values["energy"]["energy"])
        edp = min(point.energy * point.cycles for point in front)
        assert edp == pytest.approx(values["edp"]["edp"])
        assert [p.cycles for p in front] == sorted({p.cycles for p in front})
        assert [p.energy for p in front] == sorted({p.energy for p in front}, reverse=True)


@pytest.mark.parametrize("objective", ["energy", "edp"])
def test_a_time_limit_leaves_an_honest_gap(objective, monkeypatch):
    monkeypatch.setattr("kcsim.mapping.engine.FIRST_CHUNK", 100)
    layer, hardware = zoo.load("lenet5").layers[1], shipped("output_stationary.yaml")
    best = search_mapping(layer, hardware, objective=objective)
    assert best.proved
    least = best.energy * (best.cycles if objective == "edp" else 1)
    for limit in (1e-9, best.seconds / 3):
        result = search_mapping(layer, hardware, objective=objective, time_limit=limit)
        found = result.energy * (result.cycles if objective == "edp" else 1)
        estimate = evaluate(layer, hardware, result.mapping)
        assert estimate.energy == pytest.approx(result.energy, rel=1e-6)
        assert 0 <= result.gap <= 1
        assert found * (1 - result.gap) <= least * (1 + 1e-9)
        assert found >= least * (1 - 1e-9)
        assert result.proved == (result.note == "")
        assert result.proved or "time limit" in result.note
        if objective == "energy" and limit < 1e-6:
            assert result.gap > 0, "this layer is done before the clock is looked at"


def test_what_neighbors_and_meshes_spare_is_proved_too():
    for fanout in (Fanout(x=2, forwarding=("inputs",)), Fanout(x=2, hop_pj=1.0)):
        hardware = tiny_hardware()
        levels = list(hardware.levels)
        levels[1] = dataclasses.replace(levels[1], fanout=fanout)
        hardware = dataclasses.replace(hardware, levels=tuple(levels))
        layer = ConvLayer("conv", 2, 2, 4, 4, 3, 3)
        result = search_mapping(layer, hardware)
        assert (result.proved, result.gap, result.note) == (True, 0, "")
        assert evaluate(layer, hardware, result.mapping).energy == pytest.approx(result.energy)


def tiny_hardware(**changes):
    return Hardware(
        name="tiny",
        levels=(
            Level(name="DRAM", read_pj=100, write_pj=100),
            Level(name="buffer", read_pj=6, write_pj=6, capacity_words=40, fanout=Fanout(x=2, y=2)),
            Level(name="registers", read_pj=1, write_pj=1, capacity_words=6),
        ),
        compute=Compute(mac_pj=1),
        **changes,
    )


def test_unknown_objective():
    with pytest.raises(InputError, match=r"unknown objective 'energie'.*did you mean 'energy'"):
        find_mapping(SOME_LAYERS[0], shipped("simple.yaml"), objective="energie")


@pytest.mark.parametrize("limit", [0, -1.5, float("nan")])
def test_time_limit_out_of_range(limit):
    with pytest.raises(InputError, match=r"the time limit is .*; expected a number of seconds"):
        search_mapping(SOME_LAYERS[0], shipped("simple.yaml"), time_limit=limit)


def test_nothing_fits():
    hardware = Hardware(
        name="small",
        levels=(
            Level(name="DRAM", read_pj=1, write_pj=1),
            Level(name="register", read_pj=1, write_pj=1, capacity_words=2),
        ),
        compute=Compute(mac_pj=1),
    )
    with pytest.raises(MappingError, match="conv has no mapping on small: not even tiles of one"):
        find_mapping(ConvLayer("conv", 2, 2, 4, 4, 3, 3), hardware)


def test_no_place_for_a_dimension():
    constraint = LevelConstraint(temporal=("N", "G", "M", "C", "P", "Q", "S"))
    names = ("DRAM", "buffer", "registers")
    hardware = tiny_hardware(dataflow=Dataflow(levels=dict.fromkeys(names, constraint)))
    with pytest.raises(MappingError, match="lets no level iterate over R, which conv needs"):
        find_mapping(ConvLayer("conv", 2, 2, 4, 4, 3, 3), hardware)


@st.composite
def constrained(draw):
    dimensions = st.lists(st.sampled_from("NGMCPQRS"), unique=True).map(tuple)
    choice = st.one_of(st.none(), dimensions)
    stationary = st.sampled_from((None, "weights", "inputs", "outputs"))
    constraints = {
        name: LevelConstraint(
            temporal=draw(choice) if name != "DRAM" else None,
            spatial_x=draw(choice),
            spatial_y=draw(choice),
            stationary=draw(stationary),
        )
        for name in ("DRAM", "buffer", "registers")
    }
    sizes = [draw(st.integers(1, 6)) for _ in range(4)]
    kernel, stride, groups = (draw(st.integers(1, 3)) for _ in range(3))
    layer = ConvLayer(
        "random", sizes[0] * groups, sizes[1] * groups, sizes[2] + kernel, sizes[3] + kernel,
        kernel, kernel, stride, 0, 1, groups, draw(st.integers(1, 3)),
    )  # fmt: skip
    return layer, tiny_hardware(dataflow=Dataflow(levels=constraints))


@settings(max_examples=60, deadline=None)
@given(constrained(), st.sampled_from(OBJECTIVES))
def test_random_dataflows_are_respected(problem, objective):
    layer, hardware = problem
    mapping = find_mapping(layer, hardware, objective=objective)
    check_constraints(mapping, hardware)
    counts = count_layer(layer, hardware, mapping)
    assert counts.macs == layer.macs


def test_a_level_may_leave_a_dimension_to_what_is_spread_further_out():
    constraints = {
        "memory": LevelConstraint(temporal=("M",), spatial_x=("P",), spatial_y=()),
        "registers": LevelConstraint(temporal=("C",), spatial_x=(), spatial_y=()),
    }
    levels = (
        Level(name="memory", read_pj=8, write_pj=8, fanout=Fanout(x=2)),
        Level(name="registers", read_pj=1, write_pj=1, capacity_words=16),
    )
    dataflow = Dataflow(name="flexible", levels=constraints)
    hardware = Hardware(name="any", levels=levels, compute=Compute(mac_pj=1), dataflow=dataflow)
    memory, registers = search_mapping(ConvLayer("l", 3, 5, 2, 1, 1, 1), hardware).mapping.levels
    assert memory.temporal == (Loop("M", 5),)
    assert memory.spatial_x == (Loop("P", 2),)
    assert registers.temporal == (Loop("C", 3),)

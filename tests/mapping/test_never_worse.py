"""The best mapping is not worse than any that is known, nor than the best on less hardware."""

import csv
import dataclasses
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import CASES
from small_problems import hardwares, small_problems

from kcsim import MappingError, evaluate
from kcsim.hardware.schema import Dataflow
from kcsim.mapping.search import OBJECTIVES, search_mapping
from kcsim.workload.layer import ConvLayer

RUNS = list(
    csv.DictReader(
        (Path(__file__).parents[1] / "data" / "timeloop" / "mapper.csv")
        .read_text(encoding="utf-8")
        .splitlines()
    )
)
SIMPLE = CASES["alex3_simple_K16xQ13"].hardware
LESS = 1 + 1e-9


def value(objective, energy, cycles):
    return {"energy": energy, "cycles": cycles, "edp": energy * cycles}[objective]


def of_result(result, objective):
    return value(objective, result.energy, result.cycles)


def of_estimate(estimate, objective):
    return value(objective, estimate.energy, estimate.cycles.total)


def layer_of_run(run):
    size = {key: int(run[key]) for key in ("C", "M", "P", "Q", "R", "S", "stride")}
    height, width = (size["stride"] * (size[p] - 1) + size[r] for p, r in (("P", "R"), ("Q", "S")))
    return ConvLayer(
        run["layer"], size["C"], size["M"], height, width, size["R"], size["S"], size["stride"]
    )


@pytest.mark.parametrize("run", RUNS, ids=lambda run: f"{run['layer']}-{run['threads']}")
def test_runs_of_another_mapper(run):
    """It was free to leave any tensor out of any level, and to let neighbors pass words on.

    Even so it is enough that outputs may be left out of the registers.
    """
    layer, hardware = layer_of_run(run), with_level(SIMPLE, 2, may_bypass=("outputs",))
    energy, edp = float(run["best_energy_uj"]) * 1e6, float(run["edp_pj_cycles"])
    cycles = int(run["cycles"])
    assert energy * cycles == pytest.approx(edp, rel=1e-3)
    found = {}
    for objective in OBJECTIVES:
        result = search_mapping(layer, hardware, objective=objective)
        assert result.proved
        found[objective] = evaluate(layer, hardware, result.mapping)
    assert of_estimate(found["edp"], "edp") <= edp
    assert found["energy"].energy <= energy
    assert found["cycles"].cycles.total <= cycles


def is_plain(case):
    """Without forwarding, whose search may take long, and imperfect factors."""
    return not forwards(case) and case.mapping.is_perfect(case.layer)


def forwards(case):
    """Whether children take words from their neighbors."""
    return any(level.fanout.forwarding for level in case.hardware.levels)


def design_of(case):
    """The hardware of a case, keeping what the mapping keeps."""
    keeps = case.mapping.keeps_array(case.hardware)
    levels = [
        dataclasses.replace(
            level,
            keeps=tuple(t for j, t in enumerate(("weights", "inputs", "outputs")) if kept[j]),
        )
        for level, kept in zip(case.hardware.levels, keeps, strict=True)
    ]
    return dataclasses.replace(case.hardware, levels=tuple(levels))


TINY = [name for name, case in CASES.items() if is_plain(case) and name.startswith("tiny")]
REAL = [name for name, case in CASES.items() if is_plain(case) and not name.startswith("tiny")]
FORWARDING = [
    name for name, case in CASES.items() if forwards(case) and case.mapping.is_perfect(case.layer)
]


def check_case(name, time_limit=None):
    case, hardware = CASES[name], design_of(CASES[name])
    known = evaluate(case.layer, case.hardware, case.mapping)
    for objective in OBJECTIVES:
        result = search_mapping(case.layer, hardware, objective=objective, time_limit=time_limit)
        # Where the time limit ended the search, the gap has to allow for what is known.
        least = of_result(result, objective) * (1 - result.gap)
        assert least <= of_estimate(known, objective) * LESS
        found = evaluate(case.layer, hardware, result.mapping)
        assert found.energy == pytest.approx(result.energy, rel=1e-9)
        assert found.cycles.total == pytest.approx(result.cycles, abs=1)


def test_there_are_plain_cases():
    assert (len(TINY), len(REAL), len(FORWARDING)) == (41, 35, 30)


@pytest.mark.parametrize("name", TINY)
def test_small_reference_cases(name):
    check_case(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_reference_cases_of_real_layers(name):
    check_case(name, time_limit=2.0)


@pytest.mark.slow
@pytest.mark.parametrize("name", FORWARDING)
def test_reference_cases_with_forwarding(name):
    check_case(name, time_limit=2.0)


def best_of(layer, hardware, objective):
    try:
        return of_result(search_mapping(layer, hardware, objective=objective), objective)
    except MappingError:
        return float("inf")


def with_level(hardware, index, **changes):
    levels = list(hardware.levels)
    levels[index] = dataclasses.replace(levels[index], **changes)
    return dataclasses.replace(hardware, levels=tuple(levels))


def larger(draw, hardware):
    """The same hardware with more of something, at the same energies, or less of a rule."""
    index = draw(st.integers(0, len(hardware.levels) - 1))
    level = hardware.levels[index]
    kind = draw(st.sampled_from(("room", "array", "dataflow", "bypass", "bandwidth")))
    if kind == "room" and level.capacity_words:
        return with_level(hardware, index, capacity_words=2 * level.capacity_words)
    if kind == "room" and level.partitions:
        parts = [
            dataclasses.replace(p, capacity_words=p.capacity_words + 3) for p in level.partitions
        ]
        return with_level(hardware, index, partitions=tuple(parts))
    if kind == "array":
        fanout = dataclasses.replace(
            level.fanout, x=level.fanout.x + draw(st.integers(0, 2)), y=level.fanout.y + 1
        )
        return with_level(hardware, index, fanout=fanout)
    if kind == "bypass" and index:
        return with_level(hardware, index, may_bypass=level.kept_tensors)
    if kind == "bandwidth":
        return with_level(hardware, index, read_words_per_cycle=None, write_words_per_cycle=None)
    limits = dict(hardware.dataflow.levels)
    limits.pop(level.name, None)
    return dataclasses.replace(hardware, dataflow=Dataflow(levels=limits))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(OBJECTIVES))
def test_more_hardware_and_less_rules_are_never_worse(data, objective):
    layer, hardware = data.draw(small_problems(most=5000))
    more = larger(data.draw, hardware)
    least = best_of(layer, hardware, objective)
    assert best_of(layer, more, objective) <= least * LESS + 1e-9


LAYERS = [
    ConvLayer("conv", 24, 40, 16, 16, 3, 3),
    ConvLayer("strided", 6, 16, 27, 27, 5, 5, stride=2, dilation=(1, 2)),
    ConvLayer("grouped", 12, 24, 14, 14, 3, 3, groups=4, batch=2),
    ConvLayer.linear("linear", 120, 84, batch=3),
    ConvLayer("sparse", 8, 12, 10, 12, 1, 3, stride=(3, 1)),
]


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(hardwares(), st.sampled_from(LAYERS), st.sampled_from(OBJECTIVES))
def test_larger_layers_cost_what_the_search_says(hardware, layer, objective):
    from test_optimum import check_cost

    try:
        result = search_mapping(layer, hardware, objective=objective, time_limit=1.0)
    except MappingError:
        return
    check_cost(result, layer, hardware)

"""Static energy of what is in use and of what is idle, clocks by component, and biases."""

import dataclasses

import pytest
from small_design import LAYER, MAPPING, design

from kcsim import evaluate
from kcsim.hardware.idle import Idle
from kcsim.mapping.nest import LevelLoops, Loop, Mapping

ONE_PE = Mapping(
    (
        LevelLoops("DRAM", (Loop("M", 2),)),
        LevelLoops("buffer", (Loop("P", 2), Loop("Q", 2), Loop("M", 2))),
        LevelLoops("PE", (Loop("C", 2), Loop("R", 3), Loop("S", 3))),
    )
)


def items(estimate, action):
    return {i.component: i.energy for i in estimate.items if i.action == action}


@pytest.mark.parametrize(
    ("idle", "own", "paid"),
    [
        (Idle(), None, 1.0),
        (Idle(leakage=1), None, 2.0),
        (Idle(leakage=0.1), None, 1.1),
        (Idle(leakage=1), Idle(leakage=0.25), 1.25),
    ],
)
def test_idle_instances_leak_what_the_file_says(idle, own, paid):
    pe = {"leakage_pj_per_cycle": 0.5, "idle": own}
    estimate = evaluate(LAYER, design(pe=pe, idle=idle), ONE_PE)
    assert items(estimate, "cycle")["static"] == pytest.approx(0.5 * paid * estimate.cycles.total)


def test_clocks_are_part_of_their_components():
    hardware = design(pe={"clock_pj_per_cycle": 0.5}, compute={"clock_pj_per_cycle": 0.25})
    estimate = evaluate(LAYER, hardware, MAPPING)
    cycles = estimate.cycles.total
    assert items(estimate, "clock") == {"PE": 2 * 0.5 * cycles, "MAC": 2 * 0.25 * cycles}
    plain = evaluate(LAYER, design(), MAPPING)
    more = estimate.energy_by_component()["PE"] - plain.energy_by_component()["PE"]
    assert more == pytest.approx(cycles)


def test_biases_are_read_once_and_added_to_each_output():
    layer = dataclasses.replace(LAYER, bias=True)
    left_out = evaluate(layer, design(), MAPPING)
    counted = evaluate(layer, design(biases="counted", compute={"add_pj": 0.125}), MAPPING)
    assert items(counted, "load") == {"bias": 4 * 200}
    assert items(counted, "add") == {"bias": layer.output_words * 0.125}
    expected = left_out.energy + 4 * 200 + layer.output_words * 0.125
    assert counted.energy == pytest.approx(expected)
    assert counted.operations.adds == left_out.operations.adds + layer.output_words
    assert evaluate(LAYER, design(biases="counted"), MAPPING).energy == left_out.energy


def test_biases_take_the_time_of_the_outermost_level():
    layer = dataclasses.replace(LAYER, bias=True)
    slow = {"dram": {"read_words_per_cycle": 0.1}}
    left_out = evaluate(layer, design(**slow), MAPPING).cycles.total
    assert evaluate(layer, design(**slow, biases="counted"), MAPPING).cycles.total == left_out + 40

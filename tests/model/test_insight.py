"""What a little more hardware would give: found by searching on that hardware."""

import dataclasses

import pytest

from kcsim import explain_mapping, load_hardware, load_layer, search_mapping
from kcsim.cost.rooms import rooms_of
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.search import objective_value
from kcsim.model.insight import larger_designs
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("small", 8, 12, 6, 6, 3, 3)


def design(**buffer):
    """DRAM with a slow port, a small buffer, and a row of units."""
    given = {"capacity_words": 64, "fanout": Fanout(x=4)} | buffer
    return Hardware(
        name="design",
        levels=(
            Level(name="DRAM", read_pj=100, write_pj=100, read_words_per_cycle=0.5),
            Level(name="buffer", read_pj=2, write_pj=2, **given),
        ),
        compute=Compute(mac_pj=1),
    )


@pytest.mark.parametrize("objective", ["edp", "energy", "cycles"])
def test_what_is_saved_is_the_difference_of_two_optima(objective):
    hardware = design()
    insight = explain_mapping(LAYER, hardware, objective=objective)
    best = search_mapping(LAYER, hardware, objective=objective)
    assert insight.estimate.search.energy == best.energy
    changes = {gain.change: gain for gain in insight.gains}
    assert list(changes) == ["1 word read a cycle", "1 KiB", "1 column below it"]
    roomy = design(capacity_words=64 + 512)
    levels = (dataclasses.replace(hardware.levels[0], read_words_per_cycle=1.5), hardware.levels[1])
    for change, more in (
        ("1 KiB", roomy),
        ("1 word read a cycle", dataclasses.replace(hardware, levels=levels)),
        ("1 column below it", design(fanout=Fanout(x=5))),
    ):
        found = search_mapping(LAYER, more, objective=objective)
        before, after = (objective_value(objective, n.energy, n.cycles) for n in (best, found))
        assert changes[change].saved == pytest.approx(before - after, rel=1e-9, abs=1e-9 * before)
        assert changes[change].saved_share == pytest.approx(1 - after / before, abs=1e-9)
        assert changes[change].edp == changes[change].energy * changes[change].cycles
    assert changes["1 KiB"].saved > 0 or objective == "cycles"


@pytest.mark.parametrize("name", ["eyeriss", "simple", "tpu_like", "eyeriss_codebook"])
def test_each_larger_design_has_more_of_one_part(name):
    hardware = load_hardware(name)
    designs = list(larger_designs(hardware))
    assert len({(level, holds, change) for level, holds, change, _ in designs}) == len(designs)
    for level, _, change, more in designs:
        index = hardware.level_index(level)
        others = [i for i in range(len(hardware.levels)) if i != index]
        assert all(more.levels[i] == hardware.levels[i] for i in others)
        own, grown = hardware.levels[index], more.levels[index]
        if change == "1 KiB":
            sizes = [sum(room.bits for room in rooms_of(each)) for each in (own, grown)]
            half = 2 if own.buffering == "double" else 1
            assert sizes[1] - sizes[0] == 8192 // half
        for tensor in own.kept_tensors:
            for action in ("read", "write", "update"):
                assert grown.price(tensor, action) == own.price(tensor, action)


def test_nothing_is_said_of_what_is_not_proved():
    insight = explain_mapping(load_layer("alexnet/conv3"), load_hardware("simple"), time_limit=1e-6)
    assert insight.gains
    assert all(gain.saved is None for gain in insight.gains if not gain.search.proved)
    assert not all(gain.search.proved for gain in insight.gains)

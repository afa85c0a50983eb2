"""First reads, drains, fills, and networks by tensor, as publications count them."""

import dataclasses

import pytest

from kcsim.errors import InputError
from kcsim.hardware.counted import Counted
from kcsim.hardware.level import Level
from kcsim.hardware.network import Fanout
from kcsim.hardware.schema import Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.model.evaluate import evaluate
from kcsim.workload.layer import ConvLayer

LAYER = ConvLayer("pointwise", 8, 4, 4, 4, 1, 1)
MAPPING = Mapping(
    (
        LevelLoops("DRAM", (Loop("C", 2),)),
        LevelLoops("buffer", (Loop("P", 4), Loop("C", 4)), (Loop("M", 4),)),
        LevelLoops("PE", (Loop("Q", 4),)),
    )
)


def chip(**changes):
    """Three levels, of which some keys may be others."""
    levels = (
        Level(name="DRAM", read_pj=100, write_pj=100),
        Level(
            name="buffer", read_pj=10, write_pj=11, capacity_words=512,
            fanout=Fanout(x=4, transfer_pj=1),
        ),
        Level(name="PE", read_pj=2, write_pj=3, capacity_words=64),
    )  # fmt: skip
    levels = tuple(dataclasses.replace(each, **changes.get(each.name, {})) for each in levels)
    return Hardware(name="chip", levels=levels, compute=Compute(mac_pj=1, zeros={"inputs": "gate"}))


def paid(name, tensor, action, **changes):
    """Words that are paid for, and their energy."""
    items = evaluate(LAYER, chip(**changes), MAPPING).items
    found = [i for i in items if (i.component, i.tensor, i.action) == (name, tensor, action)]
    return (found[0].count, found[0].energy) if found else (0, 0.0)


@pytest.mark.parametrize("name", ["DRAM", "buffer", "PE"])
def test_with_first_reads_sums_are_read_as_often_as_they_are_updated(name):
    updates, _ = paid(name, "outputs", "update")
    reads, energy = paid(name, "outputs", "read", **{name: {"counted": Counted(first_reads=True)}})
    before, less = paid(name, "outputs", "read")
    assert before < reads == updates
    assert energy / reads == {"DRAM": 100, "buffer": 10, "PE": 2}[name]
    assert less == energy * before / reads


@pytest.mark.parametrize("name", ["buffer", "PE"])
def test_with_drains_sums_are_read_as_they_leave(name):
    counts = evaluate(LAYER, chip(), MAPPING).counts
    above = {"buffer": "DRAM", "PE": "buffer"}[name]
    left = counts.moved(above, "outputs", "up")
    before, _ = paid(name, "outputs", "read")
    reads, _ = paid(name, "outputs", "read", **{name: {"counted": Counted(drains=True)}})
    assert reads == before + left > before


def test_fills_that_are_not_counted_cost_nothing():
    assert paid("PE", "weights", "fill")[1] > 0
    assert paid("PE", "weights", "fill", PE={"counted": Counted(fills=False)}) == (0, 0)
    slow = {"write_words_per_cycle": 0.01}
    cycles = evaluate(LAYER, chip(buffer=slow), MAPPING).cycles.transfer["buffer"]
    slow |= {"counted": Counted(fills=False)}
    assert evaluate(LAYER, chip(buffer=slow), MAPPING).cycles.transfer["buffer"] < cycles


def test_networks_have_energies_by_tensor():
    words, energy = paid("buffer network", "inputs", "transfer")
    assert energy == words
    priced = {"fanout": Fanout(x=4, transfer_pj=1, tensor_pj={"inputs": 3, "weights": 0})}
    assert paid("buffer network", "inputs", "transfer", buffer=priced) == (words, 3 * words)
    assert paid("buffer network", "weights", "transfer", buffer=priced)[1] == 0
    assert paid("buffer network", "outputs", "transfer", buffer=priced)[1] > 0


def test_first_reads_are_refused_where_zeros_are_skipped():
    hardware = chip(PE={"counted": Counted(first_reads=True)})
    with pytest.raises(InputError, match="not counted where zeros are skipped"):
        dataclasses.replace(hardware, compute=Compute(mac_pj=1, zeros={"inputs": "skip"}))

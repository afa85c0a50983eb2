"""Searches end when they should, say what is not proved, and need little memory."""

from __future__ import annotations

import dataclasses
import math
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_design import LAYER, design
from small_problems import small_problems

from kcsim import MappingError, evaluate, load_hardware, load_layer
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import Compute, Dataflow, Hardware, LevelConstraint
from kcsim.kernels.search.progress import ENERGY_DELAY, FRONT
from kcsim.mapping import engine, explore, search
from kcsim.mapping.deadline import Deadline, GivenUp, OutOfTime, in_threads
from kcsim.mapping.layers import MappingTask, map_layers, try_layers
from kcsim.mapping.search import OBJECTIVES, find_front, objective_value, search_mapping
from kcsim.mapping.space import coarsened, prime_factors
from kcsim.mapping.task import Task
from kcsim.mapping.verify import costs_in_space
from kcsim.workload.layer import ConvLayer

DATA = Path(__file__).parent.parent / "data" / "searches"
BYPASS = load_hardware(DATA / "every_bypass.yaml")
SINGLE = load_hardware(DATA / "single_buffered.yaml", ["padding=moved"])
WIDE = ConvLayer("wide", 64, 64, 56, 56, 3, 3, padding=1)
SMALL = ConvLayer("small", 8, 4, 12, 12, 3, 3, 1, 1, 1, 2)
LONG = ConvLayer("long", 48, 48, 24, 24, 3, 3, 1, 1, 1, 2)
"""Of so many tilings that no search of it ends within a limit here on any machine."""
SLACK = 3.0
"""Seconds that a busy machine may take longer."""


@pytest.fixture(autouse=True)
def compiled():
    for padding in ("generated", "moved"):
        explore.compile_kernels(padding)


class Clock:
    """Measures a block."""

    def __enter__(self):
        self.started = time.monotonic()
        return self

    def __exit__(self, *error):
        self.seconds = time.monotonic() - self.started


def check_unproved(result, layer, hardware, objective="edp"):
    assert not result.proved
    assert "the time limit ended the search" in result.note
    assert 0 <= result.gap <= 1
    estimate = evaluate(layer, hardware, result.mapping)
    assert estimate.energy == pytest.approx(result.energy, rel=1e-4)
    assert estimate.cycles.total == pytest.approx(result.cycles, rel=1e-4)


def test_a_limit_holds_where_64_choices_of_bypass_are_to_be_tried():
    with Clock() as clock:
        result = search_mapping(LONG, BYPASS, time_limit=1.0)
    assert clock.seconds < 1 + SLACK
    check_unproved(result, LONG, BYPASS)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_what_does_not_end_in_time_is_stopped(objective, monkeypatch):
    monkeypatch.setattr(search, "TIME_LIMIT", 0.05)
    with Clock() as clock:
        result = search_mapping(LONG, SINGLE, objective=objective)
    assert clock.seconds < 0.05 + SLACK
    check_unproved(result, LONG, SINGLE, objective)


def test_a_gap_holds_the_optimum():
    result = search_mapping(WIDE, BYPASS, time_limit=0.2)
    optimum = 405822832.64 * 451584
    assert result.energy * result.cycles * (1 - result.gap) <= optimum * (1 + 1e-9)
    assert optimum * (1 - 1e-9) <= result.energy * result.cycles <= 10 * optimum


def test_what_ends_by_itself_needs_no_limit():
    result = search_mapping(SMALL, SINGLE, objective="energy", time_limit=math.inf)
    assert result.proved
    assert result.energy == pytest.approx(594_178.64)
    even = search_mapping(SMALL, SINGLE, objective="energy", time_limit=math.inf, even=True)
    assert even.proved
    assert even.energy == pytest.approx(602_700.592)


def test_a_front_keeps_its_limit():
    with Clock() as clock:
        front = find_front(LONG, BYPASS, time_limit=1.0)
    assert clock.seconds < 1 + SLACK
    assert front
    assert "the time limit ended the search; what was left out takes" in front.note
    assert [p.cycles for p in front] == sorted({p.cycles for p in front})
    assert find_front(LAYER, design()).note == ""


@pytest.mark.parametrize("name", ["lenet5/conv1", "resnet20/conv1"])
def test_looks_at_coarser_map_spaces_leave_a_front_with_its_points(name):
    layer = load_layer(name)
    explorer = explore.Explorer(Task(layer, BYPASS), FRONT, Deadline())
    for tiles in (16, 256):
        explorer.glance(coarsened(prime_factors(layer), tiles), 1.05)
        known = [(point.energy, point.cycles) for point in explorer.known.points]
        assert known
        np.testing.assert_array_equal(explorer.best[: len(known)], known)
        assert np.isinf(explorer.best[len(known) :]).all()


def test_all_choices_of_bypass_of_many_levels_are_never_listed():
    """Fifteen levels that may pass any tensor by: 2^45 choices."""
    names = [f"L{i}" for i in range(15)]
    levels = (
        Level(name="DRAM", read_pj=1, write_pj=1),
        *(
            Level(
                name=name, read_pj=1, write_pj=1, capacity_words=2 ** (20 - i),
                may_bypass=("weights", "inputs", "outputs"), fanout=Fanout(x=2),
            )
            for i, name in enumerate(names)
        ),
    )  # fmt: skip
    hardware = Hardware(name="deep", levels=levels, compute=Compute(mac_pj=1))
    with Clock() as clock:
        result = search_mapping(ConvLayer("conv", 8, 8, 8, 8, 3, 3), hardware, time_limit=1.0)
    assert clock.seconds < 1 + SLACK
    assert not result.proved


@pytest.mark.parametrize("padding", [2**24, 2**31])
def test_an_endless_margin_takes_no_time(padding):
    layer = ConvLayer("padded", 8, 8, 8, 8, 3, 3, padding=(0, 1, 2, padding))
    with Clock() as clock:
        result = search_mapping(layer, load_hardware("eyeriss"), time_limit=1.0)
    assert clock.seconds < 1 + SLACK
    evaluate(layer, load_hardware("eyeriss"), result.mapping)


def test_of_too_many_tilings_some_are_searched():
    layer = ConvLayer("many", 2520, 2520, 360, 360, 1, 1, batch=5040)
    result = search_mapping(layer, load_hardware("tpu_like"), time_limit=math.inf)
    assert not result.proved
    assert result.note == "there are more tilings than can be searched"
    assert 0 < result.gap <= 1
    assert result.mappings > result.evaluated > 0
    again = search_mapping(layer, load_hardware("tpu_like"), time_limit=math.inf)
    assert again.mapping == result.mapping, "nothing of it depends on time"


def test_tables_that_take_too_much_memory_are_not_built(monkeypatch):
    monkeypatch.setattr("kcsim.mapping.task.TABLE_BYTES", 5_000_000)
    result = search_mapping(WIDE, load_hardware("simple"))
    assert result.note == "there are more tilings than can be searched"
    best = search_mapping(LAYER, design())
    assert best.proved


def test_a_search_that_takes_too_much_memory_ends(monkeypatch):
    layer, hardware = load_layer("resnet18/layer2.0.conv1"), load_hardware("simple")
    monkeypatch.setattr(engine, "LABEL_BYTES", 10_000_000)
    result = search_mapping(layer, hardware, time_limit=math.inf)
    assert result.note == "the search took too much memory"
    assert 0 < result.gap < 1
    monkeypatch.undo()
    best = search_mapping(layer, hardware, time_limit=math.inf)
    assert best.proved
    least = result.energy * result.cycles * (1 - result.gap)
    assert least <= best.energy * best.cycles <= result.energy * result.cycles


def test_a_limit_far_too_short_still_finds_a_mapping():
    for layer, hardware in ((WIDE, BYPASS), (SMALL, SINGLE), (WIDE, load_hardware("eyeriss"))):
        with Clock() as clock:
            result = search_mapping(layer, hardware, time_limit=1e-6)
        assert clock.seconds < SLACK
        check_unproved(result, layer, hardware)


def test_no_mapping_within_the_limit_is_said(monkeypatch):
    monkeypatch.setattr(explore, "GRACE_SECONDS", 0.0)
    with pytest.raises(MappingError, match=r"no mapping of wide .* was found within 1e-06 s"):
        search_mapping(WIDE, BYPASS, time_limit=1e-6)


class Soon(Deadline):
    """Passes after a number of looks."""

    def __init__(self, looks):
        super().__init__()
        self.looks = looks

    @property
    def has_passed(self):
        self.looks -= 1
        return self.looks < 0

    def extended(self, seconds):
        return self


@settings(max_examples=60, deadline=None)
@given(small_problems(), st.sampled_from(OBJECTIVES), st.integers(0, 60))
def test_what_is_left_of_any_search_is_bounded_from_below(problem, objective, looks):
    """Cut at some point: the optimum is not below what the gap allows."""
    layer, hardware = problem
    try:
        best = search_mapping(layer, hardware, objective=objective)
    except MappingError:
        return
    number, before = OBJECTIVES.index(objective), engine.FIRST_CHUNK
    engine.FIRST_CHUNK = 30
    try:
        known = explore.explore(explore.Explorer(Task(layer, hardware), number, Soon(looks)))
    finally:
        engine.FIRST_CHUNK = before
    least = objective_value(objective, best.energy, best.cycles)
    values = [objective_value(objective, *point[1:3]) for point in known.points]
    values += [costs[0] for costs in known.left_out]
    assert min(values) <= least * (1 + 1e-9) + 1e-12
    assert bool(known.left_out) == bool(known.reasons)


@settings(max_examples=60, deadline=None)
@given(small_problems(), st.sampled_from((1, 8, 64, 512)))
def test_a_coarse_map_space_is_a_part_of_the_whole(problem, tiles):
    layer, hardware = problem
    explorer = explore.Explorer(Task(layer, hardware), ENERGY_DELAY, Deadline())
    explorer.explore(coarsened(prime_factors(layer), tiles))
    known = explorer.known
    assert known.left_out == []
    for mapping, energy, cycles, _ in known.points:
        (costs,) = costs_in_space(mapping, layer, hardware)
        assert (energy, cycles) == pytest.approx(costs, rel=1e-9)
        best = search_mapping(layer, hardware)
        assert known.mappings <= best.mappings
        assert energy * cycles >= best.energy * best.cycles * (1 - 1e-9)


def test_the_limit_is_for_each_shape():
    layers = [LONG, dataclasses.replace(LONG, out_channels=24), SMALL]
    with Clock() as clock:
        found = map_layers([MappingTask(layer) for layer in layers], BYPASS, time_limit=0.5)
    assert clock.seconds < 3 * 0.5 + SLACK
    assert [result.proved for result in found].count(False) >= 2


def test_one_layer_without_a_mapping_leaves_the_others_theirs():
    """Of a layer with a kernel that no level may iterate over."""
    anything = ("N", "G", "M", "C", "P", "Q")
    constraints = {name: LevelConstraint(temporal=anything) for name in ("DRAM", "buffer", "PE")}
    hardware = design(dataflow=Dataflow(levels=constraints))
    plain = ConvLayer("plain", 2, 4, 4, 4, 1, 1)
    tasks = [MappingTask(plain), MappingTask(LAYER), MappingTask(plain)]
    first, none, last = try_layers(tasks, hardware)
    assert first == last
    assert first.mapping == search_mapping(plain, hardware).mapping
    assert "lets no level iterate over R" in str(none)
    with pytest.raises(MappingError, match="lets no level iterate over R"):
        map_layers(tasks, hardware)


def test_a_deadline_passes():
    deadline = Deadline(0.05)
    inner, outer = Deadline(10.0, deadline), Deadline(10.0)
    assert not deadline.has_passed
    assert inner.left <= 0.05
    time.sleep(0.06)
    with pytest.raises(OutOfTime):
        inner.check()
    assert inner.has_passed
    assert not outer.has_passed
    assert not inner.extended(1.0).has_passed
    inner.give_up()
    with pytest.raises(GivenUp):
        _ = deadline.extended(1.0).has_passed
    assert not outer.has_passed


def test_what_nobody_waits_for_is_given_up():
    deadline, ended = Deadline(), threading.Event()

    def work(name):
        if name == "fails":
            time.sleep(0.1)
            raise MappingError("no place")
        try:
            search_mapping(LONG, BYPASS, time_limit=60.0, within=deadline)
        except GivenUp:
            ended.set()
            raise

    with Clock() as clock, pytest.raises(MappingError, match="no place"):
        list(in_threads(work, ["fails", "goes on"], deadline))
    assert clock.seconds < SLACK
    assert ended.is_set()


def test_many_threads_do_as_one():
    assert list(in_threads(lambda n: n * n, range(20), Deadline())) == [n * n for n in range(20)]

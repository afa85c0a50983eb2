"""Searches whose memory is full: what nothing rests on is left out, and nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uneven_problems import random_problem

from kcsim.errors import MappingError
from kcsim.hardware.reader import load_hardware
from kcsim.kernels.search import optimum
from kcsim.kernels.search.progress import FULL, PAUSED
from kcsim.mapping import collecting, engine
from kcsim.mapping.search import OBJECTIVES, find_front, search_mapping
from kcsim.workload.reader import load_layer


def found_of(layer, hardware, objective):
    if objective == "front":
        return tuple(find_front(layer, hardware))
    found = search_mapping(layer, hardware, objective=objective)
    return found.mapping, found.energy, found.cycles, found.evaluated, found.proved


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.sampled_from((*OBJECTIVES, "front")), st.integers(1, 40))
def test_the_same_is_found_whenever_room_is_made(seed, objective, steps):
    layer, hardware = random_problem(seed, most=3000)
    try:
        wanted = found_of(layer, hardware, objective)
    except MappingError:
        return
    search_on = optimum.search_on

    def full_after_steps(search, more, path):
        outcome = search_on(search, min(more, steps), path)
        return FULL if outcome == PAUSED else outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optimum, "search_on", full_after_steps)
        patch.setattr(collecting, "WORTHWHILE", -1.0)
        assert found_of(layer, hardware, objective) == wanted


def test_a_search_goes_on_with_the_room_that_is_made(monkeypatch):
    layer, hardware = load_layer("vgg16/conv2-2"), load_hardware("simple")
    wanted = search_mapping(layer, hardware)
    rooms = []

    def noted(search):
        rooms.append(collecting.make_room(search))
        return rooms[-1]

    monkeypatch.setattr(engine, "LABEL_BYTES", 22_000_000)
    monkeypatch.setattr(engine, "make_room", noted)
    found = search_mapping(layer, hardware)
    assert rooms, "memory was full"
    assert all(rooms)
    assert (found.mapping, found.proved) == (wanted.mapping, True)

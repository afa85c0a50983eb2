"""Searches with neighbors: what is found does not depend on what was known before."""

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from padded_problems import padded_problem
from uneven_problems import random_problem

from kcsim.errors import MappingError
from kcsim.mapping.as_mapped import structure_of
from kcsim.mapping.memory import Memory
from kcsim.mapping.neighbors import Neighbors
from kcsim.mapping.search import OBJECTIVES, objective_value, search_mapping
from kcsim.mapping.tables import SharedTables

TABLES = SharedTables()
"""Of all problems below, so that one that takes another's tables is noticed."""


def found_with(layer, hardware, objective, tables, most=math.inf):
    return search_mapping(layer, hardware, objective=objective, neighbors=Neighbors(tables, most))


def shown(found):
    return found.mapping, found.energy, found.cycles, found.mappings, found.proved


@settings(max_examples=150)
@given(st.integers(0, 10_000), st.sampled_from(OBJECTIVES), st.floats(1, 4))
def test_the_same_is_found_whatever_is_known(seed, objective, factor):
    layer, hardware = random_problem(seed, most=3000)
    try:
        wanted = search_mapping(layer, hardware, objective=objective)
    except MappingError:
        with pytest.raises(MappingError):
            found_with(layer, hardware, objective, TABLES)
        return
    first = found_with(layer, hardware, objective, SharedTables())
    assert (first.energy, first.cycles) == pytest.approx((wanted.energy, wanted.cycles), rel=1e-8)
    assert first.mappings == wanted.mappings
    assert first.proved == wanted.proved
    least = objective_value(objective, first.energy, first.cycles)
    for most in (least, least * factor, math.inf):
        assert shown(found_with(layer, hardware, objective, TABLES, most)) == shown(first)


class DirtyMemory(Memory):
    """Memory that held something else."""

    def parts(self, room, amounts, nodes, fields):
        found = super().parts(room, amounts, nodes, fields)
        for part in found:
            part.view("u1")[:] = 0xA5
        return found


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(OBJECTIVES), st.booleans())
def test_what_memory_held_before_changes_nothing(seed, objective, is_padded):
    problem = padded_problem if is_padded else random_problem
    layer, hardware = problem(seed, most=3000)
    tables = SharedTables()
    tables.memory = DirtyMemory()
    try:
        wanted = found_with(layer, hardware, objective, SharedTables())
    except MappingError:
        return
    assert shown(found_with(layer, hardware, objective, tables)) == shown(wanted)


def test_a_bound_below_all_that_can_be_found_is_left_aside():
    """As from a neighbor with tiles that a search in larger steps does not have."""
    layer, hardware = random_problem(7, most=3000)
    wanted = found_with(layer, hardware, "edp", SharedTables())
    least = objective_value("edp", wanted.energy, wanted.cycles)
    found = found_with(layer, hardware, "edp", SharedTables(), least / 2)
    assert shown(found) == shown(wanted)


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from([0.25, 0.7, 1.3, 4.0]), st.integers(0, 3))
def test_tables_of_other_prices_and_sizes_change_nothing(seed, factor, index):
    """The same layer on a hardware that has most, but not all, in common."""
    problem = padded_problem if seed % 3 == 0 else random_problem
    layer, hardware = problem(seed, most=3000)
    level = hardware.levels[index % len(hardware.levels)]
    other = dataclasses.replace(
        level, read_pj=level.read_pj * factor, write_pj=level.write_pj / factor
    )
    levels = [other if each is level else each for each in hardware.levels]
    if level.capacity_words:
        levels[levels.index(other)] = dataclasses.replace(
            other, capacity_words=max(3, round(level.capacity_words * factor))
        )
    for design in (hardware, dataclasses.replace(hardware, levels=tuple(levels)), hardware):
        try:
            alone = found_with(layer, design, "edp", SharedTables())
        except MappingError:
            continue
        assert shown(found_with(layer, design, "edp", TABLES)) == shown(alone)


def test_tables_stay_within_their_memory():
    tables, made = SharedTables(1200), []

    def table(name):
        return tables.of((name,), lambda: made.append(name) or "x" * 300)

    for name in ("a", "b", "a", "c", "d", "a"):
        table(name)
    assert tables.bytes <= 1200
    assert made == ["a", "b", "c", "d"], "what was used last stays"
    table("b")
    assert made[-1] == "b"


def test_designs_that_differ_in_sizes_and_prices_alone_have_one_structure():
    _, hardware = random_problem(3)
    level = hardware.levels[1]
    changes = {"read_pj": 9.5, "fanout": dataclasses.replace(level.fanout, x=level.fanout.x + 1)}
    texts = [structure_of(hardware)]
    for name, value in changes.items():
        changed = dataclasses.replace(level, **{name: value})
        levels = (hardware.levels[0], changed, *hardware.levels[2:])
        texts.append(structure_of(dataclasses.replace(hardware, levels=levels)))
    assert texts[0] == texts[1] != texts[2]

"""The search of shared mappings: bounds are below all mappings, and no other loops are better."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from every_mapping import every_nest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_sharing import shared_mappings, shared_mappings_on_chips
from shared_layers import shared_layer
from small_problems import layer_of

from kcsim.errors import MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import (
    CodebookStore,
    Compute,
    Dataflow,
    Hardware,
    LevelConstraint,
    Precision,
)
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import OBJECTIVES, objective_value
from kcsim.sharing.account import entries_cost, evaluate_shared, gather_cost
from kcsim.sharing.bounds import Bounds
from kcsim.sharing.phase_search import PhaseSearch, smooth
from kcsim.sharing.phases import phase_hardware
from kcsim.sharing.places import Place
from kcsim.sharing.plan import SharedMapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import DIMENSIONS, ConvLayer

MOST_TRIED = 80


@settings(max_examples=800, deadline=None)
@given(st.one_of(shared_mappings(), shared_mappings_on_chips()))
def test_no_mapping_of_a_tile_costs_less_than_its_bound(drawn):
    assume(drawn is not None)
    shared, mapping = drawn.shared, drawn.mapping
    places = (shared.hardware.level_index(n) for n in (mapping.home, mapping.gathered_at))
    bounds = Bounds.of(shared, *places, mapping.order)
    found = evaluate_shared(shared, mapping)
    i = bounds.tiles.tolist().index(list(mapping.tile))
    assert bounds.energy[i] <= found.energy * (1 + 1e-9)
    assert bounds.cycles[i] <= found.cycles.total


@settings(max_examples=600, deadline=None)
@given(st.one_of(shared_mappings(), shared_mappings_on_chips()))
def test_no_mapping_costs_less_than_its_bound_with_its_own_phases(drawn):
    assume(drawn is not None)
    shared, mapping = drawn.shared, drawn.mapping
    home, last = (shared.hardware.level_index(n) for n in (mapping.home, mapping.gathered_at))
    bounds = Bounds.of(shared, home, last, mapping.order)
    i = bounds.tiles.tolist().index(list(mapping.tile))
    found = evaluate_shared(shared, mapping)
    beside = found.outer.instances[home]
    gather, entries = gather_cost(shared, mapping).cost, entries_cost(shared, mapping).cost
    assert bounds.gather_energy[i] <= gather.energy * (1 + 1e-9)
    assert bounds.entries_energy[i] <= entries.energy * (1 + 1e-9)
    assert bounds.gather_cycles[i] * beside <= gather.cycles * (1 + 1e-9)
    assert bounds.entries_cycles[i] * beside <= entries.cycles * (1 + 1e-9)
    for known in ((None, None), (entries, None), (None, gather), (entries, gather)):
        for objective, value in (("energy", found.energy), ("cycles", found.cycles.total)):
            assert bounds.value_with(i, objective, *known) <= value * (1 + 1e-9)


@pytest.mark.parametrize("sharing", SHARINGS)
def test_sums_of_channels_that_homes_have_apart_do_not_come_back(sharing):
    free = partial(Level, read_pj=0, update_pj=0, word_bits=16, capacity_words=10**6)
    levels = (
        free(name="DRAM", write_pj=0, capacity_words=None, fanout=Fanout(x=2, reduction=False)),
        free(name="buffer", write_pj=0), free(name="registers", write_pj=1),
    )  # fmt: skip
    hardware = Hardware(
        name="apart", levels=levels, compute=Compute(mac_pj=0),
        codebook=CodebookStore(level="DRAM", capacity_kib=1, read_pj=0, write_pj=0),
        precision_bits=Precision(weights=8, inputs=8, outputs=2),
    )  # fmt: skip
    shared = shared_layer(ConvLayer("layer", 2, 8, 16, 1, 1, 1), hardware, "scalar:k=3", sharing)
    tile = Tile(N=1, G=1, M=8, C=1, P=1, Q=1)
    outer = Mapping((
        LevelLoops("DRAM", (), (Loop("C", 2),)), LevelLoops("buffer", (Loop("P", 16),)),
        LevelLoops("registers", (Loop("M", 8),)),
    ))  # fmt: skip
    shapes, phases = shared.shapes(tile), []
    for layer in (shapes.gather, shapes.entries(max(shared.widths(tile)))):
        loops = tuple(Loop(d, n) for d, n in layer.dimensions.items() if n > 1)
        phases.append(Mapping((LevelLoops("registers", loops),)))
    mapping = SharedMapping(shared.sharing, "registers", "registers", False, tile, outer, *phases)
    found, bounds = evaluate_shared(shared, mapping), Bounds.of(shared, 2, 2)
    assert bounds.energy[bounds.tiles.tolist().index(list(tile))] <= found.energy


@settings(max_examples=150, deadline=None)
@given(st.one_of(shared_mappings(), shared_mappings_on_chips()), st.sampled_from(OBJECTIVES))
def test_phases_take_no_less_than_their_loops_say(drawn, objective):
    assume(drawn is not None)
    shared, mapping = drawn.shared, drawn.mapping
    home, last = (shared.hardware.level_index(n) for n in (mapping.home, mapping.gathered_at))
    place, tile, known = Place(home, last, mapping.order), mapping.tile, PhaseSearch(objective)
    bounds = Bounds.of(shared, *place)
    i = bounds.tiles.tolist().index(list(tile))
    gathered, multiplied = (part(shared, place, tile) for part in (known.gather, known.entries))
    least = (
        bounds.gather_with(i, gathered.loops, shared.runs(tile)),
        known.least_of_entries(shared, place, tile),
    )
    for cost, bound in zip((gathered.cost, multiplied.cost), least, strict=True):
        for value, floor in zip(cost, bound, strict=True):
            assert floor <= value * (1 + 1e-9)


@settings(max_examples=40, deadline=None)
@given(shared_mappings())
def test_no_other_loops_of_any_part_take_less_energy(drawn):
    assume(drawn is not None)
    shared, tile = drawn.shared, drawn.mapping.tile
    # Loops are found for tables of one width that has small factors.
    widths = shared.widths(tile, drawn.mapping.order)
    assume(len(widths) == 1 and smooth(max(widths)) == max(widths))
    home, last = (
        shared.hardware.level_index(n) for n in (drawn.mapping.home, drawn.mapping.gathered_at)
    )
    place = Place(home, last, drawn.mapping.order)
    best = PhaseSearch("energy").mapped(shared, place, tile)
    # Accesses are rounded up to whole ones, which the search does not see.
    slack = sum(item.energy / item.accesses for item in best.items if item.accesses)
    for part, other in _others(shared, best.plan, home, last):
        try:
            found = evaluate_shared(shared, replace(best.plan, **{part: other}))
        except MappingError:
            continue
        assert found.energy >= best.energy - slack - 1e-9, part


# Few homes are further in than the outermost level, and have tiles around them.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.one_of(shared_mappings(), shared_mappings_on_chips()), st.sampled_from(OBJECTIVES))
def test_no_other_loops_above_the_home_are_better(drawn, objective):
    assume(drawn is not None)
    shared, tile, order = drawn.shared, drawn.mapping.tile, drawn.mapping.order
    hardware = shared.hardware
    home, last = (hardware.level_index(n) for n in (drawn.mapping.home, drawn.mapping.gathered_at))
    assume(home and max(tile.rounds(shared.layer)) > 1)
    # How many instances share what is decoded in between is not known to the search.
    between = range(1, home if shared.form.decode_level < home else 1)
    assume(not between or all(level.fanout.children == 1 for level in hardware.levels[:home]))
    best = PhaseSearch(objective).mapped(shared, Place(home, last, order), tile)
    reached = objective_value(objective, best.energy, best.cycles.total)
    # Accesses and cycles are rounded up to whole ones, which the search does not see.
    slack = sum(item.energy / item.accesses for item in best.items if item.accesses) / best.energy
    slack = slack * (objective != "cycles") + 4 / best.cycles.total * (objective != "energy")
    for other in _others_above(shared, best.plan, home):
        try:
            found = evaluate_shared(shared, replace(best.plan, outer=other))
        except MappingError:
            continue
        value = objective_value(objective, found.energy, found.cycles.total)
        assert value >= reached * (1 - slack - 1e-9)


def _others(shared, plan, home, last):
    """Other loops of every part."""
    shapes = shared.shapes(plan.tile, plan.order)
    gather = phase_hardware(shared, "gather", home, last, plan.tile, plan.order)
    entries = phase_hardware(shared, "entries", home, home, plan.tile, plan.order)
    for mapping in _nests(shapes.gather, gather):
        yield "gather", mapping
    for mapping in _nests(shapes.entries(max(shared.widths(plan.tile, plan.order))), entries):
        yield "entries", mapping
    if home:
        for mapping in _others_above(shared, plan, home):
            yield "outer", mapping


def _others_above(shared, plan, home):
    """Other loops that bring tiles to the home."""
    rounds = dict(zip(Tile._fields, plan.tile.rounds(shared.layer), strict=True))
    below = [level for level in plan.outer.levels if level.level == plan.home]
    for mapping in _nests(layer_of(rounds), _above(shared.hardware, home)):
        yield Mapping((*mapping.levels[:home], *below))


def _above(hardware, home):
    """The hardware with loops above the home alone."""
    nothing = LevelConstraint(temporal=(), spatial_x=(), spatial_y=())
    closed = dict.fromkeys(hardware.level_names[home:], nothing)
    return replace(hardware, dataflow=Dataflow(levels=closed))


def _nests(layer, hardware):
    nests = every_nest(layer, hardware)
    if nests is None:
        return
    chosen = np.random.default_rng(0).permutation(len(nests))[:MOST_TRIED]
    for nest in nests[chosen].tolist():
        loops = [([], [], []) for _ in hardware.levels]
        for level, kind, dimension, bound in nest:
            if bound > 1:
                loops[level][kind].append(Loop(DIMENSIONS[dimension], bound))
        yield Mapping(
            tuple(
                LevelLoops(name, *map(tuple, own))
                for name, own in zip(hardware.level_names, loops, strict=True)
            )
        )

"""The search of shared mappings finds the least of all tiles and places."""

from __future__ import annotations

import contextlib
import itertools
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from random_sharing import shared_mappings, with_chip_keys
from shared_layers import problems, reached, shared_layer

from kcsim.errors import MappingError
from kcsim.hardware.level import Fanout, Level
from kcsim.hardware.schema import CodebookStore, Compute, Hardware
from kcsim.mapping.nest import LevelLoops, Loop, Mapping
from kcsim.mapping.search import OBJECTIVES
from kcsim.sharing.account import entries_cost, evaluate_shared, gather_cost
from kcsim.sharing.bounds import Bounds
from kcsim.sharing.limits import possible_groups
from kcsim.sharing.phase_search import PhaseSearch
from kcsim.sharing.places import Place, gathering_levels, possible_homes
from kcsim.sharing.plan import SharedMapping
from kcsim.sharing.search import MAPPED_TILES, find_shared_mapping
from kcsim.sharing.strategies import SHARINGS
from kcsim.sharing.tiles import Tile
from kcsim.workload.layer import ConvLayer


def divisors(number):
    return [n for n in range(1, number + 1) if number % n == 0]


def every_shared_mapping(shared, objective):
    """The best mapping of every tile and place, without bounds."""
    known, depth = PhaseSearch(objective), shared.unit.channels
    for home in possible_homes(shared.hardware):
        whole = Tile.whole(shared.layer)
        choices = [divisors(size) if home else [size] for size in whole]
        # Tiles that cut no unit.
        choices[3] = [c for c in choices[3] if c % depth == 0 or c == whole.C]
        lasts, may = gathering_levels(shared.hardware, home, shared.role), shared.unlisted
        places = [(each, at, 0) for each in (shared, may) for at in lasts]
        places += [(shared, home, filters) for filters in possible_groups(shared, home)]
        for (each, last, ordered), sizes in itertools.product(places, itertools.product(*choices)):
            tile = Tile(*sizes)
            # Lists of all entries are none.
            is_listed = each.widths(tile) != may.widths(tile) or each is may or ordered
            if sizes[2] % max(ordered, 1) or not is_listed:
                continue
            with contextlib.suppress(MappingError):
                yield known.mapped(each, Place(home, last, ordered), tile)


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)))
def test_the_search_finds_the_least_of_all_tiles_and_places(problem, objective, sharing):
    check_search(problem, objective, sharing)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)))
def test_the_search_finds_the_least_of_200_problems(problem, objective, sharing):
    check_search(problem, objective, sharing)


@st.composite
def real_problems(draw):
    layer, hardware, spec = draw(problems())
    hardware = draw(with_chip_keys(hardware.with_given_words()))
    return replace(layer, bias=draw(st.booleans())), hardware, spec


@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(real_problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)))
def test_the_search_finds_the_least_on_real_chips(problem, objective, sharing):
    check_search(problem, objective, sharing)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(real_problems(), st.sampled_from(OBJECTIVES), st.sampled_from(tuple(SHARINGS)))
def test_the_search_finds_the_least_of_200_problems_on_real_chips(problem, objective, sharing):
    check_search(problem, objective, sharing)


def check_search(problem, objective, sharing):
    layer, hardware, spec = problem
    shared = shared_layer(layer, hardware, spec, sharing)
    values = [reached(each, objective) for each in every_shared_mapping(shared, objective)]
    if not values:
        with pytest.raises(MappingError, match="cannot share"):
            find_shared_mapping(shared, objective)
        return
    found = find_shared_mapping(shared, objective)
    assert reached(found, objective) >= min(values)
    assert reached(found, objective) * (1 - found.search.gap) <= min(values) * (1 + 1e-9)
    if found.search.gap == 0:
        assert reached(found, objective) == min(values)
    else:
        assert found.search.evaluated == MAPPED_TILES
    assert find_shared_mapping(shared, objective, below=min(values)) is None
    again = evaluate_shared(shared, found.plan)
    assert (again.energy, again.cycles) == (found.energy, found.cycles)


@pytest.mark.slow
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(shared_mappings())
def test_none_of_300_random_mappings_takes_less_energy(drawn):
    check_random(drawn)


def check_random(drawn):
    assume(drawn is not None)
    tried = evaluate_shared(drawn.shared, drawn.mapping)
    found = find_shared_mapping(drawn.shared, "energy")
    assert found.energy * (1 - found.search.gap) <= tried.energy * (1 + 1e-9)


@pytest.mark.parametrize("leaking", [0.0, 100.0])
def test_homes_work_side_by_side_where_that_takes_the_fewest_cycles(leaking):
    levels = (
        Level(
            name="DRAM", read_pj=0.5, write_pj=1, leakage_pj_per_cycle=leaking,
            fanout=Fanout(x=4, reduction=False),
        ),
        Level(name="buffer", read_pj=0.5, write_pj=1, capacity_words=10**6),
    )  # fmt: skip
    store = CodebookStore(level="DRAM", capacity_kib=0.01, read_pj=0.5, write_pj=0.7)
    hardware = Hardware(name="wide", levels=levels, compute=Compute(mac_pj=2), codebook=store)
    layer = ConvLayer("layer", 4, 2, 1, 1, 1, 1)
    shared = shared_layer(layer, hardware, "kernel:k=1,scope=layer,dense=none", "share_products")
    one, none = Tile(1, 1, 1, 1, 1, 1), Mapping(())
    beside = LevelLoops("DRAM", (Loop("M", 2),), (Loop("C", 4),))
    better = SharedMapping(
        shared.sharing, "buffer", "buffer", False, one, Mapping((beside,)), none, none
    )
    # One product and one gathered value for each of 8 weights, on 4 units.
    tried = evaluate_shared(shared, better)
    assert tried.cycles.total == 4
    # What leaks above the homes is paid for in these cycles, not in those of one home.
    bounds = Bounds.of(shared, 1, 1)
    known = entries_cost(shared, better).cost, gather_cost(shared, better).cost
    at = bounds.tiles.tolist().index(list(one))
    assert bounds.value_with(at, "energy", *known) <= tried.energy
    found = find_shared_mapping(shared, "cycles")
    assert found.search.gap == 0
    assert found.cycles.total <= 4

"""Lower bounds of cascades are below what any mapping spends, and the search finds the least."""

from __future__ import annotations

from cascades import cascades
from hypothesis import assume, given, settings

from kcsim.model.cascade.bounds import Bounds
from kcsim.model.cascade.estimate import evaluate_cascade


@settings(max_examples=200, deadline=None)
@given(cascades())
def test_no_mapping_of_a_tile_costs_less_than_its_bound(cascade):
    assume(cascade is not None)
    shared, mapping = cascade.shared, cascade.mapping
    places = (shared.hardware.level_index(n) for n in (mapping.home, mapping.gathered_at))
    bounds = Bounds.of(shared, *places, mapping.ordered)
    found = evaluate_cascade(shared, mapping)
    i = bounds.tiles.index(mapping.tile)
    assert bounds.energy_pj[i] <= found.energy_pj * (1 + 1e-9)
    assert bounds.cycles[i] <= found.cycles.total

"""Bounds of a search: what becomes of a partial mapping never costs less than it says."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from padded_problems import padded_problem
from uneven_problems import random_problem

from kcsim.kernels.search.progress import CYCLES, ENERGY, ENERGY_DELAY, FOUND, FRONT
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.engine import begin_search, first_labels, run_search
from kcsim.mapping.floors import build_floors
from kcsim.mapping.problem import build_problem, has_ways
from kcsim.mapping.space import build_lattice, prime_factors

ALL = 1 << 62


def value_of(objective, energy, cycles):
    if objective in (ENERGY, CYCLES):
        return energy if objective == ENERGY else cycles
    return energy * cycles


def bounds_below(search):
    """Each mapping that a search found, with what its partial mappings cost at least."""
    rows = search.labels.rows
    for label, costs in zip(search.found[: search.labels.tally[FOUND]], search.best, strict=False):
        at = rows["parent"][label]
        while rows["parent"][at] >= 0:
            yield value_of(search.objective, *costs), rows["least"][at]
            at = rows["parent"][at]


@pytest.mark.parametrize("problem", [random_problem, padded_problem])
@settings(max_examples=100)
@given(
    st.integers(0, 100_000), st.sampled_from((ENERGY, CYCLES, ENERGY_DELAY, FRONT)),
    st.sampled_from((1, 2, ALL)),
)  # fmt: skip
def test_no_bound_exceeds_what_becomes_of_a_partial_mapping(problem, seed, objective, width):
    layer, hardware = problem(seed, most=3000)
    built = build_problem(layer, hardware, build_lattice(prime_factors(layer)))
    if not has_ways(built.problem):
        return
    nothing = np.full((64, 2), np.inf)
    search = begin_search(built, build_floors(built), objective, nothing, width=width)
    run_search(first_labels(search), Deadline())
    for value, least in bounds_below(search):
        assert least <= value * (1 + 1e-9)

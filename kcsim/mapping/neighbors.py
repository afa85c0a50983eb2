"""Searches of problems that are alike: bounds in common, and a first bound from a neighbor.

Such a search finds the same mapping whatever bound it starts from, and whether there is one: what
narrow searches find only limits the last one, which begins anew and takes, of mappings that are
equal, the first in its own order. The limit is above the optimum by far more than the tolerance
within which mappings are equal, so that none of them is left out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kcsim.kernels.search.problem import Problem
from kcsim.mapping.census import count_mappings
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.explore import Explorer, Form, promising
from kcsim.mapping.tables import SharedTables
from kcsim.mapping.task import Task

MARGIN = 1 + 1e-6
"""What the last search may find, in the least that is known to be had."""
_COUNTED = (
    "dimensions", "stationary", "first_stage", "last_stage", "first_split", "last_split"
)  # fmt: skip


class Neighbors(NamedTuple):
    """What is known from problems that are alike.

    Attributes
    ----------
    tables : SharedTables
    most : float
        What the optimum cannot exceed; infinite if nothing is known.
    """

    tables: SharedTables
    most: float = math.inf


class NeighborExplorer(Explorer):
    """Searches one problem of many; see the module."""

    def __init__(
        self, task: Task, objective: int, deadline: Deadline, neighbors: Neighbors
    ) -> None:
        super().__init__(task, objective, deadline, neighbors.tables)
        self.shared, self.reached = neighbors

    def _search_all(self, forms: Sequence[Form]) -> None:
        """Find the best mapping of any form: another search below what is known decides on ties."""
        parts = promising(forms)
        if self.reached < math.inf:
            self._search_below(parts)
            self._search_anew(parts)
        if not self.known.points and not self.deadline.has_passed:
            # Where factors are left together, there may be nothing below what is known.
            self.reached = math.inf
            self._search_narrowly(parts)
            self._search_anew(parts)

    def glance(self, factors: Sequence[Sequence[int]], first: float) -> None:
        """Look for something good, where nothing is known that is."""
        if self.reached == math.inf or first == math.inf:
            super().glance(factors, first)

    def _count(self, problem: Problem) -> int:
        lattice, tiles = problem.lattice, problem.splits["tile"]
        parts = lattice.digits, problem.stages, problem.places[list(_COUNTED)].tolist(), tiles
        return self.shared.of(parts, lambda: count_mappings(problem, self.deadline))

    def _search_below(self, forms: Sequence[Form]) -> None:
        """Look for something better than what is known, narrowly."""
        for form in forms:
            most = min(self.reached, self._best_value)
            if form.least <= most:
                self._run(form, most)

    def _search_anew(self, forms: Sequence[Form]) -> None:
        """Search all that may be as good as the best that is known."""
        points, best = self.known.points, self.best
        most = min(self.reached, self._best_value) * MARGIN
        self.known.points, self.best = [], np.full_like(best, np.inf)
        for form in forms:
            if form.least <= most:
                self._prove(form, most)
        if not self.known.points:
            self.known.points, self.best = points, best

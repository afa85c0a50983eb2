"""Every mapping of a layer, one by one, where there are few."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Protocol

import numpy as np

from kcsim.kernels.search.labels import Search
from kcsim.kernels.search.progress import DONE, ENERGY, HELD_BACK
from kcsim.mapping.census import count_mappings
from kcsim.mapping.chains import mapping_of
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.engine import begin_search, first_labels, run_search
from kcsim.mapping.floors import build_floors
from kcsim.mapping.nest import Mapping
from kcsim.mapping.problem import Built, build_problem, fits_outermost
from kcsim.mapping.space import build_lattice, prime_factors
from kcsim.mapping.task import Task


class Found(Protocol):
    """What is called with every mapping, and the level of its codebook."""

    def __call__(self, mapping: Mapping, codebook_level: int | None) -> None:
        """Take it."""


def list_mappings(task: Task, most: int, deadline: Deadline, found: Found) -> int | None:
    """Call `found` with every mapping that fits, and the level of its codebook; some come twice.

    Left out are those that cost the same as another one, which has a tensor at another place of a
    level. Returns how many mappings there are; ``None`` if there are more than `most`, and none
    were listed, or if the time is over.

    Raises
    ------
    OutOfTime
        If the deadline passes before the first one.
    """
    lattice, count = build_lattice(prime_factors(task.layer)), 0
    problems = []
    for form in task.weights:
        built = build_problem(
            task.layer, task.hardware, lattice, form, task.prices, even=task.even,
            deadline=deadline,
        )  # fmt: skip
        count += count_mappings(built.problem, deadline)
        if count > most:
            return None
        problems.append((built, form.store_level))
    for built, codebook_level in problems:
        if fits_outermost(built.problem) and not _list(
            task, built, deadline, functools.partial(found, codebook_level=codebook_level)
        ):
            return None
    return count


def _list(task: Task, built: Built, deadline: Deadline, found: Callable[[Mapping], None]) -> bool:
    """List the mappings of a problem; whether all were."""

    def settle(search: Search) -> None:
        tally = search.labels.tally
        for label in search.held[: tally[HELD_BACK]].tolist():
            found(mapping_of(task.hardware, built.problem, search.labels, label))
        tally[HELD_BACK] = 0

    # Rows and columns may be alike here, but not in the layer that a mapping is for.
    built = built._replace(problem=built.problem._replace(mirror=np.empty(0, np.int64)))
    floors = build_floors(built, deadline)
    search = begin_search(built, floors, ENERGY, np.full((1, 2), np.inf), width=-1)
    return run_search(first_labels(search), deadline, settle) == DONE

"""How many mappings a layer has on a hardware."""

from __future__ import annotations

import numpy as np

from kcsim.kernels.search import census
from kcsim.kernels.search.problem import Problem
from kcsim.mapping.deadline import Deadline
from kcsim.mapping.space import in_cuts


def count_mappings(problem: Problem, deadline: Deadline | None = None) -> int:
    """Number of mappings, whether their tiles fit or not; above 2^53 but for rounding.

    Every way to spread factors over the children of the levels, times every chain that loops in
    time and tensors then make. Factors of a dimension with nothing in between are one loop,
    tensors with no loop in between have no order, and it does not matter which children lie along
    which axis.
    """
    deadline = deadline or Deadline()
    chains = _chains(problem, deadline)
    spread = np.zeros_like(chains)
    spread[0] = 1
    for place in problem.places[:-1]:
        found, tiles = np.zeros_like(spread), np.flatnonzero(spread)
        # Strided and contiguous arrays would be compiled for apart.
        tile = problem.splits["tile"][place["first_split"] : place["last_split"]]
        splits = np.ascontiguousarray(tile)
        for first, last, cut in in_cuts(len(splits), tiles, deadline):
            census.count_spreads(problem.lattice, splits[first:last], cut, spread, found)
        spread = found
    return int(chains @ spread[::-1])


def _chains(problem: Problem, deadline: Deadline) -> np.ndarray:
    """Chains of loops in time, and places of tensors, that make each tile: float64[tiles]."""
    lattice = problem.lattice
    tiles, factors = len(lattice.extents), len(lattice.digits)
    ways = np.empty((2, tiles, factors + 1))
    entering = np.zeros((2, tiles))
    entering[0, 0] = 1
    for level in range(len(problem.places) - 2, -1, -1):
        place, own = problem.places[level], np.flatnonzero(problem.stages["level"] == level)
        begun = {int(stage): np.zeros((2, tiles)) for stage in own}
        for stage in range(place["first_stage"], place["last_stage"]):
            begun[stage] = entering
        ended = np.zeros(tiles)
        for stage in own.tolist():
            deadline.check()
            row, found = problem.stages[stage], np.empty((2, tiles))
            loops = bool(row["loops"]) or level == 0
            census.count_chains(
                lattice, place["dimensions"], place["stationary"], loops, begun[stage], ways, found
            )
            # What touches is placed together: the next one stands behind a loop at least.
            behind = found - begun[stage] if row["placed"] else found
            for after in _reached(problem, stage):
                begun[after] += behind
            if row["placed"] == row["kept"] or level == 0:
                ended += found.sum(axis=0)
        entering = np.array([ended, np.zeros(tiles)])
    chains: np.ndarray = entering[0]
    return chains


def _reached(problem: Problem, stage: int) -> list[int]:
    """Stages that tensors placed together lead to, one or more of them."""
    found: set[int] = set()
    todo = [stage]
    while todo:
        after = [int(n) for n in problem.stages[todo.pop()]["after"] if n >= 0]
        todo += [n for n in after if n not in found]
        found.update(after)
    return sorted(found)

"""Whether a mapping is one that a search may find, and what it comes to there."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from kcsim.cost.prices import DENSE, WeightCosts
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search import optimum
from kcsim.kernels.search.labels import COMMIT_STEP, PLACED_STEP, SPREAD_STEP
from kcsim.kernels.search.progress import ENERGY
from kcsim.mapping.chains import Chain, chains_of, find_split
from kcsim.mapping.engine import begin_search
from kcsim.mapping.floors import no_floors
from kcsim.mapping.forwarding import settle_held
from kcsim.mapping.nest import Loop, Mapping
from kcsim.mapping.problem import Built, build_problem, fits_outermost
from kcsim.mapping.space import build_lattice
from kcsim.workload.layer import DIMENSIONS, ConvLayer


def costs_in_space(
    mapping: Mapping,
    layer: ConvLayer,
    hardware: Hardware,
    weights: Sequence[WeightCosts] = (DENSE,),
    *,
    even: bool = False,
) -> Iterator[tuple[float, float]]:
    """Energy and cycles of a mapping, for every form of the weights with which it fits.

    None if the mapping is not in the map space of the layer on the hardware.

    Parameters
    ----------
    mapping : Mapping
    layer : ConvLayer
    hardware : Hardware
    weights : sequence of WeightCosts
        See `kcsim.mapping.search.search_mapping`.
    even : bool
        Likewise.
    """
    if mapping.problems(layer, hardware) or not mapping.is_perfect(layer):
        return
    chains = chains_of(mapping, hardware)
    loops = [loop for chain in chains for loop in (*chain.in_time, *chain.spread)]
    if any(loop.bound == 1 for loop in loops):
        return
    lattice = build_lattice([[n.bound for n in loops if n.dimension == d] for d in DIMENSIONS])
    for form in weights:
        spreads = [chain.mesh for chain in chains]
        built = build_problem(layer, hardware, lattice, form, even=even, spreads=spreads)
        steps = _steps(built, chains)
        if steps is None or not fits_outermost(built.problem):
            return
        room = len(steps) + 2
        nothing = np.full((1, 2), np.inf)
        search = begin_search(built, no_floors(built), ENERGY, nothing, room=room)
        optimum.search_on(search, 0, steps)
        settle_held(search)
        energy, cycles = search.best[0].tolist()
        if energy < math.inf:
            yield energy, cycles


def _steps(built: Built, chains: Sequence[Chain]) -> np.ndarray | None:
    """The steps of a mapping, and the stages after them: int64[steps, 2].

    ``None`` if one is not in the space.
    """
    problem, steps, stages = built.problem, [], []
    digits = problem.lattice.digits.tolist()
    factors = {(DIMENSIONS[row[0]], row[1]): i for i, row in enumerate(digits)}
    for level in range(len(chains) - 1, -1, -1):
        kept, spread, _, items = chains[level]
        tile = sum(digits[factors[n.dimension, n.bound]][3] for n in spread)
        split = find_split(problem, level, chains[level], tile)
        stage = built.numbers.get((level, kept, 0), -1)
        if split < 0 or stage < 0:
            return None
        steps.append(SPREAD_STEP + split)
        stages.append(stage)
        for item in items:
            if isinstance(item, Loop):
                if not problem.stages["loops"][stage]:
                    return None
                steps.append(factors[item.dimension, item.bound])
            else:
                placed = int(problem.stages["placed"][stage]) | 1 << item
                stage = built.numbers[level, kept, placed]
                steps.append(PLACED_STEP + item)
            stages.append(stage)
        if level:
            steps.append(COMMIT_STEP - _next_dimension(chains[:level]))
            stages.append(stage)
    return np.array([steps, stages]).T.copy()


def _next_dimension(outside: Sequence[Chain]) -> int:
    """The dimension of the next loop; if there is none, one that is spread to the last."""
    loops = [loop for chain in reversed(outside) for loop in chain.in_time]
    loops = loops or [loop for chain in outside for loop in chain.spread]
    return DIMENSIONS.index(loops[0].dimension) if loops else 0

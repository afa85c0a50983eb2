"""What is asked of the mapper: a layer, the hardware, and what weights cost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kcsim.cost.prices import DENSE, Prices, WeightCosts
from kcsim.hardware.schema import Hardware
from kcsim.kernels.search.progress import FRONT
from kcsim.mapping.explored import objective_of
from kcsim.mapping.least import least_of_any
from kcsim.mapping.limits import Limits
from kcsim.mapping.problem import kept_choices
from kcsim.mapping.space import prime_factors
from kcsim.workload.layer import DIMENSIONS, ConvLayer

TABLE_BYTES = 1_500_000_000
"""Memory of the bounds."""
_OPEN = 45
"""Tensors placed and open, of a level, that there are bounds for."""


@dataclass(frozen=True)
class Task:
    """A layer to be mapped; see `kcsim.mapping.search.search_mapping`.

    Attributes
    ----------
    layer, hardware, weights, prices, even
    is_counted : bool
        Whether somebody asks how many mappings there are.
    filled : int
        Levels, from the outermost in, that are known to hold all of the tensors that they keep
        in a best mapping.
    uncut : str
        Dimensions that have one loop each.
    """

    layer: ConvLayer
    hardware: Hardware
    weights: Sequence[WeightCosts] = (DENSE,)
    prices: Prices | None = None
    even: bool = False
    limits: Limits = ()
    fixed: bool = False
    is_counted: bool = True
    filled: int = 1
    uncut: str = ""

    @property
    def factors(self) -> list[list[int]]:
        """Factors of every dimension that loops are made of."""
        factors = prime_factors(self.layer)
        return [
            each if name not in self.uncut else [math.prod(each)] * (len(each) > 0)
            for name, each in zip(DIMENSIONS, factors, strict=True)
        ]

    @property
    def stages(self) -> int:
        """Stages of its search."""
        kept = [kept_choices(level) for level in self.hardware.levels[1:]]
        return 1 + sum(1 << each.bit_count() for choices in kept for each in choices)

    @property
    def most_tiles(self) -> int:
        """Tiles of a layer of which all can be searched."""
        # Pages of the tables that nothing is written to take no memory.
        return TABLE_BYTES // (8 * (_OPEN + 40 + 2 * self.stages))

    def least(self, objective: int) -> tuple[float, float]:
        """What no mapping undercuts, known at once; see `Explored.left_out`."""
        costs = [least_of_any(self.layer, self.hardware, *form) for form in self._forms()]
        energy, cycles = (min(column) for column in zip(*costs, strict=True))
        if objective == FRONT:
            return energy, cycles
        return (objective_of(objective, energy, cycles),) * 2

    def _forms(self) -> list[tuple[WeightCosts, Prices | None]]:
        return [(form, self.prices) for form in self.weights]

"""What first reads and drains cost, where a level counts them."""

from __future__ import annotations

import numpy as np

from kcsim.hardware.level import Level
from kcsim.kernels.search import machine as columns


def count_sums(costs: np.ndarray, level: Level, read_pj: float, read_cycles: float) -> None:
    """Fill what reading a partial sum costs as it is begun, and as it leaves.

    Parameters
    ----------
    costs : float64[13]
        Of outputs at a level; see `kcsim.kernels.search.machine`.
    level : Level
    read_pj, read_cycles : float
        Of one read of a partial sum.
    """
    if level.counted.first_reads:
        costs[columns.FIRST_PJ], costs[columns.FIRST_CYCLES] = read_pj, read_cycles
    if level.counted.drains:
        costs[columns.DRAIN_PJ], costs[columns.DRAIN_CYCLES] = read_pj, read_cycles

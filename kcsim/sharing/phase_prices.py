"""What the search of a phase pays for: what is its own, at the home and below."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kcsim.cost.prices import Prices
from kcsim.kernels.search import machine as columns
from kcsim.sharing.phases import entry_levels, first_levels
from kcsim.sharing.plan import SharedLayer
from kcsim.workload.layer import TENSORS

_OUTSIDE = [columns.FILL_PJ, columns.DRAIN_PJ, columns.WRITE_CYCLES, columns.DRAIN_CYCLES]
"""What of a level is not for what happens below it."""
_CYCLES = [
    columns.READ_CYCLES, columns.WRITE_CYCLES, columns.UPDATE_CYCLES, columns.SPILL_CYCLES,
    columns.DRAIN_CYCLES,
]  # fmt: skip


def _prices(firsts: Sequence[int], home: int) -> np.ndarray:
    """Factors for a phase that takes each tensor from some level: see `Prices`.

    What happens above is not its own, nor does it wait for levels above its home.
    """
    factors = np.ones((home + 1, 3, columns.COSTS))
    for j, first in enumerate(firsts):
        factors[:first, j] = 0
        factors[first, j, _OUTSIDE] = 0
    factors[:home, :, _CYCLES] = 0
    factors[:, :, columns.VALUE_BITS] = 0
    return factors


def entry_prices(shared: SharedLayer, home: int) -> Prices:
    """The phase that multiplies."""
    factors = np.ones((len(shared.hardware.levels), 3, columns.COSTS))
    factors[: home + 1] = _prices(entry_levels(shared, home), home)
    return Prices(factors)


def gather_prices(shared: SharedLayer, home: int, last: int, width: int) -> Prices:
    """The phase that gathers: tables move as a whole, and are gathered from at a fixed price."""
    factors = np.ones((len(shared.hardware.levels), 3, columns.COSTS))
    factors[: home + 1] = _prices(first_levels(shared.hardware, home), home)
    role = TENSORS.index(shared.role)
    factors[: last + 1, role] *= width
    factors[last, role, [columns.READ_PJ, columns.UPDATE_PJ, columns.TRANSFER_PJ]] = 0
    factors[last, role, [columns.READ_CYCLES, columns.SPILL_CYCLES]] = 0
    factors[last + 1 :, role] = 0
    if role == TENSORS.index("outputs"):
        factors[last, role, [columns.WRITE_CYCLES, columns.UPDATE_CYCLES]] = 0
    return Prices(factors)
